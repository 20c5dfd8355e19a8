//! All rows of one moment in one file, and back: what a backup keeps of the store.
//!
//! ```text
//! magic(8) | key length(4) | value length(4) | key | value | … | all ones(4) | number of rows(8) | SHA-256 of all this(32)
//! ```
//!
//! Keys and values as [`super::codec`] has them; numbers are big-endian. A file that was cut off or altered is not read. Who may
//! write such a file may write rows; that each was written by this deployment is shown by its MAC, as in the database.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    ops::Bound,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use fjall::{PersistMode, Readable, Slice};
use sha2::{Digest, Sha256};

use super::{EmbeddedStore, OpenError, codec, directory::Database};

/// The last byte is the version of the format.
const MAGIC: [u8; 8] = *b"CLKROWS\x01";
const END: u32 = u32::MAX;

/// More than any row has.
const LONGEST: u32 = 16 * 1024 * 1024;

/// How many rows become durable together.
const PORTION: usize = 10_000;

/// Why rows are not restored.
#[derive(Debug, thiserror::Error)]
pub enum NotRestored {
    /// The file is not what was written.
    #[error("the rows of the backup are damaged: {0}")]
    Damaged(&'static str),
    /// The store cannot be made.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The database cannot be written.
    #[error("the database cannot be written: {0}")]
    Database(#[from] fjall::Error),
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Counts and hashes what goes through.
struct Hashed<F> {
    file: F,
    hash: Sha256,
}

impl<F: Write> Hashed<F> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.file.write_all(bytes)
    }
}

impl<F: Read> Hashed<F> {
    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes)?;
        self.hash.update(&bytes);
        Ok(bytes)
    }

    fn number(&mut self) -> io::Result<u32> {
        let bytes = self.take(4)?;
        Ok(bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes)))
    }
}

impl EmbeddedStore {
    /// Writes all rows as they are at this moment; commits go on meanwhile. Tells how many they are. Blocks.
    ///
    /// # Errors
    /// When the file cannot be written, or the database not read.
    pub fn write_rows(&self, file: &Path) -> io::Result<u64> {
        let mut written = Hashed {
            file: BufWriter::new(OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?),
            hash: Sha256::new(),
        };
        written.put(&MAGIC)?;
        let all = (Bound::<Slice>::Unbounded, Bound::<Slice>::Unbounded);
        let mut rows = 0_u64;
        for entry in self.database.fjall.snapshot().range(&self.database.rows, all) {
            let (key, value) = entry.into_inner().map_err(io::Error::other)?;
            for part in [&key, &value] {
                written.put(&(part.len() as u32).to_be_bytes())?;
            }
            written.put(&key)?;
            written.put(&value)?;
            rows += 1;
        }
        written.put(&END.to_be_bytes())?;
        written.put(&rows.to_be_bytes())?;
        let hash = written.hash.clone().finalize();
        let mut file = written.file;
        file.write_all(&hash)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(rows)
    }

    /// Makes a store in a directory where there is none, of such a file. Tells how many rows it has. Blocks.
    ///
    /// # Errors
    /// When the file is not what was written: what was made of it until then is to be removed.
    pub fn restore_rows(directory: &Path, file: &Path) -> Result<u64, NotRestored> {
        let mut read = Hashed { file: BufReader::new(File::open(file)?), hash: Sha256::new() };
        let cut_off = |fault: io::Error| match fault.kind() {
            io::ErrorKind::UnexpectedEof => NotRestored::Damaged("they are cut off"),
            _ => NotRestored::Io(fault),
        };
        if read.take(MAGIC.len()).map_err(cut_off)? != MAGIC {
            return Err(NotRestored::Damaged("it is no such file, or another version's"));
        }
        let database = Database::open(directory)?;
        let mut rows = 0_u64;
        let mut batch = database.fjall.batch();
        loop {
            let key_length = read.number().map_err(cut_off)?;
            if key_length == END {
                break;
            }
            let value_length = read.number().map_err(cut_off)?;
            if key_length > LONGEST || value_length > LONGEST {
                return Err(NotRestored::Damaged("a row is longer than any"));
            }
            let key = Slice::from(read.take(key_length as usize).map_err(cut_off)?);
            let value = Slice::from(read.take(value_length as usize).map_err(cut_off)?);
            let header = codec::header(&value).map_err(|_| NotRestored::Damaged("a row cannot be read"))?;
            if let Some(due) = header.purge_after {
                batch.insert(&database.purge_index, codec::index_key(due, &key), []);
            }
            batch.insert(&database.rows, key, value);
            rows += 1;
            if rows.is_multiple_of(PORTION as u64) {
                std::mem::replace(&mut batch, database.fjall.batch()).commit()?;
            }
        }
        batch.commit()?;
        let counted = read.take(8).map_err(cut_off)?;
        let hash = read.hash.clone().finalize();
        let (mut kept, mut more) = ([0; 32], [0; 1]);
        read.file.read_exact(&mut kept).map_err(cut_off)?;
        if counted != rows.to_be_bytes() || kept != *hash || read.file.read(&mut more)? != 0 {
            return Err(NotRestored::Damaged("they are not what was written"));
        }
        database.fjall.persist(PersistMode::SyncAll)?;
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        domain::{ids::AttemptId, instant::Instant},
        store::{Backend, Expected, OutboxEvent, RowKey, Transaction, Version, Write as RowWrite},
    };

    async fn put(store: &EmbeddedStore, attempt: u8, sort: &str, purge_after: Option<Instant>) {
        let event = OutboxEvent { ledger: "ledger".into(), body: vec![attempt] };
        let write =
            RowWrite { key: RowKey::new("p", sort), expected: Expected::Absent, body: vec![attempt], purge_after };
        let transaction = Transaction::recording(AttemptId::from_bytes([attempt; 16]), event).write(write);
        store.try_commit(&transaction).await.unwrap();
    }

    #[tokio::test]
    async fn what_was_written_is_restored_and_purged_when_it_is_due() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let store = EmbeddedStore::open(&path("store")).unwrap();
        put(&store, 1, "kept", None).await;
        put(&store, 2, "due", Some(Instant::from_unix_seconds(10))).await;
        assert_eq!(store.write_rows(&path("rows")).unwrap(), 4);
        // What comes after is not in it.
        put(&store, 3, "later", None).await;
        assert!(store.write_rows(&path("rows")).is_err(), "nothing is written over");

        assert_eq!(EmbeddedStore::restore_rows(&path("restored"), &path("rows")).unwrap(), 4);
        let restored = EmbeddedStore::open(&path("restored")).unwrap();
        let keys = ["kept", "due", "later"].map(|sort| RowKey::new("p", sort));
        let found = restored.get(&keys).await.unwrap();
        let bodies: Vec<_> = found.iter().map(|row| row.as_ref().map(|row| (row.version, row.body.clone()))).collect();
        assert_eq!(bodies, [Some((Version::FIRST, vec![1])), Some((Version::FIRST, vec![2])), None]);
        assert_ne!(restored.identity().await.unwrap(), store.identity().await.unwrap());
        assert_eq!(restored.sweep(Instant::from_unix_seconds(11), 10).await.unwrap(), 1);
        assert!(restored.get(&keys[1..2]).await.unwrap()[0].is_none());
    }

    #[tokio::test]
    async fn a_file_that_was_cut_off_or_altered_is_not_restored() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let store = EmbeddedStore::open(&path("store")).unwrap();
        put(&store, 1, "a", None).await;
        store.write_rows(&path("rows")).unwrap();
        let whole = fs::read(path("rows")).unwrap();
        let restores = |name: &str, bytes: &[u8]| {
            fs::write(path("damaged"), bytes).unwrap();
            EmbeddedStore::restore_rows(&path(name), &path("damaged"))
        };
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 1;
            if at % 7 == 0 {
                assert!(restores(&format!("changed {at}"), &other).is_err(), "byte {at}");
                assert!(restores(&format!("cut {at}"), &whole[..at]).is_err(), "cut at {at}");
            }
        }
        assert!(restores("longer", &[whole.as_slice(), b"x"].concat()).is_err());
        assert_eq!(restores("whole", &whole).unwrap(), 2);
    }
}
