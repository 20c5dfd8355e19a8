//! Commitments to who sent a request: SHA-256 over a salt of 256 random bits and what was seen.
//!
//! ```text
//! commitment = SHA-256(framed("cloakroom/ledger/v1|client", salt, canonical text))
//! ```
//!
//! The record holds the commitment; salt and text lie beside it. As long as they do, anybody can verify that they are what
//! was seen then. Once they are erased, nothing is left by which an address could even be guessed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    domain::{client::Client, ledger::RecordHash},
    entropy::Entropy,
};

use super::digest::labelled;

/// What a commitment opens to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    salt: RecordHash,
    /// Who was seen to ask.
    pub client: Client,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening(…)")
    }
}

impl Opening {
    /// Of this client, with a new salt.
    pub fn of(client: Client, entropy: &dyn Entropy) -> Self {
        Self { salt: RecordHash::from_bytes(&entropy.bytes()), client }
    }

    /// What a record says of it.
    pub fn commitment(&self) -> RecordHash {
        let Client { address, user_agent } = &self.client;
        let text = serde_json::json!({ "address": address, "user_agent": user_agent }).to_string();
        RecordHash::from_bytes(&labelled("cloakroom/ledger/v1|client", &[&self.salt.to_bytes(), text.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn a_commitment_is_to_one_client_and_one_salt() {
        let client = |address: &str| Client { address: address.into(), user_agent: "curl/8.0".into() };
        let one = Opening::of(client("192.0.2.1"), &SystemEntropy);
        assert_eq!(one.commitment(), one.clone().commitment());
        assert_ne!(Opening::of(client("192.0.2.1"), &SystemEntropy).commitment(), one.commitment());
        assert_ne!(Opening { client: client("192.0.2.2"), ..one.clone() }.commitment(), one.commitment());
    }

    #[test]
    fn anybody_can_compute_it() {
        let client = Client { address: "192.0.2.1".into(), user_agent: String::new() };
        let opening = Opening { salt: RecordHash::from_bytes(&[0x61; 32]), client };
        // printf '\0\0\0\x1acloakroom/ledger/v1|client\0\0\0\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0\0\0\x27{"address":"192.0.2.1","user_agent":""}' | openssl sha256
        let expected = "75917c71be805993747ddaf31e9e1eb73f795b18311a057758d7e94e3a4d0325";
        assert_eq!(opening.commitment().as_str(), expected);
    }
}
