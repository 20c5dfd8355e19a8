//! What each operation asks of the store: the figures of docs/capacity.md. Whoever makes one dearer changes them here and there.

use cloakroom::store::faulty::Asked;
use serde_json::json;

use super::{
    harness::{claim_key, text},
    laboratory::Laboratory,
};

/// What is asked by this, warm: it is done once before. Reads, keys in them, commits, rows in them.
fn asked(of: &mut dyn FnMut(), take: &dyn Fn() -> Asked) -> [u64; 4] {
    of();
    take();
    of();
    let asked = take();
    assert_eq!(asked.queries + asked.counts, 0, "{asked:?}");
    [asked.gets, asked.keys, asked.commits, asked.rows]
}

#[test]
fn every_operation_asks_as_much_as_is_said() {
    let (api, _, faults) = Laboratory::served();
    let take = || faults.take_asked();
    let admin = api.admin();
    let share = || {
        text(&api.post(admin, "/v1/shares", &json!({ "paths": ["a.txt"], "permission": "write" })).expect(201), "token")
    };
    api.upload(admin, "a.txt", b"bytes");
    let tokens: Vec<_> = (0..4).map(|_| share()).collect();
    let mut left = tokens.iter();
    let opened = api.redeem(&tokens[3], &claim_key()).expect(200);
    let session = text(&opened, "session_token");
    let mut completed = ["c.txt", "d.txt"].into_iter();
    let declared = json!({ "path": "b.txt", "size": 1, "content_type": "text/plain" });

    let mut table = Vec::new();
    let mut measure = |name: &'static str, of: &mut dyn FnMut()| table.push((name, asked(of, &take)));
    measure("mint a share", &mut || drop(share()));
    measure("redeem a share", &mut || {
        api.redeem(left.next().unwrap(), &claim_key()).expect(200);
    });
    measure("list a session", &mut || {
        api.get(&session, "/v1/session/objects").expect(200);
    });
    measure("issue a download", &mut || {
        api.post(&session, "/v1/session/downloads", &json!({ "path": "a.txt" })).expect(200);
    });
    measure("issue an upload", &mut || {
        api.post(admin, "/v1/uploads", &declared).expect(201);
    });
    measure("complete an upload", &mut || {
        let declared = api.declare(admin, "/v1/uploads", completed.next().unwrap(), b"x");
        api.put(&declared, b"x");
        take();
        api.post(admin, &format!("/v1/uploads/{}/complete", text(&declared, "id")), &json!({})).expect(200);
    });
    let published = api.post(admin, "/v1/artifacts", &json!({ "paths": ["a.txt"], "index": "a.txt" })).expect(201);
    let link = || text(&api.post(admin, "/v1/links", &json!({ "artifact": published["id"] })).expect(201), "token");
    let links: Vec<_> = (0..2).map(|_| link()).collect();
    let mut links = links.iter();
    measure("mint a link", &mut || drop(link()));
    measure("redeem a link", &mut || {
        let body = json!({ "token": links.next().unwrap(), "claim_key": claim_key() });
        api.public("/v1/links/redeem", &body).expect(200);
    });
    measure("refuse a dead token", &mut || {
        api.redeem(&tokens[0], &claim_key()).problem(404, "dead_token");
    });
    measure("refuse what is no token", &mut || {
        api.redeem("crs_AAAA", &claim_key()).problem(404, "dead_token");
    });
    let said = [
        ("mint a share", [2, 3, 1, 5]),
        ("redeem a share", [1, 5, 1, 4]),
        ("list a session", [2, 6, 0, 0]),
        ("issue a download", [2, 6, 1, 2]),
        ("issue an upload", [2, 4, 1, 4]),
        ("complete an upload", [7, 8, 1, 5]),
        ("mint a link", [2, 3, 1, 5]),
        ("redeem a link", [2, 6, 1, 4]),
        ("refuse a dead token", [2, 6, 1, 2]),
        ("refuse what is no token", [0, 0, 0, 0]),
    ];
    assert_eq!(table, said);
}
