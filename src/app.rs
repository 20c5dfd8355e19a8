//! The composition root: the only place that names a backend.

mod certificates;
pub mod control;
mod enforcement;
mod identity_providers;
mod key_rounds;
mod reloading;
mod rounds;
mod start_error;

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    aws::Aws,
    clock::{Clock, SystemClock},
    config::{
        Config, ConfigError, MailConfig, MailKind, ObjectsConfig, ScannerConfig, ScannerKind, StoreConfig, own_places,
    },
    courier::{Courier, PATIENCE, SystemNames},
    domain::webhook::Reachable,
    entropy::{Entropy, SystemEntropy},
    high_water::HighWaterMark,
    http::{
        guards,
        server::{self, Bound, Capacity, DRAIN, Listeners},
        webhooks::telling,
    },
    keys::{
        Keys,
        place::{KeyPlace, KeysError},
    },
    kms::Kms,
    mail::{self, FolderMailer, Mailer, Post, SmtpMailer},
    objects::{
        ObjectStorage,
        embedded::EmbeddedStorage,
        s3::{S3Settings, S3Storage},
    },
    scanner::{self, Scanner},
    service::{
        Broker, ContentOrigin, DataKeys, EventStreams, Limits, Live, Offered, PasswordPool, Settings, TenantKeys,
        UnderWay, Webhooks, tenants,
    },
    store::{
        Backend, Store,
        dynamodb::{self, DynamoStore},
        embedded::EmbeddedStore,
    },
};

use certificates::Certificates;
use control::Controlled;
use tokio::sync::Notify;

pub use enforcement::diagnose;
pub use identity_providers::ClientSecretError;
pub use reloading::Reloaded;
pub use start_error::StartError;

/// The broker and the parts that only this process has.
pub struct Parts {
    /// What use cases work with.
    pub broker: Broker,
    embedded_store: Option<Arc<EmbeddedStore>>,
    embedded_objects: Option<Arc<EmbeddedStorage>>,
    mark: HighWaterMark,
    keys: Arc<KeyPlace>,
}

/// What to do where there are no root keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingKeys {
    /// Make them, if there is no tenant either.
    Make,
    /// Fail: on AWS every replica has to be given the same ones.
    Refuse,
}

/// Opens the backends, without listening: what commands on the data directory need.
///
/// # Errors
/// When keys or a backend cannot be used.
pub async fn open(
    config: &Config,
    public_url: String,
    content_url: &str,
    missing_keys: MissingKeys,
) -> Result<Parts, StartError> {
    create_private(&config.data_dir)
        .map_err(|source| StartError::DataDirectory { folder: config.data_dir.clone(), source })?;
    let mark = HighWaterMark::new(config.data_dir.join("clock"));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_at(mark.floor(SystemClock::default().now())?));
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);

    let on_aws = config.store != StoreConfig::Embedded || config.objects != ObjectsConfig::Embedded;
    let aws = Aws::default();
    let sdk_config = if on_aws { Some(aws.config().await) } else { None };

    let mut embedded_store = None;
    let backend: Arc<dyn Backend> = match (&config.store, &sdk_config) {
        (StoreConfig::Dynamodb { table, endpoint }, Some(sdk)) => {
            Arc::new(DynamoStore::new(dynamodb::client(sdk, endpoint.clone()), table.clone()))
        }
        _ => {
            let store = Arc::new(EmbeddedStore::open(&config.data_dir.join("store"))?);
            embedded_store = Some(Arc::clone(&store));
            store
        }
    };
    let store = Store::new(backend);

    let place = KeyPlace::of(&config.root_keys, &aws).await;
    // Keys are made only where nothing can have been sealed under others.
    let make_keys = match missing_keys {
        MissingKeys::Make if place.read().await?.is_none() => !tenants::is_any(&store).await?,
        _ => false,
    };
    let document = place.load(make_keys, clock.now(), entropy.as_ref()).await?;
    let Keys { keyring, edge } =
        document.keys().map_err(|fault| KeysError::Malformed(config.root_keys.clone(), fault))?;
    let kms = match &config.kms_key {
        Some(key) => Some(Arc::new(Kms::new(key, keyring.deployment(), aws.config().await))),
        None => None,
    };

    let data_keys = Arc::<DataKeys>::default();
    let mut embedded_objects = None;
    let objects: Arc<dyn ObjectStorage> = match (s3_settings(config), &sdk_config) {
        (Some(settings), Some(sdk)) => {
            let region = sdk.region().map(ToString::to_string).unwrap_or_default();
            Arc::new(S3Storage::new(S3Settings { region, ..settings }, sdk, Arc::clone(&clock))?)
        }
        _ => {
            let folder = config.data_dir.join("objects");
            let opened = EmbeddedStorage::open(
                &folder,
                Arc::clone(&keyring),
                Arc::new(TenantKeys {
                    store: store.clone(),
                    keyring: Arc::clone(&keyring),
                    kms: kms.clone(),
                    kept: Arc::clone(&data_keys),
                    clock: Arc::clone(&clock),
                }),
                Arc::clone(&clock),
                Arc::clone(&entropy),
                content_url,
            );
            let storage = Arc::new(opened.map_err(|source| StartError::DataDirectory { folder, source })?);
            embedded_objects = Some(Arc::clone(&storage));
            storage
        }
    };

    let (scheme, _) = content_url.split_once("://").unwrap_or(("http", content_url));
    let providers = identity_providers::of(&config.oidc, &clock)?;
    let post = config.mail.as_ref().map(|mail| post_of(mail, &clock, &entropy)).transpose()?;
    let own = own_places([&public_url, content_url]);
    let reachable = Reachable { networks: config.webhook_allow_private.clone(), own };
    let courier = Courier::new(reachable, Arc::new(SystemNames), PATIENCE);
    let broker = Broker {
        webhooks: Arc::new(Webhooks::new(courier, telling, entropy.as_ref())),
        store,
        objects,
        keyring,
        data_keys,
        kms,
        known_principals: Arc::default(),
        edge,
        rotation: Arc::default(),
        clock,
        entropy,
        passwords: PasswordPool::new(hashing_at_once()),
        limits: Arc::new(Limits::new(&config.limits)),
        security: Arc::default(),
        tallies: Arc::default(),
        ledgers: Arc::default(),
        progress: Arc::default(),
        last_used: Arc::default(),
        turns: Arc::default(),
        under_way: UnderWay::on(tokio::runtime::Handle::current()),
        archives: Arc::default(),
        event_streams: Arc::new(EventStreams::on(tokio::runtime::Handle::current(), &config.limits.streams)),
        scanner: config.scanner.as_ref().map(scanner_of).transpose()?,
        post,
        providers: Arc::new(providers),
        settings: Settings {
            public_url,
            content: ContentOrigin { scheme: scheme.to_owned(), authority: guards::authority(content_url).to_owned() },
            offered: Offered::default(),
            live: Live::new(reloading::live(config)),
        },
    };
    Ok(Parts { broker, embedded_store, embedded_objects, mark, keys: Arc::new(place) })
}

/// Where the bucket is; nothing when the objects are not in one.
fn s3_settings(config: &Config) -> Option<S3Settings> {
    let ObjectsConfig::S3 { bucket, endpoint, public_endpoint, path_style } = &config.objects else { return None };
    Some(S3Settings {
        bucket: bucket.clone(),
        region: String::new(),
        endpoint: endpoint.clone(),
        public_endpoint: public_endpoint.clone(),
        path_style: *path_style,
    })
}

fn scanner_of(config: &ScannerConfig) -> Result<Arc<dyn Scanner>, scanner::NotUsable> {
    Ok(match &config.kind {
        ScannerKind::Command(words) => Arc::new(scanner::CommandScanner::new(words, config.timeout, scans_at_once())?),
        ScannerKind::Url(url) => Arc::new(scanner::HttpScanner::new(url, config.timeout, scans_at_once())?),
    })
}

fn post_of(config: &MailConfig, clock: &Arc<dyn Clock>, entropy: &Arc<dyn Entropy>) -> Result<Post, mail::NotUsable> {
    let mailer: Arc<dyn Mailer> = match &config.kind {
        MailKind::Smtp(server) => Arc::new(SmtpMailer::new(server)?),
        MailKind::Folder(folder) => Arc::new(FolderMailer::new(folder)?),
    };
    let (clock, entropy) = (Arc::clone(clock), Arc::clone(entropy));
    Ok(Post::new(mailer, config.sender.clone(), clock, entropy, tokio::runtime::Handle::current()))
}

/// A scanner is busier than we are: as many scans as there are processors, and no more.
fn scans_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().clamp(1, 16))
}

/// Half the processors, so that a flood of guesses leaves the others to everybody else.
fn hashing_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).clamp(1, 8))
}

fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

impl Parts {
    /// Whether the store is the one that was served last. Says in it that this program serves it, where it was an older one.
    ///
    /// # Errors
    /// When it is not, or that cannot be told.
    pub async fn check_standing(&self) -> Result<(), StartError> {
        let standing = self.broker.store_standing().await?;
        if !standing.may_serve() {
            return Err(StartError::NotAdopted(standing));
        }
        // An older program that serves it as well is to stop before anything is written in the form of this one.
        self.broker.note_progress().await?;
        Ok(())
    }

    /// Ends what only this process has open.
    pub async fn close(self) {
        self.broker.record_summaries(true).await;
        self.broker.record_last_used().await;
        if let Err(fault) = self.broker.chain_lately().await {
            tracing::warn!(%fault, "events are left to be chained at the next start");
        }
        rounds::raise(&self.mark, &self.broker);
        if let Err(fault) = self.broker.note_replica_gone().await {
            tracing::warn!(%fault, "the other replicas were not told that this one is gone");
        }
        if let Err(fault) = self.broker.note_progress().await {
            tracing::warn!(%fault, "how far the store has come was not noted");
        }
        if let Some(store) = self.embedded_store {
            store.close().await;
        }
    }
}

/// A broker that answers requests.
pub struct Running {
    parts: Parts,
    listeners: Listeners,
    certificates: Certificates,
    rounds: Vec<tokio::task::JoinHandle<()>>,
    /// Told when keys are to be read at once.
    read_keys: Arc<Notify>,
    /// Told when the store may not be served any longer.
    unfit: Arc<Notify>,
    /// Where the API is.
    pub api: SocketAddr,
    /// Where user content is.
    pub content: SocketAddr,
    /// Where health and readiness are.
    pub ops: SocketAddr,
}

/// A broker that has everything it needs, and answers nobody yet.
pub struct Prepared {
    parts: Parts,
    bound: [Bound; 3],
    certificates: Certificates,
    data_dir: PathBuf,
    root_key_days: Option<u16>,
    capacity: Capacity,
}

/// Starts the broker.
///
/// # Errors
/// When anything that it needs cannot be had.
pub async fn start(config: &Config) -> Result<Running, StartError> {
    prepare(config).await?.serve()
}

/// Binds the addresses and opens the backends.
///
/// # Errors
/// When anything that the broker needs cannot be had.
pub async fn prepare(config: &Config) -> Result<Prepared, StartError> {
    let certificates = Certificates::load(config.tls.as_ref())?;
    let bound = [
        bind("CLOAKROOM_LISTEN", config.listen)?,
        bind("CLOAKROOM_CONTENT_LISTEN", config.content_listen)?,
        bind("CLOAKROOM_OPS_LISTEN", config.ops_listen)?,
    ];
    let [api, content] = [bound[0].address, bound[1].address];
    let bound = certificates.show(bound)?;
    let scheme = config.scheme();
    let public_url = config.public_url.clone().unwrap_or_else(|| format!("{scheme}://{api}"));
    let content_url = config.content_url.clone().unwrap_or_else(|| format!("{scheme}://localhost:{}", content.port()));
    let missing_keys = match config.store {
        StoreConfig::Embedded => MissingKeys::Make,
        StoreConfig::Dynamodb { .. } => MissingKeys::Refuse,
    };
    let mut parts = open(config, public_url, &content_url, missing_keys).await?;
    parts.broker.check_retired_keys().await?;
    parts.broker.settings.offered = enforcement::checked(config, &parts.broker).await?;
    parts.check_standing().await?;
    parts.broker.check_kms().await?;
    let (data_dir, root_key_days) = (config.data_dir.clone(), config.root_key_days);
    let capacity = Capacity::of_workers(config.workers).with_api_connections(config.connections);
    Ok(Prepared { parts, bound, certificates, data_dir, root_key_days, capacity })
}

impl Prepared {
    /// What use cases work with.
    pub fn broker(&self) -> &Broker {
        &self.parts.broker
    }

    /// Whether it speaks TLS by itself.
    pub fn has_certificates(&self) -> bool {
        self.certificates.are_there()
    }

    /// Begins to answer.
    ///
    /// # Errors
    /// When a listener cannot be served.
    pub fn serve(self) -> Result<Running, StartError> {
        let Self { parts, bound, certificates, data_dir, root_key_days, capacity } = self;
        let [api, content, ops] = [bound[0].address, bound[1].address, bound[2].address];
        let embedded = parts.embedded_objects.clone();
        let listeners = Listeners::serve(parts.broker.clone(), embedded, bound, capacity);
        let listeners = listeners.map_err(StartError::Serve)?;
        let of_broker = parts.broker.clone();
        let (store, mark) = (parts.embedded_store.clone(), parts.mark.clone());
        let [unfit, read_keys, keys_changed] = [(); 3].map(|()| Arc::new(Notify::new()));
        let inaccessible = |source| StartError::DataDirectory { folder: data_dir.clone(), source };
        let control = store.is_some().then(|| control::listen(&data_dir)).transpose().map_err(inaccessible)?;
        let mut rounds = vec![
            tokio::spawn(rounds::noting(of_broker.clone(), Arc::clone(&unfit))),
            tokio::spawn(rounds::rounds(of_broker.clone(), store.clone(), mark, certificates.clone())),
            tokio::spawn(rounds::chaining(of_broker.clone(), parts.embedded_store.is_some())),
            tokio::spawn(rounds::verifying(of_broker.clone())),
            tokio::spawn(rounds::delivering(of_broker.clone())),
            tokio::spawn(rounds::removing(of_broker.clone())),
            tokio::spawn(key_rounds::reading(
                of_broker.clone(),
                Arc::clone(&parts.keys),
                Arc::clone(&read_keys),
                Arc::clone(&keys_changed),
            )),
            tokio::spawn(key_rounds::rewriting(of_broker.clone(), keys_changed)),
        ];
        if let Some(days) = root_key_days {
            let (broker, keys, wanted) = (of_broker.clone(), Arc::clone(&parts.keys), Arc::clone(&read_keys));
            rounds.push(tokio::spawn(key_rounds::replacing(broker, keys, days, wanted)));
        }
        if let Some((socket, store)) = control.zip(store) {
            let controlled = Controlled { store, data_dir, broker: of_broker, read_keys: Arc::clone(&read_keys) };
            rounds.push(tokio::spawn(control::answering(socket, controlled)));
        }
        Ok(Running { parts, listeners, certificates, rounds, read_keys, unfit, api, content, ops })
    }
}

fn bind(setting: &'static str, address: SocketAddr) -> Result<Bound, StartError> {
    server::bind(address).map_err(|source| StartError::Listen { setting, address, source })
}

impl Running {
    /// What use cases work with.
    pub fn broker(&self) -> &Broker {
        &self.parts.broker
    }

    /// Shows other certificates from now on, where the files have others that can be used.
    pub fn renew_certificates(&self) {
        self.certificates.renew();
    }

    /// Takes other keys at once, where there are some that can be used.
    pub fn read_keys(&self) {
        self.read_keys.notify_one();
    }

    /// Takes of settings that were read again what can be taken while this runs.
    ///
    /// `start` is what it was started with, `before` what it was given last.
    ///
    /// # Errors
    /// When that does not go with what waits for a restart: then nothing is taken.
    pub fn take_settings(&self, start: &Config, before: &Config, after: &Config) -> Result<Reloaded, ConfigError> {
        reloading::take(self.broker(), start, before, after)
    }

    /// Waits until the store may not be served any longer: another one has taken its place.
    pub async fn unfit(&self) {
        self.unfit.notified().await;
    }

    /// Says for so long that it is about to stop, and goes on answering, so that a load balancer sends nothing here
    /// any more when listeners are closed.
    pub async fn give_notice(&self, notice: Duration) {
        if !notice.is_zero() {
            self.listeners.begin_to_leave();
            tokio::select! {
                () = tokio::time::sleep(notice) => {}
                // Not a moment longer.
                () = self.unfit() => {}
            }
        }
    }

    /// Lets requests under way end, then ends everything.
    pub async fn stop(self) {
        self.listeners.stop().await;
        // What was begun for somebody who hung up ends too, if it can.
        if tokio::time::timeout(DRAIN, self.parts.broker.under_way.settled()).await.is_err() {
            tracing::warn!("uploads that were being verified were left to be completed again");
        }
        if let Some(post) = &self.parts.broker.post
            && tokio::time::timeout(DRAIN, post.settled()).await.is_err()
        {
            tracing::warn!("mails that were on their way were given up");
        }
        for rounds in self.rounds {
            rounds.abort();
            // Ended, it no longer has the store open.
            let _cancelled = rounds.await;
        }
        self.parts.close().await;
    }
}
