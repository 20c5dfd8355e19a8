//! Files that were asked for: requested by their owner, delivered by outsiders
//! without a key, within the caps, once, and with proof.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Condvar, Mutex},
};

use serde_json::{Value, json};

use crate::doctor::setting;

use super::{
    pretending::Pretender,
    process::{Place, Served, fault, outcome, program, said, until, wrote},
};

/// `deliver` by somebody who has nothing but the link.
fn command(place: &Place, link: &str, arguments: &[&str]) -> Command {
    let mut command = program();
    command.current_dir(place.path(".")).env("XDG_STATE_HOME", place.path("state"));
    command.arg("deliver").args(arguments).args(["--to", link]);
    command
}

fn deliver(place: &Place, link: &str, arguments: &[&str]) -> Output {
    outcome(&mut command(place, link, arguments))
}

/// Makes a file request: its link, and its id.
#[track_caller]
fn request(served: &Served, folder: &Path, key: &str, options: &[&str]) -> (String, String) {
    let created = served.client_in(folder, key, &[&["request", "create", "incoming/"], options].concat());
    let (link, remark) = wrote(&created, 0);
    (link.trim_end().to_owned(), remark.split_whitespace().next().unwrap().to_owned())
}

/// What the owner finds below the folder, less the name of the delivery's own folder.
fn delivered(served: &Served, key: &str) -> Vec<String> {
    let (_, listed) = served.ask("GET", "/v1/objects?prefix=incoming/", key, None);
    let path = |file: &Value| file["path"].as_str().unwrap().splitn(3, '/').nth(2).unwrap().to_owned();
    listed["items"].as_array().unwrap().iter().map(path).collect()
}

fn write(place: &Place, files: &[(&str, &str)]) {
    for (path, text) in files {
        fs::create_dir_all(place.path(path).parent().unwrap()).unwrap();
        fs::write(place.path(path), text).unwrap();
    }
}

/// From the request to its closing, whatever keeps the bytes.
fn asked_for_and_delivered(place: &Place, served: &Served) {
    let key = place.admin_key();
    let own = |arguments: &[&str]| served.client_in(&place.path("."), &key, arguments);
    write(place, &[("photos/a.png", "aaa"), ("photos/in/b.png", "bb"), ("c.txt", "c")]);
    let caps = ["--max-file", "1KB", "--max-total", "1.5KiB", "--max-files", "9", "--closes-in", "1h"];
    let words = ["--type", "image/*", "--type", "text/plain", "--message", "Photos, please", "--label", "party"];
    let (link, remark) = wrote(&own(&[&["request", "create", "incoming/"], &caps[..], &words[..]].concat()), 0);
    let id = remark.split_whitespace().next().unwrap();
    let link = link.trim_end();
    assert!(link.starts_with(&format!("{}/r#crf_", served.url())), "{link}");
    for told in ["into incoming/", "image/*, text/plain, at most 1.0 KB each, 9 files and 1.5 KB in all", "until 20"] {
        assert!(remark.contains(told) && !remark.contains("crf_"), "{told}: {remark}");
    }

    let (paths, remark) = wrote(&deliver(place, link, &["photos", "--name", "Ann", "--receipts", "receipts"]), 0);
    let mut paths: Vec<_> = paths.lines().collect();
    paths.sort();
    assert_eq!(paths, ["photos/a.png", "photos/in/b.png"]);
    for told in ["delivering to My organisation, until 20", "  Photos, please\n", "2 files, 5 B"] {
        assert!(remark.contains(told), "{told}: {remark}");
    }
    assert_eq!(delivered(served, &key), paths);
    fs::write(place.path("key.pem"), said(&own(&["receipt", "key"]))).unwrap();
    let receipt = "receipts/photos/a.png.receipt.json";
    let verified = own(&["receipt", "verify", receipt, "--key", "key.pem", "--file", "photos/a.png"]);
    assert!(said(&verified).contains("The file photos/a.png is the one."), "{verified:?}");

    // Coming back: what was delivered is known, and what is new goes into the same folder.
    let (_, remark) = wrote(&deliver(place, link, &["photos", "--name", "Ann"]), 0);
    assert!(remark.contains("photos/a.png: already there"), "{remark}");
    let token = link.split_once('#').unwrap().1;
    let by_token = deliver(place, token, &["c.txt", "--name", "Ann", "--json", "--url", &served.url()]);
    let told: Value = serde_json::from_str(&said(&by_token)).unwrap();
    assert_eq!((&told["path"], &told["size"]), (&json!("c.txt"), &json!(1)));
    assert!(told["receipt"]["signature"].is_string() && told["id"].is_string(), "{told}");
    write(place, &[("c.txt", "changed")]);
    assert!(fault(&deliver(place, link, &["c.txt", "--name", "Ann"])).contains("give this one another"));

    let shown = said(&own(&["request", "show", id]));
    assert!(shown.contains("open  party") && shown.contains("so far: 3 files, 6 B, from 1 person"), "{shown}");
    let shown: Value = serde_json::from_str(&said(&own(&["request", "show", id, "--json"]))).unwrap();
    assert_eq!((&shown["usage"]["objects"], &shown["limits"]["bytes"]), (&json!(3), &json!(1536)));
    assert!(said(&own(&["request", "list"])).contains("open "));
    wrote(&own(&["request", "close", id]), 0);
    assert!(said(&own(&["request", "list"])).contains("closed "));
    assert!(fault(&deliver(place, link, &["photos", "--name", "Ann"])).contains("This cannot be opened"));
    assert!(fault(&deliver(place, link, &["photos"])).contains("This cannot be opened"));
    assert_eq!(delivered(served, &key).len(), 3, "what was delivered stays");
}

#[test]
fn what_is_asked_for_is_delivered_and_proved() {
    let place = Place::new();
    let served = place.serve();
    asked_for_and_delivered(&place, &served);
    served.stop();
}

#[test]
fn what_is_asked_for_is_delivered_into_s3() {
    let place = Place::new();
    let mut command = place.command("serve");
    for credential in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
        command.env(credential, setting(credential));
    }
    command
        .env("CLOAKROOM_OBJECTS", "s3")
        .env("CLOAKROOM_S3_BUCKET", setting("CLOAKROOM_TEST_BUCKET"))
        .env("CLOAKROOM_S3_ENDPOINT", setting("CLOAKROOM_TEST_S3_ENDPOINT"))
        .env("CLOAKROOM_S3_PATH_STYLE", "true")
        .env("CLOAKROOM_UNENFORCED", "accept");
    let served = place.serve_as(command);
    asked_for_and_delivered(&place, &served);
    served.stop();
}

#[test]
fn what_goes_beyond_the_caps_is_refused_and_the_rest_arrives() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    let here = place.path(".");
    write(&place, &[("in/a.txt", "aaa"), ("in/b.txt", "larger than it may be"), ("in/c.png", "c")]);
    let (link, _) = request(&served, &here, &key, &["--max-file", "10B", "--type", "text/*"]);
    let (paths, remark) = wrote(&deliver(&place, &link, &["in"]), 1);
    assert_eq!(paths, "in/a.txt\n");
    assert!(remark.contains("in/b.txt: ") && remark.contains("10 bytes"), "{remark}");
    assert!(remark.contains("in/c.png: ") && remark.contains("must be one of text/*"), "{remark}");
    assert!(remark.ends_with("cloakroom: 2 of 3 files were not sent\n"), "{remark}");

    let (link, _) = request(&served, &here, &key, &["--max-files", "2"]);
    let (paths, remark) = wrote(&deliver(&place, &link, &["in", "--jobs", "1"]), 1);
    assert_eq!(paths.lines().count(), 2);
    assert!(remark.contains("what may be delivered here is 2 files"), "{remark}");
    let (link, _) = request(&served, &here, &key, &["--max-total", "5B"]);
    assert!(fault(&deliver(&place, &link, &["in/b.txt"])).contains("what may be delivered here is 5 bytes"));
    served.stop();
}

#[test]
fn what_must_stay_is_not_delivered_and_nobody_is_told() {
    let place = Place::new();
    let server = Pretender::start(|asked| panic!("{}", asked.line));
    write(&place, &[("in/a.txt", "a"), ("in/.env", "TOKEN=x")]);
    let link = format!("{}/r#crf_x", server.url());
    assert!(fault(&deliver(&place, &link, &["in"])).contains("nothing was sent: 1 path must stay"));
    for wrong in [server.url(), format!("{}/s#crs_x", server.url()), String::new()] {
        assert!(fault(&deliver(&place, &wrong, &["in/a.txt"])).contains("not a whole link"), "{wrong}");
    }
    assert!(server.asked("").is_empty());
}

#[test]
fn a_password_comes_from_a_file_or_standard_input() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    write(&place, &[("a.txt", "a"), ("right", "open sesame\n"), ("wrong", "sesame\n"), ("none", "\n")]);
    let (link, id) = request(&served, &place.path("."), &key, &["--password-file", "right"]);
    let run = |arguments: &[&str]| deliver(&place, &link, &[&["a.txt"], arguments].concat());
    assert!(fault(&run(&[])).contains("a password is wanted: give it with --password-stdin or --password-file"));
    assert!(fault(&run(&["--password-file", "wrong"])).contains("This is not the password"));
    assert!(fault(&run(&["--password-file", "none"])).contains("none: there is no password"));
    assert_eq!(run(&["--password", "open sesame"]).status.code(), Some(2));
    assert_eq!(fs::read_dir(place.path("state/cloakroom/deliveries")).unwrap().count(), 0, "nothing was begun");
    let right = fs::File::open(place.path("right")).unwrap();
    said(&outcome(command(&place, &link, &["a.txt", "--password-stdin"]).stdin(Stdio::from(right))));
    // Whoever comes back is known.
    assert!(wrote(&run(&[]), 0).1.contains("a.txt: already there"));
    let shown = said(&served.client(&key, &["request", "show", &id]));
    assert!(shown.contains("who know the password") && shown.ends_with("from 1 person"), "{shown}");
    served.stop();
}

#[test]
fn killed_in_the_middle_it_delivers_only_the_rest() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    write(&place, &[("in/a.txt", "a"), ("in/b.txt", "bb"), ("in/c.txt", "ccc")]);
    // Room for what is sent, and not for what would be declared twice.
    let (link, _) = request(&served, &place.path("."), &key, &["--max-files", "3"]);
    let gate = Arc::new((Mutex::new((0, false)), Condvar::new()));
    let held = gate.clone();
    // The second completion is held back until the program is dead.
    let relay = Pretender::before(&served, move |asked| {
        let (state, opened) = &*held;
        let mut state = state.lock().unwrap();
        if asked.line.ends_with("/complete") {
            state.0 += 1;
            let is_second = state.0 == 2;
            let _open = opened.wait_while(state, |(_, is_open)| is_second && !*is_open).unwrap();
            return !is_second;
        }
        true
    });
    let link = link.replace(&served.url(), &relay.url());
    let mut killed = command(&place, &link, &["in", "--jobs", "1"]);
    let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("a file is completed, and the next under way", || (gate.0.lock().unwrap().0 == 2).then_some(()));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(delivered(&served, &key), ["in/a.txt"]);
    gate.0.lock().unwrap().1 = true;
    gate.1.notify_all();

    let (paths, remark) = wrote(&deliver(&place, &link, &["in", "--jobs", "1"]), 0);
    assert_eq!(paths, "in/a.txt\nin/b.txt\nin/c.txt\n");
    assert_eq!(remark.matches("already there").count(), 1, "{remark}");
    assert_eq!(delivered(&served, &key), ["in/a.txt", "in/b.txt", "in/c.txt"]);
    let declared = relay.asked("POST /v1/session/uploads");
    let declared: Vec<_> = declared.iter().filter(|asked| !asked.line.ends_with("/complete")).collect();
    assert_eq!(declared[0].line, "POST /v1/session/uploads/batch");
    assert_eq!(declared.len(), 2, "all at once, and the first, which is there, once more: {declared:?}");
    served.stop();
}
