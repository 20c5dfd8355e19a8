//! What the content listener does beyond the suite: raw requests that no
//! polite client sends, headers that browsers obey, and pages of other origins.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use cloakroom::{
    domain::instant::Instant,
    objects::{Disposition, DownloadContract, ObjectKey, SignedRequest, UploadContract},
};
use sha2::{Digest, Sha256};

use super::bench::{
    ALLOWED_ORIGIN, Answer, Bench, content_type, contract, now, send, send_as, send_form, send_parts, vault,
};

const BYTES: &[u8] = b"what was agreed";

/// Sends these bytes, then nothing more, and gives the first line of the answer.
fn raw(url: &str, request: &[u8]) -> String {
    let host = url.split('/').nth(2).unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    // A connection that is reset has been answered too: with nothing.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

fn head_of(signed: &SignedRequest, more: &str) -> Vec<u8> {
    let path = &signed.url[signed.url.find("/o/").unwrap()..];
    let mut head = format!("{} {path} HTTP/1.1\r\nhost: x\r\n", signed.method);
    for (name, value) in &signed.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    (head + more + "\r\n").into_bytes()
}

fn left_over(bench: &Bench) -> usize {
    std::fs::read_dir(bench.folder().join("incoming")).unwrap().count()
}

#[test]
fn a_lost_connection_leaves_nothing() {
    let bench = Bench::embedded();
    let contract = UploadContract { size: 1_000_000, sha256: None, ..contract(BYTES) };
    let signed = bench.sign_put(&contract);
    for sent in [0, 15, 700_000] {
        let head = head_of(&signed, "content-length: 1000000\r\n");
        let answer = raw(&signed.url, &[head, vec![7; sent]].concat());
        assert!(!answer.contains(" 200 "), "{answer}");
        assert_eq!(bench.bytes(&contract.key), None);
        assert_eq!(left_over(&bench), 0);
    }
    assert_eq!(send(&signed, &vec![7; 1_000_000]).status, 200);
}

#[test]
fn a_broken_form_leaves_nothing() {
    let bench = Bench::embedded();
    let contract = contract(BYTES);
    let signed = bench.sign_post(&contract);
    let mut body = Vec::new();
    for (name, value) in &signed.fields {
        body.extend(format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    body.extend(b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n");
    body.extend(BYTES);
    // The whole file, but the form does not end.
    let head = head_of(
        &signed,
        &format!("content-type: multipart/form-data; boundary=B\r\ncontent-length: {}\r\n", body.len() + 9),
    );
    assert!(!raw(&signed.url, &[head, body.clone()].concat()).contains(" 20"));
    let head = head_of(
        &signed,
        &format!("content-type: multipart/form-data; boundary=B\r\ncontent-length: {}\r\n", body.len()),
    );
    assert!(raw(&signed.url, &[head, body].concat()).contains(" 400 "));
    let head = head_of(&signed, "content-type: text/plain\r\ncontent-length: 15\r\n");
    assert!(raw(&signed.url, &[&head, BYTES].concat()).contains(" 400 "));
    assert_eq!(bench.bytes(&contract.key), None);
    assert_eq!(left_over(&bench), 0);
}

#[test]
fn the_length_must_be_stated_exactly_once() {
    let bench = Bench::embedded();
    let contract = contract(BYTES);
    let signed = bench.sign_put(&contract);
    for (lengths, status) in [
        ("", " 411 "),
        ("transfer-encoding: chunked\r\n", " 411 "),
        ("content-length: 16\r\n", " 400 "),
        ("content-length: 14\r\n", " 400 "),
        ("content-length: +15\r\n", " 400 "),
        ("content-length: 15\r\ncontent-length: 15\r\n", " 400 "),
        ("content-length: 15\r\ntransfer-encoding: chunked\r\n", " 400 "),
    ] {
        let body: &[u8] = if lengths.contains("chunked") { b"f\r\nwhat was agreed\r\n0\r\n\r\n" } else { BYTES };
        let answer = raw(&signed.url, &[&head_of(&signed, lengths), body].concat());
        assert!(answer.contains(status) || answer.contains(" 411 "), "{lengths:?}: {answer}");
        assert_eq!(bench.bytes(&contract.key), None, "{lengths:?}");
    }
    let form = bench.sign_post(&contract);
    let more = "content-type: multipart/form-data; boundary=B\r\ntransfer-encoding: chunked\r\n";
    assert!(raw(&form.url, &head_of(&form, more)).contains(" 411 "));
    assert_eq!(left_over(&bench), 0);
}

#[test]
fn another_length_is_refused_before_anything_is_read() {
    let bench = Bench::embedded();
    let contract = contract(BYTES);
    let (put, form) = (bench.sign_put(&contract), bench.sign_post(&contract));
    let kind = "content-type: multipart/form-data; boundary=B\r\n";
    for (signed, length) in [
        (&put, "content-length: 16\r\n".to_owned()),
        (&put, "content-length: 14\r\n".to_owned()),
        (&form, format!("{kind}content-length: 14\r\n")),
        (&form, format!("{kind}content-length: 90000\r\n")),
    ] {
        // The sender waits, and must be told all the same.
        let mut stream = TcpStream::connect(signed.url.split('/').nth(2).unwrap()).unwrap();
        stream.write_all(&head_of(signed, &length)).unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"HTTP/1.1 400", "{length}");
    }
}

#[test]
fn a_field_after_the_file_is_refused() {
    let bench = Bench::embedded();
    let contract = contract(BYTES);
    let signed = bench.sign_post(&contract);
    for last in ["key", "file", "other"] {
        let mut parts: Vec<(&str, &[u8])> = Vec::new();
        parts.extend(signed.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
        parts.extend([("file", BYTES), (last, b"x".as_slice())]);
        bench.assert_refused(&send_parts(&signed.url, &parts), &contract.key);
    }
    assert_eq!(left_over(&bench), 0);
}

#[test]
fn a_header_sent_twice_is_refused() {
    let bench = Bench::embedded();
    let contract = contract(BYTES);
    let signed = bench.sign_put(&contract);
    let twice = "content-length: 15\r\ncontent-type: text/html\r\n";
    let answer = raw(&signed.url, &[&head_of(&signed, twice), BYTES].concat());
    assert!(answer.contains(" 400 "), "{answer}");
    assert_eq!(bench.bytes(&contract.key), None);
}

#[test]
fn strangers_learn_nothing() {
    let bench = Bench::embedded();
    let key = vault();
    bench.put(&key, "text/plain", BYTES);
    let download = sign_get(&bench, &key, "text/plain").url;
    let upload = bench.sign_put(&contract(BYTES)).url;
    let at = |seconds_ago| Instant::from_unix_seconds(now().as_unix_seconds() - seconds_ago);
    let ended = UploadContract { expires_at: at(60), ..contract(BYTES) };
    let ended = bench.wait(bench.storage.sign_put(&ended, at(120))).unwrap().url;
    let root = &upload[..upload.find("/o/").unwrap()];
    let mut answers = Vec::new();
    for url in [download, ended, format!("{upload}x"), format!("{root}/o/x"), format!("{root}/o/{}", "A".repeat(9000))]
    {
        let answer = send_as("PUT", &url, &BTreeMap::new(), BYTES);
        let mut headers: Vec<_> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
        headers.sort();
        answers.push((answer.status, headers, String::from_utf8(answer.body).unwrap()));
    }
    assert_eq!(answers[0].0, 403);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(answers[0].2.contains("\"status\":403") && !answers[0].2.contains("/o/"));
}

fn sign_get(bench: &Bench, key: &ObjectKey, kind: &str) -> SignedRequest {
    sign_get_of(bench, key, kind, None)
}

fn sign_get_of(bench: &Bench, key: &ObjectKey, kind: &str, sha256: Option<[u8; 32]>) -> SignedRequest {
    let contract = DownloadContract {
        key: key.clone(),
        content_type: content_type(kind),
        disposition: Disposition::Inline { file_name: "a.html".into() },
        sha256,
        expires_at: now().plus(Duration::from_secs(60)),
    };
    bench.wait(bench.storage.sign_get(&contract, now())).unwrap()
}

fn ask(signed: &SignedRequest, method: &str, headers: &[(&str, &str)]) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    send_as(method, &signed.url, &headers, b"")
}

#[test]
fn what_is_shown_can_do_nothing() {
    let bench = Bench::embedded();
    let key = vault();
    bench.put(&key, "text/html", BYTES);
    let answer = send(&sign_get(&bench, &key, "text/html"), b"");
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(answer.header("content-security-policy").ends_with("; sandbox"));
    for (name, value) in [
        ("cache-control", "private, no-store"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.header(name), value);
    }
    let pdf = send(&sign_get(&bench, &key, "application/pdf"), b"");
    // No browser shows a PDF in a sandbox.
    let framing = format!("frame-ancestors {ALLOWED_ORIGIN}");
    assert_eq!(pdf.header("content-security-policy"), framing);
    assert!(answer.headers.get_all("content-security-policy").iter().any(|policy| *policy == framing));
    assert_eq!(pdf.header("content-type"), "application/pdf");
}

#[test]
fn another_object_in_its_place_is_not_answered() {
    let bench = Bench::embedded();
    let key = vault();
    bench.put(&key, "text/plain", BYTES);
    let get = |sha256: [u8; 32]| send(&sign_get_of(&bench, &key, "text/plain", Some(sha256)), b"");
    assert_eq!(get(Sha256::digest(BYTES).into()).body, BYTES);
    let other = get(Sha256::digest(b"other").into());
    assert!(other.status >= 500 && other.body != BYTES, "{}", other.status);
}

#[test]
fn downloads_know_their_bytes() {
    let bench = Bench::embedded();
    let key = vault();
    let etag = bench.put(&key, "text/plain", BYTES).etag.0;
    let signed = sign_get(&bench, &key, "text/plain");
    let head = ask(&signed, "HEAD", &[]);
    assert_eq!((head.status, head.header("content-length"), head.header("etag")), (200, "15", etag.as_str()));
    for known in [etag.clone(), format!("W/{etag}"), format!("\"a\", {etag}"), "*".into()] {
        assert_eq!(ask(&signed, "GET", &[("if-none-match", &known)]).status, 304, "{known}");
    }
    assert_eq!(ask(&signed, "GET", &[("if-none-match", "\"other\"")]).status, 200);
    assert_eq!(ask(&signed, "GET", &[("range", "bytes=0-3"), ("if-range", &etag)]).status, 206);
    assert_eq!(ask(&signed, "GET", &[("range", "bytes=0-3"), ("if-range", "\"other\"")]).body, BYTES);
    let beyond = ask(&signed, "GET", &[("range", "bytes=15-")]);
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */15"));
}

#[test]
fn pages_of_the_allowed_origin_alone_use_it_by_script() {
    let bench = Bench::embedded();
    let contract = contract(BYTES);
    let mut signed = bench.sign_put(&contract);
    let wanted = [("access-control-request-method", "PUT"), ("access-control-request-headers", "content-type")];
    let asked = ask(&signed, "OPTIONS", &[&wanted[..], &[("origin", ALLOWED_ORIGIN)]].concat());
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (204, ALLOWED_ORIGIN));
    assert!(asked.header("access-control-allow-methods").contains("PUT"));
    for name in signed.headers.keys() {
        assert!(asked.header("access-control-allow-headers").contains(name.as_str()), "{name}");
    }
    for foreign in
        ["http://127.0.0.1:80800", "http://127.0.0.1", "http://evil.example", "null", "HTTP://127.0.0.1:8080"]
    {
        let asked = ask(&signed, "OPTIONS", &[&wanted[..], &[("origin", foreign)]].concat());
        assert_eq!((asked.status, asked.header("access-control-allow-origin")), (403, ""), "{foreign}");
    }

    signed.headers.insert("origin".into(), ALLOWED_ORIGIN.into());
    for (bytes, status) in [(&BYTES[1..], 400), (BYTES, 200), (BYTES, 412)] {
        let answer = send(&signed, bytes);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, ALLOWED_ORIGIN));
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        assert_eq!(answer.header("vary"), "Origin");
    }
    let download = sign_get(&bench, &contract.key, "text/plain");
    assert_eq!(ask(&download, "GET", &[("origin", "null")]).header("access-control-allow-origin"), "");
}

#[test]
fn a_token_of_one_method_never_works_for_another() {
    let bench = Bench::embedded();
    let contract = contract(BYTES);
    let (put, post) = (bench.sign_put(&contract), bench.sign_post(&contract));
    let swapped = SignedRequest { url: post.url.clone(), ..put.clone() };
    assert_eq!(send(&swapped, BYTES).status, 403);
    let swapped = SignedRequest { url: put.url, ..post };
    assert_eq!(send_form(&swapped, BYTES).status, 403);
    assert_eq!(bench.bytes(&contract.key), None);
}
