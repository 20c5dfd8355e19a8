//! Promise 3: not forever. Every end is exact, and judged by the clock at use.

use std::{sync::Arc, time::Duration};

use cloakroom::{
    clock::{Clock, ManualClock},
    domain::instant::Instant,
};
use serde_json::{Value, json};

use super::{
    harness::{Api, Minted, claim_key, text},
    laboratory::Laboratory,
};

fn served() -> (Api, Arc<ManualClock>) {
    let (api, clock, _) = Laboratory::served();
    (api, clock)
}

const MILLISECOND: Duration = Duration::from_millis(1);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Moves the clock to the last millisecond before this span has passed since `begin`.
fn just_before(clock: &ManualClock, begin: Instant, span: u64) {
    clock.advance(begin.plus(seconds(span)).since(clock.now()).checked_sub(MILLISECOND).unwrap());
}

fn mint(api: &Api, more: Value) -> Minted {
    let mut body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    api.mint_as(api.admin(), &body)
}

fn status(api: &Api, minted: &Minted) -> String {
    text(&api.get(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(200), "status")
}

#[test]
fn a_share_is_claimed_until_the_last_millisecond_and_not_later() {
    for (asked, lives) in
        [(json!({}), 900), (json!({ "expires_in": 60 }), 60), (json!({ "expires_in": 604_800 }), 604_800)]
    {
        let (api, clock) = served();
        let begin = clock.now();
        let (first, second) = (mint(&api, asked.clone()), mint(&api, asked));
        just_before(&clock, begin, lives);
        assert_eq!(status(&api, &first), "pending");
        api.preview(&first.token).expect(200);
        api.redeem(&first.token, &claim_key()).expect(200);
        clock.advance(MILLISECOND);
        assert_eq!((status(&api, &first), status(&api, &second)), ("claimed".into(), "expired".into()));
        api.preview(&second.token).problem(404, "dead_token");
        api.redeem(&second.token, &claim_key()).problem(404, "dead_token");
        clock.advance(seconds(90 * 86_400));
        api.redeem(&second.token, &claim_key()).problem(404, "dead_token");
    }
}

#[test]
fn the_claimant_comes_back_until_its_access_ends() {
    for (asked, lives) in [
        (json!({}), 3_600),
        (json!({ "access_expires_in": 60 }), 60),
        (json!({ "access_expires_in": 604_800 }), 604_800),
    ] {
        let (api, clock) = served();
        let minted = mint(&api, asked);
        clock.advance(seconds(899));
        let (claimed_at, claimant) = (clock.now(), claim_key());
        let opened = api.redeem(&minted.token, &claimant).expect(200);
        assert_eq!(text(&opened, "access_expires_at"), claimed_at.plus(seconds(lives)).to_string());

        just_before(&clock, claimed_at, lives);
        let again = api.redeem(&minted.token, &claimant).expect(200);
        assert_eq!(opened["session"], again["session"]);
        assert_eq!(again["access_expires_at"], opened["access_expires_at"]);
        // A credential ends with the session at the latest.
        assert_eq!(again["expires_at"], opened["access_expires_at"]);
        api.get(&text(&again, "session_token"), "/v1/session").expect(200);

        clock.advance(MILLISECOND);
        api.redeem(&minted.token, &claimant).problem(404, "dead_token");
        api.get(&text(&again, "session_token"), "/v1/session").problem(401, "no_session");
    }
}

#[test]
fn a_session_credential_lives_15_minutes_and_is_renewed() {
    let (api, clock) = served();
    let (minted, claimant, begin) = (mint(&api, json!({})), claim_key(), clock.now());
    let answer = api.redeem(&minted.token, &claimant);
    let opened = answer.expect(200);
    assert_eq!(text(&opened, "expires_at"), begin.plus(seconds(900)).to_string());
    assert!(answer.header("set-cookie").contains("Max-Age=900"), "{answer:?}");
    let token = text(&opened, "session_token");
    let cookie = format!("cloakroom-{}={token}", text(&opened, "session"));
    just_before(&clock, begin, 900);
    api.get(&token, "/v1/session").expect(200);
    api.call("GET", "/v1/session").header("cookie", &cookie).send().expect(200);
    clock.advance(MILLISECOND);
    api.get(&token, "/v1/session").problem(401, "no_session");
    // Browsers drop the cookie by then; who does not is refused all the same.
    api.call("GET", "/v1/session").header("cookie", &cookie).send().problem(401, "no_session");
    let renewed = api.redeem(&minted.token, &claimant).expect(200);
    api.get(&text(&renewed, "session_token"), "/v1/session").expect(200);
    api.get(&token, "/v1/session").problem(401, "no_session");
}

#[test]
fn a_download_url_lives_60_seconds_and_never_longer_than_its_session() {
    let (api, clock) = served();
    api.upload(api.admin(), "a.txt", b"bytes");
    let minted = mint(&api, json!({ "access_expires_in": 90 }));
    let (session, begin) = (api.open(&minted).token, clock.now());
    let wanted = json!({ "path": "a.txt" });

    let issued = api.post(&session, "/v1/session/downloads", &wanted).expect(200);
    assert_eq!(text(&issued, "expires_at"), begin.plus(seconds(60)).to_string());
    just_before(&clock, begin, 60);
    assert_eq!(api.call_url("GET", &text(&issued, "url")).send().body, b"bytes");
    clock.advance(MILLISECOND);
    assert_eq!(api.call_url("GET", &text(&issued, "url")).send().status, 403);

    let issued = api.post(&session, "/v1/session/downloads", &wanted).expect(200);
    assert_eq!(text(&issued, "expires_at"), begin.plus(seconds(90)).to_string());
    just_before(&clock, begin, 90);
    assert_eq!(api.call_url("GET", &text(&issued, "url")).send().status, 200);
    clock.advance(MILLISECOND);
    assert_eq!(api.call_url("GET", &text(&issued, "url")).send().status, 403);
    api.post(&session, "/v1/session/downloads", &wanted).problem(401, "no_session");
}

#[test]
fn a_key_ends_when_it_was_said_and_with_it_what_it_gave() {
    let (api, clock) = served();
    api.upload(api.admin(), "a.txt", b"bytes");
    let grants = json!([{ "path": "/", "permission": "read" }]);
    let begin = clock.now();
    let key = api.post(api.admin(), "/v1/api-keys", &json!({ "grants": grants, "expires_in": 90 })).expect(201);
    let secret = text(&key, "secret");
    let minted = api.mint_as(&secret, &json!({ "paths": ["a.txt"], "permission": "read" }));
    clock.advance(seconds(40));
    let issued = api.post(&secret, "/v1/objects/downloads", &json!({ "path": "a.txt" })).expect(200);
    // A URL ends with the credential that it was issued to.
    assert_eq!(text(&issued, "expires_at"), begin.plus(seconds(90)).to_string());
    just_before(&clock, begin, 90);
    let session = api.open(&minted).token;
    api.get(&secret, "/v1/objects").expect(200);
    clock.advance(MILLISECOND);
    api.get(&secret, "/v1/objects").problem(401, "unauthenticated");
    api.get(&session, "/v1/session").problem(401, "no_session");
    let id = text(&key, "id");
    assert_eq!(text(&api.get(api.admin(), &format!("/v1/api-keys/{id}")).expect(200), "status"), "expired");
}

#[test]
fn lifetimes_have_bounds_and_are_never_cut_to_size() {
    let (api, clock) = served();
    let begin = clock.now();
    let at = |span: Duration| begin.plus(span).to_string();
    let body = |field: &str, value: Value| {
        let mut body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true });
        body[field] = value;
        body
    };
    for field in ["expires_in", "access_expires_in"] {
        for wrong in [0, 59, 604_801, u64::MAX] {
            let problem = api.post(api.admin(), "/v1/shares", &body(field, json!(wrong))).problem(422, "invalid");
            assert_eq!(problem.pointer, Some(format!("/{field}")), "{wrong}");
        }
        for right in [60, 61, 604_799, 604_800] {
            let minted = api.post(api.admin(), "/v1/shares", &body(field, json!(right))).expect(201);
            if field == "expires_in" {
                assert_eq!(text(&minted, "expires_at"), at(seconds(right)));
            } else {
                assert_eq!(minted["access_expires_in"], right);
            }
        }
    }
    for wrong in [
        at(Duration::from_millis(59_999)),
        at(Duration::from_millis(604_800_001)),
        begin.to_string(),
        "1970-01-01T00:00:00Z".into(),
        "9999-12-31T23:59:59Z".into(),
        "0000-01-01T00:00:00Z".into(),
        "tomorrow".into(),
        String::new(),
    ] {
        let problem = api.post(api.admin(), "/v1/shares", &body("expires_at", json!(wrong))).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some("/expires_at"), "{wrong}");
    }
    for right in [seconds(60), seconds(604_800)] {
        let minted = api.post(api.admin(), "/v1/shares", &body("expires_at", json!(at(right)))).expect(201);
        assert_eq!(text(&minted, "expires_at"), at(right));
    }
    let mut both = body("expires_at", json!(at(seconds(900))));
    both["expires_in"] = json!(900);
    assert_eq!(
        api.post(api.admin(), "/v1/shares", &both).problem(422, "invalid").pointer.as_deref(),
        Some("/expires_at")
    );
}
