//! Every kind of ticket, and where it is presented.

use serde_json::{Value, json};

use super::{
    altered::fits_a_header,
    asking::{Request, encoded},
    house::House,
};
use crate::api::harness::claim_key;

/// A kind of ticket; what a column of the table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ticket {
    Share,
    Move,
    Link,
    Request,
    Handoff,
    Edge,
    Session,
    Cookie,
    Submission,
    Key,
    Console,
    Event,
    Url,
}

/// Something that is presented, and what is presented with it.
#[derive(Clone)]
pub struct Held {
    pub token: String,
    pub claim_key: String,
    /// The host, where it is for one.
    pub host: String,
    /// The name of a cookie, what else a cookie has to be with, or a method.
    pub name: String,
    /// The page that sends it.
    pub origin: Option<String>,
}

impl Held {
    pub fn new(token: impl Into<String>) -> Self {
        let (host, name) = (String::new(), String::new());
        Self { token: token.into(), claim_key: claim_key(), host, name, origin: None }
    }

    pub fn of(token: impl Into<String>, claim_key: impl Into<String>) -> Self {
        Self { claim_key: claim_key.into(), ..Self::new(token) }
    }

    /// Another text, presented like this one.
    pub fn with(&self, token: impl Into<String>) -> Self {
        Self { token: token.into(), ..self.clone() }
    }
}

impl Ticket {
    pub const ALL: [Self; 13] = [
        Self::Share,
        Self::Move,
        Self::Link,
        Self::Request,
        Self::Handoff,
        Self::Edge,
        Self::Session,
        Self::Cookie,
        Self::Submission,
        Self::Key,
        Self::Console,
        Self::Event,
        Self::Url,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Move => "move",
            Self::Link => "link",
            Self::Request => "request",
            Self::Handoff => "handoff",
            Self::Edge => "edge",
            Self::Session => "session",
            Self::Cookie => "cookie",
            Self::Submission => "submission",
            Self::Key => "key",
            Self::Console => "console",
            Self::Event => "event",
            Self::Url => "url",
        }
    }

    /// Requests that present it, by route and what goes with it. None where it does not fit into one.
    pub fn requests(self, house: &House, held: &Held, with_its_claim_key: bool) -> Vec<(String, Request)> {
        let Held { token, claim_key, host, name, origin } = held;
        let redeem = json!({ "token": token, "claim_key": claim_key });
        let plus = |more: Value| {
            let mut body = redeem.clone();
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let address = json!({ "token": token, "address": "ada@example.org" });
        let guess = json!({ "recipient": { "address": "ada@example.org", "code": "12345678" } });
        let post = |path, body: &Value| (format!("POST {path}"), Request::json(path, body));
        let upload = json!({ "path": "b.txt", "size": 1, "content_type": "text/plain" });
        let wants = |requests: Vec<(String, Request)>, fits: bool| if fits { requests } else { Vec::new() };
        match self {
            Self::Share | Self::Move => {
                let mut all = vec![
                    post("/v1/shares/redeem", &redeem),
                    post("/v1/shares/redeem/preview", &redeem),
                    post("/v1/shares/redeem", &plus(guess)),
                ];
                if !with_its_claim_key {
                    all.push(post("/v1/shares/redeem/code", &address));
                }
                all
            }
            Self::Link => {
                let mut all = vec![
                    post("/v1/links/redeem", &redeem),
                    post("/v1/links/redeem", &plus(json!({ "password": "guess" }))),
                    post("/v1/links/redeem", &plus(guess)),
                    post("/v1/links/redeem/preview", &redeem),
                ];
                if !with_its_claim_key {
                    all.push(post("/v1/links/redeem/code", &address));
                }
                all
            }
            Self::Request => vec![
                post("/v1/file-requests/redeem", &redeem),
                post("/v1/file-requests/redeem", &plus(json!({ "password": "guess", "name": "Ann" }))),
                post("/v1/file-requests/redeem/preview", &redeem),
            ],
            Self::Handoff => {
                let origin = origin.clone().unwrap_or_else(|| format!("http://127.0.0.1:{}", house.api.ports[0]));
                let form = Request::new("POST", "/.cloakroom/enter").at(host).header("origin", origin);
                let form = form.header("content-type", "application/x-www-form-urlencoded");
                let body = format!("code={}", encoded(token));
                vec![("artifact POST /.cloakroom/enter".into(), Request { body, ..form })]
            }
            Self::Edge => {
                let get = |path| {
                    let request = Request::new("GET", path).at(host).header("cookie", token.as_str());
                    ("artifact GET /{path}".to_owned(), request)
                };
                vec![get("/"), get("/index.html"), get("/none")]
            }
            Self::Session => {
                let posts = [("/v1/session/downloads", json!({ "path": "a.txt" })), ("/v1/session/uploads", upload)];
                let gets = ["/v1/session", "/v1/session/objects"].map(|path| Request::new("GET", path));
                let posts = posts.map(|(path, body)| Request::json(path, &body));
                let all = gets
                    .into_iter()
                    .chain(posts)
                    .map(|request| (format!("{} {}", request.method, request.path), request.bearer(token)));
                wants(all.collect(), fits_a_header(token))
            }
            Self::Cookie => {
                let cookie = format!("cloakroom-{name}={token}");
                let get = |path: &'static str| {
                    (format!("GET {path}"), Request::new("GET", path).header("cookie", cookie.as_str()))
                };
                wants(vec![get("/v1/session"), get("/v1/session/objects")], fits_a_header(token))
            }
            Self::Submission => {
                let declare = Request::json("/v1/session/uploads", &upload).bearer(token);
                let complete = format!("/v1/session/uploads/upl_{}/complete", "0".repeat(32));
                let all = vec![
                    ("POST /v1/session/uploads".to_owned(), declare),
                    ("POST /v1/session/uploads/{id}/complete".to_owned(), Request::new("POST", complete).bearer(token)),
                ];
                wants(all, fits_a_header(token))
            }
            Self::Key => {
                let mut all = Vec::new();
                if fits_a_header(token) {
                    for path in ["/v1/shares", "/v1/tenants", "/v1/objects/a.txt"] {
                        all.push((format!("GET {path}"), Request::new("GET", path).bearer(token)));
                    }
                    let mint = json!({ "paths": ["a.txt"], "permission": "read" });
                    all.push(("POST /v1/shares".to_owned(), Request::json("/v1/shares", &mint).bearer(token)));
                    let look = json!({ "token": "crs_" });
                    let look = Request::json("/v1/shares/redeem/preview", &look).bearer(token);
                    all.push(("POST /v1/shares/redeem/preview".to_owned(), look));
                }
                all.push(post("/v1/console/session", &json!({ "api_key": token })));
                all
            }
            Self::Console => {
                let cookies = format!("cloakroom-console={token}; cloakroom-csrf={name}");
                let ask = |method, path: &'static str| {
                    let request = Request::new(method, path).header("cookie", cookies.as_str());
                    (format!("{method} {path}"), request.header("cloakroom-csrf", name.as_str()))
                };
                let all = [("GET", "/v1/shares"), ("GET", "/v1/console/session"), ("DELETE", "/v1/console/session")];
                wants(all.map(|(method, path)| ask(method, path)).into(), fits_a_header(token))
            }
            Self::Event => {
                let request = Request::new("GET", format!("/v1/events/ws?ticket={}", encoded(token)));
                let request = request.header("connection", "upgrade").header("upgrade", "websocket");
                let request = request.header("sec-websocket-version", "13");
                vec![("GET /v1/events/ws".into(), request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="))]
            }
            Self::Url => {
                let methods = ["GET", "HEAD", "PUT", "POST"].into_iter();
                let methods = methods.filter(|method| *method == name.as_str() || (name == "GET" && *method == "HEAD"));
                let ask = |method| {
                    let request = Request::new(method, format!("/o/{}", encoded(token)));
                    let request = request.at(&format!("localhost:{}", house.api.ports[1]));
                    let request = request.header("content-type", "text/plain").header("if-none-match", "*");
                    (
                        format!("content {method} /o/{{token}}"),
                        Request { body: if method == "PUT" { "a".into() } else { String::new() }, ..request },
                    )
                };
                wants(methods.map(ask).collect(), !token.is_empty())
            }
        }
    }

    /// What asks without any ticket, or with one that nobody could take for one: its answer is that of all of them. Whatever
    /// may be told apart by which of these it is, is not told.
    pub fn usual(self, house: &House) -> Vec<Request> {
        let word = json!({ "token": "word", "claim_key": claim_key() });
        match self {
            Self::Share | Self::Move | Self::Link | Self::Request | Self::Event => vec![
                Request::json("/v1/shares/redeem", &word),
                Request::json("/v1/links/redeem", &word),
                Request::json("/v1/file-requests/redeem", &word),
            ],
            Self::Session | Self::Cookie | Self::Submission => {
                vec![Request::new("GET", "/v1/session"), Request::json("/v1/session/uploads", &json!({}))]
            }
            Self::Key | Self::Console => {
                vec![Request::new("GET", "/v1/shares"), Request::json("/v1/shares", &json!({}))]
            }
            Self::Handoff | Self::Edge => {
                let nowhere = format!("{}.localhost:{}", "f".repeat(40), house.api.ports[1]);
                vec![Request::new("GET", "/").at(&nowhere), Request::new("GET", "/none").at(&nowhere)]
            }
            Self::Url => vec![Request::new("GET", "/o/word").at(&format!("localhost:{}", house.api.ports[1]))],
        }
    }

    /// The same without its body.
    pub fn usual_head(self, house: &House) -> Request {
        Request { method: "HEAD", ..self.usual(house).remove(0) }
    }
}
