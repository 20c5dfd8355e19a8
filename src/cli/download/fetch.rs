//! One file on its way to the disk.

use std::{
    cell::Cell,
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use crate::cli::{
    Failed,
    checksum::Told,
    fault::{Fault, patiently},
    kept::Kept,
    progress::FileProgress,
    storage::Storage,
};

use super::access::{Access, Listed};

/// How often a URL that the storage does not take is asked for anew.
const SIGNATURES: u32 = 3;

/// A file to fetch, and its place.
pub(super) struct Wanted {
    pub(super) listed: Listed,
    pub(super) place: PathBuf,
    /// Where its bytes are gathered until they are whole.
    pub(super) part: PathBuf,
    /// A URL that was asked for together with others.
    pub(super) signed: Cell<Option<String>>,
}

/// A partial file of ours, and which bytes it holds the beginning of.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    file: Identity,
    server: String,
    path: String,
    size: u64,
    checksum: Option<Told>,
    etag: String,
}

impl Begun {
    /// Whether it is the same file with a beginning of the same bytes, of whichever ETag.
    fn is_of_the_bytes_of(&self, other: &Self) -> bool {
        let bytes = |begun: &Self| (begun.server.clone(), begun.path.clone(), begun.size, begun.checksum.clone());
        self.file == other.file && bytes(self) == bytes(other)
    }
}

/// What tells a file of ours from one that somebody has put in its place.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    inode: u64,
    /// Where the file system knows: inodes are used again.
    created: Option<SystemTime>,
}

impl Identity {
    fn of(metadata: &fs::Metadata) -> Self {
        Self { inode: metadata.ino(), created: metadata.created().ok() }
    }
}

/// Whether bytes were fetched, or were there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Fetched,
    WasThere,
}

/// Names for the partial files: none that a file or another partial file has, and
/// none under which there is a file already, unless it is a partial one of ours.
pub(super) fn parts_of(places: &[PathBuf]) -> Vec<PathBuf> {
    let mut taken: BTreeSet<PathBuf> = places.iter().cloned().collect();
    let is_free = |part: &Path| match fs::symlink_metadata(part) {
        Ok(found) => kept_of(part).is_ok_and(|kept| is_ours(&kept, &found)),
        Err(_) => true,
    };
    let part_of = |place: &PathBuf| {
        let mut name = OsString::from(place);
        loop {
            name.push(".part");
            let part = PathBuf::from(&name);
            if taken.insert(part.clone()) && is_free(&part) {
                return part;
            }
        }
    };
    places.iter().map(part_of).collect()
}

impl Wanted {
    /// Fetches the file, or the rest of it; what is there already is never replaced.
    pub(super) fn fetch(&self, access: &Access, storage: &Storage, progress: &FileProgress) -> Result<Outcome, Failed> {
        if self.is_there()? {
            progress.found(self.listed.size);
            return Ok(Outcome::WasThere);
        }
        let kept = kept_of(&self.part)?;
        let mut file = open_part(&self.part, &kept)?;
        let known = self.begun(access, "", &file)?;
        let mut begun = kept.read::<Begun>().filter(|begun| begun.is_of_the_bytes_of(&known));
        if begun.is_none() {
            file.set_len(0)?;
            // Known as ours from now on, whatever becomes of it.
            kept.write(&known)?;
        }
        let was_resumed = file.metadata()?.len() > 0;
        progress.found(file.metadata()?.len());
        self.gather(&mut file, &mut begun, &kept, access, storage, progress)?;
        progress.note("verifying …");
        let mut whole = self.is_whole(&mut file)?;
        if !whole && was_resumed {
            // The beginning was of other bytes; the end was not fetched in vain if it is all fetched now.
            progress.take_back(self.listed.size);
            file.set_len(0)?;
            self.gather(&mut file, &mut None, &kept, access, storage, progress)?;
            whole = self.is_whole(&mut file)?;
        }
        if !whole {
            fs::remove_file(&self.part)?;
            kept.forget();
            return Err("what came is not what was listed: its SHA-256 differs".into());
        }
        file.sync_all()?;
        settle(&self.part, &self.place)?;
        kept.forget();
        Ok(Outcome::Fetched)
    }

    fn begun(&self, access: &Access, etag: &str, file: &File) -> io::Result<Begun> {
        let Listed { path, size, checksum } = self.listed.clone();
        let file = Identity::of(&file.metadata()?);
        Ok(Begun { file, server: access.server().to_owned(), path, size, checksum, etag: etag.to_owned() })
    }

    /// Whether this very file is in its place; another one there is a fault.
    fn is_there(&self) -> Result<bool, Failed> {
        let Ok(metadata) = fs::symlink_metadata(&self.place) else { return Ok(false) };
        let is_same = metadata.is_file()
            && metadata.len() == self.listed.size
            && self.listed.checksum.is_some()
            && self.is_whole(&mut File::open(&self.place)?)?;
        if is_same { Ok(true) } else { Err("there is another file already, which is not replaced".into()) }
    }

    fn gather(
        &self,
        file: &mut File,
        begun: &mut Option<Begun>,
        kept: &Kept,
        access: &Access,
        storage: &Storage,
        progress: &FileProgress,
    ) -> Result<(), Failed> {
        let mut furthest = file.metadata()?.len();
        let mut signatures = 0;
        // An empty file is fetched as well: whoever may not have it shall not have its name.
        let mut is_done = furthest == self.listed.size && self.listed.size > 0;
        while !is_done {
            is_done = patiently(|| {
                let fetched = self.fetch_rest(file, begun, kept, access, storage, progress);
                let length = file.metadata().map_err(|fault| Fault::other(&fault))?.len();
                match fetched {
                    Ok(()) => Ok(true),
                    // The line is bad, but it goes on: that is no failed try.
                    Err(_) if length > furthest => {
                        furthest = length;
                        Ok(false)
                    }
                    Err(fault) if fault.status == Some(403) && signatures < SIGNATURES => {
                        signatures += 1;
                        Ok(false)
                    }
                    Err(fault) => Err(fault),
                }
            })?;
        }
        Ok(())
    }

    fn fetch_rest(
        &self,
        file: &mut File,
        begun: &mut Option<Begun>,
        kept: &Kept,
        access: &Access,
        storage: &Storage,
        progress: &FileProgress,
    ) -> Result<(), Fault> {
        let local = |fault: io::Error| Fault::other(&fault);
        let url = self.signed.take().map_or_else(|| access.url(&self.listed.path), Ok)?;
        let mut from = file.metadata().map_err(local)?.len();
        let etag = begun.as_ref().map(|begun| begun.etag.clone()).filter(|etag| !etag.is_empty());
        if etag.is_none() || from == self.listed.size {
            progress.take_back(from);
            from = 0;
        }
        let mut response = storage.get(&url, from, etag.as_deref())?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let extent = format!("bytes {from}-");
        let is_rest = from > 0
            && response.status() == 206
            && header("content-range").is_some_and(|told| told.starts_with(&extent));
        if from > 0 && !is_rest {
            progress.take_back(from);
            from = 0;
        }
        // A weak ETag says nothing about bytes.
        let etag = header("etag").filter(|etag| !etag.starts_with("W/")).unwrap_or_default().to_owned();
        file.set_len(from).and_then(|()| file.seek(SeekFrom::Start(from))).map_err(local)?;
        let now = self.begun(access, &etag, file).map_err(local)?;
        if begun.as_ref() != Some(&now) {
            kept.write(&now).map_err(local)?;
            *begun = Some(now);
        }
        self.copy(response.body_mut().as_reader(), file, from, progress)
    }

    /// Copies no more than was listed, and nothing less.
    fn copy(&self, mut body: impl Read, file: &mut File, from: u64, progress: &FileProgress) -> Result<(), Fault> {
        let mut left = self.listed.size - from;
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let read = body.read(&mut buffer).map_err(|fault| Fault::broken(&fault))?;
            if read as u64 > left {
                return Err(Fault::other(&"more bytes came than were listed"));
            }
            if read == 0 {
                let ended = || Fault::broken(&io::Error::from(io::ErrorKind::UnexpectedEof));
                return if left == 0 { Ok(()) } else { Err(ended()) };
            }
            file.write_all(&buffer[..read]).map_err(|fault| Fault::other(&fault))?;
            progress.advance(read as u64);
            left -= read as u64;
        }
    }

    /// Whether size and, where it is known, SHA-256 are those of the list.
    fn is_whole(&self, file: &mut File) -> io::Result<bool> {
        let size = self.listed.size;
        if file.metadata()?.len() != size {
            return Ok(false);
        }
        file.rewind()?;
        self.listed.checksum.as_ref().map_or(Ok(true), |told| told.agrees(size, file))
    }
}

/// Where it is kept what a partial file holds.
fn kept_of(part: &Path) -> io::Result<Kept> {
    let folder = fs::canonicalize(part.parent().unwrap_or(Path::new(".")))?;
    Ok(Kept::of("downloads", &[&folder.join(part.file_name().unwrap_or_default()).to_string_lossy()]))
}

/// Whether a file that was found is the partial one that is kept in mind.
fn is_ours(kept: &Kept, found: &fs::Metadata) -> bool {
    found.is_file() && kept.read::<Begun>().is_some_and(|begun| begun.file == Identity::of(found))
}

/// Opens the partial file: a new one, or one of ours. What is somebody's own is never written to.
fn open_part(part: &Path, kept: &Kept) -> Result<File, Failed> {
    let fault = |fault| format!("{}: {fault}", part.display());
    let open = |is_new| OpenOptions::new().read(true).write(true).create_new(is_new).open(part);
    match open(true) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = open(false).map_err(fault)?;
            match is_ours(kept, &file.metadata()?) {
                true => Ok(file),
                false => Err(format!("{} is there already, and no partial file of ours", part.display()).into()),
            }
        }
        other => Ok(other.map_err(fault)?),
    }
}

/// Gives a whole file its name, unless another has it by now.
fn settle(part: &Path, place: &Path) -> io::Result<()> {
    match fs::hard_link(part, place) {
        Ok(()) => fs::remove_file(part),
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Err(fault),
        // Some file systems have no links.
        Err(_) if fs::symlink_metadata(place).is_err() => fs::rename(part, place),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_file_takes_nobodys_name() {
        let places = ["a", "a.part", "b", "a.part.part"].map(PathBuf::from);
        let parts = ["a.part.part.part", "a.part.part.part.part", "b.part", "a.part.part.part.part.part"];
        assert_eq!(parts_of(&places), parts.map(PathBuf::from));
    }

    #[test]
    fn a_whole_file_does_not_push_another_out() {
        let folder = tempfile::tempdir().unwrap();
        let (part, place) = (folder.path().join("a.part"), folder.path().join("a"));
        fs::write(&part, "new").unwrap();
        settle(&part, &place).unwrap();
        assert!(fs::read_to_string(&place).unwrap() == "new" && !part.exists());
        fs::write(&part, "newer").unwrap();
        assert!(settle(&part, &place).is_err());
        assert_eq!(fs::read_to_string(&place).unwrap(), "new");
    }
}
