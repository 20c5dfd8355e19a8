//! Archives: many files of a vault as one ZIP, made while it is sent.
//!
//! The one place, besides the embedded storage, where bulk bytes pass the broker. So few are made at a time, nothing
//! lies on disk, and memory grows only by a name and some numbers a file, which the end of every ZIP repeats.

mod packing;
mod walk;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::{
    domain::{
        archive::common_folder,
        event::{Actor, EventType},
        path::{PathPin, VaultPath},
        permission::Permission,
        tenant::Namespace,
    },
    objects::Disposition,
};

use super::{
    Broker, Caller, Error,
    events::Origin,
    places::{Place, Places, Taken},
    sessions::Session,
    vault::outermost,
};

use self::{packing::Packing, walk::Walk};

/// At most so many archives are sent at a time by a process: each holds a connection to the storage.
const MOST_AT_ONCE: usize = 32;

/// At most so many of one session or API key.
const MOST_OF_ONE: usize = 4;

/// At most so many of one namespace: nobody's recipients keep all others waiting.
const MOST_OF_A_NAMESPACE: usize = MOST_AT_ONCE / 2;

/// The name of an archive that was given none.
const NAMELESS: &str = "files";

/// What is to be packed.
#[derive(Clone, Debug, Default)]
pub struct WantedArchive {
    /// Files and folders; empty for everything that the reader may read.
    pub paths: Vec<PathPin>,
    /// The archive's own name, with or without `.zip`.
    pub name: Option<String>,
}

/// An archive on its way. Its bytes end with an error where it breaks off: what was sent until then is no archive,
/// and whoever passes it on must let its receiver see that.
pub struct Archive {
    /// How a browser saves it.
    pub disposition: Disposition,
    /// The ZIP.
    pub bytes: BoxStream<'static, Result<Bytes, Error>>,
}

/// The archives that this process sends.
#[derive(Debug)]
pub struct ArchivePlaces {
    of_one: Places<String>,
    of_a_namespace: Places<Namespace>,
}

/// A place among those of one session or key, one among those of its namespace, and one among all.
pub(super) type ArchivePlace = [Place; 2];

impl Default for ArchivePlaces {
    fn default() -> Self {
        let of_a_namespace = Places::new(MOST_AT_ONCE, MOST_OF_A_NAMESPACE);
        Self { of_one: Places::new(MOST_AT_ONCE, MOST_OF_ONE), of_a_namespace }
    }
}

impl ArchivePlaces {
    fn try_take(&self, one: String, namespace: Namespace) -> Result<ArchivePlace, Error> {
        let own = self.of_one.try_take(one).map_err(|taken| match taken {
            Taken::ByOne => Error::TooManyAtOnce { what: "4 archives are being sent to you" },
            Taken::ByAll => Error::Busy,
        })?;
        let place = self.of_a_namespace.try_take(namespace).map_err(|taken| match taken {
            Taken::ByOne => Error::TooManyAtOnce { what: "16 archives of this vault are being sent" },
            Taken::ByAll => Error::Busy,
        })?;
        Ok([own, place])
    }
}

/// Whoever may read what is packed.
enum Reader {
    Session(Session),
    Caller(Caller),
}

impl Reader {
    fn origin(&self, broker: &Broker) -> Origin {
        match self {
            Self::Session(session) => session.origin(broker),
            Self::Caller(caller) => caller.origin(broker),
        }
    }

    fn actor(&self) -> Actor {
        match self {
            Self::Session(session) => session.actor(),
            Self::Caller(caller) => caller.actor(),
        }
    }

    /// What the archive is taken from: the share, or the key's whole vault.
    fn id(&self) -> String {
        match self {
            Self::Session(session) => session.share().to_string(),
            Self::Caller(caller) => caller.principal.id.to_string(),
        }
    }

    fn pins(&self) -> Vec<PathPin> {
        match self {
            Self::Session(session) => session.paths().to_vec(),
            Self::Caller(caller) => caller.principal.grants.0.iter().map(|grant| grant.path.clone()).collect(),
        }
    }

    fn may_read(&self, path: &VaultPath) -> bool {
        match self {
            Self::Session(session) => session.allows(path, Permission::Read),
            Self::Caller(caller) => caller.principal.grants.allow(path, Permission::Read),
        }
    }

    /// The same as it stands now. A session whose time has run out goes on, as a download does.
    async fn again(&self, broker: &Broker) -> Result<Self, Error> {
        match self {
            Self::Session(session) => broker.session_still_stands(session).await.map(Self::Session),
            Self::Caller(caller) => broker.caller_still_stands(caller).await.map(Self::Caller),
        }
    }
}

impl Broker {
    /// Files of the session as one ZIP.
    ///
    /// # Errors
    /// When the session does not reach a path, nothing is there, or too many archives are sent already.
    pub async fn session_archive(&self, session: Session, wanted: WantedArchive) -> Result<Archive, Error> {
        self.archive(Reader::Session(session), wanted).await
    }

    /// Files of the caller's vault as one ZIP.
    ///
    /// # Errors
    /// When the caller may not read a path, nothing is there, or too many archives are sent already.
    pub async fn vault_archive(&self, caller: Caller, wanted: WantedArchive) -> Result<Archive, Error> {
        self.archive(Reader::Caller(caller), wanted).await
    }

    async fn archive(&self, reader: Reader, wanted: WantedArchive) -> Result<Archive, Error> {
        let origin = reader.origin(self);
        let pins = within(&reader.pins(), &wanted.paths)?;
        let place = self.archives.try_take(reader.id(), origin.namespace)?;

        // The first file, so that an archive of nothing is refused while that can still be said.
        let mut walk = Walk::new(origin.namespace, pins);
        let first = loop {
            let file = walk.next(self).await?.ok_or(Error::NotFound)?;
            if reader.may_read(&file.path) {
                break file;
            }
        };
        // How many files it will have is not known yet: the event says that it was issued, and no number.
        self.record(&origin.done(EventType::ArchiveIssued, reader.actor(), reader.id())).await?;

        let shown = if wanted.paths.is_empty() { reader.pins() } else { wanted.paths };
        let disposition = Disposition::Attachment { file_name: file_name(wanted.name, &shown) };
        let packing = Packing { broker: self.clone(), reader, walk, folder: common_folder(&shown), place };
        Ok(Archive { disposition, bytes: packing.begin(first) })
    }

    async fn caller_still_stands(&self, caller: &Caller) -> Result<Caller, Error> {
        if let Some(console) = &caller.console {
            return self.still_in_console(console, caller.asking).await;
        }
        let authority = self.authority(&caller.made(), None).await?;
        let now = self.now();
        caller
            .made()
            .stands(authority.tenant.as_ref(), authority.minter.as_ref(), now)
            .map_err(|_| Error::Unauthenticated)?;
        match (authority.tenant, authority.minter) {
            (Some(tenant), Some(principal)) => Ok(Caller { principal, tenant, ..caller.clone() }),
            _ => Err(Error::Unauthenticated),
        }
    }
}

/// What both the reader's pins and the wanted ones cover.
fn within(mine: &[PathPin], wanted: &[PathPin]) -> Result<Vec<PathPin>, Error> {
    let everything = [PathPin::root()];
    let wanted = if wanted.is_empty() { &everything } else { wanted };
    let overlaps = |wanted: &PathPin| mine.iter().any(|pin| pin.intersection(wanted).is_some());
    if let Some(index) = wanted.iter().position(|wanted| !overlaps(wanted)) {
        return Err(Error::invalid(format!("/paths/{index}"), "there is nothing here that you may read"));
    }
    // Of pins that do not overlap, no more come out than went in.
    let (mine, wanted) = (outermost(mine), outermost(wanted));
    Ok(wanted.iter().flat_map(|wanted| mine.iter().filter_map(|pin| pin.intersection(wanted))).collect())
}

/// Its own name; or that of the one file or folder in it.
fn file_name(name: Option<String>, paths: &[PathPin]) -> String {
    let name = name.unwrap_or_else(|| match paths {
        [only] => only.to_string().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned(),
        _ => String::new(),
    });
    let stem = name.strip_suffix(".zip").unwrap_or(&name);
    if stem.trim().is_empty() { format!("{NAMELESS}.zip") } else { format!("{stem}.zip") }
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Archive({:?})", self.disposition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins(paths: &[&str]) -> Vec<PathPin> {
        paths.iter().map(|path| PathPin::parse(path).unwrap()).collect()
    }

    #[test]
    fn only_what_is_both_wanted_and_ones_own_is_packed() {
        let mine = pins(&["a/", "b.txt"]);
        assert_eq!(within(&mine, &[]).unwrap(), mine);
        assert_eq!(within(&mine, &pins(&["/"])).unwrap(), mine);
        assert_eq!(within(&mine, &pins(&["a/x/", "b.txt"])).unwrap(), pins(&["a/x/", "b.txt"]));
        for (foreign, index) in [(&["c/"][..], 0), (&["a/", "b.txt.bak"], 1), (&["b/"], 0)] {
            let fault = within(&mine, &pins(foreign)).unwrap_err();
            assert!(fault.to_string().starts_with(&format!("/paths/{index}: ")), "{fault}");
        }
    }

    #[test]
    fn what_is_wanted_very_often_is_packed_once() {
        let mine: Vec<_> = (0..100).map(|number| PathPin::parse(&format!("{number}.txt")).unwrap()).collect();
        let wanted = vec![PathPin::root(); 1_000];
        assert_eq!(within(&mine, &wanted).unwrap().len(), 100);
        assert_eq!(within(&pins(&["a/"]), &pins(&["a/b/", "a/b/c", "a/b/", "a/", "/"])).unwrap(), pins(&["a/"]));
    }

    #[test]
    fn an_archive_has_a_name() {
        for (name, paths, file) in [
            (Some("mine"), &["a"][..], "mine.zip"),
            (Some("mine.zip"), &["a"], "mine.zip"),
            (Some(" "), &["a"], "files.zip"),
            (None, &["docs/logo/"], "logo.zip"),
            (None, &["docs/a.pdf"], "a.pdf.zip"),
            (None, &["a", "b"], "files.zip"),
            (None, &["/"], "files.zip"),
        ] {
            assert_eq!(file_name(name.map(str::to_owned), &pins(paths)), file);
        }
    }
}
