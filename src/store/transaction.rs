//! What is committed: conditional writes and the events that record them.
//!
//! There is no transaction without an event: a change that nobody could find
//! in the ledger cannot be expressed.

use crate::domain::{ids::AttemptId, instant::Instant};

use super::row::{RowKey, Version};

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
/// version 1 again, and an old condition would hold for a new row.
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
}

/// How many outbox partitions each ledger has, so that no single one bounds its rate.
const OUTBOX_SHARDS: u8 = 8;

impl Transaction {
    /// A transaction that records this event.
    pub fn recording(attempt: AttemptId, event: OutboxEvent) -> Self {
        Self { attempt, writes: Vec::new(), events: vec![event] }
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

    /// The outbox rows: where each event is put, and what it says. Their
    /// presence proves that the transaction was applied.
    pub fn outbox(&self) -> impl Iterator<Item = (RowKey, &[u8])> {
        let shard = self.attempt.as_bytes()[15] % OUTBOX_SHARDS;
        self.events.iter().enumerate().map(move |(index, event)| {
            let partition = format!("outbox#{}#{shard}", event.ledger);
            (RowKey::new(partition, format!("{}#{index:02}", self.attempt)), event.body.as_slice())
        })
    }
}
