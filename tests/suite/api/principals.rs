//! Who may do what: roles, changes that are felt at once, new secrets, and operators before the tenant's eyes.

use std::time::Duration;

use cloakroom::{clock::Clock, domain::instant::Instant};
use serde_json::{Value, json};

use super::{
    calls::{Answer, text},
    harness::{Api, Key},
    laboratory::Laboratory,
};

/// A key with a role.
fn with_role(api: &Api, role: &str, grants: &Value) -> Key {
    let created = api.post(api.admin(), "/v1/api-keys", &json!({ "role": role, "grants": grants })).expect(201);
    assert_eq!(created["role"], role);
    Key { id: text(&created, "id"), secret: text(&created, "secret") }
}

fn everywhere(permission: &str) -> Value {
    json!([{ "path": "/", "permission": permission }])
}

fn change(api: &Api, key: &Key, body: &Value) -> Answer {
    api.call("PATCH", &format!("/v1/api-keys/{}", key.id)).bearer(api.admin()).json(body).send()
}

pub fn a_viewer_looks_and_makes_nothing(api: &Api) {
    api.upload(api.admin(), "docs/a.txt", b"a");
    let viewer = with_role(api, "viewer", &json!([{ "path": "docs/", "permission": "read" }]));
    assert_eq!(api.paths(&viewer.secret, "/v1/objects"), ["docs/a.txt"]);
    assert_eq!(api.download(&viewer.secret, "/v1/objects/downloads", "docs/a.txt"), b"a");
    let artifact = api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["docs/a.txt"] })).expect(201);
    for (route, body) in [
        ("/v1/shares", json!({ "paths": ["docs/a.txt"], "permission": "read" })),
        ("/v1/artifacts", json!({ "paths": ["docs/a.txt"] })),
        ("/v1/links", json!({ "artifact": artifact["id"] })),
        ("/v1/file-requests", json!({ "folder": "docs/" })),
        ("/v1/uploads", json!({ "path": "docs/b", "size": 1, "content_type": "text/plain", "method": "put" })),
        ("/v1/api-keys", json!({ "grants": everywhere("read") })),
        ("/v1/users", json!({ "issuer": "https://id.example", "subject": "1", "grants": everywhere("read") })),
    ] {
        api.post(&viewer.secret, route, &body).problem(403, "forbidden");
    }
    api.delete(&viewer.secret, "/v1/objects/docs/a.txt").problem(403, "forbidden");
}

pub fn a_role_goes_with_its_grants(api: &Api) {
    let refused = |role: &str, grants: Value| {
        let answer = api.post(api.admin(), "/v1/api-keys", &json!({ "role": role, "grants": grants }));
        assert_eq!(answer.problem(422, "invalid").pointer.as_deref(), Some("/role"));
    };
    refused("viewer", everywhere("write"));
    refused("member", everywhere("admin"));
    refused("admin", everywhere("write"));
    let odd = api.post(api.admin(), "/v1/api-keys", &json!({ "role": "owner", "grants": everywhere("read") }));
    assert_eq!(odd.problem(422, "invalid").pointer.as_deref(), Some("/role"));
    let key = with_role(api, "member", &everywhere("write"));
    assert_eq!(
        change(api, &key, &json!({ "role": "viewer" })).problem(422, "invalid").pointer.as_deref(),
        Some("/role")
    );
    change(api, &key, &json!({ "role": "viewer", "grants": everywhere("read") })).expect(200);
    assert_eq!(api.get(api.admin(), &format!("/v1/api-keys/{}", key.id)).expect(200)["role"], "viewer");
}

pub fn what_is_taken_from_a_key_is_taken_from_what_it_minted_at_once(api: &Api) {
    api.upload(api.admin(), "docs/a.txt", b"a");
    api.upload(api.admin(), "docs/b/c.txt", b"c");
    let key = with_role(api, "member", &everywhere("write"));
    let minted = api.mint(&key.secret, "write", &["docs/"]);
    let pending = api.mint(&key.secret, "read", &["docs/a.txt"]);
    let session = api.open(&minted).token;
    assert_eq!(api.paths(&session, "/v1/session/objects"), ["docs/a.txt", "docs/b/c.txt"]);

    let narrower = json!({ "grants": [{ "path": "docs/b/", "permission": "read" }] });
    assert_eq!(change(api, &key, &narrower).expect(200)["grants"], narrower["grants"]);
    assert_eq!(api.paths(&session, "/v1/session/objects"), ["docs/b/c.txt"]);
    let upload = json!({ "path": "docs/b/d", "size": 1, "content_type": "text/plain", "method": "put" });
    api.post(&session, "/v1/session/uploads", &upload).problem(403, "forbidden");
    api.redeem(&pending.token, &super::harness::claim_key()).problem(404, "dead_token");

    change(api, &key, &json!({ "role": "viewer" })).expect(200);
    api.get(&session, "/v1/session").problem(401, "no_session");
    // Given back, it is there again: the share has not changed.
    change(api, &key, &json!({ "role": "member", "grants": everywhere("write") })).expect(200);
    assert_eq!(api.paths(&session, "/v1/session/objects"), ["docs/a.txt", "docs/b/c.txt"]);
    assert_eq!(api.happened("api_key.changed", &key.id), 3);
    // What changes nothing is no change.
    change(api, &key, &json!({ "role": "member" })).expect(200);
    change(api, &key, &json!({})).expect(200);
    assert_eq!(api.happened("api_key.changed", &key.id), 3);
}

pub fn a_key_is_renamed_and_ended_in_time(api: &Api) {
    let key = with_role(api, "member", &everywhere("write"));
    let changed = change(api, &key, &json!({ "label": "build", "expires_in": 3600, "largest_upload": 5 })).expect(200);
    assert_eq!((&changed["label"], &changed["largest_upload"]), (&json!("build"), &json!(5)));
    assert!(changed["expires_at"].is_string());
    let changed = change(api, &key, &json!({ "label": null, "expires_at": null, "largest_upload": null })).expect(200);
    assert_eq!(
        (&changed["label"], &changed["largest_upload"], &changed["expires_at"]),
        (&json!(null), &json!(null), &json!(null))
    );
    for (wrong, pointer) in [
        (json!({ "label": "\u{202e}" }), "/label"),
        (json!({ "expires_in": 1 }), "/expires_in"),
        (json!({ "grants": [] }), "/grants"),
        (json!({ "grants": [{ "path": "../x", "permission": "read" }] }), "/grants/0/path"),
        (json!({ "operator": true }), "/operator"),
    ] {
        assert_eq!(change(api, &key, &wrong).problem(422, "invalid").pointer.as_deref(), Some(pointer), "{wrong}");
    }
    api.delete(api.admin(), &format!("/v1/api-keys/{}", key.id)).expect(204);
    change(api, &key, &json!({ "label": "x" })).problem(409, "revoked");
}

pub fn revoking_a_key_cuts_what_it_minted_unless_told_otherwise(api: &Api) {
    api.upload(api.admin(), "a.txt", b"a");
    let key = with_role(api, "member", &everywhere("write"));
    let session = api.open(&api.mint(&key.secret, "read", &["a.txt"])).token;
    let path = format!("/v1/api-keys/{}", key.id);
    api.delete(api.admin(), &format!("{path}?keep_minted=true")).expect(204);
    api.get(&key.secret, "/v1/shares").problem(401, "unauthenticated");
    api.get(&session, "/v1/session").expect(200);
    let seen = api.get(api.admin(), &path).expect(200);
    assert_eq!((&seen["status"], &seen["keeps_minted"]), (&json!("revoked"), &json!(true)));
    // What was kept can still be cut.
    api.delete(api.admin(), &path).expect(204);
    api.get(&session, "/v1/session").problem(401, "no_session");
    api.delete(api.admin(), &format!("{path}?keep_minted=true")).expect(204);
    api.get(&session, "/v1/session").problem(401, "no_session");
    assert_eq!(api.happened("api_key.revoked", &key.id), 2);
    api.delete(api.admin(), &format!("{path}?keep=true")).problem(422, "invalid");
}

pub fn cutting_a_key_off_ends_what_it_minted_and_not_the_key(api: &Api) {
    api.upload(api.admin(), "a.txt", b"a");
    let key = with_role(api, "member", &everywhere("write"));
    let minted = api.mint(&key.secret, "read", &["a.txt"]);
    let session = api.open(&api.mint(&key.secret, "read", &["a.txt"])).token;
    let console = api.sign_in(&key.secret);
    api.post(api.admin(), &format!("/v1/api-keys/{}/cut-off", key.id), &json!({})).expect(204);
    api.redeem(&minted.token, &super::harness::claim_key()).problem(404, "dead_token");
    api.get(&session, "/v1/session").problem(401, "no_session");
    api.call("GET", "/v1/console/session").header("cookie", &console.cookies()).send().problem(401, "unauthenticated");
    api.open(&api.mint(&key.secret, "read", &["a.txt"]));
    assert_eq!(api.happened("api_key.cut_off", &key.id), 1);
}

pub fn users_are_let_in_once_and_again_when_they_were_removed(api: &Api) {
    let body = json!({ "issuer": "https://id.example", "subject": "248289761001", "label": "Jo", "grants": everywhere("read") });
    let user = api.post(api.admin(), "/v1/users", &body).expect(201);
    assert_eq!(
        (&user["issuer"], &user["subject"], &user["role"]),
        (&body["issuer"], &body["subject"], &json!("member"))
    );
    let id = text(&user, "id");
    assert!(id.starts_with("usr_"));
    api.post(api.admin(), "/v1/users", &body).problem(409, "user_exists");
    let path = format!("/v1/users/{id}");
    let call = api.call("PATCH", &path).bearer(api.admin());
    assert_eq!(call.json(&json!({ "role": "viewer" })).send().expect(200)["role"], "viewer");
    let listed = api.get(api.admin(), "/v1/users").expect(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    api.delete(api.admin(), &path).expect(204);
    let again = api.post(api.admin(), "/v1/users", &body).expect(201);
    assert_ne!(again["id"], user["id"]);
    assert_eq!(api.get(api.admin(), &path).expect(200)["status"], "revoked");
    for (wrong, pointer) in [
        (json!({ "issuer": "", "subject": "1", "grants": everywhere("read") }), "/issuer"),
        (
            json!({ "issuer": "https://id.example", "subject": "x".repeat(256), "grants": everywhere("read") }),
            "/subject",
        ),
        (json!({ "issuer": "https://id.example", "subject": "a\nb", "grants": everywhere("read") }), "/subject"),
        (json!({ "issuer": "https://id.example", "subject": "1", "grants": [] }), "/grants"),
    ] {
        let problem = api.post(api.admin(), "/v1/users", &wrong).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(pointer));
    }
    // A key is no user, and a user no key.
    api.get(api.admin(), &format!("/v1/users/{}", api.tenant.admin.id)).problem(404, "not_found");
    api.get(api.admin(), &format!("/v1/api-keys/{id}")).problem(404, "not_found");
    let other = api.new_tenant("Other");
    api.get(&other.admin.secret, &path).problem(404, "not_found");
    assert_eq!(["created", "changed", "removed"].map(|what| api.happened(&format!("user.{what}"), &id)), [1, 1, 1]);
}

pub fn a_suspended_tenant_does_nothing_until_it_is_resumed(api: &Api) {
    let other = api.new_tenant("Other");
    let key = &other.admin.secret;
    api.upload(key, "a.txt", b"a");
    let minted = api.mint(key, "read", &["a.txt"]);
    let session = api.open(&api.mint(key, "read", &["a.txt"])).token;
    let on = |what: &str, by: &str| api.post(by, &format!("/v1/tenants/{}/{what}", other.id), &json!({}));
    on("suspend", key).problem(403, "forbidden");
    assert_eq!(on("suspend", api.admin()).expect(200)["status"], "suspended");
    api.get(key, "/v1/shares").problem(401, "unauthenticated");
    api.get(&session, "/v1/session").problem(401, "no_session");
    api.preview(&minted.token).problem(404, "dead_token");
    assert_eq!(on("suspend", api.admin()).expect(200)["status"], "suspended");
    assert_eq!(on("resume", api.admin()).expect(200)["status"], "active");
    api.get(&session, "/v1/session").expect(200);
    api.open(&minted);
    let own = format!("/v1/tenants/{}/suspend", api.tenant.id);
    api.post(api.admin(), &own, &json!({})).problem(409, "own_tenant");
    let trail = api.get(key, "/v1/audit").expect(200);
    let kinds: Vec<_> = trail["items"].as_array().unwrap().iter().filter_map(|event| event["type"].as_str()).collect();
    let count = |kind: &str| kinds.iter().filter(|other| **other == kind).count();
    assert_eq!((count("tenant.suspended"), count("tenant.resumed")), (1, 1));
}

pub fn a_tenant_that_is_cut_off_begins_again(api: &Api) {
    let other = api.new_tenant("Other");
    let key = &other.admin.secret;
    api.upload(key, "a.txt", b"a");
    let minted = api.mint(key, "read", &["a.txt"]);
    let session = api.open(&api.mint(key, "read", &["a.txt"])).token;
    let somebody = json!({ "issuer": "https://id.example", "subject": "1", "grants": everywhere("read") });
    let user = api.post(key, "/v1/users", &somebody).expect(201);
    let cut_off = format!("/v1/tenants/{}/cut-off", other.id);
    api.post(key, &cut_off, &json!({})).problem(403, "forbidden");
    let begun = api.post(api.admin(), &cut_off, &json!({})).expect(200);
    api.get(key, "/v1/shares").problem(401, "unauthenticated");
    api.get(&session, "/v1/session").problem(401, "no_session");
    api.preview(&minted.token).problem(404, "dead_token");
    let new = text(&begun["admin_key"], "secret");
    assert_eq!(api.paths(&new, "/v1/objects"), ["a.txt"]);
    assert_eq!(begun["admin_key"]["operator"], false);
    // What was is told as it stands, and can be begun again.
    let before = api.get(&new, &format!("/v1/api-keys/{}", other.admin.id)).expect(200);
    assert_eq!((&before["status"], &begun["admin_key"]["status"]), (&json!("cut_off"), &json!("active")));
    assert_eq!(api.get(&new, &format!("/v1/users/{}", text(&user, "id"))).expect(200)["status"], "cut_off");
    let again = api.post(&new, "/v1/users", &somebody).expect(201);
    assert_eq!(again["status"], "active");
    api.post(&new, "/v1/users", &somebody).problem(409, "user_exists");
}

pub fn operators_act_for_a_tenant_before_its_eyes_or_not_at_all(api: &Api) {
    let other = api.new_tenant("Other");
    api.upload(&other.admin.secret, "a.txt", b"a");
    let route = format!("/v1/tenants/{}/impersonations", other.id);
    for wrong in [json!({}), json!({ "reason": "" }), json!({ "reason": "x", "expires_in": 3601 })] {
        api.post(api.admin(), &route, &wrong).problem(422, "invalid");
    }
    api.post(&other.admin.secret, &route, &json!({ "reason": "x" })).problem(403, "forbidden");
    let acting = api.post(api.admin(), &route, &json!({ "reason": "Ticket 17", "role": "admin" })).expect(201);
    let (secret, id) = (text(&acting, "secret"), text(&acting, "id"));
    assert_eq!(api.paths(&secret, "/v1/objects"), ["a.txt"]);
    let minted = api.mint(&secret, "read", &["a.txt"]);

    // Nothing that outlives it, and nobody else's secret.
    for (path, body) in [
        ("/v1/api-keys".to_owned(), json!({ "grants": everywhere("admin") })),
        ("/v1/users".to_owned(), json!({ "issuer": "https://a", "subject": "1", "grants": everywhere("admin") })),
        (format!("/v1/api-keys/{}/rotate", other.admin.id), json!({})),
        (format!("/v1/api-keys/{id}/rotate"), json!({})),
    ] {
        api.post(&secret, &path, &body).problem(403, "forbidden");
    }
    let longer = api.call("PATCH", &format!("/v1/api-keys/{id}")).bearer(&secret).json(&json!({ "expires_at": null }));
    longer.send().problem(403, "forbidden");
    api.get(&secret, "/v1/tenants").problem(403, "forbidden");

    let trail = api.get(&other.admin.secret, "/v1/audit").expect(200);
    let told =
        |kind: &str| trail["items"].as_array().unwrap().iter().find(|event| event["type"] == kind).cloned().unwrap();
    assert_eq!(told("tenant.impersonated")["resource"], json!(id));
    let actor = &told("share.created")["actor"];
    assert_eq!(
        (&actor["kind"], &actor["id"], &actor["label"]),
        (&json!("impersonation"), &json!(api.tenant.admin.id), &json!("Ticket 17"))
    );
    let seen = api.get(&other.admin.secret, &format!("/v1/api-keys/{id}")).expect(200);
    assert_eq!((&seen["impersonation_by"], &seen["label"]), (&json!(api.tenant.admin.id), &json!("Ticket 17")));

    // The tenant does not make it longer by mistake; it ends it, and what came of it.
    for longer in [json!({ "expires_at": null }), json!({ "grants": everywhere("admin") }), json!({ "label": "x" })] {
        let changed = api.call("PATCH", &format!("/v1/api-keys/{id}")).bearer(&other.admin.secret).json(&longer).send();
        changed.problem(409, "impersonation");
    }
    api.delete(&other.admin.secret, &format!("/v1/api-keys/{id}")).expect(204);
    api.get(&secret, "/v1/objects").problem(401, "unauthenticated");
    api.preview(&minted.token).problem(404, "dead_token");
}

pub fn nobody_takes_over_an_operator(api: &Api) {
    let admin = with_role(api, "admin", &everywhere("admin"));
    let operator = format!("/v1/api-keys/{}", api.tenant.admin.id);
    api.post(&admin.secret, &format!("{operator}/rotate"), &json!({})).problem(403, "forbidden");
    api.post(&admin.secret, &format!("{operator}/cut-off"), &json!({})).problem(403, "forbidden");
    api.delete(&admin.secret, &operator).problem(403, "forbidden");
    api.call("PATCH", &operator).bearer(&admin.secret).json(&json!({ "label": "x" })).send().problem(403, "forbidden");
    assert_eq!(api.get(api.admin(), &operator).expect(200)["operator"], true);
}

#[test]
fn a_key_with_a_new_secret_keeps_what_it_minted_and_the_old_one_ends() {
    let (api, clock, _) = Laboratory::served();
    api.upload(api.admin(), "a.txt", b"a");
    let key = with_role(&api, "member", &everywhere("write"));
    let session = api.open(&api.mint(&key.secret, "read", &["a.txt"])).token;
    let rotate = |overlap: Value| {
        api.post(api.admin(), &format!("/v1/api-keys/{}/rotate", key.id), &json!({ "overlap": overlap }))
    };
    let works = |secret: &str| api.get(secret, "/v1/shares").status == 200;
    rotate(json!(604_801)).problem(422, "invalid");
    let rotated = rotate(json!(600)).expect(201);
    assert_eq!(text(&rotated, "id"), key.id);
    let second = text(&rotated, "secret");
    assert!(works(&key.secret) && works(&second));
    clock.advance(Duration::from_secs(600));
    assert!(!works(&key.secret) && works(&second));
    api.get(&session, "/v1/session").expect(200);
    let third = text(&rotate(json!(0)).expect(201), "secret");
    assert!(!works(&second) && works(&third) && !works(&key.secret));
    api.get(&session, "/v1/session").expect(200);
    assert_eq!(api.happened("api_key.rotated", &key.id), 2);
    api.delete(api.admin(), &format!("/v1/api-keys/{}", key.id)).expect(204);
    assert!(!works(&third));
    rotate(json!(0)).problem(409, "revoked");
}

#[test]
fn what_a_key_leaves_when_it_is_kept_outlives_the_time_that_the_key_had() {
    let (api, clock, _) = Laboratory::served();
    api.upload(api.admin(), "a.txt", b"a");
    let grants = everywhere("write");
    let body = json!({ "grants": grants, "expires_in": 600 });
    let key = api.post(api.admin(), "/v1/api-keys", &body).expect(201);
    let session = api.open(&api.mint(&text(&key, "secret"), "read", &["a.txt"])).token;
    api.delete(api.admin(), &format!("/v1/api-keys/{}?keep_minted=true", text(&key, "id"))).expect(204);
    clock.advance(Duration::from_secs(595));
    let download = api.post(&session, "/v1/session/downloads", &json!({ "path": "a.txt" })).expect(200);
    let ends: Instant = serde_json::from_value(download["expires_at"].clone()).unwrap();
    assert!(ends.since(clock.now()) > Duration::from_secs(30), "{download}");
}

#[test]
fn who_acts_for_a_tenant_ends_with_the_operator_and_with_the_hour() {
    let (api, clock, _) = Laboratory::served();
    let other = api.new_tenant("Other");
    let route = format!("/v1/tenants/{}/impersonations", other.id);
    let act =
        || text(&api.post(api.admin(), &route, &json!({ "reason": "x", "expires_in": 60 })).expect(201), "secret");
    let acting = act();
    api.get(&acting, "/v1/objects").expect(200);
    api.post(&acting, "/v1/shares", &json!({ "paths": ["/"], "permission": "read" })).problem(403, "forbidden");
    clock.advance(Duration::from_secs(60));
    api.get(&acting, "/v1/objects").problem(401, "unauthenticated");
    let (acting, console) = (act(), api.sign_in(&act()));
    api.upload(&other.admin.secret, "a.txt", b"a");
    let member = json!({ "reason": "x", "role": "member" });
    let member = text(&api.post(api.admin(), &route, &member).expect(201), "secret");
    let minted = api.mint(&member, "read", &["a.txt"]);
    let session = api.open(&api.mint(&member, "read", &["a.txt"])).token;
    api.get(&session, "/v1/session").expect(200);
    api.delete(api.admin(), &format!("/v1/api-keys/{}", api.tenant.admin.id)).expect(204);
    api.get(&acting, "/v1/objects").problem(401, "unauthenticated");
    api.call("GET", "/v1/console/session").header("cookie", &console.cookies()).send().problem(401, "unauthenticated");
    // And all that came of it.
    api.preview(&minted.token).problem(404, "dead_token");
    api.get(&session, "/v1/session").problem(401, "no_session");
}
