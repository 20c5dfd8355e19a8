//! A local file, held to what it was when the upload began.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Seek, SeekFrom, Take},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::checksum::{Hash, digest};

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
}
