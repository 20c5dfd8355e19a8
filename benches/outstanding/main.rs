//! What a request's authentication, authorisation and limits cost, and minting and redeeming a share, and whether that stays so
//! with a million API keys and ten million tokens that nobody has redeemed: in this process, on the embedded store, without HTTP.
//!
//! `cargo bench --bench outstanding -- --help` tells the options, and `docs/performance.md` what the figures mean.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for measuring: it reads the clock, prints, and ends where something is wrong"
)]

mod shares;
#[path = "../shared/spread.rs"]
mod spread;
#[path = "../shared/yardstick.rs"]
mod yardstick;

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
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
use serde_json::{Value, json};

use shares::Shares;
use spread::Spread;

const HELP: &str = "\
cargo bench --bench outstanding -- [OPTION...]

  --keys N      live API keys at the end [1000000]
  --tokens N    tokens outstanding at the end [10000000]; some 900 bytes of disk each, twice that while tables are merged
  --quick       a thousandth of both
  --json FILE   write the figures there too";

/// How many of the keys ask, one after another.
const ASKING: usize = 10_000;

/// Or so few that all that is read for them stays in memory.
const FEW: usize = 1_000;

/// With how many tokens it begins; then with ten times as many, and so on.
const FIRST: usize = 1_000;

/// How many create at once.
const CREATING: usize = 512;

/// Shares that are written in one transaction: 96 rows.
const TOGETHER: usize = 32;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (mut keys, mut tokens, mut file) = (1_000_000, 10_000_000, None::<PathBuf>);
    let mut given = arguments.iter();
    while let Some(option) = given.next() {
        match (option.as_str(), given.clone().next()) {
            ("--quick", _) => (keys, tokens) = (keys / 1_000, tokens / 1_000),
            ("--keys", Some(number)) => keys = number.parse().unwrap(),
            ("--tokens", Some(number)) => tokens = number.parse().unwrap(),
            ("--json", Some(name)) => file = Some(name.into()),
            ("--help", _) => return println!("{HELP}"),
            _ => {
                println!("{option} is no option\n\n{HELP}");
                std::process::exit(2);
            }
        }
        if matches!(option.as_str(), "--keys" | "--tokens" | "--json") {
            given.next();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let figures = runtime.block_on(measure(folder.path(), keys, tokens));
    if let Some(file) = file {
        fs::write(file, serde_json::to_string_pretty(&figures).unwrap()).unwrap();
    }
}

async fn measure(folder: &Path, keys: usize, tokens: usize) -> Value {
    let limits = "principal=1000000/1s,tenant=1000000/1s";
    let given = Given { data_dir: Some(folder.to_owned()), limits: Some(limits.into()), ..Given::default() };
    let config = given.complete().unwrap();
    let parts = app::open(&config, "http://127.0.0.1:1".into(), "http://localhost:2", MissingKeys::Make).await.unwrap();
    let broker = parts.broker.clone();
    let tenant = broker.create_first_tenant("First".into()).await.unwrap();
    let secret = SecretText::new(tenant.admin_key.secret.expose());
    let admin = broker.authenticate(&secret, somebody()).await.unwrap();

    println!(
        "{:>10} {:>10} {:>14} {:>14} {:>14} {:>10} {:>12} {:>12} {:>9}",
        "keys", "tokens", "1,000 in turn", "10,000", "authorisation", "limits", "mint", "redeem", "memory"
    );
    let asking: Arc<Mutex<Vec<SecretText>>> = Arc::default();
    let few = ASKING.min(keys / 100).max(10);
    create_keys(&broker, &admin, few, few, &asking).await;
    // As many as are redeemed until the end, before all others: their rows lie beneath those.
    let decades: Vec<usize> = std::iter::successors(Some(FIRST), |count| count.checked_mul(10))
        .take_while(|count| *count < tokens)
        .chain([tokens])
        .collect();
    let mut shares = Shares::mint(&broker, &admin, decades.len() + 2).await;
    let mut steps = vec![tell(&broker, [few, 0], &asking, &mut shares).await];
    create_keys(&broker, &admin, keys.saturating_sub(few), keys / ASKING.min(keys), &asking).await;
    steps.push(tell(&broker, [keys, 0], &asking, &mut shares).await);
    let mut before = 0;
    for until in decades {
        mint(&broker, before, until).await;
        steps.push(tell(&broker, [keys, until], &asking, &mut shares).await);
        before = until;
    }
    let disk = sizes(folder) as f64 / 1e9;
    println!("\n{disk:.1} GB on disk");
    json!({ "steps": steps, "disk_gb": Spread::of(&[disk]).median })
}

fn sizes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
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
                for number in first..(first + TOGETHER).min(until) {
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

async fn tell(
    broker: &Broker,
    [keys, tokens]: [usize; 2],
    asking: &Mutex<Vec<SecretText>>,
    shares: &mut Shares,
) -> Value {
    let yardstick = yardstick::microseconds(Duration::from_millis(200));
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
    let [minting, redeeming] = shares.mint_and_redeem(broker).await;
    let resident = resident();
    println!(
        "{keys:>10} {tokens:>10} {:>11.2} µs {:>11.2} µs {:>11.2} µs {:>7.2} µs {:>9.1} µs {:>9.1} µs {resident:>6.0} MB",
        warm.median, authentication.median, authorisation.median, limits.median, minting.median, redeeming.median
    );
    json!({
        "keys": keys, "tokens": tokens, "yardstick_us": yardstick.json(), "resident_mb": resident.round(),
        "us": {
            "authenticate, 1,000 keys in turn": warm.json(), "authenticate, 10,000 keys in turn": authentication.json(),
            "authorise": authorisation.json(), "ask the limits": limits.json(),
            "mint a share": minting.json(), "redeem a share": redeeming.json(),
        },
    })
}

/// Memory of this process, in MB.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
}

/// Microseconds a call, one caller after another, of nine rounds.
async fn micros(callers: usize, mut operation: impl AsyncFnMut(usize)) -> Spread {
    let mut rounds = Vec::new();
    for _ in 0..9 {
        let (started, mut done) = (Instant::now(), 0_u32);
        while started.elapsed() < Duration::from_millis(100) {
            for at in 0..callers.min(1_000) {
                operation((at * 7 + done as usize) % callers).await;
            }
            done += callers.min(1_000) as u32;
        }
        rounds.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(done));
    }
    Spread::of(&rounds)
}
