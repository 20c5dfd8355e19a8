//! The one place where the time of day is read.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::domain::instant::Instant;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The time now. Never earlier than an answer given before.
    fn now(&self) -> Instant;
}

/// The clock of the operating system, kept from going backwards: what had
/// expired does not come back to life when somebody sets the clock.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: AtomicU64,
}

impl SystemClock {
    /// A clock that starts no earlier than `floor`, the latest time that an
    /// earlier run is known to have seen.
    pub fn starting_at(floor: Instant) -> Self {
        Self { latest: AtomicU64::new(floor.as_unix_millis()) }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        #[expect(clippy::disallowed_methods, reason = "the one place where the time of day is read")]
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let read = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let latest = self.latest.fetch_max(read, Ordering::Relaxed);
        Instant::from_unix_millis(read.max(latest))
    }
}

/// A clock that stands still until it is moved, for tests.
#[derive(Debug)]
pub struct ManualClock {
    millis: AtomicU64,
}

impl ManualClock {
    /// A clock that shows this time.
    pub fn at(now: Instant) -> Self {
        Self { millis: AtomicU64::new(now.as_unix_millis()) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: std::time::Duration) {
        self.millis.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant::from_unix_millis(self.millis.load(Ordering::SeqCst))
    }
}
