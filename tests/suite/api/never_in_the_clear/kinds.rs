//! One secret of each kind that there is: drawn, handed out, and used as people use it. Some are used up, others good.

use std::collections::HashMap;

use cloakroom::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use url::Url;

use crate::api::{
    deeds::code_of,
    harness::{Answer, Api, claim_key, text},
    receiver::{Got, Receiver},
};

use super::{
    program::{AUDIENCE, CLIENT, Program, Told},
    search::Canary,
};

/// The names of the cookies that open an artifact.
const EDGE_COOKIES: [&str; 4] =
    ["CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id", "CloudFront-Hash-Algorithm"];

const ADA: &str = "ada@example.org";

/// What somebody says who does not know the password.
const WRONG: &str = "a guess that misses, 4711";

/// Secrets of each kind, and what was answered where they were refused.
pub struct Kinds<'program> {
    program: &'program Program,
    /// Those that may stand anywhere.
    pub canaries: Vec<Canary>,
    /// What a recipient types. As part of other numbers it means nothing, and so it is sent nowhere else.
    pub code: Option<Canary>,
    pub refusals: Vec<Answer>,
    /// Takes what a webhook sends.
    pub receiver: Receiver,
    /// The id of a share, which is no secret.
    pub share: String,
}

impl<'program> Kinds<'program> {
    pub fn of(program: &'program Program) -> Self {
        let mut kinds = Self {
            program,
            canaries: Vec::new(),
            code: None,
            refusals: Vec::new(),
            receiver: Receiver::new(),
            share: String::new(),
        };
        kinds.add("a client's secret at a provider", &program.client_secret);
        // First of all, so that it is told of everything.
        kinds.webhooks();
        kinds.keys();
        kinds.shares();
        kinds.transfers();
        kinds.links();
        kinds.deliveries();
        kinds.recipients();
        kinds.followers();
        kinds.console();
        kinds.single_sign_on();
        kinds.replies();
        kinds
    }

    /// Everything that is searched for.
    pub fn all(&self) -> Vec<Canary> {
        self.canaries.iter().chain(&self.code).cloned().collect()
    }

    /// What a webhook has sent so far, but for what programs have said of themselves.
    pub fn messages(&self) -> Vec<Told> {
        let message = |got: Got| {
            let mut body = got.json();
            if let Some(client) = body.pointer_mut("/data/client").and_then(Value::as_object_mut) {
                client.remove("user_agent");
            }
            let head: Vec<_> = got.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            let message = format!("{}\n{}{body}", got.path, head.concat());
            ("a message to a webhook".to_owned(), message.into_bytes())
        };
        self.receiver.got().into_iter().map(message).collect()
    }

    fn api(&self) -> &'program Api {
        &self.program.api
    }

    fn add(&mut self, what: &'static str, text: impl Into<String>) -> String {
        let text = text.into();
        self.canaries.push(Canary::new(what, text.as_str()));
        text
    }

    #[track_caller]
    fn refused(&mut self, answer: Answer) {
        assert!(answer.status >= 400, "{answer:?}");
        self.refusals.push(answer);
    }

    fn webhooks(&mut self) {
        let (api, url) = (self.api(), self.receiver.url());
        let made = api.post(api.admin(), "/v1/webhooks", &json!({ "url": url })).expect(201);
        self.add("a webhook's secret", text(&made, "secret"));
        let route = format!("/v1/webhooks/{}", text(&made, "id"));
        let rotated = api.post(api.admin(), &format!("{route}/rotate"), &json!({})).expect(201);
        self.add("a webhook's second secret", text(&rotated, "secret"));
        let tested = api.call("POST", &format!("{route}/test")).bearer(api.admin()).send().expect(200);
        assert_eq!(tested["delivered"], true, "{tested}");
    }

    fn keys(&mut self) {
        let api = self.api();
        self.add("the admin key", api.admin());
        let key = api.new_key(api.admin(), "live", &[("docs/", "write")]);
        self.add("an API key", key.secret);
        let rotated = api.post(api.admin(), &format!("/v1/api-keys/{}/rotate", key.id), &json!({})).expect(201);
        self.add("an API key's second secret", text(&rotated, "secret"));
        self.add("an API key for trying out", api.new_key(api.admin(), "test", &[("/", "admin")]).secret);
        let second = api.new_tenant("Visible name of a tenant");
        self.add("a tenant's admin key", second.admin.secret);
        let acting = format!("/v1/tenants/{}/impersonations", second.id);
        let acting = api.post(api.admin(), &acting, &json!({ "reason": "a test" })).expect(201);
        self.add("an operator's key for a tenant", text(&acting, "secret"));
    }

    fn shares(&mut self) {
        let api = self.api();
        api.upload(api.admin(), "docs/a.txt", b"x");
        let minted = api.mint(api.admin(), "write", &["docs/"]);
        self.share.clone_from(&minted.id);
        self.add("a share token", minted.token.as_str());
        let (claimant, other) = (self.add("a claim key", claim_key()), self.add("a refused claim key", claim_key()));
        let opened = api.redeem(&minted.token, &claimant).expect(200);
        self.add("a session token", text(&opened, "session_token"));
        let renewed = api.redeem(&minted.token, &claimant).expect(200);
        let renewed = self.add("a renewed session token", text(&renewed, "session_token"));
        self.refused(api.redeem(&minted.token, &other));
        self.refused(api.preview(&minted.token));
        // To another device, and on to a third, where nobody takes it.
        let offer = |session: &str, claim_key: &str| {
            text(&api.post(session, "/v1/session/moves", &json!({ "claim_key": claim_key })).expect(201), "token")
        };
        let used = self.add("a move token that was used", offer(&renewed, &claimant));
        let mover = self.add("a mover's claim key", claim_key());
        let moved = text(&api.redeem(&used, &mover).expect(200), "session_token");
        self.add("a move token", offer(&moved, &mover));
        self.add("a moved session's token", moved);
        self.refused(api.redeem(&used, &claim_key()));
        self.refused(api.get(&renewed, "/v1/session"));
    }

    fn transfers(&mut self) {
        let api = self.api();
        let session = api.open(&api.mint(api.admin(), "write", &["docs/"])).token;
        let declared = api.declare(&session, "/v1/session/uploads", "docs/b.txt", b"b");
        let url = self.add("an upload URL", text(&declared, "url"));
        assert!((200..300).contains(&api.put(&declared, b"b").status));
        let complete = format!("/v1/session/uploads/{}/complete", text(&declared, "id"));
        api.call("POST", &complete).bearer(&session).send().expect(200);
        self.refused(api.put(&declared, b"b"));
        self.refused(api.call_url("GET", &url).send());
        let of = |path: &str, method: &str| {
            let body = json!({ "path": path, "size": 1, "content_type": "text/plain", "method": method });
            api.declare_as(api.admin(), &body)
        };
        let form = of("docs/c.txt", "post");
        self.add("the URL of a form", text(&form, "url"));
        assert!((200..300).contains(&api.send_form(&form, b"c").status));
        let parts = format!("/v1/uploads/{}/parts", text(&of("docs/d.txt", "multipart"), "id"));
        let parts = api.post(api.admin(), &parts, &json!({ "parts": [{ "number": 1 }] })).expect(200);
        self.add("the URL of a part", text(&parts["items"][0], "url"));
        assert!((200..300).contains(&api.put(&parts["items"][0], b"d").status));
        let download = api.post(&session, "/v1/session/downloads", &json!({ "path": "docs/a.txt" })).expect(200);
        let download = self.add("a download URL", text(&download, "url"));
        assert_eq!(api.call_url("GET", &download).send().status, 200);
        self.refused(api.call_url("PUT", &download).body(b"x").send());
    }

    fn links(&mut self) {
        let api = self.api();
        let page = api.publish_page(api.admin());
        let password = self.add("a password", "correct \"horse\" & <battery> staple/1%");
        self.add("a wrong password", WRONG);
        let link = api.link(api.admin(), &page.id, json!({ "password": password })).token;
        self.add("a link token", link.as_str());
        let claimant = self.add("the claim key of a link", claim_key());
        self.refused(api.redeem_with_password(&link, &claimant, WRONG));
        let code = |kinds: &mut Self, what| {
            let opened = api.redeem_with_password(&link, &claimant, &password).expect(200);
            kinds.add(what, text(&opened["enter"], "code"))
        };
        let used = code(self, "a handoff code that was used");
        let entered = api.enter(&page.host, &used);
        assert_eq!(entered.status, 303, "{entered:?}");
        self.add("the signature of an edge cookie", entered.cookie(EDGE_COOKIES[1]));
        assert_eq!(api.browse(&page.host, &edge_cookies(&entered), "/").status, 200);
        self.refused(api.enter(&page.host, &used));
        code(self, "a handoff code");
    }

    fn deliveries(&mut self) {
        let api = self.api();
        let password = self.add("a file request's password", "what only deliverers know");
        let asked = json!({ "folder": "incoming/", "password": password });
        let asked = api.post(api.admin(), "/v1/file-requests", &asked).expect(201);
        let token = self.add("a file request's token", text(&asked, "token"));
        let claimant = self.add("a deliverer's claim key", claim_key());
        let mut delivering = json!({ "token": token, "claim_key": claimant, "password": WRONG });
        self.refused(api.public("/v1/file-requests/redeem", &delivering));
        delivering["password"] = json!(password);
        let delivery = text(&api.public("/v1/file-requests/redeem", &delivering).expect(200), "session_token");
        let delivery = self.add("a submission token", delivery);
        let declared = api.declare(&delivery, "/v1/session/uploads", "d.txt", b"d");
        self.add("the URL of a delivery", text(&declared, "url"));
        assert!((200..300).contains(&api.put(&declared, b"d").status));
        self.refused(api.get(&delivery, "/v1/session/objects"));
    }

    fn recipients(&mut self) {
        let api = self.api();
        let body = json!({ "paths": ["docs/a.txt"], "permission": "read", "recipients": [ADA] });
        let minted = api.mint_as(api.admin(), &body);
        self.add("the token of a recipient's share", minted.token.as_str());
        api.public("/v1/shares/redeem/code", &json!({ "token": minted.token, "address": ADA })).expect(202);
        let code = code_of(&self.program.mail(0));
        let claimant = self.add("a recipient's claim key", claim_key());
        let redeem = |code: &str| {
            let recipient = json!({ "address": ADA, "code": code });
            let body = json!({ "token": minted.token, "claim_key": claimant, "recipient": recipient });
            api.public("/v1/shares/redeem", &body)
        };
        // None of its digits is right.
        let wrong: String = code.chars().map(|digit| if digit == '0' { '1' } else { '0' }).collect();
        self.refused(redeem(&wrong));
        self.add("a recipient's session token", text(&redeem(&code).expect(200), "session_token"));
        self.code = Some(Canary::new("a recipient's code", code));
    }

    fn followers(&mut self) {
        let api = self.api();
        let draw = || text(&api.call("POST", "/v1/events/tickets").bearer(api.admin()).send().expect(200), "ticket");
        let used = self.add("a ticket of events that was used", draw());
        let path = format!("/v1/events/ws?ticket={used}");
        assert!(api.socket(&path, &[]).is_ok(), "a ticket opens a socket");
        assert_eq!(api.socket(&path, &[]).err(), Some((404, "dead_token".into())));
        self.refused(api.call("GET", &path).send());
        self.add("a ticket of events", draw());
    }

    fn console(&mut self) {
        let api = self.api();
        let console = api.sign_in(api.admin());
        api.call("POST", "/v1/console/qr").console(&console).json(&json!({ "text": "a text" })).send().expect(200);
        self.refused(api.call("POST", "/v1/shares").header("cookie", &console.cookies()).json(&json!({})).send());
        self.refused(api.public("/v1/console/session", &json!({ "api_key": console.secret })));
        let left = api.sign_in(api.admin());
        api.call("DELETE", "/v1/console/session").console(&left).send().expect(204);
        self.refused(api.call("GET", "/v1/console/session").console(&left).send());
        self.add("a console session", console.secret);
        self.add("a token against forgery", console.csrf);
        self.add("a console session that has ended", left.secret);
    }

    /// Somebody signs in at a provider, once and in vain a second time; and comes with a token of theirs.
    fn single_sign_on(&mut self) {
        let (program, api) = (self.program, self.api());
        let (issuer, subject) = (program.issuer.url(), "somebody at work");
        let grants = json!([{ "path": "docs/", "permission": "read" }]);
        let user = json!({ "issuer": issuer, "subject": subject, "grants": grants });
        api.post(api.admin(), "/v1/users", &user).expect(201);
        let away = api.call("GET", "/console/sign-in/sso").send();
        assert_eq!(away.status, 303, "{away:?}");
        let cookie = self.add("the cookie of an attempt to sign in", away.cookie("cloakroom-signing-in"));
        let asked = Url::parse(away.header("location")).unwrap();
        let asked: HashMap<String, String> = asked.query_pairs().into_owned().collect();
        let state = self.add("the state of an attempt to sign in", asked["state"].as_str());
        let nonce = self.add("the nonce of an attempt to sign in", asked["nonce"].as_str());
        let now = SystemClock::default().now().as_unix_seconds();
        let claims = |audience: &str| {
            let (issued, expires) = (now.saturating_sub(5), now + 600);
            json!({ "iss": issuer, "sub": subject, "aud": audience, "iat": issued, "exp": expires })
        };
        let mut id_claims = claims(CLIENT);
        id_claims["nonce"] = json!(nonce);
        let id_token = self.add("an ID token", program.signer.id_token(&id_claims));
        let access_token = program.signer.access_token(&with_client(claims(AUDIENCE)));
        let access_token = self.add("a provider's access token", access_token);
        let tokens = json!({ "id_token": id_token, "token_type": "Bearer" });
        program.issuer.change(|published| published.tokens = ("200 OK", tokens));
        let code = self.add("a provider's code", claim_key());
        let arrive = || {
            let path = format!("/console/sign-in/sso/callback?code={code}&state={state}");
            api.call("GET", &path).header("cookie", &format!("cloakroom-signing-in={cookie}")).send()
        };
        let arrived = arrive();
        assert_eq!(arrived.status, 303, "{arrived:?}");
        self.add("a user's console session", arrived.cookie("cloakroom-console"));
        self.refused(arrive());
        let (_, form) = program.issuer.change(|published| published.requests.last().unwrap().clone());
        let (_, verifier) = form_urlencoded::parse(form.as_bytes()).find(|(name, _)| name == "code_verifier").unwrap();
        self.add("the verifier of an attempt to sign in", verifier);
        api.get(&access_token, "/v1/objects").expect(200);
        self.refused(api.get(&access_token, "/v1/webhooks"));
        self.refused(api.get(&id_token, "/v1/objects"));
    }

    /// What is answered again is kept, with the secrets in it.
    fn replies(&mut self) {
        let api = self.api();
        let named = self.add("an idempotency key", claim_key());
        let artifact = api.publish(api.admin(), &["docs/a.txt"]).id;
        let upload = json!({ "path": "c", "size": 1, "content_type": "a/b" });
        let grants = json!([{ "path": "/", "permission": "read" }]);
        for (what, route, body) in [
            ("a share token, again", "/v1/shares", json!({ "paths": ["docs/"], "permission": "read" })),
            ("a link token, again", "/v1/links", json!({ "artifact": artifact })),
            ("a file request's token, again", "/v1/file-requests", json!({ "folder": "incoming/" })),
            ("an upload URL, again", "/v1/uploads", upload),
            ("an API key, again", "/v1/api-keys", json!({ "grants": grants })),
            // Of no events that there are: one webhook is told of them all.
            ("a webhook's secret, again", "/v1/webhooks", json!({ "url": self.receiver.url(), "types": ["store.*"] })),
        ] {
            let named = format!("{named}{route}");
            let ask = |body: &Value| {
                api.call("POST", route).bearer(api.admin()).header("idempotency-key", &named).json(body).send()
            };
            let (created, again) = (ask(&body).expect(201), ask(&body));
            assert_eq!((&again.json(), again.header("idempotency-replayed")), (&created, "true"));
            // A webhook has a URL as well, which is no secret.
            let secret = ["token", "secret", "url"].iter().find_map(|field| created[field].as_str());
            self.add(what, secret.unwrap());
            self.refused(ask(&json!({})));
        }
    }
}

/// The claims of an access token (RFC 9068).
fn with_client(mut claims: Value) -> Value {
    claims["client_id"] = json!("someone");
    claims["jti"] = json!("1");
    claims
}

/// What a browser sends that has just entered.
pub fn edge_cookies(entered: &Answer) -> String {
    EDGE_COOKIES.map(|name| format!("{name}={}", entered.cookie(name))).join("; ")
}
