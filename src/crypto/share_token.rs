//! Share tokens: `crs_` and a sealed plaintext of exactly 88 bytes.
//!
//! `tenant(16) | token id(16) | issued(8) | expires(8) | permission(4) | zero(4) | grant hash(32)`,
//! numbers big-endian, times in milliseconds since the epoch. Sealed: 186 bytes,
//! 248 characters, 252 with the prefix.
//!
//! The token is never stored. The grant is, in rows; the sealed hash of the
//! grant is what makes a doctored row useless.

use std::fmt;

use crate::{
    domain::{
        ids::{ShareId, TenantId},
        instant::Instant,
        permission::SharePermission,
    },
    entropy::Entropy,
};

use super::{
    digest::Sha256Digest,
    keyring::Keyring,
    sealed::{NotOpened, Purpose, SealError},
    secret::SecretText,
};

const PREFIX: &str = "crs_";

/// The length of every share token, in characters.
pub const LENGTH: usize = 252;

/// What a share token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareTokenContents {
    /// Whose share.
    pub tenant: TenantId,
    /// Which share: the id whose single use is recorded.
    pub share: ShareId,
    /// When it was minted.
    pub issued_at: Instant,
    /// Until when it may be claimed.
    pub expires_at: Instant,
    /// The most it can ever give.
    pub permission: SharePermission,
    /// SHA-256 of the whole immutable grant, canonically encoded.
    pub grant_hash: Sha256Digest,
}

impl ShareTokenContents {
    fn encode(&self) -> [u8; 88] {
        let permission: u32 = match self.permission {
            SharePermission::Read => 1,
            SharePermission::Write => 2,
        };
        let mut plaintext = [0; 88];
        plaintext[0..16].copy_from_slice(self.tenant.as_bytes());
        plaintext[16..32].copy_from_slice(self.share.as_bytes());
        plaintext[32..40].copy_from_slice(&self.issued_at.as_unix_millis().to_be_bytes());
        plaintext[40..48].copy_from_slice(&self.expires_at.as_unix_millis().to_be_bytes());
        plaintext[48..52].copy_from_slice(&permission.to_be_bytes());
        plaintext[56..88].copy_from_slice(&self.grant_hash);
        plaintext
    }

    fn decode(plaintext: &[u8]) -> Option<Self> {
        let plaintext: &[u8; 88] = plaintext.try_into().ok()?;
        let number = |from: usize| Some(u64::from_be_bytes(plaintext[from..from + 8].try_into().ok()?));
        let permission = match plaintext[48..56] {
            [0, 0, 0, 1, 0, 0, 0, 0] => SharePermission::Read,
            [0, 0, 0, 2, 0, 0, 0, 0] => SharePermission::Write,
            _ => return None,
        };
        Some(Self {
            tenant: TenantId::from_bytes(plaintext[0..16].try_into().ok()?),
            share: ShareId::from_bytes(plaintext[16..32].try_into().ok()?),
            issued_at: Instant::from_unix_millis(number(32)?),
            expires_at: Instant::from_unix_millis(number(40)?),
            permission,
            grant_hash: plaintext[56..88].try_into().ok()?,
        })
    }
}

/// A share token as its holder carries it.
#[derive(Clone)]
pub struct ShareToken(SecretText);

impl ShareToken {
    /// Seals a token.
    ///
    /// # Errors
    /// Never for these few bytes; the cipher's own limit is passed on.
    pub fn seal(contents: &ShareTokenContents, keyring: &Keyring, entropy: &dyn Entropy) -> Result<Self, SealError> {
        let sealed = keyring.seal(Purpose::Share, &contents.encode(), entropy)?;
        Ok(Self(SecretText::new(format!("{PREFIX}{sealed}"))))
    }

    /// What a token says, if this deployment sealed it.
    ///
    /// # Errors
    /// One and the same for every text that is no such token.
    pub fn open(text: &SecretText, keyring: &Keyring) -> Result<ShareTokenContents, NotOpened> {
        let text = text.expose();
        if text.len() != LENGTH {
            return Err(NotOpened);
        }
        let sealed = text.strip_prefix(PREFIX).ok_or(NotOpened)?;
        let plaintext = keyring.open(Purpose::Share, sealed)?;
        ShareTokenContents::decode(&plaintext).ok_or(NotOpened)
    }

    /// The token itself, for the response that hands it out.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for ShareToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShareToken(…)")
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

    fn contents(permission: SharePermission) -> ShareTokenContents {
        ShareTokenContents {
            tenant: TenantId::from_bytes([1; 16]),
            share: ShareId::from_bytes([2; 16]),
            issued_at: Instant::from_unix_millis(3),
            expires_at: Instant::from_unix_millis(4),
            permission,
            grant_hash: [5; 32],
        }
    }

    #[test]
    fn a_token_says_what_was_sealed_in_252_characters() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        for permission in [SharePermission::Read, SharePermission::Write] {
            let token = ShareToken::seal(&contents(permission), &ring, &SystemEntropy).unwrap();
            assert_eq!(token.expose().len(), LENGTH);
            assert_eq!(ShareToken::open(&SecretText::new(token.expose()), &ring), Ok(contents(permission)));
        }
    }

    #[test]
    fn a_sealed_plaintext_of_another_shape_is_refused() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let good = contents(SharePermission::Read).encode();
        let mut unknown_permission = good;
        unknown_permission[51] = 3;
        let mut reserved_set = good;
        reserved_set[55] = 1;
        for plaintext in [&unknown_permission[..], &reserved_set, &good[..87], &[good.as_slice(), &[0]].concat()] {
            let sealed = ring.seal(Purpose::Share, plaintext, &SystemEntropy).unwrap();
            assert!(ShareToken::open(&SecretText::new(format!("crs_{sealed}")), &ring).is_err());
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let token = ShareToken::seal(&contents(SharePermission::Read), &ring, &SystemEntropy).unwrap();
        let text = token.expose();
        for spelling in [&text[4..], &text.to_uppercase(), &format!("{text}="), &format!("crl_{}", &text[4..])] {
            assert!(ShareToken::open(&SecretText::new(spelling), &ring).is_err());
        }
        assert_eq!(format!("{token:?}"), "ShareToken(…)");
    }
}
