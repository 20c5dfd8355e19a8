//! A handoff code is exchanged once, within 30 seconds, on its own artifact's
//! host, for cookies that CloudFront would take.

use std::time::Duration;

use cloakroom::service::Broker;
use serde_json::{Value, json};

use super::{
    edge_cookies::{decoded, openssl, values},
    words::{Handoff, at_once, cookie_header, set_cookies, with_other},
};
use crate::api::{
    harness::{Answer, Api, Backend, claim_key},
    laboratory::Laboratory,
};

/// Nobody is let in, and nothing is set.
#[track_caller]
pub fn assert_not_admitted(answer: &Answer) {
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(set_cookies(answer), [""; 0]);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.header("content-type").starts_with("text/html"), "{answer:?}");
}

pub fn a_code_is_exchanged_once(api: &Api) {
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({}));
    let handoff = api.handoff(&minted.token);
    let entered = api.enter(&handoff.host, &handoff.code);
    assert_eq!((entered.status, entered.header("location")), (303, "/"));
    for _ in 0..3 {
        assert_not_admitted(&api.enter(&handoff.host, &handoff.code));
    }
    assert_eq!(api.happened("link.entered", &minted.id), 1);
    let cookies = cookie_header(&entered);
    assert_eq!(api.browse(&artifact.host, &cookies, "/").status, 200, "the first exchange stands");
}

pub fn of_many_exchanges_one_succeeds(api: &Api) {
    let artifact = api.publish_page(api.admin());
    for _ in 0..api.rounds() {
        let minted = api.link(api.admin(), &artifact.id, json!({}));
        let handoff = api.handoff(&minted.token);
        let answers = at_once(16, |_| api.enter(&handoff.host, &handoff.code));
        let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        // Under such a crowd an emulator may be too slow. Then the code may be used up, and nobody was let in by it.
        let (entered, is_slow) = (with(303), with(503) > 0);
        assert!(entered == 1 || (is_slow && entered == 0), "{answers:?}");
        for other in answers.iter().filter(|answer| answer.status != 303) {
            match other.status {
                503 => assert_eq!(set_cookies(other), [""; 0]),
                _ => assert_not_admitted(other),
            }
        }
        let told = api.happened("link.entered", &minted.id);
        assert!((entered..=1).contains(&told), "{entered} were let in, and {told} are told of");
    }
}

pub fn a_code_is_for_its_own_host(api: &Api) {
    let (one, two) = (api.publish_page(api.admin()), api.publish_page(api.admin()));
    let handoff = api.handoff(&api.link(api.admin(), &one.id, json!({})).token);
    assert_ne!(one.host, two.host);
    assert_not_admitted(&api.enter(&two.host, &handoff.code));
    let nowhere = format!("{}{}", "0".repeat(40), &one.host[40..]);
    assert_not_admitted(&api.enter(&nowhere, &handoff.code));
    assert_eq!(api.enter(&format!("localhost:{}", api.ports[1]), &handoff.code).status, 404);
    assert_eq!(api.enter(&format!("127.0.0.1:{}", api.ports[1]), &handoff.code).status, 421);
    // None of this has used it up.
    assert_eq!(api.enter(&one.host, &handoff.code).status, 303);
}

pub fn a_tampered_code_is_refused(api: &Api) {
    let artifact = api.publish_page(api.admin());
    let (minted, key) = (api.link(api.admin(), &artifact.id, json!({})), claim_key());
    // A code lives for half a minute: one is drawn for a few tries each.
    let drawn = || Handoff::of(&api.redeem_link(&minted.token, &key).expect(200));
    let is_still_good = |handoff: &Handoff| {
        assert_eq!(api.enter(&handoff.host, &handoff.code).status, 303, "still good");
    };
    for place in (0..drawn().code.len()).step_by(5) {
        let handoff = drawn();
        assert_not_admitted(&api.enter(&handoff.host, &with_other(&handoff.code, place)));
        is_still_good(&handoff);
    }
    let session = api.open(&api.mint(api.admin(), "read", &["page/"]));
    let handoff = drawn();
    let shorter = &handoff.code[..handoff.code.len() - 1];
    for other in ["", "x", shorter, &minted.token, &session.token, &"A".repeat(8_000)] {
        assert_not_admitted(&api.enter(&handoff.host, other));
    }
    is_still_good(&handoff);
    let handoff = drawn();
    let form = |body: &str| {
        api.call_content("POST", &handoff.host, "/.cloakroom/enter")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.as_bytes())
            .send()
    };
    for body in [String::new(), "kode=1".into(), format!("code={}&more=1", handoff.code), "code=".repeat(9_000)] {
        let answer = form(&body);
        assert!((400..500).contains(&answer.status) && set_cookies(&answer).is_empty(), "{answer:?}");
    }
    is_still_good(&handoff);
}

pub fn cookies_are_the_hosts_own(api: &Api) {
    let artifact = api.publish_page(api.admin());
    let handoff = api.handoff(&api.link(api.admin(), &artifact.id, json!({})).token);
    let entered = api.enter(&handoff.host, &handoff.code);
    assert_eq!(entered.header("referrer-policy"), "no-referrer");
    let cookies = set_cookies(&entered);
    let names = ["CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id", "CloudFront-Hash-Algorithm"];
    assert_eq!(cookies.len(), names.len());
    for (cookie, name) in cookies.iter().zip(names) {
        let mut parts: Vec<_> = cookie.split("; ").collect();
        assert!(parts.remove(0).starts_with(&format!("{name}=")), "{cookie}");
        // Without Domain it is the host's alone; on loopback HTTP there is no Secure.
        let age = parts.iter().find_map(|part| part.strip_prefix("Max-Age=")).unwrap();
        assert!((1..=900).contains(&age.parse::<u32>().unwrap()), "{cookie}");
        parts.retain(|part| !part.starts_with("Max-Age="));
        parts.sort_unstable();
        assert_eq!(parts, ["HttpOnly", "Path=/", "SameSite=Lax"], "{cookie}");
    }
    verified_by_openssl(api.broker(), &handoff.host, &values(&entered));
}

/// Holds the signature against a program that is not ours.
fn verified_by_openssl(broker: &Broker, host: &str, [policy, signature, _, hash]: &[String; 4]) {
    assert_eq!(hash, "SHA256");
    let key = broker.edge.primary().public_key_pem();
    let (signature, policy) = (decoded(signature), decoded(policy));
    assert_eq!(openssl(&key, &policy, &signature), (true, "Verified OK\n".into()));

    let policy: Value = serde_json::from_slice(&policy).unwrap();
    let statement = &policy["Statement"][0];
    assert_eq!(statement["Resource"], format!("http://{host}/*"));
    let until = statement["Condition"]["DateLessThan"]["AWS:EpochTime"].as_u64().unwrap();
    assert!((1..=900).contains(&(until - broker.now().as_unix_seconds())));
}

#[test]
fn a_code_lives_thirty_seconds() {
    let (api, clock, _) = Laboratory::served();
    let artifact = api.publish_page(api.admin());
    let (in_time, late) = (
        api.handoff(&api.link(api.admin(), &artifact.id, json!({})).token),
        api.handoff(&api.link(api.admin(), &artifact.id, json!({})).token),
    );
    clock.advance(Duration::from_millis(29_999));
    assert_eq!(api.enter(&in_time.host, &in_time.code).status, 303);
    clock.advance(Duration::from_millis(1));
    assert_not_admitted(&api.enter(&late.host, &late.code));
}

#[test]
fn a_code_does_not_outlive_its_link() {
    let (api, _, _) = Laboratory::served();
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({}));
    let handoff = api.handoff(&minted.token);
    api.delete(api.admin(), &format!("/v1/links/{}", minted.id)).expect(204);
    assert_not_admitted(&api.enter(&handoff.host, &handoff.code));
}

#[test]
fn a_code_exchanged_before_a_restart_stays_exchanged() {
    let mut api = Api::start(Backend::Embedded);
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({}));
    let handoff = api.handoff(&minted.token);
    assert_eq!(api.enter(&handoff.host, &handoff.code).status, 303);
    // At the last moment: a code lives for half a minute.
    let other = api.link(api.admin(), &artifact.id, json!({}));
    let waiting = api.handoff(&other.token);
    api.restart();
    // Free ports were drawn anew, and the port is part of the host name.
    let moved = |host: &str| format!("{}.localhost:{}", &host[..40], api.ports[1]);
    assert_not_admitted(&api.enter(&moved(&handoff.host), &handoff.code));
    assert_eq!(api.enter(&moved(&waiting.host), &waiting.code).status, 303);
}

#[test]
fn a_store_that_does_not_answer_lets_nobody_in_and_uses_nothing_up() {
    let (api, _, faults) = Laboratory::served();
    let artifact = api.publish_page(api.admin());
    let handoff = api.handoff(&api.link(api.admin(), &artifact.id, json!({})).token);
    faults.fail_commits(true);
    let answer = api.enter(&handoff.host, &handoff.code);
    assert_eq!((answer.status, set_cookies(&answer).len()), (503, 0));
    faults.fail_commits(false);
    faults.fail_reads(true);
    assert_eq!(api.enter(&handoff.host, &handoff.code).status, 503);
    faults.fail_reads(false);
    let cookies = api.entered(&handoff);
    faults.fail_reads(true);
    assert_eq!(api.browse(&artifact.host, &cookies, "/").status, 503);
}
