//! How each route is asked: rightly but for a canary in one place, about something that is there.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::{
    api::harness::{Answer, Api, Minted, claim_key, random, text},
    program::process::until,
};

use super::{
    description::{Description, HERE},
    kinds::{Kinds, edge_cookies},
    places::{FORM, How, JSON, Place},
    search::Canary,
};

/// The kinds of things that routes are about, as their paths name them.
const THINGS: [&str; 10] =
    ["artifacts", "shares", "links", "file-requests", "uploads", "session", "api-keys", "users", "tenants", "webhooks"];

/// Somebody who asks every route.
pub struct Asker<'a> {
    api: &'a Api,
    pub description: Description,
    canaries: &'a [Canary],
    /// An id of each kind.
    things: BTreeMap<&'static str, String>,
    /// May be claimed by many, as may what goes to recipients.
    share: Minted,
    addressed: Minted,
    link: Minted,
    asked: Value,
    session: String,
    claim_key: String,
    /// An artifact's host, with cookies that open it.
    host: String,
    cookies: String,
    receiver: String,
}

/// A request that was sent.
pub struct Sent {
    /// To where, and in which place which canary was.
    pub what: String,
    /// The number of the canary.
    pub canary: usize,
    /// Whether its sender may be told what it was.
    pub is_told_back: bool,
    /// All of an answer that refuses something.
    pub refusal: Option<Vec<u8>>,
}

impl<'a> Asker<'a> {
    pub fn new(api: &'a Api, kinds: &'a Kinds<'_>) -> Self {
        let admin = api.admin();
        let many = |more: Value| {
            let mut body = json!({ "paths": ["docs/"], "permission": "write" });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            api.mint_as(admin, &body)
        };
        let (share, claim_key) = (many(json!({ "redemptions": 1000 })), claim_key());
        let session = text(&api.redeem(&share.token, &claim_key).expect(200), "session_token");
        let page = api.publish_page(admin);
        let handoff = api.handoff(&api.link(admin, &page.id, json!({})).token);
        let asked = json!({ "folder": "incoming/", "submissions": 1000 });
        let mut asker = Self {
            api,
            description: Description::new(),
            canaries: &kinds.canaries,
            things: BTreeMap::new(),
            share,
            addressed: many(json!({ "recipients": ["ada@example.org"] })),
            link: api.link(admin, &page.id, json!({ "redemptions": 1000 })),
            asked: api.post(admin, "/v1/file-requests", &asked).expect(201),
            session,
            claim_key,
            cookies: edge_cookies(&api.enter(&handoff.host, &handoff.code)),
            host: page.host,
            receiver: kinds.receiver.url(),
        };
        for kind in THINGS {
            let made = asker.make(kind);
            asker.things.insert(kind, made);
        }
        asker
    }

    /// Makes something of this kind: its id.
    fn make(&self, kind: &str) -> String {
        let (api, admin) = (self.api, self.api.admin());
        let made = |route: &str, body: Value| text(&api.post(admin, route, &body).expect(201), "id");
        let grants = json!([{ "path": "docs/", "permission": "read" }]);
        match kind {
            "artifacts" => api.publish(admin, &["docs/a.txt"]).id,
            "shares" => api.mint(admin, "write", &["docs/"]).id,
            "links" => made("/v1/links", json!({ "artifact": self.things["artifacts"] })),
            "file-requests" => made("/v1/file-requests", json!({ "folder": "incoming/" })),
            "uploads" => text(&api.declare(admin, "/v1/uploads", &new_path(), b"a"), "id"),
            "session" => text(&api.declare(&self.session, "/v1/session/uploads", &new_path(), b"a"), "id"),
            "api-keys" => made("/v1/api-keys", json!({ "grants": grants })),
            "users" => {
                made("/v1/users", json!({ "issuer": "https://id.example", "subject": new_path(), "grants": grants }))
            }
            "tenants" => api.new_tenant("Third").id,
            // Of other events than there are, so that nobody is flooded.
            "webhooks" => made("/v1/webhooks", json!({ "url": self.receiver, "types": ["store.*"] })),
            other => panic!("what is {other}?"),
        }
    }

    /// What is right for a field of this route's body.
    pub fn sample(&self, route: &str, field: &str) -> Option<Value> {
        Some(match (route, field) {
            ("POST /v1/shares/redeem/code", "token") => json!(self.addressed.token),
            (route, "token") if route.contains("/links/") => json!(self.link.token),
            (route, "token") if route.contains("/file-requests/") => self.asked["token"].clone(),
            (_, "token") => json!(self.share.token),
            ("POST /v1/session/moves", "claim_key") => json!(self.claim_key),
            (_, "claim_key") => json!(claim_key()),
            (route, "path") if route.contains("/uploads") => json!(new_path()),
            (_, "path") => json!("docs/a.txt"),
            (_, "paths") => json!(["docs/a.txt"]),
            (_, "permission") => json!("read"),
            (_, "grants") => json!([{ "path": "docs/", "permission": "read" }]),
            (_, "artifact") => json!(self.things["artifacts"]),
            (_, "api_key") => json!(self.api.admin()),
            (_, "folder") => json!("incoming/"),
            (_, "content_type") => json!("text/plain"),
            (_, "issuer") => json!("https://id.example"),
            (_, "subject") => json!(new_path()),
            (_, "address") => json!("ada@example.org"),
            (_, "to") => json!("bob@example.org"),
            (_, "code") => json!("00000000"),
            (_, "url") => json!(self.receiver),
            (_, "origins") => json!([]),
            (_, "request") => json!("{}"),
            _ => return None,
        })
    }

    /// What stands in the path where no canary does. Whatever a request may end is made for it.
    fn parameter(&self, route: &str, name: &str) -> String {
        let (method, pattern) = route.rsplit_once(' ').unwrap();
        let kind = pattern.split('/').nth(2).unwrap_or_default();
        match (name, kind) {
            ("path", _) => String::from(if method == "DELETE" { "docs/none.txt" } else { "docs/a.txt" }),
            // There are not many of them.
            ("id", "webhooks") if method == "DELETE" => "whk_00000000000000000000000000000000".to_owned(),
            ("id", kind) if method == "DELETE" && THINGS.contains(&kind) => self.make(kind),
            ("id", kind) => self.things.get(kind).cloned().unwrap_or_else(|| "x".to_owned()),
            ("token", _) => self.url_of_storage(method).rsplit('/').next().unwrap().to_owned(),
            ("provider", _) => "sso".to_owned(),
            ("place", _) => "shares".to_owned(),
            _ => "1".to_owned(),
        }
    }

    /// A URL that is good for this method at the content listener.
    fn url_of_storage(&self, method: &str) -> String {
        let (api, admin) = (self.api, self.api.admin());
        let declared = match method {
            "content PUT" => api.declare(admin, "/v1/uploads", &new_path(), b"a"),
            "content POST" => self.form(),
            _ => api.post(admin, "/v1/objects/downloads", &json!({ "path": "docs/a.txt" })).expect(200),
        };
        text(&declared, "url")
    }

    /// An upload that is declared to come by a form.
    fn form(&self) -> Value {
        let body = json!({ "path": new_path(), "size": 1, "content_type": "text/plain", "method": "post" });
        self.api.declare_as(self.api.admin(), &body)
    }

    fn path(&self, route: &str, instead: Option<(&str, &str)>) -> String {
        let (mut path, mut rest) = (String::new(), route.rsplit_once(' ').unwrap().1);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap();
            path += before;
            path += &match instead {
                Some((wanted, text)) if wanted == name => text.to_owned(),
                _ => self.parameter(route, name),
            };
            rest = after;
        }
        path + rest
    }

    /// Sends a request of this route with a canary in this place.
    pub fn send(&self, route: &str, place: &Place, canary: usize) -> Sent {
        let Canary { what, text } = &self.canaries[canary];
        let what = format!("{route}, {} ({}), {what}", place.sort, place.name);
        // Where it would be kept in the open, it is refused for a character that nobody sees.
        let text = if place.is_open { format!("{text}\u{7}") } else { text.clone() };
        let encoded = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
        let answer = match &place.how {
            How::Part(written) => self.send_part(&written(&text)),
            How::Path(name) => self.ask(route, &self.path(route, Some((name.as_str(), encoded.as_str()))), &[], None),
            How::Query(query) => {
                let path = self.path(route, None) + &query.replace(HERE, &encoded);
                self.ask(route, &path, &[], None)
            }
            How::Headers(headers) => {
                let others = self.canaries.iter().cycle().skip(canary);
                let headers: Vec<_> =
                    headers.iter().zip(others).map(|((name, written), other)| (*name, written(&other.text))).collect();
                self.ask(route, &self.path(route, None), &headers, None)
            }
            How::Body(kind, body, written) => {
                let body = body.replace(HERE, &written(&text));
                self.ask(route, &self.path(route, None), &[], Some((*kind, body)))
            }
        };
        Sent { what, canary, is_told_back: place.is_told_back(), refusal: refusal(&answer) }
    }

    /// A request that is as usual in everything but these headers, or this body.
    fn ask(&self, route: &str, path: &str, headers: &[(&str, String)], body: Option<(&str, String)>) -> Answer {
        let (method, _) = route.rsplit_once(' ').unwrap();
        let (listener, method) = method.rsplit_once(' ').unwrap_or(("api", method));
        let [api, content, ops] = self.api.ports;
        let (url, host) = match listener {
            "api" => (format!("http://127.0.0.1:{api}{path}"), None),
            "ops" => (format!("http://127.0.0.1:{ops}{path}"), None),
            "content" => (format!("http://127.0.0.1:{content}{path}"), Some(format!("localhost:{content}"))),
            _ => (format!("http://127.0.0.1:{content}{path}"), Some(self.host.clone())),
        };
        let with_body = ["POST", "PUT", "PATCH"].contains(&method);
        let body = body.or_else(|| self.usual_body(route)).filter(|_| with_body);
        let body = body.map(|(kind, body)| match route {
            // As those of `make`.
            "POST /v1/webhooks" if !body.contains("\"types\"") => {
                (kind, body.replacen('{', "{\"types\":[\"store.*\"],", 1))
            }
            _ => (kind, body),
        });
        let mut usual = vec![("content-type", body.as_ref().map(|(kind, _)| (*kind).to_owned())), ("host", host)];
        match listener {
            "artifact" => usual.push(("cookie", Some(self.cookies.clone()))),
            "api" if headers.iter().all(|(name, _)| *name != "cookie") => {
                let who = if path.starts_with("/v1/session") { self.session.as_str() } else { self.api.admin() };
                usual.push(("authorization", Some(format!("Bearer {who}"))));
            }
            _ => {}
        }
        if body.as_ref().is_some_and(|(kind, _)| *kind == FORM) {
            // Browsers say where a form comes from.
            usual.push(("origin", Some(format!("http://127.0.0.1:{api}"))));
        }
        let is_other = |name: &str| headers.iter().any(|(other, _)| *other == name);
        let send = || {
            let mut call = self.api.call_url(method, &url);
            for (name, value) in &usual {
                if let Some(value) = value.as_ref().filter(|_| !is_other(name)) {
                    call = call.header(name, value);
                }
            }
            let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
            body.iter().fold(call, |call, (_, body)| call.body(body.as_bytes())).send()
        };
        // Three exports are made at a time, and whoever comes too early has said nothing yet.
        let is_early = |answer: &Answer| {
            answer.status == 409 && String::from_utf8_lossy(&answer.body).contains("exports_under_way")
        };
        until("there is room for it", || Some(send()).filter(|answer| !is_early(answer)))
    }

    fn usual_body(&self, route: &str) -> Option<(&'static str, String)> {
        let sample = |field: &str| self.sample(route, field);
        let json = self.description.usual(route, JSON, &sample).map(|body| (JSON, body.to_string()));
        json.or_else(|| route.starts_with("artifact").then(|| (FORM, "code=x".to_owned())))
    }

    /// A file by a form that has one part too many.
    fn send_part(&self, part: &str) -> Answer {
        let declared = self.form();
        let fields = declared["fields"].as_object().unwrap().iter().map(|(name, value)| {
            format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{}", value.as_str().unwrap())
        });
        let file = "Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\na".to_owned();
        let parts = fields.chain([part.to_owned(), file]).map(|part| format!("--B\r\n{part}\r\n"));
        let body = parts.collect::<String>() + "--B--\r\n";
        self.api
            .call_url("POST", &text(&declared, "url"))
            .header("content-type", "multipart/form-data; boundary=B")
            .body(body.as_bytes())
            .send()
    }
}

/// What a request was refused with, all of it or some items.
pub fn refusal(answer: &Answer) -> Option<Vec<u8>> {
    let problem = b"urn:cloakroom:problem:";
    let refuses = answer.status >= 400 || answer.body.windows(problem.len()).any(|window| window == problem);
    let mut all = Vec::new();
    for (name, value) in &answer.headers {
        all.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
    }
    all.extend_from_slice(&answer.body);
    refuses.then_some(all)
}

/// A path that nothing has.
fn new_path() -> String {
    format!("docs/{}.txt", base16ct::lower::encode_string(&random::<8>()))
}
