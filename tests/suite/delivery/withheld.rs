//! Methods of upload that the storage cannot be trusted with: refused with what to
//! do instead, and everything else goes on.

use std::fs;

use cloakroom::service::Offered;
use serde_json::{Value, json};

use crate::api::{
    harness::{Answer, Api, text},
    laboratory::Laboratory,
};

const BYTES: &[u8] = b"what was agreed";

/// What the laboratory allows a file to have.
const CAP: usize = 1024 * 1024;

fn declaration(method: &str, size: usize) -> Value {
    json!({ "path": format!("{method}.txt"), "size": size, "content_type": "text/plain", "method": method })
}

#[track_caller]
fn assert_withheld(answer: &Answer) {
    let problem = answer.problem(422, "method_not_offered");
    let detail = problem.detail.unwrap();
    assert_eq!(problem.pointer.as_deref(), Some("/method"));
    assert!(detail.contains("use the method put, for files of up to 1048576 bytes"), "{detail}");
}

/// Declares by this method whatever it can be declared by, and is refused each time.
fn is_withheld_everywhere(api: &Api, method: &str) {
    for size in [0, BYTES.len(), CAP, CAP + 1, usize::MAX / 2] {
        assert_withheld(&api.post(api.admin(), "/v1/uploads", &declaration(method, size)));
    }
    let session = api.open(&api.mint(api.admin(), "write", &["/"]));
    assert_withheld(&api.post(&session.token, "/v1/session/uploads", &declaration(method, BYTES.len())));
    let items = [declaration(method, BYTES.len()), declaration("put", BYTES.len())];
    let batch = api.post(api.admin(), "/v1/uploads/batch", &json!({ "items": items })).expect(200);
    let (refused, declared) = (&batch["items"][0], &batch["items"][1]);
    assert_eq!((&refused["status"], &declared["status"]), (&json!(422), &json!(201)), "{batch}");
}

#[test]
fn without_parts_what_fits_in_one_request_goes_on() {
    let (api, ..) = Laboratory::served_offering(Offered { multipart: false, ..Offered::default() });
    is_withheld_everywhere(&api, "multipart");
    let parts = fs::read_dir(api.data_dir().join("objects/parts"));
    assert_eq!(parts.into_iter().flatten().count(), 0, "nothing was begun");
    let declared = api.declare_as(api.admin(), &declaration("put", BYTES.len()));
    assert_eq!(api.put(&declared, BYTES).status, 200);
    api.complete(api.admin(), &text(&declared, "id")).expect(200);
    assert_eq!(api.file(api.admin(), "put.txt"), BYTES);
    api.declare_as(api.admin(), &declaration("post", BYTES.len()));
    api.post(api.admin(), "/v1/uploads", &declaration("put", CAP + 1)).problem(413, "too_large");
}

#[test]
fn without_forms_everything_else_goes_on() {
    let (api, ..) = Laboratory::served_offering(Offered { post: false, ..Offered::default() });
    is_withheld_everywhere(&api, "post");
    for method in ["put", "multipart"] {
        api.declare_as(api.admin(), &declaration(method, BYTES.len()));
    }
}
