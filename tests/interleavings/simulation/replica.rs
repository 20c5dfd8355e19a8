//! One replica: what it keeps in memory, and its own idea of the time.
//!
//! Never here: anything that two replicas share, but for the wire and the keys.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cloakroom::{
    clock::Clock,
    courier::{Courier, Names},
    domain::{client::ClientRetention, instant::Instant, limits::StreamLimits, network::Networks, webhook::Reachable},
    entropy::Entropy,
    http::webhooks::telling,
    keys::{Keys, document::KeyDocument},
    objects::{ObjectStorage, embedded::EmbeddedStorage},
    service::{
        Broker, ContentOrigin, EventStreams, Limits, Live, LiveSettings, Offered, PasswordPool, Settings, TenantKeys,
        UnderWay, Webhooks,
    },
    store::Store,
};
use tokio::runtime::Handle;

use super::wire::Wire;

/// The time of day, which nobody knows exactly.
pub type TrueTime = Arc<AtomicU64>;

/// A clock that is off.
pub struct SkewedClock {
    pub time: TrueTime,
    /// By how many milliseconds it is ahead.
    pub ahead: u64,
}

impl Clock for SkewedClock {
    fn now(&self) -> Instant {
        Instant::from_unix_millis(self.time.load(Ordering::SeqCst) + self.ahead)
    }
}

/// No webhook goes anywhere.
struct Nowhere;

impl Names for Nowhere {
    fn lookup(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::other("there is no network"))
    }
}

/// What replicas share.
pub struct Shared {
    pub wire: Arc<Wire>,
    pub keys: Keys,
    pub entropy: Arc<dyn Entropy>,
    /// No file is in it: shares are of folders that are empty.
    pub objects: Arc<dyn ObjectStorage>,
}

impl Shared {
    pub fn new(entropy: Arc<dyn Entropy>, clock: Arc<dyn Clock>, folder: &Path) -> Self {
        let wire = Wire::new();
        let keys = KeyDocument::generate(clock.now(), entropy.as_ref()).unwrap().keys().unwrap();
        let tenant_keys = Arc::new(TenantKeys {
            store: Store::new(wire.clone()),
            keyring: keys.keyring.clone(),
            kms: None,
            kept: Arc::default(),
            clock: clock.clone(),
        });
        let (ring, url) = (keys.keyring.clone(), "http://c.test");
        let objects = EmbeddedStorage::open(folder, ring, tenant_keys, clock, entropy.clone(), url).unwrap();
        Self { wire, keys, entropy, objects: Arc::new(objects) }
    }
}

/// A replica that has just started.
pub fn started(shared: &Shared, clock: Arc<dyn Clock>) -> Broker {
    let Shared { wire, keys, entropy, objects } = shared;
    let reachable = Reachable { networks: Networks::default(), own: Vec::new() };
    let courier = Courier::new(reachable, Arc::new(Nowhere), Duration::from_secs(1));
    Broker {
        store: Store::new(wire.clone()),
        objects: objects.clone(),
        keyring: keys.keyring.clone(),
        data_keys: Arc::default(),
        kms: None,
        known_principals: Arc::default(),
        edge: keys.edge.clone(),
        rotation: Arc::default(),
        clock,
        entropy: entropy.clone(),
        passwords: PasswordPool::new(1),
        limits: Arc::new(Limits::off()),
        security: Arc::default(),
        tallies: Arc::default(),
        ledgers: Arc::default(),
        progress: Arc::default(),
        last_used: Arc::default(),
        turns: Arc::default(),
        under_way: UnderWay::on(Handle::current()),
        archives: Arc::default(),
        event_streams: Arc::new(EventStreams::on(Handle::current(), &StreamLimits::off())),
        scanner: None,
        post: None,
        providers: Arc::default(),
        webhooks: Arc::new(Webhooks::new(courier, telling, entropy.as_ref())),
        settings: Settings {
            public_url: "http://a.test".into(),
            content: ContentOrigin { scheme: "http".into(), authority: "c.test".into() },
            offered: Offered::default(),
            live: Live::new(LiveSettings {
                largest_upload: 1024,
                protect_paths: true,
                trusted_proxies: Networks::default(),
                ops_hosts: Vec::new(),
                security_contact: None,
                client_details: ClientRetention::of_all(Duration::from_secs(24 * 3600)),
            }),
        },
    }
}
