//! Claim keys: 32 random bytes made by whoever redeems, by which the one
//! claimant is told from everybody else when a response was lost.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::domain::ids::SessionId;

use super::{
    digest::{Sha256Digest, labelled},
    secret::SecretText,
};

/// The text is not 32 bytes in base64url without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a claim key is 32 random bytes in base64url without padding: 43 characters")]
pub struct NotAClaimKey;

/// The redeemer's own secret. Never stored.
pub struct ClaimKey(Zeroizing<[u8; 32]>);

/// What is stored of a claim key: SHA-256 over a label, what is claimed, and the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClaimHash(#[serde(with = "super::opaque::base64_digest")] pub Sha256Digest);

impl fmt::Display for ClaimHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl ClaimKey {
    /// Reads the 43 characters.
    ///
    /// # Errors
    /// For anything else.
    pub fn parse(text: &SecretText) -> Result<Self, NotAClaimKey> {
        let mut bytes = Zeroizing::new([0; 32]);
        match URL_SAFE_NO_PAD.decode_slice(text.expose(), bytes.as_mut()) {
            Ok(32) if text.expose().len() == 43 => Ok(Self(bytes)),
            _ => Err(NotAClaimKey),
        }
    }

    /// What is stored, for a claim of the thing with this id.
    pub fn hash(&self, claimed: &[u8; 16]) -> ClaimHash {
        ClaimHash(labelled("cloakroom/claim/v1", &[claimed, self.0.as_ref()]))
    }

    /// The id of the session that the claim opens: the same each time that
    /// the same claimant asks, and derivable from nothing that is stored.
    pub fn session(&self, claimed: &[u8; 16]) -> SessionId {
        let digest = labelled("cloakroom/session-id/v1", &[claimed, self.0.as_ref()]);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        SessionId::from_bytes(id)
    }
}

impl fmt::Debug for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ClaimKey, NotAClaimKey> {
        ClaimKey::parse(&SecretText::new(text))
    }

    #[test]
    fn only_32_bytes_in_their_one_spelling_are_a_claim_key() {
        let text = URL_SAFE_NO_PAD.encode([7; 32]);
        assert!(parse(&text).is_ok());
        let spare_bits = format!("{}d", &text[..42]);
        for wrong in ["", "abc", &text[..42], &format!("{text}="), &format!("{text}A"), &spare_bits, &"é".repeat(43)] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_same_key_claims_different_things_differently() {
        let key = parse(&URL_SAFE_NO_PAD.encode([7; 32])).unwrap();
        assert_eq!(key.hash(&[1; 16]), key.hash(&[1; 16]));
        assert_ne!(key.hash(&[1; 16]), key.hash(&[2; 16]));
        assert_ne!(key.session(&[1; 16]), key.session(&[2; 16]));
        assert_ne!(key.session(&[1; 16]).as_bytes()[..], key.hash(&[1; 16]).0[..16]);
    }

    #[test]
    fn what_is_stored_of_a_key_comes_back_whole_or_not_at_all() {
        let hash = parse(&URL_SAFE_NO_PAD.encode([7; 32])).unwrap().hash(&[1; 16]);
        let stored = serde_json::to_string(&hash).unwrap();
        assert_eq!(stored, format!("\"{hash}\""));
        assert_eq!(hash.to_string(), URL_SAFE_NO_PAD.encode(hash.0));
        assert_eq!(serde_json::from_str::<ClaimHash>(&stored).unwrap(), hash);
        for wrong in ["\"\"", "\"AA\"", "\"=\"", "7"] {
            assert!(serde_json::from_str::<ClaimHash>(wrong).is_err(), "{wrong}");
        }
    }
}
