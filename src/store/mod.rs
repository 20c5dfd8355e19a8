//! The port to the durable store, and the one loop that makes commits definite.
//!
//! A backend offers a strong `get`, a `query` over one partition and an atomic
//! `try_commit`; and `count`, for what is bounded and not granted. Everything that
//! needs care about retries, ambiguity and conflicts lives once, in [`Store::commit`].
//!
//! Never here: what a row means. Bodies are opaque bytes to every backend.

mod chained;
mod counters;
pub mod dynamodb;
pub mod embedded;
pub mod faulty;
pub mod memory;
mod resend;
mod row;
mod transaction;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;

use crate::domain::{instant::Instant, standing::StoreIdentity};

pub use resend::DEADLINE;
pub use row::{Direction, Query, Row, RowKey, Version};
pub use transaction::{
    Expected, MOST_TAKEN, OutboxEvent, Transaction, Write, event_sort, is_outbox, outbox_partitions,
};

/// The store could not answer; nothing may be concluded from it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store is unavailable: {0}")]
pub struct Unavailable(
    /// For the operator's log: never shown to a caller.
    pub String,
);

/// The answer of one attempt to commit.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// Definite: a condition did not hold, nothing was applied. The rows as
    /// they were, one for each write whose condition failed.
    #[error("a row has changed")]
    Stale(Vec<Option<Row>>),
    /// Definite: another transaction was in the way, nothing was applied.
    #[error("another transaction was in the way")]
    Contended,
    /// Not definite: it may have been applied, may yet be, or never.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// This attempt was turned away, and sending it again would be too. What an
    /// earlier attempt did is not known; nothing may be granted.
    #[error("the commit was turned away: {0}")]
    Refused(String),
}

impl From<Unavailable> for Failure {
    /// For what is found wrong with a transaction before it is sent.
    fn from(Unavailable(reason): Unavailable) -> Self {
        Self::Refused(reason)
    }
}

/// Why a commit did not happen, or could not be shown to have happened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// A row has changed since it was read: read again, apply the transition again.
    #[error("a row has changed")]
    Stale(Vec<Option<Row>>),
    /// No definite answer before the deadline. Nothing may be granted.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What every backend offers. One conformance suite holds for all of them.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The rows under these keys, in the order asked for, each strongly
    /// consistent. At most 100 keys.
    async fn get(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable>;

    /// Rows of one partition in the order of their sort keys, strongly consistent.
    async fn query(&self, query: &Query) -> Result<Vec<Row>, Unavailable>;

    /// Applies all writes, puts all events and takes out all that are to be taken, or does nothing at all. An event
    /// that is to be taken and is not there makes it stale.
    ///
    /// Sending the identical transaction that records events again is harmless: once applied, every later attempt
    /// within [`DEADLINE`] answers `Ok` and changes nothing, though its events have been taken meanwhile; and as long
    /// as they have not, at any time.
    async fn try_commit(&self, transaction: &Transaction) -> Result<(), Failure>;

    /// Up to `limit` rows after this one, of all partitions, in an order of the backend's own that stays the same, strongly
    /// consistent. What is written meanwhile may be among them or not. Fewer rows say nothing; none, that it was the end.
    async fn scan(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<Row>, Unavailable>;

    /// Puts another body in the place of this row's, which says the same, if it is still the row that was read. It keeps its
    /// version and purge date: whoever has read it goes on. Tells whether it did.
    ///
    /// Where the answer is lost, nobody can tell; doing it again is harmless.
    async fn replace_body(&self, row: &Row, body: &[u8]) -> Result<bool, Unavailable>;

    /// Adds to a counter, which is no row and begins at zero, and answers what it then is.
    ///
    /// No part of a transaction, and recorded nowhere: for limits, and for nothing that anybody is
    /// granted. Where an answer is lost it may have counted, even twice. It may be gone after a restart
    /// of the only process that counts, and after its purge date.
    async fn count(&self, counter: &RowKey, amount: u64, purge_after: Instant) -> Result<u64, Unavailable>;

    /// Removes all counters of a partition. One that is counted up meanwhile may stay.
    async fn remove_counters(&self, partition: &str) -> Result<(), Unavailable>;

    /// Rewrites what it keeps, so that in no file of its own is a byte left of rows that were removed before. It may take
    /// minutes. Nothing, where others keep the files.
    async fn forget(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    /// What tells this store from every copy of it. Of files that somebody copied over these, in place, it may tell nothing.
    async fn identity(&self) -> Result<StoreIdentity, Unavailable>;

    /// Whether the backend answers and could commit, for readiness.
    async fn ping(&self) -> Result<(), Unavailable>;
}

#[async_trait]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    async fn get(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable> {
        (**self).get(keys).await
    }

    async fn query(&self, query: &Query) -> Result<Vec<Row>, Unavailable> {
        (**self).query(query).await
    }

    async fn try_commit(&self, transaction: &Transaction) -> Result<(), Failure> {
        (**self).try_commit(transaction).await
    }

    async fn scan(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<Row>, Unavailable> {
        (**self).scan(after, limit).await
    }

    async fn replace_body(&self, row: &Row, body: &[u8]) -> Result<bool, Unavailable> {
        (**self).replace_body(row, body).await
    }

    async fn count(&self, counter: &RowKey, amount: u64, purge_after: Instant) -> Result<u64, Unavailable> {
        (**self).count(counter, amount, purge_after).await
    }

    async fn remove_counters(&self, partition: &str) -> Result<(), Unavailable> {
        (**self).remove_counters(partition).await
    }

    async fn forget(&self) -> Result<(), Unavailable> {
        (**self).forget().await
    }

    async fn identity(&self) -> Result<StoreIdentity, Unavailable> {
        (**self).identity().await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        (**self).ping().await
    }
}

/// The most keys that one `get` may ask for.
const MOST_KEYS: usize = 100;

/// The rules of a `get`, as every backend enforces them.
fn check_keys(keys: &[RowKey]) -> Result<(), Unavailable> {
    if keys.len() > MOST_KEYS {
        return Err(Unavailable(format!("{} rows were asked for at once, where {MOST_KEYS} is the most", keys.len())));
    }
    keys.iter().try_for_each(RowKey::check)
}

/// The store as the services see it.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    failures: Arc<AtomicU64>,
}

impl Store {
    /// A store on this backend.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend, failures: Arc::default() }
    }

    /// How often it did not answer, after all that was tried.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn counted<T, E>(&self, answer: Result<T, E>, failed: impl Fn(&E) -> bool) -> Result<T, E> {
        if answer.as_ref().err().is_some_and(failed) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// The rows under these keys, in the order asked for, strongly consistent.
    pub async fn get<const N: usize>(&self, keys: [RowKey; N]) -> Result<[Option<Row>; N], Unavailable> {
        let rows = self.counted(self.backend.get(&keys).await, |_| true)?;
        rows.try_into().map_err(|_| Unavailable("a backend answered for other keys".into()))
    }

    /// As [`Store::get`], for a number of keys known only at run time; asks in
    /// portions of 100.
    pub async fn get_all(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable> {
        let mut rows = Vec::with_capacity(keys.len());
        for portion in keys.chunks(MOST_KEYS) {
            rows.extend(self.counted(self.backend.get(portion).await, |_| true)?);
        }
        Ok(rows)
    }

    /// Rows of one partition in the order of their sort keys.
    pub async fn query(&self, query: &Query) -> Result<Vec<Row>, Unavailable> {
        self.counted(self.backend.query(query).await, |_| true)
    }

    /// Rows of all partitions, as [`Backend::scan`] says.
    pub async fn scan(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<Row>, Unavailable> {
        self.backend.scan(after, limit).await
    }

    /// The same row with another body that says the same, as [`Backend::replace_body`] says.
    pub async fn replace_body(&self, row: &Row, body: &[u8]) -> Result<bool, Unavailable> {
        self.backend.replace_body(row, body).await
    }

    /// Commits, resending the identical transaction until the answer is definite.
    pub async fn commit(&self, transaction: Transaction) -> Result<(), CommitError> {
        let answer = resend::until_definite(self.backend.as_ref(), &transaction, DEADLINE).await;
        self.counted(answer, |fault| matches!(fault, CommitError::Unavailable(_)))
    }

    /// Adds to a counter and answers what it then is, as [`Backend::count`] says.
    pub async fn count(&self, counter: RowKey, amount: u64, purge_after: Instant) -> Result<u64, Unavailable> {
        counter.check()?;
        self.backend.count(&counter, amount, purge_after).await
    }

    /// Removes all counters of a partition, as [`Backend::remove_counters`] says.
    pub async fn remove_counters(&self, partition: &str) -> Result<(), Unavailable> {
        self.backend.remove_counters(partition).await
    }

    /// Leaves nothing of removed rows in files of its own, as [`Backend::forget`] says.
    pub async fn forget(&self) -> Result<(), Unavailable> {
        self.backend.forget().await
    }

    /// What tells this store from every copy of it.
    pub async fn identity(&self) -> Result<StoreIdentity, Unavailable> {
        self.backend.identity().await
    }

    /// Whether the store answers and could commit, for readiness.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        self.backend.ping().await
    }
}
