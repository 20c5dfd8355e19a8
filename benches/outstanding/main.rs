//! What a request's authentication, authorisation and limits cost, and whether that stays so with a million API keys
//! and ten million tokens that nobody has redeemed: in this process, on the embedded store, without HTTP.
//!
//! `cargo bench --bench outstanding -- --help` tells the options, and `docs/performance.md` what the figures mean.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for measuring: it reads the clock, prints, and ends where something is wrong"
)]

use std::{
    hint::black_box,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cloakroom::{
    app::{self, MissingKeys},
    config::Given,
    crypto::secret::SecretText,
    domain::{
        ids::{AttemptId, RequestId},
        instant::Instant as Point,
        metadata::Metadata,
        path::{PathPin, VaultPath},
        permission::{Grants, PathGrant, Permission, Role},
        quota::Limits,
        tenant::Mode,
    },
    service::{Asking, Broker, Caller, RouteTaken, idempotency::Reply, principals::NewPrincipal},
    store::{Expected, OutboxEvent, RowKey, Transaction, Write},
};

const HELP: &str = "\
cargo bench --bench outstanding -- [OPTION...]

  --keys N      live API keys at the end [1000000]
  --tokens N    tokens outstanding at the end [10000000]; some 900 bytes of disk each, twice that while tables are merged
  --quick       a thousandth of both";

/// How many of the keys ask, one after another.
const ASKING: usize = 10_000;

/// Or so few that all that is read for them stays in memory.
const FEW: usize = 1_000;

/// How many create at once.
const CREATING: usize = 512;

/// Shares that are written in one transaction: 96 rows.
const TOGETHER: usize = 32;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (mut keys, mut tokens) = (1_000_000, 10_000_000);
    let mut given = arguments.iter();
    while let Some(option) = given.next() {
        match (option.as_str(), given.clone().next()) {
            ("--quick", _) => (keys, tokens) = (keys / 1_000, tokens / 1_000),
            ("--keys", Some(number)) => keys = number.parse().unwrap(),
            ("--tokens", Some(number)) => tokens = number.parse().unwrap(),
            ("--help", _) => return println!("{HELP}"),
            _ if option.parse::<usize>().is_ok() => {}
            _ => return println!("{option} is no option\n\n{HELP}"),
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(folder.path(), keys, tokens));
}

async fn measure(folder: &Path, keys: usize, tokens: usize) {
    let limits = "principal=1000000/1s,tenant=1000000/1s";
    let given = Given { data_dir: Some(folder.to_owned()), limits: Some(limits.into()), ..Given::default() };
    let config = given.complete().unwrap();
    let parts = app::open(&config, "http://127.0.0.1:1".into(), "http://localhost:2", MissingKeys::Make).await.unwrap();
    let broker = parts.broker.clone();
    let tenant = broker.create_first_tenant("First".into()).await.unwrap();
    let secret = SecretText::new(tenant.admin_key.secret.expose());
    let admin = broker.authenticate(&secret, somebody()).await.unwrap();

    println!(
        "{:>10} {:>10} {:>16} {:>16} {:>16} {:>10}",
        "keys", "tokens", "of 1,000 in turn", "of 10,000", "authorisation", "limits"
    );
    let asking: Arc<Mutex<Vec<SecretText>>> = Arc::default();
    let few = ASKING.min(keys / 100).max(10);
    create_keys(&broker, &admin, few, few, &asking).await;
    tell(&broker, few, 0, &asking).await;
    create_keys(&broker, &admin, keys - few, keys / ASKING.min(keys), &asking).await;
    tell(&broker, keys, 0, &asking).await;
    for part in [10, 1] {
        let (before, until) = (if part == 1 { tokens / 10 } else { 0 }, tokens / part);
        mint(&broker, before, until).await;
        tell(&broker, keys, until, &asking).await;
    }
    let size: u64 = sizes(folder);
    println!("\n{:.1} GB on disk", size as f64 / 1e9);
}

fn sizes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => sizes(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}

fn somebody() -> Asking {
    Asking::here(RequestId::from_bytes([1; 16]))
}

/// A key as an application would have it; one of `each` of them will ask.
async fn create_keys(broker: &Broker, admin: &Caller, count: usize, each: usize, asking: &Arc<Mutex<Vec<SecretText>>>) {
    let next = Arc::new(AtomicUsize::new(0));
    let creating = (0..CREATING).map(|_| {
        let (broker, admin, next, asking) = (broker.clone(), admin.clone(), Arc::clone(&next), Arc::clone(asking));
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                let path = PathPin::parse(&format!("customers/{number}/")).unwrap();
                let wanted = NewPrincipal {
                    label: Some(format!("customer {number}")),
                    metadata: Metadata::default(),
                    mode: Mode::Live,
                    role: Some(Role::Member),
                    grants: Grants(vec![PathGrant { path, permission: Permission::Write }]),
                    largest_upload: None,
                    quota: Limits::default(),
                    expires_at: None,
                };
                let created = broker.create_api_key(&admin, wanted, &Reply::unkept()).await.unwrap();
                if number % each.max(1) == 0 || count <= ASKING {
                    asking.lock().unwrap().push(SecretText::new(created.secret.expose()));
                }
            }
        })
    });
    for creating in creating.collect::<Vec<_>>() {
        creating.await.unwrap();
    }
}

/// Rows of the number and sizes that minting shares writes.
async fn mint(broker: &Broker, from: usize, until: usize) {
    let next = Arc::new(AtomicUsize::new(from));
    let minting = (0..64).map(|_| {
        let (store, next) = (broker.store.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let first = next.fetch_add(TOGETHER, Ordering::Relaxed);
                if first >= until {
                    return;
                }
                let event = OutboxEvent { ledger: "bench#live".into(), body: vec![b'e'; 300] };
                let mut transaction = Transaction::recording(AttemptId::from_bytes(spread(first)), event);
                for number in first..first + TOGETHER {
                    let share = format!("share#shr_{}", base16ct::lower::encode_string(&spread(number)));
                    transaction = transaction
                        .write(put(&share, "grant", 560))
                        .write(put(&share, "state", 65))
                        .write(put("shares#bench#live", &share, 38));
                }
                store.commit(transaction).await.unwrap();
            }
        })
    });
    for minting in minting.collect::<Vec<_>>() {
        minting.await.unwrap();
    }
}

/// Something that looks random, and is the same each time.
fn spread(number: usize) -> [u8; 16] {
    let high = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high.to_be_bytes());
    bytes[8..].copy_from_slice(&(number as u64).to_be_bytes());
    bytes
}

fn put(partition: &str, sort: &str, length: usize) -> Write {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let purge_after = Some(Point::from_unix_seconds(since_epoch.as_secs() + 30 * 24 * 3600));
    // As little of it alike as of what is sealed and signed.
    let body = (0..length).map(|at| (at * 31) as u8 ^ partition.as_bytes()[at % partition.len()]).collect();
    Write { key: RowKey::new(partition, sort), expected: Expected::Absent, body, purge_after }
}

async fn tell(broker: &Broker, keys: usize, tokens: usize, asking: &Mutex<Vec<SecretText>>) {
    let asking = asking.lock().unwrap().clone();
    let path = VaultPath::parse("customers/1/file.pdf").unwrap();
    let route = RouteTaken { method: "POST", pattern: "/v1/shares" };
    let mut callers = Vec::new();
    for secret in &asking {
        callers.push(broker.authenticate(secret, somebody()).await.unwrap());
    }
    let authenticating = async |count: usize| {
        micros(asking.len().min(count), async |at| {
            black_box(broker.authenticate(&asking[at], somebody()).await.unwrap());
        })
        .await
    };
    let (warm, authentication) = (authenticating(FEW).await, authenticating(ASKING).await);
    let authorisation = micros(callers.len(), async |at| {
        let principal = &black_box(&callers[at]).principal;
        black_box(principal.role.mints() && principal.grants.allow(&path, Permission::Write));
    })
    .await;
    let limits = micros(callers.len(), async |at| {
        black_box(broker.limit_caller(&callers[at], route).await.is_ok());
    })
    .await;
    println!(
        "{keys:>10} {tokens:>10} {warm:>13.2} µs {authentication:>13.2} µs {authorisation:>13.2} µs {limits:>7.2} µs"
    );
}

/// Microseconds a call, one caller after another: the median of nine rounds.
async fn micros(callers: usize, mut operation: impl AsyncFnMut(usize)) -> f64 {
    let mut rounds = Vec::new();
    for _ in 0..9 {
        let (started, mut done) = (Instant::now(), 0_u32);
        while started.elapsed() < Duration::from_millis(200) {
            for at in 0..callers.min(1_000) {
                operation((at * 7 + done as usize) % callers).await;
            }
            done += callers.min(1_000) as u32;
        }
        rounds.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(done));
    }
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
