//! Searches of long ledgers: the index passes over what cannot be what is looked for, and never over anything else.

use std::collections::BTreeSet;

use cloakroom::{
    crypto::record_hash,
    domain::{
        audit_index::{BLOCK, DRAWERS},
        event::{Actor, Event, EventType, Outcome},
        ids::{ApiKeyId, RequestId, ShareId},
        instant::Instant,
        ledger::{Record, Segment},
        tenant::{Mode, Namespace},
    },
    service::ledger_sweep::Extent,
    store::{Expected, Row, RowKey, Write},
};
use serde_json::Value;

use super::{
    calls::text,
    harness::Api,
    laboratory::Laboratory,
    ledger::{put, replica},
};

/// More than two blocks, so that there are records before, within and after what is indexed.
const RECORDS: u64 = 2 * BLOCK + 700;

/// As if it had begun long ago.
const BEGUN: u64 = 1_600_000_000;

/// Records that are like no others, on both sides of every border, and their neighbours are not.
const RARE: [u64; 9] = [64, 65, 4_000, BLOCK - 64, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK + 1, 2 * BLOCK + 690];

fn namespace(api: &Api) -> Namespace {
    Namespace { tenant: api.tenant.id.parse().unwrap(), mode: Mode::Live }
}

fn share(number: u64) -> ShareId {
    ShareId::new(Instant::from_unix_seconds(BEGUN), spread(number))
}

fn spread(number: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes
}

fn request(seq: u64) -> RequestId {
    RequestId::new(Instant::from_unix_seconds(BEGUN), spread(seq))
}

/// One key has done what is rare; the bearer all else.
fn rare_key() -> ApiKeyId {
    ApiKeyId::from_bytes([9; 16])
}

fn event(api: &Api, seq: u64) -> Event {
    let is_rare = RARE.contains(&seq);
    // One waited for a year until it was chained.
    let at = BEGUN + if seq == 5_000 { 0 } else { 31_536_000 + seq };
    Event {
        kind: if is_rare { EventType::ShareRefused } else { EventType::ShareCreated },
        namespace: namespace(api),
        actor: if is_rare { Actor::ApiKey { id: rare_key() } } else { Actor::Bearer },
        resource: share(seq / 10).to_string(),
        outcome: if is_rare { Outcome::Refused } else { Outcome::Done },
        reason: None,
        count: None,
        version: None,
        changed: Vec::new(),
        at: Instant::from_unix_seconds(at),
        request: Some(request(seq)),
        client: None,
        seen: None,
    }
}

/// Puts records behind the ledger, up to this one, in segments of several lengths.
fn fill(api: &Api, to: u64) {
    // What waits is chained.
    api.get(api.admin(), "/v1/audit?limit=1").expect(200);
    let keyring = &api.broker().keyring;
    let last = api.rows(&format!("ledger#{}", api.ledger())).pop().unwrap();
    let body = keyring.authentic_by_first_line(&last.key.partition, &last.key.sort, &last.body).unwrap();
    let mut head = Segment::read(body).unwrap().end();
    let mut lengths = [99, 98, 1, 70].into_iter().cycle();
    while head.size < to {
        let (first, mut records) = (head.size + 1, Vec::new());
        for _ in 0..lengths.next().unwrap().min(to - head.size) {
            let seq = head.size + 1;
            let id = format!("evt_{seq}");
            let record = Record { event: event(api, seq), id, prev_hash: head.hash.clone(), seq };
            let text = record.text().unwrap();
            (head.size, head.hash) = (seq, record_hash::of_record(&text));
            records.push(text);
        }
        let segment = Segment { first, records, head: head.hash.clone() };
        let key = RowKey::new(format!("ledger#{}", api.ledger()), format!("{first:016x}"));
        let body = keyring.authenticate_first_line(&key.partition, &key.sort, segment.text().as_bytes());
        api.write(Write { key, expected: Expected::Absent, body, purge_after: None });
    }
}

fn sweep(api: &Api) {
    let swept = api.wait(api.broker().sweep_ledger(namespace(api), Extent::Whole)).unwrap();
    assert_eq!(swept.broken, None);
}

fn index(api: &Api) -> Vec<Row> {
    let drawers = (0..DRAWERS).flat_map(|drawer| api.rows(&format!("ledger-index#{}#{drawer}", api.ledger())));
    drawers.chain(api.rows(&format!("ledger-times#{}", api.ledger()))).collect()
}

/// What a search finds, page by page, and on how many pages.
fn found(api: &Api, query: &str, limit: usize) -> (Vec<u64>, usize) {
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = api.get(api.admin(), &format!("/v1/audit?limit={limit}&{query}{cursor}")).expect(200);
        found.extend(page["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap()));
        pages += 1;
        let Some(next) = page["next_cursor"].as_str() else { return (found, pages) };
        cursor = format!("&cursor={next}");
    }
}

fn newest_first(seqs: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let seqs: BTreeSet<_> = seqs.into_iter().collect();
    seqs.into_iter().rev().collect()
}

fn of_share(number: u64) -> Vec<u64> {
    newest_first(number * 10..number * 10 + 10)
}

/// At the second of this record.
fn second(seq: u64) -> Instant {
    Instant::from_unix_seconds(BEGUN + 31_536_000 + seq)
}

#[track_caller]
fn everything_is_found(api: &Api) {
    let all = |query: &str| found(api, query, 1_000).0;
    assert_eq!(all("outcome=refused"), newest_first(RARE));
    assert_eq!(all("type=share.refused"), newest_first(RARE));
    assert_eq!(all(&format!("actor={}", rare_key())), newest_first(RARE));
    assert_eq!(all("actor=api_key&type=share.refused"), newest_first(RARE));
    for number in [10, 400, 819, 820, 1_638, 1_639, 1_700] {
        let resource = share(number);
        assert_eq!(all(&format!("resource={resource}")), of_share(number), "{number}");
        let rare: Vec<_> = of_share(number).into_iter().filter(|seq| RARE.contains(seq)).collect();
        assert_eq!(all(&format!("resource={resource}&outcome=refused")), rare, "{number}");
    }
    for seq in [11, 64, 65, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1, RECORDS] {
        assert_eq!(all(&format!("request_id={}", request(seq))), [seq]);
        let (after, before) = (second(seq - 1), second(seq + 1));
        assert_eq!(all(&format!("after={after}&before={before}")), [seq]);
    }
    let (after, before) = (second(BLOCK - 100), second(BLOCK + 100));
    let within = format!("after={after}&before={before}");
    assert_eq!(all(&within), newest_first(BLOCK - 99..BLOCK + 100));
    assert_eq!(all(&format!("{within}&outcome=refused")), [BLOCK + 1, BLOCK, BLOCK - 64]);
    // However long it waited to be chained.
    let year = Instant::from_unix_seconds(BEGUN + 1);
    assert_eq!(all(&format!("before={year}")), [5_000]);
    for nothing in
        [format!("resource={}", share(99_999)), "actor=usr_nobody".into(), format!("after={before}&before={after}")]
    {
        assert_eq!(found(api, &nothing, 50), (Vec::new(), 1), "{nothing}");
    }
}

pub fn a_search_of_a_long_ledger_finds_all_there_is_and_nothing_else(api: &Api) {
    fill(api, RECORDS);
    // It may be indexed already: brokers sweep by themselves.
    everything_is_found(api);
    sweep(api);
    // Of two blocks; the third is not complete.
    let made = index(api);
    assert_eq!(made.len(), 2 * (DRAWERS + 1));
    everything_is_found(api);
    // Nothing is written again.
    sweep(api);
    assert_eq!(index(api), made);
}

pub fn pages_lose_and_double_nothing_while_others_append(api: &Api) {
    fill(api, RECORDS);
    sweep(api);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..100 {
        let page = api.get(api.admin(), &format!("/v1/audit?limit=2&outcome=refused{cursor}")).expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        api.redeem("crs_nothing", "no claim key");
        api.mint(api.admin(), "read", &["a.txt"]);
    }
    assert_eq!(seen, newest_first(RARE));
    // In single steps over every border of the blocks.
    let (after, before) = (second(BLOCK - 10), second(BLOCK + 10));
    assert_eq!(found(api, &format!("after={after}&before={before}"), 3).0, newest_first(BLOCK - 9..BLOCK + 10));
}

#[test]
fn an_index_that_is_doctored_or_removed_hides_nothing() {
    let (api, _, _) = Laboratory::served();
    fill(&api, RECORDS);
    assert!(index(&api).is_empty());
    everything_is_found(&api);
    sweep(&api);
    let made = index(&api);
    let keyring = &api.broker().keyring;
    let nothing = |row: &Row| vec![0; keyring.authentic(&row.key.partition, &row.key.sort, &row.body).unwrap().len()];
    // Whoever has the root keys could hide what they like: so it is asked.
    for row in &made {
        put(&api, &row.key, keyring.authenticate(&row.key.partition, &row.key.sort, &nothing(row)));
    }
    let left = found(&api, "outcome=refused", 50).0;
    // What is read with the newest records begins a little before them.
    assert!(left.starts_with(&[2 * BLOCK + 690, 2 * BLOCK + 1]) && !left.contains(&BLOCK), "{left:?}");
    assert_eq!(found(&api, &format!("after={}&before={}", second(100), second(200)), 50).0, Vec::<u64>::new());
    // But not for long: it does not end where the ledger has it, and is made anew.
    sweep(&api);
    everything_is_found(&api);
    let bodies = |rows: &[Row]| rows.iter().map(|row| row.body.clone()).collect::<Vec<_>>();
    assert_eq!(bodies(&index(&api)), bodies(&made));

    // Whoever has the database alone, and knows the name of a root key.
    let other_block =
        |row: &Row| made.iter().find(|other| other.key.partition == row.key.partition && other.key != row.key);
    type Doctoring<'a> = Box<dyn Fn(&Row) -> Vec<u8> + 'a>;
    let doctored: [Doctoring<'_>; 5] = [
        Box::new(|row| [&row.body[..36], &nothing(row)].concat()),
        Box::new(|row| [vec![7; 36], nothing(row)].concat()),
        Box::new(|row| other_block(row).unwrap().body.clone()),
        Box::new(|_| keyring.authenticate("ledger-index#elsewhere#0", "0000000000000001", &[0; 3_840])),
        Box::new(|_| Vec::new()),
    ];
    for doctor in doctored {
        made.iter().for_each(|row| put(&api, &row.key, doctor(row)));
        everything_is_found(&api);
    }
    // One drawer alone is made anew, too.
    sweep(&api);
    put(&api, &made[3].key, Vec::new());
    sweep(&api);
    assert_eq!(bodies(&index(&api)), bodies(&made));
}

#[test]
fn whoever_chains_a_block_to_its_end_has_it_indexed() {
    let (api, _, _) = Laboratory::served();
    fill(&api, BLOCK - 1);
    let broker = replica(api.broker());
    for _ in 0..2 {
        api.wait(broker.recover_operator()).unwrap();
    }
    // What chains does not index; the next round of the same process does.
    assert_eq!(api.wait(broker.chain(namespace(&api))).unwrap(), 2);
    assert!(index(&api).is_empty());
    api.wait(broker.chain_lately()).unwrap();
    assert_eq!(index(&api).len(), DRAWERS + 1);
}

#[test]
fn an_index_that_cannot_be_written_is_made_by_the_next_sweep() {
    let (api, _, faults) = Laboratory::served();
    fill(&api, BLOCK + 10);
    sweep_failing(&api, || faults.fail_commits(true));
    assert!(index(&api).is_empty());
    faults.fail_commits(false);
    sweep(&api);
    assert_eq!(index(&api).len(), DRAWERS + 1);
    let created: Value = api.get(api.admin(), "/v1/audit?type=tenant.created").expect(200);
    assert_eq!(text(&created["items"][0], "type"), "tenant.created");
}

fn sweep_failing(api: &Api, fail: impl FnOnce()) {
    fail();
    assert!(api.wait(api.broker().sweep_ledger(namespace(api), Extent::Whole)).is_err());
}
