//! Folders of many files: asked for in batches, shared as they were sent or not at all.

use std::{fs, process::Output};

use serde_json::Value;

use super::{
    pretending::Pretender,
    process::{Place, Served, outcome, program, said, wrote},
};

fn run(place: &Place, url: &str, key: &str, arguments: &[&str]) -> Output {
    let mut command = program();
    command.current_dir(place.path(".")).env("XDG_STATE_HOME", place.path("state"));
    outcome(command.env("CLOAKROOM_URL", url).env("CLOAKROOM_API_KEY", key).args(arguments))
}

fn shares(served: &Served, key: &str) -> usize {
    served.ask("GET", "/v1/shares", key, None).1["items"].as_array().unwrap().len()
}

#[test]
fn many_files_are_declared_and_signed_a_hundred_at_a_time() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    fs::create_dir(place.path("in")).unwrap();
    for number in 0..205 {
        fs::write(place.path(&format!("in/{number}.txt")), number.to_string()).unwrap();
    }
    let relay = Pretender::before(&served, |_| true);
    let asked = |line: &str| relay.asked("POST").iter().filter(|asked| asked.line == line).count();
    assert_eq!(said(&run(&place, &relay.url(), &key, &["upload", "in"])).lines().count(), 205);
    assert_eq!((asked("POST /v1/uploads/batch"), asked("POST /v1/uploads")), (3, 0));

    let link = said(&run(&place, &served.url(), &key, &["share", "in/"])).replace(&served.url(), &relay.url());
    fs::create_dir_all(place.path("out/in")).unwrap();
    fs::write(place.path("out/in/7.txt"), "7").unwrap();
    said(&run(&place, "", "", &["download", &link, "--to", "out"]));
    assert_eq!((asked("POST /v1/session/downloads/batch"), asked("POST /v1/session/downloads")), (3, 0));
    for number in 0..205 {
        let name = format!("in/{number}.txt");
        assert_eq!(fs::read(place.path(&name)).unwrap(), fs::read(place.path(&format!("out/{name}"))).unwrap());
    }
    let signed: usize = relay
        .asked("POST /v1/session/downloads/batch")
        .iter()
        .map(|asked| asked.json()["paths"].as_array().unwrap().len())
        .sum();
    assert_eq!(signed, 204, "what is there is not asked for");
    served.stop();
}

#[test]
fn what_was_sent_is_shared_and_nothing_else() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    let run = |arguments: &[&str]| run(&place, &served.url(), &key, arguments);
    fs::create_dir(place.path("docs")).unwrap();
    fs::write(place.path("docs/old.txt"), "old").unwrap();
    said(&run(&["upload", "docs"]));
    fs::remove_file(place.path("docs/old.txt")).unwrap();
    for name in ["docs/a.txt", "docs/b.txt"] {
        fs::write(place.path(name), name).unwrap();
    }
    let (link, remark) = wrote(&run(&["upload", "docs", "--share", "--expires-in", "24h"]), 0);
    assert!(link.starts_with(&format!("{}/s#crs_", served.url())) && link.lines().count() == 1, "{link}");
    assert!(remark.contains("docs/a.txt\n") && remark.contains("opens once, until "), "{remark}");
    let listed = said(&run(&["redeem", link.trim_end(), "--save", "out"]));
    assert!(listed.contains("docs/a.txt") && listed.contains("docs/b.txt") && !listed.contains("old"), "{listed}");
    assert_eq!(fs::read_to_string(place.path("out/docs/b.txt")).unwrap(), "docs/b.txt");

    // What was there before is shared as well; as JSON it is one object more.
    let told = said(&run(&["upload", "docs", "--share", "--json"]));
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert!(last["share"]["url"].as_str().unwrap().contains("/s#crs_") && told.lines().count() == 3, "{told}");
    assert_eq!((&last["share"]["permission"], shares(&served, &key)), (&"read".into(), 2));

    // One file that is not sent, and there is no share.
    fs::write(place.path("docs/a.txt"), "changed").unwrap();
    let (said, remark) = wrote(&run(&["upload", "docs", "--share"]), 1);
    assert_eq!((said.as_str(), shares(&served, &key)), ("", 2));
    assert!(remark.ends_with("cloakroom: 1 of 2 files were not sent; nothing was shared\n"), "{remark}");
    // An end without a beginning.
    assert_eq!(run(&["upload", "docs", "--expires-in", "24h"]).status.code(), Some(2));
    served.stop();
}

#[test]
fn more_files_than_a_share_names_are_not_sent_in_vain() {
    let place = Place::new();
    fs::create_dir(place.path("in")).unwrap();
    for number in 0..101 {
        fs::write(place.path(&format!("in/{number}")), "").unwrap();
    }
    let (_, remark) = wrote(&run(&place, "http://127.0.0.1:1", "x", &["upload", "in", "--share"]), 1);
    assert!(remark.contains("at most 100 files, and these are 101"), "{remark}");
}
