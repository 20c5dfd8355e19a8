//! The store's directory: whose it is, which format it has, and the database in it.
//!
//! ```text
//! lock       held by the process that has the store open
//! format     the number of the format, in decimal
//! identity   how often the store was opened; which file this is tells it from its copies
//! database/  rows, the purge index, and their journal
//! ```
//!
//! Never here: the content of a row.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use fjall::{Keyspace, KeyspaceCreateOptions, Slice, config::PartitioningPolicy};

use crate::domain::{instant::Instant, standing::StoreIdentity};

use super::{super::Unavailable, beginnings::Beginnings, codec, journals, memtables, row_cache::RowCache};

/// The format that this program reads and writes.
const FORMAT: &str = "1";

const MIB: u64 = 1024 * 1024;

/// Why a store could not be opened, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else has it open.
    #[error(
        "another process has the store in {} open: stop it first, or give this one a data directory of its own",
        directory.display()
    )]
    Locked {
        /// Where the store is.
        directory: PathBuf,
    },
    /// It was written by another version of this program.
    #[error(
        "the store has format {found}, and this program knows format {FORMAT} only: \
         run the newer program that wrote it, or restore a backup that this version made"
    )]
    UnknownFormat {
        /// What the format file says.
        found: String,
    },
    /// The directory cannot be read, written or created.
    #[error(
        "the store in {} cannot be used: {source}; check that the path is right, that this user \
         may write there and that the disk is not full",
        directory.display()
    )]
    Inaccessible {
        /// Where the store is.
        directory: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// What is in it is not a store, or no longer one.
    #[error(
        "the store in {} is damaged: {reason}; set the directory aside and restore a backup",
        directory.display()
    )]
    Damaged {
        /// Where the store is.
        directory: PathBuf,
        /// What was found.
        reason: String,
    },
}

/// The open database; cheap to clone.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) fjall: fjall::Database,
    pub(super) rows: Keyspace,
    /// An empty value under [`codec::index_key`] for every row with a purge date.
    pub(super) purge_index: Keyspace,
    pub(super) cache: Arc<RowCache>,
    pub(super) identity: StoreIdentity,
    pub(super) beginnings: Arc<Beginnings>,
    /// Where all of it lies.
    pub(super) directory: Arc<Path>,
    _lock: Arc<File>,
}

impl Database {
    pub(super) fn open(directory: &Path) -> Result<Self, OpenError> {
        let inaccessible = |source| OpenError::Inaccessible { directory: directory.to_owned(), source };
        let broken = |error| match error {
            fjall::Error::Io(source) => inaccessible(source),
            fjall::Error::Locked => OpenError::Locked { directory: directory.to_owned() },
            other => OpenError::Damaged { directory: directory.to_owned(), reason: other.to_string() },
        };
        // For the owner alone, whoever made the folder around it.
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(inaccessible)?;
        let lock = lock(directory)?;
        let database = directory.join("database");
        check_format(directory, &database)?;
        if !database.try_exists().map_err(inaccessible)? {
            create(directory, &database).map_err(broken)?;
        }
        if let Some(reason) = journals::fault(&database).map_err(inaccessible)? {
            return Err(OpenError::Damaged { directory: directory.to_owned(), reason });
        }
        let identity = identity(&directory.join("identity")).map_err(inaccessible)?;
        let (fjall, rows, purge_index) = open_fjall(&database).map_err(broken)?;
        let (cache, beginnings) = (Arc::default(), Arc::default());
        let directory = Arc::from(directory);
        Ok(Self { identity, fjall, rows, purge_index, cache, beginnings, directory, _lock: Arc::new(lock) })
    }

    /// Index entries of rows that are due, the ones due longest first.
    pub(super) fn due(&self, now: Instant, limit: usize) -> Result<Vec<Slice>, Unavailable> {
        let end = codec::index_key(now.plus(std::time::Duration::from_millis(1)), &[]);
        let due = self.purge_index.range(..end).take(limit);
        due.map(|entry| entry.key().map_err(Unavailable::from)).collect()
    }
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let inaccessible = |source| OpenError::Inaccessible { directory: directory.to_owned(), source };
    let lock = File::create(directory.join("lock")).map_err(inaccessible)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { directory: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(inaccessible(source)),
    }
}

/// Reads the format file, or writes it where there is no database yet.
fn check_format(directory: &Path, database: &Path) -> Result<(), OpenError> {
    let inaccessible = |source| OpenError::Inaccessible { directory: directory.to_owned(), source };
    match fs::read(directory.join("format")) {
        Ok(found) if found.trim_ascii() == FORMAT.as_bytes() => Ok(()),
        Ok(found) => {
            let found = String::from_utf8_lossy(&found).trim().chars().take(20).collect::<String>();
            Err(OpenError::UnknownFormat { found: found.escape_debug().to_string() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match database.try_exists().map_err(inaccessible)? {
            true => {
                let reason = "its format file is missing".into();
                Err(OpenError::Damaged { directory: directory.to_owned(), reason })
            }
            false => write_format(directory).map_err(inaccessible),
        },
        Err(error) => Err(inaccessible(error)),
    }
}

/// Whole or not at all: a power cut leaves no half-written format behind.
fn write_format(directory: &Path) -> io::Result<()> {
    let temporary = directory.join("format.new");
    let mut file = File::create(&temporary)?;
    writeln!(file, "{FORMAT}")?;
    file.sync_all()?;
    fs::rename(&temporary, directory.join("format"))?;
    sync(directory)
}

/// Which file this is: no copy of it has the same number and the same birth. Its content changes whenever the store is opened, since
/// programs that put a backup back leave files alone in which nothing has changed.
fn identity(file: &Path) -> io::Result<StoreIdentity> {
    let opened = fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    // In place: written beside it and renamed, it would be another file each time.
    fs::write(file, format!("{}\n", opened + 1))?;
    let metadata = fs::metadata(file)?;
    // Not every file system remembers it.
    let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    let born = born.map_or(0, |born| born.as_nanos());
    Ok(StoreIdentity(format!("file {} of {born}", metadata.ino())))
}

/// Creates the database beside its place and moves it there when it is
/// complete, so that an interrupted first start can simply be repeated.
fn create(directory: &Path, database: &Path) -> fjall::Result<()> {
    let temporary = directory.join("database.new");
    if temporary.try_exists()? {
        fs::remove_dir_all(&temporary)?;
    }
    drop(open_fjall(&temporary)?);
    fs::rename(&temporary, database)?;
    Ok(sync(directory)?)
}

/// Makes renames in this directory durable.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Sized for a small process: the cache is filled by what is read, and the journal is not kept longer than it is needed. When rows go
/// from memory into tables is said by [`memtables`].
///
/// Indices and filters of all tables but the newest are read in parts. Whole, those of one table are larger
/// than what is looked up in it by a thousand times: with a million API keys, each request read megabytes.
fn open_fjall(path: &Path) -> fjall::Result<(fjall::Database, Keyspace, Keyspace)> {
    let fjall = fjall::Database::builder(path)
        .cache_size(128 * MIB)
        .max_journaling_size(128 * MIB)
        .max_cached_files(Some(512))
        // One: of two, the first would spin while the second merges tables.
        .worker_threads(1)
        .open()?;
    let options = |too_large| {
        let in_parts = PartitioningPolicy::new([false, true]);
        KeyspaceCreateOptions::default()
            .max_memtable_size(too_large)
            .index_block_partitioning_policy(in_parts.clone())
            .filter_block_partitioning_policy(in_parts)
    };
    let rows = fjall.keyspace("rows", || options(memtables::TOO_LARGE[0]))?;
    let purge_index = fjall.keyspace("purge", || options(memtables::TOO_LARGE[1]))?;
    Ok((fjall, rows, purge_index))
}
