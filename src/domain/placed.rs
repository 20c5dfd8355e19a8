//! What those who follow a ledger read of each of its records.
//!
//! Never here: whether it follows the one before, which is [`super::ledger`]'s.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::canonical::{NotCanonical, members, plain};

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

impl From<NotCanonical> for NotARecord {
    fn from(_: NotCanonical) -> Self {
        Self::NotCanonical
    }
}

/// What a record says of its place, and what happened. What else it says is of no account for those who follow a ledger: that is
/// bound by its hash, and a newer program may have written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    pub(super) namespace: &'a str,
    pub(super) prev_hash: &'a str,
    pub(super) seq: u64,
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
    /// Reads a record, and finds whatever is not canonical about it.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(text: &'a str) -> Result<Self, NotARecord> {
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

    /// Reads a record that was read with [`Placed::read`] before, since something vouches that not a byte of it is another: the chain up
    /// to a signed checkpoint. Looks at what it needs and at nothing else, which takes a third of the time.
    ///
    /// A quote within a text is escaped, so that a name with its quotes and colon is nowhere but where the member is; and members are in
    /// the order of their names.
    ///
    /// # Errors
    /// When it is none.
    pub fn of_vouched(text: &'a str) -> Result<Self, NotARecord> {
        let read = || {
            let mut rest = text;
            let namespace = value(&mut rest, 0)?;
            let namespace = &namespace[..=namespace.find('}')?];
            let outcome = plain_value(&mut rest, 1)??;
            let prev_hash = plain_value(&mut rest, 2)??;
            let resource = plain_value(&mut rest, 3)?;
            let seq = number(value(&mut rest, 4)?)?;
            let kind = plain_value(&mut rest, 5)??;
            let version = value(&mut rest, 6).and_then(number);
            Some(Self { namespace, prev_hash, seq, kind, resource, outcome, version })
        };
        read().ok_or(NotARecord::Unreadable)
    }
}

/// What a record says of its place in its ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) prev_hash: &'a str,
    pub(super) seq: u64,
}

/// The place that a text speaks of, if it is a record: as [`Placed::of_vouched`], of these two alone.
pub(super) fn place_of(text: &str) -> Option<Place<'_>> {
    let mut rest = text;
    let prev_hash = plain_value(&mut rest, 2)??;
    Some(Place { prev_hash, seq: number(value(&mut rest, 4)?)? })
}

/// How each member begins that is needed, in their order.
static BEGINNINGS: LazyLock<[Finder<'static>; 7]> = LazyLock::new(|| {
    let names =
        ["\"namespace\":", "\"outcome\":", "\"prev_hash\":", "\"resource\":", "\"seq\":", "\"type\":", "\"version\":"];
    names.map(Finder::new)
});

/// The text from the value of the next such member on; what comes before is passed.
fn value<'a>(rest: &mut &'a str, which: usize) -> Option<&'a str> {
    let finder = &BEGINNINGS[which];
    let at = finder.find(rest.as_bytes())? + finder.needle().len();
    *rest = rest.get(at..)?;
    Some(rest)
}

/// The text of the next such member; none, where something in it is escaped.
fn plain_value<'a>(rest: &mut &'a str, which: usize) -> Option<Option<&'a str>> {
    let value = value(rest, which)?.strip_prefix('"')?;
    let end = memchr::memchr2(b'"', b'\\', value.as_bytes())?;
    Some((value.as_bytes()[end] == b'"').then_some(&value[..end]))
}

fn number(value: &str) -> Option<u64> {
    let end = value.bytes().take_while(u8::is_ascii_digit).count();
    value[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::canonical::canonical;

    fn record() -> Value {
        json!({
            "actor": { "kind": "api_key", "id": "key_1" },
            "at": "2027-01-15T08:00:00Z",
            "changed": ["seq", "type"],
            "client": "sealed",
            "count": 3,
            "id": "evt_3",
            "namespace": { "mode": "live", "tenant": "ten_1" },
            "outcome": "done",
            "prev_hash": "ab".repeat(32),
            "reason": "\"seq\":9",
            "request": "req_1",
            "resource": "shr_1",
            "seq": 7,
            "type": "share.claimed",
            "version": 2,
        })
    }

    /// What is left out, and what has quotes, names and braces in it.
    #[test]
    fn both_read_the_same_in_every_record() {
        let mut read = 0;
        for (index, name) in record().as_object().unwrap().keys().enumerate() {
            let mut variants = vec![record(); 4];
            variants[1].as_object_mut().unwrap().remove(name);
            if variants[2][name].is_string() {
                variants[2][name] = json!(format!("x\"{name}\":\"y\\\"seq\":1,\"version\":2}}"));
            }
            variants[3]["seq"] = json!(index);
            for variant in variants {
                let text = canonical(&variant).unwrap();
                // Nothing is signed that could not be read so.
                if let Ok(placed) = Placed::read(&text) {
                    assert_eq!(Placed::of_vouched(&text).ok(), Some(placed), "{text}");
                    let Placed { prev_hash, seq, .. } = placed;
                    assert_eq!(place_of(&text), Some(Place { prev_hash, seq }), "{text}");
                    read += 1;
                }
            }
        }
        assert!(read > 40, "{read}");
    }

    #[test]
    fn what_is_none_is_not_read() {
        let text = canonical(&record()).unwrap();
        for cut in 0..text.len() - 14 {
            assert!(Placed::of_vouched(&text[..cut]).is_err(), "{}", &text[..cut]);
        }
        assert!(Placed::of_vouched("").is_err());
    }
}
