//! The high-water mark of time: the latest time this data directory has seen,
//! so that a clock that was set back while the process was down does not
//! bring expired tokens back to life.
//!
//! For the embedded default. On AWS the hosts' clocks are disciplined, and the
//! running process never goes back on its own answers either way.

use std::{fs, io, path::PathBuf, time::Duration};

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
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(now),
            Err(source) => return Err(MarkError::Inaccessible { file: self.file.clone(), source }),
        };
        let mark = text.trim().parse().map_err(|_| MarkError::Damaged { file: self.file.clone() })?;
        let mark = Instant::from_unix_millis(mark);
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
        fs::write(&partial, format!("{}\n", now.as_unix_millis()))
            .and_then(|()| fs::rename(&partial, &self.file))
            .map_err(|source| MarkError::Inaccessible { file: self.file.clone(), source })
    }
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
}
