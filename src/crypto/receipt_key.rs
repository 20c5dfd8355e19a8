//! The keys that sign receipts: Ed25519 (RFC 8032), one for each tenant and root key.
//!
//! ```text
//! prk  = HKDF-Extract(no salt, root key)                              RFC 5869
//! seed = HKDF-Expand(prk, "cloakroom/receipt/v1|" deployment "|" tenant, 32)
//! ```
//!
//! Derived, so that there is no further secret to keep, to back up or to rotate;
//! deterministic, so that one text has one signature. A key is named by the kid of its root key.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::domain::ids::TenantId;

use super::keyring::{KeyState, Keyring, Kid, RootKey, expand};

/// A SubjectPublicKeyInfo of Ed25519 (RFC 8410 section 4) up to the 32 bytes of the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Signs the receipts of one tenant.
pub struct ReceiptKey {
    /// Its name.
    pub kid: Kid,
    /// Whether it still signs.
    pub state: KeyState,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptKey({}, …)", self.kid)
    }
}

impl ReceiptKey {
    /// The signature over these bytes, 64 bytes long.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// The public key, as `openssl` reads it: PEM of a SubjectPublicKeyInfo.
    pub fn public_key(&self) -> String {
        let spki = [SPKI_PREFIX.as_slice(), self.pair.public_key().as_ref()].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(spki))
    }
}

impl Keyring {
    /// The key that signs this tenant's receipts now.
    pub fn receipt_key(&self, tenant: TenantId) -> ReceiptKey {
        self.derive(self.sealing_key(), tenant)
    }

    /// All keys that this tenant's receipts may have been signed with.
    pub fn receipt_keys(&self, tenant: TenantId) -> Vec<ReceiptKey> {
        self.keys().iter().map(|root| self.derive(root, tenant)).collect()
    }

    fn derive(&self, root: &RootKey, tenant: TenantId) -> ReceiptKey {
        let deployment = base16ct::lower::encode_string(&self.deployment().0);
        let mut seed = Zeroizing::new([0; 32]);
        let info = format!("cloakroom/receipt/v1|{deployment}|{tenant}");
        expand(&Hkdf::new(None, root.secret.as_ref()), &info, &mut seed);
        #[expect(clippy::expect_used, reason = "fails only for a seed that is not 32 bytes long")]
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).expect("a seed of 32 bytes");
        ReceiptKey { kid: root.kid, state: root.state, pair }
    }
}

/// The text is not a public key of Ed25519 in PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 public key in PEM")]
pub struct NotAPublicKey;

/// Whether the signature over these bytes is this key's, given in PEM.
///
/// # Errors
/// When the text is no public key of Ed25519.
pub fn verifies(public_key: &str, message: &[u8], signature: &[u8]) -> Result<bool, NotAPublicKey> {
    let text = public_key.trim().strip_prefix("-----BEGIN PUBLIC KEY-----").ok_or(NotAPublicKey)?;
    let text = text.strip_suffix("-----END PUBLIC KEY-----").ok_or(NotAPublicKey)?;
    let spki = STANDARD.decode(text.split_whitespace().collect::<String>()).map_err(|_| NotAPublicKey)?;
    let key: &[u8; 32] =
        spki.strip_prefix(SPKI_PREFIX.as_slice()).and_then(|key| key.try_into().ok()).ok_or(NotAPublicKey)?;
    Ok(UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keyring::tests::{key, keyring};

    #[test]
    fn every_tenant_and_every_root_key_has_a_key_of_its_own() {
        let ring = keyring(vec![key(1, KeyState::AcceptOnly), key(2, KeyState::Primary)]);
        let [one, other] = [1, 2].map(|byte| TenantId::from_bytes([byte; 16]));
        let signing = ring.receipt_key(one);
        assert_eq!(signing.kid, Kid([2; 4]));
        let mut public: Vec<_> =
            [one, other].into_iter().flat_map(|tenant| ring.receipt_keys(tenant)).map(|key| key.public_key()).collect();
        assert!(public.contains(&signing.public_key()));
        public.sort();
        public.dedup();
        assert_eq!(public.len(), 4);
    }

    #[test]
    fn a_signature_is_of_one_text_and_always_the_same() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let key = ring.receipt_key(TenantId::from_bytes([1; 16]));
        let signature = key.sign(b"text");
        assert_eq!(signature, key.sign(b"text"));
        assert_eq!(verifies(&key.public_key(), b"text", &signature), Ok(true));
        assert_eq!(verifies(&key.public_key(), b"text.", &signature), Ok(false));
        let other = ring.receipt_key(TenantId::from_bytes([2; 16]));
        assert_eq!(verifies(&other.public_key(), b"text", &signature), Ok(false));
        assert_eq!(verifies("-----BEGIN PUBLIC KEY-----", b"text", &signature), Err(NotAPublicKey));
    }

    #[test]
    fn a_key_prints_without_its_bits() {
        let ring = keyring(vec![key(7, KeyState::Primary)]);
        assert_eq!(format!("{:?}", ring.receipt_key(TenantId::from_bytes([1; 16]))), "ReceiptKey(07070707, …)");
    }
}
