//! Access tokens whose signature has been verified, so that the next request with
//! the same one need not.
//!
//! Nothing rests on it: an entry counts only under the very keys that it was
//! verified with, and time is looked at again each time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    crypto::{
        digest::{self, Sha256Digest},
        secret::SecretText,
    },
    domain::identity::Identity,
};

use super::{claims::Validity, known::Snapshot, provider::Provider};

/// So many tokens are remembered; one more, and all are forgotten. Some 5 MB.
const MOST: usize = 10_000;

/// The hash of a token: the token itself is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenHash(Sha256Digest);

impl TokenHash {
    pub(super) fn of(token: &SecretText) -> Self {
        Self(digest::of(token.expose().as_bytes()))
    }
}

/// Somebody whose token was verified, by whom, and under which keys.
#[derive(Clone, Debug)]
pub(super) struct Vouched {
    pub(super) identity: Identity,
    pub(super) validity: Validity,
    pub(super) provider: Arc<Provider>,
    pub(super) snapshot: Arc<Snapshot>,
}

/// The tokens that were verified.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<HashMap<TokenHash, Vouched>>);

impl Remembered {
    pub(super) fn of(&self, token: TokenHash) -> Option<Vouched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&token).cloned()
    }

    pub(super) fn remember(&self, token: TokenHash, vouched: Vouched) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST {
            remembered.clear();
        }
        remembered.insert(token, vouched);
    }
}
