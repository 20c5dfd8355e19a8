//! Access: from a credential to a principal, in one place.

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{
        opaque::{ApiKeySecret, ConsoleSecretHash},
        row_mac::NotAuthentic,
        secret::SecretText,
    },
    domain::{
        api_key::ApiKey,
        authority::MadeUnder,
        console::ConsoleSession,
        event::Actor,
        ids::{ApiKeyId, RequestId},
        path::{PathPin, VaultPath},
        permission::Permission,
        redemption::Claim,
        tenant::{Namespace, Tenant},
    },
    store::RowKey,
};

use super::{Broker, Error, events::Origin, rows};

/// Who is calling, with an API key or from the console: known, live, and of a
/// tenant that is not suspended.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key; in the console that by which they signed in.
    pub key: ApiKey,
    /// Its tenant.
    pub tenant: Tenant,
    /// The session of the console, if they call from there.
    pub console: Option<Console>,
    /// The request it calls in.
    pub request: RequestId,
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
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ApiKeyPointer {
    pub(super) namespace: Namespace,
    pub(super) id: ApiKeyId,
}

impl Caller {
    /// The walls around all the caller can reach.
    pub fn namespace(&self) -> Namespace {
        self.key.namespace
    }

    pub(super) fn actor(&self) -> Actor {
        match &self.console {
            None => Actor::ApiKey { id: self.key.id },
            Some(console) => Actor::Console { key: self.key.id, session: console.session.id },
        }
    }

    pub(super) fn origin(&self, broker: &Broker) -> Origin {
        Origin { namespace: self.namespace(), request: Some(self.request), at: broker.now() }
    }

    pub(super) fn made(&self) -> MadeUnder {
        MadeUnder::now(&self.tenant, &self.key)
    }

    pub(super) fn may(&self, path: &VaultPath, permission: Permission) -> Result<(), Error> {
        if self.key.grants.allow(path, permission) { Ok(()) } else { Err(outside(path)) }
    }

    pub(super) fn may_pin(&self, pin: &PathPin, permission: Permission) -> Result<(), Error> {
        if self.key.grants.allow_pin(pin, permission) { Ok(()) } else { Err(outside(pin)) }
    }

    pub(super) fn administers(&self) -> Result<(), Error> {
        if self.key.grants.administer() {
            Ok(())
        } else {
            Err(Error::Forbidden("this needs an API key with the permission admin on /".into()))
        }
    }

    pub(super) fn operates(&self) -> Result<(), Error> {
        if self.key.operator { Ok(()) } else { Err(Error::Forbidden("this needs an operator's API key".into())) }
    }
}

fn outside(path: impl std::fmt::Display) -> Error {
    Error::Forbidden(format!("this API key has no such permission on {path}"))
}

impl Broker {
    /// The caller with this API key.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], the same for every key that is not accepted.
    pub async fn authenticate(&self, secret: &SecretText, request: RequestId) -> Result<Caller, Error> {
        let secret = ApiKeySecret::parse(secret).map_err(|_| Error::Unauthenticated)?;
        let [pointer] = self.store.get([rows::api_key_pointer(secret.hash())]).await?;
        let pointer: ApiKeyPointer = pointer.and_then(|row| self.readable(&row)).ok_or(Error::Unauthenticated)?;

        let keys = [rows::api_key(pointer.namespace, pointer.id), rows::tenant(pointer.namespace.tenant)];
        let [key, tenant] = self.store.get(keys).await?;
        let key: ApiKey = key.and_then(|row| self.readable(&row)).ok_or(Error::Unauthenticated)?;
        let tenant: Tenant = tenant.and_then(|row| self.readable(&row)).ok_or(Error::Unauthenticated)?;
        match key.stands(&tenant, self.now()) {
            Ok(()) if key.namespace == pointer.namespace && key.namespace.mode == secret.mode() => {
                Ok(Caller { key, tenant, console: None, request })
            }
            _ => Err(Error::Unauthenticated),
        }
    }
}

/// What stands behind a token, as it is now.
pub(super) struct Authority {
    pub(super) tenant: Option<Tenant>,
    pub(super) minter: Option<ApiKey>,
    pub(super) claim: Result<Option<Claim>, NotAuthentic>,
}

impl Broker {
    /// Tenant, minter and (where one is asked for) claim behind a token, read
    /// together. Rows of tenant or minter that are not authentic count as missing.
    pub(super) async fn authority(&self, made: &MadeUnder, claim: Option<RowKey>) -> Result<Authority, Error> {
        let mut keys = vec![rows::tenant(made.namespace.tenant), rows::api_key(made.namespace, made.minter)];
        keys.extend(claim);
        let mut found = self.store.get_all(&keys).await?.into_iter();
        let mut next = || found.next().flatten();
        let tenant = next().and_then(|row| self.decode::<Tenant>(&row).ok());
        let minter = next().and_then(|row| self.decode::<ApiKey>(&row).ok());
        let claim = next().map(|row| self.decode::<Claim>(&row)).transpose();
        Ok(Authority {
            tenant: tenant.map(|record| record.value),
            minter: minter.map(|record| record.value),
            claim: claim.map(|record| record.map(|record| record.value)).map_err(|_| NotAuthentic),
        })
    }
}
