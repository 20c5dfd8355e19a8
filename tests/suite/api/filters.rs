//! Metadata goes with a thing and is its owner's; lists are filtered by it; and what a filter takes is revoked at once.

use std::collections::BTreeSet;

use cloakroom::domain::instant::Instant;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    harness::{Api, claim_key, text},
    laboratory::Laboratory,
};

/// The ids of all pages of a list, by pages of two.
fn listed(api: &Api, bearer: &str, route: &str, filter: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    for _ in 0..100 {
        let page = api.get(bearer, &format!("{route}?limit=2{filter}{cursor}")).expect(200);
        ids.extend(page["items"].as_array().unwrap().iter().map(|item| text(item, "id")));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
    panic!("the list does not end");
}

fn share(api: &Api, bearer: &str, metadata: &Value) -> Value {
    let body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true, "metadata": metadata });
    api.post(bearer, "/v1/shares", &body).expect(201)
}

pub fn metadata_is_kept_with_what_it_was_given_to(api: &Api) {
    api.upload(api.admin(), "a.txt", b"a");
    let artifact = api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["a.txt"] })).expect(201)["id"].clone();
    let metadata = json!({ "order.id": "17", "team": "Ünïcode ✓" });
    for (route, mut body) in [
        ("/v1/shares", json!({ "paths": ["a.txt"], "permission": "read" })),
        ("/v1/artifacts", json!({ "paths": ["a.txt"] })),
        ("/v1/links", json!({ "artifact": artifact })),
        ("/v1/file-requests", json!({ "folder": "in/" })),
        ("/v1/uploads", json!({ "path": "b.txt", "size": 1, "content_type": "text/plain" })),
        ("/v1/api-keys", json!({ "grants": [{ "path": "/", "permission": "read" }] })),
    ] {
        let without = api.post(api.admin(), route, &body).expect(201);
        assert_eq!(without["metadata"], json!({}), "{route}");
        body["metadata"] = metadata.clone();
        if route == "/v1/uploads" {
            body["path"] = json!("c.txt");
        }
        let created = api.post(api.admin(), route, &body).expect(201);
        assert_eq!(created["metadata"], metadata, "{route}");
        let inspected = api.get(api.admin(), &format!("{route}/{}", text(&created, "id"))).expect(200);
        assert_eq!(inspected["metadata"], metadata, "{route}");
        let list = api.get(api.admin(), route).expect(200);
        let in_list: Vec<_> =
            list["items"].as_array().unwrap().iter().filter(|item| item["id"] == created["id"]).collect();
        assert_eq!(in_list[0]["metadata"], metadata, "{route}");
    }
}

pub fn recipients_see_no_metadata(api: &Api) {
    let minted = share(api, api.admin(), &json!({ "secret.of": "the-owner" }));
    let (token, claim_key) = (text(&minted, "token"), claim_key());
    let preview = api.preview(&token);
    let opened = api.redeem(&token, &claim_key);
    let session = api.get(&opened.text("session_token"), "/v1/session");
    for answer in [preview, opened, session] {
        answer.expect(200);
        assert!(!String::from_utf8_lossy(&answer.body).contains("the-owner"), "{answer:?}");
    }
}

pub fn a_list_has_what_its_filter_takes_and_nothing_else(api: &Api) {
    let colleague = api.new_key(api.admin(), "live", &[("/", "read")]);
    let mut made = Vec::new();
    for number in 0..6 {
        api.a_moment_passes();
        let by = if number % 3 == 0 { &colleague.secret } else { api.admin() };
        made.push(share(api, by, &json!({ "parity": (number % 2).to_string(), "number": number.to_string() })));
    }
    api.redeem(&text(&made[4], "token"), &claim_key()).expect(200);
    api.delete(api.admin(), &format!("/v1/shares/{}", text(&made[5], "id"))).expect(204);
    // Newest first.
    let ids = |numbers: &[usize]| -> Vec<_> { numbers.iter().rev().map(|number| text(&made[*number], "id")).collect() };
    let all = |filter: &str| listed(api, api.admin(), "/v1/shares", filter);
    assert_eq!(all(""), ids(&[0, 1, 2, 3, 4, 5]));
    assert_eq!(all("&status=pending"), ids(&[0, 1, 2, 3]));
    assert_eq!(all("&status=claimed"), ids(&[4]));
    assert_eq!(all("&status=revoked"), ids(&[5]));
    assert_eq!(all("&status=expired"), ids(&[]));
    assert_eq!(all(&format!("&created_by={}", colleague.id)), ids(&[0, 3]));
    assert_eq!(all("&metadata[parity]=1"), ids(&[1, 3, 5]));
    assert_eq!(all("&metadata%5Bparity%5D=1&metadata%5Bnumber%5D=3"), ids(&[3]));
    assert_eq!(all("&metadata[parity]=2"), ids(&[]));
    assert_eq!(all(&format!("&metadata[parity]=0&status=pending&created_by={}", colleague.id)), ids(&[0]));
    // What a narrow key sees is filtered, and never more.
    assert_eq!(listed(api, &colleague.secret, "/v1/shares", "&metadata[parity]=1"), ids(&[3]));

    // As points in time: as texts, 10.5Z would come after 10.501Z.
    let at = |number: usize| Instant::deserialize(&made[number]["created_at"]).unwrap();
    let when = |wanted: &dyn Fn(Instant) -> bool| {
        let wanted: Vec<_> = (0..6).filter(|number| wanted(at(*number))).collect();
        ids(&wanted)
    };
    let middle = at(2);
    assert_eq!(all(&format!("&created_before={middle}")), when(&|at| at < middle));
    assert_eq!(all(&format!("&created_after={middle}")), when(&|at| at > middle));
    assert_eq!(all(&format!("&created_after={middle}&created_before={middle}")), ids(&[]));
    assert_eq!(all("&created_before=2001-01-01T00:00:00Z"), ids(&[]));
    assert_eq!(all("&created_after=2001-01-01T00:00:00Z"), all(""));
    assert_eq!(all("&created_before=2100-01-01T00:00:00Z"), all(""));
}

pub fn links_and_file_requests_are_filtered_too(api: &Api) {
    api.upload(api.admin(), "a.txt", b"a");
    let artifact = api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["a.txt"] })).expect(201)["id"].clone();
    for (route, body, open, ended) in [
        ("/v1/links", json!({ "artifact": artifact }), "pending", "revoked"),
        ("/v1/file-requests", json!({ "folder": "in/" }), "open", "closed"),
    ] {
        let make = |number: &str| {
            api.a_moment_passes();
            let mut body = body.clone();
            body["metadata"] = json!({ "number": number });
            text(&api.post(api.admin(), route, &body).expect(201), "id")
        };
        let [one, two, three] = ["1", "2", "3"].map(make);
        api.delete(api.admin(), &format!("{route}/{two}")).expect(204);
        let all = |filter: &str| listed(api, api.admin(), route, filter);
        assert_eq!(all(&format!("&status={open}")), [three.as_str(), one.as_str()], "{route}");
        assert_eq!(all(&format!("&status={ended}")), [two.as_str()], "{route}");
        assert_eq!(all("&metadata[number]=3"), [three.as_str()], "{route}");
        assert_eq!(all(&format!("&created_by={}", api.tenant.admin.id)).len(), 3, "{route}");
        assert_eq!(all("&created_before=2001-01-01T00:00:00Z").len(), 0, "{route}");
    }
}

pub fn what_is_no_filter_is_refused_by_its_name(api: &Api) {
    for route in ["/v1/shares", "/v1/links", "/v1/file-requests"] {
        for (query, name) in [
            ("status=x", "status"),
            ("status=", "status"),
            ("status=pending&status=open", "status"),
            ("created_after=yesterday", "created_after"),
            ("created_before=", "created_before"),
            ("created_by=x", "created_by"),
            ("metadata=x", "metadata"),
            ("metadata[]=x", "metadata[]"),
            ("metadata[a b]=x", "metadata[a b]"),
            ("metadata[a]=1&metadata[a]=2", "metadata[a]"),
            ("limit=x", "limit"),
            ("minter=x", "minter"),
        ] {
            let query = query.replace(' ', "%20");
            let problem = api.get(api.admin(), &format!("{route}?{query}")).problem(422, "invalid");
            assert_eq!(problem.pointer.as_deref(), Some(name), "{route} {query}");
        }
        let many = (0..21).map(|number| format!("metadata[{number}]=x")).collect::<Vec<_>>().join("&");
        api.get(api.admin(), &format!("{route}?{many}")).problem(422, "invalid");
    }
    // The states of one list are not those of the other.
    api.get(api.admin(), "/v1/shares?status=open").problem(422, "invalid");
    api.get(api.admin(), "/v1/file-requests?status=pending").problem(422, "invalid");
}

pub fn what_a_filter_takes_is_revoked_and_nothing_else(api: &Api) {
    let colleague = api.new_key(api.admin(), "live", &[("/", "read")]);
    let stranger = api.new_tenant("Second").admin.secret;
    let leaving = json!({ "project": "leaving" });
    let mut expected = BTreeSet::new();
    for _ in 0..3 {
        expected.insert(text(&share(api, api.admin(), &leaving), "id"));
        share(api, api.admin(), &json!({ "project": "staying" }));
    }
    let opened = share(api, &colleague.secret, &leaving);
    let session = api.redeem(&text(&opened, "token"), &claim_key()).text("session_token");
    expected.insert(text(&opened, "id"));
    let others = text(&share(api, &stranger, &leaving), "id");

    // A colleague revokes what they made alone.
    let mine = share(api, &colleague.secret, &json!({ "project": "own" }));
    let body = json!({ "metadata": { "project": "own" } });
    assert_eq!(api.post(&stranger, "/v1/shares/revoke", &body).expect(200)["revoked"], 0);
    assert_eq!(api.post(&colleague.secret, "/v1/shares/revoke", &body).expect(200)["revoked"], 1);
    assert_eq!(api.get(&colleague.secret, &format!("/v1/shares/{}", text(&mine, "id"))).text("status"), "revoked");
    assert_eq!(
        api.post(&colleague.secret, "/v1/shares/revoke", &json!({ "created_by": api.tenant.admin.id })).expect(200)["revoked"],
        0
    );

    let body = json!({ "metadata": leaving });
    let answer = api.post(api.admin(), "/v1/shares/revoke", &body).expect(200);
    assert_eq!(answer, json!({ "revoked": 4, "more": false, "next_cursor": null }));
    let revoked: BTreeSet<_> =
        listed(api, api.admin(), "/v1/shares", "&status=revoked&metadata[project]=leaving").into_iter().collect();
    assert_eq!(revoked, expected);
    for id in &expected {
        assert_eq!(api.happened("share.revoked", id), 1, "{id}");
    }
    api.get(&session, "/v1/session").problem(401, "no_session");
    assert_eq!(listed(api, api.admin(), "/v1/shares", "&status=pending").len(), 3);
    assert_eq!(api.get(&stranger, &format!("/v1/shares/{others}")).text("status"), "pending");
    // Again: nothing, and no second event.
    assert_eq!(api.post(api.admin(), "/v1/shares/revoke", &body).expect(200)["revoked"], 0);
    assert_eq!(api.history().iter().filter(|(kind, _)| kind == "share.revoked").count(), 5);

    // Everything is revoked only by who says so.
    for nothing in [json!({}), json!({ "cursor": null }), json!({ "metadata": {} })] {
        api.post(api.admin(), "/v1/shares/revoke", &nothing).problem(422, "invalid");
    }
    let all = json!({ "created_before": "2100-01-01T00:00:00Z" });
    assert_eq!(api.post(api.admin(), "/v1/shares/revoke", &all).expect(200)["revoked"], 3);
}

pub fn links_are_revoked_by_a_filter_too(api: &Api) {
    api.upload(api.admin(), "a.txt", b"a");
    let artifact = api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["a.txt"] })).expect(201)["id"].clone();
    let mint = |project: &str| {
        let body = json!({ "artifact": artifact, "metadata": { "project": project } });
        api.post(api.admin(), "/v1/links", &body).expect(201)
    };
    let (leaving, staying) = (mint("leaving"), mint("staying"));
    let body = json!({ "metadata": { "project": "leaving" }, "status": "pending" });
    let answer = api.post(api.admin(), "/v1/links/revoke", &body).expect(200);
    assert_eq!(answer, json!({ "revoked": 1, "more": false, "next_cursor": null }));
    let redeem = |link: &Value| {
        api.public("/v1/links/redeem", &json!({ "token": link["token"], "claim_key": claim_key() })).status
    };
    assert_eq!((redeem(&leaving), redeem(&staying)), (404, 200));
}

#[test]
fn many_are_revoked_a_portion_at_a_time_and_a_call_that_was_cut_off_is_repeated() {
    let (api, _, faults) = Laboratory::served();
    for _ in 0..501 {
        share(&api, api.admin(), &json!({}));
    }
    let all = json!({ "status": "pending" });
    faults.fail_commits(true);
    api.post(api.admin(), "/v1/shares/revoke", &all).problem(503, "unavailable");
    faults.fail_commits(false);
    let first = api.post(api.admin(), "/v1/shares/revoke", &all).expect(200);
    assert_eq!((&first["revoked"], &first["more"]), (&json!(500), &json!(true)));
    let cursor = &first["next_cursor"];
    let next = json!({ "status": "pending", "cursor": cursor });
    let second = api.post(api.admin(), "/v1/shares/revoke", &next).expect(200);
    assert_eq!(second, json!({ "revoked": 1, "more": false, "next_cursor": null }));
    assert_eq!(api.history().iter().filter(|(kind, _)| kind == "share.revoked").count(), 501);
    // A cursor of one list is none of the other.
    let problem = api.post(api.admin(), "/v1/links/revoke", &next).problem(422, "invalid");
    assert_eq!(problem.pointer.as_deref(), Some("/cursor"));
}
