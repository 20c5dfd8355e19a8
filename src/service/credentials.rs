//! What somebody was known by, kept for looking again whether they still are: a stream of events outlives the request
//! that opened it.

use serde::{Deserialize, Serialize};

use crate::{
    crypto::opaque::ConsoleSecretHash,
    domain::{principal::PrincipalId, tenant::Namespace},
};

use super::{Asking, Broker, Caller, Error};

/// Names a credential, and is none: whoever has it can do nothing with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Credential {
    pub(super) namespace: Namespace,
    pub(super) principal: PrincipalId,
    /// Which of its key's secrets.
    secret: Option<u32>,
    /// The hash of a console session's secret, in hexadecimal.
    console: Option<String>,
}

impl Credential {
    pub(super) fn of(caller: &Caller) -> Self {
        Self {
            namespace: caller.namespace(),
            principal: caller.principal.id,
            secret: caller.secret,
            console: caller.console.as_ref().map(|console| console.hash.to_string()),
        }
    }
}

impl Broker {
    /// The caller as they are now, if what they were known by is still accepted.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when it is not.
    pub(super) async fn still_known(&self, credential: &Credential, asking: Asking) -> Result<Caller, Error> {
        if let Some(console) = &credential.console {
            let hash = ConsoleSecretHash::from_hexadecimal(console).ok_or(Error::Unauthenticated)?;
            return self.in_console_session(hash, asking).await;
        }
        let now = self.now();
        let (principal, tenant) = self.principal_of(credential.namespace, credential.principal, now).await?;
        match credential.secret {
            Some(secret) if !principal.accepts(secret, now) => Err(Error::Unauthenticated),
            secret => Ok(Caller { principal, tenant, console: None, secret, asking }),
        }
    }
}
