//! Whether a store is the one that was served last, and as far as it had come: or a copy of it, or an older state, in which
//! what was used up or revoked since would be good again.
//!
//! Two things tell. A store is told from its copies by something that no copy takes along ([`StoreIdentity`]). And how
//! far it has come is counted in it and noted outside: one that is behind that note has been put back.

use serde::{Deserialize, Serialize};

use super::{ids::TenantId, instant::Instant};

/// The form of what this program writes. One more with each change of which an older program would make something else.
pub const FORMAT: u32 = 2;

/// What tells a store from every copy of it: the id of a table, say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreIdentity(pub String);

/// What the store says of itself, in a row that goes along with every copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreRecord {
    /// Where it is at home.
    pub identity: StoreIdentity,
    /// How far it has come: one more from time to time, while something is written.
    pub progress: u64,
    /// Since when it is at home there.
    pub adopted_at: Instant,
    /// The newest form in which something in it may have been written.
    #[serde(default = "first")]
    pub format: u32,
}

/// Stores that do not say it have this one.
const fn first() -> u32 {
    1
}

/// What is to be thought of a store that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was ever noted of it.
    New,
    /// It is the one that was served last.
    Same,
    /// It is not where it was: moved, copied, or restored from a backup.
    Elsewhere,
    /// It is older than what was served last: restored from a backup, for certain.
    Behind,
    /// A newer program has written it, in a form that this one does not know.
    Newer,
}

impl Standing {
    /// Of a store that says this of itself, is this one, and of which it is noted outside that it had come so far.
    pub fn of(recorded: Option<&StoreRecord>, identity: &StoreIdentity, noted_outside: u64) -> Self {
        match recorded {
            None if noted_outside == 0 => Self::New,
            None => Self::Behind,
            Some(recorded) if recorded.format > FORMAT => Self::Newer,
            Some(recorded) if recorded.progress < noted_outside => Self::Behind,
            Some(recorded) if recorded.identity != *identity => Self::Elsewhere,
            Some(_) => Self::Same,
        }
    }

    /// Whether it may be served as it is.
    pub const fn may_serve(self) -> bool {
        matches!(self, Self::New | Self::Same)
    }
}

/// An adoption under way: how far it has come, so that one that was cut off is gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// When it was begun.
    pub begun_at: Instant,
    /// The last tenant that was dealt with.
    pub reached: Option<TenantId>,
    /// How many were.
    pub tenants: u64,
    /// How many records of all ledgers are known to be lost.
    pub lost: u64,
    /// How many people are to be erased again.
    #[serde(default)]
    pub erased_again: u64,
    /// Whether all of it is done.
    pub is_done: bool,
}

impl Adoption {
    /// Of which nothing was done yet.
    pub const fn begin(now: Instant) -> Self {
        Self { begun_at: now, reached: None, tenants: 0, lost: 0, erased_again: 0, is_done: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str) -> StoreIdentity {
        StoreIdentity(name.into())
    }

    fn record(progress: u64) -> StoreRecord {
        StoreRecord { identity: identity("a"), progress, adopted_at: Instant::from_unix_seconds(1), format: FORMAT }
    }

    #[test]
    fn a_store_is_served_where_it_is_at_home_and_not_behind_what_is_noted_outside() {
        let of = |recorded: Option<&StoreRecord>, name, outside| Standing::of(recorded, &identity(name), outside);
        assert_eq!(of(None, "a", 0), Standing::New);
        assert_eq!(of(Some(&record(0)), "a", 0), Standing::Same);
        assert_eq!(of(Some(&record(7)), "a", 7), Standing::Same);
        // The note outside is written after it.
        assert_eq!(of(Some(&record(8)), "a", 7), Standing::Same);
        assert_eq!(of(Some(&record(7)), "b", 7), Standing::Elsewhere);
        assert_eq!(of(Some(&record(6)), "a", 7), Standing::Behind);
        assert_eq!(of(Some(&record(6)), "b", 7), Standing::Behind);
        // All of it lost, and begun anew under the same root keys.
        assert_eq!(of(None, "a", 1), Standing::Behind);
        // Whatever else may be said of it: nobody here knows what it says.
        let newer = StoreRecord { format: FORMAT + 1, ..record(7) };
        assert_eq!([of(Some(&newer), "a", 7), of(Some(&newer), "b", 8)], [Standing::Newer; 2]);
        assert!(!Standing::Newer.may_serve());
        let served = [Standing::New, Standing::Same, Standing::Elsewhere, Standing::Behind].map(Standing::may_serve);
        assert_eq!(served, [true, true, false, false]);
    }

    #[test]
    fn a_store_that_does_not_say_its_form_has_the_first() {
        let mut old = serde_json::to_value(record(7)).unwrap();
        old.as_object_mut().unwrap().remove("format");
        let old: StoreRecord = serde_json::from_value(old).unwrap();
        assert_eq!(old, StoreRecord { format: 1, ..record(7) });
    }
}
