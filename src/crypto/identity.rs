//! Under what name the row lies that leads to a user: a hash of who vouches for them and as whom.
//!
//! Never here: anything about the user but that hash.

use std::fmt;

use crate::domain::{
    identity::{Issuer, Subject},
    ids::TenantId,
};

use super::digest::{Sha256Digest, labelled};

/// SHA-256 of tenant, issuer and subject, each with its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvidedUserHash(Sha256Digest);

impl ProvidedUserHash {
    /// Of the user of this tenant whom `issuer` calls `subject`.
    pub fn new(tenant: TenantId, issuer: &Issuer, subject: &Subject) -> Self {
        let parts: [&[u8]; 3] = [tenant.as_bytes(), issuer.as_str().as_bytes(), subject.expose().as_bytes()];
        Self(labelled("cloakroom/user/v1", &parts))
    }
}

impl fmt::Display for ProvidedUserHash {
    /// As 64 hexadecimal digits, the way rows are keyed by it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_called_alike_elsewhere_is_somebody_else() {
        let (tenant, other) = (TenantId::from_bytes([1; 16]), TenantId::from_bytes([2; 16]));
        let hash = |tenant, issuer, subject| {
            ProvidedUserHash::new(tenant, &Issuer::parse(issuer).unwrap(), &Subject::parse(subject).unwrap())
        };
        let user = hash(tenant, "https://a", "12");
        assert_eq!(user, hash(tenant, "https://a", "12"));
        for another in [
            hash(other, "https://a", "12"),
            hash(tenant, "https://a1", "2"),
            hash(tenant, "https://b", "12"),
            hash(tenant, "https://a", "13"),
        ] {
            assert_ne!(user, another);
        }
    }
}
