//! Whatever cannot be accepted is refused with its place named, and changes nothing.

use serde_json::{Value, json};

use super::harness::{Api, Backend, claim_key};

/// A body that is right, with one field set or, for null, left out.
fn with(body: &Value, field: &str, value: Value) -> Value {
    let mut body = body.clone();
    match value {
        Value::Null => drop(body.as_object_mut().unwrap().remove(field)),
        value => body[field] = value,
    }
    body
}

/// Nothing was made, and no event tells of anything.
#[track_caller]
fn assert_nothing_changed(api: &Api) {
    assert_eq!(api.history().len(), 2);
    for list in ["shares", "uploads", "objects", "links", "artifacts"] {
        assert_eq!(api.get(api.admin(), &format!("/v1/{list}")).expect(200)["items"], json!([]), "{list}");
    }
    for list in ["api-keys", "tenants"] {
        let items = &api.get(api.admin(), &format!("/v1/{list}")).expect(200)["items"];
        assert_eq!(items.as_array().unwrap().len(), 1, "{list}");
    }
}

/// Every fault of the table is refused at its place.
#[track_caller]
fn assert_refused(api: &Api, route: &str, right: &Value, faults: Vec<(&str, Value, &str)>) {
    for (field, value, pointer) in faults {
        let body = with(right, field, value);
        let problem = api.post(api.admin(), route, &body).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(pointer), "{body} {problem:?}");
        assert!(problem.detail.is_some_and(|detail| !detail.is_empty()), "{body}");
    }
    assert_nothing_changed(api);
    api.post(api.admin(), route, right).expect(201);
}

const NOT_TEXTS: [fn() -> Value; 5] = [|| json!(5), || json!(true), || json!([]), || json!({}), || json!(1.5)];

/// Texts that are no path of a file.
fn not_paths() -> Vec<String> {
    let long = "a".repeat(256);
    let texts = [
        "",
        "..",
        ".",
        "../a",
        "a/..",
        "a/../b",
        "a/./b",
        "./a",
        "/a",
        "//",
        "a//b",
        "\\",
        "a\\b",
        "..\\a",
        "a\0",
        "a\nb",
        "a\u{7f}",
        "a\u{85}",
        "a\u{202e}b",
        "a\u{200b}",
        "%2e%2e/a",
        "a/%2E%2e/b",
        "%252e%252e/a",
        "%25252e/a",
        "a%2fb",
        "a%5cb",
        "a%00",
        "%25%32%65",
        "a\u{feff}",
        &long,
    ];
    let mut texts: Vec<_> = texts.iter().map(ToString::to_string).collect();
    texts.push(vec!["a".repeat(200); 5].join("/"));
    texts.push("é".repeat(128));
    texts
}

fn not_labels() -> Vec<Value> {
    ["", "a\nb", "a\0", "a\u{202e}b", &"x".repeat(201)].map(|text| json!(text)).into()
}

/// Numbers of seconds that no lifetime takes.
fn not_spans() -> Vec<Value> {
    vec![
        json!(-1),
        json!(0),
        json!(900.5),
        json!(9e2),
        json!("900"),
        json!(u64::MAX),
        json!(true),
        json!([900]),
        json!({}),
    ]
}

#[test]
fn shares() {
    let api = Api::start(Backend::Embedded);
    let right = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true });
    let mut faults = vec![
        ("paths", Value::Null, ""),
        ("paths", json!([]), "/paths"),
        ("paths", json!((0..101).map(|number| format!("f{number}")).collect::<Vec<_>>()), "/paths"),
        ("paths", json!("a.txt"), "/paths"),
        ("paths", json!({ "0": "a.txt" }), "/paths"),
        ("permission", Value::Null, ""),
        ("permission", json!("admin"), "/permission"),
        ("permission", json!("READ"), "/permission"),
        ("permission", json!(""), "/permission"),
        ("permission", json!("read,write"), "/permission"),
        ("permission", json!(["read"]), "/permission"),
        ("allow_missing", json!("true"), "/allow_missing"),
        ("allow_missing", json!(1), "/allow_missing"),
        // Not there, and not allowed to be.
        ("allow_missing", json!(false), "/paths"),
        ("tenant", json!("ten_1"), "/tenant"),
        ("id", json!("shr_1"), "/id"),
        ("allowed_networks", json!([]), "/allowed_networks"),
        (
            "allowed_networks",
            json!((0..51).map(|last| format!("192.0.2.{last}")).collect::<Vec<_>>()),
            "/allowed_networks",
        ),
        ("allowed_networks", json!("10.0.0.0/8"), "/allowed_networks"),
        ("allowed_networks", json!(["10.0.0.0/8", "10.0.0.0/33"]), "/allowed_networks/1"),
        ("allowed_networks", json!(["office"]), "/allowed_networks/0"),
        ("allowed_networks", json!([1]), "/allowed_networks/0"),
        ("redemptions", json!(0), "/redemptions"),
        ("redemptions", json!(1_001), "/redemptions"),
        ("redemptions", json!(-1), "/redemptions"),
        ("redemptions", json!("2"), "/redemptions"),
        ("not_before", json!("2001-01-01T00:00:00Z"), "/not_before"),
        ("not_before", json!("2999-01-01T00:00:00Z"), "/not_before"),
        ("not_before", json!("soon"), "/not_before"),
        ("not_before", json!(0), "/not_before"),
        ("Paths", json!([]), "/Paths"),
    ];
    for path in not_paths() {
        faults.push(("paths", json!(["fine.txt", path]), "/paths/1"));
    }
    faults.extend(NOT_TEXTS.map(|value| ("paths", json!([value()]), "/paths/0")));
    faults.extend(NOT_TEXTS.map(|value| ("label", value(), "/label")));
    faults.extend(not_labels().into_iter().map(|label| ("label", label, "/label")));
    for field in ["expires_in", "access_expires_in"] {
        let pointer = if field == "expires_in" { "/expires_in" } else { "/access_expires_in" };
        faults.extend(not_spans().into_iter().map(|span| (field, span, pointer)));
    }
    for wrong in ["", "900", "2026-13-01T00:00:00Z", "2026-11-22", "2026-11-22T00:00:00"] {
        faults.push(("expires_at", json!(wrong), "/expires_at"));
    }
    faults.push(("expires_at", json!(1_800_000_000), "/expires_at"));
    assert_refused(&api, "/v1/shares", &right, faults);
}

#[test]
fn api_keys() {
    let api = Api::start(Backend::Embedded);
    let right = json!({ "grants": [{ "path": "docs/", "permission": "read" }] });
    let grant = |path: Value, permission: Value| json!([{ "path": path, "permission": permission }]);
    let mut faults = vec![
        ("grants", Value::Null, ""),
        ("grants", json!([]), "/grants"),
        ("grants", json!(vec![json!({ "path": "a", "permission": "read" }); 101]), "/grants"),
        ("grants", json!({}), "/grants"),
        ("grants", grant(json!("a"), json!("owner")), "/grants/0/permission"),
        ("grants", json!([{ "path": "a" }]), "/grants/0"),
        ("grants", json!([{ "path": "a", "permission": "read", "deny": true }]), "/grants/0/deny"),
        ("mode", json!("Live"), "/mode"),
        ("mode", json!(""), "/mode"),
        ("mode", json!(1), "/mode"),
        ("largest_upload", json!(-1), "/largest_upload"),
        ("largest_upload", json!("1"), "/largest_upload"),
        ("largest_upload", json!(1.5), "/largest_upload"),
        ("operator", json!(true), "/operator"),
        ("tenant", json!("ten_1"), "/tenant"),
        ("secret", json!("crk_live_x"), "/secret"),
    ];
    faults.extend(not_paths().into_iter().map(|path| ("grants", grant(json!(path), json!("read")), "/grants/0/path")));
    faults.extend(not_labels().into_iter().map(|label| ("label", label, "/label")));
    faults.extend(not_spans().into_iter().map(|span| ("expires_in", span, "/expires_in")));
    assert_refused(&api, "/v1/api-keys", &right, faults);
}

#[test]
fn tenants() {
    let api = Api::start(Backend::Embedded);
    let mut faults =
        vec![("name", Value::Null, ""), ("id", json!("ten_1"), "/id"), ("suspended", json!(false), "/suspended")];
    faults.extend(NOT_TEXTS.map(|value| ("name", value(), "/name")));
    faults.extend(not_labels().into_iter().map(|name| ("name", name, "/name")));
    assert_refused(&api, "/v1/tenants", &json!({ "name": "Second" }), faults);
}

#[test]
fn redemptions() {
    let api = Api::start(Backend::Embedded);
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let key = claim_key();
    let right = json!({ "token": minted.token, "claim_key": key });
    let wrong_keys = [
        String::new(),
        "short".into(),
        key[..42].into(),
        format!("{key}A"),
        format!("{key}="),
        format!("{}=", &key[..42]),
        format!("{}+", &key[..42]),
        format!("{}/", &key[..42]),
        // The last character has two bits that no byte needs.
        format!("{}B", "A".repeat(42)),
        " ".repeat(43),
        "é".repeat(43),
        "0".repeat(64),
    ];
    let mut faults: Vec<_> = wrong_keys.iter().map(|key| ("claim_key", json!(key), "/claim_key")).collect();
    faults.extend(NOT_TEXTS.map(|value| ("claim_key", value(), "/claim_key")));
    faults.extend(NOT_TEXTS.map(|value| ("token", value(), "/token")));
    faults.push(("claim_key", Value::Null, ""));
    faults.push(("token", Value::Null, ""));
    faults.push(("password", json!("x"), "/password"));
    for (field, value, pointer) in faults {
        let body = with(&right, field, value);
        let problem = api.public("/v1/shares/redeem", &body).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(pointer), "{body} {problem:?}");
        let text = serde_json::to_string(&problem).unwrap();
        assert!(!text.contains(&minted.token) && !text.contains(&key), "{text}");
    }
    assert_eq!(api.happened("share.claimed", &minted.id), 0);
    api.redeem(&minted.token, &key).expect(200);
}

/// Routes that take a body, with one that would be right.
fn posts() -> [(&'static str, Value); 7] {
    [
        ("/v1/shares", json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true })),
        ("/v1/api-keys", json!({ "grants": [{ "path": "/", "permission": "read" }] })),
        ("/v1/tenants", json!({ "name": "Second" })),
        ("/v1/uploads", json!({ "path": "a.txt", "size": 1, "content_type": "text/plain" })),
        ("/v1/shares/redeem", json!({ "token": "crs_x", "claim_key": claim_key() })),
        ("/v1/shares/redeem/preview", json!({ "token": "crs_x" })),
        ("/v1/objects/downloads", json!({ "path": "a.txt" })),
    ]
}

#[test]
fn bodies_that_are_no_json_or_too_large() {
    let api = Api::start(Backend::Embedded);
    for (route, right) in posts() {
        let post = |body: &[u8]| {
            let call = api.call("POST", route).bearer(api.admin()).header("content-type", "application/json");
            call.body(body).send()
        };
        let text = right.to_string();
        for broken in
            ["", "{", "}", &text[..text.len() - 1], &format!("{text} {text}"), &format!("{text}x"), "\u{feff}{}"]
        {
            post(broken.as_bytes()).problem(400, "malformed");
        }
        let not_text = post(b"{\"a\":\"\xff\"}");
        assert!([400, 422].contains(&not_text.status), "{not_text:?}");
        for other in ["null", "[]", "5", "\"text\"", "true"] {
            post(other.as_bytes()).problem(422, "invalid");
        }
        let deep = post("[".repeat(100_000).as_bytes());
        assert!([400, 422].contains(&deep.status), "{deep:?}");
        let twice = text.replacen('{', &format!("{{{},", &text[1..text.len() - 1]), 1);
        post(twice.as_bytes()).problem(422, "invalid");

        let padded = |bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
        post(padded(256 * 1024 + 1).as_bytes()).problem(413, "body_too_large");
        for kind in
            ["text/plain", "application/x-www-form-urlencoded", "text/json", "application/json2", "multipart/form-data"]
        {
            let call = api.call("POST", route).bearer(api.admin()).header("content-type", kind);
            call.body(text.as_bytes()).send().problem(415, "not_json");
        }
        api.call("POST", route).bearer(api.admin()).body(text.as_bytes()).send().problem(415, "not_json");
    }
    assert_nothing_changed(&api);
    let charset =
        api.call("POST", "/v1/tenants").bearer(api.admin()).header("content-type", "application/json; charset=utf-8");
    charset.body(b"{\"name\":\"Second\"}").send().expect(201);
}

#[test]
fn other_sites_and_other_names() {
    let api = Api::start(Backend::Embedded);
    let own = format!("http://127.0.0.1:{}", api.ports[0]);
    for (route, right) in posts() {
        for origin in [
            "https://evil.example",
            "null",
            "",
            "http://127.0.0.1",
            &format!("https://127.0.0.1:{}", api.ports[0]),
            &format!("{own}/"),
            &format!("{own}.evil.example"),
            &format!("http://localhost:{}", api.ports[0]),
            &format!("http://127.0.0.1:{}", api.ports[1]),
        ] {
            let call = api.call("POST", route).bearer(api.admin()).header("origin", origin).json(&right);
            call.send().problem(403, "wrong_origin");
        }
        for host in
            ["evil.example", "localhost", "127.0.0.1", &format!("127.0.0.1:{}", api.ports[1]), "127.0.0.1.evil.example"]
        {
            let call = api.call("POST", route).bearer(api.admin()).header("host", host).json(&right);
            call.send().problem(421, "wrong_host");
        }
    }
    for host in ["evil.example", "localhost", &format!("localhost:{}", api.ports[0])] {
        api.call("GET", "/v1/shares").bearer(api.admin()).header("host", host).send().problem(421, "wrong_host");
        // A person is shown the way; the fragment, which holds the token, comes along in the browser.
        let page = api.call("GET", "/s").header("host", host).send();
        assert_eq!((page.status, page.header("location")), (307, format!("{own}/s").as_str()), "{page:?}");
        let away = api.call("GET", "//evil.example/s").header("host", host).send();
        assert!(away.status == 421 || away.header("location").starts_with(&format!("{own}/")), "{away:?}");
    }
    for host in ["evil.example", &own["http://".len()..], "x.localhost"] {
        let answer = api.call_content("GET", host, "/v1/shares").send();
        assert_eq!((answer.status, answer.json()["code"].as_str()), (421, Some("wrong_host")), "{answer:?}");
    }
    for (method, path) in [("DELETE", "/v1/shares/shr_1"), ("DELETE", "/v1/api-keys/key_1")] {
        let call = api.call(method, path).bearer(api.admin()).header("origin", "https://evil.example");
        call.send().problem(403, "wrong_origin");
    }
    assert_nothing_changed(&api);
    for (route, right) in posts() {
        let status = api.call("POST", route).bearer(api.admin()).header("origin", &own).json(&right).send().status;
        assert!([200, 201, 404].contains(&status), "{route} {status}");
    }
}

#[test]
fn unknown_routes_ids_and_methods() {
    let api = Api::start(Backend::Embedded);
    for path in [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v2/shares",
        "/v1/shares/a/b",
        "/v1/Shares",
        "/v1/shares//",
        "/x",
        "/v1/%00",
        "/v1/shares/%ff",
    ] {
        api.get(api.admin(), path).problem(404, "not_found");
        // What could be an id is on a route, but one that knows no POST.
        let posted = api.call("POST", path).bearer(api.admin()).json(&json!({})).send();
        let code = if posted.status == 405 { "method_not_allowed" } else { "not_found" };
        assert!(posted.status == 404 || path.starts_with("/v1/shares/"), "{path}");
        posted.problem(posted.status, code);
    }
    let id = "0".repeat(32);
    for kind in ["shares", "uploads", "artifacts", "links", "api-keys"] {
        for wrong in
            ["x", "shr_", &format!("xyz_{id}"), &format!("shr_{id}"), &format!("shr_{id}0"), &id, "..%2f..", "%00", "*"]
        {
            api.get(api.admin(), &format!("/v1/{kind}/{wrong}")).problem(404, "not_found");
            api.delete(api.admin(), &format!("/v1/{kind}/{wrong}")).problem(404, "not_found");
        }
    }
    for (method, path) in [
        ("PUT", "/v1/shares"),
        ("PATCH", "/v1/shares"),
        ("DELETE", "/v1/shares"),
        ("GET", "/v1/shares/redeem/preview"),
        ("GET", "/v1/shares/redeem"),
        ("DELETE", "/v1/shares/redeem"),
        ("POST", "/v1/session"),
        ("PUT", "/v1/api-keys/key_1"),
        ("POST", "/v1/tenants/x"),
        ("TRACE", "/v1/shares"),
    ] {
        let answer = api.call(method, path).bearer(api.admin()).json(&json!({})).send();
        answer.problem(405, "method_not_allowed");
    }
    for path in [
        "/v1/objects/..",
        "/v1/objects/a/../b",
        "/v1/objects/%2e%2e/a",
        "/v1/objects/a%2f..%2fb",
        "/v1/objects/%252e%252e",
    ] {
        let answer = api.call("GET", path).bearer(api.admin()).send();
        assert!([404, 422].contains(&answer.status), "{path} {answer:?}");
    }
    assert_nothing_changed(&api);
}
