//! Operators who act for a tenant: with a reason, for an hour at most, and before the tenant's eyes.
//!
//! There is no other way in: an operator's own key opens nothing of another tenant's.

use crate::domain::{
    event::EventType,
    ids::TenantId,
    instant::Instant,
    metadata::Metadata,
    path::PathPin,
    permission::{Grants, PathGrant, Permission, Role},
    principal::KnownBy,
    quota::Limits,
    tenant::{Mode, Namespace, Tenant},
};

use super::{
    Broker, Caller, Error, api_keys::CreatedApiKey, events::Origin, idempotency::Reply, principals::NewPrincipal, rows,
};

/// As what an operator acts, and why.
#[derive(Clone, Debug)]
pub struct Impersonate {
    /// For which tenant.
    pub tenant: TenantId,
    /// In which of its namespaces.
    pub mode: Mode,
    /// With which role, everywhere in it.
    pub role: Role,
    /// Why: the tenant reads it.
    pub reason: String,
    /// Until when.
    pub expires_at: Instant,
}

impl Broker {
    /// A key by which an operator acts for a tenant. It ends with its time, with the operator's own rights, and when
    /// an administrator of the tenant revokes it.
    ///
    /// # Errors
    /// When the caller is no operator, or there is no such tenant.
    pub async fn impersonate(
        &self,
        caller: &Caller,
        wanted: Impersonate,
        reply: &Reply<'_, CreatedApiKey>,
    ) -> Result<CreatedApiKey, Error> {
        caller.operates()?;
        let [row] = self.store.get([rows::tenant(wanted.tenant)]).await?;
        let tenant = self.decode_if::<Tenant>(row.as_ref())?.ok_or(Error::NotFound)?.value;
        let permission = match wanted.role {
            Role::Viewer => Permission::Read,
            Role::Member => Permission::Write,
            Role::Admin => Permission::Admin,
        };
        let key = NewPrincipal {
            label: Some(wanted.reason.clone()),
            metadata: Metadata::default(),
            mode: wanted.mode,
            role: Some(wanted.role),
            grants: Grants(vec![PathGrant { path: PathPin::root(), permission }]),
            largest_upload: None,
            quota: Limits::default(),
            expires_at: Some(wanted.expires_at),
        };
        let now = self.now();
        let (operator, operator_namespace) = (caller.principal.id, caller.namespace());
        let sealed = self.sealed(tenant.id).await?;
        let (created, [key, pointer, lead]) = self.new_key_of(&sealed, &tenant, key, false, now, |secret| {
            KnownBy::Impersonation { secrets: vec![secret], operator, operator_namespace, reason: wanted.reason }
        })?;
        // In the ledger of the tenant, which is to see it.
        let namespace = Namespace { tenant: tenant.id, mode: wanted.mode };
        let origin = Origin { namespace, asking: Some(caller.asking), at: now };
        let event = origin.done(EventType::TenantImpersonated, caller.actor(), created.key.id);
        self.create(self.recording(&event)?.write(key).write(pointer).write(lead), created, reply).await
    }
}
