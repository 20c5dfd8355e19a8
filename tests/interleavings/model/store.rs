//! The store as a share sees it: rows that change by conditional commits alone, and the events that tell of each.
//!
//! Never here: a rule of its own. What it answers, the store in memory answers too; `conformance.rs` compares them.

use cloakroom::domain::instant::Instant;

use super::{
    flaws::Flaw,
    rows::{Claimed, Row, Uses, Write},
};

/// A claim key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u8);

/// How many claim keys there may be.
pub const KEYS: usize = 4;

impl Key {
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which attempt: the number of a client, and which of its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    pub client: u8,
    pub number: u8,
}

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    Minted,
    /// At this moment by the clock of the replica, as a move is.
    Claimed {
        by: Key,
        at: Instant,
    },
    Moved {
        from: Key,
        to: Key,
        at: Instant,
    },
    Renewed {
        by: Key,
    },
    Revoked,
}

/// A transaction on a share's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit {
    pub attempt: Attempt,
    pub event: Event,
    pub uses: Option<Write<Uses>>,
    /// The claim that moves.
    pub ended: Option<(Key, Write<Claimed>)>,
    /// The claim that is made.
    pub claim: Option<(Key, Write<Claimed>)>,
}

/// An event in the outbox, which proves that its attempt was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recorded {
    pub attempt: Attempt,
    pub event: Event,
}

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Applied,
    /// It had been applied before: nothing changes.
    Proven,
    Stale,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Store {
    pub uses: Option<Row<Uses>>,
    pub claims: [Option<Row<Claimed>>; KEYS],
    /// In the order of their attempts, so that which was first makes no two states of one.
    pub outbox: Vec<Recorded>,
    /// Whether a row was ever written whose version did not rise.
    pub has_gone_back: bool,
}

impl Store {
    pub fn claim(&self, key: Key) -> Option<Row<Claimed>> {
        self.claims[key.index()]
    }

    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.outbox.iter().map(|recorded| recorded.event)
    }

    /// All of it, or nothing at all; once applied, the same again is harmless.
    pub fn try_commit(&mut self, commit: &Commit, flaw: Option<Flaw>) -> Outcome {
        if self.outbox.iter().any(|recorded| recorded.attempt == commit.attempt) {
            return Outcome::Proven;
        }
        let is_checked = flaw.is_none_or(|flaw| flaw.checks(commit.event));
        let uses = commit.uses.filter(|write| !is_checked || write.holds(self.uses.as_ref()));
        let holds = |(key, write): &(Key, Write<Claimed>)| !is_checked || write.holds(self.claim(*key).as_ref());
        let (ended, claim) = (commit.ended.filter(holds), commit.claim.filter(holds));
        let all_hold = (uses, ended, claim) == (commit.uses, commit.ended, commit.claim);
        if !all_hold && flaw != Some(Flaw::CommitsByHalves) {
            return Outcome::Stale;
        }
        if let Some(write) = uses {
            self.has_gone_back |= put(&mut self.uses, &write);
        }
        for (key, write) in ended.into_iter().chain(claim) {
            self.has_gone_back |= put(&mut self.claims[key.index()], &write);
        }
        if flaw != Some(Flaw::RecordsNoClaim) || commit.uses.is_none() {
            let recorded = Recorded { attempt: commit.attempt, event: commit.event };
            let at = self.outbox.binary_search(&recorded).unwrap_or_else(|at| at);
            self.outbox.insert(at, recorded);
        }
        Outcome::Applied
    }
}

/// Tells whether the row's version did not rise.
fn put<T: Copy>(row: &mut Option<Row<T>>, write: &Write<T>) -> bool {
    let new = write.row();
    row.replace(new).is_some_and(|old| new.version <= old.version)
}
