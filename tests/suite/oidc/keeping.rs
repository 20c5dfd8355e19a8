//! Keys that come and go, and issuers that do not answer as they should.

use super::{issuer::Manner, *};

const MINUTE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(10);

/// An issuer with one key, a token of it that lives for a day, and who trusts it.
fn trusted() -> (OwnIssuer, Signer, String, Desk) {
    let signer = Signer::es256("a");
    let issuer = OwnIssuer::with(&[&signer]);
    let token = long_token(&issuer, &signer);
    let desk = Desk::trusting(&[&issuer]);
    (issuer, signer, token, desk)
}

fn long_token(issuer: &OwnIssuer, signer: &Signer) -> String {
    signer.access_token(&with(access_claims(issuer.url()), json!({"exp": SECONDS + 86_400})))
}

fn impatient(issuer: &OwnIssuer) -> Desk {
    Desk::with(vec![ProviderSettings { patience: MOMENT, ..settings(issuer.url()) }])
}

#[track_caller]
fn assert_unavailable(desk: &Desk, token: &str, words: &str) {
    match desk.identify(token) {
        Err(Rejected::Unavailable(reason)) => assert!(reason.contains(words), "{words}: {reason}"),
        other => panic!("{other:?}"),
    }
}

/// Waits until the issuer was asked so often, for what happens beside the requests.
fn until_asked(issuer: &OwnIssuer, times: usize) {
    crate::program::process::until("the issuer is asked", || (issuer.asked("/keys") >= times).then_some(()));
}

#[test]
fn a_crowd_at_the_start_asks_once_and_is_served() {
    let (issuer, _, token, desk) = trusted();
    assert!(desk.at_once(100, |_| token.clone()).iter().all(Result::is_ok));
    assert_eq!((issuer.asked("openid-configuration"), issuer.asked("/keys")), (1, 1));
}

#[test]
fn a_crowd_with_unknown_keys_asks_once() {
    let (issuer, signer, token, desk) = trusted();
    assert!(desk.identify(&token).is_ok());
    desk.clock.advance(PAUSE);
    let claims = access_claims(issuer.url());
    let unknown = |number| signer.renamed(&format!("unknown-{number}")).access_token(&claims);
    assert!(desk.at_once(100, unknown).iter().all(|answer| *answer == Err(Rejected::UnknownKey)));
    assert_eq!(issuer.asked("/keys"), 2);
    desk.refuses(&unknown(101), &Rejected::UnknownKey);
    assert_eq!(issuer.asked("/keys"), 2);
    desk.clock.advance(PAUSE);
    desk.refuses(&unknown(102), &Rejected::UnknownKey);
    assert_eq!(issuer.asked("/keys"), 3);
    assert!(desk.identify(&token).is_ok());
}

#[test]
fn a_new_key_is_seen_and_a_withdrawn_one_forgotten() {
    let (issuer, _, old, desk) = trusted();
    assert!(desk.identify(&old).is_ok());
    let next = Signer::es256("b");
    issuer.publish(&[&next]);
    let new = long_token(&issuer, &next);
    // Not more often than the pause, whatever comes.
    desk.refuses(&new, &Rejected::UnknownKey);
    desk.clock.advance(PAUSE);
    assert!(desk.identify(&new).is_ok());
    // Though it was remembered.
    desk.refuses(&old, &Rejected::UnknownKey);
}

#[test]
fn a_withdrawn_key_is_refused_after_twenty_minutes_though_nobody_came_meanwhile() {
    let (issuer, _, old, desk) = trusted();
    assert!(desk.identify(&old).is_ok());
    issuer.publish(&[&Signer::es256("b")]);
    desk.clock.advance(20 * MINUTE);
    desk.refuses(&old, &Rejected::UnknownKey);
}

#[test]
fn keys_are_refreshed_beside_their_use() {
    let (issuer, _, token, desk) = trusted();
    assert!(desk.identify(&token).is_ok());
    desk.clock.advance(14 * MINUTE);
    assert!(desk.identify(&token).is_ok());
    assert_eq!(issuer.asked("/keys"), 1);
    desk.clock.advance(MINUTE);
    assert!(desk.identify(&token).is_ok());
    until_asked(&issuer, 2);
}

#[test]
fn an_issuer_that_is_gone_is_honoured_for_an_hour_and_no_longer() {
    for manner in [
        Manner::Gone,
        Manner::Status("500 Internal Server Error"),
        Manner::Status("302 Found\r\nLocation: /realm/keys"),
    ] {
        let (issuer, signer, token, desk) = trusted();
        assert!(desk.identify(&token).is_ok());
        issuer.behave(manner);
        for _ in 0..3 {
            desk.clock.advance(15 * MINUTE);
            assert!(desk.identify(&token).is_ok());
        }
        // A new key cannot be seen now.
        desk.refuses(&long_token(&issuer, &signer.renamed("b")), &Rejected::UnknownKey);
        desk.clock.advance(15 * MINUTE - Duration::from_millis(1));
        assert!(desk.identify(&token).is_ok());
        desk.clock.advance(PAUSE);
        assert_unavailable(&desk, &token, "/.well-known/openid-configuration");
        desk.clock.advance(PAUSE);
        assert_unavailable(&desk, &token, "/.well-known/openid-configuration");
        issuer.behave(Manner::Proper);
        desk.clock.advance(PAUSE);
        assert!(desk.identify(&token).is_ok());
    }
}

#[test]
fn without_keys_nobody_is_let_in() {
    for (manner, words) in [
        (Manner::Gone, "cannot be asked"),
        (Manner::Status("404 Not Found"), "answered 404"),
        (Manner::Status("201 Created"), "answered 201"),
        (Manner::Status("301 Moved\r\nLocation: /realm/keys"), "answered 301"),
        (Manner::Endless(100 << 20), "/keys cannot be read"),
    ] {
        let (issuer, _, token, desk) = trusted();
        issuer.behave(manner);
        assert_unavailable(&desk, &token, words);
        assert_eq!(issuer.asked("/keys"), usize::from(words.contains("/keys")));
        // A crowd does not make it worse.
        assert!(desk.at_once(20, |_| token.clone()).iter().all(Result::is_err));
        assert_eq!(issuer.asked("openid-configuration"), 1);
    }
    let (_taken, nobody) = crate::program::process::nobody();
    let desk = Desk::with(vec![settings(&format!("http://{nobody}"))]);
    assert_unavailable(
        &desk,
        &Signer::es256("a").access_token(&access_claims(&format!("http://{nobody}"))),
        "cannot be asked",
    );
}

#[test]
fn who_is_silent_is_not_waited_for() {
    let (issuer, _, token, _) = trusted();
    issuer.behave(Manner::Silent);
    let desk = impatient(&issuer);
    assert_unavailable(&desk, &token, "cannot be asked");
}

#[test]
fn a_slow_issuer_stops_nobody_elses_work() {
    let (issuer, _, token, desk) = trusted();
    issuer.behave(Manner::Silent);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let (providers, token) = (Arc::clone(&desk.providers), SecretText::new(&*token));
            desk.runtime.spawn(async move { providers.identify(&token).await })
        })
        .collect();
    // Two workers, and fifty who wait for the issuer: others get their turn.
    let other = desk.runtime.spawn(async { 7 });
    assert_eq!(desk.runtime.block_on(other).unwrap(), 7);
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    desk.runtime.shutdown_timeout(Duration::ZERO);
}

#[test]
fn what_an_issuer_publishes_is_checked() {
    let elsewhere = "http://id.example/keys";
    for (changes, words) in [
        (json!({"issuer": "https://id.example"}), "another issuer"),
        (json!({"issuer": null}), "cannot be read"),
        (json!({"jwks_uri": elsewhere}), "must be https"),
        (json!({"jwks_uri": "file:///etc/passwd"}), "jwks_uri"),
        (json!({"jwks_uri": "https://a@id.example/"}), "jwks_uri"),
        (json!({"jwks_uri": null}), "cannot be read"),
        (json!({"token_endpoint": elsewhere}), "must be https"),
        (json!({"authorization_endpoint": "javascript:alert(1)"}), "authorization_endpoint"),
    ] {
        let (issuer, _, token, desk) = trusted();
        issuer.change(|published| published.metadata = with(published.metadata.clone(), changes));
        assert_unavailable(&desk, &token, words);
    }
    for (keys, words) in [
        (json!({"keys": []}), "no key that can be used"),
        (json!({"keys": [Signer::rsa_of_1024_bits("a").jwk()]}), "no key that can be used"),
        (json!({}), "cannot be read"),
        (json!([]), "cannot be read"),
    ] {
        let (issuer, _, token, desk) = trusted();
        issuer.change(|published| published.keys = keys);
        assert_unavailable(&desk, &token, words);
    }
}

#[test]
fn nobody_is_asked_for_a_stranger_s_token() {
    let (issuer, signer, _, desk) = trusted();
    let foreign = signer.access_token(&access_claims("http://127.0.0.1:1/realm"));
    desk.refuses(&foreign, &Rejected::UnknownIssuer);
    desk.refuses("crk_live_x", &Rejected::NotCompact);
    assert_eq!(issuer.asked("/"), 0);
}
