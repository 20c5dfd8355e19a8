//! The commands: clients of the API that say what they did, in words for
//! people on standard error and in words for scripts on standard output.

use std::{
    fs,
    io::Write,
    process::{Output, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::json;

use super::{
    pretending::{Pretender, Reply},
    process::{Place, Served, fault, nobody, outcome, program, said, wrote},
};

fn served() -> (Place, Served, String) {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    (place, served, key)
}

#[test]
fn a_file_goes_up_is_shared_and_comes_down_once() {
    let (place, served, key) = served();
    let folder = place.path(".");
    let run = |arguments: &[&str]| served.client_in(&folder, &key, arguments);
    fs::write(place.path("notes.txt"), "hello").unwrap();
    fs::write(place.path("empty"), "").unwrap();
    let (path, remark) = wrote(&run(&["upload", "notes.txt", "--to", "docs/"]), 0);
    assert_eq!(path, "docs/notes.txt\n");
    assert!(remark.contains("5 B") && remark.contains("text/plain") && remark.contains("2cf24dba5fb0a30e"), "{remark}");
    assert_eq!(said(&run(&["upload", "empty"])), "empty");
    // The same once more is no fault, and something else is.
    let (_, remark) = wrote(&run(&["upload", "notes.txt", "--to", "docs/notes.txt"]), 0);
    assert!(remark.contains("docs/notes.txt: already there"), "{remark}");
    assert!(fault(&run(&["upload", "empty", "--to", "docs/notes.txt"])).contains("set overwrite"));
    said(&run(&["upload", "--overwrite", "--content-type", "text/x-notes", "notes.txt", "--to", "docs/notes.txt"]));
    assert!(fault(&run(&["upload", "none.txt"])).contains("none.txt"));

    let (link, remark) = wrote(&run(&["share", "docs/"]), 0);
    let link = link.trim_end();
    assert!(link.starts_with(&format!("{}/s#crs_", served.url())), "{link}");
    assert!(remark.contains("opens once, until ") && !remark.contains("crs_"), "{remark}");
    let redeemed = served.client_in(&folder, "", &["redeem", link, "--save", "here"]);
    let (listed, remark) = wrote(&redeemed, 0);
    assert_eq!(listed, "       5 B  docs/notes.txt\n");
    assert!(remark.contains("claimed; open until "), "{remark}");
    assert_eq!(fs::read_to_string(place.path("here/docs/notes.txt")).unwrap(), "hello");

    let again = fault(&served.client_in(&folder, "", &["redeem", link, "--save", "there"]));
    assert!(again.contains("This cannot be opened") && again.contains("Ask whoever sent it"), "{again}");
    assert!(!place.path("there").exists());
    // What is on the disk already is not replaced.
    let link = said(&run(&["share", "docs/notes.txt"]));
    fs::write(place.path("here/docs/notes.txt"), "mine").unwrap();
    let (_, remark) = wrote(&served.client_in(&folder, "", &["redeem", &link, "--save", "here"]), 1);
    assert!(remark.contains("notes.txt"), "{remark}");
    assert_eq!(fs::read_to_string(place.path("here/docs/notes.txt")).unwrap(), "mine");
    served.stop();
}

#[test]
fn what_is_no_link_is_told() {
    let (_place, served, key) = served();
    for wrong in ["", "crs_x", "http://127.0.0.1:1", "http://127.0.0.1:1/l#crl_x"] {
        assert!(fault(&served.client(&key, &["redeem", wrong])).contains("whole share link"), "{wrong}");
    }
    let cut = format!("{}/s#crs_abc", served.url());
    assert!(fault(&served.client(&key, &["redeem", &cut])).contains("This cannot be opened"));
    let (_taken, nobody) = nobody();
    let fault = fault(&served.client(&key, &["redeem", &format!("http://{nobody}/s#crs_abc")]));
    assert!(fault.contains("cannot be reached"), "{fault}");
    served.stop();
}

#[test]
fn a_link_takes_its_password_from_standard_input() {
    let (place, served, key) = served();
    fs::write(place.path("index.html"), "<p>hello</p>").unwrap();
    said(&served.client_in(&place.path("."), &key, &["upload", "index.html", "--to", "site/"]));
    let mut command = program();
    command.env("CLOAKROOM_URL", served.url()).env("CLOAKROOM_API_KEY", &key);
    command.args(["link", "site/", "--password-stdin", "--expires-in", "60"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"open sesame\n").unwrap();
    let (link, remark) = wrote(&child.wait_with_output().unwrap(), 0);
    assert!(remark.contains("1 file, opens once, until ") && !remark.contains("sesame"), "{remark}");
    let token = link.trim_end().split_once("/l#").unwrap().1;
    let redeem = |password: Option<&str>| {
        let body = json!({ "token": token, "claim_key": "A".repeat(43), "password": password });
        served.ask("POST", "/v1/links/redeem", "", Some(&body))
    };
    assert_eq!(redeem(None).1["code"], "password_required");
    assert_eq!(redeem(Some("open sesame\n")).1["code"], "password_wrong");
    assert_eq!(redeem(Some("open sesame")).0, 200);
    // Without one, none is wanted.
    assert!(said(&served.client(&key, &["link", "site/index.html"])).contains("/l#crl_"));
    assert!(fault(&served.client(&key, &["link", "none/"])).contains("/paths/0"));
    served.stop();
}

#[test]
fn what_is_out_is_renamed_and_made_narrower() {
    let (_place, served, key) = served();
    let run = |arguments: &[&str]| served.client(&key, arguments);
    let (_, remark) = wrote(&run(&["share", "docs/", "--allow-missing", "--expires-in", "1h"]), 0);
    let id = remark.split_whitespace().next().unwrap();
    let (said, remark) = wrote(&run(&["share", "change", id, "--expires-in", "10m", "--label", "for Ada"]), 0);
    assert!(said.is_empty() && remark.contains("pending"), "{remark}");
    let wider = fault(&run(&["share", "change", id, "--expires-in", "20m"]));
    assert!(wider.contains("/expires_in") && wider.contains("make another"), "{wider}");
    wrote(&run(&["share", "change", id, "--allowed-network", "127.0.0.1", "--access-expires-in", "60s"]), 0);
    assert!(fault(&run(&["share", "change", id, "--allowed-network", "10.0.0.0/8"])).contains("/allowed_networks"));
    assert!(fault(&run(&["link", "change", "lnk_0", "--label", "x"])).contains("nothing here"));
    // A file may have that name, too.
    wrote(&run(&["share", "--allow-missing", "--", "change"]), 0);
}

#[test]
fn keys_are_created_listed_and_revoked() {
    let (_place, served, key) = served();
    let create = ["api-key", "create", "docs/=read", "in/=write", "--label", "for the shop", "--expires-in", "3600"];
    let (secret, remark) = wrote(&served.client(&key, &create), 0);
    let (secret, id) = (secret.trim_end(), remark.split_whitespace().next().unwrap().to_owned());
    assert!(secret.starts_with("crk_live_") && !remark.contains("crk_live_"), "{remark}");
    let test = said(&served.client(&key, &["api-key", "create", "/=read", "--test"]));
    assert!(test.starts_with("crk_test_"));
    let listed = said(&served.client(&key, &["api-key", "list"]));
    let line = listed.lines().find(|line| line.starts_with(&id)).unwrap();
    assert!(
        line.contains("active") && line.contains("docs/=read in/=write") && line.ends_with("for the shop"),
        "{line}"
    );
    assert!(!listed.contains(secret), "{listed}");

    // It may do what it was made for, and no more.
    assert!(fault(&served.client(secret, &["api-key", "list"])).contains("You may not do this"));
    assert!(fault(&served.client(secret, &["share", "other/", "--allow-missing"])).contains("You may not do this"));
    said(&served.client(secret, &["share", "docs/", "--allow-missing"]));
    let rotated = said(&served.client(&key, &["api-key", "rotate", &id, "--overlap", "1h"]));
    assert!(rotated.trim().starts_with("crk_live_") && rotated.trim() != secret, "{rotated}");
    said(&served.client(&key, &["api-key", "change", &id, "docs/=read", "--role", "viewer", "--label", "shop"]));
    let changed = said(&served.client(&key, &["api-key", "list"]));
    assert!(changed.contains("viewer") && !changed.contains("in/=write"), "{changed}");
    said(&served.client(&key, &["api-key", "cut-off", &id]));
    said(&served.client(&key, &["api-key", "revoke", &id]));
    assert!(
        fault(&served.client(secret, &["share", "docs/", "--allow-missing"])).contains("A valid API key is needed")
    );
    assert!(said(&served.client(&key, &["api-key", "list"])).contains("revoked"));
    // A quota, and how much of it is used.
    let quota = ["api-key", "create", "in/=write", "--quota-bytes", "1KB", "--quota-objects", "2", "--label", "shop"];
    let limited = said(&served.client(&key, &quota));
    let list = || said(&served.client(&key, &["api-key", "list"]));
    assert!(list().contains("in/=write  (0 B of 1.0 KB, 0 files of 2)  shop"), "{}", list());
    let upload = ["upload", "Cargo.toml", "--to", "in/"];
    assert!(fault(&served.client(&limited, &upload)).contains("this API key's quota is 1000 bytes"));
    said(&served.client(&limited, &["upload", "rustfmt.toml", "--to", "in/"]));
    let size = fs::metadata("rustfmt.toml").unwrap().len();
    assert!(list().contains(&format!("({size} B of 1.0 KB, 1 file of 2)")), "{}", list());
    for wrong in [vec!["api-key", "create", "docs/"], vec!["api-key", "create"], vec!["api-key"]] {
        assert_eq!(served.client(&key, &wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert!(fault(&served.client(&key, &["api-key", "create", "docs/=own"])).contains("/grants/0"));
    served.stop();
}

#[test]
fn sizes_and_times_are_read_at_the_border() {
    for (arguments, told) in [
        (vec!["request", "create", "in/", "--max-file", "50M"], "write a size as 50MB"),
        (vec!["request", "create", "in/", "--max-total", "-1"], "write a size as 50MB"),
        (vec!["api-key", "create", "/=read", "--largest-upload", "much"], "write a size as 50MB"),
        (vec!["api-key", "create", "/=read", "--quota-bytes", "1,5GB"], "write a size as 50MB"),
        (vec!["tenant", "quota", "x", "--bytes", "1e9"], "write a size as 50MB"),
        (vec!["request", "create", "in/", "--closes-in", "7D"], "write a time as 90s"),
        (vec!["share", "x", "--expires-in", "soon"], "write a time as 90s"),
        (vec!["share", "x", "--access-expires-in", "1h30m"], "write a time as 90s"),
        (vec!["link", "x", "--expires-in", ""], "write a time as 90s"),
        (vec!["upload", "x", "--share", "--expires-in", "1M"], "write a time as 90s"),
        (vec!["api-key", "create", "/=read", "--expires-in", "1y"], "write a time as 90s"),
    ] {
        // With its value in one word: some begin with a dash.
        let (last, first) = arguments.split_last().unwrap();
        let (flag, first) = first.split_last().unwrap();
        let output = program().args(first).arg(format!("{flag}={last}")).output().unwrap();
        let (said, remark) = wrote(&output, 2);
        assert!(said.is_empty() && remark.contains(told) && remark.contains(flag), "{arguments:?}: {remark}");
    }
}

#[test]
fn tenants_are_created_and_listed_by_operators() {
    let (_place, served, key) = served();
    let (secret, remark) = wrote(&served.client(&key, &["tenant", "create", "Ünïted Shops"]), 0);
    assert!(remark.contains("its admin key") && !remark.contains("crk_"), "{remark}");
    let listed = said(&served.client(&key, &["tenant", "list"]));
    assert!(listed.contains("Ünïted Shops") && listed.contains("My organisation"), "{listed}");
    let secret = secret.trim_end();
    assert!(fault(&served.client(secret, &["tenant", "list"])).contains("operator"));
    assert!(fault(&served.client(&key, &["tenant", "create", "a\u{1b}[31mb"])).contains("/name"));

    let id =
        listed.lines().find(|line| line.contains("Shops")).and_then(|line| line.split_whitespace().next()).unwrap();
    said(&served.client(&key, &["tenant", "suspend", id]));
    assert!(said(&served.client(&key, &["tenant", "list"])).contains("suspended"));
    assert!(fault(&served.client(secret, &["api-key", "list"])).contains("A valid API key is needed"));
    said(&served.client(&key, &["tenant", "resume", id]));
    let acting = said(&served.client(&key, &["tenant", "impersonate", id, "--reason", "Ticket 17"]));
    assert!(said(&served.client(secret, &["api-key", "list"])).contains("Ticket 17"));
    assert!(fault(&served.client(acting.trim(), &["api-key", "list"])).contains("admin"));
    assert!(fault(&served.client(&key, &["tenant", "impersonate", id, "--reason", ""])).contains("/reason"));
    let begun = said(&served.client(&key, &["tenant", "cut-off", id]));
    assert!(fault(&served.client(secret, &["api-key", "list"])).contains("A valid API key is needed"));
    said(&served.client(begun.trim(), &["api-key", "list"]));
    served.stop();
}

#[test]
fn a_person_is_exported_and_erased_and_a_tenant_exported() {
    let (place, served, key) = served();
    let add = ["user", "add", "--issuer", "https://id.example", "--subject", "Jo-17", "docs/=write", "--label", "Jo"];
    let id = said(&served.client(&key, &add));
    let id = id.trim_end();
    let export = said(&served.client(&key, &["subject", "export", "--user", id]));
    assert!(export.contains("Jo-17") && export.contains("by_hand"), "{export}");
    let by_subject = ["--issuer", "https://id.example", "--subject", "Jo-17"];
    let find = [&["subject", "find"], by_subject.as_slice()].concat();
    assert!(fault(&served.client(&key, &find)).contains("was not erased"));
    let erased = said(&served.client(&key, &["subject", "erase", "--user", id, "--reason", "a letter"]));
    assert!(erased.starts_with("dsu_") && erased.contains("erased") && erased.contains("1 users"), "{erased}");
    assert_eq!(said(&served.client(&key, &find)), erased);
    assert_eq!(said(&served.client(&key, &["subject", "erasures"])), erased);
    assert!(!said(&served.client(&key, &["user", "list"])).contains("Jo"));
    let nobody = said(&served.client(&key, &["subject", "erase", "--address", "nobody@example.org"]));
    assert!(nobody.contains("nothing was held"), "{nobody}");
    let corrected = ["subject", "correct", "--address", "a@example.org", "--to", "b@example.org"];
    assert_eq!(said(&served.client(&key, &corrected)).trim_end(), "corrected in 0 shares and 0 links");
    assert!(fault(&served.client(&key, &["subject", "erase"])).contains("/address"));
    let folder = place.path("taken along");
    let told = said(&served.client(&key, &["tenant", "export", "--to", folder.to_str().unwrap()]));
    assert!(told.contains("1 user  user.ndjson") && told.contains("record.ndjson"), "{told}");
    let tenant = fs::read_to_string(folder.join("tenant.ndjson")).unwrap();
    assert!(tenant.lines().count() == 1 && tenant.contains("ten_"), "{tenant}");
    served.stop();
}

#[test]
fn users_are_let_in_changed_and_removed() {
    let (_place, served, key) = served();
    let add = ["user", "add", "--issuer", "https://id.example", "--subject", "1\u{e9}", "docs/=write", "--label", "Jo"];
    let id = said(&served.client(&key, &add));
    let id = id.trim_end();
    assert!(id.starts_with("usr_"));
    assert!(fault(&served.client(&key, &add)).contains("already"));
    let list = || said(&served.client(&key, &["user", "list"]));
    let never = format!("{:<25}", "never used");
    assert_eq!(list().trim_end(), format!("{id}  active   member {never}  1\u{e9}  docs/=write  Jo"));
    said(&served.client(&key, &["user", "change", id, "docs/=read", "--role", "viewer"]));
    assert!(list().contains("viewer") && list().contains("docs/=read"), "{}", list());
    said(&served.client(&key, &["user", "cut-off", id]));
    said(&served.client(&key, &["user", "remove", id]));
    assert!(list().contains("revoked"));
    served.stop();
}

#[test]
fn the_audit_trail_is_listed_and_verified_and_stays_so_after_a_crash() {
    let (place, served, key) = served();
    said(&served.client(&key, &["api-key", "create", "docs/=read"]));
    let told = said(&served.client(&key, &["audit", "list", "--type", "api_key.created"]));
    let lines: Vec<_> = told.lines().collect();
    // The one of the first start, and this.
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].contains("api_key.created") && lines[0].contains("administrator"), "{told}");
    let before = said(&served.client(&key, &["audit", "verify"]));
    assert!(before.starts_with("intact: ") && before.trim_end().len() > 64, "{before}");
    for _ in 0..5 {
        said(&served.client(&key, &["api-key", "create", "docs/=read"]));
    }
    // Whatever was acknowledged is told, be it chained by then or not.
    served.kill();
    let served = place.serve();
    let told = said(&served.client(&key, &["audit", "list", "--type", "api_key.created"]));
    assert_eq!(told.lines().count(), 7, "{told}");
    assert!(said(&served.client(&key, &["audit", "verify"])).starts_with("intact: "));
    assert!(fault(&served.client("crk_live_x", &["audit", "verify"])).contains("key"));
    served.stop();
}

#[test]
fn the_key_comes_from_a_file_or_the_environment_and_never_from_an_argument() {
    let (place, served, key) = served();
    let file = place.data_dir().join("admin-key");
    let file = file.to_str().unwrap();
    let run = |arguments: &[&str]| program().env("CLOAKROOM_URL", served.url()).args(arguments).output().unwrap();
    assert!(said(&run(&["tenant", "--key-file", file, "list"])).contains("My organisation"));
    assert!(fault(&run(&["tenant", "list"])).contains("CLOAKROOM_API_KEY"));
    assert!(fault(&run(&["tenant", "--key-file", "none", "list"])).contains("none"));
    assert_eq!(run(&["tenant", "--key", &key, "list"]).status.code(), Some(2));
    let url = served.url();
    let flag = program().args(["tenant", "--url", &url, "--key-file", file, "list"]).output().unwrap();
    assert!(said(&flag).contains("My organisation"));
    // Settings of the server do not stand in a client's way.
    let both =
        program().env("CLOAKROOM_DATA_DIR", "x").args(["tenant", "--url", &url, "--key-file", file, "list"]).output();
    said(&both.unwrap());
    served.stop();
}

#[test]
fn settings_are_checked_without_touching_anything() {
    let place = Place::new();
    let file = place.path("c.toml");
    fs::write(&file, "listen = \"127.0.0.1:1\"\nworkers = 3\n").unwrap();
    // Flags win over variables, variables over the file.
    let mut command = place.command("check-config");
    command.env("CLOAKROOM_LISTEN", "127.0.0.1:2").env_remove("CLOAKROOM_WORKERS");
    let shown = said(&command.args(["--listen", "127.0.0.1:3", "--config"]).arg(&file).output().unwrap());
    assert!(shown.contains("can be used") && shown.contains("127.0.0.1:3") && shown.contains("workers: 3"), "{shown}");
    assert!(!place.data_dir().exists());
}

#[test]
fn every_command_explains_itself() {
    let help = |arguments: &[&str]| {
        let shown = said(&program().args(arguments).arg("--help").output().unwrap());
        assert!(shown.contains("Usage: cloakroom"), "{shown}");
        shown
    };
    let all = help(&[]);
    for command in [
        "serve",
        "share",
        "redeem",
        "upload",
        "deliver",
        "request",
        "download",
        "receipt",
        "link",
        "api-key",
        "audit",
        "events",
        "listen",
        "webhook",
        "tenant",
        "bootstrap",
        "recover-admin",
        "check-config",
        "health",
        "doctor",
    ] {
        assert!(all.contains(&format!("  {command} ")), "{command}: {all}");
        help(&[command]);
    }
    for (command, actions) in [
        ("api-key", "create list revoke"),
        ("tenant", "create list"),
        ("receipt", "verify get key"),
        ("request", "create list show close"),
        ("webhook", "create list show change test pause resume rotate deliveries replay remove"),
        ("share", "change"),
        ("link", "change"),
    ] {
        actions.split(' ').for_each(|action| drop(help(&[command, action])));
    }
    assert!(help(&["serve"]).contains("CLOAKROOM_DATA_DIR"));
    let version = said(&program().arg("--version").output().unwrap());
    assert_eq!(version, format!("cloakroom {}", env!("CARGO_PKG_VERSION")));
    assert_eq!(program().arg("nonsense").output().unwrap().status.code(), Some(2));
}

/// A server of somebody else's that answers every request with these bodies, one after the other.
fn pretender(answers: Vec<(u16, serde_json::Value)>) -> String {
    let answers = Mutex::new(answers.into_iter());
    let server = Pretender::start(move |_| match answers.lock().unwrap().next() {
        Some((status, body)) => Reply::json(status, &body),
        None => Reply::lost(),
    });
    server.url()
}

#[track_caller]
fn assert_harmless(output: &Output) {
    for shown in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(shown);
        let steers = |character: char| {
            (character.is_control() && character != '\n') || matches!(character, '\u{202a}'..='\u{202e}')
        };
        assert!(!text.contains(steers), "{text:?}");
    }
}

#[test]
fn names_cannot_steer_a_terminal() {
    let evil = "a\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}b\r\u{9b}31m";
    let items = |item: serde_json::Value| (200, json!({ "items": [item], "next_cursor": null }));
    let listed = items(json!({
        "id": evil, "preview": evil, "status": evil, "name": evil, "label": evil, "path": evil, "size": 1,
        "grants": [{ "path": evil, "permission": evil }],
    }));
    let problem = json!({
        "type": evil, "title": evil, "status": 403, "code": evil, "detail": evil, "pointer": evil, "request_id": evil,
    });
    let session = (200, json!({ "session_token": "x", "access_expires_at": evil }));
    let minted = (201, json!({ "id": evil, "url": evil, "expires_at": evil, "files": [], "secret": evil }));
    let asked = json!({
        "id": evil, "status": evil, "folder": evil, "label": evil, "message": evil, "content_types": [evil],
        "expires_at": evil, "url": evil,
    });
    for (arguments, answers) in [
        (vec!["tenant", "list"], vec![listed.clone()]),
        (vec!["api-key", "list"], vec![listed.clone()]),
        (vec!["tenant", "list"], vec![(403, problem.clone())]),
        (vec!["share", "x"], vec![minted.clone()]),
        (vec!["link", "x"], vec![minted.clone(), minted.clone()]),
        (vec!["api-key", "create", "/=read"], vec![minted.clone()]),
        (vec!["upload", "Cargo.toml"], vec![(403, problem.clone())]),
        (vec!["upload", "Cargo.toml", "--method", "multipart"], vec![minted]),
        (vec!["download", "x/"], vec![listed.clone()]),
        (vec!["receipt", "get", "upl_1"], vec![(200, json!({ "payload": evil }))]),
        (vec!["request", "list"], vec![items(asked.clone())]),
        (vec!["request", "show", "x"], vec![(200, asked.clone())]),
        (vec!["request", "create", "x/"], vec![(201, asked)]),
        (vec!["receipt", "key"], vec![items(json!({ "id": evil, "status": "active", "public_key": evil }))]),
    ] {
        let url = pretender(answers);
        let output =
            program().env("CLOAKROOM_URL", url).env("CLOAKROOM_API_KEY", "x").args(&arguments).output().unwrap();
        assert_harmless(&output);
    }
    let link = format!("{}/s#x", pretender(vec![session, listed]));
    assert_harmless(&program().args(["redeem", &link]).output().unwrap());
    let opened = json!({ "session_token": "x", "sender": evil, "closes_at": evil, "message": evil });
    let link = format!("{}/r#x", pretender(vec![(200, opened), (403, problem.clone())]));
    assert_harmless(&program().args(["deliver", "Cargo.toml", "--to", &link]).output().unwrap());
    let link = format!("{}/s#x", pretender(vec![(403, problem)]));
    assert_harmless(&program().args(["redeem", &link]).output().unwrap());
}

#[test]
fn a_path_from_a_server_does_not_leave_the_folder() {
    for path in ["../out.txt", "/tmp/out.txt", "a/../../out.txt", "a\\..\\out.txt", ""] {
        let place = Place::new();
        fs::create_dir(place.path("in")).unwrap();
        let session = (200, json!({ "session_token": "x", "access_expires_at": "x" }));
        let listed = (200, json!({ "items": [{ "path": path, "size": 1 }], "next_cursor": null }));
        for (command, flag) in [("redeem", "--save"), ("download", "--to")] {
            let link = format!("{}/s#x", pretender(vec![session.clone(), listed.clone()]));
            let output = program().current_dir(place.path("in")).args([command, &link, flag, "."]).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{path}");
        }
        assert!(!place.path("out.txt").exists() && fs::read_dir(place.path("in")).unwrap().next().is_none(), "{path}");
    }
}

/// Servers whose first answer is lost: what the commands create, they ask for again under the same key.
#[test]
fn whatever_is_created_is_asked_for_again_under_one_key() {
    let answer = json!({
        "id": "x_1", "url": "http://127.0.0.1/s#crs_x", "expires_at": "2026-11-23T00:00:00Z", "paths": ["a"],
        "permission": "read", "secret": "crk_live_x", "grants": [], "preview": "crk", "name": "x", "folder": "in/",
        "admin_key": { "id": "key_1", "secret": "crk_live_y" }, "file_count": 1, "total_size": 1, "livemode": true,
        "most_submissions": 1, "limits": {}, "submissions": 0,
    });
    let commands: [(&str, &[&str]); 5] = [
        ("/v1/shares", &["share", "a.txt"]),
        ("/v1/api-keys", &["api-key", "create", "docs/=read"]),
        ("/v1/tenants", &["tenant", "create", "x"]),
        ("/v1/file-requests", &["request", "create", "in/"]),
        ("/v1/artifacts", &["link", "a.txt"]),
    ];
    for (route, arguments) in commands {
        let tries = AtomicUsize::new(0);
        let answer = answer.clone();
        let server = Pretender::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::lost(),
            _ => Reply::json(201, &answer),
        });
        let mut command = program();
        command.env("CLOAKROOM_URL", server.url()).env("CLOAKROOM_API_KEY", "x").args(arguments);
        let output = outcome(&mut command);
        let asked = server.asked(&format!("POST {route}"));
        assert_eq!(asked.len(), 2, "{route} {output:?}");
        let keys = [&asked[0], &asked[1]].map(|asked| asked.header("idempotency-key").to_owned());
        assert!(keys[0].len() == 32 && keys[0] == keys[1], "{route} {keys:?}");
        assert_eq!(asked[0].body, asked[1].body, "{route}");
    }
}
