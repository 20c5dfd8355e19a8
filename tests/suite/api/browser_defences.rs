//! What browsers are told by every answer, and what is refused because of what they tell: by every route that is
//! documented, whatever comes, on each of the three listeners.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
};

use serde_json::json;

use super::{
    calls::Call,
    harness::{Answer, Api},
};

const SESSION: &str = "/v1/console/session";

/// A label of an artifact that nobody published.
const LABEL: &str = "0123456789012345678901234567890123456789";

/// What every answer says, but for the values that a kind of answer has of its own.
#[track_caller]
fn assert_defended(answer: &Answer, what: &str) {
    for (name, values) in [
        // Artifacts frame their own pages. What is stored names who frames it in its policy, which browsers that
        // know it obey instead.
        ("x-frame-options", &["DENY", "SAMEORIGIN"][..]),
        ("x-content-type-options", &["nosniff"]),
        ("referrer-policy", &["no-referrer", "same-origin", "strict-origin"]),
        ("cross-origin-opener-policy", &["same-origin"]),
        ("cross-origin-resource-policy", &["same-origin", "cross-origin"]),
    ] {
        let found: Vec<_> = answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        assert!(found.len() == 1 && values.contains(&found[0]), "{what}: {name}: {answer:?}");
    }
    assert!(answer.header("permissions-policy").contains("camera=()"), "{what}: {answer:?}");
    let policies: Vec<_> = answer.headers.get_all("content-security-policy").iter().collect();
    let framing = policies.iter().any(|policy| policy.to_str().unwrap().contains("frame-ancestors"));
    assert!(framing, "{what}: {answer:?}");
    assert!(!answer.header("cache-control").is_empty(), "{what}: {answer:?}");
    for name in ["server", "x-powered-by", "access-control-allow-credentials", "strict-transport-security"] {
        assert!(!answer.headers.contains_key(name), "{what}: {name}: {answer:?}");
    }
}

/// Every documented route, and the pages, with something in the places of a path.
fn routes(api: &Api) -> Vec<(String, String)> {
    let document = api.call("GET", "/openapi.json").send().expect(200);
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let filled: Vec<_> =
                path.split('/').map(|segment| if segment.starts_with('{') { "x" } else { segment }).collect();
            routes.push((method.to_uppercase(), filled.join("/")));
        }
    }
    assert!(routes.len() > 80, "the description was not read");
    for page in [
        "/",
        "/s",
        "/l",
        "/r",
        "/session/x",
        "/console",
        "/console/files",
        "/console/sign-in/x",
        "/console/sign-in/x/callback",
        "/assets/x/en/x",
        "/docs",
        "/openapi.json",
        "/nothing",
    ] {
        routes.push(("GET".into(), page.into()));
    }
    routes
}

pub fn every_route_of_the_api_defends_every_answer(api: &Api) {
    let bearer = api.admin();
    for (method, path) in routes(api) {
        let call = || api.call(&method, &path);
        let other = |method: &str| api.call(method, &path);
        for (what, answer) in [
            ("a stranger", call().send()),
            ("no body", call().bearer(bearer).send()),
            ("a broken body", call().bearer(bearer).header("content-type", "application/json").body(b"{").send()),
            ("another type", call().bearer(bearer).header("content-type", "text/plain").body(b"x").send()),
            ("a wrong query", other("GET").bearer(bearer).send()),
            ("another method", other("LINK").send()),
            ("another host", call().header("host", "evil.example").send()),
            ("another site", call().header("origin", "https://evil.example").send()),
            ("a preflight", other("OPTIONS").header("origin", "https://evil.example").send()),
            ("a look", other("HEAD").send()),
        ] {
            assert_defended(&answer, &format!("{method} {path}, {what}"));
            assert!(answer.status < 500, "{method} {path}, {what}: {answer:?}");
        }
    }
}

pub fn the_other_listeners_defend_every_answer(api: &Api) {
    let content = format!("localhost:{}", api.ports[1]);
    let label = format!("{LABEL}.{content}");
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "LINK"];
    for host in [content.as_str(), &label, "evil.example", &format!("x.{content}"), "localhost", "127.0.0.1"] {
        for path in ["/", "/o/x", "/o/%ff", "/o/", "/nothing", "/.cloakroom/enter", "/%", "/.well-known/security.txt"] {
            for method in methods {
                let answer = api.call_content(method, host, path).send();
                assert_defended(&answer, &format!("{method} {host} {path}"));
                let is_known = host == content || host == label;
                assert_eq!(answer.status == 421, !is_known, "{method} {host} {path}: {answer:?}");
            }
        }
    }
    for (host, is_known) in [("localhost", true), ("10.1.2.3:80", true), ("evil.example", false)] {
        for path in ["/healthz", "/readyz", "/metrics", "/nothing", "/healthz/"] {
            for method in methods {
                let url = format!("http://127.0.0.1:{}{path}", api.ports[2]);
                let answer = api.call_url(method, &url).header("host", host).send();
                assert_defended(&answer, &format!("{method} {host} {path}"));
                assert_eq!(answer.status == 421, !is_known, "{method} {host} {path}: {answer:?}");
            }
        }
    }
}

/// What comes back for these bytes, once nothing more comes.
fn sent(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    // A connection that is reset has been answered too.
    let _reset = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

pub fn what_is_no_request_is_refused_with_nothing_to_show(api: &Api) {
    for port in api.ports {
        let host = format!("host: 127.0.0.1:{port}\r\n");
        for broken in [
            "nonsense\r\n\r\n".to_owned(),
            format!("GET / HTTP/1.1\r\n{host}no colon\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n{host}a b: c\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n{host}a: \0\r\n\r\n"),
            format!("GET / HTTP/9.9\r\n{host}\r\n"),
            format!("G\u{e9}T / HTTP/1.1\r\n{host}\r\n"),
            format!("POST / HTTP/1.1\r\n{host}content-length: x\r\n\r\n"),
            format!("POST / HTTP/1.1\r\n{host}content-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
            format!("POST / HTTP/1.1\r\n{host}transfer-encoding: x\r\n\r\n"),
        ] {
            let answer = sent(port, &broken);
            assert_eq!(status(&answer), "400", "{broken:?}: {answer}");
            // Refused before there is a request: nothing that a browser could render, run or frame.
            assert!(answer.contains("content-length: 0\r\n"), "{broken:?}: {answer}");
            assert!(!answer.to_lowercase().contains("content-type"), "{broken:?}: {answer}");
        }
    }
}

pub fn a_host_is_named_once_and_exactly(api: &Api) {
    let [public, content, ops] = api.ports;
    // Where the bytes are in S3, this listener has nothing under its own name.
    let stored = sent(content, &format!("GET /o/x HTTP/1.1\r\nhost: localhost:{content}\r\n\r\n"));
    let stored = status(&stored);
    assert!(["403", "404"].contains(&stored), "{stored}");
    let cases = [
        (public, "127.0.0.1", "/v1/session", "401"),
        (content, "localhost", "/o/x", stored),
        (ops, "localhost", "/healthz", "200"),
    ];
    for (port, name, path, reached) in cases {
        let own = format!("{name}:{port}");
        let ask = |target: &str, lines: &str| sent(port, &format!("GET {target} HTTP/1.1\r\n{lines}\r\n"));
        let upper = own.to_uppercase();
        for (target, lines) in [
            (path.to_owned(), format!("host: {own}\r\n")),
            (path.to_owned(), format!("HOST: {upper}\r\n")),
            (format!("http://{own}{path}"), format!("host: {own}\r\n")),
        ] {
            assert_eq!(status(&ask(&target, &lines)), reached, "{target} {lines}");
        }
        for (target, lines) in [
            (path.to_owned(), String::new()),
            (path.to_owned(), "host:\r\n".to_owned()),
            (path.to_owned(), format!("host: {own}\r\nhost: {own}\r\n")),
            (path.to_owned(), format!("host: {own}\r\nhost: evil.example\r\n")),
            (path.to_owned(), format!("host: evil.example\r\nhost: {own}\r\n")),
            (path.to_owned(), format!("host: evil.example\r\nx-forwarded-host: {own}\r\nforwarded: host={own}\r\n")),
            (path.to_owned(), format!("host: {name}.:{port}\r\n")),
            (path.to_owned(), format!("host: {own}.evil.example\r\n")),
            (path.to_owned(), format!("host: evil.example:{port}\r\n")),
            (path.to_owned(), format!("host: x@{own}\r\n")),
            (path.to_owned(), format!("host: {own}, {own}\r\n")),
            (format!("http://evil.example{path}"), format!("host: {own}\r\n")),
            (format!("http://{own}{path}"), "host: evil.example\r\n".to_owned()),
        ] {
            let answer = ask(&target, &lines);
            assert!(["421", "400"].contains(&status(&answer)), "{target} {lines:?}: {answer}");
        }
        // Without its port, or with another, a host is another one, but for the operator's listener.
        let other = if port == ops { reached } else { "421" };
        for host in [name.to_owned(), format!("{name}:1")] {
            assert_eq!(status(&ask(path, &format!("host: {host}\r\n"))), other, "{host}");
        }
    }
}

/// What browsers say of a page of a sibling host, of another site, and of what is no script's request.
const FOREIGN: [&[(&str, &str)]; 6] = [
    &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")],
    &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate")],
    &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-site")],
];

fn with<'api>(call: Call<'api>, headers: &[(&str, &str)]) -> Call<'api> {
    headers.iter().fold(call, |call, (name, value)| call.header(name, value))
}

pub fn no_route_is_changed_by_a_page_that_is_not_ours(api: &Api) {
    let console = api.sign_in(api.admin());
    let own = format!("http://127.0.0.1:{}", api.ports[0]);
    for (method, path) in routes(api).into_iter().filter(|(method, _)| method != "GET") {
        for foreign in FOREIGN {
            // The archives form is a navigation, from our own page.
            if path == "/v1/session/archives"
                && foreign.contains(&("sec-fetch-site", "same-origin"))
                && foreign.len() == 2
                && foreign[1].1 == "navigate"
            {
                continue;
            }
            // A browser that left Origin out, or was made to send ours, is not let in either.
            for origin in [None, Some(&own)] {
                let call = with(api.call(&method, &path).console(&console), foreign);
                let call = origin.into_iter().fold(call, |call, origin| call.header("origin", origin));
                call.json(&json!({})).send().problem(403, "wrong_origin");
            }
        }
    }
    api.call("GET", SESSION).console(&console).send().expect(200);
    // Looking is not changing: people follow links from anywhere.
    for foreign in FOREIGN {
        assert_eq!(with(api.call("GET", "/console"), foreign).send().status, 200);
    }
    let mint =
        || api.call("POST", "/v1/shares").json(&json!({ "paths": ["a"], "permission": "read", "allow_missing": true }));
    let script = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), ("origin", own.as_str())];
    with(mint().console(&console), &script).send().expect(201);
    with(mint().console(&console), &[("sec-fetch-site", "none")]).send().expect(201);
    mint().bearer(api.admin()).send().expect(201);
}

pub fn cookies_that_a_sibling_sets_sign_nobody_in(api: &Api) {
    let (victim, attacker) = (api.sign_in(api.admin()), api.sign_in(api.admin()));
    let share = json!({ "paths": ["a"], "permission": "read", "allow_missing": true });
    let pairs: BTreeMap<&str, String> = BTreeMap::from([
        // A sibling may add cookies for the whole site, before or behind ours.
        ("its session too", format!("cloakroom-console={}; {}", attacker.secret, victim.cookies())),
        ("its session behind", format!("{}; cloakroom-console={}", victim.cookies(), attacker.secret)),
        ("made up", format!("{}; cloakroom-console=x", victim.cookies())),
    ]);
    for (what, cookies) in pairs {
        for csrf in [&victim.csrf, &attacker.csrf] {
            let call = api.call("POST", "/v1/shares").header("cookie", &cookies).header("cloakroom-csrf", csrf);
            let answer = call.json(&share).send();
            assert!([401, 403].contains(&answer.status), "{what}: {answer:?}");
        }
    }
    // A token of another session, with a cookie that says the same: what counts is whose session it is.
    let cookies = format!("cloakroom-console={}; cloakroom-csrf={}", victim.secret, attacker.csrf);
    let call = api.call("POST", "/v1/shares").header("cookie", &cookies).header("cloakroom-csrf", &attacker.csrf);
    let answer = call.json(&share).send();
    assert!([401, 403].contains(&answer.status), "{answer:?}");
    assert_eq!(api.get(api.admin(), "/v1/shares").expect(200)["items"], json!([]));
}
