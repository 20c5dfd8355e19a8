//! File requests: outsiders deliver within limits, and see nothing else.

use std::time::Duration;

use cloakroom::{
    clock::Clock,
    crypto::{claim::ClaimKey, secret::SecretText},
    domain::{
        ids::FileRequestId,
        metadata::Metadata,
        path::{PathPin, VaultPath},
        quota::Limits,
        upload::Method,
    },
    objects::ContentType,
    service::{Error, Live, LiveSettings, file_requests::MakeFileRequest, idempotency::Reply, uploads::DeclareUpload},
};
use serde_json::{Value, json};

use super::words::{DEAD, at_once};
use crate::api::{
    harness::{Answer, Api, claim_key, text},
    laboratory::{Claimant, Laboratory, asking},
};

const MINUTE: Duration = Duration::from_secs(60);
const MILLISECOND: Duration = Duration::from_millis(1);

impl Api {
    #[track_caller]
    fn request_files(&self, bearer: &str, more: Value) -> Value {
        let mut body = json!({ "folder": "incoming/" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post(bearer, "/v1/file-requests", &body).expect(201)
    }

    fn deliver(&self, made: &Value, claim_key: &str, more: Value) -> Answer {
        let mut body = json!({ "token": text(made, "token"), "claim_key": claim_key });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.public("/v1/file-requests/redeem", &body)
    }

    /// Somebody who delivers: the credential.
    #[track_caller]
    fn delivery(&self, made: &Value) -> String {
        text(&self.deliver(made, &claim_key(), json!({})).expect(200), "session_token")
    }

    #[track_caller]
    fn send_file(&self, token: &str, path: &str, bytes: &[u8]) -> Value {
        let declared = self.declare(token, "/v1/session/uploads", path, bytes);
        assert!((200..300).contains(&self.put(&declared, bytes).status));
        let route = format!("/v1/session/uploads/{}/complete", text(&declared, "id"));
        self.call("POST", &route).bearer(token).send().expect(200)
    }
}

pub fn each_delivers_into_a_folder_of_their_own(api: &Api) {
    let made = api.request_files(api.admin(), json!({ "message": "Your invoices, please", "label": "invoices" }));
    assert!(text(&made, "token").starts_with("crf_") && text(&made, "url").contains("/r#crf_"));
    let looked = api.public("/v1/file-requests/redeem/preview", &json!({ "token": made["token"] })).expect(200);
    assert_eq!((&looked["sender"], &looked["message"]), (&json!("First"), &json!("Your invoices, please")));
    assert_eq!((looked.get("folder"), looked.get("label")), (None, None));

    let key = claim_key();
    let opened = api.deliver(&made, &key, json!({ "name": "Ann & Co" })).expect(200);
    let (one, other) = (text(&opened, "session_token"), api.delivery(&made));
    let done = api.send_file(&one, "2026/a.txt", b"from one");
    assert_eq!(done["path"], "2026/a.txt", "the folders above are nobody's business");
    api.send_file(&other, "2026/a.txt", b"from the other");

    let mut delivered = api.vault(api.admin());
    assert_eq!(delivered.len(), 2);
    delivered.sort_by_key(|path| !path.contains("Ann & Co"));
    for (path, bytes) in delivered.iter().zip([b"from one".as_slice(), b"from the other"]) {
        assert!(path.starts_with("incoming/20") && path.ends_with("/2026/a.txt"), "{path}");
        assert_eq!(api.file(api.admin(), path), bytes);
    }
    // No claim key decides which folder: keys can be tried out until one leads into that of somebody else.
    let id: FileRequestId = text(&made, "id").parse().unwrap();
    let claim = ClaimKey::parse(&SecretText::new(key.as_str())).unwrap().hash(id.as_bytes());
    assert!(!delivered[0].contains(&base16ct::lower::encode_string(&claim.0[..6])), "{delivered:?}");
    // Whoever comes back with the same key goes on in the same folder.
    let again = text(&api.deliver(&made, &key, json!({})).expect(200), "session_token");
    api.send_file(&again, "b.txt", b"more");
    assert_eq!(api.vault(api.admin()).iter().filter(|path| path.contains("Ann & Co")).count(), 2);
    let seen = api.get(api.admin(), &format!("/v1/file-requests/{}", text(&made, "id"))).expect(200);
    assert_eq!(
        (&seen["submissions"], &seen["usage"]["objects"], &seen["status"]),
        (&json!(2), &json!(3), &json!("open"))
    );
    for (what, count) in [("file_request.created", 1), ("file_request.opened", 2), ("file_request.renewed", 1)] {
        assert_eq!(api.happened(what, &text(&made, "id")), count, "{what}");
    }
}

pub fn whoever_delivers_sees_nothing(api: &Api) {
    api.upload(api.admin(), "incoming/theirs.txt", b"not yours");
    let made = api.request_files(api.admin(), json!({}));
    let (one, other) = (api.delivery(&made), api.delivery(&made));
    let done = api.send_file(&one, "a.txt", b"mine");
    for token in [&one, &other] {
        for route in ["/v1/session", "/v1/session/objects"] {
            api.get(token, route).problem(401, "no_session");
        }
        for path in ["incoming/theirs.txt", "a.txt"] {
            let body = json!({ "path": path });
            api.post(token, "/v1/session/downloads", &body).problem(401, "no_session");
            api.post(token, "/v1/objects/downloads", &body).problem(401, "unauthenticated");
        }
        for route in ["/v1/objects", "/v1/uploads", "/v1/file-requests"] {
            api.get(token, route).problem(401, "unauthenticated");
        }
    }
    // Their own uploads they may look at; those of others are not there.
    let route = format!("/v1/session/uploads/{}", text(&done, "id"));
    assert_eq!(api.get(&one, &route).expect(200)["path"], "a.txt");
    api.get(&other, &route).problem(404, "not_found");
    api.delete(&other, &route).problem(404, "not_found");
    // The receipt that they keep does not tell where it went either.
    let receipt = api.get(&one, &format!("{route}/receipt")).expect(200);
    let payload = base64_text(&receipt["payload"]);
    assert!(payload.contains(r#""path":"a.txt""#) && !payload.contains("incoming"), "{payload}");
}

fn base64_text(value: &Value) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    String::from_utf8(STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap()
}

pub fn no_path_leads_out_and_nothing_is_replaced(api: &Api) {
    let made = api.request_files(api.admin(), json!({}));
    let token = api.delivery(&made);
    for path in ["../a.txt", "/a.txt", "a/../../b", "a//b", "a%2e%2e/b", ""] {
        let body = json!({ "path": path, "size": 1, "content_type": "text/plain" });
        api.post(&token, "/v1/session/uploads", &body).problem(422, "invalid");
    }
    api.send_file(&token, "a.txt", b"first");
    let body = json!({ "path": "a.txt", "size": 1, "content_type": "text/plain" });
    api.post(&token, "/v1/session/uploads", &body).problem(409, "path_taken");
    let body = json!({ "path": "a.txt", "size": 1, "content_type": "text/plain", "overwrite": true });
    let problem = api.post(&token, "/v1/session/uploads", &body).problem(422, "invalid");
    assert_eq!(problem.pointer.as_deref(), Some("/overwrite"));
    let body = json!({ "path": "b.txt", "size": 1, "content_type": "text/plain", "method": "post" });
    let problem = api.post(&token, "/v1/session/uploads", &body).problem(422, "invalid");
    assert_eq!(problem.pointer.as_deref(), Some("/method"), "a form can be sent again");
    for name in ["a/b", "..\\x", "", "\u{202e}x", &"x".repeat(61)] {
        api.deliver(&made, &claim_key(), json!({ "name": name })).problem(422, "invalid");
    }
}

pub fn caps_hold_for_all_who_deliver_together(api: &Api) {
    let made = api.request_files(
        api.admin(),
        json!({ "limits": { "bytes": 100, "objects": 5 }, "largest_file": 40, "content_types": ["text/*"] }),
    );
    let tokens: Vec<_> = (0..4).map(|_| api.delivery(&made)).collect();
    let body = json!({ "path": "large.txt", "size": 41, "content_type": "text/plain" });
    api.post(&tokens[0], "/v1/session/uploads", &body).problem(413, "too_large");
    let body = json!({ "path": "a.exe", "size": 1, "content_type": "application/x-msdownload" });
    let problem = api.post(&tokens[0], "/v1/session/uploads", &body).problem(422, "invalid");
    assert_eq!(problem.pointer.as_deref(), Some("/content_type"));
    let answers = at_once(4, |number| {
        let body = |round: usize| json!({ "path": format!("{round}.txt"), "size": 30, "content_type": "text/plain" });
        (0..3).map(|round| api.post(&tokens[number], "/v1/session/uploads", &body(round)).status).collect::<Vec<_>>()
    });
    let taken = answers.iter().flatten().filter(|status| **status == 201).count();
    assert_eq!(taken, 3, "three of 30 bytes fit into 100: {answers:?}");
    let looked = api.public("/v1/file-requests/redeem/preview", &json!({ "token": made["token"] })).expect(200);
    assert_eq!(
        (&looked["bytes_left"], &looked["objects_left"], &looked["largest_file"]),
        (&json!(10), &json!(2), &json!(40))
    );
}

pub fn the_least_of_all_limits_on_a_file_is_told(api: &Api) {
    let grants = json!([{ "path": "incoming/", "permission": "write" }]);
    let key = json!({ "grants": grants, "largest_upload": 30 });
    let capped = text(&api.post(api.admin(), "/v1/api-keys", &key).expect(201), "secret");
    for (asked, told) in [(json!({}), 30), (json!({ "largest_file": 20 }), 20), (json!({ "largest_file": 40 }), 30)] {
        let made = api.request_files(&capped, asked);
        let looked = api.public("/v1/file-requests/redeem/preview", &json!({ "token": made["token"] })).expect(200);
        assert_eq!(looked["largest_file"], told);
        let body = json!({ "path": "large.txt", "size": told + 1, "content_type": "text/plain" });
        let problem = api.post(&api.delivery(&made), "/v1/session/uploads", &body).problem(413, "too_large");
        assert_eq!(problem.limit, Some(told));
    }
}

pub fn a_closed_request_takes_nothing_more(api: &Api) {
    let made = api.request_files(api.admin(), json!({ "submissions": 1 }));
    let token = api.delivery(&made);
    let declared = api.declare(&token, "/v1/session/uploads", "a.txt", b"x");
    api.put(&declared, b"x");
    // One may deliver, and one does.
    api.deliver(&made, &claim_key(), json!({})).problem(DEAD.0, DEAD.1);
    let route = format!("/v1/file-requests/{}", text(&made, "id"));
    assert_eq!(api.get(api.admin(), &route).expect(200)["status"], "full");
    for _ in 0..2 {
        api.delete(api.admin(), &route).expect(204);
    }
    assert_eq!(api.get(api.admin(), &route).expect(200)["status"], "closed");
    api.post(&token, "/v1/session/uploads", &json!({ "path": "b.txt", "size": 1, "content_type": "text/plain" }))
        .problem(401, "no_session");
    let complete = format!("/v1/session/uploads/{}/complete", text(&declared, "id"));
    api.call("POST", &complete).bearer(&token).send().problem(401, "no_session");
    api.deliver(&made, &claim_key(), json!({})).problem(DEAD.0, DEAD.1);
    api.public("/v1/file-requests/redeem/preview", &json!({ "token": made["token"] })).problem(DEAD.0, DEAD.1);
    assert_eq!(api.vault(api.admin()), [""; 0]);
}

pub fn a_password_is_asked_for_once(api: &Api) {
    let made = api.request_files(api.admin(), json!({ "password": "open sesame" }));
    let looked = api.public("/v1/file-requests/redeem/preview", &json!({ "token": made["token"] })).expect(200);
    assert_eq!(looked["requires"], json!(["password"]));
    let key = claim_key();
    api.deliver(&made, &key, json!({})).problem(403, "password_required");
    api.deliver(&made, &key, json!({ "password": "wrong" })).problem(403, "password_wrong");
    api.deliver(&made, &key, json!({ "password": "open sesame" })).expect(200);
    api.deliver(&made, &key, json!({})).expect(200);
}

#[test]
fn a_right_password_makes_the_next_tries_free_again() {
    let (api, clock, _) = Laboratory::served();
    let made = api.request_files(api.admin(), json!({ "password": "open sesame" }));
    let wrong = |times| {
        for _ in 0..times {
            api.deliver(&made, &claim_key(), json!({ "password": "wrong" })).problem(403, "password_wrong");
        }
    };
    for _ in 0..3 {
        wrong(4);
        api.deliver(&made, &claim_key(), json!({ "password": "open sesame" })).expect(200);
    }
    wrong(5);
    let refused = api.deliver(&made, &claim_key(), json!({ "password": "open sesame" }));
    refused.problem(429, "too_many_tries");
    assert_eq!(refused.header("retry-after"), "1");
    clock.advance(Duration::from_secs(1));
    api.deliver(&made, &claim_key(), json!({ "password": "open sesame" })).expect(200);
    wrong(5);
}

pub fn a_request_is_its_makers(api: &Api) {
    let narrow = api.new_key(api.admin(), "live", &[("incoming/", "write")]);
    for (folder, status) in [("incoming/", 201), ("incoming/a/", 201), ("/", 403), ("docs/", 403), ("incoming", 422)] {
        let answer = api.post(&narrow.secret, "/v1/file-requests", &json!({ "folder": folder }));
        assert_eq!(answer.status, status, "{folder}: {answer:?}");
    }
    let made = api.request_files(&narrow.secret, json!({}));
    let route = format!("/v1/file-requests/{}", text(&made, "id"));
    let (other, tenant) = (api.new_key(api.admin(), "live", &[("/", "write")]), api.new_tenant("Other"));
    for bearer in [&other.secret, &tenant.admin.secret] {
        api.get(bearer, &route).problem(404, "not_found");
        api.delete(bearer, &route).problem(404, "not_found");
        assert_eq!(api.get(bearer, "/v1/file-requests").expect(200)["items"], json!([]));
    }
    // What it may do ends with its maker's key.
    let token = api.delivery(&made);
    api.delete(api.admin(), &format!("/v1/api-keys/{}", narrow.id)).expect(204);
    let body = json!({ "path": "a.txt", "size": 1, "content_type": "text/plain" });
    api.post(&token, "/v1/session/uploads", &body).problem(401, "no_session");
    api.deliver(&made, &claim_key(), json!({})).problem(DEAD.0, DEAD.1);
}

pub fn what_opens_nothing_gets_one_answer(api: &Api) {
    let made = api.request_files(api.admin(), json!({}));
    let token = text(&made, "token");
    let closed = api.request_files(api.admin(), json!({}));
    api.delete(api.admin(), &format!("/v1/file-requests/{}", text(&closed, "id"))).expect(204);
    let other = format!("{}{}", &token[..token.len() - 2], if token.ends_with("AA") { "BA" } else { "AA" });
    let mut answers = Vec::new();
    for dead in [text(&closed, "token"), other, token[..20].to_owned(), token.replace("crf_", "crl_"), "x".into()] {
        for route in ["/v1/file-requests/redeem", "/v1/file-requests/redeem/preview"] {
            let answer = api.public(route, &json!({ "token": dead, "claim_key": claim_key() }));
            answers.push(answer.but_for_the_request_id());
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

pub fn what_must_not_leave_a_machine_is_neither_asked_for_nor_delivered(api: &Api) {
    for folder in ["home/.ssh/", "data/raw/", ".git/hooks/"] {
        let problem = api.post(api.admin(), "/v1/file-requests", &json!({ "folder": folder })).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some("/folder"), "{folder}");
    }
    let token = api.delivery(&api.request_files(api.admin(), json!({})));
    for path in [".env", "a/.ssh/config", "id_rsa~"] {
        let body = json!({ "path": path, "size": 1, "content_type": "text/plain" });
        let problem = api.post(&token, "/v1/session/uploads", &body).problem(422, "path_protected");
        let told = problem.detail.unwrap();
        assert!(told.starts_with(path) && !told.contains("incoming"), "{told}");
    }
}

/// Names may have been left unprotected when a request was made.
#[tokio::test]
async fn whoever_delivers_learns_nothing_of_the_folder_from_its_name() {
    let laboratory = Laboratory::new().await;
    let mut unprotected = laboratory.broker.clone();
    let settings = LiveSettings { protect_paths: false, ..LiveSettings::clone(&unprotected.settings.live.now()) };
    unprotected.settings.live = Live::new(settings);
    let caller = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
    let wanted = MakeFileRequest {
        folder: PathPin::parse("data/raw/").unwrap(),
        limits: Limits::default(),
        largest_file: None,
        content_types: Vec::new(),
        submissions: 1,
        closes_at: laboratory.clock.now().plus(Duration::from_secs(900)),
        access_seconds: 900,
        password: None,
        label: None,
        metadata: Metadata::default(),
        message: None,
    };
    let made = unprotected.make_file_request(&caller, wanted, &Reply::unkept()).await.unwrap();
    let (broker, token) = (&laboratory.broker, SecretText::new(made.token.expose()));
    let opened = broker.open_submission(&token, &Claimant::new().key(), (None, None), asking()).await.unwrap();
    let delivering = broker.delivering(&SecretText::new(opened.token.expose()), asking()).await.unwrap();
    let declare = |path: &str| DeclareUpload {
        path: VaultPath::parse(path).unwrap(),
        overwrite: false,
        size: 1,
        content_type: ContentType::unknown(),
        sha256: None,
        method: Method::Put,
        part_checksums: false,
        expires_in: Duration::from_secs(60),
        metadata: Metadata::default(),
    };
    broker.declare_upload(&delivering, declare("a.txt"), &Reply::unkept()).await.unwrap();
    let refused = broker.declare_upload(&delivering, declare("x.parquet"), &Reply::unkept()).await.unwrap_err();
    assert!(matches!(refused, Error::PathProtected { path, .. } if path == "x.parquet"));
}

#[test]
fn a_credential_to_deliver_lives_15_minutes_and_is_renewed_until_the_closing_date() {
    let (api, clock, _) = Laboratory::served();
    let made = api.request_files(api.admin(), json!({ "expires_in": 3_600 }));
    let key = claim_key();
    let deliver = || api.deliver(&made, &key, json!({}));
    let declare = |token: &str, path: &str| {
        let body = json!({ "path": path, "size": 1, "content_type": "text/plain" });
        api.post(token, "/v1/session/uploads", &body)
    };
    let token = text(&deliver().expect(200), "session_token");
    clock.advance(15 * MINUTE - MILLISECOND);
    declare(&token, "a.txt").expect(201);
    clock.advance(MILLISECOND);
    assert_eq!(declare(&token, "b.txt").status, 401);
    let renewed = text(&deliver().expect(200), "session_token");
    declare(&renewed, "b.txt").expect(201);
    clock.advance(44 * MINUTE);
    let last = text(&deliver().expect(200), "session_token");
    clock.advance(MINUTE);
    declare(&last, "c.txt").problem(409, "closed");
    api.deliver(&made, &claim_key(), json!({})).problem(404, "dead_token");
}
