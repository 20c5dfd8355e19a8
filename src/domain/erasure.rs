//! The erasure of a person from what a tenant keeps: what is asked for, how far it has come, and what remains of it.
//!
//! What remains is a tombstone: the name of the person under a keyed hash, so that it can be told of somebody who is named
//! again that they were erased; never who they were.

use serde::{Deserialize, Serialize};

use super::{
    event::Actor,
    ids::{DataSubjectId, UserId},
    instant::Instant,
    recipient::Address,
};

/// A person of whom something may be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataSubject {
    /// Whoever reads the mail of an address: a recipient, and a user who goes by it.
    Address(Address),
    /// A user.
    User(UserId),
}

/// What was found and removed, each time that it was asked for together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// From the recipients of so many shares.
    pub shares: u64,
    /// From the recipients of so many links.
    pub links: u64,
    /// So many users.
    pub users: u64,
    /// From where and with which program they asked, of so many records.
    pub client_details: u64,
    /// So many rows could not be read, and were left as they are.
    pub unreadable: u64,
}

/// An erasure, and its tombstone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Who, under a keyed hash.
    pub id: DataSubjectId,
    /// Who, while it is under way; none after that.
    pub who: Option<DataSubject>,
    /// Why, in the words of whoever asked.
    pub reason: Option<String>,
    /// Who asked for it last.
    pub by: Actor,
    /// Whether that was an operator, who alone may take hold of operators.
    pub by_operator: bool,
    /// Whether what a user made lives on, for its own time.
    pub keeps_minted: bool,
    /// When it was asked for last.
    pub asked_at: Instant,
    /// When somebody last worked on it.
    pub touched_at: Instant,
    /// Since when nothing was left, if that is so.
    pub erased_at: Option<Instant>,
    /// What was removed.
    pub removed: Removed,
    /// Which row of the list of unfinished ones leads here.
    pub lead: String,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who is to be erased.
    pub who: DataSubject,
    /// Why.
    pub reason: Option<String>,
    /// Who asks.
    pub by: Actor,
    /// Whether that is an operator.
    pub by_operator: bool,
    /// Whether what a user made lives on.
    pub keeps_minted: bool,
}

impl Erasure {
    /// Begins one, or begins again: what had been removed before counts on. `lead` is where the list of unfinished ones
    /// is to have it, unless that has it already.
    pub fn begun(before: Option<&Self>, id: DataSubjectId, asked: Asked, lead: String, now: Instant) -> Self {
        let Asked { who, reason, by, by_operator, keeps_minted } = asked;
        let under_way = before.filter(|before| before.who.is_some());
        Self {
            id,
            who: Some(who),
            reason: reason.or_else(|| before.and_then(|before| before.reason.clone())),
            by,
            by_operator,
            keeps_minted,
            asked_at: now,
            touched_at: now,
            erased_at: before.and_then(|before| before.erased_at),
            removed: before.map(|before| before.removed).unwrap_or_default(),
            lead: under_way.map_or(lead, |before| before.lead.clone()),
        }
    }

    /// Whether something is still to be done.
    pub const fn is_under_way(&self) -> bool {
        self.who.is_some()
    }

    /// The tombstone: who it was is forgotten.
    #[must_use]
    pub fn ended(&self, now: Instant) -> Self {
        Self { who: None, touched_at: now, erased_at: Some(now), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(seconds)
    }

    fn asked(reason: Option<&str>) -> Asked {
        let who = DataSubject::Address(Address::try_from("ada@example.org".to_owned()).unwrap());
        let (by, reason) = (Actor::System, reason.map(str::to_owned));
        Asked { who, reason, by, by_operator: false, keeps_minted: false }
    }

    #[test]
    fn a_tombstone_has_no_word_of_who_it_was() {
        let id = DataSubjectId::from_bytes([1; 16]);
        let begun = Erasure::begun(None, id, asked(Some("asked by mail")), "lead".into(), at(1));
        assert!(begun.is_under_way());
        let row = serde_json::to_string(&begun).unwrap();
        assert!(row.contains(r#""who":{"address":"ada@example.org"}"#), "{row}");
        let ended = begun.ended(at(5));
        assert!(!ended.is_under_way() && !serde_json::to_string(&ended).unwrap().contains("ada@"));
        assert_eq!(ended.erased_at, Some(at(5)));
    }

    #[test]
    fn asked_again_it_goes_on_and_after_its_end_it_begins_anew() {
        let id = DataSubjectId::from_bytes([1; 16]);
        let mut begun = Erasure::begun(None, id, asked(Some("why")), "first".into(), at(1));
        begun.removed.shares = 3;
        let again = Erasure::begun(Some(&begun), id, asked(None), "second".into(), at(2));
        assert_eq!((again.lead.as_str(), again.reason.as_deref(), again.removed.shares), ("first", Some("why"), 3));
        let anew = Erasure::begun(Some(&again.ended(at(3))), id, asked(None), "third".into(), at(4));
        assert_eq!((anew.lead.as_str(), anew.removed.shares, anew.erased_at), ("third", 3, Some(at(3))));
        assert!(anew.is_under_way());
    }
}
