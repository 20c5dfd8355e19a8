//! What arrives becomes a file once: with the size, type and checksum that were
//! declared, under the path that was declared.

use cloakroom::crypto::digest;
use serde_json::{Value, json};

use super::words::at_once;
use crate::api::harness::{Api, insisting, text};

const BYTES: &[u8] = b"what was agreed";

fn sha256(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&digest::of(bytes))
}

fn declaration(path: &str, more: Value) -> Value {
    let mut body = json!({ "path": path, "size": BYTES.len(), "content_type": "text/x-agreed; charset=utf-8" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[track_caller]
fn assert_is_a_file(api: &Api, id: &str, path: &str) {
    for done in
        [api.complete(api.admin(), id).expect(200), api.get(api.admin(), &format!("/v1/uploads/{id}")).expect(200)]
    {
        assert_eq!((&done["status"], &done["path"], &done["size"]), (&json!("completed"), &json!(path), &json!(15)));
        assert_eq!(done["sha256"], sha256(BYTES));
        assert!(done["completed_at"].is_string());
    }
    let file = api.get(api.admin(), &format!("/v1/objects/{path}")).expect(200);
    assert_eq!((&file["path"], &file["size"]), (&json!(path), &json!(15)));
    assert_eq!(
        (&file["content_type"], &file["sha256"]),
        (&json!("text/x-agreed; charset=utf-8"), &json!(sha256(BYTES)))
    );
    assert_eq!(api.file(api.admin(), path), BYTES);
    assert_eq!((api.happened("upload.created", id), api.happened("upload.completed", id)), (1, 1));
}

pub fn a_put_becomes_a_file(api: &Api) {
    for (path, more) in [
        ("in/plain.txt", json!({})),
        ("in/declared.txt", json!({ "sha256": sha256(BYTES), "method": "put" })),
        ("in/upper.txt", json!({ "sha256": sha256(BYTES).to_uppercase() })),
    ] {
        let declared = api.declare_as(api.admin(), &declaration(path, more));
        assert_eq!((&declared["method"], &declared["http_method"]), (&json!("put"), &json!("PUT")));
        assert_eq!((&declared["status"], declared.get("fields")), (&json!("pending"), None));
        assert!(!api.vault(api.admin()).contains(&path.to_owned()), "not before it is complete");
        let put = api.put(&declared, BYTES);
        assert!((200..300).contains(&put.status), "{put:?}");
        assert_is_a_file(api, &text(&declared, "id"), path);
    }
    let empty = api.declare(api.admin(), "/v1/uploads", "in/empty", b"");
    assert!((200..300).contains(&api.put(&empty, b"").status));
    assert_eq!(api.complete(api.admin(), &text(&empty, "id")).expect(200)["sha256"], sha256(b""));
    assert_eq!(api.file(api.admin(), "in/empty"), b"");
}

pub fn a_form_becomes_a_file(api: &Api) {
    for (path, more) in [
        ("in/plain.txt", json!({ "method": "post" })),
        ("in/declared.txt", json!({ "method": "post", "sha256": sha256(BYTES) })),
    ] {
        let declared = api.declare_as(api.admin(), &declaration(path, more));
        assert_eq!((&declared["method"], &declared["http_method"]), (&json!("post"), &json!("POST")));
        assert_eq!(declared.get("headers"), None);
        let sent = api.send_form(&declared, BYTES);
        assert!((200..300).contains(&sent.status), "{sent:?}");
        assert_is_a_file(api, &text(&declared, "id"), path);
    }
}

pub fn completing_twice_gives_one_result(api: &Api) {
    let id = api.upload(api.admin(), "a.txt", BYTES);
    let first = api.complete(api.admin(), &id).expect(200);
    for _ in 0..3 {
        assert_eq!(api.complete(api.admin(), &id).expect(200), first);
    }
    assert_eq!((api.vault(api.admin()), api.happened("upload.completed", &id)), (vec!["a.txt".into()], 1));
    let problem = api.delete(api.admin(), &format!("/v1/uploads/{id}"));
    problem.problem(409, "upload_completed");
    assert_eq!(api.file(api.admin(), "a.txt"), BYTES);
}

pub fn of_many_who_complete_at_once_all_get_one_result(api: &Api) {
    for round in 0..api.rounds() {
        let path = format!("{round}.txt");
        let declared = api.declare(api.admin(), "/v1/uploads", &path, BYTES);
        assert!((200..300).contains(&api.put(&declared, BYTES).status));
        let id = text(&declared, "id");
        let answers = at_once(16, |_| insisting(|| api.complete(api.admin(), &id)));
        for answer in &answers {
            // Whoever was late is told of the same file, not that nothing has arrived.
            assert_eq!(answer.expect(200), answers[0].json());
        }
        assert_eq!(api.happened("upload.completed", &id), 1);
        assert_eq!(api.file(api.admin(), &path), BYTES);
    }
}

pub fn nothing_has_arrived_yet(api: &Api) {
    let declared = api.declare(api.admin(), "/v1/uploads", "a.txt", BYTES);
    let id = text(&declared, "id");
    for _ in 0..2 {
        api.complete(api.admin(), &id).problem(409, "upload_incomplete");
    }
    assert_eq!((api.status_of(api.admin(), &id).as_str(), api.vault(api.admin()).len()), ("pending", 0));
    assert!((200..300).contains(&api.put(&declared, BYTES).status));
    assert_eq!(api.complete(api.admin(), &id).expect(200)["status"], "completed");
}

pub fn of_two_uploads_for_one_path_one_wins(api: &Api) {
    api.upload(api.admin(), "taken.txt", BYTES);
    let taken = declaration("taken.txt", json!({}));
    api.post(api.admin(), "/v1/uploads", &taken).problem(409, "path_taken");
    for round in 0..api.rounds() {
        let path = format!("{round}.txt");
        let bodies: Vec<_> = (0..4).map(|number| format!("upload number {number}").into_bytes()).collect();
        let ids: Vec<_> = bodies
            .iter()
            .map(|bytes| {
                let declared = api.declare(api.admin(), "/v1/uploads", &path, bytes);
                assert!((200..300).contains(&api.put(&declared, bytes).status));
                text(&declared, "id")
            })
            .collect();
        let answers = at_once(4, |number| insisting(|| api.complete(api.admin(), &ids[number])));
        let won: Vec<_> = (0..4).filter(|number| answers[*number].status == 200).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        for number in 0..4 {
            if number != won[0] {
                answers[number].problem(409, "path_taken");
                let seen = api.get(api.admin(), &format!("/v1/uploads/{}", ids[number])).expect(200);
                assert_eq!((&seen["status"], &seen["reason"]), (&json!("rejected"), &json!("path_taken")));
                api.complete(api.admin(), &ids[number]).problem(409, "path_taken");
            }
        }
        assert_eq!(api.file(api.admin(), &path), bodies[won[0]]);
    }
}

pub fn a_file_is_replaced_only_on_request(api: &Api) {
    let old = api.upload(api.admin(), "a.txt", b"the old bytes");
    let declared = api.declare_as(api.admin(), &declaration("a.txt", json!({ "overwrite": true })));
    assert_eq!(api.file(api.admin(), "a.txt"), b"the old bytes", "declaring replaces nothing");
    assert!((200..300).contains(&api.put(&declared, BYTES).status));
    assert_eq!(api.file(api.admin(), "a.txt"), b"the old bytes", "nor does arriving");
    assert_is_a_file(api, &text(&declared, "id"), "a.txt");
    assert_eq!(api.vault(api.admin()), ["a.txt"]);
    // The old upload is over, and stays what it was.
    assert_eq!(api.complete(api.admin(), &old).expect(200)["status"], "completed");
    assert_eq!(api.file(api.admin(), "a.txt"), BYTES);
    // A path that was freed can be taken again.
    api.delete(api.admin(), "/v1/objects/a.txt").expect(204);
    api.upload(api.admin(), "a.txt", b"third");
    assert_eq!(api.file(api.admin(), "a.txt"), b"third");
}

pub fn a_test_keys_file_is_not_in_the_live_vault(api: &Api) {
    let test = api.new_key(api.admin(), "test", &[("/", "admin")]);
    assert!(test.secret.starts_with("crk_test_"));
    api.upload(api.admin(), "live.txt", b"live");
    let id = api.upload(&test.secret, "a.txt", b"test");
    api.upload(&test.secret, "live.txt", b"another");
    assert_eq!(api.get(&test.secret, &format!("/v1/uploads/{id}")).expect(200)["livemode"], false);
    assert_eq!(
        (api.vault(api.admin()), api.vault(&test.secret)),
        (vec!["live.txt".into()], vec!["a.txt".into(), "live.txt".into()])
    );
    assert_eq!(
        (api.file(api.admin(), "live.txt"), api.file(&test.secret, "live.txt")),
        (b"live".to_vec(), b"another".to_vec())
    );
    for route in ["/v1/objects/a.txt".to_owned(), format!("/v1/uploads/{id}")] {
        api.get(api.admin(), &route).problem(404, "not_found");
    }
    api.complete(api.admin(), &id).problem(404, "not_found");
    api.delete(&test.secret, "/v1/objects/live.txt").expect(204);
    assert_eq!(api.file(api.admin(), "live.txt"), b"live");
}
