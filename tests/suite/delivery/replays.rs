//! Bytes land where nobody can read them and only completion promotes: whoever
//! kept a URL changes nothing in the vault with it.

use serde_json::json;

use crate::api::harness::{Api, text};

const FIRST: &[u8] = b"the first bytes";
const AGAIN: &[u8] = b"THE OTHER BYTES";

#[track_caller]
fn assert_unchanged(api: &Api, id: &str) {
    assert_eq!(api.file(api.admin(), "a.txt"), FIRST);
    assert_eq!(api.complete(api.admin(), id).expect(200)["status"], "completed");
    assert_eq!(api.file(api.admin(), "a.txt"), FIRST);
    assert_eq!((api.vault(api.admin()), api.happened("upload.completed", id)), (vec!["a.txt".into()], 1));
}

pub fn a_url_sent_again_after_completion_changes_nothing(api: &Api) {
    let declared = api.declare(api.admin(), "/v1/uploads", "a.txt", FIRST);
    assert!((200..300).contains(&api.put(&declared, FIRST).status));
    let id = text(&declared, "id");
    api.complete(api.admin(), &id).expect(200);
    assert_eq!(api.put(&declared, AGAIN).status, 412, "they would take up room that nobody counts");
    assert_unchanged(api, &id);
}

pub fn a_form_sent_again_after_completion_changes_nothing(api: &Api) {
    let body = json!({ "path": "a.txt", "size": FIRST.len(), "content_type": "text/plain", "method": "post" });
    let declared = api.declare_as(api.admin(), &body);
    assert!((200..300).contains(&api.send_form(&declared, FIRST).status));
    let id = text(&declared, "id");
    api.complete(api.admin(), &id).expect(200);
    // The storage may take them: nobody will look.
    api.send_form(&declared, AGAIN);
    assert_unchanged(api, &id);
}

pub fn a_url_sent_after_cancellation_changes_nothing(api: &Api) {
    for sent_before in [false, true] {
        let declared = api.declare(api.admin(), "/v1/uploads", "a.txt", FIRST);
        let (id, route) = (text(&declared, "id"), format!("/v1/uploads/{}", text(&declared, "id")));
        if sent_before {
            assert!((200..300).contains(&api.put(&declared, FIRST).status));
        }
        for _ in 0..2 {
            api.delete(api.admin(), &route).expect(204);
        }
        api.put(&declared, AGAIN);
        api.complete(api.admin(), &id).problem(409, "upload_cancelled");
        assert_eq!(api.status_of(api.admin(), &id), "cancelled");
        assert_eq!((api.vault(api.admin()).len(), api.happened("upload.cancelled", &id)), (0, 1));
    }
    // The path is free.
    api.upload(api.admin(), "a.txt", FIRST);
    assert_eq!(api.file(api.admin(), "a.txt"), FIRST);
}

pub fn a_url_sent_again_after_the_file_was_deleted_changes_nothing(api: &Api) {
    let declared = api.declare(api.admin(), "/v1/uploads", "a.txt", FIRST);
    assert!((200..300).contains(&api.put(&declared, FIRST).status));
    let id = text(&declared, "id");
    api.complete(api.admin(), &id).expect(200);
    let download = api.post(api.admin(), "/v1/objects/downloads", &json!({ "path": "a.txt" })).expect(200);
    api.delete(api.admin(), "/v1/objects/a.txt").expect(204);
    assert_eq!(api.put(&declared, AGAIN).status, 412);
    api.complete(api.admin(), &id).expect(200);
    assert_eq!(api.vault(api.admin()), [""; 0], "what was completed stays deleted");
    api.get(api.admin(), "/v1/objects/a.txt").problem(404, "not_found");
    let gone = api.call_url("GET", &text(&download, "url")).send();
    assert_eq!(gone.status, 404, "its bytes are gone too");
}
