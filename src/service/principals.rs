//! Principals, as an administrator handles them: list, inspect, change, revoke, cut off.
//!
//! Whatever is changed here is felt with the next request of whoever is concerned: each reads its principal anew.

use std::fmt::Display;

use crate::{
    domain::{
        event::EventType,
        instant::Instant,
        metadata::Metadata,
        permission::{Grants, Role},
        principal::{Changes, KnownBy, Principal, PrincipalId},
        quota::Limits,
        tenant::{Generation, Mode, Namespace, Tenant},
    },
    store::Expected,
};

use super::{
    Broker, Caller, Error, SeenPrincipal,
    listing::{Page, PageRequest},
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
};

/// What kind of principal is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// API keys.
    ApiKeys,
    /// Users.
    Users,
}

/// What a new principal is to be.
#[derive(Clone, Debug)]
pub struct NewPrincipal {
    /// The administrators' name for it.
    pub label: Option<String>,
    /// Words of the owner's own.
    pub metadata: Metadata,
    /// Which namespace it works in.
    pub mode: Mode,
    /// What it may do there at all; none: what goes with the grants.
    pub role: Option<Role>,
    /// Where it may do what.
    pub grants: Grants,
    /// The largest upload it may declare, in bytes.
    pub largest_upload: Option<u64>,
    /// How much may be kept of what comes by it.
    pub quota: Limits,
    /// When it ends, if ever.
    pub expires_at: Option<Instant>,
}

/// What may be changed, as it is asked for: the role is still to be held against the grants.
#[derive(Clone, Debug, Default)]
pub struct ChangePrincipal {
    /// The role; none: the one that the grants had.
    pub role: Option<Role>,
    /// Where it may do what; none: as it is.
    pub grants: Option<Grants>,
    /// What is taken as it is.
    pub others: Changes,
}

impl Caller {
    /// Whether the caller administers those who may call. Whoever acts for a tenant does not: they
    /// must leave nothing behind that outlives it.
    pub(super) fn administers_principals(&self) -> Result<(), Error> {
        self.administers()?;
        match self.principal.known_by {
            KnownBy::Impersonation { .. } => {
                Err(Error::Forbidden("whoever acts for a tenant changes no keys and no users".into()))
            }
            KnownBy::ApiKey { .. } | KnownBy::User { .. } | KnownBy::Erased { .. } => Ok(()),
        }
    }

    /// Whether the caller may take hold of this principal. Operators are handled by operators.
    pub(super) fn may_handle(&self, principal: &Principal) -> Result<(), Error> {
        if principal.operator { self.operates() } else { Ok(()) }
    }
}

fn role_fault(fault: impl Display) -> Error {
    Error::invalid("/role", fault.to_string())
}

impl Broker {
    /// A new principal of this tenant. Nothing is stored yet.
    ///
    /// # Errors
    /// When role and grants do not go together.
    pub(super) fn new_principal(
        &self,
        tenant: &Tenant,
        (id, known_by): (PrincipalId, KnownBy),
        wanted: NewPrincipal,
        operator: bool,
        now: Instant,
    ) -> Result<Principal, Error> {
        let role = Role::with(wanted.role, &wanted.grants).map_err(role_fault)?;
        Ok(Principal {
            id,
            namespace: Namespace { tenant: tenant.id, mode: wanted.mode },
            label: wanted.label,
            metadata: wanted.metadata,
            known_by,
            role,
            grants: wanted.grants,
            operator,
            tenant_generation: tenant.generation,
            generation: Generation(u64::from_be_bytes(self.entropy.bytes())),
            largest_upload: wanted.largest_upload,
            quota: wanted.quota,
            created_at: now,
            expires_at: wanted.expires_at,
            ended: None,
        })
    }

    /// The principals of one kind in the caller's namespace, newest first.
    ///
    /// # Errors
    /// When the caller does not administer the tenant.
    pub async fn list_principals(
        &self,
        caller: &Caller,
        kind: Kind,
        request: &PageRequest,
    ) -> Result<Page<SeenPrincipal>, Error> {
        caller.administers()?;
        let namespace = caller.namespace();
        let partition = match kind {
            Kind::ApiKeys => rows::api_keys(namespace),
            Kind::Users => rows::users(namespace),
        };
        let page = self.newest_first(partition, namespace, request).await?;
        let sealed = self.sealed(namespace.tenant).await?;
        let principals = page.items.iter().filter_map(|row| sealed.readable(row)).collect();
        Ok(Page { items: self.seen(namespace, principals).await?, next_cursor: page.next_cursor })
    }

    /// One principal of the caller's namespace.
    ///
    /// # Errors
    /// [`Error::NotFound`] for every other.
    pub async fn inspect_principal(&self, caller: &Caller, id: PrincipalId) -> Result<SeenPrincipal, Error> {
        caller.administers()?;
        let principal = self.own_principal(caller, id).await?.value;
        self.seen(caller.namespace(), vec![principal]).await?.pop().ok_or(Error::NotFound)
    }

    /// Changes what a principal may do, how it is called, and when it ends. What it minted shrinks with it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for principals of other namespaces; when role and grants do not go together.
    pub async fn change_principal(
        &self,
        caller: &Caller,
        id: PrincipalId,
        wanted: ChangePrincipal,
    ) -> Result<Principal, Error> {
        self.to_principal(caller, id, [EventType::ApiKeyChanged, EventType::UserChanged], |principal| {
            if principal.ended.is_some() {
                return Err(Error::conflict("revoked", "what is revoked does not change any more"));
            }
            if let KnownBy::Impersonation { .. } = principal.known_by {
                // Or it would outlive its hour.
                return Err(Error::conflict("impersonation", "who acts for you can be revoked, and not changed"));
            }
            let ChangePrincipal { role, grants, others } = wanted.clone();
            let rights = match (role, grants) {
                (None, None) => None,
                (role, grants) => {
                    let (asked, grants) = match grants {
                        Some(grants) => (role, grants),
                        None => (role, principal.grants.clone()),
                    };
                    Some((Role::with(asked, &grants).map_err(role_fault)?, grants))
                }
            };
            let changed = principal.changed(Changes { rights, ..others });
            Ok((changed != *principal).then_some(changed))
        })
        .await
    }

    /// Revokes a principal, and with it everything that it minted unless that is to be kept. Doing so again
    /// changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] for principals of other namespaces.
    pub async fn end_principal(&self, caller: &Caller, id: PrincipalId, keeps_minted: bool) -> Result<(), Error> {
        let now = self.now();
        let ended = [EventType::ApiKeyRevoked, EventType::UserRemoved];
        self.to_principal(caller, id, ended, |principal| Ok(principal.end(keeps_minted, now))).await.map(drop)
    }

    /// Ends everything that a principal minted, and its sessions, by drawing a new generation. It may go on.
    ///
    /// # Errors
    /// [`Error::NotFound`] for principals of other namespaces.
    pub async fn cut_off_principal(&self, caller: &Caller, id: PrincipalId) -> Result<(), Error> {
        let generation = Generation(u64::from_be_bytes(self.entropy.bytes()));
        let cut_off = [EventType::ApiKeyCutOff, EventType::UserCutOff];
        self.to_principal(caller, id, cut_off, |principal| Ok(Some(Principal { generation, ..principal.clone() })))
            .await
            .map(drop)
    }

    /// Lets a principal call again that ended with everything that its tenant had: when the tenant was cut off, or its store
    /// restored. What it had minted stays ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] for principals of other namespaces; when it did not end so.
    pub async fn reinstate_principal(&self, caller: &Caller, id: PrincipalId) -> Result<Principal, Error> {
        let (generation, now) = (Generation(u64::from_be_bytes(self.entropy.bytes())), self.now());
        let reinstated = [EventType::ApiKeyReinstated, EventType::UserReinstated];
        self.to_principal(caller, id, reinstated, |principal| {
            let again = principal.reinstate(&caller.tenant, generation, now);
            again.map(Some).ok_or_else(|| Error::conflict("not_cut_off", "only what is cut off can be reinstated"))
        })
        .await
    }

    /// Applies a change to a principal of the caller's namespace, and records it by the kind of principal.
    pub(super) async fn to_principal(
        &self,
        caller: &Caller,
        id: PrincipalId,
        [of_key, of_user]: [EventType; 2],
        change: impl Fn(&Principal) -> Result<Option<Principal>, Error>,
    ) -> Result<Principal, Error> {
        caller.administers_principals()?;
        let kind = match id {
            PrincipalId::ApiKey(_) => of_key,
            PrincipalId::User(_) => of_user,
        };
        let sealed = self.sealed(caller.namespace().tenant).await?;
        for _ in 0..ROUNDS {
            let Record { value, version } = self.own_principal(caller, id).await?;
            caller.may_handle(&value)?;
            let Some(changed) = change(&value)? else { return Ok(value) };
            let origin = caller.origin(self);
            let event = origin.done(kind, caller.actor(), id);
            let write =
                sealed.put(rows::principal(origin.namespace, id), Expected::Version(version), &changed, None)?;
            match committed(self.store.commit(self.recording_change(&event, write)?).await)? {
                Committed::Done => return Ok(changed),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    pub(super) async fn own_principal(&self, caller: &Caller, id: PrincipalId) -> Result<Record<Principal>, Error> {
        let [row] = self.store.get([rows::principal(caller.namespace(), id)]).await?;
        self.sealed(caller.namespace().tenant).await?.decode_if(row.as_ref())?.ok_or(Error::NotFound)
    }
}
