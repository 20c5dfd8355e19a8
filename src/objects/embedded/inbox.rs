//! Inbox keys that take no more bytes: those that are being written at this
//! moment, and those that were settled while their URL still lives.
//!
//! In memory, by the SHA-256 of the key; `settled` carries the second over a restart.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::{
    domain::instant::Instant,
    objects::{LONGEST_UPLOAD, ObjectKey},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Arriving,
    SettledUntil(Instant),
}

/// A key that takes no more bytes, by its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settlement {
    pub(super) key: [u8; 32],
    pub(super) until: Instant,
}

/// Which inbox keys are closed.
pub(super) struct Inbox {
    closed: Mutex<HashMap<[u8; 32], State>>,
}

/// The one upload that may write to a key; dropping it lets the next one try.
pub(super) struct Arriving {
    inbox: Arc<Inbox>,
    key: [u8; 32],
}

impl Inbox {
    /// Where these keys are settled already.
    pub(super) fn new(settled: &[Settlement]) -> Self {
        let closed = settled.iter().map(|one| (one.key, State::SettledUntil(one.until)));
        Self { closed: Mutex::new(closed.collect()) }
    }

    fn closed(&self) -> MutexGuard<'_, HashMap<[u8; 32], State>> {
        // A panic elsewhere leaves entries, nothing worse.
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an upload in, unless another is under way or the key is settled.
    pub(super) fn enter(self: &Arc<Self>, key: &ObjectKey) -> Option<Arriving> {
        let key = digest_of(key);
        let mut closed = self.closed();
        if closed.contains_key(&key) {
            return None;
        }
        closed.insert(key, State::Arriving);
        Some(Arriving { inbox: Arc::clone(self), key })
    }

    /// Closes a key for as long as any URL to it can live. Also tells which have ended.
    pub(super) fn settle(&self, key: &ObjectKey, now: Instant) -> (Settlement, Vec<Settlement>) {
        let mut closed = self.closed();
        let mut ended = Vec::new();
        closed.retain(|key, state| match *state {
            State::SettledUntil(until) if until <= now => {
                ended.push(Settlement { key: *key, until });
                false
            }
            _ => true,
        });
        let settlement = Settlement { key: digest_of(key), until: now.plus(LONGEST_UPLOAD) };
        closed.insert(settlement.key, State::SettledUntil(settlement.until));
        (settlement, ended)
    }
}

fn digest_of(key: &ObjectKey) -> [u8; 32] {
    Sha256::digest(key.as_str()).into()
}

impl Arriving {
    /// Whether the key is still this upload's.
    pub(super) fn may_land(&self) -> bool {
        self.inbox.closed().get(&self.key) == Some(&State::Arriving)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let mut closed = self.inbox.closed();
        if closed.get(&self.key) == Some(&State::Arriving) {
            closed.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_none_after_settling() {
        let inbox = Arc::new(Inbox::new(&[]));
        let key = ObjectKey::from_sealed("inbox/x".into(), None);
        let first = inbox.enter(&key).unwrap();
        assert!(inbox.enter(&key).is_none());
        assert!(first.may_land());
        drop(first);

        let second = inbox.enter(&key).unwrap();
        let (settlement, ended) = inbox.settle(&key, Instant::from_unix_seconds(1));
        assert_eq!(ended, []);
        assert!(!second.may_land());
        drop(second);
        assert!(inbox.enter(&key).is_none());

        let other = ObjectKey::from_sealed("inbox/y".into(), None);
        let restarted = Arc::new(Inbox::new(&[settlement]));
        assert!(restarted.enter(&key).is_none() && restarted.enter(&other).is_some());
        let (_, ended) = inbox.settle(&other, Instant::from_unix_seconds(1).plus(LONGEST_UPLOAD));
        assert_eq!(ended, [settlement]);
        assert!(inbox.enter(&key).is_some());
    }
}
