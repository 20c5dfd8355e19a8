//! Users: people whom a provider of identities vouches for.
//!
//! Who they are is the provider's word; that they belong to a tenant, and what they may do there, is its administrators'.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        event::EventType,
        identity::{Identity, Issuer, SecondFactor, Subject},
        ids::UserId,
        permission::Role,
        principal::{KnownBy, Principal, PrincipalId},
        quota::Scope,
        tenant::Namespace,
    },
    store::Expected,
};

use super::{Asking, Broker, Caller, Error, events::Origin, idempotency::Reply, principals::NewPrincipal, rows};

/// What a user is to be.
#[derive(Clone, Debug)]
pub struct CreateUser {
    /// Who vouches for them.
    pub issuer: Issuer,
    /// What the issuer calls them.
    pub subject: Subject,
    /// What they are to be here.
    pub principal: NewPrincipal,
}

/// What tenant, issuer and subject lead to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UserPointer {
    pub(super) namespace: Namespace,
    pub(super) id: UserId,
}

impl Broker {
    /// Lets somebody in whom a provider vouches for. Whoever was removed can be let in again, as somebody new.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or they are in already.
    pub async fn create_user(
        &self,
        caller: &Caller,
        wanted: CreateUser,
        reply: &Reply<'_, Principal>,
    ) -> Result<Principal, Error> {
        caller.administers_principals()?;
        caller.may_enter(wanted.principal.mode)?;
        let tenant = &caller.tenant;
        let sealed = self.sealed(tenant.id).await?;
        let place = rows::user_pointer(sealed.user(&wanted.issuer, &wanted.subject)?);
        let [row] = self.store.get([place.clone()]).await?;
        let pointer = self.decode_if::<UserPointer>(row.as_ref())?;
        if let Some(pointer) = &pointer {
            let before = rows::principal(pointer.value.namespace, PrincipalId::User(pointer.value.id));
            let [row] = self.store.get([before]).await?;
            let before = sealed.decode_if::<Principal>(row.as_ref())?.map(|record| record.value);
            let in_already = |user: Principal| user.ended.is_none() && user.tenant_generation == tenant.generation;
            if before.is_some_and(in_already) {
                return Err(Error::conflict("user_exists", "this user is in already; change them instead"));
            }
        }
        let now = self.now();
        let id = UserId::new(now, self.entropy.bytes());
        let known_by = KnownBy::User { issuer: wanted.issuer, subject: wanted.subject };
        let user = self.new_principal(tenant, (PrincipalId::User(id), known_by), wanted.principal, false, now)?;
        let namespace = user.namespace;
        let origin = Origin { namespace, asking: Some(caller.asking), at: now };
        // Two who let the same one in at a time: one of them finds the place taken.
        let expected = pointer.map_or(Expected::Absent, |record| Expected::Version(record.version));
        let pointer = self.put(place, expected, &UserPointer { namespace, id }, None)?;
        let created = sealed.put(rows::principal(namespace, user.id), Expected::Absent, &user, None)?;
        let mut transaction = self
            .recording_change(&origin.done(EventType::UserCreated, caller.actor(), id), created)?
            .write(self.lead_to(&rows::ledger(namespace), &pointer)?)
            .write(pointer);
        for account in self.new_accounts(namespace, Scope::Principal(user.id), user.quota)? {
            transaction = transaction.write(account);
        }
        self.create(transaction, user, reply).await
    }

    /// The caller whom a provider vouches for.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for whoever was not let in; [`Error::Forbidden`] for an administrator of whom the
    /// provider says that they did without a second factor.
    pub async fn vouched_for(&self, identity: &Identity, asking: Asking) -> Result<Caller, Error> {
        let sealed = self.sealed(identity.tenant).await?;
        let user = sealed.user(&identity.issuer, &identity.subject).map_err(|_| Error::Unauthenticated)?;
        let place = rows::user_pointer(user);
        let [row] = self.store.get([place]).await?;
        let pointer: UserPointer = row.and_then(|row| self.readable(&row)).ok_or(Error::Unauthenticated)?;
        let id = PrincipalId::User(pointer.id);
        let (principal, tenant) = self.principal_of(pointer.namespace, id, self.now()).await?;
        let KnownBy::User { issuer, subject } = &principal.known_by else { return Err(Error::Unauthenticated) };
        if (issuer, subject, tenant.id) != (&identity.issuer, &identity.subject, identity.tenant) {
            return Err(Error::Unauthenticated);
        }
        surely(&principal, identity.second_factor)?;
        self.called(&principal, self.now());
        Ok(Caller { principal, tenant, console: None, secret: None, asking })
    }
}

/// Administrators have used a second factor, where their provider says how they signed in.
pub(super) fn surely(principal: &Principal, second_factor: SecondFactor) -> Result<(), Error> {
    if principal.role == Role::Admin && second_factor == SecondFactor::Said(false) {
        return Err(Error::Forbidden("administrators sign in with a second factor".into()));
    }
    Ok(())
}
