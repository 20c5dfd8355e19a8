//! How many requests in how much time, and whether one more is within that.
//!
//! The rule is the generic cell rate algorithm (ITU-T I.371, annex A): a state of one number,
//! no windows whose borders let through twice as many, no counter that somebody has to reset.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use super::instant::Instant;

/// So many requests in so many seconds: all of them at once, or evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    requests: NonZeroU32,
    /// 1 to 86,400.
    seconds: NonZeroU32,
}

/// A text that is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write requests and a time, such as 300/60s, 10/m or 1000/1h: 1 to 1,000,000 requests, and a day at most")]
pub struct NotARate;

/// When a request would be due if all before it had been sent evenly, in nanoseconds since 1970:
/// the whole memory of the rule. What is not later than now says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due(u64);

/// How somebody stands after a request that was within the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many more there may be at once.
    pub remaining: u32,
    /// How long until all of them may be again, if there are none meanwhile.
    pub reset: Duration,
}

impl Rate {
    const MOST_REQUESTS: u32 = 1_000_000;
    const LONGEST: u32 = 86_400;

    /// So many requests in so many seconds; none when there are none, or too many.
    pub const fn new(requests: u32, seconds: u32) -> Option<Self> {
        match (NonZeroU32::new(requests), NonZeroU32::new(seconds)) {
            (Some(requests), Some(seconds))
                if requests.get() <= Self::MOST_REQUESTS && seconds.get() <= Self::LONGEST =>
            {
                Some(Self { requests, seconds })
            }
            _ => None,
        }
    }

    /// How many requests.
    pub const fn requests(self) -> u32 {
        self.requests.get()
    }

    /// In how many seconds.
    pub const fn seconds(self) -> u32 {
        self.seconds.get()
    }

    /// Whether there may be one request more: then when the next is due, and how one stands.
    ///
    /// # Errors
    /// When there may not: how long to wait.
    pub fn another(self, due: Due, now: Instant) -> Result<(Due, Standing), Duration> {
        let now = now.as_unix_millis().saturating_mul(1_000_000);
        let period = u64::from(self.seconds.get()) * 1_000_000_000;
        let interval = period / u64::from(self.requests.get());
        let next = due.0.max(now).saturating_add(interval);
        let ahead = next - now;
        match period.checked_sub(ahead) {
            None => Err(Duration::from_nanos(ahead - period)),
            Some(left) => Ok((
                Due(next),
                Standing {
                    remaining: u32::try_from(left / interval).unwrap_or(u32::MAX),
                    reset: Duration::from_nanos(ahead),
                },
            )),
        }
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (requests, time) = text.split_once('/').ok_or(NotARate)?;
        let time = time.trim();
        let digits = time.trim_end_matches(['s', 'm', 'h']);
        let unit = match &time[digits.len()..] {
            "s" => 1_u32,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(NotARate),
        };
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| NotARate);
        let times = if digits.is_empty() { 1 } else { number(digits)? };
        Self::new(number(requests)?, times.checked_mul(unit).ok_or(NotARate)?).ok_or(NotARate)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}s", self.requests, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_unix_millis(1_800_000_000_000 + millis)
    }

    #[test]
    fn all_at_once_and_then_one_by_one() {
        let rate = Rate::new(3, 6).unwrap();
        let mut due = Due::default();
        for remaining in [2, 1, 0] {
            let (next, standing) = rate.another(due, at(0)).unwrap();
            assert_eq!(standing.remaining, remaining);
            assert_eq!(standing.reset, Duration::from_secs(2 * u64::from(3 - remaining)));
            due = next;
        }
        assert_eq!(rate.another(due, at(0)), Err(Duration::from_secs(2)));
        assert_eq!(rate.another(due, at(1_999)), Err(Duration::from_millis(1)));
        let (next, standing) = rate.another(due, at(2_000)).unwrap();
        assert_eq!(standing.remaining, 0);
        assert!(rate.another(next, at(2_000)).is_err());
        assert_eq!(rate.another(next, at(60_000)).unwrap().1.remaining, 2, "nobody saves up more");
    }

    #[test]
    fn in_the_long_run_it_is_the_rate_however_hard_one_tries() {
        let rate = Rate::new(7, 10).unwrap();
        let mut due = Due::default();
        let within = (0..100_000_u64).filter(|millis| {
            let answer = rate.another(due, at(*millis));
            answer.is_ok_and(|(next, _)| {
                due = next;
                true
            })
        });
        assert_eq!(within.count(), 7 + 69, "at once, and in the hundred seconds after");
    }

    #[test]
    fn rates_are_written_as_people_write_them() {
        for (text, shown) in [
            ("300/60s", "300/60s"),
            ("10/s", "10/1s"),
            ("10 / 1m", "10/60s"),
            ("5/2h", "5/7200s"),
            ("1000000/24h", "1000000/86400s"),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), shown);
        }
        for wrong in
            ["", "0/60s", "10", "10/", "10/60", "10/0s", "-1/60s", "10/25h", "10/ms", "1000001/1s", "10/4294967295h"]
        {
            assert_eq!(wrong.parse::<Rate>(), Err(NotARate), "{wrong}");
        }
    }

    #[test]
    fn a_rate_says_what_it_was_made_of() {
        let rate = Rate::new(3, 6).unwrap();
        assert_eq!((rate.requests(), rate.seconds()), (3, 6));
    }
}
