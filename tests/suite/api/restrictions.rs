//! Restrictions that a minter may set: a message to recipients, a time to open, how many may claim it.

use std::{collections::BTreeSet, time::Duration};

use cloakroom::clock::Clock;
use serde_json::{Value, json};

use super::{
    harness::{Api, Minted, claim_key, text},
    laboratory::Laboratory,
    once::at_once,
};

fn mint(api: &Api, more: Value) -> Minted {
    let mut body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    api.mint_as(api.admin(), &body)
}

fn link(api: &Api, more: Value) -> Value {
    if api.get(api.admin(), "/v1/objects/a.txt").status != 200 {
        api.upload(api.admin(), "a.txt", b"bytes");
    }
    let artifact = api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["a.txt"] })).expect(201);
    let mut body = json!({ "artifact": artifact["id"] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    api.post(api.admin(), "/v1/links", &body).expect(201)
}

fn share(api: &Api, minted: &Minted) -> Value {
    api.get(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(200)
}

pub fn a_message_is_the_senders_own_and_goes_to_recipients(api: &Api) {
    let message = "<b>Draft</b> for you, see https://example.com ✓";
    let longest = "é".repeat(1_000);
    for message in [message, &longest] {
        let minted = mint(api, json!({ "message": message, "label": "mine" }));
        let preview = api.preview(&minted.token).expect(200);
        assert_eq!((&preview["message"], &preview["sender"]), (&json!(message), &json!("First")));
        assert!(!preview.to_string().contains("mine"));
        assert_eq!(share(api, &minted)["message"], message);
    }
    assert_eq!(api.preview(&mint(api, json!({})).token).expect(200)["message"], Value::Null);

    let made = link(api, json!({ "message": message, "password": "sesame" }));
    let preview = api.public("/v1/links/redeem/preview", &json!({ "token": made["token"] })).expect(200);
    assert_eq!((&preview["message"], &preview["requires"]), (&json!(message), &json!(["password"])));
    // It is told of what lives, and of nothing else.
    api.delete(api.admin(), &format!("/v1/links/{}", text(&made, "id"))).expect(204);
    let dead = api.public("/v1/links/redeem/preview", &json!({ "token": made["token"] }));
    dead.problem(404, "dead_token");
    assert!(!String::from_utf8_lossy(&dead.body).contains("Draft"));

    let asked = api.post(api.admin(), "/v1/file-requests", &json!({ "folder": "in/", "message": message })).expect(201);
    let preview = api.public("/v1/file-requests/redeem/preview", &json!({ "token": asked["token"] })).expect(200);
    assert_eq!(preview["message"], message);
}

pub fn of_many_claimants_as_many_win_as_were_asked_for(api: &Api) {
    for _ in 0..api.rounds() {
        let minted = mint(api, json!({ "redemptions": 5 }));
        assert_eq!(share(api, &minted)["redemptions"], 5);
        let claim_keys: Vec<_> = (0..32).map(|_| claim_key()).collect();
        let answers = at_once(&claim_keys, |claim_key| api.redeem(&minted.token, claim_key));
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        let sessions: BTreeSet<_> = won.iter().map(|answer| answer.text("session")).collect();
        assert_eq!((won.len(), sessions.len()), (5, 5));
        for answer in lost {
            answer.problem(404, "dead_token");
        }
        let seen = share(api, &minted);
        assert_eq!((&seen["claims"], &seen["status"]), (&json!(5), &json!("claimed")));
        assert_eq!(api.happened("share.claimed", &minted.id), 5);
        // Those who have it come back, and use up nothing.
        for (claim_key, answer) in claim_keys.iter().zip(&answers).filter(|(_, answer)| answer.status == 200) {
            assert_eq!(api.redeem(&minted.token, claim_key).text("session"), answer.text("session"));
        }
        assert_eq!(share(api, &minted)["claims"], 5);
    }
}

pub fn each_of_several_claimants_has_a_session_of_their_own(api: &Api) {
    let minted = mint(api, json!({ "redemptions": 2 }));
    assert_eq!(api.preview(&minted.token).expect(200)["single_use"], false);
    let (first, second) = (api.open(&minted), api.open(&minted));
    assert_ne!(first.id, second.id);
    assert_eq!(api.preview(&mint(api, json!({})).token).expect(200)["single_use"], true);
    for session in [&first, &second] {
        api.get(&session.token, "/v1/session").expect(200);
    }
    api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(204);
    for session in [&first, &second] {
        api.get(&session.token, "/v1/session").problem(401, "no_session");
    }
}

pub fn of_many_who_open_a_link_as_many_win_as_were_asked_for(api: &Api) {
    let made = link(api, json!({ "redemptions": 3 }));
    let claim_keys: Vec<_> = (0..16).map(|_| claim_key()).collect();
    let redeem =
        |claim_key: &str| api.public("/v1/links/redeem", &json!({ "token": made["token"], "claim_key": claim_key }));
    let answers = at_once(&claim_keys, redeem);
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 3);
    let seen = api.get(api.admin(), &format!("/v1/links/{}", text(&made, "id"))).expect(200);
    assert_eq!((&seen["claims"], &seen["status"]), (&json!(3), &json!("claimed")));
}

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn a_share_opens_at_its_time_and_tells_the_holder_when() {
    let (api, clock, _) = Laboratory::served();
    let opens_at = clock.now().plus(Duration::from_secs(600)).to_string();
    let minted = mint(&api, json!({ "not_before": opens_at, "message": "soon" }));
    let seen = share(&api, &minted);
    assert_eq!((&seen["not_before"], &seen["status"]), (&json!(opens_at), &json!("pending")));
    let claimant = claim_key();
    clock.advance(Duration::from_secs(600).checked_sub(MILLISECOND).unwrap());
    let preview = api.preview(&minted.token).expect(200);
    assert_eq!((&preview["opens_at"], &preview["message"]), (&json!(opens_at), &json!("soon")));
    let refused = api.redeem(&minted.token, &claimant).problem(409, "not_yet");
    assert_eq!(refused.opens_at.as_deref(), Some(opens_at.as_str()));
    let history = api.get(api.admin(), &format!("/v1/shares/{}/events", minted.id)).expect(200);
    assert_eq!(history["items"][0]["reason"], "not_yet", "{history}");
    assert_eq!(share(&api, &minted)["claims"], 0);

    clock.advance(MILLISECOND);
    assert_eq!(api.preview(&minted.token).expect(200)["opens_at"], Value::Null);
    api.redeem(&minted.token, &claimant).expect(200);
    api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
}

#[test]
fn what_is_dead_does_not_say_that_it_would_have_opened() {
    let (api, clock, _) = Laboratory::served();
    let minted = mint(&api, json!({ "not_before": clock.now().plus(Duration::from_secs(600)) }));
    api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(204);
    api.preview(&minted.token).problem(404, "dead_token");
    api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
}

#[test]
fn before_a_link_opens_its_password_is_not_tried() {
    let (api, clock, _) = Laboratory::served();
    let opens_at = clock.now().plus(Duration::from_secs(600));
    let made = link(&api, json!({ "not_before": opens_at, "password": "sesame" }));
    let redeem = |password: &str| {
        let body = json!({ "token": made["token"], "claim_key": claim_key(), "password": password });
        api.public("/v1/links/redeem", &body)
    };
    for password in ["wrong", "sesame"] {
        redeem(password).problem(409, "not_yet");
    }
    clock.advance(Duration::from_secs(600));
    redeem("wrong").problem(403, "password_wrong");
    redeem("sesame").expect(200);
}
