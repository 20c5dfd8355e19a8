//! Pages of other origins get nothing done in the session that their reader has in the console.

use std::{
    io::{self, Write},
    net::Shutdown,
};

use serde_json::{Value, json};

use crate::{
    browser::{Browser, browser, until},
    house::{House, Seen},
    relaying::relay,
};

/// What a page of another host tries in the session that its reader has in the console.
const FORGING: &str = r#"
const [api, id] = document.body.dataset.try.split(" ");
const include = { credentials: "include" };
const body = JSON.stringify({ paths: ["docs/"], permission: "read" });
const as = (type) => ({ ...include, method: "POST", headers: { "Content-Type": type }, body });
const forged = { "Content-Type": "application/json", "Cloakroom-CSRF": "x".repeat(43) };
const frame = Object.assign(document.createElement("iframe"), { name: "frame" });
document.body.append(frame);
const form = (path, fields) => new Promise((done) => {
  const made = Object.assign(document.createElement("form"), { method: "post", action: api + path, target: "frame", enctype: "text/plain" });
  for (const [name, value] of Object.entries(fields)) made.append(Object.assign(document.createElement("input"), { name, value }));
  document.body.append(made);
  frame.onload = done;
  made.submit();
});
const tries = {
  "reads who it is": () => fetch(`${api}/v1/console/session`, include),
  "lists": () => fetch(`${api}/v1/objects`, include),
  "makes": () => fetch(`${api}/v1/shares`, as("application/json")),
  "makes, with a header": () => fetch(`${api}/v1/shares`, { ...as("application/json"), headers: forged }),
  "makes, blindly": () => fetch(`${api}/v1/shares`, { ...as("text/plain"), mode: "no-cors" }),
  "ends": () => fetch(`${api}/v1/shares/${id}`, { ...include, method: "DELETE" }),
  "signs out": () => fetch(`${api}/v1/console/session`, { ...include, method: "DELETE" }),
  "signs in as somebody else": () => fetch(`${api}/v1/console/session`, { ...as("text/plain"), mode: "no-cors" }),
  "by a form": () => form("/v1/shares", { [`${body.slice(0, -1)},"label":"`]: '"}' }),
  "frames the console": () => new Promise((done) => { frame.onload = done; frame.src = `${api}/console`; }),
};
const tried = {};
for (const [name, work] of Object.entries(tries)) {
  tried[name] = await work().then((got) => String(got?.status ?? "sent"), () => "refused");
}
let framed = "";
try { framed = frame.contentDocument.body.innerText; } catch {}
document.getElementById("tried").textContent = JSON.stringify({ tried, framed });
"#;

/// The page that tries all that against a thing of the house.
fn page(house: &House, id: &str, script: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Forging</title><body data-try=\"{} {id}\">\
         <pre id=tried></pre>{script}</html>",
        house.url
    )
}

/// What came to the broker from this origin, once all was tried on the page that is shown.
#[track_caller]
fn what_it_tried(house: &House, owner: &Browser, origin: &str) -> Vec<Seen> {
    let tried = owner.until("all was tried", "return document.getElementById('tried')?.textContent");
    let told: Value = serde_json::from_str(tried.as_str().unwrap()).unwrap();
    let tried = told["tried"].as_object().unwrap();
    assert_eq!((tried.len(), &told["framed"]), (10, &json!("")));
    for (name, came) in tried {
        let expected = if ["by a form", "frames the console"].contains(&name.as_str()) { "sent" } else { "refused" };
        assert_eq!(came, expected, "{name}");
    }
    let _noise = owner.complaints();
    let by_it = format!("origin: {origin}\r\n");
    house.seen("").into_iter().filter(|seen| seen.headers.to_lowercase().contains(&by_it)).collect()
}

#[test]
fn a_page_of_another_origin_gets_nothing_done_in_the_consoles_session() {
    let house = House::open();
    house.has(&[("docs/a.bin", "first")]);
    let share = house.shares("read", &["docs/"]);
    let html = page(&house, &share.id, "<script type=module src=forging.js></script>");
    let files = [("index.html", "text/html", html.as_str()), ("forging.js", "text/javascript", FORGING)];
    let site = house.publishes("forging/", &files);
    // Made by somebody else: one's own links are not opened in the console's browser.
    let other = house.api.new_key(house.admin(), "live", &[("/", "admin")]);
    let link = house.api.link(&other.secret, &site.id, json!({}));
    // On another port of the same host, to which the browser sends all cookies along.
    let html = page(&house, &share.id, &format!("<script type=module>{FORGING}</script>"));
    let neighbour = relay(move |arriving| answer(arriving.client, &html));

    let owner = browser();
    owner.signs_in(&house, house.admin());
    let before = house.api.history().len();
    owner.go(&link.url);
    owner.presses("open");
    let from_artifact = what_it_tried(&house, &owner, &format!("http://{}", site.host));
    owner.go(&neighbour);
    let from_neighbour = what_it_tried(&house, &owner, &neighbour);

    let cookies = |seen: &&Seen| seen.headers.contains("cloakroom-console=");
    assert_eq!(from_artifact.iter().filter(cookies).count(), 0, "they are not for pages of another host");
    assert!(from_neighbour.iter().filter(cookies).count() >= 4, "{from_neighbour:#?}");
    for seen in from_artifact.iter().chain(&from_neighbour) {
        let looks = seen.line.starts_with("GET ") || seen.line.starts_with("OPTIONS ");
        assert!(looks || seen.status == "403", "{seen:?}");
    }
    let history = house.api.history();
    let new: Vec<_> = history[before..].iter().map(|(kind, _)| kind.as_str()).collect();
    assert!(new.iter().all(|kind| kind.starts_with("link.")), "{new:?}");
    let shares = house.api.get(house.admin(), "/v1/shares").expect(200);
    assert_eq!(shares["items"].as_array().unwrap().len(), 1);
    assert_eq!(shares["items"][0]["status"], "pending");
    owner.go(&format!("{}/console/files", house.url));
    owner.sees("files");
    until("its session goes on", || house.seen("GET /v1/objects").iter().any(|seen| seen.status == "200"));
}

/// Answers every request with this page.
fn answer(mut client: std::net::TcpStream, html: &str) -> io::Result<()> {
    let length = html.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    client.write_all(head.as_bytes())?;
    client.write_all(html.as_bytes())?;
    client.shutdown(Shutdown::Write)
}
