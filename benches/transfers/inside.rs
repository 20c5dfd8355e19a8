//! A broker in this process, for what is asked of the service itself, or of an
//! object storage that needs no network to sign.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use cloakroom::{
    app::{self, MissingKeys, Parts},
    clock::SystemClock,
    config::Given,
    crypto::secret::SecretText,
    domain::ids::RequestId,
    objects::{
        embedded::EmbeddedStorage,
        s3::{S3Settings, S3Storage},
    },
    service::{Asking, Broker, Caller, TenantKeys, tenants::CreatedTenant},
    store::{Backend, Failure, Query, Row, RowKey, Store, Transaction, Unavailable, embedded::EmbeddedStore},
};

/// A broker on a folder, and what it was opened with.
pub(crate) struct Inside {
    pub(crate) broker: Broker,
    pub(crate) operator: CreatedTenant,
    pub(crate) commits: Arc<Commits>,
    /// Holds what the broker needs.
    _parts: Parts,
}

impl Inside {
    /// Its store is the embedded one, and counts; its API would be at this address.
    pub(crate) async fn open(folder: &Path, api: SocketAddr) -> Self {
        let config = Given { data_dir: Some(folder.to_owned()), ..Given::default() }.complete().unwrap();
        let parts = app::open(&config, format!("http://{api}"), "http://localhost:1", MissingKeys::Make);
        let parts = parts.await.unwrap();
        let commits = Arc::new(Commits {
            store: EmbeddedStore::open(&folder.join("counted")).unwrap(),
            applied: AtomicUsize::new(0),
            stale: AtomicUsize::new(0),
        });
        let store = Store::new(commits.clone());
        let Broker { keyring, data_keys, clock, entropy, .. } = parts.broker.clone();
        let keys = TenantKeys {
            store: store.clone(),
            keyring: keyring.clone(),
            kms: None,
            kept: data_keys,
            clock: clock.clone(),
        };
        let objects = folder.join("counted-objects");
        let objects = EmbeddedStorage::open(&objects, keyring, Arc::new(keys), clock, entropy, "http://localhost:1");
        let broker = Broker { store, objects: Arc::new(objects.unwrap()), ..parts.broker.clone() };
        let operator = broker.create_first_tenant("First".into()).await.unwrap();
        Self { broker, operator, commits, _parts: parts }
    }

    pub(crate) async fn caller(&self, tenant: &CreatedTenant) -> Caller {
        let secret = SecretText::new(tenant.admin_key.secret.expose());
        self.broker.authenticate(&secret, Asking::here(RequestId::from_bytes([1; 16]))).await.unwrap()
    }
}

/// The embedded store, and how its commits went.
pub(crate) struct Commits {
    store: EmbeddedStore,
    pub(crate) applied: AtomicUsize,
    /// Somebody else was faster.
    pub(crate) stale: AtomicUsize,
}

#[async_trait]
impl Backend for Commits {
    async fn get(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable> {
        self.store.get(keys).await
    }

    async fn query(&self, query: &Query) -> Result<Vec<Row>, Unavailable> {
        self.store.query(query).await
    }

    async fn try_commit(&self, transaction: &Transaction) -> Result<(), Failure> {
        let outcome = self.store.try_commit(transaction).await;
        match &outcome {
            Ok(()) => self.applied.fetch_add(1, Relaxed),
            Err(_) => self.stale.fetch_add(1, Relaxed),
        };
        outcome
    }

    async fn scan(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<Row>, Unavailable> {
        self.store.scan(after, limit).await
    }

    async fn replace_body(&self, row: &Row, body: &[u8]) -> Result<bool, Unavailable> {
        self.store.replace_body(row, body).await
    }

    async fn count(
        &self,
        counter: &RowKey,
        amount: u64,
        purge_after: cloakroom::domain::instant::Instant,
    ) -> Result<u64, Unavailable> {
        self.store.count(counter, amount, purge_after).await
    }

    async fn remove_counters(&self, partition: &str) -> Result<(), Unavailable> {
        self.store.remove_counters(partition).await
    }

    async fn identity(&self) -> Result<cloakroom::domain::standing::StoreIdentity, Unavailable> {
        self.store.identity().await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.store.ping().await
    }
}

/// S3 with credentials that are made up: it signs, and knows how to begin an
/// upload in parts with whoever answers at this address.
pub(crate) fn s3(endpoint: SocketAddr) -> S3Storage {
    let credentials = Credentials::new("AKIDEXAMPLE", "an example and no secret", None, None, "bench");
    let settings = S3Settings {
        bucket: "example-bucket".into(),
        region: "eu-central-1".into(),
        endpoint: Some(format!("http://{endpoint}")),
        public_endpoint: None,
        path_style: true,
    };
    let sdk = aws_config::SdkConfig::builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .behavior_version(aws_config::BehaviorVersion::latest())
        .build();
    S3Storage::new(settings, &sdk, Arc::new(SystemClock::default())).unwrap()
}

/// Answers everybody that an upload in parts has begun, until this program ends.
pub(crate) fn begins_uploads() -> SocketAddr {
    use std::io::{Read, Write};
    const BODY: &str = "<?xml version=\"1.0\"?><InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>\
                        <UploadId>an-example-of-an-id-that-is-as-long-as-those-of-s3-are-which-is-about-128-characters\
                        -and-so-this-one-goes-on-for-a-while</UploadId></InitiateMultipartUploadResult>";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let _head = stream.read(&mut [0; 16 * 1024]).unwrap();
            let length = BODY.len();
            write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{BODY}").unwrap();
        }
    });
    address
}
