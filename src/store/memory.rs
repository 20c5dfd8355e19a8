//! A store in memory, for tests: what it holds is gone with it.
//!
//! The shortest implementation of the port, and so the plainest statement of
//! what it means. Never here: anything that another backend would have to copy.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;

use crate::domain::{instant::Instant, standing::StoreIdentity};

use super::{
    Backend, Direction, Expected, Failure, Query, Row, RowKey, Transaction, Unavailable, Version, chained::Chained,
    check_keys, counters::Counters, row::Scope,
};

/// Numbers stores, so that none is taken for another.
static STORES: AtomicU64 = AtomicU64::new(0);

/// A store in memory. Rows stay after their purge date, as they may anywhere.
pub struct MemoryStore {
    rows: Mutex<BTreeMap<RowKey, (Version, Vec<u8>)>>,
    chained: Mutex<Chained>,
    counters: Counters,
    number: u64,
}

impl Default for MemoryStore {
    fn default() -> Self {
        let number = STORES.fetch_add(1, Ordering::Relaxed);
        Self { rows: Mutex::default(), chained: Mutex::default(), counters: Counters::default(), number }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another store with the same rows: what a backup gives back.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { rows: Mutex::new(self.rows().clone()), ..Self::default() }
    }

    /// Everything there is.
    pub fn all(&self) -> Vec<Row> {
        self.rows().iter().map(|(key, stored)| row(key, stored)).collect()
    }

    /// A test that panicked while it held the lock has failed already; the
    /// others go on.
    fn rows(&self) -> MutexGuard<'_, BTreeMap<RowKey, (Version, Vec<u8>)>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row(key: &RowKey, (version, body): &(Version, Vec<u8>)) -> Row {
    Row { key: key.clone(), version: *version, body: body.clone() }
}

#[async_trait]
impl Backend for MemoryStore {
    async fn get(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable> {
        check_keys(keys)?;
        let rows = self.rows();
        Ok(keys.iter().map(|key| rows.get(key).map(|stored| row(key, stored))).collect())
    }

    async fn query(&self, query: &Query) -> Result<Vec<Row>, Unavailable> {
        query.check()?;
        let scope = query.scope();
        let wanted = |key: &RowKey| {
            key.sort.starts_with(&query.begins_with)
                && match (scope, query.direction) {
                    (Scope::Beginning, _) => true,
                    (Scope::Beyond(after), Direction::Ascending) => key.sort.as_str() > after,
                    (Scope::Beyond(after), Direction::Descending) => key.sort.as_str() < after,
                    (Scope::Nothing, _) => false,
                }
        };
        let rows = self.rows();
        let found = rows
            .range(RowKey::new(query.partition.as_str(), "")..)
            .take_while(|(key, _)| key.partition == query.partition)
            .filter(|(key, _)| wanted(key))
            .map(|(key, stored)| row(key, stored));
        Ok(match query.direction {
            Direction::Ascending => found.take(query.limit).collect(),
            Direction::Descending => {
                let mut found: Vec<_> = found.collect();
                found.reverse();
                found.truncate(query.limit);
                found
            }
        })
    }

    async fn try_commit(&self, transaction: &Transaction) -> Result<(), Failure> {
        transaction.check()?;
        let mut rows = self.rows();
        let mut chained = self.chained.lock().unwrap_or_else(PoisonError::into_inner);
        if transaction.outbox().any(|(key, _)| rows.contains_key(&key)) || chained.has(transaction.attempt()) {
            return Ok(());
        }
        let mut stale = Vec::new();
        for write in transaction.writes() {
            let current = rows.get(&write.key);
            let holds = match write.expected {
                Expected::Absent => current.is_none(),
                Expected::Version(expected) => current.is_some_and(|(version, _)| *version == expected),
            };
            if !holds {
                stale.push(current.map(|stored| row(&write.key, stored)));
            }
        }
        stale.extend(transaction.taken().iter().filter(|key| !rows.contains_key(key)).map(|_| None));
        if !stale.is_empty() {
            return Err(Failure::Stale(stale));
        }
        for write in transaction.writes() {
            rows.insert(write.key.clone(), (write.expected.next(), write.body.clone()));
        }
        for key in transaction.taken() {
            rows.remove(key);
        }
        chained.remember(transaction.taken());
        for (key, body) in transaction.outbox() {
            rows.insert(key, (Version::FIRST, body.to_vec()));
        }
        Ok(())
    }

    async fn scan(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<Row>, Unavailable> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows();
        let found = rows.range::<RowKey, _>((after, Bound::Unbounded)).take(limit);
        Ok(found.map(|(key, stored)| row(key, stored)).collect())
    }

    async fn replace_body(&self, row: &Row, body: &[u8]) -> Result<bool, Unavailable> {
        let mut rows = self.rows();
        let found = rows.get_mut(&row.key).filter(|(version, _)| *version == row.version);
        Ok(found.map(|(_, stored)| *stored = body.to_vec()).is_some())
    }

    async fn count(&self, counter: &RowKey, amount: u64, purge_after: Instant) -> Result<u64, Unavailable> {
        Ok(self.counters.add(counter, amount, purge_after))
    }

    async fn remove_counters(&self, partition: &str) -> Result<(), Unavailable> {
        self.counters.remove(partition);
        Ok(())
    }

    async fn identity(&self) -> Result<StoreIdentity, Unavailable> {
        Ok(StoreIdentity(format!("memory {}", self.number)))
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}
