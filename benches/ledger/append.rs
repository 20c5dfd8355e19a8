//! Events recorded, each in a durable commit of its own, and chained.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cloakroom::{
    clock::{Clock, SystemClock},
    domain::{
        event::{Actor, Event, EventType, Outcome},
        ids::{ApiKeyId, AttemptId, RequestId, ShareId, TenantId},
        instant::Instant as Point,
        tenant::{Mode, Namespace},
    },
    entropy::{Entropy, SystemEntropy},
    service::Broker,
    store::{OutboxEvent, Transaction, event_sort},
};
use serde_json::{Value, json};

use super::{Measured, Options};

/// How many record at once.
const RECORDING: usize = 256;

/// So many events are recorded before they are chained: what waits is not more than a second's worth.
const PORTION: usize = 20_000;

/// When the first event of the long ledger happened: twenty days ago. Then one every hundred milliseconds.
fn begun() -> Point {
    static BEGUN: OnceLock<Point> = OnceLock::new();
    *BEGUN.get_or_init(|| SystemClock::default().now().minus(Duration::from_secs(20 * 24 * 3600)))
}

pub(crate) async fn measure(measured: &Measured, options: &Options) -> Value {
    let (broker, tenants) = (&measured.broker, options.tenants);
    println!("\n{:<34} {:>10} {:>12} {:>12} {:>12}", "embedded", "events", "recorded/s", "chained/s", "indexed/s");
    let many = append(broker, &others(tenants), options.events).await;
    let many = told(&format!("{tenants} tenants"), options.events, many);
    let one = append(broker, &[measured.long], options.records).await;
    json!({ "many_tenants": many, "one_tenant": told("1 tenant", options.records, one) })
}

pub(crate) fn told(what: &str, events: usize, spans: [Duration; 3]) -> Value {
    let [recorded, chained, indexed] = spans.map(|span| (events as f64 / span.as_secs_f64()).round());
    println!("{what:<34} {events:>10} {recorded:>12} {chained:>12} {indexed:>12}");
    json!({ "events": events, "recorded_per_second": recorded, "chained_per_second": chained, "indexed_per_second": indexed })
}

/// Tenants of which there is nothing but a ledger, and each time others.
pub(crate) fn others(count: usize) -> Vec<Namespace> {
    let drawn: [u8; 12] = (&SystemEntropy as &dyn Entropy).bytes();
    let tenant = |number: usize| {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&(number as u32).to_be_bytes());
        bytes[4..].copy_from_slice(&drawn);
        TenantId::from_bytes(bytes)
    };
    (0..count).map(|number| Namespace { tenant: tenant(number), mode: Mode::Live }).collect()
}

/// How long it takes to record so many events, to chain them, and to index what that has completed.
pub(crate) async fn append(broker: &Broker, namespaces: &[Namespace], events: usize) -> [Duration; 3] {
    let (mut recorded, mut chained, mut indexed, mut done) = (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0);
    while done < events {
        let portion = (events - done).min(PORTION);
        let next = Arc::new(AtomicUsize::new(done));
        let started = Instant::now();
        let recording = (0..RECORDING).map(|_| {
            let (broker, next, namespaces) = (broker.clone(), Arc::clone(&next), namespaces.to_vec());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= done + portion {
                        return;
                    }
                    let namespace = namespaces[number % namespaces.len()];
                    broker.store.commit(recording(&broker, namespace, number)).await.unwrap();
                }
            })
        });
        for recording in recording.collect::<Vec<_>>() {
            recording.await.unwrap();
        }
        recorded += started.elapsed();
        let started = Instant::now();
        for namespace in namespaces {
            broker.chain(*namespace).await.unwrap();
        }
        chained += started.elapsed();
        let started = Instant::now();
        broker.chain_lately().await.unwrap();
        indexed += started.elapsed();
        done += portion;
    }
    [recorded, chained, indexed]
}

/// One event in a thousand is a refusal, and another is by a key that does nothing else; each share has ten. None is of a redemption:
/// those are of tokens that are there ([`super::tokens`]).
fn event(namespace: Namespace, number: usize) -> Event {
    let refused = number.is_multiple_of(1_000);
    let kind = match number % 10 {
        _ if refused => EventType::ShareRefused,
        0 => EventType::ShareCreated,
        _ => EventType::DownloadIssued,
    };
    Event {
        kind,
        namespace,
        actor: if number % 1_000 == 500 { Actor::ApiKey { id: rare_key() } } else { Actor::Bearer },
        resource: share(number / 10).to_string(),
        outcome: if refused { Outcome::Refused } else { Outcome::Done },
        reason: None,
        count: None,
        version: None,
        changed: Vec::new(),
        at: time_of(number),
        request: Some(RequestId::new(time_of(number), spread(number))),
        client: None,
        seen: None,
    }
}

pub(crate) fn recording(broker: &Broker, namespace: Namespace, number: usize) -> Transaction {
    // No two attempts have a name, whatever was recorded before.
    let attempt = AttemptId::new(broker.now(), (&SystemEntropy as &dyn Entropy).bytes());
    Transaction::recording(attempt, outbox_event(broker, attempt, namespace, number))
}

pub(crate) fn outbox_event(broker: &Broker, attempt: AttemptId, namespace: Namespace, number: usize) -> OutboxEvent {
    let ledger = format!("{}#{}", namespace.tenant, namespace.mode.as_str());
    let body = serde_json::to_vec(&event(namespace, number)).unwrap();
    let body = broker.keyring.authenticate(&format!("outbox#{ledger}"), &event_sort(attempt, 0), &body);
    OutboxEvent { ledger, body }
}

pub(crate) fn time_of(number: usize) -> Point {
    begun().plus(Duration::from_millis(number as u64 * 100))
}

pub(crate) fn rare_key() -> ApiKeyId {
    ApiKeyId::from_bytes([9; 16])
}

pub(crate) fn share(number: usize) -> ShareId {
    ShareId::new(begun(), spread(number))
}

/// Something that looks random, and is the same each time.
fn spread(number: usize) -> [u8; 10] {
    let high = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&high.to_be_bytes());
    bytes[8..].copy_from_slice(&(number as u16).to_be_bytes());
    bytes
}
