//! A backend for one test, and short words for what tests do with it.

use std::{env, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{config::timeout::TimeoutConfig, types::AttributeValue};
use cloakroom::{
    domain::{ids::AttemptId, instant::Instant},
    entropy::{Entropy, SystemEntropy},
    store::{
        Backend, CommitError, Direction, Expected, OutboxEvent, Query, Row, RowKey, Store, Transaction, Version, Write,
        dynamodb::{self, DynamoStore},
        embedded::EmbeddedStore,
        faulty::{Fault, FaultyStore},
        memory::MemoryStore,
        outbox_partitions,
    },
};
use tempfile::TempDir;

/// A store for one test, with names that no other test uses.
pub(super) struct Fixture {
    pub(super) store: Store,
    /// How many rounds a race has: fewer where the backend is an emulator that
    /// does some hundred writes a second.
    pub(super) rounds: usize,
    prefix: String,
    _directory: Option<TempDir>,
}

impl Fixture {
    pub(super) fn on(backend: Arc<dyn Backend>, rounds: usize, directory: Option<TempDir>) -> Self {
        let random: [u8; 8] = (&SystemEntropy as &dyn Entropy).bytes();
        let prefix = format!("test-{:016x}", u64::from_be_bytes(random));
        Self { store: Store::new(backend), rounds, prefix, _directory: directory }
    }

    pub(super) async fn memory() -> Self {
        Self::on(Arc::new(MemoryStore::new()), 1_000, None)
    }

    pub(super) async fn embedded_in_a_directory() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::on(Arc::new(EmbeddedStore::open(directory.path()).unwrap()), 1_000, Some(directory))
    }

    pub(super) async fn dynamodb() -> Self {
        Self::on(Arc::new(dynamodb_store()), 100, None)
    }

    pub(super) async fn faulty_memory() -> Self {
        Self::on(Arc::new(faulty(MemoryStore::new())), 100, None)
    }

    pub(super) async fn faulty_embedded() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let embedded = EmbeddedStore::open(directory.path()).unwrap();
        Self::on(Arc::new(faulty(embedded)), 100, Some(directory))
    }

    pub(super) async fn faulty_dynamodb() -> Self {
        Self::on(Arc::new(faulty(dynamodb_store())), 10, None)
    }

    /// A partition that this test has for itself.
    pub(super) fn partition(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    pub(super) fn key(&self, name: &str, sort: &str) -> RowKey {
        RowKey::new(self.partition(name), sort)
    }

    /// A new transaction, recorded in this test's ledger.
    pub(super) fn transaction(&self) -> Transaction {
        let event = OutboxEvent { ledger: self.prefix.clone(), body: b"event".to_vec() };
        Transaction::recording(attempt(), event)
    }

    /// Commits one write.
    pub(super) async fn put(&self, key: &RowKey, expected: Expected, body: &[u8]) -> Result<(), CommitError> {
        self.store.commit(self.transaction().write(write(key, expected, body))).await
    }

    /// Commits, and sends the same again while nothing is known of it: under a crowd an emulator may be too slow.
    ///
    /// # Errors
    /// The rows as they were, where it came too late.
    pub(super) async fn commit_in_a_crowd(&self, transaction: Transaction) -> Result<(), Vec<Option<Row>>> {
        for _ in 0..100 {
            match self.store.commit(transaction.clone()).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Stale(rows)) => return Err(rows),
                Err(CommitError::Unavailable(_)) => {}
            }
        }
        panic!("there is no definite answer to a commit")
    }

    /// The row, read by itself.
    pub(super) async fn row(&self, key: &RowKey) -> Option<Row> {
        let [row] = self.store.get([key.clone()]).await.unwrap();
        row
    }

    /// Fills a partition with rows of these sort keys, which are their bodies too.
    pub(super) async fn fill<S: AsRef<str>>(&self, name: &str, sorts: &[S]) {
        for portion in sorts.chunks(99) {
            let transaction = portion.iter().fold(self.transaction(), |transaction, sort| {
                let key = self.key(name, sort.as_ref());
                transaction.write(write(&key, Expected::Absent, sort.as_ref().as_bytes()))
            });
            self.store.commit(transaction).await.unwrap();
        }
    }

    /// All rows of a partition in this direction, a page at a time.
    pub(super) async fn pages(&self, partition: String, direction: Direction, limit: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let after = rows.last().map(|row| row.key.sort.clone());
            let query = Query { partition: partition.clone(), begins_with: String::new(), after, limit, direction };
            let page = self.store.query(&query).await.unwrap();
            let full = page.len() == limit;
            rows.extend(page);
            if !full {
                return rows;
            }
        }
    }

    /// How many outbox rows this transaction has in the store.
    pub(super) async fn recorded(&self, transaction: &Transaction) -> usize {
        let keys: Vec<_> = transaction.outbox().map(|(key, _)| key).collect();
        self.store.get_all(&keys).await.unwrap().iter().flatten().count()
    }

    /// The first so many rows of each part of this test's outbox.
    pub(super) async fn waiting(&self, limit: usize) -> Vec<RowKey> {
        let mut waiting = Vec::new();
        for partition in outbox_partitions(&self.prefix) {
            let (begins_with, after, direction) = (String::new(), None, Direction::Ascending);
            let query = Query { partition, begins_with, after, limit, direction };
            waiting.extend(self.store.query(&query).await.unwrap().into_iter().map(|row| row.key));
        }
        waiting
    }

    /// How many outbox rows there are of all transactions of this test.
    pub(super) async fn recorded_in_all(&self) -> usize {
        let mut count = 0;
        for shard in 0..8 {
            let partition = format!("outbox#{}#{shard}", self.prefix);
            count += self.pages(partition, Direction::Ascending, 1_000).await.len();
        }
        count
    }
}

/// Every fault after every other, over and over, with some peace in between:
/// enough for each caller to meet some, and for most of many to get through soon.
fn faulty<B: Backend>(backend: B) -> FaultyStore<B> {
    let faulty = FaultyStore::new(backend);
    let pairs = Fault::ALL.into_iter().flat_map(|first| Fault::ALL.map(|second| [first, second]));
    let all: Vec<_> =
        pairs.flat_map(|[first, second]| [first, second, Fault::Ok, Fault::Ok, Fault::Ok, Fault::Ok]).collect();
    faulty.plan((0..10_000).flat_map(|_| all.iter().copied()));
    faulty
}

/// The table that the test run was given.
pub(super) fn dynamodb_store() -> DynamoStore {
    let (client, table) = dynamodb_table();
    DynamoStore::new(client, table)
}

/// Everything in that table, as it lies there.
pub async fn whole_table() -> Vec<Vec<u8>> {
    let (client, table) = dynamodb_table();
    // A page of what all tests have left there takes an emulator longer than the store would wait for it.
    let patience = Duration::from_secs(30);
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(patience).operation_timeout(3 * patience).build();
    let client = aws_sdk_dynamodb::Client::from_conf(client.config().to_builder().timeout_config(timeouts).build());
    let mut pages = client.scan().table_name(table).into_paginator().items().send();
    let mut all = Vec::new();
    while let Some(item) = pages.try_next().await.unwrap() {
        for value in item.into_values() {
            match value {
                AttributeValue::S(text) | AttributeValue::N(text) => all.push(text.into_bytes()),
                AttributeValue::B(bytes) => all.push(bytes.into_inner()),
                other => panic!("{other:?}"),
            }
        }
    }
    all
}

fn dynamodb_table() -> (aws_sdk_dynamodb::Client, String) {
    dynamodb_client(&setting("CLOAKROOM_TEST_DYNAMODB_ENDPOINT"))
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: {HOW}"))
}

/// A client that reaches the table there. Credentials are an emulator's: any will do.
pub fn dynamodb_client(endpoint: &str) -> (aws_sdk_dynamodb::Client, String) {
    let table = setting("CLOAKROOM_TEST_TABLE");
    let credentials = aws_sdk_dynamodb::config::Credentials::new("test", "test", None, None, "test");
    let config = aws_config::SdkConfig::builder()
        .region(aws_sdk_dynamodb::config::Region::new("us-east-1"))
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(credentials))
        .behavior_version(aws_config::BehaviorVersion::latest())
        .build();
    (dynamodb::client(&config, Some(endpoint.into())), table)
}

const HOW: &str = "run ./test, or start the emulators with localstack/emulators";

/// A new attempt id.
pub(super) fn attempt() -> AttemptId {
    AttemptId::from_bytes((&SystemEntropy as &dyn Entropy).bytes())
}

pub(super) fn write(key: &RowKey, expected: Expected, body: &[u8]) -> Write {
    Write { key: key.clone(), expected, body: body.to_vec(), purge_after: None }
}

pub(super) fn write_until(key: &RowKey, expected: Expected, purge_after: Instant) -> Write {
    Write { purge_after: Some(purge_after), ..write(key, expected, b"body") }
}

pub(super) fn version(number: u64) -> Version {
    Version::from_number(number).unwrap()
}

/// The sort keys of rows.
pub(super) fn sorts(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.key.sort.as_str()).collect()
}
