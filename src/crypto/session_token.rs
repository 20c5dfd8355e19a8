//! Session tokens: `cst_` and a sealed plaintext of exactly 128 bytes.
//!
//! `tenant(16) | share id(16) | session id(16) | issued(8) | expires(8) | claim hash(32) | grant hash(32)`.
//! A token names the claim it belongs to, lives 15 minutes at most, and gives
//! nothing by itself: each use reads the rows behind it again.

use std::fmt;

use crate::{
    domain::{
        ids::{SessionId, ShareId, TenantId},
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

const PREFIX: &str = "cst_";

/// What a session token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTokenContents {
    /// Whose share.
    pub tenant: TenantId,
    /// Which share.
    pub share: ShareId,
    /// Which session of it.
    pub session: SessionId,
    /// When this token was made.
    pub issued_at: Instant,
    /// Until when it may be used.
    pub expires_at: Instant,
    /// The claim that opened the session.
    pub claim: ClaimHash,
    /// The grant as it was at the claim.
    pub grant_hash: Sha256Digest,
}

impl SessionTokenContents {
    fn encode(&self) -> Vec<u8> {
        [
            self.tenant.as_bytes().as_slice(),
            self.share.as_bytes(),
            self.session.as_bytes(),
            &self.issued_at.as_unix_millis().to_be_bytes(),
            &self.expires_at.as_unix_millis().to_be_bytes(),
            &self.claim.0,
            &self.grant_hash,
        ]
        .concat()
    }

    fn decode(plaintext: &[u8]) -> Option<Self> {
        let plaintext: &[u8; 128] = plaintext.try_into().ok()?;
        let number = |from: usize| Some(u64::from_be_bytes(plaintext[from..from + 8].try_into().ok()?));
        Some(Self {
            tenant: TenantId::from_bytes(plaintext[0..16].try_into().ok()?),
            share: ShareId::from_bytes(plaintext[16..32].try_into().ok()?),
            session: SessionId::from_bytes(plaintext[32..48].try_into().ok()?),
            issued_at: Instant::from_unix_millis(number(48)?),
            expires_at: Instant::from_unix_millis(number(56)?),
            claim: ClaimHash(plaintext[64..96].try_into().ok()?),
            grant_hash: plaintext[96..128].try_into().ok()?,
        })
    }
}

/// A session token as a cookie or a bearer carries it.
#[derive(Clone)]
pub struct SessionToken(SecretText);

impl SessionToken {
    /// Seals a token.
    ///
    /// # Errors
    /// Never for these few bytes; the cipher's own limit is passed on.
    pub fn seal(contents: &SessionTokenContents, keyring: &Keyring, entropy: &dyn Entropy) -> Result<Self, SealError> {
        let sealed = keyring.seal(Purpose::Session, &contents.encode(), entropy)?;
        Ok(Self(SecretText::new(format!("{PREFIX}{sealed}"))))
    }

    /// What a token says, if this deployment sealed it.
    ///
    /// # Errors
    /// One and the same for every text that is no such token.
    pub fn open(text: &SecretText, keyring: &Keyring) -> Result<SessionTokenContents, NotOpened> {
        let sealed = text.expose().strip_prefix(PREFIX).ok_or(NotOpened)?;
        let plaintext = keyring.open(Purpose::Session, sealed)?;
        SessionTokenContents::decode(&plaintext).ok_or(NotOpened)
    }

    /// The token itself, for the response that hands it out.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::keyring::{
            KeyState,
            tests::{key, keyring},
        },
        entropy::SystemEntropy,
    };

    #[test]
    fn a_token_says_what_was_sealed_and_is_no_share_token() {
        let contents = SessionTokenContents {
            tenant: TenantId::from_bytes([1; 16]),
            share: ShareId::from_bytes([2; 16]),
            session: SessionId::from_bytes([3; 16]),
            issued_at: Instant::from_unix_millis(4),
            expires_at: Instant::from_unix_millis(5),
            claim: ClaimHash([6; 32]),
            grant_hash: [7; 32],
        };
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let token = SessionToken::seal(&contents, &ring, &SystemEntropy).unwrap();
        assert_eq!(SessionToken::open(&SecretText::new(token.expose()), &ring), Ok(contents));
        let relabelled = token.expose().replacen("cst_", "crs_", 1);
        assert!(super::super::share_token::ShareToken::open(&SecretText::new(relabelled), &ring).is_err());
        let short = ring.seal(Purpose::Session, &contents.encode()[..127], &SystemEntropy).unwrap();
        assert!(SessionToken::open(&SecretText::new(format!("cst_{short}")), &ring).is_err());
    }
}
