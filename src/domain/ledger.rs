//! The ledger: what happened in a namespace, each record bound to the one before it by its hash.
//!
//! A record is canonical JSON ([`super::canonical`]). What is hashed, and how, is in [`crate::crypto::record_hash`].

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{
    canonical::canonical,
    event::Event,
    placed::{NotARecord, Placed, place_of},
    tenant::Namespace,
};

pub use super::record_hash::{NotAHash, RecordHash};

/// A record: an event in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// Its id, the same wherever it is listed.
    pub id: String,
    /// The hash of the record before; of the first, that of the ledger's beginning.
    pub prev_hash: RecordHash,
    /// Its place: 1 for the first, then one more each time.
    pub seq: u64,
}

impl Record {
    /// The canonical text.
    ///
    /// # Errors
    /// When there is something in it that canonical JSON of ours does not have.
    pub fn text(&self) -> Result<String, NotARecord> {
        Ok(canonical(self)?)
    }

    /// Reads a canonical text, and no other spelling of the same.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NotARecord> {
        let record: Self = serde_json::from_str(text).map_err(|_| NotARecord::Unreadable)?;
        // What is not looked at could say anything.
        if record.text()? == text { Ok(record) } else { Err(NotARecord::NotCanonical) }
    }
}

/// A part of a ledger: records that follow each other, written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment<T = String> {
    /// The place of its first record.
    pub first: u64,
    /// Canonical texts; never none.
    pub records: Vec<T>,
    /// The hash of the last.
    pub head: RecordHash,
}

/// Text that is no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no segment of a ledger")]
pub struct NotASegment;

/// Where a ledger goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many records there are.
    pub size: u64,
    /// The hash of the last; of none, that of the beginning.
    pub hash: RecordHash,
}

impl<T: AsRef<str>> Segment<T> {
    /// Where the ledger goes on after it.
    pub fn end(&self) -> Head {
        Head { size: self.first + self.records.len() as u64 - 1, hash: self.head.clone() }
    }

    /// As it is kept: a line with `first` and `head`, and then each record on a line of its own, as it is. In canonical JSON there is
    /// no line feed, so that nothing has to be escaped, and what is read is hashed where it lies.
    pub fn text(&self) -> String {
        let size = self.records.iter().map(|record| record.as_ref().len() + 1).sum::<usize>();
        let mut text = String::with_capacity(size + 86);
        text.push_str(&self.first.to_string());
        text.push(' ');
        text.push_str(self.head.as_str());
        text.push('\n');
        for record in &self.records {
            text.push_str(record.as_ref());
            text.push('\n');
        }
        text
    }
}

impl<'a> Segment<&'a str> {
    /// Reads what [`Segment::text`] made. Whether the records are any, and those that belong there, is not looked at.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(text: &'a [u8]) -> Result<Self, NotASegment> {
        let text = std::str::from_utf8(text).map_err(|_| NotASegment)?.strip_suffix('\n').ok_or(NotASegment)?;
        let (place, records) = text.split_once('\n').map_or((text, None), |(place, rest)| (place, Some(rest)));
        let (first, head) = place.split_once(' ').ok_or(NotASegment)?;
        let records = records.map(lines).unwrap_or_default();
        let head = RecordHash::try_from(head).map_err(|_| NotASegment)?;
        // Of `01` and `+1` the library makes a number as well.
        let is_as_written = |number: &u64| number.to_string() == first;
        let first = first.parse().ok().filter(is_as_written).ok_or(NotASegment)?;
        Ok(Self { first, records, head })
    }

    /// Whether these are, to the byte, the records of which the first line speaks: who trusts that line trusts them. From the last
    /// to the first, each has the hash that is known by then, and names that of the one before it.
    pub fn is_bound_by_its_first_line(&self, hash: impl Fn(&str) -> RecordHash) -> bool {
        let mut known = self.head.as_str();
        let Some(end) = self.first.checked_add(self.records.len() as u64) else { return false };
        let places = (self.first..end).rev();
        let mut records = places.zip(self.records.iter().rev());
        let binds = |(seq, text): (u64, &&'a str)| {
            let place = place_of(text).filter(|place| place.seq == seq && hash(text).as_str() == known);
            place.map(|place| known = place.prev_hash).is_some()
        };
        !self.records.is_empty() && records.all(binds)
    }
}

/// What lies between line feeds.
fn lines(text: &str) -> Vec<&str> {
    let mut begin = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain([text.len()]);
    ends.map(|end| &text[std::mem::replace(&mut begin, end + 1)..end]).collect()
}

/// What is wrong with a ledger, and from where on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The place of the first record that is not as it must be.
    pub seq: u64,
    /// What is wrong with it.
    pub what: Wrong,
}

/// What can be wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The row it lies in was not written by this deployment, or was changed.
    #[error("the row it lies in is not authentic")]
    NotAuthentic,
    /// It is no record.
    #[error("{0}")]
    NotARecord(#[from] NotARecord),
    /// It has the number of another.
    #[error("it has the number of another place: one was removed, added or moved")]
    Number,
    /// It does not follow the one before.
    #[error("it does not follow the record before it: one of them was changed, removed or put in another place")]
    PreviousHash,
    /// It belongs to another namespace.
    #[error("it belongs to another ledger")]
    Foreign,
    /// The segment says another hash of its last record.
    #[error("its hash is not the one that was written with it")]
    Head,
    /// A checkpoint says another hash of it.
    #[error("its hash is not the one in the signed checkpoint: this record, or one before it, was written anew")]
    Rewritten,
    /// A checkpoint says that there are more.
    #[error("it is missing: a signed checkpoint says that there are more records than the ledger has")]
    Cut,
    /// What lies in the place of a checkpoint is none of ours.
    #[error(
        "the checkpoint that was kept of it is unreadable, of another ledger, or not signed by a key of this tenant"
    )]
    Checkpoint,
}

/// What is known of records before they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// Nothing.
    Nothing,
    /// Not a byte is another than when they were looked at before, or a checkpoint ahead will tell.
    EachByte,
}

/// Follows a ledger record by record.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// As records have it.
    namespace: String,
    head: Head,
    expected: VecDeque<Head>,
}

impl Verifier {
    /// A verifier that has come as far as this.
    pub fn from(namespace: Namespace, head: Head) -> Self {
        // Of an id and a word there always is one; of none, no record would be taken.
        Self { namespace: canonical(&namespace).unwrap_or_default(), head, expected: VecDeque::new() }
    }

    /// Expects the ledger to come by here. What is expected is told in its order, and each before it is reached.
    pub fn expect(&mut self, head: Head) {
        self.expected.push_back(head);
    }

    /// How much is expected that was not reached yet.
    pub fn expects(&self) -> usize {
        self.expected.len()
    }

    /// The ledger has come to its end.
    ///
    /// # Errors
    /// When more is expected of it.
    pub fn end(&self) -> Result<(), Broken> {
        match self.expected.front() {
            None => Ok(()),
            Some(_) => Err(Broken { seq: self.head.size + 1, what: Wrong::Cut }),
        }
    }

    /// How far it has come.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Follows the next segment, and hands over each record that is as it must be. How much is
    /// `vouched` for says how closely each is looked at.
    ///
    /// # Errors
    /// The first record that is not as it must be.
    pub fn follow<T: AsRef<str>>(
        &mut self,
        segment: &Segment<T>,
        vouched: Vouched,
        hash: impl Fn(&str) -> RecordHash,
        mut followed: impl FnMut(Placed<'_>),
    ) -> Result<(), Broken> {
        let next = |head: &Head| head.size + 1;
        let broken = |seq, what| Broken { seq, what };
        if segment.first != next(&self.head) || segment.records.is_empty() {
            return Err(broken(next(&self.head), Wrong::Number));
        }
        for text in segment.records.iter().map(AsRef::as_ref) {
            let seq = next(&self.head);
            let read = match vouched {
                Vouched::Nothing => Placed::read(text),
                Vouched::EachByte => Placed::of_vouched(text),
            };
            let record = read.map_err(|fault| broken(seq, fault.into()))?;
            if record.seq != seq {
                return Err(broken(seq, Wrong::Number));
            }
            if record.namespace != self.namespace {
                return Err(broken(seq, Wrong::Foreign));
            }
            if record.prev_hash != self.head.hash.as_str() {
                return Err(broken(seq, Wrong::PreviousHash));
            }
            self.head = Head { size: seq, hash: hash(text) };
            while let Some(expected) = self.expected.pop_front_if(|expected| expected.size <= seq) {
                if expected != self.head {
                    return Err(broken(seq, Wrong::Rewritten));
                }
            }
            followed(record);
        }
        if segment.head == self.head.hash { Ok(()) } else { Err(broken(self.head.size, Wrong::Head)) }
    }
}

#[cfg(test)]
mod tests {
    use sha2::Digest;

    use super::*;
    use crate::domain::{
        event::{Actor, EventType, Outcome},
        ids::{RequestId, TenantId},
        instant::Instant,
        tenant::Mode,
    };

    fn namespace(tenant: u8) -> Namespace {
        Namespace { tenant: TenantId::from_bytes([tenant; 16]), mode: Mode::Live }
    }

    fn beginning() -> Head {
        Head { size: 0, hash: RecordHash::from_bytes(&[0; 32]) }
    }

    /// A stand-in that tells texts apart.
    fn hash(text: &str) -> RecordHash {
        RecordHash::from_bytes(&sha2::Sha256::digest(text).into())
    }

    fn record(seq: u64, prev_hash: RecordHash, resource: &str) -> Record {
        let event = Event {
            kind: EventType::ShareCreated,
            namespace: namespace(1),
            actor: Actor::System,
            resource: resource.into(),
            outcome: Outcome::Done,
            reason: None,
            count: None,
            version: None,
            changed: Vec::new(),
            at: Instant::from_unix_seconds(1_800_000_000),
            request: Some(RequestId::from_bytes([7; 16])),
            client: None,
            seen: None,
        };
        Record { event, id: format!("evt_{seq}"), prev_hash, seq }
    }

    fn segment(from: &Head, resources: &[&str]) -> Segment {
        let (mut head, mut records) = (from.clone(), Vec::new());
        for resource in resources {
            let text = record(head.size + 1, head.hash.clone(), resource).text().unwrap();
            head = Head { size: head.size + 1, hash: hash(&text) };
            records.push(text);
        }
        Segment { first: from.size + 1, records, head: head.hash }
    }

    #[test]
    fn a_record_has_one_text() {
        let written = record(3, RecordHash::from_bytes(&[0xab; 32]), "a\"b\u{1}ü").text().unwrap();
        assert!(
            written.starts_with(r#"{"actor":{"kind":"system"},"at":"2027-01-15T08:00:00Z","id":"evt_3","#),
            "{written}"
        );
        assert!(written.contains(r#""resource":"a\"b\u0001ü","seq":3,"type":"share.created"}"#), "{written}");
        assert_eq!(Record::parse(&written).unwrap().text().unwrap(), written);
        for (from, to) in [
            ("{\"actor\"", "{ \"actor\""),
            ("\"seq\":3", "\"seq\":3.0"),
            ("\"seq\":3", "\"seq\":-3"),
            ("\"seq\":3", "\"seq\":9007199254740993"),
            ("\"seq\":3", "\"seq\":3,\"seq2\":1"),
            ("\"seq\":3", "\"seq\":3,\"sex\":null"),
            ("ü", "\\u00fc"),
            ("\\u0001", "\\u0001\\/"),
        ] {
            let other = written.replacen(from, to, 1);
            assert_ne!(other, written);
            assert!(Record::parse(&other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_segment_is_read_as_it_was_written_and_nothing_else_is_one() {
        let segment = segment(&beginning(), &["a", "b\n\u{2028}\"ü"]);
        let text = segment.text();
        assert_eq!(text.lines().count(), 3);
        let read = Segment::read(text.as_bytes()).unwrap();
        assert_eq!(
            (read.first, &read.head, &read.records),
            (1, &segment.head, &segment.records.iter().map(String::as_str).collect())
        );
        let none = Segment { records: Vec::<String>::new(), ..segment.clone() };
        assert_eq!(Segment::read(none.text().as_bytes()).unwrap().records, Vec::<&str>::new());
        let head = segment.head.as_str();
        let long = format!("1 {head}0\n{{}}\n");
        for other in ["", "\n", "1\n{}\n", "{}", &text[..text.len() - 1], &text[1..], &long] {
            assert!(Segment::read(other.as_bytes()).is_err(), "{other}");
        }
        for number in ["-1", "+1", "01", "18446744073709551616", ""] {
            assert!(Segment::read(format!("{number} {head}\n").as_bytes()).is_err(), "{number}");
        }
        assert!(Segment::read(&[text.as_bytes(), b"\xff\n"].concat()).is_err());
    }

    #[test]
    fn a_first_line_binds_each_byte_of_the_records_and_their_number() {
        let genuine = segment(&Head { size: 4, hash: RecordHash::from_bytes(&[5; 32]) }, &["a", "b", "c"]);
        let text = genuine.text();
        let line = text.find('\n').unwrap() + 1;
        let is_bound = |text: &[u8]| Segment::read(text).is_ok_and(|read| read.is_bound_by_its_first_line(hash));
        assert!(is_bound(text.as_bytes()));
        for bit in line * 8..text.len() * 8 {
            let mut flipped = text.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_bound(&flipped), "bit {bit}");
        }
        type Change = fn(&mut Vec<String>);
        let changes: [Change; 8] = [
            |records| drop(records.remove(0)),
            |records| drop(records.remove(1)),
            |records| drop(records.pop()),
            |records| records.clear(),
            |records| records.swap(0, 1),
            |records| records.insert(0, records[0].clone()),
            |records| records.push(records[2].clone()),
            |records| records.push(String::new()),
        ];
        for change in changes {
            let mut changed = genuine.clone();
            change(&mut changed.records);
            assert!(!is_bound(changed.text().as_bytes()), "{}", changed.text());
        }
        // Past the last number there is.
        let last = format!("{} {}\n{{}}\n", u64::MAX, genuine.head.as_str());
        assert!(!is_bound(last.as_bytes()));
        // The record that is really before it is bound by the same hash, and is not in this segment.
        let longer = segment(&Head { size: 3, hash: RecordHash::from_bytes(&[9; 32]) }, &["z", "a", "b", "c"]);
        let shifted = Segment { first: 5, ..longer.clone() };
        assert!(is_bound(longer.text().as_bytes()) && !is_bound(shifted.text().as_bytes()));
    }

    #[test]
    fn segments_follow_each_other_and_whatever_is_changed_is_named() {
        let first = segment(&beginning(), &["a", "b", "c"]);
        let second = segment(&first.end(), &["d", "e"]);
        let follow = |segments: &[&Segment]| {
            let mut verifier = Verifier::from(namespace(1), beginning());
            segments
                .iter()
                .try_for_each(|segment| verifier.follow(segment, Vouched::Nothing, hash, |_| ()))
                .map(|()| verifier.head().size)
        };
        assert_eq!(follow(&[&first, &second]), Ok(5));
        let broken = |seq, what| Err(Broken { seq, what });

        // Left out, doubled, in another order.
        assert_eq!(follow(&[&second]), broken(1, Wrong::Number));
        assert_eq!(follow(&[&first, &first]), broken(4, Wrong::Number));
        let renumbered = Segment { first: 1, ..second.clone() };
        assert_eq!(follow(&[&renumbered]), broken(1, Wrong::Number));
        // A record changed, removed, added, swapped; each with all hashes as they were.
        let with = |change: fn(&mut Vec<String>)| {
            let mut segment = first.clone();
            change(&mut segment.records);
            segment
        };
        let changed = with(|records| records[1] = records[1].replace("\"b\"", "\"x\""));
        assert_eq!(follow(&[&changed]), broken(3, Wrong::PreviousHash));
        let last = with(|records| records[2] = records[2].replace("\"c\"", "\"x\""));
        assert_eq!(follow(&[&last]), broken(3, Wrong::Head));
        assert_eq!(follow(&[&with(|records| drop(records.remove(1)))]), broken(2, Wrong::Number));
        assert_eq!(follow(&[&with(|records| drop(records.pop()))]), broken(2, Wrong::Head));
        assert_eq!(follow(&[&with(|records| records.swap(0, 1))]), broken(1, Wrong::Number));
        assert_eq!(follow(&[&with(|records| records.clear())]), broken(1, Wrong::Number));
        let other = segment(&Head { size: 3, hash: RecordHash::from_bytes(&[9; 32]) }, &["d"]);
        assert_eq!(follow(&[&first, &other]), broken(4, Wrong::PreviousHash));
        // Kept elsewhere: how long it was, and by which hash it ended.
        let follow = |segments: &[&Segment], expected: &[Head]| {
            let mut verifier = Verifier::from(namespace(1), beginning());
            expected.iter().for_each(|head| verifier.expect(head.clone()));
            segments.iter().try_for_each(|segment| verifier.follow(segment, Vouched::Nothing, hash, |_| ()))?;
            verifier.end().map(|()| verifier.head().size)
        };
        let (early, late) = (first.end(), second.end());
        assert_eq!(follow(&[&first, &second], &[early.clone(), late.clone()]), Ok(5));
        assert_eq!(follow(&[&first], &[early.clone(), late.clone()]), broken(4, Wrong::Cut));
        assert_eq!(follow(&[], std::slice::from_ref(&early)), broken(1, Wrong::Cut));
        let anew = segment(&first.end(), &["d", "x"]);
        assert_eq!(follow(&[&first, &anew], &[early, late.clone()]), broken(5, Wrong::Rewritten));
        let at_once = segment(&beginning(), &["a", "b", "c", "d", "e", "f"]);
        assert_eq!(follow(&[&at_once], &[late]), Ok(6));
        // Another tenant's, though all its hashes are right.
        let mut verifier = Verifier::from(namespace(2), beginning());
        assert_eq!(verifier.follow(&first, Vouched::Nothing, hash, |_| ()), broken(1, Wrong::Foreign).map(drop::<u64>));
    }
}
