//! Submission tokens: `csb_` and a sealed plaintext of exactly 56 bytes.
//!
//! `file request id(16) | expires(8) | claim hash(32)`. Like a session token it
//! lives 15 minutes at most, and gives nothing without the rows behind it.

use std::fmt;

use crate::{
    domain::{ids::FileRequestId, instant::Instant},
    entropy::Entropy,
};

use super::{
    claim::ClaimHash,
    keyring::Keyring,
    sealed::{NotOpened, Purpose, SealError},
    secret::SecretText,
};

const PREFIX: &str = "csb_";

/// What a submission token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubmissionTokenContents {
    /// Which file request.
    pub request: FileRequestId,
    /// Until when it may be used.
    pub expires_at: Instant,
    /// The claim that began the submission.
    pub claim: ClaimHash,
}

impl SubmissionTokenContents {
    fn encode(&self) -> Vec<u8> {
        let expires = self.expires_at.as_unix_millis().to_be_bytes();
        [self.request.as_bytes().as_slice(), &expires, &self.claim.0].concat()
    }

    fn decode(plaintext: &[u8]) -> Option<Self> {
        let (request, rest) = plaintext.split_first_chunk::<16>()?;
        let (expires, claim) = rest.split_first_chunk::<8>()?;
        Some(Self {
            request: FileRequestId::from_bytes(*request),
            expires_at: Instant::from_unix_millis(u64::from_be_bytes(*expires)),
            claim: ClaimHash(claim.try_into().ok()?),
        })
    }
}

/// A submission token as a bearer carries it.
#[derive(Clone)]
pub struct SubmissionToken(SecretText);

impl SubmissionToken {
    /// Seals a token.
    ///
    /// # Errors
    /// Never for these few bytes; the cipher's own limit is passed on.
    pub fn seal(
        contents: &SubmissionTokenContents,
        keyring: &Keyring,
        entropy: &dyn Entropy,
    ) -> Result<Self, SealError> {
        let sealed = keyring.seal(Purpose::Submission, &contents.encode(), entropy)?;
        Ok(Self(SecretText::new(format!("{PREFIX}{sealed}"))))
    }

    /// Whether the text is meant to be one.
    pub fn is_one(text: &SecretText) -> bool {
        text.expose().starts_with(PREFIX)
    }

    /// What a token says, if this deployment sealed it.
    ///
    /// # Errors
    /// One and the same for every text that is no such token.
    pub fn open(text: &SecretText, keyring: &Keyring) -> Result<SubmissionTokenContents, NotOpened> {
        let sealed = text.expose().strip_prefix(PREFIX).ok_or(NotOpened)?;
        let plaintext = keyring.open(Purpose::Submission, sealed)?;
        SubmissionTokenContents::decode(&plaintext).ok_or(NotOpened)
    }

    /// The token itself, for the response that hands it out.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for SubmissionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubmissionToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::{
            keyring::{
                KeyState,
                tests::{key, keyring},
            },
            session_token::SessionToken,
        },
        entropy::SystemEntropy,
    };

    #[test]
    fn a_token_says_what_was_sealed_and_is_no_session_token() {
        let contents = SubmissionTokenContents {
            request: FileRequestId::from_bytes([1; 16]),
            expires_at: Instant::from_unix_millis(2),
            claim: ClaimHash([3; 32]),
        };
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let token = SubmissionToken::seal(&contents, &ring, &SystemEntropy).unwrap();
        assert_eq!(SubmissionToken::open(&SecretText::new(token.expose()), &ring), Ok(contents));
        let relabelled = SecretText::new(token.expose().replacen("csb_", "cst_", 1));
        assert!(SessionToken::open(&relabelled, &ring).is_err());
        for length in [0, 55, 57] {
            let sealed = ring.seal(Purpose::Submission, &vec![0; length], &SystemEntropy).unwrap();
            assert!(SubmissionToken::open(&SecretText::new(format!("csb_{sealed}")), &ring).is_err());
        }
    }
}
