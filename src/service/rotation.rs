//! Keys that are replaced while replicas run: which keys each of them uses, and whether a key may be given up.
//!
//! A replica reads its keys again and again, and tells in the store which it has. So it is known when all accept a key that is
//! staged, and when none seals under one any more. What rows were vouched for with a key is found out by
//! [`super::rewriting`]; before that is done the key is not given up, whatever the document says.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{
        edge_keys::EdgeKeys,
        keyring::{KeyState, Keyring, Kid, ListedKey, NotASuccessor},
    },
    domain::{ids::AttemptId, instant::Instant},
    store::{Direction, Expected, Query, Transaction},
};

use super::{
    Broker, Error,
    records::{Committed, ROUNDS, committed, outrun},
    rows,
};

/// A replica that has told nothing for so long is gone.
const GONE: Duration = Duration::from_secs(120);

/// For so long what a replica told is kept, at least.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// More replicas than a deployment has.
const MOST: usize = 1_000;

/// What this process knows of the rotation of keys.
#[derive(Debug, Default)]
pub struct Rotation {
    replica: OnceLock<String>,
    /// How many rows it has vouched for anew.
    pub(super) rewritten: AtomicU64,
    /// How often it could not take the keys that it read.
    refused: AtomicU64,
    known: Mutex<KnownKeys>,
}

/// What this process knows of its keys, beside what they are.
#[derive(Clone, Debug, Default)]
pub struct KnownKeys {
    /// All of them, as they are kept.
    pub listed: Vec<ListedKey>,
    /// Whether a row may be vouched for with a root key, by its kid.
    pub used: BTreeMap<String, bool>,
}

impl Rotation {
    /// How many rows were vouched for anew, and how often keys were not taken.
    pub fn figures(&self) -> [u64; 2] {
        [self.rewritten.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed)]
    }

    /// What is known of the keys.
    pub fn known(&self) -> KnownKeys {
        self.known_keys().clone()
    }

    /// These are the keys that there are.
    pub fn listed(&self, keys: Vec<ListedKey>) {
        self.known_keys().listed = keys;
    }

    /// Whether a row may be vouched for with this root key.
    pub(super) fn used(&self, kid: Kid, is_used: bool) {
        self.known_keys().used.insert(kid.to_string(), is_used);
    }

    fn known_keys(&self) -> MutexGuard<'_, KnownKeys> {
        // A panic elsewhere leaves what was known.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keys were there that could not be taken.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// A row of what a replica has told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaRow {
    /// Which program it is.
    pub program: String,
    /// The states that root keys have there, by their kids.
    pub keys: BTreeMap<String, KeyState>,
    /// When it told.
    pub seen_at: Instant,
}

impl ReplicaRow {
    /// Whether it opens what is sealed under this key.
    pub fn accepts(&self, kid: &str) -> bool {
        self.keys.get(kid).is_some_and(|state| *state != KeyState::Retired)
    }
}

/// Why keys that were read are not used.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// There is more to be done before.
    #[error(
        "the root key {0} is retired, but rows may still be vouched for with it: make it accept-only again, until cloakroom \
         keys list says that it is used no more"
    )]
    StillUsed(Kid),
    /// They are other keys.
    #[error(transparent)]
    NotASuccessor(#[from] NotASuccessor),
    /// The store does not answer.
    #[error(transparent)]
    Unavailable(#[from] Error),
}

/// That no row is vouched for with a key any more, unless it was primary again since.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RewrittenRow {
    /// None, where it became primary again.
    pub(super) at: Option<Instant>,
}

impl Broker {
    /// Takes these keys in the place of those in use. Tells whether that changes anything.
    ///
    /// # Errors
    /// When a key would be given up that is still used, or they are other keys. Those in use stay, then.
    pub async fn take_keys(&self, keyring: &Keyring, edge: &EdgeKeys) -> Result<bool, NotTaken> {
        for kid in self.keyring.retired_by(keyring) {
            if self.rewritten_at(kid).await?.is_none() {
                return Err(NotTaken::StillUsed(kid));
            }
        }
        // Before anything is sealed under it.
        self.note_used(keyring.primary()).await?;
        let is_other = self.keyring.replace(keyring)?;
        Ok(self.edge.replace(edge) || is_other)
    }

    /// Whether all keys that are retired are used no more: else rows cannot be read. To be asked before anything is sealed.
    ///
    /// # Errors
    /// As [`Broker::take_keys`].
    pub async fn check_retired_keys(&self) -> Result<(), NotTaken> {
        self.note_used(self.keyring.primary()).await?;
        for key in self.keyring.keys().iter().filter(|key| key.state == KeyState::Retired) {
            if self.rewritten_at(key.kid).await?.is_none() {
                return Err(NotTaken::StillUsed(key.kid));
            }
        }
        Ok(())
    }

    /// Since when no row is vouched for with this key.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn rewritten_at(&self, kid: Kid) -> Result<Option<Instant>, Error> {
        let [row] = self.store.get([rows::rewritten(self.keyring.deployment(), kid)]).await?;
        // What is vouched for with the key in question, once that is retired, says that it is used.
        Ok(row.and_then(|row| self.readable::<RewrittenRow>(&row)?.at))
    }

    /// A key that becomes primary is used, though it may not have been for a while.
    async fn note_used(&self, kid: Kid) -> Result<(), Error> {
        match self.rewritten_at(kid).await? {
            Some(_) => self.note_rewritten(kid, None).await,
            None => Ok(()),
        }
    }

    /// Notes since when no row is vouched for with a key; or that it is used.
    pub(super) async fn note_rewritten(&self, kid: Kid, at: Option<Instant>) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let key = rows::rewritten(self.keyring.deployment(), kid);
            let [row] = self.store.get([key.clone()]).await?;
            let expected = row.map_or(Expected::Absent, |row| Expected::Version(row.version));
            let write = self.put(key, expected, &RewrittenRow { at }, None)?;
            let transaction = Transaction::noting(AttemptId::new(self.now(), self.entropy.bytes()), write);
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return Ok(()),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// Tells the others which keys this process has.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn note_replica(&self) -> Result<(), Error> {
        self.note_replica_seen(self.now()).await
    }

    /// Tells the other replicas that this one is gone, if it ever told them that it is there: nobody has to wait for it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn note_replica_gone(&self) -> Result<(), Error> {
        match self.rotation.replica.get() {
            Some(_) => self.note_replica_seen(Instant::from_unix_seconds(0)).await,
            None => Ok(()),
        }
    }

    async fn note_replica_seen(&self, seen_at: Instant) -> Result<(), Error> {
        let row = rows::replica(self.keyring.deployment(), self.replica());
        let [found] = self.store.get([row.clone()]).await?;
        let expected = found.map_or(Expected::Absent, |row| Expected::Version(row.version));
        let now = self.now();
        let told = ReplicaRow {
            program: env!("CARGO_PKG_VERSION").into(),
            keys: self.keyring.keys().iter().map(|key| (key.kid.to_string(), key.state)).collect(),
            seen_at,
        };
        let write = self.put(row, expected, &told, Some(now.plus(KEPT)))?;
        let transaction = Transaction::noting(AttemptId::new(now, self.entropy.bytes()), write);
        committed(self.store.commit(transaction).await).map(drop)
    }

    /// What those replicas told that are not gone.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn replicas(&self) -> Result<Vec<ReplicaRow>, Error> {
        let (partition, begins_with) = rows::replicas(self.keyring.deployment());
        let query = Query { partition, begins_with, after: None, limit: MOST, direction: Direction::Ascending };
        let found = self.store.query(&query).await?;
        // One that seals under a key which is not known here is there, and has others.
        let unknown = || ReplicaRow { program: String::new(), keys: BTreeMap::new(), seen_at: self.now() };
        let told = found.iter().filter_map(|row| match self.keyring.has_key_of_row(&row.body) {
            true => self.readable::<ReplicaRow>(row),
            false => Some(unknown()),
        });
        Ok(told.filter(|told| self.now() < told.seen_at.plus(GONE)).collect())
    }

    /// What this process is called among the replicas.
    pub(super) fn replica(&self) -> &str {
        self.rotation.replica.get_or_init(|| base16ct::lower::encode_string(&self.entropy.bytes::<16>()))
    }
}
