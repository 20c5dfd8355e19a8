//! Promise 2: never wider. What a share gives is what it says and, at the same
//! time, what its minter may do now.

use serde_json::json;

use super::harness::{Api, text};

const OBJECTS: &str = "/v1/session/objects";
const DOWNLOADS: &str = "/v1/session/downloads";
const UPLOADS: &str = "/v1/session/uploads";

fn fill(api: &Api, paths: &[&str]) {
    for path in paths {
        api.upload(api.admin(), path, path.as_bytes());
    }
}

/// How a session is answered that wants to download this.
fn download(api: &Api, session: &str, path: &str) -> u16 {
    api.post(session, DOWNLOADS, &json!({ "path": path })).status
}

fn declare(api: &Api, session: &str, path: &str) -> u16 {
    api.post(session, UPLOADS, &json!({ "path": path, "size": 1, "content_type": "text/plain" })).status
}

pub fn a_file_is_no_prefix(api: &Api) {
    fill(api, &["a.pdf", "a.pdf.bak", "a.pdf2/x", "b.pdf"]);
    let session = api.open(&api.mint(api.admin(), "read", &["a.pdf"])).token;
    for route in [OBJECTS, &format!("{OBJECTS}?prefix=a"), &format!("{OBJECTS}?prefix=a.pdf")] {
        assert_eq!(api.paths(&session, route), ["a.pdf"], "{route}");
    }
    for route in
        [format!("{OBJECTS}?prefix=a.pdf."), format!("{OBJECTS}?prefix=a.pdf2/"), format!("{OBJECTS}?prefix=b")]
    {
        assert_eq!(api.paths(&session, &route), [""; 0], "{route}");
    }
    assert_eq!(api.download(&session, DOWNLOADS, "a.pdf"), b"a.pdf");
    for path in ["a.pdf.bak", "a.pdf2/x", "b.pdf", "a.pd", "A.pdf", "nothing"] {
        assert_eq!(download(api, &session, path), 403, "{path}");
    }
}

pub fn a_folder_ends_at_its_slash(api: &Api) {
    fill(api, &["docs/x.txt", "docs/deep/y.txt", "docs2/z.txt", "docs.txt"]);
    let session = api.open(&api.mint(api.admin(), "read", &["docs/"])).token;
    assert_eq!(api.paths(&session, OBJECTS), ["docs/deep/y.txt", "docs/x.txt"]);
    assert_eq!(api.paths(&session, &format!("{OBJECTS}?prefix=docs")), ["docs/deep/y.txt", "docs/x.txt"]);
    assert_eq!(api.paths(&session, &format!("{OBJECTS}?prefix=docs/deep/")), ["docs/deep/y.txt"]);
    assert_eq!(api.paths(&session, &format!("{OBJECTS}?prefix=docs2/")), [""; 0]);
    for path in ["docs2/z.txt", "docs.txt", "docs"] {
        assert_eq!(download(api, &session, path), 403, "{path}");
    }
    for path in
        ["docs/../docs2/z.txt", "docs/./x.txt", "docs//x.txt", "docs/%2e%2e/docs2/z.txt", "docs/..", "/docs/x.txt"]
    {
        assert_eq!(download(api, &session, path), 422, "{path}");
    }
}

pub fn a_read_session_writes_nothing(api: &Api) {
    fill(api, &["docs/x.txt"]);
    let session = api.open(&api.mint(api.admin(), "read", &["docs/"])).token;
    for path in ["docs/x.txt", "docs/new.txt"] {
        let body = json!({ "path": path, "size": 1, "content_type": "text/plain", "overwrite": true });
        api.post(&session, UPLOADS, &body).problem(403, "forbidden");
    }
    assert_eq!(api.paths(api.admin(), "/v1/objects"), ["docs/x.txt"]);
    assert_eq!(api.get(api.admin(), "/v1/uploads").expect(200)["items"].as_array().unwrap().len(), 1);
}

pub fn a_write_session_stays_within_its_pins(api: &Api) {
    fill(api, &["inbox/old.txt", "other/x.txt"]);
    let session = api.open(&api.mint(api.admin(), "write", &["inbox/", "one.txt"])).token;
    for path in ["other/x.txt", "inbox2/x", "inbox", "one.txt.bak", "one.txt/x", "two.txt"] {
        assert_eq!(declare(api, &session, path), 403, "{path}");
    }
    for path in
        ["inbox/../other/x.txt", "inbox/..", "inbox/%2e%2e/x", "inbox\\..\\x", "inbox//x", "inbox/", "inbox/x\0"]
    {
        assert_eq!(declare(api, &session, path), 422, "{path}");
    }
    let declared = api.declare(&session, UPLOADS, "inbox/new.txt", b"new");
    assert!((200..300).contains(&api.put(&declared, b"new").status));
    let upload = format!("{UPLOADS}/{}", text(&declared, "id"));
    api.call("POST", &format!("{upload}/complete")).bearer(&session).send().expect(200);
    assert_eq!(declare(api, &session, "one.txt"), 201);

    // Another claimant of another share finds nothing of it.
    let stranger = api.open(&api.mint(api.admin(), "write", &["inbox/"])).token;
    api.get(&session, &upload).expect(200);
    for (method, route) in [("GET", upload.clone()), ("POST", format!("{upload}/complete")), ("DELETE", upload)] {
        api.call(method, &route).bearer(&stranger).send().problem(404, "not_found");
    }
}

pub fn a_credential_works_on_its_own_routes_only(api: &Api) {
    fill(api, &["docs/x.txt"]);
    let minted = api.mint(api.admin(), "write", &["/"]);
    let session = api.open(&minted).token;
    let upload = json!({ "path": "docs/y", "size": 1, "content_type": "text/plain" });
    let share = json!({ "paths": ["docs/"], "permission": "read" });
    for bearer in [&session, &minted.token] {
        for route in ["/v1/objects", "/v1/shares", "/v1/uploads", "/v1/api-keys", "/v1/tenants", "/v1/links"] {
            api.get(bearer, route).problem(401, "unauthenticated");
        }
        api.post(bearer, "/v1/uploads", &upload).problem(401, "unauthenticated");
        api.post(bearer, "/v1/shares", &share).problem(401, "unauthenticated");
        api.post(bearer, "/v1/objects/downloads", &json!({ "path": "docs/x.txt" })).problem(401, "unauthenticated");
        api.delete(bearer, "/v1/objects/docs/x.txt").problem(401, "unauthenticated");
    }
    for bearer in [api.admin(), &minted.token] {
        api.get(bearer, "/v1/session").problem(401, "no_session");
        api.get(bearer, OBJECTS).problem(401, "no_session");
        api.post(bearer, UPLOADS, &upload).problem(401, "no_session");
    }
    api.redeem(&session, &super::harness::claim_key()).problem(404, "dead_token");
}

pub fn admin_cannot_be_shared(api: &Api) {
    let body = json!({ "paths": ["docs/"], "permission": "admin", "allow_missing": true });
    let problem = api.post(api.admin(), "/v1/shares", &body).problem(422, "invalid");
    assert_eq!(problem.pointer.as_deref(), Some("/permission"));
    assert!(problem.detail.unwrap().contains("admin can never be shared"));
}

pub fn nobody_shares_more_than_they_have(api: &Api) {
    let minter = api.new_key(api.admin(), "live", &[("docs/", "read"), ("in/", "write"), ("one.txt", "read")]).secret;
    for (permission, paths) in [
        ("read", vec!["/"]),
        ("read", vec!["docs2/"]),
        ("read", vec!["docs"]),
        ("read", vec!["one.txt.bak"]),
        ("read", vec!["one.txt/"]),
        ("write", vec!["docs/"]),
        ("write", vec!["docs/a.txt"]),
        ("write", vec!["in/", "docs/"]),
        ("read", vec!["docs/", "secret.txt"]),
    ] {
        let body = json!({ "paths": paths, "permission": permission, "allow_missing": true });
        api.post(&minter, "/v1/shares", &body).problem(403, "forbidden");
    }
    for (permission, path) in
        [("read", "docs/"), ("read", "docs/a/"), ("write", "in/"), ("read", "in/x"), ("read", "one.txt")]
    {
        api.mint(&minter, permission, &[path]);
    }
    assert_eq!(api.get(&minter, "/v1/shares").expect(200)["items"].as_array().unwrap().len(), 5);
}

pub fn what_a_key_minted_ends_with_the_key(api: &Api) {
    fill(api, &["docs/x.txt"]);
    let minter = api.new_key(api.admin(), "live", &[("docs/", "write")]);
    let (claimed, pending) =
        (api.mint(&minter.secret, "write", &["docs/"]), api.mint(&minter.secret, "read", &["docs/"]));
    let claim_key = super::harness::claim_key();
    let session = text(&api.redeem(&claimed.token, &claim_key).expect(200), "session_token");
    let declared = api.declare(&session, UPLOADS, "docs/y.txt", b"y");
    api.preview(&pending.token).expect(200);

    api.delete(api.admin(), &format!("/v1/api-keys/{}", minter.id)).expect(204);

    let complete = format!("{UPLOADS}/{}/complete", text(&declared, "id"));
    api.get(&session, "/v1/session").problem(401, "no_session");
    api.get(&session, OBJECTS).problem(401, "no_session");
    api.post(&session, DOWNLOADS, &json!({ "path": "docs/x.txt" })).problem(401, "no_session");
    api.call("POST", &complete).bearer(&session).send().problem(401, "no_session");
    api.redeem(&claimed.token, &claim_key).problem(404, "dead_token");
    api.redeem(&pending.token, &super::harness::claim_key()).problem(404, "dead_token");
    api.preview(&pending.token).problem(404, "dead_token");
    api.get(&minter.secret, "/v1/objects").problem(401, "unauthenticated");
}

pub fn a_revoked_share_ends_its_session(api: &Api) {
    fill(api, &["docs/x.txt"]);
    let minted = api.mint(api.admin(), "read", &["docs/"]);
    let session = api.open(&minted).token;
    api.get(&session, "/v1/session").expect(200);
    api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(204);
    api.get(&session, "/v1/session").problem(401, "no_session");
    api.get(&session, OBJECTS).problem(401, "no_session");
    api.post(&session, DOWNLOADS, &json!({ "path": "docs/x.txt" })).problem(401, "no_session");
    api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(204);
    assert_eq!(api.happened("share.revoked", &minted.id), 1);
}

pub fn an_owner_sees_what_a_recipient_would(api: &Api) {
    for path in ["docs/a.txt", "docs/b/c.txt", "other.txt", "more/x.txt"] {
        api.upload(api.admin(), path, b"x");
    }
    let minter = api.new_key(api.admin(), "live", &[("docs/", "read"), ("more/", "read")]);
    let minted = api.mint(&minter.secret, "read", &["docs/", "more/x.txt"]);
    let look = |key: &str, query: &str| api.paths(key, &format!("/v1/shares/{}/objects{query}", minted.id));
    for key in [minter.secret.as_str(), api.admin()] {
        assert_eq!(look(key, ""), ["docs/a.txt", "docs/b/c.txt", "more/x.txt"]);
        assert_eq!(look(key, "?prefix=docs/b/"), ["docs/b/c.txt"]);
        assert_eq!(look(key, "?limit=1"), ["docs/a.txt"]);
        assert!(look(key, "?prefix=other.txt").is_empty());
    }
    // Nothing was claimed by it, and a recipient sees the same.
    let session = api.open(&minted).token;
    assert_eq!(api.paths(&session, "/v1/session/objects"), look(api.admin(), ""));

    let route = format!("/v1/shares/{}/objects", minted.id);
    let other = api.new_key(api.admin(), "live", &[("/", "write")]);
    api.get(&other.secret, &route).problem(404, "not_found");
    api.get(&session, &route).problem(401, "unauthenticated");
    api.get(api.admin(), &format!("{route}?limit=0")).problem(422, "invalid");
    api.delete(api.admin(), &format!("/v1/api-keys/{}", minter.id)).expect(204);
    assert!(look(api.admin(), "").is_empty());
}
