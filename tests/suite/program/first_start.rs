//! The first start makes what a newcomer needs, and shows secrets to people only.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::json;

use super::process::{Place, said, wrote};

#[test]
fn without_a_terminal_the_key_goes_into_a_file_of_its_own() {
    let place = Place::new();
    let served = place.serve();
    let file = place.data_dir().join("admin-key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(place.data_dir()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(place.data_dir().join("root-keys.json")).unwrap().permissions().mode() & 0o777, 0o600);
    let key = place.admin_key();
    assert!(key.starts_with("crk_live_") && key.len() == "crk_live_".len() + 43, "{key}");

    let (status, vault) = served.ask("GET", "/v1/objects", &key, None);
    assert_eq!((status, &vault["items"][0]["path"]), (200, &json!("welcome.txt")));
    let log = served.log();
    assert!(log.contains("admin-key") && log.contains(&served.url()), "{log}");
    for secret in ["crk_", "crs_", "crl_"] {
        assert!(!log.contains(secret), "{log}");
    }
    let root_keys = fs::read_to_string(place.data_dir().join("root-keys.json")).unwrap();
    let root_keys: serde_json::Value = serde_json::from_str(&root_keys).unwrap();
    assert!(!log.contains(root_keys["root_keys"][0]["secret"].as_str().unwrap()));
    served.stop();
}

#[test]
fn an_admin_key_of_another_start_is_not_replaced() {
    let place = Place::new();
    fs::create_dir(place.data_dir()).unwrap();
    fs::write(place.data_dir().join("admin-key"), "somebody's\n").unwrap();
    let (said, remarked) = wrote(&place.run("serve"), 1);
    assert!(!said.contains("crk_") && !remarked.contains("crk_"), "{said}{remarked}");
    assert!(remarked.contains("admin-key") && remarked.contains("cloakroom recover-admin"), "{remarked}");
    assert_eq!(fs::read_to_string(place.data_dir().join("admin-key")).unwrap(), "somebody's\n");
}

#[test]
fn the_lost_key_is_made_up_for() {
    let place = Place::new();
    let before = place.run("recover-admin");
    assert!(wrote(&before, 1).1.contains("there is no tenant yet"));
    let served = place.serve();
    let lost = place.admin_key();
    // While the broker runs, the data directory is its own.
    let (_, remarked) = wrote(&place.run("recover-admin"), 1);
    assert!(remarked.contains("another process has the store"), "{remarked}");
    served.stop();

    fs::remove_file(place.data_dir().join("admin-key")).unwrap();
    let (said_out, remarked) = wrote(&place.run("recover-admin"), 0);
    let key = place.admin_key();
    assert!(key != lost && said_out.is_empty() && !remarked.contains("crk_"), "{said_out}{remarked}");
    assert_eq!(fs::metadata(place.data_dir().join("admin-key")).unwrap().permissions().mode() & 0o777, 0o600);
    let served = place.serve();
    assert!(said(&served.client(&key, &["tenant", "list"])).contains("My organisation"));
    // The lost one is revoked by hand, once somebody is sure.
    let listed = said(&served.client(&key, &["api-key", "list"]));
    let id = listed.lines().last().unwrap().split_whitespace().next().unwrap();
    said(&served.client(&key, &["api-key", "revoke", id]));
    assert_eq!(served.ask("GET", "/v1/objects", &lost, None).0, 401);
    assert_eq!(served.ask("GET", "/v1/objects", &key, None).0, 200);
    served.stop();
}

#[test]
fn bootstrap_makes_the_first_tenant_once() {
    let place = Place::new();
    let (out, remarked) = wrote(&place.run("bootstrap"), 0);
    assert!(out.is_empty() && remarked.contains("admin-key") && !remarked.contains("crk_"), "{out}{remarked}");
    let (_, again) = wrote(&place.run("bootstrap"), 1);
    assert!(again.contains("there is a tenant already") && again.contains("recover-admin"), "{again}");
    let key = place.admin_key();
    let served = place.serve();
    assert_eq!(served.ask("GET", "/v1/tenants", &key, None).0, 200);
    served.stop();
}
