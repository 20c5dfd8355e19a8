//! A request whose body is held back has the rights of when it is whole, not
//! of when it began.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

use super::{
    harness::{Api, Backend},
    laboratory::Laboratory,
};

/// A POST of which all but the last byte has been sent.
struct Held {
    stream: TcpStream,
    rest: [u8; 1],
}

fn hold(api: &Api, bearer: &str, path: &str, body: &Value) -> Held {
    let body = body.to_string();
    let (sent, rest) = body.as_bytes().split_at(body.len() - 1);
    let mut stream = TcpStream::connect(("127.0.0.1", api.ports[0])).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nauthorization: Bearer {bearer}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        api.ports[0],
        body.len(),
    );
    stream.write_all(&[head.as_bytes(), sent].concat()).unwrap();
    Held { stream, rest: rest.try_into().unwrap() }
}

impl Held {
    fn released(mut self) -> String {
        self.stream.write_all(&self.rest).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

#[test]
fn a_key_revoked_meanwhile_does_nothing() {
    let api = Api::start(Backend::Embedded);
    let key = api.new_key(api.admin(), "live", &[("/", "admin")]);
    let bodies = [
        ("/v1/api-keys", json!({ "grants": [{ "path": "/", "permission": "admin" }] })),
        ("/v1/shares", json!({ "paths": ["docs/"], "permission": "read" })),
        ("/v1/uploads", json!({ "path": "a", "size": 1, "content_type": "text/plain" })),
    ];
    let held: Vec<_> = bodies.iter().map(|(path, body)| hold(&api, &key.secret, path, body)).collect();
    api.delete(api.admin(), &format!("/v1/api-keys/{}", key.id)).expect(204);
    for held in held {
        assert!(held.released().contains(" 401 "));
    }
}

#[test]
fn a_session_revoked_meanwhile_does_nothing() {
    let api = Api::start(Backend::Embedded);
    api.upload(api.admin(), "a.txt", b"a");
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let session = api.open(&minted).token;
    let held = hold(&api, &session, "/v1/session/downloads", &json!({ "path": "a.txt" }));
    api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(204);
    assert!(held.released().contains(" 401 "));
}

/// Byte after byte, so that nobody could say that it stands still.
#[test]
fn a_body_that_drips_is_cut_off_and_holds_up_nobody() {
    let (api, _, _) = Laboratory::served();
    let begun = |length: usize| {
        let mut stream = TcpStream::connect(("127.0.0.1", api.ports[0])).unwrap();
        let head = format!(
            "POST /v1/shares/redeem HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{{",
            api.ports[0],
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let mut dripping: Vec<_> = (0..100).map(|_| (begun(60_000), Vec::new())).collect();
    while dripping.iter().any(|(_, answer)| answer.is_empty()) {
        // Everybody else is answered all the while.
        api.preview("crs_x").problem(404, "dead_token");
        for (stream, answer) in dripping.iter_mut().filter(|(_, answer)| answer.is_empty()) {
            let (_dripped, mut buffer) = (stream.write(b" "), [0; 1_024]);
            let read = stream.read(&mut buffer).unwrap_or_default();
            answer.extend_from_slice(&buffer[..read]);
        }
    }
    for (_, answer) in dripping {
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("too_slow"), "{answer}");
    }
}
