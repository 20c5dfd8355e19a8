//! The probes: each bends one thing and leaves everything else as agreed, so
//! that a refusal can have only one reason.

mod copy;
mod form;
mod get;
mod part;
mod put;

use crate::objects::ObjectKey;

use super::{Probing, constraints::Probe, request::Sent};

pub(super) use self::{form::agreed as form, get::agreed as get, part::agreed as part, put::agreed as put};

/// What was agreed.
const BYTES: &[u8] = b"cloakroom doctor";
/// As long, and something else.
const OTHERS: &[u8] = b"CLOAKROOM DOCTOR";

/// What came of a violation.
pub(super) struct Seen {
    /// What the storage answered, where it was an HTTP request of ours.
    pub(super) status: Option<u16>,
    /// Whether what should not be was done, whatever the answer says.
    pub(super) done: bool,
}

/// Tries one constraint. The error says why nothing can be told.
pub(super) async fn try_out(probing: &Probing<'_>, probe: Probe) -> Result<Seen, String> {
    match probe {
        Probe::Put(probe) => put::try_out(probing, probe).await,
        Probe::Form(probe) => form::try_out(probing, probe).await,
        Probe::Part(probe) => part::try_out(probing, probe).await,
        Probe::Get(probe) => get::try_out(probing, probe).await,
        Probe::Copy(probe) => copy::try_out(probing, probe).await,
    }
}

impl Probing<'_> {
    /// Sends what should store nothing under the key.
    async fn upload(&self, request: Sent, key: &ObjectKey) -> Result<Seen, String> {
        let answer = self.send(request).await?;
        let done = self.is_stored(key).await?;
        if !done {
            self.forget(key);
        }
        Ok(Seen { status: Some(answer.status), done })
    }

    /// Sends what is agreed, so that there is something to attack.
    async fn stored(&self, request: &Sent) -> Result<(), String> {
        match self.send(request.clone()).await?.status {
            200..300 => Ok(()),
            status => Err(format!("the agreed upload before it was answered with {status}")),
        }
    }

    /// Sends what has no effect that could be looked at.
    async fn ask(&self, request: Sent) -> Result<Seen, String> {
        Ok(Seen { status: Some(self.send(request).await?.status), done: false })
    }

    /// Sends what should leave the object under the key where it is.
    async fn remove(&self, request: Sent, key: &ObjectKey) -> Result<Seen, String> {
        let answer = self.send(request).await?;
        Ok(Seen { status: Some(answer.status), done: !self.is_stored(key).await? })
    }

    /// The address of the key, without anything that vouches for the request.
    fn unsigned(&self, url: &str, key: &ObjectKey) -> String {
        match url.split_once('?') {
            Some((address, _)) => address.to_owned(),
            None => format!("{}/{}", self.storage.browser_origin(), key.as_str()),
        }
    }
}

/// The URL with one key in the place of another. Where the key is sealed
/// inside, all that a stranger can do is to add one.
fn readdressed(url: &str, from: &ObjectKey, to: &ObjectKey) -> String {
    if url.contains(from.as_str()) { url.replace(from.as_str(), to.as_str()) } else { format!("{url}/{}", to.as_str()) }
}
