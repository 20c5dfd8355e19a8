//! Room on the disk, without which nothing may be begun.
//!
//! A database that cannot write its journal to the end, or a table, is of no more use until it is opened again, and the
//! process ends. So commits are turned away while there is still room for what was begun, and go on when there is more.

use std::path::Path;

use crate::disk;

use super::super::Unavailable;

const MIB: u64 = 1024 * 1024;

/// For a group of commits, and the tables of all that lies in memory.
pub(super) const RESERVED: u64 = 64 * MIB;

/// Whether so many bytes are left for this process.
pub(super) fn check(directory: &Path, wanted: u64) -> Result<(), Unavailable> {
    let left = disk::left(directory).map_err(|error| Unavailable(format!("the disk cannot be asked: {error}")))?;
    let Some(left) = left.filter(|left| *left < wanted) else { return Ok(()) };
    Err(Unavailable(format!(
        "the disk of {} has {} MiB left, and {} are wanted: make room",
        directory.display(),
        left / MIB,
        wanted / MIB
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_when_it_is_too_little() {
        let directory = tempfile::tempdir().unwrap();
        check(directory.path(), 0).unwrap();
        let Unavailable(told) = check(directory.path(), u64::MAX).unwrap_err();
        assert!(told.ends_with("make room") && told.contains(&directory.path().display().to_string()), "{told}");
        assert!(check(&directory.path().join("none"), 0).is_err());
    }
}
