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

use hkdf::Hkdf;
use zeroize::Zeroizing;

use crate::domain::ids::TenantId;

use super::{
    ed25519::PrivateKey,
    keyring::{KeyState, Keyring, Kid, RootKey},
    primitives::expand,
};

/// Signs the receipts of one tenant.
pub struct ReceiptKey {
    /// Its name.
    pub kid: Kid,
    /// Whether it still signs.
    pub state: KeyState,
    pair: PrivateKey,
}

impl fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptKey({}, …)", self.kid)
    }
}

impl ReceiptKey {
    /// The signature over these bytes, 64 bytes long.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message)
    }

    /// The public key, as `openssl` reads it: PEM of a SubjectPublicKeyInfo.
    pub fn public_key(&self) -> String {
        self.pair.public().pem()
    }
}

impl Keyring {
    /// The key that signs this tenant's receipts now.
    pub fn receipt_key(&self, tenant: TenantId) -> ReceiptKey {
        self.derive(&self.sealing_key(), tenant)
    }

    /// All keys that this tenant's receipts may have been signed with.
    pub fn receipt_keys(&self, tenant: TenantId) -> Vec<ReceiptKey> {
        self.keys().iter().map(|root| self.derive(root, tenant)).collect()
    }

    fn derive(&self, root: &RootKey, tenant: TenantId) -> ReceiptKey {
        let deployment = self.deployment().to_string();
        let mut seed = Zeroizing::new([0; 32]);
        let info = format!("cloakroom/receipt/v1|{deployment}|{tenant}");
        expand(&Hkdf::new(None, root.secret.as_ref()), &info, &mut seed);
        ReceiptKey { kid: root.kid, state: root.state, pair: PrivateKey::from_seed(&seed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{
        ed25519::PublicKey,
        keyring::tests::{key, keyring},
    };

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
    fn what_a_key_signs_its_public_key_verifies() {
        let key = keyring(vec![key(1, KeyState::Primary)]).receipt_key(TenantId::from_bytes([1; 16]));
        let public = PublicKey::from_pem(&key.public_key()).unwrap();
        assert!(public.verifies(b"text", &key.sign(b"text")));
    }

    #[test]
    fn a_key_prints_without_its_bits() {
        let ring = keyring(vec![key(7, KeyState::Primary)]);
        assert_eq!(format!("{:?}", ring.receipt_key(TenantId::from_bytes([1; 16]))), "ReceiptKey(07070707, …)");
    }
}
