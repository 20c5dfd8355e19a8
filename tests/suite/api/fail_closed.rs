//! Promise 10: fail closed. Where something is missing or does not answer,
//! nothing is granted, and nothing is used up.

use cloakroom::store::{Expected, RowKey, Write};
use serde_json::json;

use super::{
    harness::{Answer, Api, Backend, claim_key, text},
    laboratory::Laboratory,
};

#[track_caller]
fn unavailable(answer: &Answer) {
    answer.problem(503, "unavailable");
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
    assert!(!answer.headers.contains_key("set-cookie"), "{answer:?}");
    // What the store said is for the operator.
    assert!(!String::from_utf8_lossy(&answer.body).contains("planned by a test"), "{answer:?}");
}

#[test]
fn while_the_store_is_away_nothing_is_granted_and_nothing_used_up() {
    let (api, _, faults) = Laboratory::served();
    api.upload(api.admin(), "a.txt", b"bytes");
    let (minted, other) = (api.mint(api.admin(), "read", &["a.txt"]), api.mint(api.admin(), "read", &["a.txt"]));
    let session = api.open(&other).token;
    let claimant = claim_key();
    let share = json!({ "paths": ["a.txt"], "permission": "read" });
    let upload = json!({ "path": "b.txt", "size": 1, "content_type": "text/plain" });
    let key = json!({ "grants": [{ "path": "/", "permission": "read" }] });

    let writes = || {
        vec![
            api.redeem(&minted.token, &claimant),
            api.post(&session, "/v1/session/downloads", &json!({ "path": "a.txt" })),
            api.post(api.admin(), "/v1/objects/downloads", &json!({ "path": "a.txt" })),
            api.post(api.admin(), "/v1/shares", &share),
            api.post(api.admin(), "/v1/uploads", &upload),
            api.post(api.admin(), "/v1/api-keys", &key),
            api.post(api.admin(), "/v1/tenants", &json!({ "name": "Second" })),
            api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)),
            api.delete(api.admin(), "/v1/objects/a.txt"),
        ]
    };
    faults.fail_commits(true);
    writes().iter().for_each(unavailable);
    faults.fail_reads(true);
    writes().iter().for_each(unavailable);
    faults.fail_commits(false);
    writes().iter().for_each(unavailable);
    for route in ["/v1/shares", "/v1/objects", "/v1/api-keys", "/v1/tenants", "/v1/uploads", "/v1/objects/a.txt"] {
        unavailable(&api.get(api.admin(), route));
    }
    for route in ["/v1/session", "/v1/session/objects"] {
        unavailable(&api.get(&session, route));
    }
    unavailable(&api.preview(&minted.token));
    let ready = api.call_url("GET", &format!("http://127.0.0.1:{}/readyz", api.ports[2])).send();
    assert_eq!((ready.status, &ready.json()["store"]), (503, &json!("unavailable")));
    let health = api.call_url("GET", &format!("http://127.0.0.1:{}/healthz", api.ports[2])).send();
    assert_eq!(health.status, 200);

    faults.fail_reads(false);
    assert_eq!(api.get(api.admin(), "/v1/shares").expect(200)["items"].as_array().unwrap().len(), 2);
    assert_eq!(api.paths(api.admin(), "/v1/objects"), ["a.txt"]);
    assert_eq!(api.happened("share.claimed", &minted.id), 0);
    api.redeem(&minted.token, &claimant).expect(200);
    api.get(&session, "/v1/session").expect(200);
}

#[test]
fn a_store_that_hangs_makes_the_broker_unready_and_nobody_hang() {
    let (api, _, faults) = Laboratory::served();
    let ready = || api.call_url("GET", &format!("http://127.0.0.1:{}/readyz", api.ports[2])).send();
    assert_eq!(ready().status, 200);
    faults.hang(true);
    let unready = ready();
    assert_eq!((unready.status, &unready.json()["store"]), (503, &json!("unavailable")));
    faults.hang(false);
    assert_eq!(ready().status, 200);
}

#[test]
fn a_refusal_stands_even_where_it_cannot_be_recorded() {
    let (api, _, faults) = Laboratory::served();
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let claimant = claim_key();
    api.redeem(&minted.token, &claimant).expect(200);
    let recorded = api.redeem(&minted.token, &claim_key());
    faults.fail_commits(true);
    let unrecorded = api.redeem(&minted.token, &claim_key());
    assert_eq!(recorded.but_for_the_request_id(), unrecorded.but_for_the_request_id());
    // But a renewal is a credential, and is not issued without a record.
    unavailable(&api.redeem(&minted.token, &claimant));
    faults.fail_commits(false);
    api.redeem(&minted.token, &claimant).expect(200);
    assert_eq!(api.happened("share.refused", &minted.id), 1);
}

/// All rows of one broker but those left out, under the same keys in a new directory.
fn without(api: &Api, lost: &RowKey, partitions: &[String]) -> Api {
    let without = Api::start_with_the_keys_of(api);
    for partition in partitions {
        for row in api.rows(partition).into_iter().filter(|row| row.key != *lost) {
            without.write(Write { key: row.key, expected: Expected::Absent, body: row.body, purge_after: None });
        }
    }
    without
}

#[test]
fn a_row_that_was_lost_is_a_refusal() {
    let api = Api::start(Backend::Embedded);
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let claimant = claim_key();
    let session = text(&api.redeem(&minted.token, &claimant).expect(200), "session_token");
    let (share, tenant) = (format!("share#{}", minted.id), format!("tenant#{}", api.tenant.id));
    let keys = format!("keys#{}", api.ledger());
    let data_key = format!("tenant-key#{}", api.tenant.id);
    let partitions = [share.clone(), tenant.clone(), keys.clone(), data_key.clone()];
    let claim = api.rows(&share).into_iter().find(|row| row.key.sort.starts_with("claim#")).unwrap().key;

    let whole = without(&api, &RowKey::new("none", "none"), &partitions);
    whole.get(&session, "/v1/session").expect(200);
    whole.redeem(&minted.token, &claimant).expect(200);
    for lost in [
        RowKey::new(&share, "grant"),
        RowKey::new(&share, "state"),
        claim,
        RowKey::new(&tenant, "tenant"),
        RowKey::new(&keys, &api.tenant.admin.id),
        RowKey::new(&data_key, "field"),
    ] {
        let broken = without(&api, &lost, &partitions);
        broken.get(&session, "/v1/session").problem(401, "no_session");
        broken.redeem(&minted.token, &claimant).problem(404, "dead_token");
        broken.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
        broken.preview(&minted.token).problem(404, "dead_token");
    }
}

#[test]
fn a_token_under_a_key_that_is_gone_opens_nothing() {
    let (ours, theirs) = (Api::start(Backend::Embedded), Api::start(Backend::Embedded));
    let minted = ours.mint(ours.admin(), "read", &["a.txt"]);
    let share = format!("share#{}", minted.id);
    for row in ours.rows(&share) {
        theirs.write(Write { key: row.key, expected: Expected::Absent, body: row.body, purge_after: None });
    }
    theirs.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
    ours.redeem(&minted.token, &claim_key()).expect(200);
}
