//! Batches: up to a hundred items, each with the result that it would have had alone.

use serde_json::{Value, json};

use crate::api::harness::{Api, text};

fn declaration(path: &str, size: u64) -> Value {
    json!({ "path": path, "size": size, "content_type": "text/plain" })
}

pub fn every_declaration_has_its_own_result(api: &Api) {
    api.upload(api.admin(), "taken.txt", b"x");
    let items = json!([
        declaration("a.txt", 1),
        declaration("taken.txt", 1),
        declaration("../a.txt", 1),
        { "path": "b.txt" },
        7,
        declaration("b.txt", 2),
    ]);
    let batch = api.post(api.admin(), "/v1/uploads/batch", &json!({ "items": items })).expect(200);
    let items = batch["items"].as_array().unwrap();
    let statuses: Vec<_> = items.iter().map(|item| item["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 409, 422, 422, 422, 201]);
    assert_eq!((&items[1]["problem"]["code"], items[1].get("upload")), (&json!("path_taken"), None));
    assert_eq!(items[2]["problem"]["pointer"], "/items/2/path");
    for (item, bytes) in [(&items[0], b"a".as_slice()), (&items[5], b"bb")] {
        let upload = &item["upload"];
        assert_eq!(item.get("problem"), None);
        assert!((200..300).contains(&api.put(upload, bytes).status));
        api.complete(api.admin(), &text(upload, "id")).expect(200);
    }
    assert_eq!(api.vault(api.admin()), ["a.txt", "b.txt", "taken.txt"]);
}

pub fn a_batch_has_1_to_100_items(api: &Api) {
    let session = api.open(&api.mint(api.admin(), "write", &["in/"]));
    for (bearer, route, field, item) in [
        (api.admin(), "/v1/uploads/batch", "items", declaration("a.txt", 1)),
        (&session.token, "/v1/session/uploads/batch", "items", declaration("in/a.txt", 1)),
        (&session.token, "/v1/session/downloads/batch", "paths", json!("in/a.txt")),
    ] {
        for count in [0, 101] {
            let problem = api.post(bearer, route, &json!({ field: vec![&item; count] })).problem(422, "invalid");
            assert_eq!(problem.pointer.as_deref(), Some(format!("/{field}").as_str()));
        }
        let full = api.post(bearer, route, &json!({ field: vec![&item; 100] })).expect(200);
        assert_eq!(full["items"].as_array().unwrap().len(), 100);
        api.post(bearer, route, &json!({})).problem(422, "invalid");
    }
}

pub fn a_session_downloads_what_it_reaches(api: &Api) {
    api.upload(api.admin(), "docs/a.txt", b"one");
    api.upload(api.admin(), "docs/b.txt", b"two");
    api.upload(api.admin(), "secret.txt", b"three");
    let session = api.open(&api.mint(api.admin(), "read", &["docs/"]));
    let paths = json!(["docs/b.txt", "secret.txt", "docs/none.txt", "docs/../secret.txt", "docs/a.txt"]);
    let batch = api.post(&session.token, "/v1/session/downloads/batch", &json!({ "paths": paths })).expect(200);
    let items = batch["items"].as_array().unwrap();
    let statuses: Vec<_> = items.iter().map(|item| item["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 403, 404, 422, 200]);
    for (item, bytes) in [(&items[0], b"two"), (&items[4], b"one")] {
        assert_eq!(api.call_url("GET", &text(item, "url")).send().body, bytes);
    }
    api.post(&session.token, "/v1/session/uploads/batch", &json!({ "items": [declaration("docs/c.txt", 1)] }))
        .expect(200)["items"][0]["problem"]["code"]
        .as_str()
        .map(|code| assert_eq!(code, "forbidden"))
        .unwrap();
}
