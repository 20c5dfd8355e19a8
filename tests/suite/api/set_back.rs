//! Promise 3, when somebody sets the clock back: while the broker runs, and while it is down. What had ended stays ended,
//! nothing lives longer for it, and what is done from time to time is done as before.

use std::{fs, time::Duration};

use cloakroom::{clock::Clock, domain::instant::Instant, service::sweep::Sweeping};
use serde_json::{Value, json};

use super::{
    harness::{Answer, Api, Backend, Console, claim_key, text},
    laboratory::Laboratory,
};
use crate::{
    delivery::words::Handoff,
    program::process::{Place, fault},
};

const HOUR: Duration = Duration::from_secs(3_600);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// One of each that ends by itself, within the quarter of an hour after which it is looked at again.
struct Ending {
    share: String,
    session: String,
    offer: String,
    link: String,
    handoff: Handoff,
    edge: (String, String),
    request: String,
    delivery: String,
    key: String,
    console: Console,
    ticket: String,
    upload: Value,
    download: String,
}

impl Ending {
    fn new(api: &Api) -> Self {
        let admin = api.admin();
        let minute = |more: Value| {
            let mut body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true, "expires_in": 60 });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            api.mint_as(admin, &body).token
        };
        let key = claim_key();
        let opened = api.redeem(&minute(json!({ "access_expires_in": 900 })), &key).expect(200);
        let session = text(&opened, "session_token");
        let offer = text(&api.post(&session, "/v1/session/moves", &json!({ "claim_key": key })).expect(201), "token");
        let page = api.publish_page(admin);
        let link = |more| api.link(admin, &page.id, more).token;
        let asked = json!({ "folder": "incoming/", "expires_in": 60, "access_expires_in": 60 });
        let asked = text(&api.post(admin, "/v1/file-requests", &asked).expect(201), "token");
        let deliver = json!({ "token": asked, "claim_key": claim_key() });
        let grants = json!([{ "path": "/", "permission": "admin" }]);
        let key = api.post(admin, "/v1/api-keys", &json!({ "grants": grants, "expires_in": 60 })).text("secret");
        let download = api.post(admin, "/v1/objects/downloads", &json!({ "path": "page/index.html" })).text("url");
        Self {
            share: minute(json!({})),
            offer,
            session,
            link: link(json!({ "expires_in": 60 })),
            handoff: api.handoff(&link(json!({}))),
            edge: (page.host.clone(), api.admitted(admin, &page)),
            delivery: api.public("/v1/file-requests/redeem", &deliver).text("session_token"),
            request: asked,
            console: api.sign_in(&key),
            ticket: api.call("POST", "/v1/events/tickets").bearer(admin).send().text("ticket"),
            upload: api.declare(admin, "/v1/uploads", &format!("{}.txt", &key[20..30]), b"a"),
            key,
            download,
        }
    }

    /// What each is answered. None of it is used up where it is refused.
    fn answers(&self, api: &Api) -> Vec<(&'static str, u16)> {
        let request = json!({ "token": self.request, "claim_key": claim_key() });
        let upload = json!({ "path": "b.txt", "size": 1, "content_type": "text/plain" });
        let preview =
            |kind: &str, token: &str| api.public(&format!("/v1/{kind}/redeem/preview"), &json!({ "token": token }));
        let ticket = api.socket(&format!("/v1/events/ws?ticket={}", self.ticket), &[]);
        let answers = [
            ("share, looked at", preview("shares", &self.share)),
            ("share", api.redeem(&self.share, &claim_key())),
            ("session", api.get(&self.session, "/v1/session")),
            ("offer to move", preview("shares", &self.offer)),
            ("link, looked at", preview("links", &self.link)),
            ("link", api.redeem_link(&self.link, &claim_key())),
            ("handoff code", api.enter(&self.handoff.host, &self.handoff.code)),
            ("cookies of the edge", api.browse(&self.edge.0, &self.edge.1, "/")),
            ("file request", api.public("/v1/file-requests/redeem", &request)),
            ("delivery", api.post(&self.delivery, "/v1/session/uploads", &upload)),
            ("key", api.get(&self.key, "/v1/shares")),
            ("console", api.call("GET", "/v1/shares").console(&self.console).send()),
            ("upload", api.put(&self.upload, b"a")),
            ("download", api.call_url("GET", &self.download).send()),
        ];
        let statuses = answers.map(|(what, answer): (_, Answer)| (what, answer.status));
        statuses.into_iter().chain([("ticket", ticket.err().map_or(101, |(status, _)| status))]).collect()
    }

    #[track_caller]
    fn assert_ended(&self, api: &Api, when: &str) {
        for (what, status) in self.answers(api) {
            assert!([401, 403, 404].contains(&status), "{when}: a {what} is answered {status}");
        }
    }
}

/// What a process does from time to time.
fn a_round(api: &Api, since: Instant) -> Vec<String> {
    let broker = api.broker();
    let swept = api.wait(broker.sweep(since, Sweeping::Really)).unwrap();
    api.wait(async {
        broker.record_last_used().await;
        broker.record_summaries(false).await;
        broker.chain_everything().await.unwrap();
        broker.sweep_due_ledgers().await;
        broker.note_progress().await.unwrap();
        broker.remove_due_tenants().await.unwrap();
    });
    swept.swept.iter().map(|swept| swept.upload.to_string()).collect()
}

#[test]
fn while_it_runs_nothing_comes_back_to_life_and_nothing_lives_longer() {
    let (api, clock, _) = Laboratory::served();
    let begun = clock.now();
    let ending = Ending::new(&api);
    clock.advance(seconds(900));
    ending.assert_ended(&api, "in its time");
    let ended = clock.now();
    for back in [seconds(1), seconds(900), HOUR, 24 * HOUR, 365 * 24 * HOUR] {
        clock.set_back(back);
        assert_eq!(clock.now(), ended, "it stands where it was");
        ending.assert_ended(&api, &format!("set back by {back:?}"));
    }
    // What is made now is judged by time that passes, not by the time of day, which is a year behind.
    let fresh = Ending::new(&api);
    clock.advance(seconds(29));
    for (what, status) in fresh.answers(&api) {
        assert!([101, 200, 201, 303].contains(&status), "a new {what} is answered {status}");
    }
    let fresh = Ending::new(&api);
    clock.advance(seconds(900));
    fresh.assert_ended(&api, "made with a clock that was set back");
    ending.assert_ended(&api, "later");

    // Uploads that nobody sent are given up, ledgers go on, and what is recorded never goes back in time.
    clock.advance(24 * HOUR);
    clock.set_back(24 * HOUR);
    let upload = text(&ending.upload, "id");
    assert!(a_round(&api, begun).contains(&upload), "it is swept");
    assert_eq!(api.get(api.admin(), &format!("/v1/uploads/{upload}")).text("status"), "expired");
    assert_eq!(api.get(api.admin(), "/v1/audit/verify").expect(200)["intact"], true);
    let mut last = begun;
    for event in api.events(&api.ledger()) {
        assert!(event.at >= begun && event.at <= clock.now(), "{event:?}");
        last = last.max(event.at);
    }
    assert!(last > ended);
}

#[test]
fn limits_neither_end_nor_last_longer() {
    let limits = "redeem=2/60s, sign_in=off, principal=off, tenant=off";
    let (api, clock, _) = Laboratory::served_limited(limits, "");
    let ask = || api.preview("crs_x");
    for _ in 0..2 {
        ask().problem(404, "dead_token");
    }
    let refused = ask();
    refused.problem(429, "rate_limited");
    clock.set_back(24 * HOUR);
    assert_eq!(ask().header("retry-after"), refused.header("retry-after"), "nothing is gained by it, and nothing lost");
    clock.advance(seconds(30));
    ask().problem(404, "dead_token");
    ask().problem(429, "rate_limited");
}

#[test]
fn tries_at_a_password_wait_as_long_as_before() {
    let (api, clock, _) = Laboratory::served();
    let page = api.publish_page(api.admin());
    let token = api.link(api.admin(), &page.id, json!({ "password": "open sesame" })).token;
    let guess = |password| api.redeem_with_password(&token, &claim_key(), password);
    let refused = (0..100).find_map(|_| {
        clock.advance(seconds(60));
        clock.set_back(seconds(60));
        Some(guess("wrong")).filter(|answer| answer.status == 429)
    });
    let wait: u64 = refused.expect("it waits for longer than a minute").header("retry-after").parse().unwrap();
    clock.set_back(24 * HOUR);
    guess("open sesame").problem(429, "too_many_tries");
    clock.advance(seconds(wait) - Duration::from_millis(1_001));
    guess("open sesame").problem(429, "too_many_tries");
    clock.advance(Duration::from_millis(1_001));
    guess("open sesame").expect(200);
}

/// What an earlier run has seen is written down. Here it was two hours ahead of what the clock says now.
#[test]
fn while_it_is_down_nothing_comes_back_to_life() {
    let mut api = Api::start(Backend::Embedded);
    let ending = Ending::new(&api);
    let (share, session) = (api.mint(api.admin(), "read", &["a.txt"]), ending.session.clone());
    api.get(&session, "/v1/session").expect(200);
    api.halt();
    let seen = cloakroom::clock::SystemClock::default().now().plus(2 * HOUR);
    fs::write(api.data_dir().join("clock"), format!("{}\n", seen.as_unix_millis())).unwrap();
    api.restart();
    assert!(api.broker().now() >= seen);
    // Free ports were drawn anew, and the ports are part of these.
    let moved = |host: &str| format!("{}.localhost:{}", &host[..40], api.ports[1]);
    let at_new = |url: &str| format!("http://localhost:{}{}", api.ports[1], &url[url.find("/o/").unwrap()..]);
    let mut upload = ending.upload.clone();
    upload["url"] = json!(at_new(&text(&ending.upload, "url")));
    let handoff = Handoff { host: moved(&ending.handoff.host), code: ending.handoff.code.clone() };
    let edge = (moved(&ending.edge.0), ending.edge.1.clone());
    let ending = Ending { handoff, edge, upload, download: at_new(&ending.download), ..ending };
    ending.assert_ended(&api, "after a start with a clock that was set back");
    api.redeem(&share.token, &claim_key()).problem(404, "dead_token");
    let fresh = Ending::new(&api);
    api.redeem(&fresh.share, &claim_key()).expect(200);
    api.get(&fresh.session, "/v1/session").expect(200);
    assert_eq!(api.get(api.admin(), "/v1/audit/verify").expect(200)["intact"], true);
}

/// So far behind what was seen, either of both is a mistake, and only somebody who knows can say which.
#[test]
fn a_clock_that_is_days_behind_is_not_served_by() {
    let place = Place::new();
    place.serve().stop();
    let (file, now) = (place.data_dir().join("clock"), cloakroom::clock::SystemClock::default().now());
    fs::write(&file, format!("{}\n", now.plus(25 * HOUR).as_unix_millis())).unwrap();
    let said = fault(&place.run("serve"));
    for word in ["clock", "set the clock right"] {
        assert!(said.contains(word), "{said}");
    }
    fs::write(&file, "yesterday\n").unwrap();
    assert!(fault(&place.run("serve")).contains("is damaged"));
    fs::remove_file(&file).unwrap();
    place.serve().stop();
    let written = fs::read_to_string(&file).unwrap();
    let millis: u64 = written.split(' ').next().unwrap().parse().unwrap();
    assert!(millis >= now.as_unix_millis(), "it is written down at the end: {written}");
}
