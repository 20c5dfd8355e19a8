//! Codes by which recipients show that they read the mail of an address: each short-lived, tried a few times, used once.
//!
//! What is kept of a code is a mark, a keyed hash. Tries are counted before they are judged, so that guesses made at the
//! same time are not free and those whose answer was lost have counted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::instant::Instant;

/// How long a code can be used.
pub const CODE_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How often one code may be tried.
pub const MOST_TRIES: u32 = 5;

/// How many digits a code has: five tries at one code are right once in 20 million times.
pub const DIGITS: usize = 8;

/// A keyed hash of a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeMark(pub String);

/// So many within so long.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many.
    pub most: usize,
    /// Within how long.
    pub within: Duration,
}

/// Codes of one recipient.
pub const OF_RECIPIENT: Pace = Pace { most: 3, within: Duration::from_secs(15 * 60) };

/// Codes asked for on one share or link, for whatever address.
pub const OF_ALL: Pace = Pace { most: 20, within: Duration::from_secs(3_600) };

/// When the latest of something were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latest(Vec<Instant>);

impl Latest {
    /// With one more.
    ///
    /// # Errors
    /// When it comes too soon: how long to wait.
    pub fn another(&self, pace: Pace, now: Instant) -> Result<Self, Duration> {
        let mut latest: Vec<_> = self.0.iter().copied().filter(|at| now < at.plus(pace.within)).collect();
        if latest.len() >= pace.most {
            let first = latest.iter().min().copied().unwrap_or(now);
            return Err(first.plus(pace.within).since(now));
        }
        latest.push(now);
        Ok(Self(latest))
    }
}

/// A code that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentCode {
    mark: CodeMark,
    expires_at: Instant,
    tries: u32,
}

/// Where one recipient stands: kept in a row of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    sent: Latest,
    code: Option<SentCode>,
    /// When the recipient claimed it: each does once.
    pub claimed_at: Option<Instant>,
    /// Whether they are a recipient no more, since they were erased or their address was corrected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    gone: bool,
}

impl Confirmation {
    /// With a new code in the place of the one before; none when there is to be none: they have claimed it, or have
    /// asked too often. Nobody but the recipient may notice.
    pub fn with_code(&self, mark: CodeMark, now: Instant) -> Option<Self> {
        if self.claimed_at.is_some() || self.gone {
            return None;
        }
        let sent = self.sent.another(OF_RECIPIENT, now).ok()?;
        let code = Some(SentCode { mark, expires_at: now.plus(CODE_LIFETIME), tries: 0 });
        Some(Self { sent, code, claimed_at: None, gone: false })
    }

    /// With one more try at its code.
    pub fn tried(&self) -> Self {
        let code = self.code.clone().map(|code| SentCode { tries: code.tries.saturating_add(1), ..code });
        Self { code, ..self.clone() }
    }

    /// The code that a try, counted already, may be held against.
    pub fn may_be(&self, now: Instant) -> Option<&CodeMark> {
        let code = self.code.as_ref().filter(|code| now < code.expires_at && code.tries <= MOST_TRIES && !self.gone)?;
        self.claimed_at.is_none().then_some(&code.mark)
    }

    /// After its recipient has claimed: the code is used up.
    pub fn claimed(&self, now: Instant) -> Self {
        Self { sent: self.sent.clone(), code: None, claimed_at: Some(now), gone: self.gone }
    }

    /// Of whoever takes the place of another at their corrected address: who has claimed does not claim again.
    pub fn in_the_place_of(before: &Self) -> Self {
        Self { claimed_at: before.claimed_at, ..Self::default() }
    }

    /// Of whoever is a recipient no more: no code is theirs, nor will be. That they were one is left under their mark.
    pub fn gone() -> Self {
        Self { gone: true, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(1_000_000 + seconds)
    }

    fn mark(text: &str) -> CodeMark {
        CodeMark(text.into())
    }

    #[test]
    fn a_code_lives_ten_minutes_and_five_tries() {
        let sent = Confirmation::default().with_code(mark("a"), at(0)).unwrap();
        assert_eq!(sent.may_be(at(599)), Some(&mark("a")));
        assert_eq!(sent.may_be(at(600)), None);
        let mut tried = sent.clone();
        for _ in 0..MOST_TRIES {
            tried = tried.tried();
            assert_eq!(tried.may_be(at(1)), Some(&mark("a")));
        }
        assert_eq!(tried.tried().may_be(at(1)), None);
        assert_eq!(Confirmation::default().tried().may_be(at(1)), None);
    }

    #[test]
    fn a_new_code_replaces_the_old_one_and_its_tries() {
        let first = Confirmation::default().with_code(mark("a"), at(0)).unwrap();
        let second = (0..9).fold(first, |code, _| code.tried()).with_code(mark("b"), at(60)).unwrap();
        assert_eq!(second.may_be(at(60)), Some(&mark("b")));
    }

    #[test]
    fn three_codes_go_to_one_recipient_in_a_quarter_of_an_hour() {
        let mut codes = Confirmation::default();
        for second in 0..3 {
            codes = codes.with_code(mark("a"), at(second)).unwrap();
        }
        assert_eq!(codes.with_code(mark("b"), at(899)), None);
        assert!(codes.with_code(mark("b"), at(900)).is_some());
        assert_eq!(codes.with_code(mark("b"), at(900)).unwrap().with_code(mark("c"), at(900)), None);
    }

    #[test]
    fn a_code_is_used_once_and_its_recipient_gets_no_other() {
        let claimed = Confirmation::default().with_code(mark("a"), at(0)).unwrap().claimed(at(5));
        assert_eq!((claimed.may_be(at(6)), claimed.claimed_at), (None, Some(at(5))));
        assert_eq!(claimed.with_code(mark("b"), at(5_000)), None);
    }

    #[test]
    fn whoever_is_gone_has_no_code_and_gets_none() {
        let gone = Confirmation::gone();
        assert_eq!((gone.with_code(mark("a"), at(0)), gone.tried().may_be(at(0))), (None, None));
        assert!(!serde_json::to_string(&Confirmation::default()).unwrap().contains("gone"));
    }

    #[test]
    fn twenty_are_asked_for_in_an_hour_and_then_one_waits() {
        let mut latest = Latest::default();
        for minute in 0..20 {
            latest = latest.another(OF_ALL, at(minute * 60)).unwrap();
        }
        assert_eq!(latest.another(OF_ALL, at(20 * 60)), Err(Duration::from_secs(40 * 60)));
        let later = latest.another(OF_ALL, at(3_600)).unwrap();
        assert_eq!(later.another(OF_ALL, at(3_600)), Err(Duration::from_secs(60)));
    }
}
