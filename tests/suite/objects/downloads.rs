//! Signed GETs.

use std::{collections::BTreeMap, time::Duration};

use cloakroom::{
    domain::instant::Instant,
    objects::{Disposition, DownloadContract, ObjectKey, SignedRequest},
};

use super::bench::{Bench, artifact, content_type, now, send, send_as, tampered, vault};

const BYTES: &[u8] = b"<script>alert(1)</script>";

pub fn the_object_comes_with_the_agreed_type_and_name(bench: &Bench) {
    for key in [vault(), artifact("a b/\u{e9}+100% (1)'.html")] {
        bench.put(&key, "text/html", BYTES);
        let answer = send(&signed(bench, &key), b"");
        assert_eq!((answer.status, answer.body.as_slice()), (200, BYTES), "{answer:?}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(
            answer.header("content-disposition"),
            "attachment; filename=\"r_sum_.html\"; filename*=UTF-8''r%C3%A9sum%C3%A9.html"
        );
    }
}

pub fn a_part_of_it_comes_too(bench: &Bench) {
    let key = vault();
    bench.put(&key, "text/html", BYTES);
    let mut signed = signed(bench, &key);
    for (range, part, extent) in [
        ("bytes=1-6", &BYTES[1..=6], "bytes 1-6/25"),
        ("bytes=20-", &BYTES[20..], "bytes 20-24/25"),
        ("bytes=-5", &BYTES[20..], "bytes 20-24/25"),
    ] {
        signed.headers.insert("range".into(), range.into());
        let answer = send(&signed, b"");
        assert_eq!((answer.status, answer.body.as_slice()), (206, part), "{answer:?}");
        assert_eq!(answer.header("content-range"), extent);
    }
    signed.headers.insert("range".into(), "bytes=25-".into());
    assert_eq!(send(&signed, b"").status, 416);
}

pub fn an_expired_url_is_refused(bench: &Bench) {
    let key = vault();
    bench.put(&key, "text/html", BYTES);
    let at = |seconds_ago| Instant::from_unix_seconds(now().as_unix_seconds() - seconds_ago);
    let contract = DownloadContract { expires_at: at(60), ..contract(&key) };
    let signed = bench.wait(bench.storage.sign_get(&contract, at(120))).unwrap();
    assert_eq!(send(&signed, b"").status, 403);
    assert!(bench.wait(bench.storage.sign_get(&contract, now())).is_err());
}

pub fn a_tampered_url_is_refused(bench: &Bench) {
    let key = vault();
    bench.put(&key, "text/html", BYTES);
    for url in tampered(&signed(bench, &key).url) {
        let answer = send_as("GET", &url, &BTreeMap::new(), b"");
        assert!(bench.is_refusal(&answer), "{url} {answer:?}");
    }
}

pub fn another_key_is_refused(bench: &Bench) {
    let (key, other) = (vault(), vault());
    bench.put(&key, "text/html", BYTES);
    bench.put(&other, "text/html", BYTES);
    let signed = signed(bench, &key);
    let moved = signed.url.replace(key.as_str(), other.as_str());
    let moved = if moved == signed.url { format!("{}/{}", signed.url, other.as_str()) } else { moved };
    assert!((400..500).contains(&send_as("GET", &moved, &signed.headers, b"").status));
}

/// Nobody makes a page of it by asking for another type.
pub fn another_answer_is_refused(bench: &Bench) {
    let key = vault();
    bench.put(&key, "text/html", BYTES);
    let url = signed(bench, &key).url;
    let more = if url.contains('?') { '&' } else { '?' };
    for changed in [
        url.replace("response-content-type=text%2Fplain", "response-content-type=text%2Fhtml"),
        url.replace("attachment", "inline"),
        format!("{url}{more}response-content-type=text%2Fhtml&response-content-disposition=inline"),
    ] {
        let answer = send_as("GET", &changed, &BTreeMap::new(), b"");
        // Ignoring what was asked for is as good as refusing it.
        let as_agreed = answer.header("content-type") == "text/plain; charset=utf-8"
            && answer.header("content-disposition").starts_with("attachment");
        assert!(as_agreed || bench.is_refusal(&answer), "{changed} {answer:?}");
    }
}

pub fn another_method_is_refused(bench: &Bench) {
    let key = vault();
    bench.put(&key, "text/html", BYTES);
    let signed = signed(bench, &key);
    for method in ["PUT", "POST", "DELETE"] {
        let answer = send_as(method, &signed.url, &signed.headers, b"x");
        assert!(bench.is_refusal(&answer), "{method} {answer:?}");
    }
    assert_eq!(bench.bytes(&key).unwrap(), BYTES);
}

pub fn a_missing_object_is_not_found(bench: &Bench) {
    assert_eq!(send(&signed(bench, &vault()), b"").status, 404);
}

fn contract(key: &ObjectKey) -> DownloadContract {
    DownloadContract {
        key: key.clone(),
        content_type: content_type("text/plain; charset=utf-8"),
        disposition: Disposition::Attachment { file_name: "r\u{e9}sum\u{e9}.html".into() },
        sha256: None,
        expires_at: now().plus(Duration::from_secs(60)),
    }
}

pub fn signed(bench: &Bench, key: &ObjectKey) -> SignedRequest {
    bench.wait(bench.storage.sign_get(&contract(key), now())).unwrap()
}
