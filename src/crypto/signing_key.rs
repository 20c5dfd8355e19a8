//! The keys that sign what leaves a ledger: checkpoints and exports. Each ledger has its own; they are drawn, not derived, so
//! that one can be replaced by itself, and its private half destroyed while what it signed goes on being verified.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{domain::tenant::Namespace, entropy::Entropy};

use super::{
    digest,
    ed25519::{PrivateKey, PublicKey},
    keyring::DeploymentId,
};

/// What a private key is made of. It is written into sealed fields of rows, and nowhere else.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "[u8; 32]", into = "[u8; 32]")]
pub struct Seed(Zeroizing<[u8; 32]>);

impl From<[u8; 32]> for Seed {
    fn from(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<Seed> for [u8; 32] {
    fn from(seed: Seed) -> Self {
        *seed.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

impl Seed {
    /// A new one.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(Zeroizing::new(entropy.bytes()))
    }

    /// Its key.
    pub fn key(&self) -> PrivateKey {
        PrivateKey::from_seed(&self.0)
    }
}

/// By what a signing key is called: the beginning of the SHA-256 of its public half.
pub fn key_id(key: &PublicKey) -> String {
    format!("lgk_{}", base16ct::lower::encode_string(&digest::of(key.as_bytes())[..16]))
}

/// What the checkpoints of a ledger call it, and the name under which they are signed.
pub fn origin(deployment: DeploymentId, namespace: Namespace) -> String {
    let deployment = deployment.to_string();
    format!("cloakroom/{deployment}/{}/{}", namespace.tenant, namespace.mode.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn a_seed_comes_back_from_where_it_is_kept_and_prints_without_its_bits() {
        let seed = Seed::draw(&SystemEntropy);
        let kept = serde_json::to_string(&seed).unwrap();
        let back: Seed = serde_json::from_str(&kept).unwrap();
        assert_eq!(back.key().public(), seed.key().public());
        assert_ne!(Seed::draw(&SystemEntropy).key().public(), seed.key().public());
        assert_eq!(format!("{seed:?}"), "Seed(…)");
        assert_eq!(key_id(&seed.key().public()).len(), 36);
    }
}
