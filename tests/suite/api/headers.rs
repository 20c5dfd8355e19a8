//! Every answer forbids to be stored, sniffed, framed or given away, and can be
//! found in the logs.

use std::collections::BTreeSet;

use serde_json::json;

use super::harness::{Answer, Api, claim_key};

#[track_caller]
fn assert_guarded(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{answer:?}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{answer:?}");
    assert_eq!(answer.header("x-frame-options"), "DENY", "{answer:?}");
    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{answer:?}");
    let id = answer.header("request-id");
    assert!(id.starts_with("req_") && id.len() == 36, "{answer:?}");
    for name in ["server", "x-powered-by", "access-control-allow-origin"] {
        assert!(!answer.headers.contains_key(name), "{answer:?}");
    }
}

pub fn every_answer_is_guarded(api: &Api) {
    api.upload(api.admin(), "a.txt", b"x");
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let session = api.open(&minted).token;
    let answers = [
        api.get(api.admin(), "/v1/shares"),
        api.get(api.admin(), "/v1/objects/a.txt"),
        api.post(api.admin(), "/v1/shares", &json!({ "paths": ["a.txt"], "permission": "read" })),
        api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)),
        api.get("crk_live_x", "/v1/shares"),
        api.get(&session, "/v1/session"),
        api.redeem(&minted.token, &claim_key()),
        api.redeem(&api.mint(api.admin(), "read", &["a.txt"]).token, &claim_key()),
        api.redeem("crs_x", "short"),
        api.get(api.admin(), "/v1/nothing"),
        api.get(api.admin(), "/nothing"),
        api.get(api.admin(), "/v1/shares?limit=x"),
        api.call("PUT", "/v1/shares").body(b"").send(),
        api.call("OPTIONS", "/v1/shares").header("origin", "https://evil.example").send(),
        api.call("HEAD", "/v1/shares").bearer(api.admin()).send(),
        api.call("POST", "/v1/shares").bearer(api.admin()).body(b"{").send(),
        api.call("POST", "/v1/shares").header("origin", "null").json(&json!({})).send(),
        api.call("GET", "/v1/shares").header("host", "evil.example").send(),
        api.call("GET", "/s").header("host", "evil.example").send(),
        api.call("GET", "/openapi.json").send(),
        api.get(api.admin(), "/v1/objects/%ff"),
    ];
    answers.iter().for_each(assert_guarded);
    let ids: BTreeSet<_> = answers.iter().map(|answer| answer.header("request-id").to_owned()).collect();
    assert_eq!(ids.len(), answers.len());
    for answer in answers.iter().filter(|answer| answer.status >= 400) {
        assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
    }
}

pub fn who_looks_at_a_refusal_reads_a_page(api: &Api) {
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let look = |method: &str, path: &str, language: &str| {
        let call = api.call(method, path).header("accept", browser).header("accept-language", language);
        call.send()
    };
    let page = look("GET", "/nothing", "de-DE,de;q=0.9");
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert!(text.contains("<html lang=\"de\"") && text.contains("Diese Seite gibt es hier nicht"), "{text}");
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    assert_guarded(&page);
    assert!(look("HEAD", "/nothing", "en").header("content-type").starts_with("text/html"));
    // The same page whatever was asked for, so that nothing is repeated that somebody put into a link.
    assert_eq!(look("GET", "/%3Cscript%3Ealert(1)%3C/script%3E?%3Cscript%3E", "de").body, page.body);
    // Programs read what programs can.
    for (method, path) in [("GET", "/v1/nothing"), ("POST", "/nothing"), ("GET", "/v1/shares")] {
        assert_eq!(look(method, path, "de").header("content-type"), "application/problem+json", "{method} {path}");
    }
    assert_eq!(api.call("GET", "/nothing").send().header("content-type"), "application/problem+json");
}

pub fn a_request_id_is_drawn_and_not_taken_over(api: &Api) {
    let chosen = format!("req_{}", "1".repeat(32));
    let answer = api.call("GET", "/v1/shares").header("request-id", &chosen).header("x-request-id", &chosen).send();
    assert_ne!(answer.problem(401, "unauthenticated").request_id, Some(chosen));
}

pub fn a_session_cookie_is_kept_from_scripts_and_other_sites(api: &Api) {
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let answer = api.redeem(&minted.token, &claim_key());
    let (session, token) = (answer.text("session"), answer.text("session_token"));
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with(&format!("cloakroom-{session}={token};")), "{cookie}");
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.split("; ").any(|found| found == attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 1);

    // Two sessions live side by side, and the header chooses.
    let other = api.redeem(&api.mint(api.admin(), "write", &["b.txt"]).token, &claim_key());
    let (other_session, other_token) = (other.text("session"), other.text("session_token"));
    let both = format!("cloakroom-{session}={token}; cloakroom-{other_session}={other_token}");
    api.call("GET", "/v1/session").header("cookie", &both).send().problem(401, "no_session");
    for chosen in [&session, &other_session] {
        let call = api.call("GET", "/v1/session").header("cookie", &both).header("cloakroom-session", chosen);
        assert_eq!(call.send().text("id"), *chosen);
    }
    let nobodys = format!("ses_{}", "1".repeat(32));
    let call = api.call("GET", "/v1/session").header("cookie", &both).header("cloakroom-session", &nobodys);
    call.send().problem(401, "no_session");
}
