//! Seeds of what is asked over HTTP: each route rightly, once or more, and each upload and download.

use crate::checks::routes::{Route, all as routes, place};

type Seeds = (&'static str, Vec<Vec<u8>>);

const ADMIN: u8 = 0;
const SESSION: u8 = 2;
const DELIVERY: u8 = 3;
const CONSOLE: u8 = 6;
const NOBODY: u8 = 8;
const RAW: u8 = 0xff;

/// What a route takes, with marks (`\x1a` and a letter) where something genuine belongs.
const BODIES: [(&str, &str); 50] = [
    ("POST /v1/shares", r#"{"paths":["docs/a.txt"],"permission":"read","label":"x","metadata":{"a":"b"}}"#),
    (
        "POST /v1/shares",
        r#"{"paths":["docs/"],"permission":"write","expires_in":60,"access_expires_in":60,"redemptions":2,"not_before":"2027-01-15T09:00:00Z","allowed_networks":["127.0.0.0/8"],"allow_missing":true,"message":"hello"}"#,
    ),
    ("POST /v1/shares", r#"{"paths":["docs/a.txt"],"permission":"read","recipients":["ada@example.org"]}"#),
    ("POST /v1/shares/redeem", "{\"token\":\"\x1aD\",\"claim_key\":\"\x1aO\"}"),
    ("POST /v1/shares/redeem", "{\"token\":\"\x1aT\",\"claim_key\":\"\x1aO\"}"),
    ("POST /v1/shares/redeem/code", "{\"token\":\"\x1aD\",\"address\":\"ada@example.org\"}"),
    ("POST /v1/shares/redeem/preview", "{\"token\":\"\x1aD\"}"),
    ("POST /v1/shares/revoke", r#"{"metadata":{"a":"b"}}"#),
    ("PATCH /v1/shares/{id}", r#"{"expires_in":60}"#),
    ("POST /v1/session/downloads", r#"{"path":"docs/a.txt"}"#),
    ("POST /v1/session/downloads/batch", r#"{"paths":["docs/a.txt"]}"#),
    ("POST /v1/session/archives", r#"{"paths":["docs/a.txt"]}"#),
    ("POST /v1/session/moves", "{\"claim_key\":\"\x1aO\"}"),
    ("POST /v1/session/uploads", r#"{"path":"docs/n.txt","size":1,"content_type":"text/plain","method":"post"}"#),
    ("POST /v1/session/uploads/batch", r#"{"items":[{"path":"docs/n.txt","size":1,"content_type":"text/plain"}]}"#),
    ("POST /v1/session/uploads/{id}/parts", r#"{"parts":[{"number":1}]}"#),
    ("POST /v1/artifacts", r#"{"paths":["docs/a.txt"]}"#),
    ("POST /v1/links", "{\"artifact\":\"\x1aH\",\"expires_in\":60,\"password\":\"a password of length\"}"),
    ("POST /v1/links/redeem", "{\"token\":\"\x1aF\",\"claim_key\":\"\x1aO\"}"),
    (
        "POST /v1/links/redeem",
        "{\"token\":\"\x1aW\",\"claim_key\":\"\x1aO\",\"recipient\":{\"address\":\"ada@example.org\",\"code\":\"01234567\"}}",
    ),
    ("POST /v1/links/redeem/code", "{\"token\":\"\x1aW\",\"address\":\"ada@example.org\"}"),
    ("POST /v1/links/redeem/preview", "{\"token\":\"\x1aF\"}"),
    ("POST /v1/links/revoke", r#"{"metadata":{"a":"b"}}"#),
    ("PATCH /v1/links/{id}", r#"{"expires_in":60}"#),
    ("POST /v1/file-requests", r#"{"folder":"in/","content_types":["image/*"],"limits":{"bytes":10,"files":1}}"#),
    ("POST /v1/file-requests/redeem", "{\"token\":\"\x1aI\",\"claim_key\":\"\x1aO\",\"name\":\"Ada\"}"),
    ("POST /v1/file-requests/redeem/preview", "{\"token\":\"\x1aI\"}"),
    (
        "POST /v1/uploads",
        r#"{"path":"docs/n.txt","size":1,"content_type":"text/plain","sha256":"5e4f67c5c24c645488f573352fe12673f7a3a3d2c7392bdb0e16f46040e57a18","overwrite":true}"#,
    ),
    ("POST /v1/uploads/batch", r#"{"items":[{"path":"docs/n.txt","size":1,"content_type":"text/plain"}]}"#),
    ("POST /v1/uploads/sweep", r#"{"dry_run":true}"#),
    ("POST /v1/uploads/{id}/parts", r#"{"parts":[{"number":1}]}"#),
    ("POST /v1/objects/reconcile", r#"{"dry_run":true}"#),
    ("POST /v1/objects/downloads", r#"{"path":"docs/a.txt"}"#),
    ("POST /v1/objects/archives", r#"{"paths":["docs/a.txt"]}"#),
    ("POST /v1/api-keys", r#"{"mode":"live","role":"member","grants":[{"path":"docs/","permission":"read"}]}"#),
    ("PATCH /v1/api-keys/{id}", r#"{"label":"new"}"#),
    ("POST /v1/users", r#"{"issuer":"https://id.example","subject":"2","grants":[{"path":"/","permission":"read"}]}"#),
    ("PATCH /v1/users/{id}", r#"{"label":"new"}"#),
    ("POST /v1/data-subjects/export", r#"{"address":"ada@example.org"}"#),
    ("POST /v1/data-subjects/find", r#"{"address":"ada@example.org"}"#),
    ("POST /v1/data-subjects/erase", r#"{"address":"gone@example.org"}"#),
    ("POST /v1/data-subjects/correct", r#"{"address":"typo@example.org","to":"right@example.org"}"#),
    ("POST /v1/webhooks", r#"{"url":"https://inside.example/","types":["share.*"],"description":"x"}"#),
    ("PATCH /v1/webhooks/{id}", r#"{"description":"new"}"#),
    ("POST /v1/webhooks/{id}/replay", r#"{"after":1}"#),
    ("PUT /v1/tenants/{id}/quota", r#"{"bytes":1}"#),
    ("PUT /v1/tenants/{id}/allowed-origins", r#"{"origins":["https://app.example"]}"#),
    ("POST /v1/tenants/{id}/impersonations", r#"{"reason":"a test","role":"admin","expires_in":3600}"#),
    ("POST /v1/console/session", "{\"api_key\":\"\x1aB\"}"),
    ("POST /v1/console/qr", r#"{"text":"https://share.example/s"}"#),
];

/// Queries that lists take.
const QUERIES: [(&str, &str); 6] = [
    ("GET /v1/shares", "limit=1&status=active&created_after=2026-01-01T00:00:00Z&metadata.a=b"),
    ("GET /v1/audit", "limit=2&order=asc&type=share.created&actor=\x1aM&after=9999-12-31T23:59:59-23:59"),
    ("GET /v1/objects", "prefix=docs/&limit=1&cursor=AQEBAgME"),
    ("GET /v1/events", "after=1&types=share.*"),
    ("GET /v1/events/ws", "ticket=\x1aY"),
    ("GET /v1/audit/verify", "from=1&to=2"),
];

pub fn all() -> Vec<Seeds> {
    vec![("api_requests", api()), ("content_requests", content())]
}

fn api() -> Vec<Vec<u8>> {
    let mut inputs: Vec<_> = routes().flat_map(of_route).collect();
    let [shares, objects, page] =
        [place("GET", "/v1/shares"), place("POST", "/v1/shares"), place("GET", "/s")].map(u16::to_be_bytes);
    let with = |route: [u8; 2], who: u8, rest: &str| [&route[..], &[who], rest.as_bytes()].concat();
    let share = r#"{"paths":["docs/a.txt"],"permission":"read"}"#;
    inputs.extend([
        with(
            objects,
            ADMIN,
            &format!("\nidempotency-key: order-17\ncontent-type: application/json; charset=utf-8\n\n{share}"),
        ),
        with(objects, NOBODY, &format!("\nauthorization: Bearer \x1aA\n\n{share}")),
        with(
            objects,
            NOBODY,
            &format!("\ncookie: cloakroom-console=\x1aP; cloakroom-csrf=\x1aQ\ncloakroom-csrf: \x1aQ\n\n{share}"),
        ),
        with(objects, ADMIN, &format!("\ncontent-type: text/plain\n\n{share}")),
        with(objects, ADMIN, &format!("\ncontent-encoding: gzip\n\n{share}")),
        with(shares, CONSOLE, "\norigin: https://app.example\nreferer: http://127.0.0.1/\nsec-fetch-site: cross-site"),
        with(
            shares,
            ADMIN,
            "\nx-forwarded-for: 10.0.0.1, 192.0.2.1\nforwarded: for=192.0.2.1\nhost: elsewhere.example",
        ),
        with(shares, ADMIN, "\nauthorization: Basic eDp5\naccept: */*\naccept-language: de-DE,de;q=0.9"),
        with(page, NOBODY, "\nif-none-match: \"x\", W/\"y\"\nrange: bytes=0-1\ncookie: a=b; c; =d"),
    ]);
    inputs.push([&with(objects, ADMIN, "\nidempotency-key: \u{e4}"), &b"\xff\n\n{}"[..]].concat());
    let raw = [
        "GET /v1/shares HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \x1aA\r\nconnection: close\r\n\r\n",
        "POST /v1/shares HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \x1aA\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "GET /v1/objects/docs%2Fa.txt HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \x1aA\r\n\r\n",
        "GET /v1/objects/../../etc/passwd HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: x\r\norigin: https://app.example\r\naccess-control-request-method: POST\r\n\r\n",
        "GET http://x/console?next=%2F HTTP/1.1\r\nhost: y\r\n\r\n",
        "GET /v1/events/ws?ticket=\x1aY HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "POST /v1/shares/redeem HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n{\"a\":",
    ];
    inputs.extend(raw.map(|raw| with([0, 0], RAW, raw)));
    inputs
}

/// A route asked with each body and query that is known of it.
fn of_route(Route { method, pattern, .. }: &Route) -> Vec<Vec<u8>> {
    let route = format!("{method} {pattern}");
    let who = match *pattern {
        _ if pattern.contains("redeem") => NOBODY,
        _ if pattern.starts_with("/v1/session/uploads") && pattern.ends_with("batch") => DELIVERY,
        _ if pattern.starts_with("/v1/session") => SESSION,
        _ if pattern.starts_with("/v1/") => ADMIN,
        _ => NOBODY,
    };
    let id = match *pattern {
        _ if pattern.ends_with("/parts") => "\x1aU",
        _ if pattern.contains("/uploads/") => "\x1aL",
        _ if pattern.contains("/links/") => "\x1aG",
        _ if pattern.contains("/artifacts/") => "\x1aH",
        _ if pattern.contains("/file-requests/") => "\x1aJ",
        _ if pattern.contains("/api-keys/") => "\x1aM",
        _ if pattern.contains("/users/") => "\x1aR",
        _ if pattern.contains("/webhooks/") => "\x1aS|1",
        _ if pattern.contains("/tenants/") => "\x1aN",
        _ if pattern.contains("/signing-keys/") => "\x1aV",
        _ if pattern.contains("/objects/") => "docs/a.txt",
        _ if pattern.contains("/assets/") => "1|en|page.css",
        _ if pattern.contains("{id}") => "\x1aE",
        _ => "work",
    };
    let id = if pattern.contains('{') { id } else { "" };
    let begin = [&place(method, pattern).to_be_bytes()[..], &[who], id.as_bytes()].concat();
    let bodies = BODIES.iter().filter(|(of, _)| *of == route).map(|(_, body)| format!("\n\n{body}"));
    let queries = QUERIES.iter().filter(|(of, _)| *of == route).map(|(_, query)| format!("?{query}"));
    let mut inputs: Vec<_> = bodies.chain(queries).map(|rest| [&begin, rest.as_bytes()].concat()).collect();
    if inputs.is_empty() {
        let rest = if matches!(*method, "GET" | "HEAD" | "DELETE") { "" } else { "\n\n{}" };
        inputs.push([&begin, rest.as_bytes()].concat());
    }
    inputs
}

fn content() -> Vec<Vec<u8>> {
    let put = |place: &str, more: &str| {
        format!(
            "PUT \x1a{place} HTTP/1.1\r\nhost: \x1aH\r\n{more}content-length: \x1aN\r\nconnection: close\r\n\r\nwhat was agreed"
        )
    };
    let agreed = "content-type: text/plain\r\nif-none-match: *\r\n";
    let sum = "x-amz-checksum-sha256: \x1aS\r\n";
    let field =
        |name: &str, value: &str| format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let file = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\nContent-Type: text/plain\r\n\r\nwhat was agreed\r\n--B--\r\n";
    let form = |fields: &[String]| {
        format!(
            "POST \x1aF HTTP/1.1\r\nhost: \x1aH\r\ncontent-type: multipart/form-data; boundary=B\r\ncontent-length: \x1aN\r\nconnection: close\r\n\r\n{}{file}",
            fields.concat()
        )
    };
    let (key, kind, sha256) =
        (field("key", "\x1aK"), field("Content-Type", "text/plain"), field("x-amz-checksum-sha256", "\x1aS"));
    let get =
        |method: &str, more: &str| format!("{method} \x1aG HTTP/1.1\r\nhost: \x1aH\r\n{more}connection: close\r\n\r\n");
    let browse = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: \x1aA\r\ncookie: \x1aC\r\n{more}connection: close\r\n\r\n")
    };
    let texts = [
        put("P", &format!("{agreed}{sum}")),
        put("P", agreed),
        put("U", agreed),
        put("U", &format!("{agreed}content-encoding: gzip\r\n")),
        put("U", &format!("{agreed}content-range: bytes 0-14/15\r\nx-amz-acl: public-read\r\n")),
        // As long as was agreed, and other bytes; and other headers.
        put("P", &format!("{agreed}{sum}")).replace("agreed", "agreeD"),
        put("P", &format!("{agreed}{sum}")).replace("text/plain", "text/html"),
        put("P", &format!("{agreed}{sum}")).replace(" *", " \"x\""),
        put("U", agreed).replace("\x1aN", "14"),
        put("U", agreed).replace("agreed", "agreed!"),
        put("M", sum).replace("agreed", "agreeD"),
        put("M", sum),
        put("M", &format!("{sum}content-range: bytes 0-14/15\r\n")),
        "PUT \x1aU HTTP/1.1\r\nhost: \x1aH\r\ncontent-type: text/plain\r\nif-none-match: *\r\ntransfer-encoding: chunked\r\n\r\nf\r\nwhat was agreed\r\n0\r\n\r\n".into(),
        form(&[key.clone(), kind.clone(), sha256.clone()]),
        form(&[sha256.clone(), kind.clone(), key.clone()]),
        form(&[key.clone(), kind.clone(), sha256.clone()]).replace("agreed", "agreeD"),
        form(&[key.clone(), kind.clone(), sha256.clone()]).replace("text/plain", "text/html"),
        form(&[key.clone(), kind.clone(), sha256.clone()]).replace("agreed\r\n--B--", "agreed"),
        form(&[key.clone(), kind.clone()]),
        form(&[key.clone(), kind, sha256, field("policy", "eyJhIjoxfQ==")]),
        get("GET", ""),
        get("HEAD", ""),
        get("GET", "range: bytes=0-0\r\n"),
        get("GET", "range: bytes=990-\r\nif-range: \"x\"\r\n"),
        get("GET", "range: bytes=-10\r\norigin: https://app.example\r\n"),
        get("GET", "range: bytes=1000-\r\n"),
        get("GET", "range: bytes=0-1,5-6\r\nif-none-match: *\r\n"),
        get("OPTIONS", "origin: https://app.example\r\naccess-control-request-method: PUT\r\n"),
        browse("/", ""),
        browse("/index.html", "range: bytes=3-7\r\n"),
        browse("/%69ndex.html?x", "if-none-match: W/\"x\"\r\n"),
        browse("/../index.html", ""),
        "GET / HTTP/1.1\r\nhost: \x1aA\r\nconnection: close\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nhost: \x1aA\r\ncookie: CloudFront-Policy=a; CloudFront-Signature=b; CloudFront-Key-Pair-Id=K1; CloudFront-Hash-Algorithm=SHA256\r\nconnection: close\r\n\r\n".into(),
        "POST /.cloakroom/enter HTTP/1.1\r\nhost: \x1aA\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: \x1aN\r\nconnection: close\r\n\r\ncode=x".into(),
        "GET /o/x HTTP/1.1\r\nhost: \x1aH\r\nconnection: close\r\n\r\n".into(),
    ];
    texts.map(String::into_bytes).into()
}
