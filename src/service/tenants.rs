//! Tenants: create, list; and the first one, at the first start.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        event::{Actor, EventType},
        ids::TenantId,
        metadata::Metadata,
        permission::{Grants, Role},
        quota::Limits,
        tenant::{Generation, Mode, Namespace, Tenant},
    },
    store::{Direction, Expected, Query, Row, Store},
};

use super::{
    Asking, Broker, Caller, Error,
    api_keys::CreatedApiKey,
    events::Origin,
    idempotency::Reply,
    listing::{Page, PageRequest},
    principals::NewPrincipal,
    records::{Committed, ROUNDS, committed, outrun},
    rows,
};

/// A tenant and the key that administers it.
#[derive(Debug)]
pub struct CreatedTenant {
    /// The tenant.
    pub tenant: Tenant,
    /// Its first key, with the secret that is shown this once.
    pub admin_key: CreatedApiKey,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IndexRow {}

impl Broker {
    /// Creates a tenant and the key that administers it.
    ///
    /// # Errors
    /// When the caller is no operator.
    pub async fn create_tenant(
        &self,
        caller: &Caller,
        name: String,
        reply: &Reply<'_, CreatedTenant>,
    ) -> Result<CreatedTenant, Error> {
        caller.operates()?;
        self.new_tenant(name, caller.actor(), Some(caller.asking), false, reply).await
    }

    /// Creates the first tenant; its key is also the operator's.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn create_first_tenant(&self, name: String) -> Result<CreatedTenant, Error> {
        self.new_tenant(name, Actor::System, None, true, &Reply::unkept()).await
    }

    async fn new_tenant(
        &self,
        name: String,
        actor: Actor,
        asking: Option<Asking>,
        operator: bool,
        reply: &Reply<'_, CreatedTenant>,
    ) -> Result<CreatedTenant, Error> {
        let now = self.now();
        let tenant = Tenant {
            id: TenantId::new(now, self.entropy.bytes()),
            name,
            generation: Generation(u64::from_be_bytes(self.entropy.bytes())),
            suspended: false,
            quota: Limits::default(),
            allowed_origins: Vec::new(),
            deletion: None,
            created_at: now,
        };
        let (data_key, data_key_write) = self.new_data_key(tenant.id).await?;
        let sealed = self.sealed_under(data_key);
        let (admin_key, [key, pointer, lead]) = self.new_api_key(&sealed, &tenant, administrator(), operator, now)?;
        let namespace = Namespace { tenant: tenant.id, mode: Mode::Live };
        let origin = Origin { namespace, asking, at: now };
        let key_event = origin.done(EventType::ApiKeyCreated, actor.clone(), admin_key.key.id);
        let transaction = self
            .recording_both(&origin.done(EventType::TenantCreated, actor, tenant.id), &key_event)?
            .write(self.put(rows::tenant(tenant.id), Expected::Absent, &tenant, None)?)
            .write(self.put(rows::tenant_index(tenant.id), Expected::Absent, &IndexRow {}, None)?)
            .write(data_key_write)
            .write(key)
            .write(pointer)
            .write(lead);
        self.create(transaction, CreatedTenant { tenant, admin_key }, reply).await
    }

    /// Suspends a tenant, or ends that: nothing of a suspended one works, and nothing of it is lost.
    ///
    /// # Errors
    /// When the caller is no operator, or there is no such tenant, or it is the caller's own, or is to be removed.
    pub async fn suspend_tenant(&self, caller: &Caller, id: TenantId, suspended: bool) -> Result<Tenant, Error> {
        caller.operates()?;
        if suspended && id == caller.tenant.id {
            return Err(Error::conflict("own_tenant", "nobody would be left to end that"));
        }
        let kind = if suspended { EventType::TenantSuspended } else { EventType::TenantResumed };
        for _ in 0..ROUNDS {
            let [row] = self.store.get([rows::tenant(id)]).await?;
            let found = self.decode_if::<Tenant>(row.as_ref())?.ok_or(Error::NotFound)?;
            if found.value.suspended == suspended {
                return Ok(found.value);
            }
            if found.value.deletion.is_some() {
                return Err(Error::conflict("deletion_asked", "it is to be removed; restore it instead"));
            }
            let changed = Tenant { suspended, ..found.value };
            let event = self.about_tenant(caller, id).done(kind, caller.actor(), id);
            let write = self.put(rows::tenant(id), Expected::Version(found.version), &changed, None)?;
            match committed(self.store.commit(self.recording_change(&event, write)?).await)? {
                Committed::Done => return Ok(changed),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// Ends everything that was made under a tenant, its keys, users' access and sessions included, by drawing a new
    /// generation; and gives it a new key to begin again with.
    ///
    /// # Errors
    /// When the caller is no operator, or there is no such tenant.
    pub async fn cut_off_tenant(&self, caller: &Caller, id: TenantId) -> Result<CreatedTenant, Error> {
        caller.operates()?;
        let generation = Generation(u64::from_be_bytes(self.entropy.bytes()));
        let sealed = self.sealed(id).await?;
        for _ in 0..ROUNDS {
            let [row] = self.store.get([rows::tenant(id)]).await?;
            let found = self.decode_if::<Tenant>(row.as_ref())?.ok_or(Error::NotFound)?;
            let tenant = Tenant { generation, ..found.value };
            // Their own keys end, too: whoever operates goes on doing so.
            let operator = id == caller.tenant.id;
            let origin = self.about_tenant(caller, id);
            let (admin_key, [key, pointer, lead]) =
                self.new_api_key(&sealed, &tenant, administrator(), operator, origin.at)?;
            let key_event = origin.done(EventType::ApiKeyCreated, caller.actor(), admin_key.key.id);
            let transaction = self
                .recording_both(&origin.done(EventType::TenantCutOff, caller.actor(), id), &key_event)?
                .write(self.put(rows::tenant(id), Expected::Version(found.version), &tenant, None)?)
                .write(key)
                .write(pointer)
                .write(lead);
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return Ok(CreatedTenant { tenant, admin_key }),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// What is done to a tenant is told in its own ledger.
    pub(super) fn about_tenant(&self, caller: &Caller, tenant: TenantId) -> Origin {
        let namespace = Namespace { tenant, mode: Mode::Live };
        Origin { namespace, asking: Some(caller.asking), at: self.now() }
    }

    /// A new operator's key for the tenant that was first, when the old one is lost.
    ///
    /// # Errors
    /// When there is no tenant yet.
    pub async fn recover_operator(&self) -> Result<CreatedApiKey, Error> {
        let id = self.first_tenant().await?.ok_or(Error::NotFound)?;
        let [row] = self.store.get([rows::tenant(id)]).await?;
        let tenant = self.decode_if::<Tenant>(row.as_ref())?.ok_or(Error::NotFound)?.value;
        let now = self.now();
        let sealed = self.sealed(id).await?;
        let (created, [key, pointer, lead]) = self.new_api_key(&sealed, &tenant, administrator(), true, now)?;
        let origin = Origin { namespace: created.key.namespace, asking: None, at: now };
        let event = origin.done(EventType::ApiKeyCreated, Actor::System, created.key.id);
        match committed(self.store.commit(self.recording(&event)?.write(key).write(pointer).write(lead)).await)? {
            Committed::Done => Ok(created),
            Committed::ReadAgain => Err(Error::Internal("a new key's id was taken".into())),
        }
    }

    /// The tenant that was created first, if there is any.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn first_tenant(&self) -> Result<Option<TenantId>, Error> {
        let row = first_row(&self.store).await?;
        Ok(row.and_then(|row| row.key.sort.parse().ok()))
    }

    /// All tenants, newest first.
    ///
    /// # Errors
    /// When the caller is no operator.
    pub async fn list_tenants(&self, caller: &Caller, request: &PageRequest) -> Result<Page<Tenant>, Error> {
        caller.operates()?;
        let page = self.newest_first(rows::tenants(), caller.namespace(), request).await?;
        let ids = page.items.iter().filter_map(|row| row.key.sort.parse::<TenantId>().ok());
        let keys: Vec<_> = ids.map(rows::tenant).collect();
        let found = self.store.get_all(&keys).await?;
        let items = found.iter().flatten().filter_map(|row| self.readable(row)).collect();
        Ok(Page { items, next_cursor: page.next_cursor })
    }
}

/// Whether there is any tenant; asked before there are keys to read rows with.
///
/// # Errors
/// When the store does not answer.
pub async fn is_any(store: &Store) -> Result<bool, Error> {
    first_row(store).await.map(|row| row.is_some())
}

async fn first_row(store: &Store) -> Result<Option<Row>, Error> {
    let query = Query {
        partition: rows::tenants(),
        begins_with: String::new(),
        after: None,
        limit: 1,
        direction: Direction::Ascending,
    };
    Ok(store.query(&query).await?.into_iter().next())
}

fn administrator() -> NewPrincipal {
    NewPrincipal {
        label: Some("administrator".into()),
        metadata: Metadata::default(),
        mode: Mode::Live,
        role: Some(Role::Admin),
        grants: Grants::administrator(),
        largest_upload: None,
        quota: Limits::default(),
        expires_at: None,
    }
}
