//! What is measured in this process, through the library: single operations,
//! and the store without HTTP.

use std::{
    hint::black_box,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use cloakroom::{
    app::{self, MissingKeys},
    clock::{Clock, SystemClock},
    config::Given,
    crypto::{
        field::Place,
        keyring::{DeploymentId, KeyState, Keyring, RootKey},
        opaque::LinkToken,
        sealed::Purpose,
        secret::SecretText,
    },
    domain::{
        ids::{AttemptId, RequestId, TenantId},
        instant::Instant as Point,
        limits::LimitTable,
        network::ClientAddress,
        rate::Rate,
        tenant::{Mode, Namespace},
    },
    entropy::{Entropy, SystemEntropy},
    objects::{
        ContentType, InboxSecret, ObjectKey, ObjectStorage, UploadContract,
        embedded::EmbeddedStorage,
        s3::{S3Settings, S3Storage},
    },
    service::{AddressClass, Asking, Broker, Caller, Limits, RouteTaken, TenantKeys},
    store::{
        Expected, OutboxEvent, RowKey, Store, Transaction, Version, Write, embedded::EmbeddedStore, memory::MemoryStore,
    },
};
use tokio::runtime;

use crate::spread::Spread;

/// Microseconds a call, of several runs each.
pub(crate) fn operations(span: Duration) -> Vec<(&'static str, Spread)> {
    let entropy = SystemEntropy;
    let keyring = Keyring::new(DeploymentId([1; 16]), vec![RootKey::generate(KeyState::Primary, &entropy)]);
    let keyring = Arc::new(keyring.unwrap());
    let plaintext = [7; 88];
    let sealed = keyring.seal(Purpose::Share, &plaintext, &entropy).unwrap();
    let token = LinkToken::generate(&entropy);
    let body = [b'x'; 400];
    let row = keyring.authenticate("share#x", "grant", &body);
    let data_key = keyring.new_data_key(TenantId::from_bytes([4; 16]), &entropy);
    let place = Place { partition: "share#x", sort: "grant", field: "/label" };
    let label = b"\"for the auditors, second draft\"";
    let sealed_label = data_key.seal(place, label, &entropy).unwrap();

    let contract = UploadContract {
        key: ObjectKey::inbox(namespace(), InboxSecret([2; 32])),
        size: 100_000,
        content_type: ContentType::parse("application/pdf").unwrap(),
        sha256: Some([3; 32]),
        expires_at: now().plus(Duration::from_secs(600)),
    };
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    // To sign, no tenant's key is asked for.
    let (store, kept) = (Store::new(Arc::new(MemoryStore::new())), Arc::default());
    let keys = TenantKeys { store, keyring: keyring.clone(), kms: None, kept, clock: clock.clone() };
    let (sealing, keys) = (keyring.clone(), Arc::new(keys));
    let embedded = EmbeddedStorage::open(folder.path(), sealing, keys, clock, Arc::new(entropy), "http://localhost");
    let embedded = embedded.unwrap();
    let s3 = s3();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sign = |storage: &dyn ObjectStorage| {
        runtime.block_on(micros_async(span, async || {
            black_box(storage.sign_put(&contract, now()).await.unwrap());
        }))
    };
    let limits = Limits::new(&LimitTable { redeem: Rate::new(1_000_000, 1), ..LimitTable::default() });
    let route = RouteTaken { method: "POST", pattern: "/v1/shares/redeem" };
    let mut address = 0_u32;
    let mut ask = || {
        address = address.wrapping_add(1);
        let client = ClientAddress::new(std::net::Ipv4Addr::from(address % 10_000).into());
        limits.of_address(AddressClass::Redeem, client, route, now()).is_ok()
    };
    let limited = micros(span, &mut ask);
    let (caller, broker) = runtime.block_on(limited_caller(&folder.path().join("limited")));
    let limited_caller = runtime.block_on(micros_async(span, async || {
        black_box(broker.limit_caller(&caller, route).await.is_ok());
    }));
    vec![
        ("ask the limit of one of 10,000 addresses", limited),
        ("ask the limits of a key and its tenant", limited_caller),
        ("draw 32 random bytes", micros(span, || entropy_bytes(&entropy))),
        ("seal a share token", micros(span, || keyring.seal(Purpose::Share, &plaintext, &entropy).unwrap())),
        ("open a share token", micros(span, || keyring.open(Purpose::Share, &sealed).unwrap())),
        ("seal a label", micros(span, || data_key.seal(place, label, &entropy).unwrap())),
        ("open a label", micros(span, || data_key.open(place, &sealed_label).unwrap())),
        ("hash a link token", micros(span, || token.hash())),
        ("authenticate a row of 400 bytes", micros(span, || keyring.authenticate("share#x", "grant", &body))),
        ("verify a row of 400 bytes", micros(span, || keyring.authentic("share#x", "grant", &row).is_ok())),
        ("sign a PUT, embedded", sign(&embedded)),
        ("sign a PUT, S3", sign(&s3)),
    ]
}

/// A caller and a broker whose limits it does not meet.
async fn limited_caller(folder: &Path) -> (Caller, Broker) {
    let limits = "principal=1000000/1s,tenant=1000000/1s";
    let given = Given { data_dir: Some(folder.to_owned()), limits: Some(limits.into()), ..Given::default() };
    let config = given.complete().unwrap();
    let parts = app::open(&config, "http://127.0.0.1:1".into(), "http://localhost:2", MissingKeys::Make).await.unwrap();
    let tenant = parts.broker.create_first_tenant("First".into()).await.unwrap();
    let secret = SecretText::new(tenant.admin_key.secret.expose());
    let caller = parts.broker.authenticate(&secret, Asking::here(RequestId::from_bytes([1; 16]))).await.unwrap();
    (caller, parts.broker.clone())
}

fn entropy_bytes(entropy: &dyn Entropy) -> [u8; 32] {
    entropy.bytes()
}

fn now() -> Point {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Point::from_unix_seconds(since_epoch.as_secs())
}

fn namespace() -> Namespace {
    Namespace { tenant: TenantId::from_bytes([4; 16]), mode: Mode::Live }
}

/// S3 with credentials that are made up: signing needs no network.
fn s3() -> S3Storage {
    let credentials = Credentials::new("AKIDEXAMPLE", "an example and no secret", None, None, "bench");
    let settings = S3Settings {
        bucket: "example-bucket".into(),
        region: "eu-central-1".into(),
        endpoint: None,
        public_endpoint: None,
        path_style: false,
    };
    let sdk = aws_config::SdkConfig::builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .behavior_version(aws_config::BehaviorVersion::latest())
        .build();
    S3Storage::new(settings, &sdk, Arc::new(SystemClock::default())).unwrap()
}

const RUNS: u32 = 9;
const PORTION: u32 = 200;

fn micros<T>(span: Duration, mut operation: impl FnMut() -> T) -> Spread {
    let runs = (0..RUNS).map(|_| {
        let (started, mut done) = (Instant::now(), 0);
        while started.elapsed() < span / RUNS {
            (0..PORTION).for_each(|_| drop(black_box(operation())));
            done += PORTION;
        }
        started.elapsed().as_secs_f64() * 1e6 / f64::from(done)
    });
    Spread::of(&runs.collect::<Vec<_>>())
}

async fn micros_async(span: Duration, mut operation: impl AsyncFnMut()) -> Spread {
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let (started, mut done) = (Instant::now(), 0);
        while started.elapsed() < span / RUNS {
            for _ in 0..PORTION {
                operation().await;
            }
            done += PORTION;
        }
        runs.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(done));
    }
    Spread::of(&runs)
}

/// What the store can do without HTTP, in durable commits a second.
pub(crate) struct Ceiling {
    /// Transactions like that of minting a share.
    pub(crate) mint: f64,
    /// Transactions like that of redeeming one.
    pub(crate) redeem: f64,
}

/// Commits by this many callers at once, in a store of its own.
pub(crate) fn ceiling(callers: usize, span: Duration) -> Ceiling {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Arc::new(EmbeddedStore::open(folder.path()).unwrap()));
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (minted, mint) = runtime.block_on(commits(&store, callers, span, usize::MAX, minting));
    let (_, redeem) = runtime.block_on(commits(&store, callers, span, minted, redeeming));
    Ceiling { mint, redeem }
}

/// How many transactions were committed, and how many a second.
async fn commits(
    store: &Store,
    callers: usize,
    span: Duration,
    most: usize,
    transaction: fn(usize) -> Transaction,
) -> (usize, f64) {
    let (next, started) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let callers = (0..callers).map(|_| {
        let (store, next) = (store.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            while started.elapsed() < span {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= most {
                    break;
                }
                store.commit(transaction(number)).await.unwrap();
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let done = next.load(Ordering::Relaxed).min(most);
    (done, done as f64 / started.elapsed().as_secs_f64())
}

/// Rows of the number and sizes that minting a share writes.
fn minting(number: usize) -> Transaction {
    recording(number, 1)
        .write(put(&share(number), "grant", Expected::Absent, 560))
        .write(put(&share(number), "state", Expected::Absent, 65))
        .write(put("shares#ten_04040404040404040404040404040404#live", &share(number), Expected::Absent, 38))
}

/// Rows of the number and sizes that redeeming a share writes.
fn redeeming(number: usize) -> Transaction {
    recording(number, 2).write(put(&share(number), "state", Expected::Version(Version::FIRST), 65)).write(put(
        &share(number),
        &format!("claim#{:043}", scattered(number)),
        Expected::Absent,
        150,
    ))
}

fn share(number: usize) -> String {
    format!("share#shr_{:016x}{:016x}", number, scattered(number))
}

/// Something that looks random, and is the same each time.
fn scattered(number: usize) -> u64 {
    (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn recording(number: usize, kind: u8) -> Transaction {
    let mut attempt = [kind; 16];
    attempt[..8].copy_from_slice(&(number as u64).to_be_bytes());
    attempt[8..].copy_from_slice(&(scattered(number) ^ u64::from(kind)).to_be_bytes());
    let event = OutboxEvent { ledger: "ten_04040404040404040404040404040404#live".into(), body: vec![b'e'; 300] };
    Transaction::recording(AttemptId::from_bytes(attempt), event)
}

fn put(partition: &str, sort: &str, expected: Expected, length: usize) -> Write {
    let purge_after = Some(now().plus(Duration::from_secs(30 * 24 * 3600)));
    Write { key: RowKey::new(partition, sort), expected, body: vec![b'b'; length], purge_after }
}

/// Fills a store, which nobody may have open, with this many rows.
pub(crate) fn fill(store: &Path, rows: usize) {
    let store = Store::new(Arc::new(EmbeddedStore::open(store).unwrap()));
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let transactions = rows.div_ceil(4);
    runtime.block_on(commits(&store, 256, Duration::from_secs(3600), transactions, minting));
}
