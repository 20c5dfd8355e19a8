//! Who may upload where, and whose an upload is.

use serde_json::json;

use crate::api::harness::{Api, claim_key, text};

const ROUTE: &str = "/v1/session/uploads";

fn declaration(path: &str) -> serde_json::Value {
    json!({ "path": path, "size": 5, "content_type": "text/plain" })
}

pub fn a_session_uploads_within_its_pins(api: &Api) {
    api.upload(api.admin(), "drop/there.txt", b"there");
    let session = api.open(&api.mint(api.admin(), "write", &["drop/", "one.txt"]));
    for outside in ["x.txt", "drop", "dropped/x.txt", "one.txt.bak", "one.txt/x", "one", "admin/x.txt"] {
        api.post(&session.token, ROUTE, &declaration(outside)).problem(403, "forbidden");
    }
    for outside in ["drop/../x.txt", "/drop/x.txt", "drop/%2e%2e/x.txt"] {
        api.post(&session.token, ROUTE, &declaration(outside)).problem(422, "invalid");
    }
    api.post(&session.token, ROUTE, &declaration("drop/there.txt")).problem(409, "path_taken");
    for inside in ["drop/new.txt", "drop/deep/new.txt", "one.txt"] {
        let declared = api.post(&session.token, ROUTE, &declaration(inside)).expect(201);
        assert!((200..300).contains(&api.put(&declared, b"bytes").status));
        let route = format!("{ROUTE}/{}", text(&declared, "id"));
        let done = api.call("POST", &format!("{route}/complete")).bearer(&session.token).send().expect(200);
        assert_eq!((&done["status"], &done["path"]), (&json!("completed"), &json!(inside)));
        assert_eq!(api.get(&session.token, &route).expect(200)["status"], "completed");
        assert_eq!(api.file(api.admin(), inside), b"bytes");
    }
    // A session token opens no route of keys.
    api.post(&session.token, "/v1/uploads", &declaration("drop/x.txt")).problem(401, "unauthenticated");
}

pub fn a_read_session_uploads_nothing(api: &Api) {
    let session = api.open(&api.mint(api.admin(), "read", &["drop/"]));
    api.post(&session.token, ROUTE, &declaration("drop/x.txt")).problem(403, "forbidden");
    let reader = api.new_key(api.admin(), "live", &[("drop/", "read")]);
    api.post(&reader.secret, "/v1/uploads", &declaration("drop/x.txt")).problem(403, "forbidden");
    // Nor does it finish what others began.
    let declared = api.declare(api.admin(), "/v1/uploads", "drop/x.txt", b"bytes");
    assert!((200..300).contains(&api.put(&declared, b"bytes").status));
    let id = text(&declared, "id");
    api.call("POST", &format!("{ROUTE}/{id}/complete")).bearer(&session.token).send().problem(404, "not_found");
    api.complete(&reader.secret, &id).problem(403, "forbidden");
    assert_eq!(api.status_of(api.admin(), &id), "pending");
}

pub fn an_upload_is_the_claimants_who_declared_it(api: &Api) {
    let share = api.mint_as(api.admin(), &json!({ "paths": ["drop/"], "permission": "write", "allow_missing": true }));
    let key = claim_key();
    let session_of = |token: &str, key: &str| text(&api.redeem(token, key).expect(200), "session_token");
    let mine = session_of(&share.token, &key);
    let declared = api.post(&mine, ROUTE, &declaration("drop/x.txt")).expect(201);
    assert!((200..300).contains(&api.put(&declared, b"bytes").status));
    let route = format!("{ROUTE}/{}", text(&declared, "id"));
    let complete = format!("{route}/complete");
    // The same paths under another share, and so another claim.
    let theirs = api.open(&api.mint(api.admin(), "write", &["drop/"])).token;
    api.get(&theirs, &route).problem(404, "not_found");
    api.call("POST", &complete).bearer(&theirs).send().problem(404, "not_found");
    api.delete(&theirs, &route).problem(404, "not_found");
    // The claimant who comes back is the same one.
    let again = session_of(&share.token, &key);
    assert_eq!(api.get(&again, &route).expect(200)["status"], "pending");
    assert_eq!(api.call("POST", &complete).bearer(&again).send().expect(200)["status"], "completed");
    // Revocation ends it all, for what is under way too.
    let declared = api.post(&again, ROUTE, &declaration("drop/y.txt")).expect(201);
    assert!((200..300).contains(&api.put(&declared, b"bytes").status));
    api.delete(api.admin(), &format!("/v1/shares/{}", share.id)).expect(204);
    let complete = format!("{ROUTE}/{}/complete", text(&declared, "id"));
    api.call("POST", &complete).bearer(&again).send().problem(401, "no_session");
    assert_eq!(api.vault(api.admin()), ["drop/x.txt"]);
}

pub fn an_upload_is_its_tenants(api: &Api) {
    let stranger = api.new_tenant("Other").admin;
    let declared = api.declare(api.admin(), "/v1/uploads", "a.txt", b"bytes");
    assert!((200..300).contains(&api.put(&declared, b"bytes").status));
    let id = text(&declared, "id");
    let route = format!("/v1/uploads/{id}");
    api.get(&stranger.secret, &route).problem(404, "not_found");
    api.complete(&stranger.secret, &id).problem(404, "not_found");
    api.delete(&stranger.secret, &route).problem(404, "not_found");
    assert_eq!(api.get(&stranger.secret, "/v1/uploads").expect(200)["items"], json!([]));
    api.call("GET", &route).send().problem(401, "unauthenticated");
    assert_eq!(api.complete(api.admin(), &id).expect(200)["status"], "completed");
    assert_eq!((api.vault(&stranger.secret).len(), api.vault(api.admin()).len()), (0, 1));
}

pub fn a_key_reaches_uploads_within_its_grants_only(api: &Api) {
    let elsewhere = api.new_key(api.admin(), "live", &[("b/", "write")]);
    let reader = api.new_key(api.admin(), "live", &[("a/", "read")]);
    let declared = api.declare(api.admin(), "/v1/uploads", "a/secret-name.txt", b"bytes");
    let id = text(&declared, "id");
    let route = format!("/v1/uploads/{id}");
    assert_eq!(api.get(&elsewhere.secret, "/v1/uploads").expect(200)["items"], json!([]));
    let refused = [
        api.get(&elsewhere.secret, &route),
        api.complete(&elsewhere.secret, &id),
        api.delete(&elsewhere.secret, &route),
        api.delete(&reader.secret, &route),
    ];
    let body = json!({ "path": "a/secret-name.bin", "size": 1, "content_type": "a/b", "method": "multipart" });
    let in_parts = api.declare_as(api.admin(), &body);
    let parts = format!("/v1/uploads/{}/parts", text(&in_parts, "id"));
    let wanted = json!({ "parts": [{ "number": 1 }] });
    api.post(&elsewhere.secret, &parts, &wanted).problem(404, "not_found");
    api.get(&elsewhere.secret, &parts).problem(404, "not_found");
    api.post(&reader.secret, &parts, &wanted).problem(403, "forbidden");
    assert_eq!(api.status_of(api.admin(), &id), "pending", "nobody without the right called it off");
    for answer in &refused {
        assert!(matches!(answer.status, 403 | 404), "{answer:?}");
    }
    for answer in &refused[..3] {
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret-name"), "{answer:?}");
    }
    assert_eq!(api.get(&reader.secret, &route).expect(200)["path"], "a/secret-name.txt");
}
