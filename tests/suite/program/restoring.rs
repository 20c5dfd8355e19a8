//! A data directory that was copied back is not served until somebody says what it is.

use std::{fs, path::Path, process::Command};

use serde_json::json;

use super::process::{Place, Served, fault, said};

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn claim(served: &Served, token: &str, letter: &str) -> u16 {
    let body = json!({ "token": token, "claim_key": format!("{}A", letter.repeat(42)) });
    served.ask("POST", "/v1/shares/redeem", "", Some(&body)).0
}

fn run(place: &Place, arguments: &[&str]) -> std::process::Output {
    super::process::outcome(place.command("adopt").args(arguments))
}

#[test]
fn a_backup_of_all_that_was_copied_back_gives_nothing_back() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    let ((_, used), (revoked_id, revoked)) = (served.mint(&key, "a.txt"), served.mint(&key, "b.txt"));
    served.stop();
    copy(&place.data_dir(), &place.path("backup"));
    let served = place.serve();
    assert_eq!(claim(&served, &used, "a"), 200);
    assert_eq!(served.ask("DELETE", &format!("/v1/shares/{revoked_id}"), &key, None).0, 204);
    served.stop();

    fs::remove_dir_all(place.data_dir()).unwrap();
    copy(&place.path("backup"), &place.data_dir());
    let refused = fault(&place.run("serve"));
    assert!(refused.contains("restored from a backup") && refused.contains("cloakroom adopt"), "{refused}");
    assert!(fault(&place.run("recover-admin")).contains("cloakroom adopt"));
    let asked = run(&place, &[]);
    assert_eq!(asked.status.code(), Some(1));
    let asked = String::from_utf8(asked.stderr).unwrap();
    assert!(asked.contains("cloakroom adopt --moved") && asked.contains("cloakroom adopt --restored"), "{asked}");
    // Asking has changed nothing.
    assert!(fault(&place.run("serve")).contains("cloakroom adopt"));
    let adopted = said(&run(&place, &["--restored"]));
    assert!(adopted.contains("Tenants: 1.") && adopted.contains("cloakroom recover-admin"), "{adopted}");

    let served = place.serve();
    assert_eq!(claim(&served, &used, "b"), 404);
    assert_eq!(claim(&served, &revoked, "b"), 404);
    assert_eq!(served.ask("GET", "/v1/shares", &key, None).0, 401);
    served.stop();
    said(&place.run("recover-admin"));
    let (served, operator) = (place.serve(), place.admin_key());
    let old = said(&served.client(&operator, &["api-key", "list"]));
    let cut_off = old.lines().find(|line| line.contains("cut_off")).unwrap().split_whitespace().next().unwrap();
    served.client(&operator, &["api-key", "reinstate", cut_off]);
    let (status, seen) = served.ask("GET", "/v1/audit/verify", &key, None);
    assert_eq!((status, &seen["intact"]), (200, &json!(true)), "{seen}");
    let (_, told) = served.ask("GET", "/v1/audit?type=store.adopted", &key, None);
    assert_eq!(told["items"].as_array().unwrap().len(), 1, "{told}");
    let (_, fresh) = served.mint(&key, "a.txt");
    assert_eq!(claim(&served, &fresh, "c"), 200);
    served.stop();
}

#[test]
fn a_store_that_is_older_than_the_objects_beside_it_was_not_moved() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    served.stop();
    copy(&place.data_dir(), &place.path("backup"));
    let served = place.serve();
    served.mint(&key, "a.txt");
    served.stop();
    fs::remove_dir_all(place.data_dir().join("store")).unwrap();
    copy(&place.path("backup/store"), &place.data_dir().join("store"));
    let refused = fault(&place.run("serve"));
    assert!(refused.contains("older than what was served last"), "{refused}");
    let moved = run(&place, &["--moved"]);
    assert_eq!(moved.status.code(), Some(1), "{moved:?}");
    said(&run(&place, &["--restored"]));
    let served = place.serve();
    assert_eq!(served.ask("GET", "/v1/shares", &key, None).0, 401);
    served.stop();
}

#[test]
fn a_data_directory_that_was_moved_goes_on_once_somebody_says_so() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    let (_, token) = served.mint(&key, "a.txt");
    served.stop();
    assert!(said(&run(&place, &[])).contains("nothing to adopt"));
    copy(&place.data_dir(), &place.path("elsewhere"));
    fs::remove_dir_all(place.data_dir()).unwrap();
    fs::rename(place.path("elsewhere"), place.data_dir()).unwrap();
    assert!(fault(&place.run("serve")).contains("cloakroom adopt"));
    said(&run(&place, &["--moved"]));
    let served = place.serve();
    assert_eq!(claim(&served, &token, "a"), 200);
    served.stop();
    // A rename is no copy.
    fs::rename(place.data_dir(), place.path("elsewhere")).unwrap();
    fs::rename(place.path("elsewhere"), place.data_dir()).unwrap();
    place.serve().stop();
}

#[test]
fn without_its_root_keys_no_store_is_adopted() {
    let place = Place::new();
    place.serve().stop();
    fs::remove_file(place.data_dir().join("root-keys.json")).unwrap();
    assert!(fault(&run(&place, &["--restored"])).contains("root keys"));
    assert!(!place.data_dir().join("root-keys.json").exists());
}
