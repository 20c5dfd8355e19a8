//! What clients do while replicas come and go: each answer is looked at, and each request that had none is noted.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::scope,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cloakroom::{
    clock::{Clock, SystemClock},
    domain::instant::Instant,
    entropy::{Entropy, SystemEntropy},
};
use serde_json::{Value, json};

use super::process::{patiently, until};

/// How many claimants ask for one share at once.
const CLAIMANTS: usize = 4;

/// So many rounds a tenant has, of up to five requests each: well within the limit of its requests.
const ROUNDS_OF_A_TENANT: usize = 10;

/// So many wrong passwords are tried at once.
const GUESSES: usize = 9;

/// A request of which no broker's answer came.
#[derive(Debug)]
pub struct Lost {
    pub number: u64,
    pub began: Instant,
    pub ended: Instant,
    pub what: String,
}

/// What a broker answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }

    #[track_caller]
    fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field}: {self:?}")).to_owned()
    }

    fn is(&self, status: u16, code: &str) -> bool {
        (self.status, &self.body["code"]) == (status, &json!(code))
    }
}

/// A claim key, and what it was answered.
type Claimant = (String, Answer);

/// A tenant of the load.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub id: String,
    pub key: String,
}

/// How a share has to have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Claimed,
    /// Revoked before anybody asked for it.
    Revoked,
}

/// All that is asked of the replicas.
pub struct Load<'a> {
    url: String,
    operator: &'a str,
    agent: ureq::Agent,
    numbers: AtomicU64,
    answered: AtomicUsize,
    over: AtomicBool,
    /// How often a broker has said that its storage does not answer.
    pub unavailable: AtomicUsize,
    pub lost: Mutex<Vec<Lost>>,
    pub tenants: Mutex<Vec<Tenant>>,
    /// Every share that was minted: whose, and how it has to have ended.
    pub shares: Mutex<BTreeMap<String, (Tenant, Fate)>>,
}

/// By the clock of brokers.
pub fn now() -> Instant {
    SystemClock::default().now()
}

/// 32 random bytes, as claimants make them.
fn random() -> String {
    URL_SAFE_NO_PAD.encode((&SystemEntropy as &dyn Entropy).bytes::<32>())
}

/// How many tries at a password may have been looked at within this time: five, and one more after 1, 2, 4 … seconds.
fn tries_within(time: Duration) -> usize {
    5 + (time.as_secs() + 1).ilog2() as usize
}

/// Ends the load, however whoever made it ends.
pub struct Over<'a>(pub &'a Load<'a>);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}

impl<'a> Load<'a> {
    pub fn on(url: String, operator: &'a str) -> Self {
        // A connection for each request: those that a client keeps are no business of this test.
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections(0)
            .timeout_global(Some(Duration::from_secs(90)))
            .proxy(None);
        Self {
            url,
            operator,
            agent: config.build().into(),
            numbers: AtomicU64::new(0),
            answered: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            unavailable: AtomicUsize::new(0),
            lost: Mutex::default(),
            tenants: Mutex::default(),
            shares: Mutex::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// How many requests were answered.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Waits until so many more requests were answered, or the load is over.
    pub fn goes_on(&self, requests: usize) {
        let enough = self.answered() + requests;
        patiently("requests are answered", || (self.answered() >= enough || self.is_over()).then_some(()));
    }

    /// One request. Nothing where no broker has answered it: that is noted.
    fn try_once(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Option<Answer> {
        let number = self.numbers.fetch_add(1, Ordering::SeqCst);
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("x-number", number.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let began = now();
        let sent = match body {
            Some(body) => {
                self.agent.run(request.header("content-type", "application/json").body(body.to_string()).unwrap())
            }
            None => self.agent.run(request.body(()).unwrap()),
        };
        let read = sent.and_then(|mut answer| {
            let text = answer.body_mut().read_to_string()?;
            Ok((answer, text))
        });
        let what = match read {
            // What the load balancer says by itself has no request id.
            Ok((answer, text)) if answer.headers().contains_key("request-id") => {
                self.answered.fetch_add(1, Ordering::SeqCst);
                let body = serde_json::from_str(&text).unwrap_or(Value::Null);
                return Some(Answer { status: answer.status().as_u16(), body });
            }
            Ok((answer, _)) => answer.status().to_string(),
            Err(fault) => fault.to_string(),
        };
        let (ended, what) = (now(), format!("{method} {path}: {what}"));
        self.lost.lock().unwrap().push(Lost { number, began, ended, what });
        None
    }

    /// One request, again and again until it is answered by more than that the storage does not answer.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        until("a replica answers", || {
            let answer = self.try_once(method, path, headers, body)?;
            let unavailable = answer.is(503, "unavailable");
            self.unavailable.fetch_add(usize::from(unavailable), Ordering::SeqCst);
            (!unavailable).then_some(answer)
        })
    }

    pub fn get(&self, key: &str, path: &str) -> Answer {
        self.ask("GET", path, &[("authorization", &format!("Bearer {key}"))], None)
    }

    /// Creates something once, however often it has to be asked for.
    #[track_caller]
    fn create(&self, key: &str, path: &str, body: &Value) -> Answer {
        let headers = [("authorization", &*format!("Bearer {key}")), ("idempotency-key", &*random())];
        let answer = self.ask("POST", path, &headers, Some(body));
        assert_eq!(answer.status, 201, "{answer:?}");
        answer
    }

    fn new_tenant(&self) -> Tenant {
        let made = self.create(self.operator, "/v1/tenants", &json!({ "name": "Load" })).body;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Tenant { id: text(&made["id"]), key: text(&made["admin_key"]["secret"]) }
    }

    /// Another one, whose ledger is looked at afterwards.
    fn looked_after(&self) -> Tenant {
        let tenant = self.new_tenant();
        self.tenants.lock().unwrap().push(tenant.clone());
        tenant
    }

    /// The id and the token of a share that has to end so.
    fn mint(&self, tenant: &Tenant, fate: Fate) -> (String, String) {
        let body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true });
        let minted = self.create(&tenant.key, "/v1/shares", &body);
        self.shares.lock().unwrap().insert(minted.text("id"), (tenant.clone(), fate));
        (minted.text("id"), minted.text("token"))
    }

    fn redeem(&self, token: &str, claim_key: &str) -> Answer {
        let body = json!({ "token": token, "claim_key": claim_key });
        self.ask("POST", "/v1/shares/redeem", &[], Some(&body))
    }

    fn revoke(&self, tenant: &Tenant, id: &str) {
        let path = format!("/v1/shares/{id}");
        self.ask("DELETE", &path, &[("authorization", &format!("Bearer {}", tenant.key))], None).expect(204);
    }

    /// All at once, each with a claim key of their own and until they know: who is let in, and who is not.
    fn race(&self, token: &str) -> (Vec<Claimant>, Vec<Claimant>) {
        let answers: Vec<_> = scope(|threads| {
            let claim = || {
                let key = random();
                let answer = self.redeem(token, &key);
                (key, answer)
            };
            let racers: Vec<_> = (0..CLAIMANTS).map(|_| threads.spawn(claim)).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| answer.status == 200);
        for (_, answer) in &lost {
            assert!(answer.is(404, "dead_token"), "{answer:?}");
        }
        (won, lost)
    }

    fn share_once(&self, tenant: &Tenant, number: usize) {
        let (id, token) = self.mint(tenant, Fate::Claimed);
        let (won, lost) = self.race(&token);
        assert_eq!(won.len(), 1, "winners of {id}: {won:?}");
        let (key, opened) = &won[0];
        let again = self.redeem(&token, key);
        assert_eq!((again.status, again.text("session")), (200, opened.text("session")), "{again:?}");
        assert!(self.redeem(&token, &lost[0].0).is(404, "dead_token"));
        let session = opened.text("session_token");
        self.get(&session, "/v1/session").expect(200);
        if number.is_multiple_of(2) {
            self.revoke(tenant, &id);
            assert!(self.get(&session, "/v1/session").is(401, "no_session"));
            assert!(self.redeem(&token, key).is(404, "dead_token"));
        }

        let (id, token) = self.mint(tenant, Fate::Revoked);
        self.revoke(tenant, &id);
        let (won, _) = self.race(&token);
        assert!(won.is_empty(), "{id} was revoked: {won:?}");

        let upload = json!({ "path": format!("in/{number}.txt"), "size": 5, "content_type": "text/plain" });
        let declared = self.create(&tenant.key, "/v1/uploads", &upload);
        assert!(declared.text("url").starts_with("http"));
    }

    /// Rounds of one tenant after the other, until it is over.
    fn rounds(&self, round: impl Fn(&Tenant, usize)) {
        while !self.is_over() {
            let tenant = self.looked_after();
            (0..ROUNDS_OF_A_TENANT).take_while(|_| !self.is_over()).for_each(|number| round(&tenant, number));
        }
    }

    /// Shares, claimants and uploads.
    pub fn share(&self) {
        self.rounds(|tenant, number| self.share_once(tenant, number));
    }

    /// Guesses at passwords: of all replicas together no more are looked at than one would.
    pub fn guess(&self) {
        self.rounds(|tenant, _| self.guess_once(tenant));
    }

    fn guess_once(&self, tenant: &Tenant) {
        let wanted = json!({ "folder": "in/", "password": "open sesame" });
        let token = self.create(&tenant.key, "/v1/file-requests", &wanted).text("token");
        let began = now();
        let guess = || {
            let body = json!({ "token": token, "claim_key": random(), "password": "wrong" });
            self.ask("POST", "/v1/file-requests/redeem", &[], Some(&body))
        };
        let answers: Vec<_> = scope(|threads| {
            let guessing: Vec<_> = (0..GUESSES).map(|_| threads.spawn(guess)).collect();
            guessing.into_iter().map(|guess| guess.join().unwrap()).collect()
        });
        let looked_at = answers.iter().filter(|answer| answer.is(403, "password_wrong")).count();
        let refused = answers.iter().filter(|answer| answer.is(429, "too_many_tries")).count();
        assert_eq!(looked_at + refused, GUESSES, "{answers:?}");
        let most = tries_within(now().since(began));
        assert!(looked_at <= most, "{looked_at} guesses were looked at instead of {most}");
        // Hashing takes processors from all others.
        self.goes_on(100);
    }

    /// Asks as a tenant that is near its limit: how often it was answered before it was refused, and once it was over.
    pub fn exhaust(&self) -> usize {
        let tenant = self.new_tenant();
        let mut let_through = 0;
        loop {
            let answer = self.get(&tenant.key, "/v1/shares?limit=1");
            let refused = answer.is(429, "rate_limited");
            assert!(refused || answer.status == 200, "{answer:?}");
            let_through += usize::from(!refused);
            if refused && self.is_over() {
                return let_through;
            }
            if refused {
                // Whoever comes after a restart is to know it, too.
                self.goes_on(50);
            }
        }
    }
}
