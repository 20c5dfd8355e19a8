//! Whatever is wrong with what is to be created, the answer names the field.

use serde_json::{Value, json};

use super::harness::Api;

/// Metadata that is none, and what is named of it.
fn no_metadata() -> Vec<(Value, &'static str)> {
    let many: serde_json::Map<_, _> = (0..21).map(|number| (number.to_string(), json!("x"))).collect();
    vec![
        (json!({ "metadata": many }), "/metadata"),
        (json!({ "metadata": { "a": "x".repeat(501) } }), "/metadata/a"),
        (json!({ "metadata": { "a": 1 } }), "/metadata/a"),
        (json!({ "metadata": { "a": "x\u{202e}" } }), "/metadata/a"),
        (json!({ "metadata": { "a b": "x" } }), "/metadata/a b"),
        (json!({ "metadata": "x" }), "/metadata"),
        (json!({ "metadata": [] }), "/metadata"),
    ]
}

/// Lifetimes that are none.
fn no_lifetime() -> Vec<(Value, &'static str)> {
    vec![
        (json!({ "expires_in": 1 }), "/expires_in"),
        (json!({ "expires_in": -1 }), "/expires_in"),
        (json!({ "expires_at": "tomorrow" }), "/expires_at"),
        (json!({ "expires_at": "2001-01-01T00:00:00Z" }), "/expires_at"),
    ]
}

fn no_text(field: &'static str, pointer: &'static str) -> Vec<(Value, &'static str)> {
    ["", "a\u{202e}b"].map(|text| (json!({ field: text }), pointer)).to_vec()
}

struct Route {
    route: &'static str,
    right: Value,
    wrong: Vec<Vec<(Value, &'static str)>>,
}

fn routes(artifact: &Value) -> Vec<Route> {
    let route = |route, right, wrong| Route { route, right, wrong };
    let no_access = || vec![(json!({ "access_expires_in": 1 }), "/access_expires_in")];
    vec![
        route(
            "/v1/shares",
            json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true }),
            vec![
                vec![
                    (json!({ "paths": [] }), "/paths"),
                    (json!({ "paths": ["a.txt", "../b"] }), "/paths/1"),
                    (json!({ "paths": ["gone.txt"], "allow_missing": false }), "/paths"),
                    (json!({ "permission": "admin" }), "/permission"),
                    (json!({ "permission": "x" }), "/permission"),
                    (json!({ "allow_missing": 1 }), "/allow_missing"),
                ],
                no_lifetime(),
                no_access(),
                no_text("label", "/label"),
                no_text("message", "/message"),
                no_metadata(),
            ],
        ),
        route(
            "/v1/artifacts",
            json!({ "paths": ["a.txt"] }),
            vec![
                vec![
                    (json!({ "paths": [] }), "/paths"),
                    (json!({ "paths": ["a.txt", "gone.txt"] }), "/paths/1"),
                    (json!({ "paths": ["a.txt", "a.txt"] }), "/paths"),
                    (json!({ "index": "../x" }), "/index"),
                ],
                no_text("label", "/label"),
                no_metadata(),
            ],
        ),
        route(
            "/v1/links",
            json!({ "artifact": artifact }),
            vec![
                vec![
                    (json!({ "artifact": "x" }), "/artifact"),
                    (json!({ "artifact": format!("art_{:032}", 0) }), "/artifact"),
                    (json!({ "password": "" }), "/password"),
                    (json!({ "password": 1 }), "/password"),
                ],
                no_lifetime(),
                no_access(),
                no_text("label", "/label"),
                no_text("message", "/message"),
                no_metadata(),
            ],
        ),
        route(
            "/v1/file-requests",
            json!({ "folder": "in/" }),
            vec![
                vec![
                    (json!({ "folder": "a.txt" }), "/folder"),
                    (json!({ "folder": "../" }), "/folder"),
                    (json!({ "limits": { "bytes": -1 } }), "/limits/bytes"),
                    (json!({ "largest_file": -1 }), "/largest_file"),
                    (json!({ "content_types": ["a/b", "x"] }), "/content_types/1"),
                    (json!({ "submissions": 0 }), "/submissions"),
                    (json!({ "password": "" }), "/password"),
                ],
                no_lifetime(),
                no_access(),
                no_text("label", "/label"),
                no_text("message", "/message"),
                no_metadata(),
            ],
        ),
        route(
            "/v1/uploads",
            json!({ "path": "new.txt", "size": 1, "content_type": "text/plain" }),
            vec![
                vec![
                    (json!({ "path": "../x" }), "/path"),
                    (json!({ "path": ".env" }), "/path"),
                    (json!({ "size": -1 }), "/size"),
                    (json!({ "content_type": "x" }), "/content_type"),
                    (json!({ "sha256": "x" }), "/sha256"),
                    (json!({ "method": "x" }), "/method"),
                    (json!({ "part_checksums": true }), "/part_checksums"),
                    (json!({ "expires_in": 0 }), "/expires_in"),
                    (json!({ "expires_in": 601 }), "/expires_in"),
                    (json!({ "overwrite": 1 }), "/overwrite"),
                ],
                no_metadata(),
            ],
        ),
        route("/v1/uploads/batch", json!({}), vec![vec![(json!({ "items": [] }), "/items")]]),
        route(
            "/v1/api-keys",
            json!({ "grants": [{ "path": "/", "permission": "read" }] }),
            vec![
                vec![
                    (json!({ "grants": [] }), "/grants"),
                    (json!({ "grants": [{ "path": "/", "permission": "x" }] }), "/grants/0/permission"),
                    (json!({ "grants": [{ "path": "..", "permission": "read" }] }), "/grants/0/path"),
                    (json!({ "mode": "x" }), "/mode"),
                    (json!({ "largest_upload": -1 }), "/largest_upload"),
                    (json!({ "quota": { "bytes": -1 } }), "/quota/bytes"),
                ],
                no_lifetime(),
                no_text("label", "/label"),
                no_metadata(),
            ],
        ),
        route("/v1/tenants", json!({ "name": "x" }), vec![no_text("name", "/name")]),
        revoking("/v1/shares/revoke"),
        revoking("/v1/links/revoke"),
    ]
}

fn revoking(route: &'static str) -> Route {
    let wrong = vec![
        (json!({ "status": "x" }), "/status"),
        (json!({ "status": "revoked" }), "/status"),
        (json!({ "created_by": "x" }), "/created_by"),
        (json!({ "created_after": "x" }), "/created_after"),
        (json!({ "created_before": 1 }), "/created_before"),
        (json!({ "cursor": "x" }), "/cursor"),
    ];
    Route { route, right: json!({ "status": "pending" }), wrong: vec![wrong, no_metadata()] }
}

pub fn every_field_that_is_refused_is_named(api: &Api) {
    api.upload(api.admin(), "a.txt", b"a");
    let artifact = api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["a.txt"] })).expect(201)["id"].clone();
    for Route { route, right, wrong } in routes(&artifact) {
        for (fields, pointer) in wrong.into_iter().flatten() {
            let mut body = right.clone();
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let answer = api.post(api.admin(), route, &body);
            let problem = answer.json();
            assert_eq!((answer.status, problem["pointer"].as_str()), (422, Some(pointer)), "{route} {body} {problem}");
        }
    }
    let items = json!({ "items": [{ "path": "b", "size": 1, "content_type": "a/b", "metadata": { "a": 1 } }] });
    let answer = api.post(api.admin(), "/v1/uploads/batch", &items).expect(200);
    assert_eq!(answer["items"][0]["problem"]["pointer"], "/items/0/metadata/a");
}
