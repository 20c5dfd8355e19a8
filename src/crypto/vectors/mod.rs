//! Every format of this part against vectors that another program has made from its description: `tests/vectors/make.py`.
//!
//! Of the same inputs the same bytes have to come, so that no format changes unnoticed; what is right opens, and what has
//! one fault, after which it is named, is refused. Python verifies the same files (`tests/vectors/test_vectors.py`).
//!
//! Never here: a vector that was made by the code that it tests.

mod altered;
mod files;
mod hashed;
mod sealed;
mod signed;
mod stored;

use std::{collections::VecDeque, sync::Mutex};

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::entropy::Entropy;

use super::{
    data_key::DataKey,
    keyring::{DeploymentId, KeyState, Keyring, Kid, RootKey},
};

/// The text of a file of vectors.
macro_rules! text_of {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/", $name, ".json"))
    };
}
use text_of;

/// Bytes as files have them, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        base16ct::lower::decode_vec(text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Bytes {
    fn array<const N: usize>(&self) -> [u8; N] {
        self.0.as_slice().try_into().unwrap()
    }
}

#[derive(Deserialize)]
struct Described {
    kid: Bytes,
    state: KeyState,
    secret: Bytes,
}

#[derive(Deserialize)]
struct DescribedDataKey {
    tenant: Bytes,
    key_id: Bytes,
    secret: Bytes,
}

/// A file of vectors.
#[derive(Deserialize)]
struct Vectors<P, N> {
    deployment: Bytes,
    root_keys: Vec<Described>,
    data_key: Option<DescribedDataKey>,
    positives: Vec<P>,
    negatives: Vec<N>,
}

impl<P: DeserializeOwned, N: DeserializeOwned> Vectors<P, N> {
    /// Reads a file that has so many of each: one that lost its vectors must not pass.
    fn read(file: &str, positives: usize, negatives: usize) -> Self {
        let vectors: Self = serde_json::from_str(file).unwrap();
        assert_eq!((vectors.positives.len(), vectors.negatives.len()), (positives, negatives));
        vectors
    }

    fn deployment(&self) -> DeploymentId {
        DeploymentId(self.deployment.array())
    }

    /// The keyring that opens.
    fn keyring(&self) -> Keyring {
        self.with_states(|key| key.state)
    }

    /// The keyring that seals under this key.
    fn sealing_under(&self, kid: &Bytes) -> Keyring {
        self.with_states(|key| if key.kid == *kid { KeyState::Primary } else { KeyState::AcceptOnly })
    }

    fn with_states(&self, state: impl Fn(&Described) -> KeyState) -> Keyring {
        let root =
            |key: &Described| RootKey::new(Kid(key.kid.array()), state(key), Zeroizing::new(key.secret.array::<32>()));
        Keyring::new(self.deployment(), self.root_keys.iter().map(root).collect()).unwrap()
    }

    /// The data key that the file is about.
    fn data_key(&self) -> DataKey {
        let DescribedDataKey { tenant, key_id, secret } = self.data_key.as_ref().unwrap();
        let recorded = Recorded::of(&[&key_id.0, &secret.0]);
        self.keyring().new_data_key(crate::domain::ids::TenantId::from_bytes(tenant.array()), &recorded)
    }
}

/// Gives out bytes that were written down, in their order and once, in the place of random ones.
struct Recorded(Mutex<VecDeque<u8>>);

impl Recorded {
    fn of(parts: &[&[u8]]) -> Self {
        Self(Mutex::new(parts.concat().into()))
    }
}

impl Entropy for Recorded {
    fn fill(&self, buffer: &mut [u8]) {
        let mut left = self.0.lock().unwrap();
        assert!(left.len() >= buffer.len(), "more was drawn than is written down");
        let drawn: Vec<u8> = left.drain(..buffer.len()).collect();
        buffer.copy_from_slice(&drawn);
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let is_used_up = self.0.get_mut().is_ok_and(|left| left.is_empty());
        assert!(is_used_up || std::thread::panicking(), "less was drawn than is written down");
    }
}
