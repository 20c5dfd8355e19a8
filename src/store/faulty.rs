//! A store whose commits answer as a test has planned: the network's worst
//! days, on demand.
//!
//! It wraps any backend, and adds nothing but lost, late and failed answers.
//! Never here: a fault that no real store could show.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;

use crate::domain::{instant::Instant, standing::StoreIdentity};

use super::{Backend, Failure, Query, Row, RowKey, Transaction, Unavailable};

/// What becomes of one attempt to commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None: the backend's own answer.
    Ok,
    /// The request is lost: not applied, and the answer is unknown.
    Failed,
    /// The answer is lost: the backend judged and perhaps applied it.
    FailedButApplied,
    /// The request is held up: the answer is unknown, and the backend sees it
    /// only after somebody's next commit was applied, or at [`FaultyStore::settle`].
    AppliedLate,
}

impl Fault {
    /// Every fault there is.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Failed, Self::FailedButApplied, Self::AppliedLate];
}

/// What was asked of a backend, as often as its clients would have to ask a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Reads of rows by their keys, each of up to 100.
    pub gets: u64,
    /// How many keys these named together.
    pub keys: u64,
    /// Queries of a partition.
    pub queries: u64,
    /// Attempts to commit.
    pub commits: u64,
    /// How many rows these wrote, took or put together, events included.
    pub rows: u64,
    /// Additions to counters.
    pub counts: u64,
}

impl Asked {
    /// How many calls these are.
    pub const fn calls(&self) -> u64 {
        self.gets + self.queries + self.commits + self.counts
    }
}

/// A backend with planned faults.
pub struct FaultyStore<B> {
    backend: B,
    asked: Mutex<Asked>,
    plan: Mutex<VecDeque<Fault>>,
    late: Mutex<Vec<Transaction>>,
    reads_fail: AtomicBool,
    commits_fail: AtomicBool,
    hangs: AtomicBool,
    late_row: Mutex<Option<RowKey>>,
}

impl<B: Backend> FaultyStore<B> {
    /// The backend as it is, until faults are planned.
    pub fn new(backend: B) -> Self {
        Self {
            backend,
            asked: Mutex::default(),
            plan: Mutex::default(),
            late: Mutex::default(),
            reads_fail: AtomicBool::new(false),
            commits_fail: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
            late_row: Mutex::default(),
        }
    }

    /// The backend without its faults.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// What was asked since this was called last.
    pub fn take_asked(&self) -> Asked {
        mem::take(&mut lock(&self.asked))
    }

    /// Plans what becomes of the coming commits, one after the other, after
    /// those planned before. Past the plan all is well.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.plan).extend(faults);
    }

    /// Forgets what is left of the plan.
    pub fn clear_plan(&self) {
        lock(&self.plan).clear();
    }

    /// From now on `get`, `query` and `ping` answer `Unavailable`, or no longer.
    pub fn fail_reads(&self, fail: bool) {
        self.reads_fail.store(fail, Ordering::SeqCst);
    }

    /// The next read of this row together with others has it as it was before it was written, and the others as they are: a batch is not
    /// of one moment.
    pub fn overtake(&self, key: RowKey) {
        *lock(&self.late_row) = Some(key);
    }

    /// From now on every commit is turned away at once and not applied, and nothing is counted; or no longer.
    pub fn fail_commits(&self, fail: bool) {
        self.commits_fail.store(fail, Ordering::SeqCst);
    }

    /// From now on `ping` never answers, or does again.
    pub fn hang(&self, hang: bool) {
        self.hangs.store(hang, Ordering::SeqCst);
    }

    /// Delivers every commit that is held up.
    pub async fn settle(&self) {
        let late = mem::take(&mut *lock(&self.late));
        for transaction in late {
            // Whoever sent it has stopped listening.
            let _unheard = self.backend.try_commit(&transaction).await;
        }
    }

    fn note(&self, note: impl FnOnce(&mut Asked)) {
        note(&mut lock(&self.asked));
    }

    fn readable(&self) -> Result<(), Unavailable> {
        match self.reads_fail.load(Ordering::SeqCst) {
            true => Err(Unavailable("planned by a test".into())),
            false => Ok(()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl<B: Backend> Backend for FaultyStore<B> {
    async fn get(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable> {
        self.note(|asked| {
            asked.gets += 1;
            asked.keys += keys.len() as u64;
        });
        self.readable()?;
        let mut rows = self.backend.get(keys).await?;
        let mut late_row = lock(&self.late_row);
        if let Some(at) = keys.iter().position(|key| keys.len() > 1 && late_row.as_ref() == Some(key)) {
            *late_row = None;
            rows[at] = None;
        }
        Ok(rows)
    }

    async fn query(&self, query: &Query) -> Result<Vec<Row>, Unavailable> {
        self.note(|asked| asked.queries += 1);
        self.readable()?;
        self.backend.query(query).await
    }

    async fn try_commit(&self, transaction: &Transaction) -> Result<(), Failure> {
        self.note(|asked| {
            asked.commits += 1;
            let rows = transaction.writes().len() + transaction.taken().len() + transaction.outbox().count();
            asked.rows += rows as u64;
        });
        if self.commits_fail.load(Ordering::SeqCst) {
            return Err(Failure::Refused("planned by a test".into()));
        }
        let fault = lock(&self.plan).pop_front().unwrap_or(Fault::Ok);
        let answer = match fault {
            Fault::Ok | Fault::FailedButApplied => self.backend.try_commit(transaction).await,
            Fault::Failed => return Err(Failure::Unknown("the request was lost, as planned by a test".into())),
            Fault::AppliedLate => {
                lock(&self.late).push(transaction.clone());
                return Err(Failure::Unknown("the request was held up, as planned by a test".into()));
            }
        };
        if answer.is_ok() {
            self.settle().await;
        }
        match fault {
            Fault::FailedButApplied => Err(Failure::Unknown("the answer was lost, as planned by a test".into())),
            _ => answer,
        }
    }

    async fn scan(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<Row>, Unavailable> {
        self.readable()?;
        self.backend.scan(after, limit).await
    }

    async fn replace_body(&self, row: &Row, body: &[u8]) -> Result<bool, Unavailable> {
        if self.commits_fail.load(Ordering::SeqCst) {
            return Err(Unavailable("planned by a test".into()));
        }
        self.backend.replace_body(row, body).await
    }

    async fn count(&self, counter: &RowKey, amount: u64, purge_after: Instant) -> Result<u64, Unavailable> {
        self.note(|asked| asked.counts += 1);
        if self.commits_fail.load(Ordering::SeqCst) {
            return Err(Unavailable("planned by a test".into()));
        }
        self.backend.count(counter, amount, purge_after).await
    }

    async fn remove_counters(&self, partition: &str) -> Result<(), Unavailable> {
        if self.commits_fail.load(Ordering::SeqCst) {
            return Err(Unavailable("planned by a test".into()));
        }
        self.backend.remove_counters(partition).await
    }

    async fn forget(&self) -> Result<(), Unavailable> {
        self.backend.forget().await
    }

    async fn identity(&self) -> Result<StoreIdentity, Unavailable> {
        self.readable()?;
        self.backend.identity().await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.readable()?;
        self.backend.ping().await
    }
}
