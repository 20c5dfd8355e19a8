//! Promise 7: strangers learn nothing. Whatever is wrong with a token, the
//! answer is one and the same, byte for byte but for the request id.

use std::{collections::BTreeMap, time::Duration};

use cloakroom::{
    crypto::{
        grant_hash::grant_hash,
        opaque::LinkToken,
        sealed::Purpose,
        share_token::{ShareToken, ShareTokenContents},
    },
    domain::{
        ids::{ShareId, TenantId},
        permission::SharePermission,
        share::ShareGrant,
    },
    entropy::SystemEntropy,
};
use serde_json::json;

use super::{
    harness::{Api, Backend, claim_key, random, text},
    laboratory::Laboratory,
};

/// The first place where two answers would differ, by what they answer.
#[track_caller]
fn assert_all_the_same(answers: &BTreeMap<String, String>) {
    let (first, expected) = answers.first_key_value().unwrap();
    for (what, answer) in answers {
        assert_eq!(answer, expected, "{what} is answered otherwise than {first}");
    }
}

/// Spellings and near misses of a token.
fn misspelt(token: &str) -> Vec<(String, String)> {
    let mut all = vec![
        ("empty".into(), String::new()),
        ("a prefix alone".into(), "crs_".into()),
        ("a word".into(), "token".into()),
        ("no prefix".into(), token[4..].into()),
        ("another prefix".into(), format!("crl_{}", &token[4..])),
        ("a prefix in capitals".into(), format!("CRS_{}", &token[4..])),
        ("padded".into(), format!("{token}=")),
        ("padded twice".into(), format!("{token}==")),
        ("in the standard alphabet".into(), token[..4].to_owned() + &token[4..].replace('-', "+").replace('_', "/")),
        ("in capitals".into(), token.to_uppercase()),
        ("with a space before".into(), format!(" {token}")),
        ("with a newline after".into(), format!("{token}\n")),
        ("with a NUL after".into(), format!("{token}\0")),
        ("percent-encoded".into(), token.replace('_', "%5F")),
        ("twice".into(), format!("{token}{token}")),
        ("as a link".into(), format!("http://127.0.0.1/s#{token}")),
        ("over-long".into(), format!("{token}{}", "A".repeat(10_000))),
        ("not ASCII".into(), token.replace('A', "А")),
        ("zeros".into(), format!("crs_{}", "A".repeat(248))),
    ];
    for length in [5, 100, 251] {
        all.push((format!("cut to {length}"), token[..length].into()));
    }
    all.push(("one longer".into(), format!("{token}A")));
    for position in (4..token.len()).step_by(9).chain([token.len() - 1]) {
        let other = if &token[position..=position] == "B" { "C" } else { "B" };
        all.push((
            format!("tampered at {position}"),
            format!("{}{other}{}", &token[..position], &token[position + 1..]),
        ));
    }
    all
}

#[test]
fn every_dead_share_token_has_one_answer() {
    let (api, clock, _) = Laboratory::served();
    let mint = |lives: u64| {
        let body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true, "expires_in": lives });
        api.mint_as(api.admin(), &body)
    };
    // With letters that the two alphabets spell differently.
    let live = std::iter::repeat_with(|| mint(604_800)).find(|live| live.token[4..].contains(['-', '_'])).unwrap();
    let mut dead = misspelt(&live.token);

    let session = api.open(&mint(604_800)).token;
    dead.push(("a session token".into(), session.clone()));
    dead.push(("a session token as a share's".into(), format!("crs_{}", &session[4..])));
    dead.push(("an API key".into(), api.admin().into()));
    dead.push(("a link token".into(), LinkToken::generate(&SystemEntropy).expose().into()));
    let keyring = &api.broker().keyring;
    let of_another_kind = keyring.seal(Purpose::Cursor, &[7; 88], &SystemEntropy).unwrap();
    dead.push(("sealed for another purpose".into(), format!("crs_{of_another_kind}")));
    let unknown = ShareTokenContents {
        tenant: api.tenant.id.parse().unwrap(),
        share: ShareId::from_bytes(random()),
        issued_at: cloakroom::clock::Clock::now(clock.as_ref()),
        expires_at: cloakroom::clock::Clock::now(clock.as_ref()).plus(Duration::from_secs(900)),
        permission: SharePermission::Read,
        grant_hash: [7; 32],
    };
    let seal = |contents: &ShareTokenContents| {
        ShareToken::seal(contents, keyring, &SystemEntropy).unwrap().expose().to_owned()
    };
    dead.push(("of a share that is not there".into(), seal(&unknown)));
    let nobodys = ShareTokenContents { tenant: TenantId::from_bytes(random()), ..unknown };
    dead.push(("of a tenant that is not there".into(), seal(&nobodys)));
    let row = api.row(&format!("share#{}", live.id), "grant");
    let body = keyring.authentic(&row.key.partition, &row.key.sort, &row.body).unwrap();
    let row: serde_json::Value = serde_json::from_slice(body).unwrap();
    let grant: ShareGrant = serde_json::from_value(row["grant"].clone()).unwrap();
    let genuine = ShareTokenContents { share: grant.id, grant_hash: grant_hash(&grant), ..unknown };
    dead.push((
        "of another tenant than its grant".into(),
        seal(&ShareTokenContents { tenant: nobodys.tenant, ..genuine }),
    ));
    dead.push((
        "of another grant than the stored one".into(),
        seal(&ShareTokenContents { grant_hash: [1; 32], ..genuine }),
    ));

    let used = mint(604_800);
    api.open(&used);
    dead.push(("used".into(), used.token));
    let revoked = mint(604_800);
    api.delete(api.admin(), &format!("/v1/shares/{}", revoked.id)).expect(204);
    dead.push(("revoked".into(), revoked.token));
    let expired = mint(60);
    dead.push(("expired".into(), expired.token));
    let both = mint(60);
    api.open(&both);
    api.delete(api.admin(), &format!("/v1/shares/{}", both.id)).expect(204);
    dead.push(("used, revoked and expired".into(), both.token));
    let key = api.new_key(api.admin(), "live", &[("/", "read")]);
    let orphaned = api.mint(&key.secret, "read", &["a.txt"]);
    api.delete(api.admin(), &format!("/v1/api-keys/{}", key.id)).expect(204);
    dead.push(("of a minter that is revoked".into(), orphaned.token));
    let (elsewhere, _, _) = Laboratory::served();
    dead.push(("another deployment's".into(), elsewhere.mint(elsewhere.admin(), "read", &["a.txt"]).token));
    clock.advance(Duration::from_secs(60));

    for route in ["/v1/shares/redeem", "/v1/shares/redeem/preview"] {
        let mut answers = BTreeMap::new();
        for (what, token) in &dead {
            for claim_key in [claim_key(), claim_key()] {
                let body = json!({ "token": token, "claim_key": claim_key });
                let answer = api.public(route, &body);
                answer.problem(404, "dead_token");
                answers.insert(format!("{what} {}", &claim_key[..3]), api.raw_post(route, &body));
                answers.insert(what.clone(), api.raw_post(route, &body));
            }
        }
        assert_all_the_same(&answers);
    }
    api.open(&live);
}

#[test]
fn every_dead_api_key_has_one_answer() {
    let (api, clock, _) = Laboratory::served();
    let mut dead = vec![
        ("empty".to_owned(), String::new()),
        ("a word".into(), "secret".into()),
        ("unknown".into(), format!("crk_live_{}", claim_key())),
        ("of the other mode".into(), api.admin().replace("crk_live_", "crk_test_")),
        ("cut".into(), api.admin()[..30].into()),
        ("padded".into(), format!("{}=", api.admin())),
        ("over-long".into(), format!("{}{}", api.admin(), "A".repeat(5_000))),
        ("a session token".into(), api.open(&api.mint(api.admin(), "read", &["a.txt"])).token),
        ("a share token".into(), api.mint(api.admin(), "read", &["a.txt"]).token),
    ];
    for position in (9..api.admin().len()).step_by(5) {
        let other = if &api.admin()[position..=position] == "B" { "C" } else { "B" };
        let tampered = format!("{}{other}{}", &api.admin()[..position], &api.admin()[position + 1..]);
        dead.push((format!("tampered at {position}"), tampered));
    }
    let revoked = api.new_key(api.admin(), "live", &[("/", "admin")]);
    api.delete(api.admin(), &format!("/v1/api-keys/{}", revoked.id)).expect(204);
    dead.push(("revoked".into(), revoked.secret));
    let grants = json!([{ "path": "/", "permission": "admin" }]);
    let expired = api.post(api.admin(), "/v1/api-keys", &json!({ "grants": grants, "expires_in": 60 }));
    dead.push(("expired".into(), expired.text("secret")));
    clock.advance(Duration::from_secs(60));
    let elsewhere = Api::start(Backend::Embedded);
    dead.push(("another deployment's".into(), elsewhere.admin().into()));

    for route in ["/v1/shares", "/v1/objects/a.txt", "/v1/tenants", "/v1/api-keys/key_1"] {
        let mut answers = BTreeMap::new();
        for (what, secret) in &dead {
            api.get(secret, route).problem(401, "unauthenticated");
            answers.insert(what.clone(), api.raw("GET", route, &[("authorization", &format!("Bearer {secret}"))], b""));
        }
        answers.insert("none".into(), api.raw("GET", route, &[], b""));
        let basic = [("authorization", "Basic YTpi")];
        answers.insert("of another scheme".into(), api.raw("GET", route, &basic, b""));
        assert_all_the_same(&answers);
    }
}

#[test]
fn every_dead_session_has_one_answer() {
    let (api, clock, _) = Laboratory::served();
    let expired = api.open(&api.mint(api.admin(), "read", &["a.txt"])).token;
    clock.advance(Duration::from_secs(900));
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let revoked = api.open(&minted).token;
    api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(204);
    let pending = api.mint(api.admin(), "read", &["a.txt"]).token;
    let opened = api.redeem(&pending, &claim_key()).expect(200);
    let live = text(&opened, "session_token");
    let (elsewhere, _, _) = Laboratory::served();
    let foreign = elsewhere.open(&elsewhere.mint(elsewhere.admin(), "read", &["a.txt"])).token;
    let tampered = format!("{}{}{}", &live[..99], if &live[99..100] == "B" { "C" } else { "B" }, &live[100..]);
    let as_session = format!("cst_{}", &pending[4..]);
    let dead =
        [expired, revoked, pending, foreign, tampered, as_session, api.admin().into(), "cst_".into(), String::new()];

    let mut answers = BTreeMap::new();
    for token in &dead {
        let bearer = [("authorization", format!("Bearer {token}"))];
        answers.insert(
            format!("as a bearer: {token}"),
            api.raw("GET", "/v1/session", &bearer.each_ref().map(|(name, value)| (*name, value.as_str())), b""),
        );
        let cookie = format!("cloakroom-{}={token}", text(&opened, "session"));
        answers.insert(format!("as a cookie: {token}"), api.raw("GET", "/v1/session", &[("cookie", &cookie)], b""));
    }
    answers.insert("none".into(), api.raw("GET", "/v1/session", &[], b""));
    assert_all_the_same(&answers);
    api.get(&live, "/v1/session").expect(200);
}
