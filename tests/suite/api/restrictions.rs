//! Restrictions that a minter may set: a message to recipients, a time to open, how many may claim it,
//! and from where.

use std::{collections::BTreeSet, time::Duration};

use cloakroom::clock::Clock;
use serde_json::{Value, json};

use super::{
    harness::{Answer, Api, Minted, claim_key, insisting, text},
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

/// Why it was refused, as its owner is told.
fn reasons(api: &Api, minted: &Minted) -> Vec<String> {
    let history = api.get(api.admin(), &format!("/v1/shares/{}/events", minted.id)).expect(200);
    let items = history["items"].as_array().unwrap().iter();
    items.filter_map(|event| event["reason"].as_str().map(str::to_owned)).collect()
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
        let answers = at_once(&claim_keys, |claim_key| insisting(|| api.redeem(&minted.token, claim_key)));
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
    let answers = at_once(&claim_keys, |claim_key| insisting(|| redeem(claim_key)));
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 3);
    let seen = api.get(api.admin(), &format!("/v1/links/{}", text(&made, "id"))).expect(200);
    assert_eq!((&seen["claims"], &seen["status"]), (&json!(3), &json!("claimed")));
}

pub fn networks_are_kept_in_one_spelling(api: &Api) {
    let networks = json!(["127.1.2.3/8", "192.0.2.7", "::ffff:192.0.2.7", "::1"]);
    let minted = mint(api, json!({ "allowed_networks": networks }));
    assert_eq!(share(api, &minted)["allowed_networks"], json!(["127.0.0.0/8", "192.0.2.7/32", "::1/128"]));
    let session = api.open(&minted);
    api.get(&session.token, "/v1/session").expect(200);
    assert_eq!(share(api, &mint(api, json!({})))["allowed_networks"], Value::Null);
}

/// As the proxy of the tests passes it on for this client.
fn post_from(api: &Api, client: &str, path: &str, body: &Value) -> Answer {
    api.call("POST", path).header("x-forwarded-for", client).json(body).send()
}

const INSIDE: [&str; 2] = ["192.0.2.9", "2001:db8:7::1"];
const OUTSIDE: [&str; 3] = ["192.0.3.9", "2001:db9::1", "10.0.0.1"];

fn behind_a_proxy() -> Api {
    Laboratory::served_limited("redeem=off,sign_in=off,principal=off,tenant=off", "127.0.0.1").0
}

#[test]
fn from_elsewhere_a_share_is_as_dead_as_any_and_its_owner_knows_why() {
    let api = behind_a_proxy();
    let minted = mint(&api, json!({ "allowed_networks": ["192.0.2.0/24", "2001:db8::/32"], "redemptions": 2 }));
    let made_up = |client: &str, path: &str, body: &Value| {
        let mut body = body.clone();
        body["token"] = json!("crs_x");
        post_from(&api, client, path, &body).but_for_the_request_id()
    };
    for client in OUTSIDE {
        for (path, body) in [
            ("/v1/shares/redeem/preview", json!({ "token": minted.token })),
            ("/v1/shares/redeem", json!({ "token": minted.token, "claim_key": claim_key() })),
        ] {
            let answer = post_from(&api, client, path, &body);
            answer.problem(404, "dead_token");
            assert_eq!(answer.but_for_the_request_id(), made_up(client, path, &body));
        }
    }
    assert_eq!(reasons(&api, &minted), ["wrong_network"; 6]);
    assert_eq!(share(&api, &minted)["claims"], 0);
    for client in INSIDE {
        post_from(&api, client, "/v1/shares/redeem/preview", &json!({ "token": minted.token })).expect(200);
        let body = json!({ "token": minted.token, "claim_key": claim_key() });
        post_from(&api, client, "/v1/shares/redeem", &body).expect(200);
    }
}

#[test]
fn a_session_does_nothing_from_elsewhere_and_goes_on_where_it_may() {
    let api = behind_a_proxy();
    api.upload(api.admin(), "a.txt", b"bytes");
    let minted = mint(&api, json!({ "allowed_networks": ["192.0.2.0/24"] }));
    let claim_key = claim_key();
    let redeem = json!({ "token": minted.token, "claim_key": claim_key });
    let opened = post_from(&api, INSIDE[0], "/v1/shares/redeem", &redeem);
    let session = opened.text("session_token");
    let download = |client: &str| {
        let call = api.call("POST", "/v1/session/downloads").header("x-forwarded-for", client);
        call.bearer(&session).json(&json!({ "path": "a.txt" })).send()
    };
    let cookie = format!("cloakroom-{}={session}", opened.text("session"));
    let look = |client: &str| {
        let call = api.call("GET", "/v1/session").header("x-forwarded-for", client);
        call.header("cookie", &cookie).send()
    };
    download(INSIDE[0]).expect(200);
    for client in OUTSIDE {
        download(client).problem(401, "no_session");
        look(client).problem(401, "no_session");
        post_from(&api, client, "/v1/shares/redeem", &redeem).problem(404, "dead_token");
    }
    let call = api.call("POST", "/v1/session/moves").header("x-forwarded-for", INSIDE[0]).bearer(&session);
    let offered = call.json(&json!({ "claim_key": claim_key })).send().text("token");
    let moving = json!({ "token": offered, "claim_key": super::harness::claim_key() });
    post_from(&api, OUTSIDE[0], "/v1/shares/redeem", &moving).problem(404, "dead_token");
    look(INSIDE[0]).expect(200);
    post_from(&api, INSIDE[0], "/v1/shares/redeem", &moving).expect(200);
}

#[test]
fn a_link_hands_out_nothing_elsewhere() {
    let api = behind_a_proxy();
    let made = link(&api, json!({ "allowed_networks": ["192.0.2.0/24"], "password": "sesame" }));
    let body = json!({ "token": made["token"], "claim_key": claim_key(), "password": "sesame" });
    for client in OUTSIDE {
        post_from(&api, client, "/v1/links/redeem", &body).problem(404, "dead_token");
        let look = json!({ "token": made["token"] });
        post_from(&api, client, "/v1/links/redeem/preview", &look).problem(404, "dead_token");
    }
    let opened = post_from(&api, INSIDE[0], "/v1/links/redeem", &body).expect(200);
    let url = text(&opened["enter"], "url");
    let authority = url.split('/').nth(2).unwrap();
    let enter = |client: &str| {
        let form = format!("code={}", text(&opened["enter"], "code"));
        let call = api.call_content("POST", authority, "/.cloakroom/enter").header("x-forwarded-for", client);
        call.header("content-type", "application/x-www-form-urlencoded").body(form.as_bytes()).send().status
    };
    assert_ne!(enter(OUTSIDE[0]), 303);
    assert_eq!(enter(INSIDE[0]), 303);
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
    assert_eq!(reasons(&api, &minted), ["not_yet"]);
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
