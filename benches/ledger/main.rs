//! What the ledger costs, and what it is like when it is long: events recorded and chained a second, records verified a second, searches; in this
//! process, on the embedded store, without HTTP.
//!
//! `cargo bench --bench ledger -- --help` tells the options, and `docs/performance.md` what the figures mean.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for measuring: it reads the clock, prints, and ends where something is wrong"
)]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cloakroom::{
    app::{self, MissingKeys},
    config::Given,
    crypto::secret::SecretText,
    domain::{
        audit_filter::AuditFilter,
        event::{Actor, Event, EventType, Outcome},
        ids::{AttemptId, RequestId, ShareId},
        instant::Instant as Point,
        tenant::{Mode, Namespace},
    },
    service::{Asking, Broker, Caller, ledger_sweep::Extent, listing::PageRequest},
    store::{OutboxEvent, Transaction, event_sort},
};

const HELP: &str = "\
cargo bench --bench ledger -- [OPTION...]

  --records N   records of the long ledger [1000000]; some 700 bytes of disk each
  --quick       a hundredth of it";

/// How many record at once.
const RECORDING: usize = 256;

/// Of how many tenants, where there are many.
const TENANTS: usize = 100;

/// The events of each of these.
const EVENTS: usize = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut records = 1_000_000;
    let mut given = arguments.iter();
    while let Some(option) = given.next() {
        match (option.as_str(), given.clone().next()) {
            ("--quick", _) => records /= 100,
            ("--records", Some(number)) => records = number.parse().unwrap(),
            ("--help", _) => return println!("{HELP}"),
            _ if option.parse::<usize>().is_ok() => {}
            _ => return println!("{option} is no option\n\n{HELP}"),
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(folder.path(), records));
}

async fn measure(folder: &Path, records: usize) {
    let given = Given { data_dir: Some(folder.to_owned()), limits: Some("off".into()), ..Given::default() };
    let config = given.complete().unwrap();
    let parts = app::open(&config, "http://127.0.0.1:1".into(), "http://localhost:2", MissingKeys::Make).await.unwrap();
    let broker = parts.broker.clone();
    let first = broker.create_first_tenant("First".into()).await.unwrap();
    let secret = SecretText::new(first.admin_key.secret.expose());
    let admin = broker.authenticate(&secret, Asking::here(RequestId::from_bytes([1; 16]))).await.unwrap();
    let long = Namespace { tenant: first.tenant.id, mode: Mode::Live };

    let many: Vec<_> = (0..TENANTS).map(|number| namespace(number as u8)).collect();
    let (recorded, chained) = append(&broker, &many, TENANTS * EVENTS).await;
    tell(&format!("{TENANTS} tenants"), TENANTS * EVENTS, recorded, chained);
    let (recorded, chained) = append(&broker, &[long], records).await;
    tell("1 tenant", records, recorded, chained);

    let started = Instant::now();
    let swept = broker.sweep_ledger(long, Extent::Whole).await.unwrap();
    assert!(swept.broken.is_none());
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "\nverified: {} records in {seconds:.2} s, {:.0} a second",
        swept.head.size,
        swept.head.size as f64 / seconds
    );
    println!("memory: {} MB at most", memory());
    search(&broker, &admin, records).await;
}

/// Some other tenant: only its ledger is written to.
fn namespace(number: u8) -> Namespace {
    Namespace { tenant: cloakroom::domain::ids::TenantId::from_bytes([number.wrapping_add(7); 16]), mode: Mode::Live }
}

fn tell(what: &str, events: usize, recorded: Duration, chained: Duration) {
    let rate = |span: Duration| events as f64 / span.as_secs_f64();
    println!("{what}: {events} events, {:.0} recorded a second, {:.0} chained", rate(recorded), rate(chained));
}

/// How long it takes to record so many events, each in a commit of its own; and then to chain them.
async fn append(broker: &Broker, namespaces: &[Namespace], events: usize) -> (Duration, Duration) {
    // In portions, so that what waits is not more than a second's worth.
    let (mut recorded, mut chained, mut done) = (Duration::ZERO, Duration::ZERO, 0);
    while done < events {
        let portion = (events - done).min(20_000);
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
                    broker
                        .store
                        .commit(recording_of(&broker, namespaces[number % namespaces.len()], number))
                        .await
                        .unwrap();
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
        done += portion;
    }
    (recorded, chained)
}

/// One share in a hundred was refused; each has ten events.
fn recording_of(broker: &Broker, namespace: Namespace, number: usize) -> Transaction {
    let attempt = AttemptId::new(broker.now(), spread(number));
    let refused = number.is_multiple_of(1_000);
    let event = Event {
        kind: if refused { EventType::ShareRefused } else { EventType::ShareCreated },
        namespace,
        actor: Actor::Bearer,
        resource: share(number / 10).to_string(),
        outcome: if refused { Outcome::Refused } else { Outcome::Done },
        reason: None,
        count: None,
        version: None,
        changed: Vec::new(),
        at: broker.now(),
        request: Some(RequestId::new(broker.now(), spread(number))),
        client: None,
        seen: None,
    };
    let ledger = format!("{}#{}", namespace.tenant, namespace.mode.as_str());
    let body = serde_json::to_vec(&event).unwrap();
    let body = broker.keyring.authenticate(&format!("outbox#{ledger}"), &event_sort(attempt, 0), &body);
    Transaction::recording(attempt, OutboxEvent { ledger, body })
}

fn share(number: usize) -> ShareId {
    ShareId::new(Point::from_unix_seconds(1_790_000_000), spread(number))
}

/// Something that looks random, and is the same each time.
fn spread(number: usize) -> [u8; 10] {
    let high = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&high.to_be_bytes());
    bytes[8..].copy_from_slice(&(number as u16).to_be_bytes());
    bytes
}

async fn search(broker: &Broker, admin: &Caller, records: usize) {
    let none = AuditFilter::default;
    let shares = records / 10;
    println!("\n{:<44} {:>9} {:>9}", "a page of the audit trail", "median", "p99");
    let newest = timed(100, async |_| page(broker, admin, &none(), None).await.0).await;
    print("the newest 50", &newest);
    let refused = AuditFilter { kind: Some(EventType::ShareRefused), ..none() };
    print(
        "50 of a type that one in a thousand has",
        &timed(20, async |_| page(broker, admin, &refused, None).await.0).await,
    );
    let at = timed(20, async |number| {
        let filter = AuditFilter { resource: Some(share(shares * (number + 1) / 21).to_string()), ..none() };
        let (mut found, mut cursor) = (0, None);
        loop {
            let (count, next) = page(broker, admin, &filter, cursor).await;
            found += count;
            match next {
                Some(next) => cursor = Some(next),
                None => return found,
            }
        }
    })
    .await;
    print("all of one share, page by page to the end", &at);
}

async fn page(
    broker: &Broker,
    admin: &Caller,
    filter: &AuditFilter,
    cursor: Option<String>,
) -> (usize, Option<String>) {
    let page = broker.audit(admin, filter, &PageRequest { limit: Some(50), cursor }).await.unwrap();
    (page.items.len(), page.next_cursor)
}

/// Milliseconds, in order.
async fn timed(times: usize, mut operation: impl AsyncFnMut(usize) -> usize) -> Vec<f64> {
    let mut spans = Vec::new();
    for number in 0..times {
        let started = Instant::now();
        assert!(operation(number).await > 0);
        spans.push(started.elapsed().as_secs_f64() * 1e3);
    }
    spans.sort_by(f64::total_cmp);
    spans
}

fn print(what: &str, spans: &[f64]) {
    let p99 = spans[(spans.len() * 99).div_ceil(100) - 1];
    println!("{what:<44} {:>6.1} ms {p99:>6.1} ms", spans[spans.len() / 2]);
}

/// The most that this process has had in memory, in MB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).unwrap_or_default() / 1_000
}
