//! The rights of one person: what is kept of them is told, corrected and erased, for the administrators of the tenant that
//! keeps it. `things` finds what goes to an address, `theirs` what somebody did.
//!
//! Never here: who somebody is, in an event, a log or a key of a row. A person is named by a keyed hash
//! ([`crate::crypto::lookup`]).

mod again;
mod correction;
mod erasing;
mod erasure;
mod export;
mod theirs;
mod things;

use serde::{Deserialize, Serialize};

use crate::domain::{
    erasure::DataSubject,
    identity::{Issuer, Subject},
    ids::{DataSubjectId, UserId},
    principal::{KnownBy, Principal, PrincipalId},
    recipient::Address,
    tenant::{Mode, Namespace},
};

use super::{Broker, Caller, Error, records::Record, rows, users::UserPointer};

pub use correction::Corrected;
pub use erasing::Turn;
pub use erasure::{EraseSubject, SeenSubject};
pub use export::{HeldUser, Holding, SubjectExport};

/// Who is meant, as whoever asks names them.
#[derive(Clone, Debug)]
pub enum Named {
    /// Whoever reads the mail of this address.
    Address(Address),
    /// The user with this id.
    User(UserId),
    /// The user whom a provider calls so.
    Subject(Issuer, Subject),
}

/// A row of the list of erasures that are under way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UnderWay {
    namespace: Namespace,
    id: DataSubjectId,
}

/// Somebody who was named.
struct Known {
    /// Under a keyed hash.
    id: DataSubjectId,
    /// None where nobody is called that.
    who: Option<DataSubject>,
    /// The user who was named, if one was.
    user: Option<Principal>,
}

impl Caller {
    /// Whether the caller sees to the rights of people. Whoever acts for a tenant does not.
    fn sees_to_people(&self) -> Result<(), Error> {
        self.administers()?;
        match self.principal.known_by {
            KnownBy::Impersonation { .. } => {
                Err(Error::Forbidden("whoever acts for a tenant neither exports, corrects nor erases people".into()))
            }
            KnownBy::ApiKey { .. } | KnownBy::User { .. } | KnownBy::Erased { .. } => Ok(()),
        }
    }
}

/// In which namespaces somebody is looked for: a person is one in both of their tenant's, and whoever tests reaches
/// nothing that is live.
fn reached_from(namespace: Namespace) -> Vec<Namespace> {
    let tenant = namespace.tenant;
    let modes = if namespace.mode == Mode::Live { &[Mode::Live, Mode::Test][..] } else { &[Mode::Test] };
    modes.iter().map(|mode| Namespace { tenant, mode: *mode }).collect()
}

/// Whether a user is called by this address.
fn goes_by(user: &Principal, address: &Address) -> bool {
    let KnownBy::User { subject, .. } = &user.known_by else { return false };
    let names = user.label.iter().map(String::as_str).chain([subject.expose()]);
    names.into_iter().any(|name| name.to_lowercase() == address.as_str())
}

impl Broker {
    /// Who is meant.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a user of another namespace, or an id of none; when the data key cannot be had.
    async fn known(&self, namespace: Namespace, named: Named) -> Result<Known, Error> {
        let sealed = self.sealed(namespace.tenant).await?;
        let id = match named {
            Named::Address(address) => {
                let id = sealed.addressee(&address)?;
                return Ok(Known { id, who: Some(DataSubject::Address(address)), user: None });
            }
            Named::User(id) => id,
            Named::Subject(issuer, subject) => {
                let [row] = self.store.get([rows::user_pointer(sealed.user(&issuer, &subject)?)]).await?;
                let pointer = self.decode_if::<UserPointer>(row.as_ref())?.map(|record| record.value);
                match pointer.filter(|pointer| reached_from(namespace).contains(&pointer.namespace)) {
                    Some(pointer) => pointer.id,
                    None => {
                        let id = sealed.user_as_subject(&issuer, &subject)?;
                        return Ok(Known { id, who: None, user: None });
                    }
                }
            }
        };
        let Some((_, Record { value: user, .. })) = self.user_reached(namespace, id).await? else {
            return Err(Error::NotFound);
        };
        let subject = match &user.known_by {
            KnownBy::User { issuer, subject } => sealed.user_as_subject(issuer, subject)?,
            KnownBy::Erased { subject } => *subject,
            KnownBy::ApiKey { .. } | KnownBy::Impersonation { .. } => return Err(Error::NotFound),
        };
        Ok(Known { id: subject, who: Some(DataSubject::User(id)), user: Some(user) })
    }

    /// A user, in whichever of these namespaces they are.
    async fn user_reached(&self, from: Namespace, id: UserId) -> Result<Option<(Namespace, Record<Principal>)>, Error> {
        let sealed = self.sealed(from.tenant).await?;
        for namespace in reached_from(from) {
            let [row] = self.store.get([rows::principal(namespace, PrincipalId::User(id))]).await?;
            if let Some(user) = sealed.decode_if(row.as_ref())? {
                return Ok(Some((namespace, user)));
            }
        }
        Ok(None)
    }
}
