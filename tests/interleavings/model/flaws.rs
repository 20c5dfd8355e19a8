//! Protocols that are broken on purpose, each in one place, so that one sees which property would tell.
//!
//! Never here: a flaw that no property has to find.

use super::store::Event;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The store applies every commit, whatever it was judged by.
    CommitsUnchecked,
    /// Nothing is compared when a revocation is committed.
    RevokesUnchecked,
    /// Nothing is compared when a claim moves.
    MovesUnchecked,
    /// Of a commit the writes are applied whose own conditions hold.
    CommitsByHalves,
    /// A commit that changes the state leaves no event.
    RecordsNoClaim,
    /// What is sent again is another attempt.
    ResendsAsNew,
    /// A claim that was read before the state, and was not there, is not read again.
    TrustsAnEarlierRead,
    /// What is to move is read last.
    ReadsTheLeavingLast,
    IgnoresRevocation,
    IgnoresExpiry,
    IgnoresOpening,
    IgnoresAccessEnd,
    /// The claim that moves does not end.
    MovesWithoutEnding,
    /// Access begins anew where a claim goes on.
    MovesBeginAnew,
    /// Whoever comes back is told of a claim as if it had been made now.
    ClaimsAnewInTheAnswer,
}

impl Flaw {
    /// Whether the conditions of a commit are compared.
    pub const fn checks(self, event: Event) -> bool {
        match self {
            Self::CommitsUnchecked => false,
            Self::RevokesUnchecked => !matches!(event, Event::Revoked),
            Self::MovesUnchecked => !matches!(event, Event::Moved { .. }),
            _ => true,
        }
    }
}
