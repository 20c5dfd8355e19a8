//! A link lives seven days at most, opens once, and is kept as a hash only.

use cloakroom::domain::instant::Instant;
use serde_json::json;

use super::words::{DEAD, Handoff, at_once, is_on_disk, with_other};
use crate::api::{
    harness::{Api, Backend, claim_key, insisting, text},
    laboratory::Laboratory,
};

fn instant(text: &str) -> Instant {
    serde_json::from_value(json!(text)).unwrap()
}

pub fn a_link_lives_seven_days_by_default_and_at_most(api: &Api) {
    let artifact = api.publish_page(api.admin());
    let minted = api.post(api.admin(), "/v1/links", &json!({ "artifact": artifact.id })).expect(201);
    let lives = instant(&text(&minted, "expires_at")).since(instant(&text(&minted, "created_at")));
    // What passes between reading the request and minting is not added to it.
    assert!((604_700..=604_800).contains(&lives.as_millis().div_ceil(1_000)), "{lives:?}");
    assert_eq!(minted["access_expires_in"], 86_400);
    for (field, wrong) in [
        ("expires_in", json!(604_801)),
        ("expires_in", json!(59)),
        ("expires_in", json!(0)),
        ("expires_in", json!(-1)),
        ("expires_in", json!(u64::MAX)),
        ("access_expires_in", json!(604_801)),
        ("access_expires_in", json!(59)),
        ("expires_at", json!("2001-01-01T00:00:00Z")),
        ("expires_at", json!("2999-01-01T00:00:00Z")),
        ("redemptions", json!(0)),
        ("redemptions", json!(1_001)),
        ("not_before", json!("2001-01-01T00:00:00Z")),
        ("not_before", json!("2999-01-01T00:00:00Z")),
        ("message", json!("a\nb")),
    ] {
        let body = json!({ "artifact": artifact.id, field: wrong });
        let problem = api.post(api.admin(), "/v1/links", &body).problem(422, "invalid");
        assert_eq!(problem.pointer, Some(format!("/{field}")), "{body}");
    }
    let listed = api.get(api.admin(), "/v1/links").expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "what was refused was not minted");
}

pub fn a_link_is_minted_redeemed_and_opened(api: &Api) {
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({ "label": "for you" }));
    assert_eq!(minted.url, format!("http://127.0.0.1:{}/l#{}", api.ports[0], minted.token));
    let handoff = api.handoff(&minted.token);
    assert_eq!(handoff.host, artifact.host);
    let cookies = api.entered(&handoff);
    assert_eq!(api.browse(&artifact.host, &cookies, "/").body, b"<p>hello</p>");

    let seen = api.get(api.admin(), &format!("/v1/links/{}", minted.id)).expect(200);
    assert_eq!((&seen["status"], &seen["claims"], &seen["label"]), (&json!("claimed"), &json!(1), &json!("for you")));
    assert!(!seen.to_string().contains(&minted.token));
    for what in ["link.created", "link.claimed", "link.entered"] {
        assert_eq!(api.happened(what, &minted.id), 1, "{what}");
    }
}

pub fn of_many_redeemers_one_wins(api: &Api) {
    let artifact = api.publish_page(api.admin());
    for _ in 0..api.rounds() {
        let minted = api.link(api.admin(), &artifact.id, json!({}));
        let answers = at_once(64, |_| {
            let key = claim_key();
            insisting(|| api.redeem_link(&minted.token, &key))
        });
        let won = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(won, 1);
        for lost in answers.iter().filter(|answer| answer.status != 200) {
            lost.problem(DEAD.0, DEAD.1);
        }
        assert_eq!(api.happened("link.claimed", &minted.id), 1);
    }
}

pub fn the_same_claim_key_gets_a_fresh_code(api: &Api) {
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({}));
    let key = claim_key();
    let first = api.redeem_link(&minted.token, &key).expect(200);
    let again = api.redeem_link(&minted.token, &key).expect(200);
    assert_ne!(first["enter"]["code"], again["enter"]["code"]);
    assert_eq!(first["enter"]["url"], again["enter"]["url"]);
    assert_eq!(first["access_expires_at"], again["access_expires_at"], "coming back does not lengthen it");
    api.redeem_link(&minted.token, &claim_key()).problem(DEAD.0, DEAD.1);
    for opened in [first, again] {
        let cookies = api.entered(&Handoff::of(&opened));
        assert_eq!(api.browse(&artifact.host, &cookies, "/").status, 200);
    }
    assert_eq!((api.happened("link.claimed", &minted.id), api.happened("link.renewed", &minted.id)), (1, 1));
}

pub fn looking_claims_nothing(api: &Api) {
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({ "password": "open sesame" }));
    for _ in 0..3 {
        let seen = api.public("/v1/links/redeem/preview", &json!({ "token": minted.token })).expect(200);
        assert_eq!(
            (&seen["item_count"], &seen["total_size"], &seen["permission"]),
            (&json!(1), &json!(12), &json!("read"))
        );
        assert_eq!((&seen["requires"], &seen["yours"]), (&json!(["password"]), &json!(false)));
    }
    let body = json!({ "token": minted.token });
    assert_eq!(api.post(api.admin(), "/v1/links/redeem/preview", &body).expect(200)["yours"], true);
    for method in ["GET", "HEAD"] {
        assert_eq!(api.call(method, "/v1/links/redeem").send().status, 405);
    }
    let seen = api.get(api.admin(), &format!("/v1/links/{}", minted.id)).expect(200);
    assert_eq!((&seen["status"], &seen["claims"]), (&json!("pending"), &json!(0)));
}

pub fn dead_links_give_one_answer(api: &Api) {
    let artifact = api.publish_page(api.admin());
    let mint = || api.link(api.admin(), &artifact.id, json!({}));
    let (used, revoked) = (mint(), mint());
    api.redeem_link(&used.token, &claim_key()).expect(200);
    api.delete(api.admin(), &format!("/v1/links/{}", revoked.id)).expect(204);
    let deleted = {
        let artifact = api.publish_page(api.admin());
        let minted = api.link(api.admin(), &artifact.id, json!({}));
        api.delete(api.admin(), &format!("/v1/artifacts/{}", artifact.id)).expect(204);
        minted
    };
    let share = api.mint(api.admin(), "read", &["page/"]);
    let never = format!("crl_{}", claim_key());
    let tampered = with_other(&mint().token, 20);
    let dead = [&used.token, &revoked.token, &deleted.token, &share.token, &never, &tampered];
    let others = [String::new(), "crl_".into(), "x".repeat(10_000), mint().token + "A"];
    let mut answers = Vec::new();
    for token in dead.into_iter().chain(&others) {
        answers.push(api.redeem_link(token, &claim_key()).but_for_the_request_id());
        answers.push(api.redeem_with_password(token, &claim_key(), "guess").but_for_the_request_id());
        let preview = api.public("/v1/links/redeem/preview", &json!({ "token": token }));
        answers.push(preview.but_for_the_request_id());
    }
    assert!(answers[0].starts_with("404\n") && answers[0].contains("dead_token"), "{}", answers[0]);
    for answer in &answers {
        assert_eq!(*answer, answers[0]);
    }
    assert_eq!(api.happened("link.refused", &revoked.id), 3, "the owner is told");
}

pub fn a_link_is_its_minters(api: &Api) {
    let (one, two) = (
        api.new_key(api.admin(), "live", &[("page/", "write")]),
        api.new_key(api.admin(), "live", &[("page/", "write")]),
    );
    let test = api.new_key(api.admin(), "test", &[("/", "admin")]);
    let stranger = api.new_tenant("Other").admin;
    let artifact = api.publish_page(&one.secret);
    let minted = api.link(&one.secret, &artifact.id, json!({}));
    let path = format!("/v1/links/{}", minted.id);
    for other in [&two, &test, &stranger] {
        api.get(&other.secret, &path).problem(404, "not_found");
        api.delete(&other.secret, &path).problem(404, "not_found");
        assert_eq!(api.get(&other.secret, "/v1/links").expect(200)["items"], json!([]));
        let body = json!({ "artifact": artifact.id });
        assert_eq!(api.post(&other.secret, "/v1/links", &body).problem(422, "invalid").pointer.unwrap(), "/artifact");
    }
    assert_eq!(api.get(api.admin(), &path).expect(200)["status"], "pending");
    api.delete(&one.secret, &path).expect(204);
    api.delete(&one.secret, &path).expect(204);
    assert_eq!(api.happened("link.revoked", &minted.id), 1);
}

#[test]
fn only_a_hash_of_the_token_is_stored() {
    let mut api = Api::start(Backend::Embedded);
    let artifact = api.publish_page(api.admin());
    let password = "correct horse battery staple";
    let minted = api.link(api.admin(), &artifact.id, json!({ "password": password }));
    let key = claim_key();
    let opened = api.redeem_with_password(&minted.token, &key, password).expect(200);
    let code = Handoff::of(&opened).code;
    let cookies = api.entered(&Handoff::of(&opened));
    assert_eq!(api.browse(&artifact.host, &cookies, "/").status, 200);
    api.restart();

    assert!(is_on_disk(api.data_dir(), artifact.id.as_bytes()), "the search finds what is stored");
    assert!(is_on_disk(api.data_dir(), b"$argon2id$v=19$m=19456,t=2,p=1$"));
    let secret = minted.token.strip_prefix("crl_").unwrap();
    for secret in [secret, password, &key, &code, api.admin().strip_prefix("crk_live_").unwrap()] {
        assert!(!is_on_disk(api.data_dir(), secret.as_bytes()), "{secret}");
    }
}

#[test]
fn a_link_ends_to_the_second() {
    let (api, clock, _) = Laboratory::served();
    let artifact = api.publish_page(api.admin());
    let minted = api.post(api.admin(), "/v1/links", &json!({ "artifact": artifact.id })).expect(201);
    let lives = instant(&text(&minted, "expires_at")).since(instant(&text(&minted, "created_at")));
    assert_eq!(lives.as_millis(), 604_800_000);
    let second = std::time::Duration::from_secs(1);
    let mint = || api.link(api.admin(), &artifact.id, json!({ "expires_in": 60, "access_expires_in": 120 }));
    let (late, claimed) = (mint(), mint());
    clock.advance(second * 59);
    let key = claim_key();
    api.redeem_link(&claimed.token, &key).expect(200);
    clock.advance(second);
    api.redeem_link(&late.token, &claim_key()).problem(DEAD.0, DEAD.1);
    // A claim made in time is judged by its own span, which runs from the claim.
    clock.advance(second * 118);
    api.redeem_link(&claimed.token, &key).expect(200);
    clock.advance(second);
    api.redeem_link(&claimed.token, &key).problem(DEAD.0, DEAD.1);
    let seen = api.get(api.admin(), &format!("/v1/links/{}", late.id)).expect(200);
    assert_eq!(seen["status"], "expired");
}

#[test]
fn a_crowd_with_one_claim_key_makes_one_claim() {
    let api = Api::start(Backend::Embedded);
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({}));
    let key = claim_key();
    for answer in at_once(16, |_| api.redeem_link(&minted.token, &key)) {
        answer.expect(200);
    }
    assert_eq!(api.happened("link.claimed", &minted.id), 1);
    assert_eq!(api.happened("link.renewed", &minted.id), 15);
}
