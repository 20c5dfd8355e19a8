//! Promise 2, against somebody who can write the database: no row that they
//! make, move or widen gives anybody more, and what the broker itself changes
//! counts at once.

use cloakroom::{
    crypto::keyring::{KeyState, Keyring, Kid, RootKey},
    store::{Expected, Row, Write},
};
use serde_json::{Value, json};

use super::harness::{Api, Backend, Console, Minted, claim_key, random};

/// Overwrites a row with other bytes, whatever it says by now.
fn overwrite(api: &Api, row: &Row, body: Vec<u8>) {
    let expected = Expected::Version(api.row(&row.key.partition, &row.key.sort).version);
    api.write(Write { key: row.key.clone(), expected, body, purge_after: None });
}

/// What the row says, changed like this.
fn changed(api: &Api, row: &Row, change: impl Fn(&mut Value)) -> Vec<u8> {
    let body = api.broker().keyring.authentic(&row.key.partition, &row.key.sort, &row.body).unwrap();
    let mut value = serde_json::from_slice(body).unwrap();
    change(&mut value);
    serde_json::to_vec(&value).unwrap()
}

fn vouched_for(keyring: &Keyring, row: &Row, body: &[u8]) -> Vec<u8> {
    keyring.authenticate(&row.key.partition, &row.key.sort, body)
}

/// Whoever has the database knows the deployment and the name of its key, but not the key.
fn intruders_keyring(api: &Api, row: &Row) -> Keyring {
    let kid = Kid(row.body[..4].try_into().unwrap());
    let key = RootKey::new(kid, KeyState::Primary, random::<32>().into());
    Keyring::new(api.broker().keyring.deployment(), vec![key]).unwrap()
}

/// Every way to put `value` in the place of a row without the key.
fn forgeries(api: &Api, row: &Row, value: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let real_head = row.body[..36].to_vec();
    vec![
        ("no MAC", value.to_vec()),
        ("the MAC of before", [real_head, value.to_vec()].concat()),
        ("a MAC of zeros", [row.body[..4].to_vec(), vec![0; 32], value.to_vec()].concat()),
        ("another key's MAC", vouched_for(&intruders_keyring(api, row), row, value)),
        ("nothing", Vec::new()),
    ]
}

fn widen(value: &mut Value) {
    value["grant"]["pins"] = json!(["/"]);
    value["grant"]["permission"] = json!("write");
}

fn grant(api: &Api, minted: &Minted) -> Row {
    api.row(&format!("share#{}", minted.id), "grant")
}

#[test]
fn a_forged_grant_opens_nothing() {
    let api = Api::start(Backend::Embedded);
    let (claimed, pending) = (api.mint(api.admin(), "read", &["a.txt"]), api.mint(api.admin(), "read", &["a.txt"]));
    let claimant = claim_key();
    let session = api.redeem(&claimed.token, &claimant).text("session_token");

    for minted in [&claimed, &pending] {
        let row = grant(&api, minted);
        for (how, forgery) in forgeries(&api, &row, &changed(&api, &row, widen)) {
            overwrite(&api, &row, forgery);
            api.redeem(&minted.token, &claimant).problem(404, "dead_token");
            api.preview(&minted.token).problem(404, "dead_token");
            if minted.id == claimed.id {
                assert_eq!(api.get(&session, "/v1/session").status, 401, "{how}");
            }
        }
        overwrite(&api, &row, row.body.clone());
    }
    // It was the forgery that was refused.
    api.get(&session, "/v1/session").expect(200);
    api.redeem(&claimed.token, &claimant).expect(200);
    api.redeem(&pending.token, &claimant).expect(200);
}

#[test]
fn a_genuine_row_with_another_grant_opens_nothing() {
    let api = Api::start(Backend::Embedded);
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let claimant = claim_key();
    let session = api.redeem(&minted.token, &claimant).text("session_token");
    let row = grant(&api, &minted);
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 10] = [
        ("pins", |value| value["grant"]["pins"] = json!(["a.txt", "b.txt"])),
        ("permission", |value| value["grant"]["permission"] = json!("write")),
        ("expiry", |value| value["grant"]["terms"]["expires_at"] = json!("2099-01-01T00:00:00Z")),
        ("access", |value| value["grant"]["terms"]["access_seconds"] = json!(604_800)),
        ("networks", |value| value["grant"]["restrictions"]["networks"] = json!(["127.0.0.0/8"])),
        ("opening", |value| value["grant"]["terms"]["not_before"] = json!("2020-01-01T00:00:00Z")),
        ("redemptions", |value| value["grant"]["terms"]["redemptions"] = json!(2)),
        ("mode", |value| value["grant"]["made"]["namespace"]["mode"] = json!("test")),
        ("minter", |value| value["grant"]["made"]["minter"] = json!(format!("key_{}", "1".repeat(32)))),
        ("generation", |value| value["grant"]["made"]["minter_generation"] = json!(1)),
    ];
    for (what, change) in changes {
        let body = changed(&api, &row, change);
        overwrite(&api, &row, vouched_for(&api.broker().keyring, &row, &body));
        assert_eq!(api.redeem(&minted.token, &claimant).status, 404, "{what}");
        assert_eq!(api.preview(&minted.token).status, 404, "{what}");
        assert_eq!(api.get(&session, "/v1/session").status, 401, "{what}");
    }
    overwrite(&api, &row, row.body.clone());
    api.get(&session, "/v1/session").expect(200);
}

#[test]
fn a_grant_in_another_shares_place_opens_nothing() {
    let api = Api::start(Backend::Embedded);
    let (narrow, wide) = (api.mint(api.admin(), "read", &["a.txt"]), api.mint(api.admin(), "write", &["/"]));
    let (row, moved) = (grant(&api, &narrow), grant(&api, &wide));
    overwrite(&api, &row, moved.body);
    api.redeem(&narrow.token, &claim_key()).problem(404, "dead_token");
}

#[test]
fn a_forged_state_or_claim_makes_nobody_a_claimant() {
    let api = Api::start(Backend::Embedded);
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let (claimant, intruder) = (claim_key(), claim_key());
    api.redeem(&minted.token, &claimant).expect(200);

    let state = api.row(&format!("share#{}", minted.id), "state");
    for (how, forgery) in forgeries(&api, &state, br#"{"claims":0,"revoked_at":null}"#) {
        overwrite(&api, &state, forgery);
        assert_eq!(api.redeem(&minted.token, &intruder).status, 404, "{how}");
        assert_eq!(api.redeem(&minted.token, &claimant).status, 404, "{how}");
    }
    overwrite(&api, &state, state.body.clone());

    // The claimant's own row, put where the intruder's would be.
    let rows = api.rows(&format!("share#{}", minted.id));
    let claim = rows.iter().find(|row| row.key.sort.starts_with("claim#")).unwrap();
    let id = minted.id.parse::<cloakroom::domain::ids::ShareId>().unwrap();
    let text = cloakroom::crypto::secret::SecretText::new(intruder.as_str());
    let hash = cloakroom::crypto::claim::ClaimKey::parse(&text).unwrap().hash(id.as_bytes());
    let place = cloakroom::store::RowKey::new(&claim.key.partition, format!("claim#{hash}"));
    api.write(Write { key: place, expected: Expected::Absent, body: claim.body.clone(), purge_after: None });
    api.redeem(&minted.token, &intruder).problem(404, "dead_token");
    api.redeem(&minted.token, &claimant).expect(200);
}

#[test]
fn a_forged_key_or_tenant_authenticates_nobody() {
    let api = Api::start(Backend::Embedded);
    let key = api.new_key(api.admin(), "live", &[("docs/", "read")]);
    let minted = api.mint(&key.secret, "read", &["docs/"]);
    let session = api.open(&minted).token;
    let key_row = api.row(&format!("keys#{}", api.ledger()), &key.id);
    let tenant_row = api.row(&format!("tenant#{}", api.tenant.id), "tenant");
    let widened = changed(&api, &key_row, |value| value["grants"] = json!([{ "path": "/", "permission": "admin" }]));
    let renamed = changed(&api, &tenant_row, |value| value["name"] = json!("Somebody else"));
    for (row, value) in [(&key_row, widened), (&tenant_row, renamed)] {
        for (how, forgery) in forgeries(&api, row, &value) {
            overwrite(&api, row, forgery);
            let answer = api.get(&key.secret, "/v1/objects");
            assert!([401, 500].contains(&answer.status), "{how}: {answer:?}");
            assert_eq!(api.get(&session, "/v1/session").status, 401, "{how}");
        }
        overwrite(&api, row, row.body.clone());
    }
    api.get(&session, "/v1/session").expect(200);
    api.get(&key.secret, "/v1/objects").expect(200);
}

#[test]
fn a_forged_console_session_signs_nobody_in() {
    let api = Api::start(Backend::Embedded);
    let narrow = api.new_key(api.admin(), "live", &[("docs/", "read")]);
    let (console, other) = (api.sign_in(&narrow.secret), api.sign_in(api.admin()));
    let row = |console: &Console| {
        let text = cloakroom::crypto::secret::SecretText::new(console.secret.as_str());
        let hash = cloakroom::crypto::opaque::ConsoleSecret::parse(&text).unwrap().hash();
        api.row(&format!("console#{hash}"), "session")
    };
    let (own, admins) = (row(&console), row(&other));
    let status = || api.call("GET", "/v1/shares").console(&console).send().status;
    let widened = changed(&api, &own, |value| value["principal"]["minter"] = json!(api.tenant.admin.id));
    for (how, forgery) in forgeries(&api, &own, &widened) {
        overwrite(&api, &own, forgery);
        assert_eq!(status(), 401, "{how}");
    }
    overwrite(&api, &own, admins.body);
    assert_eq!(status(), 401, "another session's row");

    let genuine = |change: &dyn Fn(&mut Value)| {
        let body = changed(&api, &own, change);
        overwrite(&api, &own, vouched_for(&api.broker().keyring, &own, &body));
    };
    genuine(&|value| value["principal"]["minter_generation"] = json!(1));
    assert_eq!(status(), 401, "another generation of the key");
    genuine(&|value| value["principal"]["tenant_generation"] = json!(1));
    assert_eq!(status(), 401, "another generation of the tenant");
    genuine(&|value| value["principal"]["minter"] = json!(format!("usr_{}", "0".repeat(32))));
    assert_eq!(status(), 401, "another kind of principal");
    genuine(&|_| ());
    assert_eq!(status(), 200);
    let tenant = api.row(&format!("tenant#{}", api.tenant.id), "tenant");
    let suspended = changed(&api, &tenant, |value| value["suspended"] = json!(true));
    overwrite(&api, &tenant, vouched_for(&api.broker().keyring, &tenant, &suspended));
    assert_eq!(status(), 401, "the tenant is suspended");
    overwrite(&api, &tenant, tenant.body.clone());
    assert_eq!(status(), 200);
}

#[test]
fn a_forged_event_is_in_no_history() {
    let api = Api::start(Backend::Embedded);
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let [row] = api.rows(&format!("history#{}#{}", api.ledger(), minted.id)).try_into().unwrap();
    let events = format!("/v1/shares/{}/events", minted.id);
    let forged = changed(&api, &row, |value| value["type"] = json!("share.revoked"));
    for (how, forgery) in forgeries(&api, &row, &forged) {
        overwrite(&api, &row, forgery);
        assert_eq!(api.get(api.admin(), &events).expect(200)["items"], json!([]), "{how}");
    }
}

#[test]
fn a_session_shrinks_and_ends_with_its_minter_and_tenant() {
    let api = Api::start(Backend::Embedded);
    for path in ["docs/a/x", "docs/b/y"] {
        api.upload(api.admin(), path, b"1");
    }
    let key = api.new_key(api.admin(), "live", &[("docs/", "write")]);
    let (minted, pending) = (api.mint(&key.secret, "write", &["docs/"]), api.mint(&key.secret, "write", &["docs/"]));
    let session = api.open(&minted).token;
    let key_row = api.row(&format!("keys#{}", api.ledger()), &key.id);
    let tenant_row = api.row(&format!("tenant#{}", api.tenant.id), "tenant");
    let set = |row: &Row, change: &dyn Fn(&mut Value)| {
        let body = changed(&api, row, change);
        overwrite(&api, row, vouched_for(&api.broker().keyring, row, &body));
    };

    set(&key_row, &|value| value["grants"] = json!([{ "path": "docs/a/", "permission": "read" }]));
    assert_eq!(api.paths(&session, "/v1/session/objects"), ["docs/a/x"]);
    for path in ["docs/b/y", "docs/new"] {
        api.post(&session, "/v1/session/downloads", &json!({ "path": path })).problem(403, "forbidden");
    }
    let upload = json!({ "path": "docs/a/new", "size": 1, "content_type": "text/plain" });
    api.post(&session, "/v1/session/uploads", &upload).problem(403, "forbidden");

    let ends = |why: &str| {
        assert_eq!(api.get(&session, "/v1/session").status, 401, "{why}");
        assert_eq!(api.redeem(&pending.token, &claim_key()).status, 404, "{why}");
        assert_eq!(api.preview(&pending.token).status, 404, "{why}");
    };
    set(&key_row, &|value| value["grants"] = json!([{ "path": "other/", "permission": "write" }]));
    ends("the minter lost all rights");
    set(&key_row, &|value| value["generation"] = json!(1));
    ends("the minter drew another generation");
    set(&key_row, &|_| ());
    api.get(&session, "/v1/session").expect(200);
    set(&tenant_row, &|value| value["suspended"] = json!(true));
    ends("the tenant is suspended");
    api.get(&key.secret, "/v1/objects").problem(401, "unauthenticated");
    set(&tenant_row, &|value| value["generation"] = json!(1));
    ends("the tenant drew another generation");
    set(&tenant_row, &|_| ());
    api.get(&session, "/v1/session").expect(200);
    api.redeem(&pending.token, &claim_key()).expect(200);
}
