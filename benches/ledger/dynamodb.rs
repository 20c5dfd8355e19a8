//! The same on DynamoDB, as an emulator plays it: how many calls and write units an event takes.
//!
//! Calls are counted as the SDK sends them, repetitions and all. Write units are counted by DynamoDB's own rules from the items that are sent: a
//! kilobyte begun is a unit, and twice that in a transaction; a delete counts what was there.

use std::{
    collections::HashMap,
    env,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use aws_sdk_dynamodb::config::{
    ConfigBag, Credentials, Intercept, Region, RuntimeComponents, SharedCredentialsProvider,
    interceptors::BeforeTransmitInterceptorContextRef,
};
use cloakroom::{
    domain::instant::Instant,
    service::Broker,
    store::{
        Backend, Failure, Query, Row, RowKey, Store, Transaction, Unavailable,
        dynamodb::{self, DynamoStore},
    },
};
use serde_json::{Value, json};

use super::{Measured, Options, append};

pub(crate) async fn measure(measured: &Measured, options: &Options) -> Value {
    let setting = |name: &str| env::var(name).unwrap_or_else(|_| panic_for(name));
    let (endpoint, table) = (setting("CLOAKROOM_TEST_DYNAMODB_ENDPOINT"), setting("CLOAKROOM_TEST_TABLE"));
    // Any will do for an emulator.
    let credentials = Credentials::new("test", "test", None, None, "test");
    let config = aws_config::SdkConfig::builder()
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .behavior_version(aws_config::BehaviorVersion::latest())
        .build();
    let calls = Calls::default();
    let client = dynamodb::client(&config, Some(endpoint));
    let counting = client.config().to_builder().interceptor(calls.clone()).build();
    let client = aws_sdk_dynamodb::Client::from_conf(counting);
    let counted = Arc::new(Counted::new(DynamoStore::new(client, table)));
    let store = Store::new(Arc::<Counted>::clone(&counted));
    let broker = Broker { store, ledgers: Arc::default(), ..measured.broker.clone() };
    println!(
        "\n{:<34} {:>10} {:>12} {:>12} {:>12}",
        "dynamodb (emulated)", "events", "recorded/s", "chained/s", "indexed/s"
    );
    let mut figures = json!({});
    for (name, tenants) in [("one_tenant", 1), ("many_tenants", options.tenants)] {
        let events = options.on_dynamodb;
        let before = (calls.count(), counted.units());
        let spans = append::append(&broker, &append::others(tenants), events).await;
        let (calls, units) = (calls.count() - before.0, counted.units() - before.1);
        let (calls, units) = (calls as f64 / events as f64, units as f64 / events as f64);
        let mut told = append::told(&format!("{tenants} tenants"), events, spans);
        println!("{:<34} {calls:.2} calls and {units:.2} write units an event", "");
        (told["calls_per_event"], told["write_units_per_event"]) = (json!(calls), json!(units));
        figures[name] = told;
    }
    figures
}

#[expect(clippy::panic, reason = "there is nothing to measure")]
fn panic_for(name: &str) -> String {
    panic!("{name} is not set: start the emulators with localstack/emulators")
}

/// Counts what is sent.
#[derive(Clone, Debug, Default)]
struct Calls(Arc<AtomicU64>);

impl Calls {
    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "Calls"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), aws_sdk_dynamodb::error::BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A store that counts the write units of what is committed.
struct Counted {
    store: DynamoStore,
    units: AtomicU64,
    /// How large the events are that wait.
    waiting: Mutex<HashMap<RowKey, usize>>,
}

impl Counted {
    fn new(store: DynamoStore) -> Self {
        Self { store, units: AtomicU64::new(0), waiting: Mutex::default() }
    }

    fn units(&self) -> u64 {
        self.units.load(Ordering::Relaxed)
    }

    fn count_units(&self, transaction: &Transaction) {
        let mut waiting = self.waiting.lock().unwrap();
        let mut units: usize = transaction.writes().iter().map(|write| units(size(&write.key, &write.body))).sum();
        for (key, body) in transaction.outbox() {
            let size = size(&key, body);
            units += self::units(size);
            waiting.insert(key, size);
        }
        units += transaction.taken().iter().map(|key| self::units(waiting.remove(key).unwrap_or(1))).sum::<usize>();
        self.units.fetch_add(units as u64, Ordering::Relaxed);
    }
}

/// Names and values: pk, sk, v (a number of up to three digits takes three bytes), b.
fn size(key: &RowKey, body: &[u8]) -> usize {
    2 + key.partition.len() + 2 + key.sort.len() + 1 + 3 + 1 + body.len()
}

fn units(size: usize) -> usize {
    2 * size.div_ceil(1_024)
}

#[async_trait]
impl Backend for Counted {
    async fn get(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable> {
        self.store.get(keys).await
    }

    async fn query(&self, query: &Query) -> Result<Vec<Row>, Unavailable> {
        self.store.query(query).await
    }

    async fn try_commit(&self, transaction: &Transaction) -> Result<(), Failure> {
        let outcome = self.store.try_commit(transaction).await;
        if outcome.is_ok() {
            self.count_units(transaction);
        }
        outcome
    }

    async fn scan(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<Row>, Unavailable> {
        self.store.scan(after, limit).await
    }

    async fn replace_body(&self, row: &Row, body: &[u8]) -> Result<bool, Unavailable> {
        self.store.replace_body(row, body).await
    }

    async fn count(&self, counter: &RowKey, amount: u64, purge_after: Instant) -> Result<u64, Unavailable> {
        self.store.count(counter, amount, purge_after).await
    }

    async fn remove_counters(&self, partition: &str) -> Result<(), Unavailable> {
        self.store.remove_counters(partition).await
    }

    async fn identity(&self) -> Result<cloakroom::domain::standing::StoreIdentity, Unavailable> {
        self.store.identity().await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.store.ping().await
    }
}
