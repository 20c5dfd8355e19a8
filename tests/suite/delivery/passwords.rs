//! A password is asked of the holder of a live link only, is kept as Argon2id
//! only, and guessing is bounded.

use std::thread;

use serde_json::json;

use super::words::{DEAD, Handoff};
use crate::api::harness::{Api, Backend, claim_key};

const PASSWORD: &str = "open sesame";

pub fn a_password_is_wanted_and_nothing_is_used_up(api: &Api) {
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({ "password": PASSWORD }));
    let key = claim_key();
    let longer = "x".repeat(1_025);
    // Asking without one is no try.
    for _ in 0..20 {
        let problem = api.redeem_link(&minted.token, &key).problem(403, "password_required");
        assert_eq!(problem.pointer.as_deref(), Some("/password"));
    }
    for wrong in ["", "open sesam", "open sesame ", "Open sesame", &longer] {
        api.redeem_with_password(&minted.token, &key, wrong).problem(403, "password_wrong");
    }
    let seen = api.get(api.admin(), &format!("/v1/links/{}", minted.id)).expect(200);
    assert_eq!((&seen["status"], &seen["claims"], &seen["has_password"]), (&json!("pending"), &json!(0), &json!(true)));
    let opened = api.redeem_with_password(&minted.token, &key, PASSWORD).expect(200);
    assert_eq!(api.happened("link.claimed", &minted.id), 1);
    // The claimant who comes back has proved it at the claim; its key is enough, and no other is.
    api.redeem_link(&minted.token, &key).expect(200);
    api.redeem_with_password(&minted.token, &key, "wrong").expect(200);
    api.redeem_with_password(&minted.token, &claim_key(), PASSWORD).problem(DEAD.0, DEAD.1);
    let cookies = api.entered(&Handoff::of(&opened));
    assert_eq!(api.browse(&artifact.host, &cookies, "/").status, 200);
}

pub fn a_dead_link_does_not_say_that_it_had_a_password(api: &Api) {
    let artifact = api.publish_page(api.admin());
    let mint = || api.link(api.admin(), &artifact.id, json!({ "password": PASSWORD }));
    let (used, revoked) = (mint(), mint());
    api.redeem_with_password(&used.token, &claim_key(), PASSWORD).expect(200);
    api.delete(api.admin(), &format!("/v1/links/{}", revoked.id)).expect(204);
    let unknown = api.redeem_link(&format!("crl_{}", claim_key()), &claim_key());
    unknown.problem(DEAD.0, DEAD.1);
    let unknown = unknown.but_for_the_request_id();
    for token in [&used.token, &revoked.token] {
        assert_eq!(api.redeem_link(token, &claim_key()).but_for_the_request_id(), unknown);
        for password in [PASSWORD, "wrong", &"x".repeat(2_000)] {
            let answer = api.redeem_with_password(token, &claim_key(), password);
            assert_eq!(answer.but_for_the_request_id(), unknown);
        }
    }
}

pub fn a_password_has_1_to_1024_bytes(api: &Api) {
    let artifact = api.publish_page(api.admin());
    for wrong in [String::new(), "x".repeat(1_025), "é".repeat(513)] {
        let body = json!({ "artifact": artifact.id, "password": wrong });
        let answer = api.post(api.admin(), "/v1/links", &body);
        assert_eq!(answer.problem(422, "invalid").pointer.as_deref(), Some("/password"));
        assert!(wrong.is_empty() || !answer.text("detail").contains(&wrong));
    }
    let longest = "é".repeat(512);
    let minted = api.link(api.admin(), &artifact.id, json!({ "password": longest }));
    api.redeem_with_password(&minted.token, &claim_key(), &longest).expect(200);
}

#[test]
fn a_flood_of_guesses_gets_ten_tries_and_stops_nobody_else() {
    let api = Api::start(Backend::Embedded);
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({ "password": PASSWORD }));
    let guesses: Vec<_> = thread::scope(|scope| {
        let guessing: Vec<_> = (0..200)
            .map(|number| {
                let (api, token) = (&api, &minted.token);
                scope.spawn(move || api.redeem_with_password(token, &claim_key(), &format!("guess {number}")))
            })
            .collect();
        // Meanwhile others are served.
        for _ in 0..20 {
            api.get(api.admin(), "/v1/links").expect(200);
        }
        guessing.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    for guess in &guesses {
        match guess.status {
            403 => drop(guess.problem(403, "password_wrong")),
            _ => {
                guess.problem(429, "too_many_tries");
                assert!((1..=3_601).contains(&guess.header("retry-after").parse().unwrap()), "{guess:?}");
            }
        }
    }
    assert_eq!(guesses.iter().filter(|guess| guess.status == 403).count(), 10);
    assert_eq!(api.happened("link.password_tried", &minted.id), 10);
    assert_eq!(api.happened("link.refused", &minted.id), 10);
    // Not even the right one is looked at now; another link is.
    api.redeem_with_password(&minted.token, &claim_key(), PASSWORD).problem(429, "too_many_tries");
    let other = api.link(api.admin(), &artifact.id, json!({ "password": PASSWORD }));
    api.redeem_with_password(&other.token, &claim_key(), PASSWORD).expect(200);
}
