//! A link's life: a password, the artifact on its own host, and what its script cannot do from there.

use serde_json::{Value, json};

use crate::{browser::browser, house::House};

/// What a script on an artifact's host may try, each under a name, and what came of it.
const CURIOUS: &str = r#"
const [api, other] = document.body.dataset.try.split(" ");
const include = { credentials: "include" };
const text = (response) => response.text();
const element = (tag, more) => new Promise((loaded, failed) => {
  const made = Object.assign(document.createElement(tag), { onerror: failed }, more);
  made.onload = () => loaded(made);
  document.body.append(made);
});
const tries = {
  "cookies of this host": async () => document.cookie,
  "what our pages keep": async () => Object.keys(localStorage).join(),
  "the session": () => fetch(`${api}/v1/session`, include).then(text),
  "the session, named": () => fetch(`${api}/v1/session`, { ...include, headers: { "Cloakroom-Session": "x" } }).then(text),
  "a console session": () => fetch(`${api}/v1/console/session`, include).then(text),
  "a page of ours": () => fetch(`${api}/s`, include).then(text),
  "a page of ours, blindly": () => fetch(`${api}/s`, { ...include, mode: "no-cors" }).then(text),
  "a call": () => fetch(`${api}/v1/session/downloads`,
    { ...include, method: "POST", headers: { "Content-Type": "application/json" }, body: "{\"path\":\"docs/a.bin\"}" }).then(text),
  "a call, blindly": () => fetch(`${api}/v1/session/downloads`,
    { ...include, method: "POST", mode: "no-cors", body: "{\"path\":\"docs/a.bin\"}" }).then(text),
  "the other artifact": () => fetch(`${other}/secret.txt`, include).then(text),
  "the other artifact, blindly": () => fetch(`${other}/secret.txt`, { ...include, mode: "no-cors" }).then(text),
  "a script of the other artifact": () => element("script", { src: `${other}/secret.js` }).then(() => "loaded"),
  "a picture of the other artifact": () => element("img", { src: `${other}/secret.svg` }).then(() => "loaded"),
  "a frame of the other artifact": () => element("iframe", { src: other }).then((frame) => frame.contentDocument.body.innerText),
  "a frame of ours": () => element("iframe", { src: `${api}/s` }).then((frame) => frame.contentDocument.body.innerText),
};
const tried = {};
for (const [name, work] of Object.entries(tries)) {
  tried[name] = await work().then((got) => `got: ${got}`, () => "refused");
}
document.getElementById("tried").textContent = JSON.stringify(tried);
"#;

#[test]
fn a_link_asks_for_its_password_and_opens_the_artifact_on_its_own_host() {
    let house = House::open();
    let page = "<!doctype html><html lang=en><title>Site</title><link rel=stylesheet href=style.css>\
        <h1>hello</h1><script src=script.js></script></html>";
    let files = [
        ("index.html", "text/html; charset=utf-8", page),
        ("style.css", "text/css", "h1 { color: rgb(1, 2, 3) }"),
        ("script.js", "text/javascript", "document.body.dataset.ran = 'yes'"),
    ];
    let site = house.publishes("site/", &files);
    let link = house.api.link(house.admin(), &site.id, json!({ "password": "open sesame" }));
    let reader = browser();
    reader.go(&link.url);
    reader.sees("offer");
    assert_eq!(reader.text("sender"), "First");
    assert!(reader.text("items").contains('3'), "{}", reader.text("items"));
    reader.pictures("link", "offer");

    reader.fills("#password", "open barley");
    reader.presses("open");
    reader.until("it says that this is not it", "return document.querySelector('[data-slot=wrong]').innerText !== ''");
    assert_eq!((reader.address(), house.claims("link", &link.id)), (link.url.clone(), 0));
    reader.pictures("link", "wrong-password");
    reader.fills("#password", "open sesame");
    reader.presses("open");
    reader.until("its script runs", "return document.body?.dataset.ran === 'yes'");
    assert_eq!(reader.address(), format!("http://{}/", site.host));
    let colour: String = reader.eval("return getComputedStyle(document.querySelector('h1')).color");
    assert_eq!(colour, "rgb(1, 2, 3)");
    assert_eq!(house.claims("link", &link.id), 1);

    reader.reload();
    reader.until("its script runs again", "return document.body?.dataset.ran === 'yes'");
    reader.forget_cookies();
    reader.reload();
    reader.finds("main h1");
    let status: u16 = reader.eval("return performance.getEntriesByType('navigation')[0].responseStatus");
    assert_eq!(status, 403);
    reader.pictures("artifact", "not-admitted");

    // Back by the way that this page shows.
    reader.clicks(&format!("a[href=\"{}/l\"]", house.url));
    reader.sees("kept");
    reader.pictures("link", "kept");
    reader.clicks("[data-slot=kept] button");
    reader.until("its script runs again", "return document.body?.dataset.ran === 'yes'");
    assert_eq!(house.claims("link", &link.id), 1);
    for seen in house.seen("") {
        assert!(!seen.line.contains("crl_") && !seen.headers.contains("crl_"), "{seen:?}");
    }
    // The page that was refused is among what the browser complains about.
    let complaints = reader.complaints();
    assert!(complaints.iter().all(|one| one.contains("403")) && complaints.len() == 1, "{complaints:?}");
}

#[test]
fn an_artifacts_script_reaches_neither_our_pages_nor_the_api_nor_another_artifact() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let secrets = [
        ("index.html", "text/html", "<!doctype html><title>Other</title><p id=other>secret"),
        ("secret.txt", "text/plain", "secret"),
        ("secret.js", "text/javascript", "document.body.dataset.secret = 'secret'"),
        ("secret.svg", "image/svg+xml", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
    ];
    let other = house.publishes("other/", &secrets);
    let page = format!(
        "<!doctype html><html lang=en><title>Curious</title><body data-try=\"{} http://{}\"><pre id=tried></pre>\
         <script type=module src=curious.js></script></html>",
        house.url, other.host
    );
    let files = [("index.html", "text/html", page.as_str()), ("curious.js", "text/javascript", CURIOUS)];
    let curious = house.publishes("curious/", &files);

    // Whoever opens it has a session, and the other artifact open in the same browser.
    let reader = browser();
    let share = house.shares("read", &["docs/"]);
    reader.go(&share.url);
    reader.presses("open");
    assert_eq!(reader.listed(), ["a.bin"]);
    reader.go(&house.api.link(house.admin(), &other.id, json!({})).url);
    reader.presses("open");
    reader.finds("#other");
    assert!(reader.complaints().is_empty());

    reader.go(&house.api.link(house.admin(), &curious.id, json!({})).url);
    reader.presses("open");
    let tried = reader.until("all was tried", "return document.getElementById('tried')?.textContent || null");
    let tried: Value = serde_json::from_str(tried.as_str().unwrap()).unwrap();
    // Of its own it may read everything, and there is nothing.
    let empty = ["cookies of this host", "what our pages keep"];
    for (name, came) in tried.as_object().unwrap() {
        let expected = if empty.contains(&name.as_str()) { "got: " } else { "refused" };
        assert_eq!(came, expected, "{name}");
    }
    assert_eq!(tried.as_object().unwrap().len(), 15);
    // What went out blindly changed nothing: the broker refused it.
    let calls = house.seen("POST /v1/session/downloads");
    assert_eq!(calls.iter().map(|seen| seen.status.as_str()).collect::<Vec<_>>(), ["403"], "{calls:?}");
    let complaints = reader.complaints();
    assert!(complaints.iter().all(|one| one.contains(&house.url) || one.contains(&other.host)), "{complaints:#?}");
}
