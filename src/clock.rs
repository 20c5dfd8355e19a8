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
///
/// It runs with the monotonic clock, and jumps ahead with the time of day but
/// never back: after a jump that was a mistake it stays ahead, and still runs.
#[derive(Debug)]
pub struct SystemClock {
    started: std::time::Instant,
    /// What the time of day was, in milliseconds, when `started` was taken, at the latest.
    base: AtomicU64,
}

impl SystemClock {
    /// A clock that starts no earlier than `floor`, the latest time that an
    /// earlier run is known to have seen.
    pub fn starting_at(floor: Instant) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place where time is read")]
        let started = std::time::Instant::now();
        Self { started, base: AtomicU64::new(floor.as_unix_millis()) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::starting_at(Instant::from_unix_millis(0))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let running = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        #[expect(clippy::disallowed_methods, reason = "the one place where the time of day is read")]
        let of_day = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let base = u64::try_from(of_day.as_millis()).unwrap_or(u64::MAX).saturating_sub(running);
        let latest = self.base.fetch_max(base, Ordering::Relaxed).max(base);
        Instant::from_unix_millis(latest.saturating_add(running))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_starts_at_its_floor_and_runs_on() {
        let future = SystemClock::default().now().plus(std::time::Duration::from_secs(3_600));
        let clock = SystemClock::starting_at(future);
        let first = clock.now();
        assert!(first >= future);
        while clock.now() == first {
            std::hint::spin_loop();
        }
        assert!(clock.now() > first);
    }

    #[test]
    fn without_a_floor_it_tells_the_time_of_day() {
        // 2026-01-01 to 2100-01-01.
        let now = SystemClock::default().now().as_unix_seconds();
        assert!((1_767_225_600..4_102_444_800).contains(&now), "{now}");
    }
}
