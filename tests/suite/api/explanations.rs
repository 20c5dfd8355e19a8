//! What would happen to somebody who opens a share now: told to its owner alone, and what then happens.

use serde_json::{Value, json};

use super::{
    calls::text,
    harness::{Api, claim_key},
    laboratory::Laboratory,
};

fn explained(api: &Api, id: &str, query: &str) -> Value {
    api.get(api.admin(), &format!("/v1/shares/{id}/explain{query}")).expect(200)
}

fn told(api: &Api, id: &str) -> (String, Value) {
    let explained = explained(api, id, "");
    (text(&explained, "outcome"), explained["reason"].clone())
}

/// What happens to somebody who does open it.
fn happens(api: &Api, token: &str, id: &str) -> (String, Value) {
    let answer = api.redeem(token, &claim_key());
    if answer.status == 200 {
        return ("opens".into(), Value::Null);
    }
    let refused = api.get(api.admin(), &format!("/v1/audit?limit=1&resource={id}&outcome=refused")).expect(200);
    ("refused".into(), refused["items"][0]["reason"].clone())
}

pub fn what_is_foreseen_is_what_happens(api: &Api) {
    let minter = api.new_key(api.admin(), "live", &[("docs/", "read"), ("img/", "read")]);
    let minted = |key: &str, paths: &[&str]| api.mint(key, "read", paths);
    let open = minted(api.admin(), &["a.txt"]);
    assert_eq!(told(api, &open.id), ("opens".into(), Value::Null));
    assert_eq!(happens(api, &open.token, &open.id).0, "opens");
    assert_eq!(told(api, &open.id), ("refused".into(), json!("already_claimed")));
    assert_eq!(happens(api, &open.token, &open.id), told(api, &open.id));
    assert_eq!(explained(api, &open.id, "")["redemptions_left"], 0);
    // Looking is no try: nothing was recorded of it.
    let refusals = api.get(api.admin(), &format!("/v1/audit?resource={}&outcome=refused", open.id)).expect(200);
    assert_eq!(refusals["items"].as_array().map(Vec::len), Some(1));

    let revoked = minted(api.admin(), &["a.txt"]);
    api.delete(api.admin(), &format!("/v1/shares/{}", revoked.id)).expect(204);
    assert_eq!(told(api, &revoked.id), ("refused".into(), json!("revoked")));
    assert_eq!(happens(api, &revoked.token, &revoked.id), told(api, &revoked.id));

    let narrowed = minted(&minter.secret, &["docs/a.txt", "img/b.png"]);
    assert_eq!(explained(api, &narrowed.id, "")["withheld"], json!([]));
    let grants = json!({ "grants": [{ "path": "docs/", "permission": "read" }] });
    api.call("PATCH", &format!("/v1/api-keys/{}", minter.id)).bearer(api.admin()).json(&grants).send().expect(200);
    let seen = explained(api, &narrowed.id, "");
    assert_eq!((&seen["outcome"], &seen["withheld"]), (&json!("opens"), &json!(["img/b.png"])));
    let grants = json!({ "grants": [{ "path": "other/", "permission": "read" }] });
    api.call("PATCH", &format!("/v1/api-keys/{}", minter.id)).bearer(api.admin()).json(&grants).send().expect(200);
    assert_eq!(told(api, &narrowed.id), ("refused".into(), json!("minter_lost_rights")));
    assert_eq!(happens(api, &narrowed.token, &narrowed.id), told(api, &narrowed.id));
    api.delete(api.admin(), &format!("/v1/api-keys/{}", minter.id)).expect(204);
    assert_eq!(happens(api, &narrowed.token, &narrowed.id), told(api, &narrowed.id));

    // For its owner alone.
    let other = api.new_tenant("Other");
    let path = format!("/v1/shares/{}/explain", open.id);
    api.get(&other.admin.secret, &path).problem(404, "not_found");
    api.get(api.admin(), &format!("{path}?from=x")).problem(422, "invalid");
}

#[test]
fn times_networks_and_recipients_are_foreseen() {
    let (api, clock, _) = Laboratory::served();
    let share = |more: &Value| {
        let mut body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true, "expires_in": 7200 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        text(&api.post(api.admin(), "/v1/shares", &body).expect(201), "id")
    };
    let there = share(&json!({ "allowed_networks": ["192.0.2.0/24"] }));
    assert_eq!(told(&api, &there), ("refused".into(), json!("wrong_network")));
    assert_eq!(explained(&api, &there, "?from=192.0.2.7")["outcome"], "opens");
    assert_eq!(explained(&api, &there, "?from=2001:db8::1")["reason"], "wrong_network");
    let addressed = share(&json!({ "recipients": ["ada@example.com"] }));
    let seen = explained(&api, &addressed, "");
    assert_eq!((&seen["outcome"], &seen["wants_code"]), (&json!("opens"), &json!(true)));
    let opens_at = "2027-01-15T09:00:00Z";
    let later = share(&json!({ "not_before": opens_at }));
    let seen = explained(&api, &later, "");
    assert_eq!((&seen["outcome"], &seen["opens_at"]), (&json!("later"), &json!(opens_at)));
    clock.advance(std::time::Duration::from_secs(3_600));
    assert_eq!(told(&api, &later).0, "opens");
    clock.advance(std::time::Duration::from_secs(3_601));
    assert_eq!(told(&api, &later), ("refused".into(), json!("expired")));
}
