//! All that there is at one moment: time, rows, who waits for what, and what is on its way.
//!
//! Never here: what may happen next. That is in `share.rs`.

use cloakroom::domain::instant::Instant;

use super::{
    request::{Answer, Read},
    rows::Claimed,
    store::{Attempt, Commit, KEYS, Store},
};

/// The moment with this number. Moments begin at 1, so that a clock may be one behind.
pub const fn moment(number: u8) -> Instant {
    Instant::from_unix_seconds(number as u64)
}

/// A request that is being handled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub clock: i8,
    /// What had happened when it was asked.
    pub after: After,
    pub read: Read,
    pub sent: Option<Sent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct After {
    /// A revocation was acknowledged.
    pub revocation: bool,
    /// A move of the client's claim was acknowledged.
    pub moving: bool,
    /// The client's claim was in the store.
    pub claim: bool,
}

/// A commit on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sent {
    pub commit: Commit,
    /// What is answered once it is applied.
    pub answer: Answer,
    /// Whether it was sent before, and nobody knows what came of it.
    pub is_in_doubt: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Client {
    pub asks: u8,
    pub heard: Option<Answer>,
    pub request: Option<Request>,
}

/// What was seen that no state shows afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// What each claimant was told of its claim at first.
    pub told: [Option<Claimed>; KEYS],
    pub told_otherwise: bool,
    pub opened_after_revocation: bool,
    pub opened_after_moving: bool,
    pub opened_after_access: bool,
    pub refused_its_own: bool,
    pub let_in_by_asking_again: bool,
    pub applied_late: bool,
    pub stale_late: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub now: u8,
    pub store: Store,
    pub clients: Vec<Client>,
    /// Commits that are on their way and whose sender does not listen. Each comes late, or never.
    pub late: Vec<Commit>,
    /// How many may still happen.
    pub faults: u8,
    pub crashes: u8,
    pub seen: Seen,
}

impl State {
    pub fn request(&mut self, client: usize) -> &mut Request {
        self.clients[client].request.as_mut().expect("only a request is handled")
    }

    pub fn sent(&mut self, client: usize) -> &mut Sent {
        self.request(client).sent.as_mut().expect("only what was sent arrives")
    }

    /// The clock of the replica that handles the client's request.
    pub fn clock(&mut self, client: usize) -> Instant {
        moment(self.now.saturating_add_signed(self.request(client).clock))
    }

    /// An attempt of which no trace is left, as good as one that never was.
    pub fn unused(&self, client: usize) -> Attempt {
        let client = client as u8;
        let recorded = self.store.outbox.iter().map(|recorded| recorded.attempt);
        let known = recorded.chain(self.late.iter().map(|commit| commit.attempt));
        let last = known.filter(|attempt| attempt.client == client).map(|attempt| attempt.number).max();
        Attempt { client, number: last.unwrap_or(0) + 1 }
    }

    /// In order, so that which was sent first makes no two states of one.
    pub fn hold(&mut self, commit: Commit) {
        // What was applied changes nothing when it comes again.
        if self.store.outbox.iter().all(|recorded| recorded.attempt != commit.attempt) {
            let at = self.late.binary_search(&commit).unwrap_or_else(|at| at);
            self.late.insert(at, commit);
        }
    }
}
