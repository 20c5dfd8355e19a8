//! Backups of what lies in a data directory: its rows, and its objects, as of one moment, while the broker runs.
//!
//! ```text
//! backup.json   what it is, and how much of it there is; written last
//! rows          all rows: see `store::embedded`
//! objects/      a file for each object, under the name that it has in the data directory
//! ```
//!
//! Objects are linked where the file system can, else copied: they are never written to. They are taken before the rows and once
//! more after them, so that what a row leads to is there: what was deleted in between is there as well, and what was not begun then
//! is missing in both. Uploads that are under way are not taken.
//!
//! Never here: root keys. A backup that lies about is not to be read by whoever finds it.

mod objects;
mod restore;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    domain::instant::Instant,
    store::embedded::{EmbeddedStore, NotRestored},
};

use objects::Counted;

pub use restore::restore;

/// What a backup says it is; another number is another program's.
const FORMAT: u32 = 1;

const MANIFEST: &str = "backup.json";
const ROWS: &str = "rows";
const OBJECTS: &str = "objects";

/// What a backup is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// Which program made it.
    pub program: String,
    /// When.
    pub made_at: Instant,
    /// How many rows it has.
    pub rows: u64,
    /// How many objects.
    pub objects: u64,
    /// How many bytes these have, with what stands before each.
    pub bytes: u64,
}

/// Why there is no backup, or none is restored, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something already.
    #[error("{} is there already: name a folder that is not", .0.display())]
    Taken(PathBuf),
    /// It is where the data is.
    #[error("{} is within the data directory, of which it is to be a backup: name a folder elsewhere", .0.display())]
    Within(PathBuf),
    /// It is no backup.
    #[error("{} is no backup that this program can read: {reason}", folder.display())]
    NoBackup {
        /// Where it is.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is a store already.
    #[error("there is data in {} already: set it aside first, or restore into another data directory", .0.display())]
    NotEmpty(PathBuf),
    /// Its rows are not what was written.
    #[error(transparent)]
    Rows(#[from] NotRestored),
    /// Something cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { path: path.clone(), source }
}

/// Where in a data directory the objects are.
fn objects_of(data_dir: &Path) -> PathBuf {
    data_dir.join("objects").join("objects")
}

fn create_private(folder: &Path) -> Result<(), BackupError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_at(folder))
}

/// What is in the making. It goes where nothing comes of it; one that a crash has left goes with the next.
struct Making(PathBuf);

impl Making {
    /// Beside a folder, under a name that nobody else gives.
    fn beside(folder: &Path) -> Result<Self, BackupError> {
        let making = Self(Self::path(folder));
        making.remove().map_err(io_at(&making.0))?;
        Ok(making)
    }

    /// Whether a crash has left one.
    fn is_left(folder: &Path) -> bool {
        Self::path(folder).exists()
    }

    fn path(folder: &Path) -> PathBuf {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        folder.with_file_name(format!(".{name}.cloakroom-partial"))
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
            _ => Ok(()),
        }
    }

    /// Gives it its name.
    fn done(self, folder: &Path) -> Result<(), BackupError> {
        fs::rename(&self.0, folder).map_err(io_at(folder))?;
        let around = folder.parent().filter(|around| !around.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(around).and_then(|opened| opened.sync_all()).map_err(io_at(around))
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // What stays takes up room until the next time.
        let _ = self.remove();
    }
}

/// Makes a backup in a folder that is not there yet, named from the root: whole, or not at all. Blocks.
///
/// # Errors
/// When something is in the way, or cannot be read or written.
pub fn make(store: &EmbeddedStore, data_dir: &Path, folder: &Path, now: Instant) -> Result<Manifest, BackupError> {
    if folder.exists() {
        return Err(BackupError::Taken(folder.to_owned()));
    }
    if is_within(folder, data_dir) {
        return Err(BackupError::Within(folder.to_owned()));
    }
    let making = Making::beside(folder)?;
    create_private(&making.0)?;
    let kept = making.0.join(OBJECTS);
    objects::gather(&objects_of(data_dir), &kept)?;
    let rows = store.write_rows(&making.0.join(ROWS)).map_err(io_at(&making.0.join(ROWS)))?;
    objects::gather(&objects_of(data_dir), &kept)?;
    let Counted { objects, bytes } = objects::count(&kept)?;
    let manifest =
        Manifest { format: FORMAT, program: env!("CARGO_PKG_VERSION").into(), made_at: now, rows, objects, bytes };
    let file = making.0.join(MANIFEST);
    let text = serde_json::to_string_pretty(&manifest).map_err(|fault| io_at(&file)(fault.into()))?;
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).map_err(io_at(&file))?;
    opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all()).map_err(io_at(&file))?;
    File::open(&making.0).and_then(|opened| opened.sync_all()).map_err(io_at(&making.0))?;
    making.done(folder)?;
    Ok(manifest)
}

/// Whether a folder that is not there yet would be within another, by whatever name that goes.
fn is_within(folder: &Path, other: &Path) -> bool {
    let there = folder.ancestors().skip(1).find_map(|above| above.canonicalize().ok());
    there.zip(other.canonicalize().ok()).is_some_and(|(there, other)| there.starts_with(other))
}
