//! A request with an idempotency key is carried out once, however often it is sent, and answered with the same bytes.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use cloakroom::{
    crypto::secret::SecretText,
    domain::idempotency::IdempotencyKey,
    store::{Expected, Write},
};
use serde_json::{Value, json};

use super::{
    harness::{Answer, Api, insisting},
    laboratory::{Laboratory, asking},
};

/// A route that creates something, and what is sent there.
struct Creating {
    bearer: String,
    route: &'static str,
    body: Value,
    another: Value,
}

/// Routes that make something of what is there, or what is there once.
const AT_SOMETHING: [&str; 4] =
    ["/v1/api-keys/{id}/rotate", "/v1/users", "/v1/tenants/{id}/impersonations", "/v1/webhooks/{id}/rotate"];

/// Every route that creates something anew each time.
fn creating(api: &Api) -> Vec<Creating> {
    api.upload(api.admin(), "a.txt", b"a");
    let artifact = api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["a.txt"] })).expect(201)["id"].clone();
    let session = api.open(&api.mint(api.admin(), "write", &["in/"])).token;
    let share = |label: &str| json!({ "paths": ["a.txt"], "permission": "read", "label": label });
    let upload = |path: &str| json!({ "path": path, "size": 1, "content_type": "text/plain" });
    let batch = |path: &str| json!({ "items": [upload(path), upload("in/2.txt")] });
    let key = |path: &str| json!({ "grants": [{ "path": path, "permission": "read" }] });
    let at = |bearer: &str, route, body, another| Creating { bearer: bearer.into(), route, body, another };
    let admin = api.admin();
    vec![
        at(admin, "/v1/shares", share("one"), share("two")),
        at(admin, "/v1/artifacts", json!({ "paths": ["a.txt"] }), json!({ "paths": ["a.txt"], "label": "x" })),
        at(admin, "/v1/links", json!({ "artifact": artifact }), json!({ "artifact": artifact, "password": "p" })),
        at(admin, "/v1/file-requests", json!({ "folder": "in/" }), json!({ "folder": "out/" })),
        at(admin, "/v1/uploads", upload("x.txt"), upload("y.txt")),
        at(admin, "/v1/uploads/batch", batch("in/1.txt"), batch("in/3.txt")),
        at(&session, "/v1/session/uploads", upload("in/x.txt"), upload("in/y.txt")),
        at(&session, "/v1/session/uploads/batch", batch("in/1.txt"), batch("in/3.txt")),
        at(admin, "/v1/api-keys", key("docs/"), key("/")),
        at(admin, "/v1/audit/exports", json!({}), json!({ "type": "share.claimed" })),
        at(admin, "/v1/webhooks", json!({ "url": "https://a.example" }), json!({ "url": "https://b.example" })),
        at(admin, "/v1/tenants", json!({ "name": "One" }), json!({ "name": "Two" })),
    ]
}

fn post(api: &Api, bearer: &str, route: &str, key: &str, body: &Value) -> Answer {
    api.call("POST", route).bearer(bearer).header("idempotency-key", key).json(body).send()
}

fn share() -> Value {
    json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true })
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == "true"
}

/// What a batch was answered, item by item.
fn items(batch: &Answer) -> Vec<Value> {
    batch.json()["items"].as_array().cloned().unwrap_or_default()
}

/// How many things were made; each has one event.
fn made(api: &Api) -> usize {
    api.history().iter().filter(|(kind, _)| kind.ends_with(".created")).count()
}

pub fn what_was_created_is_answered_again_and_not_created_again(api: &Api) {
    for Creating { bearer, route, body, another } in creating(api) {
        let key = format!("key-of-{route}");
        let before = made(api);
        let first = post(api, &bearer, route, &key, &body);
        assert!(matches!(first.status, 200 | 201) && !is_replayed(&first), "{route} {first:?}");
        let created = made(api);
        for _ in 0..2 {
            let again = post(api, &bearer, route, &key, &body);
            assert_eq!((again.status, &again.body), (first.status, &first.body), "{route}");
            assert!(is_replayed(&again), "{route} {again:?}");
        }
        let reused = post(api, &bearer, route, &key, &another).problem(422, "idempotency_key_reused");
        assert_eq!(reused.pointer.as_deref(), Some("Idempotency-Key"), "{route}");
        assert_eq!(made(api), created, "{route}");

        // Another key, and none: something new each time.
        let another_key = format!("another-{key}");
        for key in [Some(&another_key), None] {
            let call = api.call("POST", route).bearer(&bearer).json(&body);
            let anew = key.into_iter().fold(call, |call, key| call.header("idempotency-key", key)).send();
            assert_eq!(anew.status, first.status, "{route} {anew:?}");
            assert!(!is_replayed(&anew) && anew.body != first.body, "{route}");
        }
        // A tenant's key is made in the tenant's own ledger.
        if route != "/v1/tenants" {
            assert_eq!(made(api) - created, 2 * (created - before), "{route}");
        }
        // A key is used up for all routes of its principal.
        if route != "/v1/shares" && bearer == api.admin() {
            post(api, &bearer, "/v1/shares", &key, &share()).problem(422, "idempotency_key_reused");
        }
    }
}

pub fn every_route_that_creates_takes_a_key(api: &Api) {
    let document = api.get(api.admin(), "/openapi.json").expect(200);
    let (mut taking, mut answering) = (BTreeSet::new(), BTreeSet::new());
    for (path, operations) in document["paths"].as_object().unwrap() {
        let post = &operations["post"];
        let takes = |parameter: &Value| parameter["name"] == "Idempotency-Key" && parameter["in"] == "header";
        if post["parameters"].as_array().is_some_and(|parameters| parameters.iter().any(takes)) {
            taking.insert(path.clone());
        }
        // What moves a session is not kept; what is offered twice can be followed once.
        if !post["responses"]["201"].is_null() && path != "/v1/session/moves" {
            answering.insert(path.clone());
        }
    }
    let mut tried: BTreeSet<_> = creating(api).iter().map(|creating| creating.route.to_owned()).collect();
    tried.extend(AT_SOMETHING.map(str::to_owned));
    assert_eq!(taking, tried);
    assert!(answering.is_subset(&tried), "{answering:?}");
}

pub fn a_new_secret_a_user_and_an_impersonation_are_made_once(api: &Api) {
    let key = api.new_key(api.admin(), "live", &[("docs/", "read")]);
    let other = api.new_tenant("Other");
    let user =
        json!({ "issuer": "https://id.example", "subject": "1", "grants": [{ "path": "/", "permission": "read" }] });
    let hook = api.post(api.admin(), "/v1/webhooks", &json!({ "url": "https://a.example" })).text("id");
    let [rotate, users, impersonations, secrets] = AT_SOMETHING;
    for (route, body, another) in [
        (rotate.replace("{id}", &key.id), json!({}), json!({ "overlap": 5 })),
        (secrets.replace("{id}", &hook), json!({}), json!({ "overlap": 5 })),
        (users.to_owned(), user, json!({ "issuer": "https://id.example", "subject": "2", "grants": [] })),
        (impersonations.replace("{id}", &other.id), json!({ "reason": "a" }), json!({ "reason": "b" })),
    ] {
        let first = post(api, api.admin(), &route, &format!("key of {route}").replace(' ', "-"), &body);
        first.expect(201);
        let again = post(api, api.admin(), &route, &format!("key of {route}").replace(' ', "-"), &body);
        assert_eq!((again.status, &again.body, is_replayed(&again)), (201, &first.body, true), "{route}");
        let reused = post(api, api.admin(), &route, &format!("key of {route}").replace(' ', "-"), &another);
        reused.problem(422, "idempotency_key_reused");
    }
    assert_eq!(api.happened("api_key.rotated", &key.id), 1);
    let keys = api.get(&other.admin.secret, "/v1/api-keys").expect(200);
    assert_eq!(keys["items"].as_array().map(Vec::len), Some(2), "the tenant's own, and one to act by");
}

pub fn of_many_who_ask_at_once_all_get_what_one_of_them_created(api: &Api) {
    for Creating { bearer, route, body, .. } in creating(api) {
        let before = made(api);
        let key = format!("racing {route}").replace(' ', "-");
        let asked = AtomicUsize::new(0);
        let ask = || {
            asked.fetch_add(1, Ordering::SeqCst);
            let mut answer = post(api, &bearer, route, &key, &body);
            // Of a batch each item is answered by itself.
            if route.ends_with("batch") && items(&answer).iter().any(|item| item["status"] == 503) {
                answer.status = 503;
            }
            answer
        };
        let answers: Vec<_> = thread::scope(|scope| {
            let racing: Vec<_> = (0..16).map(|_| scope.spawn(|| insisting(ask))).collect();
            racing.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        let one = &answers[0];
        for answer in &answers {
            assert_eq!((answer.status, &answer.body), (one.status, &one.body), "{route} {answer:?}");
        }
        let first = answers.iter().filter(|answer| !is_replayed(answer)).count();
        // Of a batch several may have created an item. Whoever has created the one thing there is may have been told to
        // ask again, where an emulator is slow, and got what all others got.
        let is_slow = asked.into_inner() > 16;
        assert!(first == 1 || (is_slow && first == 0) || route.ends_with("batch"), "{route}: {first}");
        if route.ends_with("batch") {
            assert!(items(one).iter().all(|item| item["status"] == 201), "{one:?}");
        }
        let expected = if route.ends_with("batch") { 2 } else { usize::from(route != "/v1/tenants") };
        assert_eq!(made(api) - before, expected, "{route}");
    }
}

pub fn of_two_requests_under_one_key_one_is_carried_out(api: &Api) {
    for round in 0..api.rounds() {
        let key = format!("contested-{round}");
        let bodies = ["one", "two"]
            .map(|label| json!({ "paths": ["a.txt"], "permission": "read", "label": label, "allow_missing": true }));
        let answers: Vec<_> = thread::scope(|scope| {
            let ask = |body| insisting(|| post(api, api.admin(), "/v1/shares", &key, body));
            let racing: Vec<_> = bodies.iter().map(|body| scope.spawn(move || ask(body))).collect();
            racing.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 422], "{answers:?}");
    }
}

pub fn a_key_is_its_principals_own(api: &Api) {
    let first = post(api, api.admin(), "/v1/shares", "shared", &share());
    first.expect(201);
    let colleague = api.new_key(api.admin(), "live", &[("/", "admin")]).secret;
    let stranger = api.new_tenant("Second").admin.secret;
    let trying = api.new_key(api.admin(), "test", &[("/", "admin")]).secret;
    for other in [&colleague, &stranger, &trying] {
        let own = post(api, other, "/v1/shares", "shared", &share());
        own.expect(201);
        assert!(!is_replayed(&own) && own.text("token") != first.text("token"));
    }
    // In the console they are another principal, too: its replies open with its own secret.
    let console = api.sign_in(api.admin());
    let ask = || {
        let call = api.call("POST", "/v1/shares").console(&console);
        call.header("idempotency-key", "shared").json(&share()).send()
    };
    let (own, again) = (ask(), ask());
    own.expect(201);
    assert!(own.text("token") != first.text("token"));
    assert_eq!((own.body, is_replayed(&again)), (again.body.clone(), true));
}

pub fn a_credential_that_ended_gets_nothing_again(api: &Api) {
    let key = api.new_key(api.admin(), "live", &[("/", "read")]);
    post(api, &key.secret, "/v1/shares", "mine", &share()).expect(201);
    api.delete(api.admin(), &format!("/v1/api-keys/{}", key.id)).expect(204);
    post(api, &key.secret, "/v1/shares", "mine", &share()).problem(401, "unauthenticated");
}

pub fn a_key_is_one_short_visible_word(api: &Api) {
    let before = made(api);
    for wrong in ["", "a b", "é", &"x".repeat(256)] {
        let problem = post(api, api.admin(), "/v1/shares", wrong, &share()).problem(400, "malformed");
        assert_eq!(problem.pointer.as_deref(), Some("Idempotency-Key"), "{wrong}");
    }
    let twice = api.call("POST", "/v1/shares").bearer(api.admin()).json(&share());
    let twice = twice.header("idempotency-key", "a").header("idempotency-key", "a").send();
    assert_eq!(twice.problem(400, "malformed").pointer.as_deref(), Some("Idempotency-Key"));
    assert_eq!(made(api), before);
    // Who is not known is told nothing else.
    post(api, "crk_live_x", "/v1/shares", "", &share()).problem(401, "unauthenticated");
    post(api, api.admin(), "/v1/shares", &"x".repeat(255), &share()).expect(201);
}

pub fn the_order_of_fields_is_of_no_account(api: &Api) {
    let ask = |body: &str| {
        let call = api.call("POST", "/v1/shares").bearer(api.admin()).header("idempotency-key", "spelled");
        call.header("content-type", "application/json").body(body.as_bytes()).send()
    };
    let first = ask(r#"{"paths":["a.txt"],"permission":"read","allow_missing":true}"#);
    first.expect(201);
    let again = ask("{ \"allow_missing\": true,\n \"permission\": \"read\", \"paths\": [\"a.txt\"] }");
    assert_eq!((again.body.clone(), is_replayed(&again)), (first.body, true));
    ask(r#"{"paths":["a.txt"],"permission":"read","allow_missing":true,"label":"x"}"#)
        .problem(422, "idempotency_key_reused");
}

pub fn a_refusal_is_not_kept(api: &Api) {
    let body = json!({ "paths": ["later.txt"], "permission": "read" });
    post(api, api.admin(), "/v1/shares", "patient", &body).problem(422, "invalid");
    // Even another body: nothing was done yet.
    post(api, api.admin(), "/v1/shares", "patient", &json!({ "paths": ["never.txt"], "permission": "read" }))
        .problem(422, "invalid");
    api.upload(api.admin(), "later.txt", b"x");
    let first = post(api, api.admin(), "/v1/shares", "patient", &body);
    first.expect(201);
    let again = post(api, api.admin(), "/v1/shares", "patient", &body);
    assert_eq!((again.body.clone(), is_replayed(&again)), (first.body, true));
}

pub fn of_a_batch_what_was_refused_is_tried_again(api: &Api) {
    api.upload(api.admin(), "taken.txt", b"x");
    let item = |path: &str| json!({ "path": path, "size": 1, "content_type": "text/plain" });
    let batch = json!({ "items": [item("new.txt"), item("taken.txt")] });
    let first = post(api, api.admin(), "/v1/uploads/batch", "batch", &batch);
    let statuses = |answer: &Answer| -> Vec<u64> {
        answer.expect(200)["items"].as_array().unwrap().iter().map(|item| item["status"].as_u64().unwrap()).collect()
    };
    assert_eq!(statuses(&first), [201, 409]);
    api.delete(api.admin(), "/v1/objects/taken.txt").expect(204);
    let second = post(api, api.admin(), "/v1/uploads/batch", "batch", &batch);
    assert_eq!((statuses(&second), is_replayed(&second)), (vec![201, 201], false));
    assert_eq!(first.json()["items"][0], second.json()["items"][0]);
    let third = post(api, api.admin(), "/v1/uploads/batch", "batch", &batch);
    assert_eq!((third.body.clone(), is_replayed(&third)), (second.body, true));
    for other in [json!({ "items": [item("new.txt")] }), json!({ "items": [item("a"), item("b"), item("c")] })] {
        post(api, api.admin(), "/v1/uploads/batch", "batch", &other).problem(422, "idempotency_key_reused");
    }
}

pub fn what_a_batch_did_is_found_by_a_shorter_one(api: &Api) {
    api.upload(api.admin(), "taken.txt", b"x");
    let item = |path: &str| json!({ "path": path, "size": 1, "content_type": "text/plain" });
    let batch = json!({ "items": [item("taken.txt"), item("taken.txt"), item("new.txt")] });
    let statuses = |answer: &Answer| -> Vec<_> {
        answer.expect(200)["items"].as_array().unwrap().iter().map(|item| item["status"].clone()).collect()
    };
    let first = post(api, api.admin(), "/v1/uploads/batch", "batch", &batch);
    assert_eq!(statuses(&first), [409, 409, 201]);
    let shorter = json!({ "items": [item("other.txt")] });
    post(api, api.admin(), "/v1/uploads/batch", "batch", &shorter).problem(422, "idempotency_key_reused");
}

#[test]
fn a_key_stands_for_its_request_for_a_day() {
    let (api, clock, _) = Laboratory::served();
    let first = post(&api, api.admin(), "/v1/shares", "daily", &share());
    first.expect(201);
    clock.advance(Duration::from_secs(24 * 3_600) - Duration::from_millis(1));
    let again = post(&api, api.admin(), "/v1/shares", "daily", &share());
    assert_eq!((again.body.clone(), is_replayed(&again)), (first.body.clone(), true));
    clock.advance(Duration::from_millis(1));
    let body = json!({ "paths": ["b.txt"], "permission": "read", "allow_missing": true });
    let anew = post(&api, api.admin(), "/v1/shares", "daily", &body);
    anew.expect(201);
    assert!(!is_replayed(&anew) && anew.text("id") != first.text("id"));
    // The new day is the new request's.
    let again = post(&api, api.admin(), "/v1/shares", "daily", &body);
    assert_eq!((again.body.clone(), is_replayed(&again)), (anew.body, true));
    post(&api, api.admin(), "/v1/shares", "daily", &share()).problem(422, "idempotency_key_reused");
}

/// What the losers of a race had copied is removed again.
#[test]
fn of_many_who_publish_at_once_one_artifact_is_left() {
    let (api, _, _) = Laboratory::served();
    api.upload(api.admin(), "a.txt", b"bytes that are looked for");
    // A second name of a file has the same bytes, sealed as they are.
    let mut stored = files(&api.data_dir().join("objects")).into_iter();
    let of_file = stored.find(|bytes| bytes.len() == 512 + b"bytes that are looked for".len() + 28).unwrap();
    let copies = || files(&api.data_dir().join("objects")).into_iter().filter(|bytes| *bytes == of_file).count();
    let before = copies();
    let answers: Vec<_> = thread::scope(|scope| {
        let body = json!({ "paths": ["a.txt"] });
        let ask = |_| {
            let (api, body) = (&api, body.clone());
            scope.spawn(move || post(api, api.admin(), "/v1/artifacts", "key", &body))
        };
        let racing: Vec<_> = (0..16).map(ask).collect();
        racing.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.body == answers[0].body));
    assert_eq!(copies(), before + 1);
}

/// What is in the files below the folder.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![fs::read(&path).unwrap()] }).collect()
}

/// Whoever can write the database can take a reply away, but not put another in its place.
#[test]
fn a_doctored_reply_is_neither_answered_nor_overwritten() {
    let (api, _, _) = Laboratory::served();
    let [one, two] = ["one", "two"].map(|key| {
        post(&api, api.admin(), "/v1/shares", key, &share()).expect(201);
        api.row(&kept_under(&api, key), "reply")
    });
    api.write(Write { key: one.key, expected: Expected::Version(one.version), body: two.body, purge_after: None });
    let before = made(&api);
    post(&api, api.admin(), "/v1/shares", "one", &share()).problem(500, "internal");
    assert_eq!(made(&api), before);
    assert!(is_replayed(&post(&api, api.admin(), "/v1/shares", "two", &share())));
}

/// The partition of what the administrator's key keeps under this idempotency key.
fn kept_under(api: &Api, key: &str) -> String {
    let broker = api.broker();
    let caller = api.wait(broker.authenticate(&SecretText::new(api.admin()), asking())).unwrap();
    let asked = broker.asked_once(&caller, None, &IdempotencyKey::parse(key).unwrap(), "", b"").unwrap();
    format!("idempotency#{}", asked.place())
}
