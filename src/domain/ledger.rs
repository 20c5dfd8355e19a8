//! The ledger: what happened in a namespace, each record bound to the one before it by its hash.
//!
//! A record is canonical JSON ([`super::canonical`]). What is hashed, and how, is in [`crate::crypto::record_hash`].

use std::{collections::VecDeque, fmt};

use serde::{Deserialize, Serialize};

use super::{
    canonical::{NotCanonical, canonical, members, plain},
    event::Event,
    tenant::Namespace,
};

/// SHA-256 in small hexadecimal digits: as they are, since each record is compared by them.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordHash([u8; 64]);

/// Not 64 small hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 small hexadecimal digits")]
pub struct NotAHash;

impl RecordHash {
    /// The hash with these bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut digits = [b'0'; 64];
        // There is room for two digits a byte.
        let _ = base16ct::lower::encode(bytes, &mut digits);
        Self(digits)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        // Of 64 digits, as all of these are, it always succeeds.
        let _ = base16ct::lower::decode(self.0, &mut bytes);
        bytes
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        // Digits always are text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordHash({})", self.as_str())
    }
}

impl TryFrom<&str> for RecordHash {
    type Error = NotAHash;

    fn try_from(text: &str) -> Result<Self, NotAHash> {
        let digits: [u8; 64] = text.as_bytes().try_into().map_err(|_| NotAHash)?;
        let right = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if right { Ok(Self(digits)) } else { Err(NotAHash) }
    }
}

impl TryFrom<String> for RecordHash {
    type Error = NotAHash;

    fn try_from(text: String) -> Result<Self, NotAHash> {
        text.as_str().try_into()
    }
}

impl From<RecordHash> for String {
    fn from(hash: RecordHash) -> Self {
        hash.as_str().to_owned()
    }
}

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

/// Why a text is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARecord {
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable,
    /// It is not as canonical JSON has it.
    #[error("it is not canonical JSON")]
    NotCanonical,
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

impl From<NotCanonical> for NotARecord {
    fn from(_: NotCanonical) -> Self {
        Self::NotCanonical
    }
}

/// What a record says of its place, and what happened. What else it says is of no account for those who follow a ledger: that is
/// bound by its hash, and a newer program may have written it.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    namespace: &'a str,
    prev_hash: &'a str,
    seq: u64,
    /// The name of its type, such as `share.claimed`.
    pub kind: &'a str,
    /// The id of what it was done to; none where it is no id.
    pub resource: Option<&'a str>,
    /// How it ended.
    pub outcome: &'a str,
    /// Which version of its state it led to, where it says so.
    pub version: Option<u64>,
}

impl<'a> Placed<'a> {
    fn read(text: &'a str) -> Result<Self, NotARecord> {
        let [mut namespace, mut prev_hash, mut kind, mut resource, mut outcome] = [None; 5];
        let (mut seq, mut version, mut others) = (None, None, 0);
        members(text, |name, value| match name {
            "namespace" => namespace = Some(value),
            "prev_hash" => prev_hash = plain(value),
            "type" => kind = plain(value),
            "outcome" => outcome = plain(value),
            "resource" => (resource, others) = (plain(value), others + 1),
            "seq" => seq = value.parse().ok(),
            "version" => version = value.parse().ok(),
            "actor" | "at" | "id" => others += 1,
            _ => {}
        })?;
        let read = || {
            let (namespace, prev_hash, seq) = (namespace?, prev_hash?, seq?);
            let (kind, outcome) = (kind?, outcome?);
            (others == 4).then_some(Self { namespace, prev_hash, seq, kind, resource, outcome, version })
        };
        read().ok_or(NotARecord::Unreadable)
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
    /// Reads what [`Segment::text`] made. Whether the records are any is not looked at.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(text: &'a [u8]) -> Result<Self, NotASegment> {
        let text = std::str::from_utf8(text).map_err(|_| NotASegment)?.strip_suffix('\n').ok_or(NotASegment)?;
        let (place, records) = text.split_once('\n').map_or((text, None), |(place, rest)| (place, Some(rest)));
        let (first, head) = place.split_once(' ').ok_or(NotASegment)?;
        let records = records.map(|records| records.split('\n').collect()).unwrap_or_default();
        let head = RecordHash::try_from(head).map_err(|_| NotASegment)?;
        Ok(Self { first: first.parse().map_err(|_| NotASegment)?, records, head })
    }
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

    /// Follows the next segment, and hands over each record that is as it must be.
    ///
    /// # Errors
    /// The first record that is not as it must be.
    pub fn follow<T: AsRef<str>>(
        &mut self,
        segment: &Segment<T>,
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
            let record = Placed::read(text).map_err(|fault| broken(seq, fault.into()))?;
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
    fn a_hash_is_its_bytes() {
        let bytes = std::array::from_fn(|at| (at * 8 + 7) as u8);
        assert_eq!(RecordHash::from_bytes(&bytes).to_bytes(), bytes);
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
        for other in ["", "\n", "1\n{}\n", "{}", &text[..text.len() - 1], &text[1..], &long, &format!("-1 {head}\n")] {
            assert!(Segment::read(other.as_bytes()).is_err(), "{other}");
        }
        assert!(Segment::read(&[text.as_bytes(), b"\xff\n"].concat()).is_err());
    }

    #[test]
    fn segments_follow_each_other_and_whatever_is_changed_is_named() {
        let first = segment(&beginning(), &["a", "b", "c"]);
        let second = segment(&first.end(), &["d", "e"]);
        let follow = |segments: &[&Segment]| {
            let mut verifier = Verifier::from(namespace(1), beginning());
            segments
                .iter()
                .try_for_each(|segment| verifier.follow(segment, hash, |_| ()))
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
            segments.iter().try_for_each(|segment| verifier.follow(segment, hash, |_| ()))?;
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
        assert_eq!(verifier.follow(&first, hash, |_| ()), broken(1, Wrong::Foreign).map(drop::<u64>));
    }
}
