//! What clients have asked of one share, when, and what they were told: and whether one share, to which all of that happens one
//! after the other, could have told them so.
//!
//! A history that no such order explains is a broken promise (linearizability; Herlihy, Wing, 1990). The search is that of Wing and
//! Gong (1993), which remembers what it has tried.
//!
//! Never here: how a share is redeemed. The one in this file is written from what is promised, and not from the code.

use std::collections::HashSet;

use cloakroom::domain::instant::Instant;

/// Who asks, by number.
pub type Claimant = u8;

/// What somebody asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To redeem it.
    Redeem(Claimant),
    /// To go on with somebody's claim, as was offered until then.
    Follow { from: Claimant, to: Claimant, until: Instant },
    /// To be let in with a credential that is good until then.
    Enter { claimant: Claimant, until: Instant },
    /// To revoke it.
    Revoke,
}

impl Asked {
    /// Who will have it, or wants to be let in.
    pub fn claimant(&self) -> Option<Claimant> {
        match *self {
            Self::Redeem(claimant) | Self::Follow { to: claimant, .. } | Self::Enter { claimant, .. } => Some(claimant),
            Self::Revoke => None,
        }
    }
}

/// What they were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// That it is theirs until then.
    Opened { until: Instant },
    /// That it cannot be opened.
    Dead,
    /// That it opens later.
    NotYet,
    /// That they are let in.
    LetIn,
    /// That they are not.
    KeptOut,
    /// That it is revoked.
    Revoked,
    /// Nothing that could be relied upon: no answer, or an error. It may have happened, and may yet.
    Nothing,
}

/// One question and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    pub asked: Asked,
    pub told: Told,
    /// Between which steps; an answer that never came may still come true.
    pub begun: u64,
    pub ended: u64,
    /// Between which times of the clock of the replica that was asked.
    pub from: Instant,
    pub to: Instant,
}

impl Asking {
    /// What was answered, to be counted.
    pub fn name(&self) -> &'static str {
        match (self.told, self.asked) {
            (Told::Opened { .. }, Asked::Follow { .. }) => "moved",
            (Told::Opened { .. }, _) => "opened",
            (Told::Dead, _) => "dead",
            (Told::NotYet, _) => "not yet",
            (Told::LetIn, _) => "let in",
            (Told::KeptOut, _) => "kept out",
            (Told::Revoked, _) => "revoked",
            (Told::Nothing, _) => "nothing",
        }
    }
}

/// What a share promises.
#[derive(Clone, Copy, Debug)]
pub struct Promised {
    pub opens_at: Instant,
    pub expires_at: Instant,
    pub access_millis: u64,
    pub redemptions: usize,
}

/// A claim, and between which times its end lies: nobody was told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Claim {
    claimant: Claimant,
    earliest: u64,
    latest: u64,
    has_moved: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Share {
    claims: Vec<Claim>,
    /// Those that were made by redeeming it.
    claimed: usize,
    is_revoked: bool,
}

impl Share {
    fn claim_of(&self, claimant: Claimant) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.claimant == claimant)
    }

    fn with(&self, claim: Claim) -> Self {
        let mut claims: Vec<_> = self.claims.iter().filter(|other| other.claimant != claim.claimant).copied().collect();
        claims.push(claim);
        claims.sort_unstable();
        Self { claims, ..self.clone() }
    }

    /// The share after this, if that could have been told; or several, where nobody knows what has happened.
    fn after(&self, promised: &Promised, asking: &Asking) -> Vec<Self> {
        let (from, to) = (asking.from.as_unix_millis(), asking.to.as_unix_millis());
        let when = |is_possible: bool, share: Self| is_possible.then_some(share).into_iter().collect();
        match (asking.asked, asking.told) {
            (Asked::Revoke, Told::Revoked | Told::Nothing) => vec![Self { is_revoked: true, ..self.clone() }],
            (Asked::Enter { .. }, Told::Nothing) => vec![self.clone()],
            (Asked::Enter { claimant, until }, told) => {
                let Some(claim) = self.claim_of(claimant) else { return Vec::new() };
                let is_over = |at: u64, end: u64| at >= end.min(until.as_unix_millis());
                match told {
                    Told::LetIn => {
                        when(!self.is_revoked && !claim.has_moved && !is_over(from, claim.latest), self.clone())
                    }
                    Told::KeptOut => {
                        when(self.is_revoked || claim.has_moved || is_over(to, claim.earliest), self.clone())
                    }
                    _ => Vec::new(),
                }
            }
            (Asked::Redeem(claimant), told) => match self.claim_of(claimant) {
                Some(claim) => self.back(*claim, told, from, to),
                None => self.claimed_by(claimant, promised, told, from, to),
            },
            (Asked::Follow { from: old, to: new, until }, told) => match self.claim_of(new) {
                Some(claim) => self.back(*claim, told, from, to),
                None => self.moved(old, new, until.as_unix_millis(), told, from, to),
            },
            _ => Vec::new(),
        }
    }

    /// Somebody who has a claim asks again.
    fn back(&self, claim: Claim, told: Told, from: u64, to: u64) -> Vec<Self> {
        let is_closed = self.is_revoked || claim.has_moved;
        match told {
            Told::Nothing => vec![self.clone()],
            Told::Dead if is_closed || to >= claim.earliest => vec![self.clone()],
            Told::Opened { until } => {
                let until = until.as_unix_millis();
                let is_it = (claim.earliest..=claim.latest).contains(&until) && from < until && !is_closed;
                let known = Claim { earliest: until, latest: until, ..claim };
                is_it.then(|| self.with(known)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Somebody who has none asks for one.
    fn claimed_by(&self, claimant: Claimant, promised: &Promised, told: Told, from: u64, to: u64) -> Vec<Self> {
        let [opens_at, expires_at] = [promised.opens_at, promised.expires_at].map(Instant::as_unix_millis);
        let is_closed = self.is_revoked || self.claimed >= promised.redemptions;
        let claimed = |earliest: u64, latest: u64| {
            let ends = |at: u64| at + promised.access_millis;
            let claim = Claim { claimant, earliest: ends(earliest), latest: ends(latest), has_moved: false };
            Self { claimed: self.claimed + 1, ..self.with(claim) }
        };
        match told {
            Told::Dead if is_closed || to >= expires_at => vec![self.clone()],
            Told::NotYet if !is_closed && from < opens_at && from < expires_at => vec![self.clone()],
            Told::Opened { until } => {
                let at = until.as_unix_millis().saturating_sub(promised.access_millis);
                let is_it = !is_closed && (from..=to).contains(&at) && opens_at <= at && at < expires_at;
                is_it.then(|| claimed(at, at)).into_iter().collect()
            }
            Told::Nothing => {
                let (earliest, latest) = (from.max(opens_at), to.min(expires_at.saturating_sub(1)));
                let mut possible = vec![self.clone()];
                possible.extend((!is_closed && earliest <= latest).then(|| claimed(earliest, latest)));
                possible
            }
            _ => Vec::new(),
        }
    }

    /// Somebody goes on with another's claim.
    fn moved(&self, old: Claimant, new: Claimant, offered: u64, told: Told, from: u64, to: u64) -> Vec<Self> {
        let Some(claim) = self.claim_of(old).copied() else { return Vec::new() };
        let is_closed = self.is_revoked || claim.has_moved;
        let moved = |ends: (u64, u64)| {
            let moves = Claim { claimant: new, earliest: ends.0, latest: ends.1, has_moved: false };
            self.with(Claim { has_moved: true, ..claim }).with(moves)
        };
        match told {
            Told::Dead if is_closed || to >= offered || to >= claim.earliest => vec![self.clone()],
            Told::Opened { until } => {
                let until = until.as_unix_millis();
                let is_it = !is_closed && from < offered && from < until;
                let is_it = is_it && (claim.earliest..=claim.latest).contains(&until);
                is_it.then(|| moved((until, until))).into_iter().collect()
            }
            Told::Nothing => {
                let mut possible = vec![self.clone()];
                let could = !is_closed && from < offered && from < claim.latest;
                possible.extend(could.then(|| moved((claim.earliest, claim.latest))));
                possible
            }
            _ => Vec::new(),
        }
    }
}

/// Whether some order of all that was asked explains all that was told.
pub fn is_explained(promised: &Promised, history: &[Asking]) -> bool {
    assert!(history.len() <= 64, "a history too long to search");
    let mut tried = HashSet::new();
    let mut open = vec![(0_u64, Share::default())];
    while let Some((done, share)) = open.pop() {
        let waiting = || history.iter().enumerate().filter(|(number, _)| done & (1 << number) == 0);
        // What nobody was told need not have happened.
        if waiting().all(|(_, asking)| asking.told == Told::Nothing) {
            return true;
        }
        // What had ended before another began, happened before it.
        let first_end = waiting().map(|(_, asking)| asking.ended).min().unwrap_or(u64::MAX);
        for (number, asking) in waiting().filter(|(_, asking)| asking.begun <= first_end) {
            for share in share.after(promised, asking) {
                let next = (done | (1 << number), share);
                if tried.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
    }
    false
}

/// That the search refuses what it has to.
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(seconds)
    }

    fn promised(redemptions: usize) -> Promised {
        Promised { opens_at: at(0), expires_at: at(1_000), access_millis: 100_000, redemptions }
    }

    /// Asked and told at this second, from the first of these steps to the other.
    fn asking(asked: Asked, told: Told, steps: (u64, u64), second: u64) -> Asking {
        Asking { asked, told, begun: steps.0, ended: steps.1, from: at(second), to: at(second) }
    }

    fn opened(claimant: Claimant, steps: (u64, u64), second: u64) -> Asking {
        asking(Asked::Redeem(claimant), Told::Opened { until: at(second + 100) }, steps, second)
    }

    fn dead(claimant: Claimant, steps: (u64, u64), second: u64) -> Asking {
        asking(Asked::Redeem(claimant), Told::Dead, steps, second)
    }

    fn nothing(claimant: Claimant, begun: u64, second: u64) -> Asking {
        asking(Asked::Redeem(claimant), Told::Nothing, (begun, u64::MAX), second)
    }

    fn revoked(steps: (u64, u64), second: u64) -> Asking {
        asking(Asked::Revoke, Told::Revoked, steps, second)
    }

    #[test]
    fn one_of_two_who_ask_at_once_has_it() {
        let both = [opened(1, (1, 10), 5), dead(2, (2, 9), 5)];
        assert!(is_explained(&promised(1), &both));
        assert!(!is_explained(&promised(1), &[opened(1, (1, 10), 5), opened(2, (2, 9), 5)]));
        assert!(is_explained(&promised(2), &[opened(1, (1, 10), 5), opened(2, (2, 9), 5)]));
        // Refused before anybody had it, while it was good.
        assert!(!is_explained(&promised(1), &[dead(2, (1, 2), 5), opened(1, (3, 4), 6)]));
        assert!(is_explained(&promised(1), &[dead(2, (1, 3), 5), opened(1, (3, 4), 6)]));
    }

    #[test]
    fn an_answer_that_was_lost_may_have_been_either() {
        assert!(is_explained(&promised(1), &[nothing(1, 1, 5), dead(2, (2, 3), 6)]));
        assert!(is_explained(&promised(1), &[nothing(1, 1, 5), opened(2, (2, 3), 6)]));
        assert!(!is_explained(&promised(1), &[nothing(1, 1, 5), dead(2, (2, 3), 6), opened(3, (4, 5), 7)]));
        // Not before it was asked.
        assert!(!is_explained(&promised(1), &[dead(2, (1, 2), 5), nothing(1, 3, 6)]));
    }

    #[test]
    fn who_comes_back_has_the_same_claim() {
        let again = |until: u64| asking(Asked::Redeem(1), Told::Opened { until: at(until) }, (3, 4), 50);
        assert!(is_explained(&promised(1), &[opened(1, (1, 2), 5), again(105)]));
        assert!(!is_explained(&promised(1), &[opened(1, (1, 2), 5), again(150)]));
        assert!(!is_explained(&promised(1), &[opened(1, (1, 2), 5), dead(1, (3, 4), 104)]));
        assert!(is_explained(&promised(1), &[opened(1, (1, 2), 5), dead(1, (3, 4), 105)]));
        // Whose answer was lost, too, when the claim was made.
        assert!(is_explained(&promised(1), &[nothing(1, 1, 5), again(105)]));
        assert!(!is_explained(&promised(1), &[nothing(1, 1, 5), dead(2, (2, 2), 6), again(150)]));
    }

    #[test]
    fn nobody_is_let_in_after_it_was_revoked_or_has_ended() {
        let enters = |told, steps, second| asking(Asked::Enter { claimant: 1, until: at(90) }, told, steps, second);
        let first = opened(1, (1, 2), 5);
        assert!(is_explained(&promised(1), &[first, enters(Told::LetIn, (3, 4), 89)]));
        assert!(!is_explained(&promised(1), &[first, enters(Told::LetIn, (3, 4), 90)]));
        assert!(!is_explained(&promised(1), &[first, enters(Told::KeptOut, (3, 4), 89)]));
        assert!(!is_explained(&promised(1), &[first, revoked((3, 4), 6), enters(Told::LetIn, (5, 6), 7)]));
        assert!(is_explained(&promised(1), &[first, revoked((3, 6), 6), enters(Told::LetIn, (5, 6), 7)]));
        assert!(!is_explained(&promised(1), &[revoked((1, 2), 5), opened(1, (3, 4), 6)]));
        assert!(!is_explained(&promised(1), &[opened(1, (1, 2), 1_000)]));
        assert!(!is_explained(&promised(1), &[dead(1, (1, 2), 999)]));
    }

    #[test]
    fn a_claim_moves_once() {
        let follows = |to, told, steps| asking(Asked::Follow { from: 1, to, until: at(60) }, told, steps, 50);
        let there = Told::Opened { until: at(105) };
        let first = opened(1, (1, 2), 5);
        assert!(is_explained(&promised(1), &[first, follows(2, there, (3, 4)), follows(3, Told::Dead, (5, 6))]));
        assert!(!is_explained(&promised(1), &[first, follows(2, there, (3, 4)), follows(3, there, (3, 6))]));
        assert!(!is_explained(
            &promised(1),
            &[first, follows(2, there, (3, 4)), {
                let again = opened(1, (5, 6), 50);
                Asking { told: there, ..again }
            }]
        ));
        let late = Asking { from: at(60), to: at(60), ..follows(2, there, (3, 4)) };
        assert!(!is_explained(&promised(1), &[first, late]));
    }
}
