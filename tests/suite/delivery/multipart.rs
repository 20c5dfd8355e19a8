//! Files sent in parts: every part is held to its place and length, what is
//! missing is named, and a completion gives one result and one receipt.

use cloakroom::crypto::digest;
use serde_json::{Value, json};

use super::words::at_once;
use crate::api::harness::{Answer, Api, insisting, text};

const MEBIBYTE: usize = 1024 * 1024;

/// How long a part of a small file is.
const PART: usize = 8 * MEBIBYTE;

/// Three parts, the last one short.
pub fn large_file() -> Vec<u8> {
    (0..2 * PART + 77).map(|index| (index % 251) as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&digest::of(bytes))
}

impl Api {
    #[track_caller]
    pub fn declare_parts(&self, bearer: &str, path: &str, bytes: &[u8], more: Value) -> Value {
        let mut body =
            json!({ "path": path, "size": bytes.len(), "content_type": "application/x-large", "method": "multipart" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.declare_as(bearer, &body)
    }

    /// Asks for these parts; with their checksums where that was agreed.
    pub fn sign_parts(&self, bearer: &str, declared: &Value, numbers: &[usize], bytes: &[u8]) -> Answer {
        let part = |number: &usize| match declared["part_checksums"] == true {
            true => json!({ "number": number, "sha256": sha256(part_of(bytes, *number)) }),
            false => json!({ "number": number }),
        };
        let parts: Vec<_> = numbers.iter().map(part).collect();
        let route = format!("/v1/uploads/{}/parts", text(declared, "id"));
        self.post(bearer, &route, &json!({ "parts": parts }))
    }

    pub fn send_part(&self, signed: &Value, bytes: &[u8]) -> Answer {
        let mut call = self.call_url("PUT", &text(signed, "url")).body(bytes);
        for (name, value) in signed["headers"].as_object().unwrap() {
            call = call.header(name, value.as_str().unwrap());
        }
        call.send()
    }

    /// Sends these parts of a file.
    #[track_caller]
    pub fn send_parts(&self, bearer: &str, declared: &Value, numbers: &[usize], bytes: &[u8]) {
        let signed = self.sign_parts(bearer, declared, numbers, bytes).expect(200);
        for (signed, number) in signed["items"].as_array().unwrap().iter().zip(numbers) {
            assert_eq!(signed["offset"], (number - 1) * PART);
            let sent = self.send_part(signed, part_of(bytes, *number));
            assert!((200..300).contains(&sent.status), "{sent:?}");
        }
    }

    #[track_caller]
    pub fn arrived(&self, bearer: &str, declared: &Value) -> Vec<u64> {
        let list = self.get(bearer, &format!("/v1/uploads/{}/parts", text(declared, "id"))).expect(200);
        list["items"].as_array().unwrap().iter().map(|part| part["number"].as_u64().unwrap()).collect()
    }
}

fn part_of(bytes: &[u8], number: usize) -> &[u8] {
    &bytes[(number - 1) * PART..bytes.len().min(number * PART)]
}

pub fn parts_in_any_order_become_the_file(api: &Api) {
    let bytes = large_file();
    for (path, part_checksums) in [("plain.bin", false), ("checked.bin", true)] {
        let declared = api.declare_parts(api.admin(), path, &bytes, json!({ "part_checksums": part_checksums }));
        assert_eq!((&declared["part_size"], &declared["part_count"]), (&json!(PART), &json!(3)));
        assert_eq!((declared.get("url"), declared.get("headers")), (None, None));
        api.send_parts(api.admin(), &declared, &[3, 1], &bytes);
        assert_eq!(api.arrived(api.admin(), &declared), [1, 3]);
        api.send_parts(api.admin(), &declared, &[2], &bytes);
        let id = text(&declared, "id");
        assert!(!api.vault(api.admin()).contains(&path.to_owned()), "not before it is complete");
        let done = api.complete(api.admin(), &id).expect(200);
        assert_eq!((&done["status"], &done["sha256"]), (&json!("completed"), &json!(sha256(&bytes))));
        assert_eq!(done["checksum"], json!({ "algorithm": "sha256", "type": "full", "value": sha256(&bytes) }));
        assert_eq!(api.file(api.admin(), path), bytes);
        assert_eq!(api.happened("upload.parts_issued", &id), 2);
        // What was one upload cannot be gone on with.
        api.sign_parts(api.admin(), &declared, &[1], &bytes).problem(409, "upload_over");
        let route = format!("/v1/uploads/{id}/parts");
        api.get(api.admin(), &route).problem(409, "upload_over");
    }
}

pub fn what_is_missing_is_named_and_nothing_is_lost(api: &Api) {
    let bytes = large_file();
    let declared = api.declare_parts(api.admin(), "a.bin", &bytes, json!({}));
    let id = text(&declared, "id");
    for (sent, missing) in [(None, "3 of 3 parts have not arrived as agreed (1, 2, 3)"), (Some(2), "(1, 3)")] {
        if let Some(number) = sent {
            api.send_parts(api.admin(), &declared, &[number], &bytes);
        }
        let problem = api.complete(api.admin(), &id).problem(409, "upload_incomplete");
        assert!(problem.detail.as_ref().unwrap().contains(missing), "{problem:?}");
        assert_eq!(api.status_of(api.admin(), &id), "pending");
    }
    api.send_parts(api.admin(), &declared, &[1, 3], &bytes);
    // A part that is sent again is the part that counts.
    let other = vec![7; PART];
    let signed = api.sign_parts(api.admin(), &declared, &[2, 2], &bytes).expect(200);
    assert_eq!(api.send_part(&signed["items"][0], &other).status, 200);
    assert_eq!(api.send_part(&signed["items"][1], part_of(&bytes, 2)).status, 200);
    assert_eq!(api.complete(api.admin(), &id).expect(200)["sha256"], sha256(&bytes));
}

pub fn a_part_has_exactly_its_length_and_checksum(api: &Api) {
    let bytes = large_file();
    let declared = api.declare_parts(api.admin(), "a.bin", &bytes, json!({ "part_checksums": true }));
    for number in 1..=3 {
        let part = part_of(&bytes, number);
        let longer = [part, b"x"].concat();
        let other: Vec<u8> = part.iter().map(|byte| byte ^ 1).collect();
        for wrong in [&part[..part.len() - 1], &longer, &other] {
            let signed = api.sign_parts(api.admin(), &declared, &[number], &bytes).expect(200);
            let refused = api.send_part(&signed["items"][0], wrong);
            assert!((400..500).contains(&refused.status), "{refused:?}");
        }
    }
    assert_eq!(api.arrived(api.admin(), &declared), [0; 0]);
    api.send_parts(api.admin(), &declared, &[1, 2, 3], &bytes);
    api.complete(api.admin(), &text(&declared, "id")).expect(200);
}

pub fn parts_are_asked_for_by_their_numbers(api: &Api) {
    let bytes = large_file();
    let plain = api.declare_parts(api.admin(), "a.bin", &bytes, json!({}));
    let checked = api.declare_parts(api.admin(), "b.bin", &bytes, json!({ "part_checksums": true }));
    let digest = sha256(b"");
    for (declared, parts, pointer) in [
        (&plain, json!([]), "/parts"),
        (&plain, json!([{ "number": 0 }]), "/parts/0/number"),
        (&plain, json!([{ "number": 1 }, { "number": 4 }]), "/parts/1/number"),
        (&plain, json!([{ "number": -1 }]), "/parts/0/number"),
        (&plain, json!([{ "number": 1, "sha256": digest }]), "/parts/0/sha256"),
        (&checked, json!([{ "number": 1 }]), "/parts/0/sha256"),
        (&checked, json!([{ "number": 1, "sha256": "abc" }]), "/parts/0/sha256"),
        (&plain, json!([{ "number": 1, "key": "vault/x" }]), "/parts/0/key"),
        (&plain, json!(vec![json!({ "number": 1 }); 1_001]), "/parts"),
    ] {
        let route = format!("/v1/uploads/{}/parts", text(declared, "id"));
        let problem = api.post(api.admin(), &route, &json!({ "parts": parts })).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(pointer));
    }
    let put = api.declare(api.admin(), "/v1/uploads", "c.txt", b"x");
    let route = format!("/v1/uploads/{}/parts", text(&put, "id"));
    api.post(api.admin(), &route, &json!({ "parts": [{ "number": 1 }] })).problem(409, "not_in_parts");
    api.get(api.admin(), &route).problem(409, "not_in_parts");
    let body = json!({ "path": "d.txt", "size": 1, "content_type": "text/plain", "part_checksums": true });
    api.post(api.admin(), "/v1/uploads", &body).problem(422, "invalid");
    for expires_in in [0, 59, 604_801] {
        let body = json!({ "path": "d.txt", "size": 1, "content_type": "text/plain", "method": "multipart",
            "expires_in": expires_in });
        let problem = api.post(api.admin(), "/v1/uploads", &body).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some("/expires_in"));
    }
}

pub fn of_many_who_complete_at_once_all_get_one_receipt(api: &Api) {
    let bytes = large_file();
    let declared = api.declare_parts(api.admin(), "a.bin", &bytes, json!({}));
    api.send_parts(api.admin(), &declared, &[1, 2, 3], &bytes);
    let id = text(&declared, "id");
    let answers = at_once(8, |_| insisting(|| api.complete(api.admin(), &id)));
    for answer in &answers {
        assert_eq!(answer.expect(200), answers[0].json());
    }
    let receipt = api.get(api.admin(), &format!("/v1/uploads/{id}/receipt")).expect(200);
    assert_eq!(receipt, answers[0].json()["receipt"]);
    assert_eq!(api.happened("upload.completed", &id), 1);
    assert_eq!(api.file(api.admin(), "a.bin"), bytes);
}

pub fn an_empty_file_is_one_empty_part(api: &Api) {
    let declared = api.declare_parts(api.admin(), "empty.bin", b"", json!({}));
    assert_eq!(declared["part_count"], 1);
    api.send_parts(api.admin(), &declared, &[1], b"");
    let done = api.complete(api.admin(), &text(&declared, "id")).expect(200);
    assert_eq!((&done["size"], &done["sha256"]), (&json!(0), &json!(sha256(b""))));
}

pub fn what_was_called_off_takes_no_more_parts(api: &Api) {
    let bytes = large_file();
    let declared = api.declare_parts(api.admin(), "a.bin", &bytes, json!({}));
    let signed = api.sign_parts(api.admin(), &declared, &[1], &bytes).expect(200);
    let id = text(&declared, "id");
    for _ in 0..2 {
        api.delete(api.admin(), &format!("/v1/uploads/{id}")).expect(204);
    }
    let refused = api.send_part(&signed["items"][0], part_of(&bytes, 1));
    assert!((400..500).contains(&refused.status), "{refused:?}");
    api.sign_parts(api.admin(), &declared, &[1], &bytes).problem(409, "upload_over");
    api.complete(api.admin(), &id).problem(409, "upload_cancelled");
    assert_eq!(api.vault(api.admin()), [""; 0]);
}

pub fn a_declared_checksum_of_the_whole_is_held_to(api: &Api) {
    let bytes = large_file();
    let right = api.declare_parts(api.admin(), "a.bin", &bytes, json!({ "sha256": sha256(&bytes) }));
    let wrong = api.declare_parts(api.admin(), "b.bin", &bytes, json!({ "sha256": sha256(b"other") }));
    for declared in [&right, &wrong] {
        api.send_parts(api.admin(), declared, &[1, 2, 3], &bytes);
    }
    api.complete(api.admin(), &text(&right, "id")).expect(200);
    api.complete(api.admin(), &text(&wrong, "id")).problem(409, "upload_rejected");
    let seen = api.get(api.admin(), &format!("/v1/uploads/{}", text(&wrong, "id"))).expect(200);
    assert_eq!((&seen["status"], &seen["reason"]), (&json!("rejected"), &json!("checksum")));
    assert_eq!(api.vault(api.admin()), ["a.bin"]);
}
