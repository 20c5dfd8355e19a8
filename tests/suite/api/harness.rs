//! A whole broker in this process, on ports of its own, and short words for
//! what its callers do.

use std::{
    env,
    fs::{self, File},
    path::Path,
    thread,
    time::Duration,
};

use cloakroom::{
    app::{self, Running},
    aws::Aws,
    clock::{Clock, SystemClock},
    config::{Config, Given, ObjectsKind, StoreKind, Unenforced},
    entropy::SystemEntropy,
    http::server::Listeners,
    keys::place::KeyPlace,
    service::{Broker, tenants::CreatedTenant},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub use super::{
    calls::{Answer, Call, insisting, text},
    deeds::{Console, claim_key, events, kind, random},
};

/// Where state and bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// In a directory of the test's own.
    Embedded,
    /// In DynamoDB and S3, as the emulators play them.
    Aws,
}

/// An API key with its secret.
#[derive(Clone)]
pub struct Key {
    pub id: String,
    pub secret: String,
}

/// A tenant with the key that administers it.
#[derive(Clone)]
pub struct Tenant {
    pub id: String,
    pub admin: Key,
}

/// A minted share or link.
pub struct Minted {
    pub id: String,
    pub token: String,
    pub url: String,
}

/// A claimed share.
pub struct Session {
    pub id: String,
    pub token: String,
}

pub enum Served {
    /// As `cloakroom serve` would.
    Whole(Box<Running>),
    /// Parts that a test has put together.
    Parts(Listeners),
}

/// A broker that answers. It is stopped when this is dropped.
pub struct Api {
    served: Option<Served>,
    runtime: Runtime,
    /// None while it is stopped.
    broker: Option<Broker>,
    config: Option<Config>,
    folder: TempDir,
    pub(super) agent: ureq::Agent,
    rounds: usize,
    /// The first tenant; its key is also the operator's.
    pub tenant: Tenant,
    /// Ports of the API, of user content and of the operator's listener.
    pub ports: [u16; 3],
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Api {
    /// A broker with a first tenant and nothing else.
    pub fn start(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        match backend {
            Backend::Embedded => Self::with(given(backend, folder.path()).complete().unwrap(), folder, 8),
            Backend::Aws => Self::with_keys(given(backend, folder.path()), folder),
        }
    }

    /// A broker that reaches the emulators there; its clients reach the storage itself.
    pub fn start_behind_relays(dynamodb: &str, s3: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let given = Given {
            dynamodb_endpoint: Some(dynamodb.into()),
            s3_endpoint: Some(s3.into()),
            s3_public_endpoint: Some(setting("CLOAKROOM_TEST_S3_ENDPOINT")),
            ..given(Backend::Aws, folder.path())
        };
        Self::with_keys(given, folder)
    }

    /// Keys are made only where nothing can have been sealed under others, and no table shows that.
    fn with_keys(given: Given, folder: TempDir) -> Self {
        let config = given.complete().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let made = async {
            let place = KeyPlace::of(&config.root_keys, &Aws::default()).await;
            place.load(true, SystemClock::default().now(), &SystemEntropy).await
        };
        runtime.block_on(made).unwrap();
        Self::with(config, folder, 2)
    }

    /// A broker on this machine that is reached at these addresses, behind which it listens.
    #[allow(dead_code, reason = "for the tests in a browser")]
    pub fn start_behind(public_url: &str, content_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let given = given(Backend::Embedded, folder.path());
        let (public_url, content_url) = (Some(public_url.to_owned()), Some(content_url.to_owned()));
        Self::with(Given { public_url, content_url, ..given }.complete().unwrap(), folder, 8)
    }

    /// A broker of the same deployment that has lost its data, and begins anew.
    pub fn start_with_the_keys_of(other: &Self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = given(Backend::Embedded, folder.path()).complete().unwrap();
        fs::copy(other.data_dir().join("root-keys.json"), config.data_dir.join("root-keys.json")).unwrap();
        Self::with(config, folder, 8)
    }

    fn with(config: Config, folder: TempDir, rounds: usize) -> Self {
        let runtime = runtime();
        let running = runtime.block_on(app::start(&config)).unwrap();
        let first = runtime.block_on(running.broker().create_first_tenant("First".into())).unwrap();
        let (broker, ports) = (Some(running.broker().clone()), ports(&running));
        let tenant = Tenant::of(&first);
        let served = Some(Served::Whole(Box::new(running)));
        Self { served, runtime, broker, config: Some(config), folder, agent: agent(), rounds, tenant, ports }
    }

    /// A broker of parts that a test has put together.
    pub fn of(
        runtime: Runtime,
        listeners: Listeners,
        broker: Broker,
        folder: TempDir,
        tenant: Tenant,
        ports: [u16; 3],
    ) -> Self {
        let (served, broker) = (Some(Served::Parts(listeners)), Some(broker));
        Self { served, runtime, broker, config: None, folder, agent: agent(), rounds: 8, tenant, ports }
    }

    /// Words for a program that runs by itself; nothing is known of its inside.
    pub fn of_process(ports: [u16; 3], admin: String) -> Self {
        let tenant = Tenant { id: String::new(), admin: Key { id: String::new(), secret: admin } };
        let folder = tempfile::tempdir().unwrap();
        Self {
            served: None,
            runtime: runtime(),
            broker: None,
            config: None,
            folder,
            agent: agent(),
            rounds: 1,
            tenant,
            ports,
        }
    }

    /// Stops the broker, and starts it again on the same data.
    pub fn restart(&mut self) {
        self.stop();
        let config = self.config.clone().expect("parts that a test has put together are not restarted");
        // Threads that end let go of the directories a little later.
        for lock in ["store/lock", "objects"] {
            File::open(config.data_dir.join(lock)).unwrap().lock().unwrap();
        }
        let running = self.runtime.block_on(app::start(&config)).unwrap();
        (self.broker, self.ports) = (Some(running.broker().clone()), ports(&running));
        self.served = Some(Served::Whole(Box::new(running)));
    }

    fn stop(&mut self) {
        self.broker = None;
        match self.served.take() {
            Some(Served::Whole(running)) => self.runtime.block_on(running.stop()),
            Some(Served::Parts(listeners)) => self.runtime.block_on(listeners.stop()),
            None => {}
        }
    }

    /// Stops the broker, so that others may look at its data.
    pub fn halt(&mut self) {
        self.stop();
        for lock in ["store/lock", "objects"] {
            File::open(self.data_dir().join(lock)).unwrap().lock().unwrap();
        }
    }

    pub fn broker(&self) -> &Broker {
        self.broker.as_ref().unwrap()
    }

    /// How many rounds a race has: fewer where the backend is an emulator.
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// Where data and keys are kept.
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Waits until the clock of the broker, which has to run, shows another millisecond: things and events are named by
    /// the time of their making, and have no order within one.
    pub fn a_moment_passes(&self) {
        let before = self.broker().now();
        let passes = (0..10_000).any(|_| {
            thread::sleep(Duration::from_micros(200));
            self.broker().now() > before
        });
        assert!(passes, "its clock stands still");
    }

    /// Gives all that has happened to the first tenant its place in the ledger: what happens next comes after it. Of
    /// what waits, what was first is not always found first.
    #[track_caller]
    pub fn all_is_chained(&self) {
        self.get(self.admin(), "/v1/audit?limit=1").expect(200);
    }

    /// The secret of the first tenant's admin key.
    pub fn admin(&self) -> &str {
        &self.tenant.admin.secret
    }

    /// The first tenant's live namespace, as rows spell it.
    pub fn ledger(&self) -> String {
        format!("{}#live", self.tenant.id)
    }
}

fn given(backend: Backend, folder: &Path) -> Given {
    let anywhere = "127.0.0.1:0".parse().ok();
    let embedded = Given {
        data_dir: Some(folder.to_owned()),
        listen: anywhere,
        content_listen: anywhere,
        ops_listen: anywhere,
        workers: Some(2),
        // The tests come from one address and in a crowd; those of limits set some.
        limits: Some("off".into()),
        // Receivers of the tests are on this machine.
        webhook_allow_private: Some("127.0.0.1".into()),
        mail: Some(format!("folder:{}", folder.join("mail").display()).into()),
        ..Given::default()
    };
    match backend {
        Backend::Embedded => embedded,
        Backend::Aws => {
            // The AWS SDK takes these by itself.
            for credential in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
                setting(credential);
            }
            Given {
                store: Some(StoreKind::Dynamodb),
                dynamodb_table: Some(setting("CLOAKROOM_TEST_TABLE")),
                dynamodb_endpoint: Some(setting("CLOAKROOM_TEST_DYNAMODB_ENDPOINT")),
                objects: Some(ObjectsKind::S3),
                s3_bucket: Some(setting("CLOAKROOM_TEST_BUCKET")),
                s3_endpoint: Some(setting("CLOAKROOM_TEST_S3_ENDPOINT")),
                s3_path_style: Some(true),
                // Emulators check less than S3: docs/storage.md says what.
                unenforced: Some(Unenforced::Accept),
                ..embedded
            }
        }
    }
}

fn setting(name: &str) -> String {
    match env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!(
            "{name} is not set: run ./test, or start the emulators with localstack/emulators start and source \
             localstack/.run/environment"
        ),
    }
}

fn ports(running: &Running) -> [u16; 3] {
    [running.api.port(), running.content.port(), running.ops.port()]
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// No idle connections: a broker that stops waits for those that are open.
fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_idle_connections(0)
        .allow_non_standard_methods(true)
        .proxy(None);
    config.build().into()
}

impl Tenant {
    pub fn of(created: &CreatedTenant) -> Self {
        let key = &created.admin_key;
        let admin = Key { id: key.key.id.to_string(), secret: key.secret.expose().to_owned() };
        Self { id: created.tenant.id.to_string(), admin }
    }
}
