//! Signatures with Ed25519 (RFC 8032), and public keys as `openssl` reads them.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::pem;

/// A SubjectPublicKeyInfo of Ed25519 (RFC 8410 section 4) up to the 32 bytes of the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Signs.
pub struct PrivateKey(Ed25519KeyPair);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

impl PrivateKey {
    /// The key with this seed (RFC 8032 section 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "fails only for a seed that is not 32 bytes long")]
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed of 32 bytes"))
    }

    /// The signature over these bytes, 64 bytes long. One message has one signature.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }

    /// What verifies.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }
}

/// Verifies. In JSON its 32 bytes in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

/// The text is not a public key of Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 public key")]
pub struct NotAPublicKey;

impl PublicKey {
    /// The key in this PEM of a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When it is none, or of another algorithm.
    pub fn from_pem(text: &str) -> Result<Self, NotAPublicKey> {
        let text = text.trim().strip_prefix("-----BEGIN PUBLIC KEY-----").ok_or(NotAPublicKey)?;
        let text = text.strip_suffix("-----END PUBLIC KEY-----").ok_or(NotAPublicKey)?;
        let spki = STANDARD.decode(text.split_whitespace().collect::<String>()).map_err(|_| NotAPublicKey)?;
        let bytes = spki.strip_prefix(SPKI_PREFIX.as_slice()).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(NotAPublicKey)
    }

    /// PEM of a SubjectPublicKeyInfo, as `openssl` reads it.
    pub fn pem(&self) -> String {
        pem::public_key(&[SPKI_PREFIX.as_slice(), &self.0].concat())
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether the signature over these bytes is this key's.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl TryFrom<String> for PublicKey {
    type Error = NotAPublicKey;

    fn try_from(text: String) -> Result<Self, NotAPublicKey> {
        let bytes = STANDARD.decode(text).map_err(|_| NotAPublicKey)?;
        bytes.try_into().map(Self).map_err(|_| NotAPublicKey)
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        STANDARD.encode(key.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_text_by_one_key_and_always_the_same() {
        let [key, other] = [1, 2].map(|byte| PrivateKey::from_seed(&[byte; 32]));
        let signature = key.sign(b"text");
        assert_eq!(signature, key.sign(b"text"));
        assert!(key.public().verifies(b"text", &signature));
        assert!(!key.public().verifies(b"text.", &signature));
        assert!(!key.public().verifies(b"text", &signature[..63]));
        assert!(!other.public().verifies(b"text", &signature));
    }

    #[test]
    fn a_public_key_has_one_pem() {
        let key = PrivateKey::from_seed(&[1; 32]).public();
        assert_eq!(PublicKey::from_pem(&key.pem()), Ok(key));
        assert_eq!(PublicKey::try_from(String::from(key)), Ok(key));
        for wrong in ["", "-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----"] {
            assert_eq!(PublicKey::from_pem(wrong), Err(NotAPublicKey));
        }
        assert!(PublicKey::try_from("AAAA".to_owned()).is_err());
    }

    #[test]
    fn a_private_key_prints_without_its_bits() {
        assert_eq!(format!("{:?}", PrivateKey::from_seed(&[7; 32])), "PrivateKey(…)");
    }
}
