//! Quotas hold: racing declarations never overstep, and room is given back
//! when nothing can fill it any more, no earlier.

use serde_json::{Value, json};

use super::words::at_once;
use crate::api::harness::{Answer, Api, Tenant, text};

fn declaration(path: &str, size: u64) -> Value {
    json!({ "path": path, "size": size, "content_type": "text/plain", "overwrite": true })
}

impl Api {
    fn set_quota(&self, tenant: &Tenant, limits: &Value) -> Answer {
        self.call("PUT", &format!("/v1/tenants/{}/quota", tenant.id)).bearer(self.admin()).json(limits).send()
    }

    /// Bytes and files of the tenant that are kept or may still arrive.
    #[track_caller]
    fn used(&self, bearer: &str) -> (u64, u64) {
        let usage = self.get(bearer, "/v1/usage").expect(200)["tenant"].clone();
        (usage["bytes"].as_u64().unwrap(), usage["objects"].as_u64().unwrap())
    }
}

/// So many were taken, and others refused. Under a crowd an emulator may be too slow, and what it has not answered is
/// there or not: then others take the rest, until so many are there.
#[track_caller]
fn assert_taken(answers: &[Answer], fit: u64, there: impl Fn() -> u64, declare: impl Fn() -> Answer) {
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count() as u64;
    for refused in answers.iter().filter(|answer| ![201, 503].contains(&answer.status)) {
        refused.problem(409, "quota_exceeded");
    }
    assert!(with(201) == fit || (with(503) > 0 && with(201) < fit), "{} of {fit} were taken", with(201));
    while with(503) > 0 && there() < fit {
        let late = declare();
        assert!([201, 503].contains(&late.status), "{late:?}");
    }
}

pub fn racing_declarations_never_overstep(api: &Api) {
    let tenant = api.new_tenant("Limited");
    let secret = &tenant.admin.secret;
    api.set_quota(&tenant, &json!({ "bytes": 1_000, "objects": 20 })).expect(200);
    let answers = at_once(16, |number| {
        (0..4).map(|round| api.post(secret, "/v1/uploads", &declaration(&format!("{number}-{round}"), 90))).collect()
    });
    let answers: Vec<Answer> = answers.into_iter().flat_map(|answers: Vec<Answer>| answers).collect();
    let there = || api.used(secret).1;
    assert_taken(&answers, 11, there, || api.post(secret, "/v1/uploads", &declaration("late", 90)));
    assert_eq!(api.used(secret), (990, 11), "11 of 90 bytes fit into 1,000");
    // The last ten bytes are there, wherever they are counted.
    api.post(secret, "/v1/uploads", &declaration("last", 10)).expect(201);
    api.post(secret, "/v1/uploads", &declaration("empty", 0)).expect(201);
    let full = api.post(secret, "/v1/uploads", &declaration("more", 1)).problem(409, "quota_exceeded");
    assert!(full.detail.unwrap().contains("1000 are there or on their way"));
}

pub fn the_number_of_files_is_limited_too(api: &Api) {
    let tenant = api.new_tenant("Limited");
    let secret = &tenant.admin.secret;
    api.set_quota(&tenant, &json!({ "objects": 3 })).expect(200);
    for number in 0..3 {
        api.post(secret, "/v1/uploads", &declaration(&number.to_string(), 1 << 30)).expect(201);
    }
    let full = api.post(secret, "/v1/uploads", &declaration("3", 0)).problem(409, "quota_exceeded");
    assert!(full.detail.unwrap().contains("3 files"));
    // More room takes effect at once, and so does less.
    api.set_quota(&tenant, &json!({ "objects": 4 })).expect(200);
    api.post(secret, "/v1/uploads", &declaration("3", 0)).expect(201);
    api.set_quota(&tenant, &json!({ "objects": 1 })).expect(200);
    api.post(secret, "/v1/uploads", &declaration("4", 0)).problem(409, "quota_exceeded");
    api.set_quota(&tenant, &json!({})).expect(200);
    api.post(secret, "/v1/uploads", &declaration("4", 0)).expect(201);
}

pub fn what_is_completed_stays_charged_and_what_is_deleted_does_not(api: &Api) {
    let tenant = api.new_tenant("Limited");
    let secret = &tenant.admin.secret;
    api.set_quota(&tenant, &json!({ "bytes": 100 })).expect(200);
    api.upload(secret, "a", &[b'a'; 60]);
    assert_eq!(api.used(secret), (60, 1));
    // A replacement needs room besides what it replaces, and gives that back.
    api.post(secret, "/v1/uploads", &declaration("a", 41)).problem(409, "quota_exceeded");
    let declared = api.post(secret, "/v1/uploads", &declaration("a", 40)).expect(201);
    assert_eq!(api.used(secret), (100, 2));
    api.put(&declared, &[b'b'; 40]);
    api.complete(secret, &text(&declared, "id")).expect(200);
    assert_eq!(api.used(secret), (40, 1));
    api.delete(secret, "/v1/objects/a").expect(204);
    assert_eq!(api.used(secret), (0, 0));
    api.upload(secret, "b", &[b'c'; 100]);
}

pub fn what_a_form_could_bring_again_keeps_its_room(api: &Api) {
    let tenant = api.new_tenant("Limited");
    let secret = &tenant.admin.secret;
    api.set_quota(&tenant, &json!({ "bytes": 100 })).expect(200);
    for (size, left) in [(60, (60, 1)), (40, (100, 2))] {
        let mut body = declaration("a", size);
        body["method"] = json!("post");
        let declared = api.declare_as(secret, &body);
        assert!((200..300).contains(&api.send_form(&declared, &vec![b'a'; size as usize]).status));
        api.complete(secret, &text(&declared, "id")).expect(200);
        // The second one has replaced the first.
        assert_eq!(api.used(secret), left);
    }
    api.delete(secret, "/v1/objects/a").expect(204);
    assert_eq!(api.used(secret), (100, 2));
    api.post(secret, "/v1/uploads", &declaration("b", 1)).problem(409, "quota_exceeded");
}

pub fn an_upload_that_was_called_off_still_takes_its_room(api: &Api) {
    let tenant = api.new_tenant("Limited");
    let secret = &tenant.admin.secret;
    api.set_quota(&tenant, &json!({ "bytes": 100 })).expect(200);
    let declared = api.post(secret, "/v1/uploads", &declaration("a", 100)).expect(201);
    api.delete(secret, &format!("/v1/uploads/{}", text(&declared, "id"))).expect(204);
    assert_eq!(api.used(secret), (100, 1), "its URL lives on");
    api.post(secret, "/v1/uploads", &declaration("b", 1)).problem(409, "quota_exceeded");
}

pub fn a_key_has_a_quota_of_its_own(api: &Api) {
    let body = json!({ "grants": [{ "path": "in/", "permission": "write" }], "quota": { "bytes": 100 } });
    let key = api.post(api.admin(), "/v1/api-keys", &body).expect(201);
    assert_eq!(key["quota"]["bytes"], 100);
    let secret = text(&key, "secret");
    let answers = at_once(8, |number| api.post(&secret, "/v1/uploads", &declaration(&format!("in/{number}"), 30)));
    let there = || api.get(&secret, "/v1/usage").expect(200)["key"]["objects"].as_u64().unwrap();
    assert_taken(&answers, 3, there, || api.post(&secret, "/v1/uploads", &declaration("in/late", 30)));
    let usage = api.get(&secret, "/v1/usage").expect(200);
    assert_eq!((&usage["key"]["bytes"], &usage["key"]["limits"]["bytes"]), (&json!(90), &json!(100)));
    // Others are not in its way, nor it in theirs.
    api.post(api.admin(), "/v1/uploads", &declaration("in/x", 1_000)).expect(201);
    // What is shared with its rights is charged to it.
    let session = api.open(&api.mint(&secret, "write", &["in/"]));
    let body = declaration("in/session", 11);
    api.post(&session.token, "/v1/session/uploads", &body).problem(409, "quota_exceeded");
    api.post(&session.token, "/v1/session/uploads", &declaration("in/session", 10)).expect(201);
}

pub fn a_lowered_quota_lets_nothing_in_before_there_is_room(api: &Api) {
    let tenant = api.new_tenant("Limited");
    let secret = &tenant.admin.secret;
    let names: Vec<_> = (0..24).map(|number| number.to_string()).collect();
    for name in &names {
        api.upload(secret, name, &[b'a'; 10]);
    }
    api.set_quota(&tenant, &json!({ "bytes": 100 })).expect(200);
    // Whichever accounts the files are on, those that stay take up all that may be.
    for name in &names[..14] {
        api.post(secret, "/v1/uploads", &declaration("more", 1)).problem(409, "quota_exceeded");
        api.delete(secret, &format!("/v1/objects/{name}")).expect(204);
    }
    for _ in 0..16 {
        api.post(secret, "/v1/uploads", &declaration("more", 1)).problem(409, "quota_exceeded");
    }
    api.delete(secret, "/v1/objects/14").expect(204);
    api.post(secret, "/v1/uploads", &declaration("more", 10)).expect(201);
    api.post(secret, "/v1/uploads", &declaration("more", 1)).problem(409, "quota_exceeded");
    assert_eq!(api.used(secret), (100, 10));
}

pub fn quotas_are_the_operators(api: &Api) {
    let tenant = api.new_tenant("Other");
    let route = format!("/v1/tenants/{}/quota", tenant.id);
    let body = json!({ "bytes": 1 });
    api.call("PUT", &route).bearer(&tenant.admin.secret).json(&body).send().problem(403, "forbidden");
    api.call("PUT", &route).json(&body).send().problem(401, "unauthenticated");
    let nobody = "/v1/tenants/ten_00000000000000000000000000000000/quota";
    api.call("PUT", nobody).bearer(api.admin()).json(&body).send().problem(404, "not_found");
    for wrong in [json!({ "bytes": -1 }), json!({ "bytes": "1" }), json!({ "files": 1 }), json!([])] {
        api.call("PUT", &route).bearer(api.admin()).json(&wrong).send().problem(422, "invalid");
    }
    let set = api.call("PUT", &route).bearer(api.admin()).json(&body).send().expect(200);
    assert_eq!(set["quota"], body);
    // The namespace for trying out has the same limits, and accounts of its own.
    let test = api.new_key(&tenant.admin.secret, "test", &[("/", "write")]);
    api.post(&test.secret, "/v1/uploads", &declaration("a", 1)).expect(201);
    api.post(&test.secret, "/v1/uploads", &declaration("b", 1)).problem(409, "quota_exceeded");
    api.post(&tenant.admin.secret, "/v1/uploads", &declaration("a", 1)).expect(201);
}
