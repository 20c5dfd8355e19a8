//! What makes a start impossible is said in one line that names the setting or
//! the file, and what to do.

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
};

use super::process::{Place, fault, outcome};

fn started_and_stopped() -> Place {
    let place = Place::new();
    place.serve().stop();
    place
}

#[track_caller]
fn assert_says(fault: &str, words: &[&str]) {
    for word in words {
        assert!(fault.contains(word), "{word}: {fault}");
    }
}

#[test]
fn a_key_file_that_others_can_read() {
    let place = started_and_stopped();
    let file = place.data_dir().join("root-keys.json");
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        assert_says(&fault(&place.run("serve")), &["root-keys.json", "chmod 600"]);
    }
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    place.serve().stop();
}

#[test]
fn a_key_file_that_is_lost() {
    let place = started_and_stopped();
    let file = place.data_dir().join("root-keys.json");
    let kept = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    assert_says(&fault(&place.run("serve")), &["root-keys.json", "missing", "backup"]);
    assert!(!file.exists(), "no other keys were made");
    for damaged in [&kept[..kept.len() / 2], b"", b"{}"] {
        fs::write(&file, damaged).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let fault = fault(&place.run("serve"));
        assert_says(&fault, &["root-keys.json", "not right"]);
        assert!(!fault.contains(&String::from_utf8_lossy(&kept)[100..140]), "{fault}");
    }
    fs::write(&file, kept).unwrap();
    place.serve().stop();
}

#[test]
fn a_port_in_use() {
    for setting in ["CLOAKROOM_LISTEN", "CLOAKROOM_CONTENT_LISTEN", "CLOAKROOM_OPS_LISTEN"] {
        let place = Place::new();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let output = outcome(place.command("serve").env(setting, &address));
        assert_says(&fault(&output), &[setting, &address, "another program"]);
        assert!(!place.data_dir().exists(), "nothing was made");
    }
}

#[test]
fn a_data_directory_in_use() {
    let place = Place::new();
    let served = place.serve();
    assert_says(&fault(&place.run("serve")), &["another process", "data directory of its own"]);
    assert_eq!(served.ask("GET", "/v1/objects", &place.admin_key(), None).0, 200, "the first is not disturbed");
    served.stop();
    place.serve().stop();
}

#[test]
fn a_store_of_another_version() {
    let place = started_and_stopped();
    let format = place.data_dir().join("store/format");
    for other in ["2\n", "99", "x\u{1b}[31m", ""] {
        fs::write(&format, other).unwrap();
        let fault = fault(&place.run("serve"));
        assert_says(&fault, &["format", "newer program"]);
        assert!(!fault.contains('\u{1b}'), "{fault:?}");
    }
    fs::remove_file(&format).unwrap();
    assert_says(&fault(&place.run("serve")), &["damaged", "format"]);
    fs::write(&format, "1\n").unwrap();
    place.serve().stop();
}

#[test]
fn a_data_directory_that_cannot_be_one() {
    let place = Place::new();
    fs::write(place.data_dir(), "a file").unwrap();
    assert_says(&fault(&place.run("serve")), &["data directory", "cannot be used"]);
}

#[test]
fn settings_that_are_not_right() {
    let place = Place::new();
    let file = place.path("cloakroom.toml");
    for (text, words) in [
        ("listen = ", vec!["cloakroom.toml", "line 1"]),
        ("lisen = \"127.0.0.1:0\"", vec!["cloakroom.toml", "unknown field `lisen`"]),
        ("listen = \"here\"", vec!["cloakroom.toml", "listen"]),
        ("workers = \"two\"", vec!["cloakroom.toml", "workers"]),
        ("store = \"sqlite\"", vec!["cloakroom.toml", "embedded"]),
        ("workers = 0", vec!["CLOAKROOM_WORKERS", "1 to 1024"]),
        ("connections = 63", vec!["CLOAKROOM_CONNECTIONS", "64 to 65536"]),
        ("objects = \"s3\"", vec!["CLOAKROOM_S3_BUCKET"]),
        ("limits = \"\"", vec!["CLOAKROOM_LIMITS", "say off"]),
        ("[limits]", vec!["CLOAKROOM_LIMITS", "say off"]),
        ("[limits]\nredeem = \"0/60s\"", vec!["CLOAKROOM_LIMITS", "redeem", "say off"]),
        ("[limits]\nredem = \"9/60s\"", vec!["CLOAKROOM_LIMITS", "redem", "sign_in"]),
        ("[limits]\n\"POST /v1/share\" = \"9/60s\"", vec!["CLOAKROOM_LIMITS", "POST /v1/share"]),
        ("limits = 0", vec!["cloakroom.toml", "off"]),
        ("trusted_proxies = \"proxy\"", vec!["CLOAKROOM_TRUSTED_PROXIES", "10.0.0.0/8"]),
        ("trusted_proxies = \"0.0.0.0/0\"", vec!["CLOAKROOM_TRUSTED_PROXIES", "every address"]),
        ("public_url = \"https://a.example\"", vec!["CLOAKROOM_TRUSTED_PROXIES", "X-Forwarded-For"]),
        ("public_url = \"http://example.com\"", vec!["CLOAKROOM_PUBLIC_URL", "https"]),
        ("public_url = \"https://a.example\"\ncontent_url = \"https://a.example:8443\"", vec!["CLOAKROOM_CONTENT_URL"]),
    ] {
        fs::write(&file, text).unwrap();
        for command in ["serve", "check-config"] {
            // Set by the file alone.
            let mut command = place.command(command);
            for given in ["CLOAKROOM_WORKERS", "CLOAKROOM_LISTEN", "CLOAKROOM_LIMITS"] {
                command.env_remove(given);
            }
            let output = outcome(command.env("CLOAKROOM_CONFIG", &file));
            let remarked = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{text}: {remarked}");
            assert_says(&remarked, &words);
        }
        assert!(!place.data_dir().exists());
    }
    let missing = outcome(place.command("serve").env("CLOAKROOM_CONFIG", place.path("none.toml")));
    assert_says(&fault(&missing), &["none.toml", "cannot be read"]);
}

#[test]
fn addresses_beyond_this_machine_without_a_proxy() {
    let place = Place::new();
    for setting in ["CLOAKROOM_LISTEN", "CLOAKROOM_CONTENT_LISTEN"] {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let output = outcome(place.command("serve").env(setting, address));
            assert_says(&fault(&output), &[setting, "CLOAKROOM_BEHIND_PROXY"]);
        }
    }
    let mut behind = place.command("serve");
    behind.env("CLOAKROOM_LISTEN", "0.0.0.0:0").env("CLOAKROOM_BEHIND_PROXY", "true");
    assert_says(&fault(&outcome(&mut behind)), &["CLOAKROOM_PUBLIC_URL"]);
    let mut unnamed = place.command("serve");
    unnamed.env("CLOAKROOM_LISTEN", "0.0.0.0:0").env("CLOAKROOM_BEHIND_PROXY", "true");
    unnamed.env("CLOAKROOM_PUBLIC_URL", "https://a.example").env("CLOAKROOM_CONTENT_URL", "https://b.example");
    assert_says(&fault(&outcome(&mut unnamed)), &["CLOAKROOM_TRUSTED_PROXIES"]);
    assert!(!place.data_dir().exists());
}

#[test]
fn an_objects_folder_in_use_is_told_too() {
    let place = Place::new();
    let served = place.serve();
    // The same folder of objects beside another store, as replicas on DynamoDB would have it:
    // whoever opens it removes what seems to be left over, and was just arriving.
    let other = place.path("other");
    fs::create_dir_all(&other).unwrap();
    std::os::unix::fs::symlink(place.data_dir().join("objects"), other.join("objects")).unwrap();
    let output = outcome(place.command("serve").env("CLOAKROOM_DATA_DIR", &other));
    assert_says(&fault(&output), &["objects", "cannot be used"]);
    served.stop();
}

#[test]
fn an_identity_provider_that_is_not_rightly_set_up() {
    const TENANT: &str = "ten_00000000000000000000000000000001";
    let place = Place::new();
    let told = |settings: &[(&str, &str)]| {
        let mut command = place.command("serve");
        for (name, value) in settings {
            command.env(format!("CLOAKROOM_OIDC_{name}"), value);
        }
        fault(&outcome(&mut command))
    };
    let (issuer, tenant) = (("ISSUER", "https://127.0.0.1:1"), ("TENANT", TENANT));
    let client = ("CLIENT_ID", "cloakroom");
    assert_says(&told(&[("ISSUER", "http://id.example"), tenant, client]), &["CLOAKROOM_OIDC_ISSUER", "must be https"]);
    assert_says(&told(&[issuer, client]), &["CLOAKROOM_OIDC_TENANT", "ten_"]);
    assert_says(&told(&[issuer, tenant]), &["CLOAKROOM_OIDC_AUDIENCE", "client_id"]);
    let file = place.path("secret");
    let secret = ("CLIENT_SECRET_FILE", file.to_str().unwrap());
    assert_says(&told(&[issuer, tenant, client, secret]), &["secret cannot be read"]);
    fs::write(&file, "hunter2\nhunter3\n").unwrap();
    let fault = told(&[issuer, tenant, client, secret]);
    assert_says(&fault, &["must be one line"]);
    assert!(!fault.contains("hunter"), "{fault}");

    // One that cannot be reached keeps nobody from starting.
    fs::write(&file, "hunter2\n").unwrap();
    let mut command = place.command("serve");
    for (name, value) in [issuer, tenant, client, secret] {
        command.env(format!("CLOAKROOM_OIDC_{name}"), value);
    }
    place.serve_as(command).stop();
}
