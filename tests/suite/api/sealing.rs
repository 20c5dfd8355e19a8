//! Personal data lies sealed for its own tenant and its own place: whoever can write the store moves none of it, and
//! without the tenant's key nobody opens it.

use std::{sync::Arc, time::Duration};

use cloakroom::{
    crypto::{
        keyring::{KeyState, Keyring, RootKey},
        opaque::ApiKeySecret,
        secret::SecretText,
    },
    domain::ids::{RequestId, TenantId},
    entropy::SystemEntropy,
    objects::embedded::DataKeySource,
    service::{Asking, Broker, TenantKeys},
    store::{Expected, Row, Write},
};
use serde_json::{Value, json};

use super::{
    deeds::{events, kind, random},
    harness::{Api, Backend, Key, claim_key, text},
    laboratory::Laboratory,
};

/// The body of a row as JSON.
fn body(api: &Api, row: &Row) -> Value {
    serde_json::from_slice(api.broker().keyring.authentic(&row.key.partition, &row.key.sort, &row.body).unwrap())
        .unwrap()
}

/// Overwrites a row past the broker, with what only the broker could: a MAC that is right.
fn set(api: &Api, row: &Row, value: &Value) {
    let body = api.broker().keyring.authenticate(&row.key.partition, &row.key.sort, value.to_string().as_bytes());
    overwrite(api, row, body);
}

fn overwrite(api: &Api, row: &Row, body: Vec<u8>) {
    let expected = Expected::Version(api.row(&row.key.partition, &row.key.sort).version);
    api.write(Write { key: row.key.clone(), expected, body, purge_after: None });
}

fn labelled_key(api: &Api, admin: &str, label: &str) -> Key {
    let body = json!({ "label": label, "grants": [{ "path": "/", "permission": "admin" }] });
    let created = api.post(admin, "/v1/api-keys", &body).expect(201);
    Key { id: text(&created, "id"), secret: text(&created, "secret") }
}

fn data_key_row(api: &Api, tenant: &str) -> Row {
    api.row(&format!("tenant-key#{tenant}"), "field")
}

#[test]
fn what_is_sealed_for_one_place_opens_in_no_other() {
    let api = Api::start(Backend::Embedded);
    let other = api.new_tenant("Other");
    let share = |admin: &str| {
        let body = json!({
            "paths": ["a"], "permission": "read", "allow_missing": true, "label": "label", "message": "message",
        });
        let minted = api.mint_as(admin, &body);
        (api.row(&format!("share#{}", minted.id), "grant"), minted)
    };
    let ((row, minted), (second, _), (foreign, _)) =
        (share(api.admin()), share(api.admin()), share(&other.admin.secret));
    let fields = body(&api, &row);
    assert!(fields["label"].is_string() && fields["label"] != "label", "{fields}");

    let inspect = || api.get(api.admin(), &format!("/v1/shares/{}", minted.id));
    let takes = |what: &str, change: &dyn Fn(&mut Value)| {
        let mut value = fields.clone();
        change(&mut value);
        set(&api, &row, &value);
        inspect().problem(500, "internal");
        api.preview(&minted.token).problem(404, "dead_token");
        api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
        let listed = api.get(api.admin(), "/v1/shares").expect(200);
        assert!(!listed.to_string().contains(&minted.id), "{what}");
    };
    takes("a label of another share", &|value| value["label"] = body(&api, &second)["label"].clone());
    takes("a label of another tenant", &|value| value["label"] = body(&api, &foreign)["label"].clone());
    takes("the message as the label", &|value| value["label"] = value["message"].clone());
    takes("the label as the message", &|value| value["message"] = value["label"].clone());
    takes("what was never sealed", &|value| value["label"] = json!("in the open"));
    takes("metadata that was never sealed", &|value| value["metadata"] = json!({ "a": "b" }));
    takes("a whole row of another share", &|value| *value = body(&api, &second));
    takes("half a label", &|value| value["label"] = json!(&value["label"].as_str().unwrap()[..100]));
    set(&api, &row, &fields);
    let seen = inspect().expect(200);
    assert_eq!((&seen["label"], &seen["message"]), (&json!("label"), &json!("message")));
}

#[test]
fn a_key_whose_label_was_moved_calls_nobody_in() {
    let api = Api::start(Backend::Embedded);
    let (one, other) = (labelled_key(&api, api.admin(), "one"), labelled_key(&api, api.admin(), "other"));
    let row = |key: &Key| api.row(&format!("keys#{}", api.ledger()), &key.id);
    let (own, theirs) = (row(&one), row(&other));
    let mut moved = body(&api, &own);
    moved["label"] = body(&api, &theirs)["label"].clone();
    set(&api, &own, &moved);
    api.get(&one.secret, "/v1/objects").problem(401, "unauthenticated");
    overwrite(&api, &own, own.body.clone());
    api.get(&one.secret, "/v1/objects").expect(200);
}

#[test]
fn a_tenant_whose_key_was_destroyed_is_unreadable_within_a_minute_and_nobody_else_is() {
    let (api, clock, _) = Laboratory::served();
    let other = api.new_tenant("Other");
    let key = labelled_key(&api, &other.admin.secret, "a label");
    let plain = api.new_key(&other.admin.secret, "live", &[("/", "read")]);
    let minted = api.mint(&key.secret, "read", &["a.txt"]);
    let session = api.open(&minted).token;
    let genuine = data_key_row(&api, &other.id);
    let ours = data_key_row(&api, &api.tenant.id);
    let wrapped = |row: &Row| body(&api, row);
    let mut cut = wrapped(&genuine);
    cut["wrapped"] = json!(&text(&cut, "wrapped")[..80]);
    let vouched = |value: &Value| {
        api.broker().keyring.authenticate(&genuine.key.partition, &genuine.key.sort, value.to_string().as_bytes())
    };
    for (how, destroyed) in [
        ("erased", Vec::new()),
        ("erased by name", vouched(&json!({ "wrapped": "" }))),
        ("cut", vouched(&cut)),
        ("another tenant's, moved", ours.body.clone()),
        ("another tenant's, as if it were this one's", vouched(&wrapped(&ours))),
    ] {
        overwrite(&api, &genuine, destroyed.clone());
        clock.advance(Duration::from_secs(60));
        for secret in [&key.secret, &plain.secret, &other.admin.secret] {
            api.get(secret, "/v1/api-keys").problem(401, "unauthenticated");
            api.post(secret, "/v1/shares", &json!({ "paths": ["a"], "permission": "read" }))
                .problem(401, "unauthenticated");
        }
        api.get(&session, "/v1/session").problem(401, "no_session");
        api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
        api.preview(&minted.token).problem(404, "dead_token");
        let route = format!("/v1/tenants/{}/impersonations", other.id);
        api.post(api.admin(), &route, &json!({ "reason": "to look" })).problem(500, "internal");
        // No other key has taken its place.
        assert_eq!(data_key_row(&api, &other.id).body, destroyed, "{how}");
        api.get(api.admin(), "/v1/api-keys").expect(200);
        api.get(api.admin(), "/v1/tenants").expect(200);
    }
    overwrite(&api, &genuine, genuine.body.clone());
    assert_eq!(api.get(&key.secret, &format!("/v1/api-keys/{}", key.id)).expect(200)["label"], "a label");
    api.get(&plain.secret, "/v1/objects").expect(200);
}

#[test]
fn a_key_that_was_read_serves_for_a_minute_without_being_read() {
    let (api, clock, _) = Laboratory::served();
    let key = labelled_key(&api, api.admin(), "a label");
    api.get(&key.secret, "/v1/objects").expect(200);
    overwrite(&api, &data_key_row(&api, &api.tenant.id), Vec::new());
    clock.advance(Duration::from_millis(59_999));
    api.get(&key.secret, "/v1/objects").expect(200);
    clock.advance(Duration::from_millis(1));
    api.get(&key.secret, "/v1/objects").problem(401, "unauthenticated");
}

/// The broker of a replica whose root keys are these, and which has read nothing yet.
fn replica(api: &Api, keys: Vec<RootKey>) -> Broker {
    let broker = api.broker();
    let keyring = Arc::new(Keyring::new(broker.keyring.deployment(), keys).unwrap());
    Broker { keyring, data_keys: Arc::default(), known_principals: Arc::default(), ..broker.clone() }
}

fn keys_of(api: &Api) -> Vec<RootKey> {
    api.broker().keyring.keys().iter().map(|key| RootKey::clone(key)).collect()
}

fn in_state(keys: &[RootKey], state: KeyState) -> Vec<RootKey> {
    let mut keys = keys.to_vec();
    keys.iter_mut().for_each(|key| key.state = state);
    keys
}

#[test]
fn a_data_key_is_wrapped_anew_when_another_root_key_is_primary() {
    let api = Api::start(Backend::Embedded);
    let key = labelled_key(&api, api.admin(), "a label");
    let secret = ApiKeySecret::parse(&SecretText::new(key.secret.as_str())).unwrap();
    let before = data_key_row(&api, &api.tenant.id);
    let wrapped = |row: &Row, ring: &Keyring| {
        let body = ring.authentic(&row.key.partition, &row.key.sort, &row.body).unwrap();
        text(&serde_json::from_slice(body).unwrap(), "wrapped")
    };
    let old = keys_of(&api);
    let new = RootKey::generate(KeyState::Primary, &SystemEntropy);
    let with = |state, primary: &RootKey| [in_state(&old, state), vec![primary.clone()]].concat();
    let call = |broker: &Broker| api.wait(broker.with_key(&secret, Asking::here(RequestId::from_bytes(random()))));

    // Staged, it is not used yet.
    let staged = in_state(std::slice::from_ref(&new), KeyState::Staged);
    call(&replica(&api, [old.clone(), staged].concat())).unwrap();
    assert_eq!(data_key_row(&api, &api.tenant.id), before);

    let promoted = [(); 8].map(|()| replica(&api, with(KeyState::AcceptOnly, &new)));
    let callers = futures_util::future::join_all(promoted.iter().map(async |broker| {
        broker.with_key(&secret, Asking::here(RequestId::from_bytes(random()))).await.unwrap().principal.label
    }));
    assert_eq!(api.wait(callers), vec![Some("a label".to_owned()); 8]);
    let after = data_key_row(&api, &api.tenant.id);
    let ring = &promoted[0].keyring;
    assert_eq!(after.version, before.version.next());
    assert!(!ring.is_under_primary(&wrapped(&before, ring)) && ring.is_under_primary(&wrapped(&after, ring)));
    // Told by a replica that has the new key; one that has not, leaves it alone.
    let told = api.wait(events(&promoted[0], &api.ledger()));
    assert_eq!(told.iter().filter(|event| kind(event) == "tenant.key_wrapped").count(), 1);
    assert!(told.iter().all(|event| kind(event) != "ledger.event_rejected"));

    // The one before can go, and what it wrapped is the same key.
    let retired = replica(&api, with(KeyState::Retired, &new));
    let tenant: TenantId = api.tenant.id.parse().unwrap();
    assert!(retired.keyring.unwrap_data_key(tenant, &wrapped(&after, ring)).is_ok());
    assert!(retired.keyring.unwrap_data_key(tenant, &wrapped(&before, ring)).is_err());
    // Wrapped once, it stays as it is.
    call(&replica(&api, with(KeyState::AcceptOnly, &new))).unwrap();
    assert_eq!(data_key_row(&api, &api.tenant.id), after);
}

#[test]
fn what_another_replica_has_wrapped_anew_meanwhile_is_not_wrapped_once_more() {
    let api = Api::start(Backend::Embedded);
    let key = labelled_key(&api, api.admin(), "a label");
    let secret = ApiKeySecret::parse(&SecretText::new(key.secret.as_str())).unwrap();
    let keys =
        [in_state(&keys_of(&api), KeyState::AcceptOnly), vec![RootKey::generate(KeyState::Primary, &SystemEntropy)]];
    let [slow, fast] = [(); 2].map(|()| replica(&api, keys.concat()));
    // Read for a file: what is to be done with it is left to who asks for the key next.
    let of_files = TenantKeys {
        store: slow.store.clone(),
        keyring: slow.keyring.clone(),
        kms: None,
        kept: slow.data_keys.clone(),
        clock: slow.clock.clone(),
    };
    api.wait(of_files.data_key(api.tenant.id.parse().unwrap())).unwrap();
    let before = data_key_row(&api, &api.tenant.id);
    let call = |broker: &Broker| {
        api.wait(broker.with_key(&secret, Asking::here(RequestId::from_bytes(random())))).unwrap();
        data_key_row(&api, &api.tenant.id)
    };
    let after = call(&fast);
    assert_eq!(after.version, before.version.next());
    assert_eq!(call(&slow), after);
}

#[test]
fn a_data_key_that_cannot_be_wrapped_anew_yet_still_opens() {
    let (api, _, faults) = Laboratory::served();
    let key = labelled_key(&api, api.admin(), "a label");
    let secret = ApiKeySecret::parse(&SecretText::new(key.secret.as_str())).unwrap();
    let keys = in_state(&keys_of(&api), KeyState::AcceptOnly);
    let promoted = replica(&api, [keys, vec![RootKey::generate(KeyState::Primary, &SystemEntropy)]].concat());
    let before = data_key_row(&api, &api.tenant.id);
    faults.fail_commits(true);
    let caller = api.wait(promoted.with_key(&secret, Asking::here(RequestId::from_bytes(random())))).unwrap();
    assert_eq!(caller.principal.label.as_deref(), Some("a label"));
    assert_eq!(data_key_row(&api, &api.tenant.id), before);
}
