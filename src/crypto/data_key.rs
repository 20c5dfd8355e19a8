//! The data key of a tenant: under keys that are derived from it, its personal data is sealed ([`super::field`]) and
//! found again ([`super::lookup`]).
//!
//! It lies in the store wrapped, that is sealed ([`super::sealed`]) under a root key, together with the tenant whose
//! it is: `tenant(16) | key id(4) | key(32)`. So a new root key costs one small row a tenant, and whoever destroys
//! that row has made the tenant's personal data unreadable, wherever copies of it lie.
//!
//! Where a service for keys has encrypted the key before ([`crate::kms`]), what is sealed is `tenant(16) | key id(4) | ciphertext`:
//! then neither the root keys nor that service alone are enough to read anything.

use std::fmt;

use hkdf::Hkdf;
use zeroize::Zeroizing;

use crate::{domain::ids::TenantId, entropy::Entropy};

use super::{
    keyring::{DeploymentId, Keyring},
    primitives::expand,
    sealed::{NotOpened, Purpose, SealError},
};

/// Names a data key among those that a tenant had. Random; says nothing about the key.
pub(super) const KEY_ID: usize = 4;

/// The data key of one tenant of one deployment.
pub struct DataKey {
    pub(super) deployment: DeploymentId,
    pub(super) tenant: TenantId,
    pub(super) id: [u8; KEY_ID],
    pub(super) secret: Zeroizing<[u8; 32]>,
    /// Derived once, since users are looked up on every request of theirs.
    pub(super) lookup_key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({}, {}, …)", self.tenant, base16ct::lower::encode_string(&self.id))
    }
}

impl DataKey {
    fn new(deployment: DeploymentId, tenant: TenantId, id: [u8; KEY_ID], secret: Zeroizing<[u8; 32]>) -> Self {
        let mut lookup_key = Zeroizing::new([0; 32]);
        expand(&Hkdf::new(None, secret.as_ref()), "cloakroom/lookup/v1|key", &mut lookup_key);
        Self { deployment, tenant, id, secret, lookup_key }
    }

    fn of(deployment: DeploymentId, tenant: TenantId, id: [u8; KEY_ID], secret: &[u8]) -> Result<Self, NotOpened> {
        let mut bits = Zeroizing::new([0; 32]);
        if secret.len() != bits.len() {
            return Err(NotOpened);
        }
        bits.copy_from_slice(secret);
        Ok(Self::new(deployment, tenant, id, bits))
    }

    /// Its bits, to be encrypted.
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

/// A data key whose bits only a service for keys can give.
#[derive(Clone, Debug)]
pub struct EncryptedDataKey {
    deployment: DeploymentId,
    tenant: TenantId,
    id: [u8; KEY_ID],
    /// What that service made of the bits.
    pub ciphertext: Vec<u8>,
}

impl EncryptedDataKey {
    /// What a service for keys made of a data key's bits.
    pub fn of(key: &DataKey, ciphertext: Vec<u8>) -> Self {
        Self { deployment: key.deployment, tenant: key.tenant, id: key.id, ciphertext }
    }

    /// The data key, with the bits that the service has given.
    ///
    /// # Errors
    /// When those are not the bits of a key.
    pub fn decrypted(&self, secret: &[u8]) -> Result<DataKey, NotOpened> {
        DataKey::of(self.deployment, self.tenant, self.id, secret)
    }
}

impl Keyring {
    /// A new data key for this tenant.
    pub fn new_data_key(&self, tenant: TenantId, entropy: &dyn Entropy) -> DataKey {
        DataKey::new(self.deployment(), tenant, entropy.bytes(), Zeroizing::new(entropy.bytes()))
    }

    /// Wraps a data key under the primary root key: base64url without padding.
    ///
    /// # Errors
    /// Never for these few bytes; the cipher's own limit is passed on.
    pub fn wrap(&self, key: &DataKey, entropy: &dyn Entropy) -> Result<String, SealError> {
        let plaintext = Zeroizing::new([key.tenant.as_bytes().as_slice(), &key.id, key.secret.as_ref()].concat());
        self.seal(Purpose::DataKey, &plaintext, entropy)
    }

    /// The data key of this tenant that was wrapped here.
    ///
    /// # Errors
    /// When it is another's, was altered, or the root key it was wrapped under is retired or gone.
    pub fn unwrap_data_key(&self, tenant: TenantId, wrapped: &str) -> Result<DataKey, NotOpened> {
        let (id, secret) = self.unwrap(Purpose::DataKey, tenant, wrapped)?;
        DataKey::of(self.deployment(), tenant, id, &secret)
    }

    /// Wraps what a service for keys has encrypted, under the primary root key: base64url without padding.
    ///
    /// # Errors
    /// When the ciphertext is far longer than that of a key: about 12,000 bytes.
    pub fn wrap_encrypted(&self, key: &EncryptedDataKey, entropy: &dyn Entropy) -> Result<String, SealError> {
        let plaintext = [key.tenant.as_bytes().as_slice(), &key.id, &key.ciphertext].concat();
        self.seal(Purpose::EncryptedDataKey, &plaintext, entropy)
    }

    /// The encrypted data key of this tenant that was wrapped here.
    ///
    /// # Errors
    /// When it is another's, was altered, or the root key it was wrapped under is retired or gone.
    pub fn unwrap_encrypted(&self, tenant: TenantId, wrapped: &str) -> Result<EncryptedDataKey, NotOpened> {
        let (id, ciphertext) = self.unwrap(Purpose::EncryptedDataKey, tenant, wrapped)?;
        Ok(EncryptedDataKey { deployment: self.deployment(), tenant, id, ciphertext: ciphertext.to_vec() })
    }

    fn unwrap(
        &self,
        purpose: Purpose,
        tenant: TenantId,
        wrapped: &str,
    ) -> Result<([u8; KEY_ID], Zeroizing<Vec<u8>>), NotOpened> {
        let mut plaintext = self.open(purpose, wrapped)?;
        let (owner, rest) = plaintext.split_first_chunk::<16>().ok_or(NotOpened)?;
        let (id, _) = rest.split_first_chunk::<KEY_ID>().ok_or(NotOpened)?;
        if owner != tenant.as_bytes() {
            return Err(NotOpened);
        }
        let id = *id;
        plaintext.drain(..16 + KEY_ID);
        Ok((id, plaintext))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        crypto::keyring::{
            KeyState,
            tests::{key, keyring},
        },
        entropy::SystemEntropy,
    };

    pub(in crate::crypto) fn tenant(number: u8) -> TenantId {
        TenantId::from_bytes([number; 16])
    }

    /// Of the tenant 16 times 1 in the deployment 16 times 9: key id 4 times 2, key 32 times 3.
    pub(in crate::crypto) fn known_key() -> DataKey {
        DataKey::new(DeploymentId([9; 16]), tenant(1), [2; KEY_ID], [3; 32].into())
    }

    fn ring() -> Keyring {
        keyring(vec![key(1, KeyState::Primary)])
    }

    #[test]
    fn a_wrapped_key_comes_back_to_its_own_tenant_alone() {
        let (ring, data_key) = (ring(), ring().new_data_key(tenant(1), &SystemEntropy));
        let wrapped = ring.wrap(&data_key, &SystemEntropy).unwrap();
        let unwrapped = ring.unwrap_data_key(tenant(1), &wrapped).unwrap();
        assert_eq!((&unwrapped.secret, unwrapped.id), (&data_key.secret, data_key.id));
        assert_eq!(unwrapped.lookup_key, data_key.lookup_key);
        assert!(ring.unwrap_data_key(tenant(2), &wrapped).is_err());
    }

    #[test]
    fn it_outlives_the_root_key_by_being_wrapped_anew() {
        let data_key = ring().new_data_key(tenant(1), &SystemEntropy);
        let wrapped = ring().wrap(&data_key, &SystemEntropy).unwrap();
        let promoted = keyring(vec![key(1, KeyState::AcceptOnly), key(2, KeyState::Primary)]);
        assert!(ring().is_under_primary(&wrapped) && !promoted.is_under_primary(&wrapped));
        let anew = promoted.wrap(&promoted.unwrap_data_key(tenant(1), &wrapped).unwrap(), &SystemEntropy).unwrap();
        assert!(promoted.is_under_primary(&anew));
        let retired = keyring(vec![key(1, KeyState::Retired), key(2, KeyState::Primary)]);
        assert!(retired.unwrap_data_key(tenant(1), &wrapped).is_err());
        assert_eq!(retired.unwrap_data_key(tenant(1), &anew).unwrap().secret, data_key.secret);
    }

    #[test]
    fn nothing_else_that_was_sealed_is_a_data_key() {
        let ring = ring();
        let plaintext = [&[1; 16][..], &[0; KEY_ID], &[7; 32]].concat();
        let right = ring.seal(Purpose::DataKey, &plaintext, &SystemEntropy).unwrap();
        assert!(ring.unwrap_data_key(tenant(1), &right).is_ok());
        let share = ring.seal(Purpose::Share, &plaintext, &SystemEntropy).unwrap();
        let short = ring.seal(Purpose::DataKey, &plaintext[..51], &SystemEntropy).unwrap();
        let long = ring.seal(Purpose::DataKey, &[plaintext.as_slice(), &[0]].concat(), &SystemEntropy).unwrap();
        for wrong in [share.as_str(), &short, &long, "", "AQ"] {
            assert!(ring.unwrap_data_key(tenant(1), wrong).is_err());
        }
        assert!(!ring.is_under_primary("") && !ring.is_under_primary("AQ"));
    }

    #[test]
    fn one_that_a_service_has_encrypted_comes_back_to_its_tenant_and_opens_with_its_bits() {
        let (ring, data_key) = (ring(), known_key());
        let ring_of_nine = keyring(vec![key(1, KeyState::Primary)]);
        let encrypted = EncryptedDataKey::of(&data_key, b"what a service made of it".to_vec());
        let wrapped = ring.wrap_encrypted(&encrypted, &SystemEntropy).unwrap();
        let back = ring_of_nine.unwrap_encrypted(tenant(1), &wrapped).unwrap();
        assert_eq!((back.ciphertext.as_slice(), back.id), (b"what a service made of it".as_slice(), data_key.id));
        assert_eq!(back.decrypted(data_key.secret()).unwrap().lookup_key, data_key.lookup_key);
        assert!(back.decrypted(&[0; 31]).is_err() && back.decrypted(&[0; 33]).is_err());
        assert!(ring.unwrap_encrypted(tenant(2), &wrapped).is_err());
        // Neither is taken for the other: a ciphertext of 32 bytes would be a key that is known.
        let short = EncryptedDataKey::of(&data_key, vec![7; 32]);
        let wrapped = ring.wrap_encrypted(&short, &SystemEntropy).unwrap();
        assert!(ring.unwrap_data_key(tenant(1), &wrapped).is_err());
        let plain = ring.wrap(&data_key, &SystemEntropy).unwrap();
        assert!(ring.unwrap_encrypted(tenant(1), &plain).is_err());
    }

    #[test]
    fn a_data_key_prints_without_its_bits() {
        let data_key = ring().unwrap_data_key(
            tenant(1),
            &ring().seal(Purpose::DataKey, &[&[1; 16][..], &[2; 4], &[7; 32]].concat(), &SystemEntropy).unwrap(),
        );
        let text = format!("{:?}", data_key.unwrap());
        assert!(text.contains("02020202") && !text.contains("07"), "{text}");
    }
}
