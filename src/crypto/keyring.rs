//! The root keys of a deployment and the four states each goes through.
//!
//! `staged` (opens, does not seal) → `primary` → `accept-only` → `retired`.
//! A key is staged on every replica before one of them seals under it, so
//! that a rotation rejects nothing. Where the keys come from is [`crate::keys`].

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{domain::instant::Instant, entropy::Entropy};

use super::primitives::expand;

/// Names a root key. Random; says nothing about the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kid(pub [u8; 4]);

impl Kid {
    /// The kid with this name: 8 hexadecimal digits.
    pub fn parse(name: &str) -> Option<Self> {
        let mut kid = [0; 4];
        let read = base16ct::lower::decode(name, &mut kid).ok()?;
        (read.len() == 4).then_some(Self(kid))
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a root key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Opens what other replicas may already have sealed under it.
    Staged,
    /// Seals and opens. Exactly one key is primary.
    Primary,
    /// Opens what was sealed under it before.
    AcceptOnly,
    /// Neither.
    Retired,
}

impl KeyState {
    /// The state as key files and the API spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Primary => "primary",
            Self::AcceptOnly => "accept-only",
            Self::Retired => "retired",
        }
    }

    fn opens(self) -> bool {
        !matches!(self, Self::Retired)
    }
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Seals tokens, vouches for rows.
    Root,
    /// Signs cookies of the edge.
    Edge,
}

impl KeyKind {
    /// How commands call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Edge => "edge",
        }
    }
}

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// What it is for.
    pub kind: KeyKind,
    /// Its kid, or by what the edge knows it.
    pub name: String,
    /// What it may be used for.
    pub state: KeyState,
    /// Since when, where that is known.
    pub since: Option<Instant>,
}

/// Ties every sealed token and row to one deployment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeploymentId(pub [u8; 16]);

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

/// A root key with its name and state.
#[derive(Clone)]
pub struct RootKey {
    /// Its name.
    pub kid: Kid,
    /// What it may be used for.
    pub state: KeyState,
    pub(super) secret: Zeroizing<[u8; 32]>,
    /// Derived once, since rows are authenticated on every request.
    pub(super) row_mac_key: Zeroizing<[u8; 32]>,
}

impl RootKey {
    /// The root key with these 256 bits.
    pub fn new(kid: Kid, state: KeyState, secret: Zeroizing<[u8; 32]>) -> Self {
        let mut row_mac_key = Zeroizing::new([0_u8; 32]);
        expand(&Hkdf::new(None, secret.as_ref()), "cloakroom/row/v1|mac", &mut row_mac_key);
        Self { kid, state, secret, row_mac_key }
    }

    /// A new key from random bytes.
    pub fn generate(state: KeyState, entropy: &dyn Entropy) -> Self {
        Self::new(Kid(entropy.bytes()), state, Zeroizing::new(entropy.bytes()))
    }

    /// The 256 bits as base64url, for writing them to where keys are kept.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.secret.as_ref()))
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKey({}, {:?}, …)", self.kid, self.state)
    }
}

/// Why a list of keys is no keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKeyring {
    /// None, or several, are primary.
    #[error("exactly one root key must be primary, {0} are")]
    Primaries(usize),
    /// Two keys share a kid.
    #[error("two root keys have the kid {0}")]
    SameKid(Kid),
}

/// Why other keys do not take the place of those in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASuccessor {
    /// They seal for somebody else.
    #[error("they are the keys of another deployment")]
    OtherDeployment,
    /// What was sealed under it would open no more.
    #[error("the root key {0} has other bits than before")]
    OtherBits(Kid),
}

/// All root keys of a deployment. They can be replaced while they are used: whatever is under way goes on with the key that it
/// has begun with.
#[derive(Debug)]
pub struct Keyring {
    deployment: DeploymentId,
    ring: RwLock<Ring>,
}

#[derive(Clone, Debug)]
struct Ring {
    keys: Arc<[Arc<RootKey>]>,
    primary: Arc<RootKey>,
}

impl Ring {
    fn find(&self, kid: Kid) -> Option<&Arc<RootKey>> {
        self.keys.iter().find(|key| key.kid == kid)
    }
}

impl Keyring {
    /// Checks that exactly one key is primary and that all kids differ.
    ///
    /// # Errors
    /// When it is not so.
    pub fn new(deployment: DeploymentId, keys: Vec<RootKey>) -> Result<Self, NotAKeyring> {
        let is_primary = |key: &&RootKey| key.state == KeyState::Primary;
        if keys.iter().filter(is_primary).count() != 1 {
            return Err(NotAKeyring::Primaries(keys.iter().filter(is_primary).count()));
        }
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|other| other.kid == key.kid) {
                return Err(NotAKeyring::SameKid(key.kid));
            }
        }
        let keys: Arc<[_]> = keys.into_iter().map(Arc::new).collect();
        let primary = keys.iter().find(|key| key.state == KeyState::Primary).ok_or(NotAKeyring::Primaries(0))?;
        let ring = RwLock::new(Ring { primary: Arc::clone(primary), keys });
        Ok(Self { deployment, ring })
    }

    /// What everything sealed here is tied to.
    pub fn deployment(&self) -> DeploymentId {
        self.deployment
    }

    /// All keys, in the order given.
    pub fn keys(&self) -> Arc<[Arc<RootKey>]> {
        Arc::clone(&self.ring().keys)
    }

    /// Puts these keys in the place of those in use. Tells whether that changes anything.
    ///
    /// # Errors
    /// When they are not the same keys, in other states or with others beside them. Those in use stay, then.
    pub fn replace(&self, successor: &Self) -> Result<bool, NotASuccessor> {
        let (before, after) = (self.ring().clone(), successor.ring().clone());
        if successor.deployment != self.deployment {
            return Err(NotASuccessor::OtherDeployment);
        }
        for key in after.keys.iter() {
            if before.find(key.kid).is_some_and(|known| !bool::from(known.secret.ct_eq(key.secret.as_ref()))) {
                return Err(NotASuccessor::OtherBits(key.kid));
            }
        }
        let states = |ring: &Ring| ring.keys.iter().map(|key| (key.kid, key.state)).collect::<Vec<_>>();
        if states(&before) == states(&after) {
            return Ok(false);
        }
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = after;
        Ok(true)
    }

    /// Those keys that open here what they would open no more if these took their place. Not one that is staged here and
    /// gone there: nobody has used it.
    pub fn retired_by(&self, successor: &Self) -> Vec<Kid> {
        let (before, after) = (self.ring().clone(), successor.ring().clone());
        let is_given_up = |key: &&Arc<RootKey>| match (key.state, after.find(key.kid)) {
            (KeyState::Retired, _) | (KeyState::Staged, None) => false,
            (_, None) => true,
            (_, Some(then)) => !then.state.opens(),
        };
        before.keys.iter().filter(is_given_up).map(|key| key.kid).collect()
    }

    /// The key that is primary.
    pub fn primary(&self) -> Kid {
        self.ring().primary.kid
    }

    /// The key that seals.
    pub(super) fn sealing_key(&self) -> Arc<RootKey> {
        Arc::clone(&self.ring().primary)
    }

    /// The key with exactly this kid, unless it is retired. No other is tried.
    pub(super) fn opening_key(&self, kid: Kid) -> Option<Arc<RootKey>> {
        self.ring().find(kid).filter(|key| key.state.opens()).cloned()
    }

    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        // A panic elsewhere leaves one ring or the other.
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn key(number: u8, state: KeyState) -> RootKey {
        RootKey::new(Kid([number; 4]), state, Zeroizing::new([number; 32]))
    }

    pub(crate) fn keyring(keys: Vec<RootKey>) -> Keyring {
        Keyring::new(DeploymentId([9; 16]), keys).unwrap()
    }

    #[test]
    fn exactly_one_key_is_primary() {
        let deployment = DeploymentId([0; 16]);
        let staged = key(1, KeyState::Staged);
        let primary = key(2, KeyState::Primary);
        assert_eq!(Keyring::new(deployment, vec![staged.clone()]).unwrap_err(), NotAKeyring::Primaries(0));
        let two = vec![primary.clone(), key(3, KeyState::Primary)];
        assert_eq!(Keyring::new(deployment, two).unwrap_err(), NotAKeyring::Primaries(2));
        let twins = vec![primary, key(2, KeyState::Retired)];
        assert_eq!(Keyring::new(deployment, twins).unwrap_err(), NotAKeyring::SameKid(Kid([2; 4])));
    }

    #[test]
    fn keys_are_replaced_by_the_same_ones_in_other_states() {
        use KeyState::{AcceptOnly, Primary, Retired, Staged};
        let ring = keyring(vec![key(1, Primary), key(2, Staged)]);
        assert_eq!(ring.replace(&keyring(vec![key(1, Primary), key(2, Staged)])), Ok(false));
        let promoted = keyring(vec![key(1, AcceptOnly), key(2, Primary)]);
        assert!(ring.retired_by(&promoted).is_empty());
        let held = ring.sealing_key();
        assert_eq!(ring.replace(&promoted), Ok(true));
        assert_eq!((held.kid, ring.sealing_key().kid), (Kid([1; 4]), Kid([2; 4])));
        for without in [vec![key(2, Primary)], vec![key(1, Retired), key(2, Primary)]] {
            assert_eq!(ring.retired_by(&keyring(without)), [Kid([1; 4])]);
        }
        let staged = keyring(vec![key(1, Primary), key(2, Staged)]);
        assert!(staged.retired_by(&keyring(vec![key(1, Primary)])).is_empty());
        // Others may have used it meanwhile.
        assert_eq!(staged.retired_by(&keyring(vec![key(1, Primary), key(2, Retired)])), [Kid([2; 4])]);
    }

    #[test]
    fn other_keys_do_not_take_their_place() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let other = RootKey::new(Kid([1; 4]), KeyState::Primary, Zeroizing::new([2; 32]));
        assert_eq!(ring.replace(&keyring(vec![other])), Err(NotASuccessor::OtherBits(Kid([1; 4]))));
        let elsewhere = Keyring::new(DeploymentId([8; 16]), vec![key(1, KeyState::Primary)]).unwrap();
        assert_eq!(ring.replace(&elsewhere), Err(NotASuccessor::OtherDeployment));
        assert!(ring.opening_key(Kid([1; 4])).unwrap().secret[0] == 1);
    }

    #[test]
    fn a_key_prints_without_its_bits() {
        let text = format!("{:?}", keyring(vec![key(7, KeyState::Primary)]));
        assert!(text.contains("07070707") && !text.contains("[7, 7"), "{text}");
    }

    #[test]
    fn names_and_states_are_spelt_the_same_everywhere() {
        use KeyState::{AcceptOnly, Primary, Retired, Staged};
        for state in [Staged, Primary, AcceptOnly, Retired] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!([KeyKind::Root, KeyKind::Edge].map(KeyKind::as_str), ["root", "edge"]);
        assert_eq!(Kid::parse("01ab00ff"), Some(Kid([1, 0xab, 0, 0xff])));
        assert_eq!(Kid([1, 0xab, 0, 0xff]).to_string(), "01ab00ff");
        for wrong in ["", "01ab00", "01ab00ff00", "01AB00FF", "01ab00fg"] {
            assert_eq!(Kid::parse(wrong), None, "{wrong}");
        }
        assert_eq!(DeploymentId([9; 16]).to_string(), "09".repeat(16));
    }

    #[test]
    fn a_key_is_written_with_all_its_bits_and_listed_as_it_was_given() {
        let written = URL_SAFE_NO_PAD.decode(key(7, KeyState::Primary).expose().as_bytes()).unwrap();
        assert_eq!(written, [7; 32]);
        let ring = keyring(vec![key(1, KeyState::Staged), key(2, KeyState::Primary)]);
        assert_eq!(ring.keys().iter().map(|key| key.kid.0[0]).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(ring.primary(), Kid([2; 4]));
    }
}
