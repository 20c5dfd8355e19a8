//! The embedded store: one directory, one process, durable before it answers.
//!
//! Reads go straight to the database on the calling thread, since they take
//! microseconds. Every change goes through one writer thread, which merges the
//! transactions that wait into one durable batch; see [`writer`].
//!
//! Never here: a second way to write, or a task that runs by itself. Whoever
//! wants expired rows gone calls [`EmbeddedStore::sweep`].

mod beginnings;
mod codec;
mod directory;
mod forgetting;
mod journals;
mod memtables;
mod room;
mod row_cache;
mod rows_file;
mod writer;

use std::{
    ops::Bound,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use fjall::{Readable, Slice};
use tokio::sync::{mpsc, oneshot};

use crate::domain::{instant::Instant, standing::StoreIdentity};

use super::{
    Backend, Direction, Failure, Query, Row, RowKey, Transaction, Unavailable, check_keys, counters::Counters,
    row::Scope, transaction::OUTBOX,
};
use directory::Database;
use writer::{Job, Prepared, Writer};

pub use directory::OpenError;
pub use rows_file::NotRestored;

/// How many jobs may wait for the writer before callers wait to hand one in.
const WAITING_JOBS: usize = 1_024;

/// For how long the writer may be busy before the store counts as not ready.
const PING_PATIENCE: Duration = Duration::from_secs(2);

/// A store in a directory of its own.
pub struct EmbeddedStore {
    database: Database,
    jobs: mpsc::Sender<Job>,
    /// Taken when the store is dropped.
    writer: Mutex<Option<JoinHandle<()>>>,
    /// In memory: no other process counts along, and nothing else rests on them.
    counters: Counters,
    /// Held while the database is rewritten.
    forgetting: Arc<tokio::sync::Mutex<()>>,
}

impl EmbeddedStore {
    /// Opens the store in this directory, creating it where there is none.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let database = Database::open(directory)?;
        let (jobs, waiting) = mpsc::channel(WAITING_JOBS);
        let writer = Writer::new(database.clone());
        let writer = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(waiting))
            .map_err(|source| OpenError::Inaccessible { directory: directory.to_owned(), source })?;
        Ok(Self {
            database,
            jobs,
            writer: Mutex::new(Some(writer)),
            counters: Counters::default(),
            forgetting: Arc::default(),
        })
    }

    /// Removes rows whose purge date has come, at most `limit` of them and
    /// the ones due longest first. Tells how many were removed.
    pub async fn sweep(&self, now: Instant, limit: usize) -> Result<usize, Unavailable> {
        let due = self.database.due(now, limit)?;
        if due.is_empty() {
            return Ok(0);
        }
        self.ask(|answer| Job::Sweep { due, now, answer }).await?
    }

    /// Finishes every job handed in so far and ends the writer. Later commits
    /// are not applied; the directory is free for another process once the
    /// store is dropped.
    pub async fn close(&self) {
        // An error says that the writer has ended already.
        let _ended = self.ask(Job::Close).await;
    }

    /// Those of one moment, so that no commit shows in one row and not in another.
    fn values(&self, keys: &[Slice]) -> Result<Vec<Option<Slice>>, Unavailable> {
        let cache = &self.database.cache;
        if let Some(values) = cache.all(keys) {
            return Ok(values.into_iter().map(Some).collect());
        }
        let (moment, snapshot) = (cache.moment(), self.database.fjall.snapshot());
        let read = |key| Ok(snapshot.get(&self.database.rows, key)?);
        let values = keys.iter().map(read).collect::<Result<Vec<Option<Slice>>, Unavailable>>()?;
        cache.keep(moment, keys.iter().zip(&values).filter_map(|(key, value)| Some((key, value.as_ref()?))));
        Ok(values)
    }

    /// As any query for all of a partition, but that it begins where there is something, as far as that is known.
    fn look_into_outbox(&self, query: &Query, range: (Bound<Slice>, Bound<Slice>)) -> Result<Vec<Row>, Unavailable> {
        let (Bound::Included(mut first), Bound::Excluded(end)) = range else { return Ok(Vec::new()) };
        let (beginnings, partition) = (&self.database.beginnings, query.partition.as_bytes());
        let look = beginnings.look(partition);
        if let Some(look) = &look {
            first = first.max(look.first.clone());
        }
        let rows: Result<Vec<Row>, Unavailable> = match first < end {
            true => {
                let range = (Bound::Included(first.clone()), Bound::Excluded(end.clone()));
                let entries = self.database.fjall.snapshot().range(&self.database.rows, range);
                entries.take(query.limit).map(read_row).collect()
            }
            false => Ok(Vec::new()),
        };
        if let Some(look) = look {
            let found = match &rows {
                Ok(rows) => rows.first().map_or(end, |row: &Row| codec::row_key(&row.key)),
                Err(_) => first,
            };
            beginnings.found(partition, &look, &found);
        }
        rows
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, Unavailable> {
        let ended = || Unavailable("the writer of the embedded store has ended".into());
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())
    }
}

impl Drop for EmbeddedStore {
    /// Waits for the writer, so that the directory is free afterwards.
    fn drop(&mut self) {
        let (closed, _) = mpsc::channel(1);
        self.jobs = closed;
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A writer that panicked has said so, and this is no place to do it again.
        let _panicked = writer.map(JoinHandle::join);
    }
}

#[async_trait]
impl Backend for EmbeddedStore {
    async fn get(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable> {
        check_keys(keys)?;
        let values = self.values(&keys.iter().map(codec::row_key).collect::<Vec<_>>())?;
        let row =
            |(key, value): (&RowKey, Option<Slice>)| value.map(|value| codec::row(key.clone(), &value)).transpose();
        keys.iter().zip(values).map(row).collect()
    }

    async fn query(&self, query: &Query) -> Result<Vec<Row>, Unavailable> {
        query.check()?;
        let Some(range) = range(query) else { return Ok(Vec::new()) };
        let is_whole = query.begins_with.is_empty() && query.scope() == Scope::Beginning;
        if is_whole && query.direction == Direction::Ascending && query.partition.starts_with(OUTBOX) {
            return self.look_into_outbox(query, range);
        }
        let entries = self.database.fjall.snapshot().range(&self.database.rows, range);
        match query.direction {
            Direction::Ascending => entries.take(query.limit).map(read_row).collect(),
            Direction::Descending => entries.rev().take(query.limit).map(read_row).collect(),
        }
    }

    async fn try_commit(&self, transaction: &Transaction) -> Result<(), Failure> {
        transaction.check()?;
        let prepared = Prepared::from(transaction);
        // A writer that has ended may have applied it first, as far as anybody can tell from here.
        let unknown = |Unavailable(reason)| Failure::Unknown(reason);
        self.ask(|answer| Job::Commit { prepared, answer }).await.map_err(unknown)?
    }

    async fn scan(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<Row>, Unavailable> {
        let after = after.map_or(Bound::Unbounded, |after| Bound::Excluded(codec::row_key(after)));
        let entries = self.database.fjall.snapshot().range(&self.database.rows, (after, Bound::Unbounded));
        entries.take(limit).map(read_row).collect()
    }

    async fn replace_body(&self, row: &Row, body: &[u8]) -> Result<bool, Unavailable> {
        let (key, version, body) = (codec::row_key(&row.key), row.version, body.to_vec());
        self.ask(|answer| Job::ReplaceBody { key, version, body, answer }).await?
    }

    async fn count(&self, counter: &RowKey, amount: u64, purge_after: Instant) -> Result<u64, Unavailable> {
        Ok(self.counters.add(counter, amount, purge_after))
    }

    async fn remove_counters(&self, partition: &str) -> Result<(), Unavailable> {
        self.counters.remove(partition);
        Ok(())
    }

    async fn forget(&self) -> Result<(), Unavailable> {
        let database = self.database.clone();
        // Held to the end, which comes even where whoever asked has gone.
        let alone = Arc::clone(&self.forgetting).lock_owned().await;
        let rewriting = move || {
            let rewritten = forgetting::rewrite(&database);
            drop(alone);
            rewritten
        };
        let rewritten = tokio::task::spawn_blocking(rewriting).await;
        rewritten.map_err(|_| Unavailable("the database was not rewritten to its end".into()))?
    }

    async fn identity(&self) -> Result<StoreIdentity, Unavailable> {
        Ok(self.database.identity.clone())
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        // A failed fsync has ended the process, so a writer that answers, and has room, is a writer that can write.
        let answered = tokio::time::timeout(PING_PATIENCE, self.ask(Job::Ping)).await;
        answered.map_err(|_| Unavailable("the writer of the embedded store is stuck".into()))??
    }
}

fn read_row(entry: fjall::Guard) -> Result<Row, Unavailable> {
    let (key, value) = entry.into_inner()?;
    codec::row(codec::parse_row_key(&key)?, &value)
}

/// The keys that a query is after; none when it cannot match any.
fn range(query: &Query) -> Option<(Bound<Slice>, Bound<Slice>)> {
    let first = codec::key(&query.partition, &query.begins_with);
    let end = codec::after_all_that_begin_with(&first);
    let (first, end) = (Bound::Included(first), Bound::Excluded(end));
    match (query.scope(), query.direction) {
        (Scope::Nothing, _) => None,
        (Scope::Beginning, _) => Some((first, end)),
        (Scope::Beyond(after), Direction::Ascending) => {
            Some((Bound::Excluded(codec::key(&query.partition, after)), end))
        }
        (Scope::Beyond(after), Direction::Descending) => {
            Some((first, Bound::Excluded(codec::key(&query.partition, after))))
        }
    }
}
