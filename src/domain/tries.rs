//! Tries at a password: counted before each is checked, so that guesses made
//! at the same time are not free, and further apart the more there were.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::instant::Instant;

/// How many tries there may be one right after the other.
pub const FREE_TRIES: u32 = 5;

/// The wait after the last of them; doubled with every try from then on.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait between two tries.
pub const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// After so long without a try, those before are forgotten.
pub const MEMORY: Duration = Duration::from_secs(24 * 3600);

/// The tries since the last right password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// How many there have been.
    pub count: u32,
    /// When the last of them was.
    pub last: Instant,
}

impl Tries {
    /// None, after a right password.
    pub const fn none(now: Instant) -> Self {
        Self { count: 0, last: now }
    }

    /// The count with one more try.
    ///
    /// # Errors
    /// When it comes too soon after the others: how long to wait.
    pub fn another(previous: Option<&Self>, now: Instant) -> Result<Self, Duration> {
        let count = match previous {
            Some(tries) if now < tries.last.plus(MEMORY) => {
                let wait = tries.wait();
                let next = tries.last.plus(wait);
                // What came at the same time may have read a later clock: that is no reason to wait.
                if !wait.is_zero() && now < next {
                    return Err(next.since(now));
                }
                tries.count
            }
            _ => 0,
        };
        let last = previous.map_or(now, |tries| tries.last.max(now));
        Ok(Self { count: count.saturating_add(1), last })
    }

    /// How long after the last try the next one may be.
    fn wait(&self) -> Duration {
        let Some(doublings) = self.count.checked_sub(FREE_TRIES) else { return Duration::ZERO };
        // Beyond ten doublings the longest wait is reached.
        (FIRST_WAIT * 2_u32.pow(doublings.min(10))).min(LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(seconds)
    }

    /// Tries as early as each may be, and the waits between them in seconds.
    fn patient(tries: usize) -> (Tries, Vec<u64>) {
        let (mut now, mut made, mut waits) = (at(1_000_000), None, Vec::new());
        for _ in 0..tries {
            if let Err(wait) = Tries::another(made.as_ref(), now) {
                waits.push(wait.as_secs());
                now = now.plus(wait);
            }
            made = Some(Tries::another(made.as_ref(), now).unwrap());
        }
        (made.unwrap(), waits)
    }

    #[test]
    fn the_first_tries_are_free_and_then_each_waits_twice_as_long() {
        assert_eq!(patient(FREE_TRIES as usize).1, [0; 0]);
        assert_eq!(patient(17).1, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    }

    #[test]
    fn those_that_come_at_the_same_time_are_free_whichever_clock_was_read_first() {
        let first = Tries::another(None, at(11)).unwrap();
        assert_eq!(Tries::another(Some(&first), at(10)), Ok(Tries { count: 2, last: at(11) }));
        let (made, _) = patient(6);
        let earlier = Instant::from_unix_seconds(999_999);
        assert!(Tries::another(Some(&made), earlier).is_err(), "what has to wait does not gain by an earlier clock");
    }

    #[test]
    fn however_many_there_were_there_is_another() {
        let many = Tries { count: u32::MAX, last: at(0) };
        assert_eq!(Tries::another(Some(&many), at(899)), Err(Duration::from_secs(1)));
        assert_eq!(Tries::another(Some(&many), at(900)), Ok(Tries { count: u32::MAX, last: at(900) }));
    }

    #[test]
    fn a_right_password_and_a_quiet_day_make_them_free_again() {
        let (made, _) = patient(17);
        let after_a_day = made.last.plus(MEMORY);
        assert_eq!(Tries::another(Some(&made), after_a_day), Ok(Tries { count: 1, last: after_a_day }));
        let reset = Tries::none(made.last);
        assert_eq!(Tries::another(Some(&reset), made.last), Ok(Tries { count: 1, last: made.last }));
    }

    #[test]
    fn waiting_less_than_the_wait_is_not_enough() {
        let (made, _) = patient(7);
        assert_eq!(
            Tries::another(Some(&made), made.last.plus(Duration::from_millis(3_999))),
            Err(Duration::from_millis(1))
        );
    }
}
