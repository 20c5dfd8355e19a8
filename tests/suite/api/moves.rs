//! Promise 1 for a claim that goes on elsewhere: there is one at any time, whoever
//! asks how often, and what it was before is dead.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    harness::{Api, Minted, claim_key, insisting, text},
    once::at_once,
};

/// A claimed share and how its claimant comes back.
struct Claimed {
    minted: Minted,
    key: String,
    session: String,
}

fn claimed(api: &Api) -> Claimed {
    api.upload(api.admin(), "a.txt", b"a");
    claimed_again(api)
}

/// Without the file, which is there.
fn claimed_again(api: &Api) -> Claimed {
    let minted = api.mint(api.admin(), "write", &["a.txt", "b.txt"]);
    let key = claim_key();
    let session = api.redeem(&minted.token, &key).expect(200);
    Claimed { minted, key, session: text(&session, "session_token") }
}

#[track_caller]
fn offer(api: &Api, session: &str, key: &str) -> Value {
    api.post(session, "/v1/session/moves", &json!({ "claim_key": key })).expect(201)
}

#[track_caller]
fn offered(api: &Api, session: &str, key: &str) -> String {
    text(&offer(api, session, key), "token")
}

pub fn a_session_moves_once_and_ends_where_it_was(api: &Api) {
    let Claimed { minted, key, session } = claimed(api);
    let pending = text(&api.declare(&session, "/v1/session/uploads", "b.txt", b"b"), "id");
    let offer = offer(api, &session, &key);
    let token = text(&offer, "token");
    assert_eq!(offer["url"], json!(format!("{}/s#{token}", api.broker().settings.public_url)));
    assert!(token.starts_with("crm_"));

    let seen = api.preview(&token).expect(200);
    assert_eq!(
        (&seen["moving"], &seen["item_count"], &seen["claim_by"]),
        (&json!(true), &json!(1), &offer["expires_at"])
    );
    assert_eq!(api.preview(&minted.token).status, 404, "the share itself is claimed");
    let (before, new) = (api.get(&session, "/v1/session").expect(200), claim_key());
    let moved = api.redeem(&token, &new).expect(200);
    assert_eq!(moved["access_expires_at"], before["access_expires_at"]);
    assert_eq!(moved["paths"], before["paths"]);
    assert_ne!(moved["session"], before["id"]);
    let there = text(&moved, "session_token");
    assert_eq!(api.paths(&there, "/v1/session/objects"), ["a.txt"]);
    assert_eq!(api.download(&there, "/v1/session/downloads", "a.txt"), b"a");

    // All that was here is dead at once: credential, claim key, uploads.
    for route in ["/v1/session", "/v1/session/objects", &format!("/v1/session/uploads/{pending}")] {
        api.get(&session, route).problem(401, "no_session");
    }
    for route in ["/v1/session/moves", "/v1/session/archives", "/v1/session/downloads"] {
        api.post(&session, route, &json!({ "path": "a.txt", "claim_key": key })).problem(401, "no_session");
    }
    api.redeem(&minted.token, &key).problem(404, "dead_token");
    api.redeem(&token, &key).problem(404, "dead_token");
    // The share stays dead for others, and so does the offer.
    for token in [&minted.token, &token] {
        api.redeem(token, &claim_key()).problem(404, "dead_token");
        api.preview(token).problem(404, "dead_token");
    }
    let share = api.get(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(200);
    assert_eq!((&share["claims"], &share["status"]), (&json!(1), &json!("claimed")));
}

pub fn of_many_movers_one_wins_and_the_others_get_one_answer(api: &Api) {
    api.upload(api.admin(), "a.txt", b"a");
    for _ in 0..api.rounds() {
        let Claimed { minted, key, session } = claimed_again(api);
        // Several offers of one claim are one.
        let tokens = [offered(api, &session, &key), offered(api, &session, &key)];
        let claim_keys: Vec<_> = (0..32).map(|_| claim_key()).collect();
        let answers = at_once(&claim_keys, |key| {
            let token = &tokens[usize::from(key.as_bytes()[0] % 2)];
            insisting(|| api.redeem(token, key))
        });
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1);
        let refusals: BTreeSet<_> = lost.iter().map(|answer| answer.but_for_the_request_id()).collect();
        assert_eq!((lost.len(), refusals.len()), (31, 1), "{refusals:#?}");
        lost[0].problem(404, "dead_token");
        api.get(&won[0].text("session_token"), "/v1/session").expect(200);
        api.get(&session, "/v1/session").problem(401, "no_session");
        assert_eq!(api.happened("share.moved", &minted.id), 1);
        assert_eq!(api.get(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(200)["claims"], 1);
    }
}

pub fn one_mover_asking_many_times_at_once_gets_one_session(api: &Api) {
    let Claimed { minted, key, session } = claimed(api);
    let token = offered(api, &session, &key);
    let answers = at_once(&vec![claim_key(); 16], |key| insisting(|| api.redeem(&token, key)));
    let sessions: BTreeSet<_> = answers.iter().map(|answer| text(&answer.expect(200), "session")).collect();
    assert_eq!(sessions.len(), 1);
    assert_eq!(api.happened("share.moved", &minted.id), 1);
    // One more, should the move itself have been answered too late.
    assert!(api.happened("share.renewed", &minted.id) >= 15);
}

pub fn whoever_has_it_comes_back_and_moves_on(api: &Api) {
    let Claimed { minted, key, session } = claimed(api);
    let (first, second) = (claim_key(), claim_key());
    let to_first = offered(api, &session, &key);
    let opened = api.redeem(&to_first, &first).expect(200);
    let again = api.redeem(&to_first, &first).expect(200);
    assert_eq!((&opened["session"], &opened["access_expires_at"]), (&again["session"], &again["access_expires_at"]));

    let to_second = offered(api, &text(&again, "session_token"), &first);
    let there = api.redeem(&to_second, &second).expect(200);
    assert_eq!(there["access_expires_at"], opened["access_expires_at"]);
    for (token, key) in [(&to_first, &first), (&to_second, &first), (&minted.token, &first)] {
        api.redeem(token, key).problem(404, "dead_token");
    }
    api.redeem(&to_second, &second).expect(200);
    assert_eq!(api.happened("share.moved", &minted.id), 2);
}

pub fn an_offer_that_nobody_follows_changes_nothing(api: &Api) {
    let Claimed { minted, key, session } = claimed(api);
    let token = offered(api, &session, &key);
    for _ in 0..3 {
        api.preview(&token).expect(200);
    }
    api.get(&session, "/v1/session").expect(200);
    let opened = api.redeem(&minted.token, &key).expect(200);
    // Its own claimant follows it, and is where it was.
    let same = api.redeem(&token, &key).expect(200);
    assert_eq!(same["session"], opened["session"]);
    api.get(&session, "/v1/session").expect(200);
    assert_eq!(api.happened("share.moved", &minted.id), 0);
    api.redeem(&token, &claim_key()).expect(200);
}

pub fn what_ends_a_share_ends_the_offer_and_what_came_of_it(api: &Api) {
    api.upload(api.admin(), "a.txt", b"a");
    for moved in [false, true] {
        let end_by_revoking =
            |minted: &Minted| api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(204);
        let Claimed { minted, key, session } = claimed_again(api);
        let (token, key) = (offered(api, &session, &key), claim_key());
        let session = if moved { api.redeem(&token, &key).expect(200) } else { json!({ "session_token": session }) };
        end_by_revoking(&minted);
        api.redeem(&token, &key).problem(404, "dead_token");
        api.preview(&token).problem(404, "dead_token");
        api.get(&text(&session, "session_token"), "/v1/session").problem(401, "no_session");

        let minter = api.new_key(api.admin(), "live", &[("/", "write")]);
        let minted = api.mint(&minter.secret, "read", &["a.txt"]);
        let key = claim_key();
        let session = text(&api.redeem(&minted.token, &key).expect(200), "session_token");
        let (token, key) = (offered(api, &session, &key), claim_key());
        if moved {
            api.redeem(&token, &key).expect(200);
        }
        api.delete(api.admin(), &format!("/v1/api-keys/{}", minter.id)).expect(204);
        api.redeem(&token, &key).problem(404, "dead_token");
        api.preview(&token).problem(404, "dead_token");
    }
}

pub fn a_move_token_moves_and_does_nothing_else(api: &Api) {
    let Claimed { minted, key, session } = claimed(api);
    let token = offered(api, &session, &key);
    api.get(&token, "/v1/session").problem(401, "no_session");
    api.get(&token, "/v1/shares").problem(401, "unauthenticated");
    let dead = api.redeem("crs_nonsense", &claim_key()).but_for_the_request_id();
    let (head, tail) = token.split_at(100);
    let flipped = format!("{head}{}{}", if tail.starts_with('A') { 'B' } else { 'A' }, &tail[1..]);
    for wrong in [
        flipped,
        token.replacen("crm_", "crs_", 1),
        token.replacen("crm_", "cst_", 1),
        minted.token.replacen("crs_", "crm_", 1),
        session.replacen("cst_", "crm_", 1),
        token[..token.len() - 1].to_owned(),
        "crm_".into(),
        format!("crm_{}", "A".repeat(20_000)),
    ] {
        assert_eq!(api.redeem(&wrong, &claim_key()).but_for_the_request_id(), dead);
        assert_eq!(api.preview(&wrong).status, 404);
    }
    for route in ["/v1/links/redeem", "/v1/file-requests/redeem"] {
        api.public(route, &json!({ "token": token, "claim_key": claim_key() })).problem(404, "dead_token");
    }
    api.public("/v1/session/moves", &json!({ "claim_key": key })).problem(401, "no_session");
    api.redeem(&token, &claim_key()).expect(200);
}

pub fn a_credential_alone_does_not_become_the_claim(api: &Api) {
    let Claimed { minted, key, session } = claimed(api);
    let offer = |body: &Value| api.post(&session, "/v1/session/moves", body);
    for wrong in [json!({ "claim_key": claim_key() }), json!({ "claim_key": "short" })] {
        let problem = offer(&wrong).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some("/claim_key"));
    }
    offer(&json!({})).problem(422, "invalid");
    assert_eq!(api.happened("share.move_offered", &minted.id), 0);
    offer(&json!({ "claim_key": key })).expect(201);
}

pub fn each_step_is_recorded(api: &Api) {
    let Claimed { minted, key, session } = claimed(api);
    let token = offered(api, &session, &key);
    let new = claim_key();
    api.redeem(&token, &new).expect(200);
    api.redeem(&token, &new).expect(200);
    api.redeem(&minted.token, &key).problem(404, "dead_token");
    let events = api.events(&api.ledger());
    let of_share = |kind: &str| {
        events.iter().filter(|event| event.resource == minted.id && super::harness::kind(event) == kind).count()
    };
    let told = ["share.claimed", "share.move_offered", "share.moved", "share.renewed", "share.refused"].map(of_share);
    assert_eq!(told, [1, 1, 1, 1, 1]);
    let reasons: Vec<_> = events.iter().filter_map(|event| event.reason).map(|reason| reason.as_str()).collect();
    assert_eq!(reasons, ["moved"]);
    let everything = serde_json::to_string(&events).unwrap();
    assert!(!everything.contains(&token[10..]) && !everything.contains(&new));
}
