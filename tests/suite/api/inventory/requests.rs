//! How each route is asked: a request that is right in everything, about something made for it alone.

use cloakroom::domain::tenant::{Mode, Namespace};
use serde_json::{Value, json};

use super::{
    super::harness::Api,
    callers::{House, key},
};
use crate::{
    api::{
        calls::{Answer, Call},
        harness::{claim_key, random, text},
    },
    program::process::until,
};

/// A request that is right but for who sends it.
struct Asked {
    path: String,
    body: Option<Value>,
}

impl House {
    /// What somebody of this column is answered on this route.
    pub fn ask(&self, route: &str, column: &str) -> Answer {
        match route.split_once(' ').unwrap() {
            ("content" | "artifact" | "ops", _) => self.by(column, self.elsewhere(route)).send(),
            (method, _) => {
                let Asked { path, body } = self.asked(route, column);
                let call = self.by(column, self.api.call(method, &path));
                body.iter().fold(call, |call, body| call.json(body)).send()
            }
        }
    }

    /// A request to the listener of the API. What belongs to a session is the session's own; everything else is the first tenant's.
    fn asked(&self, route: &str, column: &str) -> Asked {
        let (api, admin) = (&self.api, self.api.admin());
        let (_, pattern) = route.split_once(' ').unwrap();
        let with = |body| Asked { path: pattern.to_owned(), body: Some(body) };
        let of = |id: &str| Asked { path: pattern.replace("{id}", id), body: None };
        let of_with = |id: &str, body| Asked { body: Some(body), ..of(id) };
        let nothing = json!({});
        let upload = |path: &str| json!({ "path": path, "size": 1, "content_type": "text/plain" });
        let in_parts =
            |path: &str| json!({ "path": path, "size": 1, "content_type": "text/plain", "method": "multipart" });
        let new = || format!("docs/{}.txt", new_name());
        let grant = json!([{ "path": "docs/", "permission": "read" }]);
        let artifact = || api.publish(admin, &["docs/a.txt"]).id;
        let link = || api.link(admin, &artifact(), json!({}));
        let share = || api.mint(admin, "read", &["docs/a.txt"]);
        let asked = || api.post(admin, "/v1/file-requests", &json!({ "folder": "incoming/" })).expect(201);
        let declared = |bearer: &str, route: &str| api.declare(bearer, route, &new(), b"a");
        let sent = |bearer: &str, route: &str| {
            let declared = declared(bearer, route);
            assert!((200..300).contains(&api.put(&declared, b"a").status));
            text(&declared, "id")
        };
        let parts = |bearer: &str, route: &str| text(&api.post(bearer, route, &in_parts(&new())).expect(201), "id");
        let done = |bearer: &str, route: &str| {
            let id = sent(bearer, route);
            api.call("POST", &format!("{route}/{id}/complete")).bearer(bearer).send().expect(200);
            id
        };
        let (ours, theirs) = ("/v1/uploads", "/v1/session/uploads");
        let whose = if pattern.starts_with(theirs) { (self.session.as_str(), theirs) } else { (admin, ours) };
        let user = || {
            let body = json!({ "issuer": "https://id.example", "subject": new_name(), "grants": grant });
            text(&api.post(admin, "/v1/users", &body).expect(201), "id")
        };
        let tenant = || api.new_tenant("Third").id;
        match route {
            "POST /v1/shares" => with(json!({ "paths": ["docs/a.txt"], "permission": "read" })),
            "POST /v1/shares/redeem" => with(json!({ "token": share().token, "claim_key": claim_key() })),
            "POST /v1/shares/redeem/preview" => with(json!({ "token": share().token })),
            "POST /v1/shares/revoke" => {
                let metadata = json!({ "cell": new_name() });
                let body = json!({ "paths": ["docs/a.txt"], "permission": "read", "metadata": metadata });
                api.mint_as(admin, &body);
                with(json!({ "metadata": metadata }))
            }
            "POST /v1/links/revoke" => {
                let metadata = json!({ "cell": new_name() });
                api.link(admin, &artifact(), json!({ "metadata": metadata }));
                with(json!({ "metadata": metadata }))
            }
            "POST /v1/shares/redeem/code" => {
                let body = json!({ "paths": ["docs/a.txt"], "permission": "read", "recipients": ["ada@example.org"] });
                with(json!({ "token": api.mint_as(admin, &body).token, "address": "ada@example.org" }))
            }
            "POST /v1/links/redeem/code" => {
                let link = api.link(admin, &artifact(), json!({ "recipients": ["ada@example.org"] }));
                with(json!({ "token": link.token, "address": "ada@example.org" }))
            }
            "GET /v1/shares/{id}"
            | "DELETE /v1/shares/{id}"
            | "GET /v1/shares/{id}/objects"
            | "GET /v1/shares/{id}/explain"
            | "GET /v1/shares/{id}/events" => of(&share().id),
            "PATCH /v1/shares/{id}" => of_with(&share().id, json!({ "expires_in": 60 })),
            "POST /v1/session/downloads" => with(json!({ "path": "docs/a.txt" })),
            "POST /v1/session/downloads/batch" | "POST /v1/session/archives" => {
                with(json!({ "paths": ["docs/a.txt"] }))
            }
            "POST /v1/session/moves" => with(json!({ "claim_key": self.claim_key })),
            "POST /v1/uploads" | "POST /v1/session/uploads" => with(upload(&new())),
            "POST /v1/uploads/batch" | "POST /v1/session/uploads/batch" => with(json!({ "items": [upload(&new())] })),
            "POST /v1/uploads/{id}/parts" | "POST /v1/session/uploads/{id}/parts" => {
                of_with(&parts(whose.0, whose.1), json!({ "parts": [{ "number": 1 }] }))
            }
            "GET /v1/uploads/{id}/parts" | "GET /v1/session/uploads/{id}/parts" => of(&parts(whose.0, whose.1)),
            "POST /v1/uploads/{id}/complete" | "POST /v1/session/uploads/{id}/complete" => of(&sent(whose.0, whose.1)),
            "GET /v1/uploads/{id}/receipt" | "GET /v1/session/uploads/{id}/receipt" => of(&done(whose.0, whose.1)),
            "GET /v1/uploads/{id}"
            | "DELETE /v1/uploads/{id}"
            | "GET /v1/session/uploads/{id}"
            | "DELETE /v1/session/uploads/{id}" => of(&text(&declared(whose.0, whose.1), "id")),
            "POST /v1/uploads/sweep" | "POST /v1/objects/reconcile" => with(json!({ "dry_run": true })),
            "POST /v1/artifacts" => with(json!({ "paths": ["docs/a.txt"] })),
            "GET /v1/artifacts/{id}" | "DELETE /v1/artifacts/{id}" => of(&artifact()),
            "POST /v1/links" => with(json!({ "artifact": artifact() })),
            "POST /v1/links/redeem" => with(json!({ "token": link().token, "claim_key": claim_key() })),
            "POST /v1/links/redeem/preview" => with(json!({ "token": link().token })),
            "GET /v1/links/{id}" | "DELETE /v1/links/{id}" | "GET /v1/links/{id}/events" => of(&link().id),
            "PATCH /v1/links/{id}" => of_with(&link().id, json!({ "expires_in": 60 })),
            "POST /v1/file-requests" => with(json!({ "folder": "incoming/" })),
            "POST /v1/file-requests/redeem" => with(json!({ "token": asked()["token"], "claim_key": claim_key() })),
            "POST /v1/file-requests/redeem/preview" => with(json!({ "token": asked()["token"] })),
            "GET /v1/file-requests/{id}" | "DELETE /v1/file-requests/{id}" | "GET /v1/file-requests/{id}/events" => {
                of(&text(&asked(), "id"))
            }
            "POST /v1/objects/downloads" => with(json!({ "path": "docs/a.txt" })),
            "POST /v1/objects/archives" => with(json!({ "paths": ["docs/a.txt"] })),
            "GET /v1/objects/{path}" | "DELETE /v1/objects/{path}" => {
                let path = new();
                api.put_file(admin, &path, "text/plain", b"a");
                Asked { path: pattern.replace("{path}", &path), body: None }
            }
            "POST /v1/api-keys" => with(json!({ "grants": grant })),
            "GET /v1/api-keys/{id}"
            | "DELETE /v1/api-keys/{id}"
            | "POST /v1/api-keys/{id}/cut-off"
            | "POST /v1/api-keys/{id}/reinstate" => of(&key(api, "member", "read").id),
            "PATCH /v1/api-keys/{id}" => of_with(&key(api, "member", "read").id, json!({ "label": "new" })),
            "GET /v1/audit/signing-keys" => {
                api.post(api.admin(), "/v1/audit/checkpoints", &json!({})).expect(200);
                Asked { path: pattern.into(), body: None }
            }
            "GET /v1/audit/exports" => {
                export(api);
                Asked { path: pattern.into(), body: None }
            }
            "POST /v1/audit/exports" => {
                await_exports(api);
                Asked { path: pattern.into(), body: Some(json!({})) }
            }
            "GET /v1/audit/exports/{id}" => of(&export(api)),
            // What opens it is in its ticket, whoever sends that: api::event_sockets. Without an upgrade nothing is looked at.
            "GET /v1/events/ws" => Asked { path: "/v1/events/ws?ticket=cet_x".into(), body: None },
            "GET /v1/webhooks" => {
                self.hook();
                Asked { path: pattern.into(), body: None }
            }
            "POST /v1/webhooks" => {
                self.hook();
                with(json!({ "url": "https://inside.example/" }))
            }
            "GET /v1/webhooks/{id}"
            | "DELETE /v1/webhooks/{id}"
            | "POST /v1/webhooks/{id}/test"
            | "GET /v1/webhooks/{id}/deliveries" => of(&self.hook()),
            "PATCH /v1/webhooks/{id}" => of_with(&self.hook(), json!({ "description": "new" })),
            "POST /v1/webhooks/{id}/rotate" => of_with(&self.hook(), nothing),
            "POST /v1/webhooks/{id}/replay" => of_with(&self.hook(), json!({ "after": 1 })),
            "POST /v1/webhooks/{id}/deliveries/{seq}/replay" => {
                let hook = self.hook();
                let namespace = Namespace { tenant: api.tenant.id.parse().unwrap(), mode: Mode::Live };
                api.wait(api.broker().deliver(namespace)).unwrap();
                let waiting = api.get(admin, &format!("/v1/webhooks/{hook}/deliveries")).expect(200);
                let path = pattern.replace("{id}", &hook).replace("{seq}", &waiting["items"][0]["seq"].to_string());
                Asked { path, body: None }
            }
            "POST /v1/audit/signing-keys/{id}/replace" => {
                api.post(api.admin(), "/v1/audit/checkpoints", &json!({})).expect(200);
                let keys = api.get(api.admin(), "/v1/audit/signing-keys").expect(200);
                of(&text(&keys["items"][0], "id"))
            }
            "POST /v1/api-keys/{id}/rotate" => of_with(&key(api, "member", "read").id, nothing),
            "POST /v1/users" => with(json!({ "issuer": "https://id.example", "subject": new_name(), "grants": grant })),
            "GET /v1/users/{id}"
            | "DELETE /v1/users/{id}"
            | "POST /v1/users/{id}/cut-off"
            | "POST /v1/users/{id}/reinstate" => of(&user()),
            "PATCH /v1/users/{id}" => of_with(&user(), json!({ "label": "new" })),
            "POST /v1/data-subjects/export" | "POST /v1/data-subjects/find" => {
                with(json!({ "address": "ada@example.org" }))
            }
            "POST /v1/data-subjects/erase" => {
                with(json!({ "address": format!("{}@example.org", new_name().to_lowercase()) }))
            }
            "POST /v1/data-subjects/correct" => {
                with(json!({ "address": "typo@example.org", "to": "right@example.org" }))
            }
            "GET /v1/data-subjects/erasures" => {
                api.post(admin, "/v1/data-subjects/erase", &json!({ "address": "gone@example.org" })).expect(202);
                Asked { path: pattern.to_owned(), body: None }
            }
            "GET /v1/data-subjects/erasures/{id}" => {
                let gone = json!({ "address": "gone@example.org" });
                of(&text(&api.post(admin, "/v1/data-subjects/erase", &gone).expect(202), "id"))
            }
            "POST /v1/tenants" => with(json!({ "name": "Fourth" })),
            "GET /v1/tenants/{id}"
            | "POST /v1/tenants/{id}/suspend"
            | "POST /v1/tenants/{id}/resume"
            | "POST /v1/tenants/{id}/cut-off" => of(&tenant()),
            "POST /v1/tenants/{id}/delete" => of_with(&tenant(), json!({})),
            "POST /v1/tenants/{id}/restore" => {
                let tenant = tenant();
                api.post(api.admin(), &format!("/v1/tenants/{tenant}/delete"), &json!({})).expect(202);
                of(&tenant)
            }
            "PUT /v1/tenants/{id}/quota" => of_with(&tenant(), json!({ "bytes": 1 })),
            "PUT /v1/tenants/{id}/allowed-origins" => of_with(&tenant(), json!({ "origins": ["https://app.example"] })),
            "POST /v1/tenants/{id}/impersonations" => of_with(&tenant(), json!({ "reason": "a test" })),
            "POST /v1/console/session" => with(json!({ "api_key": key(api, "member", "read").secret })),
            "POST /v1/console/qr" => with(json!({ "text": "https://share.example/s" })),
            "GET /console/sign-in/{provider}" => Asked { path: "/console/sign-in/work".into(), body: None },
            // Nobody has set out: whoever has comes back in oidc::signing_in.
            "GET /console/sign-in/{provider}/callback" => {
                Asked { path: "/console/sign-in/work/callback?code=c&state=s".into(), body: None }
            }
            _ if pattern == "/session/{id}" => of(&share().id),
            _ if pattern == "/console/{place}" => Asked { path: "/console/shares".into(), body: None },
            _ if pattern == "/assets/{version}/{language}/{name}" => {
                let page = api.call("GET", "/s").send();
                let page = String::from_utf8(page.body).unwrap();
                let from = page.find("/assets/").unwrap();
                Asked { path: page[from..].split('"').next().unwrap().to_owned(), body: None }
            }
            _ if pattern.contains('{') => panic!("say here how {route} is asked ({column})"),
            _ => Asked { path: pattern.to_owned(), body: None },
        }
    }

    /// A webhook that sends where nothing is sent; older ones make room for it.
    fn hook(&self) -> String {
        let (api, admin) = (&self.api, self.api.admin());
        let all = api.get(admin, "/v1/webhooks").expect(200);
        for old in all["items"].as_array().unwrap().iter().skip(10) {
            api.delete(admin, &format!("/v1/webhooks/{}", text(old, "id"))).expect(204);
        }
        api.post(admin, "/v1/webhooks", &json!({ "url": "https://inside.example/" })).text("id")
    }

    /// A request to another listener. What opens something there is in its URL or its form.
    fn elsewhere(&self, route: &str) -> Call<'_> {
        let (api, admin) = (&self.api, self.api.admin());
        match route {
            "content PUT /o/{token}" => {
                let declared = api.declare(admin, "/v1/uploads", &format!("docs/{}.txt", new_name()), b"a");
                let call = api.call_url("PUT", &text(&declared, "url")).body(b"a");
                let headers = declared["headers"].as_object().unwrap().iter();
                headers.fold(call, |call, (name, value)| call.header(name, value.as_str().unwrap()))
            }
            "content POST /o/{token}" => {
                let body = json!({ "path": format!("docs/{}.txt", new_name()), "size": 1, "content_type": "text/plain", "method": "post" });
                api.form(&api.declare_as(admin, &body), b"a")
            }
            "content GET /o/{token}" | "content HEAD /o/{token}" => {
                let url = api.post(admin, "/v1/objects/downloads", &json!({ "path": "docs/a.txt" })).text("url");
                api.call_url(if route.contains("GET") { "GET" } else { "HEAD" }, &url)
            }
            "artifact POST /.cloakroom/enter" => {
                let page = api.publish_page(admin);
                let handoff = api.handoff(&api.link(admin, &page.id, json!({})).token);
                api.entering(&handoff.host, &handoff.code)
            }
            "artifact GET /{path}" => {
                let page = api.publish_page(admin);
                api.call_content("GET", &page.host, "/").header("cookie", &api.admitted(admin, &page))
            }
            "ops GET /healthz" | "ops GET /readyz" | "ops GET /metrics" => {
                let path = route.rsplit(' ').next().unwrap();
                api.call_url("GET", &format!("http://127.0.0.1:{}{path}", api.ports[2]))
            }
            other => panic!("say here how {other} is asked"),
        }
    }
}

/// A name that nothing has.
fn new_name() -> String {
    random::<8>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Three are made at a time.
fn await_exports(api: &Api) {
    until("no export is being made", || {
        let listed = api.get(api.admin(), "/v1/audit/exports").expect(200);
        listed["items"].as_array().unwrap().iter().all(|export| export["status"] != "building").then_some(())
    });
}

fn export(api: &Api) -> String {
    await_exports(api);
    text(&api.post(api.admin(), "/v1/audit/exports", &json!({})).expect(201), "id")
}
