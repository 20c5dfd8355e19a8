//! What somebody has changed who can write the database, and has no root key: a sweep, which lets signed checkpoints vouch for what
//! lies before them, finds it all the same, before a checkpoint and after it, and names the first record; and nobody is shown it.

use cloakroom::{
    crypto::record_hash,
    domain::ledger::{Broken, RecordHash, Segment, Wrong},
    service::ledger_sweep::Extent,
    store::Row,
};
use serde_json::{Value, json};

use super::{
    checkpoints::{namespace, put, segments},
    harness::Api,
    laboratory::Laboratory,
};

/// How a row begins before its body.
const MAC: usize = 36;

fn swept(api: &Api) -> Option<Broken> {
    api.wait(api.broker().sweep_ledger(namespace(api), Extent::Whole)).unwrap().broken
}

/// Lets a row say this, with the hashes that belong to it, from `before` on; nothing vouches for it. The hash of its last record.
fn rewritten(
    api: &Api,
    row: &Row,
    before: Option<&RecordHash>,
    change: impl Fn(usize, &mut Value),
    more: usize,
) -> RecordHash {
    let Segment { first, records, .. } = Segment::read(&row.body[MAC..]).unwrap();
    let mut hash = before.cloned();
    let mut texts: Vec<String> = Vec::new();
    let mut values: Vec<Value> = records.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    for _ in 0..more {
        values.push(values.last().unwrap().clone());
    }
    for (index, mut value) in values.into_iter().enumerate() {
        change(index, &mut value);
        value["seq"] = json!(first + index as u64);
        if let Some(hash) = &hash {
            value["prev_hash"] = json!(hash.as_str());
        }
        // Of these members the library keeps the order of their names, which is that of canonical JSON.
        texts.push(value.to_string());
        hash = texts.last().map(|text| record_hash::of_record(text));
    }
    let head = hash.unwrap();
    let segment = Segment { first, records: texts, head: head.clone() };
    put(api, row, [&row.body[..MAC], segment.text().as_bytes()].concat());
    head
}

fn refused(index: usize, record: &mut Value) {
    if index == 1 {
        record["outcome"] = json!("refused");
    }
}

#[test]
fn what_somebody_with_the_database_has_changed_is_named_before_a_checkpoint_and_after_it() {
    let (api, _, _) = Laboratory::served();
    let mint = |count: usize| (0..count).for_each(|_| drop(api.mint(api.admin(), "read", &["a.txt"])));
    let verified = || api.get(api.admin(), "/v1/audit/verify").expect(200);
    mint(4);
    verified();
    mint(2);
    api.post(api.admin(), "/v1/audit/checkpoints", &json!({})).expect(200);
    mint(3);
    let size = verified()["records"].as_u64().unwrap();
    let rows = segments(&api);
    let first = |row: &Row| Segment::read(&row.body[MAC..]).unwrap().first;
    assert!(rows.len() >= 3, "two segments before the checkpoint, one after it");
    let (last, not_authentic) = (rows.last().unwrap(), |seq| Some(Broken { seq, what: Wrong::NotAuthentic }));
    let restore = || rows.iter().for_each(|row| put(&api, row, row.body.clone()));

    // A record more at the end, with all its hashes right.
    rewritten(&api, last, None, |_, _| {}, 1);
    assert_eq!(swept(&api), not_authentic(first(last)));
    restore();
    // A word in the first segment: the chain breaks behind it, and the row that did it is named.
    rewritten(&api, &rows[0], None, refused, 0);
    assert_eq!(swept(&api), not_authentic(1));
    restore();
    // A row that nobody could read any more, though not a byte of what it says was changed.
    put(&api, &rows[1], [&[rows[1].body[0] ^ 1], &rows[1].body[1..]].concat());
    assert_eq!(swept(&api), not_authentic(first(&rows[1])));
    restore();
    let unread = [&rows[1].body[..MAC - 1], &[rows[1].body[MAC - 1] ^ 1], &rows[1].body[MAC..]].concat();
    put(&api, &rows[1], unread);
    assert_eq!(swept(&api), not_authentic(first(&rows[1])));
    restore();
    // The whole chain written anew from there on, which a checkpoint alone would find, behind it.
    let mut before = None;
    for row in &rows {
        before = Some(rewritten(
            &api,
            row,
            before.as_ref(),
            |index, record| {
                if before.is_none() {
                    refused(index, record)
                }
            },
            0,
        ));
    }
    assert_eq!(swept(&api), not_authentic(1));
    assert_eq!(verified()["broken"]["seq"], json!(1));
    // As it was, it is whole.
    restore();
    assert_eq!(swept(&api), None);
    assert_eq!(verified()["records"].as_u64().map(|now| now >= size), Some(true));
}

/// Puts the records of a segment in another form behind the first line that it genuinely has.
fn behind_its_line(api: &Api, row: &Row, change: impl FnOnce(&mut Vec<String>)) {
    let body = &row.body[MAC..];
    let line = body.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut records = Segment::read(body).unwrap().records.into_iter().map(str::to_owned).collect();
    change(&mut records);
    let records = records.iter().map(|record| format!("{record}\n")).collect::<String>();
    put(api, row, [&row.body[..MAC + line], records.as_bytes()].concat());
}

#[test]
fn records_that_were_put_behind_a_genuine_line_are_shown_to_nobody_and_named() {
    let (api, _, _) = Laboratory::served();
    let verified = || api.get(api.admin(), "/v1/audit/verify").expect(200);
    verified();
    (0..3).for_each(|_| drop(api.mint(api.admin(), "read", &["a.txt"])));
    let size = verified()["records"].as_u64().unwrap();
    api.mint(api.admin(), "read", &["a.txt"]);
    verified();
    let row = segments(&api).into_iter().find(|row| row.key.sort == format!("{:016x}", size - 2)).unwrap();
    // What a sweep tells comes after that.
    let listed = |query: &str| {
        let page = api.get(api.admin(), &format!("/v1/audit{query}")).expect(200);
        let numbers = page["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap());
        numbers.filter(|seq| *seq <= size + 1).collect::<Vec<_>>()
    };
    let all = listed("");
    assert_eq!(all.len() as u64, size + 1);
    type Change = fn(&mut Vec<String>);
    let refused = |records: &mut Vec<String>| records[1] = records[1].replace("\"done\"", "\"refused\"");
    // What is done to the three records; the first that is not as it must be, and what is said of it.
    let changes: [(Change, u64, Wrong); 5] = [
        (refused, size, Wrong::PreviousHash),
        (|records| drop(records.pop()), size - 1, Wrong::Head),
        (|records| drop(records.remove(0)), size - 2, Wrong::Number),
        (|records| records.push(records[2].clone()), size + 1, Wrong::Number),
        (|records| records.clear(), size - 2, Wrong::Number),
    ];
    for (change, seq, what) in changes {
        behind_its_line(&api, &row, change);
        // The whole segment counts as missing, by whatever way it is looked for.
        let others = all.iter().copied().filter(|seq| !(size - 2..=size).contains(seq)).collect::<Vec<_>>();
        assert_eq!(listed(""), others, "{what:?}");
        assert!(listed("?outcome=refused").is_empty(), "{what:?}");
        assert_eq!(swept(&api), Some(Broken { seq, what }));
        assert_eq!(verified()["broken"]["seq"], json!(seq));
        put(&api, &row, row.body.clone());
    }
    assert_eq!((listed(""), swept(&api)), (all, None));

    // The last of them, while an event waits that cannot be put behind it.
    let last = segments(&api).pop().unwrap();
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    behind_its_line(&api, &last, |records| records.clear());
    let seq = Segment::read(&last.body[MAC..]).unwrap().first;
    assert_eq!(swept(&api), Some(Broken { seq, what: Wrong::Number }));
    assert_eq!(verified()["broken"]["seq"], json!(seq));
    put(&api, &last, last.body.clone());
    assert_eq!((swept(&api), api.happened("share.created", &minted.id)), (None, 1));
}

#[test]
fn ledgers_of_stores_of_format_1_are_read_and_vouched_for_as_they_were() {
    let (api, _, _) = Laboratory::served();
    api.mint(api.admin(), "read", &["a.txt"]);
    let verified = || api.get(api.admin(), "/v1/audit/verify").expect(200)["intact"] == json!(true);
    assert!(verified());
    let row = segments(&api).pop().unwrap();
    let keyring = &api.broker().keyring;
    let old = keyring.authenticate(&row.key.partition, &row.key.sort, &row.body[MAC..]);
    assert_ne!(old, row.body);
    put(&api, &row, old.clone());
    assert!(verified() && swept(&api).is_none());
    api.mint(api.admin(), "read", &["a.txt"]);
    assert!(verified(), "it goes on behind it");
    let last = old.len() - 2;
    put(&api, &row, [&old[..last], b"]\n"].concat());
    assert!(!verified());
}
