//! How much room is left on a disk.

use std::{io, path::Path};

/// How many bytes this process may still write there; none where the file system does not say how large it is, as those do not that
/// lie in memory without a bound.
///
/// # Errors
/// When the file system cannot be asked.
pub(crate) fn left(directory: &Path) -> io::Result<Option<u64>> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok((disk.f_blocks > 0).then(|| disk.f_bavail.saturating_mul(disk.f_frsize)))
}
