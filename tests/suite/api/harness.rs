//! A whole broker in this process, on ports of its own, and short words for
//! what its callers do.

use std::{
    env,
    fs::{self, File},
    io::{Read, Write as _},
    net::TcpStream,
    path::Path,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cloakroom::{
    app::{self, Running},
    config::{Config, Given, ObjectsKind, StoreKind},
    domain::{event::Event, ids::AttemptId},
    entropy::{Entropy, SystemEntropy},
    http::{problem::ProblemDocument, server::Listeners},
    keys,
    service::{Broker, tenants::CreatedTenant},
    store::{Direction, OutboxEvent, Query, Row, RowKey, Transaction, Write},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use ureq::http::{HeaderMap, Request};

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
    agent: ureq::Agent,
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
        let config = given(backend, folder.path()).complete().unwrap();
        if backend == Backend::Aws {
            // Keys are made only where nothing can have been sealed under others, and no table shows that.
            keys::file::load(&config.root_keys, true, &SystemEntropy).unwrap();
        }
        Self::with(config, folder, if backend == Backend::Embedded { 8 } else { 2 })
    }

    /// A broker of the same deployment that has lost its data, and begins anew.
    pub fn start_with_the_keys_of(other: &Self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = given(Backend::Embedded, folder.path()).complete().unwrap();
        fs::copy(other.data_dir().join("root-keys.json"), &config.root_keys).unwrap();
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
        // Threads that end let go of the directory a little later.
        File::open(config.data_dir.join("store/lock")).unwrap().lock().unwrap();
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

// --- requests ------------------------------------------------------------------

/// One request, to be built and sent.
pub struct Call<'api> {
    agent: &'api ureq::Agent,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Api {
    /// A request to the API. `path` is sent as it is.
    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        self.call_url(method, &format!("http://127.0.0.1:{}{path}", self.ports[0]))
    }

    /// A request to the content listener under any host name: no name service is asked.
    pub fn call_content(&self, method: &str, host: &str, path: &str) -> Call<'_> {
        self.call_url(method, &format!("http://127.0.0.1:{}{path}", self.ports[1])).header("host", host)
    }

    /// A request to any URL, such as a signed one.
    pub fn call_url(&self, method: &str, url: &str) -> Call<'_> {
        Call { agent: &self.agent, method: method.into(), url: url.into(), headers: Vec::new(), body: None }
    }

    pub fn get(&self, bearer: &str, path: &str) -> Answer {
        self.call("GET", path).bearer(bearer).send()
    }

    pub fn delete(&self, bearer: &str, path: &str) -> Answer {
        self.call("DELETE", path).bearer(bearer).send()
    }

    pub fn post(&self, bearer: &str, path: &str, body: &Value) -> Answer {
        self.call("POST", path).bearer(bearer).json(body).send()
    }

    /// A POST without any credential.
    pub fn public(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path).json(body).send()
    }
}

impl Api {
    /// The answer of the API exactly as it comes over the wire, but for the
    /// request id and the time of day.
    pub fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports[0])).unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n", self.ports[0]);
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(&[request.as_bytes(), body].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();

        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let (status, headers) = head.split_once("\r\n").unwrap();
        // The server shuffles its headers anew for every answer.
        let mut headers: Vec<_> = headers.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
        headers.sort_unstable();
        let id = headers.iter().find_map(|line| line.strip_prefix("request-id: ")).unwrap();
        format!("{status}\n{}\n\n{body}", headers.join("\n")).replace(id, "ID")
    }

    /// A POST of this JSON, answered as [`Api::raw`] says.
    pub fn raw_post(&self, path: &str, body: &Value) -> String {
        self.raw("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }
}

impl Call<'_> {
    pub fn bearer(self, secret: &str) -> Self {
        self.header("authorization", &format!("Bearer {secret}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string().as_bytes())
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }

    #[track_caller]
    pub fn send(self) -> Answer {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let carries = !matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE" | "OPTIONS");
        let answer = match self.body {
            None if !carries => self.agent.run(request.body(()).unwrap()),
            None => self.agent.run(request.body(&[] as &[u8]).unwrap()),
            Some(body) => self.agent.run(request.body(body.as_slice()).unwrap()),
        };
        let (parts, mut body) = answer.unwrap_or_else(|fault| panic!("{}: {fault}", self.url)).into_parts();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.read_to_vec().unwrap() }
    }
}

/// What came back.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:#?}\n{}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|fault| panic!("{fault}: {self:?}"))
    }

    /// The body, once the status is this.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem document, once it is one of this status and code.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> ProblemDocument {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let document: ProblemDocument = serde_json::from_slice(&self.body).unwrap();
        assert_eq!((document.status, document.code.as_str()), (status, code), "{self:?}");
        assert_eq!(document.kind, format!("urn:cloakroom:problem:{code}"));
        assert_eq!(document.request_id.as_deref(), Some(self.header("request-id")), "{self:?}");
        document
    }

    /// Status, headers and body as text, without what differs from answer to
    /// answer by itself: the request id and the time of day.
    pub fn but_for_the_request_id(&self) -> String {
        let id = self.header("request-id");
        assert!(id.starts_with("req_"), "{self:?}");
        let body = String::from_utf8_lossy(&self.body).replace(id, "…");
        let mut headers: Vec<_> = self.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        headers.retain(|line| !line.starts_with("date:") && !line.starts_with("request-id:"));
        headers.sort_unstable();
        format!("{}\n{}\n\n{body}", self.status, headers.join("\n"))
    }

    /// One text field of the body.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        text(&self.json(), name)
    }
}

/// One text field of an object.
#[track_caller]
pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

// --- what callers do ---------------------------------------------------------------

impl Api {
    /// A key of this key's tenant: `[("docs/", "read")]`.
    #[track_caller]
    pub fn new_key(&self, admin: &str, mode: &str, grants: &[(&str, &str)]) -> Key {
        let grants: Vec<_> =
            grants.iter().map(|(path, permission)| json!({ "path": path, "permission": permission })).collect();
        let answer = self.post(admin, "/v1/api-keys", &json!({ "mode": mode, "grants": grants }));
        answer.expect(201);
        Key { id: answer.text("id"), secret: answer.text("secret") }
    }

    /// Another tenant.
    #[track_caller]
    pub fn new_tenant(&self, name: &str) -> Tenant {
        let created = self.post(self.admin(), "/v1/tenants", &json!({ "name": name })).expect(201);
        let key = &created["admin_key"];
        Tenant { id: text(&created, "id"), admin: Key { id: text(key, "id"), secret: text(key, "secret") } }
    }

    /// Declares an upload of these bytes as plain text.
    #[track_caller]
    pub fn declare(&self, bearer: &str, route: &str, path: &str, bytes: &[u8]) -> Value {
        let body = json!({ "path": path, "size": bytes.len(), "content_type": "text/plain" });
        self.post(bearer, route, &body).expect(201)
    }

    /// Sends the bytes of a declared upload.
    #[track_caller]
    pub fn put(&self, declared: &Value, bytes: &[u8]) -> Answer {
        let mut call = self.call_url("PUT", &text(declared, "url")).body(bytes);
        for (name, value) in declared["headers"].as_object().unwrap() {
            call = call.header(name, value.as_str().unwrap());
        }
        call.send()
    }

    /// Puts a file into the vault: declare, send, complete. The upload's id.
    #[track_caller]
    pub fn upload(&self, key: &str, path: &str, bytes: &[u8]) -> String {
        let declared = self.declare(key, "/v1/uploads", path, bytes);
        let put = self.put(&declared, bytes);
        assert!((200..300).contains(&put.status), "{put:?}");
        let id = text(&declared, "id");
        self.call("POST", &format!("/v1/uploads/{id}/complete")).bearer(key).send().expect(200);
        id
    }

    /// Mints a share of these paths, whether or not there are files.
    #[track_caller]
    pub fn mint(&self, key: &str, permission: &str, paths: &[&str]) -> Minted {
        self.mint_as(key, &json!({ "paths": paths, "permission": permission, "allow_missing": true }))
    }

    #[track_caller]
    pub fn mint_as(&self, key: &str, body: &Value) -> Minted {
        let minted = self.post(key, "/v1/shares", body).expect(201);
        Minted { id: text(&minted, "id"), token: text(&minted, "token"), url: text(&minted, "url") }
    }

    pub fn redeem(&self, token: &str, claim_key: &str) -> Answer {
        self.public("/v1/shares/redeem", &json!({ "token": token, "claim_key": claim_key }))
    }

    pub fn preview(&self, token: &str) -> Answer {
        self.public("/v1/shares/redeem/preview", &json!({ "token": token }))
    }

    /// Redeems with a new claim key.
    #[track_caller]
    pub fn open(&self, minted: &Minted) -> Session {
        let opened = self.redeem(&minted.token, &claim_key()).expect(200);
        Session { id: text(&opened, "session"), token: text(&opened, "session_token") }
    }

    /// The paths that a list of files answers.
    #[track_caller]
    pub fn paths(&self, bearer: &str, route: &str) -> Vec<String> {
        let list = self.get(bearer, route).expect(200);
        list["items"].as_array().unwrap().iter().map(|item| text(item, "path")).collect()
    }

    /// The bytes behind a download URL for this path.
    #[track_caller]
    pub fn download(&self, bearer: &str, route: &str, path: &str) -> Vec<u8> {
        let url = self.post(bearer, route, &json!({ "path": path })).expect(200);
        let answer = self.call_url("GET", &text(&url, "url")).send();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
}

/// 32 random bytes, as claimants make them.
pub fn claim_key() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

pub fn random<const N: usize>() -> [u8; N] {
    (&SystemEntropy as &dyn Entropy).bytes()
}

// --- what is stored -----------------------------------------------------------------

impl Api {
    /// One row, as it is stored.
    #[track_caller]
    pub fn row(&self, partition: &str, sort: &str) -> Row {
        let [row] = self.wait(self.broker().store.get([RowKey::new(partition, sort)])).unwrap();
        row.unwrap_or_else(|| panic!("there is no row {partition} {sort}"))
    }

    /// All rows of a partition, in order.
    pub fn rows(&self, partition: &str) -> Vec<Row> {
        self.wait(rows(self.broker(), partition))
    }

    /// Writes a row past the broker, as somebody with the database could.
    #[track_caller]
    pub fn write(&self, write: Write) {
        let event = OutboxEvent { ledger: "intruder".into(), body: b"{}".to_vec() };
        let transaction = Transaction::recording(AttemptId::from_bytes(random()), event).write(write);
        self.wait(self.broker().store.commit(transaction)).unwrap();
    }

    /// The events of a ledger that wait in the outbox, oldest first.
    pub fn events(&self, ledger: &str) -> Vec<Event> {
        self.wait(events(self.broker(), ledger))
    }

    /// How many events of this type and about this resource the first tenant has.
    pub fn happened(&self, what: &str, resource: &str) -> usize {
        self.history().iter().filter(|(kind, about)| kind == what && about == resource).count()
    }

    /// The events of the first tenant, each as its type and what it was about.
    pub fn history(&self) -> Vec<(String, String)> {
        self.events(&self.ledger()).iter().map(|event| (kind(event), event.resource.clone())).collect()
    }
}

/// The type of an event, as it is written.
pub fn kind(event: &Event) -> String {
    text(&serde_json::to_value(event).unwrap(), "type")
}

async fn rows(broker: &Broker, partition: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.key.sort.clone());
        let (partition, direction) = (partition.to_owned(), Direction::Ascending);
        let query = Query { partition, begins_with: String::new(), after, limit: 1_000, direction };
        let page = broker.store.query(&query).await.unwrap();
        let full = page.len() == 1_000;
        rows.extend(page);
        if !full {
            return rows;
        }
    }
}

pub async fn events(broker: &Broker, ledger: &str) -> Vec<Event> {
    let mut found = Vec::new();
    for shard in 0..8 {
        found.extend(rows(broker, &format!("outbox#{ledger}#{shard}")).await);
    }
    // Attempts are named by the time of their making.
    found.sort_by(|a, b| a.key.sort.cmp(&b.key.sort));
    found.iter().map(|row| serde_json::from_slice(&row.body).unwrap()).collect()
}
