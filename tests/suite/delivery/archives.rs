//! Many files as one ZIP: what arrives is what was asked for, readable by other programs; and what
//! cannot be finished is seen to be broken off.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use cloakroom::{
    domain::{ids::ObjectId, path::VaultPath},
    objects::ObjectKey,
};
use serde_json::{Value, json};

use super::{
    away::{Fails, Step, served},
    words::unpacked,
};
use crate::api::{
    harness::{Answer, Api, Session, text},
    laboratory::Laboratory,
};

fn archive(api: &Api, bearer: &str, body: &Value) -> Answer {
    api.post(bearer, "/v1/session/archives", body)
}

#[track_caller]
fn files(api: &Api, bearer: &str, body: &Value) -> Vec<(String, String)> {
    let answer = archive(api, bearer, body);
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/zip"), "{answer:?}");
    unpacked(&answer.body)
}

fn pairs(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
}

fn setting(api: &Api) -> Session {
    for (path, text) in
        [("docs/a.txt", "a"), ("docs/b/c.txt", "c"), ("docs/b/empty", ""), ("x.txt", "x"), ("y.txt", "y")]
    {
        api.upload(api.admin(), path, text.as_bytes());
    }
    api.open(&api.mint(api.admin(), "read", &["docs/", "x.txt"]))
}

pub fn files_come_as_one_zip_that_other_programs_read(api: &Api) {
    let names = ["docs/🎉 fête.txt", "docs/שלום.txt", "docs/con.txt", "docs/A.txt", "docs/a.TXT", "docs/<b>\"'&?.txt"];
    for name in names {
        api.upload(api.admin(), name, name.as_bytes());
    }
    let large = vec![b'l'; 3 * 1024 * 1024 + 1];
    let declared =
        api.declare_as(api.admin(), &json!({ "path": "docs/large", "size": large.len(), "content_type": "a/b" }));
    api.put(&declared, &large);
    api.complete(api.admin(), &text(&declared, "id")).expect(200);
    let session = api.open(&api.mint(api.admin(), "read", &["docs/"])).token;
    let answer = archive(api, &session, &json!({}));
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"docs.zip\"");
    let mut found = unpacked(&answer.body);
    let (name, bytes) = found.iter_mut().find(|(name, _)| name == "docs/large").map(std::mem::take).unwrap();
    assert_eq!((name.as_str(), bytes.len()), ("docs/large", large.len()));
    found.retain(|(name, _)| !name.is_empty());
    found.sort();
    let mut expected = pairs(&[
        ("docs/🎉 fête.txt", names[0]),
        ("docs/שלום.txt", names[1]),
        ("docs/_con.txt", names[2]),
        ("docs/A.txt", names[3]),
        ("docs/a (2).TXT", names[4]),
        ("docs/_b__'&_.txt", names[5]),
    ]);
    expected.sort();
    assert_eq!(found, expected);

    let of_owner = api.post(api.admin(), "/v1/objects/archives", &json!({ "paths": ["docs/con.txt"], "name": "../é" }));
    assert_eq!(of_owner.header("content-disposition"), "attachment; filename=\"__.zip\"; filename*=UTF-8''_%C3%A9.zip");
    assert_eq!(unpacked(&of_owner.body), pairs(&[("_con.txt", "docs/con.txt")]));
}

pub fn a_session_packs_what_it_reaches_and_nothing_else(api: &Api) {
    let session = setting(api).token;
    let all = pairs(&[("docs/a.txt", "a"), ("docs/b/c.txt", "c"), ("docs/b/empty", ""), ("x.txt", "x")]);
    for everything in
        [json!({}), json!({ "paths": [] }), json!({ "paths": ["/"] }), json!({ "paths": ["/", "docs/", "x.txt"] })]
    {
        assert_eq!(files(api, &session, &everything), all, "{everything}");
    }
    // What all have in common is not repeated.
    assert_eq!(files(api, &session, &json!({ "paths": ["docs/b/"] })), pairs(&[("b/c.txt", "c"), ("b/empty", "")]));
    assert_eq!(files(api, &session, &json!({ "paths": ["docs/b/c.txt"] })), pairs(&[("c.txt", "c")]));
    assert_eq!(
        files(api, &session, &json!({ "paths": ["docs/a.txt", "docs/b/c.txt"] })),
        pairs(&[("a.txt", "a"), ("b/c.txt", "c")])
    );
    for foreign in ["y.txt", "x.txt/", "x.txt.bak", "do/", "d"] {
        archive(api, &session, &json!({ "paths": [foreign] })).problem(422, "invalid");
        archive(api, &session, &json!({ "paths": ["x.txt", foreign] })).problem(422, "invalid");
    }
    // As much as the minter may read.
    let minter = api.new_key(api.admin(), "live", &[("docs/b/", "read"), ("x.txt", "read")]);
    let narrow = api.open(&api.mint(&minter.secret, "read", &["docs/b/", "x.txt"])).token;
    assert_eq!(
        files(api, &narrow, &json!({ "paths": ["docs/"] })),
        pairs(&[("c.txt", "c"), ("empty", "")])
            .into_iter()
            .map(|(name, text)| (format!("docs/b/{name}"), text))
            .collect::<Vec<_>>()
    );
    let of_key = api.post(&minter.secret, "/v1/objects/archives", &json!({}));
    assert_eq!(unpacked(&of_key.body), pairs(&[("docs/b/c.txt", "c"), ("docs/b/empty", ""), ("x.txt", "x")]));
}

/// What a form of this kind answers.
fn form(api: &Api, session: &Session, origin: Option<&str>, fields: &str) -> Answer {
    let cookie = format!("cloakroom-{}={}", session.id, session.token);
    let call = api.call("POST", "/v1/session/archives").header("content-type", "application/x-www-form-urlencoded");
    let call = origin.into_iter().fold(call.header("cookie", &cookie), |call, origin| call.header("origin", origin));
    call.body(fields.as_bytes()).send()
}

pub fn the_own_page_alone_saves_an_archive_by_a_form(api: &Api) {
    let session = setting(api);
    let origin = api.broker().settings.public_url.clone();
    let request = "%7B%22paths%22%3A%5B%22x.txt%22%5D%2C%22name%22%3A%22a+b%22%7D";
    let fields = format!("session={}&request={request}", session.id);
    let answer = form(api, &session, Some(&origin), &fields);
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"a b.zip\"");
    assert_eq!(unpacked(&answer.body), pairs(&[("x.txt", "x")]));

    for foreign in [None, Some("null"), Some("http://evil.example"), Some("http://localhost:1"), Some("")] {
        form(api, &session, foreign, &fields).problem(403, "wrong_origin");
    }
    for (wrong, status, code) in [
        (format!("session={}", session.id), 400, "malformed"),
        (format!("request={request}"), 400, "malformed"),
        (format!("{fields}&more=1"), 400, "malformed"),
        (format!("session={}&request=x", session.id), 400, "malformed"),
        (format!("session={}&request=%7B%22paths%22%3A1%7D", session.id), 422, "invalid"),
        (format!("session={}&request=%7B%22more%22%3A1%7D", session.id), 422, "invalid"),
        (format!("session=ses_{}&request={request}", "0".repeat(32)), 401, "no_session"),
    ] {
        form(api, &session, Some(&origin), &wrong).problem(status, code);
    }
    // A bearer token in a form is nobody's cookie; and no other route takes a form.
    let call = api.call("POST", "/v1/session/archives").bearer(&session.token).header("origin", &origin);
    let call = call.header("content-type", "application/x-www-form-urlencoded").body(fields.as_bytes());
    call.send().problem(401, "no_session");
    let call = api.call("POST", "/v1/session/downloads").bearer(&session.token).header("origin", &origin);
    let call = call.header("content-type", "application/x-www-form-urlencoded").body(fields.as_bytes());
    call.send().problem(415, "not_json");
}

pub fn what_cannot_be_packed_is_refused(api: &Api) {
    let session = setting(api).token;
    let nothing = api.open(&api.mint(api.admin(), "read", &["none.txt", "nowhere/"])).token;
    archive(api, &nothing, &json!({})).problem(404, "not_found");
    for (body, pointer) in [
        (json!({ "paths": ["../x"] }), "/paths/0"),
        (json!({ "paths": "x.txt" }), "/paths"),
        (json!({ "paths": vec!["x.txt"; 1_001] }), "/paths"),
        (json!({ "name": "x".repeat(201) }), "/name"),
        (json!({ "names": [] }), "/names"),
    ] {
        let problem = archive(api, &session, &body).problem(422, "invalid");
        assert_eq!(problem.pointer.unwrap_or_default(), pointer, "{body}");
    }
    api.public("/v1/session/archives", &json!({})).problem(401, "no_session");
    archive(api, api.admin(), &json!({})).problem(401, "no_session");
    api.post(&session, "/v1/objects/archives", &json!({})).problem(401, "unauthenticated");
    assert_eq!(api.history().iter().filter(|(kind, _)| kind == "archive.issued").count(), 0);
}

/// Which bytes are under this path now.
fn object(api: &Api, path: &str) -> ObjectKey {
    let row = api.row(&format!("vault#{}", api.ledger()), path);
    let body = api.broker().keyring.authentic(&row.key.partition, &row.key.sort, &row.body).unwrap();
    let body = String::from_utf8_lossy(body);
    let begin = body.find("obj_").unwrap();
    let id: ObjectId = body[begin..begin + 36].parse().unwrap();
    let namespace = api.events(&api.ledger())[0].namespace;
    ObjectKey::vault(namespace, id)
}

pub fn what_was_deleted_meanwhile_is_named(api: &Api) {
    let session = setting(api).token;
    api.upload(api.admin(), "docs/MISSING.txt", b"mine");
    // As it is between the deletion of a file and that of its row, as a list of a moment ago has it.
    for path in ["docs/a.txt", "docs/b/c.txt"] {
        api.wait(api.broker().objects.delete(&object(api, path))).unwrap();
    }
    let found = files(api, &session, &json!({ "paths": ["docs/"] }));
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["docs/MISSING.txt", "docs/b/empty", "MISSING.txt"]);
    let lines: Vec<_> = found[2].1.lines().skip(2).collect();
    assert_eq!(lines, ["docs/a.txt", "docs/b/c.txt"]);
}

pub fn more_files_than_a_page_come_once_each(api: &Api) {
    // As many as it takes to go on with a list, where that is quick.
    let count = if api.rounds() > 2 { 450 } else { 12 };
    for number in 0..count {
        api.wait(api.broker().put_sample(namespace(api), &path(&format!("many/{number:04}")), &number.to_string()))
            .unwrap();
    }
    api.upload(api.admin(), "many.txt", b"beside");
    let session = api.open(&api.mint(api.admin(), "read", &["many/", "many/0001", "many.txt"])).token;
    let found = files(api, &session, &json!({}));
    let mut expected: Vec<_> = (0..count).map(|number| (format!("many/{number:04}"), number.to_string())).collect();
    expected.insert(0, ("many.txt".into(), "beside".into()));
    assert_eq!(found, expected);
    let issued = api.history().into_iter().filter(|(kind, _)| kind == "archive.issued").count();
    assert_eq!(issued, 1);
}

fn namespace(api: &Api) -> cloakroom::domain::tenant::Namespace {
    api.events(&api.ledger())[0].namespace
}

fn path(text: &str) -> VaultPath {
    VaultPath::parse(text).unwrap()
}

/// An archive whose receiver reads as it likes.
struct Slow(TcpStream);

impl Slow {
    fn begin(api: &Api, session: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", api.ports[0])).unwrap();
        let head = format!(
            "POST /v1/session/archives HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nauthorization: Bearer {session}\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}",
            api.ports[0]
        );
        stream.write_all(head.as_bytes()).unwrap();
        Self(stream)
    }

    /// The status line, and not one byte that need not be read for it.
    fn status(&mut self) -> String {
        let mut line = [0; 12];
        self.0.read_exact(&mut line).unwrap();
        String::from_utf8_lossy(&line).into_owned()
    }

    /// All that comes, and whether it ended as a body in chunks does.
    fn rest(mut self) -> (Vec<u8>, bool) {
        let mut rest = Vec::new();
        // A connection that is reset has ended, too.
        let _ = self.0.read_to_end(&mut rest);
        let ended = rest.ends_with(b"\r\n0\r\n\r\n");
        (rest, ended)
    }
}

/// Files larger than what connections hold by themselves.
fn large(api: &Api, key: &str, count: usize) {
    let bytes = vec![b'z'; 1024 * 1024];
    for number in 0..count {
        api.upload(key, &format!("large/{number}"), &bytes);
    }
}

#[test]
fn a_storage_that_fails_midway_breaks_the_archive_off() {
    let (api, away) = served();
    large(&api, api.admin(), 3);
    let session = api.open(&api.mint(api.admin(), "read", &["large/"])).token;
    for step in [Step::Read, Step::ReadOn] {
        away.plan(step, Fails::Undone, 1);
        let (_, ended) = Slow::begin(&api, &session).rest();
        assert!(!ended && !away.is_planned(), "{step:?}");
    }
    let (bytes, ended) = Slow::begin(&api, &session).rest();
    assert!(ended && bytes.len() > 3 * 1024 * 1024);
}

#[test]
fn a_running_archive_outlives_its_time_and_ends_with_its_share() {
    for revoke in [false, true] {
        let (api, clock, _) = Laboratory::served();
        large(&api, api.admin(), 24);
        let minted = api.mint(api.admin(), "read", &["large/"]);
        let session = api.open(&minted).token;
        let mut slow = Slow::begin(&api, &session);
        assert_eq!(slow.status(), "HTTP/1.1 200");
        if revoke {
            api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(204);
            clock.advance(Duration::from_secs(1));
        } else {
            clock.advance(Duration::from_secs(3_600));
            api.get(&session, "/v1/session").problem(401, "no_session");
        }
        let (bytes, ended) = slow.rest();
        assert_eq!(ended, !revoke);
        assert_eq!(bytes.len() > 24 * 1024 * 1024, !revoke);
        assert_eq!(api.happened("archive.issued", &minted.id), 1);
    }
}

#[test]
fn few_archives_are_sent_at_a_time() {
    let (api, _, _) = Laboratory::served();
    large(&api, api.admin(), 24);
    let session = |api: &Api| api.open(&api.mint(api.admin(), "read", &["large/"])).token;
    let first = session(&api);
    let mut held: Vec<_> = (0..4).map(|_| Slow::begin(&api, &first)).collect();
    for slow in &mut held {
        assert_eq!(slow.status(), "HTTP/1.1 200");
    }
    let refused = archive(&api, &first, &json!({ "paths": ["large/0"] }));
    refused.problem(429, "too_many_at_once");
    assert_eq!(refused.header("retry-after"), "5");
    let hold = |held: &mut Vec<Slow>, session: &dyn Fn() -> String, until: usize| {
        while held.len() < until {
            let another = session();
            for _ in 0..4 {
                let mut slow = Slow::begin(&api, &another);
                assert_eq!(slow.status(), "HTTP/1.1 200");
                held.push(slow);
            }
        }
    };
    hold(&mut held, &|| session(&api), 16);
    let last = session(&api);
    archive(&api, &last, &json!({ "paths": ["large/0"] })).problem(429, "too_many_at_once");
    // That was one vault's share of them; others have theirs.
    let other = api.new_key(api.admin(), "test", &[("/", "admin")]).secret;
    large(&api, &other, 24);
    hold(&mut held, &|| api.open(&api.mint(&other, "read", &["large/"])).token, 32);
    archive(&api, &last, &json!({ "paths": ["large/0"] })).problem(503, "busy");
    // Whoever hangs up or has it all gives the place back.
    held.clear();
    while archive(&api, &last, &json!({ "paths": ["large/0"] })).status == 503 {}
}

#[test]
fn an_archive_that_cannot_be_recorded_is_not_sent() {
    let (api, _, faults) = Laboratory::served();
    api.upload(api.admin(), "a.txt", b"a");
    let session = api.open(&api.mint(api.admin(), "read", &["a.txt"])).token;
    faults.plan(std::iter::repeat_n(cloakroom::store::faulty::Fault::Failed, 1_000));
    archive(&api, &session, &json!({})).problem(503, "unavailable");
}
