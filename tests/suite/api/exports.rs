//! Exports of the ledger: whoever has one verifies it with openssl alone, by the words of its own README, and sees each change of a byte.

use std::{fs, path::Path, process::Command};

use cloakroom::{
    domain::{
        ids::ExportId,
        tenant::{Mode, Namespace},
    },
    store::{Expected, Write},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    calls::text,
    harness::{Api, claim_key},
    laboratory::Laboratory,
};
use crate::program::process::until;

/// An export of these records, once it is there.
fn exported(api: &Api, body: &Value) -> Value {
    let made = api.post(api.admin(), "/v1/audit/exports", body).expect(201);
    ready(api, &text(&made, "id"))
}

fn ready(api: &Api, id: &str) -> Value {
    until("it is ready", || {
        let seen = api.get(api.admin(), &format!("/v1/audit/exports/{id}")).expect(200);
        (seen["status"] != "building").then_some(seen)
    })
}

fn fetched(api: &Api, export: &Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in export["files"].as_array().unwrap() {
        let answer = api.call_url("GET", &text(&file["download"], "url")).send();
        assert_eq!((answer.status, answer.body.len() as u64), (200, file["size"].as_u64().unwrap()));
        fs::write(folder.path().join(text(file, "name")), answer.body).unwrap();
    }
    folder
}

/// What each block of commands in the export's own README prints.
fn by_its_readme(folder: &Path) -> [String; 3] {
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let blocks: Vec<_> =
        readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect();
    let told = blocks.iter().map(|block| {
        let output = Command::new("bash").current_dir(folder).args(["-c", block]).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    });
    told.collect::<Vec<_>>().try_into().unwrap()
}

fn is_good([signature, files, chain]: &[String; 3]) -> bool {
    signature.contains("Signature Verified Successfully")
        && !files.contains("NOT THE ONE")
        && chain == "whole chain: OK\n"
}

pub fn an_export_is_verified_by_openssl_alone(api: &Api) {
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    api.redeem(&minted.token, &claim_key()).expect(200);
    let export = exported(api, &json!({}));
    assert_eq!((&export["status"], &export["records"]), (&json!("ready"), &export["ledger_records"]));
    let folder = fetched(api, &export);
    let told = by_its_readme(folder.path());
    assert!(is_good(&told), "{told:?}");
    assert_eq!(told[1], "records-000001.ndjson: OK\ncheckpoint.txt: OK\n");
    let records = fs::read_to_string(folder.path().join("records-000001.ndjson")).unwrap();
    assert_eq!(records.lines().count() as u64, export["records"].as_u64().unwrap());
    assert!(records.contains(&minted.id) && records.contains("\"type\":\"share.claimed\""));
    let keys = api.get(api.admin(), "/v1/audit/signing-keys").expect(200);
    assert_eq!(fs::read_to_string(folder.path().join("key.pem")).unwrap(), text(&keys["items"][0], "public_key"));

    // One byte, anywhere.
    for name in ["records-000001.ndjson", "checkpoint.txt", "manifest.json", "manifest.sig"] {
        let place = folder.path().join(name);
        let bytes = fs::read(&place).unwrap();
        for at in [0, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(&place, changed).unwrap();
            assert!(!is_good(&by_its_readme(folder.path())), "{name} at {at}");
        }
        fs::write(&place, bytes).unwrap();
    }
    assert!(is_good(&by_its_readme(folder.path())));

    // A selection is signed as that.
    let some = exported(api, &json!({ "type": "share.claimed" }));
    let folder = fetched(api, &some);
    let [signature, files, chain] = by_its_readme(folder.path());
    assert!(
        signature.contains("Successfully") && !files.contains("NOT THE ONE") && !chain.contains("chain: OK"),
        "{chain}"
    );
    let records = fs::read_to_string(folder.path().join("records-000001.ndjson")).unwrap();
    assert_eq!((some["records"].as_u64(), records.lines().count()), (Some(1), 1));
    let manifest = fs::read_to_string(folder.path().join("manifest.json")).unwrap();
    assert!(manifest.contains("\"selection\":{\"type\":\"share.claimed\"}"), "{manifest}");
    let none = exported(api, &json!({ "before": "2001-01-01T00:00:00Z" }));
    assert_eq!((&none["status"], &none["records"]), (&json!("ready"), &json!(0)));

    let listed = api.get(api.admin(), "/v1/audit/exports").expect(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(3));
    let other = api.new_tenant("Other");
    let path = format!("/v1/audit/exports/{}", text(&export, "id"));
    api.get(&other.admin.secret, &path).problem(404, "not_found");
    for wrong in [
        json!({ "type": "x" }),
        json!({ "after": 1 }),
        json!({ "resource": "x" }),
        json!({ "actor": "x".repeat(101) }),
        json!({ "actor": "crk_live_pasted" }),
    ] {
        assert_eq!(api.post(api.admin(), "/v1/audit/exports", &wrong).status, 422, "{wrong}");
    }
}

fn namespace(api: &Api) -> Namespace {
    Namespace { tenant: api.tenant.id.parse().unwrap(), mode: Mode::Live }
}

/// An export that was begun, and whose process ended before the first part.
fn left(api: &Api) -> String {
    left_with(api, 1)
}

/// The same with so many files.
fn left_with(api: &Api, files: usize) -> String {
    let made = exported(api, &json!({}));
    let id = text(&made, "id");
    let row = api.row(&format!("exports#{}", api.ledger()), &id);
    let keyring = &api.broker().keyring;
    let body = keyring.authentic(&row.key.partition, &row.key.sort, &row.body).unwrap();
    let mut export: Value = serde_json::from_slice(body).unwrap();
    export["files"] = json!(vec![export["files"][0].clone(); files]);
    export["records"] = json!(0);
    export["state"] = json!({ "is": "building" });
    let beginning = cloakroom::crypto::record_hash::beginning(keyring.deployment(), namespace(api));
    export["read"] = json!({ "size": 0, "hash": beginning });
    let body = keyring.authenticate(&row.key.partition, &row.key.sort, &serde_json::to_vec(&export).unwrap());
    api.write(Write { key: row.key, expected: Expected::Version(row.version), body, purge_after: None });
    id
}

#[test]
fn what_was_left_is_gone_on_with_part_by_part() {
    let (api, clock, _) = Laboratory::served();
    // Each in a segment of its own.
    for _ in 0..7 {
        api.mint(api.admin(), "read", &["a.txt"]);
        api.get(api.admin(), "/v1/audit?limit=1").expect(200);
    }
    let id = left(&api);
    let parsed: ExportId = id.parse().unwrap();
    let advance = || api.wait(api.broker().advance_export(namespace(&api), parsed, 3)).unwrap();
    assert!(advance() && advance());
    let seen = api.get(api.admin(), &format!("/v1/audit/exports/{id}")).expect(200);
    assert_eq!(seen["status"], "building", "somebody was at work just now");
    assert!(seen["looked_at"].as_u64() >= Some(6) && seen["looked_at"].as_u64() < seen["ledger_records"].as_u64());
    // Its process ended; whoever looks takes it up.
    clock.advance(std::time::Duration::from_secs(61));
    let export = ready(&api, &id);
    let folder = fetched(&api, &export);
    assert!(folder.path().join("records-000003.ndjson").exists());
    let told = by_its_readme(folder.path());
    assert!(is_good(&told), "{told:?}");
    assert!(!advance(), "there is nothing more to do");
}

#[test]
fn nothing_is_exported_of_a_ledger_that_is_not_as_it_was_written() {
    let (api, _, _) = Laboratory::served();
    for _ in 0..3 {
        api.mint(api.admin(), "read", &["a.txt"]);
        api.get(api.admin(), "/v1/audit?limit=1").expect(200);
    }
    let id = left(&api);
    let row = api.rows(&format!("ledger#{}", api.ledger())).remove(1);
    let expected = Expected::Version(row.version);
    api.write(Write { key: row.key, expected, body: Vec::new(), purge_after: None });
    assert!(!api.wait(api.broker().advance_export(namespace(&api), id.parse().unwrap(), 100)).unwrap());
    let export = ready(&api, &id);
    assert_eq!((&export["status"], &export["files"]), (&json!("broken"), &json!([])));
    assert!(text(&export["problem"], "problem").contains("not authentic"), "{export}");
}

#[test]
fn files_are_removed_after_a_week() {
    let (api, clock, _) = Laboratory::served();
    let objects = || walk(&api.data_dir().join("objects/objects/hashed")).len();
    let before = objects();
    let export = exported(&api, &json!({}));
    let made = export["files"].as_array().unwrap().len();
    assert!(made > 0 && objects() == before + made);
    clock.advance(std::time::Duration::from_secs(7 * 24 * 3600 + 1));
    api.wait(api.broker().remove_old_exports(namespace(&api))).unwrap();
    let seen = ready(&api, &text(&export, "id"));
    assert_eq!((&seen["status"], &seen["files"]), (&json!("removed"), &json!([])));
    assert_eq!(objects(), before);
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.flat_map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { vec![entry.path()] }).collect()
}

#[test]
fn an_export_has_so_many_files_and_three_are_made_at_a_time() {
    let (api, _, _) = Laboratory::served();
    api.mint(api.admin(), "read", &["a.txt"]);
    api.get(api.admin(), "/v1/audit?limit=1").expect(200);
    api.mint(api.admin(), "read", &["a.txt"]);
    let id = left_with(&api, 1_999);
    assert!(!api.wait(api.broker().advance_export(namespace(&api), id.parse().unwrap(), 1)).unwrap());
    let seen = api.get(api.admin(), &format!("/v1/audit/exports/{id}")).expect(200);
    assert_eq!((&seen["status"], &seen["files"]), (&json!("too_large"), &json!([])));

    let others = [(); 3].map(|()| left(&api));
    api.post(api.admin(), "/v1/audit/exports", &json!({})).problem(409, "exports_under_way");
    api.wait(async {
        while api.broker().advance_export(namespace(&api), others[0].parse().unwrap(), 100).await.unwrap() {}
    });
    exported(&api, &json!({}));
}
