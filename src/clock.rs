//! The one place where the time of day is read.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use crate::domain::instant::Instant;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The time now. Never earlier than an answer given before.
    fn now(&self) -> Instant;
}

/// Keeps a time of day from going backwards: what had expired does not come back to life when somebody sets the clock.
///
/// It runs with a clock that only runs, and jumps ahead with the time of day but
/// never back: after a jump that was a mistake it stays ahead, and still runs.
#[derive(Debug)]
struct NeverBack {
    /// What the time of day was, in milliseconds, when the other clock began to run, at the latest.
    base: AtomicU64,
}

impl NeverBack {
    fn starting_at(floor: Instant) -> Self {
        Self { base: AtomicU64::new(floor.as_unix_millis()) }
    }

    /// The time, after so many milliseconds of running, when it is so late a time of day.
    fn now(&self, running: u64, of_day: u64) -> Instant {
        let base = of_day.saturating_sub(running);
        let latest = self.base.fetch_max(base, Ordering::Relaxed).max(base);
        Instant::from_unix_millis(latest.saturating_add(running))
    }
}

/// The clock of the operating system, kept from going backwards.
#[derive(Debug)]
pub struct SystemClock {
    started: std::time::Instant,
    never_back: NeverBack,
}

impl SystemClock {
    /// A clock that starts no earlier than `floor`, the latest time that an
    /// earlier run is known to have seen.
    pub fn starting_at(floor: Instant) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place where time is read")]
        let started = std::time::Instant::now();
        Self { started, never_back: NeverBack::starting_at(floor) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::starting_at(Instant::from_unix_millis(0))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        // Before the other: what passes between the two would put this clock ahead for good.
        #[expect(clippy::disallowed_methods, reason = "the one place where the time of day is read")]
        let of_day = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let running = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.never_back.now(running, u64::try_from(of_day.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A clock that stands still until it is moved, for tests. When it is set back it does what that of the system does.
#[derive(Debug)]
pub struct ManualClock {
    /// For how long it has run, and what time of day it is, in milliseconds.
    times: Mutex<(u64, u64)>,
    never_back: NeverBack,
}

impl ManualClock {
    /// A clock that shows this time.
    pub fn at(now: Instant) -> Self {
        Self { times: Mutex::new((0, now.as_unix_millis())), never_back: NeverBack::starting_at(now) }
    }

    /// Lets time pass.
    pub fn advance(&self, by: std::time::Duration) {
        let by = by.as_millis() as u64;
        let mut times = self.times();
        *times = (times.0 + by, times.1 + by);
    }

    /// Sets the time of day back, as somebody does by mistake, or on purpose.
    pub fn set_back(&self, by: std::time::Duration) {
        self.times().1 -= by.as_millis() as u64;
    }

    fn times(&self) -> MutexGuard<'_, (u64, u64)> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        let (running, of_day) = *self.times();
        self.never_back.now(running, of_day)
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
    fn a_clock_that_is_set_back_goes_on_from_where_it_was_and_one_that_is_set_ahead_jumps() {
        let clock = NeverBack::starting_at(Instant::from_unix_millis(0));
        let seen = [(0, 5_000), (10, 5_010), (20, 1_020), (30, 1_030), (40, 9_040), (50, 5_050)];
        let told = seen.map(|(running, of_day)| clock.now(running, of_day).as_unix_millis());
        assert_eq!(told, [5_000, 5_010, 5_020, 5_030, 9_040, 9_050]);
    }

    #[test]
    fn without_a_floor_it_tells_the_time_of_day() {
        // 2026-01-01 to 2100-01-01.
        let now = SystemClock::default().now().as_unix_seconds();
        assert!((1_767_225_600..4_102_444_800).contains(&now), "{now}");
    }
}
