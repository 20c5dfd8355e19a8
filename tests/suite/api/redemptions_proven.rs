//! That every redemption has its record, and every record its redemption: shown by whoever verifies the ledger.

use cloakroom::{
    domain::{
        ids::AttemptId,
        lifetime,
        tenant::{Mode, Namespace},
    },
    service::ledger_sweep::{Extent, Swept},
    store::{OutboxEvent, Row, Transaction},
};
use serde_json::{Value, json};

use super::{
    calls::text,
    checkpoints::{forged, put, segments},
    harness::{Api, claim_key},
    laboratory::Laboratory,
};

fn verified(api: &Api) -> Value {
    let seen = api.get(api.admin(), "/v1/audit/verify").expect(200);
    assert_eq!(seen["intact"], true, "{seen}");
    seen["redemptions"].clone()
}

fn proven(tokens: u64, redemptions: u64) -> Value {
    json!({ "proven": true, "tokens": tokens, "redemptions": redemptions })
}

fn unproven(id: &str, redemptions: u64, records: u64, problem: &str) -> Value {
    json!([{ "resource": id, "redemptions": redemptions, "records": records, "problem": problem }])
}

const PUT_BACK: &str = "there are more records of its redemption than it has had";
const UNRECORDED: &str = "it has been redeemed more often than there are records of that";

fn sweep(api: &Api) -> Swept {
    let namespace = Namespace { tenant: api.tenant.id.parse().unwrap(), mode: Mode::Live };
    api.wait(api.broker().sweep_ledger(namespace, Extent::Whole)).unwrap()
}

fn state(api: &Api, share: &str) -> Row {
    api.row(&format!("share#{share}"), "state")
}

pub fn each_redemption_has_its_record(api: &Api) {
    assert_eq!(verified(api), proven(0, 0));
    let [once, never] = [(); 2].map(|()| api.mint(api.admin(), "read", &["a.txt"]));
    let body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true, "redemptions": 3 });
    let thrice = api.mint_as(api.admin(), &body);
    api.upload(api.admin(), "a.txt", b"bytes");
    let link = api.link(api.admin(), &api.publish(api.admin(), &["a.txt"]).id, json!({}));
    let claimant = claim_key();
    for _ in 0..2 {
        // Coming back is no second redemption.
        api.redeem(&once.token, &claimant).expect(200);
    }
    api.redeem(&once.token, &claim_key()).problem(404, "dead_token");
    api.open(&thrice);
    api.open(&thrice);
    api.public("/v1/links/redeem", &json!({ "token": link.token, "claim_key": claim_key() })).expect(200);
    api.delete(api.admin(), &format!("/v1/shares/{}", never.id));
    assert_eq!(verified(api), proven(4, 4));
    // Nor is going on elsewhere.
    let key = claim_key();
    let session = api.redeem(&thrice.token, &key).text("session_token");
    let offered = api.post(&session, "/v1/session/moves", &json!({ "claim_key": key })).expect(201);
    api.redeem(&text(&offered, "token"), &claim_key()).expect(200);
    assert_eq!(verified(api), proven(4, 5));
}

/// However they fall between reading the ledger and reading the tokens.
pub fn what_is_redeemed_meanwhile_is_no_contradiction(api: &Api) {
    let minted: Vec<_> = (0..api.rounds().min(24)).map(|_| api.mint(api.admin(), "read", &["a.txt"])).collect();
    std::thread::scope(|threads| {
        let redeeming = threads.spawn(|| minted.iter().for_each(|share| drop(api.open(share))));
        while !redeeming.is_finished() {
            let seen = verified(api);
            assert_eq!(seen["proven"], true, "{seen}");
        }
    });
    assert_eq!(verified(api), proven(minted.len() as u64, minted.len() as u64));
}

#[test]
fn a_token_that_was_put_back_to_before_its_redemption_is_named() {
    let (api, clock, _) = Laboratory::served();
    let (share, other) = (api.mint(api.admin(), "read", &["a.txt"]), api.mint(api.admin(), "read", &["a.txt"]));
    let before = state(&api, &share.id);
    api.open(&share);
    api.open(&other);
    let after = state(&api, &share.id);
    assert_eq!(verified(&api), proven(2, 2));

    // As it genuinely was, so that nothing in the row itself tells.
    put(&api, &before, before.body.clone());
    let seen = verified(&api);
    assert_eq!((&seen["proven"], &seen["unproven"]), (&json!(false), &unproven(&share.id, 0, 1, PUT_BACK)));
    // Whoever gains by it is seen, too.
    api.open(&share);
    assert_eq!(verified(&api)["unproven"], unproven(&share.id, 1, 2, PUT_BACK));

    // The operator is told, and the tenant, once.
    let told = || api.happened("ledger.verification_failed", &share.id);
    for _ in 0..2 {
        let swept = sweep(&api);
        assert!(swept.broken.is_none());
        assert_eq!(swept.redemptions.unwrap().unproven, 1);
        assert_eq!(told(), 1);
    }
    assert!(api.metrics().contains("cloakroom_ledgers_unproven 1"));
    let body = api.broker().keyring.authentic(&after.key.partition, &after.key.sort, &after.body).unwrap();
    let twice = String::from_utf8(body.to_vec()).unwrap().replace("\"claims\":1", "\"claims\":2");
    put(&api, &after, api.broker().keyring.authenticate(&after.key.partition, &after.key.sort, twice.as_bytes()));
    // Nobody recorded that this was set right.
    assert_eq!(verified(&api)["unproven"], unproven(&share.id, 2, 2, "its state has changed without a record of that"));
    // Of what may be purged nothing is said, although this store keeps it.
    clock.advance(lifetime::REMEMBERED + std::time::Duration::from_millis(1));
    assert_eq!(sweep(&api).redemptions.unwrap().unproven, 0);
    assert!(api.metrics().contains("cloakroom_ledgers_unproven 0"));
}

const MISSING: &str = "records name it, and it is not kept where all are listed";

/// Whoever puts a token back, and takes it off the list of those that are compared.
#[test]
fn a_token_that_is_not_listed_any_more_is_named() {
    let (api, _, _) = Laboratory::served();
    let (share, _other) = (api.mint(api.admin(), "read", &["a.txt"]), api.mint(api.admin(), "read", &["a.txt"]));
    let before = state(&api, &share.id);
    api.open(&share);
    assert_eq!(verified(&api), proven(2, 1));
    put(&api, &before, before.body.clone());
    let index = api.row(&format!("shares#{}", api.ledger()), &share.id);
    put(&api, &index, b"nothing".to_vec());
    // What the row says is of no account: that it is there is.
    assert_eq!(verified(&api)["unproven"], unproven(&share.id, 0, 1, PUT_BACK));
    let event = OutboxEvent { ledger: "intruder".into(), body: b"{}".to_vec() };
    let transaction = Transaction::recording(AttemptId::from_bytes([9; 16]), event).remove(index.key);
    api.wait(api.broker().store.commit(transaction)).unwrap();
    assert_eq!(verified(&api)["unproven"], unproven(&share.id, 0, 1, MISSING));
    assert_eq!(sweep(&api).redemptions.unwrap().unproven, 1);
}

#[test]
fn a_redemption_whose_record_was_written_anew_is_named() {
    let (api, _, _) = Laboratory::served();
    let (share, other) = (api.mint(api.admin(), "read", &["a.txt"]), api.mint(api.admin(), "read", &["a.txt"]));
    api.open(&other);
    assert_eq!(verified(&api), proven(2, 1));
    api.open(&share);
    assert_eq!(verified(&api), proven(2, 2));
    let last = segments(&api).pop().unwrap();
    for (from, to) in [
        ("\"type\":\"share.claimed\"", "\"type\":\"share.renewed\""),
        ("\"outcome\":\"done\"", "\"outcome\":\"refused\""),
        (share.id.as_str(), other.id.as_str()),
    ] {
        // By somebody with the root keys: each hash is as it must be.
        forged(&api, &last, |records| {
            let record = records.last_mut().unwrap();
            assert!(record.contains(from), "{record}");
            *record = record.replace(from, to);
        });
        let seen = verified(&api);
        assert_eq!(seen["proven"], false, "{to}");
        let missing = unproven(&share.id, 1, 0, UNRECORDED);
        assert!(seen["unproven"].as_array().unwrap().contains(&missing[0]), "{seen}");
        assert_eq!(seen["unproven"].as_array().unwrap().len(), if to == other.id { 2 } else { 1 });
        put(&api, &last, last.body.clone());
    }
    assert_eq!(text(&api.get(api.admin(), "/v1/audit/verify").expect(200), "head").len(), 64);
}

#[test]
fn a_token_that_was_put_back_to_before_its_revocation_is_named() {
    let (api, _, _) = Laboratory::served();
    let share = api.mint(api.admin(), "read", &["a.txt"]);
    let before = state(&api, &share.id);
    api.delete(api.admin(), &format!("/v1/shares/{}", share.id)).expect(204);
    assert_eq!(verified(&api), proven(1, 0));
    put(&api, &before, before.body.clone());
    let seen = verified(&api);
    assert_eq!(seen["unproven"], unproven(&share.id, 0, 0, "a record says that it was revoked, and it is not"));
}

#[test]
fn a_change_that_was_written_past_the_ledger_is_named() {
    let (api, _, _) = Laboratory::served();
    let (share, other) = (api.mint(api.admin(), "read", &["a.txt"]), api.mint(api.admin(), "read", &["a.txt"]));
    api.open(&other);
    assert_eq!(verified(&api), proven(2, 1));
    // By somebody with the root keys, who leaves the row as good as any.
    let row = state(&api, &share.id);
    put(&api, &row, row.body.clone());
    let problem = "its state has changed without a record of that";
    assert_eq!(verified(&api)["unproven"], unproven(&share.id, 0, 0, problem));
}

#[test]
fn records_of_one_thing_tell_its_order_by_versions() {
    let (api, _, _) = Laboratory::served();
    let body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true, "redemptions": 9 });
    let share = api.mint_as(api.admin(), &body);
    api.open(&share);
    api.call("PATCH", &format!("/v1/shares/{}", share.id)).bearer(api.admin()).json(&json!({ "label": "x" })).send();
    api.open(&share);
    api.delete(api.admin(), &format!("/v1/shares/{}", share.id)).expect(204);
    let told = api.get(api.admin(), &format!("/v1/audit?resource={}", share.id)).expect(200);
    let mut named: Vec<_> = told["items"].as_array().unwrap().iter().collect();
    named.sort_by_key(|event| event["version"].as_u64());
    let named: Vec<_> = named.iter().filter(|event| event["version"].is_u64()).collect();
    let kinds: Vec<_> = named.iter().map(|event| text(event, "type")).collect();
    assert_eq!(kinds, ["share.created", "share.claimed", "share.changed", "share.claimed", "share.revoked"]);
    assert_eq!(named.iter().map(|event| event["version"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}
