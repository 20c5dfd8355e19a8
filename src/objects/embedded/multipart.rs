//! Uploads in parts, as folders.
//!
//! ```text
//! parts/<SHA-256 of the upload's id>/data    512 bytes for the header, then each part at its place
//! parts/<SHA-256 of the upload's id>/parts   see `slots`
//! ```
//!
//! A part has arrived when its slot is on disk, which is written when its bytes are.
//! The data becomes the object itself, by a second name. From then on nothing may be
//! written into it: `uploads` sees to that while this process runs. A crash
//! may leave the folder behind; whoever finds data with two names knows that
//! the object is published, and the next start removes what is left.
//!
//! Everything here blocks.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};

use crate::{
    domain::instant::Instant,
    entropy::Entropy,
    objects::{ContentType, LARGEST_PART, MOST_PARTS, MultipartId, ObjectKey, SMALLEST_PART, StoredPart},
};

use super::{
    PIECE,
    files::{Files, sync_folder},
    header,
    slots::{HEAD, Head, SLOT, Slot},
};

/// No upload can be completed after a week and a day. This is for uploads that nobody knows
/// of, since the answer to their beginning was lost; the others are aborted in time.
const LONGEST_REST: Duration = Duration::from_secs(10 * 24 * 3600);

/// The name of the folder of an upload.
pub(super) fn name_of(upload: &MultipartId) -> String {
    base16ct::lower::encode_string(&Sha256::digest(&upload.0))
}

/// The folder of an upload that has not ended.
pub(super) struct Folder {
    path: PathBuf,
    pub(super) head: Head,
    /// When its slots were written last.
    last_used: SystemTime,
}

/// The two files of an upload, open for writing.
///
/// Each sender opens them anew: an error of writing back is told to everybody
/// who had the file open, so that no other sender can take it away.
pub(super) struct OpenFiles {
    data: File,
    slots: File,
}

impl Folder {
    /// Makes a new, empty upload.
    pub(super) fn begin(
        files: &Files,
        entropy: &dyn Entropy,
        key: &ObjectKey,
        content_type: &ContentType,
        part_checksums: bool,
    ) -> io::Result<MultipartId> {
        let upload = MultipartId(base16ct::lower::encode_string(&entropy.bytes::<32>()));
        let path = files.parts().join(name_of(&upload));
        DirBuilder::new().mode(0o700).create(&path)?;
        let head = Head::new(key, content_type.clone(), part_checksums).encode();
        // What is left of this after a fault, the next start removes.
        for (name, begin) in [("data", [0; header::LENGTH]), ("parts", head)] {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path.join(name))?;
            file.write_all_at(&begin, 0)?;
            file.sync_all()?;
        }
        sync_folder(&path)?;
        sync_folder(files.parts())?;
        Ok(upload)
    }

    /// The upload to this key, unless it has ended.
    pub(super) fn find(files: &Files, key: &ObjectKey, upload: &MultipartId) -> io::Result<Option<Self>> {
        let found = Self::at(files.parts().join(name_of(upload)))?;
        Ok(found.filter(|folder| folder.head.is_for(key)))
    }

    fn at(path: PathBuf) -> io::Result<Option<Self>> {
        let open = || {
            let slots = File::open(path.join("parts"))?;
            let mut head = [0; HEAD];
            slots.read_exact_at(&mut head, 0)?;
            io::Result::Ok((head, slots.metadata()?.modified()?, fs::metadata(path.join("data"))?.nlink()))
        };
        match open() {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => Ok(None),
            Err(error) => Err(error),
            Ok((.., names)) if names > 1 => Ok(None),
            Ok((head, last_used, _)) => Ok(Head::decode(&head).map(|head| Self { path, head, last_used })),
        }
    }

    /// Whether no part has arrived, or was given up, for so long that nobody can want it any more.
    fn is_at_rest(&self, now: Instant) -> bool {
        let used = self.last_used.duration_since(UNIX_EPOCH).unwrap_or_default();
        Instant::from_unix_seconds(used.as_secs()).plus(LONGEST_REST) <= now
    }

    /// Opens the files for a sender.
    pub(super) fn open(&self) -> io::Result<OpenFiles> {
        let open = |name| OpenOptions::new().write(true).open(self.path.join(name));
        Ok(OpenFiles { data: open("data")?, slots: open("parts")? })
    }

    /// The parts that have arrived, in order.
    pub(super) fn arrived(&self) -> io::Result<Vec<Slot>> {
        let slots = fs::read(self.path.join("parts"))?;
        Ok(Slot::all_in(slots.get(HEAD..).unwrap_or_default()))
    }

    /// Gives the data the name of the object, if exactly the parts that were named have arrived, and the
    /// key is free.
    fn publish(&self, files: &Files, key: &ObjectKey, named: &[StoredPart]) -> io::Result<bool> {
        let arrived = self.arrived()?;
        let is_as_named = arrived.iter().map(Slot::stored).eq(named.iter().cloned());
        if !is_as_named || !is_whole(&arrived) || files.is_taken(key)? {
            return Ok(false);
        }
        let size = arrived.last().map_or(0, |last| last.offset() + last.size);
        let data = OpenOptions::new().read(true).write(true).open(self.path.join("data"))?;
        let Some(sha256) = self.hash(&data, &arrived)? else {
            return Ok(false);
        };
        // A part that never arrived may have left bytes behind the last one.
        data.set_len(header::LENGTH as u64 + size)?;
        data.write_all_at(&header::encode(size, &sha256, &self.head.content_type), 0)?;
        data.sync_all()?;
        files.link_new(&self.path.join("data"), key)
    }

    /// The SHA-256 of all the bytes, if each part still has its own. All is hashed twice: it
    /// is the one look at what really lies on disk, and says which part is to be sent again.
    fn hash(&self, data: &File, arrived: &[Slot]) -> io::Result<Option<[u8; 32]>> {
        let mut whole = Sha256::new();
        let mut piece = vec![0; PIECE];
        for slot in arrived {
            let mut part = Sha256::new();
            let (mut position, mut left) = (header::LENGTH as u64 + slot.offset(), slot.size);
            while left > 0 {
                let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                match data.read_exact_at(&mut piece[..length], position) {
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                    other => other?,
                }
                whole.update(&piece[..length]);
                part.update(&piece[..length]);
                (position, left) = (position + length as u64, left - length as u64);
            }
            if left > 0 || part.finalize().as_slice() != slot.sha256 {
                self.open()?.forget(slot.number)?;
                return Ok(None);
            }
        }
        Ok(Some(whole.finalize().into()))
    }

    /// Removes all of it. The slots go first: without them there is no upload.
    pub(super) fn remove(self) -> io::Result<()> {
        remove(&self.path)
    }
}

impl OpenFiles {
    /// Writes bytes to their place in the object.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.data.write_all_at(bytes, header::LENGTH as u64 + offset)
    }

    /// The part has not arrived, whatever came before: that is on disk when this returns.
    pub(super) fn forget(&self, number: u32) -> io::Result<()> {
        self.slots.write_all_at(&[0; SLOT], Slot::position(number))?;
        self.slots.sync_data()
    }

    /// The part has arrived: its bytes, and then its slot, are on disk when this returns.
    pub(super) fn arrived(&self, slot: &Slot) -> io::Result<()> {
        self.data.sync_data()?;
        self.slots.write_all_at(&slot.encode(), Slot::position(slot.number))?;
        self.slots.sync_data()
    }
}

/// Whether the parts are one object without a gap, of sizes that S3 would take as well.
fn is_whole(parts: &[Slot]) -> bool {
    let Some((last, before)) = parts.split_last() else {
        return false;
    };
    let full = |part: &Slot| part.size == last.part_size && part.part_size == last.part_size;
    parts.iter().map(|part| part.number).eq(1..=last.number)
        && last.number <= MOST_PARTS
        && last.size <= LARGEST_PART.min(last.part_size)
        && (before.is_empty() || last.part_size >= SMALLEST_PART)
        && before.iter().all(full)
}

/// Makes one object of exactly these parts; nothing of the upload stays then. Nobody
/// may write meanwhile, nor later unless the upload can still be found.
pub(super) fn publish(files: &Files, key: &ObjectKey, upload: &MultipartId, parts: &[StoredPart]) -> io::Result<bool> {
    let Some(folder) = Folder::find(files, key, upload)? else {
        return Ok(false);
    };
    let published = folder.publish(files, key, parts)?;
    if published {
        // The object is there. Should this fail, the next start removes what is left.
        let _ = folder.remove();
    }
    Ok(published)
}

/// Removes what an earlier run has published or never finished making, and what
/// nobody goes on with. Only before anybody begins an upload: one that is being made looks
/// like one that was never finished.
pub(super) fn sweep(parts: &Path, now: Instant) -> io::Result<()> {
    for entry in fs::read_dir(parts)? {
        let path = entry?.path();
        if Folder::at(path.clone())?.is_none_or(|folder| folder.is_at_rest(now)) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// The names of the uploads that nobody goes on with.
pub(super) fn at_rest(files: &Files, now: Instant) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(files.parts())? {
        let entry = entry?;
        if Folder::at(entry.path())?.is_some_and(|folder| folder.is_at_rest(now)) {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

/// Removes the upload of this name, unless somebody has gone on with it: the answer says which.
/// Nobody may write meanwhile.
pub(super) fn remove_at_rest(files: &Files, name: &str, now: Instant) -> io::Result<bool> {
    match Folder::at(files.parts().join(name))?.filter(|folder| folder.is_at_rest(now)) {
        Some(folder) => folder.remove().map(|()| true),
        None => Ok(false),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let gone = |removed: io::Result<()>| match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    };
    gone(fs::remove_file(path.join("parts")))?;
    gone(fs::remove_file(path.join("data")))?;
    gone(fs::remove_dir(path))?;
    path.parent().map_or(Ok(()), sync_folder)
}
