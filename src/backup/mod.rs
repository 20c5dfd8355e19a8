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

/// A name beside a folder, for what is in the making.
fn partial(folder: &Path) -> PathBuf {
    folder.with_file_name(format!("{}.partial", folder.file_name().unwrap_or_default().to_string_lossy()))
}

/// Makes a backup in a folder that is not there yet: whole, or not at all. Blocks.
///
/// # Errors
/// When something is in the way, or cannot be read or written.
pub fn make(store: &EmbeddedStore, data_dir: &Path, folder: &Path, now: Instant) -> Result<Manifest, BackupError> {
    if folder.exists() {
        return Err(BackupError::Taken(folder.to_owned()));
    }
    let making = partial(folder);
    // Left by one that was cut short.
    match fs::remove_dir_all(&making) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(io_at(&making)(fault)),
        _ => {}
    }
    create_private(&making)?;
    let kept = making.join(OBJECTS);
    objects::gather(&objects_of(data_dir), &kept)?;
    let rows = store.write_rows(&making.join(ROWS)).map_err(io_at(&making.join(ROWS)))?;
    let objects::Gathered { objects, bytes } = objects::gather(&objects_of(data_dir), &kept)?;
    let manifest =
        Manifest { format: FORMAT, program: env!("CARGO_PKG_VERSION").into(), made_at: now, rows, objects, bytes };
    let file = making.join(MANIFEST);
    let text = serde_json::to_string_pretty(&manifest).map_err(|fault| io_at(&file)(fault.into()))?;
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).map_err(io_at(&file))?;
    opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all()).map_err(io_at(&file))?;
    File::open(&making).and_then(|opened| opened.sync_all()).map_err(io_at(&making))?;
    fs::rename(&making, folder).map_err(io_at(folder))?;
    Ok(manifest)
}
