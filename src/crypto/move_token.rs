//! Move tokens: `crm_` and a sealed plaintext of exactly 112 bytes.
//!
//! `tenant(16) | share id(16) | issued(8) | expires(8) | claim hash(32) | grant hash(32)`.
//! It names the claim that is to go on elsewhere. That claim's row, which ends with the move, is what makes
//! the token single-use; nothing is stored when it is made.

use std::fmt;

use crate::{
    domain::{
        ids::{ShareId, TenantId},
        instant::Instant,
    },
    entropy::Entropy,
};

use super::{
    claim::ClaimHash,
    digest::Sha256Digest,
    keyring::Keyring,
    sealed::{NotOpened, Purpose, SealError},
    secret::SecretText,
};

const PREFIX: &str = "crm_";

/// What a move token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveTokenContents {
    /// Whose share.
    pub tenant: TenantId,
    /// Which share.
    pub share: ShareId,
    /// When it was made.
    pub issued_at: Instant,
    /// Until when the claim may move.
    pub expires_at: Instant,
    /// Which claim of the share.
    pub claim: ClaimHash,
    /// The grant as it was at the claim.
    pub grant_hash: Sha256Digest,
}

impl MoveTokenContents {
    fn encode(&self) -> Vec<u8> {
        [
            self.tenant.as_bytes().as_slice(),
            self.share.as_bytes(),
            &self.issued_at.as_unix_millis().to_be_bytes(),
            &self.expires_at.as_unix_millis().to_be_bytes(),
            &self.claim.0,
            &self.grant_hash,
        ]
        .concat()
    }

    fn decode(plaintext: &[u8]) -> Option<Self> {
        let plaintext: &[u8; 112] = plaintext.try_into().ok()?;
        let number = |from: usize| Some(u64::from_be_bytes(plaintext[from..from + 8].try_into().ok()?));
        Some(Self {
            tenant: TenantId::from_bytes(plaintext[0..16].try_into().ok()?),
            share: ShareId::from_bytes(plaintext[16..32].try_into().ok()?),
            issued_at: Instant::from_unix_millis(number(32)?),
            expires_at: Instant::from_unix_millis(number(40)?),
            claim: ClaimHash(plaintext[48..80].try_into().ok()?),
            grant_hash: plaintext[80..112].try_into().ok()?,
        })
    }
}

/// A move token as its holder carries it.
#[derive(Clone)]
pub struct MoveToken(SecretText);

impl MoveToken {
    /// Seals a token.
    ///
    /// # Errors
    /// Never for these few bytes; the cipher's own limit is passed on.
    pub fn seal(contents: &MoveTokenContents, keyring: &Keyring, entropy: &dyn Entropy) -> Result<Self, SealError> {
        let sealed = keyring.seal(Purpose::Move, &contents.encode(), entropy)?;
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
    pub fn open(text: &SecretText, keyring: &Keyring) -> Result<MoveTokenContents, NotOpened> {
        let sealed = text.expose().strip_prefix(PREFIX).ok_or(NotOpened)?;
        let plaintext = keyring.open(Purpose::Move, sealed)?;
        MoveTokenContents::decode(&plaintext).ok_or(NotOpened)
    }

    /// The token itself, for the response that hands it out.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for MoveToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MoveToken(…)")
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
            share_token::ShareToken,
        },
        entropy::SystemEntropy,
    };

    #[test]
    fn a_token_says_what_was_sealed_and_is_no_share_token() {
        let contents = MoveTokenContents {
            tenant: TenantId::from_bytes([1; 16]),
            share: ShareId::from_bytes([2; 16]),
            issued_at: Instant::from_unix_millis(3),
            expires_at: Instant::from_unix_millis(4),
            claim: ClaimHash([5; 32]),
            grant_hash: [6; 32],
        };
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let token = MoveToken::seal(&contents, &ring, &SystemEntropy).unwrap();
        assert_eq!(MoveToken::open(&SecretText::new(token.expose()), &ring), Ok(contents));
        assert_eq!(format!("{token:?}"), "MoveToken(…)");
        let relabelled = SecretText::new(token.expose().replacen("crm_", "crs_", 1));
        assert!(ShareToken::open(&relabelled, &ring).is_err());
        for length in [0, 111, 113] {
            let sealed = ring.seal(Purpose::Move, &vec![0; length], &SystemEntropy).unwrap();
            assert!(MoveToken::open(&SecretText::new(format!("crm_{sealed}")), &ring).is_err());
        }
    }
}
