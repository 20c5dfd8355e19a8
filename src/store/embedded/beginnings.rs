//! Where outboxes begin, so that a look into one does not pass over all that was taken out of it lately: until the
//! database merges its files, each of those is a mark that says "gone", and is read.
//!
//! What is kept of a partition is a key before which no row stands. Commits that take long sort before what was put
//! and taken already; so the writer tells what it is about to put before anybody can read it, and a look raises the
//! key only as far as nothing was put meanwhile. Where nothing is known, the whole partition is looked through.
//!
//! Never here: whether a row is there. That the database alone tells.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use fjall::Slice;

/// Of so many partitions something is known at most; beyond, it is forgotten, which costs time and nothing else.
const MOST_KNOWN: usize = 10_000;

/// Where outboxes begin, by partition.
#[derive(Default)]
pub(super) struct Beginnings {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    partitions: HashMap<Box<[u8]>, Beginning>,
    looks: u64,
}

#[derive(Default)]
struct Beginning {
    /// No row that can be read, or is being put, stands before this.
    first: Slice,
    /// The least that is being put just now, and cannot be read yet.
    putting: Option<Slice>,
    /// Looks that have begun, and the least that each of them may not see.
    looks: HashMap<u64, Option<Slice>>,
}

/// A look into a partition that has begun.
pub(super) struct Look {
    number: u64,
    /// From where on there is something to be found.
    pub(super) first: Slice,
}

impl Beginnings {
    /// These keys, which are in order, are about to be put. To be told before anybody can read them.
    pub(super) fn putting<'a>(&self, keys: impl Iterator<Item = &'a Slice>) {
        let mut known = self.known();
        if known.partitions.len() > MOST_KNOWN {
            known.partitions.retain(|_, beginning| !beginning.looks.is_empty());
        }
        for key in keys {
            let beginning = known.partitions.entry(partition(key).into()).or_default();
            lower(&mut beginning.putting, key);
            if *key < beginning.first {
                beginning.first = key.clone();
            }
            beginning.looks.values_mut().for_each(|unseen| lower(unseen, key));
        }
    }

    /// What was about to be put under such keys can be read.
    pub(super) fn put<'a>(&self, keys: impl Iterator<Item = &'a Slice>) {
        let mut known = self.known();
        for key in keys {
            if let Some(beginning) = known.partitions.get_mut(partition(key)) {
                beginning.putting = None;
            }
        }
    }

    /// A look begins; the database is to be read after this. None where nothing is known.
    pub(super) fn look(&self, partition: &[u8]) -> Option<Look> {
        let mut known = self.known();
        known.looks += 1;
        let number = known.looks;
        let beginning = known.partitions.get_mut(partition)?;
        beginning.looks.insert(number, beginning.putting.clone());
        Some(Look { number, first: beginning.first.clone() })
    }

    /// A look has found this first, or else the end of all that could be there.
    pub(super) fn found(&self, partition: &[u8], look: &Look, first: &Slice) {
        let mut known = self.known();
        let Some(beginning) = known.partitions.get_mut(partition) else { return };
        let Some(unseen) = beginning.looks.remove(&look.number) else { return };
        let first = unseen.filter(|unseen| unseen < first).unwrap_or_else(|| first.clone());
        if beginning.first < first {
            beginning.first = first;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A panic elsewhere while holding it leaves keys that are none too high: they are raised last.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lower(least: &mut Option<Slice>, key: &Slice) {
    if least.as_ref().is_none_or(|least| key < least) {
        *least = Some(key.clone());
    }
}

/// The partition of a row key, as [`super::codec`] has it.
fn partition(key: &[u8]) -> &[u8] {
    key.split(|byte| *byte == 0).next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(sort: &str) -> Slice {
        Slice::from(format!("outbox#l\0{sort}").as_bytes())
    }

    const PARTITION: &[u8] = b"outbox#l";

    struct Tested(Beginnings);

    impl Tested {
        fn puts(&self, sort: &str) {
            self.0.putting([&key(sort)].into_iter());
            self.0.put([&key(sort)].into_iter());
        }

        fn look(&self) -> Look {
            self.0.look(PARTITION).unwrap()
        }

        fn begins(&self) -> Slice {
            let look = self.look();
            self.0.found(PARTITION, &look, &Slice::default());
            look.first
        }
    }

    #[test]
    fn a_partition_begins_where_a_look_has_found_its_first() {
        let tested = Tested(Beginnings::default());
        assert!(tested.0.look(PARTITION).is_none(), "nothing is known");
        tested.puts("b");
        assert_eq!(tested.begins(), Slice::default(), "there may be more from before");
        let look = tested.look();
        tested.0.found(PARTITION, &look, &key("b"));
        assert_eq!(tested.begins(), key("b"));
        // A late one sorts before it.
        tested.puts("a");
        assert_eq!(tested.begins(), key("a"));
        let look = tested.look();
        tested.0.found(PARTITION, &look, &key("~"));
        assert_eq!(tested.begins(), key("~"));
        // Of another partition nothing is known by that.
        assert!(tested.0.look(b"outbox#m").is_none());
    }

    #[test]
    fn what_is_put_while_somebody_looks_is_not_passed_over() {
        let tested = Tested(Beginnings::default());
        tested.puts("a");
        // Put after the look began, which may or may not see it.
        let look = tested.look();
        tested.puts("b");
        tested.0.found(PARTITION, &look, &key("~"));
        assert_eq!(tested.begins(), key("b"));
        // Being put when the look begins, and read by nobody yet.
        tested.0.putting([&key("c"), &key("d")].into_iter());
        let (one, other) = (tested.look(), tested.look());
        tested.0.put([&key("c"), &key("d")].into_iter());
        tested.0.found(PARTITION, &one, &key("~"));
        assert_eq!(tested.begins(), key("c"));
        tested.0.found(PARTITION, &other, &key("~"));
        assert_eq!(tested.begins(), key("c"));
        // Whoever looked longer ago does not lower what another has found since.
        let (slow, fast) = (tested.look(), tested.look());
        tested.0.found(PARTITION, &fast, &key("e"));
        tested.0.found(PARTITION, &slow, &key("d"));
        assert_eq!(tested.begins(), key("e"));
    }

    #[test]
    fn what_is_known_is_bounded() {
        let beginnings = Beginnings::default();
        for number in 0..=2 * MOST_KNOWN {
            let key = Slice::from(format!("outbox#{number}\0a").as_bytes());
            beginnings.putting([&key].into_iter());
            beginnings.put([&key].into_iter());
        }
        assert!(beginnings.known().partitions.len() <= MOST_KNOWN + 1);
    }
}
