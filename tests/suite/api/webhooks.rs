//! Webhooks are their administrators', their secrets are shown once, and what they send is what the audit trail tells.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use cloakroom::{
    crypto::{secret::SecretText, webhook_signature::WebhookSecret},
    domain::instant::Instant,
};
use serde_json::{Value, json};

use super::{
    harness::{Api, text},
    laboratory::Laboratory,
    receiver::{Got, Receiver},
};

/// A webhook to this receiver: its id and its secret.
pub fn hook(api: &Api, receiver: &Receiver, rest: Value) -> (String, String) {
    let mut body = rest;
    body["url"] = json!(receiver.url());
    let made = api.post(api.admin(), "/v1/webhooks", &body).expect(201);
    (text(&made, "id"), text(&made, "secret"))
}

fn verified(got: &Got, secret: &str) -> bool {
    let secret = WebhookSecret::parse(&SecretText::new(secret)).unwrap();
    let at = Instant::from_unix_seconds(got.header("webhook-timestamp").parse().unwrap());
    secret.verify(&got.header("webhook-id"), at, &got.body, &got.header("webhook-signature"), at).is_ok()
}

/// What the reference library of the specification says.
fn verified_by_others(got: &Got, secret: &str) -> Result<Value, String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("localstack/.run/webhooks/bin/python");
    assert!(python.exists(), "{} is not there: run localstack/emulators install", python.display());
    let mut child = Command::new(python)
        .arg(root.join("tests/webhooks/verify.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked =
        json!({ "secret": secret, "headers": got.headers, "body": String::from_utf8(got.body.clone()).unwrap() });
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() { Ok(serde_json::from_slice(&done.stdout).unwrap()) } else { Err(said) }
}

pub fn what_happens_arrives_signed_within_moments(api: &Api) {
    let receiver = Receiver::new();
    let (id, secret) = hook(api, &receiver, json!({ "types": ["share.*", "link.created"] }));
    let minted = api.mint_as(api.admin(), &json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true }));
    let got = receiver.until(|got| got.iter().find(|got| got.kind() == "share.created").cloned());

    assert_eq!((got.path.as_str(), got.header("content-type").as_str()), ("/hook", "application/json"));
    assert!(got.header("user-agent").starts_with("Cloakroom/"));
    assert!(got.header("webhook-id").starts_with("msg_") && !got.header("webhook-id").contains('.'));
    // By ourselves, and by those who wrote the specification.
    assert!(verified(&got, &secret));
    let told = verified_by_others(&got, &secret).unwrap();
    assert_eq!(told, got.json());
    let other = Got { body: [got.body.as_slice(), b" "].concat(), ..got.clone() };
    assert!(!verified(&other, &secret));
    assert!(verified_by_others(&other, &secret).unwrap_err().contains("WebhookVerificationError"));

    // The event is as the audit trail lists it, but for names and addresses.
    assert_eq!((&told["type"], &told["data"]["resource"]), (&json!("share.created"), &json!(minted.id)));
    let trail = api.get(api.admin(), &format!("/v1/audit?resource={}", minted.id)).expect(200);
    let mut listed = trail["items"][0].clone();
    assert_eq!(told["timestamp"], listed["at"]);
    assert!(listed["actor"]["label"].is_string() && listed["client"]["address"].is_string());
    listed["actor"].as_object_mut().unwrap().remove("label");
    listed.as_object_mut().unwrap().remove("client");
    assert_eq!(told["data"], listed);

    // Of other types nothing comes: the webhook itself was set up, and a key made.
    api.new_key(api.admin(), "live", &[("/", "read")]);
    api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(204);
    receiver.until(|got| got.iter().find(|got| got.kind() == "share.revoked").cloned());
    assert!(receiver.got().iter().all(|got| got.kind().starts_with("share.")), "{:?}", receiver.got());
    let seen = api.get(api.admin(), &format!("/v1/webhooks/{id}")).expect(200);
    assert_eq!((&seen["status"], &seen["waiting"]), (&json!("active"), &json!(0)));
}

pub fn a_webhook_is_tried_out_changed_and_removed(api: &Api) {
    let receiver = Receiver::new();
    let (id, secret) = hook(api, &receiver, json!({ "types": ["link.*"], "description": "Ours" }));
    let route = format!("/v1/webhooks/{id}");
    let seen = api.get(api.admin(), &route).expect(200);
    assert_eq!((&seen["url"], &seen["description"]), (&json!(receiver.url()), &json!("Ours")));
    assert!(seen.get("secret").is_none());
    let listed = api.get(api.admin(), "/v1/webhooks").expect(200);
    assert!(listed["items"].as_array().unwrap().iter().any(|listed| listed["id"] == id.as_str()), "{listed}");
    assert!(!listed.to_string().contains("whsec_"));

    let tested = api.call("POST", &format!("{route}/test")).bearer(api.admin()).send().expect(200);
    assert_eq!((&tested["delivered"], &tested["status"]), (&json!(true), &json!(204)));
    assert!(verified(&receiver.of("webhook.test")[0], &secret));

    let changed = json!({ "types": null, "description": null, "paused": true });
    let changed = api.call("PATCH", &route).bearer(api.admin()).json(&changed).send().expect(200);
    assert_eq!((&changed["types"], &changed["description"]), (&Value::Null, &Value::Null));
    assert_eq!((&changed["status"], &changed["paused"]["reason"]), (&json!("paused"), &json!("asked")));

    let rotated = api.post(api.admin(), &format!("{route}/rotate"), &json!({})).expect(201);
    assert_ne!(text(&rotated, "secret"), secret);
    assert!(rotated["previous_signs_until"].is_string());
    api.call("POST", &format!("{route}/test")).bearer(api.admin()).send().expect(200);
    let both = receiver.of("webhook.test").pop().unwrap();
    assert_eq!(both.header("webhook-signature").split(' ').count(), 2);
    assert!(verified(&both, &secret) && verified(&both, &text(&rotated, "secret")));
    assert!(verified_by_others(&both, &secret).is_ok());

    api.delete(api.admin(), &route).expect(204);
    api.get(api.admin(), &route).problem(404, "not_found");
    api.delete(api.admin(), &route).problem(404, "not_found");
    assert_eq!(api.happened("webhook.removed", &id), 1);
}

#[test]
fn a_replaced_secret_signs_along_for_a_day_or_not_at_all() {
    let (api, clock, _) = Laboratory::served_delivering();
    let receiver = Receiver::new();
    let (id, first) = hook(&api, &receiver, json!({ "types": ["user.created"] }));
    let tested = || {
        api.call("POST", &format!("/v1/webhooks/{id}/test")).bearer(api.admin()).send().expect(200);
        receiver.of("webhook.test").pop().unwrap()
    };
    let rotate =
        |body: Value| text(&api.post(api.admin(), &format!("/v1/webhooks/{id}/rotate"), &body).expect(201), "secret");
    let second = rotate(json!({}));
    assert!(verified(&tested(), &first) && verified(&tested(), &second));
    clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert!(verified(&tested(), &first));
    clock.advance(Duration::from_secs(1));
    assert!(!verified(&tested(), &first) && verified(&tested(), &second));
    let third = rotate(json!({ "overlap": 0 }));
    let got = tested();
    assert!(verified(&got, &third) && !verified(&got, &second));
    assert_eq!(got.header("webhook-signature").split(' ').count(), 1);
}

#[test]
fn what_is_no_webhook_is_refused_by_its_field() {
    let (api, _, _) = Laboratory::served();
    let long = format!("https://hooks.example/{}", "a".repeat(2_000));
    for (change, pointer) in [
        (json!({ "url": "hooks.example" }), "/url"),
        (json!({ "url": long }), "/url"),
        (json!({ "url": "http://hooks.example/" }), "/url"),
        (json!({ "url": "https://user:password@hooks.example/" }), "/url"),
        (json!({ "url": "https://hooks.example:25/" }), "/url"),
        (json!({ "url": "https://127.0.0.1/" }), "/url"),
        (json!({ "url": "https://0x7f.1/" }), "/url"),
        (json!({ "url": "https://[::ffff:169.254.169.254]/" }), "/url"),
        (json!({ "url": 1 }), "/url"),
        (json!({ "types": [] }), "/types"),
        (json!({ "types": ["share.created", "share.eaten"] }), "/types/1"),
        (json!({ "types": vec!["share.created"; 51] }), "/types"),
        (json!({ "description": "" }), "/description"),
        (json!({ "description": "a\u{202e}b" }), "/description"),
    ] {
        let mut body = json!({ "url": "https://hooks.example/" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let problem = api.post(api.admin(), "/v1/webhooks", &body).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(pointer), "{body}");
    }
    let made = api.post(api.admin(), "/v1/webhooks", &json!({ "url": "https://hooks.example/" })).expect(201);
    let route = format!("/v1/webhooks/{}", text(&made, "id"));
    for (change, pointer) in [
        (json!({ "url": "https://10.0.0.1/" }), "/url"),
        (json!({ "types": ["x"] }), "/types/0"),
        (json!({ "description": "" }), "/description"),
        (json!({ "paused": null, "other": 1 }), "/other"),
    ] {
        let problem = api.call("PATCH", &route).bearer(api.admin()).json(&change).send().problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(pointer), "{change}");
    }
    let wrong = json!({ "overlap": 604_801 });
    let problem = api.post(api.admin(), &format!("{route}/rotate"), &wrong).problem(422, "invalid");
    assert_eq!(problem.pointer.as_deref(), Some("/overlap"));
    let wrong = json!({ "after": 1_000_000 });
    let problem = api.post(api.admin(), &format!("{route}/replay"), &wrong).problem(422, "invalid");
    assert_eq!(problem.pointer.as_deref(), Some("/after"));
    for never in ["1000000", "x"] {
        let call = api.call("POST", &format!("{route}/deliveries/{never}/replay")).bearer(api.admin());
        call.send().problem(404, "not_found");
    }
}

#[test]
fn there_are_twenty_at_most_and_one_that_is_removed_makes_room() {
    let (api, _, _) = Laboratory::served();
    let make = || api.post(api.admin(), "/v1/webhooks", &json!({ "url": "https://hooks.example/" }));
    let ids: Vec<_> = (0..20).map(|_| make().text("id")).collect();
    make().problem(409, "too_many_webhooks");
    let listed = api.get(api.admin(), "/v1/webhooks").expect(200);
    let listed: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| text(item, "id")).collect();
    assert_eq!(listed, ids.iter().rev().cloned().collect::<Vec<_>>(), "newest first");
    api.delete(api.admin(), &format!("/v1/webhooks/{}", ids[7])).expect(204);
    make().expect(201);
    make().problem(409, "too_many_webhooks");
}

#[test]
fn the_test_namespace_has_webhooks_of_its_own() {
    let (api, _, _) = Laboratory::served_delivering();
    let (live, test) = (Receiver::new(), Receiver::new());
    hook(&api, &live, json!({ "types": ["share.created"] }));
    let key = api.new_key(api.admin(), "test", &[("/", "admin")]).secret;
    let body = json!({ "url": test.url(), "types": ["share.created"] });
    api.post(&key, "/v1/webhooks", &body).expect(201);
    api.mint(&key, "read", &["a.txt"]);
    for mode in ["live", "test"] {
        super::webhook_deliveries::deliver_in(&api, mode);
    }
    assert_eq!((live.got().len(), test.got().len()), (0, 1));
}
