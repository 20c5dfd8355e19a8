//! Settings that are changed while the broker runs.

use std::fs;

use serde_json::{Value, json};

use super::process::{Place, Served, until};

/// A place whose broker goes by a file, and says what is in it by default.
fn served(place: &Place, settings: &str) -> Served {
    fs::write(place.path("cloakroom.toml"), settings).unwrap();
    let mut command = place.command("serve");
    command.env_remove("CLOAKROOM_LIMITS").env("CLOAKROOM_CONFIG", place.path("cloakroom.toml"));
    place.serve_as(command)
}

/// Has it read these settings, and waits for what it says of that. Answers the line.
#[track_caller]
fn reload(place: &Place, served: &Served, settings: &str) -> Value {
    let before = told(served).len();
    fs::write(place.path("cloakroom.toml"), settings).unwrap();
    served.signal("HUP");
    until("it says what came of it", || told(served).into_iter().nth(before))
}

fn told(served: &Served) -> Vec<Value> {
    let log = served.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"].as_str().is_some_and(|message| message.starts_with("settings were"))).collect()
}

#[test]
fn what_can_be_taken_while_it_runs_is_and_the_rest_is_named() {
    let place = Place::new();
    let served = served(&place, "log = \"info\"\nlargest_upload = 1000\n[limits]\nredeem = \"2/1h\"\n");
    let key = place.admin_key();
    let declare = || {
        let body = json!({ "path": "a.txt", "size": 2000, "content_type": "text/plain" });
        served.ask("POST", "/v1/uploads", &key, Some(&body)).0
    };
    let preview = || served.ask("POST", "/v1/shares/redeem/preview", "", Some(&json!({ "token": "crs_x" }))).0;
    assert_eq!(declare(), 413);
    assert_eq!([preview(), preview(), preview()], [404, 404, 429]);

    let line = reload(&place, &served, "log = \"info\"\nlargest_upload = 3000\n[limits]\nredeem = \"3/1h\"\n");
    assert_eq!((&line["level"], &line["taken"]), (&json!("INFO"), &json!("largest_upload, limits")), "{line}");
    assert_eq!(declare(), 201);
    assert_eq!([preview(), preview(), preview(), preview()], [404, 404, 404, 429]);

    // What was counted towards a limit that stays, still counts.
    let settings = "log = \"info\"\nlargest_upload = 1000\nsecurity_contact = \"mailto:ada@example.org\"\n\
                    webhook_allow_private = \"127.0.0.0/8\"\n[limits]\nredeem = \"3/1h\"\nsign_in = \"7/1h\"\n";
    for taken in ["largest_upload, security_contact, limits", ""] {
        let line = reload(&place, &served, settings);
        assert_eq!((&line["level"], &line["taken"]), (&json!("WARN"), &json!(taken)), "{line}");
        assert_eq!(line["waiting"], json!("webhook_allow_private"), "{line}");
        assert_eq!((declare(), preview()), (413, 429));
    }
    assert_eq!(served.ask("GET", "/.well-known/security.txt", "", None).0, 200);

    // With one fault nothing is taken.
    let line = reload(&place, &served, "largest_upload = 3000\n[limits]\nredeem = \"none\"\n");
    assert_eq!(line["level"], json!("ERROR"), "{line}");
    assert!(line["fault"].as_str().unwrap().contains("redeem"), "{line}");
    assert_eq!((declare(), preview()), (413, 429));

    // What goes with what waits, and not with what it runs with.
    let settings = "largest_upload = 5000\nbehind_proxy = true\ntrusted_proxies = \"10.0.0.1\"\n";
    let line = reload(&place, &served, settings);
    assert_eq!(line["waiting"], json!("behind_proxy, how long connections of trusted_proxies are kept open"), "{line}");
    assert_eq!(declare(), 201);

    // What is said from then on is what is worse; and never a line of the file, which may hold a secret.
    let line = reload(&place, &served, "log = \"warn\"\nlargest_upload = 1000\n");
    assert_eq!((&line["level"], line["taken"].as_str().unwrap().contains("log")), (&json!("INFO"), true), "{line}");
    fs::write(place.path("cloakroom.toml"), "log = \"warn\"\nlargest_upload = 3000\n").unwrap();
    let before = told(&served).len();
    served.signal("HUP");
    until("it is taken", || (declare() == 201).then_some(()));
    let line = reload(&place, &served, "log = \"warn\"\nmail = \"smtps://me:hunter2@mail.example\n");
    assert_eq!((&line["level"], told(&served).len()), (&json!("ERROR"), before + 1), "{line}");
    assert!(line["fault"].as_str().unwrap().contains("line 2"), "{line}");
    let log = served.log();
    assert!(!log.contains("hunter2"), "{log}");
    served.stop();
}

#[test]
fn what_does_not_go_with_the_rest_is_not_taken() {
    let place = Place::new();
    let served = served(&place, "behind_proxy = true\ntrusted_proxies = \"10.0.0.1\"\nlargest_upload = 1000\n");
    // An editor has made the file empty, and not written it yet.
    let line = reload(&place, &served, "");
    assert_eq!(line["level"], json!("ERROR"), "{line}");
    assert!(line["fault"].as_str().unwrap().contains("CLOAKROOM_TRUSTED_PROXIES"), "{line}");
    let body = json!({ "path": "a.txt", "size": 2000, "content_type": "text/plain" });
    assert_eq!(served.ask("POST", "/v1/uploads", &place.admin_key(), Some(&body)).0, 413);
    served.stop();
}
