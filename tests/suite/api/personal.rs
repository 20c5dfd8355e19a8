//! What people say is nowhere in the store, in whatever spelling; and is told to whoever may read it.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{
    deeds::random,
    harness::{Api, Backend, claim_key, text},
};

/// What people say in this test: texts with a mark in them that nothing else has.
struct Canaries {
    mark: String,
    network: String,
}

/// Which fields of requests are personal, wherever they are asked for.
const PERSONAL: [&str; 9] =
    ["description", "label", "message", "metadata", "subject", "reason", "name", "allowed_networks", "recipients"];
/// Fields of these names that are not: a tenant is an organisation, a ZIP is a file, and the last is a filter.
const NOT_PERSONAL: [(&str, &str); 6] = [
    ("/v1/tenants", "name"),
    ("/v1/tenants/{id}/delete", "name"),
    ("/v1/objects/archives", "name"),
    ("/v1/session/archives", "name"),
    ("/v1/shares/revoke", "metadata"),
    ("/v1/links/revoke", "metadata"),
];

impl Canaries {
    fn new() -> Self {
        let drawn: [u8; 8] = random();
        let mark = format!("Q{}Z", base16ct::lower::encode_string(&drawn));
        let [a, b, c, d, ..] = drawn;
        Self { mark, network: format!("2001:db8:1{a:02x}:1{b:02x}:1{c:02x}:1{d:02x}::/96") }
    }

    fn say(&self, what: &str) -> String {
        format!("{what} {} {what}", self.mark)
    }

    /// The body with each of these personal fields in it.
    fn in_fields(&self, mut body: Value, fields: &[&str]) -> Value {
        for field in fields {
            body[field] = match *field {
                "metadata" => json!({ "note": self.say("metadata") }),
                "recipients" => {
                    let address = format!("{}@recipients.example", self.mark);
                    let noted =
                        json!({ "address": address, "purpose": self.say("purpose"), "consent": self.say("consent") });
                    json!([noted, "other@recipients.example"])
                }
                "allowed_networks" => json!([self.network, "127.0.0.0/8", "::1"]),
                field => json!(self.say(field)),
            };
        }
        body
    }

    /// Every spelling in which the store might hold the mark or the network.
    fn spellings(&self) -> Vec<Vec<u8>> {
        use base64::{
            Engine,
            engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
        };
        let mut all = Vec::new();
        // Addresses are kept in small letters.
        for text in [&self.mark, &self.mark.to_lowercase(), &self.network] {
            let bytes = text.as_bytes();
            all.push(bytes.to_vec());
            all.push(base16ct::lower::encode_string(bytes).into_bytes());
            all.push(base16ct::upper::encode_string(bytes).into_bytes());
            all.push(format!("{bytes:?}").trim_matches(['[', ']']).as_bytes().to_vec());
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                for before in 0..3 {
                    // Wherever it begins among three bytes; without the characters that it shares with its neighbours.
                    let encoded = engine.encode([vec![0; before], bytes.to_vec()].concat());
                    let whole = (before * 4).div_ceil(3)..(before + bytes.len()) * 4 / 3;
                    all.push(encoded.as_bytes()[whole].to_vec());
                }
            }
        }
        all
    }
}

/// Everything that the store of this broker holds, in whatever form it lies there.
fn raw_store(api: &Api, backend: Backend) -> Vec<Vec<u8>> {
    match backend {
        Backend::Embedded => files(&api.data_dir().join("store")),
        Backend::Aws => api.wait(crate::store::fixture::whole_table()),
    }
}

/// A file or folder may go while it is looked at: the store works on.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { fs::read(path).into_iter().collect() }).collect()
}

fn holds(all: &[Vec<u8>], wanted: &[u8]) -> bool {
    all.iter().any(|bytes| bytes.windows(wanted.len()).any(|window| window[0] == wanted[0] && window == wanted))
}

#[test]
fn nothing_that_people_say_is_found_in_the_embedded_store() {
    nothing_that_people_say_is_found_in_the_store(Backend::Embedded);
}

#[test]
fn nothing_that_people_say_is_found_in_the_table() {
    nothing_that_people_say_is_found_in_the_store(Backend::Aws);
}

fn nothing_that_people_say_is_found_in_the_store(backend: Backend) {
    let api = Api::start(backend);
    let said = Canaries::new();
    let organisation = format!("Organisation {}", base16ct::lower::encode_string(&random::<8>()));
    let other = api.new_tenant(&organisation);
    api.upload(api.admin(), "a.txt", b"a");
    let mut driven: Vec<(String, &str)> = Vec::new();
    let mut say = |method: &str, route: &str, template: &str, rest: Value, fields: &[&'static str]| {
        driven.extend(fields.iter().map(|field| (template.to_owned(), *field)));
        let body = said.in_fields(rest, fields);
        let call = api.call(method, route).bearer(api.admin()).header("idempotency-key", &claim_key());
        let answer = call.json(&body).send();
        assert!([200, 201].contains(&answer.status), "{route}: {answer:?}");
        answer.json()
    };
    let grants = json!([{ "path": "/", "permission": "write" }]);

    let key = say("POST", "/v1/api-keys", "/v1/api-keys", json!({ "grants": grants }), &["label", "metadata"]);
    let key_route = format!("/v1/api-keys/{}", text(&key, "id"));
    say("PATCH", &key_route, "/v1/api-keys/{id}", json!({}), &["label"]);
    say("POST", &format!("{key_route}/rotate"), "", json!({}), &[]);
    let issuer = json!({ "issuer": "https://id.example", "grants": grants });
    let user = say("POST", "/v1/users", "/v1/users", issuer, &["subject", "label", "metadata"]);
    let user_route = format!("/v1/users/{}", text(&user, "id"));
    say("PATCH", &user_route, "/v1/users/{id}", json!({}), &["label"]);
    let impersonations = format!("/v1/tenants/{}/impersonations", other.id);
    say("POST", &impersonations, "/v1/tenants/{id}/impersonations", json!({}), &["reason"]);
    let read = json!({ "paths": ["docs/"], "permission": "write" });
    let of_links = ["label", "message", "metadata", "allowed_networks"];
    let share = say("POST", "/v1/shares", "/v1/shares", read, &of_links);
    let artifact = say("POST", "/v1/artifacts", "/v1/artifacts", json!({ "paths": ["a.txt"] }), &["label", "metadata"]);
    let of_artifact = json!({ "artifact": artifact["id"], "password": "a long password" });
    let link = say("POST", "/v1/links", "/v1/links", of_artifact, &of_links);
    // What is said later of others that began without: these go to recipients alone.
    let of_changes = ["label", "message", "metadata", "allowed_networks", "recipients"];
    let plain = json!({ "paths": ["docs/"], "permission": "read" });
    let changed = say("POST", "/v1/shares", "", plain, &[]);
    say("PATCH", &format!("/v1/shares/{}", text(&changed, "id")), "/v1/shares/{id}", json!({}), &of_changes);
    let changed = say("POST", "/v1/links", "", json!({ "artifact": artifact["id"] }), &[]);
    say("PATCH", &format!("/v1/links/{}", text(&changed, "id")), "/v1/links/{id}", json!({}), &of_changes);
    let addressed = json!({ "paths": ["docs/"], "permission": "read" });
    let addressed = say("POST", "/v1/shares", "/v1/shares", addressed, &["recipients"]);
    say("POST", "/v1/links", "/v1/links", json!({ "artifact": artifact["id"] }), &["recipients"]);
    let asked = json!({ "token": addressed["token"], "address": format!("{}@recipients.example", said.mark) });
    api.public("/v1/shares/redeem/code", &asked).expect(202);
    let of_requests = ["label", "message", "metadata"];
    let request = say("POST", "/v1/file-requests", "/v1/file-requests", json!({ "folder": "in/" }), &of_requests);
    let deliverer = claim_key();
    let delivering = json!({ "token": request["token"], "claim_key": deliverer });
    say("POST", "/v1/file-requests/redeem", "/v1/file-requests/redeem", delivering, &["name"]);
    let file = |path: &str| json!({ "path": path, "size": 1, "content_type": "text/plain" });
    // Not followed, since nobody is of that name; what is said in a URL may be a secret.
    let to = json!({ "url": format!("https://hooks.invalid/{}", said.mark) });
    let webhook = say("POST", "/v1/webhooks", "/v1/webhooks", to.clone(), &["description"]);
    let webhook = format!("/v1/webhooks/{}", text(&webhook, "id"));
    say("PATCH", &webhook, "/v1/webhooks/{id}", to, &["description"]);
    say("POST", &format!("{webhook}/rotate"), "", json!({}), &[]);
    let upload = say("POST", "/v1/uploads", "/v1/uploads", file("b.txt"), &["metadata"]);
    let batch = json!({ "items": [said.in_fields(file("c.txt"), &["metadata"])] });
    say("POST", "/v1/uploads/batch", "/v1/uploads/batch", batch, &[]);

    assert_eq!(api.preview(&text(&share, "token")).expect(200)["message"], said.say("message"));
    // What becomes of them writes them again.
    let session = text(&api.redeem(&text(&share, "token"), &claim_key()).expect(200), "session_token");
    driven.push(("/v1/session/uploads".into(), "metadata"));
    let in_session = said.in_fields(file("docs/d.txt"), &["metadata"]);
    api.post(&session, "/v1/session/uploads", &in_session).expect(201);
    assert!((200..300).contains(&api.put(&upload, b"b").status));
    let upload_route = format!("/v1/uploads/{}", text(&upload, "id"));
    api.call("POST", &format!("{upload_route}/complete")).bearer(api.admin()).send().expect(200);
    api.sign_in(&text(&key, "secret"));

    // The store may be written anew when somebody is erased, and compressed.
    let before = raw_store(&api, backend);
    // Somebody who is asked for, and erased.
    let gone = json!({ "issuer": "https://id.example", "subject": said.say("gone") });
    let mut user = gone.clone();
    user["grants"] = grants.clone();
    api.post(api.admin(), "/v1/users", &user).expect(201);
    for (what, status, fields) in [("export", 200, &[][..]), ("find", 200, &[]), ("erase", 202, &["reason"])] {
        let route = format!("/v1/data-subjects/{what}");
        api.post(api.admin(), &route, &said.in_fields(gone.clone(), fields)).expect(status);
        driven.extend(["subject"].iter().chain(fields).map(|field| (route.clone(), *field)));
    }

    // Each is there to be read by whoever may.
    for (bearer, route, fields) in [
        (api.admin(), key_route.as_str(), &["label", "metadata"][..]),
        (api.admin(), "/v1/api-keys", &["label", "metadata"]),
        (api.admin(), &user_route, &["subject", "label", "metadata"]),
        (api.admin(), &format!("/v1/shares/{}", text(&share, "id")), &["label", "message", "metadata"]),
        (api.admin(), &format!("/v1/artifacts/{}", text(&artifact, "id")), &["label", "metadata"]),
        (api.admin(), &format!("/v1/links/{}", text(&link, "id")), &["label", "message", "metadata"]),
        (api.admin(), &format!("/v1/file-requests/{}", text(&request, "id")), &["label", "message", "metadata"]),
        (api.admin(), &upload_route, &["metadata"]),
        (api.admin(), &webhook, &["description"]),
        (&other.admin.secret, "/v1/api-keys", &["reason"]),
    ] {
        let seen = api.get(bearer, route).expect(200).to_string();
        for field in fields {
            assert!(seen.contains(&said.say(field)), "{field} of {route}: {seen}");
        }
    }
    let filter = format!("?metadata[note]={}", said.say("metadata").replace(' ', "%20"));
    for (list, count) in [("/v1/shares", 2), ("/v1/links", 2), ("/v1/file-requests", 1)] {
        let found = api.get(api.admin(), &format!("{list}{filter}")).expect(200);
        assert_eq!(found["items"].as_array().unwrap().len(), count, "{list} {found}");
    }
    // The same person is not let in twice, and whoever delivers goes on.
    let again = said.in_fields(json!({ "issuer": "https://id.example", "grants": grants }), &["subject"]);
    api.post(api.admin(), "/v1/users", &again).problem(409, "user_exists");
    let delivering = json!({ "token": request["token"], "claim_key": deliverer });
    api.public("/v1/file-requests/redeem", &delivering).expect(200);

    let raw = raw_store(&api, backend);
    for spelling in said.spellings() {
        assert!(!holds(&raw, &spelling), "{}", String::from_utf8_lossy(&spelling));
    }
    // The search would have found it: what is not personal is there to be seen.
    for visible in [&organisation, &text(&share, "id"), "a.txt"] {
        assert!(holds(&before, visible.as_bytes()), "{visible}");
    }
    every_personal_field_was_said(&api, &driven);
}

/// Holds what was driven against the document: a new field of such a name is not forgotten.
#[track_caller]
fn every_personal_field_was_said(api: &Api, driven: &[(String, &str)]) {
    let document = api.get(api.admin(), "/openapi.json").expect(200);
    let mut found = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let Some(name) = schema["$ref"].as_str() else { continue };
            let schema = document.pointer(name.strip_prefix('#').unwrap()).unwrap();
            for field in schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys()) {
                let personal = PERSONAL.contains(&field.as_str());
                if personal && !NOT_PERSONAL.contains(&(path.as_str(), field.as_str())) {
                    let said = driven.iter().any(|(route, said)| route == path && said == field);
                    assert!(said, "{method} {path} takes {field}: say something there, too");
                    found += 1;
                }
            }
        }
    }
    assert!(found > 20, "{found}");
}
