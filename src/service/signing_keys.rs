//! The keys that sign the checkpoints and exports of a ledger: drawn when the first is needed, replaced once a year or when
//! somebody wants it. Of one that was replaced the private half is destroyed; the public half is kept for good.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{
        ed25519::PublicKey,
        signing_key::{Seed, key_id},
    },
    domain::{
        event::{Actor, EventType},
        instant::Instant,
        tenant::Namespace,
    },
    store::{Direction, Expected, Query, Row},
};

use super::{
    Broker, Caller, Error,
    events::Origin,
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
};

/// A key signs for so long.
const SIGNS_FOR: Duration = Duration::from_secs(365 * 24 * 3600);

/// More keys than a ledger comes to have: older ones are not listed, and what they signed is not verified.
const MOST: usize = 1_000;

/// The row of a signing key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SigningKeyRow {
    number: u32,
    public_key: PublicKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<Seed>,
    created_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_at: Option<Instant>,
}

/// A key that signs, or has signed.
#[derive(Clone, Debug)]
pub struct PublicSigningKey {
    /// Its name.
    pub id: String,
    /// Its public half.
    pub public_key: PublicKey,
    /// Since when it signs.
    pub created_at: Instant,
    /// Since when it does no more.
    pub replaced_at: Option<Instant>,
}

impl From<SigningKeyRow> for PublicSigningKey {
    fn from(row: SigningKeyRow) -> Self {
        let SigningKeyRow { public_key, created_at, replaced_at, .. } = row;
        Self { id: key_id(&public_key), public_key, created_at, replaced_at }
    }
}

impl Broker {
    /// The keys of the caller's tenant, newest first.
    ///
    /// # Errors
    /// When the caller does not administer the tenant.
    pub async fn signing_keys(&self, caller: &Caller) -> Result<Vec<PublicSigningKey>, Error> {
        caller.administers()?;
        self.public_signing_keys(caller.namespace()).await
    }

    /// Draws a key in the place of this one, which signs no more.
    ///
    /// # Errors
    /// When the caller does not administer the tenant; [`Error::NotFound`] for what is none of its keys; a conflict where it was
    /// replaced before.
    pub async fn replace_signing_key(&self, caller: &Caller, id: &str) -> Result<PublicSigningKey, Error> {
        caller.administers()?;
        let namespace = caller.namespace();
        let keys = self.public_signing_keys(namespace).await?;
        keys.iter().find(|key| key.id == id).ok_or(Error::NotFound)?;
        let replaced =
            || Error::conflict("replaced", "this key was replaced before; list the keys to see the one that signs now");
        let newest = self.newest_signing_key(namespace).await?;
        let newest = newest.filter(|newest| key_id(&newest.value.public_key) == id).ok_or_else(replaced)?;
        let drawn = self.draw_signing_key(caller.origin(self), caller.actor(), Some(newest)).await?;
        drawn.map(Into::into).ok_or_else(replaced)
    }

    /// All keys of a namespace, newest first.
    pub(super) async fn public_signing_keys(&self, namespace: Namespace) -> Result<Vec<PublicSigningKey>, Error> {
        let sealed = self.sealed(namespace.tenant).await?;
        let rows = self.signing_key_rows(namespace, MOST).await?;
        rows.iter().map(|row| Ok(sealed.decode::<SigningKeyRow>(row)?.value.into())).collect()
    }

    /// The key that signs now: the newest, or a new one.
    pub(super) async fn signing_key(&self, namespace: Namespace) -> Result<Seed, Error> {
        for _ in 0..ROUNDS {
            let newest = self.newest_signing_key(namespace).await?;
            let signs = newest.as_ref().filter(|key| self.now() < key.value.created_at.plus(SIGNS_FOR));
            if let Some(seed) = signs.and_then(|key| key.value.seed.clone()) {
                return Ok(seed);
            }
            let origin = Origin { namespace, asking: None, at: self.now() };
            self.draw_signing_key(origin, Actor::System, newest).await?;
        }
        Err(outrun())
    }

    async fn signing_key_rows(&self, namespace: Namespace, limit: usize) -> Result<Vec<Row>, Error> {
        let (partition, begins_with) = (rows::signing_keys(namespace), String::new());
        let query = Query { partition, begins_with, after: None, limit, direction: Direction::Descending };
        Ok(self.store.query(&query).await?)
    }

    async fn newest_signing_key(&self, namespace: Namespace) -> Result<Option<Record<SigningKeyRow>>, Error> {
        let rows = self.signing_key_rows(namespace, 1).await?;
        self.sealed(namespace.tenant).await?.decode_if(rows.first())
    }

    /// Puts a new key behind this one; none where somebody else was faster.
    async fn draw_signing_key(
        &self,
        origin: Origin,
        actor: Actor,
        before: Option<Record<SigningKeyRow>>,
    ) -> Result<Option<SigningKeyRow>, Error> {
        let namespace = origin.namespace;
        let sealed = self.sealed(namespace.tenant).await?;
        let seed = Seed::draw(self.entropy.as_ref());
        let number = before.as_ref().map_or(1, |before| before.value.number + 1);
        let row = SigningKeyRow {
            number,
            public_key: seed.key().public(),
            seed: Some(seed),
            created_at: origin.at,
            replaced_at: None,
        };
        let kind = if before.is_some() { EventType::LedgerKeyReplaced } else { EventType::LedgerKeyCreated };
        let event = origin.done(kind, actor, key_id(&row.public_key));
        let write = sealed.put(rows::signing_key(namespace, number), Expected::Absent, &row, None)?;
        let mut transaction = self.recording(&event)?.write(write);
        if let Some(Record { value, version }) = before {
            let replaced = SigningKeyRow { seed: None, replaced_at: Some(origin.at), ..value };
            let key = rows::signing_key(namespace, replaced.number);
            transaction = transaction.write(sealed.put(key, Expected::Version(version), &replaced, None)?);
        }
        match committed(self.store.commit(transaction).await)? {
            Committed::Done => Ok(Some(row)),
            Committed::ReadAgain => Ok(None),
        }
    }
}
