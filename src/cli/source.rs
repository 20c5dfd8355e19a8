//! Local files, held to what they were when work on them began; and SHA-256.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Seek, SeekFrom, Take},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// SHA-256 of something.
pub(super) type Hash = [u8; 32];

/// A file that is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Where it is.
    pub(super) path: PathBuf,
    /// How many bytes it has.
    pub(super) size: u64,
    /// Which file, and when it was changed last.
    identity: (u64, u64, i64, i64),
}

impl Source {
    /// A file with this metadata.
    pub(super) fn new(path: &Path, metadata: &Metadata) -> Self {
        Self { path: path.to_owned(), size: metadata.len(), identity: identity(metadata) }
    }

    /// When it was changed last, in a form to compare.
    pub(super) fn changed_at(&self) -> String {
        format!("{}.{:09}", self.identity.2, self.identity.3)
    }

    /// The bytes from an offset on. What took the file's place meanwhile, be it
    /// a link to elsewhere, is not read.
    pub(super) fn section(&self, offset: u64, length: u64) -> io::Result<Take<File>> {
        let mut file = File::open(&self.path)?;
        self.compare(&file.metadata()?)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file.take(length))
    }

    /// SHA-256 of a section.
    pub(super) fn hash(&self, offset: u64, length: u64) -> io::Result<Hash> {
        let (hashed, hash) = digest(self.section(offset, length)?)?;
        if hashed == length { Ok(hash) } else { Err(changed()) }
    }

    /// Whether it is as it was.
    ///
    /// # Errors
    /// When it is not, or is gone.
    pub(super) fn is_unchanged(&self) -> io::Result<()> {
        self.compare(&fs::metadata(&self.path)?)
    }

    fn compare(&self, metadata: &Metadata) -> io::Result<()> {
        if metadata.len() == self.size && identity(metadata) == self.identity { Ok(()) } else { Err(changed()) }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64, i64, i64) {
    (metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

fn changed() -> io::Error {
    io::Error::other("it was changed while it was sent")
}

/// How many bytes there are, and their SHA-256.
pub(super) fn digest(mut bytes: impl Read) -> io::Result<(u64, Hash)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut count = 0;
    loop {
        match bytes.read(&mut buffer)? {
            0 => return Ok((count, hasher.finalize().into())),
            read => {
                hasher.update(&buffer[..read]);
                count += read as u64;
            }
        }
    }
}

/// What S3 calls a composite checksum: the SHA-256 of the parts' SHA-256, one after the other.
pub(super) fn composite<'a>(parts: impl IntoIterator<Item = &'a Hash>) -> Hash {
    let mut hasher = Sha256::new();
    parts.into_iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// A hash as 64 hexadecimal digits.
pub(super) fn hex(hash: &Hash) -> String {
    base16ct::lower::encode_string(hash)
}

/// A SHA-256 as 64 hexadecimal digits or in base64.
pub(super) fn hash_of(text: &str) -> Option<Hash> {
    let bytes = if text.len() == 64 { base16ct::mixed::decode_vec(text).ok() } else { STANDARD.decode(text).ok() };
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_another_by_now_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "hello").unwrap();
        let source = Source::new(&path, &fs::symlink_metadata(&path).unwrap());
        assert_eq!(source.hash(1, 3).unwrap(), digest(&b"ell"[..]).unwrap().1);
        assert!(source.hash(3, 3).is_err());
        fs::write(folder.path().join("b"), "hello").unwrap();
        fs::rename(folder.path().join("b"), &path).unwrap();
        assert!(source.hash(0, 5).is_err() && source.is_unchanged().is_err());
    }

    #[test]
    fn a_hash_is_read_in_both_spellings() {
        let hash = [7; 32];
        assert_eq!(hash_of(&hex(&hash)), Some(hash));
        assert_eq!(hash_of(&STANDARD.encode(hash)), Some(hash));
        assert_eq!(hash_of("07"), None);
    }
}
