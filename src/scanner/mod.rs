//! The hook for whatever looks into uploads: a command or a service.
//!
//! An upload is completed only after a scanner that is set has called it clean.
//! No answer is no verdict: whoever asks must not go on without one.

mod command;
mod http;
mod relay;

use async_trait::async_trait;

use crate::{
    domain::{ids::UploadId, text::is_invisible},
    objects::{ByteStream, ContentType},
};

pub use command::CommandScanner;
pub use http::HttpScanner;

/// No name of a finding is longer, in characters.
const LONGEST_SIGNATURE: usize = 200;

/// What a scanner is told besides the bytes.
///
/// Not the path: names are written by people and often say more about them
/// than the bytes do; a scanner needs none to do its work, and logs what it gets.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// Which upload, for finding it in logs.
    pub id: UploadId,
    /// How many bytes will come.
    pub size: u64,
    /// The type that was declared.
    pub content_type: ContentType,
    /// The SHA-256 of the bytes, where it is known.
    pub sha256: Option<[u8; 32]>,
}

/// What a scanner found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Clean,
    /// Something.
    Infected {
        /// What the scanner calls it: at most 200 visible characters, and at least one.
        signature: String,
    },
}

/// There is no verdict: the upload must not be completed now. Asking again may help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scanner is unavailable: {0}")]
pub struct Unavailable(
    /// For the operator's log: never shown to a caller.
    pub String,
);

/// Why a scanner cannot be used at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scanner cannot be used: {0}")]
pub struct NotUsable(
    /// What is wrong, with the setting's name.
    pub String,
);

/// Looks into uploads.
#[async_trait]
pub trait Scanner: Send + Sync {
    /// Scans the bytes, which are taken as fast as the scanner reads them.
    ///
    /// # Errors
    /// When there is no verdict, for whatever reason: then nothing may be concluded.
    async fn scan(&self, what: &ScanRequest, bytes: ByteStream) -> Result<Verdict, Unavailable>;
}

impl Verdict {
    /// Something with this name, which the scanner wrote, and perhaps the sender of the bytes.
    fn infected(name: &str) -> Self {
        let visible = name.trim().chars().map(|character| if is_invisible(character) { '\u{FFFD}' } else { character });
        let signature: String = visible.take(LONGEST_SIGNATURE).collect();
        Self::Infected { signature: if signature.is_empty() { "unnamed".into() } else { signature } }
    }
}

fn unavailable(what: impl Into<String>) -> Unavailable {
    Unavailable(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_harmless_short_and_there() {
        let named = |name: &str| match Verdict::infected(name) {
            Verdict::Infected { signature } => signature,
            Verdict::Clean => panic!("clean"),
        };
        assert_eq!(named(" Eicar-Test \r\n"), "Eicar-Test");
        assert_eq!(named("a\u{1b}[31m\u{202e}b"), "a\u{fffd}[31m\u{fffd}b");
        assert_eq!(named(""), "unnamed");
        assert_eq!(named(&"é".repeat(1_000)).chars().count(), LONGEST_SIGNATURE);
    }
}
