//! What is committed: conditional writes and the events that record them.
//!
//! There is no transaction without an event: a change that nobody could find
//! in the ledger cannot be expressed. It either puts events into the outbox, or takes them out of it into a ledger, or
//! notes what was found out about a ledger.

use crate::domain::{ids::AttemptId, instant::Instant};

use super::{
    Unavailable,
    row::{RowKey, Version},
};

/// What must be true of a row for a write to it to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// There is no such row.
    Absent,
    /// The row is still the one that was read.
    Version(Version),
}

impl Expected {
    /// The version the row has after the write.
    pub const fn next(self) -> Version {
        match self {
            Self::Absent => Version::FIRST,
            Self::Version(version) => version.next(),
        }
    }
}

/// One conditional write of a whole row.
///
/// Rows are never deleted by a write: a key that came back would begin at
/// version 1 again, and an old condition would hold for a new row. (Outbox rows do not come back: each is
/// named by the one attempt that puts it. Nor do rows of a tenant that is removed, whose id nobody has again.)
#[derive(Clone)]
pub struct Write {
    /// Which row.
    pub key: RowKey,
    /// Under which condition.
    pub expected: Expected,
    /// Its new body.
    pub body: Vec<u8>,
    /// From when on the store may drop the row, days late or never. Nothing
    /// may depend on its being gone, nor on its being there after this time.
    pub purge_after: Option<Instant>,
}

/// One event, on its way to a ledger.
#[derive(Clone)]
pub struct OutboxEvent {
    /// Which ledger it belongs to: a tenant and a mode.
    pub ledger: String,
    /// What it says; opaque to the store.
    pub body: Vec<u8>,
}

/// Writes and events that happen together or not at all.
#[derive(Clone)]
pub struct Transaction {
    attempt: AttemptId,
    writes: Vec<Write>,
    events: Vec<OutboxEvent>,
    taken: Vec<RowKey>,
    /// Whether rows that are no events are taken out, too.
    removes: bool,
}

/// How many outbox partitions each ledger has, so that no single one bounds its rate.
const OUTBOX_SHARDS: u8 = 4;

/// How the partitions begin in which events wait.
pub(super) const OUTBOX: &str = "outbox#";

/// Whether this is an event on its way to a ledger.
pub fn is_outbox(key: &RowKey) -> bool {
    key.partition.starts_with(OUTBOX)
}

/// The partitions in which the events of a ledger wait.
pub fn outbox_partitions(ledger: &str) -> impl Iterator<Item = String> {
    (0..OUTBOX_SHARDS).map(move |shard| outbox_partition(ledger, shard))
}

/// The sort key of an event: the attempt that puts it, and its number there.
pub fn event_sort(attempt: AttemptId, number: usize) -> String {
    format!("{attempt}#{number:02}")
}

fn outbox_partition(ledger: &str, shard: u8) -> String {
    format!("{OUTBOX}{ledger}#{shard}")
}

impl Transaction {
    /// A transaction that records this event.
    pub fn recording(attempt: AttemptId, event: OutboxEvent) -> Self {
        Self { attempt, writes: Vec::new(), events: vec![event], taken: Vec::new(), removes: false }
    }

    /// A transaction that writes this segment of a ledger and takes these rows out of its outbox, all of which
    /// have to be there.
    ///
    /// It has no proof of its own: sent again after it was applied, it is stale. Whoever chains reads what there is and
    /// goes on from there, whosever work that is.
    pub fn chaining(attempt: AttemptId, segment: Write, taken: Vec<RowKey>) -> Self {
        Self { attempt, writes: vec![segment], events: Vec::new(), taken, removes: false }
    }

    /// A transaction that notes how far a ledger was looked at: nothing that a ledger would have to tell.
    ///
    /// It has no proof of its own, as [`Transaction::chaining`].
    pub fn noting(attempt: AttemptId, note: Write) -> Self {
        Self::chaining(attempt, note, Vec::new())
    }

    /// Takes out this row, which has to be there, for good. For what is left of a tenant that is removed, under keys that
    /// come back for nobody.
    #[must_use]
    pub fn remove(mut self, key: RowKey) -> Self {
        self.taken.push(key);
        self.removes = true;
        self
    }

    /// The ledger of its first event, if it records any.
    pub fn ledger(&self) -> Option<&str> {
        self.events.first().map(|event| event.ledger.as_str())
    }

    /// Whether its events prove that it was applied.
    pub fn is_proven(&self) -> bool {
        !self.events.is_empty()
    }

    /// Adds a write. A row may be written once in a transaction.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Adds another event.
    #[must_use]
    pub fn and_event(mut self, event: OutboxEvent) -> Self {
        self.events.push(event);
        self
    }

    /// Names this attempt; the same for every time that it is sent.
    pub fn attempt(&self) -> AttemptId {
        self.attempt
    }

    /// The conditional writes.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// The rows that are taken out.
    pub fn taken(&self) -> &[RowKey] {
        &self.taken
    }

    /// The outbox rows: where each event is put, and what it says. Their
    /// presence proves that the transaction was applied.
    pub fn outbox(&self) -> impl Iterator<Item = (RowKey, &[u8])> {
        let shard = self.attempt.as_bytes()[15] % OUTBOX_SHARDS;
        self.events.iter().enumerate().map(move |(index, event)| {
            let partition = outbox_partition(&event.ledger, shard);
            (RowKey::new(partition, event_sort(self.attempt, index)), event.body.as_slice())
        })
    }

    /// The limits of all backends together, so that what one of them takes
    /// every other takes too: 100 rows, 400,000 bytes a row, 4,000,000 bytes in all.
    pub(super) fn check(&self) -> Result<(), Unavailable> {
        let rows = self.writes.len() + self.events.len() + self.taken.len();
        if rows > MOST_ROWS {
            return Err(Unavailable(format!("a transaction of {rows} rows, where {MOST_ROWS} is the most")));
        }
        let mut bytes = 0;
        for (index, write) in self.writes.iter().enumerate() {
            write.key.check()?;
            bytes += check_body(&write.body)?;
            if self.writes[..index].iter().any(|other| other.key == write.key) {
                return Err(Unavailable("a transaction writes one row twice".into()));
            }
        }
        for (key, body) in self.outbox() {
            key.check()?;
            bytes += check_body(body)?;
            if self.writes.iter().any(|write| write.key == key) {
                return Err(Unavailable("a transaction writes its own outbox row".into()));
            }
        }
        for (index, key) in self.taken.iter().enumerate() {
            key.check()?;
            if self.taken[..index].contains(key) || self.writes.iter().any(|write| write.key == *key) {
                return Err(Unavailable("a transaction takes one row twice, or what it writes".into()));
            }
            if !self.removes && !key.partition.starts_with(OUTBOX) {
                return Err(Unavailable("a transaction takes what is no event".into()));
            }
        }
        match bytes {
            0..=MOST_BYTES => Ok(()),
            bytes => Err(Unavailable(format!("a transaction of {bytes} bytes, where {MOST_BYTES} is the most"))),
        }
    }
}

/// The most events that one transaction takes, beside the segment that it writes and what lies beside that.
pub const MOST_TAKEN: usize = MOST_ROWS - 5;

const MOST_ROWS: usize = 100;
const MOST_BYTES: usize = 4_000_000;
const LONGEST_BODY: usize = 400_000;

fn check_body(body: &[u8]) -> Result<usize, Unavailable> {
    match body.len() {
        length @ 0..=LONGEST_BODY => Ok(length),
        length => Err(Unavailable(format!("a row of {length} bytes, where {LONGEST_BODY} is the most"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> Transaction {
        let event = OutboxEvent { ledger: "ledger".into(), body: Vec::new() };
        Transaction::recording(AttemptId::from_bytes([7; 16]), event)
    }

    fn write(sort: &str, bytes: usize) -> Write {
        Write { key: RowKey::new("p", sort), expected: Expected::Absent, body: vec![0; bytes], purge_after: None }
    }

    #[test]
    fn what_some_backend_could_not_take_is_refused_by_all() {
        assert!(recording().write(write("a", 400_000)).check().is_ok());
        assert!(recording().write(write("a", 400_001)).check().is_err());
        assert!(recording().write(write("a", 1)).write(write("a", 2)).check().is_err());
        assert!(recording().write(write("a\0", 1)).check().is_err());
        let many = (0..100).fold(recording(), |transaction, index| transaction.write(write(&index.to_string(), 1)));
        assert!(many.check().is_err());
        let large =
            (0..11).fold(recording(), |transaction, index| transaction.write(write(&index.to_string(), 399_999)));
        assert!(large.check().is_err());
    }

    #[test]
    fn only_events_are_taken_and_each_once() {
        let event = |sort: &str| RowKey::new("outbox#ledger#1", sort);
        let taking = |taken: Vec<RowKey>| Transaction::chaining(AttemptId::from_bytes([8; 16]), write("s", 1), taken);
        assert!(taking(vec![event("a"), event("b")]).check().is_ok());
        assert!(taking(vec![event("a"), event("a")]).check().is_err());
        assert!(taking(vec![event("a"), RowKey::new("share#x", "state")]).check().is_err());
        let many = |count: usize| (0..count).map(|number| event(&number.to_string())).collect();
        assert!(taking(many(MOST_TAKEN)).check().is_ok());
        let beside =
            |count| ["b1", "b2", "b3", "b4"].iter().fold(taking(many(count)), |all, sort| all.write(write(sort, 1)));
        assert!(beside(MOST_TAKEN).check().is_ok() && beside(MOST_TAKEN + 1).check().is_err());
    }

    #[test]
    fn a_transaction_does_not_write_its_own_proof() {
        let proof = recording().outbox().next().map(|(key, _)| key).unwrap();
        let write = Write { key: proof, expected: Expected::Absent, body: Vec::new(), purge_after: None };
        assert!(recording().write(write).check().is_err());
    }
}
