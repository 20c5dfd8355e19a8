//! The store on DynamoDB: one table, transactions, strongly consistent reads.
//!
//! Every commit is one `TransactWriteItems` that carries the attempt id as its
//! request token, and is sent once: sending again is the business of the loop
//! that all backends share. Reads are repeated by the SDK, and so are additions to counters.
//!
//! Never here: a secondary index, an eventually consistent read, or a decision
//! that leaves anything to the table's own TTL. AWS types do not leave this module.

mod item;
mod outcome;

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, Delete, KeysAndAttributes, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem, Update,
    },
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::domain::{instant::Instant, standing::StoreIdentity};

use super::{
    Backend, Direction, Expected, Failure, Query, Row, RowKey, Transaction, Unavailable, Version, check_keys,
    row::Scope,
};
use outcome::unavailable;

/// What a connection may take; the SDK sets no other limit by itself.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// What one request may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// What a read may take with all its repetitions.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);
const READ_ATTEMPTS: u32 = 3;

/// How often keys that DynamoDB left unprocessed are asked for again.
const BATCH_ROUNDS: u32 = 6;
const FIRST_BATCH_PAUSE: Duration = Duration::from_millis(20);

/// A client with limits on time, for this store; `endpoint` for an emulator.
pub fn client(sdk_config: &SdkConfig, endpoint: Option<String>) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let mut config = aws_sdk_dynamodb::config::Builder::from(sdk_config)
        .behavior_version(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(READ_ATTEMPTS));
    if sdk_config.http_client().is_none() {
        let tls = Provider::Rustls(CryptoMode::Ring);
        config = config.http_client(aws_smithy_http_client::Builder::new().tls_provider(tls).build_https());
    }
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    Client::from_conf(config.build())
}

/// A store in one DynamoDB table, keyed by `pk` and `sk`.
pub struct DynamoStore {
    reading: Client,
    /// Never repeats a request by itself: each attempt's answer is to be seen.
    committing: Client,
    table: String,
}

impl DynamoStore {
    /// A store in this table, reached with a client made by [`client`].
    pub fn new(client: Client, table: String) -> Self {
        let once = client.config().to_builder().retry_config(RetryConfig::disabled()).build();
        Self { reading: client, committing: Client::from_conf(once), table }
    }

    async fn get_one(&self, key: &RowKey) -> Result<Option<Row>, Unavailable> {
        let request =
            self.reading.get_item().table_name(&self.table).set_key(Some(item::key(key))).consistent_read(true);
        let answer = request.send().await.map_err(unavailable)?;
        answer.item.map(item::row).transpose()
    }

    /// The rows that exist among these keys, which must differ from each other.
    async fn get_batch(&self, keys: Vec<item::Item>) -> Result<HashMap<RowKey, Row>, Unavailable> {
        let mut found = HashMap::with_capacity(keys.len());
        let mut wanted = keys;
        let mut pause = FIRST_BATCH_PAUSE;
        for _ in 0..BATCH_ROUNDS {
            let asked = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
            let asked = asked.map_err(|error| Unavailable(error.to_string()))?;
            let request = self.reading.batch_get_item().request_items(&self.table, asked);
            let answer = request.send().await.map_err(unavailable)?;
            for row in answer.responses.into_iter().flatten().flat_map(|(_, items)| items).map(item::row) {
                let row = row?;
                found.insert(row.key.clone(), row);
            }
            wanted = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, asked)| asked.keys).collect();
            if wanted.is_empty() {
                return Ok(found);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Unavailable("the table is too busy to answer for all rows asked for".into()))
    }

    fn put(&self, key: &RowKey, version: Version, write: Content<'_>) -> Result<TransactWriteItem, Unavailable> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item::item(key, version, write.body, write.purge_after)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match write.expected {
            Expected::Absent => put.condition_expression("attribute_not_exists(pk)"),
            Expected::Version(version) => {
                put.condition_expression("v = :v").expression_attribute_values(":v", item::number(version.number()))
            }
        };
        let put = put.build().map_err(|error| Unavailable(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn take(&self, key: &RowKey) -> Result<TransactWriteItem, Unavailable> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(item::key(key)))
            .condition_expression("attribute_exists(pk)")
            .build()
            .map_err(|error| Unavailable(error.to_string()))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

/// What a put writes beside its key, and when.
struct Content<'a> {
    expected: Expected,
    body: &'a [u8],
    purge_after: Option<Instant>,
}

#[async_trait]
impl Backend for DynamoStore {
    async fn get(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable> {
        check_keys(keys)?;
        if let [key] = keys {
            return Ok(vec![self.get_one(key).await?]);
        }
        // A batch that names a key twice is refused, and one without keys too.
        let mut different: Vec<&RowKey> = keys.iter().collect();
        different.sort_unstable();
        different.dedup();
        if different.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.get_batch(different.into_iter().map(item::key).collect()).await?;
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn query(&self, query: &Query) -> Result<Vec<Row>, Unavailable> {
        query.check()?;
        // A key condition has room for one test of the sort key, which is
        // `begins_with`; `after` goes where the next page would start.
        let mut start = match query.scope() {
            Scope::Nothing => return Ok(Vec::new()),
            Scope::Beginning => None,
            Scope::Beyond(after) => Some(item::key(&RowKey::new(query.partition.as_str(), after))),
        };
        let mut rows = Vec::new();
        loop {
            let wanted = i32::try_from(query.limit - rows.len()).unwrap_or(i32::MAX);
            let mut request = self
                .reading
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .scan_index_forward(query.direction == Direction::Ascending)
                .limit(wanted)
                .set_exclusive_start_key(start)
                .expression_attribute_values(":pk", AttributeValue::S(query.partition.clone()));
            request = match query.begins_with.as_str() {
                "" => request.key_condition_expression("pk = :pk"),
                beginning => request
                    .key_condition_expression("pk = :pk AND begins_with(sk, :beginning)")
                    .expression_attribute_values(":beginning", AttributeValue::S(beginning.to_owned())),
            };
            let page = request.send().await.map_err(unavailable)?;
            for found in page.items.into_iter().flatten() {
                rows.push(item::row(found)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() || rows.len() >= query.limit {
                return Ok(rows);
            }
        }
    }

    async fn try_commit(&self, transaction: &Transaction) -> Result<(), Failure> {
        transaction.check()?;
        let mut puts = Vec::with_capacity(transaction.writes().len() + 1);
        for write in transaction.writes() {
            let content = Content { expected: write.expected, body: &write.body, purge_after: write.purge_after };
            puts.push(self.put(&write.key, write.expected.next(), content)?);
        }
        for key in transaction.taken() {
            puts.push(self.take(key)?);
        }
        for (key, body) in transaction.outbox() {
            let content = Content { expected: Expected::Absent, body, purge_after: None };
            puts.push(self.put(&key, Version::FIRST, content)?);
        }
        let request = self
            .committing
            .transact_write_items()
            .client_request_token(transaction.attempt().to_string())
            .set_transact_items(Some(puts));
        let attempt = || request.clone().send();
        let answer = match attempt().await {
            // The client has learnt the right time from this very answer.
            Err(error) if outcome::is_signed_at_another_time(&error) => attempt().await,
            other => other,
        };
        match answer {
            Ok(_) => Ok(()),
            Err(error) => {
                let conditional = transaction.writes().len() + transaction.taken().len();
                outcome::of_commit(error, conditional, transaction.is_proven())
            }
        }
    }

    async fn scan(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<Row>, Unavailable> {
        let mut start = after.map(item::key);
        loop {
            let request = self.reading.scan().table_name(&self.table).consistent_read(true);
            // Counters are no rows.
            let request = request.filter_expression("attribute_exists(b)");
            let request = request.limit(i32::try_from(limit).unwrap_or(i32::MAX)).set_exclusive_start_key(start);
            let page = request.send().await.map_err(unavailable)?;
            let rows = page.items.into_iter().flatten().map(item::row).collect::<Result<Vec<_>, _>>()?;
            start = page.last_evaluated_key;
            if start.is_none() || !rows.is_empty() {
                return Ok(rows);
            }
        }
    }

    /// In a transaction, though it is one row: rows are changed in no other way, and roles allow no other.
    async fn replace_body(&self, row: &Row, body: &[u8]) -> Result<bool, Unavailable> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(item::key(&row.key)))
            .update_expression("SET b = :body")
            .condition_expression("v = :v")
            .expression_attribute_values(":body", item::body(body))
            .expression_attribute_values(":v", item::number(row.version.number()))
            .build()
            .map_err(|error| Unavailable(error.to_string()))?;
        let update = TransactWriteItem::builder().update(update).build();
        match self.reading.transact_write_items().transact_items(update).send().await {
            Ok(_) => Ok(true),
            // Somebody has written it, or is about to.
            Err(fault)
                if fault.as_service_error().is_some_and(TransactWriteItemsError::is_transaction_canceled_exception) =>
            {
                Ok(false)
            }
            Err(fault) => Err(unavailable(fault)),
        }
    }

    async fn count(&self, counter: &RowKey, amount: u64, purge_after: Instant) -> Result<u64, Unavailable> {
        let unreadable = || Unavailable("the table answered with no count".into());
        let request = self
            .reading
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item::key(counter)))
            .update_expression("ADD #count :amount SET #ttl = :ttl")
            .expression_attribute_names("#count", item::COUNT)
            .expression_attribute_names("#ttl", item::TTL)
            .expression_attribute_values(":amount", item::number(amount))
            .expression_attribute_values(":ttl", item::ttl(purge_after))
            .return_values(ReturnValue::UpdatedNew);
        let answer = request.send().await.map_err(unavailable)?;
        let count = answer.attributes.and_then(|mut attributes| attributes.remove(item::COUNT));
        let Some(AttributeValue::N(count)) = count else { return Err(unreadable()) };
        count.parse().map_err(|_| unreadable())
    }

    async fn remove_counters(&self, partition: &str) -> Result<(), Unavailable> {
        loop {
            let request = self
                .reading
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .projection_expression("pk, sk")
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()));
            let page = request.send().await.map_err(unavailable)?;
            let found: Vec<_> = page.items.into_iter().flatten().collect();
            if found.is_empty() {
                return Ok(());
            }
            for key in found {
                let request = self.reading.delete_item().table_name(&self.table).set_key(Some(key));
                request.send().await.map_err(unavailable)?;
            }
        }
    }

    /// The id that DynamoDB gives each table: one that is restored, or made anew under the same name, has another.
    async fn identity(&self) -> Result<StoreIdentity, Unavailable> {
        let answer = self.reading.describe_table().table_name(&self.table).send().await.map_err(unavailable)?;
        let id = answer.table.and_then(|table| table.table_id);
        id.map(StoreIdentity).ok_or_else(|| Unavailable("the table was described without its id".into()))
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.get_one(&RowKey::new("ping", "ping")).await.map(drop)
    }
}
