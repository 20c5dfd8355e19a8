//! The deletion of a tenant as operators ask for it, call it off, and see it. What carries it out is [`super::removal`].

use std::time::Duration;

use crate::{
    domain::{
        event::EventType,
        ids::TenantId,
        removal::{GRACE, Tombstone},
        tenant::Tenant,
    },
    store::Expected,
};

use super::{
    Broker, Caller, Error,
    events::Origin,
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows, tenants,
};

/// For how long a deletion is to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grace {
    /// As long as it does unless somebody says otherwise.
    Usual,
    /// Not at all.
    None {
        /// What the tenant is called, so that nobody deletes another one by a slip.
        name: String,
    },
}

/// A tenant, or what remains of it.
#[derive(Clone, Debug)]
pub enum SeenTenant {
    /// It is there, be it for a while.
    There(Box<Tenant>),
    /// It is removed, or is being.
    Removed(Box<Tombstone>),
}

impl Broker {
    /// One tenant, or what remains of it.
    ///
    /// # Errors
    /// When the caller administers neither all tenants nor this one, or there was never such a tenant.
    pub async fn see_tenant(&self, caller: &Caller, id: TenantId) -> Result<SeenTenant, Error> {
        caller.administers_tenant(id)?;
        let [tenant, tombstone] = self.store.get([rows::tenant(id), rows::tombstone(id)]).await?;
        if let Some(tombstone) = self.decode_if::<Tombstone>(tombstone.as_ref())? {
            return Ok(SeenTenant::Removed(Box::new(tombstone.value)));
        }
        let tenant = self.decode_if::<Tenant>(tenant.as_ref())?.ok_or(Error::NotFound)?;
        Ok(SeenTenant::There(Box::new(tenant.value)))
    }

    /// Asks for a tenant to be removed, with everything that it has. It is suspended from now on; the removal begins when
    /// its grace is over, and cannot be called off then.
    ///
    /// # Errors
    /// When the caller is no operator, or there is no such tenant, or it is the caller's own, or not called that.
    pub async fn delete_tenant(&self, caller: &Caller, id: TenantId, grace: &Grace) -> Result<Tenant, Error> {
        caller.operates()?;
        if id == caller.tenant.id {
            return Err(Error::conflict("own_tenant", "nobody would be left to see to the end of that"));
        }
        for _ in 0..ROUNDS {
            let Record { value: found, version } = self.tenant_to_change(id).await?;
            let wait = match grace {
                Grace::Usual => GRACE,
                Grace::None { name } if *name == found.name => Duration::ZERO,
                Grace::None { .. } => {
                    return Err(Error::invalid("/name", "is not what the tenant is called; nothing was deleted"));
                }
            };
            let changed = found.clone().to_be_deleted(caller.actor(), caller.namespace(), wait, self.now());
            if changed != found {
                let [lead] = self.store.get([rows::deletion(id)]).await?;
                let expected = lead.map_or(Expected::Absent, |row| Expected::Version(row.version));
                let transaction = self
                    .told_to_both(caller, id, EventType::TenantDeletionAsked)?
                    .write(self.put(rows::tenant(id), Expected::Version(version), &changed, None)?)
                    .write(self.put(rows::deletion(id), expected, &tenants::IndexRow {}, None)?);
                if let Committed::ReadAgain = committed(self.store.commit(transaction).await)? {
                    continue;
                }
            }
            if changed.deletion.as_ref().is_some_and(|deletion| deletion.due_at <= self.now()) {
                let broker = self.clone();
                self.under_way.run(async move { broker.remove_in_background(id).await });
            }
            return Ok(changed);
        }
        Err(outrun())
    }

    /// Calls the deletion of a tenant off: it is as it was before.
    ///
    /// # Errors
    /// When the caller is no operator, or there is no such tenant; when its deletion has begun, or was not asked for.
    pub async fn restore_tenant(&self, caller: &Caller, id: TenantId) -> Result<Tenant, Error> {
        caller.operates()?;
        for _ in 0..ROUNDS {
            let Record { value: found, version } = self.tenant_to_change(id).await?;
            let restored = found.restored().ok_or_else(|| match found.deletion {
                Some(_) => begun(),
                None => Error::conflict("not_deleted", "its deletion was not asked for; nothing has changed"),
            })?;
            let transaction = self
                .told_to_both(caller, id, EventType::TenantRestored)?
                .write(self.put(rows::tenant(id), Expected::Version(version), &restored, None)?)
                .remove(rows::deletion(id));
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return Ok(restored),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// A tenant that is there, not one of which only a tombstone is left.
    async fn tenant_to_change(&self, id: TenantId) -> Result<Record<Tenant>, Error> {
        let [tenant, tombstone] = self.store.get([rows::tenant(id), rows::tombstone(id)]).await?;
        if tombstone.is_some() {
            return Err(begun());
        }
        self.decode_if::<Tenant>(tenant.as_ref())?.ok_or(Error::NotFound)
    }

    /// In the ledger of the tenant, which goes with it, and in that of the operator.
    fn told_to_both(&self, caller: &Caller, id: TenantId, kind: EventType) -> Result<crate::store::Transaction, Error> {
        let in_its_own = self.about_tenant(caller, id);
        let at_home = Origin { namespace: caller.namespace(), ..in_its_own };
        self.recording_both(&in_its_own.done(kind, caller.actor(), id), &at_home.done(kind, caller.actor(), id))
    }
}

fn begun() -> Error {
    Error::conflict("deletion_begun", "its removal has begun, and nothing of it can be given back")
}
