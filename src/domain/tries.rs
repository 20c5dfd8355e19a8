//! Tries at a password: counted before each is checked, so that guesses made
//! at the same time are not free.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::instant::Instant;

/// How many tries a link takes in one window.
pub const MOST_TRIES: u32 = 10;

/// How long a window is.
pub const WINDOW: Duration = Duration::from_secs(3600);

/// The tries in the current window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// When the window began.
    pub since: Instant,
    /// How many there have been.
    pub count: u32,
}

impl Tries {
    /// The count with one more try.
    ///
    /// # Errors
    /// When there have been too many: how long to wait.
    pub fn another(previous: Option<&Self>, now: Instant) -> Result<Self, Duration> {
        match previous {
            Some(tries) if now < tries.since.plus(WINDOW) => {
                if tries.count >= MOST_TRIES {
                    return Err(tries.since.plus(WINDOW).since(now));
                }
                Ok(Self { since: tries.since, count: tries.count + 1 })
            }
            _ => Ok(Self { since: now, count: 1 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_tries_an_hour_and_then_a_wait() {
        let at = Instant::from_unix_seconds;
        let mut tries = None;
        for _ in 0..MOST_TRIES {
            tries = Some(Tries::another(tries.as_ref(), at(100)).unwrap());
        }
        assert_eq!(Tries::another(tries.as_ref(), at(700)), Err(Duration::from_secs(3_000)));
        assert_eq!(Tries::another(tries.as_ref(), at(3_700)), Ok(Tries { since: at(3_700), count: 1 }));
    }
}
