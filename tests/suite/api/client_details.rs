//! From where and with which program somebody asked: told to administrators for a time, sealed, and never part of the ledger itself.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use cloakroom::{
    clock::Clock,
    domain::{client::ClientRetention, event::EventType, permission::SharePermission},
    store::{Direction, Expected, Query, Store, Write, embedded::EmbeddedStore},
};
use serde_json::{Value, json};

use super::{
    calls::text,
    harness::{Api, Tenant, claim_key},
    laboratory::{Claimant, Laboratory},
};

const AGENT: &str = "Courier/3.1 (agent-canary)";

fn audit(api: &Api, query: &str) -> Vec<Value> {
    api.get(api.admin(), &format!("/v1/audit?{query}")).expect(200)["items"].as_array().unwrap().clone()
}

fn redeem_as(api: &Api, token: &str, agent: &str) {
    let body = json!({ "token": token, "claim_key": claim_key() });
    api.call("POST", "/v1/shares/redeem").header("user-agent", agent).json(&body).send();
}

pub fn it_is_told_who_asked(api: &Api) {
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    api.all_is_chained();
    redeem_as(api, &minted.token, AGENT);
    api.all_is_chained();
    redeem_as(api, &minted.token, "Other/1");
    let of_share = audit(api, &format!("resource={}", minted.id));
    let [refused, claimed, _] = of_share.as_slice() else { panic!("{of_share:?}") };
    assert_eq!(claimed["client"], json!({ "address": "127.0.0.1", "user_agent": AGENT }));
    assert_eq!((&refused["type"], &refused["client"]["user_agent"]), (&json!("share.refused"), &json!("Other/1")));
    // The ledger holds a commitment; what opens it lies beside, sealed. Histories tell neither.
    let ledger: Vec<u8> = api.rows(&format!("ledger#{}", api.ledger())).into_iter().flat_map(|row| row.body).collect();
    let beside = api.rows(&format!("ledger-clients#{}", api.ledger()));
    assert!(!beside.is_empty());
    let beside: Vec<u8> = beside.into_iter().flat_map(|row| row.body).collect();
    for stored in [&ledger, &beside] {
        let stored = String::from_utf8_lossy(stored);
        assert!(!stored.contains("agent-canary") && !stored.contains("127.0.0.1"), "{stored}");
    }
    assert!(String::from_utf8_lossy(&ledger).contains("\"client\":\""));
    let history = api.get(api.admin(), &format!("/v1/shares/{}/events", minted.id)).expect(200).to_string();
    assert!(!history.contains("canary") && !history.contains("127.0.0.1"), "{history}");
}

#[test]
fn what_was_erased_leaves_the_ledger_as_it_was() {
    let (api, _, _) = Laboratory::served();
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    redeem_as(&api, &minted.token, AGENT);
    assert_eq!(audit(&api, "type=share.claimed")[0]["client"]["user_agent"], AGENT);
    let head = api.get(api.admin(), "/v1/audit/verify").expect(200)["head"].clone();
    for row in api.rows(&format!("ledger-clients#{}", api.ledger())) {
        assert!(!row.body.is_empty());
        api.write(Write {
            key: row.key,
            expected: Expected::Version(row.version),
            body: Vec::new(),
            purge_after: None,
        });
    }
    assert!(audit(&api, "type=share.claimed")[0]["client"].is_null());
    let verified = api.get(api.admin(), "/v1/audit/verify").expect(200);
    assert_eq!((&verified["intact"], &verified["head"]), (&json!(true), &head));
}

#[test]
fn what_lies_beside_is_told_only_if_the_record_is_committed_to_it() {
    let (api, _, _) = Laboratory::served();
    let shares = [0, 1].map(|_| api.mint(api.admin(), "read", &["a.txt"]));
    audit(&api, "");
    for (share, agent) in shares.iter().zip(["First/1", "Second/1"]) {
        redeem_as(&api, &share.token, agent);
        audit(&api, "");
    }
    assert_eq!(audit(&api, "type=share.claimed")[0]["client"]["user_agent"], "Second/1");
    // The sealed field of one row in the place of the other's opens nothing; one from an older state of its own would.
    let rows = api.rows(&format!("ledger-clients#{}", api.ledger()));
    let [.., first, second] = rows.as_slice() else { panic!("{rows:?}") };
    let (key, expected) = (second.key.clone(), Expected::Version(second.version));
    let keyring = &api.broker().keyring;
    let body = keyring.authentic(&first.key.partition, &first.key.sort, &first.body).unwrap();
    let body = keyring.authenticate(&key.partition, &key.sort, body);
    api.write(Write { key, expected, body, purge_after: None });
    let claimed = audit(&api, "type=share.claimed");
    assert!(claimed[0]["client"].is_null());
    assert_eq!(claimed[1]["client"]["user_agent"], "First/1");
}

#[test]
fn where_it_is_not_kept_nothing_is_committed_to() {
    let api = Laboratory::served_keeping_clients_for(ClientRetention::of_all(Duration::ZERO));
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    redeem_as(&api, &minted.token, AGENT);
    assert!(audit(&api, "").iter().all(|item| item["client"].is_null()));
    assert!(api.rows(&format!("ledger-clients#{}", api.ledger())).is_empty());
    for row in api.rows(&format!("ledger#{}", api.ledger())) {
        assert!(!String::from_utf8_lossy(&row.body).contains("\"client\":"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_class_is_kept_for_as_long_as_is_said_of_it() {
    let mut laboratory = Laboratory::new().await;
    let folder = tempfile::tempdir().unwrap();
    let embedded = Arc::new(EmbeddedStore::open(folder.path()).unwrap());
    laboratory.broker.store = Store::new(embedded.clone());
    let retention = ClientRetention::in_days(90, "refusals=0,recipients=2").unwrap();
    laboratory.broker.settings.live.change(|settings| settings.client_details = retention);
    let broker = laboratory.broker.clone();
    laboratory.tenant = Tenant::of(&broker.create_first_tenant("First".into()).await.unwrap());
    let minted = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    laboratory.redeem(&minted, &Claimant::new()).await.unwrap();
    assert!(laboratory.redeem(&minted, &Claimant::new()).await.is_err());
    let told = laboratory.events().await;
    let committed = |kind| told.iter().find(|event| event.kind == kind).unwrap().client.is_some();
    let kinds = [EventType::ShareCreated, EventType::ShareClaimed, EventType::ShareRefused];
    assert_eq!(kinds.map(committed), [true, true, false]);

    let kept = || async {
        let query = Query {
            partition: format!("ledger-clients#{}#live", laboratory.tenant.id),
            begins_with: String::new(),
            after: None,
            limit: 100,
            direction: Direction::Ascending,
        };
        let rows = broker.store.query(&query).await.unwrap();
        rows.iter().map(|row| row.key.sort.split_once('#').unwrap().1.to_owned()).collect::<BTreeSet<_>>()
    };
    let classes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(kept().await, classes(&["administration", "recipients"]));
    let days = |count: u64| Duration::from_secs(count * 24 * 3600);
    embedded.sweep(laboratory.clock.now().plus(days(2) - Duration::from_secs(1)), 1_000).await.unwrap();
    assert_eq!(kept().await, classes(&["administration", "recipients"]));
    embedded.sweep(laboratory.clock.now().plus(days(2)), 1_000).await.unwrap();
    assert_eq!(kept().await, classes(&["administration"]));
    embedded.sweep(laboratory.clock.now().plus(days(90)), 1_000).await.unwrap();
    assert_eq!(kept().await, classes(&[]));
}

pub fn the_trail_is_searched(api: &Api) {
    let key = api.new_key(api.admin(), "live", &[("docs/", "read")]);
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    api.all_is_chained();
    api.redeem(&minted.token, &claim_key()).expect(200);
    api.all_is_chained();
    api.redeem(&minted.token, &claim_key());
    let own = api.mint(&key.secret, "read", &["docs/a.txt"]);
    let types = |query: &str| -> Vec<_> { audit(api, query).iter().map(|item| text(item, "type")).collect() };
    let all = audit(api, "limit=1000");
    assert_eq!(types(&format!("resource={}", minted.id)), ["share.refused", "share.claimed", "share.created"]);
    assert_eq!(types(&format!("resource={}&outcome=done", minted.id)), ["share.claimed", "share.created"]);
    assert_eq!(types(&format!("resource={}&actor=bearer", minted.id)), ["share.refused"]);
    assert_eq!(types(&format!("actor={}", minted.id)), ["share.claimed"]);
    assert_eq!(types(&format!("actor={}", key.id)), ["share.created"]);
    assert_eq!(types(&format!("actor={}&type=share.claimed", key.id)), [""; 0]);
    assert_eq!(types("outcome=refused"), ["share.refused"]);
    let one = all.iter().find(|item| item["resource"] == own.id.as_str()).unwrap();
    assert_eq!(types(&format!("request_id={}", text(one, "request"))), ["share.created"]);
    // By time, each bound for itself and both together.
    let at = text(one, "at");
    let count = |query: &str| audit(api, &format!("limit=1000&{query}")).len();
    let not_before = count(&format!("after={at}"));
    let (before, same) = (count(&format!("before={at}")), all.iter().filter(|item| item["at"] == at.as_str()).count());
    assert_eq!(not_before + before + same, all.len());
    assert_eq!(count(&format!("after={at}&before={at}")), 0);
    assert_eq!((count("before=2001-01-01T00:00:00Z"), count("after=2100-01-01T00:00:00Z")), (0, 0));
    assert_eq!(count("after=2001-01-01T00:00:00Z&before=2100-01-01T00:00:00Z"), all.len());
    for (query, name) in [("outcome=x", "outcome"), ("type=x", "type"), ("after=yesterday", "after"), ("who=me", "who")]
    {
        let problem = api.get(api.admin(), &format!("/v1/audit?{query}"));
        assert_eq!(problem.status, 422, "{name} {problem:?}");
    }
    let long = "x".repeat(101);
    for name in ["actor", "resource", "request_id"] {
        let problem = api.get(api.admin(), &format!("/v1/audit?{name}={long}")).problem(422, "invalid");
        assert_eq!(problem.pointer.as_deref(), Some(name));
    }
    // A cursor goes on with the search that it is of.
    let page = api.get(api.admin(), &format!("/v1/audit?limit=1&resource={}", minted.id)).expect(200);
    let cursor = text(&page, "next_cursor");
    let next = audit(api, &format!("limit=1&resource={}&cursor={cursor}", minted.id));
    assert_eq!(next[0]["type"], "share.claimed");
    api.get(api.admin(), &format!("/v1/audit?limit=1&cursor={cursor}")).problem(422, "invalid");
}
