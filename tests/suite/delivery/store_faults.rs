//! Whatever becomes of the commits of a completion, there is one file in the
//! end, it has the right bytes, and the record says so once.

use std::{iter, sync::Arc};

use cloakroom::store::{
    faulty::{Fault, FaultyStore},
    memory::MemoryStore,
};

use super::words::at_once;
use crate::api::{
    harness::{Api, text},
    laboratory::Laboratory,
};

const BYTES: &[u8] = b"what was agreed";

/// More than are tried before a caller is told that nothing is known.
const FOR_EVER: usize = 10_000;

fn arrived(api: &Api, path: &str) -> String {
    let declared = api.declare(api.admin(), "/v1/uploads", path, BYTES);
    assert_eq!(api.put(&declared, BYTES).status, 200);
    text(&declared, "id")
}

#[track_caller]
fn assert_one_file(api: &Api, path: &str, id: &str) {
    let done = api.complete(api.admin(), id).expect(200);
    assert_eq!(done["status"], "completed");
    assert_eq!(api.file(api.admin(), path), BYTES);
    let seen = api.get(api.admin(), &format!("/v1/objects/{path}")).expect(200);
    assert_eq!(seen["sha256"], done["sha256"]);
    assert_eq!(api.happened("upload.completed", id), 1);
}

#[test]
fn one_fault_is_not_noticed() {
    let (api, _, faults) = Laboratory::served();
    for (number, fault) in Fault::ALL.into_iter().enumerate() {
        let path = format!("{number}.txt");
        let id = arrived(&api, &path);
        faults.plan([fault, fault]);
        assert_eq!(api.complete(api.admin(), &id).expect(200)["status"], "completed", "{fault:?}");
        api.wait(faults.settle());
        assert_one_file(&api, &path, &id);
    }
}

#[test]
fn a_crowd_under_faults_gets_one_file() {
    let (api, _, faults) = Laboratory::served();
    for round in 0..api.rounds() {
        let path = format!("{round}.txt");
        let id = arrived(&api, &path);
        faults.plan([Fault::FailedButApplied, Fault::AppliedLate, Fault::Failed, Fault::FailedButApplied]);
        for answer in at_once(4, |_| api.complete(api.admin(), &id)) {
            assert_eq!(answer.expect(200)["status"], "completed");
        }
        faults.clear_plan();
        api.wait(faults.settle());
        assert_one_file(&api, &path, &id);
    }
}

/// 503 until the deadline, then all is well again.
fn after_the_deadline(fault: Fault, then: impl FnOnce(&Api, &Arc<FaultyStore<MemoryStore>>)) {
    let (api, _, faults) = Laboratory::served();
    let id = arrived(&api, "a.txt");
    faults.plan(iter::repeat_n(fault, FOR_EVER));
    api.complete(api.admin(), &id).problem(503, "unavailable");
    faults.clear_plan();
    then(&api, &faults);
    assert_one_file(&api, "a.txt", &id);
    api.wait(faults.settle());
    assert_one_file(&api, "a.txt", &id);
    assert_eq!(api.vault(api.admin()), ["a.txt"]);
}

#[test]
fn an_answer_lost_past_the_deadline_loses_no_file() {
    after_the_deadline(Fault::FailedButApplied, |api, _| {
        // It has happened, though nobody was told.
        assert_eq!(api.file(api.admin(), "a.txt"), BYTES);
    });
}

#[test]
fn a_request_lost_past_the_deadline_can_be_made_again() {
    after_the_deadline(Fault::Failed, |api, _| assert_eq!(api.vault(api.admin()), [""; 0]));
}

#[test]
fn a_commit_that_arrives_after_the_next_one_changes_nothing() {
    after_the_deadline(Fault::AppliedLate, |api, _| assert_eq!(api.vault(api.admin()), [""; 0]));
}

#[test]
fn a_commit_that_arrives_before_the_next_one_counts() {
    after_the_deadline(Fault::AppliedLate, |api, faults| {
        api.wait(faults.settle());
        assert_eq!(api.file(api.admin(), "a.txt"), BYTES);
    });
}

#[test]
fn without_a_store_nothing_is_signed_and_nothing_is_lost() {
    let (api, _, faults) = Laboratory::served();
    let id = arrived(&api, "a.txt");
    let artifact = api.publish_page(api.admin());
    let body = serde_json::json!({ "path": "b.txt", "size": 1, "content_type": "text/plain" });
    for reads in [false, true] {
        faults.fail_reads(reads);
        faults.fail_commits(!reads);
        let link = serde_json::json!({ "artifact": artifact.id });
        for answer in [
            api.post(api.admin(), "/v1/uploads", &body),
            api.post(api.admin(), "/v1/links", &link),
            api.post(api.admin(), "/v1/objects/downloads", &serde_json::json!({ "path": "page/index.html" })),
            api.complete(api.admin(), &id),
            api.delete(api.admin(), "/v1/objects/page/index.html"),
            api.delete(api.admin(), &format!("/v1/artifacts/{}", artifact.id)),
        ] {
            answer.problem(503, "unavailable");
            assert!(!String::from_utf8_lossy(&answer.body).contains("http://"), "{answer:?}");
        }
    }
    faults.fail_reads(false);
    assert_eq!(api.file(api.admin(), "page/index.html"), b"<p>hello</p>");
    assert_one_file(&api, "a.txt", &id);
}
