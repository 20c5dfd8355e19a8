//! An artifact is a snapshot: what happens to the vault later does not touch it.

use serde_json::{Value, json};

use crate::api::harness::{Api, text};

fn paths(artifact: &Value) -> Vec<String> {
    artifact["files"].as_array().unwrap().iter().map(|file| text(file, "path")).collect()
}

pub fn a_snapshot_is_untouched_by_what_happens_to_the_vault(api: &Api) {
    let key = api.admin();
    api.put_file(key, "site/index.html", "text/html", b"before");
    api.put_file(key, "site/a.txt", "text/plain", b"stays");
    let artifact = api.publish(key, &["site/"]);
    let cookies = api.admitted(key, &artifact);
    api.put_file(key, "site/index.html", "text/plain", b"after, and longer");
    api.put_file(key, "site/new.txt", "text/plain", b"new");
    api.delete(key, "/v1/objects/site/a.txt").expect(204);
    for visitor in [cookies, api.admitted(key, &artifact)] {
        let index = api.browse(&artifact.host, &visitor, "/");
        assert_eq!((index.body.as_slice(), index.header("content-type")), (b"before".as_slice(), "text/html"));
        assert_eq!(api.browse(&artifact.host, &visitor, "/a.txt").body, b"stays");
        assert_eq!(api.browse(&artifact.host, &visitor, "/new.txt").status, 404);
    }
    let seen = api.get(key, &format!("/v1/artifacts/{}", artifact.id)).expect(200);
    assert_eq!((paths(&seen), &seen["total_size"]), (vec!["a.txt".into(), "index.html".into()], &json!(11)));
    assert_eq!(api.file(key, "site/index.html"), b"after, and longer");
}

pub fn files_and_folders_are_published_under_their_names(api: &Api) {
    let key = api.admin();
    for path in ["a/deep/one.txt", "a/two.txt", "b/three.txt", "a.txt", "ab/four.txt"] {
        api.put_file(key, path, "text/plain", path.as_bytes());
    }
    let body = json!({ "paths": ["a/", "b/three.txt"], "index": "two.txt", "label": "mine" });
    let artifact = api.post(key, "/v1/artifacts", &body).expect(201);
    assert_eq!(paths(&artifact), ["deep/one.txt", "three.txt", "two.txt"]);
    assert_eq!((&artifact["index"], &artifact["label"]), (&json!("two.txt"), &json!("mine")));
    assert_eq!((&artifact["status"], &artifact["livemode"]), (&json!("published"), &json!(true)));
    // The host says nothing about the id.
    let (id, origin) = (text(&artifact, "id"), text(&artifact, "origin"));
    let (label, rest) = origin.strip_prefix("http://").unwrap().split_once('.').unwrap();
    assert!(label.len() == 40 && label.bytes().all(|byte| byte.is_ascii_hexdigit()), "{origin}");
    assert_eq!(rest, format!("localhost:{}", api.ports[1]));
    assert!(!origin.contains(id.split('_').next_back().unwrap()));
    let listed = api.get(key, "/v1/artifacts").expect(200);
    // A list tells how many files there are; which, the artifact itself.
    let mut summary = artifact.clone();
    summary.as_object_mut().unwrap().remove("files").unwrap();
    assert_eq!(listed["items"], json!([summary]));
    assert_eq!(api.happened("artifact.created", &id), 1);
}

pub fn what_cannot_be_published_is_refused(api: &Api) {
    let key = api.admin();
    for path in ["a/same.txt", "b/same.txt"] {
        api.put_file(key, path, "text/plain", b"x");
    }
    for (body, pointer) in [
        (json!({ "paths": [] }), "/paths"),
        (json!({ "paths": ["a/missing.txt"] }), "/paths/0"),
        (json!({ "paths": ["a/same.txt", "empty/"] }), "/paths/1"),
        // A pin is a file or a folder, and never one for the other.
        (json!({ "paths": ["a/same.txt/"] }), "/paths/0"),
        (json!({ "paths": ["a/sam"] }), "/paths/0"),
        (json!({ "paths": ["a"] }), "/paths/0"),
        (json!({ "paths": ["a/", "b/"] }), "/paths"),
        (json!({ "paths": ["../x"] }), "/paths/0"),
        (json!({ "paths": ["a/"], "index": "../x" }), "/index"),
        (json!({ "paths": ["a/"], "label": "a\nb" }), "/label"),
        (json!({ "paths": ["a/"], "more": 1 }), "/more"),
    ] {
        let problem = api.post(key, "/v1/artifacts", &body).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(pointer), "{body}");
    }
    let narrow = api.new_key(key, "live", &[("a/", "read")]);
    api.post(&narrow.secret, "/v1/artifacts", &json!({ "paths": ["a/", "b/same.txt"] })).problem(403, "forbidden");
    api.post(&narrow.secret, "/v1/artifacts", &json!({ "paths": ["b/"] })).problem(403, "forbidden");
    assert_eq!(api.get(key, "/v1/artifacts").expect(200)["items"], json!([]));
    api.post(&narrow.secret, "/v1/artifacts", &json!({ "paths": ["a/"] })).expect(201);
}

pub fn an_artifact_is_its_publishers(api: &Api) {
    let (one, two) = (
        api.new_key(api.admin(), "live", &[("page/", "write")]),
        api.new_key(api.admin(), "live", &[("page/", "write")]),
    );
    let test = api.new_key(api.admin(), "test", &[("/", "admin")]);
    let stranger = api.new_tenant("Other").admin;
    let artifact = api.publish_page(&one.secret);
    let path = format!("/v1/artifacts/{}", artifact.id);
    for other in [&two, &test, &stranger] {
        api.get(&other.secret, &path).problem(404, "not_found");
        api.delete(&other.secret, &path).problem(404, "not_found");
        assert_eq!(api.get(&other.secret, "/v1/artifacts").expect(200)["items"], json!([]));
    }
    let cookies = api.admitted(&one.secret, &artifact);
    assert_eq!(api.browse(&artifact.host, &cookies, "/").status, 200);
    api.get(api.admin(), &path).expect(200);
    for _ in 0..2 {
        api.delete(&one.secret, &path).expect(204);
    }
    assert_eq!(api.happened("artifact.deleted", &artifact.id), 1);
    assert_eq!(api.get(&one.secret, &path).expect(200)["status"], "deleted");
}
