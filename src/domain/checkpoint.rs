//! Checkpoints: how long a ledger was and by which hash it ended, in a text that is signed and kept outside the store. A
//! chain alone cannot show that its end was cut off, or that all of it was written anew.
//!
//! The text is that of C2SP tlog-checkpoint: origin, size and hash, a line each, and after them what is our own, the time.
//! The hash is the head of the chain. Should a tree be laid over the records one day, its root gets a line of its own.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    instant::Instant,
    ledger::{Head, RecordHash},
};

/// A ledger that goes on gets a checkpoint this often.
pub const EVERY: Duration = Duration::from_secs(600);

/// What is said of a ledger at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which ledger: one line, without spaces.
    pub origin: String,
    /// How far it went.
    pub head: Head,
    /// When that was said.
    pub at: Instant,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let hash = STANDARD.encode(self.head.hash.to_bytes());
        format!("{}\n{}\n{hash}\nat {}\n", self.origin, self.head.size, self.at.as_unix_seconds())
    }

    /// Reads a text, and no other spelling of the same.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let (origin, size, hash, at) = (lines.next()?, lines.next()?, lines.next()?, lines.next()?);
        let hash: [u8; 32] = STANDARD.decode(hash).ok()?.try_into().ok()?;
        let checkpoint = Self {
            origin: origin.into(),
            head: Head { size: size.parse().ok()?, hash: RecordHash::from_bytes(&hash) },
            at: Instant::from_unix_seconds(at.strip_prefix("at ")?.parse().ok()?),
        };
        (checkpoint.text() == text).then_some(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_has_one_text() {
        let checkpoint = Checkpoint {
            origin: "cloakroom/a/b".into(),
            head: Head { size: 12, hash: RecordHash::from_bytes(&[0xab; 32]) },
            at: Instant::from_unix_seconds(1_800_000_000),
        };
        let text = "cloakroom/a/b\n12\nq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\nat 1800000000\n";
        assert_eq!(checkpoint.text(), text);
        assert_eq!(Checkpoint::parse(text), Some(checkpoint));
        for (from, to) in [("12", "+12"), ("12", "012"), ("at ", "at  "), ("6s=", "6t=")] {
            assert_eq!(Checkpoint::parse(&text.replacen(from, to, 1)), None, "{from} {to}");
        }
        assert_eq!(Checkpoint::parse(&format!("{text}more\n")), None);
        assert_eq!(Checkpoint::parse(text.trim_end()), None);
    }
}
