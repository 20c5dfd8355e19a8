//! Access: from a credential to a principal, in one place.

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{
        opaque::{ApiKeyHash, ApiKeySecret, ConsoleSecretHash},
        row_mac::NotAuthentic,
        secret::SecretText,
    },
    domain::{
        authority::MadeUnder,
        client::UserAgent,
        console::ConsoleSession,
        event::Actor,
        ids::{ApiKeyId, RequestId},
        instant::Instant,
        network::ClientAddress,
        path::{PathPin, VaultPath},
        permission::Permission,
        principal::{KnownBy, Principal, PrincipalId},
        redemption::Claim,
        tenant::{Namespace, Tenant},
    },
    store::{Row, RowKey},
};

use super::{Broker, Error, events::Origin, known_principals::WorkedThrough, rows, sealed_records::SealedRecords};

/// Who is calling, by a credential of their own or from the console: known, live, and of a
/// tenant that is not suspended.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The principal; in the console that as which they signed in.
    pub principal: Principal,
    /// Its tenant.
    pub tenant: Tenant,
    /// The session of the console, if they call from there.
    pub console: Option<Console>,
    /// Which of its key's secrets they bear, if one.
    pub(super) secret: Option<u32>,
    /// The request it calls in.
    pub asking: Asking,
}

/// What is known of whoever presents a token, beside what they present.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// In which request.
    pub request: RequestId,
    /// From where.
    pub from: ClientAddress,
    /// With which program, as that says.
    pub agent: UserAgent,
}

impl Asking {
    /// Whoever asks on this machine, without a client.
    pub fn here(request: RequestId) -> Self {
        Self { request, from: ClientAddress::new([127, 0, 0, 1].into()), agent: UserAgent::none() }
    }
}

/// A session of the console, and where it lies.
#[derive(Clone, Debug)]
pub struct Console {
    /// The session.
    pub session: ConsoleSession,
    /// The hash of its secret.
    pub(super) hash: ConsoleSecretHash,
}

/// What the hash of a secret leads to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct ApiKeyPointer {
    pub(super) namespace: Namespace,
    pub(super) id: ApiKeyId,
    /// Which of the key's secrets it is of.
    pub(super) secret: u32,
}

/// What is read of a link's row, whose tenant its token does not tell, before what of it is sealed can be.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OfLink {
    pub(super) grant: Made,
}

/// Under whose authority something was made.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) made: MadeUnder,
}

impl Caller {
    /// The walls around all the caller can reach.
    pub fn namespace(&self) -> Namespace {
        self.principal.namespace
    }

    pub(super) fn actor(&self) -> Actor {
        let principal = self.principal.id;
        match (&self.principal.known_by, principal, &self.console) {
            (KnownBy::Impersonation { operator, .. }, PrincipalId::ApiKey(id), _) => {
                Actor::Impersonation { id, operator: *operator }
            }
            (_, _, Some(console)) => Actor::Console { principal, session: console.session.id },
            (_, PrincipalId::ApiKey(id), None) => Actor::ApiKey { id },
            (_, PrincipalId::User(id), None) => Actor::User { id },
        }
    }

    pub(super) fn origin(&self, broker: &Broker) -> Origin {
        Origin { namespace: self.namespace(), asking: Some(self.asking), at: broker.now() }
    }

    pub(super) fn made(&self) -> MadeUnder {
        MadeUnder::now(&self.tenant, &self.principal)
    }

    pub(super) fn may(&self, path: &VaultPath, permission: Permission) -> Result<(), Error> {
        if self.principal.grants.allow(path, permission) { Ok(()) } else { Err(outside(path)) }
    }

    pub(super) fn may_pin(&self, pin: &PathPin, permission: Permission) -> Result<(), Error> {
        if self.principal.grants.allow_pin(pin, permission) { Ok(()) } else { Err(outside(pin)) }
    }

    /// Whether the caller may make what others can use.
    pub(super) fn mints(&self) -> Result<(), Error> {
        if self.principal.role.mints() {
            Ok(())
        } else {
            Err(Error::Forbidden("a viewer may look and download; an administrator can make you a member".into()))
        }
    }

    pub(super) fn administers(&self) -> Result<(), Error> {
        if self.principal.grants.administer() {
            Ok(())
        } else {
            Err(Error::Forbidden("this needs the role admin".into()))
        }
    }

    pub(super) fn operates(&self) -> Result<(), Error> {
        if self.principal.operator { Ok(()) } else { Err(Error::Forbidden("this is for operators".into())) }
    }
}

fn outside(path: impl std::fmt::Display) -> Error {
    Error::Forbidden(format!("you have no such permission on {path}"))
}

impl Broker {
    /// The caller who bears this: an API key, or a provider's access token.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same for everything that is not accepted; [`Error::Forbidden`] for an
    /// administrator without a second factor.
    pub async fn authenticate(&self, bearer: &SecretText, asking: Asking) -> Result<Caller, Error> {
        match ApiKeySecret::parse(bearer) {
            Ok(secret) => self.with_key(&secret, asking).await,
            Err(_) => self.vouched_for(&self.identify(bearer).await?, asking).await,
        }
    }

    /// The caller with this API key.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same for every key that is not accepted.
    pub async fn with_key(&self, secret: &ApiKeySecret, asking: Asking) -> Result<Caller, Error> {
        let pointer = self.key_of(secret.hash()).await?;
        let now = self.now();
        let (principal, tenant) = self.principal_of(pointer.namespace, PrincipalId::ApiKey(pointer.id), now).await?;
        if principal.namespace.mode == secret.mode() && principal.accepts(pointer.secret, now) {
            self.called(&principal, now);
            Ok(Caller { principal, tenant, console: None, secret: Some(pointer.secret), asking })
        } else {
            Err(Error::Unauthenticated)
        }
    }

    /// Which key a secret is of. It is that of no other ever after, and whether the key still takes it is the key's to say.
    async fn key_of(&self, secret: ApiKeyHash) -> Result<ApiKeyPointer, Error> {
        if let Some(known) = self.known_principals.key_of(&secret) {
            return Ok(known);
        }
        let [pointer] = self.store.get([rows::api_key_pointer(secret)]).await?;
        let pointer: ApiKeyPointer = pointer.and_then(|row| self.readable(&row)).ok_or(Error::Unauthenticated)?;
        self.known_principals.keep_key(secret, pointer);
        Ok(pointer)
    }

    /// A principal that may call, and its tenant.
    pub(super) async fn principal_of(
        &self,
        namespace: Namespace,
        id: PrincipalId,
        now: Instant,
    ) -> Result<(Principal, Tenant), Error> {
        let found = self.store.get([rows::principal(namespace, id), rows::tenant(namespace.tenant)]).await?;
        let [Some(principal), Some(tenant)] = found else { return Err(Error::Unauthenticated) };
        let sealed = self.sealed(namespace.tenant).await?;
        let (principal, tenant) = self.worked_through(namespace, id, [principal, tenant], &sealed)?;
        if principal.namespace != namespace || principal.id != id || principal.stands(&tenant, now).is_err() {
            return Err(Error::Unauthenticated);
        }
        if self.may_still_act(&principal, now).await? { Ok((principal, tenant)) } else { Err(Error::Unauthenticated) }
    }

    /// What the rows of a principal and its tenant say.
    fn worked_through(
        &self,
        namespace: Namespace,
        id: PrincipalId,
        rows: [Row; 2],
        sealed: &SealedRecords<'_>,
    ) -> Result<(Principal, Tenant), Error> {
        if sealed.can_open()
            && let Some(known) = self.known_principals.find(namespace, id, [&rows[0], &rows[1]])
        {
            return Ok((known.principal.clone(), known.tenant.clone()));
        }
        let principal: Principal = sealed.readable(&rows[0]).ok_or(Error::Unauthenticated)?;
        let tenant: Tenant = self.readable(&rows[1]).ok_or(Error::Unauthenticated)?;
        let known = WorkedThrough { rows, principal: principal.clone(), tenant: tenant.clone() };
        self.known_principals.keep(namespace, id, known);
        Ok((principal, tenant))
    }

    /// Whether whoever acts for a tenant is still an operator. Everybody else acts for themselves.
    async fn may_still_act(&self, principal: &Principal, now: Instant) -> Result<bool, Error> {
        let KnownBy::Impersonation { operator, operator_namespace, .. } = &principal.known_by else { return Ok(true) };
        let home = [rows::principal(*operator_namespace, *operator), rows::tenant(operator_namespace.tenant)];
        let [operator, home] = self.store.get(home).await?;
        let sealed = self.sealed(operator_namespace.tenant).await?;
        let operator = operator.and_then(|row| sealed.readable::<Principal>(&row));
        let home = home.and_then(|row| self.readable::<Tenant>(&row));
        let (Some(operator), Some(home)) = (operator, home) else { return Ok(false) };
        Ok(operator.operator && operator.stands(&home, now).is_ok())
    }
}

/// What stands behind a token, as it is now.
pub(super) struct Authority {
    pub(super) tenant: Option<Tenant>,
    pub(super) minter: Option<Principal>,
    pub(super) claim: Result<Option<Claim>, NotAuthentic>,
}

impl Broker {
    /// Tenant, minter and (where one is asked for) claim behind a token, read together.
    pub(super) async fn authority(&self, made: &MadeUnder, claim: Option<RowKey>) -> Result<Authority, Error> {
        let found = self.store.get_all(&Authority::rows(made.namespace, made.minter, claim)).await?;
        self.authority_in(made.namespace, &found).await
    }

    /// What the rows that [`Authority::rows`] names say. Those of tenant or minter that are not authentic count as missing; so does a
    /// minter who acted for the tenant and is no operator any more.
    pub(super) async fn authority_in(&self, namespace: Namespace, found: &[Option<Row>]) -> Result<Authority, Error> {
        let mut found = found.iter();
        let mut next = || found.next().and_then(Option::as_ref);
        let sealed = self.sealed(namespace.tenant).await?;
        let tenant = next().and_then(|row| self.decode::<Tenant>(row).ok());
        let minter = next().and_then(|row| sealed.decode::<Principal>(row).ok());
        let claim = next().map(|row| self.decode::<Claim>(row)).transpose();
        let minter = match minter {
            Some(minter) if self.may_still_act(&minter.value, self.now()).await? => Some(minter.value),
            _ => None,
        };
        Ok(Authority {
            tenant: tenant.map(|record| record.value),
            minter,
            claim: claim.map(|record| record.map(|record| record.value)).map_err(|_| NotAuthentic),
        })
    }
}

impl Authority {
    /// The rows that tell it.
    pub(super) fn rows(namespace: Namespace, minter: PrincipalId, claim: Option<RowKey>) -> Vec<RowKey> {
        let mut keys = vec![rows::tenant(namespace.tenant), rows::principal(namespace, minter)];
        keys.extend(claim);
        keys
    }
}
