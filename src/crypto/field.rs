//! Sealed fields: one value of one row, under a key that this one value has to itself.
//!
//! ```text
//! version(1) | tenant(16) | key id(4) | salt(32) | iv(12) | ciphertext | tag(16)      base64url without padding
//!
//! prk          = HKDF-Extract(salt, data key of the tenant)                  RFC 5869
//! key          = HKDF-Expand(prk, label "|key", 32)
//! header       = version | tenant | key id | salt | iv
//! aad          = framed(label, header, deployment id, partition, sort key, name of the field)
//! plaintext    = length(4) | value | zeros up to a multiple of 32 bytes
//! ciphertext,tag = AES-256-GCM(key, iv, plaintext, aad)                      NIST SP 800-38D
//! ```
//!
//! A value that is moved to another field, row, tenant or deployment does not open. Whether there is a value, and
//! its length in steps of 32 bytes, can be seen. There is no commitment to the key, as tokens have one: whoever could
//! make one ciphertext for two keys would have to know both.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use zeroize::Zeroizing;

use crate::entropy::Entropy;

use super::{
    data_key::{DataKey, KEY_ID},
    digest::framed,
    primitives::{Cipher, IV, expand},
    sealed::{NotOpened, SealError},
};

const VERSION: u8 = 1;
const LABEL: &str = "cloakroom/field/v1";
const KEY_LABEL: &str = "cloakroom/field/v1|key";
const SALT: usize = 32;
const HEADER: usize = 1 + 16 + KEY_ID + SALT + IV;
const LENGTH: usize = 4;
/// So coarsely do lengths show.
const STEP: usize = 32;

/// Where a value lies.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The partition of its row.
    pub partition: &'a str,
    /// The sort key of its row.
    pub sort: &'a str,
    /// Which field of the row, as a JSON pointer (RFC 6901).
    pub field: &'a str,
}

impl DataKey {
    /// Seals a value for its place.
    ///
    /// # Errors
    /// When it is longer than the cipher takes: 64 GB.
    pub fn seal(&self, place: Place<'_>, value: &[u8], entropy: &dyn Entropy) -> Result<String, SealError> {
        let (salt, iv): ([u8; SALT], [u8; IV]) = (entropy.bytes(), entropy.bytes());
        let mut sealed = Vec::with_capacity(HEADER + (LENGTH + value.len()).next_multiple_of(STEP) + 16);
        sealed.push(VERSION);
        sealed.extend_from_slice(self.tenant.as_bytes());
        sealed.extend_from_slice(&self.id);
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(&iv);

        let length = u32::try_from(value.len()).map_err(|_| SealError)?;
        let mut plaintext = Zeroizing::new(Vec::with_capacity((LENGTH + value.len()).next_multiple_of(STEP)));
        plaintext.extend_from_slice(&length.to_be_bytes());
        plaintext.extend_from_slice(value);
        let padded = plaintext.len().next_multiple_of(STEP);
        plaintext.resize(padded, 0);

        let ciphertext = self.cipher(&salt).encrypt(iv, &plaintext, &self.associated_data(&sealed, place))?;
        sealed.extend_from_slice(&ciphertext);
        Ok(URL_SAFE_NO_PAD.encode(&sealed))
    }

    /// The value that [`DataKey::seal`] sealed for this very place.
    ///
    /// # Errors
    /// One and the same for everything that does not open.
    pub fn open(&self, place: Place<'_>, sealed: &str) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| NotOpened)?;
        let (header, ciphertext) = sealed.split_at_checked(HEADER).ok_or(NotOpened)?;
        let (key, drawn) = header.split_at(1 + 16 + KEY_ID);
        // No other key is tried.
        if key != [&[VERSION], self.tenant.as_bytes().as_slice(), &self.id].concat() {
            return Err(NotOpened);
        }
        let (salt, iv) = drawn.split_first_chunk::<SALT>().ok_or(NotOpened)?;
        let iv: [u8; IV] = iv.try_into().map_err(|_| NotOpened)?;
        let aad = self.associated_data(header, place);
        let plaintext = Zeroizing::new(self.cipher(salt).decrypt(iv, ciphertext, &aad)?);
        let (length, value) = plaintext.split_first_chunk::<LENGTH>().ok_or(NotOpened)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| NotOpened)?;
        value.get(..length).map(|value| Zeroizing::new(value.to_vec())).ok_or(NotOpened)
    }

    fn cipher(&self, salt: &[u8; SALT]) -> Cipher {
        let mut key = Zeroizing::new([0; 32]);
        expand(&Hkdf::new(Some(salt), self.secret.as_ref()), KEY_LABEL, &mut key);
        Cipher::new(&key)
    }

    fn associated_data(&self, header: &[u8], Place { partition, sort, field }: Place<'_>) -> Vec<u8> {
        let place = [partition.as_bytes(), sort.as_bytes(), field.as_bytes()];
        framed(&[LABEL.as_bytes(), header, &self.deployment.0, place[0], place[1], place[2]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::{
            data_key::tests::{known_key, tenant},
            keyring::{
                DeploymentId, KeyState, Keyring,
                tests::{key, keyring},
            },
        },
        entropy::SystemEntropy,
    };

    const PLACE: Place<'static> = Place { partition: "shares#1", sort: "grant", field: "/label" };
    const VALUE: &[u8] = b"\"for Ada Lovelace\"";

    fn ring() -> Keyring {
        keyring(vec![key(1, KeyState::Primary)])
    }

    fn data_key() -> DataKey {
        ring().new_data_key(tenant(1), &SystemEntropy)
    }

    fn same_bits(of: &DataKey, change: impl Fn(&mut DataKey)) -> DataKey {
        let wrapped = ring().wrap(of, &SystemEntropy).unwrap();
        let mut key = ring().unwrap_data_key(of.tenant, &wrapped).unwrap();
        change(&mut key);
        key
    }

    #[test]
    fn what_was_sealed_opens_in_its_own_place_alone() {
        let key = data_key();
        let sealed = key.seal(PLACE, VALUE, &SystemEntropy).unwrap();
        assert_eq!(key.open(PLACE, &sealed).unwrap().as_slice(), VALUE);
        for (elsewhere, what) in [
            (Place { partition: "shares#2", ..PLACE }, "another partition"),
            (Place { sort: "state", ..PLACE }, "another row"),
            (Place { field: "/message", ..PLACE }, "another field"),
            (Place { partition: "shares#", sort: "1grant", ..PLACE }, "a border between them that has moved"),
            (Place { sort: "grant/label", field: "", ..PLACE }, "another border that has moved"),
        ] {
            assert!(key.open(elsewhere, &sealed).is_err(), "{what}");
        }
    }

    #[test]
    fn no_other_key_tenant_or_deployment_opens_it() {
        let key = data_key();
        let sealed = key.seal(PLACE, VALUE, &SystemEntropy).unwrap();
        assert!(same_bits(&key, |_| ()).open(PLACE, &sealed).is_ok());
        assert!(data_key().open(PLACE, &sealed).is_err(), "another key of the same tenant");
        let bits = same_bits(&key, |key| key.secret = [7; 32].into());
        assert!(bits.open(PLACE, &sealed).is_err(), "other bits under the same name");
        let named = same_bits(&key, |key| key.id[0] ^= 1);
        assert!(named.open(PLACE, &sealed).is_err(), "the same bits under another name");
        let foreign = same_bits(&key, |key| key.tenant = tenant(2));
        assert!(foreign.open(PLACE, &sealed).is_err(), "the same bits of another tenant");
        let elsewhere = same_bits(&key, |key| key.deployment = DeploymentId([8; 16]));
        assert!(elsewhere.open(PLACE, &sealed).is_err(), "another deployment");
    }

    #[test]
    fn a_header_that_names_another_tenant_or_key_is_authenticated_too() {
        // As if both tenants had the same key under the same name: then the header alone tells them apart.
        let key = data_key();
        let sealed = URL_SAFE_NO_PAD.decode(key.seal(PLACE, VALUE, &SystemEntropy).unwrap()).unwrap();
        let twin = same_bits(&key, |key| (key.tenant, key.id) = (tenant(2), [9; 4]));
        let relabelled = [&[VERSION], &[2; 16][..], &[9; 4], &sealed[21..]].concat();
        assert!(twin.open(PLACE, &URL_SAFE_NO_PAD.encode(relabelled)).is_err());
    }

    #[test]
    fn every_flipped_bit_truncation_and_extension_is_refused() {
        let key = data_key();
        let text = key.seal(PLACE, VALUE, &SystemEntropy).unwrap();
        let sealed = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(PLACE, &URL_SAFE_NO_PAD.encode(flipped)).unwrap_err(), NotOpened, "bit {bit}");
        }
        for length in 0..text.len() {
            assert!(key.open(PLACE, &text[..length]).is_err(), "{length}");
        }
        for extended in [format!("{text}A"), format!("{text}="), format!(" {text}"), text.repeat(2)] {
            assert!(key.open(PLACE, &extended).is_err());
        }
        assert!(key.open(PLACE, std::str::from_utf8(VALUE).unwrap()).is_err(), "what was never sealed");
    }

    #[test]
    fn lengths_show_in_steps_and_values_of_any_length_come_back() {
        let key = data_key();
        let length = |value: &[u8]| key.seal(PLACE, value, &SystemEntropy).unwrap().len();
        assert_eq!(length(b""), length(&[b'x'; 28]));
        assert_ne!(length(&[b'x'; 28]), length(&[b'x'; 29]));
        assert_eq!(length(&[b'x'; 29]), length(&[b'x'; 60]));
        for count in [0, 1, 27, 28, 29, 31, 32, 60, 61, 10_000] {
            // Zeros, which padding could be taken for.
            let value = vec![0; count];
            let sealed = key.seal(PLACE, &value, &SystemEntropy).unwrap();
            assert_eq!(*key.open(PLACE, &sealed).unwrap(), value);
        }
    }

    #[test]
    fn another_program_that_follows_the_description_makes_the_same() {
        // Made with Python's hmac and cryptography's AESGCM: salt 32 times 4, IV 12 times 5.
        let sealed = concat!(
            "AQEBAQEBAQEBAQEBAQEBAQECAgICBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQFBQUFBQUFBQUFBQX2dJ",
            "PSXIv2UydP5wf0wVOH3La0Gw6ogItpe5HWpIb3rEMOj74KyDp1aKmtsBbAWCs",
            ""
        );
        assert_eq!(known_key().open(PLACE, sealed).unwrap().as_slice(), VALUE);
    }

    #[test]
    fn no_two_are_alike() {
        let key = data_key();
        let [one, other] = [(); 2].map(|()| key.seal(PLACE, VALUE, &SystemEntropy).unwrap());
        // They have the version, tenant and key in common: 21 bytes.
        assert_ne!(one[28..60], other[28..60]);
        assert_ne!(one, other);
    }
}
