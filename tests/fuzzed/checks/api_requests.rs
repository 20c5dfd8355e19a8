//! Any request to the API and its pages: it is answered, in time, by an answer that is well-formed and described; nothing
//! breaks; and who has no credential gets nothing that is not for everybody.

use std::sync::MutexGuard;

use serde_json::Value;

use super::{
    house::{House, assert_nothing_panicked, enter},
    routes::{self, Route},
    wire::{Answer, ask, read},
};

/// Two bytes say which route, one says who asks. After that come a line with parameters of the path, with `|` between,
/// and a query; headers, one a line; an empty line; and a body. Of whom there is none, the rest goes to the socket as it is.
pub fn check(data: &[u8]) {
    let Some((&[high, low, who], rest)) = data.split_first_chunk::<3>() else { return };
    let house = enter();
    let open = house.as_ref().expect("it is open");
    let (bytes, is_spliced) = open.spliced(rest);
    let port = open.api.ports[0];
    if who >= 0xf0 {
        let answer = read(&ask(port, &bytes, true), bytes.starts_with(b"HEAD "));
        drop(house);
        if let Some(answer) = answer {
            assert!(answer.status < 500, "{answer:?}");
        }
    } else {
        let route = routes::at(u16::from_be_bytes([high, low]));
        let (caller, has_credential) = caller(open, who);
        let request = request(route, &caller, &bytes, port);
        let answer = read(&ask(port, &request, false), route.method == "HEAD");
        drop::<MutexGuard<'_, _>>(house);
        let answer = answer.unwrap_or_else(|| panic!("no answer to {}", String::from_utf8_lossy(&request)));
        judge(route, &answer, has_credential || is_spliced, &request);
    }
    assert_nothing_panicked();
}

/// The headers of who asks, and whether they show anything.
fn caller(house: &House, who: u8) -> (String, bool) {
    let bearer = |secret: &str| (format!("authorization: Bearer {secret}\r\n"), true);
    let console = &house.console;
    match who % 9 {
        0 => bearer(house.api.admin()),
        1 => bearer(&house.member),
        2 => bearer(&house.session),
        3 => bearer(&house.delivery),
        4 => bearer(&house.stranger),
        5 => bearer(&house.test),
        6 => (format!("cookie: {}\r\ncloakroom-csrf: {}\r\n", console.cookies(), console.csrf), true),
        7 => (format!("cookie: {}\r\n", console.cookies()), true),
        _ => (String::new(), false),
    }
}

/// A request whose form is right, however wrong it is in what it says.
fn request(route: &Route, caller: &str, input: &[u8], port: u16) -> Vec<u8> {
    let (head, body) = match input.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (input, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let target = target(route.pattern, lines.next().unwrap_or_default());
    let mut request = format!("{} {target} HTTP/1.1\r\n{caller}", route.method).into_bytes();
    let (mut has_host, mut has_type) = (false, false);
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = line[..colon].to_ascii_lowercase();
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        // These say where the request ends, which is said below; after an upgrade it has no end.
        let frames: [&[u8]; 5] = [b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"];
        if name.is_empty() || !name.iter().all(is_token) || frames.contains(&&*name) {
            continue;
        }
        has_host |= name == b"host";
        has_type |= name == b"content-type";
        request.extend_from_slice(&name);
        request.push(b':');
        request.extend(line[colon + 1..].iter().filter(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..)));
        request.extend_from_slice(b"\r\n");
    }
    if !has_host {
        request.extend(format!("host: 127.0.0.1:{port}\r\n").into_bytes());
    }
    if !has_type && !body.is_empty() {
        request.extend_from_slice(b"content-type: application/json\r\n");
    }
    request.extend(format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes());
    request.extend_from_slice(body);
    request
}

/// The path with its parameters, which stay within their places, and the query.
fn target(pattern: &str, line: &[u8]) -> String {
    let (parameters, query) = match line.iter().position(|byte| *byte == b'?') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[][..]),
    };
    let mut parameters = parameters.split(|byte| *byte == b'|');
    let mut target = String::new();
    for segment in pattern.split('/').skip(1) {
        target.push('/');
        match segment.strip_prefix('{') {
            None => target.push_str(segment),
            Some(_) => {
                let value = parameters.next().unwrap_or_default();
                // Without one, or as the way to another place, it would be another route.
                let is_way = value.iter().all(|byte| *byte == b'.');
                target.push_str(if is_way { "-" } else { "" });
                value.iter().for_each(|byte| push_encoded(&mut target, *byte, |byte| byte.is_ascii_alphanumeric()));
            }
        }
    }
    if !query.is_empty() {
        target.push('?');
        query.iter().for_each(|byte| push_encoded(&mut target, *byte, |byte| byte.is_ascii_graphic() && byte != b'#'));
    }
    target
}

fn push_encoded(text: &mut String, byte: u8, is_plain: impl Fn(u8) -> bool) {
    match byte {
        b'-' | b'_' | b'.' | b'~' => text.push(char::from(byte)),
        byte if is_plain(byte) => text.push(char::from(byte)),
        byte => text.push_str(&format!("%{byte:02X}")),
    }
}

fn judge(route: &Route, answer: &Answer, has_credential: bool, request: &[u8]) {
    let Route { method, pattern, is_public, described } = route;
    let told = || format!("{}\n\n{answer:?}", String::from_utf8_lossy(request));
    let status = answer.status;
    assert!(status < 500, "{}", told());
    assert!(route.describes(status), "{method} {pattern} may answer {described:?}: {}", told());
    if !has_credential && !is_public {
        assert!(status >= 300, "{method} {pattern} is not for everybody: {}", told());
    }
    let content_type = answer.header("content-type").unwrap_or_default();
    if content_type.starts_with("application/json") && *method != "HEAD" {
        assert!(serde_json::from_slice::<Value>(&answer.body).is_ok(), "{}", told());
    }
    // What is refused before the broker is asked has no body, nor an id.
    if pattern.starts_with("/v1/") && status >= 400 && !answer.body.is_empty() {
        assert_eq!(content_type, "application/problem+json", "{}", told());
        let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", told()));
        assert_eq!(problem["status"], status, "{}", told());
        assert_eq!(problem["request_id"].as_str(), answer.header("request-id"), "{}", told());
    }
}
