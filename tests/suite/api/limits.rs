//! Limits: of addresses on their replica, of principals, routes and tenants; told in headers, and the
//! same for live and dead tokens.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    thread,
    time::Duration,
};

use cloakroom::{
    clock::{Clock, ManualClock},
    crypto::secret::SecretText,
    service::{Broker, Error, Limits, RouteTaken, SecurityEvent},
};
use serde_json::json;

use super::{
    harness::{Answer, Api, claim_key, text},
    laboratory::{Laboratory, asking},
};

const SECOND: Duration = Duration::from_secs(1);

/// Everything else off, so that each test meets the limit that it is about.
fn only(limits: &str) -> String {
    let others = ["redeem", "sign_in", "principal", "tenant"].map(|name| match limits.contains(&format!("{name}=")) {
        true => String::new(),
        false => format!(",{name}=off"),
    });
    format!("{limits}{}", others.concat())
}

/// A preview of this token, as the proxy of the tests passes it on for this client.
fn preview_from(api: &Api, client: &str, token: &str) -> Answer {
    let call = api.call("POST", "/v1/shares/redeem/preview").header("x-forwarded-for", client);
    call.json(&json!({ "token": token })).send()
}

#[track_caller]
fn assert_limited(answer: &Answer, limit: &str, wait: u32) {
    let problem = answer.problem(429, "rate_limited");
    let detail = problem.detail.unwrap();
    assert!(detail.contains(limit) && detail.contains(&format!("again in {wait} seconds")), "{detail}");
    assert_eq!(answer.header("retry-after"), wait.to_string());
    assert!(answer.header("ratelimit").contains(&format!("\"{limit}\";r=0;t={wait}")), "{answer:?}");
}

#[test]
fn an_address_redeems_and_previews_so_often_and_what_is_left_is_told() {
    let (api, clock, _) = Laboratory::served_limited(&only("redeem=3/60s"), "");
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let told = |answer: &Answer| (answer.header("ratelimit-policy").to_owned(), answer.header("ratelimit").to_owned());
    let policy = "\"redeem\";q=3;w=60".to_owned();
    assert_eq!(told(&api.preview(&minted.token)), (policy.clone(), "\"redeem\";r=2;t=20".into()));
    let dead = api.redeem("crs_x", &claim_key());
    dead.problem(404, "dead_token");
    assert_eq!(told(&dead), (policy.clone(), "\"redeem\";r=1;t=40".into()));
    let unread = api.call("POST", "/v1/links/redeem").header("content-type", "application/json").body(b"{").send();
    unread.problem(400, "malformed");
    assert_eq!(told(&unread), (policy.clone(), "\"redeem\";r=0;t=60".into()));
    for (route, body) in [
        ("/v1/shares/redeem", json!({ "token": minted.token, "claim_key": claim_key() })),
        ("/v1/shares/redeem/preview", json!({ "token": minted.token })),
        ("/v1/shares/redeem/preview", json!({ "token": "crs_x" })),
        ("/v1/links/redeem", json!({ "token": "crl_x", "claim_key": claim_key() })),
        ("/v1/links/redeem/preview", json!({ "token": "crl_x" })),
        ("/v1/file-requests/redeem", json!({ "token": "crf_x", "claim_key": claim_key() })),
        ("/v1/file-requests/redeem/preview", json!({ "token": "crf_x" })),
        // The router takes this for the first.
        ("/v1/shares/rede%65m", json!({ "token": minted.token, "claim_key": claim_key() })),
    ] {
        let answer = api.public(route, &body);
        assert_limited(&answer, "redeem", 20);
        assert_eq!(told(&answer).0, policy);
    }
    // Nothing else is concerned, and says nothing of it.
    let console = api.sign_in(api.admin());
    let inspected = api.call("GET", "/v1/console/session").console(&console).send();
    assert!(inspected.status == 200 && !inspected.headers.contains_key("ratelimit"), "{inspected:?}");
    clock.advance(20 * SECOND);
    api.redeem(&minted.token, &claim_key()).expect(200);
    assert_limited(&api.preview(&minted.token), "redeem", 20);
}

#[test]
fn limits_tell_nothing_about_a_token() {
    let (api, _, _) = Laboratory::served_limited(&only("redeem=2/60s"), "127.0.0.1");
    let live = api.mint(api.admin(), "read", &["a.txt"]).token;
    let used = api.mint(api.admin(), "read", &["a.txt"]);
    api.open(&used);
    let headers = |client: &str, token: &str| {
        let answers = [(); 3].map(|()| preview_from(&api, client, token));
        let refused = answers[2].but_for_the_request_id();
        (
            answers.map(|answer| (answer.header("ratelimit").to_owned(), answer.header("retry-after").to_owned())),
            refused,
        )
    };
    let expected = headers("198.51.100.1", &live);
    assert_eq!(headers("198.51.100.2", &used.token), expected);
    assert_eq!(headers("198.51.100.3", "crs_x"), expected);
}

#[test]
fn who_is_refused_costs_no_look_at_the_store() {
    let (api, _, faults) = Laboratory::served_limited(&only("redeem=1/60s,sign_in=1/60s"), "");
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    api.preview(&minted.token).expect(200);
    api.sign_in(api.admin());
    faults.fail_reads(true);
    faults.fail_commits(true);
    assert_limited(&api.preview(&minted.token), "redeem", 60);
    let looking = api.call("POST", "/v1/shares/redeem/preview").bearer(api.admin());
    assert_limited(&looking.json(&json!({ "token": minted.token })).send(), "redeem", 60);
    assert_limited(&api.public("/v1/console/session", &json!({ "api_key": api.admin() })), "sign_in", 60);
}

#[test]
fn signing_in_has_a_limit_of_its_own() {
    let (api, clock, _) = Laboratory::served_limited(&only("sign_in=2/60s"), "");
    let sign_in = |key: &str| api.public("/v1/console/session", &json!({ "api_key": key }));
    sign_in("crk_live_x").problem(401, "unauthenticated");
    sign_in(api.admin()).expect(200);
    assert_limited(&sign_in(api.admin()), "sign_in", 30);
    assert!(!sign_in(api.admin()).headers.contains_key("set-cookie"));
    let leave = api.call("GET", "/console/sign-in/nobody").header("accept", "text/html").send();
    assert_eq!((leave.status, leave.header("content-type")), (429, "text/html; charset=utf-8"));
    assert_eq!((leave.header("retry-after"), leave.header("ratelimit")), ("30", "\"sign_in\";r=0;t=30"));
    assert_limited(&api.call("GET", "/console/sign-in/nobody/callback?code=x&state=y").send(), "sign_in", 30);
    clock.advance(30 * SECOND);
    sign_in(api.admin()).expect(200);
}

#[test]
fn what_a_client_says_of_itself_counts_only_from_a_trusted_proxy() {
    let (api, _, _) = Laboratory::served_limited(&only("redeem=2/60s"), "");
    for client in ["198.51.100.1", "198.51.100.2"] {
        preview_from(&api, client, "crs_x").problem(404, "dead_token");
    }
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip"] {
        let call = api.call("POST", "/v1/shares/redeem/preview").header(header, "198.51.100.3");
        assert_limited(&call.json(&json!({ "token": "crs_x" })).send(), "redeem", 30);
    }
}

#[test]
fn behind_a_trusted_proxy_every_client_counts_for_itself() {
    let (api, _, _) = Laboratory::served_limited(&only("redeem=1/60s"), "127.0.0.1, 10.0.0.0/8");
    for (first, same) in [
        ("198.51.100.1", "203.0.113.7, 198.51.100.1"),
        ("198.51.100.2", "198.51.100.2, 10.1.2.3"),
        ("198.51.100.3", "::ffff:198.51.100.3"),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"),
        ("2001:db8:0:2::1", "2001:db8:0:2::1, 10.1.2.3"),
        // What is no address is the proxy's own, for all of them together.
        ("unknown", "198.51.100.9, _hidden"),
    ] {
        preview_from(&api, first, "crs_x").problem(404, "dead_token");
        assert_limited(&preview_from(&api, same, "crs_x"), "redeem", 60);
    }
}

#[test]
fn limits_of_addresses_are_each_replicas_own() {
    let limits = only("redeem=1/60s");
    let [one, other] = [(); 2].map(|()| Laboratory::served_limited(&limits, "").0);
    for api in [&one, &other] {
        api.preview("crs_x").problem(404, "dead_token");
        assert_limited(&api.preview("crs_x"), "redeem", 60);
    }
}

#[test]
fn a_key_and_its_console_sessions_count_together_and_others_for_themselves() {
    let (api, clock, _) = Laboratory::served_limited(&only("principal=4/60s"), "");
    let (other, narrow) = (api.new_tenant("Other").admin, api.new_key(api.admin(), "live", &[("/", "read")]));
    let console = api.sign_in(api.admin());
    let in_console = || api.call("GET", "/v1/objects").console(&console).send();
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let last = in_console();
    last.expect(200);
    assert_eq!(last.header("ratelimit"), "\"principal\";r=0;t=60");
    assert_limited(&in_console(), "principal", 15);
    assert_limited(&api.get(api.admin(), "/v1/objects"), "principal", 15);
    // A preview by whoever is known counts, too.
    let looking = api.call("POST", "/v1/shares/redeem/preview").bearer(api.admin());
    assert_limited(&looking.json(&json!({ "token": minted.token })).send(), "principal", 15);
    for key in [&other.secret, &narrow.secret] {
        api.get(key, "/v1/objects").expect(200);
    }
    let session = api.open(&minted).token;
    for _ in 0..4 {
        api.get(&session, "/v1/session").expect(200);
    }
    assert_limited(&api.get(&session, "/v1/session"), "principal", 15);
    clock.advance(15 * SECOND);
    api.get(&session, "/v1/session").expect(200);
    in_console().expect(200);
}

#[test]
fn a_session_counts_by_cookie_as_by_token_and_whoever_delivers_counts_too() {
    let (api, _, _) = Laboratory::served_limited(&only("principal=2/60s"), "");
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let session = api.open(&minted);
    let cookie = format!("cloakroom-{}={}", session.id, session.token);
    let by_cookie = || api.call("GET", "/v1/session").header("cookie", &cookie).send();
    by_cookie().expect(200);
    api.get(&session.token, "/v1/session").expect(200);
    assert_limited(&by_cookie(), "principal", 30);

    let made = api.post(api.admin(), "/v1/file-requests", &json!({ "folder": "in/" })).expect(201);
    let deliver = |key: &str| {
        let body = json!({ "token": made["token"], "claim_key": key });
        text(&api.public("/v1/file-requests/redeem", &body).expect(200), "session_token")
    };
    let (one, other) = (deliver(&claim_key()), deliver(&claim_key()));
    let declare = |token: &str| api.post(token, "/v1/session/uploads/batch", &json!({ "uploads": [] }));
    for _ in 0..2 {
        assert_ne!(declare(&one).status, 429);
    }
    assert_limited(&declare(&one), "principal", 30);
    assert_ne!(declare(&other).status, 429);
}

#[test]
fn a_route_can_have_a_limit_of_its_own() {
    let limits = only("POST /v1/shares=1/60s, GET /v1/objects/{path}=1/60s, POST /v1/links/redeem=1/60s");
    let (api, _, _) = Laboratory::served_limited(&limits, "");
    api.mint(api.admin(), "read", &["a.txt"]);
    let body = json!({ "paths": ["a.txt"], "permission": "read" });
    assert_limited(&api.post(api.admin(), "/v1/shares", &body), "POST /v1/shares", 60);
    assert!(!api.get(api.admin(), "/v1/shares").headers.contains_key("ratelimit"));
    assert_eq!(api.get(api.admin(), "/v1/objects/a/b.txt").status, 404);
    assert_limited(&api.get(api.admin(), "/v1/objects/c.txt"), "GET /v1/objects/{path}", 60);
    // Another key is another principal.
    let other = api.new_key(api.admin(), "live", &[("/", "read")]);
    assert_eq!(api.get(&other.secret, "/v1/objects/c.txt").status, 404);
    let redeem = || api.public("/v1/links/redeem", &json!({ "token": "crl_x", "claim_key": claim_key() }));
    redeem().problem(404, "dead_token");
    assert_limited(&redeem(), "POST /v1/links/redeem", 60);
    api.redeem("crs_x", &claim_key()).problem(404, "dead_token");
}

#[test]
fn several_limits_are_told_together() {
    let (api, _, _) = Laboratory::served_limited("principal=10/60s, tenant=100/60s", "");
    let answer = api.get(api.admin(), "/v1/objects");
    assert_eq!(answer.header("ratelimit-policy"), "\"principal\";q=10;w=60, \"tenant\";q=100;w=60");
    assert_eq!(answer.header("ratelimit"), "\"principal\";r=9;t=6, \"tenant\";r=99;t=60");
}

#[test]
fn a_tenants_keys_count_together_and_live_and_test_apart() {
    let (api, clock, _) = Laboratory::served_limited(&only("tenant=5/60s"), "");
    let other = api.new_tenant("Other").admin.secret;
    let another = api.new_key(api.admin(), "live", &[("/", "read")]).secret;
    let test = api.new_key(api.admin(), "test", &[("/", "read")]).secret;
    api.get(&another, "/v1/objects").expect(200);
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    for key in [api.admin(), &another] {
        assert_limited(&api.get(key, "/v1/objects"), "tenant", 60);
    }
    for key in [&other, &test] {
        api.get(key, "/v1/objects").expect(200);
    }
    // Recipients do not use up what the tenant has for itself, and are not stopped by it.
    let session = api.open(&minted).token;
    api.get(&session, "/v1/session").expect(200);
    clock.advance(60 * SECOND);
    api.get(api.admin(), "/v1/objects").expect(200);
}

pub fn a_tenants_limit_holds_on_all_replicas_together(api: &Api) {
    // A clock that stands still: at midnight they would begin anew.
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(api.broker().now()));
    // Everything that a process keeps for itself, anew.
    let replica = || {
        let limits = Arc::new(Limits::new(&only("tenant=60/86400s").parse().unwrap()));
        Broker { clock: Arc::clone(&clock), limits, tallies: Arc::default(), ..api.broker().clone() }
    };
    let replicas = [(); 3].map(|()| replica());
    let secret = SecretText::new(api.admin());
    let caller = api.wait(api.broker().authenticate(&secret, asking())).unwrap();
    let route = RouteTaken { method: "GET", pattern: "/v1/objects" };
    let asked = (0..180).map(|number| {
        let (replica, caller) = (replicas[number % 3].clone(), caller.clone());
        async move { replica.limit_caller(&caller, route).await }
    });
    let asked = api.wait(futures_util::future::join_all(asked));
    let refused = |answer: &Result<_, Error>| matches!(answer, Err(Error::RateLimited { .. }));
    assert_eq!(asked.iter().filter(|answer| answer.is_ok()).count(), 60);
    assert_eq!(asked.iter().filter(|answer| refused(answer)).count(), 120);
    // One that starts later knows it, too.
    assert!(refused(&api.wait(replica().limit_caller(&caller, route))));
}

#[test]
fn where_the_store_does_not_answer_nothing_is_leased() {
    let (api, clock, faults) = Laboratory::served_limited(&only("tenant=40/60s"), "");
    faults.fail_commits(true);
    api.get(api.admin(), "/v1/objects").problem(503, "unavailable");
    faults.fail_commits(false);
    api.get(api.admin(), "/v1/objects").expect(200);
    // Two were leased; the second is spent without asking.
    faults.fail_commits(true);
    api.get(api.admin(), "/v1/objects").expect(200);
    api.get(api.admin(), "/v1/objects").problem(503, "unavailable");
    faults.fail_commits(false);
    clock.advance(60 * SECOND);
    api.get(api.admin(), "/v1/objects").expect(200);
}

#[test]
fn a_crowd_of_handoff_codes_meets_the_limit_with_a_page() {
    let (api, _, _) = Laboratory::served_limited(&only("redeem=1/60s"), "");
    let host = format!("{}.localhost:{}", "0".repeat(40), api.ports[1]);
    let enter = || {
        let call = api.call_content("POST", &host, "/.cloakroom/enter").body(b"code=x");
        call.header("content-type", "application/x-www-form-urlencoded").send()
    };
    assert_eq!(enter().status, 403);
    let refused = enter();
    assert_eq!((refused.status, refused.header("content-type")), (429, "text/html; charset=utf-8"));
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
}

#[test]
fn what_looks_like_an_attack_is_counted() {
    let (api, _, _) = Laboratory::served_limited("off", "127.0.0.1");
    let raised = |event| api.broker().security.raised(event);
    for number in 0..30 {
        assert_eq!(raised(SecurityEvent::DeadTokensFromOneAddress), 0, "{number}");
        preview_from(&api, "198.51.100.1", &format!("crs_{number}")).problem(404, "dead_token");
    }
    assert_eq!(raised(SecurityEvent::DeadTokensFromOneAddress), 1);
    for number in 0..10 {
        assert_eq!(raised(SecurityEvent::OneTokenFromManyAddresses), 0, "{number}");
        preview_from(&api, &format!("203.0.113.{number}"), "crs_published").problem(404, "dead_token");
    }
    assert_eq!(raised(SecurityEvent::OneTokenFromManyAddresses), 1);
    for number in 0..10 {
        assert_eq!(raised(SecurityEvent::SignInFailuresFromOneAddress), 0, "{number}");
        api.public("/v1/console/session", &json!({ "api_key": format!("crk_live_{number}") }));
    }
    assert_eq!(raised(SecurityEvent::SignInFailuresFromOneAddress), 1);
    // Keys that are not accepted are dead tokens; who sends none is nobody.
    for _ in 0..40 {
        api.call("GET", "/v1/objects").header("x-forwarded-for", "198.51.100.2").send().problem(401, "unauthenticated");
    }
    assert_eq!(raised(SecurityEvent::DeadTokensFromOneAddress), 1);
    for number in 0..30 {
        let call = api.call("GET", "/v1/objects").header("x-forwarded-for", "198.51.100.3");
        call.bearer(&format!("crk_live_{number}")).send().problem(401, "unauthenticated");
    }
    assert_eq!(raised(SecurityEvent::DeadTokensFromOneAddress), 2);
    // What lives is no attack, however many have it.
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    for number in 0..40 {
        preview_from(&api, &format!("192.0.2.{number}"), &minted.token).expect(200);
    }
    assert_eq!(raised(SecurityEvent::OneTokenFromManyAddresses), 1);
    assert_eq!(raised(SecurityEvent::LimitIgnoredByOneAddress), 0);
}

#[test]
fn who_goes_on_although_refused_is_told_to_the_operator() {
    let (api, _, _) = Laboratory::served_limited(&only("redeem=1/60s"), "");
    for _ in 0..101 {
        assert_eq!(api.broker().security.raised(SecurityEvent::LimitIgnoredByOneAddress), 0);
        api.preview("crs_x");
    }
    assert_eq!(api.broker().security.raised(SecurityEvent::LimitIgnoredByOneAddress), 1);
}

/// Five hundred at once on a hundred links: each link lets five be looked at, and passwords are hashed one at a time.
#[test]
fn five_hundred_guesses_at_once_wait_in_a_short_queue_or_are_sent_away() {
    let (api, _, _) = Laboratory::served_limited("off", "");
    api.upload(api.admin(), "site/index.html", b"<p>");
    let artifact = api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["site/"] })).expect(201);
    let body = json!({ "artifact": artifact["id"], "password": "open sesame" });
    let links: Vec<_> =
        (0..100).map(|_| text(&api.post(api.admin(), "/v1/links", &body).expect(201), "token")).collect();
    let guesses: Vec<Answer> = thread::scope(|scope| {
        let guess = |number: usize| {
            let body = json!({ "token": links[number % 100], "claim_key": claim_key(), "password": "open barley" });
            let api = &api;
            move || api.public("/v1/links/redeem", &body)
        };
        let guessing: Vec<_> = (0..500).map(|number| scope.spawn(guess(number))).collect();
        // Others are served meanwhile, and with 200.
        for _ in 0..50 {
            api.get(api.admin(), "/v1/links").expect(200);
        }
        guessing.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    for guess in &guesses {
        match guess.status {
            403 => drop(guess.problem(403, "password_wrong")),
            _ => {
                guess.problem(503, "busy");
                assert_eq!(guess.header("retry-after"), "1");
            }
        }
    }
    assert!(guesses.iter().any(|guess| guess.status == 403));
}

#[test]
fn floods_of_headers_are_refused_and_stop_nobody() {
    let (api, _, _) = Laboratory::served_limited("redeem=1000/60s", "127.0.0.1");
    let body = br#"{"token":"crs_x"}"#;
    let flood = |headers: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", api.ports[0])).unwrap();
        let head = format!(
            "POST /v1/shares/redeem/preview HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\ncontent-type: \
             application/json\r\ncontent-length: {}\r\n{headers}\r\n",
            api.ports[0],
            body.len()
        );
        // It may hang up before everything is sent.
        let _sent = stream.write_all(&[head.as_bytes(), body].concat());
        let mut answer = Vec::new();
        let _until_hung_up = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    };
    let refused = |status: &str| status.is_empty() || status.starts_with("HTTP/1.1 4");
    for headers in [
        (0..1_000).map(|number| format!("x-{number}: y\r\n")).collect::<String>(),
        format!("x-forwarded-for: {}\r\n", "10.0.0.1, ".repeat(50_000)),
        format!("x-forwarded-for: {}\r\n", "x".repeat(1_000_000)),
        "x-forwarded-for: 198.51.100.1\r\n".repeat(1_000),
    ] {
        let status = flood(&headers);
        assert!(refused(&status), "{status}");
    }
    // As many as a server takes: read from the right, and no further than to the first stranger.
    let status = flood(&"x-forwarded-for: 198.51.100.1, 127.0.0.1\r\n".repeat(50));
    assert!(status.starts_with("HTTP/1.1 404"), "{status}");
    api.preview("crs_x").problem(404, "dead_token");
}
