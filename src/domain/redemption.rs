//! Redemption: what makes a share or link single-use.
//!
//! Both go through this one transition. The state row and the claim row that
//! come out of it are written in one commit, each on the condition that it is
//! still as it was read; that, and nothing else, is why two redeemers never win.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{instant::Instant, narrowing::Narrowed, recipient::RecipientMark, refusal::Refusal};

/// The most claimants of one share or link.
pub const MOST_REDEMPTIONS: u32 = 1_000;

/// What was fixed at minting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// When it was minted.
    pub issued_at: Instant,
    /// From when on it may be claimed, where that is not from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Instant>,
    /// Until when it may be claimed.
    pub expires_at: Instant,
    /// For how many seconds after the claim the claimant may come back.
    pub access_seconds: u64,
    /// How many claimants there may be.
    pub redemptions: u32,
}

/// What changes: kept in a small row of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseState {
    /// How many claims there have been.
    pub claims: u32,
    /// When the owner revoked it.
    pub revoked_at: Option<Instant>,
    /// What the owner has taken back since it was minted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<Narrowed>,
}

/// One successful redemption. Its row is keyed by the hash of the claim key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// When it happened.
    pub claimed_at: Instant,
    /// Until when the claimant may come back.
    pub access_until: Instant,
    /// When the claimant went on with it on another device, and this claim ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_at: Option<Instant>,
    /// Which of the recipients made it, where it goes to some alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<RecipientMark>,
}

/// What comes of going on with a claim on another device, when that is not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// The claim ends and another takes its place: both rows are to be committed.
    First {
        /// The claim that ends.
        ended: Claim,
        /// The one that takes its place.
        claim: Claim,
    },
    /// The new claimant is back: nothing changes but its credentials.
    Again {
        /// The claim as it was made.
        claim: Claim,
    },
}

/// What comes of a redemption that is not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// The claim that uses the token up: both rows are to be committed.
    First {
        /// The new state.
        state: UseState,
        /// The new claim.
        claim: Claim,
    },
    /// The claimant is back: nothing changes but its credentials.
    Again {
        /// The claim as it was made.
        claim: Claim,
    },
    /// Nobody may claim it yet: nothing changes. Who holds the token may know when they can.
    Later {
        /// From when on it may be claimed.
        opens_at: Instant,
    },
}

/// What an owner sees of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Can be claimed.
    Pending,
    /// Was claimed as often as it may be.
    Claimed,
    /// Was never claimed, and cannot be any more.
    Expired,
    /// Was revoked.
    Revoked,
}

impl Terms {
    /// Redeems for whoever presents the claim key under which `existing` was found, if any.
    ///
    /// A claimant who comes back is judged by the time of the claim, so that
    /// a lost response costs nothing; revocation cuts it off all the same.
    ///
    /// # Errors
    /// The real reason, which the redeemer must not be told.
    pub fn redeem(&self, state: &UseState, existing: Option<&Claim>, now: Instant) -> Result<Redemption, Refusal> {
        if state.revoked_at.is_some() {
            return Err(Refusal::Revoked);
        }
        if let Some(claim) = existing {
            return match claim.returns(now) {
                Ok(()) => Ok(Redemption::Again { claim: claim.clone() }),
                Err(refusal) => Err(refusal),
            };
        }
        self.may_be_claimed(state, now)?;
        if let Some(opens_at) = self.not_before.filter(|opens_at| now < *opens_at) {
            return Ok(Redemption::Later { opens_at });
        }
        let access_until = now.plus(Duration::from_secs(self.access_seconds));
        let claim = Claim { claimed_at: now, access_until, moved_at: None, recipient: None };
        let state = UseState { claims: state.claims + 1, ..state.clone() };
        Ok(Redemption::First { state, claim })
    }

    /// Whether somebody new could claim it now, or later.
    ///
    /// # Errors
    /// The real reason why not.
    pub fn may_be_claimed(&self, state: &UseState, now: Instant) -> Result<(), Refusal> {
        if state.revoked_at.is_some() {
            Err(Refusal::Revoked)
        } else if state.claims >= self.redemptions {
            Err(Refusal::AlreadyClaimed)
        } else if now >= self.expires_at {
            Err(Refusal::Expired)
        } else {
            Ok(())
        }
    }

    /// What the owner sees.
    pub fn status(&self, state: &UseState, now: Instant) -> Status {
        match self.may_be_claimed(state, now) {
            Ok(()) => Status::Pending,
            Err(Refusal::Revoked) => Status::Revoked,
            Err(Refusal::AlreadyClaimed) => Status::Claimed,
            Err(_) => Status::Expired,
        }
    }

    /// The last moment at which anything of it can still be used.
    pub fn ends_at(&self) -> Instant {
        self.expires_at.plus(Duration::from_secs(self.access_seconds))
    }
}

impl Claim {
    /// Whether the claimant may still come back.
    ///
    /// # Errors
    /// When its time is over, or the claim has moved on.
    pub fn returns(&self, now: Instant) -> Result<(), Refusal> {
        if self.moved_at.is_some() {
            Err(Refusal::Moved)
        } else if now < self.access_until {
            Ok(())
        } else {
            Err(Refusal::AccessEnded)
        }
    }
}

impl UseState {
    /// Goes on with the claim `from` for whoever presents the claim key under which `existing` was found, if any.
    ///
    /// The claim itself is what makes it single-use: it ends, so that whoever comes second finds nothing to go on
    /// with. Neither does the count of claims grow, nor the time. Until the claim has moved,
    /// its own claimant may follow the offer, too, and stays where it is.
    ///
    /// # Errors
    /// The real reason, which whoever asks must not be told.
    pub fn move_claim(
        &self,
        from: Option<&Claim>,
        existing: Option<&Claim>,
        offered_until: Instant,
        now: Instant,
    ) -> Result<Move, Refusal> {
        if self.revoked_at.is_some() {
            return Err(Refusal::Revoked);
        }
        if let Some(claim) = existing {
            claim.returns(now)?;
            return Ok(Move::Again { claim: claim.clone() });
        }
        let from = from.ok_or(Refusal::Unknown)?;
        from.returns(now)?;
        if now >= offered_until {
            return Err(Refusal::Expired);
        }
        let claim = Claim { claimed_at: now, ..from.clone() };
        Ok(Move::First { ended: Claim { moved_at: Some(now), ..from.clone() }, claim })
    }

    /// The state after the owner revoked it; none if it already is.
    pub fn revoke(&self, now: Instant) -> Option<Self> {
        match self.revoked_at {
            Some(_) => None,
            None => Some(Self { revoked_at: Some(now), ..self.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(seconds)
    }

    fn terms() -> Terms {
        Terms { issued_at: at(100), not_before: None, expires_at: at(1_000), access_seconds: 3_600, redemptions: 1 }
    }

    fn first(state: &UseState, now: Instant) -> (UseState, Claim) {
        match terms().redeem(state, None, now) {
            Ok(Redemption::First { state, claim }) => (state, claim),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_second_claimant_is_refused() {
        let (state, _) = first(&UseState::default(), at(200));
        assert_eq!(terms().redeem(&state, None, at(201)), Err(Refusal::AlreadyClaimed));
    }

    #[test]
    fn the_claimant_itself_may_come_back_even_after_expiry() {
        let (state, claim) = first(&UseState::default(), at(999));
        let again = terms().redeem(&state, Some(&claim), at(2_000));
        assert_eq!(again, Ok(Redemption::Again { claim: claim.clone() }));
        assert_eq!(claim.access_until, at(999 + 3_600));
        assert_eq!(terms().redeem(&state, Some(&claim), at(999 + 3_600)), Err(Refusal::AccessEnded));
    }

    #[test]
    fn expiry_is_exact() {
        assert!(terms().redeem(&UseState::default(), None, Instant::from_unix_millis(999_999)).is_ok());
        assert_eq!(terms().redeem(&UseState::default(), None, at(1_000)), Err(Refusal::Expired));
    }

    #[test]
    fn nobody_claims_it_before_it_opens() {
        let terms = Terms { not_before: Some(at(500)), ..terms() };
        let (fresh, before) = (UseState::default(), Instant::from_unix_millis(499_999));
        assert_eq!(terms.redeem(&fresh, None, before), Ok(Redemption::Later { opens_at: at(500) }));
        assert_eq!(terms.status(&fresh, before), Status::Pending);
        let Ok(Redemption::First { state, claim }) = terms.redeem(&fresh, None, at(500)) else { panic!() };
        assert_eq!(terms.redeem(&state, Some(&claim), before), Ok(Redemption::Again { claim }));
        // What is dead does not say that it would have opened.
        assert_eq!(terms.redeem(&state, None, before), Err(Refusal::AlreadyClaimed));
        assert_eq!(terms.redeem(&fresh.revoke(at(1)).unwrap(), None, before), Err(Refusal::Revoked));
    }

    #[test]
    fn revocation_cuts_off_claimants_and_newcomers() {
        let (state, claim) = first(&UseState::default(), at(200));
        let revoked = state.revoke(at(300)).unwrap();
        assert_eq!(terms().redeem(&revoked, Some(&claim), at(301)), Err(Refusal::Revoked));
        assert_eq!(terms().redeem(&revoked, None, at(301)), Err(Refusal::Revoked));
        assert_eq!(revoked.revoke(at(400)), None);
    }

    #[test]
    fn as_many_claims_as_asked_for_and_not_one_more() {
        let terms = Terms { redemptions: 3, ..terms() };
        let mut state = UseState::default();
        for _ in 0..3 {
            let Ok(Redemption::First { state: next, .. }) = terms.redeem(&state, None, at(200)) else { panic!() };
            state = next;
        }
        assert_eq!(terms.redeem(&state, None, at(200)), Err(Refusal::AlreadyClaimed));
    }

    fn moved(state: &UseState, from: &Claim, now: Instant) -> (Claim, Claim) {
        match state.move_claim(Some(from), None, at(1_500), now) {
            Ok(Move::First { ended, claim }) => (ended, claim),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_claim_moves_once_and_its_time_stays() {
        let (state, claim) = first(&UseState::default(), at(999));
        let (ended, new) = moved(&state, &claim, at(1_400));
        assert_eq!((new.access_until, new.claimed_at, new.moved_at), (claim.access_until, at(1_400), None));
        assert_eq!(ended.moved_at, Some(at(1_400)));
        assert_eq!(terms().redeem(&state, Some(&ended), at(1_401)), Err(Refusal::Moved));
        assert_eq!(terms().redeem(&state, None, at(1_401)), Err(Refusal::AlreadyClaimed));
        assert_eq!(state.move_claim(Some(&ended), None, at(1_500), at(1_401)), Err(Refusal::Moved));
        assert_eq!(state.move_claim(Some(&ended), Some(&ended), at(1_500), at(1_401)), Err(Refusal::Moved));
        // Whoever has it comes back by the same offer, beyond the offer's end, and may move on.
        let again = state.move_claim(Some(&ended), Some(&new), at(1_500), at(4_000));
        assert_eq!(again, Ok(Move::Again { claim: new.clone() }));
        let later = state.move_claim(Some(&ended), Some(&new), at(1_500), new.access_until);
        assert_eq!(later, Err(Refusal::AccessEnded));
        assert_eq!(moved(&state, &new, at(1_450)).1.access_until, claim.access_until);
    }

    #[test]
    fn an_offer_to_move_ends_with_its_time_the_claims_and_the_share() {
        let (state, claim) = first(&UseState::default(), at(999));
        let moves = |state: &UseState, from: Option<&Claim>, until, now| state.move_claim(from, None, until, now);
        assert_eq!(moves(&state, Some(&claim), at(1_500), at(1_500)), Err(Refusal::Expired));
        assert_eq!(moves(&state, Some(&claim), at(9_999), claim.access_until), Err(Refusal::AccessEnded));
        assert_eq!(moves(&state, None, at(1_500), at(1_400)), Err(Refusal::Unknown));
        let revoked = state.revoke(at(1_000)).unwrap();
        assert_eq!(moves(&revoked, Some(&claim), at(1_500), at(1_400)), Err(Refusal::Revoked));
        assert_eq!(revoked.move_claim(Some(&claim), Some(&claim), at(1_500), at(1_400)), Err(Refusal::Revoked));
        // Its own claimant moves nothing.
        let stays = state.move_claim(Some(&claim), Some(&claim), at(1_500), at(1_400));
        assert_eq!(stays, Ok(Move::Again { claim }));
    }

    #[test]
    fn the_owner_sees_what_became_of_it() {
        let (claimed, _) = first(&UseState::default(), at(200));
        assert_eq!(terms().status(&UseState::default(), at(200)), Status::Pending);
        assert_eq!(terms().status(&UseState::default(), at(1_000)), Status::Expired);
        assert_eq!(terms().status(&claimed, at(5_000)), Status::Claimed);
        assert_eq!(terms().status(&claimed.revoke(at(300)).unwrap(), at(301)), Status::Revoked);
    }

    #[test]
    fn nothing_of_it_outlasts_a_claim_at_the_last_moment() {
        let last = Instant::from_unix_millis(999_999);
        let (_, claim) = first(&UseState::default(), last);
        assert_eq!(terms().ends_at(), at(1_000 + 3_600));
        assert!(claim.access_until < terms().ends_at());
    }
}
