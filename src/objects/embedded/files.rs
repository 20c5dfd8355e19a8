//! Objects as files: where they lie, and how they appear and go away.
//!
//! One object is one file; `place` says where. A file is complete and on disk
//! before it appears under its name, and is never written to afterwards: several
//! names may therefore share one file. One process at a time owns the folder.
//!
//! ```text
//! objects/    what is stored
//! incoming/   what is on its way; emptied by every start
//! parts/      uploads in parts that are under way, each a folder
//! settled/    inbox keys that take no more bytes: see `settled`
//! ```
//!
//! Everything here blocks.

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::{
    crypto::data_key::DataKey,
    disk,
    domain::instant::Instant,
    entropy::Entropy,
    objects::{Doomed, ListedObject, ObjectFacts, ObjectFolder, ObjectKey},
};

use super::{
    at_rest::{AtRest, damaged},
    header, multipart, place,
};

/// Clients fill the disk so far and no further: what is left is for the broker's own, the store's commits first of all, of
/// which deleting a file is one.
const RESERVED: u64 = 128 * 1024 * 1024;

/// The folder of all objects.
pub(super) struct Files {
    objects: PathBuf,
    incoming: PathBuf,
    parts: PathBuf,
    /// Held while this process has the folder.
    _lock: File,
    /// Folders that are known to be there, on disk, and not only in a cache.
    durable: Mutex<HashSet<PathBuf>>,
}

/// A file that has no name yet that counts. It is removed unless it is published.
pub(super) struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Should this fail, the next start removes it.
        let _ = fs::remove_file(&self.0);
    }
}

/// A stored object, open for reading. What is read of it stays what it was, even
/// when the key is written again or removed meanwhile.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) facts: ObjectFacts,
    pub(super) at_rest: AtRest,
}

impl Opened {
    /// What lies in the file, if it is whole, and its owner's; nobody's, where none is named.
    fn at(path: &Path, owner: Option<&DataKey>) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let length = file.metadata()?.len();
        let mut head = [0; header::LENGTH];
        file.read_exact(&mut head).map_err(|_| damaged())?;
        let (at_rest, facts) = match owner {
            None => (AtRest::Open, header::decode(&head)),
            Some(owner) => {
                let (key, facts) = owner.open_head(header::SEALED, &head).map_err(|_| damaged())?;
                (AtRest::Sealed(Box::new(key)), header::read_facts(&facts))
            }
        };
        let facts = facts.filter(|facts| at_rest.file_length(facts.size) == Some(length)).ok_or_else(damaged)?;
        Ok(Some(Self { file, facts, at_rest }))
    }
}

impl Files {
    /// Opens or creates the folder, and removes what an earlier run left unfinished.
    pub(super) fn open(folder: &Path, entropy: &dyn Entropy, now: Instant) -> io::Result<Self> {
        let (objects, incoming, parts) = (folder.join("objects"), folder.join("incoming"), folder.join("parts"));
        for path in [folder, &objects, &incoming, &parts] {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        }
        let lock = File::open(folder)?;
        lock.try_lock()
            .map_err(|_| io::Error::new(ErrorKind::WouldBlock, "another process has it open: stop it first"))?;
        for left_over in fs::read_dir(&incoming)? {
            fs::remove_file(left_over?.path())?;
        }
        multipart::sweep(&parts, now)?;
        sync_folder(folder)?;
        let files = Self { objects, incoming, parts, _lock: lock, durable: Mutex::default() };
        // Create-only needs hard links: better known now than at the first upload.
        let (probe, _) = files.temporary(entropy)?;
        drop(files.linked(&probe.0, entropy)?);
        Ok(files)
    }

    /// A new, empty temporary file.
    pub(super) fn temporary(&self, entropy: &dyn Entropy) -> io::Result<(Temporary, File)> {
        let path = self.temporary_path(entropy);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok((Temporary(path), file))
    }

    /// Opens the object under the key.
    pub(super) fn find(&self, key: &ObjectKey, owner: Option<&DataKey>) -> io::Result<Option<Opened>> {
        Opened::at(&self.path_of(key), owner)
    }

    /// Whether something is stored under the key.
    pub(super) fn is_taken(&self, key: &ObjectKey) -> io::Result<bool> {
        fs::exists(self.path_of(key))
    }

    /// Opens the object under the key together with a temporary second name for
    /// the very same file. A file that has too many names already gets none.
    pub(super) fn find_linked(
        &self,
        key: &ObjectKey,
        owner: Option<&DataKey>,
        entropy: &dyn Entropy,
    ) -> io::Result<Option<(Opened, Option<Temporary>)>> {
        match self.linked(&self.path_of(key), entropy) {
            Ok(link) => Ok(Opened::at(&link.0, owner)?.map(|object| (object, Some(link)))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == ErrorKind::TooManyLinks => {
                Ok(self.find(key, owner)?.map(|object| (object, None)))
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the file its name, unless that is taken: the answer says which.
    pub(super) fn publish_new(&self, temporary: Temporary, key: &ObjectKey) -> io::Result<bool> {
        self.link_new(&temporary.0, key)
    }

    /// The same for a file that keeps the name it has.
    pub(super) fn link_new(&self, file: &Path, key: &ObjectKey) -> io::Result<bool> {
        let path = self.path_of(key);
        let folder = self.make_folder(&path)?;
        match fs::hard_link(file, &path) {
            Ok(()) => sync_folder(folder).map(|()| true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives the file its name, whatever was there.
    pub(super) fn publish(&self, temporary: Temporary, key: &ObjectKey) -> io::Result<()> {
        let path = self.path_of(key);
        let folder = self.make_folder(&path)?;
        // When both are names of one file already, POSIX leaves both: the
        // temporary one is removed when it is dropped.
        fs::rename(&temporary.0, &path)?;
        sync_folder(folder)
    }

    /// Removes the name; the file goes with its last one.
    pub(super) fn remove(&self, key: &ObjectKey) -> io::Result<()> {
        let path = self.path_of(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => path.parent().map_or(Ok(()), sync_folder),
        }
    }

    /// What is in a folder: see [`place::list`].
    pub(super) fn list(&self, folder: ObjectFolder, after: Option<&ObjectKey>) -> io::Result<Vec<ListedObject>> {
        place::list(&self.objects, folder, after)
    }

    /// Removes what is in a folder, or the objects that are known, and then the folder itself. Tells how many there were.
    pub(super) fn erase(&self, doomed: &Doomed) -> io::Result<u64> {
        let mut keys = doomed.known().to_vec();
        if let Some(folder) = doomed.listed() {
            keys.extend(self.list(folder, None)?.into_iter().map(|object| object.key));
        }
        let mut removed = 0;
        for key in keys {
            if self.is_taken(&key)? {
                self.remove(&key)?;
                removed += 1;
            }
        }
        if removed == 0 && doomed.listed().is_some() {
            self.remove_folder(&self.objects.join(doomed.prefix()))?;
        }
        Ok(removed)
    }

    /// Removes an empty folder of a namespace, whatever folders are in it, and the one of the tenant above it.
    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        let gone = |removed: io::Result<()>| match removed {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => Ok(()),
            other => other,
        };
        gone(fs::remove_dir_all(folder))?;
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        durable.retain(|known| !known.starts_with(folder));
        drop(durable);
        folder.parent().map_or(Ok(()), |tenant| gone(fs::remove_dir(tenant)))
    }

    /// Where uploads in parts lie.
    pub(super) fn parts(&self) -> &Path {
        &self.parts
    }

    /// Whether there is room for more from clients.
    pub(super) fn has_room(&self) -> io::Result<()> {
        match disk::left(&self.objects)? {
            Some(left) if left < RESERVED => Err(ErrorKind::StorageFull.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the folder is there and can be written to.
    pub(super) fn probe(&self, entropy: &dyn Entropy) -> io::Result<()> {
        self.temporary(entropy).map(drop)
    }

    fn linked(&self, path: &Path, entropy: &dyn Entropy) -> io::Result<Temporary> {
        let link = self.temporary_path(entropy);
        fs::hard_link(path, &link)?;
        Ok(Temporary(link))
    }

    fn temporary_path(&self, entropy: &dyn Entropy) -> PathBuf {
        self.incoming.join(base16ct::lower::encode_string(&entropy.bytes::<16>()))
    }

    fn path_of(&self, key: &ObjectKey) -> PathBuf {
        self.objects.join(place::path_of(key))
    }

    /// Makes the folders above a file, so that they outlive a power cut.
    fn make_folder<'a>(&self, file: &'a Path) -> io::Result<&'a Path> {
        let folder = file.parent().ok_or(ErrorKind::InvalidInput)?;
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if !durable.contains(folder) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(&self.objects)) {
                sync_folder(above)?;
            }
            durable.insert(folder.to_owned());
        }
        Ok(folder)
    }
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
