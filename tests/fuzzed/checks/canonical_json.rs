//! Canonical JSON, and the records and segments of a ledger that are written in it: each value has one text, and a text
//! that is none is not taken.

use cloakroom::{
    crypto::record_hash::of_record,
    domain::{
        canonical::{canonical, members},
        ledger::{Record, Segment},
        placed::Placed,
    },
};
use serde_json::Value;

/// The input is a text, a record, and a segment; whichever it is.
pub fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        check_text(text);
        check_record(text);
    }
    check_segment(data);
}

fn check_text(text: &str) {
    let mut found = Vec::new();
    let is_canonical = members(text, |name, value| found.push((name, value))).is_ok();
    let value = serde_json::from_str::<Value>(text).ok();
    // A reader of its own, and the other way round: what it reads is written as it was.
    let written = value.as_ref().filter(|value| value.is_object()).and_then(|value| canonical(value).ok());
    assert_eq!(is_canonical, written.as_deref() == Some(text), "{text:?}");
    if let Some(written) = written {
        let again = serde_json::from_str::<Value>(&written).unwrap();
        assert_eq!(Some(&again), value.as_ref(), "{text:?} is written as another value");
        assert_eq!(canonical(&again).as_ref(), Ok(&written));
    }
    if let Some(Value::Object(value)) = value.filter(|_| is_canonical) {
        assert_eq!(found.len(), value.len());
        for (name, text) in found {
            assert_eq!(serde_json::from_str::<Value>(text).ok().as_ref(), value.get(name), "{name}");
        }
    }
}

fn check_record(text: &str) {
    let placed = Placed::read(text);
    if let Ok(record) = Record::parse(text) {
        assert_eq!(record.text().as_deref(), Ok(text));
        // Whoever follows a ledger reads of it what whoever shows it does.
        let placed = placed.expect("a record has a place");
        let value = serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(value["type"].as_str(), Some(placed.kind));
        assert_eq!(value["outcome"].as_str(), Some(placed.outcome));
        assert_eq!(value["version"].as_u64(), placed.version);
        assert!(placed.resource.is_none_or(|resource| value["resource"] == resource));
    }
    if let Ok(placed) = placed {
        assert!(members(text, |_, _| ()).is_ok(), "{text:?} is no canonical text, and is followed");
        // Once it is vouched for, the same is found in it faster.
        if Record::parse(text).is_ok() {
            assert_eq!(Placed::of_vouched(text), Ok(placed), "{text:?}");
        }
    }
}

fn check_segment(bytes: &[u8]) {
    let Ok(segment) = Segment::read(bytes) else { return };
    assert_eq!(segment.text().as_bytes(), bytes, "it is written as another segment");
    if !segment.is_bound_by_its_first_line(of_record) {
        return;
    }
    // Then the first line says it all: by hand, from the first to the last.
    let hashes: Vec<_> = segment.records.iter().map(|record| of_record(record)).collect();
    assert_eq!(hashes.last(), Some(&segment.head));
    for (before, after) in hashes.iter().zip(&segment.records[1..]) {
        assert!(after.contains(&format!("\"prev_hash\":\"{}\"", before.as_str())), "{after}");
    }
    assert_eq!(segment.end().size, segment.first + hashes.len() as u64 - 1);
}
