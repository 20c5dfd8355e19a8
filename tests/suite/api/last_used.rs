//! When somebody last called is told to administrators, and costs no request a write.

use std::{sync::Arc, time::Duration};

use cloakroom::{
    crypto::secret::SecretText,
    domain::ids::RequestId,
    service::{Asking, Broker},
};
use serde_json::Value;

use super::{
    harness::{Api, Key},
    laboratory::Laboratory,
};

fn new_key(api: &Api) -> Key {
    api.new_key(api.admin(), "live", &[("/", "write")])
}

/// The hour of the last use that a listing tells of a key.
fn last_used(api: &Api, id: &str) -> Value {
    let listed = api.get(api.admin(), "/v1/api-keys").expect(200);
    let inspected = api.get(api.admin(), &format!("/v1/api-keys/{id}")).expect(200);
    let of = listed["items"].as_array().unwrap().iter().find(|key| key["id"] == id).unwrap();
    assert_eq!(of["last_used_at"], inspected["last_used_at"]);
    of["last_used_at"].clone()
}

pub fn a_listing_says_when_somebody_last_called(api: &Api) {
    let (key, idle) = (new_key(api), new_key(api));
    api.get(&key.secret, "/v1/objects").expect(200);
    api.wait(api.broker().record_last_used());
    assert!(last_used(api, &key.id).as_str().unwrap().ends_with(":00:00Z"));
    assert_eq!(last_used(api, &idle.id), Value::Null);
    let console = api.sign_in(&idle.secret);
    api.call("GET", "/v1/objects").console(&console).send().expect(200);
    api.wait(api.broker().record_last_used());
    assert_ne!(last_used(api, &idle.id), Value::Null);
    // Who is refused has not called.
    let revoked = new_key(api);
    api.delete(api.admin(), &format!("/v1/api-keys/{}", revoked.id)).expect(204);
    api.get(&revoked.secret, "/v1/objects").problem(401, "unauthenticated");
    api.wait(api.broker().record_last_used());
    assert_eq!(last_used(api, &revoked.id), Value::Null);
}

#[test]
fn a_last_use_is_written_once_an_hour_by_all_replicas_together() {
    let (api, clock, faults) = Laboratory::served();
    let key = new_key(&api);
    let place = format!("last-used#{}", api.ledger());
    let version = || api.row(&place, &key.id).version.number();
    let noted = || api.happened("principals.used", &api.tenant.id);
    let call = || api.get(&key.secret, "/v1/objects").expect(200);
    call();
    assert_eq!(api.rows(&place).len(), 0, "no request waits for a write");
    for _ in 0..3 {
        api.wait(api.broker().record_last_used());
        call();
    }
    assert_eq!((version(), noted()), (1, 1));
    let another = Broker { last_used: Arc::default(), ..api.broker().clone() };
    let secret = SecretText::new(key.secret.as_str());
    api.wait(another.authenticate(&secret, Asking::here(RequestId::from_bytes([1; 16])))).unwrap();
    api.wait(another.record_last_used());
    assert_eq!((version(), noted()), (1, 1), "another replica has seen it in the same hour");

    clock.advance(Duration::from_secs(3_600));
    faults.fail_commits(true);
    call();
    api.wait(api.broker().record_last_used());
    assert_eq!(version(), 1);
    faults.fail_commits(false);
    api.wait(api.broker().record_last_used());
    assert_eq!((version(), noted()), (2, 2), "what could not be written is written later");
    assert_eq!(last_used(&api, &key.id), "2027-01-15T09:00:00Z");
    // The principal's own row is not touched by it.
    assert_eq!(api.row(&format!("keys#{}", api.ledger()), &key.id).version.number(), 1);
}
