//! The index of a vault and its accounts are held against what is kept.

use std::time::Duration;

use cloakroom::{
    domain::{
        ids::{ObjectId, TenantId},
        instant::Instant,
        path::VaultPath,
        quota::Account,
        tenant::{Mode, Namespace},
    },
    objects::{ContentType, ObjectKey},
    store::{Expected, Write},
};
use serde_json::{Value, json};

use crate::api::harness::{Api, random, text};

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Api {
    #[track_caller]
    fn reconcile(&self, dry_run: bool) -> Vec<Value> {
        let found = self.post(self.admin(), "/v1/objects/reconcile", &json!({ "dry_run": dry_run })).expect(200);
        found["items"].as_array().unwrap().clone()
    }

    fn namespace(&self) -> Namespace {
        Namespace { tenant: self.tenant.id.parse::<TenantId>().unwrap(), mode: Mode::Live }
    }

    /// Bytes under the id of a completion that began at this time and was cut off.
    fn leave_behind(&self, begun: Instant) -> (ObjectId, ObjectKey) {
        let object = ObjectId::new(begun, random());
        let key = ObjectKey::vault(self.namespace(), object);
        self.wait(self.broker().objects.put(&key, &ContentType::unknown(), b"orphan".as_slice().into())).unwrap();
        (object, key)
    }

    fn is_stored(&self, key: &ObjectKey) -> bool {
        self.wait(self.broker().objects.head(key)).unwrap().is_some()
    }
}

pub fn what_a_crash_left_is_removed_and_nothing_else(api: &Api) {
    api.upload(api.admin(), "docs/a.txt", b"one");
    api.upload(api.admin(), "b.txt", b"two");
    assert_eq!(api.reconcile(false), [Value::Null; 0]);
    let now = api.broker().now();
    let (orphan, left) = api.leave_behind(now.minus(2 * DAY));
    let (_, under_way) = api.leave_behind(now.minus(DAY - Duration::from_secs(60)));
    let other = Namespace { tenant: api.new_tenant("Theirs").id.parse().unwrap(), mode: Mode::Live };
    let theirs = ObjectKey::vault(other, ObjectId::new(now.minus(2 * DAY), random()));
    api.wait(api.broker().objects.put(&theirs, &ContentType::unknown(), b"theirs".as_slice().into())).unwrap();

    let expected = [json!({ "kind": "orphan", "object": orphan.to_string(), "bytes": 6 })];
    assert_eq!(api.reconcile(true), expected);
    assert!(api.is_stored(&left), "a dry run removes nothing");
    assert_eq!(api.reconcile(false), expected);
    assert_eq!((api.is_stored(&left), api.is_stored(&under_way), api.is_stored(&theirs)), (false, true, true));
    assert_eq!(
        (api.file(api.admin(), "docs/a.txt"), api.file(api.admin(), "b.txt")),
        (b"one".to_vec(), b"two".to_vec())
    );
    assert_eq!(api.reconcile(false), [Value::Null; 0]);
}

pub fn a_file_whose_bytes_are_gone_is_named(api: &Api) {
    api.upload(api.admin(), "a.txt", b"one");
    api.upload(api.admin(), "b.txt", b"two");
    let caller = api.wait(super::storage_faults::caller(api));
    let path = VaultPath::parse("a.txt").unwrap();
    let object = api.wait(api.broker().inspect_object(&caller, &path)).unwrap().object;
    api.wait(api.broker().objects.delete(&ObjectKey::vault(api.namespace(), object))).unwrap();
    for dry_run in [true, false] {
        let missing = json!({ "kind": "missing", "path": "a.txt", "object": object.to_string() });
        assert_eq!(api.reconcile(dry_run), [missing]);
    }
    assert_eq!(api.vault(api.admin()), ["a.txt", "b.txt"], "saying so is all");
}

pub fn a_wrong_count_is_set_right(api: &Api) {
    api.upload(api.admin(), "a.txt", b"one");
    let pending = api.declare(api.admin(), "/v1/uploads", "b.txt", b"pending");
    assert_eq!(api.reconcile(true), [Value::Null; 0]);
    let partition = (0..8).map(|shard| format!("usage#{}#tenant#{shard}", api.ledger()));
    let partition = partition.into_iter().find(|partition| !api.rows(partition).is_empty()).unwrap();
    let row = api.row(&partition, "account");
    let keyring = &api.broker().keyring;
    let account: Account =
        serde_json::from_slice(keyring.authentic(&partition, "account", &row.body).unwrap()).unwrap();
    let mut wrong = account;
    wrong.used.bytes += 1_000;
    let body = keyring.authenticate(&partition, "account", &serde_json::to_vec(&wrong).unwrap());
    api.write(Write { key: row.key, expected: Expected::Version(row.version), body, purge_after: None });
    let usage = || api.get(api.admin(), "/v1/usage").expect(200)["tenant"]["bytes"].clone();
    assert_eq!(usage(), 1_010);
    for dry_run in [true, false] {
        let [found] = api.reconcile(dry_run).try_into().unwrap();
        assert_eq!((&found["kind"], &found["scope"]), (&json!("miscounted"), &json!("tenant")));
        assert_eq!(found["counted_bytes"].as_u64().unwrap() - found["bytes"].as_u64().unwrap(), 1_000);
    }
    assert_eq!((usage(), api.reconcile(false).len()), (json!(10), 0));
    api.put(&pending, b"pending");
    api.complete(api.admin(), &text(&pending, "id")).expect(200);
    assert_eq!((usage(), api.reconcile(false).len()), (json!(10), 0));
}

pub fn reconciling_is_for_administrators(api: &Api) {
    let key = api.new_key(api.admin(), "live", &[("/", "write")]);
    api.post(&key.secret, "/v1/objects/reconcile", &json!({})).problem(403, "forbidden");
    api.public("/v1/objects/reconcile", &json!({})).problem(401, "unauthenticated");
    // A file may be called so, too.
    api.upload(api.admin(), "reconcile", b"a file");
    assert_eq!(api.get(api.admin(), "/v1/objects/reconcile").expect(200)["path"], "reconcile");
    api.delete(api.admin(), "/v1/objects/reconcile").expect(204);
}
