//! The console: signing in with an API key, and out.
//!
//! A session gives what its key gives, as that is at each request; nothing that
//! is looked up when signing in is kept but which key it was.

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{
        opaque::{ApiKeySecret, ConsoleSecret, ConsoleSecretHash},
        secret::SecretText,
    },
    domain::{console::ConsoleSession, event::EventType, identity::SecondFactor, ids::ConsoleSessionId, lifetime},
    store::{Expected, Write},
};

use super::{
    Asking, Broker, Caller, Error,
    access::{Authority, Console},
    records::{Committed, ROUNDS, committed, outrun},
    rows,
    single_sign_on::Arrival,
    users::surely,
};

/// Marks an attempt to sign in that has begun a session.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Used {}

/// Somebody who has just signed in. No `Debug`: the secret is a credential.
pub struct SignedIn {
    /// Who, and in which session.
    pub caller: Caller,
    /// Handed out this once.
    pub secret: ConsoleSecret,
}

impl Broker {
    /// Begins a session of the console for the holder of this API key.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same for every key that is not accepted.
    pub async fn sign_in(&self, key: &SecretText, asking: Asking) -> Result<SignedIn, Error> {
        let secret = ApiKeySecret::parse(key).map_err(|_| Error::Unauthenticated)?;
        let caller = self.with_key(&secret, asking).await?;
        self.begin_session(caller, SecondFactor::NotSaid, None).await
    }

    /// Begins a session of the console for whom a provider has vouched: one for each attempt to sign in.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same for everybody who was not let in, and for an attempt that was used.
    pub async fn sign_in_by_provider(&self, arrival: &Arrival, asking: Asking) -> Result<SignedIn, Error> {
        let caller = self.vouched_for(&arrival.identity, asking).await?;
        let used = rows::attempt_used(&arrival.attempt);
        let once = self.put(used, Expected::Absent, &Used {}, Some(arrival.expires_at))?;
        self.begin_session(caller, arrival.identity.second_factor, Some(once)).await
    }

    async fn begin_session(
        &self,
        caller: Caller,
        second_factor: SecondFactor,
        once: Option<Write>,
    ) -> Result<SignedIn, Error> {
        let origin = caller.origin(self);
        let id = ConsoleSessionId::new(origin.at, self.entropy.bytes());
        let session = ConsoleSession::begin(id, &caller.tenant, &caller.principal, second_factor, origin.at);
        let secret = ConsoleSecret::generate(self.entropy.as_ref());
        let console = Console { session: session.clone(), hash: secret.hash() };
        let caller = Caller { console: Some(console), secret: None, ..caller };
        let purge = Some(session.expires_at.plus(lifetime::REMEMBERED));
        let row = self.put(rows::console_session(secret.hash()), Expected::Absent, &session, purge)?;
        let event = origin.done(EventType::ConsoleSignedIn, caller.actor(), id);
        let ledger = rows::ledger(origin.namespace);
        let mut transaction = self.recording(&event)?.write(self.lead_to(&ledger, &row)?).write(row);
        if let Some(once) = once {
            transaction = transaction.write(self.lead_to(&ledger, &once)?).write(once);
        }
        match committed(self.store.commit(transaction).await)? {
            Committed::Done => Ok(SignedIn { caller, secret }),
            Committed::ReadAgain => Err(Error::Unauthenticated),
        }
    }

    /// The caller in this session of the console. Session, key and tenant are
    /// read again each time.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same for every session that is not accepted.
    pub async fn in_console(&self, secret: &ConsoleSecret, asking: Asking) -> Result<Caller, Error> {
        self.in_console_session(secret.hash(), asking).await
    }

    /// The caller as they are now, if they have not signed out since.
    ///
    /// # Errors
    /// As [`Broker::in_console`].
    pub(super) async fn still_in_console(&self, console: &Console, asking: Asking) -> Result<Caller, Error> {
        self.in_console_session(console.hash, asking).await
    }

    pub(super) async fn in_console_session(&self, hash: ConsoleSecretHash, asking: Asking) -> Result<Caller, Error> {
        let [row] = self.store.get([rows::console_session(hash)]).await?;
        let session: ConsoleSession = row.and_then(|row| self.readable(&row)).ok_or(Error::Unauthenticated)?;
        let Authority { tenant, minter: principal, .. } = self.authority(&session.principal, None).await?;
        let now = self.now();
        session.stands(tenant.as_ref(), principal.as_ref(), now).map_err(|_| Error::Unauthenticated)?;
        let (Some(tenant), Some(principal)) = (tenant, principal) else { return Err(Error::Unauthenticated) };
        // Whoever has become an administrator since signs in anew, with a second factor.
        surely(&principal, session.second_factor).map_err(|_| Error::Unauthenticated)?;
        self.called(&principal, now);
        Ok(Caller { principal, tenant, console: Some(Console { session, hash }), secret: None, asking })
    }

    /// Ends the caller's session of the console.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when they are in none, or it has ended already.
    pub async fn sign_out(&self, caller: &Caller) -> Result<(), Error> {
        let console = caller.console.as_ref().ok_or(Error::Unauthenticated)?;
        for _ in 0..ROUNDS {
            let key = rows::console_session(console.hash);
            let [row] = self.store.get([key.clone()]).await?;
            let session = self.decode_if::<ConsoleSession>(row.as_ref())?.ok_or(Error::Unauthenticated)?;
            let origin = caller.origin(self);
            let ended = session.value.end(origin.at).ok_or(Error::Unauthenticated)?;
            let event = origin.done(EventType::ConsoleSignedOut, caller.actor(), ended.id);
            let purge = Some(ended.expires_at.plus(lifetime::REMEMBERED));
            let write = self.put(key, Expected::Version(session.version), &ended, purge)?;
            match committed(self.store.commit(self.recording(&event)?.write(write)).await)? {
                Committed::Done => return Ok(()),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }
}
