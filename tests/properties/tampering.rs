//! What somebody may do to a ledger who can write its rows: with the hashes as they were, or made anew as far as that goes
//! without the key that signs checkpoints.
//!
//! Never here: whether it is found.

use cloakroom::{crypto::record_hash, domain::ledger::Segment};
use proptest::{prelude::*, sample::Index};
use serde_json::Value;

use super::{
    canonical_json::{edited, inserted, written},
    events::text,
    ledger::Ledger,
};

/// What somebody does who can write the rows.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Text is put in, or in the place of other text: anywhere, first lines included.
    Edit(Index, usize, usize, String),
    /// A member of a record says something else, in canonical JSON.
    Member(Index, Index, Value),
    /// A record is removed, written again elsewhere, or changes places with another.
    Remove(Index),
    Repeat(Index, Index),
    Swap(Index, Index),
    /// A record comes from the same place of another ledger: of another tenant, or, if so, of the same with other events.
    Splice(Index, bool),
    /// The same is done to whole segments.
    RemoveSegment(Index),
    RepeatSegment(Index, Index),
    SwapSegments(Index, Index),
    SpliceSegment(Index, bool),
    /// The end is cut off, and what is left is in order.
    Cut(Index),
    /// A member of a record says something else, and all hashes from there on are made anew.
    Rewrite(Index, Index, Value),
    /// The same of a record's number.
    Renumber(Index, u64),
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    let value = || prop_oneof![text().prop_map(Value::from), (0..9_u64).prop_map(Value::from)];
    prop_oneof![
        6 => (index(), any::<usize>(), 0..4_usize, inserted()).prop_map(|(a, b, c, d)| Change::Edit(a, b, c, d)),
        // In the first line, which is short beside the rest.
        2 => (index(), 0..80_usize, 0..2_usize, inserted()).prop_map(|(a, b, c, d)| Change::Edit(a, b, c, d)),
        3 => (index(), index(), value()).prop_map(|(a, b, c)| Change::Member(a, b, c)),
        2 => index().prop_map(Change::Remove),
        2 => (index(), index()).prop_map(|(a, b)| Change::Repeat(a, b)),
        2 => (index(), index()).prop_map(|(a, b)| Change::Swap(a, b)),
        2 => (index(), any::<bool>()).prop_map(|(a, b)| Change::Splice(a, b)),
        1 => index().prop_map(Change::RemoveSegment),
        1 => (index(), index()).prop_map(|(a, b)| Change::RepeatSegment(a, b)),
        1 => (index(), index()).prop_map(|(a, b)| Change::SwapSegments(a, b)),
        2 => (index(), any::<bool>()).prop_map(|(a, b)| Change::SpliceSegment(a, b)),
        2 => index().prop_map(Change::Cut),
        2 => (index(), index(), value()).prop_map(|(a, b, c)| Change::Rewrite(a, b, c)),
        2 => (index(), 0..14_u64).prop_map(|(a, b)| Change::Renumber(a, b)),
    ]
}

/// A record in which this member says this instead.
fn with(record: &str, name: &str, said: &Value) -> String {
    let mut value: Value = serde_json::from_str(record).unwrap();
    value[name] = said.clone();
    written(&value).unwrap()
}

/// A record in which one of its members says this instead.
fn with_member(record: &str, which: Index, said: &Value) -> String {
    let value: Value = serde_json::from_str(record).unwrap();
    let members = value.as_object().unwrap();
    with(record, members.keys().nth(which.index(members.len())).unwrap(), said)
}

/// The ledger with another record in one place, and with all hashes from there on made anew.
fn rewritten(ledger: &Ledger, from: usize, said: &str) -> Ledger {
    let mut anew = Ledger { hashes: ledger.hashes[..=from].to_vec(), records: ledger.records[..from].to_vec() };
    let rest = ledger.records[from + 1..].iter().map(String::as_str);
    for record in [said].into_iter().chain(rest) {
        let prev_hash = Value::from(anew.hashes.last().unwrap().as_str());
        let text = with(record, "prev_hash", &prev_hash);
        anew.hashes.push(record_hash::of_record(&text));
        anew.records.push(text);
    }
    anew
}

/// The rows afterwards. The other ledgers are as long as this one.
pub(super) fn changed(ledger: &Ledger, sizes: &[usize], others: &[Ledger; 2], change: &Change) -> Vec<String> {
    let mut segments = ledger.segments(sizes);
    let all = ledger.records.len();
    // A record by its place: in which segment, and where in it.
    let place = |which: &Index| {
        let at = which.index(all);
        let segment =
            segments.iter().position(|segment| segment.first as usize + segment.records.len() > at + 1).unwrap();
        (at, segment, at + 1 - segments[segment].first as usize)
    };
    match change {
        Change::Edit(which, at, removed, inserted) => {
            let mut rows: Vec<_> = segments.iter().map(Segment::text).collect();
            let row = which.index(rows.len());
            rows[row] = edited(&rows[row], *at, *removed, inserted);
            return rows;
        }
        Change::Member(which, member, said) => {
            let (_, segment, at) = place(which);
            segments[segment].records[at] = with_member(&segments[segment].records[at], *member, said);
        }
        Change::Remove(which) => {
            let (_, segment, at) = place(which);
            drop(segments[segment].records.remove(at));
        }
        Change::Repeat(which, to) => {
            let (from, (_, segment, at)) = (which.index(all), place(to));
            segments[segment].records.insert(at, ledger.records[from].clone());
        }
        Change::Swap(one, other) => {
            let ((one, one_in, one_at), (other, other_in, other_at)) = (place(one), place(other));
            segments[one_in].records[one_at].clone_from(&ledger.records[other]);
            segments[other_in].records[other_at].clone_from(&ledger.records[one]);
        }
        Change::Splice(which, foreign) => {
            let (from, segment, at) = place(which);
            segments[segment].records[at].clone_from(&others[usize::from(*foreign)].records[from]);
        }
        Change::RemoveSegment(which) => drop(segments.remove(which.index(segments.len()))),
        Change::RepeatSegment(which, to) => {
            let (from, to) = (which.index(segments.len()), to.index(segments.len()));
            segments.insert(to, segments[from].clone());
        }
        Change::SwapSegments(one, other) => {
            let (one, other) = (one.index(segments.len()), other.index(segments.len()));
            segments.swap(one, other);
        }
        Change::SpliceSegment(which, foreign) => {
            let which = which.index(segments.len());
            segments[which] = others[usize::from(*foreign)].segments(sizes)[which].clone();
        }
        Change::Cut(which) => {
            let left = which.index(all);
            let cut = Ledger { hashes: ledger.hashes[..=left].to_vec(), records: ledger.records[..left].to_vec() };
            segments = cut.segments(sizes);
        }
        Change::Rewrite(which, member, said) => {
            let from = which.index(all);
            segments = rewritten(ledger, from, &with_member(&ledger.records[from], *member, said)).segments(sizes);
        }
        Change::Renumber(which, number) => {
            let from = which.index(all);
            segments =
                rewritten(ledger, from, &with(&ledger.records[from], "seq", &Value::from(*number))).segments(sizes);
        }
    }
    segments.iter().map(Segment::text).collect()
}
