//! API keys: create, list, inspect, revoke.

use crate::{
    crypto::opaque::ApiKeySecret,
    domain::{
        api_key::ApiKey,
        event::EventType,
        ids::ApiKeyId,
        instant::Instant,
        metadata::Metadata,
        permission::Grants,
        quota::{Limits, Scope},
        tenant::{Generation, Mode, Namespace, Tenant},
    },
    store::{Expected, Write},
};

use super::{
    Broker, Caller, Error,
    access::ApiKeyPointer,
    events::Origin,
    idempotency::Reply,
    listing::{Page, PageRequest},
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
};

/// What a key is to be.
#[derive(Clone, Debug)]
pub struct CreateApiKey {
    /// The owner's name for it.
    pub label: Option<String>,
    /// Words of the owner's own.
    pub metadata: Metadata,
    /// Which namespace it opens.
    pub mode: Mode,
    /// What it may do there.
    pub grants: Grants,
    /// The largest upload it may declare, in bytes.
    pub largest_upload: Option<u64>,
    /// How much may be kept of what comes by it.
    pub quota: Limits,
    /// When it ends, if ever.
    pub expires_at: Option<Instant>,
}

/// A key and its secret, of which only the hash is kept.
#[derive(Debug)]
pub struct CreatedApiKey {
    /// The key.
    pub key: ApiKey,
    /// Shown this once.
    pub secret: ApiKeySecret,
}

impl Broker {
    /// A new key of this tenant, and the writes that store it.
    pub(super) fn new_api_key(
        &self,
        tenant: &Tenant,
        wanted: CreateApiKey,
        operator: bool,
        now: Instant,
    ) -> Result<(CreatedApiKey, [Write; 2]), Error> {
        let namespace = Namespace { tenant: tenant.id, mode: wanted.mode };
        let secret = ApiKeySecret::generate(wanted.mode, self.entropy.as_ref());
        let key = ApiKey {
            id: ApiKeyId::new(now, self.entropy.bytes()),
            namespace,
            label: wanted.label,
            metadata: wanted.metadata,
            preview: secret.preview(),
            grants: wanted.grants,
            operator,
            tenant_generation: tenant.generation,
            generation: Generation(u64::from_be_bytes(self.entropy.bytes())),
            largest_upload: wanted.largest_upload,
            quota: wanted.quota,
            created_at: now,
            expires_at: wanted.expires_at,
            revoked_at: None,
        };
        let pointer = ApiKeyPointer { namespace, id: key.id };
        let writes = [
            self.put(rows::api_key(namespace, key.id), Expected::Absent, &key, None)?,
            self.put(rows::api_key_pointer(secret.hash()), Expected::Absent, &pointer, None)?,
        ];
        Ok((CreatedApiKey { key, secret }, writes))
    }

    /// Creates a key of the caller's tenant.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or reaches for a
    /// namespace that its own key does not open.
    pub async fn create_api_key(
        &self,
        caller: &Caller,
        wanted: CreateApiKey,
        reply: &Reply<'_, CreatedApiKey>,
    ) -> Result<CreatedApiKey, Error> {
        caller.administers()?;
        if caller.namespace().mode == Mode::Test && wanted.mode == Mode::Live {
            return Err(Error::Forbidden("a test key can only create test keys".into()));
        }
        let now = self.now();
        let (created, [key, pointer]) = self.new_api_key(&caller.tenant, wanted, false, now)?;
        let origin = Origin { namespace: created.key.namespace, request: Some(caller.request), at: now };
        let event = origin.done(EventType::ApiKeyCreated, caller.actor(), created.key.id);
        let mut transaction = self.recording(&event)?.write(key).write(pointer);
        let scope = Scope::Key(created.key.id);
        for account in self.new_accounts(created.key.namespace, scope, created.key.quota)? {
            transaction = transaction.write(account);
        }
        self.create(transaction, created, reply).await
    }

    /// The keys of the caller's namespace, newest first.
    ///
    /// # Errors
    /// When the caller does not administer the tenant.
    pub async fn list_api_keys(&self, caller: &Caller, request: &PageRequest) -> Result<Page<ApiKey>, Error> {
        caller.administers()?;
        let namespace = caller.namespace();
        let page = self.newest_first(rows::api_keys(namespace), namespace, request).await?;
        let items = page.items.iter().filter_map(|row| self.readable(row)).collect();
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    /// One key of the caller's namespace.
    ///
    /// # Errors
    /// [`Error::NotFound`] for every other.
    pub async fn inspect_api_key(&self, caller: &Caller, id: ApiKeyId) -> Result<ApiKey, Error> {
        caller.administers()?;
        self.own_api_key(caller, id).await.map(|record| record.value)
    }

    /// Revokes a key, and with it everything that it minted. Revoking again changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] for keys of other namespaces.
    pub async fn revoke_api_key(&self, caller: &Caller, id: ApiKeyId) -> Result<(), Error> {
        caller.administers()?;
        for _ in 0..ROUNDS {
            let key = self.own_api_key(caller, id).await?;
            let origin = caller.origin(self);
            let Some(revoked) = key.value.revoke(origin.at) else { return Ok(()) };
            let event = origin.done(EventType::ApiKeyRevoked, caller.actor(), id);
            let row = rows::api_key(origin.namespace, id);
            let write = self.put(row, Expected::Version(key.version), &revoked, None)?;
            match committed(self.store.commit(self.recording(&event)?.write(write)).await)? {
                Committed::Done => return Ok(()),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    async fn own_api_key(&self, caller: &Caller, id: ApiKeyId) -> Result<Record<ApiKey>, Error> {
        let [row] = self.store.get([rows::api_key(caller.namespace(), id)]).await?;
        self.decode_if(row.as_ref())?.ok_or(Error::NotFound)
    }
}
