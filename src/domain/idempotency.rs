//! Idempotency keys: a request that creates something is carried out once, however often it is sent.
//!
//! A key is its principal's own, and holds for a day. What it stood for is told from what is asked now
//! by comparison alone; neither the key nor a request is kept as it was sent.

use std::fmt;

use super::instant::Instant;

/// The longest key, in characters.
const LONGEST: usize = 255;

/// Why a text is no idempotency key; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 255 visible ASCII characters, none of them a space")]
pub struct NotAnIdempotencyKey;

/// What a caller names a request by. Callers make it of what they like, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Checks a key.
    ///
    /// # Errors
    /// When it is empty, longer than 255 characters, or has others than visible ASCII.
    pub fn parse(text: &str) -> Result<Self, NotAnIdempotencyKey> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if (1..=LONGEST).contains(&text.len()) && visible {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnIdempotencyKey)
        }
    }

    /// The bytes, to derive keys from.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

/// A reply that is kept under a key, compared with a request that comes with the key now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Until when the key holds.
    pub kept_until: Instant,
    /// Whether the credential is the one that the reply was kept for.
    pub same_credential: bool,
    /// Whether route and body are the same. Nothing can be said of that without the credential.
    pub same_request: bool,
}

/// What a kept reply means for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing any more: the key's time is over, and it may stand for something new.
    Over,
    /// This very request was carried out: here is what was answered.
    Replay,
    /// Another request was carried out under this key.
    AnotherRequest,
    /// A request was carried out under this key, and only its credential shows what was answered.
    AnotherCredential,
}

impl Compared {
    /// What it means for the request. What is not known to be the same is never carried out again before its time.
    pub fn meaning(self, now: Instant) -> Meaning {
        match self {
            Self { kept_until, .. } if now >= kept_until => Meaning::Over,
            Self { same_credential: false, .. } => Meaning::AnotherCredential,
            Self { same_request: false, .. } => Meaning::AnotherRequest,
            _ => Meaning::Replay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_and_visible() {
        for right in ["a", "order-17", "8e03978e-40d5-43e8-bc93-6894a57f9324", "\"quoted\"", &"x".repeat(255)] {
            assert!(IdempotencyKey::parse(right).is_ok(), "{right}");
        }
        for wrong in ["", " ", "a b", "a\tb", "é", "a\0", &"x".repeat(256)] {
            assert!(IdempotencyKey::parse(wrong).is_err(), "{wrong}");
        }
        assert!(!format!("{:?}", IdempotencyKey::parse("order-17")).contains("order"));
    }

    #[test]
    fn a_key_stands_for_one_request_until_its_time_is_over() {
        let until = Instant::from_unix_seconds(1_000);
        let (before, then) = (Instant::from_unix_millis(999_999), until);
        let meaning = |same_credential, same_request, now| {
            Compared { kept_until: until, same_credential, same_request }.meaning(now)
        };
        assert_eq!(meaning(true, true, before), Meaning::Replay);
        assert_eq!(meaning(true, false, before), Meaning::AnotherRequest);
        assert_eq!(meaning(false, false, before), Meaning::AnotherCredential);
        assert_eq!(meaning(false, true, before), Meaning::AnotherCredential);
        assert_eq!(meaning(true, true, then), Meaning::Over);
        assert_eq!(meaning(false, false, then), Meaning::Over);
    }
}
