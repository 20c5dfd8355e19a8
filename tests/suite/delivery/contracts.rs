//! An upload's URL cannot be bent: other bytes, sizes, types or checksums than
//! declared are refused by the storage, and what is no contract is never signed.

use std::time::Duration;

use cloakroom::{
    crypto::digest,
    domain::tenant::{Mode, Namespace},
    objects::{ContentType, InboxSecret, ObjectKey},
};
use serde_json::{Value, json};

use crate::api::{
    harness::{Answer, Api, text},
    laboratory::Laboratory,
};

const BYTES: &[u8] = b"what was agreed";
const OTHERS: &[u8] = b"WHAT WAS AGREED";

type Headers = Vec<(String, String)>;

fn declaration(more: Value) -> Value {
    let mut body = json!({ "path": "a.txt", "size": BYTES.len(), "content_type": "text/plain" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn sha256() -> String {
    base16ct::lower::encode_string(&digest::of(BYTES))
}

/// The storage refused, nothing arrived, and the upload goes on.
#[track_caller]
fn assert_still_pending(api: &Api, declared: &Value, refused: &Answer) {
    assert!((400..=500).contains(&refused.status), "{refused:?}");
    let id = text(declared, "id");
    assert_eq!(api.status_of(api.admin(), &id), "pending");
    api.complete(api.admin(), &id).problem(409, "upload_incomplete");
    assert_eq!(api.vault(api.admin()), [""; 0]);
}

pub fn storage_refuses_what_was_not_declared(api: &Api) {
    let declared = api.declare_as(api.admin(), &declaration(json!({ "sha256": sha256() })));
    let send = |change: &dyn Fn(&mut Headers), bytes: &[u8]| {
        let headers = declared["headers"].as_object().unwrap().iter();
        let mut headers: Vec<_> =
            headers.map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned())).collect();
        change(&mut headers);
        let mut call = api.call_url("PUT", &text(&declared, "url")).body(bytes);
        for (name, value) in headers {
            call = call.header(&name, &value);
        }
        call.send()
    };
    let as_agreed = |_: &mut Headers| {};
    let other_type = |headers: &mut Headers| {
        headers
            .iter_mut()
            .filter(|(name, _)| name == "content-type")
            .for_each(|(_, value)| *value = "text/html".into());
    };
    let no_checksum = |headers: &mut Headers| headers.retain(|(name, _)| name != "x-amz-checksum-sha256");
    assert_still_pending(api, &declared, &send(&as_agreed, OTHERS));
    assert_still_pending(api, &declared, &send(&as_agreed, &BYTES[1..]));
    assert_still_pending(api, &declared, &send(&as_agreed, &[BYTES, b"!"].concat()));
    assert_still_pending(api, &declared, &send(&as_agreed, b""));
    assert_still_pending(api, &declared, &send(&other_type, BYTES));
    assert_still_pending(api, &declared, &send(&no_checksum, OTHERS));
    assert!((200..300).contains(&send(&as_agreed, BYTES).status));
    assert_eq!(api.complete(api.admin(), &text(&declared, "id")).expect(200)["status"], "completed");
}

pub fn storage_refuses_forms_that_were_not_declared(api: &Api) {
    let more = json!({ "method": "post", "sha256": sha256() });
    let declared = api.declare_as(api.admin(), &declaration(more));
    assert_still_pending(api, &declared, &api.send_form(&declared, OTHERS));
    assert_still_pending(api, &declared, &api.send_form(&declared, &BYTES[1..]));
    assert_still_pending(api, &declared, &api.send_form(&declared, &[BYTES, b"!"].concat()));
    let mut bent = declared.clone();
    for (name, value) in bent["fields"].as_object_mut().unwrap() {
        if name.eq_ignore_ascii_case("content-type") {
            *value = json!("text/html");
        }
    }
    assert_still_pending(api, &declared, &api.send_form(&bent, BYTES));
    assert!((200..300).contains(&api.send_form(&declared, BYTES).status));
    assert_eq!(api.complete(api.admin(), &text(&declared, "id")).expect(200)["status"], "completed");
}

/// The second line: what a storage has let through is held to the contract again.
pub fn what_arrived_otherwise_is_rejected(api: &Api) {
    let namespace = Namespace { tenant: api.tenant.id.parse().unwrap(), mode: Mode::Live };
    for (reason, kind, bytes) in
        [("size", "text/plain", &BYTES[1..]), ("content_type", "text/html", BYTES), ("checksum", "text/plain", OTHERS)]
    {
        let declared = api.declare_as(api.admin(), &declaration(json!({ "sha256": sha256() })));
        let id = text(&declared, "id");
        let inbox = ObjectKey::inbox(namespace, InboxSecret(inbox(api, &id)));
        let kind = ContentType::parse(kind).unwrap();
        api.wait(api.broker().objects.put(&inbox, &kind, bytes.to_vec().into())).unwrap();
        for _ in 0..2 {
            let problem = api.complete(api.admin(), &id).problem(409, "upload_rejected");
            assert!(problem.detail.unwrap().contains(reason), "{reason}");
        }
        let seen = api.get(api.admin(), &format!("/v1/uploads/{id}")).expect(200);
        assert_eq!((&seen["status"], &seen["reason"]), (&json!("rejected"), &json!(reason)));
        assert_eq!((api.happened("upload.rejected", &id), api.happened("upload.completed", &id)), (1, 0));
        assert_eq!(api.wait(api.broker().objects.head(&inbox)).unwrap(), None, "nothing is kept of it");
        assert_eq!(api.vault(api.admin()), [""; 0]);
    }
}

/// The secret that makes the inbox key of an upload.
fn inbox(api: &Api, id: &str) -> [u8; 32] {
    let row = api.row(&format!("uploads#{}#live", api.tenant.id), id);
    let row = String::from_utf8_lossy(&row.body).into_owned();
    let mut secret = [0; 32];
    base16ct::lower::decode(&row.split_once(r#""inbox":""#).unwrap().1[..64], &mut secret).unwrap();
    secret
}

pub fn sizes_over_a_cap_are_refused(api: &Api) {
    let grants = json!([{ "path": "/", "permission": "write" }]);
    let capped = api.post(api.admin(), "/v1/api-keys", &json!({ "grants": grants, "largest_upload": 15 }));
    let capped = text(&capped.expect(201), "secret");
    let problem = api.post(&capped, "/v1/uploads", &declaration(json!({ "size": 16 }))).problem(413, "too_large");
    assert_eq!((problem.pointer.as_deref(), problem.detail.as_deref()), (Some("/size"), Some("at most 15 bytes")));
    api.post(&capped, "/v1/uploads", &declaration(json!({ "size": 15 }))).expect(201);
    // The deployment's own cap: 5 GiB where nothing else is set.
    let gib = 1024 * 1024 * 1024_u64;
    let over = declaration(json!({ "size": 5 * gib + 1 }));
    api.post(api.admin(), "/v1/uploads", &over).problem(413, "too_large");
    api.post(api.admin(), "/v1/uploads", &declaration(json!({ "size": 5 * gib }))).expect(201);
    // A share gives no more than its minter has.
    let session = api.open(&api.mint(&capped, "write", &["a.txt"]));
    let answer = api.post(&session.token, "/v1/session/uploads", &declaration(json!({ "size": 16 })));
    answer.problem(413, "too_large");
}

pub fn what_is_no_upload_is_refused(api: &Api) {
    let long_type = format!("text/{}", "x".repeat(251));
    for (field, wrong) in [
        ("size", vec![json!(-1), json!(1.5), json!("1"), json!(null), json!(1e30), json!([1])]),
        ("content_type", vec![json!(""), json!("text"), json!("text/"), json!("a b/c"), json!("text/plain\r\nX: y")]),
        ("content_type", vec![json!("text/plain "), json!("tëxt/plain"), json!(long_type), json!(1)]),
        (
            "sha256",
            vec![
                json!(""),
                json!("abc"),
                json!("z".repeat(64)),
                json!("a".repeat(63)),
                json!("a".repeat(65)),
                json!(1),
            ],
        ),
        ("expires_in", vec![json!(0), json!(601), json!(-1), json!("60"), json!(u64::MAX)]),
        ("method", vec![json!("get"), json!("PUT"), json!("parts"), json!(1)]),
        (
            "path",
            vec![json!(""), json!("/a"), json!("a/"), json!("a//b"), json!("../a"), json!("a/../b"), json!("a\\b")],
        ),
        ("path", vec![json!("a%2e%2e/b"), json!("a\nb"), json!("a\u{202e}b"), json!("x".repeat(901)), json!(1)]),
        ("overwrite", vec![json!("true"), json!(1)]),
        ("more", vec![json!(1)]),
    ] {
        for value in wrong {
            let body = declaration(json!({ field: value }));
            let answer = api.post(api.admin(), "/v1/uploads", &body);
            assert_eq!((answer.status, answer.text("code").as_str()), (422, "invalid"), "{body}: {answer:?}");
            assert_eq!(answer.text("pointer"), format!("/{field}"), "{body}");
        }
    }
    // Numbers that no JSON library here would write.
    for size in ["18446744073709551616", "-0.1", "1e2", "0x10", "NaN", "+1", "01"] {
        let body = format!(r#"{{"path":"a.txt","size":{size},"content_type":"text/plain"}}"#);
        let call = api.call("POST", "/v1/uploads").bearer(api.admin()).header("content-type", "application/json");
        let answer = call.body(body.as_bytes()).send();
        assert!(matches!(answer.status, 400 | 422), "{size}: {answer:?}");
    }
    for missing in ["path", "size", "content_type"] {
        let mut body = declaration(json!({}));
        body.as_object_mut().unwrap().remove(missing);
        api.post(api.admin(), "/v1/uploads", &body).problem(422, "invalid");
    }
    assert_eq!(api.get(api.admin(), "/v1/uploads").expect(200)["items"], json!([]), "nothing was declared");
    for fine in [json!({ "expires_in": 1 }), json!({ "expires_in": 600 }), json!({ "size": 0 })] {
        api.declare_as(api.admin(), &declaration(fine));
    }
}

pub fn the_inbox_is_named_in_the_signed_request_only(api: &Api) {
    let declared = api.declare_as(api.admin(), &declaration(json!({})));
    let id = text(&declared, "id");
    let inbox = base16ct::lower::encode_string(&inbox(api, &id));
    let without_url = {
        let mut declared = declared.clone();
        declared.as_object_mut().unwrap().remove("url");
        declared.to_string()
    };
    assert!(!without_url.contains(&inbox));
    let route = format!("/v1/uploads/{id}");
    let nothing_yet = api.complete(api.admin(), &id);
    nothing_yet.problem(409, "upload_incomplete");
    assert!((200..300).contains(&api.put(&declared, BYTES).status));
    let mut answers = vec![nothing_yet, api.get(api.admin(), &route), api.get(api.admin(), "/v1/uploads")];
    answers.push(api.complete(api.admin(), &id));
    answers.push(api.get(api.admin(), &route));
    answers.push(api.get(api.admin(), "/v1/objects"));
    answers.push(api.post(api.admin(), "/v1/objects/downloads", &json!({ "path": "a.txt" })));
    for answer in answers {
        assert!(!String::from_utf8_lossy(&answer.body).contains(&inbox), "{answer:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("inbox/"), "{answer:?}");
    }
    let events = format!("{:?}", api.events(&api.ledger()));
    assert!(!events.contains(&inbox), "{events}");
}

#[test]
fn completion_is_possible_for_a_day_after_the_url_ended() {
    let (api, clock, _) = Laboratory::served();
    let send = |path: &str| {
        let declared = api.declare(api.admin(), "/v1/uploads", path, BYTES);
        assert_eq!(api.put(&declared, BYTES).status, 200);
        text(&declared, "id")
    };
    let (in_time, late) = (send("in-time.txt"), send("late.txt"));
    clock.advance(Duration::from_secs(600 + 24 * 3_600 - 1));
    api.complete(api.admin(), &in_time).expect(200);
    clock.advance(Duration::from_secs(1));
    api.complete(api.admin(), &late).problem(409, "upload_expired");
    assert_eq!(api.vault(api.admin()), ["in-time.txt"]);
    assert_eq!(api.complete(api.admin(), &in_time).expect(200)["status"], "completed", "what is done stays done");
}

#[test]
fn a_url_ends_when_it_says() {
    let (api, clock, _) = Laboratory::served();
    let declared = api.declare_as(api.admin(), &declaration(json!({ "expires_in": 5 })));
    clock.advance(Duration::from_millis(5_000));
    assert_still_pending(&api, &declared, &api.put(&declared, BYTES));
}

#[test]
fn the_deployments_cap_holds_for_every_key() {
    let (api, _, _) = Laboratory::served();
    let mib = 1024 * 1024;
    api.post(api.admin(), "/v1/uploads", &declaration(json!({ "size": mib + 1 }))).problem(413, "too_large");
    let grants = json!([{ "path": "/", "permission": "write" }]);
    let key = api.post(api.admin(), "/v1/api-keys", &json!({ "grants": grants, "largest_upload": 2 * mib }));
    let key = text(&key.expect(201), "secret");
    api.post(&key, "/v1/uploads", &declaration(json!({ "size": mib + 1 }))).problem(413, "too_large");
    api.post(&key, "/v1/uploads", &declaration(json!({ "size": mib }))).expect(201);
}
