//! Tokens that are wrong in one thing each.

use std::collections::HashSet;

use cloakroom::{domain::identity::SecondFactor, oidc::TokenKind};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{signer::encode, *};

#[test]
fn what_is_right_in_everything_tells_who_it_is() {
    let signers = [Signer::es256("a"), Signer::ed25519("b"), Signer::rsa("c", "RS256"), Signer::rsa("d", "PS256")];
    let issuer = OwnIssuer::with(&signers.iter().collect::<Vec<_>>());
    let desk = Desk::trusting(&[&issuer]);
    for signer in &signers {
        let identity = desk.identify(&access_token(&issuer, signer)).unwrap();
        assert_eq!((identity.issuer.as_str(), identity.subject.expose()), (issuer.url(), "user-1"));
        assert_eq!((identity.tenant, identity.authenticated_at), (TENANT, None));
        assert_eq!(identity.second_factor, SecondFactor::NotSaid);
        assert!(!format!("{identity:?}").contains("user-1"));
    }
    let [signer, ..] = signers;
    let more = json!({
        "aud": ["other", AUDIENCE], "auth_time": SECONDS - 100, "amr": ["pwd", "otp"], "exp": SECONDS as f64 + 1.5,
        "iat": SECONDS as f64 - 0.5, "private": {"a": [1]},
    });
    let identity = desk.identify(&signer.access_token(&with(access_claims(issuer.url()), more))).unwrap();
    assert_eq!(identity.authenticated_at, Some(Instant::from_unix_seconds(SECONDS - 100)));
    assert_eq!(identity.second_factor, SecondFactor::Said(true));
}

#[test]
fn forged_and_foreign_signatures_are_refused() {
    let (ours, other) = (Signer::es256("a"), Signer::es256("a"));
    let (issuer, foreign) = (OwnIssuer::with(&[&ours]), OwnIssuer::with(&[&Signer::es256("b")]));
    let desk = Desk::trusting(&[&issuer, &foreign]);
    let claims = access_claims(issuer.url());
    desk.refuses(&other.access_token(&claims), &Rejected::Signature);
    // Another claims part under a signature that was right.
    let (one, two) = (ours.access_token(&claims), ours.access_token(&with(claims.clone(), json!({"sub": "root"}))));
    let swapped = format!("{}.{}", two.rsplit_once('.').unwrap().0, one.rsplit_once('.').unwrap().1);
    desk.refuses(&swapped, &Rejected::Signature);
    // A key of the issuer that speaks for another.
    let stolen = ours.renamed("b");
    desk.refuses(&stolen.access_token(&claims), &Rejected::UnknownKey);
    desk.refuses(&ours.access_token(&access_claims(foreign.url())), &Rejected::UnknownKey);
    desk.refuses(&stolen.access_token(&access_claims(foreign.url())), &Rejected::Signature);
    assert!(desk.identify(&one).is_ok());
}

#[test]
fn no_algorithm_is_taken_that_needs_no_secret_of_the_issuer() {
    let signers = [Signer::es256("a"), Signer::rsa("b", "RS256")];
    let issuer = OwnIssuer::with(&[&signers[0], &signers[1]]);
    let desk = Desk::trusting(&[&issuer]);
    let claims = access_claims(issuer.url()).to_string();
    for name in ["none", "None", "NONE", "nOnE", "", "null"] {
        let header = json!({"alg": name, "typ": "at+jwt"}).to_string();
        let signed = format!("{}.{}", encode(header), encode(&claims));
        for text in [format!("{signed}."), format!("{signed}.AA")] {
            desk.refuses(&text, &Rejected::Algorithm);
        }
    }
    for signer in &signers {
        let secrets = [signer.public_bytes(), signer.jwk().to_string().into_bytes(), Vec::new()];
        for (secret, name) in secrets.iter().flat_map(|secret| [(secret, "HS256"), (secret, "hs256")]) {
            let header = with(signer.header(), json!({"alg": name})).to_string();
            let signed = format!("{}.{}", encode(header), encode(&claims));
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
            mac.update(signed.as_bytes());
            desk.refuses(&format!("{signed}.{}", encode(mac.finalize().into_bytes())), &Rejected::Algorithm);
        }
        // The algorithm of one key with another key.
        let other = if signer.algorithm == "ES256" { "RS256" } else { "ES256" };
        let confused = signer.sign(with(signer.header(), json!({"alg": other})), &claims);
        desk.refuses(&confused, &Rejected::KeyMismatch);
    }
}

#[test]
fn a_key_must_be_strong_and_be_named() {
    let (strong, weak) = (Signer::es256("strong"), Signer::rsa_of_1024_bits("weak"));
    let issuer = OwnIssuer::with(&[&strong, &weak]);
    let desk = Desk::trusting(&[&issuer]);
    let claims = access_claims(issuer.url());
    let fault = desk.identify(&weak.access_token(&claims)).unwrap_err();
    assert!(matches!(fault, Rejected::UnusableKey(_)) && fault.to_string().contains("less than 2048"), "{fault}");
    let nameless = without(strong.header(), "kid");
    desk.refuses(&strong.sign(&nameless, &claims), &Rejected::AmbiguousKey);
    let alone = OwnIssuer::with(&[&strong]);
    let desk = Desk::trusting(&[&alone]);
    assert!(desk.identify(&strong.sign(&nameless, access_claims(alone.url()))).is_ok());
}

#[test]
fn keys_and_addresses_in_a_token_count_for_nothing() {
    let (ours, attacker) = (Signer::es256("a"), Signer::es256("a"));
    let (issuer, elsewhere) = (OwnIssuer::with(&[&ours]), OwnIssuer::with(&[&attacker]));
    let desk = Desk::trusting(&[&issuer]);
    let keys = format!("{}/keys", elsewhere.url());
    let header = with(attacker.header(), json!({"jwk": attacker.jwk(), "jku": keys, "x5u": keys, "x5c": ["AAAA"]}));
    desk.refuses(&attacker.sign(header, access_claims(issuer.url())), &Rejected::Signature);
    assert_eq!(elsewhere.asked("/"), 0);
}

#[test]
fn claims_are_for_us_and_for_now() {
    let signer = Signer::es256("a");
    let issuer = OwnIssuer::with(&[&signer]);
    let desk = Desk::trusting(&[&issuer]);
    let claims = access_claims(issuer.url());
    let malformed = Rejected::Malformed("claims");
    for (changes, why) in [
        (json!({"iss": "https://elsewhere.example"}), Rejected::UnknownIssuer),
        (json!({"iss": format!("{}/", issuer.url())}), Rejected::UnknownIssuer),
        (json!({"iss": issuer.url().to_uppercase()}), Rejected::UnknownIssuer),
        (json!({"iss": [issuer.url()]}), malformed.clone()),
        (json!({"aud": "https://share.example/"}), Rejected::WrongAudience),
        (json!({"aud": CLIENT}), Rejected::WrongAudience),
        (json!({"aud": []}), Rejected::WrongAudience),
        (json!({"aud": [[AUDIENCE]]}), malformed.clone()),
        (json!({"aud": {AUDIENCE: true}}), malformed.clone()),
        (json!({"exp": SECONDS - 60}), Rejected::Expired),
        (json!({"exp": -1}), Rejected::Expired),
        (json!({"exp": 0}), Rejected::Expired),
        (json!({"exp": (SECONDS + 600).to_string()}), malformed.clone()),
        (json!({"exp": null}), malformed.clone()),
        (json!({"nbf": SECONDS + 61}), Rejected::NotYetValid),
        (json!({"iat": SECONDS + 61}), Rejected::FromTheFuture),
        (json!({"sub": ""}), Rejected::Malformed("subject")),
        (json!({"sub": "a\u{202e}b"}), Rejected::Malformed("subject")),
        (json!({"sub": "x".repeat(256)}), Rejected::Malformed("subject")),
        (json!({"sub": 7}), malformed.clone()),
        (json!({"amr": "mfa"}), malformed.clone()),
    ] {
        desk.refuses(&signer.access_token(&with(claims.clone(), changes)), &why);
    }
    for name in ["iss", "sub", "aud", "exp", "iat"] {
        desk.refuses(&signer.access_token(&without(claims.clone(), name)), &malformed);
    }
    // Clocks may differ by a minute.
    for changes in [json!({"exp": SECONDS - 59}), json!({"nbf": SECONDS + 60, "iat": SECONDS + 60})] {
        assert!(desk.identify(&signer.access_token(&with(claims.clone(), changes))).is_ok());
    }
}

#[test]
fn a_token_ends_while_it_is_remembered() {
    let signer = Signer::es256("a");
    let issuer = OwnIssuer::with(&[&signer]);
    let desk = Desk::trusting(&[&issuer]);
    let token = access_token(&issuer, &signer);
    assert!(desk.identify(&token).is_ok());
    desk.clock.advance(Duration::from_secs(659));
    assert!(desk.identify(&token).is_ok());
    desk.clock.advance(Duration::from_secs(1));
    desk.refuses(&token, &Rejected::Expired);
}

#[test]
fn no_kind_of_token_is_taken_for_another() {
    let signer = Signer::es256("a");
    let issuer = OwnIssuer::with(&[&signer]);
    let desk = Desk::trusting(&[&issuer]);
    let claims = access_claims(issuer.url());
    let no_access_token = Rejected::WrongKind(TokenKind::Access);
    for kind in [json!(null), json!("JWT"), json!("jwt"), json!(""), json!("id+jwt"), json!("at+jwt ")] {
        desk.refuses(&signer.sign(with(signer.header(), json!({"typ": kind})), &claims), &no_access_token);
    }
    desk.refuses(&signer.sign(without(signer.header(), "typ"), &claims), &no_access_token);
    for changes in [json!({"nonce": "n"}), json!({"at_hash": "h"})] {
        desk.refuses(&signer.access_token(&with(claims.clone(), changes)), &no_access_token);
    }
    for kind in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert!(desk.identify(&signer.sign(with(signer.header(), json!({"typ": kind})), &claims)).is_ok());
    }
}

#[test]
fn a_token_says_everything_once() {
    let signer = Signer::es256("a");
    let issuer = OwnIssuer::with(&[&signer]);
    let desk = Desk::trusting(&[&issuer]);
    let (header, claims) = (signer.header().to_string(), access_claims(issuer.url()).to_string());
    let added = |object: &str, member: &str| format!("{{{member},{}", &object[1..]);
    for member in [r#""sub":"root""#, r#""\u0073ub":"root""#, r#""x":1,"x":2"#, r#""aud":[]"#, r#""exp":1"#] {
        desk.refuses(&signer.sign(&header, added(&claims, member)), &Rejected::Malformed("claims"));
    }
    for member in [r#""alg":"none""#, r#""kid":"b""#, r#""typ":"JWT""#, r#""x":1,"x":2"#] {
        desk.refuses(&signer.sign(added(&header, member), &claims), &Rejected::Malformed("header"));
    }
    desk.refuses(&signer.sign(added(&header, r#""crit":["exp"]"#), &claims), &Rejected::CriticalExtension);
    desk.refuses(&signer.sign(added(&header, r#""crit":[]"#), &claims), &Rejected::CriticalExtension);
    for claims in ["", "null", "[]", "7", "\"a\"", "{", "{}x"] {
        desk.refuses(&signer.sign(&header, claims), &Rejected::Malformed("claims"));
    }
}

#[test]
fn no_change_of_a_token_is_accepted() {
    let signer = Signer::es256("a");
    let issuer = OwnIssuer::with(&[&signer]);
    let desk = Desk::trusting(&[&issuer]);
    let token = access_token(&issuer, &signer);
    assert!(desk.identify(&token).is_ok());
    for length in 0..token.len() {
        assert!(desk.identify(&token[..length]).is_err(), "{length}");
    }
    for place in 0..token.len() {
        for other in ["A", "B", "_", "z", ".", "=", "+", "\u{e9}", ""] {
            let changed = format!("{}{other}{}", &token[..place], &token[place + 1..]);
            assert!(changed == token || desk.identify(&changed).is_err(), "{place} {other}");
        }
    }
    for changed in [
        format!("{token}."),
        format!("{token}.e30"),
        format!("{token}="),
        format!("{token}\n"),
        format!(" {token}"),
        format!("e30.{token}"),
    ] {
        desk.refuses(&changed, &Rejected::NotCompact);
    }
    desk.refuses(&"A".repeat(100_000), &Rejected::TooLong);
    desk.refuses(
        &signer.access_token(&with(access_claims(issuer.url()), json!({"x": "x".repeat(20_000)}))),
        &Rejected::TooLong,
    );
    assert!(desk.identify(&token).is_ok());
}

/// Half of what is sent is a token with pieces cut out, doubled and swapped by a generator that repeats itself in each run.
#[test]
fn garbage_is_refused_in_words() {
    let signer = Signer::ed25519("a");
    let issuer = OwnIssuer::with(&[&signer]);
    let desk = Desk::trusting(&[&issuer]);
    let token = access_token(&issuer, &signer);
    let mut state = 7_u64;
    let mut drawn = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut reasons = HashSet::new();
    for _ in 0..20_000 {
        let text = if drawn(2) == 0 {
            let (from, to, at) = (drawn(token.len()), drawn(token.len()), drawn(token.len()));
            let piece = &token[from.min(to)..from.max(to)];
            format!("{}{piece}{}", &token[..at], &token[(at + drawn(9)).min(token.len())..])
        } else {
            let letters = b"AbC019-_.={}\"\\:,e30 \0\x7f";
            (0..drawn(200)).map(|_| char::from(letters[drawn(letters.len())])).collect()
        };
        if text != token {
            reasons.insert(desk.identify(&text).unwrap_err().to_string());
        }
    }
    assert!(reasons.len() >= 3, "{reasons:?}");
    assert!(reasons.iter().all(|reason| !reason.is_empty() && reason.is_ascii()), "{reasons:?}");
}
