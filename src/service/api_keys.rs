//! API keys: create, and give a new secret.

use std::time::Duration;

use crate::{
    crypto::opaque::ApiKeySecret,
    domain::{
        event::EventType,
        ids::ApiKeyId,
        instant::Instant,
        principal::{KeySecret, KnownBy, Principal, PrincipalId},
        quota::Scope,
        tenant::{Mode, Tenant},
    },
    store::{Expected, Write},
};

use super::{
    Broker, Caller, Error, access::ApiKeyPointer, events::Origin, idempotency::Reply, principals::NewPrincipal,
    records::Record, rows, sealed_records::SealedRecords,
};

/// A key and its secret, of which only the hash is kept.
#[derive(Debug)]
pub struct CreatedApiKey {
    /// The key.
    pub key: Principal,
    /// Shown this once.
    pub secret: ApiKeySecret,
}

impl Broker {
    /// A new key of this tenant, and the writes that store it.
    pub(super) fn new_api_key(
        &self,
        sealed: &SealedRecords<'_>,
        tenant: &Tenant,
        wanted: NewPrincipal,
        operator: bool,
        now: Instant,
    ) -> Result<(CreatedApiKey, [Write; 3]), Error> {
        self.new_key_of(sealed, tenant, wanted, operator, now, |secret| KnownBy::ApiKey { secrets: vec![secret] })
    }

    /// As [`Broker::new_api_key`], of whatever kind.
    pub(super) fn new_key_of(
        &self,
        sealed: &SealedRecords<'_>,
        tenant: &Tenant,
        wanted: NewPrincipal,
        operator: bool,
        now: Instant,
        known_by: impl FnOnce(KeySecret) -> KnownBy,
    ) -> Result<(CreatedApiKey, [Write; 3]), Error> {
        let secret = ApiKeySecret::generate(wanted.mode, self.entropy.as_ref());
        let id = ApiKeyId::new(now, self.entropy.bytes());
        let known_by = known_by(KeySecret { number: 0, preview: secret.preview(), until: None });
        let key = self.new_principal(tenant, (PrincipalId::ApiKey(id), known_by), wanted, operator, now)?;
        let namespace = key.namespace;
        let pointer = ApiKeyPointer { namespace, id, secret: 0 };
        let key_write = sealed.put(rows::principal(namespace, key.id), Expected::Absent, &key, None)?;
        let pointer = self.put(rows::api_key_pointer(secret.hash()), Expected::Absent, &pointer, None)?;
        let lead = self.lead_to(&rows::ledger(namespace), &pointer)?;
        Ok((CreatedApiKey { key, secret }, [key_write, pointer, lead]))
    }

    /// Creates a key of the caller's tenant.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or reaches for a
    /// namespace that its own key does not open.
    pub async fn create_api_key(
        &self,
        caller: &Caller,
        wanted: NewPrincipal,
        reply: &Reply<'_, CreatedApiKey>,
    ) -> Result<CreatedApiKey, Error> {
        caller.administers_principals()?;
        caller.may_enter(wanted.mode)?;
        let now = self.now();
        let sealed = self.sealed(caller.tenant.id).await?;
        let (created, [key, pointer, lead]) = self.new_api_key(&sealed, &caller.tenant, wanted, false, now)?;
        let origin = Origin { namespace: created.key.namespace, asking: Some(caller.asking), at: now };
        let event = origin.done(EventType::ApiKeyCreated, caller.actor(), created.key.id);
        let mut transaction = self.recording_change(&event, key)?.write(pointer).write(lead);
        let scope = Scope::Principal(created.key.id);
        for account in self.new_accounts(created.key.namespace, scope, created.key.quota)? {
            transaction = transaction.write(account);
        }
        self.create(transaction, created, reply).await
    }

    /// Gives a key a new secret. The one before is accepted for a while beside it, and what the key minted stays.
    ///
    /// # Errors
    /// [`Error::NotFound`] for keys of other namespaces; when the key has ended.
    pub async fn rotate_api_key(
        &self,
        caller: &Caller,
        id: ApiKeyId,
        overlap: Duration,
        reply: &Reply<'_, CreatedApiKey>,
    ) -> Result<CreatedApiKey, Error> {
        caller.administers_principals()?;
        let namespace = caller.namespace();
        let Record { value, version } = self.own_principal(caller, PrincipalId::ApiKey(id)).await?;
        // Whoever has its new secret is who it was.
        caller.may_handle(&value)?;
        let secret = ApiKeySecret::generate(namespace.mode, self.entropy.as_ref());
        let origin = caller.origin(self);
        let (key, number) = value
            .rotate(secret.preview(), origin.at.plus(overlap))
            .ok_or_else(|| Error::conflict("revoked", "this key has ended; create another"))?;
        let sealed = self.sealed(namespace.tenant).await?;
        let pointer = ApiKeyPointer { namespace, id, secret: number };
        let pointer = self.put(rows::api_key_pointer(secret.hash()), Expected::Absent, &pointer, None)?;
        let event = origin.done(EventType::ApiKeyRotated, caller.actor(), id);
        let rotated = sealed.put(rows::principal(namespace, key.id), Expected::Version(version), &key, None)?;
        let transaction = self
            .recording_change(&event, rotated)?
            .write(self.lead_to(&rows::ledger(namespace), &pointer)?)
            .write(pointer);
        self.create(transaction, CreatedApiKey { key, secret }, reply).await
    }
}

impl Caller {
    /// Whether the caller may let somebody into the namespace of this mode.
    pub(super) fn may_enter(&self, mode: Mode) -> Result<(), Error> {
        if self.namespace().mode == Mode::Test && mode == Mode::Live {
            return Err(Error::Forbidden("whoever is in the test namespace lets nobody into the live one".into()));
        }
        Ok(())
    }
}
