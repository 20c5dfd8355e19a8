//! Pages of other sites that use the API by script: those that a tenant names, with a credential of their own.

use serde_json::{Value, json};

use super::{
    calls::{Answer, Call, text},
    harness::Api,
    laboratory::Laboratory,
};

const APP: &str = "https://app.example";

/// What a browser says of a request that a script of another site's page sends.
fn from<'api>(call: Call<'api>, origin: &str) -> Call<'api> {
    call.header("origin", origin).header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "cors")
}

fn asks(api: &Api, origin: &str, method: &str, path: &str) -> Answer {
    let call = from(api.call("OPTIONS", path), origin).header("access-control-request-method", method);
    call.header("access-control-request-headers", "authorization,content-type").send()
}

fn allow(api: &Api, by: &str, tenant: &str, origins: &Value) -> Answer {
    let call = api.call("PUT", &format!("/v1/tenants/{tenant}/allowed-origins")).bearer(by);
    call.json(&json!({ "origins": origins })).send()
}

fn share() -> Value {
    json!({ "paths": ["a"], "permission": "read", "allow_missing": true })
}

fn shares<'api>(api: &'api Api, origin: &str) -> Call<'api> {
    from(api.call("POST", "/v1/shares"), origin).json(&share())
}

pub fn pages_of_origins_that_a_tenant_names_use_it_by_script(api: &Api) {
    let other = api.new_tenant("Other");
    asks(api, APP, "POST", "/v1/shares").problem(403, "wrong_origin");
    shares(api, APP).bearer(api.admin()).send().problem(403, "wrong_origin");

    let named = allow(api, api.admin(), &api.tenant.id, &json!([APP, "http://localhost:3000", APP])).expect(200);
    assert_eq!(named["allowed_origins"], json!(["http://localhost:3000", APP]));
    let asked = asks(api, APP, "POST", "/v1/shares");
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (204, APP));
    assert_eq!(asked.header("access-control-allow-methods"), "POST");
    for name in ["authorization", "content-type", "idempotency-key"] {
        assert!(asked.header("access-control-allow-headers").contains(name), "{name}");
    }
    let made = shares(api, APP).bearer(api.admin()).send();
    assert_eq!((made.header("access-control-allow-origin"), made.header("vary")), (APP, "origin"));
    assert_eq!(made.header("access-control-allow-credentials"), "");
    assert!(made.header("access-control-expose-headers").contains("ratelimit"));
    let id = text(&made.expect(201), "id");
    let seen = from(api.call("GET", &format!("/v1/shares/{id}")), APP).bearer(api.admin()).send();
    assert_eq!((seen.status, seen.header("access-control-allow-origin")), (200, APP));
    // A script can read why it was refused, too.
    let refused = shares(api, APP).bearer("crk_live_x").send();
    assert_eq!(refused.header("access-control-allow-origin"), APP);
    refused.problem(401, "unauthenticated");

    // Another tenant has not named it.
    shares(api, APP).bearer(&other.admin.secret).send().problem(403, "wrong_origin");
    let listed = from(api.call("GET", "/v1/shares"), APP).bearer(&other.admin.secret).send();
    listed.problem(403, "wrong_origin");
    for foreign in ["https://app.example:8443", "https://evil.app.example", "http://app.example", "null", "*", ""] {
        asks(api, foreign, "POST", "/v1/shares").problem(403, "wrong_origin");
        let refused = shares(api, foreign).bearer(api.admin()).send();
        assert_eq!(refused.header("access-control-allow-origin"), "", "{foreign}");
        refused.problem(403, "wrong_origin");
        let looked = from(api.call("GET", "/v1/shares"), foreign).bearer(api.admin()).send();
        assert_eq!((looked.status, looked.header("access-control-allow-origin")), (200, ""), "{foreign}");
    }
    let twice = shares(api, APP).header("origin", "https://evil.example").bearer(api.admin()).send();
    twice.problem(403, "wrong_origin");

    allow(api, api.admin(), &api.tenant.id, &json!(["http://localhost:3000"])).expect(200);
    asks(api, APP, "POST", "/v1/shares").problem(403, "wrong_origin");
    shares(api, APP).bearer(api.admin()).send().problem(403, "wrong_origin");
    allow(api, api.admin(), &api.tenant.id, &json!([APP])).expect(200);
    assert_eq!(asks(api, APP, "GET", "/v1/shares").status, 204);
    assert_eq!(api.happened("tenant.origins_changed", &api.tenant.id), 3);
    allow(api, api.admin(), &api.tenant.id, &json!([APP])).expect(200);
    assert_eq!(api.happened("tenant.origins_changed", &api.tenant.id), 3, "nothing has changed");
}

pub fn no_cookie_and_no_route_without_a_key_is_open_to_them(api: &Api) {
    allow(api, api.admin(), &api.tenant.id, &json!([APP])).expect(200);
    let console = api.sign_in(api.admin());
    shares(api, APP).console(&console).send().problem(403, "wrong_origin");
    shares(api, APP).console(&console).bearer("crk_live_x").send().problem(401, "unauthenticated");
    // A sibling's page, whose cookies a browser sends along, is no other's.
    let sibling = api.call("POST", "/v1/shares").header("origin", APP).header("sec-fetch-site", "same-site");
    sibling.console(&console).json(&share()).send().problem(403, "wrong_origin");
    let seen = from(api.call("GET", "/v1/console/session"), APP).console(&console).send();
    assert_eq!((seen.status, seen.header("access-control-allow-origin")), (200, ""));

    api.upload(api.admin(), "a.txt", b"a");
    let minted = api.mint(api.admin(), "write", &["a.txt"]);
    let session = api.open(&minted).token;
    let public = [
        ("/v1/shares/redeem", json!({ "token": minted.token, "claim_key": "x" })),
        ("/v1/shares/redeem/preview", json!({ "token": minted.token })),
        ("/v1/session/downloads", json!({ "path": "a.txt" })),
        ("/v1/console/session", json!({ "api_key": api.admin() })),
    ];
    for (path, body) in public {
        asks(api, APP, "POST", path).problem(403, "wrong_origin");
        for bearer in [api.admin(), &session] {
            let answer = from(api.call("POST", path), APP).bearer(bearer).json(&body).send();
            answer.problem(403, "wrong_origin");
        }
    }
}

pub fn administrators_name_the_origins_of_their_own_tenant(api: &Api) {
    let other = api.new_tenant("Other");
    let named = allow(api, &other.admin.secret, &other.id, &json!([APP])).expect(200);
    let own = api.get(&other.admin.secret, &format!("/v1/tenants/{}", other.id)).expect(200);
    assert_eq!((&own["allowed_origins"], &named["allowed_origins"]), (&json!([APP]), &json!([APP])));
    allow(api, &other.admin.secret, &api.tenant.id, &json!([APP])).problem(403, "forbidden");
    api.get(&other.admin.secret, &format!("/v1/tenants/{}", api.tenant.id)).problem(403, "forbidden");
    for wrong in ["*", "null", "https://app.example/", "http://app.example", "https://*.example"] {
        let problem = allow(api, api.admin(), &api.tenant.id, &json!([APP, wrong])).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some("/origins/1"), "{wrong}");
    }
    let many: Vec<_> = (0..21).map(|number| format!("https://app{number}.example")).collect();
    let problem = allow(api, api.admin(), &api.tenant.id, &json!(many)).problem(422, "invalid");
    assert_eq!(problem.pointer.as_deref(), Some("/origins"));
    allow(api, api.admin(), &api.tenant.id, &json!(many[..20])).expect(200);
}

#[test]
fn a_script_of_such_a_page_sends_to_the_embedded_storage() {
    let (api, _, store) = Laboratory::served();
    let declared = json!({ "path": "a", "size": 1, "content_type": "text/plain", "method": "put" });
    let upload = api.post(api.admin(), "/v1/uploads", &declared).expect(201);
    let url = text(&upload, "url");
    let asks = || {
        let call = from(api.call_url("OPTIONS", &url), APP).header("access-control-request-method", "PUT");
        let asked = call.send();
        (asked.status, asked.header("access-control-allow-origin").to_owned())
    };
    assert_eq!(asks(), (403, String::new()));
    allow(&api, api.admin(), &api.tenant.id, &json!([APP])).expect(200);
    assert_eq!(asks(), (204, APP.to_owned()));
    let call = upload["headers"].as_object().unwrap().iter();
    let call = call
        .fold(from(api.call_url("PUT", &url), APP), |call, (name, value)| call.header(name, value.as_str().unwrap()));
    let sent = call.body(b"a").send();
    assert_eq!((sent.status, sent.header("access-control-allow-origin")), (200, APP));
    assert_eq!(sent.header("access-control-allow-credentials"), "");
    store.fail_reads(true);
    assert_eq!(asks(), (403, String::new()), "without an answer there is no leave");
}
