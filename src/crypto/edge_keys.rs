//! All keys of the edge: one signs cookies, those beside it are accepted. On CloudFront these are the public keys of a key
//! group; each is known there by an id that CloudFront gives it.
//!
//! They go through the same four states as root keys ([`super::keyring`]), and are replaced while they are used.

use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::instant::Instant;

use super::{
    edge_cookie::{EdgeCookies, EdgeKey, NotAdmitted, NotAnEdgeKey},
    keyring::KeyState,
};

/// The keys of the edge, of which exactly one is primary.
#[derive(Debug)]
pub struct EdgeKeys(RwLock<Held>);

#[derive(Clone, Debug)]
struct Held {
    keys: Arc<[(KeyState, Arc<EdgeKey>)]>,
    primary: Arc<EdgeKey>,
}

impl EdgeKeys {
    /// These keys; none where not exactly one is primary, or two have one id.
    pub fn new(keys: Vec<(KeyState, EdgeKey)>) -> Option<Self> {
        let keys: Arc<[_]> = keys.into_iter().map(|(state, key)| (state, Arc::new(key))).collect();
        let is_twice = |index: usize| keys[..index].iter().any(|(_, other)| other.id() == keys[index].1.id());
        let mut primaries = keys.iter().filter(|(state, _)| *state == KeyState::Primary);
        let (Some((_, primary)), None) = (primaries.next(), primaries.next()) else { return None };
        let held = Held { primary: Arc::clone(primary), keys: Arc::clone(&keys) };
        (!(0..keys.len()).any(is_twice)).then(|| Self(RwLock::new(held)))
    }

    /// Puts other keys in the place of those in use. Tells whether that changes anything.
    pub fn replace(&self, successor: &Self) -> bool {
        let (before, after) = (self.held(), successor.held());
        let named = |held: &Held| {
            let named = held.keys.iter().map(|(state, key)| (*state, key.id().to_owned(), key.public_key().to_vec()));
            named.collect::<Vec<_>>()
        };
        if named(&before) == named(&after) {
            return false;
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = after;
        true
    }

    /// The key that signs.
    pub fn primary(&self) -> Arc<EdgeKey> {
        self.held().primary
    }

    /// As [`EdgeKey::sign`], with the primary key.
    ///
    /// # Errors
    /// As there.
    pub fn sign(&self, origin: &str, until: Instant) -> Result<EdgeCookies, NotAnEdgeKey> {
        self.primary().sign(origin, until)
    }

    /// As [`EdgeKey::verify`], with the key that the cookies name.
    ///
    /// # Errors
    /// As there; also for a key that is retired or not known.
    pub fn verify(&self, cookies: &EdgeCookies, origin: &str, now: Instant) -> Result<Instant, NotAdmitted> {
        let keys = self.held().keys;
        let named = keys.iter().find(|(state, key)| *state != KeyState::Retired && cookies.name(key));
        named.ok_or(NotAdmitted)?.1.verify(cookies, origin, now)
    }

    fn held(&self) -> Held {
        // A panic elsewhere leaves one or the other.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://abc.content.example";

    fn pair() -> [Vec<u8>; 2] {
        [(); 2].map(|()| EdgeKey::generate_pkcs8().unwrap().to_vec())
    }

    fn keys(of: &[Vec<u8>; 2], states: [KeyState; 2]) -> EdgeKeys {
        let key = |index: usize| (states[index], EdgeKey::from_pkcs8(format!("K{index}"), &of[index]).unwrap());
        EdgeKeys::new(vec![key(0), key(1)]).unwrap()
    }

    #[test]
    fn a_rotation_rejects_no_cookie_until_its_key_is_retired() {
        use KeyState::{AcceptOnly, Primary, Retired, Staged};
        let (pair, now) = (pair(), Instant::from_unix_seconds(1));
        let in_use = keys(&pair, [Primary, Staged]);
        let cookies = in_use.sign(ORIGIN, Instant::from_unix_seconds(9)).unwrap();
        assert!(!in_use.replace(&keys(&pair, [Primary, Staged])));
        // A replica that is not as far yet takes what one signs that is.
        let ahead = keys(&pair, [AcceptOnly, Primary]).sign(ORIGIN, Instant::from_unix_seconds(9)).unwrap();
        assert!(in_use.verify(&ahead, ORIGIN, now).is_ok());
        assert!(in_use.replace(&keys(&pair, [AcceptOnly, Primary])));
        assert!(in_use.verify(&cookies, ORIGIN, now).is_ok());
        assert_eq!(in_use.sign(ORIGIN, now).unwrap().values[2], "K1");
        assert!(in_use.replace(&keys(&pair, [Retired, Primary])));
        assert!(in_use.verify(&cookies, ORIGIN, now).is_err());
        assert!(in_use.verify(&ahead, ORIGIN, now).is_ok());
    }

    #[test]
    fn one_is_primary_and_each_has_an_id_of_its_own() {
        let [one, other] = pair();
        let key = |id: &str, of: &[u8]| EdgeKey::from_pkcs8(id, of).unwrap();
        for states in [[KeyState::Primary; 2], [KeyState::Staged; 2]] {
            assert!(EdgeKeys::new(vec![(states[0], key("K0", &one)), (states[1], key("K1", &other))]).is_none());
        }
        let twins = vec![(KeyState::Primary, key("K0", &one)), (KeyState::Staged, key("K0", &other))];
        assert!(EdgeKeys::new(twins).is_none());
    }
}
