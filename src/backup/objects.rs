//! The files of a data directory, gathered into a backup, or brought back from one.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::Path,
};

use super::{BackupError, create_private, io_at};

/// What lies in an inbox is not a file of anybody's yet.
const LEFT_OUT: &str = "inbox";

/// What there is in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gathered {
    pub(super) objects: u64,
    pub(super) bytes: u64,
}

/// Has everything in one folder in the other too, but for what is under way. What the other has besides, stays.
pub(super) fn gather(from: &Path, to: &Path) -> Result<Gathered, BackupError> {
    create_private(to)?;
    let mut there = Gathered::default();
    take(from, to, true, &mut there)?;
    count(to)
}

/// How much there is in a folder.
pub(super) fn count(folder: &Path) -> Result<Gathered, BackupError> {
    let mut gathered = Gathered::default();
    for entry in entries(folder)? {
        let path = entry.path();
        if path.is_dir() {
            let Gathered { objects, bytes } = count(&path)?;
            gathered.objects += objects;
            gathered.bytes += bytes;
        } else {
            gathered.objects += 1;
            gathered.bytes += entry.metadata().map_err(io_at(&path))?.len();
        }
    }
    Ok(gathered)
}

fn take(from: &Path, to: &Path, is_outermost: bool, there: &mut Gathered) -> Result<(), BackupError> {
    for entry in entries(from)? {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if is_outermost && entry.file_name() == LEFT_OUT {
            continue;
        }
        if source.is_dir() {
            create_private(&target)?;
            take(&source, &target, false, there)?;
            File::open(&target).and_then(|folder| folder.sync_all()).map_err(io_at(&target))?;
        } else if !target.exists() {
            bring(&source, &target).map_err(io_at(&target))?;
            there.objects += 1;
        }
    }
    Ok(())
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
