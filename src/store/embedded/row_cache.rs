//! Rows that were read lately, so that what every request reads (a key, its tenant) is not looked up in the tables again.
//!
//! A row is here only while it is what the database has: the writer takes out what it is about to change before that can be
//! seen, and what was read while it wrote is not put in. So a row from here is never older than one from the database,
//! and several from here are of one moment, as those of one snapshot are.
//!
//! Never here: that a row is absent, which strangers could ask for without end.

use std::{
    collections::HashMap,
    mem,
    sync::{
        PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use fjall::Slice;

/// At most so many bytes, in two generations: when the younger is full, the older is dropped.
const MOST_BYTES: usize = 32 << 20;

/// What is larger, segments of a ledger among others, is read rarely and would crowd out many others.
const LARGEST_VALUE: usize = 8 << 10;

/// What an entry takes beside its own bytes, roughly.
const BESIDE: usize = 100;

/// How often the database has begun or ceased to change: odd while it does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(u64);

/// Values of rows under their keys, both as the database has them.
#[derive(Default)]
pub(super) struct RowCache {
    /// Changed only by who holds `rows` for writing.
    changes: AtomicU64,
    rows: RwLock<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Slice, Slice>,
    old: HashMap<Slice, Slice>,
    bytes_of_young: usize,
}

impl RowCache {
    /// The values under these keys, if all of them are here.
    pub(super) fn all(&self, keys: &[Slice]) -> Option<Vec<Slice>> {
        // A panic elsewhere while holding it leaves whole entries.
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| rows.young.get(key).or_else(|| rows.old.get(key)).cloned()).collect()
    }

    /// To be asked before rows are read from the database.
    pub(super) fn moment(&self) -> Moment {
        Moment(self.changes.load(Ordering::Acquire))
    }

    /// Keeps what was read from the database since this moment, unless it has changed since.
    pub(super) fn keep<'a>(&self, moment: Moment, read: impl Iterator<Item = (&'a Slice, &'a Slice)>) {
        if !moment.0.is_multiple_of(2) {
            return;
        }
        let mut rows = self.writing();
        if self.moment() == moment {
            read.filter(|(_, value)| value.len() <= LARGEST_VALUE).for_each(|(key, value)| rows.keep(key, value));
        }
    }

    /// The rows under these keys are about to change. Nothing is kept until [`Self::changed`].
    pub(super) fn changing<'a>(&self, keys: impl Iterator<Item = &'a Slice>) {
        let mut rows = self.writing();
        self.changes.fetch_add(1, Ordering::AcqRel);
        keys.for_each(|key| rows.forget(key));
    }

    /// The rows have changed.
    pub(super) fn changed(&self) {
        let _nobody_keeps = self.writing();
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    fn writing(&self) -> RwLockWriteGuard<'_, Generations> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn keep(&mut self, key: &Slice, value: &Slice) {
        if self.bytes_of_young > MOST_BYTES / 2 {
            self.old = mem::take(&mut self.young);
            self.bytes_of_young = 0;
        }
        // A copy: what comes from a table holds on to the whole block around it.
        if self.young.insert(key.clone(), Slice::new(value)).is_none() {
            self.bytes_of_young += size(key, value);
        }
    }

    fn forget(&mut self, key: &Slice) {
        self.old.remove(key);
        if let Some(value) = self.young.remove(key) {
            self.bytes_of_young -= size(key, &value);
        }
    }
}

fn size(key: &Slice, value: &Slice) -> usize {
    BESIDE + key.len() + value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(text: &str) -> Slice {
        Slice::from(text.as_bytes())
    }

    #[test]
    fn what_was_read_is_here_until_it_changes() {
        let (cache, a, b) = (RowCache::default(), slice("a"), slice("b"));
        cache.keep(cache.moment(), [(&a, &slice("1")), (&b, &slice("2"))].into_iter());
        assert_eq!(cache.all(&[a.clone(), b.clone()]), Some(vec![slice("1"), slice("2")]));
        assert_eq!(cache.all(&[a.clone(), slice("c")]), None);
        cache.changing([&a].into_iter());
        assert_eq!(cache.all(std::slice::from_ref(&a)), None, "seen while it changes");
        assert_eq!(cache.all(std::slice::from_ref(&b)), Some(vec![slice("2")]));
    }

    #[test]
    fn what_was_read_before_or_during_a_change_is_not_kept() {
        let (cache, a) = (RowCache::default(), slice("a"));
        let keep = |moment| {
            cache.keep(moment, [(&a, &slice("1"))].into_iter());
            cache.all(std::slice::from_ref(&a)).is_some()
        };
        let before = cache.moment();
        cache.changing([&a].into_iter());
        let during = cache.moment();
        assert!(!keep(before) && !keep(during));
        cache.changed();
        assert!(!keep(before) && !keep(during));
        assert!(keep(cache.moment()));
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let (cache, value) = (RowCache::default(), Slice::from(vec![7; LARGEST_VALUE]));
        let keys: Vec<_> = (0..10_000).map(|number| slice(&number.to_string())).collect();
        for key in &keys {
            cache.keep(cache.moment(), [(key, &value)].into_iter());
        }
        let here = keys.iter().filter(|key| cache.all(std::slice::from_ref(key)).is_some()).count();
        assert!((MOST_BYTES / 2..=MOST_BYTES + LARGEST_VALUE).contains(&(here * size(&keys[0], &value))), "{here}");
        let large = Slice::from(vec![7; LARGEST_VALUE + 1]);
        cache.keep(cache.moment(), [(&slice("large"), &large)].into_iter());
        assert_eq!(cache.all(&[slice("large")]), None);
    }
}
