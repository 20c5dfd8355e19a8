//! What must hold in every state, and what must be seen happening in some.
//!
//! Stated of rows, events and answers alone. Never here: a call of the rules that are judged.

use std::{collections::BTreeSet, time::Duration};

use cloakroom::domain::{redemption::Terms, refusal::Refusal};
use stateright::{Expectation, Property};

use super::{
    request::{Answer, Role},
    share::Share,
    state::State,
    store::{Event, Key},
};

pub const NO_MORE_CLAIMANTS: &str = "no more claimants are let in than there may be";
pub const ONE_PLACE: &str = "a claim goes on in one place alone";
pub const ONE_RECORD: &str = "each claim and each revocation has one record, and each record is of one";
pub const ONE_PER_REQUEST: &str = "no request is recorded twice";
pub const COUNTED: &str = "the state counts the claims that there are";
pub const REVOKED: &str = "nothing is opened by whoever asks after a revocation was acknowledged";
pub const MOVED: &str = "nothing is opened by whoever asks after their claim has moved on";
pub const IN_TIME: &str = "nobody claims or moves before the opening or after the end, by the clock of the replica";
pub const ACCESS_ENDS: &str = "nobody is let in after their access has ended, by the clock of the replica";
pub const ACCESS_STAYS: &str = "access is as long as was minted, wherever the claim goes";
pub const SAME_CLAIM: &str = "a claimant is told of the same claim each time";
pub const OWN_CLAIM: &str = "nobody whose claim stands is refused within its time, unless it was revoked";
pub const FORWARD: &str = "versions only rise";

/// What must hold whatever happens.
pub fn invariants() -> Vec<Property<Share>> {
    vec![
        Property::always(NO_MORE_CLAIMANTS, |share: &Share, state: &State| {
            let let_in = share.keys(claimant).into_iter().filter(|key| state.was_let_in(*key));
            let_in.count() <= share.terms.redemptions as usize
        }),
        Property::always(ONE_PLACE, |share: &Share, state: &State| {
            share.keys(claimant).into_iter().all(|from| {
                let into = share.keys(|role| mover(role, from));
                into.into_iter().filter(|to| state.was_let_in(*to)).count() <= 1
            })
        }),
        Property::always(ONE_RECORD, |share: &Share, state: &State| {
            let claims = share.keys(Role::key).into_iter().all(|key| {
                let is_of = |event: &Event| match *event {
                    Event::Claimed { by, .. } => by == key,
                    Event::Moved { to, .. } => to == key,
                    _ => false,
                };
                state.store.events().filter(is_of).count() == usize::from(state.store.claim(key).is_some())
            });
            let is_revoked = state.store.uses.is_some_and(|uses| uses.body.revoked_at.is_some());
            claims && state.store.events().filter(|event| *event == Event::Revoked).count() == usize::from(is_revoked)
        }),
        Property::always(ONE_PER_REQUEST, |_, state: &State| {
            state.clients.iter().zip(0..).all(|(client, number)| {
                let own = state.store.outbox.iter().filter(|recorded| recorded.attempt.client == number);
                own.count() <= usize::from(client.asks)
            })
        }),
        Property::always(COUNTED, |share: &Share, state: &State| {
            let there = share.keys(claimant).into_iter().filter(|key| state.store.claim(*key).is_some()).count();
            state.store.uses.map_or(0, |uses| uses.body.claims as usize) == there
        }),
        Property::always(REVOKED, |_, state: &State| !state.seen.opened_after_revocation),
        Property::always(MOVED, |_, state: &State| !state.seen.opened_after_moving),
        Property::always(IN_TIME, |share: &Share, state: &State| {
            let Terms { not_before, expires_at, .. } = share.terms;
            state.store.events().all(|event| match event {
                Event::Claimed { at, .. } => not_before.is_none_or(|opens_at| opens_at <= at) && at < expires_at,
                Event::Moved { to, at, .. } => share.clients.iter().all(|role| match *role {
                    Role::Moves { to: key, offered_until, .. } if key == to => at < offered_until,
                    _ => true,
                }),
                _ => true,
            })
        }),
        Property::always(ACCESS_ENDS, |_, state: &State| !state.seen.opened_after_access),
        Property::always(ACCESS_STAYS, |share: &Share, state: &State| {
            let until = |key: Key| state.store.claim(key).map(|row| row.body.access_until);
            let access = Duration::from_secs(share.terms.access_seconds);
            state.store.events().all(|event| match event {
                Event::Claimed { by, at } => until(by) == Some(at.plus(access)),
                Event::Moved { from, to, .. } => until(to) == until(from),
                _ => true,
            })
        }),
        Property::always(SAME_CLAIM, |_, state: &State| !state.seen.told_otherwise),
        Property::always(OWN_CLAIM, |_, state: &State| !state.seen.refused_its_own),
        Property::always(FORWARD, |_, state: &State| !state.store.has_gone_back),
    ]
}

impl State {
    fn was_let_in(&self, key: Key) -> bool {
        self.seen.told[key.index()].is_some()
    }

    fn is_unclaimed(&self) -> bool {
        self.store.uses.is_some_and(|uses| uses.body.claims == 0)
    }

    fn hears(&self, what: impl Fn(Answer) -> bool) -> bool {
        self.clients.iter().filter_map(|client| client.heard).any(what)
    }

    fn hears_refusal(&self, why: Refusal) -> bool {
        self.hears(|answer| answer == Answer::Refused(why))
    }
}

impl Share {
    /// The claim keys of these clients, each once.
    fn keys(&self, of: impl Fn(Role) -> Option<Key>) -> BTreeSet<Key> {
        self.clients.iter().filter_map(|role| of(*role)).collect()
    }
}

fn claimant(role: Role) -> Option<Key> {
    match role {
        Role::Claims { by } => Some(by),
        _ => None,
    }
}

fn mover(role: Role, of: Key) -> Option<Key> {
    match role {
        Role::Moves { from, to, .. } if from == of => Some(to),
        _ => None,
    }
}

/// What must be seen happening, where the bounds allow it: a search of nothing would find no fault either.
pub mod examples {
    use super::{super::state::moment, Answer, Expectation, Key, Property, Refusal, Share, State};

    const fn example(name: &'static str, condition: fn(&Share, &State) -> bool) -> Property<Share> {
        Property { expectation: Expectation::Sometimes, name, condition }
    }

    pub const THE_FIRST_WINS: Property<Share> =
        example("the first claimant is let in and another refused", |_, state| wins(state, Key(0)));
    pub const THE_SECOND_WINS: Property<Share> =
        example("the second claimant is let in and another refused", |_, state| wins(state, Key(1)));
    pub const THE_THIRD_WINS: Property<Share> =
        example("the third claimant is let in and another refused", |_, state| wins(state, Key(2)));
    pub const A_RETRY_SUCCEEDS: Property<Share> =
        example("a claimant who never heard that they had claimed asks again and is let in", |_, state| {
            state.seen.let_in_by_asking_again
        });
    pub const A_REVOCATION_WINS: Property<Share> = example("it is revoked before anybody claims", |_, state| {
        state.is_unclaimed() && state.hears_refusal(Refusal::Revoked)
    });
    pub const A_CLAIM_WINS: Property<Share> = example("it is revoked after somebody was let in", |share, state| {
        share.is_revoked(state) && state.hears(|answer| matches!(answer, Answer::Opened(_)))
    });
    pub const LATE: Property<Share> = example("a commit comes late and is applied", |_, state| state.seen.applied_late);
    pub const TOO_LATE: Property<Share> =
        example("a commit comes late and finds other rows", |_, state| state.seen.stale_late);
    pub const UNKNOWN: Property<Share> = example("the outcome of a commit stays unknown", |_, state| {
        state.hears(|answer| answer == Answer::Unavailable)
    });
    pub const EXPIRED: Property<Share> =
        example("it expires unclaimed", |_, state| state.is_unclaimed() && state.hears_refusal(Refusal::Expired));
    pub const AHEAD: Property<Share> =
        example("a replica whose clock is ahead refuses before the end", |share, state| {
            moment(state.now) < share.terms.expires_at && state.hears_refusal(Refusal::Expired)
        });
    pub const ACCESS_ENDS: Property<Share> =
        example("a claimant comes back too late", |_, state| state.hears_refusal(Refusal::AccessEnded));
    pub const WAITS: Property<Share> =
        example("a claimant is told to wait", |_, state| state.hears(|answer| answer == Answer::Later));
    pub const MOVES: Property<Share> =
        example("a claim moves, and whoever had it is refused", |_, state| state.hears_refusal(Refusal::Moved));

    fn wins(state: &State, key: Key) -> bool {
        state.was_let_in(key) && state.hears_refusal(Refusal::AlreadyClaimed)
    }
}
