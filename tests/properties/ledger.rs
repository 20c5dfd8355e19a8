//! Ledgers: that a record has one text and one hash, that it is of no account in which portions records were written, and that
//! whatever is done to them is found and named.
//!
//! Judged by a reader of its own, which makes every text of a record anew and computes every hash by the book.

use cloakroom::{
    crypto::{keyring::DeploymentId, record_hash},
    domain::{
        checkpoint::Checkpoint,
        event::Event,
        ids::TenantId,
        instant::Instant,
        ledger::{Head, Record, RecordHash, Segment, Verifier, Vouched},
        placed::Placed,
        tenant::{Mode, Namespace},
    },
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    canonical_json::{edited, inserted, is_canonical_object, written},
    events::{event, text},
    tampering::{Change, change, changed},
};

const DEPLOYMENT: DeploymentId = DeploymentId([9; 16]);

fn namespace(tenant: u8) -> Namespace {
    Namespace { tenant: TenantId::from_bytes([tenant; 16]), mode: Mode::Live }
}

/// Texts of records that follow each other, as the code makes them, and the hash of each; of the beginning first.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) hashes: Vec<RecordHash>,
    pub(super) records: Vec<String>,
}

fn chained(tenant: u8, events: &[(Event, String)]) -> Ledger {
    let mut ledger =
        Ledger { hashes: vec![record_hash::beginning(DEPLOYMENT, namespace(tenant))], records: Vec::new() };
    for (event, id) in events {
        let event = Event { namespace: namespace(tenant), ..event.clone() };
        let (prev_hash, seq) = (ledger.hashes.last().unwrap().clone(), ledger.hashes.len() as u64);
        let text = Record { event, id: id.clone(), prev_hash, seq }.text().unwrap();
        ledger.hashes.push(record_hash::of_record(&text));
        ledger.records.push(text);
    }
    ledger
}

impl Ledger {
    /// In segments of so many records each, over and over.
    pub(super) fn segments(&self, sizes: &[usize]) -> Vec<Segment> {
        let (mut segments, mut done) = (Vec::new(), 0);
        for size in sizes.iter().cycle() {
            let end = (done + size).min(self.records.len());
            if end == done {
                break;
            }
            let (first, records) = (done as u64 + 1, self.records[done..end].to_vec());
            segments.push(Segment { first, records, head: self.hashes[end].clone() });
            done = end;
        }
        segments
    }

    /// How far it had come once.
    fn head(&self, size: usize) -> Head {
        Head { size: size as u64, hash: self.hashes[size].clone() }
    }

    /// What a checkpoint knows of it, and one earlier.
    fn checkpoints(&self, earlier: Index) -> Vec<Head> {
        let size = self.records.len();
        let earlier = earlier.index(size) + 1;
        if earlier == size { vec![self.head(size)] } else { vec![self.head(earlier), self.head(size)] }
    }
}

/// The place of the first record that is not as it must be, by the code.
fn verified(tenant: u8, rows: &[String], checkpoints: &[Head]) -> Result<u64, u64> {
    let beginning = Head { size: 0, hash: record_hash::beginning(DEPLOYMENT, namespace(tenant)) };
    let mut verifier = Verifier::from(namespace(tenant), beginning);
    checkpoints.iter().for_each(|head| verifier.expect(head.clone()));
    for row in rows {
        let segment = Segment::read(row.as_bytes()).map_err(|_| verifier.head().size + 1)?;
        let followed = verifier.follow(&segment, Vouched::Nothing, record_hash::of_record, |_| ());
        followed.map_err(|broken| broken.seq)?;
    }
    verifier.end().map_err(|broken| broken.seq)?;
    Ok(verifier.head().size)
}

/// SHA-256 over fields, the length of each before it, in hexadecimal digits.
fn hash(fields: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u32).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_of(record: &str) -> String {
    hash(&[b"cloakroom/ledger/v1|record", record.as_bytes()])
}

/// The same as [`verified`], by the book.
fn judged(tenant: u8, rows: &[String], checkpoints: &[Head]) -> Result<u64, u64> {
    let owner = namespace(tenant).tenant.to_string();
    let mut head = hash(&[b"cloakroom/ledger/v1|beginning", &DEPLOYMENT.0, owner.as_bytes(), b"live"]);
    let mut size = 0;
    let known = |size: u64| checkpoints.iter().find(|head| head.size == size).map(|head| head.hash.as_str());
    for row in rows {
        let Some((line, records)) = row.split_once('\n') else { return Err(size + 1) };
        let Some((first, last)) = line.split_once(' ') else { return Err(size + 1) };
        let is_hash = last.len() == 64 && last.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let Some(records) = records.strip_suffix('\n').filter(|_| is_hash) else { return Err(size + 1) };
        if first != (size + 1).to_string() {
            return Err(size + 1);
        }
        for record in records.split('\n') {
            size += 1;
            if !is_record(record, &owner, size, &head) {
                return Err(size);
            }
            head = hash_of(record);
            if known(size).is_some_and(|known| known != head) {
                return Err(size);
            }
        }
        if last != head {
            return Err(size);
        }
    }
    if checkpoints.iter().any(|head| head.size > size) { Err(size + 1) } else { Ok(size) }
}

/// Whether this is the record of that place.
fn is_record(text: &str, owner: &str, seq: u64, prev_hash: &str) -> bool {
    if !is_canonical_object(text) {
        return false;
    }
    let value: Value = serde_json::from_str(text).unwrap();
    // Words of ours, in which nothing wants to be escaped.
    let is_word =
        |name: &str| value[name].as_str().is_some_and(|word| written(&value[name]) == Some(format!("\"{word}\"")));
    ["actor", "at", "id", "resource"].iter().all(|name| value.get(name).is_some())
        && is_word("type")
        && is_word("outcome")
        && value["namespace"] == serde_json::json!({ "mode": "live", "tenant": owner })
        && value["seq"] == seq
        && value["prev_hash"] == prev_hash
}

fn events(most: usize) -> impl Strategy<Value = Vec<(Event, String)>> {
    vec((event(namespace(1)), text()), 1..=most)
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(1..5_usize, 1..5)
}

proptest! {
    #[test]
    fn a_record_has_one_text_and_is_read_of_it(event in event(namespace(1)), id in text(), seq in 1..1_u64 << 60) {
        let prev_hash = RecordHash::from_bytes(&[7; 32]);
        let record = Record { event, id, prev_hash, seq };
        let value = serde_json::to_value(&record).unwrap();
        prop_assert_eq!(record.text().ok(), written(&value), "beyond 2^53 there is none");
        let Ok(text) = record.text() else { return Ok(()) };
        prop_assert_eq!(Record::parse(&text), Ok(record));
        prop_assert_eq!(Placed::read(&text), Placed::of_vouched(&text));
        prop_assert_eq!(String::from(record_hash::of_record(&text)), hash_of(&text));
    }

    #[test]
    fn a_text_is_a_record_in_one_spelling_alone(
        event in event(namespace(1)),
        at in any::<usize>(),
        removed in 0..4_usize,
        inserted in inserted(),
    ) {
        let record = Record { event, id: "evt_1".into(), prev_hash: RecordHash::from_bytes(&[7; 32]), seq: 3 };
        let text = record.text().unwrap();
        let other = edited(&text, at, removed, &inserted);
        if let Ok(read) = Record::parse(&other) {
            prop_assert_eq!(&read.text().unwrap(), &other);
            prop_assert_eq!(read == record, other == text);
        }
    }

    #[test]
    fn in_whatever_portions_records_are_written_the_ledger_is_one(
        events in events(12),
        one in sizes(),
        other in sizes(),
        split in any::<Index>(),
    ) {
        let ledger = chained(1, &events);
        let everywhere: Vec<_> = (1..=events.len()).map(|size| ledger.head(size)).collect();
        for sizes in [&one, &other, &vec![events.len()], &vec![1]] {
            let segments = ledger.segments(sizes);
            prop_assert_eq!(segments.last().unwrap().end(), ledger.head(events.len()));
            let rows: Vec<_> = segments.iter().map(Segment::text).collect();
            prop_assert_eq!(verified(1, &rows, &everywhere), Ok(events.len() as u64));
            prop_assert_eq!(judged(1, &rows, &everywhere), Ok(events.len() as u64));
        }
        // Chained by two, one after the other.
        let split = split.index(events.len());
        let first = chained(1, &events[..split]);
        prop_assert_eq!(&first.records[..], &ledger.records[..split]);
        prop_assert_eq!(&first.hashes[..], &ledger.hashes[..=split]);
    }

    #[test]
    fn what_is_vouched_for_is_read_as_what_is_looked_at(events in events(12), sizes in sizes()) {
        let ledger = chained(1, &events);
        let mut verifiers = [(); 2].map(|()| Verifier::from(namespace(1), ledger.head(0)));
        for segment in ledger.segments(&sizes) {
            let text = segment.text();
            let read = Segment::read(text.as_bytes()).unwrap();
            prop_assert!(read.is_bound_by_its_first_line(record_hash::of_record));
            let mut found = [Vec::new(), Vec::new()];
            for (index, vouched) in [Vouched::Nothing, Vouched::EachByte].into_iter().enumerate() {
                let keep = |placed: Placed<'_>| found[index].push(format!("{placed:?}"));
                prop_assert_eq!(verifiers[index].follow(&read, vouched, record_hash::of_record, keep), Ok(()));
            }
            prop_assert_eq!(&found[0], &found[1]);
            prop_assert_eq!(found[0].len(), read.records.len());
        }
    }

    #[test]
    fn whatever_is_done_to_a_ledger_is_found_and_the_first_bad_record_named(
        events in events(10),
        others in vec(event(namespace(1)), 10),
        sizes in sizes(),
        earlier in any::<Index>(),
        change in change(),
    ) {
        let ledger = chained(1, &events);
        let others: Vec<_> = others.into_iter().map(|event| (event, "evt_other".to_owned())).collect();
        let others = [chained(2, &events), chained(1, &others[..events.len()])];
        let genuine: Vec<_> = ledger.segments(&sizes).iter().map(Segment::text).collect();
        let rows = changed(&ledger, &sizes, &others, &change);
        let checkpoints = ledger.checkpoints(earlier);
        let found = verified(1, &rows, &checkpoints);
        prop_assert_eq!(found.is_ok(), rows == genuine, "found, or nothing is another");
        prop_assert_eq!(found, judged(1, &rows, &checkpoints));
        // What no checkpoint knows of yet may have been cut off or written anew in order, and nothing else.
        let unknown = verified(1, &rows, &[]);
        prop_assert_eq!(unknown, judged(1, &rows, &[]));
        if unknown.is_ok() && rows != genuine {
            let may_pass = match change {
                Change::Cut(_) | Change::Rewrite(..) => true,
                Change::RemoveSegment(which) => which.index(genuine.len()) + 1 == genuine.len(),
                // All of it, if that is one segment.
                Change::SpliceSegment(_, foreign) => foreign && genuine.len() == 1,
                _ => false,
            };
            prop_assert!(may_pass);
        }
    }

    #[test]
    fn a_first_line_binds_the_records_behind_it(
        events in events(6),
        others in vec(event(namespace(1)), 6),
        before in any::<Index>(),
        change in change(),
    ) {
        let ledger = chained(1, &events);
        // One segment of the last of them, as somebody changes it who leaves the first line as it is.
        let from = before.index(events.len());
        let genuine = Segment {
            first: from as u64 + 1,
            records: ledger.records[from..].to_vec(),
            head: ledger.hashes[events.len()].clone(),
        };
        let others: Vec<_> = others.into_iter().map(|event| (event, "evt_other".to_owned())).collect();
        let others = [chained(2, &events), chained(1, &others[..events.len()])];
        let rows = changed(&ledger, &[events.len()], &others, &change);
        let records = rows.first().and_then(|row| row.split_once('\n')).map_or("", |(_, records)| records);
        let records = records.split_inclusive('\n').skip(from).collect::<String>();
        let text = format!("{}\n{records}", genuine.text().split_once('\n').unwrap().0);
        let is_bound = Segment::read(text.as_bytes())
            .is_ok_and(|segment| segment.is_bound_by_its_first_line(record_hash::of_record));
        prop_assert_eq!(is_bound, text == genuine.text());
    }

    #[test]
    fn a_segment_and_a_checkpoint_have_one_spelling(
        events in events(3),
        // Often at the beginning, where the number is.
        at in prop_oneof![Just(0), 0..120_usize],
        removed in prop_oneof![Just(0), 0..3_usize],
        inserted in prop_oneof![select(vec!["0".to_owned(), "+".to_owned()]), inserted()],
        seconds in 0..1_u64 << 40,
    ) {
        let ledger = chained(1, &events);
        let segment = ledger.segments(&[events.len()]).remove(0);
        let other = edited(&segment.text(), at, removed, &inserted);
        if let Ok(read) = Segment::read(other.as_bytes()) {
            prop_assert_eq!(read.text(), other);
        }
        let head = ledger.head(events.len());
        let checkpoint = Checkpoint { origin: "cloakroom/a".into(), head, at: Instant::from_unix_seconds(seconds) };
        let text = checkpoint.text();
        prop_assert_eq!(Checkpoint::parse(&text), Some(checkpoint.clone()));
        let other = edited(&text, at, removed, &inserted);
        if let Some(read) = Checkpoint::parse(&other) {
            prop_assert_eq!(read == checkpoint, other == text);
            prop_assert_eq!(read.text(), other);
        }
    }
}
