//! Hashes of ledger records: SHA-256 (FIPS 180-4), bound to what they are of.
//!
//! ```text
//! beginning = SHA-256(framed("cloakroom/ledger/v1|beginning", deployment id, tenant, mode))
//! hash      = SHA-256(framed("cloakroom/ledger/v1|record", canonical text))
//! ```
//!
//! `framed` puts the length of each field before it, as 32 bits, big-endian. The text has its own number and the hash
//! of the record before it inside.

use crate::domain::{ledger::RecordHash, tenant::Namespace};

use super::{
    digest::{Sha256Digest, labelled},
    keyring::DeploymentId,
};

/// What the first record of a ledger follows.
pub fn beginning(deployment: DeploymentId, namespace: Namespace) -> RecordHash {
    let tenant = namespace.tenant.to_string();
    let fields: [&[u8]; 3] = [&deployment.0, tenant.as_bytes(), namespace.mode.as_str().as_bytes()];
    RecordHash::from_bytes(&labelled("cloakroom/ledger/v1|beginning", &fields))
}

/// The hash of a record, of its canonical text.
pub fn of_record(text: &str) -> RecordHash {
    RecordHash::from_bytes(&labelled("cloakroom/ledger/v1|record", &[text.as_bytes()]))
}

/// What stands in an index for something that a record says: the name of a member, and the canonical text of its value.
pub fn of_term(member: &str, text: &str) -> Sha256Digest {
    labelled("cloakroom/ledger-index/v1|term", &[member.as_bytes(), text.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::TenantId, tenant::Mode};

    #[test]
    fn every_ledger_begins_with_a_hash_of_its_own() {
        let namespace = |tenant, mode| Namespace { tenant: TenantId::from_bytes([tenant; 16]), mode };
        let mut hashes = [
            beginning(DeploymentId([1; 16]), namespace(1, Mode::Live)),
            beginning(DeploymentId([1; 16]), namespace(1, Mode::Test)),
            beginning(DeploymentId([1; 16]), namespace(2, Mode::Live)),
            beginning(DeploymentId([2; 16]), namespace(1, Mode::Live)),
            of_record(""),
        ]
        .map(String::from);
        hashes.sort();
        assert!(hashes.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn anybody_can_compute_it() {
        // printf '\0\0\0\x1acloakroom/ledger/v1|record\0\0\0\2{}' | openssl sha256
        let expected = "5b0ef49b4de21d2963f31725cd2875b5c6059064e187b7977d4ba21dcb6eab0c";
        assert_eq!(of_record("{}").as_str(), expected);
    }
}
