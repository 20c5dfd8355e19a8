//! Names that others chose are shown as they are, and never executed: on every page that shows one.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    browser::{Browser, browser, until},
    house::House,
    words::HOSTILE,
};

/// File names that mean something elsewhere.
const NAMES: [&str; 6] = [
    "\"><img src=x onerror=alert(1)>.bin",
    "🎭 пальто שלום مرحبا.bin",
    "'); alert(1); ('.bin",
    "{{7*7}}${7*7}<%= 7*7 %>.bin",
    "&lt;b&gt; &amp;.bin",
    "script>.bin",
];

/// Nothing came of the names but text.
#[track_caller]
fn harmless(browser: &Browser) {
    let made: Vec<String> = browser.eval(
        "return [...document.querySelectorAll('main :is(img, script, iframe, b, object, svg)')] \
         .filter((one) => !one.closest('.brand, [data-ours], #made .code')).map((one) => one.outerHTML)",
    );
    assert!(made.is_empty(), "{made:?}");
    let loose: Vec<String> = browser.eval(
        "return [...document.querySelectorAll('.name, .pins li, [data-slot=who], [data-slot=sender], [data-slot=message], [data-slot=name]')] \
         .filter((one) => one.innerText && !(one.matches('bdi[dir=auto]') || one.querySelector('bdi[dir=auto]'))) \
         .map((one) => one.outerHTML)",
    );
    assert!(loose.is_empty(), "a name turns the text around it: {loose:?}");
}

#[test]
fn names_are_shown_and_never_executed() {
    let house = House::open();
    let tenant = house.api.new_tenant(HOSTILE);
    let key = tenant.admin.secret.as_str();
    let put = |path: &str, kind: &str| house.api.put_file(key, path, kind, b"<p id=site>hello");
    for name in NAMES {
        put(&format!("docs/<script>alert(1)</{name}"), "application/octet-stream");
    }
    put("site/index.html", "text/html");
    let reader = browser();

    let share = house.api.mint(key, "write", &["docs/"]);
    reader.go(&share.url);
    reader.sees("offer");
    assert_eq!(reader.text("sender"), HOSTILE);
    harmless(&reader);
    reader.pictures("share", "hostile-name");
    reader.presses("open");
    reader.sees("open");
    harmless(&reader);
    reader.enters("<script>alert(1)<");
    reader.until("all are listed", "return document.querySelectorAll('[data-slot=files] .name').length === 6");
    let names: BTreeSet<_> = reader.listed().into_iter().collect();
    assert_eq!(names, NAMES.map(str::to_owned).into());
    harmless(&reader);
    reader.pictures("session", "hostile-names");
    reader.downloads(NAMES[0]);
    assert_eq!(reader.downloaded("___img src=x onerror=alert(1)_.bin"), b"<p id=site>hello");
    harmless(&reader);

    let published = house.api.publish(key, &["site/"]);
    reader.go(&house.api.link(key, &published.id, json!({})).url);
    reader.sees("offer");
    assert_eq!(reader.text("sender"), HOSTILE);
    harmless(&reader);
    reader.presses("open");
    reader.finds("#site");
    reader.go(&format!("{}/l", house.url));
    reader.sees("kept");
    harmless(&reader);

    let asked = json!({ "folder": "incoming/", "message": HOSTILE });
    let asked = house.api.post(key, "/v1/file-requests", &asked).expect(201);
    reader.go(asked["url"].as_str().unwrap());
    reader.sees("offer");
    assert_eq!((reader.text("sender"), reader.text("message")), (HOSTILE.to_owned(), HOSTILE.to_owned()));
    harmless(&reader);
    reader.presses("begin");
    reader.sees("open");
    reader.sends("<img src=x onerror=alert(1)>.bin", b"1");
    // One that would be read backwards is not taken.
    reader.sends("photo\u{202e}gpj.exe", b"1");
    reader.until("it says so", "return document.querySelector('[data-slot=sent] .alarm')?.innerText");
    reader.until(
        "both are through",
        "return document.querySelectorAll('[data-slot=sent] progress[hidden]').length === 2",
    );
    harmless(&reader);
    reader.pictures("request", "hostile-names");
}

#[test]
fn the_console_shows_names_and_never_executes_them() {
    let house = House::open();
    let tenant = house.api.new_tenant(HOSTILE);
    let labelled = json!({ "mode": "live", "label": HOSTILE, "grants": [{ "path": "/", "permission": "admin" }] });
    let key = house.api.post(&tenant.admin.secret, "/v1/api-keys", &labelled).expect(201);
    let key = key["secret"].as_str().unwrap();
    for name in NAMES {
        house.api.put_file(key, &format!("<script>alert(1)</{name}"), "text/html", b"<p id=site>hello");
    }
    let owner = browser();
    owner.signs_in(&house, key);
    assert_eq!(owner.texts("[data-slot=who] bdi"), [HOSTILE, HOSTILE]);
    owner.visits("files");
    owner.clicks("[data-view=files] a.name");
    let names: BTreeSet<_> = owner.lists(NAMES.len()).into_iter().collect();
    assert_eq!(names, NAMES.map(str::to_owned).into());
    harmless(&owner);
    owner.selects(NAMES[0]);
    owner.selects(NAMES[1]);
    owner.pictures("console", "hostile-names");
    owner.presses("share");
    owner.fills("#share-label", NAMES[0]);
    harmless(&owner);
    owner.makes("new-share");
    owner.closes();
    owner.sees("thing");
    assert_eq!(owner.text("name"), NAMES[0]);
    owner.history_of(1);
    harmless(&owner);
    owner.pictures("console", "hostile-file-link");
    owner.visits("file-links");
    assert_eq!(owner.lists(1), [NAMES[0]]);
    harmless(&owner);

    owner.visits("files");
    owner.selects("<script>alert(1)<");
    owner.presses("publish");
    owner.fills("#link-label", NAMES[3]);
    owner.makes("new-link");
    owner.closes();
    owner.sees("thing");
    owner.visits("site-links");
    assert_eq!(owner.lists(1), [NAMES[3]]);
    harmless(&owner);
    owner.visits("file-requests");
    owner.presses("request");
    owner.fills("#request-message", NAMES[0]);
    owner.fills("#request-label", NAMES[4]);
    owner.makes("new-request");
    owner.closes();
    owner.sees("thing");
    assert_eq!(owner.text("name"), NAMES[4]);
    harmless(&owner);
    for place in ["file-requests", "keys", "audit", "usage"] {
        owner.visits(place);
        owner.until(
            "it is told",
            "return document.querySelector('[data-view]:not([hidden]) [data-slot=items]').children.length > 0",
        );
        harmless(&owner);
    }
}

#[test]
fn what_a_page_does_beyond_its_policy_is_noticed() {
    let house = House::open();
    let reader = browser();
    reader.go(&house.url);
    assert!(reader.complaints().is_empty());
    let _begun: bool = reader.eval("document.body.append(Object.assign(document.createElement('img'), { src: 'http://localhost:1/x.png' })); return true");
    let violation = "return document.querySelector('img[src*=localhost]').complete";
    reader.until("it was tried", violation);
    assert!(reader.complaints().iter().any(|one| one.contains("Content Security Policy")));
    let _thrown: bool = reader.eval("setTimeout(() => { throw new Error('unseen'); }); return true");
    until("it is noticed", || reader.complaints().iter().any(|one| one.contains("unseen")));
}
