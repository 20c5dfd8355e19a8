//! The rows of a tenant that is removed: how each kind is found, when all that is known is whose it is.
//!
//! | row | found by |
//! |---|---|
//! | all whose partition names the tenant (`#T#M`) | that |
//! | `share#S`, `request#F`, `artifact#A`, `artifact-host#L` | the lists of shares, file requests, artifacts |
//! | `link#H` | the list of links, which keeps the hash |
//! | `webhook#W`, `webhook-deliveries#W`, `webhook-retries#W` | the list of webhooks, and the ledger |
//! | `webhook-namespaces` | its sort key names the tenant |
//! | `erasing` | its sort key begins with the tenant |
//! | `usage#T#M#S#n` | the lists of principals and file requests |
//! | `history#T#M#R` | those lists, and the ledger: a history lasts longer than what it is of |
//! | `key-hash#H`, `user-of#H`, `request-token#H`, `console#H`, `signing-in#A`, `handoff#X`, `event-ticket#X`, `idempotency#H`, `origin#O` | `leads#T#M` |
//! | `due#K#H#n` | all that is due, of whomever |
//! | `limits#T#M` | counters, removed as such |
//!
//! What leads to something else is removed after it; the ledger, which names everything, is the last.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        event::{Event, Subject},
        ids::{ArtifactId, FileRequestId, LinkId, ShareId, WebhookId},
        ledger::Record,
        lifetime,
        principal::PrincipalId,
        quota::{SHARDS, Scope},
        tenant::Namespace,
        upload::Transfer,
    },
    objects::ArtifactLabel,
    store::{Direction, Query, Row, RowKey, outbox_partitions},
};

use super::{
    Broker, Error,
    leads::Lead,
    links::LinkPointer,
    removal::Removal,
    rows,
    uploads::{DUE_BYTES, DUE_LATE, DUE_ROOM},
};

/// How many rows are read at a time: as many as may be large ones.
const PORTION: usize = 100;

/// How many hours are looked at at a time.
const QUERIES_AT_ONCE: usize = 32;

/// Tables drop rows days late.
const TO_SPARE: Duration = Duration::from_secs(2 * 24 * 3600);

/// An upload without what of it is personal, which nobody can read any more.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OfUpload {
    pub(super) declaration: OfDeclaration,
}

/// Where an upload arrives.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OfDeclaration {
    pub(super) inbox: String,
    pub(super) transfer: Transfer,
}

/// The rows of a partition, some at a time.
pub(super) struct Pages {
    partition: String,
    begins_with: &'static str,
    after: Option<String>,
    is_over: bool,
}

impl Pages {
    pub(super) fn of(partition: String) -> Self {
        Self::beginning_with(partition, "")
    }

    /// Those alone whose sort key begins so.
    pub(super) fn beginning_with(partition: String, begins_with: &'static str) -> Self {
        Self { partition, begins_with, after: None, is_over: false }
    }

    /// The rows after those before; none at the end.
    pub(super) async fn next(&mut self, broker: &Broker) -> Result<Option<Vec<Row>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let (partition, begins_with) = (self.partition.clone(), self.begins_with.to_owned());
        let (after, direction) = (self.after.take(), Direction::Ascending);
        let found = broker.store.query(&Query { partition, begins_with, after, limit: PORTION, direction }).await?;
        self.is_over = found.len() < PORTION;
        self.after = found.last().map(|row| row.key.sort.clone());
        Ok((!found.is_empty()).then_some(found))
    }
}

impl Removal<'_> {
    /// Removes all rows of a namespace, but those that wait for their hour.
    pub(super) async fn rows_of(&mut self, namespace: Namespace) -> Result<Option<()>, Error> {
        let lists = [
            rows::shares(namespace),
            rows::artifacts(namespace),
            rows::links(namespace),
            rows::file_requests(namespace),
            rows::api_keys(namespace),
            rows::users(namespace),
            rows::webhooks(namespace),
        ];
        for list in lists {
            let mut pages = Pages::of(list);
            while let Some(page) = pages.next(self.broker).await? {
                for row in page {
                    let mut named = named_by(namespace, &row.key.sort);
                    named.extend(self.link_of(&row));
                    let Some(()) = self.partitions(named).await? else { return Ok(None) };
                    let Some(()) = self.row(row.key).await? else { return Ok(None) };
                }
            }
        }
        let mut pages = Pages::of(rows::leads(&rows::ledger(namespace)));
        while let Some(page) = pages.next(self.broker).await? {
            for row in page {
                if let Some(lead) = self.broker.readable::<Lead>(&row) {
                    let Some(()) = self.row(lead.key()).await? else { return Ok(None) };
                }
                let Some(()) = self.row(row.key).await? else { return Ok(None) };
            }
        }
        let Some(()) = self.row(rows::webhook_namespace(namespace)).await? else { return Ok(None) };
        for row in self.broker.erasures_under_way(&rows::erasing_of(namespace)).await? {
            let Some(()) = self.row(row.key).await? else { return Ok(None) };
        }
        let mut others = accounts(namespace, Scope::Tenant);
        others.extend(rows::plain_lists(namespace));
        let Some(()) = self.partitions(others).await? else { return Ok(None) };
        self.broker.store.remove_counters(&rows::counters(namespace)).await?;
        self.ledger_rows(namespace).await
    }

    /// Removes events that wait, and the ledger, and the histories of all that they tell of.
    async fn ledger_rows(&mut self, namespace: Namespace) -> Result<Option<()>, Error> {
        for partition in outbox_partitions(&rows::ledger(namespace)) {
            let mut pages = Pages::of(partition);
            while let Some(page) = pages.next(self.broker).await? {
                for row in page {
                    let told = self.broker.read_outbox(&row).map(|(event, _)| told_of(namespace, &event));
                    let Some(()) = self.partitions(told.unwrap_or_default()).await? else { return Ok(None) };
                    let Some(()) = self.row(row.key).await? else { return Ok(None) };
                }
            }
        }
        let mut pages = Pages::of(rows::segments(namespace));
        while let Some(page) = pages.next(self.broker).await? {
            for row in page {
                let texts = self.broker.readable_segment(&row).map(|segment| segment.records).unwrap_or_default();
                let records = texts.iter().filter_map(|text| Record::parse(text).ok());
                let mut told: Vec<_> = records.flat_map(|record| told_of(namespace, &record.event)).collect();
                told.sort_unstable();
                told.dedup();
                let Some(()) = self.partitions(told).await? else { return Ok(None) };
                let Some(()) = self.row(row.key).await? else { return Ok(None) };
            }
        }
        self.settle().await
    }

    /// Removes what is due, or was, in every hour whose rows may still be there. There is one list of it for all tenants.
    pub(super) async fn due_rows(&mut self) -> Result<Option<()>, Error> {
        let now = self.broker.now();
        // As long ago as rows are kept, and as far ahead as an upload can be completed, with days to spare.
        let first = now.minus(lifetime::REMEMBERED + TO_SPARE).max(self.tenant().created_at().minus(TO_SPARE));
        let last = now.plus(Duration::from_secs(lifetime::MULTIPART.most) + lifetime::COMPLETION + TO_SPARE);
        let mine = format!("#{}#", self.tenant());
        let mut partitions = Vec::new();
        for kind in [DUE_ROOM, DUE_LATE, DUE_BYTES] {
            for hour in first.as_unix_seconds() / 3600..=last.as_unix_seconds() / 3600 {
                partitions.extend((0..rows::DUE_SHARDS).map(|shard| rows::due_partition(kind, hour, shard)));
            }
        }
        let broker = self.broker;
        let found = partitions.into_iter().map(|due| due_in(broker, due, &mine).boxed());
        let mut found = stream::iter(found).buffer_unordered(QUERIES_AT_ONCE);
        while let Some(keys) = found.try_next().await? {
            for key in keys {
                let Some(()) = self.row(key).await? else { return Ok(None) };
            }
        }
        Ok(Some(()))
    }

    /// Removes all rows of these partitions.
    async fn partitions(&mut self, partitions: Vec<String>) -> Result<Option<()>, Error> {
        for partition in partitions {
            let mut pages = Pages::of(partition);
            while let Some(page) = pages.next(self.broker).await? {
                for row in page {
                    let Some(()) = self.row(row.key).await? else { return Ok(None) };
                }
            }
        }
        Ok(Some(()))
    }

    /// Where a link lies, if this row lists one.
    fn link_of(&self, row: &Row) -> Option<String> {
        row.key.sort.parse::<LinkId>().ok()?;
        let pointer = self.broker.readable::<LinkPointer>(row)?;
        Some(rows::link_grant(self.broker.link_hash(&pointer).ok()?).partition)
    }
}

/// What is due of this tenant in an hour.
async fn due_in(broker: &Broker, partition: String, mine: &str) -> Result<Vec<RowKey>, Error> {
    let (mut pages, mut found) = (Pages::of(partition), Vec::new());
    while let Some(page) = pages.next(broker).await? {
        found.extend(page.into_iter().map(|row| row.key).filter(|key| key.sort.contains(mine)));
    }
    Ok(found)
}

/// The partitions of what has this id, and of nothing else.
fn named_by(namespace: Namespace, id: &str) -> Vec<String> {
    let history = |subject| rows::history(namespace, subject);
    if let Ok(share) = id.parse::<ShareId>() {
        vec![rows::share_grant(share).partition, history(Subject::Share(share))]
    } else if let Ok(link) = id.parse::<LinkId>() {
        vec![history(Subject::Link(link))]
    } else if let Ok(request) = id.parse::<FileRequestId>() {
        let mut named = accounts(namespace, Scope::FileRequest(request));
        named.extend([rows::file_request_state(request).partition, history(Subject::FileRequest(request))]);
        named
    } else if let Ok(artifact) = id.parse::<ArtifactId>() {
        let host = rows::artifact_host(&ArtifactLabel::of(artifact));
        vec![rows::artifact_manifest(artifact).partition, host.partition]
    } else if let Ok(webhook) = id.parse::<WebhookId>() {
        let progress = rows::webhook_progress(webhook).partition;
        vec![progress, rows::webhook_deliveries(webhook), rows::webhook_retries(webhook)]
    } else if let Ok(principal) = id.parse::<PrincipalId>() {
        accounts(namespace, Scope::Principal(principal))
    } else {
        Vec::new()
    }
}

/// The partitions of what an event tells of.
fn told_of(namespace: Namespace, event: &Event) -> Vec<String> {
    let mut named = named_by(namespace, &event.resource);
    named.extend(event.subject().map(|subject| rows::history(namespace, subject)));
    named
}

fn accounts(namespace: Namespace, scope: Scope) -> Vec<String> {
    (0..SHARDS).map(|shard| rows::account(namespace, scope, shard).partition).collect()
}
