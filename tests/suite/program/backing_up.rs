//! A backup is made while the broker is used, and brings back what there was, once it is adopted.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    process::Output,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::json;

use super::process::{Place, Served, fault, outcome, said, until};

fn run(place: &Place, name: &str, folder: &str) -> Output {
    outcome(place.command(name).arg(place.path(folder)))
}

fn upload(place: &Place, served: &Served, key: &str, name: &str, text: &str) {
    fs::write(place.path(name), text).unwrap();
    said(&served.client_in(&place.path("."), key, &["upload", name, "--to", "/"]));
}

fn download(place: &Place, served: &Served, key: &str, name: &str) -> String {
    let _other = fs::remove_file(place.path(name));
    said(&served.client_in(&place.path("."), key, &["download", name]));
    fs::read_to_string(place.path(name)).unwrap()
}

#[test]
fn a_backup_of_a_broker_that_is_used_brings_back_what_there_was() {
    let place = Place::new();
    let served = place.serve();
    let admin = place.admin_key();
    upload(&place, &served, &admin, "before.txt", "before the backup");
    let (_, unclaimed) = served.mint(&admin, "before.txt");
    let is_over = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                served.mint(&admin, "before.txt");
            }
        });
        let told = said(&run(&place, "backup", "kept"));
        assert!(told.contains(" rows, ") && told.contains(" objects"), "{told}");
        is_over.store(true, Ordering::SeqCst);
    });
    assert!(fault(&run(&place, "backup", "kept")).contains("is there already"));
    upload(&place, &served, &admin, "after.txt", "after the backup");
    // Nothing of it is for others, and no key is in it.
    let mode = |name: &str| fs::metadata(place.path(name)).unwrap().mode() & 0o777;
    assert_eq!((mode("kept"), mode("data/control")), (0o700, 0o600));
    assert_eq!((mode("kept/rows"), mode("kept/backup.json")), (0o600, 0o600));
    let keys = fs::read_to_string(place.data_dir().join("root-keys.json")).unwrap();
    let secret = keys.split("\"secret\": \"").nth(1).unwrap().split('"').next().unwrap();
    let rows = fs::read(place.path("kept/rows")).unwrap();
    assert!(!rows.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()));
    served.stop();
    assert!(!place.data_dir().join("control").exists());

    assert!(fault(&run(&place, "restore", "kept")).contains("there is data"));
    fs::rename(place.data_dir(), place.path("lost")).unwrap();
    let told = outcome(place.command("restore").arg(place.path("kept")));
    let remarked = String::from_utf8(told.stderr.clone()).unwrap();
    assert!(said(&told).contains(" rows, ") && remarked.contains("root keys") && remarked.contains("adopt --restored"));
    fs::copy(place.path("lost/root-keys.json"), place.data_dir().join("root-keys.json")).unwrap();
    assert!(fault(&place.run("serve")).contains("cloakroom adopt"));
    said(&outcome(place.command("adopt").arg("--restored")));
    said(&place.run("recover-admin"));
    let (served, admin) = (place.serve(), place.admin_key());
    assert_eq!(download(&place, &served, &admin, "before.txt"), "before the backup");
    assert_eq!(served.ask("GET", "/v1/objects?prefix=after.txt", &admin, None).1["items"], json!([]));
    let body = json!({ "token": unclaimed, "claim_key": "a".repeat(42) + "A" });
    assert_eq!(served.ask("POST", "/v1/shares/redeem", "", Some(&body)).0, 404);
    let (status, seen) = served.ask("GET", "/v1/audit/verify", &admin, None);
    assert_eq!((status, &seen["intact"]), (200, &json!(true)), "{seen}");
    served.stop();
}

#[test]
fn a_backup_is_made_of_a_broker_that_stands_still_too() {
    let place = Place::new();
    assert!(fault(&run(&place, "backup", "kept")).contains("there is no store"));
    let served = place.serve();
    let admin = place.admin_key();
    upload(&place, &served, &admin, "a.txt", "a");
    served.kill();
    // The socket of one that was killed leads to nobody.
    assert!(place.data_dir().join("control").exists());
    said(&run(&place, "backup", "kept"));
    let again = place.serve();
    assert_eq!(download(&place, &again, &admin, "a.txt"), "a");
    again.stop();
}

#[test]
fn what_is_no_whole_backup_is_not_restored_and_leaves_nothing() {
    let place = Place::new();
    let served = place.serve();
    let admin = place.admin_key();
    upload(&place, &served, &admin, "a.txt", "some bytes");
    said(&run(&place, "backup", "kept"));
    served.stop();
    fs::rename(place.data_dir(), place.path("lost")).unwrap();
    let refused = |what: &str, word: &str| {
        let told = fault(&run(&place, "restore", "kept"));
        assert!(told.contains(word), "{what}: {told}");
        assert!(!place.data_dir().join("store").exists(), "{what}");
    };
    let manifest = place.path("kept/backup.json");
    let as_made = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, as_made.replace("\"format\": 1", "\"format\": 2")).unwrap();
    refused("of a newer program", "format 2");
    fs::remove_file(&manifest).unwrap();
    refused("cut short", "no backup");
    fs::write(&manifest, &as_made).unwrap();
    let rows = fs::read(place.path("kept/rows")).unwrap();
    fs::write(place.path("kept/rows"), &rows[..rows.len() - 40]).unwrap();
    refused("rows that are cut off", "damaged");
    fs::write(place.path("kept/rows"), &rows).unwrap();
    let object = until("an object is in it", || walk(&place.path("kept/objects/vault")));
    fs::rename(&object, place.path("aside")).unwrap();
    refused("without an object", "objects");
    fs::rename(place.path("aside"), &object).unwrap();
    // As a crash would leave it, before its end: rows in the making, and some objects.
    fs::create_dir_all(place.data_dir().join(".store.cloakroom-partial/database")).unwrap();
    let halfway = place.data_dir().join("objects/objects/vault/halfway");
    fs::create_dir_all(&halfway).unwrap();
    fs::write(halfway.join("torn"), "half").unwrap();
    said(&run(&place, "restore", "kept"));
    assert!(!halfway.exists() && !place.data_dir().join(".store.cloakroom-partial").exists());
    // Objects without a store are somebody's, and stay.
    fs::remove_dir_all(place.data_dir().join("store")).unwrap();
    refused("beside objects of another store", "there is data");
}

/// The first file below a folder.
fn walk(folder: &std::path::Path) -> Option<std::path::PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    entries.filter_map(Result::ok).find_map(|entry| match entry.path() {
        path if path.is_dir() => walk(&path),
        path => Some(path),
    })
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let place = Place::new();
    let served = place.serve();
    fs::write(place.path("file"), "").unwrap();
    let told = fault(&outcome(place.command("backup").arg(place.path("file/kept"))));
    assert!(told.contains("file/"), "{told}");
    // It would be a part of itself.
    for within in ["data/kept", "data/objects/objects/vault/kept", "data/../data/store/kept"] {
        assert!(fault(&run(&place, "backup", within)).contains("within the data directory"), "{within}");
    }
    // What has a name that ours could have is not ours.
    fs::create_dir(place.path("kept.partial")).unwrap();
    said(&run(&place, "backup", "kept"));
    assert!(place.path("kept.partial").exists());
    let beside = fs::read_dir(place.path(".")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(beside.into_iter().all(|name| !name.starts_with('.')));
    assert_eq!(served.ask("GET", "/v1/shares", "nobody's", None).0, 401);
    served.stop();
}
