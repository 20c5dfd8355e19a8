//! An artifact's host answers as a web server does: types, indexes, parts,
//! validators; and no path leads out of the artifact.

use serde_json::json;

use super::words::Published;
use crate::api::harness::{Answer, Api};

const PAGE: &[u8] = b"0123456789";

fn site(api: &Api) -> (Published, String) {
    let key = api.admin();
    api.put_file(key, "site/index.html", "text/html; charset=utf-8", PAGE);
    api.put_file(key, "site/docs/index.html", "text/html", b"docs");
    api.put_file(key, "site/docs/a b ü.txt", "text/plain", b"spaced");
    api.put_file(key, "site/100%.txt", "text/plain", b"percent");
    api.put_file(key, "site/empty", "application/x-empty", b"");
    api.put_file(key, "secret/index.html", "text/html", b"secret");
    let artifact = api.publish(key, &["site/"]);
    let cookies = api.admitted(key, &artifact);
    (artifact, cookies)
}

#[track_caller]
fn assert_closed(answer: &Answer) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), value, "{name}: {answer:?}");
    }
    assert!(answer.header("content-security-policy").contains("frame-ancestors"), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), "", "{answer:?}");
}

pub fn files_come_with_their_types(api: &Api) {
    let (artifact, cookies) = site(api);
    for (path, kind, body) in [
        ("/", "text/html; charset=utf-8", PAGE),
        ("/index.html", "text/html; charset=utf-8", PAGE),
        ("/docs/a%20b%20%C3%BC.txt", "text/plain", b"spaced"),
        ("/100%25.txt", "text/plain", b"percent"),
        ("/empty", "application/x-empty", b""),
        ("/?q=/../x", "text/html; charset=utf-8", PAGE),
    ] {
        let answer = api.browse(&artifact.host, &cookies, path);
        assert_eq!((answer.status, answer.header("content-type")), (200, kind), "{path}");
        assert_eq!((answer.body.as_slice(), answer.header("content-length")), (body, body.len().to_string().as_str()));
        assert_eq!(answer.header("cache-control"), "private, no-cache");
        assert_closed(&answer);
    }
}

pub fn a_folder_shows_its_index(api: &Api) {
    let (artifact, cookies) = site(api);
    assert_eq!(api.browse(&artifact.host, &cookies, "/docs/").body, b"docs");
    for missing in ["/docs/none.html", "/nowhere/", "/docs", "/index.html/", "/INDEX.HTML", "/empty/"] {
        let answer = api.browse(&artifact.host, &cookies, missing);
        assert_eq!(answer.status, 404, "{missing}");
        assert_closed(&answer);
    }
}

pub fn head_tells_and_sends_nothing(api: &Api) {
    let (artifact, cookies) = site(api);
    let get = api.browse(&artifact.host, &cookies, "/");
    let head = api.call_content("HEAD", &artifact.host, "/").header("cookie", &cookies).send();
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-type", "content-length", "etag", "accept-ranges"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    let refused = api.call_content("HEAD", &artifact.host, "/").send();
    assert_eq!((refused.status, refused.body.len()), (403, 0));
}

pub fn a_part_is_sent(api: &Api) {
    let (artifact, cookies) = site(api);
    let get = |range: &str, more: &[(&str, &str)]| {
        let mut call = api.call_content("GET", &artifact.host, "/").header("cookie", &cookies).header("range", range);
        for (name, value) in more {
            call = call.header(name, value);
        }
        call.send()
    };
    for (range, extent, part) in [
        ("bytes=0-0", "bytes 0-0/10", "0"),
        ("bytes=2-4", "bytes 2-4/10", "234"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=7-99", "bytes 7-9/10", "789"),
        ("bytes=-3", "bytes 7-9/10", "789"),
        ("bytes=-99", "bytes 0-9/10", "0123456789"),
    ] {
        let answer = get(range, &[]);
        assert_eq!((answer.status, answer.header("content-range")), (206, extent), "{range}");
        assert_eq!(String::from_utf8_lossy(&answer.body), part, "{range}");
        assert_eq!(answer.header("content-length"), part.len().to_string());
        assert_closed(&answer);
    }
    for beyond in ["bytes=10-", "bytes=99-100", "bytes=-0"] {
        let answer = get(beyond, &[]);
        assert_eq!((answer.status, answer.header("content-range")), (416, "bytes */10"), "{beyond}");
    }
    for whole in ["bytes=4-2", "bytes=0-1,4-5", "bytes=a-b", "lines=1-2"] {
        assert_eq!((get(whole, &[]).status, get(whole, &[]).body.as_slice()), (200, PAGE), "{whole}");
    }
    let etag = api.browse(&artifact.host, &cookies, "/").header("etag").to_owned();
    assert_eq!(get("bytes=0-1", &[("if-range", &etag)]).status, 206);
    assert_eq!(get("bytes=0-1", &[("if-range", "\"another\"")]).body, PAGE);
    let empty = api.call_content("GET", &artifact.host, "/empty").header("cookie", &cookies);
    assert_eq!(empty.header("range", "bytes=0-").send().status, 416);
}

pub fn what_is_known_is_not_sent_again(api: &Api) {
    let (artifact, cookies) = site(api);
    let etag = api.browse(&artifact.host, &cookies, "/").header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2, "{etag}");
    let get = |known: &str| {
        let call = api.call_content("GET", &artifact.host, "/").header("cookie", &cookies);
        call.header("if-none-match", known).send()
    };
    for known in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".into()] {
        let answer = get(&known);
        assert_eq!((answer.status, answer.body.len(), answer.header("etag")), (304, 0, etag.as_str()), "{known}");
        assert_closed(&answer);
    }
    for other in ["\"x\"", "", etag.trim_matches('"')] {
        assert_eq!(get(other).body, PAGE, "{other}");
    }
    // Who is not admitted does not learn that either.
    let unknown = api.call_content("GET", &artifact.host, "/").header("if-none-match", &etag).send();
    assert_eq!(unknown.status, 403);
}

pub fn no_path_leads_elsewhere(api: &Api) {
    let (artifact, cookies) = site(api);
    for path in [
        "/../secret/index.html",
        "/docs/../../secret/index.html",
        "/%2e%2e/secret/index.html",
        "/docs/%2e%2e/%2e%2e/secret/index.html",
        "/%252e%252e/secret/index.html",
        "/..%2fsecret%2findex.html",
        "/..%5csecret%5cindex.html",
        "/%00index.html",
        "/index.html%00",
        "/./index.html",
        "/docs/./index.html",
        "/docs%2findex.html%2f",
        "/docs//index.html",
        "/%ff",
        "/%2",
        "/%zz",
        "/secret/index.html",
        "/site/index.html",
        "/.cloakroom/enter/",
    ] {
        let answer = api.browse(&artifact.host, &cookies, path);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert_closed(&answer);
    }
}

pub fn nothing_is_changed_here(api: &Api) {
    let (artifact, cookies) = site(api);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let call = api.call_content(method, &artifact.host, "/index.html").header("cookie", &cookies);
        let answer = call.send();
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"), "{method}");
    }
    let enter = api.call_content("GET", &artifact.host, "/.cloakroom/enter").header("cookie", &cookies).send();
    assert_eq!(enter.status, 405);
    assert_eq!(api.browse(&artifact.host, &cookies, "/index.html").body, PAGE);
    let seen = api.get(api.admin(), &format!("/v1/artifacts/{}", artifact.id)).expect(200);
    assert_eq!(seen["status"], json!("published"));
}
