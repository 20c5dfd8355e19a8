//! Object storage that is away: 503 or success, step by step, and asking again
//! gets there. What was replaced or left behind never decides anything.

use std::{fs, thread};

use cloakroom::{
    crypto::secret::SecretText,
    domain::{
        event::EventType,
        ids::{ObjectId, RequestId},
        path::VaultPath,
        upload::{Progress, Upload},
    },
    objects::{ObjectKey, ObjectStorage},
    service::{
        Asking, Broker, Caller, UnderWay,
        uploads::{Completion, InspectedUpload},
    },
};
use serde_json::json;
use tokio::runtime::Handle;

use super::away::{Fails, Step, served};
use crate::{
    api::harness::{Answer, Api, events, text},
    objects::embedded_files::files,
};

const BYTES: &[u8] = b"what was agreed";

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

#[test]
fn a_completion_of_parts_gets_there_in_the_end() {
    let (api, away) = served();
    let bytes = vec![7; 1024 * 1024];
    for step in [Step::Parts, Step::Assemble, Step::Head, Step::Copy, Step::Abort, Step::Delete] {
        for fails in [Fails::Undone, Fails::Done] {
            let path = format!("{step:?}-{fails:?}.bin");
            let declared = api.declare_parts(api.admin(), &path, &bytes, json!({ "part_checksums": true }));
            api.send_parts(api.admin(), &declared, &[1], &bytes);
            let id = text(&declared, "id");
            away.plan(step, fails, 2);
            while away.is_planned() {
                // What is left behind at the end takes up room, and nobody has to know.
                match api.complete(api.admin(), &id).status {
                    200 => break,
                    _ => assert_eq!(api.status_of(api.admin(), &id), "pending", "{step:?} {fails:?}"),
                }
            }
            api.complete(api.admin(), &id).expect(200);
            assert_eq!(api.file(api.admin(), &path), bytes);
            assert_eq!(api.happened("upload.completed", &id), 1, "{step:?} {fails:?}");
            away.plan(step, fails, 0);
        }
    }
}

#[test]
fn an_upload_in_parts_is_declared_whole_or_not_at_all() {
    let (api, away) = served();
    for fails in [Fails::Undone, Fails::Done] {
        away.plan(Step::Begin, fails, 1);
        let body = json!({ "path": "a.bin", "size": 1, "content_type": "a/b", "method": "multipart" });
        api.post(api.admin(), "/v1/uploads", &body).problem(503, "unavailable");
    }
    assert_eq!(api.get(api.admin(), "/v1/uploads").expect(200)["items"], json!([]));
    assert_eq!(api.get(api.admin(), "/v1/usage").expect(200)["tenant"]["bytes"], 0);
}

#[test]
fn an_upload_in_parts_that_has_no_room_is_not_begun() {
    let (api, away) = served();
    let route = format!("/v1/tenants/{}/quota", api.tenant.id);
    api.call("PUT", &route).bearer(api.admin()).json(&json!({ "bytes": 99 })).send().expect(200);
    away.plan(Step::Begin, Fails::Undone, 1);
    let body = json!({ "path": "a.bin", "size": 100, "content_type": "a/b", "method": "multipart" });
    api.post(api.admin(), "/v1/uploads", &body).problem(409, "quota_exceeded");
    assert!(away.is_planned(), "the storage was asked");
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

pub async fn caller(api: &Api) -> Caller {
    api.broker()
        .authenticate(&SecretText::new(api.admin()), Asking::here(RequestId::from_bytes([7; 16])))
        .await
        .unwrap()
}

/// What it became, and the signature of its receipt.
fn completed_by_another_replica(api: &Api, id: &str) -> (ObjectId, String) {
    api.wait(async {
        let replica = Broker { under_way: UnderWay::on(Handle::current()), ..api.broker().clone() };
        match replica.complete_upload(&caller(api).await, id.parse().unwrap()).await.unwrap() {
            Completion::Done(InspectedUpload {
                upload: Upload { progress: Progress::Completed { object, .. }, .. },
                receipt: Some(receipt),
            }) => (object, receipt.signature),
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn a_completion_that_is_overtaken_tells_of_the_same_file() {
    for step in [Step::Head, Step::Copy] {
        let mut first = None;
        let (api, answer) = overtaken(step, |api, id| first = Some(completed_by_another_replica(api, id)));
        let (object, signature) = first.unwrap();
        let view = answer.expect(200);
        assert_eq!(view["receipt"]["signature"], signature, "before {step:?}");
        let ledger = api.ledger();
        let events = events(api.broker(), &ledger);
        assert_eq!(api.wait(events).iter().filter(|event| event.kind == EventType::UploadCompleted).count(), 1);
        let path = VaultPath::parse("a.txt").unwrap();
        let caller = api.wait(caller(&api));
        assert_eq!(api.wait(api.broker().inspect_object(&caller, &path)).unwrap().object, object);
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
    let tenant = api.tenant.id.parse().unwrap();
    let left = (0..5).filter(|number| {
        let label = cloakroom::objects::ArtifactLabel::parse(&artifact.host[..40]).unwrap();
        let path = VaultPath::parse(&format!("{number}.txt")).unwrap();
        api.wait(away.storage.head(&ObjectKey::artifact(tenant, &label, &path))).unwrap().is_some()
    });
    assert_eq!(left.count(), 0, "its objects are gone");
}

/// Whoever can write the disk has exchanged two files of one tenant: each opens, and is not the one that was completed.
#[test]
fn a_file_in_the_place_of_another_is_not_published() {
    let (api, _) = served();
    api.upload(api.admin(), "site/a.txt", BYTES);
    let [one] = files(&api.data_dir().join("objects/objects/vault")).try_into().unwrap();
    api.upload(api.admin(), "b.txt", b"and something else");
    let other = files(&api.data_dir().join("objects/objects/vault")).into_iter().find(|file| *file != one).unwrap();
    fs::copy(other, one).unwrap();
    api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["site/"] })).problem(500, "internal");
    assert_eq!(api.get(api.admin(), "/v1/artifacts").expect(200)["items"], json!([]));
}
