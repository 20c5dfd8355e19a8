//! The console: a session by cookie is what its key is now, and no other site
//! can use it.

use std::time::Duration;

use cloakroom::domain::event::Actor;
use serde_json::{Value, json};

use super::{
    harness::{Answer, Api, Console, text},
    laboratory::Laboratory,
};

const SESSION: &str = "/v1/console/session";

fn share(paths: &[&str]) -> Value {
    json!({ "paths": paths, "permission": "read", "allow_missing": true })
}

fn shares(api: &Api) -> usize {
    api.get(api.admin(), "/v1/shares").expect(200)["items"].as_array().unwrap().len()
}

fn signing_in(api: &Api, key: &str) -> Answer {
    api.public(SESSION, &json!({ "api_key": key }))
}

pub fn signing_in_tells_who_and_what_is_offered(api: &Api) {
    let key = api.new_key(api.admin(), "live", &[("docs/", "read")]);
    let answer = signing_in(api, &key.secret);
    let view = answer.expect(200);
    assert_eq!(view["tenant"], json!({ "id": api.tenant.id, "name": "First" }));
    assert_eq!((&view["principal"]["id"], &view["livemode"]), (&json!(key.id), &json!(true)));
    assert_eq!(view["principal"]["grants"], json!([{ "path": "docs/", "permission": "read" }]));
    assert!(!view.to_string().contains(&key.secret[13..]), "{view}");

    let console = api.sign_in(&key.secret);
    let seen = api.call("GET", SESSION).header("cookie", &console.cookies()).send().expect(200);
    assert_eq!(
        (&seen["principal"], &seen["may"], &seen["tenant"]),
        (&view["principal"], &view["may"], &view["tenant"])
    );
}

pub fn every_key_that_is_not_accepted_gets_one_answer(api: &Api) {
    let revoked = api.new_key(api.admin(), "live", &[("/", "admin")]);
    api.delete(api.admin(), &format!("/v1/api-keys/{}", revoked.id)).expect(204);
    let other_mode = api.admin().replace("crk_live_", "crk_test_");
    let session = api.open(&api.mint(api.admin(), "read", &["a.txt"])).token;
    let mut answers = Vec::new();
    for key in [&revoked.secret, &other_mode, &session, "", "crk_live_", &"x".repeat(10_000)] {
        let answer = signing_in(api, key);
        answer.problem(401, "unauthenticated");
        assert!(!answer.headers.contains_key("set-cookie"), "{answer:?}");
        answers.push(answer.but_for_the_request_id());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    api.public(SESSION, &json!({ "api_key": api.admin(), "more": 1 })).problem(422, "invalid");
    api.public(SESSION, &json!({})).problem(422, "invalid");
    let form = api.call("POST", SESSION).header("content-type", "application/x-www-form-urlencoded");
    form.body(format!("api_key={}", api.admin()).as_bytes()).send().problem(415, "not_json");
    assert_eq!(api.happened("console.signed_in", ""), 0);
}

pub fn what_is_done_in_the_console_is_done_by_the_key_and_told_so(api: &Api) {
    let console = api.sign_in(api.admin());
    let minted = api.call("POST", "/v1/shares").console(&console).json(&share(&["a.txt"])).send().expect(201);
    let id = text(&minted, "id");
    assert_eq!(minted["created_by"]["id"], json!(api.tenant.admin.id));
    api.call("GET", "/v1/shares").header("cookie", &console.cookies()).send().expect(200);
    api.call("DELETE", &format!("/v1/shares/{id}")).console(&console).send().expect(204);

    let events = api.events(&api.ledger());
    let signed_in = events.iter().find(|event| event.resource.starts_with("con_")).unwrap();
    let acts: Vec<_> = events.iter().filter(|event| event.resource == id).collect();
    assert_eq!(acts.len(), 2);
    for act in acts {
        let Actor::Console { principal, session } = &act.actor else { panic!("{act:?}") };
        assert_eq!(
            (principal.to_string(), session.to_string()),
            (api.tenant.admin.id.clone(), signed_in.resource.clone())
        );
    }
}

pub fn every_thing_says_who_made_it(api: &Api) {
    api.upload(api.admin(), "a.txt", b"a");
    let key = api.new_key(api.admin(), "live", &[("/", "write")]);
    let artifact = api.post(&key.secret, "/v1/artifacts", &json!({ "paths": ["a.txt"] })).expect(201);
    api.mint(&key.secret, "read", &["a.txt"]);
    api.post(&key.secret, "/v1/links", &json!({ "artifact": artifact["id"] })).expect(201);
    api.post(&key.secret, "/v1/file-requests", &json!({ "folder": "in/" })).expect(201);
    for kind in ["shares", "artifacts", "links", "file-requests"] {
        let list = api.get(api.admin(), &format!("/v1/{kind}")).expect(200);
        let item = &list["items"][0];
        // A key without a name is told by how it begins.
        let label = text(&item["created_by"], "label");
        assert!(label.starts_with(&key.secret[..13]) && !label.contains(&key.secret[13..]), "{kind}: {item}");
        assert_eq!(item["created_by"]["id"], key.id, "{kind}");
        let inspected = api.get(api.admin(), &format!("/v1/{kind}/{}", text(item, "id"))).expect(200);
        assert_eq!(inspected["created_by"], item["created_by"], "{kind}");
    }
}

pub fn nothing_is_changed_without_the_token_against_forgery(api: &Api) {
    let (console, other) = (api.sign_in(api.admin()), api.sign_in(api.admin()));
    let id = api.mint(api.admin(), "read", &["a.txt"]).id;
    let before = shares(api);
    let wrong = |token: &str| vec![token.to_owned()];
    let tokens = [
        vec![],
        wrong(""),
        wrong(&other.csrf),
        wrong(&console.secret),
        wrong(&console.csrf[..42]),
        wrong(&format!("{} ", console.csrf.to_uppercase())),
        vec![console.csrf.clone(), console.csrf.clone()],
    ];
    for tokens in tokens {
        let send = |method: &str, path: &str, body: Option<Value>| {
            let mut call = api.call(method, path).header("cookie", &console.cookies());
            for token in &tokens {
                call = call.header("cloakroom-csrf", token);
            }
            if let Some(body) = body {
                call = call.json(&body);
            }
            call.send().problem(403, "csrf");
        };
        send("POST", "/v1/shares", Some(share(&["b.txt"])));
        send("DELETE", &format!("/v1/shares/{id}"), None);
        send("PUT", &format!("/v1/tenants/{}/quota", api.tenant.id), Some(json!({ "bytes": 1 })));
        send("POST", "/v1/console/qr", Some(json!({ "text": "x" })));
        send("DELETE", SESSION, None);
    }
    assert_eq!(shares(api), before);
    assert_eq!(api.get(api.admin(), &format!("/v1/shares/{id}")).expect(200)["status"], "pending");
    // Another session's pair does not help, nor does a cookie that was put beside the real one.
    let mixed = Console { secret: console.secret.clone(), csrf: other.csrf.clone() };
    api.call("POST", "/v1/shares").console(&mixed).json(&share(&["b.txt"])).send().problem(403, "csrf");
    let two = format!("{}; {}", other.cookies(), console.cookies());
    api.call("GET", SESSION).header("cookie", &two).send().problem(401, "unauthenticated");
    api.call("POST", "/v1/shares").console(&console).json(&share(&["b.txt"])).send().expect(201);
}

pub fn a_key_counts_more_than_a_cookie(api: &Api) {
    let narrow = api.new_key(api.admin(), "live", &[("docs/", "read")]).secret;
    let console = api.sign_in(api.admin());
    let both =
        |method: &str, path: &str, key: &str| api.call(method, path).header("cookie", &console.cookies()).bearer(key);
    both("GET", "/v1/api-keys", &narrow).send().problem(403, "forbidden");
    both("GET", "/v1/api-keys", "crk_live_x").send().problem(401, "unauthenticated");
    // With a key there is nothing to forge.
    both("POST", "/v1/shares", &narrow).json(&share(&["docs/"])).send().expect(201);
    both("POST", "/v1/shares", &narrow).json(&share(&["a.txt"])).send().problem(403, "forbidden");
    both("GET", SESSION, api.admin()).send().problem(401, "unauthenticated");
    both("DELETE", SESSION, api.admin()).send().problem(401, "unauthenticated");
    api.call("GET", SESSION).console(&console).send().expect(200);
}

pub fn signing_out_ends_it_on_the_server(api: &Api) {
    let (console, other) = (api.sign_in(api.admin()), api.sign_in(api.admin()));
    let answer = api.call("DELETE", SESSION).console(&console).send();
    answer.expect(204);
    assert_eq!(answer.cookie("cloakroom-console") + &answer.cookie("cloakroom-csrf"), "");
    for cookie in answer.headers.get_all("set-cookie") {
        assert!(cookie.to_str().unwrap().contains("Max-Age=0"), "{answer:?}");
    }
    // The cookie that somebody kept opens nothing.
    api.call("GET", SESSION).console(&console).send().problem(401, "unauthenticated");
    api.call("DELETE", SESSION).console(&console).send().problem(401, "unauthenticated");
    api.call("POST", "/v1/shares").console(&console).json(&share(&["a"])).send().problem(401, "unauthenticated");
    api.call("GET", SESSION).console(&other).send().expect(200);
    let told: Vec<_> = api.history().into_iter().filter(|(kind, _)| kind == "console.signed_out").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(api.happened("console.signed_in", &told[0].1), 1);
}

pub fn a_revoked_key_ends_its_sessions(api: &Api) {
    let key = api.new_key(api.admin(), "live", &[("/", "write")]);
    let console = api.sign_in(&key.secret);
    api.call("GET", "/v1/objects").console(&console).send().expect(200);
    api.delete(api.admin(), &format!("/v1/api-keys/{}", key.id)).expect(204);
    for (method, path) in [("GET", SESSION), ("GET", "/v1/objects"), ("DELETE", SESSION)] {
        api.call(method, path).console(&console).send().problem(401, "unauthenticated");
    }
}

pub fn other_sites_are_refused(api: &Api) {
    let console = api.sign_in(api.admin());
    let before = shares(api);
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        let call = api.call("POST", "/v1/shares").console(&console).header("origin", origin);
        call.json(&share(&["a"])).send().problem(403, "wrong_origin");
        let call = api.call("POST", SESSION).header("origin", origin);
        call.json(&json!({ "api_key": api.admin() })).send().problem(403, "wrong_origin");
        api.call("DELETE", SESSION).console(&console).header("origin", origin).send().problem(403, "wrong_origin");
    }
    assert_eq!(shares(api), before);
    let own = format!("http://127.0.0.1:{}", api.ports[0]);
    api.call("POST", "/v1/shares").console(&console).header("origin", &own).json(&share(&["a"])).send().expect(201);
}

pub fn a_session_sees_the_namespace_of_its_key(api: &Api) {
    let live = api.mint(api.admin(), "read", &["a.txt"]).id;
    let key = api.new_key(api.admin(), "test", &[("/", "admin")]).secret;
    let console = api.sign_in(&key);
    let view = api.call("GET", SESSION).console(&console).send().expect(200);
    assert_eq!(view["livemode"], false);
    for list in ["shares", "objects", "uploads", "links", "artifacts", "file-requests"] {
        let list = api.call("GET", &format!("/v1/{list}")).console(&console).send().expect(200);
        assert_eq!(list["items"], json!([]));
    }
    api.call("GET", &format!("/v1/shares/{live}")).console(&console).send().problem(404, "not_found");
    let minted = api.call("POST", "/v1/shares").console(&console).json(&share(&["a.txt"])).send().expect(201);
    assert_eq!(minted["livemode"], false);
    let audit = api.call("GET", "/v1/audit").console(&console).send().expect(200);
    assert!(!audit.to_string().contains(&live), "{audit}");
}

pub fn a_preview_knows_its_maker_by_the_console(api: &Api) {
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let console = api.sign_in(api.admin());
    let preview =
        |call: super::calls::Call<'_>| call.json(&json!({ "token": minted.token })).send().expect(200)["yours"].clone();
    let call = || api.call("POST", "/v1/shares/redeem/preview");
    assert_eq!(preview(call().console(&console)), true);
    // A cookie that the browser sends along by itself makes nobody somebody.
    assert_eq!(preview(call().header("cookie", &console.cookies())), false);
    assert_eq!(preview(call().header("cookie", &console.cookies()).header("cloakroom-csrf", "x")), false);
    api.call("DELETE", SESSION).console(&console).send().expect(204);
    assert_eq!(preview(call().console(&console)), false);
}

/// What is offered is what the routes do for some path.
pub fn what_is_offered_is_what_is_done(api: &Api) {
    api.upload(api.admin(), "docs/a.txt", b"x");
    let artifact = json!({ "paths": ["docs/a.txt"] });
    let request = json!({ "folder": "docs/in/" });
    let upload = json!({ "path": "docs/a.txt", "size": 1, "content_type": "text/plain", "overwrite": true });
    let grants: [&[(&str, &str)]; 6] = [
        &[("docs/", "read")],
        &[("docs/a.txt", "read")],
        &[("docs/a.txt", "write")],
        &[("docs/", "write")],
        &[("docs/", "admin")],
        &[("/", "admin")],
    ];
    for grants in grants {
        let key = api.new_key(api.admin(), "live", grants).secret;
        let console = api.sign_in(&key);
        let done = |path: &str, body: &Value| api.call("POST", path).console(&console).json(body).send().status == 201;
        let reads = |path: &str| api.call("GET", path).console(&console).send().status == 200;
        let done = json!({
            "share": done("/v1/shares", &share(&["docs/a.txt"])),
            "request": done("/v1/file-requests", &request),
            "publish": done("/v1/artifacts", &artifact),
            "upload": done("/v1/uploads", &upload),
            "administer": reads("/v1/api-keys") && reads("/v1/audit"),
            "operate": reads("/v1/tenants"),
        });
        let offered = api.call("GET", SESSION).console(&console).send().expect(200)["may"].clone();
        assert_eq!(offered, done, "{grants:?}");
    }
    let console = api.sign_in(api.admin());
    assert_eq!(api.call("GET", SESSION).console(&console).send().expect(200)["may"]["operate"], true);
}

pub fn a_code_is_drawn_for_who_is_known_and_nobody_else(api: &Api) {
    let body = json!({ "text": format!("https://share.example/s#crs_{}", "A".repeat(248)) });
    let console = api.sign_in(api.admin());
    let drawn = api.call("POST", "/v1/console/qr").console(&console).json(&body).send().expect(200);
    assert!(drawn["size"].as_u64().unwrap() < 80, "{drawn}");
    assert!(text(&drawn, "path").starts_with("M4 4h7v1h-7z"), "{drawn}");
    assert_eq!(api.post(api.admin(), "/v1/console/qr", &body).expect(200), drawn);
    api.public("/v1/console/qr", &body).problem(401, "unauthenticated");
    for wrong in [json!({ "text": "" }), json!({ "text": "x".repeat(2_049) }), json!({}), json!({ "text": 1 })] {
        api.post(api.admin(), "/v1/console/qr", &wrong).problem(422, "invalid");
    }
}

fn attributes(answer: &Answer, name: &str) -> Vec<String> {
    let set: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(set.len(), 2, "{set:?}");
    let cookie = set.into_iter().find(|cookie| cookie.starts_with(&format!("{name}="))).unwrap();
    let mut attributes: Vec<_> = cookie.split("; ").skip(1).map(str::to_owned).collect();
    attributes.sort();
    attributes
}

#[test]
fn its_cookies_are_as_narrow_as_browsers_let_them_be() {
    let (api, ..) = Laboratory::served();
    let answer = signing_in(&api, api.admin());
    let expected = ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Strict"];
    assert_eq!(attributes(&answer, "cloakroom-console"), expected);
    assert_eq!(attributes(&answer, "cloakroom-csrf"), expected[1..]);

    let api = Laboratory::served_publicly_as("share.example");
    let body = json!({ "api_key": api.admin() });
    let answer = api.call("POST", SESSION).header("host", "share.example").json(&body).send();
    let expected = ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Strict", "Secure"];
    assert_eq!(attributes(&answer, "__Host-cloakroom-console"), expected);
    assert_eq!(attributes(&answer, "__Host-cloakroom-csrf"), expected[1..]);
    // A name that another host of the site could have set opens nothing there.
    let secret = answer.cookie("__Host-cloakroom-console");
    let with = |name: &str| {
        let call = api.call("GET", SESSION).header("host", "share.example");
        call.header("cookie", &format!("{name}={secret}")).send().status
    };
    assert_eq!((with("__Host-cloakroom-console"), with("cloakroom-console")), (200, 401));
    // Any host of the domain may set what only reads like the prefix once it is decoded.
    for disguised in ["__%48ost-cloakroom-console", "%5F_Host-cloakroom-console", "__Host%2Dcloakroom-console"] {
        assert_eq!(with(disguised), 401, "{disguised}");
    }
}

#[test]
fn a_session_ends_after_twelve_hours_or_with_its_key() {
    let (api, clock, _) = Laboratory::served();
    let body = json!({ "grants": [{ "path": "/", "permission": "read" }], "expires_in": 3_600 });
    let short = text(&api.post(api.admin(), "/v1/api-keys", &body).expect(201), "secret");
    let (long, short) = (api.sign_in(api.admin()), api.sign_in(&short));
    let status = |console: &Console| api.call("GET", SESSION).console(console).send().status;
    clock.advance(Duration::from_secs(3_599));
    assert_eq!((status(&long), status(&short)), (200, 200));
    clock.advance(Duration::from_secs(1));
    assert_eq!((status(&long), status(&short)), (200, 401));
    clock.advance(Duration::from_secs(11 * 3_600 - 1));
    assert_eq!(status(&long), 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(status(&long), 401);
}

#[test]
fn nobody_is_signed_in_or_out_unrecorded() {
    let (api, _, faults) = Laboratory::served();
    let console = api.sign_in(api.admin());
    faults.fail_commits(true);
    let answer = signing_in(&api, api.admin());
    answer.problem(503, "unavailable");
    assert!(!answer.headers.contains_key("set-cookie"), "{answer:?}");
    api.call("DELETE", SESSION).console(&console).send().problem(503, "unavailable");
    faults.fail_commits(false);
    api.call("GET", SESSION).console(&console).send().expect(200);
}
