//! The ledger: every event once and in its place, by whichever replica; and whatever is changed in it is found.

use std::collections::BTreeSet;

use cloakroom::{
    domain::{
        ledger::Segment,
        tenant::{Mode, Namespace},
    },
    service::Broker,
    store::{
        Expected, Row, RowKey, Store, Write,
        faulty::{Fault, FaultyStore},
        memory::MemoryStore,
    },
};
use serde_json::{Value, json};

use super::{
    calls::text,
    harness::{Api, Backend},
    laboratory::Laboratory,
};
use crate::program::process::until;

fn verified(api: &Api, key: &str) -> Value {
    api.get(key, "/v1/audit/verify").expect(200)
}

fn items(api: &Api, query: &str) -> Vec<Value> {
    api.get(api.admin(), &format!("/v1/audit{query}")).expect(200)["items"].as_array().unwrap().clone()
}

fn segments(api: &Api) -> Vec<Row> {
    api.rows(&format!("ledger#{}", api.ledger()))
}

pub fn what_happens_is_chained_within_a_second_though_nobody_asks(api: &Api) {
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    // By the round of some replica: nothing here reads the audit trail.
    until("it is in the ledger", || {
        let told = segments(api).iter().any(|row| String::from_utf8_lossy(&row.body).contains(&minted.id));
        told.then_some(())
    });
    for shard in 0..8 {
        let waiting = api.rows(&format!("outbox#{}#{shard}", api.ledger()));
        assert!(waiting.is_empty(), "{waiting:?}");
    }
}

pub fn every_record_has_its_place_and_follows_the_one_before(api: &Api) {
    for number in 0..5 {
        api.upload(api.admin(), &format!("{number}.txt"), b"x");
        api.open(&api.mint(api.admin(), "read", &["0.txt"]));
    }
    let all = items(api, "?limit=1000");
    let count = all.len() as u64;
    assert!(count > 15, "{count}");
    for (at, record) in all.iter().enumerate() {
        assert_eq!(record["seq"], json!(count - at as u64));
        if let Some(before) = all.get(at + 1) {
            assert_eq!(record["prev_hash"], before["hash"]);
        }
    }
    let ids: BTreeSet<_> = all.iter().map(|record| text(record, "id")).collect();
    assert_eq!(ids.len(), all.len());
    let (found, last) = (verified(api, api.admin()), &all[0]);
    assert_eq!((&found["intact"], &found["head"], &found["next_cursor"]), (&json!(true), &last["hash"], &json!(null)));
    assert_eq!(found["records"], json!(count));

    // Page by page it is the same list.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(api.admin(), &format!("/v1/audit?limit=4{cursor}")).expect(200);
        paged.extend(page["items"].as_array().unwrap().iter().map(|record| text(record, "id")));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all.iter().map(|record| text(record, "id")).collect::<Vec<_>>());
    let claimed = items(api, "?type=share.claimed");
    assert_eq!(claimed.len(), 5);
}

pub fn every_namespace_has_a_ledger_of_its_own(api: &Api) {
    let other = api.new_tenant("Other");
    let test = api.new_key(api.admin(), "test", &[("/", "admin")]);
    api.mint(&other.admin.secret, "read", &["a.txt"]);
    let heads: Vec<_> = [api.admin(), &other.admin.secret, &test.secret]
        .map(|key| {
            let found = verified(api, key);
            assert_eq!(found["intact"], true);
            text(&found, "head")
        })
        .into_iter()
        .collect();
    assert_eq!(heads.iter().collect::<BTreeSet<_>>().len(), 3);
    let narrow = api.new_key(api.admin(), "live", &[("docs/", "read")]);
    api.get(&narrow.secret, "/v1/audit/verify").problem(403, "forbidden");
    let cursor = api.get(api.admin(), "/v1/audit/verify?cursor=x");
    assert_eq!(cursor.problem(422, "invalid").pointer.as_deref(), Some("cursor"));
}

/// The last segment of some records, and what it says.
fn doctored(api: &Api, change: impl Fn(&mut Vec<String>)) {
    let row = segments(api).pop().unwrap();
    let keyring = &api.broker().keyring;
    let body = keyring.authentic_by_first_line(&row.key.partition, &row.key.sort, &row.body).unwrap();
    let Segment { first, records, head } = Segment::read(body).unwrap();
    let mut records = records.into_iter().map(str::to_owned).collect();
    change(&mut records);
    let segment = Segment { first, records, head };
    // As only somebody with the root keys could.
    let body = keyring.authenticate_first_line(&row.key.partition, &row.key.sort, segment.text().as_bytes());
    put(api, &row.key, body);
}

pub fn put(api: &Api, key: &RowKey, body: Vec<u8>) {
    let expected = Expected::Version(api.row(&key.partition, &key.sort).version);
    api.write(Write { key: key.clone(), expected, body, purge_after: None });
}

#[test]
fn whatever_is_changed_is_found_and_named() {
    let word = |records: &mut Vec<String>| {
        records[1] = records[1].replace("\"done\"", "\"refused\"");
    };
    let last_word = |records: &mut Vec<String>| {
        records[3] = records[3].replace("\"done\"", "\"refused\"");
    };
    let spaced = |records: &mut Vec<String>| {
        records[2] = records[2].replacen(',', ", ", 1);
    };
    type Change = Box<dyn Fn(&mut Vec<String>)>;
    // Of four records: the first that is not as it must be, and what is said of it.
    let changes: [(Change, u64, &str); 6] = [
        (Box::new(word), 3, "does not follow"),
        (Box::new(last_word), 4, "not the one that was written"),
        (Box::new(spaced), 3, "not canonical"),
        (Box::new(|records| drop(records.remove(1))), 2, "number of another place"),
        (Box::new(|records| drop(records.pop())), 3, "not the one that was written"),
        (Box::new(|records| records.swap(1, 2)), 2, "number of another place"),
    ];
    // Nothing happens there by itself.
    let (api, _, _) = Laboratory::served();
    for (change, wrong, problem) in changes {
        let before = verified(&api, api.admin())["records"].as_u64().unwrap();
        for _ in 0..4 {
            api.mint(api.admin(), "read", &["a.txt"]);
        }
        let intact = verified(&api, api.admin());
        assert_eq!((&intact["intact"], &intact["records"]), (&json!(true), &json!(before + 4)));
        let row = segments(&api).pop().unwrap();
        doctored(&api, &change);
        let found = verified(&api, api.admin());
        assert_eq!((&found["intact"], &found["broken"]["seq"]), (&json!(false), &json!(before + wrong)), "{found}");
        assert!(text(&found["broken"], "problem").contains(problem), "{found}");
        put(&api, &row.key, row.body);
    }
    // A whole segment less, in the middle and at the beginning.
    let row = segments(&api).remove(1);
    put(&api, &row.key, Vec::new());
    let found = verified(&api, api.admin());
    assert!(text(&found["broken"], "problem").contains("not authentic"), "{found}");
}

#[test]
fn what_somebody_with_the_database_writes_is_no_record() {
    let api = Api::start(Backend::Embedded);
    api.mint(api.admin(), "read", &["a.txt"]);
    let (count, row) = (verified(&api, api.admin())["records"].clone(), segments(&api).remove(0));
    put(&api, &row.key, [&row.body[..36], format!("1 {}\n{{}}\n", "0".repeat(64)).as_bytes()].concat());
    let found = verified(&api, api.admin());
    assert_eq!((&found["intact"], &found["broken"]["seq"]), (&json!(false), &json!(1)), "{found}");
    assert!(text(&found["broken"], "problem").contains("not authentic"));
    put(&api, &row.key, row.body.clone());
    assert_eq!(verified(&api, api.admin())["records"], count);
}

#[test]
fn an_event_that_was_slipped_into_the_outbox_is_told_as_that() {
    let (api, _, _) = Laboratory::served();
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    assert_eq!(verified(&api, api.admin())["intact"], true);
    let forged = json!({
        "type": "share.revoked", "namespace": { "tenant": api.tenant.id, "mode": "live" }, "actor": { "kind": "system" },
        "resource": minted.id, "outcome": "done", "at": "2027-01-15T08:00:00Z",
    });
    let key = RowKey::new(format!("outbox#{}#3", api.ledger()), format!("att_{}#00", "0".repeat(32)));
    // Whoever has the database knows the name of the root key, and not the key.
    let kid = segments(&api)[0].body[..4].to_vec();
    let body = [kid, vec![0; 32], serde_json::to_vec(&forged).unwrap()].concat();
    api.write(Write { key: key.clone(), expected: Expected::Absent, body, purge_after: None });
    let newest = items(&api, "?limit=1").remove(0);
    assert_eq!((&newest["type"], &newest["outcome"]), (&json!("ledger.event_rejected"), &json!("refused")));
    assert_eq!(newest["resource"], json!(format!("evt_{}00", "0".repeat(32))));
    assert_eq!(api.happened("share.revoked", &minted.id), 0);
    assert!(api.rows(&key.partition).is_empty());
    assert_eq!(verified(&api, api.admin())["intact"], true);
}

/// Some of the broker's replicas, each with its own memory.
pub fn replica(broker: &Broker) -> Broker {
    Broker { ledgers: std::sync::Arc::default(), ..broker.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_chain_at_once_under_every_fault_chain_each_event_once() {
    let laboratory = Laboratory::new().await;
    let faulty = std::sync::Arc::new(FaultyStore::new(MemoryStore::new()));
    let broker = Broker { store: Store::new(faulty.clone()), ..laboratory.broker.clone() };
    let tenant = broker.create_first_tenant("First".into()).await.unwrap().tenant;
    let namespace = Namespace { tenant: tenant.id, mode: Mode::Live };
    // The first key and its tenant; then keys, one after the other.
    let faults = Fault::ALL.into_iter().flat_map(|first| Fault::ALL.map(|then| [first, then, Fault::Ok]));
    faulty.plan(faults.flatten().cycle().take(2_000));
    let making = tokio::spawn({
        let broker = replica(&broker);
        async move {
            for _ in 0..60 {
                broker.recover_operator().await.unwrap();
            }
        }
    });
    let chaining = (0..3).map(|_| {
        let broker = replica(&broker);
        tokio::spawn(async move {
            for _ in 0..40 {
                // Under such faults one may be outrun, or hear nothing.
                let _again = broker.chain(namespace).await;
            }
        })
    });
    for chaining in chaining.collect::<Vec<_>>() {
        chaining.await.unwrap();
    }
    making.await.unwrap();
    faulty.clear_plan();
    faulty.settle().await;
    broker.chain(namespace).await.unwrap();
    let events = super::deeds::events(&broker, &format!("{}#live", tenant.id)).await;
    // The tenant's and its first key's, and one of each key that was made.
    assert_eq!(events.len(), 62);
    let resources: BTreeSet<_> = events.iter().map(|event| &event.resource).collect();
    assert_eq!(resources.len(), 62, "an event twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_events_wait_all_are_chained_in_their_order() {
    let laboratory = Laboratory::new().await;
    let broker = laboratory.broker.clone();
    let namespace = Namespace { tenant: laboratory.tenant.id.parse().unwrap(), mode: Mode::Live };
    // More than is read at a time of any part of the outbox.
    for _ in 0..4_500 {
        laboratory.clock.advance(std::time::Duration::from_millis(1));
        broker.recover_operator().await.unwrap();
    }
    assert_eq!(broker.chain(namespace).await.unwrap(), 4_502);
    assert_eq!(broker.chain(namespace).await.unwrap(), 0);
    let events = super::deeds::events(&broker, &format!("{}#live", namespace.tenant)).await;
    assert_eq!(events.len(), 4_502);
    let made: Vec<_> = events.iter().map(|event| event.at).collect();
    assert!(made.is_sorted(), "an event before an earlier one");
}
