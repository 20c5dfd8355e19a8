//! Object storage that is away: how it fails, step by step, is planned by a test.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom::{
    clock::{Clock, SystemClock},
    domain::{instant::Instant, limits::StreamLimits},
    entropy::{Entropy, SystemEntropy},
    http::server::{Capacity, Listeners, bind},
    keys::{Keys, document::KeyDocument},
    objects::{
        ByteRange, ByteStream, CompleteError, ContentType, CopyError, Doomed, DownloadContract, ETag, ListedObject,
        MultipartId, ObjectFacts, ObjectFolder, ObjectKey, ObjectStorage, PartContract, SignedRequest, StoredPart,
        Unavailable, UploadContract, embedded::EmbeddedStorage,
    },
    service::{
        Broker, ContentOrigin, DataKeys, EventStreams, Limits, Offered, PasswordPool, Settings, TenantKeys, UnderWay,
    },
    store::{Store, memory::MemoryStore},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Notify;

use crate::api::{
    harness::{Api, Tenant, runtime},
    laboratory::{usual_settings, webhooks},
};

/// What is asked of the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Sign,
    Begin,
    Parts,
    Assemble,
    Abort,
    Head,
    Copy,
    Read,
    /// The bytes that are read, of which half come.
    ReadOn,
    Delete,
}

/// How it fails: without having done anything, or having done all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    Undone,
    Done,
}

/// A storage that is away, as a test has planned, for the next so many of each step.
pub struct AwayStorage {
    pub storage: Arc<EmbeddedStorage>,
    plan: Mutex<HashMap<Step, (Fails, usize)>>,
    gates: Mutex<HashMap<Step, Gate>>,
}

/// Where one request waits: it says that it has come, and goes on when it may.
#[derive(Clone, Default)]
pub struct Gate {
    pub come: Arc<Notify>,
    pub go_on: Arc<Notify>,
}

impl AwayStorage {
    pub fn plan(&self, step: Step, fails: Fails, times: usize) {
        self.plan.lock().unwrap().insert(step, (fails, times));
    }

    /// The next request for this step waits before it.
    pub fn gate(&self, step: Step) -> Gate {
        let gate = Gate::default();
        self.gates.lock().unwrap().insert(step, gate.clone());
        gate
    }

    fn next(&self, step: Step) -> Option<Fails> {
        let mut plan = self.plan.lock().unwrap();
        let (fails, times) = plan.get_mut(&step).filter(|(_, times)| *times > 0)?;
        *times -= 1;
        Some(*fails)
    }

    pub fn is_planned(&self) -> bool {
        self.plan.lock().unwrap().values().any(|(_, times)| *times > 0)
    }

    async fn run<T, E: From<Unavailable>>(
        &self,
        step: Step,
        work: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let away = || E::from(Unavailable("planned by a test".into()));
        let gate = self.gates.lock().unwrap().remove(&step);
        if let Some(gate) = gate {
            gate.come.notify_one();
            gate.go_on.notified().await;
        }
        match self.next(step) {
            None => work.await,
            Some(Fails::Undone) => Err(away()),
            Some(Fails::Done) => work.await.and_then(|_| Err(away())),
        }
    }
}

#[async_trait]
impl ObjectStorage for AwayStorage {
    async fn sign_put(&self, contract: &UploadContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        self.run(Step::Sign, self.storage.sign_put(contract, now)).await
    }

    async fn sign_post(&self, contract: &UploadContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        self.run(Step::Sign, self.storage.sign_post(contract, now)).await
    }

    async fn sign_get(&self, contract: &DownloadContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        self.run(Step::Sign, self.storage.sign_get(contract, now)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectFacts>, Unavailable> {
        self.run(Step::Head, self.storage.head(key)).await
    }

    async fn copy(
        &self,
        from: &ObjectKey,
        pinned: &ETag,
        to: &ObjectKey,
        content_type: &ContentType,
        part_size: u64,
    ) -> Result<ObjectFacts, CopyError> {
        self.run(Step::Copy, self.storage.copy(from, pinned, to, content_type, part_size)).await
    }

    async fn begin_multipart(
        &self,
        key: &ObjectKey,
        content_type: &ContentType,
        part_checksums: bool,
    ) -> Result<MultipartId, Unavailable> {
        self.run(Step::Begin, self.storage.begin_multipart(key, content_type, part_checksums)).await
    }

    async fn sign_part(&self, contract: &PartContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        self.run(Step::Sign, self.storage.sign_part(contract, now)).await
    }

    async fn parts(&self, key: &ObjectKey, upload: &MultipartId) -> Result<Option<Vec<StoredPart>>, Unavailable> {
        self.run(Step::Parts, self.storage.parts(key, upload)).await
    }

    async fn complete_multipart(
        &self,
        key: &ObjectKey,
        upload: &MultipartId,
        parts: &[StoredPart],
    ) -> Result<(), CompleteError> {
        self.run(Step::Assemble, self.storage.complete_multipart(key, upload, parts)).await
    }

    async fn abort_multipart(&self, key: &ObjectKey, upload: &MultipartId) -> Result<(), Unavailable> {
        self.run(Step::Abort, self.storage.abort_multipart(key, upload)).await
    }

    async fn list(&self, folder: &ObjectFolder, after: Option<&ObjectKey>) -> Result<Vec<ListedObject>, Unavailable> {
        self.storage.list(folder, after).await
    }

    async fn put(&self, key: &ObjectKey, content_type: &ContentType, bytes: Bytes) -> Result<ObjectFacts, Unavailable> {
        self.storage.put(key, content_type, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Option<ByteStream>, Unavailable> {
        let bytes = self.run(Step::Read, self.storage.read(key, range)).await?;
        Ok(match (bytes, self.next(Step::ReadOn)) {
            (Some(bytes), Some(_)) => {
                let broken = stream::once(async { Err(Unavailable("planned by a test".into())) });
                Some(bytes.take(1).map_ok(|piece| piece.slice(..piece.len() / 2)).chain(broken).boxed())
            }
            (bytes, _) => bytes,
        })
    }

    async fn close(&self, key: &ObjectKey) -> Result<(), Unavailable> {
        self.run(Step::Delete, self.storage.close(key)).await
    }

    async fn erase(&self, doomed: &Doomed) -> Result<u64, Unavailable> {
        self.run(Step::Delete, self.storage.erase(doomed)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), Unavailable> {
        self.run(Step::Delete, self.storage.delete(key)).await
    }

    fn knows_full_checksum(&self, size: u64) -> bool {
        self.storage.knows_full_checksum(size)
    }

    fn browser_origin(&self) -> String {
        self.storage.browser_origin()
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.storage.ping().await
    }
}

/// A broker on such a storage, on real sockets.
pub fn served() -> (Api, Arc<AwayStorage>) {
    served_at(Arc::new(SystemClock::default()))
}

/// The same with a clock of the test's own.
pub fn served_at(clock: Arc<dyn Clock>) -> (Api, Arc<AwayStorage>) {
    let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
    let bound = [(); 3].map(|()| bind("127.0.0.1:0".parse().unwrap()).unwrap());
    let ports = [&bound[0], &bound[1], &bound[2]].map(|bound| bound.address.port());
    let authority = format!("localhost:{}", ports[1]);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let Keys { keyring, edge } = KeyDocument::generate(clock.now(), entropy.as_ref()).unwrap().keys().unwrap();
    let (kept, url) = (folder.path().join("objects"), format!("http://{authority}"));
    let store = Store::new(Arc::new(MemoryStore::new()));
    let data_keys = Arc::<DataKeys>::default();
    let keys = TenantKeys {
        store: store.clone(),
        keyring: keyring.clone(),
        kms: None,
        kept: data_keys.clone(),
        clock: clock.clone(),
    };
    let (kept_by, keys) = (keyring.clone(), Arc::new(keys));
    let storage = EmbeddedStorage::open(&kept, kept_by, keys, clock.clone(), entropy.clone(), &url).unwrap();
    let storage = Arc::new(storage);
    let away = Arc::new(AwayStorage { storage: storage.clone(), plan: Mutex::default(), gates: Mutex::default() });
    let broker = Broker {
        store,
        objects: away.clone(),
        keyring,
        data_keys,
        kms: None,
        known_principals: Arc::default(),
        edge,
        rotation: Arc::default(),
        clock,
        entropy,
        passwords: PasswordPool::new(1),
        limits: Arc::new(Limits::off()),
        security: Arc::default(),
        tallies: Arc::default(),
        ledgers: Arc::default(),
        progress: Arc::default(),
        last_used: Arc::default(),
        turns: Arc::default(),
        scanner: None,
        post: None,
        providers: Arc::default(),
        under_way: UnderWay::on(runtime.handle().clone()),
        archives: Arc::default(),
        event_streams: Arc::new(EventStreams::on(runtime.handle().clone(), &StreamLimits::off())),
        webhooks: Arc::new(webhooks("")),
        settings: Settings {
            public_url: format!("http://127.0.0.1:{}", ports[0]),
            content: ContentOrigin { scheme: "http".into(), authority },
            offered: Offered::default(),
            live: usual_settings(),
        },
    };
    let (listeners, tenant) = runtime.block_on(async {
        let tenant = Tenant::of(&broker.create_first_tenant("First".into()).await.unwrap());
        (Listeners::serve(broker.clone(), Some(storage), bound, Capacity::of_workers(2)).unwrap(), tenant)
    });
    (Api::of(runtime, listeners, broker, folder, tenant, ports), away)
}
