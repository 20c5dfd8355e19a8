//! A broker whose clock stands still until it is moved, and whose store fails
//! as a test has planned.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use cloakroom::{
    clock::{Clock, ManualClock, SystemClock},
    courier::{Courier, Names},
    crypto::{claim::ClaimKey, secret::SecretText},
    domain::{
        client::ClientRetention,
        event::Event,
        ids::{RequestId, TenantId},
        instant::Instant,
        limits::{LimitTable, StreamLimits},
        metadata::Metadata,
        network::Networks,
        path::PathPin,
        permission::SharePermission,
        recipient::{Address, Recipients},
        restrictions::Restrictions,
        share::Pins,
        webhook::Reachable,
    },
    entropy::{Entropy, SystemEntropy},
    http::{
        server::{Bound, Capacity, Listeners, bind},
        webhooks::telling,
    },
    keys::{Keys, document::KeyDocument},
    mail::{FolderMailer, Post},
    objects::embedded::EmbeddedStorage,
    oidc::{ProviderSettings, Providers},
    service::{
        Asking, Broker, Caller, ContentOrigin, DataKeys, Error, EventStreams, Limits, Live, LiveSettings, Offered,
        PasswordPool, Settings, TenantKeys, UnderWay, Webhooks,
        idempotency::Reply,
        share_redemption::OpenedSession,
        shares::{MintShare, MintedShare},
    },
    store::{Store, faulty::FaultyStore, memory::MemoryStore},
};
use tempfile::TempDir;
use tokio::runtime::{Handle, Runtime};

use super::harness::{Api, Key, Tenant, claim_key, events, runtime};

/// Where its clock stands.
const ONE_TIME: Instant = Instant::from_unix_seconds(1_800_000_000);

/// What an operator of the tests has set.
pub fn usual_settings() -> Live {
    Live::new(LiveSettings {
        largest_upload: 1024 * 1024,
        protect_paths: true,
        trusted_proxies: Networks::default(),
        ops_hosts: Vec::new(),
        security_contact: None,
        client_details: ClientRetention::of_all(Duration::from_secs(90 * 24 * 3600)),
    })
}

/// A broker of parts that obey the test, with a first tenant.
pub struct Laboratory {
    pub broker: Broker,
    pub clock: Arc<ManualClock>,
    pub faults: Arc<FaultyStore<MemoryStore>>,
    pub objects: Arc<EmbeddedStorage>,
    pub tenant: Tenant,
    folder: TempDir,
}

impl Laboratory {
    pub async fn new() -> Self {
        Self::at(ONE_TIME, "http://127.0.0.1:1", "http://localhost:2").await
    }

    async fn at(now: Instant, public_url: &str, content_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(now));
        let faults = Arc::new(FaultyStore::new(MemoryStore::new()));
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let Keys { keyring, edge } = KeyDocument::generate(clock.now(), entropy.as_ref()).unwrap().keys().unwrap();
        let (of_objects, clock_of_objects) = (folder.path().join("objects"), Arc::<ManualClock>::clone(&clock));
        let (store, data_keys) = (Store::new(faults.clone()), Arc::<DataKeys>::default());
        let keys = TenantKeys {
            store: store.clone(),
            keyring: keyring.clone(),
            kms: None,
            kept: data_keys.clone(),
            clock: clock_of_objects.clone(),
        };
        let (sealing, keys) = (keyring.clone(), Arc::new(keys));
        let objects = EmbeddedStorage::open(&of_objects, sealing, keys, clock_of_objects, entropy.clone(), content_url);
        let objects = Arc::new(objects.unwrap());
        let mailer = Arc::new(FolderMailer::new(&folder.path().join("mail")).unwrap());
        let sender = "noreply@share.example".parse().unwrap();
        let post = Post::new(mailer, sender, clock.clone(), entropy.clone(), Handle::current());
        let (scheme, authority) = content_url.split_once("://").unwrap();
        let broker = Broker {
            webhooks: Arc::new(webhooks("")),
            store,
            objects: objects.clone(),
            keyring,
            data_keys,
            kms: None,
            known_principals: Arc::default(),
            edge,
            rotation: Arc::default(),
            clock: clock.clone(),
            entropy,
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
            post: Some(post),
            providers: Arc::default(),
            settings: Settings {
                public_url: public_url.into(),
                content: ContentOrigin { scheme: scheme.into(), authority: authority.into() },
                offered: Offered::default(),
                live: usual_settings(),
            },
        };
        let tenant = Tenant::of(&broker.create_first_tenant("First".into()).await.unwrap());
        Self { broker, clock, faults, objects, tenant, folder }
    }

    /// The same on real sockets, with what moves its clock and plans its faults.
    pub fn served() -> (Api, Arc<ManualClock>, Arc<FaultyStore<MemoryStore>>) {
        Self::served_with(Offered::default(), Capacity::of_workers(2))
    }

    /// The same whose listeners do so much at a time.
    pub fn served_within(capacity: Capacity) -> Api {
        Self::served_with(Offered::default(), capacity).0
    }

    /// The same where only these methods of upload are offered.
    pub fn served_offering(offered: Offered) -> (Api, Arc<ManualClock>, Arc<FaultyStore<MemoryStore>>) {
        Self::served_with(offered, Capacity::of_workers(2))
    }

    /// The same with these limits, behind these proxies.
    pub fn served_limited(limits: &str, proxies: &str) -> (Api, Arc<ManualClock>, Arc<FaultyStore<MemoryStore>>) {
        let runtime = runtime();
        let bound = listeners();
        let [public_url, content_url] = urls(&bound);
        let mut laboratory = runtime.block_on(Self::at(ONE_TIME, &public_url, &content_url));
        let limits: LimitTable = limits.parse().unwrap();
        laboratory.broker.limits = Arc::new(Limits::new(&limits));
        laboratory.broker.event_streams = Arc::new(EventStreams::on(runtime.handle().clone(), &limits.streams));
        laboratory.broker.settings.live.change(|settings| settings.trusted_proxies = proxies.parse().unwrap());
        laboratory.serve(runtime, bound, Capacity::of_workers(2))
    }

    /// The same, which tells for so long who asked.
    pub fn served_keeping_clients_for(retention: ClientRetention) -> Api {
        let runtime = runtime();
        let bound = listeners();
        let [public_url, content_url] = urls(&bound);
        let laboratory = runtime.block_on(Self::at(ONE_TIME, &public_url, &content_url));
        laboratory.broker.settings.live.change(|settings| settings.client_details = retention);
        laboratory.serve(runtime, bound, Capacity::of_workers(2)).0
    }

    /// The same, which has no way to send mail.
    pub fn served_without_mail() -> (Api, Arc<ManualClock>, Arc<FaultyStore<MemoryStore>>) {
        let runtime = runtime();
        let bound = listeners();
        let [public_url, content_url] = urls(&bound);
        let mut laboratory = runtime.block_on(Self::at(ONE_TIME, &public_url, &content_url));
        laboratory.broker.post = None;
        laboratory.serve(runtime, bound, Capacity::of_workers(2))
    }

    /// The same, which takes the word of this provider for the people of the first tenant.
    pub fn served_trusting(provider: impl FnOnce(TenantId) -> ProviderSettings) -> Api {
        let runtime = runtime();
        let bound = listeners();
        let [public_url, content_url] = urls(&bound);
        let mut laboratory = runtime.block_on(Self::at(ONE_TIME, &public_url, &content_url));
        let provider = provider(laboratory.tenant.id.parse().unwrap());
        let providers = Providers::new(vec![provider], &laboratory.broker.clock, runtime.handle());
        laboratory.broker.providers = Arc::new(providers);
        laboratory.serve(runtime, bound, Capacity::of_workers(2)).0
    }

    /// The same as it is behind TLS, under this host name.
    pub fn served_publicly_as(host: &str) -> Api {
        let public = format!("https://{host}");
        Self::served_as(Some(&public), Offered::default(), Capacity::of_workers(2)).0
    }

    fn served_with(offered: Offered, capacity: Capacity) -> (Api, Arc<ManualClock>, Arc<FaultyStore<MemoryStore>>) {
        Self::served_as(None, offered, capacity)
    }

    fn served_as(
        public: Option<&str>,
        offered: Offered,
        capacity: Capacity,
    ) -> (Api, Arc<ManualClock>, Arc<FaultyStore<MemoryStore>>) {
        let runtime = runtime();
        let bound = listeners();
        let [public_url, content_url] = urls(&bound);
        let public_url = public.unwrap_or(&public_url);
        let mut laboratory = runtime.block_on(Self::at(ONE_TIME, public_url, &content_url));
        laboratory.broker.settings.offered = offered;
        laboratory.serve(runtime, bound, capacity)
    }

    /// The same, reached at these addresses, behind which it listens; its clock begins with the time of day.
    #[allow(dead_code, reason = "for the tests in a browser")]
    pub fn served_behind(public_url: &str, content_url: &str) -> (Api, Arc<ManualClock>) {
        let runtime = runtime();
        let laboratory = runtime.block_on(Self::at(SystemClock::default().now(), public_url, content_url));
        let (api, clock, _) = laboratory.serve(runtime, listeners(), Capacity::of_workers(2));
        (api, clock)
    }

    /// The same, whose webhooks may go to this machine.
    pub fn served_delivering() -> (Api, Arc<ManualClock>, Arc<FaultyStore<MemoryStore>>) {
        let runtime = runtime();
        let bound = listeners();
        let [public_url, content_url] = urls(&bound);
        let mut laboratory = runtime.block_on(Self::at(ONE_TIME, &public_url, &content_url));
        laboratory.broker.webhooks = Arc::new(webhooks("127.0.0.1"));
        laboratory.serve(runtime, bound, Capacity::of_workers(2))
    }

    /// The same with its storage beside it; whatever it would send reaches nobody.
    #[allow(dead_code, reason = "for requests that are drawn, which may name anybody")]
    pub fn served_alone() -> (Api, Arc<EmbeddedStorage>) {
        let runtime = runtime();
        let bound = listeners();
        let [public_url, content_url] = urls(&bound);
        let mut laboratory = runtime.block_on(Self::at(ONE_TIME, &public_url, &content_url));
        let courier = Courier::new(Reachable::default(), Arc::new(Nobody), Duration::from_secs(8));
        laboratory.broker.webhooks = Arc::new(Webhooks::new(courier, telling, &SystemEntropy));
        let objects = laboratory.objects.clone();
        (laboratory.serve(runtime, bound, Capacity::of_workers(2)).0, objects)
    }

    fn serve(
        self,
        runtime: Runtime,
        bound: [Bound; 3],
        capacity: Capacity,
    ) -> (Api, Arc<ManualClock>, Arc<FaultyStore<MemoryStore>>) {
        let Self { broker, clock, faults, objects, tenant, folder } = self;
        let ports = [&bound[0], &bound[1], &bound[2]].map(|bound| bound.address.port());
        let serving = async { Listeners::serve(broker.clone(), Some(objects), bound, capacity).unwrap() };
        let listeners = runtime.block_on(serving);
        (Api::of(runtime, listeners, broker, folder, tenant, ports), clock, faults)
    }

    /// The caller with this key.
    pub async fn caller(&self, key: &Key) -> Result<Caller, Error> {
        self.broker.authenticate(&SecretText::new(key.secret.as_str()), asking()).await
    }

    /// A share of these paths, minted by the administrator, with the usual lifetimes.
    pub async fn mint(&self, permission: SharePermission, paths: &[&str]) -> MintedShare {
        self.mint_to(permission, paths, &[]).await
    }

    /// The same, for these recipients alone, if there are any.
    pub async fn mint_to(&self, permission: SharePermission, paths: &[&str], to: &[&Address]) -> MintedShare {
        self.minted_at(&self.broker, permission, paths, to).await
    }

    /// The same, at another replica.
    pub async fn mint_at(&self, replica: &Broker, permission: SharePermission, paths: &[&str]) -> MintedShare {
        self.minted_at(replica, permission, paths, &[]).await
    }

    async fn minted_at(
        &self,
        replica: &Broker,
        permission: SharePermission,
        paths: &[&str],
        to: &[&Address],
    ) -> MintedShare {
        let to: Vec<_> = to.iter().map(|address| (*address).clone()).collect();
        let now = self.clock.now();
        let wanted = MintShare {
            pins: Pins::new(paths.iter().map(|path| PathPin::parse(path).unwrap()).collect()).unwrap(),
            permission,
            expires_at: now.plus(Duration::from_secs(900)),
            access_seconds: 3_600,
            label: None,
            metadata: Metadata::default(),
            message: None,
            not_before: None,
            redemptions: 1,
            restrictions: Restrictions::default(),
            recipients: (!to.is_empty()).then(|| Recipients::try_from(to).unwrap()),
            allow_missing: true,
        };
        let caller = self.caller(&self.tenant.admin).await.unwrap();
        replica.mint_share(&caller, wanted, &Reply::unkept()).await.unwrap()
    }

    pub async fn redeem(&self, minted: &MintedShare, claimant: &Claimant) -> Result<OpenedSession, Error> {
        self.redeem_at(&self.broker, minted, claimant).await
    }

    /// The same, at another replica.
    pub async fn redeem_at(
        &self,
        replica: &Broker,
        minted: &MintedShare,
        claimant: &Claimant,
    ) -> Result<OpenedSession, Error> {
        replica.redeem_share(&SecretText::new(minted.token.expose()), &claimant.key(), None, asking()).await
    }

    /// The events of the first tenant.
    pub async fn events(&self) -> Vec<Event> {
        events(&self.broker, &format!("{}#live", self.tenant.id)).await
    }
}

/// What another replica knows of webhooks, which may go to these networks. Receivers have three seconds.
pub fn webhooks(networks: &str) -> Webhooks {
    let reachable = Reachable { networks: networks.parse().unwrap(), own: Vec::new() };
    let courier = Courier::new(reachable, Arc::new(Named), Duration::from_secs(8));
    Webhooks::new(courier, telling, &SystemEntropy)
}

/// Names that lead nowhere.
struct Nobody;

impl Names for Nobody {
    fn lookup(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::other("nobody"))
    }
}

/// Names that lead where an attacker wants them to lead.
struct Named;

impl Names for Named {
    fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let addresses: &[&str] = match host {
            "receiver.example" => &["127.0.0.1"],
            "inside.example" => &["10.0.0.1"],
            "loopback.example" => &["127.0.0.2"],
            "mapped.example" => &["::ffff:127.0.0.2"],
            "translated.example" => &["64:ff9b::7f00:2"],
            "metadata.example" => &["169.254.169.254"],
            // One that may be gone to does not make the others so.
            "both.example" => &["127.0.0.1", "127.0.0.2"],
            "nobody.example" => return Err(io::Error::other("nobody")),
            address => &[address][..],
        };
        Ok(addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), port)).collect())
    }
}

/// How the API and the content are reached on this machine.
fn urls(bound: &[Bound; 3]) -> [String; 2] {
    let port = |listener: usize| bound[listener].address.port();
    [format!("http://127.0.0.1:{}", port(0)), format!("http://localhost:{}", port(1))]
}

fn listeners() -> [Bound; 3] {
    [(); 3].map(|()| bind("127.0.0.1:0".parse().unwrap()).unwrap())
}

/// From this machine.
pub fn asking() -> Asking {
    Asking::here(RequestId::from_bytes([7; 16]))
}

/// Somebody with a claim key of their own.
pub struct Claimant(String);

impl Claimant {
    pub fn new() -> Self {
        Self(claim_key())
    }

    pub fn key(&self) -> ClaimKey {
        ClaimKey::parse(&SecretText::new(self.0.as_str())).unwrap()
    }
}
