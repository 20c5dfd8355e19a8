//! How what is personal is found without being read: under a keyed hash of it.
//!
//! `HMAC-SHA256(lookup key of the tenant, framed(purpose, deployment id, tenant, parts…))` (RFC 2104). Without the key nobody
//! can try names until one fits, and one person in two tenants has two hashes that have nothing in common.

use std::fmt;

use hmac::Mac;

use crate::domain::{
    identity::{Issuer, Subject},
    ids::DataSubjectId,
    recipient::Address,
};

use super::{
    data_key::DataKey,
    digest::{Sha256Digest, framed},
    primitives::hmac,
};

const USER: &str = "cloakroom/lookup/v1|user";
const ADDRESSEE: &str = "cloakroom/lookup/v1|data-subject|address";
const USER_AS_SUBJECT: &str = "cloakroom/lookup/v1|data-subject|user";

/// What a row lies under that is looked up by something personal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LookupHash(Sha256Digest);

impl LookupHash {
    /// Of the user of this key's tenant whom `issuer` calls `subject`.
    pub fn of_user(key: &DataKey, issuer: &Issuer, subject: &Subject) -> Self {
        Self::new(key, USER, &[issuer.as_str().as_bytes(), subject.expose().as_bytes()])
    }

    /// Names the person who is known by this address: the first 128 bits.
    pub fn of_addressee(key: &DataKey, address: &Address) -> DataSubjectId {
        Self::new(key, ADDRESSEE, &[address.as_str().as_bytes()]).as_id()
    }

    /// Names the person whom `issuer` calls `subject`: the first 128 bits of another hash than that by which they sign in.
    pub fn of_user_as_subject(key: &DataKey, issuer: &Issuer, subject: &Subject) -> DataSubjectId {
        Self::new(key, USER_AS_SUBJECT, &[issuer.as_str().as_bytes(), subject.expose().as_bytes()]).as_id()
    }

    fn as_id(&self) -> DataSubjectId {
        let mut bits = [0; 16];
        bits.copy_from_slice(&self.0[..16]);
        DataSubjectId::from_bytes(bits)
    }

    fn new(key: &DataKey, purpose: &str, parts: &[&[u8]]) -> Self {
        let mut mac = hmac(key.lookup_key.as_ref());
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
    fn a_data_subject_is_named_by_its_address_or_as_a_user_and_by_one_tenant_alone() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let [ours, theirs] = [1, 2].map(|number| ring.new_data_key(tenant(number), &SystemEntropy));
        let address = |text: &str| Address::try_from(text.to_owned()).unwrap();
        let named = LookupHash::of_addressee(&ours, &address("a@b"));
        assert_eq!(named, LookupHash::of_addressee(&ours, &address("A@B")));
        let (issuer, subject) = (Issuer::parse("https://a").unwrap(), Subject::parse("a@b").unwrap());
        let user = LookupHash::of_user_as_subject(&ours, &issuer, &subject);
        for another in [
            LookupHash::of_addressee(&theirs, &address("a@b")),
            LookupHash::of_addressee(&ours, &address("a@c")),
            user,
            LookupHash::of_user(&ours, &issuer, &subject).as_id(),
        ] {
            assert_ne!(named, another);
        }
        assert_ne!(user, LookupHash::of_user(&ours, &issuer, &subject).as_id());
        // Made with Python's hmac: the key of `known_key`.
        assert_eq!(
            LookupHash::of_addressee(&known_key(), &address("a@b")).to_string(),
            "dsu_b0c02d1896b9a7a1da75317f301252e9"
        );
    }

    #[test]
    fn whoever_has_the_store_but_not_the_key_cannot_compute_it() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let [one, other] = [(); 2].map(|()| ring.new_data_key(tenant(1), &SystemEntropy));
        let hash = |key| LookupHash::of_user(key, &Issuer::parse("i").unwrap(), &Subject::parse("s").unwrap());
        assert_ne!(hash(&one), hash(&other));
    }
}
