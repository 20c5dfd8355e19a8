//! What the vectors of the formats (`tests/vectors`) hold that is genuine: keys that are public, and what was sealed and
//! signed under them.

use std::sync::LazyLock;

use cloakroom::crypto::{
    keyring::{DeploymentId, KeyState, Keyring, Kid, RootKey},
    sealed::Purpose,
};
use serde_json::Value;

/// The files in which tokens are: whether their texts open by their seal alone, or have a prefix before it.
const TOKENS: [(&str, &str, &str); 8] = [
    ("sealed-token", "", include_str!("../../vectors/sealed-token.json")),
    ("share-token", "crs_", include_str!("../../vectors/share-token.json")),
    ("session-token", "cst_", include_str!("../../vectors/session-token.json")),
    ("move-token", "crm_", include_str!("../../vectors/move-token.json")),
    ("submission-token", "csb_", include_str!("../../vectors/submission-token.json")),
    ("signing-in", "", include_str!("../../vectors/signing-in.json")),
    ("data-key", "", include_str!("../../vectors/data-key.json")),
    ("encrypted-data-key", "", include_str!("../../vectors/encrypted-data-key.json")),
];

/// A token that some key of the vectors sealed.
pub struct Genuine {
    /// Which format of ours its contents have.
    pub format: &'static str,
    pub prefix: &'static str,
    /// As it is carried.
    pub text: String,
    pub purpose: Purpose,
    /// Whether it is one; not, where what was sealed is of another shape than its kind has.
    pub is_one: bool,
}

/// All tokens of the vectors that are under a key which opens.
pub static GENUINE: LazyLock<Vec<Genuine>> = LazyLock::new(|| TOKENS.into_iter().flat_map(genuine).collect());

fn genuine((format, prefix, text): (&'static str, &'static str, &str)) -> Vec<Genuine> {
    let vectors: Value = serde_json::from_str(text).unwrap();
    let all = |kind: &str| vectors[kind].as_array().unwrap().clone();
    // What was sealed by a key of ours and refused for its contents has a genuine seal.
    let sealed = all("negatives").into_iter().filter(|vector| vector["refused_by"] == "contents");
    let ones = all("positives").into_iter().map(|vector| (vector, true));
    let tokens = ones.chain(sealed.map(|vector| (vector, false)));
    let tokens = tokens.map(|(vector, is_one)| {
        let label = vectors["purpose"].as_str().or(vector["purpose"].as_str()).unwrap();
        let text = vector["text"].as_str().unwrap().to_owned();
        Genuine { format, prefix, text, purpose: purpose(label), is_one }
    });
    tokens.collect()
}

/// `cloakroom/object-put/v1` is what `ObjectPut` is sealed under.
fn purpose(label: &str) -> Purpose {
    let plain = |text: &str| text.to_lowercase().replace('-', "");
    let name = plain(label.strip_prefix("cloakroom/").unwrap().strip_suffix("/v1").unwrap());
    Purpose::ALL.into_iter().find(|purpose| plain(&format!("{purpose:?}")) == name).unwrap()
}

/// The keys of the vectors, one in each state.
pub static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let vectors: Value = serde_json::from_str(TOKENS[0].2).unwrap();
    let keys = vectors["root_keys"].as_array().unwrap().iter().map(|key| {
        let state: KeyState = serde_json::from_value(key["state"].clone()).unwrap();
        RootKey::new(Kid::parse(key["kid"].as_str().unwrap()).unwrap(), state, bytes(&key["secret"]).into())
    });
    Keyring::new(DeploymentId(bytes(&vectors["deployment"])), keys.collect()).unwrap()
});

/// What hexadecimal digits say.
pub fn bytes<const N: usize>(digits: &Value) -> [u8; N] {
    let digits = digits.as_str().unwrap();
    std::array::from_fn(|index| u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).unwrap())
}
