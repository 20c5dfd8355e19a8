//! Who is admitted to an artifact's host, and that the hosts of the API and of
//! artifacts are never one.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use cloakroom::http::server::Capacity;
use serde_json::json;

use super::{
    handoff::assert_not_admitted,
    words::{DEAD, with_other},
};
use crate::{
    api::{
        harness::{Api, claim_key},
        laboratory::Laboratory,
    },
    program::process::until,
};

pub fn only_the_cookies_of_this_host_open_it(api: &Api) {
    let (one, two) = (api.publish_page(api.admin()), api.publish_page(api.admin()));
    let (cookies, others) = (api.admitted(api.admin(), &one), api.admitted(api.admin(), &two));
    assert_eq!(api.browse(&one.host, &cookies, "/").status, 200);
    assert_eq!(api.browse(&two.host, &others, "/").status, 200);
    assert_not_admitted(&api.browse(&one.host, &others, "/"));
    assert_not_admitted(&api.browse(&two.host, &cookies, "/"));
    assert_not_admitted(&api.call_content("GET", &one.host, "/").send());

    let pairs: Vec<_> = cookies.split("; ").collect();
    let foreign: Vec<_> = others.split("; ").collect();
    for left_out in 0..4 {
        let mut some = pairs.clone();
        some.remove(left_out);
        assert_not_admitted(&api.browse(&one.host, &some.join("; "), "/"));
    }
    for exchanged in 0..2 {
        let mut mixed = pairs.clone();
        mixed[exchanged] = foreign[exchanged];
        assert_not_admitted(&api.browse(&one.host, &mixed.join("; "), "/"));
    }
    for place in (pairs[0].len() - 30..cookies.len()).step_by(7) {
        if !matches!(cookies.as_bytes()[place], b';' | b' ' | b'=') {
            assert_not_admitted(&api.browse(&one.host, &with_other(&cookies, place), "/"));
        }
    }
    // One page, whatever is or is not there.
    let answers = ["/", "/none", "/../x", "/index.html"].map(|path| api.browse(&one.host, "", path));
    let nowhere = format!("{}{}", "f".repeat(40), &one.host[40..]);
    for answer in answers.iter().chain([&api.browse(&nowhere, &cookies, "/")]) {
        assert_not_admitted(answer);
        assert_eq!(answer.body, answers[0].body);
    }
}

pub fn a_deleted_artifact_is_refused_at_once(api: &Api) {
    let (kept, artifact) = (api.publish_page(api.admin()), api.publish_page(api.admin()));
    let minted = api.link(api.admin(), &artifact.id, json!({}));
    let (key, waiting) = (claim_key(), api.link(api.admin(), &artifact.id, json!({})));
    let opened = api.redeem_link(&minted.token, &key).expect(200);
    let handoff = super::words::Handoff::of(&opened);
    let cookies = api.admitted(api.admin(), &artifact);
    assert_eq!(api.browse(&artifact.host, &cookies, "/").status, 200);
    let admitted_elsewhere = api.admitted(api.admin(), &kept);

    api.delete(api.admin(), &format!("/v1/artifacts/{}", artifact.id)).expect(204);
    assert_not_admitted(&api.browse(&artifact.host, &cookies, "/"));
    assert_not_admitted(&api.enter(&handoff.host, &handoff.code));
    api.redeem_link(&minted.token, &key).problem(DEAD.0, DEAD.1);
    api.redeem_link(&waiting.token, &claim_key()).problem(DEAD.0, DEAD.1);
    let body = json!({ "artifact": artifact.id });
    assert_eq!(api.post(api.admin(), "/v1/links", &body).problem(422, "invalid").pointer.unwrap(), "/artifact");
    // Another snapshot of the same files, and the files, are no part of it.
    assert_eq!(api.browse(&kept.host, &admitted_elsewhere, "/").status, 200);
    assert_eq!(api.file(api.admin(), "page/index.html"), b"<p>hello</p>");
}

pub fn what_a_revoked_key_published_is_refused_at_once(api: &Api) {
    let minter = api.new_key(api.admin(), "live", &[("page/", "write")]);
    let artifact = api.publish_page(&minter.secret);
    let minted = api.link(&minter.secret, &artifact.id, json!({}));
    let (key, waiting) = (claim_key(), api.link(&minter.secret, &artifact.id, json!({})));
    let handoff = super::words::Handoff::of(&api.redeem_link(&minted.token, &key).expect(200));
    let cookies = api.admitted(&minter.secret, &artifact);
    assert_eq!(api.browse(&artifact.host, &cookies, "/").status, 200);

    api.delete(api.admin(), &format!("/v1/api-keys/{}", minter.id)).expect(204);
    assert_not_admitted(&api.browse(&artifact.host, &cookies, "/"));
    assert_not_admitted(&api.enter(&handoff.host, &handoff.code));
    api.redeem_link(&minted.token, &key).problem(DEAD.0, DEAD.1);
    api.redeem_link(&waiting.token, &claim_key()).problem(DEAD.0, DEAD.1);
}

pub fn a_revoked_link_gives_no_new_code(api: &Api) {
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({}));
    let key = claim_key();
    let handoff = super::words::Handoff::of(&api.redeem_link(&minted.token, &key).expect(200));
    api.delete(api.admin(), &format!("/v1/links/{}", minted.id)).expect(204);
    api.redeem_link(&minted.token, &key).problem(DEAD.0, DEAD.1);
    assert_not_admitted(&api.enter(&handoff.host, &handoff.code));
    // Other links to the same artifact are not concerned.
    let cookies = api.admitted(api.admin(), &artifact);
    assert_eq!(api.browse(&artifact.host, &cookies, "/").status, 200);
    assert_eq!(api.get(api.admin(), &format!("/v1/links/{}", minted.id)).expect(200)["status"], "revoked");
}

pub fn the_api_and_the_artifacts_never_share_a_host(api: &Api) {
    let artifact = api.publish_page(api.admin());
    let cookies = api.admitted(api.admin(), &artifact);
    let [api_port, content_port, _] = api.ports;
    let label = &artifact.host[..40];
    let content_root = format!("localhost:{content_port}");

    // On an artifact's host there is no API, with whatever credential.
    for path in ["/v1/links", "/v1/shares", "/openapi.json", "/docs", "/healthz", "/readyz", "/s", "/l", "/r"] {
        let call = api.call_content("GET", &artifact.host, path).header("cookie", &cookies);
        let answer = call.bearer(api.admin()).send();
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(answer.header("content-type").starts_with("text/html"), "{path}: {answer:?}");
        let root = api.call_content("GET", &content_root, path).bearer(api.admin()).send();
        root.problem_without_id(404, "not_found");
    }
    let redeem = json!({ "token": "crl_x", "claim_key": claim_key() });
    assert_eq!(api.call_content("POST", &artifact.host, "/v1/links/redeem").json(&redeem).send().status, 405);
    // At the root of the content origin there is no artifact.
    assert_eq!(api.call_content("GET", &content_root, "/").header("cookie", &cookies).send().status, 404);

    // The API's listener has no artifacts, under whatever name.
    for host in [artifact.host.clone(), format!("{label}.localhost:{api_port}"), content_root.clone()] {
        let url = format!("http://127.0.0.1:{api_port}");
        let page = api.call_url("GET", &format!("{url}/index.html")).header("host", &host).header("cookie", &cookies);
        let page = page.send();
        assert_eq!((page.status, page.body.len()), (307, 0), "{page:?}");
        assert_eq!(page.header("location"), format!("{url}/index.html"));
        let v1 = api.call_url("GET", &format!("{url}/v1/links")).header("host", &host).bearer(api.admin());
        v1.send().problem(421, "wrong_host");
        let post = api.call_url("POST", &format!("{url}/v1/links/redeem")).header("host", &host).json(&redeem);
        post.send().problem(421, "wrong_host");
    }
    let own = api.call("GET", "/index.html").header("cookie", &cookies).send();
    own.problem(404, "not_found");

    // Both answer to exact names only.
    for host in [
        format!("127.0.0.1:{content_port}"),
        "localhost".into(),
        format!("{label}.localhost"),
        format!("{label}.localhost:{api_port}"),
        format!("{label}.localhost.example:{content_port}"),
        format!("x.{label}.localhost:{content_port}"),
        format!("{}.localhost:{content_port}", &label[1..]),
        format!("evil.example:{content_port}"),
    ] {
        let answer = api.call_content("GET", &host, "/").header("cookie", &cookies).send();
        answer.problem_without_id(421, "wrong_host");
    }
}

impl crate::api::harness::Answer {
    /// A problem document of the content listener, which draws no request ids.
    #[track_caller]
    pub fn problem_without_id(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.header("content-type")), (status, "application/problem+json"), "{self:?}");
        assert_eq!(self.text("code"), code, "{self:?}");
    }
}

#[test]
fn cookies_end_after_fifteen_minutes() {
    let (api, clock, _) = Laboratory::served();
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({}));
    let key = claim_key();
    let handoff = || super::words::Handoff::of(&api.redeem_link(&minted.token, &key).expect(200));
    let cookies = api.entered(&handoff());
    clock.advance(Duration::from_secs(15 * 60 - 1));
    assert_eq!(api.browse(&artifact.host, &cookies, "/").status, 200);
    clock.advance(Duration::from_secs(1));
    assert_not_admitted(&api.browse(&artifact.host, &cookies, "/"));
    // The claimant comes back for others, as long as the claim lasts.
    let cookies = api.entered(&handoff());
    assert_eq!(api.browse(&artifact.host, &cookies, "/").status, 200);
}

#[test]
fn cookies_end_with_the_claim() {
    let (api, clock, _) = Laboratory::served();
    let artifact = api.publish_page(api.admin());
    let minted = api.link(api.admin(), &artifact.id, json!({ "access_expires_in": 60 }));
    let key = claim_key();
    let handoff = || super::words::Handoff::of(&api.redeem_link(&minted.token, &key).expect(200));
    let cookies = api.entered(&handoff());
    clock.advance(Duration::from_secs(50));
    let late = handoff();
    clock.advance(Duration::from_secs(10));
    assert_not_admitted(&api.browse(&artifact.host, &cookies, "/"));
    assert_not_admitted(&api.enter(&late.host, &late.code));
    api.redeem_link(&minted.token, &key).problem(DEAD.0, DEAD.1);
}

#[test]
fn connections_to_the_content_listener_are_limited() {
    let api = Laboratory::served_within(Capacity { content_connections: 1, ..Capacity::of_workers(1) });
    let connect = || TcpStream::connect(("127.0.0.1", api.ports[1])).unwrap();
    let ask = |mut stream: &TcpStream| stream.write_all(b"GET / HTTP/1.1\r\nhost: nobody\r\n\r\n");
    // A problem document ends where its object does.
    let is_answered = |mut stream: &TcpStream| -> io::Result<()> {
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            answer.extend(byte);
        }
        assert!(answer.starts_with(b"HTTP/1.1 421 "), "{}", String::from_utf8_lossy(&answer));
        Ok(())
    };
    let try_both = || -> io::Result<TcpStream> {
        let first = connect();
        ask(&first)?;
        is_answered(&first)?;
        let second = connect();
        ask(&second)?;
        // Long enough for the one worker to have answered the other one, if it had been let in.
        for _ in 0..100 {
            ask(&first)?;
            is_answered(&first)?;
        }
        second.set_nonblocking(true)?;
        let early = { &second }.read(&mut [0; 1]);
        second.set_nonblocking(false)?;
        ask(&first)?;
        is_answered(&first)?;
        assert_eq!(early.unwrap_err().kind(), ErrorKind::WouldBlock);
        Ok(second)
    };
    // One on which nothing comes for some seconds is closed, and lets the other one in: then it is tried again.
    let second = until("one connection is open all the while", || try_both().ok());
    is_answered(&second).unwrap();
}
