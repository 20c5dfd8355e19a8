//! Promises 5 and 11: tenants never meet. On every route that takes an id or a
//! path, what belongs to others is answered like what never was.

use serde_json::{Value, json};

use super::harness::{Answer, Api, Console, text};

/// One request that names something of the first tenant.
struct Route {
    method: &'static str,
    path: String,
    body: Option<Value>,
    /// What those are told who may use the route, but not on this.
    others: u16,
}

/// What the first tenant has.
struct Belongings {
    claimed: String,
    pending: String,
    upload: String,
    completed: String,
    artifact: String,
    link: String,
    key: String,
    session: String,
    session_upload: String,
}

impl Belongings {
    fn of_first_tenant(api: &Api) -> Self {
        let admin = api.admin();
        let completed = api.upload(admin, "docs/a.txt", b"secret");
        let published = api.post(admin, "/v1/artifacts", &json!({ "paths": ["docs/a.txt"] })).expect(201);
        let artifact = text(&published, "id");
        let link = text(&api.post(admin, "/v1/links", &json!({ "artifact": artifact })).expect(201), "id");
        let minted = api.mint(admin, "write", &["docs/"]);
        let session = api.open(&minted).token;
        let declared = api.declare(&session, "/v1/session/uploads", "docs/c.txt", b"c");
        api.put(&declared, b"c");
        let pending = api.declare(admin, "/v1/uploads", "docs/b.txt", b"b");
        api.put(&pending, b"b");
        Self {
            claimed: minted.id,
            pending: api.mint(admin, "read", &["docs/"]).id,
            upload: text(&pending, "id"),
            completed,
            artifact,
            link,
            key: api.new_key(admin, "live", &[("/", "read")]).id,
            session,
            session_upload: text(&declared, "id"),
        }
    }

    /// Every route that takes an id or a path.
    fn routes(&self) -> Vec<Route> {
        let route = |method, path: String, body, others| Route { method, path, body, others };
        let mut routes = Vec::new();
        let ids = [
            ("shares", vec![&self.claimed, &self.pending]),
            ("uploads", vec![&self.upload, &self.completed, &self.session_upload]),
            ("artifacts", vec![&self.artifact]),
            ("links", vec![&self.link]),
            ("api-keys", vec![&self.key]),
        ];
        for (kind, ids) in ids {
            for id in ids {
                routes.push(route("GET", format!("/v1/{kind}/{id}"), None, 404));
                routes.push(route("DELETE", format!("/v1/{kind}/{id}"), None, 404));
                if kind == "shares" {
                    routes.push(route("GET", format!("/v1/shares/{id}/objects"), None, 404));
                }
                if kind == "uploads" {
                    routes.push(route("POST", format!("/v1/uploads/{id}/complete"), None, 404));
                }
            }
        }
        for (kind, id) in [("shares", &self.claimed), ("links", &self.link)] {
            routes.push(route("GET", format!("/v1/{kind}/{id}/events"), None, 404));
        }
        routes.push(route("GET", "/v1/objects/docs/a.txt".into(), None, 404));
        routes.push(route("DELETE", "/v1/objects/docs/a.txt".into(), None, 404));
        let post = |path: &str, body| route("POST", path.into(), Some(body), 422);
        routes.push(Route { others: 404, ..post("/v1/objects/downloads", json!({ "path": "docs/a.txt" })) });
        routes.push(Route { others: 404, ..post("/v1/objects/archives", json!({ "paths": ["docs/a.txt"] })) });
        routes.push(post("/v1/shares", json!({ "paths": ["docs/a.txt"], "permission": "read" })));
        routes.push(post("/v1/artifacts", json!({ "paths": ["docs/a.txt"] })));
        routes.push(post("/v1/artifacts", json!({ "paths": ["docs/"] })));
        routes.push(post("/v1/links", json!({ "artifact": self.artifact })));
        routes
    }

    /// All of it, as its owner sees it.
    fn seen_by_owner(&self, api: &Api) -> Vec<Value> {
        let inspected = self.routes().into_iter().filter(|route| route.method == "GET");
        let lists =
            ["shares", "uploads", "artifacts", "links", "api-keys", "objects"].map(|kind| format!("/v1/{kind}"));
        inspected.map(|route| route.path).chain(lists).map(|path| api.get(api.admin(), &path).expect(200)).collect()
    }
}

fn send(api: &Api, route: &Route, bearer: Option<&str>) -> Answer {
    let call = api.call(route.method, &route.path);
    let call = bearer.into_iter().fold(call, |call, bearer| call.bearer(bearer));
    match &route.body {
        Some(body) => call.json(body).send(),
        None => call.send(),
    }
}

/// As a page of the console sends it.
fn send_in(api: &Api, route: &Route, console: &Console) -> Answer {
    let call = api.call(route.method, &route.path).console(console);
    match &route.body {
        Some(body) => call.json(body).send(),
        None => call.send(),
    }
}

/// The same id with its last digits changed: well-formed, and nobody's.
fn nobodys(path: &str) -> String {
    match path.split_once('_') {
        Some((head, tail)) => format!("{head}_{}{}", "0".repeat(32), &tail[32..]),
        None => path.replace("a.txt", "nothing.txt"),
    }
}

pub fn nobody_reaches_what_is_another_tenants(api: &Api) {
    let belongings = Belongings::of_first_tenant(api);
    let second = api.new_tenant("Second");
    let test_key = api.new_key(api.admin(), "test", &[("/", "admin")]);
    let revoked = api.new_key(api.admin(), "live", &[("/", "admin")]);
    api.delete(api.admin(), &format!("/v1/api-keys/{}", revoked.id)).expect(204);
    let strangers_console = api.sign_in(&second.admin.secret);
    let revoked_console = {
        let key = api.new_key(api.admin(), "live", &[("/", "admin")]);
        let console = api.sign_in(&key.secret);
        api.delete(api.admin(), &format!("/v1/api-keys/{}", key.id)).expect(204);
        console
    };
    let before = belongings.seen_by_owner(api);

    for route in belongings.routes() {
        let name = format!("{} {} {:?}", route.method, route.path, route.body);
        for stranger in [&second.admin.secret, &test_key.secret] {
            let answer = send(api, &route, Some(stranger));
            assert_eq!(answer.status, route.others, "{name} {answer:?}");
            if route.body.is_none() {
                let never = send(api, &Route { path: nobodys(&route.path), body: None, ..route }, Some(stranger));
                assert_eq!(answer.but_for_the_request_id(), never.but_for_the_request_id(), "{name}");
            }
        }
        let answer = send_in(api, &route, &strangers_console);
        assert_eq!(answer.status, route.others, "{name} {answer:?}");
        send_in(api, &route, &revoked_console).problem(401, "unauthenticated");
        for nobody in [None, Some(revoked.secret.as_str()), Some("crk_live_x"), Some(belongings.session.as_str())] {
            send(api, &route, nobody).problem(401, "unauthenticated");
        }
    }
    assert_eq!(belongings.seen_by_owner(api), before);
}

pub fn lists_show_ones_own_alone(api: &Api) {
    Belongings::of_first_tenant(api);
    let second = api.new_tenant("Second").admin.secret;
    let test_key = api.new_key(api.admin(), "test", &[("/", "admin")]).secret;
    for (stranger, keys) in [(&second, 1), (&test_key, 1)] {
        for kind in ["shares", "uploads", "artifacts", "links", "objects"] {
            let list = api.get(stranger, &format!("/v1/{kind}")).expect(200);
            assert_eq!(list, json!({ "items": [], "next_cursor": null }), "{kind}");
        }
        let list = api.get(stranger, "/v1/api-keys").expect(200);
        assert_eq!(list["items"].as_array().unwrap().len(), keys);
    }
    api.get(&second, "/v1/tenants").problem(403, "forbidden");
    api.post(&second, "/v1/tenants", &json!({ "name": "Third" })).problem(403, "forbidden");
    api.get(&test_key, "/v1/tenants").problem(403, "forbidden");
}

pub fn one_path_is_another_file_in_every_namespace(api: &Api) {
    let second = api.new_tenant("Second").admin.secret;
    let test_key = api.new_key(api.admin(), "test", &[("/", "admin")]).secret;
    let owners = [(api.admin(), b"first"), (&second, b"other"), (&test_key, b"trial")];
    for (key, bytes) in owners {
        api.upload(key, "a.txt", bytes);
    }
    for (key, bytes) in owners {
        assert_eq!(api.paths(key, "/v1/objects"), ["a.txt"]);
        assert_eq!(api.download(key, "/v1/objects/downloads", "a.txt"), bytes);
        let session = api.open(&api.mint(key, "read", &["/"])).token;
        assert_eq!(api.paths(&session, "/v1/session/objects"), ["a.txt"]);
        assert_eq!(api.download(&session, "/v1/session/downloads", "a.txt"), bytes);
    }
    api.delete(&second, "/v1/objects/a.txt").expect(204);
    assert_eq!(api.download(api.admin(), "/v1/objects/downloads", "a.txt"), b"first");
    assert_eq!(api.download(&test_key, "/v1/objects/downloads", "a.txt"), b"trial");
}

pub fn a_session_reaches_its_own_uploads_alone(api: &Api) {
    let belongings = Belongings::of_first_tenant(api);
    let second = api.new_tenant("Second").admin.secret;
    let strangers = [
        api.open(&api.mint(&second, "write", &["/"])).token,
        api.open(&api.mint(api.admin(), "write", &["docs/"])).token,
    ];
    for stranger in &strangers {
        for upload in [&belongings.session_upload, &belongings.upload, &belongings.completed] {
            let path = format!("/v1/session/uploads/{upload}");
            for (method, path) in [("GET", path.clone()), ("POST", format!("{path}/complete")), ("DELETE", path)] {
                api.call(method, &path).bearer(stranger).send().problem(404, "not_found");
            }
        }
    }
    let path = format!("/v1/session/uploads/{}", belongings.upload);
    api.get(&belongings.session, &path).problem(404, "not_found");
    let own = format!("/v1/session/uploads/{}/complete", belongings.session_upload);
    api.call("POST", &own).bearer(&belongings.session).send().expect(200);
}

pub fn a_narrow_key_reaches_no_upload_outside_its_paths(api: &Api) {
    let belongings = Belongings::of_first_tenant(api);
    let before = belongings.seen_by_owner(api);
    for grants in [[("other/", "write")], [("docs2/", "write")]] {
        let narrow = api.new_key(api.admin(), "live", &grants).secret;
        for upload in [&belongings.upload, &belongings.session_upload, &belongings.completed] {
            let path = format!("/v1/uploads/{upload}");
            for (method, path) in [("GET", path.clone()), ("POST", format!("{path}/complete")), ("DELETE", path)] {
                let answer = api.call(method, &path).bearer(&narrow).send();
                assert!([403, 404].contains(&answer.status), "{method} {path}: {answer:?}");
            }
        }
        for share in [&belongings.claimed, &belongings.pending] {
            api.get(&narrow, &format!("/v1/shares/{share}")).problem(404, "not_found");
            api.delete(&narrow, &format!("/v1/shares/{share}")).problem(404, "not_found");
        }
        for (kind, id) in [("artifacts", &belongings.artifact), ("links", &belongings.link)] {
            api.get(&narrow, &format!("/v1/{kind}/{id}")).problem(404, "not_found");
            api.delete(&narrow, &format!("/v1/{kind}/{id}")).problem(404, "not_found");
        }
        api.get(&narrow, "/v1/api-keys").problem(403, "forbidden");
        api.delete(&narrow, &format!("/v1/api-keys/{}", belongings.key)).problem(403, "forbidden");
        api.get(&narrow, "/v1/objects/docs/a.txt").problem(403, "forbidden");
        api.delete(&narrow, "/v1/objects/docs/a.txt").problem(403, "forbidden");
    }
    let mut after = belongings.seen_by_owner(api);
    // The narrow keys themselves are new.
    let keys = after.len() - 2;
    after[keys] = before[keys].clone();
    assert_eq!(after, before);
}

pub fn a_key_that_reads_cancels_and_completes_nothing(api: &Api) {
    let belongings = Belongings::of_first_tenant(api);
    let reader = api.new_key(api.admin(), "live", &[("/", "read")]).secret;
    for upload in [&belongings.upload, &belongings.session_upload] {
        api.get(&reader, &format!("/v1/uploads/{upload}")).expect(200);
        api.delete(&reader, &format!("/v1/uploads/{upload}")).problem(403, "forbidden");
        let complete = format!("/v1/uploads/{upload}/complete");
        api.call("POST", &complete).bearer(&reader).send().problem(403, "forbidden");
        let seen = api.get(api.admin(), &format!("/v1/uploads/{upload}")).expect(200);
        assert_eq!(seen["status"], "pending");
    }
    api.delete(&reader, "/v1/objects/docs/a.txt").problem(403, "forbidden");
}

pub fn a_test_key_makes_nothing_live(api: &Api) {
    let test_key = api.new_key(api.admin(), "test", &[("/", "admin")]);
    assert!(test_key.secret.starts_with("crk_test_"));
    let body = json!({ "mode": "live", "grants": [{ "path": "/", "permission": "admin" }] });
    api.post(&test_key.secret, "/v1/api-keys", &body).problem(403, "forbidden");
    let another = api.post(&test_key.secret, "/v1/api-keys", &json!({ "grants": body["grants"] })).expect(201);
    assert_eq!(another["livemode"], false);
    let minted = api.mint(&test_key.secret, "read", &["a.txt"]);
    assert_eq!(api.get(&test_key.secret, &format!("/v1/shares/{}", minted.id)).expect(200)["livemode"], false);
    assert_eq!(api.events(&format!("{}#test", api.tenant.id)).len(), 3);
    assert_eq!(api.happened("share.created", &minted.id), 0);
}
