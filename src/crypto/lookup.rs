//! How what is personal is found without being read: under a keyed hash of it.
//!
//! `HMAC-SHA256(lookup key of the tenant, framed(purpose, deployment id, tenant, parts…))` (RFC 2104). Without the key nobody
//! can try names until one fits, and one person in two tenants has two hashes that have nothing in common.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::identity::{Issuer, Subject};

use super::{
    data_key::DataKey,
    digest::{Sha256Digest, framed},
};

const USER: &str = "cloakroom/lookup/v1|user";

/// What a row lies under that is looked up by something personal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LookupHash(Sha256Digest);

impl LookupHash {
    /// Of the user of this key's tenant whom `issuer` calls `subject`.
    pub fn of_user(key: &DataKey, issuer: &Issuer, subject: &Subject) -> Self {
        Self::new(key, USER, &[issuer.as_str().as_bytes(), subject.expose().as_bytes()])
    }

    fn new(key: &DataKey, purpose: &str, parts: &[&[u8]]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(key.lookup_key.as_ref()).expect("HMAC takes any key");
        mac.update(&framed(&[purpose.as_bytes(), &key.deployment.0, key.tenant.as_bytes()]));
        mac.update(&framed(parts));
        Self(mac.finalize().into_bytes().into())
    }
}

impl fmt::Display for LookupHash {
    /// As 64 hexadecimal digits, the way rows are keyed by it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

impl fmt::Debug for LookupHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::{
            data_key::tests::{known_key, tenant},
            keyring::{
                KeyState,
                tests::{key, keyring},
            },
        },
        entropy::SystemEntropy,
    };

    #[test]
    fn whoever_is_called_alike_elsewhere_is_somebody_else() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let [ours, theirs] = [1, 2].map(|number| ring.new_data_key(tenant(number), &SystemEntropy));
        let hash = |key, issuer, subject| {
            LookupHash::of_user(key, &Issuer::parse(issuer).unwrap(), &Subject::parse(subject).unwrap())
        };
        let user = hash(&ours, "https://a", "12");
        assert_eq!(user, hash(&ours, "https://a", "12"));
        for another in [
            hash(&theirs, "https://a", "12"),
            hash(&ours, "https://a1", "2"),
            hash(&ours, "https://b", "12"),
            hash(&ours, "https://a", "13"),
            LookupHash::new(&ours, "cloakroom/lookup/v1|another", &[b"https://a", b"12"]),
        ] {
            assert_ne!(user, another);
        }
    }

    #[test]
    fn another_program_that_follows_the_description_makes_the_same() {
        // Made with Python's hmac.
        let user =
            LookupHash::of_user(&known_key(), &Issuer::parse("https://a").unwrap(), &Subject::parse("12").unwrap());
        assert_eq!(user.to_string(), "396e956329cd48911018b0f2da14054ff700bbb091c0a1f787e9956f2ca4b1a0");
    }

    #[test]
    fn whoever_has_the_store_but_not_the_key_cannot_compute_it() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let [one, other] = [(); 2].map(|()| ring.new_data_key(tenant(1), &SystemEntropy));
        let hash = |key| LookupHash::of_user(key, &Issuer::parse("i").unwrap(), &Subject::parse("s").unwrap());
        assert_ne!(hash(&one), hash(&other));
    }
}
