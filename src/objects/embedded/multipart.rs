//! Uploads in parts, as folders.
//!
//! ```text
//! parts/<SHA-256 of the upload's id>/data    512 bytes for the header, then each part at its place, sealed
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
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};

use crate::{
    crypto::{data_key::DataKey, file_key::CHUNK},
    domain::instant::Instant,
    entropy::Entropy,
    objects::{ContentType, LARGEST_PART, MOST_PARTS, MultipartId, ObjectKey, SMALLEST_PART, StoredPart},
};

use super::{
    PIECE,
    at_rest::{AtRest, Laying, damaged},
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
    /// Of what the parts become: always sealed.
    at_rest: Arc<AtRest>,
}

/// The folder of an upload, as far as it can be seen without the key of its tenant.
struct Unopened {
    path: PathBuf,
    head: [u8; HEAD],
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
    at_rest: Arc<AtRest>,
}

impl Folder {
    /// Makes a new, empty upload.
    pub(super) fn begin(
        files: &Files,
        owner: &DataKey,
        entropy: &dyn Entropy,
        key: &ObjectKey,
        content_type: &ContentType,
        part_checksums: bool,
    ) -> io::Result<MultipartId> {
        let upload = MultipartId(base16ct::lower::encode_string(&entropy.bytes::<32>()));
        let path = files.parts().join(name_of(&upload));
        DirBuilder::new().mode(0o700).create(&path)?;
        let head = Head::new(key, content_type.clone(), part_checksums);
        let head = head.seal(&owner.new_file_key(entropy), entropy).map_err(io::Error::other)?;
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
    pub(super) fn find(
        files: &Files,
        owner: &DataKey,
        key: &ObjectKey,
        upload: &MultipartId,
    ) -> io::Result<Option<Self>> {
        let Some(found) = Unopened::at(files.parts().join(name_of(upload)))? else { return Ok(None) };
        // It cannot be told from one of another tenant's, or whose key was drawn anew: none of them is gone on with.
        let Ok((head, key_of_file)) = Head::open(owner, &found.head) else { return Ok(None) };
        let folder = Self { path: found.path, head, at_rest: Arc::new(AtRest::Sealed(Box::new(key_of_file))) };
        Ok(Some(folder).filter(|folder| folder.head.is_for(key)))
    }

    /// Opens the files for a sender.
    pub(super) fn open(&self) -> io::Result<OpenFiles> {
        let open = |name| OpenOptions::new().write(true).open(self.path.join(name));
        Ok(OpenFiles { data: open("data")?, slots: open("parts")?, at_rest: Arc::clone(&self.at_rest) })
    }

    /// The parts that have arrived, in order.
    pub(super) fn arrived(&self) -> io::Result<Vec<Slot>> {
        let slots = fs::read(self.path.join("parts"))?;
        let AtRest::Sealed(key) = self.at_rest.as_ref() else { return Err(damaged()) };
        Ok(Slot::all_in(key, slots.get(HEAD..).unwrap_or_default()))
    }

    /// Gives the data the name of the object, if exactly the parts that were named have arrived, and the
    /// key is free.
    fn publish(&self, files: &Files, entropy: &dyn Entropy, key: &ObjectKey, named: &[StoredPart]) -> io::Result<bool> {
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
        data.set_len(self.at_rest.file_length(size).ok_or(ErrorKind::FileTooLarge)?)?;
        data.write_all_at(&self.at_rest.header(size, &sha256, &self.head.content_type, entropy)?, 0)?;
        data.sync_all()?;
        files.link_new(&self.path.join("data"), key)
    }

    /// The SHA-256 of all the bytes, if each part still has its own. All is hashed twice: it
    /// is the one look at what really lies on disk, and says which part is to be sent again.
    fn hash(&self, data: &File, arrived: &[Slot]) -> io::Result<Option<[u8; 32]>> {
        let mut whole = Sha256::new();
        for slot in arrived {
            let mut part = Sha256::new();
            let mut left = slot.offset()..slot.offset() + slot.size;
            while !left.is_empty() {
                let piece = match self.at_rest.read(data, left.clone(), left.end, PIECE) {
                    Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => break,
                    other => other?,
                };
                whole.update(&piece);
                part.update(&piece);
                left.start += piece.len() as u64;
            }
            if !left.is_empty() || part.finalize().as_slice() != slot.sha256 {
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

impl Unopened {
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
            Ok((head, last_used, _)) => Ok(Head::is_one(&head).then_some(Self { path, head, last_used })),
        }
    }

    /// Whether no part has arrived, or was given up, for so long that nobody can want it any more.
    fn is_at_rest(&self, now: Instant) -> bool {
        let used = self.last_used.duration_since(UNIX_EPOCH).unwrap_or_default();
        Instant::from_unix_seconds(used.as_secs()).plus(LONGEST_REST) <= now
    }
}

impl OpenFiles {
    /// Where a part begins.
    pub(super) fn begin_part(&self, number: u32, part_size: u64) -> io::Result<Laying> {
        Laying::of_a_part(&self.at_rest, number.saturating_sub(1), part_size)
    }

    /// Writes bytes of a part that has begun.
    pub(super) fn write(&self, laying: &mut Laying, bytes: &[u8], entropy: &dyn Entropy) -> io::Result<()> {
        laying.append(&self.data, &self.at_rest, bytes, entropy)
    }

    /// Writes what is left of the bytes of a part.
    pub(super) fn finish(&self, laying: &mut Laying, entropy: &dyn Entropy) -> io::Result<()> {
        laying.finish(&self.data, &self.at_rest, entropy)
    }

    /// The part has not arrived, whatever came before: that is on disk when this returns.
    pub(super) fn forget(&self, number: u32) -> io::Result<()> {
        self.slots.write_all_at(&[0; SLOT], Slot::position(number))?;
        self.slots.sync_data()
    }

    /// The part has arrived: its bytes, and then its slot, are on disk when this returns.
    pub(super) fn arrived(&self, slot: &Slot, entropy: &dyn Entropy) -> io::Result<()> {
        let AtRest::Sealed(key) = self.at_rest.as_ref() else { return Err(damaged()) };
        self.data.sync_data()?;
        let sealed = slot.seal(key, entropy).map_err(io::Error::other)?;
        self.slots.write_all_at(&sealed, Slot::position(slot.number))?;
        self.slots.sync_data()
    }
}

/// Whether the parts are one object without a gap, of sizes that S3 would take as well; and, of several, such that the
/// chunks of the file do not end in the midst.
fn is_whole(parts: &[Slot]) -> bool {
    let Some((last, before)) = parts.split_last() else {
        return false;
    };
    let full = |part: &Slot| part.size == last.part_size && part.part_size == last.part_size;
    parts.iter().map(|part| part.number).eq(1..=last.number)
        && last.number <= MOST_PARTS
        && last.size <= LARGEST_PART.min(last.part_size)
        && (before.is_empty() || last.part_size >= SMALLEST_PART && last.part_size.is_multiple_of(CHUNK as u64))
        && before.iter().all(full)
}

/// Makes one object of exactly these parts; nothing of the upload stays then. Nobody
/// may write meanwhile, nor later unless the upload can still be found.
pub(super) fn publish(
    files: &Files,
    owner: &DataKey,
    entropy: &dyn Entropy,
    key: &ObjectKey,
    upload: &MultipartId,
    parts: &[StoredPart],
) -> io::Result<bool> {
    let Some(folder) = Folder::find(files, owner, key, upload)? else {
        return Ok(false);
    };
    let published = folder.publish(files, entropy, key, parts)?;
    if published {
        // The object is there. Should this fail, the next start removes what is left.
        let _ = folder.remove();
    }
    Ok(published)
}

/// Whether an upload of this name is under way.
pub(super) fn is_there(files: &Files, name: &str) -> io::Result<bool> {
    fs::exists(files.parts().join(name))
}

/// Removes the upload to this key, and all that has arrived of it; without the key of its tenant, whichever key it goes to: ids
/// of uploads are random. Tells whether there was one. Nobody may write meanwhile.
pub(super) fn abort(files: &Files, owner: Option<&DataKey>, key: &ObjectKey, upload: &MultipartId) -> io::Result<bool> {
    let path = match owner {
        Some(owner) => Folder::find(files, owner, key, upload)?.map(|folder| folder.path),
        None => Unopened::at(files.parts().join(name_of(upload)))?.map(|folder| folder.path),
    };
    path.map(|path| remove(&path)).transpose().map(|removed| removed.is_some())
}

/// Removes what an earlier run has published or never finished making, and what
/// nobody goes on with. Only before anybody begins an upload: one that is being made looks
/// like one that was never finished.
pub(super) fn sweep(parts: &Path, now: Instant) -> io::Result<()> {
    for entry in fs::read_dir(parts)? {
        let path = entry?.path();
        if Unopened::at(path.clone())?.is_none_or(|folder| folder.is_at_rest(now)) {
            tracing::info!(upload = ?path.file_name(), "an upload in parts that cannot be gone on with is removed");
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
        if Unopened::at(entry.path())?.is_some_and(|folder| folder.is_at_rest(now)) {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

/// Removes the upload of this name, unless somebody has gone on with it: the answer says which.
/// Nobody may write meanwhile.
pub(super) fn remove_at_rest(files: &Files, name: &str, now: Instant) -> io::Result<bool> {
    match Unopened::at(files.parts().join(name))?.filter(|folder| folder.is_at_rest(now)) {
        Some(folder) => remove(&folder.path).map(|()| true),
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
