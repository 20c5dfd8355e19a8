//! Places on the local disk for files that a server names.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::domain::path::VaultPath;

use super::{Failed, client::cleaned};

/// Where a file of this path belongs below a folder; the folders on the way are
/// made. A client does not trust a server with its own disk: the path is
/// checked again here, and no link on the way is followed.
pub(super) fn place_below(folder: &Path, path: &str) -> Result<PathBuf, Failed> {
    let checked = VaultPath::parse(path).map_err(|fault| format!("{}: {fault}", cleaned(path)))?;
    fs::create_dir_all(folder).map_err(|fault| format!("{}: {fault}", folder.display()))?;
    let mut place = folder.to_owned();
    let segments: Vec<&str> = checked.as_str().split('/').collect();
    let (name, folders) = segments.split_last().ok_or("a path has a name")?;
    for segment in folders {
        place.push(segment);
        enter(&place).map_err(|fault| format!("{}: {fault}", cleaned(&place.to_string_lossy())))?;
    }
    place.push(name);
    Ok(place)
}

fn enter(folder: &Path) -> io::Result<()> {
    match fs::symlink_metadata(folder) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(io::Error::other("this is no folder, or a link to one, which is not followed")),
        // Another thread may make it first.
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => match fs::create_dir(folder) {
            Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => Err(fault),
            _ => Ok(()),
        },
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_placed_outside() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("in");
        assert_eq!(place_below(&inside, "a/b.txt").unwrap(), inside.join("a/b.txt"));
        for path in ["../x", "/x", "a/../../x", "a\\x", "", "a//x", "a/", "a/\u{1b}x"] {
            assert!(place_below(&inside, path).is_err(), "{path:?}");
        }
        std::os::unix::fs::symlink("..", inside.join("up")).unwrap();
        assert!(place_below(&inside, "up/x").is_err());
        fs::write(inside.join("file"), "").unwrap();
        assert!(place_below(&inside, "file/x").is_err());
    }
}
