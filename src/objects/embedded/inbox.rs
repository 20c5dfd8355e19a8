//! Inbox keys that take no more bytes: those that are being written at this
//! moment, and those that were settled while their URL still lives.
//!
//! In memory only. A restart forgets it, and then a URL that was used may for
//! its last minutes bring bytes that nobody looks at.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    domain::instant::Instant,
    objects::{LONGEST_UPLOAD, ObjectKey},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Arriving,
    SettledUntil(Instant),
}

/// Which inbox keys are closed.
#[derive(Default)]
pub(super) struct Inbox {
    closed: Mutex<HashMap<ObjectKey, State>>,
}

/// The one upload that may write to a key; dropping it lets the next one try.
pub(super) struct Arriving {
    inbox: Arc<Inbox>,
    key: ObjectKey,
}

impl Inbox {
    fn closed(&self) -> MutexGuard<'_, HashMap<ObjectKey, State>> {
        // A panic elsewhere leaves entries, nothing worse.
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an upload in, unless another is under way or the key is settled.
    pub(super) fn enter(self: &Arc<Self>, key: &ObjectKey) -> Option<Arriving> {
        let mut closed = self.closed();
        if closed.contains_key(key) {
            return None;
        }
        closed.insert(key.clone(), State::Arriving);
        Some(Arriving { inbox: Arc::clone(self), key: key.clone() })
    }

    /// Closes a key for as long as any URL to it can live.
    pub(super) fn settle(&self, key: &ObjectKey, now: Instant) {
        let mut closed = self.closed();
        closed.retain(|_, state| !matches!(state, State::SettledUntil(end) if *end <= now));
        closed.insert(key.clone(), State::SettledUntil(now.plus(LONGEST_UPLOAD)));
    }
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
        let inbox = Arc::new(Inbox::default());
        let key = ObjectKey::from_sealed("inbox/x".into());
        let first = inbox.enter(&key).unwrap();
        assert!(inbox.enter(&key).is_none());
        assert!(first.may_land());
        drop(first);

        let second = inbox.enter(&key).unwrap();
        inbox.settle(&key, Instant::from_unix_seconds(1));
        assert!(!second.may_land());
        drop(second);
        assert!(inbox.enter(&key).is_none());

        let other = ObjectKey::from_sealed("inbox/y".into());
        inbox.settle(&other, Instant::from_unix_seconds(1).plus(LONGEST_UPLOAD));
        assert!(inbox.enter(&key).is_some());
    }
}
