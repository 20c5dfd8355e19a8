//! A share or link that is out is changed: what is said about it, and what becomes narrower. Its token stays.

use std::{thread::scope, time::Duration};

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

fn link(api: &Api, more: Value) -> Minted {
    if api.get(api.admin(), "/v1/objects/a.txt").status != 200 {
        api.upload(api.admin(), "a.txt", b"bytes");
    }
    api.link(api.admin(), &api.publish(api.admin(), &["a.txt"]).id, more)
}

fn patch(api: &Api, path: &str, change: &Value) -> Answer {
    api.call("PATCH", path).bearer(api.admin()).json(change).send()
}

fn change(api: &Api, share: &Minted, change: &Value) -> Answer {
    patch(api, &format!("/v1/shares/{}", share.id), change)
}

fn see(api: &Api, share: &Minted) -> Value {
    api.get(api.admin(), &format!("/v1/shares/{}", share.id)).expect(200)
}

/// Which fields were changed, each time that something was.
fn changes(api: &Api, path: &str) -> Vec<Value> {
    let history = api.get(api.admin(), &format!("{path}/events")).expect(200);
    let items = history["items"].as_array().unwrap().iter();
    items.filter(|event| text(event, "type").ends_with(".changed")).map(|event| event["changed"].clone()).collect()
}

pub fn what_is_said_about_it_changes_freely(api: &Api) {
    let (share, link) = (mint(api, json!({ "label": "old", "message": "old words" })), link(api, json!({})));
    let words = json!({ "label": "new", "metadata": { "a": "1" }, "message": "new words" });
    for (path, preview, token) in [
        (format!("/v1/shares/{}", share.id), "/v1/shares/redeem/preview", &share.token),
        (format!("/v1/links/{}", link.id), "/v1/links/redeem/preview", &link.token),
    ] {
        let before = api.get(api.admin(), &path).expect(200);
        let mut expected = before.clone();
        expected.as_object_mut().unwrap().extend(words.as_object().unwrap().clone());
        assert_eq!(patch(api, &path, &words).expect(200), expected);
        assert_eq!(api.get(api.admin(), &path).expect(200), expected);
        assert_eq!(api.public(preview, &json!({ "token": token })).expect(200)["message"], "new words");
        // What is said again changes nothing, and is no event.
        assert_eq!(patch(api, &path, &words).expect(200), expected);
        assert_eq!(patch(api, &path, &json!({})).expect(200), expected);
        assert_eq!(changes(api, &path), [json!(["label", "metadata", "message"])]);
        let none = json!({ "label": null, "metadata": null, "message": null });
        let seen = patch(api, &path, &none).expect(200);
        assert_eq!((&seen["label"], &seen["metadata"], &seen["message"]), (&Value::Null, &json!({}), &Value::Null));
        let listed = api.get(api.admin(), path.rsplit_once('/').unwrap().0).expect(200);
        assert_eq!(listed["items"][0]["message"], Value::Null);
    }
    let history = api.get(api.admin(), &format!("/v1/shares/{}/events", share.id)).expect(200);
    assert!(!history.to_string().contains("new words"), "{history}");
    api.redeem(&share.token, &claim_key()).expect(200);
}

pub fn nothing_becomes_wider(api: &Api) {
    let share = mint(api, json!({ "expires_in": 600, "redemptions": 3, "access_expires_in": 600 }));
    let link = link(api, json!({ "expires_in": 600, "redemptions": 3, "access_expires_in": 600 }));
    let narrow = json!({ "allowed_networks": ["127.0.0.0/8", "192.0.2.0/24"], "redemptions": 2 });
    for path in [format!("/v1/shares/{}", share.id), format!("/v1/links/{}", link.id)] {
        let narrowed = patch(api, &path, &narrow).expect(200);
        for (field, wider) in [
            ("expires_in", json!(700)),
            ("expires_at", json!("2996-11-23T12:00:00Z")),
            ("access_expires_in", json!(601)),
            ("redemptions", json!(3)),
            ("allowed_networks", json!(["127.0.0.0/7"])),
            ("allowed_networks", json!(["192.0.3.0/24", "127.0.0.1"])),
            ("allowed_networks", Value::Null),
        ] {
            // With something else that alone would be done.
            let body = json!({ "label": "new", field: wider });
            let problem = patch(api, &path, &body).problem(409, "widening");
            assert_eq!(problem.pointer, Some(format!("/{field}")), "{body}");
        }
        assert_eq!(api.get(api.admin(), &path).expect(200), narrowed);
        assert_eq!(changes(api, &path).len(), 1);
        for (body, pointer) in [
            (json!({ "expires_in": 59 }), "/expires_in"),
            (json!({ "expires_in": 60, "expires_at": "2096-11-23T12:00:00Z" }), "/expires_at"),
            (json!({ "expires_at": "2001-01-01T00:00:00Z" }), "/expires_at"),
            (json!({ "not_before": "2001-01-01T00:00:00Z" }), "/not_before"),
            (json!({ "not_before": "2996-01-01T00:00:00Z" }), "/not_before"),
            (json!({ "redemptions": 0 }), "/redemptions"),
            (json!({ "access_expires_in": 59 }), "/access_expires_in"),
            (json!({ "allowed_networks": [] }), "/allowed_networks"),
            (json!({ "allowed_networks": ["x"] }), "/allowed_networks/0"),
            (json!({ "message": "a\nb" }), "/message"),
            (json!({ "label": "" }), "/label"),
        ] {
            assert_eq!(patch(api, &path, &body).problem(422, "invalid").pointer.as_deref(), Some(pointer), "{body}");
        }
        for unknown in [json!({ "paths": ["/"] }), json!({ "permission": "write" }), json!({ "password": null })] {
            assert!(matches!(patch(api, &path, &unknown).status, 400 | 422), "{unknown}");
        }
        assert_eq!(api.get(api.admin(), &path).expect(200), narrowed);
    }
}

pub fn what_has_ended_changes_no_more(api: &Api) {
    let (revoked, used_up) = (mint(api, json!({})), mint(api, json!({})));
    api.delete(api.admin(), &format!("/v1/shares/{}", revoked.id)).expect(204);
    api.open(&used_up);
    for share in [&revoked, &used_up] {
        let before = see(api, share);
        for body in [json!({ "label": "new" }), json!({ "expires_in": 60 }), json!({ "redemptions": 1_000 })] {
            change(api, share, &body).problem(409, "ended");
        }
        assert_eq!(see(api, share), before);
    }
    let gone = link(api, json!({}));
    api.delete(api.admin(), &format!("/v1/links/{}", gone.id)).expect(204);
    patch(api, &format!("/v1/links/{}", gone.id), &json!({ "label": "new" })).problem(409, "ended");
}

pub fn as_many_as_have_claimed_it_are_enough(api: &Api) {
    let share = mint(api, json!({ "redemptions": 5 }));
    let claim_keys = [claim_key(), claim_key()];
    let sessions = claim_keys.each_ref().map(|key| api.redeem(&share.token, key).expect(200));
    let problem = change(api, &share, &json!({ "redemptions": 1 })).problem(409, "claimed_more_often");
    assert_eq!(problem.pointer.as_deref(), Some("/redemptions"));
    let enough = json!({ "redemptions": 2 });
    let seen = change(api, &share, &enough).expect(200);
    assert_eq!((&seen["status"], &seen["redemptions"]), (&json!("claimed"), &json!(2)));
    // Whose answer was lost asks again.
    assert_eq!(change(api, &share, &enough).expect(200), seen);
    api.redeem(&share.token, &claim_key()).problem(404, "dead_token");
    api.preview(&share.token).problem(404, "dead_token");
    for (key, opened) in claim_keys.iter().zip(sessions) {
        api.get(&text(&opened, "session_token"), "/v1/session").expect(200);
        assert_eq!(api.redeem(&share.token, key).text("session"), text(&opened, "session"));
    }
    let listed = api.get(api.admin(), "/v1/shares?status=claimed").expect(200);
    assert_eq!(listed["items"][0]["id"], share.id.as_str());
}

pub fn once_a_change_is_answered_nobody_claims_beyond_it(api: &Api) {
    for _ in 0..api.rounds() {
        let share = mint(api, json!({ "redemptions": 40 }));
        let claim_keys: Vec<_> = (0..24).map(|_| claim_key()).collect();
        let first = api.redeem(&share.token, &claim_keys[0]);
        first.expect(200);
        let redeem = |key: &str| insisting(|| api.redeem(&share.token, key));
        let (answers, changed) = scope(|threads| {
            let racing = threads.spawn(|| at_once(&claim_keys[1..], redeem));
            // Says the number of claims that it has seen until that is the number.
            let changed = loop {
                let claims = see(api, &share)["claims"].clone();
                let answer = insisting(|| change(api, &share, &json!({ "redemptions": claims })));
                if answer.status == 200 {
                    break answer.expect(200);
                }
                answer.problem(409, "claimed_more_often");
            };
            (racing.join().unwrap(), changed)
        });
        let won = 1 + answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((&changed["redemptions"], &changed["claims"]), (&json!(won), &json!(won)));
        assert_eq!(see(api, &share)["claims"], won);
        assert_eq!(api.happened("share.claimed", &share.id), won);
        for lost in answers.iter().filter(|answer| answer.status != 200) {
            lost.problem(404, "dead_token");
        }
        api.redeem(&share.token, &claim_key()).problem(404, "dead_token");
    }
}

pub fn a_narrowed_link_takes_no_more_than_it_then_may(api: &Api) {
    let link = link(api, json!({ "redemptions": 3, "password": "sesame" }));
    let redeem = |claim_key: &str| {
        let body = json!({ "token": link.token, "claim_key": claim_key, "password": "sesame" });
        api.public("/v1/links/redeem", &body)
    };
    let claimant = claim_key();
    redeem(&claimant).expect(200);
    let path = format!("/v1/links/{}", link.id);
    let seen = patch(api, &path, &json!({ "redemptions": 1, "access_expires_in": 60 })).expect(200);
    assert_eq!((&seen["status"], &seen["has_password"]), (&json!("claimed"), &json!(true)));
    redeem(&claim_key()).problem(404, "dead_token");
    redeem(&claimant).expect(200);
    let mut fields = changes(api, &path);
    fields.iter_mut().for_each(|fields| fields.as_array_mut().unwrap().sort_by_key(Value::to_string));
    assert_eq!(fields, [json!(["access_expires_in", "redemptions"])]);
}

#[test]
fn what_is_narrowed_in_time_ends_and_opens_then() {
    let (api, clock, _) = Laboratory::served();
    let seconds = Duration::from_secs;
    let (share, kept) = (mint(&api, json!({ "redemptions": 3 })), claim_key());
    let until = |answer: &Answer| answer.text("access_expires_at");
    let early = api.redeem(&share.token, &kept);
    let opens_at = clock.now().plus(seconds(100)).to_string();
    let expires_at = clock.now().plus(seconds(200)).to_string();
    let body = json!({ "not_before": opens_at, "expires_at": expires_at, "access_expires_in": 300 });
    let seen = change(&api, &share, &body).expect(200);
    assert_eq!((&seen["not_before"], &seen["expires_at"]), (&json!(opens_at), &json!(expires_at)));
    assert_eq!(seen["access_expires_in"], 300);
    assert_eq!(
        change(&api, &share, &json!({ "not_before": null })).problem(409, "widening").pointer.unwrap(),
        "/not_before"
    );

    let preview = api.preview(&share.token).expect(200);
    assert_eq!((&preview["opens_at"], &preview["claim_by"]), (&json!(opens_at), &json!(expires_at)));
    assert_eq!(preview["access_expires_in"], 300);
    api.redeem(&share.token, &claim_key()).problem(409, "not_yet");
    clock.advance(seconds(100));
    let late = api.redeem(&share.token, &claim_key());
    late.expect(200);
    assert_eq!(until(&late), clock.now().plus(seconds(300)).to_string());
    clock.advance(seconds(100));
    api.redeem(&share.token, &claim_key()).problem(404, "dead_token");
    assert_eq!(see(&api, &share)["status"], "expired");
    change(&api, &share, &json!({ "label": "new" })).problem(409, "ended");
    // Who has come before keeps the time that was told.
    clock.advance(seconds(1_000));
    assert_eq!(until(&api.redeem(&share.token, &kept)), until(&early));
}

#[test]
fn what_is_narrowed_to_networks_ends_sessions_from_elsewhere_at_once() {
    let api = Laboratory::served_limited("redeem=off,sign_in=off,principal=off,tenant=off", "127.0.0.1").0;
    api.upload(api.admin(), "a.txt", b"bytes");
    let (inside, outside) = ("192.0.2.9", "198.51.100.9");
    let share = mint(&api, json!({ "permission": "write", "paths": ["/"], "redemptions": 2 }));
    let from = |client: &str, method: &str, path: &str| api.call(method, path).header("x-forwarded-for", client);
    let redeem = json!({ "token": share.token, "claim_key": claim_key() });
    let session = from(outside, "POST", "/v1/shares/redeem").json(&redeem).send().text("session_token");
    let acts = |client: &str, path: &str| {
        let upload = json!({ "path": path, "size": 1, "content_type": "text/plain" });
        let acts = [
            ("GET", "/v1/session", None),
            ("GET", "/v1/session/objects", None),
            ("POST", "/v1/session/downloads", Some(json!({ "path": "a.txt" }))),
            ("POST", "/v1/session/archives", Some(json!({ "paths": ["a.txt"] }))),
            ("POST", "/v1/session/moves", Some(json!({ "claim_key": redeem["claim_key"] }))),
            ("POST", "/v1/session/uploads", Some(upload)),
        ];
        acts.map(|(method, path, body)| {
            let call = from(client, method, path).bearer(&session);
            body.iter().fold(call, |call, body| call.json(body)).send()
        })
    };
    let offered = acts(outside, "1.txt").map(|answer| {
        assert!((200..300).contains(&answer.status), "{answer:?}");
        answer
    });
    change(&api, &share, &json!({ "allowed_networks": ["192.0.2.0/24"] })).expect(200);
    for answer in acts(outside, "2.txt") {
        answer.problem(401, "no_session");
    }
    let moving = json!({ "token": offered[4].text("token"), "claim_key": claim_key() });
    for body in [&redeem, &moving] {
        from(outside, "POST", "/v1/shares/redeem").json(body).send().problem(404, "dead_token");
        let look = json!({ "token": body["token"] });
        from(outside, "POST", "/v1/shares/redeem/preview").json(&look).send().problem(404, "dead_token");
    }
    for answer in acts(inside, "2.txt") {
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }
    from(inside, "POST", "/v1/shares/redeem").json(&redeem).send().expect(200);
}

#[test]
fn a_link_that_is_narrowed_to_networks_gives_no_cookies_elsewhere() {
    let api = Laboratory::served_limited("redeem=off,sign_in=off,principal=off,tenant=off", "127.0.0.1").0;
    let link = link(&api, json!({ "redemptions": 2 }));
    let from = |client: &str, path: &str| api.call("POST", path).header("x-forwarded-for", client);
    let redeem = json!({ "token": link.token, "claim_key": claim_key() });
    let open = |client: &str| from(client, "/v1/links/redeem").json(&redeem).send();
    let enter = |client: &str, opened: &Value| {
        let (url, form) = (text(&opened["enter"], "url"), format!("code={}", text(&opened["enter"], "code")));
        let call = api.call_content("POST", url.split('/').nth(2).unwrap(), "/.cloakroom/enter");
        let call = call.header("x-forwarded-for", client).header("content-type", "application/x-www-form-urlencoded");
        call.body(form.as_bytes()).send().status
    };
    let (inside, outside) = ("192.0.2.9", "198.51.100.9");
    let (first, second) = (open(outside).expect(200), open(outside).expect(200));
    assert_eq!(enter(outside, &first), 303);
    let narrowed = json!({ "allowed_networks": ["192.0.2.0/24"] });
    patch(&api, &format!("/v1/links/{}", link.id), &narrowed).expect(200);
    assert_ne!(enter(outside, &second), 303);
    open(outside).problem(404, "dead_token");
    assert_eq!(enter(inside, &open(inside).expect(200)), 303);
}
