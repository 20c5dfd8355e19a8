//! One request, as a replica handles it: which rows it reads and in which order, and what it then commits or answers.
//!
//! What it decides is the domain's own transition. Never here: what becomes of a commit on its way.

use std::time::Duration;

use cloakroom::domain::{
    instant::Instant,
    redemption::{Claim, Move, Redemption, Terms, UseState},
    refusal::Refusal,
};

use super::{
    flaws::Flaw,
    rows::{Claimed, Row, Uses, Write},
    store::{Attempt, Commit, Event, Key, Store},
};

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Its owner mints the share. Nobody else has a token before that is answered.
    Mints,
    Claims {
        by: Key,
    },
    /// Goes on with somebody's claim, once that was granted.
    Moves {
        from: Key,
        to: Key,
        offered_until: Instant,
    },
    Revokes,
}

impl Role {
    /// Whose claim is asked for.
    pub const fn key(self) -> Option<Key> {
        match self {
            Self::Claims { by } => Some(by),
            Self::Moves { to, .. } => Some(to),
            Self::Mints | Self::Revokes => None,
        }
    }

    /// Whose claim is to move.
    pub const fn from(self) -> Option<Key> {
        match self {
            Self::Moves { from, .. } => Some(from),
            _ => None,
        }
    }
}

/// What a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Opened(Claimed),
    Later,
    Refused(Refusal),
    /// Minted, or revoked.
    Done,
    Unavailable,
}

/// A row that a request reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reading {
    /// The claim that is to move.
    Leaving,
    Uses,
    /// The claim of whoever asks.
    Claim,
}

/// What was read so far: nothing, that there is no row, or a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Read {
    leaving: Option<Option<Row<Claimed>>>,
    uses: Option<Option<Row<Uses>>>,
    claim: Option<Option<Row<Claimed>>>,
}

impl Read {
    /// What may be read next. Of two, either: they are asked for in one batch, which is not of one moment, or the claim
    /// after the state.
    pub fn next(&self, role: Role, flaw: Option<Flaw>) -> impl Iterator<Item = Reading> + use<> {
        let leaving = self.leaving.is_none().then_some(Reading::Leaving);
        let uses = self.uses.is_none().then_some(Reading::Uses);
        let claim = self.claim.is_none().then_some(Reading::Claim);
        let next = match role {
            Role::Mints => [None, None],
            Role::Revokes => [uses, None],
            Role::Claims { .. } => [uses, claim],
            Role::Moves { .. } if flaw == Some(Flaw::ReadsTheLeavingLast) => match uses.or(claim) {
                Some(_) => [uses, claim],
                None => [leaving, None],
            },
            // Before all else: when it has moved by then, what it has become is there to be found.
            Role::Moves { .. } => match leaving {
                Some(_) => [leaving, None],
                None => [uses, claim],
            },
        };
        next.into_iter().flatten()
    }

    pub fn read(&mut self, row: Reading, role: Role, store: &Store, flaw: Option<Flaw>) {
        let claim = |key: Option<Key>| Some(key.and_then(|key| store.claim(key)));
        match row {
            Reading::Leaving => self.leaving = claim(role.from()),
            Reading::Claim => self.claim = claim(role.key()),
            Reading::Uses => {
                self.uses = Some(store.uses);
                // A claim that was read before may be older than the state that counts it.
                let is_overtaken = self.claim == Some(None) && store.uses.is_some_and(|uses| uses.body.claims > 0);
                if is_overtaken && flaw != Some(Flaw::TrustsAnEarlierRead) {
                    self.claim = None;
                }
            }
        }
    }
}

/// What comes of what was read.
pub enum Decision {
    Answers(Answer),
    /// What is sent, and what is answered once it is applied.
    Commits(Commit, Answer),
}

/// The clock and the terms by which a request is decided.
pub struct Deciding<'a> {
    pub terms: &'a Terms,
    pub now: Instant,
    pub attempt: Attempt,
    pub flaw: Option<Flaw>,
}

impl Deciding<'_> {
    pub fn decide(&self, role: Role, read: &Read) -> Decision {
        match (role, read.uses.flatten()) {
            (Role::Mints, _) => {
                let fresh = Write::first(Uses::of(UseState::default()));
                Decision::Commits(Commit { uses: Some(fresh), ..self.recording(Event::Minted) }, Answer::Done)
            }
            (_, None) => Decision::Answers(Answer::Refused(Refusal::Unknown)),
            (Role::Revokes, Some(uses)) => self.revoke(&uses),
            (Role::Claims { by }, Some(uses)) => self.redeem(by, &uses, read.claim.flatten()),
            (Role::Moves { from, to, offered_until }, Some(uses)) => {
                let (leaving, existing) = (read.leaving.flatten(), read.claim.flatten());
                self.move_claim((from, leaving), (to, existing), &uses, offered_until)
            }
        }
    }

    /// A commit that changes nothing yet.
    const fn recording(&self, event: Event) -> Commit {
        Commit { attempt: self.attempt, event, uses: None, ended: None, claim: None }
    }

    fn revoke(&self, uses: &Row<Uses>) -> Decision {
        match uses.body.to_domain().revoke(self.now) {
            None => Decision::Answers(Answer::Done),
            Some(revoked) => {
                let uses = Some(Write::over(uses, Uses::of(revoked)));
                Decision::Commits(Commit { uses, ..self.recording(Event::Revoked) }, Answer::Done)
            }
        }
    }

    fn redeem(&self, by: Key, uses: &Row<Uses>, existing: Option<Row<Claimed>>) -> Decision {
        let existing = existing.map(|row| row.body.to_domain());
        match self.terms().redeem(&self.state(uses), existing.as_ref(), self.judged_at(existing.as_ref())) {
            Ok(Redemption::First { state, claim }) => {
                let claim = Claimed::of(claim);
                let commit = Commit {
                    uses: Some(Write::over(uses, Uses::of(state))),
                    claim: Some((by, Write::first(claim))),
                    ..self.recording(Event::Claimed { by, at: self.now })
                };
                Decision::Commits(commit, Answer::Opened(claim))
            }
            Ok(Redemption::Again { claim }) => self.renew(by, Claimed::of(claim)),
            Ok(Redemption::Later { .. }) => Decision::Answers(Answer::Later),
            Err(why) => Decision::Answers(Answer::Refused(why)),
        }
    }

    fn move_claim(
        &self,
        (from, leaving): (Key, Option<Row<Claimed>>),
        (to, existing): (Key, Option<Row<Claimed>>),
        uses: &Row<Uses>,
        offered_until: Instant,
    ) -> Decision {
        let leaving_claim = leaving.map(|row| row.body.to_domain());
        let existing = existing.map(|row| row.body.to_domain());
        let moved = self.state(uses).move_claim(leaving_claim.as_ref(), existing.as_ref(), offered_until, self.now);
        match (moved, leaving) {
            (Ok(Move::First { ended, claim }), Some(leaving)) => {
                let claim = self.moved(Claimed::of(claim));
                let ended = (from, Write::over(&leaving, Claimed::of(ended)));
                let commit = Commit {
                    ended: Some(ended).filter(|_| self.flaw != Some(Flaw::MovesWithoutEnding)),
                    claim: Some((to, Write::first(claim))),
                    ..self.recording(Event::Moved { from, to, at: self.now })
                };
                Decision::Commits(commit, Answer::Opened(claim))
            }
            (Ok(Move::First { .. }), None) => Decision::Answers(Answer::Refused(Refusal::Unknown)),
            (Ok(Move::Again { claim }), _) => self.renew(to, Claimed::of(claim)),
            (Err(why), _) => Decision::Answers(Answer::Refused(why)),
        }
    }

    fn renew(&self, by: Key, claim: Claimed) -> Decision {
        let claim = match self.flaw {
            Some(Flaw::ClaimsAnewInTheAnswer) => Claimed { claimed_at: self.now, ..claim },
            _ => claim,
        };
        Decision::Commits(self.recording(Event::Renewed { by }), Answer::Opened(claim))
    }

    fn moved(&self, claim: Claimed) -> Claimed {
        match self.flaw {
            Some(Flaw::MovesBeginAnew) => {
                let access_until = self.now.plus(Duration::from_secs(self.terms.access_seconds));
                Claimed { access_until, ..claim }
            }
            _ => claim,
        }
    }

    fn judged_at(&self, existing: Option<&Claim>) -> Instant {
        match (self.flaw, existing) {
            (Some(Flaw::IgnoresAccessEnd), Some(claim)) => claim.claimed_at,
            _ => self.now,
        }
    }

    fn state(&self, uses: &Row<Uses>) -> UseState {
        match self.flaw {
            Some(Flaw::IgnoresRevocation) => UseState { revoked_at: None, ..uses.body.to_domain() },
            _ => uses.body.to_domain(),
        }
    }

    fn terms(&self) -> Terms {
        match self.flaw {
            Some(Flaw::IgnoresExpiry) => {
                Terms { expires_at: Instant::from_unix_seconds(u64::MAX), ..self.terms.clone() }
            }
            Some(Flaw::IgnoresOpening) => Terms { not_before: None, ..self.terms.clone() },
            _ => self.terms.clone(),
        }
    }
}
