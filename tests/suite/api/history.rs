//! What happened to a thing, told to its owner; and everything, to who administers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use cloakroom::{
    domain::{instant::Instant, permission::SharePermission, standing::StoreIdentity},
    service::listing::PageRequest,
    store::{Backend, Failure, Query, Row, RowKey, Store, Transaction, Unavailable},
};
use serde_json::{Value, json};

use super::{
    harness::{Api, claim_key, text},
    laboratory::{Claimant, Laboratory},
};

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap()
}

/// The types of events of a page, oldest first.
fn kinds(page: &Value) -> Vec<String> {
    items(page).iter().rev().map(|event| text(event, "type")).collect()
}

fn sorted(mut kinds: Vec<String>) -> Vec<String> {
    kinds.sort();
    kinds
}

pub fn a_share_has_the_history_of_all_that_came_of_it(api: &Api) {
    api.upload(api.admin(), "docs/a.txt", b"a");
    let minted = api.mint(api.admin(), "write", &["docs/"]);
    let events = format!("/v1/shares/{}/events", minted.id);
    let history = || api.get(api.admin(), &events).expect(200);
    assert_eq!(kinds(&history()), ["share.created"]);
    api.a_moment_passes();
    api.preview(&minted.token).expect(200);
    api.previews_recorded();
    api.a_moment_passes();
    let claimant = claim_key();
    let session = text(&api.redeem(&minted.token, &claimant).expect(200), "session_token");
    // Whoever has it knows it: looking again is nothing new.
    api.public("/v1/shares/redeem/preview", &json!({ "token": minted.token, "claim_key": claimant })).expect(200);
    api.previews_recorded();
    api.a_moment_passes();
    api.post(&session, "/v1/session/downloads", &json!({ "path": "docs/a.txt" })).expect(200);
    api.a_moment_passes();
    let declared = api.declare(&session, "/v1/session/uploads", "docs/b.txt", b"b");
    api.put(&declared, b"b");
    api.a_moment_passes();
    let complete = format!("/v1/session/uploads/{}/complete", text(&declared, "id"));
    api.call("POST", &complete).bearer(&session).send().expect(200);
    api.a_moment_passes();
    api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
    api.a_moment_passes();
    api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(204);
    let told = history();
    assert_eq!(
        kinds(&told),
        [
            "share.created",
            "share.previewed",
            "share.claimed",
            "download.issued",
            "upload.created",
            "upload.completed",
            "share.refused",
            "share.revoked",
        ],
    );
    let events = items(&told);
    assert_eq!((&events[1]["outcome"], &events[1]["reason"]), (&json!("refused"), &json!("already_claimed")));
    let admin = json!({ "kind": "api_key", "id": api.tenant.admin.id, "label": "administrator" });
    assert_eq!((&events[0]["actor"], &events[7]["actor"]), (&admin, &admin));
    assert_eq!(events[4]["actor"], json!({ "kind": "session", "id": minted.id }));
    assert_eq!(events[6]["actor"], json!({ "kind": "bearer" }));
    assert_eq!(events[3]["resource"], declared["id"]);
    for secret in [&minted.token, &claimant, &session, "docs/"] {
        assert!(!told.to_string().contains(secret), "{told}");
    }
}

pub fn a_link_and_a_file_request_have_theirs(api: &Api) {
    api.upload(api.admin(), "a.txt", b"a");
    let artifact = api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["a.txt"] })).expect(201);
    let body = json!({ "artifact": artifact["id"], "password": "open" });
    let link = api.post(api.admin(), "/v1/links", &body).expect(201);
    api.a_moment_passes();
    api.public("/v1/links/redeem/preview", &json!({ "token": link["token"] })).expect(200);
    api.previews_recorded();
    api.a_moment_passes();
    let mut body = json!({ "token": link["token"], "claim_key": claim_key(), "password": "shut" });
    api.public("/v1/links/redeem", &body).problem(403, "password_wrong");
    api.a_moment_passes();
    body["password"] = json!("open");
    api.public("/v1/links/redeem", &body).expect(200);
    let told = api.get(api.admin(), &format!("/v1/links/{}/events", text(&link, "id"))).expect(200);
    assert_eq!(
        kinds(&told),
        [
            "link.created",
            "link.previewed",
            "link.password_tried",
            "link.refused",
            "link.password_tried",
            "link.claimed",
        ],
    );
    assert!(!told.to_string().contains(&text(&link, "token")), "{told}");

    let request = api.post(api.admin(), "/v1/file-requests", &json!({ "folder": "in/" })).expect(201);
    api.a_moment_passes();
    api.public("/v1/file-requests/redeem/preview", &json!({ "token": request["token"] })).expect(200);
    api.previews_recorded();
    api.a_moment_passes();
    let body = json!({ "token": request["token"], "claim_key": claim_key(), "name": "Ada" });
    let session = text(&api.public("/v1/file-requests/redeem", &body).expect(200), "session_token");
    api.a_moment_passes();
    let declared = api.declare(&session, "/v1/session/uploads", "b.txt", b"b");
    api.put(&declared, b"b");
    api.a_moment_passes();
    let complete = format!("/v1/session/uploads/{}/complete", text(&declared, "id"));
    api.call("POST", &complete).bearer(&session).send().expect(200);
    let events = format!("/v1/file-requests/{}/events", text(&request, "id"));
    let told = api.get(api.admin(), &events).expect(200);
    assert_eq!(
        kinds(&told),
        ["file_request.created", "file_request.previewed", "file_request.opened", "upload.created", "upload.completed",],
    );
    assert_eq!(items(&told)[0]["actor"], json!({ "kind": "submission", "id": request["id"] }));
    assert!(!told.to_string().contains("Ada") && !told.to_string().contains("b.txt"), "{told}");
}

pub fn a_history_is_for_who_may_inspect_the_thing(api: &Api) {
    let artifact = {
        api.upload(api.admin(), "a.txt", b"a");
        api.post(api.admin(), "/v1/artifacts", &json!({ "paths": ["a.txt"] })).expect(201)["id"].clone()
    };
    let share = api.mint(api.admin(), "read", &["a.txt"]).id;
    let link = text(&api.post(api.admin(), "/v1/links", &json!({ "artifact": artifact })).expect(201), "id");
    let request = text(&api.post(api.admin(), "/v1/file-requests", &json!({ "folder": "in/" })).expect(201), "id");
    let things = [format!("/v1/shares/{share}"), format!("/v1/links/{link}"), format!("/v1/file-requests/{request}")];
    let second = api.new_tenant("Second").admin.secret;
    let test_key = api.new_key(api.admin(), "test", &[("/", "admin")]).secret;
    let narrow = api.new_key(api.admin(), "live", &[("/", "write")]).secret;
    for thing in &things {
        let events = format!("{thing}/events");
        api.get(api.admin(), &events).expect(200);
        for stranger in [&second, &test_key, &narrow] {
            let answer = api.get(stranger, &events);
            answer.problem(404, "not_found");
            let never = api.get(stranger, &format!("{}{}/events", &thing[..thing.len() - 4], "0000"));
            assert_eq!(answer.but_for_the_request_id(), never.but_for_the_request_id());
        }
        api.call("GET", &events).send().problem(401, "unauthenticated");
    }
    let own = api.mint(&narrow, "read", &["a.txt"]).id;
    assert_eq!(kinds(&api.get(&narrow, &format!("/v1/shares/{own}/events")).expect(200)), ["share.created"]);
    for wrong in ["x", "shr_1", &share.replace("shr_", "lnk_")] {
        api.get(api.admin(), &format!("/v1/shares/{wrong}/events")).problem(404, "not_found");
    }
}

pub fn the_audit_trail_tells_everything_newest_first(api: &Api) {
    let key = api.new_key(api.admin(), "live", &[("/", "write")]);
    api.upload(&key.secret, "a.txt", b"a");
    for _ in 0..6 {
        let minted = api.mint(&key.secret, "read", &["a.txt"]);
        api.redeem(&minted.token, &claim_key()).expect(200);
        api.redeem(&minted.token, &claim_key()).problem(404, "dead_token");
    }
    let all = |query: &str, limit: usize| {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = api.get(api.admin(), &format!("/v1/audit?limit={limit}{query}{cursor}")).expect(200);
            assert!(items(&page).len() <= limit);
            found.extend(items(&page).iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    };
    let whole = all("", 1_000);
    let places: Vec<_> = whole.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(places.is_sorted_by(|a, b| a > b), "{places:?}");
    let told: Vec<_> = whole.iter().map(|event| (text(event, "type"), text(event, "resource"))).collect();
    let mut told = told;
    let mut happened = api.history();
    told.sort();
    happened.sort();
    assert_eq!(told, happened);
    for limit in [1, 2, 3, 7, whole.len() - 1, whole.len(), whole.len() + 1] {
        assert_eq!(all("", limit), whole, "by {limit}");
    }
    let refused: Vec<_> = whole.iter().filter(|event| event["type"] == "share.refused").cloned().collect();
    assert_eq!(refused.len(), 6);
    for limit in [1, 5, 6, 7] {
        assert_eq!(all("&type=share.refused", limit), refused, "by {limit}");
    }
    assert_eq!(all("&type=quota.changed", 10), Vec::<Value>::new());
    // One event, one id, wherever it is told.
    let claimed = whole.iter().find(|event| event["type"] == "share.claimed").unwrap();
    let history = api.get(api.admin(), &format!("/v1/shares/{}/events", text(claimed, "resource"))).expect(200);
    let mut told = claimed.clone();
    // But for its place among all others, and who was seen to ask.
    for place in ["seq", "hash", "prev_hash", "client"] {
        told.as_object_mut().unwrap().remove(place).unwrap();
    }
    assert!(items(&history).contains(&told), "{history}");

    for wrong in ["type=share.exploded", "type=", "limit=0", "limit=1001", "x=y", "cursor=x"] {
        assert_eq!(api.get(api.admin(), &format!("/v1/audit?{wrong}")).status, 422, "{wrong}");
    }
    // A cursor goes on with its own list alone.
    let cursor = text(&api.get(api.admin(), "/v1/audit?limit=1").expect(200), "next_cursor");
    assert_eq!(api.get(api.admin(), &format!("/v1/audit?cursor={cursor}&type=share.claimed")).status, 422);
    assert_eq!(api.get(api.admin(), &format!("/v1/shares?cursor={cursor}")).status, 422);
}

pub fn the_audit_trail_is_for_who_administers_and_of_their_own(api: &Api) {
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    api.redeem(&minted.token, &claim_key()).expect(200);
    for grants in [[("/", "write")], [("docs/", "admin")]] {
        let narrow = api.new_key(api.admin(), "live", &grants).secret;
        api.get(&narrow, "/v1/audit").problem(403, "forbidden");
    }
    let second = api.new_tenant("Second").admin.secret;
    let told = api.get(&second, "/v1/audit").expect(200);
    assert_eq!(sorted(kinds(&told)), ["api_key.created", "tenant.created"]);
    let test_key = api.new_key(api.admin(), "test", &[("/", "admin")]).secret;
    let told = api.get(&test_key, "/v1/audit").expect(200);
    assert_eq!(kinds(&told), ["api_key.created"]);
    let told = api.get(api.admin(), "/v1/audit?limit=1000").expect(200);
    assert!(!told.to_string().contains(&minted.token), "{told}");
}

#[test]
fn a_hundred_previews_are_ten_events_and_a_sum() {
    let (api, ..) = Laboratory::served();
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    for _ in 0..100 {
        api.preview(&minted.token).expect(200);
        api.previews_recorded();
    }
    assert_eq!(api.happened("share.previewed", &minted.id), 10);
    // Refusals of the same token are counted by themselves.
    api.open(&minted);
    for _ in 0..12 {
        api.preview(&minted.token).problem(404, "dead_token");
    }
    assert_eq!(api.happened("share.refused", &minted.id), 10);
    api.wait(api.broker().record_summaries(true));
    let history = api.get(api.admin(), &format!("/v1/shares/{}/events", minted.id)).expect(200);
    let sums = items(&history).iter().filter(|event| !event["count"].is_null());
    let mut sums: Vec<_> = sums.map(|event| (text(event, "type"), event["count"].as_u64().unwrap())).collect();
    sums.sort();
    assert_eq!(sums, [("share.previewed".into(), 90), ("share.refused".into(), 2)]);
}

#[test]
fn a_preview_stands_though_it_cannot_be_recorded_and_is_recorded_later() {
    let (api, _, faults) = Laboratory::served();
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    faults.fail_commits(true);
    for _ in 0..3 {
        api.preview(&minted.token).expect(200);
    }
    api.previews_recorded();
    assert_eq!(api.happened("share.previewed", &minted.id), 0);
    faults.fail_commits(false);
    api.wait(api.broker().record_summaries(true));
    let counts: Vec<_> = api.events(&api.ledger()).into_iter().filter_map(|event| event.count).collect();
    assert_eq!(counts, [3]);
}

/// A store that counts the rows of its commits.
struct Counting<B> {
    inner: B,
    rows: AtomicUsize,
}

#[async_trait]
impl<B: Backend> Backend for Counting<B> {
    async fn get(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable> {
        self.inner.get(keys).await
    }

    async fn query(&self, query: &Query) -> Result<Vec<Row>, Unavailable> {
        self.inner.query(query).await
    }

    async fn try_commit(&self, transaction: &Transaction) -> Result<(), Failure> {
        self.rows.store(transaction.writes().len() + transaction.outbox().count(), Ordering::SeqCst);
        self.inner.try_commit(transaction).await
    }

    async fn scan(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<Row>, Unavailable> {
        self.inner.scan(after, limit).await
    }

    async fn replace_body(&self, row: &Row, body: &[u8]) -> Result<bool, Unavailable> {
        self.inner.replace_body(row, body).await
    }

    async fn count(&self, counter: &RowKey, amount: u64, purge_after: Instant) -> Result<u64, Unavailable> {
        self.inner.count(counter, amount, purge_after).await
    }

    async fn remove_counters(&self, partition: &str) -> Result<(), Unavailable> {
        self.inner.remove_counters(partition).await
    }

    async fn identity(&self) -> Result<StoreIdentity, Unavailable> {
        self.inner.identity().await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.inner.ping().await
    }
}

/// The figures of ADR 8.
#[tokio::test]
async fn a_history_costs_one_row_of_each_commit() {
    let mut laboratory = Laboratory::new().await;
    let counting = Arc::new(Counting { inner: laboratory.faults.clone(), rows: AtomicUsize::new(0) });
    laboratory.broker.store = Store::new(counting.clone());
    let rows = || counting.rows.load(Ordering::SeqCst);

    let minted = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    assert_eq!(rows(), 5);
    let claimant = Claimant::new();
    laboratory.redeem(&minted, &claimant).await.unwrap();
    assert_eq!(rows(), 4);
    laboratory.redeem(&minted, &claimant).await.unwrap();
    assert_eq!(rows(), 2);
    assert!(laboratory.redeem(&minted, &Claimant::new()).await.is_err());
    assert_eq!(rows(), 2);
    let admin = laboratory.caller(&laboratory.tenant.admin).await.unwrap();
    laboratory.broker.revoke_share(&admin, minted.share.grant.id).await.unwrap();
    assert_eq!(rows(), 3);
    let page = PageRequest::default();
    let told = laboratory.broker.history_of_share(&admin, minted.share.grant.id, &page).await.unwrap();
    assert_eq!(told.items.len(), 5);
}
