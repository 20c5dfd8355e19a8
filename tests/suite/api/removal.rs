//! The right to be forgotten: of a tenant that is deleted nothing is left but that there was one.

use std::{collections::HashSet, env, fs, io::ErrorKind, path::Path, time::Duration};

use cloakroom::{
    clock::Clock,
    domain::{
        ids::{AttemptId, TenantId},
        removal::{GRACE, LAST_LOOK},
    },
    entropy::{Entropy, SystemEntropy},
    service::removal::Turn,
    store::{Expected, Row, RowKey, Transaction, Write, faulty::Fault},
};
use serde_json::{Value, json};

use super::{
    calls::text,
    data_subjects::halting,
    deeds::random,
    harness::{Api, Backend, Tenant, claim_key},
    laboratory::Laboratory,
    ledger_crashes::gone_after,
};
use crate::{
    objects::bench::versions_in_the_bucket,
    program::process::{patiently, until},
};

fn deletion(api: &Api, tenant: &str, body: &Value) -> super::calls::Answer {
    api.post(api.admin(), &format!("/v1/tenants/{tenant}/delete"), body)
}

fn restoring(api: &Api, tenant: &str) -> super::calls::Answer {
    api.post(api.admin(), &format!("/v1/tenants/{tenant}/restore"), &json!({}))
}

pub fn a_deletion_waits_and_can_be_called_off(api: &Api) {
    let other = api.new_tenant("Other");
    let key = &other.admin.secret;
    api.upload(key, "a.txt", b"a");
    let minted = api.mint(key, "read", &["a.txt"]);
    let route = format!("/v1/tenants/{}", other.id);
    let asked = deletion(api, &other.id, &json!({})).expect(202);
    assert_eq!((&asked["status"], &asked["deletion"]["by"]["kind"]), (&json!("deleting"), &json!("api_key")));
    let (at, due) = (text(&asked["deletion"], "asked_at"), text(&asked["deletion"], "due_at"));
    assert!(at < due, "{at} {due}");
    assert_eq!(deletion(api, &other.id, &json!({})).expect(202)["deletion"]["due_at"], due);
    // From that commit on, as of a suspended one.
    api.get(key, "/v1/shares").problem(401, "unauthenticated");
    api.preview(&minted.token).problem(404, "dead_token");
    api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
    for what in ["resume", "suspend"] {
        let answer = api.post(api.admin(), &format!("{route}/{what}"), &json!({}));
        if what == "resume" {
            answer.problem(409, "deletion_asked")
        } else {
            continue;
        };
    }
    // Nothing is removed before its time.
    api.wait(api.broker().remove_due_tenants()).unwrap();
    assert_eq!(api.get(api.admin(), &route).expect(200)["status"], "deleting");
    restoring(api, &other.id).expect(200);
    assert_eq!(api.get(api.admin(), &route).expect(200)["status"], "active");
    api.open(&minted);
    restoring(api, &other.id).problem(409, "not_deleted");
    // Whoever was suspended before is so again.
    api.post(api.admin(), &format!("{route}/suspend"), &json!({})).expect(200);
    deletion(api, &other.id, &json!({})).expect(202);
    assert_eq!(restoring(api, &other.id).expect(200)["status"], "suspended");
    api.post(api.admin(), &format!("{route}/resume"), &json!({})).expect(200);
    let trail = |bearer: &str, kind: &str| {
        let trail = api.get(bearer, &format!("/v1/audit?type={kind}&resource={}", other.id)).expect(200);
        trail["items"].as_array().unwrap().len()
    };
    for bearer in [key, api.admin()] {
        until("it is told", || (trail(bearer, "tenant.restored") == 2).then_some(()));
        assert_eq!(trail(bearer, "tenant.deletion_asked"), 2);
    }
}

pub fn what_is_no_deletion_is_refused(api: &Api) {
    let other = api.new_tenant("Other");
    for (body, pointer) in [
        (json!({ "grace": "none" }), "/name"),
        (json!({ "grace": "none", "name": "Others" }), "/name"),
        (json!({ "name": "Other" }), "/name"),
        (json!({ "grace": "some", "name": "Other" }), "/grace"),
        (json!({ "grace": 7 }), "/grace"),
        (json!({ "days": 7 }), "/days"),
    ] {
        let problem = deletion(api, &other.id, &body).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(pointer), "{body}");
    }
    let by_itself = api.post(&other.admin.secret, &format!("/v1/tenants/{}/delete", other.id), &json!({}));
    by_itself.problem(403, "forbidden");
    deletion(api, &api.tenant.id, &json!({})).problem(409, "own_tenant");
    let nobody = TenantId::from_bytes(random()).to_string();
    deletion(api, &nobody, &json!({})).problem(404, "not_found");
    restoring(api, &nobody).problem(404, "not_found");
    assert_eq!(api.get(api.admin(), &format!("/v1/tenants/{}", other.id)).expect(200)["status"], "active");
}

/// A text that is nowhere else.
pub fn mark() -> String {
    format!("Q{}Z", base16ct::lower::encode_string(&random::<8>()))
}

/// Does everything that leaves something behind, as far as this and that can be done by one tenant. `mark` is in every word.
fn live(api: &Api, tenant: &Tenant, mark: &str) {
    let key = tenant.admin.secret.as_str();
    let once = |bearer: &str, route: &str, body: &Value| {
        let answer = api.call("POST", route).bearer(bearer).header("idempotency-key", &claim_key()).json(body).send();
        assert!([200, 201, 202].contains(&answer.status), "{route}: {answer:?}");
        answer.json()
    };
    let path = |name: &str| format!("docs/{mark}/{name}");
    let page = path("index.html");
    for _ in 0..2 {
        api.put_file(key, &page, "text/html", mark.as_bytes());
    }
    api.upload(key, &path("gone.txt"), b"gone");
    api.delete(key, &format!("/v1/objects/{}", path("gone.txt"))).expect(204);
    api.declare(key, "/v1/uploads", &path("never.txt"), b"never");
    let in_parts = json!({ "path": path("parts"), "size": 1_000, "content_type": "text/plain", "method": "multipart" });
    once(key, "/v1/uploads", &in_parts);
    let grants = json!([{ "path": "/", "permission": "admin" }]);
    let another =
        once(key, "/v1/api-keys", &json!({ "label": mark, "grants": grants, "quota": { "bytes": 1_000_000 } }));
    once(key, &format!("/v1/api-keys/{}/rotate", text(&another, "id")), &json!({}));
    let test = once(key, "/v1/api-keys", &json!({ "label": mark, "grants": grants, "mode": "test" }));
    api.upload(&text(&test, "secret"), &path("test.txt"), mark.as_bytes());
    let read = json!([{ "path": "/", "permission": "read" }]);
    once(key, "/v1/users", &json!({ "issuer": "https://id.example", "subject": mark, "label": mark, "grants": read }));
    let recipient = format!("{}@recipients.example", mark.to_lowercase());
    let share = json!({
        "paths": [format!("docs/{mark}/")], "permission": "write", "label": mark, "message": mark,
        "metadata": { "note": mark }, "redemptions": 5,
    });
    let share = once(key, "/v1/shares", &share);
    let session = text(&api.redeem(&text(&share, "token"), &claim_key()).expect(200), "session_token");
    api.redeem(&text(&share, "token"), "not a claim key");
    api.declare(&session, "/v1/session/uploads", &path("in-session.txt"), b"x");
    let addressed = json!({ "paths": [page], "permission": "read", "recipients": [recipient] });
    let addressed = once(key, "/v1/shares", &addressed);
    api.public("/v1/shares/redeem/code", &json!({ "token": addressed["token"], "address": recipient })).expect(202);
    let artifact = once(key, "/v1/artifacts", &json!({ "paths": [format!("docs/{mark}/")], "label": mark }));
    let link = once(key, "/v1/links", &json!({ "artifact": artifact["id"], "message": mark }));
    api.redeem_link(&text(&link, "token"), &claim_key()).expect(200);
    let request = once(key, "/v1/file-requests", &json!({ "folder": format!("in/{mark}/"), "message": mark }));
    let delivery = json!({ "token": request["token"], "claim_key": claim_key(), "name": mark });
    let delivery = text(&api.public("/v1/file-requests/redeem", &delivery).expect(200), "session_token");
    api.declare(&delivery, "/v1/session/uploads", "delivered.txt", b"x");
    // Nobody is there: what is sent waits to be tried again.
    let receiver = json!({ "url": format!("https://{}.invalid/", mark.to_lowercase()), "description": mark });
    let webhook = once(key, "/v1/webhooks", &receiver);
    api.post(key, &format!("/v1/webhooks/{}/test", text(&webhook, "id")), &json!({})).expect(200);
    api.sign_in(key);
    // One that is over, and one at which nobody is.
    let erase = |address: &str| json!({ "address": address, "reason": mark });
    let erased = api.post(key, "/v1/data-subjects/erase", &erase(&recipient)).expect(202);
    patiently("they are erased", || {
        let seen = api.get(key, &format!("/v1/data-subjects/erasures/{}", text(&erased, "id"))).expect(200);
        (seen["status"] == "erased").then_some(())
    });
    api.wait(super::data_subjects::begin(api, key, &format!("other-{recipient}"))).unwrap();
    for origins in [json!([format!("https://{}.example", mark.to_lowercase())]), json!(["https://app.example"])] {
        let route = format!("/v1/tenants/{}/allowed-origins", tenant.id);
        api.call("PUT", &route).bearer(key).json(&json!({ "origins": origins })).send().expect(200);
    }
    api.post(key, "/v1/audit/checkpoints", &json!({})).expect(200);
    let export = once(key, "/v1/audit/exports", &json!({}));
    patiently("it is exported", || {
        let seen = api.get(key, &format!("/v1/audit/exports/{}", text(&export, "id"))).expect(200);
        (seen["status"] == "ready").then_some(())
    });
    api.wait(api.broker().record_last_used());
    // As of a ledger that is long enough to be indexed.
    for partition in [format!("ledger-index#{}#live#7", tenant.id), format!("ledger-times#{}#live", tenant.id)] {
        let key = RowKey::new(partition, format!("{:016x}", 1));
        api.write(Write { key, expected: Expected::Absent, body: vec![0], purge_after: None });
    }
}

/// Of another tenant, what is seen of it.
fn seen_of(api: &Api, key: &str) -> Vec<Value> {
    let lists = ["shares", "links", "artifacts", "file-requests", "uploads", "objects", "api-keys", "users"];
    let mut seen: Vec<_> = lists.iter().map(|list| api.get(key, &format!("/v1/{list}")).expect(200)).collect();
    seen.push(api.get(key, "/v1/audit/verify").expect(200)["intact"].clone());
    seen.push(json!(api.download(key, "/v1/objects/downloads", "docs/stays/index.html")));
    for key in seen[6]["items"].as_array_mut().unwrap() {
        key["last_used_at"] = Value::Null;
    }
    seen
}

fn deleted(api: &Api, tenant: &str) -> Value {
    patiently("it is deleted", || {
        let seen = api.get(api.admin(), &format!("/v1/tenants/{tenant}")).expect(200);
        (seen["status"] == "deleted").then_some(seen)
    })
}

#[test]
fn of_a_tenant_that_is_deleted_nothing_is_left_in_any_file() {
    let mut api = Api::start(Backend::Embedded);
    let id = nothing_is_left(&api);
    api.wait(api.broker().store.forget()).unwrap();
    api.halt();
    // Every row by itself, too: tables are compressed.
    let (tombstone, mine) = (format!("tombstones\0{id}"), format!("deletions\0{id}"));
    let database = fjall::Database::builder(api.data_dir().join("store/database")).open().unwrap();
    for keyspace in ["rows", "purge"] {
        let keyspace = database.keyspace(keyspace, fjall::KeyspaceCreateOptions::default).unwrap();
        for entry in keyspace.iter() {
            let (key, value) = entry.into_inner().unwrap();
            let is_told = holds(&value, format!("\"resource\":\"{id}\"").as_bytes());
            let is_his = holds(&key, id.as_bytes()) || holds(&value, id.as_bytes());
            let expected = *key == *tombstone.as_bytes() || *key == *mine.as_bytes() || is_told;
            assert!(!is_his || expected, "{}", String::from_utf8_lossy(&key));
        }
    }
}

#[test]
fn of_a_tenant_that_is_deleted_nothing_is_left_in_table_and_bucket() {
    nothing_is_left(&Api::start(Backend::Aws));
}

fn nothing_is_left(api: &Api) -> String {
    let (mark, name) = (mark(), format!("Organisation {}", mark()));
    let backend = if api.data_dir().join("store").is_dir() { Backend::Embedded } else { Backend::Aws };
    let stays = api.new_tenant("Stays");
    live(api, &stays, "stays");
    let goes = api.new_tenant(&name);
    live(api, &goes, &mark);
    let before = seen_of(api, &stays.admin.secret);
    for there in [mark.as_str(), &name, &goes.id] {
        assert!(raw(api, backend).iter().any(|bytes| holds(bytes, there.as_bytes())), "{there}");
    }
    deletion(api, &goes.id, &json!({ "grace": "none", "name": name })).expect(202);
    let gone = deleted(api, &goes.id);

    for word in [mark.clone(), mark.to_lowercase(), name] {
        let left: Vec<_> = raw(api, backend).into_iter().filter(|bytes| holds(bytes, word.as_bytes())).collect();
        assert!(
            left.is_empty(),
            "{word}: {}",
            String::from_utf8_lossy(&left[0]).chars().take(2_000).collect::<String>()
        );
    }
    if backend == Backend::Aws {
        let mine = |bytes: &Vec<u8>| holds(bytes, goes.id.as_bytes());
        for left in raw(api, backend).into_iter().filter(mine) {
            let left = String::from_utf8_lossy(&left).into_owned();
            let is_tombstone = left == goes.id || left.contains("\"ledgers\":[{");
            let is_told = left.contains(&format!("\"resource\":\"{}\"", goes.id));
            assert!(is_tombstone || is_told, "{left}");
        }
        for kind in ["inbox", "vault", "checkpoints", "exports"] {
            let prefix = format!("{kind}/{}/", goes.id);
            assert_eq!(api.wait(versions_in_the_bucket(&prefix)), 0, "{prefix}");
        }
    }
    assert_eq!(seen_of(api, &stays.admin.secret), before);
    // What remains is for operators, and says how it ended.
    assert!(gone["rows"].as_u64().unwrap() > 50 && gone["objects"].as_u64().unwrap() > 5, "{gone}");
    assert_eq!(gone["by"]["kind"], "api_key");
    let [live, test] = gone["ledgers"].as_array().unwrap().as_slice() else { panic!("{gone}") };
    assert_eq!((&live["mode"], &test["mode"], &live["intact"]), (&json!("live"), &json!("test"), &json!(true)));
    let (_, key) = text(live, "verifier_key").rsplit_once('+').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(!key.is_empty() && text(live, "checkpoint").contains(&format!("\n{}\n", live["size"])), "{live}");
    let route = format!("/v1/tenants/{}", goes.id);
    api.get(&stays.admin.secret, &route).problem(403, "forbidden");
    api.get(&goes.admin.secret, &route).problem(401, "unauthenticated");
    for what in ["suspend", "resume", "cut-off"] {
        api.post(api.admin(), &format!("{route}/{what}"), &json!({})).problem(404, "not_found");
    }
    deletion(api, &goes.id, &json!({})).problem(409, "deletion_begun");
    restoring(api, &goes.id).problem(409, "deletion_begun");
    let listed = api.get(api.admin(), "/v1/tenants").expect(200).to_string();
    assert!(listed.contains(&stays.id) && !listed.contains(&goes.id));
    until("it is told", || {
        let trail = api.get(api.admin(), &format!("/v1/audit?type=tenant.deleted&resource={}", goes.id)).expect(200);
        (trail["items"].as_array().unwrap().len() == 1).then_some(())
    });
    goes.id
}

/// Everything that this broker holds, in whatever form it lies there.
pub fn raw(api: &Api, backend: Backend) -> Vec<Vec<u8>> {
    match backend {
        Backend::Embedded => files(api.data_dir()),
        Backend::Aws => api.wait(crate::store::fixture::whole_table()),
    }
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    // A file or folder may go while it is looked at.
    let entries = match fs::read_dir(folder) {
        Err(fault) if fault.kind() == ErrorKind::NotFound => return found,
        entries => entries.unwrap(),
    };
    for entry in entries.map(|entry| entry.unwrap().path()) {
        // Mails lie where they were sent to.
        match entry.is_dir() {
            true if entry.ends_with("mail") => {}
            true => {
                found.push(entry.to_string_lossy().into_owned().into_bytes());
                found.extend(files(&entry));
            }
            false => found.extend(fs::read(&entry)),
        }
    }
    found
}

pub fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window[0] == wanted[0] && window == wanted)
}

/// Numbers that follow from a seed (splitmix64).
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

#[test]
fn a_deletion_is_carried_out_whatever_happens_meanwhile() {
    let (api, clock, faults) = Laboratory::served();
    let (broker, home) = (api.broker().clone(), format!("#{}#", api.tenant.id));
    let others: HashSet<_> = faults.backend().all().into_iter().map(|row| row.key).collect();
    // What is not of the first tenant, nor was there before, nor tells of what this test has written itself.
    let of_it = || {
        let rows = faults.backend().all().into_iter();
        let rows = rows.filter(|row| !row.key.partition.starts_with("outbox#intruder#"));
        rows.filter(|row| !others.contains(&row.key) && !format!("{}#", row.key.partition).contains(&home))
            .collect::<Vec<_>>()
    };
    let goes = api.new_tenant("Goes");
    let (id, mark) = (goes.id.parse::<TenantId>().unwrap(), mark());
    live(&api, &goes, &mark);
    deletion(&api, &goes.id, &json!({})).expect(202);
    let all = of_it();
    assert!(all.len() > 100, "{}", all.len());
    clock.advance(GRACE);

    // What goes wrong, and when; the same each time for one seed.
    let seed = env::var("CLOAKROOM_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let (mut drawn, replica) = (Drawn(seed), halting(&api, &faults));
    let (mut deleted_in, mut cut_off) = (None, 0);
    for turn in 0..2_000_u64 {
        match drawn.below(4) {
            // The answer to a commit is lost, or it arrives late.
            0 => faults.plan(vec![Fault::Ok; drawn.below(20)].into_iter().chain([Fault::FailedButApplied])),
            1 => faults.plan([Fault::Failed, Fault::AppliedLate, Fault::Ok]),
            _ => {}
        }
        // The process ends at one of the first steps of two who are at it, at one of the last, or at none.
        let magnitude = 5 + drawn.below(10);
        let steps = drawn.below(1 << magnitude);
        let outcome = api.wait(async {
            let both = async { tokio::join!(replica.remove_tenant(id), replica.remove_tenant(id)) };
            Box::pin(gone_after(steps, both)).await
        });
        cut_off += usize::from(outcome.is_none());
        faults.clear_plan();
        clock.advance(Duration::from_secs(61));
        let seen = api.get(api.admin(), &format!("/v1/tenants/{}", goes.id)).expect(200);
        if seen["status"] == "deleted" && deleted_in.is_none() {
            deleted_in = Some(turn);
            // Whoever was late leaves something: anything there ever was.
            api.wait(async {
                for Row { key, body, .. } in all.iter().filter(|row| row.key.partition != "deletions").cloned() {
                    let attempt = AttemptId::new(clock.now(), (&SystemEntropy as &dyn Entropy).bytes());
                    let write = Write { key, expected: Expected::Absent, body, purge_after: None };
                    // What is there already is as it was.
                    let _ = broker.store.commit(Transaction::noting(attempt, write)).await;
                }
            });
            clock.advance(LAST_LOOK);
        }
        if matches!(outcome, Some((Ok(Turn::Done), _) | (_, Ok(Turn::Done)))) {
            break;
        }
    }
    assert!(deleted_in.is_some() && cut_off > 0, "by the seed {seed}: cut off {cut_off} times");
    let left: Vec<_> = of_it().into_iter().map(|row| row.key.partition).collect();
    assert_eq!(left, ["tombstones"], "by the seed {seed}");
    for kind in ["inbox", "vault", "checkpoints"] {
        assert!(!api.data_dir().join(format!("objects/objects/{kind}/{}", goes.id)).exists(), "{kind}");
    }
    let seen = api.get(api.admin(), &format!("/v1/tenants/{}", goes.id)).expect(200);
    // What was removed is counted, once each time.
    assert!(seen["rows"].as_u64().unwrap() >= all.len() as u64, "{seen}");
}
