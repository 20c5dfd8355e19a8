//! A password is asked of the holder of a live link only, is kept as Argon2id
//! only, and guessing is bounded.

use std::{sync::Arc, thread, time::Duration};

use cloakroom::{
    crypto::secret::SecretText,
    service::{Broker, Error, PasswordPool},
};
use serde_json::json;

use super::words::{DEAD, Handoff};
use crate::api::{
    harness::{Answer, Api, claim_key},
    laboratory::{Claimant, Laboratory, asking},
};

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
    for wrong in ["", "open sesame ", "Open sesame", &longer] {
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

/// Guesses at once, each by somebody else.
fn guess_at_once(api: &Api, token: &str, guesses: usize) -> Vec<Answer> {
    thread::scope(|scope| {
        let guess = |number| move || api.redeem_with_password(token, &claim_key(), &format!("guess {number}"));
        let guessing: Vec<_> = (0..guesses).map(|number| scope.spawn(guess(number))).collect();
        guessing.into_iter().map(|guess| guess.join().unwrap()).collect()
    })
}

#[test]
fn a_flood_of_guesses_gets_five_tries_and_then_waits_longer_each_time() {
    let (api, clock, _) = Laboratory::served();
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({ "password": PASSWORD }));
    let looked_at = |guesses: Vec<Answer>, wait: &str| {
        let refused = guesses.iter().filter(|guess| guess.status != 403);
        for guess in refused.clone() {
            guess.problem(429, "too_many_tries");
            assert_eq!(guess.header("retry-after"), wait, "{guess:?}");
        }
        for guess in guesses.iter().filter(|guess| guess.status == 403) {
            guess.problem(403, "password_wrong");
        }
        guesses.len() - refused.count()
    };
    assert_eq!(looked_at(guess_at_once(&api, &minted.token, 200), "1"), 5);
    for seconds in [1_u64, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        clock.advance(Duration::from_secs(seconds) - Duration::from_millis(1));
        api.redeem_with_password(&minted.token, &claim_key(), PASSWORD).problem(429, "too_many_tries");
        clock.advance(Duration::from_millis(1));
        // Of those who come when the wait is over, one is looked at, and the next wait is longer.
        assert_eq!(looked_at(guess_at_once(&api, &minted.token, 6), &(seconds * 2).min(900).to_string()), 1);
    }
    assert_eq!(api.happened("link.password_tried", &minted.id), 5 + 12);
    // Another link is in nobody's way.
    let other = api.link(api.admin(), &artifact.id, json!({ "password": PASSWORD }));
    api.redeem_with_password(&other.token, &claim_key(), PASSWORD).expect(200);
    clock.advance(Duration::from_secs(900));
    api.redeem_with_password(&minted.token, &claim_key(), PASSWORD).expect(200);
}

#[test]
fn tries_are_counted_by_all_replicas_together() {
    let (api, clock, _) = Laboratory::served();
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({ "password": PASSWORD }));
    // Everything that a process keeps for itself, anew.
    let other = Broker { tallies: Arc::default(), passwords: PasswordPool::new(1), ..api.broker().clone() };
    let guess = |broker: &Broker, password: &str| {
        let (token, key) = (SecretText::new(minted.token.as_str()), Claimant::new().key());
        api.wait(broker.redeem_link(&token, &key, Some(&SecretText::new(password)), None, asking())).map(drop)
    };
    for replica in [api.broker(), &other, api.broker(), &other, api.broker()] {
        assert!(matches!(guess(replica, "wrong"), Err(Error::PasswordWrong)));
    }
    for replica in [api.broker(), &other] {
        assert!(matches!(guess(replica, PASSWORD), Err(Error::TooManyTries { .. })));
    }
    clock.advance(Duration::from_secs(1));
    guess(&other, PASSWORD).unwrap();
}
