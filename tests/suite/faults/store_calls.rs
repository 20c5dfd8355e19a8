//! Every call of DynamoDB, made as the store makes it.

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use cloakroom::{
    domain::{ids::AttemptId, instant::Instant},
    entropy::{Entropy, SystemEntropy},
    store::{
        CommitError, Direction, Expected, OutboxEvent, Query, RowKey, Store, Transaction, Unavailable, Write,
        dynamodb::DynamoStore, outbox_partitions,
    },
};

use super::unreliable::Fault;
use crate::{objects::bench::setting, store::fixture::dynamodb_client};

pub const CALLS: [&str; 8] =
    ["BatchGetItem", "DeleteItem", "DescribeTable", "GetItem", "Query", "Scan", "TransactWriteItems", "UpdateItem"];

/// What the service itself says when it will not, or cannot; and what lines do.
pub const FAULTS: [Fault; 13] = [
    Fault::Told(400, "ProvisionedThroughputExceededException"),
    Fault::Told(400, "ThrottlingException"),
    Fault::Told(400, "RequestLimitExceeded"),
    Fault::Told(400, "ExpiredTokenException"),
    Fault::Told(400, "UnrecognizedClientException"),
    Fault::Told(500, "InternalServerError"),
    Fault::Told(503, "ServiceUnavailable"),
    Fault::ToldDone(500, "InternalServerError"),
    Fault::Unheard,
    Fault::Lost,
    Fault::Half,
    Fault::Garbled,
    Fault::Silent,
];

/// What else becomes of one call alone.
pub const OWN_FAULTS: [(&str, Fault); 5] = [
    ("BatchGetItem", Fault::LeftUndone),
    ("TransactWriteItems", Fault::SilentDone),
    ("TransactWriteItems", Fault::Cancelled("ThrottlingError")),
    ("TransactWriteItems", Fault::Cancelled("ProvisionedThroughputExceeded")),
    ("TransactWriteItems", Fault::Cancelled("TransactionConflict")),
];

/// A table with nothing else in it: a scan of that of all tests takes an emulator seconds, in which it answers nobody.
pub struct OwnTable {
    client: Client,
    pub name: String,
}

impl OwnTable {
    pub async fn new() -> Self {
        let (client, _) = dynamodb_client(&setting("CLOAKROOM_TEST_DYNAMODB_ENDPOINT"));
        let name = drawn_name();
        let mut request = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
        for (part, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            let attribute = AttributeDefinition::builder().attribute_name(part).attribute_type(ScalarAttributeType::S);
            let key = KeySchemaElement::builder().attribute_name(part).key_type(kind);
            request = request.attribute_definitions(attribute.build().unwrap()).key_schema(key.build().unwrap());
        }
        request.send().await.unwrap();
        Self { client, name }
    }

    pub async fn remove(self) {
        self.client.delete_table().table_name(&self.name).send().await.unwrap();
    }
}

fn drawn_name() -> String {
    let random: [u8; 8] = (&SystemEntropy as &dyn Entropy).bytes();
    format!("faults-{:016x}", u64::from_be_bytes(random))
}

/// A store at this address, and a partition of its own.
pub struct StoreCalls {
    store: Store,
    partition: String,
    ledger: String,
}

impl StoreCalls {
    pub fn at(url: &str, table: String) -> Self {
        let (client, _) = dynamodb_client(url);
        let name = drawn_name();
        let store = Store::new(std::sync::Arc::new(DynamoStore::new(client, table)));
        Self { store, partition: format!("{name}/rows"), ledger: name }
    }

    /// Makes the call. What it answers, if that tells anything.
    pub async fn make(&self, call: &str) -> Result<(), Unavailable> {
        let key = |sort: &str| RowKey::new(self.partition.as_str(), sort);
        match call {
            "GetItem" => self.store.get([key("a")]).await.map(|[row]| assert!(row.is_none())),
            "BatchGetItem" => self.store.get([key("a"), key("b")]).await.map(|rows| assert_eq!(rows, [None, None])),
            "Query" => self.store.query(&all_of(&self.partition)).await.map(|rows| assert_eq!(rows, [])),
            "Scan" => self.store.scan(None, 1).await.map(drop),
            "UpdateItem" => self.store.count(key("counter"), 1, Instant::from_unix_seconds(1)).await.map(drop),
            "DeleteItem" => {
                self.store.count(key("counter"), 1, Instant::from_unix_seconds(1)).await?;
                self.store.remove_counters(&self.partition).await
            }
            "DescribeTable" => self.store.identity().await.map(drop),
            "TransactWriteItems" => self.claim().await,
            other => panic!("nobody makes {other}"),
        }
    }

    /// Writes the one row that may be written once, as a claim is.
    async fn claim(&self) -> Result<(), Unavailable> {
        let event = OutboxEvent { ledger: self.ledger.clone(), body: b"claimed".to_vec() };
        let attempt = AttemptId::from_bytes((&SystemEntropy as &dyn Entropy).bytes());
        let key = RowKey::new(format!("{}/claim", self.partition), "claim");
        let write = Write { key, expected: Expected::Absent, body: b"claim".to_vec(), purge_after: None };
        match self.store.commit(Transaction::recording(attempt, event).write(write)).await {
            // Somebody was first: who, the events tell.
            Ok(()) | Err(CommitError::Stale(_)) => Ok(()),
            Err(CommitError::Unavailable(fault)) => Err(fault),
        }
    }

    /// How many claims are on record.
    pub async fn claims(&self) -> usize {
        let mut claims = 0;
        for partition in outbox_partitions(&self.ledger) {
            let found = loop {
                // An emulator that has much to do is slow at times.
                if let Ok(found) = self.store.query(&all_of(&partition)).await {
                    break found;
                }
            };
            claims += found.len();
        }
        claims
    }
}

fn all_of(partition: &str) -> Query {
    let (begins_with, after, direction) = (String::new(), None, Direction::Ascending);
    Query { partition: partition.into(), begins_with, after, limit: 10, direction }
}
