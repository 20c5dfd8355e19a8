//! The storages under test, and a plain HTTP client.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::Path,
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle};
use async_trait::async_trait;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use cloakroom::{
    clock::{Clock, SystemClock},
    crypto::{
        data_key::DataKey,
        keyring::{DeploymentId, KeyState, Keyring, RootKey},
    },
    domain::{
        ids::{ObjectId, TenantId},
        instant::Instant,
        path::VaultPath,
        tenant::{Mode, Namespace},
    },
    entropy::{Entropy, SystemEntropy},
    http::content::{AllowedOrigins, configure},
    objects::{
        ArtifactLabel, Checksum, ContentType, InboxSecret, ObjectKey, ObjectStorage, SMALLEST_PART, SignedRequest,
        Unavailable, UploadContract,
        embedded::{DataKeySource, EmbeddedStorage},
        s3::{S3Settings, S3Storage},
    },
};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use ureq::http::{HeaderMap, Request};

use super::refuses::{EMBEDDED, LOCALSTACK, MINISTACK, Refuses};

/// The origin whose pages may use the content listener of the tests.
pub const ALLOWED_ORIGIN: &str = "http://127.0.0.1:8080";

/// A storage under test.
pub struct Bench {
    pub storage: Arc<dyn ObjectStorage>,
    /// The same one, which copies all above 5 MiB in parts, where it knows such a thing.
    pub copies_in_parts: Arc<dyn ObjectStorage>,
    pub refuses: Refuses,
    runtime: tokio::runtime::Runtime,
    embedded: Option<Embedded>,
    /// For what the port does not tell.
    client: Option<aws_sdk_s3::Client>,
}

struct Embedded {
    server: ServerHandle,
    folder: TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(embedded) = &self.embedded {
            drop(embedded.server.stop(false));
        }
    }
}

impl Bench {
    pub fn embedded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let storage = Arc::new(open_embedded(folder.path(), &base_url));
        let (sender, receiver) = std::sync::mpsc::channel();
        let served = storage.clone();
        thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let origins = AllowedOrigins::new([ALLOWED_ORIGIN.to_owned()]);
                let app = move || {
                    let (storage, origins) = (served.clone(), origins.clone());
                    App::new().configure(move |config| configure(config, storage, origins))
                };
                let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let server = receiver.recv().unwrap();
        Self::of(storage, EMBEDDED, Some(Embedded { server, folder }))
    }

    pub fn localstack() -> Self {
        Self::of_s3("CLOAKROOM_TEST_S3_ENDPOINT", LOCALSTACK)
    }

    pub fn ministack() -> Self {
        Self::of_s3("CLOAKROOM_TEST_MINISTACK_ENDPOINT", MINISTACK)
    }

    fn of_s3(endpoint: &str, refuses: Refuses) -> Self {
        let copies_in_parts = Arc::new(s3_at(&setting(endpoint)).with_largest_copy(SMALLEST_PART));
        let mut bench = Self::of(Arc::new(s3_at(&setting(endpoint))), refuses, None);
        bench.copies_in_parts = copies_in_parts;
        bench.client = Some(client(&setting(endpoint)));
        bench
    }

    fn of(storage: Arc<dyn ObjectStorage>, refuses: Refuses, embedded: Option<Embedded>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { copies_in_parts: storage.clone(), storage, refuses, runtime, embedded, client: None }
    }

    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// How many uploads in parts to this key are under way.
    pub fn unfinished(&self, key: &ObjectKey) -> usize {
        self.unfinished_below(key.as_str())
    }

    /// How many uploads in parts to keys that begin so are under way; in the embedded storage, to any.
    pub fn unfinished_below(&self, prefix: &str) -> usize {
        let Some(client) = &self.client else {
            return fs::read_dir(self.folder().join("parts")).unwrap().count();
        };
        let request = client.list_multipart_uploads().bucket(setting("CLOAKROOM_TEST_BUCKET")).prefix(prefix);
        self.wait(request.send()).unwrap().uploads().len()
    }

    /// How many versions and marks of deletion there are of objects whose keys begin so; in the embedded storage, files.
    pub fn versions_below(&self, prefix: &str) -> usize {
        let Some(client) = &self.client else { return files(&self.folder().join("objects").join(prefix)) };
        self.wait(versions(client, prefix))
    }

    /// The folder of the embedded storage.
    pub fn folder(&self) -> &Path {
        self.embedded.as_ref().unwrap().folder.path()
    }

    pub fn sign_put(&self, contract: &UploadContract) -> SignedRequest {
        self.wait(self.storage.sign_put(contract, now())).unwrap()
    }

    pub fn sign_post(&self, contract: &UploadContract) -> SignedRequest {
        self.wait(self.storage.sign_post(contract, now())).unwrap()
    }

    pub fn put(&self, key: &ObjectKey, kind: &str, bytes: &[u8]) -> cloakroom::objects::ObjectFacts {
        let bytes = bytes.to_vec().into();
        self.wait(self.storage.put(key, &content_type(kind), bytes)).unwrap()
    }

    /// All the bytes under the key, if there is something.
    pub fn bytes(&self, key: &ObjectKey) -> Option<Vec<u8>> {
        self.wait(async {
            let stream = self.storage.read(key, None).await.unwrap()?;
            let pieces: Vec<_> = stream.try_collect().await.unwrap();
            Some(pieces.concat())
        })
    }

    /// Whether the answer says that the request was at fault.
    pub fn is_refusal(&self, answer: &Answer) -> bool {
        (400..if self.refuses.politely { 500 } else { 501 }).contains(&answer.status)
    }

    /// The request was refused, and nothing was stored.
    #[track_caller]
    pub fn assert_refused(&self, answer: &Answer, key: &ObjectKey) {
        assert!(self.is_refusal(answer), "{answer:?}");
        assert_eq!(self.bytes(key), None, "{answer:?}");
    }

    /// Refused where the table says so; else answered as if nothing were wrong. A
    /// storage that has learnt to refuse fails here too: its line is to be corrected.
    #[track_caller]
    pub fn assert_refused_if(&self, refused: bool, answer: &Answer, key: &ObjectKey) {
        if refused {
            self.assert_refused(answer, key);
        } else {
            assert!((200..300).contains(&answer.status), "{answer:?}");
        }
    }

    /// Exactly the object of the contract is stored.
    #[track_caller]
    pub fn assert_stored(&self, contract: &UploadContract, bytes: &[u8]) {
        let facts = self.wait(self.storage.head(&contract.key)).unwrap().unwrap();
        assert_eq!((facts.size, &facts.content_type), (contract.size, &contract.content_type));
        // Where it is not computed it must be absent: a copy has to make up for it.
        if contract.sha256.is_some() && facts.checksum.is_some() {
            assert_eq!(facts.checksum, contract.sha256.map(Checksum::Full));
        }
        assert!(self.bytes(&contract.key).unwrap() == bytes);
    }
}

pub fn open_embedded(folder: &Path, base_url: &str) -> EmbeddedStorage {
    open_embedded_with(folder, base_url, Arc::new(SystemClock::default()))
}

pub fn open_embedded_with(folder: &Path, base_url: &str, clock: Arc<dyn Clock>) -> EmbeddedStorage {
    let keyring = keyring();
    let keys = Arc::new(KnownKeys(Arc::clone(&keyring)));
    EmbeddedStorage::open(folder, keyring, keys, clock, Arc::new(SystemEntropy), base_url).unwrap()
}

pub fn keyring() -> Arc<Keyring> {
    let keys = vec![RootKey::generate(KeyState::Primary, &SystemEntropy)];
    Arc::new(Keyring::new(DeploymentId([1; 16]), keys).unwrap())
}

/// The data keys of any tenants, the same ones every time.
pub struct KnownKeys(pub Arc<Keyring>);

struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

#[async_trait]
impl DataKeySource for KnownKeys {
    async fn data_key(&self, tenant: TenantId) -> Result<Arc<DataKey>, Unavailable> {
        Ok(Arc::new(self.0.new_data_key(tenant, &Sevens)))
    }
}

/// The storage in the bucket of the test run, reached there.
pub fn s3_at(endpoint: &str) -> S3Storage {
    s3_with(s3_settings(endpoint), None)
}

pub fn s3_settings(endpoint: &str) -> S3Settings {
    S3Settings {
        bucket: setting("CLOAKROOM_TEST_BUCKET"),
        region: "us-east-1".into(),
        endpoint: Some(endpoint.into()),
        public_endpoint: None,
        path_style: true,
    }
}

fn files(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

async fn versions(client: &aws_sdk_s3::Client, prefix: &str) -> usize {
    let request = client.list_object_versions().bucket(setting("CLOAKROOM_TEST_BUCKET")).prefix(prefix);
    let found = request.send().await.unwrap();
    found.versions().len() + found.delete_markers().len()
}

/// The same in the bucket of the brokers under test.
pub async fn versions_in_the_bucket(prefix: &str) -> usize {
    versions(&client(&setting("CLOAKROOM_TEST_S3_ENDPOINT")), prefix).await
}

pub fn client(endpoint: &str) -> aws_sdk_s3::Client {
    let configuration = aws_sdk_s3::config::Builder::new()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .force_path_style(true);
    aws_sdk_s3::Client::from_conf(configuration.build())
}

pub fn s3_with(settings: S3Settings, session_token: Option<String>) -> S3Storage {
    let credentials = Credentials::new("test", "test", session_token, None, "test");
    S3Storage::new(settings, &configuration(credentials), Arc::new(SystemClock::default())).unwrap()
}

pub fn configuration(credentials: Credentials) -> aws_config::SdkConfig {
    let provider = SharedCredentialsProvider::new(credentials);
    aws_config::SdkConfig::builder().credentials_provider(provider).build()
}

#[expect(clippy::panic, reason = "a suite that skips a storage would pass without having tested it")]
pub fn setting(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!("{name} is not set: run ./test, or start the emulators with localstack/emulators"),
    }
}

pub fn now() -> Instant {
    SystemClock::default().now()
}

pub fn content_type(text: &str) -> ContentType {
    ContentType::parse(text).unwrap()
}

pub fn random<const N: usize>() -> [u8; N] {
    (&SystemEntropy as &dyn Entropy).bytes()
}

pub fn namespace() -> Namespace {
    Namespace { tenant: TenantId::from_bytes(random()), mode: Mode::Test }
}

/// Whose the objects are that have no namespace to themselves: nothing is copied from one tenant to another.
pub static USUAL: LazyLock<Namespace> = LazyLock::new(namespace);

pub fn inbox() -> ObjectKey {
    ObjectKey::inbox(*USUAL, InboxSecret(random()))
}

pub fn vault() -> ObjectKey {
    ObjectKey::vault(*USUAL, ObjectId::from_bytes(random()))
}

/// The key of an artifact file, the only one with text that a client chose.
pub fn artifact(path: &str) -> ObjectKey {
    let label = ArtifactLabel::parse(&base16ct::lower::encode_string(&random::<20>())).unwrap();
    ObjectKey::artifact(USUAL.tenant, &label, &VaultPath::parse(path).unwrap())
}

/// A contract for exactly these bytes, with their checksum declared.
pub fn contract(bytes: &[u8]) -> UploadContract {
    UploadContract {
        key: inbox(),
        size: bytes.len() as u64,
        content_type: content_type("text/plain; charset=utf-8"),
        sha256: Some(Sha256::digest(bytes).into()),
        expires_at: now().plus(Duration::from_secs(60)),
    }
}

/// The same, without a checksum.
pub fn undeclared(bytes: &[u8]) -> UploadContract {
    UploadContract { sha256: None, ..contract(bytes) }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Sends the signed request as it is, with this body.
pub fn send(request: &SignedRequest, body: &[u8]) -> Answer {
    send_as(request.method, &request.url, &request.headers, body)
}

pub fn send_as(method: &str, url: &str, headers: &BTreeMap<String, String>, body: &[u8]) -> Answer {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None).build().into();
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = match method {
        "GET" | "HEAD" | "OPTIONS" | "DELETE" => agent.run(request.body(()).unwrap()),
        _ => agent.run(request.body(body).unwrap()),
    };
    let (parts, mut body) = answer.unwrap().into_parts();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.read_to_vec().unwrap() }
}

/// The fields of the signed form in order, then the file.
pub fn send_form(request: &SignedRequest, file: &[u8]) -> Answer {
    let fields: Vec<_> = request.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    send_parts(&request.url, &[fields, vec![("file", file)]].concat())
}

/// A form of exactly these parts.
pub fn send_parts(url: &str, parts: &[(&str, &[u8])]) -> Answer {
    let mut body = Vec::new();
    for (name, value) in parts {
        let file_name = if *name == "file" { "; filename=\"f\"\r\nContent-Type: image/png" } else { "" };
        body.extend(format!("--BOUND\r\nContent-Disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n").bytes());
        body.extend(*value);
        body.extend(b"\r\n");
    }
    body.extend(b"--BOUND--\r\n");
    let headers = BTreeMap::from([("content-type".to_owned(), "multipart/form-data; boundary=BOUND".to_owned())]);
    send_as("POST", url, &headers, &body)
}

/// The URL with one letter changed, at each of several places after the host,
/// but for the words by which S3 sees that there is a signature at all.
pub fn tampered(url: &str) -> Vec<String> {
    let begin = url.find("://").unwrap() + 3;
    let path = begin + url[begin..].find('/').unwrap() + 1;
    let mut all = vec![format!("{url}A"), format!("{url}0"), url[..url.len() - 1].to_owned()];
    let word = |text: &str| url.find(text).map_or(0..0, |begin| begin..begin + text.len());
    let marks = [word("X-Amz-Algorithm=AWS4-HMAC-SHA256"), word("X-Amz-Signature=")];
    for position in (path..url.len()).step_by(17).chain([url.len() - 2]) {
        if marks.iter().any(|mark| mark.contains(&position)) {
            continue;
        }
        let old = url.as_bytes()[position];
        if !old.is_ascii_alphanumeric() {
            continue;
        }
        let new = if old == b'7' { "8" } else { "7" };
        all.push(format!("{}{new}{}", &url[..position], &url[position + 1..]));
    }
    all
}
