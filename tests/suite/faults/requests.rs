//! What those who ask the broker are told while Amazon's services fail: 503 and when to come again, and no grant. When the
//! fault is over, the same request succeeds, once.

use std::thread;

use serde_json::{Value, json};

use super::unreliable::{Fault, Unreliable};
use crate::{
    api::harness::{Answer, Api, claim_key, insisting, text},
    objects::bench::setting,
    program::process::until,
};

const BYTES: &[u8] = b"what was agreed";

/// Faults of the table, and of the bucket. What differs for who asks; all others: `every_call`.
const FAULTS: [(Fault, Fault); 4] = [
    (Fault::Told(400, "ProvisionedThroughputExceededException"), Fault::Told(503, "SlowDown")),
    (Fault::Told(500, "InternalServerError"), Fault::Told(400, "ExpiredToken")),
    (Fault::Lost, Fault::Lost),
    (Fault::Half, Fault::Garbled),
];

/// A broker behind relays, and what its callers have already.
struct Scene {
    api: Api,
    table: Unreliable,
    bucket: Unreliable,
}

/// Whoever asked is told to come again, and was given nothing.
#[track_caller]
fn unavailable(answer: &Answer) {
    answer.problem(503, "unavailable");
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
    assert!(!answer.headers.contains_key("set-cookie"), "{answer:?}");
    let body = String::from_utf8_lossy(&answer.body);
    for word in ["crs_", "cst_", "X-Amz-Signature", "planned by a test", "DynamoDB"] {
        assert!(!body.contains(word), "{answer:?}");
    }
}

/// All at the same time.
fn all_unavailable(requests: &[&(dyn Fn() -> Answer + Sync)]) {
    thread::scope(|scope| {
        let asking: Vec<_> = requests.iter().map(|request| scope.spawn(request)).collect();
        asking.into_iter().for_each(|asking| unavailable(&asking.join().unwrap()));
    });
}

impl Scene {
    fn new() -> Self {
        let table = Unreliable::before(&setting("CLOAKROOM_TEST_DYNAMODB_ENDPOINT"));
        let bucket = Unreliable::before(&setting("CLOAKROOM_TEST_S3_ENDPOINT"));
        let api = Api::start_behind_relays(&table.url, &bucket.url);
        api.upload(api.admin(), "a.txt", BYTES);
        Self { api, table, bucket }
    }

    /// Waits until it says that it is ready, or for the want of what it is not. An emulator that has much to do counts
    /// as away as well.
    #[track_caller]
    fn says(&self, status: u16, body: &Value, fault: Fault) {
        until(&format!("{status} {body}, at {fault:?}"), || {
            let answer = self.api.call_url("GET", &format!("http://127.0.0.1:{}/readyz", self.api.ports[2])).send();
            ((answer.status, &answer.json()) == (status, body)).then_some(())
        });
    }

    #[track_caller]
    fn is_ready(&self, fault: Fault) {
        self.says(200, &json!({ "store": "ok", "objects": "ok" }), fault);
    }

    /// No commit gets a good answer.
    fn commits_meet(&self, fault: Fault) {
        let api = &self.api;
        let minted = api.mint(api.admin(), "read", &["a.txt"]);
        let (claimant, key) = (claim_key(), claim_key());
        let redeem = || api.redeem(&minted.token, &claimant);
        let another = || api.redeem(&minted.token, &claim_key());
        let share = || {
            let body = json!({ "paths": ["a.txt"], "permission": "read", "label": "once" });
            api.call("POST", "/v1/shares").bearer(api.admin()).header("idempotency-key", &key).json(&body).send()
        };
        let declare = || {
            let body = json!({ "path": "b.txt", "size": 1, "content_type": "text/plain" });
            api.post(api.admin(), "/v1/uploads", &body)
        };
        let download = || api.post(api.admin(), "/v1/objects/downloads", &json!({ "path": "a.txt" }));
        self.table.plan("TransactWriteItems", fault);
        thread::scope(|scope| {
            let sharing = scope.spawn(share);
            all_unavailable(&[&redeem, &declare, &download]);
            match fault.is_done() {
                // It lies there, and its reply with it.
                true => assert_eq!(sharing.join().unwrap().header("idempotency-replayed"), "true"),
                false => unavailable(&sharing.join().unwrap()),
            }
        });
        self.table.mend();
        // It may have been done; nobody was told so, and nobody is told twice.
        let claimed = usize::from(fault.is_done());
        assert_eq!(api.happened("share.claimed", &minted.id), claimed, "{fault:?}");
        if fault.is_done() {
            insisting(another).problem(404, "dead_token");
        }
        insisting(redeem).expect(200);
        insisting(another).problem(404, "dead_token");
        assert_eq!(api.happened("share.claimed", &minted.id), 1, "{fault:?}");
        insisting(share).expect(201);
        let shares = insisting(|| api.get(api.admin(), "/v1/shares")).expect(200);
        let of_the_key = shares["items"].as_array().unwrap().iter().filter(|share| share["label"] == "once");
        assert_eq!(of_the_key.count(), 1, "{fault:?}: {shares}");
        insisting(declare).expect(201);
        insisting(download).expect(200);
    }

    /// No read gets a good answer.
    fn reads_meet(&self, fault: Fault) {
        let api = &self.api;
        let (minted, other) = (api.mint(api.admin(), "read", &["a.txt"]), api.mint(api.admin(), "read", &["a.txt"]));
        let (claimant, session) = (claim_key(), api.open(&other).token);
        let redeem = || api.redeem(&minted.token, &claimant);
        for operation in ["GetItem", "BatchGetItem", "Query"] {
            self.table.plan(operation, fault);
        }
        all_unavailable(&[
            &redeem,
            &|| api.preview(&minted.token),
            &|| api.get(api.admin(), "/v1/shares"),
            &|| api.get(&session, "/v1/session"),
            &|| api.post(&session, "/v1/session/downloads", &json!({ "path": "a.txt" })),
        ]);
        self.says(503, &json!({ "store": "unavailable", "objects": "ok" }), fault);
        self.table.mend();
        self.is_ready(fault);
        assert_eq!(api.happened("share.claimed", &minted.id), 0, "{fault:?}");
        insisting(redeem).expect(200);
        assert_eq!(api.happened("share.claimed", &minted.id), 1, "{fault:?}");
        insisting(|| api.get(&session, "/v1/session")).expect(200);
    }

    /// The bucket gives no good answer to these.
    fn objects_meet(&self, operations: &[&'static str], fault: Fault) {
        let api = &self.api;
        let path = format!("{}.txt", claim_key());
        let published = || api.get(api.admin(), "/v1/artifacts").expect(200)["items"].as_array().unwrap().len();
        let before = published();
        let declared = api.declare(api.admin(), "/v1/uploads", &path, BYTES);
        assert_eq!(api.put(&declared, BYTES).status, 200);
        let id = text(&declared, "id");
        let complete = || api.complete(api.admin(), &id);
        let publish = || api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["a.txt"], "index": "a.txt" }));
        for operation in operations {
            self.bucket.plan(operation, fault);
        }
        if fault == Fault::Silent {
            // It takes longer than anybody is kept waiting.
            thread::scope(|scope| {
                let publishing = scope.spawn(publish);
                complete().expect(202);
                unavailable(&publishing.join().unwrap());
            });
        } else {
            all_unavailable(&[&complete, &publish]);
        }
        if operations.contains(&"HeadBucket") {
            self.says(503, &json!({ "store": "ok", "objects": "unavailable" }), fault);
        }
        assert_eq!(api.status_of(api.admin(), &id), "pending", "{fault:?}");
        assert_eq!(published(), before, "{fault:?}");
        self.bucket.mend();
        self.is_ready(fault);
        assert_eq!(insisting(complete).expect(200)["status"], "completed");
        assert_eq!(api.file(api.admin(), &path), BYTES);
        assert_eq!(api.happened("upload.completed", &id), 1, "{fault:?}");
        insisting(publish).expect(201);
    }
}

/// All at once, each with a broker of its own: most of it is waiting.
#[test]
fn that_cannot_be_answered_are_told_so_and_succeed_once_when_the_fault_is_over() {
    thread::scope(|scope| {
        for (of_table, of_bucket) in FAULTS {
            scope.spawn(move || {
                let scene = Scene::new();
                scene.commits_meet(of_table);
                scene.reads_meet(of_table);
                scene.objects_meet(&["HeadObject", "HeadBucket"], of_bucket);
            });
        }
        scope.spawn(|| {
            let scene = Scene::new();
            scene.commits_meet(Fault::SilentDone);
            scene.reads_meet(Fault::Silent);
        });
        scope.spawn(|| {
            let scene = Scene::new();
            scene.objects_meet(&["CopyObject", "HeadBucket"], Fault::Silent);
            scene.commits_meet(Fault::Told(400, "ExpiredTokenException"));
            scene.reads_meet(Fault::Told(400, "ExpiredTokenException"));
            scene.objects_meet(&["CopyObject"], Fault::Lost);
            scene.objects_meet(&["CopyObject"], Fault::ToldLate("InternalError"));
        });
    });
}
