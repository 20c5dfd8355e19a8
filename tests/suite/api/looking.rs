//! Promise 6: looking costs nothing. Whatever previews, scanners and curious
//! people do with GET, HEAD and the preview, the token is still good afterwards.

use serde_json::json;

use super::harness::{Api, claim_key};

/// The token wherever somebody could put it.
fn places(token: &str) -> Vec<String> {
    let mut places = Vec::new();
    for route in [
        "/s",
        "/l",
        "/r",
        "/console",
        "/v1/file-requests/redeem",
        "/v1/file-requests/redeem/preview",
        "/v1/shares/redeem",
        "/v1/links/redeem",
        "/v1/shares/redeem/preview",
    ] {
        places.push(route.to_owned());
        places.push(format!("{route}?token={token}"));
        places.push(format!("{route}?token={token}&claim_key={}", claim_key()));
        places.push(format!("{route}/{token}"));
        places.push(format!("{route}%23{token}"));
    }
    places.push(format!("/{token}"));
    places.push(format!("/v1/shares/{token}"));
    places.push(format!("/session/{token}"));
    places
}

pub fn getting_claims_nothing(api: &Api) {
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    for place in places(&minted.token) {
        for method in ["GET", "HEAD", "OPTIONS"] {
            api.call(method, &place).send();
            api.call(method, &place).bearer(&minted.token).send();
            api.call(method, &place).header("cookie", &format!("token={}", minted.token)).send();
        }
        let body = json!({ "token": minted.token, "claim_key": claim_key() });
        api.call("GET", &place).json(&body).send();
    }
    assert_untouched(api, &minted.id);
    api.redeem(&minted.token, &claim_key()).expect(200);
}

pub fn previewing_claims_nothing(api: &Api) {
    api.upload(api.admin(), "docs/a.txt", b"12345");
    api.upload(api.admin(), "docs/b.txt", b"123");
    let minted = api.mint(api.admin(), "write", &["docs/", "docs/a.txt"]);
    for _ in 0..5 {
        let seen = api.preview(&minted.token).expect(200);
        assert_eq!((&seen["sender"], &seen["permission"]), (&json!("First"), &json!("write")));
        assert_eq!((&seen["item_count"], &seen["total_size"], &seen["yours"]), (&json!(2), &json!(8), &json!(false)));
    }
    let body = json!({ "token": minted.token });
    let preview = "/v1/shares/redeem/preview";
    let own = api.post(api.admin(), preview, &body).expect(200);
    assert_eq!((&own["yours"], &own["share"]), (&json!(true), &json!(minted.id)));
    let other = api.new_key(api.admin(), "live", &[("/", "read")]).secret;
    assert_eq!(api.post(&other, preview, &body).expect(200)["yours"], false);
    assert_untouched(api, &minted.id);
    let claimant = claim_key();
    api.redeem(&minted.token, &claimant).expect(200);
    // The claimant goes on seeing it, and nobody else.
    api.public(preview, &json!({ "token": minted.token, "claim_key": claimant })).expect(200);
    api.preview(&minted.token).problem(404, "dead_token");
    api.public(preview, &json!({ "token": minted.token, "claim_key": claim_key() })).problem(404, "dead_token");
}

pub fn other_methods_claim_nothing(api: &Api) {
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let body = json!({ "token": minted.token, "claim_key": claim_key() });
    for method in ["PUT", "PATCH", "DELETE"] {
        api.call(method, "/v1/shares/redeem").json(&body).send();
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let call = api.call("POST", "/v1/shares/redeem").header("content-type", kind);
        call.body(body.to_string().as_bytes()).send().problem(415, "not_json");
    }
    let elsewhere = api.call("POST", "/v1/shares/redeem").header("origin", "https://evil.example");
    elsewhere.json(&body).send().problem(403, "wrong_origin");
    assert_untouched(api, &minted.id);
    api.redeem(&minted.token, &claim_key()).expect(200);
}

fn assert_untouched(api: &Api, share: &str) {
    let seen = api.get(api.admin(), &format!("/v1/shares/{share}")).expect(200);
    assert_eq!((&seen["status"], &seen["claims"]), (&json!("pending"), &json!(0)));
    for kind in ["share.claimed", "share.renewed", "share.refused"] {
        assert_eq!(api.happened(kind, share), 0, "{kind}");
    }
}
