//! Downloads: claimed once, fetched to the end, and nothing of anybody's replaced.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    process::{Command, Output, Stdio},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    pretending::{Asked, Pretender, Reply},
    process::{Place, fault, outcome, program, said, until, wrote},
};

/// `download` in a place, with a memory of its own.
fn command(place: &Place, url: &str, arguments: &[&str]) -> Command {
    let mut command = program();
    command.current_dir(place.path(".")).env("XDG_STATE_HOME", place.path("state")).env("CLOAKROOM_URL", url);
    command.arg("download").args(arguments);
    command
}

fn download(place: &Place, url: &str, arguments: &[&str]) -> Output {
    outcome(&mut command(place, url, arguments))
}

#[test]
fn a_share_is_claimed_once_and_comes_back_here() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    fs::create_dir_all(place.path("docs/in")).unwrap();
    for (name, text) in
        [("docs/a.txt", "aaa"), ("docs/a.txt.part", "of its own"), ("docs/in/b.txt", "bb"), ("docs/empty", "")]
    {
        fs::write(place.path(name), text).unwrap();
    }
    said(&served.client_in(&place.path("."), &key, &["upload", "docs"]));
    let link = said(&served.client(&key, &["share", "docs/"]));
    let run = |arguments: &[&str]| download(&place, "", &[&[link.as_str()], arguments].concat());

    let (paths, remark) = wrote(&run(&["docs/in/", "docs/empty", "--to", "out"]), 0);
    let mut paths: Vec<_> = paths.lines().collect();
    paths.sort();
    assert_eq!(paths, ["out/docs/empty", "out/docs/in/b.txt"]);
    assert!(remark.contains("claimed; open until ") && remark.contains("2 files, 2 B"), "{remark}");
    // All of it later, by the same claim; what is there counts as done.
    let (_, remark) = wrote(&run(&["--to", "out"]), 0);
    assert!(remark.contains("out/docs/in/b.txt: already there") && !remark.contains("a.txt: already"), "{remark}");
    for name in ["docs/a.txt", "docs/a.txt.part", "docs/in/b.txt", "docs/empty"] {
        assert_eq!(fs::read(place.path(&format!("out/{name}"))).unwrap(), fs::read(place.path(name)).unwrap());
    }
    assert_eq!(fs::read_dir(place.path("out/docs")).unwrap().count(), 4);
    let claims: Vec<_> = fs::read_dir(place.path("state/cloakroom/claims")).unwrap().collect();
    assert_eq!((claims.len(), claims[0].as_ref().unwrap().metadata().unwrap().mode() & 0o777), (1, 0o600));
    // Redeeming is the same claim. Elsewhere it is another one, and refused.
    said(&outcome(program().env("XDG_STATE_HOME", place.path("state")).args(["redeem", &link])));
    let elsewhere = outcome(program().env("XDG_STATE_HOME", place.path("elsewhere")).args(["download", &link]));
    assert!(fault(&elsewhere).contains("This cannot be opened"));
    assert_eq!(fs::read_dir(place.path("elsewhere/cloakroom/claims")).unwrap().count(), 0);

    // What is somebody's own is not replaced; the others come nevertheless.
    fs::write(place.path("out/docs/a.txt"), "mine").unwrap();
    fs::remove_file(place.path("out/docs/in/b.txt")).unwrap();
    let (_, remark) = wrote(&run(&["--to", "out"]), 1);
    assert!(remark.contains("docs/a.txt: there is another file already"), "{remark}");
    assert!(remark.ends_with("cloakroom: 1 of 4 files were not fetched\n"), "{remark}");
    assert_eq!(fs::read_to_string(place.path("out/docs/a.txt")).unwrap(), "mine");
    assert!(place.path("out/docs/in/b.txt").exists());
    assert!(fault(&run(&["docs/none"])).contains("docs/none: there is nothing here"));
    served.stop();
}

#[test]
fn the_vault_comes_down_with_a_key() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    fs::create_dir(place.path("docs")).unwrap();
    for name in ["docs/a", "docs/a.bak", "docs/b"] {
        fs::write(place.path(name), name).unwrap();
    }
    said(&served.client_in(&place.path("."), &key, &["upload", "docs"]));
    let run = |arguments: &[&str]| outcome(command(&place, &served.url(), arguments).env("CLOAKROOM_API_KEY", &key));
    let told: Value = serde_json::from_str(&said(&run(&["docs/a", "--to", "out", "--json"]))).unwrap();
    assert_eq!((&told["path"], &told["file"], &told["size"]), (&json!("docs/a"), &json!("out/docs/a"), &json!(6)));
    assert_eq!(fs::read_dir(place.path("out/docs")).unwrap().count(), 1);
    said(&run(&["docs/", "docs/b", "--to", "out"]));
    assert_eq!(fs::read_to_string(place.path("out/docs/a.bak")).unwrap(), "docs/a.bak");
    // A folder that is a link leads elsewhere, and is not followed.
    symlink(place.path("docs"), place.path("out2")).unwrap();
    fs::create_dir(place.path("out3")).unwrap();
    symlink(place.path("."), place.path("out3/docs")).unwrap();
    assert!(fault(&run(&["docs/b", "--to", "out3"])).contains("not followed"));
    assert!(!place.path("b").exists());
    served.stop();
}

/// A share of one file whose storage answers as the plan says.
struct Shared {
    server: Pretender,
    link: String,
}

const SIZE: usize = 300_000;

fn content() -> Vec<u8> {
    (0..SIZE).map(|index| (index % 253) as u8).collect()
}

fn whole(asked: &Asked) -> Reply {
    let from = asked.header("range").strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
    let reply = match from.map(|from| from.parse::<usize>().unwrap()) {
        Some(from) if asked.header("if-range") == "\"e1\"" => {
            let extent = format!("bytes {from}-{}/{SIZE}", SIZE - 1);
            Reply::bytes(206, &content()[from..]).with("Content-Range", extent)
        }
        _ => Reply::bytes(200, content()),
    };
    reply.with("ETag", "\"e1\"")
}

fn shared(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Shared {
    let url = Arc::new(Mutex::new(String::new()));
    let own = url.clone();
    let server = Pretender::start(move |asked| {
        answer(asked).unwrap_or_else(|| match asked.line.as_str() {
            "POST /v1/shares/redeem" => {
                Reply::json(200, &json!({ "session_token": "t", "access_expires_at": "later" }))
            }
            "POST /v1/session/downloads" => {
                Reply::json(200, &json!({ "url": format!("{}/bytes", own.lock().unwrap()), "expires_at": "soon" }))
            }
            "GET /bytes" => whole(asked),
            line if line.starts_with("GET /v1/session/objects?") => {
                let sha256 = base16ct::lower::encode_string(&Sha256::digest(content()));
                let file = json!({ "path": "a.bin", "size": SIZE, "sha256": sha256 });
                Reply::json(200, &json!({ "items": [file], "next_cursor": null }))
            }
            line => panic!("{line}"),
        })
    });
    *url.lock().unwrap() = server.url();
    let link = format!("{}/s#crs_x", server.url());
    Shared { server, link }
}

#[test]
fn a_line_that_breaks_is_taken_up_where_it_broke() {
    let broke = AtomicBool::new(false);
    let shared = shared(move |asked| {
        let breaks = asked.line == "GET /bytes" && !broke.swap(true, Ordering::SeqCst);
        breaks.then(|| whole(asked).cut_after(200_000))
    });
    let place = Place::new();
    assert_eq!(said(&download(&place, "", &[&shared.link])), "./a.bin");
    assert_eq!(fs::read(place.path("a.bin")).unwrap(), content());
    let asked = shared.server.asked("GET /bytes");
    assert_eq!((asked[0].header("range"), asked[1].header("range")), ("", "bytes=200000-"));
    assert_eq!(asked[1].header("if-range"), "\"e1\"");
    assert!(!place.path("a.bin.part").exists());
}

#[test]
fn killed_in_the_middle_it_fetches_the_rest() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let held = gate.clone();
    let first = AtomicBool::new(true);
    let shared = shared(move |asked| match asked.line.as_str() {
        "GET /bytes" if first.swap(false, Ordering::SeqCst) => Some(whole(asked).cut_after(200_000)),
        // The second try waits until the program is dead.
        "GET /bytes" if !*held.0.lock().unwrap() => {
            let _open = held.1.wait_while(held.0.lock().unwrap(), |open| !*open).unwrap();
            Some(Reply::lost())
        }
        _ => None,
    });
    let place = Place::new();
    let mut killed = command(&place, "", &[&shared.link]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the rest is asked for", || (shared.server.asked("GET /bytes").len() == 2).then_some(()));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(fs::metadata(place.path("a.bin.part")).unwrap().len(), 200_000);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    said(&download(&place, "", &[&shared.link]));
    assert_eq!(fs::read(place.path("a.bin")).unwrap(), content());
    let asked = shared.server.asked("GET /bytes");
    assert_eq!((asked.len(), asked[2].header("range")), (3, "bytes=200000-"));
    let keys: Vec<_> = shared.server.asked("POST /v1/shares/redeem").iter().map(Asked::json).collect();
    assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
}

#[test]
fn other_bytes_under_the_same_name_begin_anew() {
    let place = Place::new();
    let broke = AtomicBool::new(false);
    let shared = shared(move |asked| {
        // The first bytes were of another file, under another ETag.
        let breaks = asked.line == "GET /bytes" && !broke.swap(true, Ordering::SeqCst);
        breaks.then(|| Reply::bytes(200, vec![1; SIZE]).with("ETag", "\"e0\"").cut_after(200_000))
    });
    said(&download(&place, "", &[&shared.link]));
    assert_eq!(fs::read(place.path("a.bin")).unwrap(), content());
}

#[test]
fn a_credential_and_a_url_that_run_out_are_renewed() {
    let (token, url) = (AtomicBool::new(false), AtomicBool::new(false));
    let shared = shared(move |asked| match asked.line.as_str() {
        "POST /v1/session/downloads" if !token.swap(true, Ordering::SeqCst) => Some(Reply::problem(401, "no_session")),
        "GET /bytes" if !url.swap(true, Ordering::SeqCst) => Some(Reply::bytes(403, "expired")),
        _ => None,
    });
    let place = Place::new();
    said(&download(&place, "", &[&shared.link]));
    let keys: Vec<_> = shared.server.asked("POST /v1/shares/redeem").iter().map(Asked::json).collect();
    assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
    assert_eq!(shared.server.asked("POST /v1/session/downloads").len(), 3);
}

#[test]
fn bytes_that_were_not_listed_get_no_name() {
    for (bytes, why) in [(vec![0; SIZE], "its SHA-256 differs"), (vec![0; SIZE + 1], "more bytes came")] {
        let shared = shared(move |asked| (asked.line == "GET /bytes").then(|| Reply::bytes(200, bytes.clone())));
        let place = Place::new();
        let told = fault(&download(&place, "", &[&shared.link]));
        assert!(told.contains("a.bin: ") && told.contains(why), "{told}");
        assert!(!place.path("a.bin").exists());
    }
}

#[test]
fn what_is_somebodys_own_is_no_partial_file() {
    let shared = shared(|_| None);
    let place = Place::new();
    fs::write(place.path("a.bin.part"), "mine").unwrap();
    said(&download(&place, "", &[&shared.link]));
    assert_eq!(fs::read(place.path("a.bin")).unwrap(), content());
    assert_eq!(fs::read_to_string(place.path("a.bin.part")).unwrap(), "mine");
    assert!(!place.path("a.bin.part.part").exists());
}

#[test]
fn what_was_put_in_the_place_of_a_partial_file_is_no_partial_file() {
    let asked = AtomicUsize::new(0);
    let shared = shared(move |request| match request.line.as_str() {
        "GET /bytes" => match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Some(whole(request).cut_after(200_000)),
            1 => Some(Reply::bytes(404, "gone")),
            _ => None,
        },
        _ => None,
    });
    let place = Place::new();
    fault(&download(&place, "", &[&shared.link]));
    let part = place.path("a.bin.part");
    assert_eq!(fs::metadata(&part).unwrap().len(), 200_000);
    fs::rename(&part, place.path("moved")).unwrap();
    fs::write(&part, "mine").unwrap();
    said(&download(&place, "", &[&shared.link]));
    assert_eq!(fs::read(place.path("a.bin")).unwrap(), content());
    assert_eq!(fs::read_to_string(&part).unwrap(), "mine");
}
