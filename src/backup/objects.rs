//! The files of a data directory, gathered into a backup, or brought back from one.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, ErrorKind},
    path::Path,
};

use super::{BackupError, create_private, io_at};

/// What lies in an inbox is not a file of anybody's yet.
const LEFT_OUT: &str = "inbox";

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) objects: u64,
    pub(super) bytes: u64,
}

/// How much there is in a folder.
pub(super) fn count(folder: &Path) -> Result<Counted, BackupError> {
    let mut counted = Counted::default();
    for entry in entries(folder)? {
        let path = entry.path();
        if path.is_dir() {
            let Counted { objects, bytes } = count(&path)?;
            counted.objects += objects;
            counted.bytes += bytes;
        } else {
            counted.objects += 1;
            counted.bytes += entry.metadata().map_err(io_at(&path))?.len();
        }
    }
    Ok(counted)
}

/// Has everything in one folder in the other too, but for what is under way. What the other has besides, stays.
pub(super) fn gather(from: &Path, to: &Path) -> Result<(), BackupError> {
    take(from, to, &|name| name != LEFT_OUT)
}

fn take(from: &Path, to: &Path, is_wanted: &dyn Fn(&OsStr) -> bool) -> Result<(), BackupError> {
    create_private(to)?;
    for entry in entries(from)? {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if !is_wanted(&entry.file_name()) {
            continue;
        }
        if source.is_dir() {
            take(&source, &target, &|_| true)?;
        } else if !target.exists() {
            bring(&source, &target).map_err(io_at(&target))?;
        }
    }
    File::open(to).and_then(|folder| folder.sync_all()).map_err(io_at(to))
}

/// Nothing in a folder that is not there.
fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, BackupError> {
    match fs::read_dir(folder) {
        Err(fault) if fault.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(fault) => Err(io_at(folder)(fault)),
        Ok(entries) => entries.collect::<io::Result<_>>().map_err(io_at(folder)),
    }
}

/// Links a file, or copies it where it cannot be linked. One that is gone by now was deleted.
fn bring(source: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(source, target) {
        Ok(()) => return Ok(()),
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(()),
        // Another file system, or one without links, or a file with too many.
        Err(_) => {}
    }
    match fs::copy(source, target) {
        Ok(_) => File::open(target)?.sync_all(),
        Err(fault) if fault.kind() == ErrorKind::NotFound => {
            // What is there of it is nothing.
            match fs::remove_file(target) {
                Err(fault) if fault.kind() != ErrorKind::NotFound => Err(fault),
                _ => Ok(()),
            }
        }
        Err(fault) => Err(fault),
    }
}
