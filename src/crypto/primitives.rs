//! The primitives that everything here is made of, each called in this one place, under the vectors of others
//! (`super::wycheproof`).
//!
//! Never here: keys, labels, and what a format is.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::Sha256;

/// The plaintext is too long to seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much to seal")]
pub struct SealError;

/// The text is not a token of this purpose and deployment, under a key that opens.
/// It deliberately does not say why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token of this kind")]
pub struct NotOpened;

/// The bytes of an initialisation vector.
pub(super) const IV: usize = 12;

/// HKDF-Expand (RFC 5869 section 2.3) to 32 bytes.
pub(super) fn expand(key: &Hkdf<Sha256>, info: &str, output: &mut [u8; 32]) {
    #[expect(clippy::expect_used, reason = "fails only beyond 255 * 32 bytes of output")]
    key.expand(info.as_bytes(), output).expect("32 bytes are within HKDF's limit");
}

/// HMAC-SHA256 (RFC 2104) under this key, of what is yet to come.
pub(super) fn hmac(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    Hmac::new_from_slice(key).expect("HMAC takes any key")
}

/// AES-256-GCM (NIST SP 800-38D) under one key. Whoever seals sees to it that no IV comes twice: here they are random.
pub(super) struct Cipher(LessSafeKey);

impl Cipher {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "fails only for another length than 32 bytes")]
        let key = UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes a key of 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// Ciphertext and tag.
    pub(super) fn encrypt(&self, iv: [u8; IV], plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = Vec::with_capacity(plaintext.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(plaintext);
        let nonce = Nonce::assume_unique_for_key(iv);
        self.0.seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed).map_err(|_| SealError)?;
        Ok(sealed)
    }

    /// The plaintext, if nothing of ciphertext, tag and `aad` is another.
    pub(super) fn decrypt(&self, iv: [u8; IV], ciphertext: &[u8], aad: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let mut opened = ciphertext.to_vec();
        let nonce = Nonce::assume_unique_for_key(iv);
        let length = self.0.open_in_place(nonce, Aad::from(aad), &mut opened).map_err(|_| NotOpened)?.len();
        // What follows is the tag.
        opened.truncate(length);
        Ok(opened)
    }
}
