//! Object storage that is away: 503 or success, step by step, and asking again
//! gets there. What was replaced or left behind never decides anything.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    thread,
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom::{
    clock::{Clock, SystemClock},
    domain::instant::Instant,
    entropy::{Entropy, SystemEntropy},
    http::server::{Listeners, bind},
    keys::{self, Keys},
    objects::{
        ByteRange, ByteStream, ContentType, CopyError, DownloadContract, ETag, ObjectFacts, ObjectKey, ObjectStorage,
        SignedRequest, Unavailable, UploadContract, embedded::EmbeddedStorage,
    },
    service::{Broker, ContentOrigin, Offered, PasswordPool, Settings},
    store::{Store, memory::MemoryStore},
};
use serde_json::json;
use tokio::sync::Notify;

use crate::api::harness::{Answer, Api, Tenant, runtime, text};

const BYTES: &[u8] = b"what was agreed";

/// What is asked of the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Sign,
    Head,
    Copy,
    Read,
    Delete,
}

/// How it fails: without having done anything, or having done all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fails {
    Undone,
    Done,
}

/// A storage that is away, as a test has planned, for the next so many of each step.
struct AwayStorage {
    storage: Arc<EmbeddedStorage>,
    plan: Mutex<HashMap<Step, (Fails, usize)>>,
    gates: Mutex<HashMap<Step, Gate>>,
}

/// Where one request waits: it says that it has come, and goes on when it may.
#[derive(Clone, Default)]
struct Gate {
    come: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl AwayStorage {
    fn plan(&self, step: Step, fails: Fails, times: usize) {
        self.plan.lock().unwrap().insert(step, (fails, times));
    }

    /// The next request for this step waits before it.
    fn gate(&self, step: Step) -> Gate {
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

    fn is_planned(&self) -> bool {
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
    ) -> Result<ObjectFacts, CopyError> {
        self.run(Step::Copy, self.storage.copy(from, pinned, to, content_type)).await
    }

    async fn put(&self, key: &ObjectKey, content_type: &ContentType, bytes: Bytes) -> Result<ObjectFacts, Unavailable> {
        self.storage.put(key, content_type, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Option<ByteStream>, Unavailable> {
        self.run(Step::Read, self.storage.read(key, range)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), Unavailable> {
        self.run(Step::Delete, self.storage.delete(key)).await
    }

    fn browser_origin(&self) -> String {
        self.storage.browser_origin()
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.storage.ping().await
    }
}

fn served() -> (Api, Arc<AwayStorage>) {
    let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
    let bound = [(); 3].map(|()| bind("127.0.0.1:0".parse().unwrap()).unwrap());
    let ports = [&bound[0], &bound[1], &bound[2]].map(|bound| bound.address.port());
    let authority = format!("localhost:{}", ports[1]);
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
        (Arc::new(SystemClock::default()), Arc::new(SystemEntropy));
    let Keys { keyring, edge } = keys::file::load(&folder.path().join("keys"), true, entropy.as_ref()).unwrap();
    let (kept, url) = (folder.path().join("objects"), format!("http://{authority}"));
    let storage = EmbeddedStorage::open(&kept, keyring.clone(), clock.clone(), entropy.clone(), &url).unwrap();
    let storage = Arc::new(storage);
    let away = Arc::new(AwayStorage { storage: storage.clone(), plan: Mutex::default(), gates: Mutex::default() });
    let broker = Broker {
        store: Store::new(Arc::new(MemoryStore::new())),
        objects: away.clone(),
        keyring,
        edge,
        clock,
        entropy,
        passwords: PasswordPool::new(1),
        refusals: Arc::default(),
        scanner: None,
        settings: Settings {
            public_url: format!("http://127.0.0.1:{}", ports[0]),
            content: ContentOrigin { scheme: "http".into(), authority },
            largest_upload: 1024 * 1024,
            offered: Offered::default(),
        },
    };
    let (listeners, tenant) = runtime.block_on(async {
        let tenant = Tenant::of(&broker.create_first_tenant("First".into()).await.unwrap());
        (Listeners::serve(broker.clone(), Some(storage), bound, 2).unwrap(), tenant)
    });
    (Api::of(runtime, listeners, broker, folder, tenant, ports), away)
}

#[test]
fn a_completion_gets_there_in_the_end() {
    let (api, away) = served();
    for step in [Step::Head, Step::Copy, Step::Delete] {
        for fails in [Fails::Undone, Fails::Done] {
            for overwrite in [false, true] {
                let path = format!("{step:?}-{fails:?}.txt");
                let body =
                    json!({ "path": path, "size": BYTES.len(), "content_type": "text/plain", "overwrite": overwrite });
                let declared = api.declare_as(api.admin(), &body);
                assert_eq!(api.put(&declared, BYTES).status, 200);
                let id = text(&declared, "id");
                away.plan(step, fails, 2);
                let answer = api.complete(api.admin(), &id);
                if step == Step::Delete {
                    // What is left behind takes up room, and nobody has to know.
                    answer.expect(200);
                } else {
                    answer.problem(503, "unavailable");
                    assert_eq!(api.status_of(api.admin(), &id), "pending");
                    api.complete(api.admin(), &id).problem(503, "unavailable");
                }
                away.plan(step, fails, 0);
                assert_eq!(api.complete(api.admin(), &id).expect(200)["status"], "completed");
                assert_eq!(api.file(api.admin(), &path), BYTES);
                assert_eq!(api.happened("upload.completed", &id), 1);
                // Bytes left in the inbox are looked at by nobody.
                api.put(&declared, b"WHAT WAS AGREED");
                api.complete(api.admin(), &id).expect(200);
                assert_eq!(api.file(api.admin(), &path), BYTES);
            }
        }
    }
}

/// A completion that is overtaken before this step, and what it answers.
fn overtaken(step: Step, overtake: impl FnOnce(&Api, &str)) -> (Api, Answer) {
    let (api, away) = served();
    let declared = api.declare(api.admin(), "/v1/uploads", "a.txt", BYTES);
    assert_eq!(api.put(&declared, BYTES).status, 200);
    let id = text(&declared, "id");
    let gate = away.gate(step);
    let answer = thread::scope(|scope| {
        let slow = scope.spawn(|| api.complete(api.admin(), &id));
        api.wait(gate.come.notified());
        overtake(&api, &id);
        gate.go_on.notify_one();
        slow.join().unwrap()
    });
    (api, answer)
}

#[test]
fn a_completion_that_is_overtaken_tells_of_the_same_file() {
    for step in [Step::Head, Step::Copy] {
        let mut first = None;
        let (api, answer) = overtaken(step, |api, id| first = Some(api.complete(api.admin(), id).expect(200)));
        assert_eq!(Some(answer.expect(200)), first, "before {step:?}");
        assert_eq!(api.file(api.admin(), "a.txt"), BYTES);
    }
}

#[test]
fn a_completion_that_is_overtaken_by_a_cancellation_makes_no_file() {
    for step in [Step::Head, Step::Copy] {
        let (api, answer) =
            overtaken(step, |api, id| drop(api.delete(api.admin(), &format!("/v1/uploads/{id}")).expect(204)));
        answer.problem(409, "upload_cancelled");
        assert_eq!(api.vault(api.admin()), [""; 0], "before {step:?}");
    }
}

#[test]
fn a_completion_that_is_overtaken_by_another_upload_is_told() {
    for step in [Step::Head, Step::Copy] {
        let (api, answer) = overtaken(step, |api, _| drop(api.upload(api.admin(), "a.txt", b"the winner")));
        answer.problem(409, "path_taken");
        assert_eq!(api.file(api.admin(), "a.txt"), b"the winner", "before {step:?}");
    }
}

#[test]
fn what_cannot_be_signed_is_not_handed_out() {
    let (api, away) = served();
    api.upload(api.admin(), "a.txt", BYTES);
    for method in ["put", "post"] {
        away.plan(Step::Sign, Fails::Undone, 1);
        let body = json!({ "path": "b.txt", "size": 1, "content_type": "text/plain", "method": method });
        api.post(api.admin(), "/v1/uploads", &body).problem(503, "unavailable");
    }
    away.plan(Step::Sign, Fails::Undone, 1);
    api.post(api.admin(), "/v1/objects/downloads", &json!({ "path": "a.txt" })).problem(503, "unavailable");
    assert_eq!(api.get(api.admin(), "/v1/uploads").expect(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(api.file(api.admin(), "a.txt"), BYTES);
}

#[test]
fn deleting_and_calling_off_do_not_wait_for_the_storage() {
    let (api, away) = served();
    api.upload(api.admin(), "a.txt", BYTES);
    away.plan(Step::Delete, Fails::Undone, 1);
    api.delete(api.admin(), "/v1/objects/a.txt").expect(204);
    assert!(!away.is_planned(), "it was tried");
    api.get(api.admin(), "/v1/objects/a.txt").problem(404, "not_found");
    let declared = api.declare(api.admin(), "/v1/uploads", "a.txt", BYTES);
    assert_eq!(api.put(&declared, BYTES).status, 200);
    away.plan(Step::Delete, Fails::Undone, 1);
    let id = text(&declared, "id");
    api.delete(api.admin(), &format!("/v1/uploads/{id}")).expect(204);
    assert!(!away.is_planned());
    // The bytes still lie in the inbox, and are of no use.
    api.complete(api.admin(), &id).problem(409, "upload_cancelled");
    assert_eq!(api.vault(api.admin()), [""; 0]);
}

#[test]
fn publishing_is_whole_or_not_at_all() {
    let (api, away) = served();
    for number in 0..5 {
        api.upload(api.admin(), &format!("site/{number}.txt"), BYTES);
    }
    for step in [Step::Head, Step::Copy] {
        for fails in [Fails::Undone, Fails::Done] {
            away.plan(step, fails, 1);
            api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["site/"] })).problem(503, "unavailable");
            assert_eq!(api.get(api.admin(), "/v1/artifacts").expect(200)["items"], json!([]));
        }
    }
    let artifact = api.publish(api.admin(), &["site/"]);
    let cookies = api.admitted(api.admin(), &artifact);
    for step in [Step::Head, Step::Read] {
        away.plan(step, Fails::Undone, 1);
        let answer = api.browse(&artifact.host, &cookies, "/3.txt");
        assert_eq!((answer.status, answer.header("retry-after")), (503, "2"));
        assert_eq!(api.browse(&artifact.host, &cookies, "/3.txt").body, BYTES);
    }
}

#[test]
fn a_deletion_that_broke_off_is_gone_on_with() {
    let (api, away) = served();
    for number in 0..5 {
        api.upload(api.admin(), &format!("site/{number}.txt"), BYTES);
    }
    let artifact = api.publish(api.admin(), &["site/"]);
    let cookies = api.admitted(api.admin(), &artifact);
    let route = format!("/v1/artifacts/{}", artifact.id);
    away.plan(Step::Delete, Fails::Undone, 2);
    api.delete(api.admin(), &route).problem(503, "unavailable");
    // Nobody gets in any more, whatever is left of it.
    assert_eq!(api.browse(&artifact.host, &cookies, "/3.txt").status, 403);
    assert_eq!(api.get(api.admin(), &route).expect(200)["status"], "deleted");
    away.plan(Step::Delete, Fails::Undone, 0);
    api.delete(api.admin(), &route).expect(204);
    assert_eq!(api.happened("artifact.deleted", &artifact.id), 1);
    let left = (0..5).filter(|number| {
        let label = cloakroom::objects::ArtifactLabel::parse(&artifact.host[..40]).unwrap();
        let path = cloakroom::domain::path::VaultPath::parse(&format!("{number}.txt")).unwrap();
        api.wait(away.storage.head(&ObjectKey::artifact(&label, &path))).unwrap().is_some()
    });
    assert_eq!(left.count(), 0, "its objects are gone");
}
