//! The high-water mark of time: the latest time this data directory has seen,
//! so that a clock that was set back while the process was down does not
//! bring expired tokens back to life.
//!
//! ```text
//! milliseconds since 1970, in decimal | space | the first 16 digits of the SHA-256 of those | line feed
//! ```
//!
//! The digits of the sum are not there where an older program has written it. It tells damage and no forgery: who may write the
//! file may also remove it.
//!
//! For the embedded default. On AWS the hosts' clocks are disciplined, and the
//! running process never goes back on its own answers either way.

use std::{fs, io, path::PathBuf, time::Duration};

use sha2::{Digest, Sha256};

use crate::domain::instant::Instant;

/// A mark further ahead than this is somebody's mistake, not a leap of the clock.
const LARGEST_LEAP: Duration = Duration::from_secs(24 * 3600);

/// Why the mark cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The clock is far behind what was seen before.
    #[error(
        "the clock says {now}, but this data was used at {mark}: set the clock right, or, if it was wrong then, \
         remove {}",
        file.display()
    )]
    FarBehind {
        /// What the clock says.
        now: Instant,
        /// What was seen.
        mark: Instant,
        /// Where it is written.
        file: PathBuf,
    },
    /// The file says something else.
    #[error("{} is damaged: remove it, once you are sure of the clock", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{} cannot be used: {source}", file.display())]
    Inaccessible {
        /// Which file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// The file with the mark.
#[derive(Clone, Debug)]
pub struct HighWaterMark {
    file: PathBuf,
}

impl HighWaterMark {
    /// The mark in this file, which need not exist yet.
    pub fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// The latest time that was seen: the floor for a clock that says `now`.
    ///
    /// # Errors
    /// When the clock is more than a day behind it, or the file is no mark.
    pub fn floor(&self, now: Instant) -> Result<Instant, MarkError> {
        let written = match fs::read(&self.file) {
            Ok(written) => written,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(now),
            Err(source) => return Err(MarkError::Inaccessible { file: self.file.clone(), source }),
        };
        let mark = parse(&written).ok_or_else(|| MarkError::Damaged { file: self.file.clone() })?;
        if mark.since(now) > LARGEST_LEAP {
            return Err(MarkError::FarBehind { now, mark, file: self.file.clone() });
        }
        Ok(mark)
    }

    /// Writes the time down, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn raise(&self, now: Instant) -> Result<(), MarkError> {
        let partial = self.file.with_extension("partial");
        let millis = now.as_unix_millis().to_string();
        fs::write(&partial, format!("{millis} {}\n", sum(&millis)))
            .and_then(|()| fs::rename(&partial, &self.file))
            .map_err(|source| MarkError::Inaccessible { file: self.file.clone(), source })
    }
}

/// The mark in a file, if it is as it was written.
fn parse(written: &[u8]) -> Option<Instant> {
    let line = std::str::from_utf8(written).ok()?.strip_suffix('\n')?;
    let millis = match line.split_once(' ') {
        Some((millis, found)) => (found == sum(millis)).then_some(millis)?,
        None => line,
    };
    millis.bytes().all(|digit| digit.is_ascii_digit()).then_some(())?;
    millis.parse().ok().map(Instant::from_unix_millis)
}

fn sum(millis: &str) -> String {
    base16ct::lower::encode_string(&Sha256::digest(millis)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(seconds)
    }

    #[test]
    fn a_clock_that_was_set_back_starts_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mark = HighWaterMark::new(folder.path().join("clock"));
        assert_eq!(mark.floor(at(500_000)).unwrap(), at(500_000));
        mark.raise(at(600_000)).unwrap();
        assert_eq!(mark.floor(at(599_000)).unwrap(), at(600_000));
        assert_eq!(mark.floor(at(700_000)).unwrap(), at(600_000));
        assert!(matches!(mark.floor(at(500_000)), Err(MarkError::FarBehind { .. })));
        fs::write(folder.path().join("clock"), "yesterday").unwrap();
        assert!(matches!(mark.floor(at(1)), Err(MarkError::Damaged { .. })));
    }
    #[test]
    fn whatever_is_changed_in_it_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clock");
        let mark = HighWaterMark::new(file.clone());
        mark.raise(at(600_000)).unwrap();
        let whole = fs::read(&file).unwrap();
        let is_damaged = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            matches!(mark.floor(at(600_000)), Err(MarkError::Damaged { .. }))
        };
        for bit in 0..whole.len() * 8 {
            let mut other = whole.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(is_damaged(&other), "bit {bit}");
        }
        for length in 0..whole.len() {
            assert!(is_damaged(&whole[..length]), "cut off at {length}");
        }
        assert!(is_damaged(&[0; 30]) && is_damaged(b"+1\n") && is_damaged(b"\n"));
        // As it was written before there was a sum.
        fs::write(&file, "600000000\n").unwrap();
        assert_eq!(mark.floor(at(599_000)).unwrap(), at(600_000));
    }
}
