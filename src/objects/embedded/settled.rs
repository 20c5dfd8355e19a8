//! Remembers settled inbox keys across a restart, for as long as a URL to them can live.
//!
//! A file for each, named by the SHA-256 of the key, which says until when. They
//! are not forced to disk: the end of this process loses none, a power cut may
//! lose those of its last seconds, and then a URL that was used may bring
//! bytes that nobody looks at.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use crate::{domain::instant::Instant, objects::LONGEST_UPLOAD};

use super::inbox::Settlement;

/// The folder of what is remembered.
pub(super) struct Settled(PathBuf);

impl Settled {
    /// Opens or creates the folder, and tells what still holds.
    pub(super) fn open(folder: &Path, now: Instant) -> io::Result<(Self, Vec<Settlement>)> {
        let settled = Self(folder.join("settled"));
        DirBuilder::new().recursive(true).mode(0o700).create(&settled.0)?;
        let mut live = Vec::new();
        for entry in fs::read_dir(&settled.0)? {
            let path = entry?.path();
            match read(&path, now)? {
                Some(settlement) if settlement.until > now => live.push(settlement),
                _ => fs::remove_file(path)?,
            }
        }
        Ok((settled, live))
    }

    /// Remembers one, as well as it can: on a full disk, this process alone knows of it.
    pub(super) fn remember(&self, settlement: &Settlement) {
        let _ = fs::write(self.path_of(settlement), settlement.until.as_unix_millis().to_be_bytes());
    }

    /// Forgets one that has ended; one that stays is removed by the next start.
    pub(super) fn forget(&self, settlement: &Settlement) {
        let _ = fs::remove_file(self.path_of(settlement));
    }

    fn path_of(&self, settlement: &Settlement) -> PathBuf {
        self.0.join(base16ct::lower::encode_string(&settlement.key))
    }
}

/// Nothing if it is no file of ours. One that was torn holds as long as any can.
fn read(path: &Path, now: Instant) -> io::Result<Option<Settlement>> {
    let mut key = [0; 32];
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !matches!(base16ct::lower::decode(name, &mut key), Ok(decoded) if decoded.len() == 32) {
        return Ok(None);
    }
    let longest = now.plus(LONGEST_UPLOAD);
    let until = match <[u8; 8]>::try_from(fs::read(path)?) {
        Ok(millis) => Instant::from_unix_millis(u64::from_be_bytes(millis)).min(longest),
        Err(_) => longest,
    };
    Ok(Some(Settlement { key, until }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_holds_until_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let at = Instant::from_unix_seconds;
        let (settled, live) = Settled::open(folder.path(), at(100)).unwrap();
        assert_eq!(live, []);
        let settlement = |key, until| Settlement { key: [key; 32], until: at(until) };
        for one in [settlement(1, 200), settlement(2, 300), settlement(3, 400), settlement(4, 100_000)] {
            settled.remember(&one);
        }
        settled.forget(&settlement(3, 400));
        let path = |key| settled.path_of(&settlement(key, 0));
        fs::write(path(5), b"torn").unwrap();
        fs::write(settled.0.join("foreign"), b"").unwrap();

        let (_, mut live) = Settled::open(folder.path(), at(200)).unwrap();
        live.sort_by_key(|one| one.key);
        // No URL lives longer than ten minutes, whatever a file says.
        assert_eq!(live, [settlement(2, 300), settlement(4, 800), settlement(5, 800)]);
        assert_eq!(fs::read_dir(folder.path().join("settled")).unwrap().count(), 3);
    }
}
