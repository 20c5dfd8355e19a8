//! Uploads of files and folders: what goes, what stays, and what is said about it.

use std::{fs, os::unix::fs::symlink, path::Path, process::Output};

use serde_json::{Value, json};

use super::{
    pretending::{Pretender, Reply},
    process::{Place, fault, outcome, program, said, wrote},
};

fn upload(folder: &Path, url: &str, key: &str, arguments: &[&str]) -> Output {
    let mut command = program();
    command.current_dir(folder).env("CLOAKROOM_URL", url).env("CLOAKROOM_API_KEY", key);
    outcome(command.arg("upload").args(arguments))
}

fn write(place: &Place, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = place.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn a_folder_keeps_its_shape() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    let files =
        [("site/index.html", "<p>"), ("site/a b/c%é.txt", "c"), ("site/.env.example", "A="), ("site/empty", "")];
    write(&place, &files);
    let run = |arguments: &[&str]| upload(&place.path("."), &served.url(), &key, arguments);
    let vault = || {
        let (_, listed) = served.ask("GET", "/v1/objects?prefix=docs/", &key, None);
        let items = listed["items"].as_array().unwrap();
        items.iter().map(|file| file["path"].as_str().unwrap()["docs/".len()..].to_owned()).collect::<Vec<_>>()
    };

    let (paths, remark) = wrote(&run(&["site", "--to", "docs/", "--jobs", "2"]), 0);
    let mut paths: Vec<_> = paths.lines().collect();
    paths.sort();
    let names = ["site/.env.example", "site/a b/c%é.txt", "site/empty", "site/index.html"];
    assert_eq!(paths, names.map(|name| format!("docs/{name}")));
    assert!(remark.contains("4 files, 6 B"), "{remark}");
    assert_eq!(vault(), names);

    // With a slash it is the contents; as JSON it is an object a line.
    let told = said(&run(&["site/", "--to", "docs/", "--json"]));
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let index = told.iter().find(|file| file["path"] == "docs/index.html").unwrap();
    assert_eq!((told.len(), &index["size"], &index["content_type"]), (4, &json!(3), &json!("text/html")));
    assert!(index["id"].as_str().unwrap().starts_with("upl_") && index["sha256"].as_str().unwrap().len() == 64);
    assert_eq!(vault().len(), 8);

    // What is there already is no fault; what differs is, and the others go nevertheless.
    write(&place, &[("site/index.html", "<p>new"), ("site/more.txt", "more")]);
    let (_, remark) = wrote(&run(&["site", "--to", "docs/"]), 1);
    assert!(remark.contains("site/empty: already there"), "{remark}");
    let last: Vec<_> = remark.lines().rev().take(2).collect();
    assert!(last[1].contains("site/index.html: ") && last[1].contains("set overwrite"), "{remark}");
    assert_eq!(last[0], "cloakroom: 1 of 5 files were not sent");
    assert!(vault().contains(&"site/more.txt".to_owned()));
    said(&run(&["site", "--to", "docs/", "--overwrite"]));
    served.stop();
}

#[test]
fn one_path_that_must_stay_and_nothing_is_sent() {
    let server = Pretender::start(|_| Reply::problem(403, "never"));
    let place = Place::new();
    write(&place, &[("site/a.txt", ""), ("site/in/.ENV.local", ""), ("site/.git/config", ""), ("b.txt", "")]);
    let run = |arguments: &[&str]| upload(&place.path("."), &server.url(), "x", arguments);
    let (_, remark) = wrote(&run(&["b.txt", "site", "--to", "docs/"]), 1);
    assert!(remark.contains("site/in/.ENV.local: a credentials file\n"), "{remark}");
    assert!(remark.contains("site/.git/: version control internals\n"), "{remark}");
    let last = remark.lines().last().unwrap();
    assert!(last.starts_with("cloakroom: nothing was sent: 2 paths must stay"), "{remark}");
    // Not by another name, either, nor out of a folder that is entered first.
    assert!(fault(&run(&["b.txt", "--to", "docs/id_rsa"])).contains("nothing was sent"));
    let within = upload(&place.path("site/.git"), &server.url(), "x", &["config"]);
    assert!(fault(&within).contains("nothing was sent"));
    assert_eq!(server.asked("").len(), 0);
    assert!(fault(&run(&["site", "--without-protection", "--method", "put"])).contains("files were not sent"));
    assert!(!server.asked("POST /v1/uploads").is_empty());
}

#[test]
fn what_is_left_out_is_counted_and_named_when_asked() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    write(
        &place,
        &[("site/.cloakroomignore", "*.log\n.env\n"), ("site/a.txt", "a"), ("site/b.log", ""), ("site/.env", "")],
    );
    symlink("/etc/hostname", place.path("site/way.txt")).unwrap();
    symlink("/etc", place.path("site/etc")).unwrap();
    let run = |arguments: &[&str]| wrote(&upload(&place.path("."), &served.url(), &key, arguments), 0);
    let (paths, remark) = run(&["site"]);
    assert_eq!(paths, "site/a.txt\n");
    assert!(remark.contains("2 paths are left out by .cloakroomignore (--verbose names them)\n"), "{remark}");
    assert!(remark.contains("2 paths are links or devices, and are not followed (--verbose"), "{remark}");
    assert!(!remark.contains("b.log"), "{remark}");
    let (_, remark) = run(&["site", "--verbose", "--overwrite"]);
    for name in ["  site/b.log\n", "  site/.env\n", "  site/way.txt\n", "  site/etc\n"] {
        assert!(remark.contains(name), "{name}: {remark}");
    }
    served.stop();
}

#[test]
fn a_refusal_is_told_and_not_repeated() {
    for (status, code) in [(422, "path_protected"), (403, "quota_exceeded"), (401, "unauthenticated")] {
        let server = Pretender::start(move |_| Reply::problem(status, code));
        let place = Place::new();
        write(&place, &[("a.txt", "a")]);
        let told = fault(&upload(&place.path("."), &server.url(), "x", &["a.txt"]));
        assert!(told.contains(&format!("title of {code}: detail of {code}")), "{told}");
        assert_eq!(server.asked("").len(), 1);
    }
}

#[test]
fn an_outage_is_waited_for_and_nothing_is_declared_twice() {
    let url = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let storage = url.clone();
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let server = Pretender::start(move |asked| {
        let again = tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        match (again, asked.line.as_str()) {
            (0, _) => Reply::lost(),
            (1, _) => Reply::problem(503, "busy").with("Retry-After", 0),
            (_, "POST /v1/uploads") => {
                let url = format!("{}/storage", storage.lock().unwrap());
                Reply::json(201, &json!({ "id": "upl_1", "url": url, "headers": { "x-signed": "yes" } }))
            }
            (3, "PUT /storage") => Reply::bytes(503, "SlowDown"),
            // The bytes arrive, the answer does not, and the storage takes them only once.
            (4, "PUT /storage") => Reply::lost(),
            (_, "PUT /storage") => Reply::bytes(412, ""),
            (_, "POST /v1/uploads/upl_1/complete") => {
                Reply::json(200, &json!({ "id": "upl_1", "status": "completed", "path": "a.txt" }))
            }
            (_, line) => panic!("{line}"),
        }
    });
    *url.lock().unwrap() = server.url();
    let place = Place::new();
    write(&place, &[("a.txt", "hello")]);
    assert_eq!(said(&upload(&place.path("."), &server.url(), "x", &["a.txt"])), "a.txt");
    let keys: Vec<_> =
        server.asked("POST /v1/uploads").iter().map(|asked| asked.header("idempotency-key").to_owned()).collect();
    assert!(keys[0].len() == 32 && keys[..3].iter().all(|key| *key == keys[0]), "{keys:?}");
    let puts = server.asked("PUT /storage");
    assert_eq!(puts.len(), 3);
    for put in puts {
        assert_eq!(
            (put.body.as_slice(), put.header("x-signed"), put.header("authorization")),
            (&b"hello"[..], "yes", "")
        );
    }
}
