//! Promise 8: nothing unrecorded. Everything that was done or refused has
//! exactly one event, in the ledger it belongs to.

use cloakroom::domain::{event::Outcome, refusal::Refusal};
use serde_json::json;

use super::{
    harness::{Api, claim_key, kind, text},
    laboratory::Laboratory,
};

/// The events as they are now, but for those of the setting-up.
fn history(api: &Api, skip: &[(String, String)]) -> Vec<(String, String)> {
    let mut history = api.history();
    for known in skip {
        let position = history.iter().position(|event| event == known).unwrap();
        history.remove(position);
    }
    history.sort();
    history
}

fn sorted(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut expected: Vec<_> = expected.iter().map(|(kind, about)| (kind.to_string(), about.to_string())).collect();
    expected.sort();
    expected
}

pub fn the_life_of_a_share_is_told_event_by_event(api: &Api) {
    let before = api.history();
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let share = minted.id.as_str();
    let claimant = claim_key();
    let mut expected = vec![("share.created", share)];
    assert_eq!(history(api, &before), sorted(&expected));

    let session = text(&api.redeem(&minted.token, &claimant).expect(200), "session_token");
    expected.push(("share.claimed", share));
    assert_eq!(history(api, &before), sorted(&expected));

    api.redeem(&minted.token, &claimant).expect(200);
    expected.push(("share.renewed", share));
    api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
    expected.push(("share.refused", share));
    api.preview(&minted.token).problem(404, "dead_token");
    expected.push(("share.refused", share));
    // Looking, listing and what was not done leave no trace here.
    api.get(&session, "/v1/session").expect(200);
    api.get(api.admin(), "/v1/shares").expect(200);
    api.redeem("crs_nonsense", &claim_key()).problem(404, "dead_token");
    api.post(api.admin(), "/v1/shares", &json!({ "paths": [], "permission": "read" })).problem(422, "invalid");
    assert_eq!(history(api, &before), sorted(&expected));

    for _ in 0..2 {
        api.delete(api.admin(), &format!("/v1/shares/{share}")).expect(204);
    }
    expected.push(("share.revoked", share));
    api.redeem(&minted.token, &claimant).problem(404, "dead_token");
    expected.push(("share.refused", share));
    assert_eq!(history(api, &before), sorted(&expected));

    let reasons: Vec<_> = api.events(&api.ledger()).into_iter().filter_map(|event| event.reason).collect();
    for (reason, times) in [(Refusal::AlreadyClaimed, 2), (Refusal::Revoked, 1)] {
        assert_eq!(reasons.iter().filter(|found| **found == reason).count(), times, "{reason:?}");
    }
}

pub fn every_act_has_one_event(api: &Api) {
    assert_eq!(api.history().len(), 2);
    let key = api.new_key(api.admin(), "live", &[("/", "write")]);
    let upload = api.upload(&key.secret, "a.txt", b"a");
    let object = |api: &Api| {
        let row = api.row(&format!("vault#{}", api.ledger()), "a.txt");
        let body = api.broker().keyring.authentic(&row.key.partition, &row.key.sort, &row.body).unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let begin = body.find("obj_").unwrap();
        body[begin..begin + 36].to_owned()
    };
    let object = object(api);
    api.post(&key.secret, "/v1/objects/downloads", &json!({ "path": "a.txt" })).expect(200);
    let minted = api.mint(&key.secret, "write", &["/"]);
    let session = api.open(&minted).token;
    api.post(&session, "/v1/session/downloads", &json!({ "path": "a.txt" })).expect(200);
    let called_off = text(&api.declare(&session, "/v1/session/uploads", "b.txt", b"b"), "id");
    api.delete(&session, &format!("/v1/session/uploads/{called_off}")).expect(204);
    api.delete(&key.secret, "/v1/objects/a.txt").expect(204);
    api.delete(api.admin(), &format!("/v1/api-keys/{}", key.id)).expect(204);
    let expected = [
        ("tenant.created", api.tenant.id.as_str()),
        ("api_key.created", &api.tenant.admin.id),
        ("api_key.created", &key.id),
        ("upload.created", &upload),
        ("upload.completed", &upload),
        ("download.issued", &object),
        ("share.created", &minted.id),
        ("share.claimed", &minted.id),
        ("download.issued", &object),
        ("upload.created", &called_off),
        ("upload.cancelled", &called_off),
        ("object.deleted", &object),
        ("api_key.revoked", &key.id),
    ];
    assert_eq!(history(api, &[]), sorted(&expected));
    let second = api.new_tenant("Second");
    let told: Vec<_> = api.events(&format!("{}#live", second.id)).iter().map(kind).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(history(api, &[]).len(), expected.len());
}

#[test]
fn a_hundred_refusals_are_ten_events_and_a_sum() {
    let (api, clock, _) = Laboratory::served();
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    api.open(&minted);
    for _ in 0..100 {
        api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
    }
    let refusals = |api: &Api| {
        let events = api.events(&api.ledger());
        events.into_iter().filter(|event| event.outcome == Outcome::Refused).collect::<Vec<_>>()
    };
    assert_eq!(refusals(&api).len(), 10);
    assert!(refusals(&api).iter().all(|event| event.resource == minted.id && event.count.is_none()));

    api.wait(api.broker().record_summaries(false));
    assert_eq!(refusals(&api).len(), 10);
    api.wait(api.broker().record_summaries(true));
    let summed: Vec<_> = refusals(&api).into_iter().filter_map(|event| event.count).collect();
    assert_eq!((refusals(&api).len(), summed), (11, vec![90]));
    api.wait(api.broker().record_summaries(true));
    assert_eq!(refusals(&api).len(), 11);

    // A new hour counts anew.
    api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
    assert_eq!(refusals(&api).len(), 12);
    clock.advance(std::time::Duration::from_secs(3_600));
    api.wait(api.broker().record_summaries(false));
    assert_eq!(refusals(&api).len(), 12);
}

#[test]
fn a_sum_that_cannot_be_recorded_is_recorded_later() {
    let (api, _, faults) = Laboratory::served();
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    api.open(&minted);
    for _ in 0..15 {
        api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
    }
    faults.fail_commits(true);
    api.wait(api.broker().record_summaries(true));
    faults.fail_commits(false);
    api.wait(api.broker().record_summaries(true));
    let counts: Vec<_> = api.events(&api.ledger()).into_iter().filter_map(|event| event.count).collect();
    assert_eq!(counts, [5]);
}

#[test]
fn a_refusal_of_a_test_share_is_on_the_test_ledger() {
    let (api, _, _) = Laboratory::served();
    let key = api.new_key(api.admin(), "test", &[("/", "write")]).secret;
    let minted = api.mint(&key, "read", &["a.txt"]);
    api.open(&minted);
    api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
    let told: Vec<_> = api.events(&format!("{}#test", api.tenant.id)).iter().map(kind).collect();
    assert_eq!(told.iter().filter(|kind| *kind == "share.refused").count(), 1);
    assert_eq!(api.happened("share.refused", &minted.id), 0);
}
