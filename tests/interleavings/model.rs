//! A model of what the rows of one share go through, searched exhaustively: minted, claimed, asked for again, moved,
//! revoked and expired, while requests meet, answers are lost or late, and replicas crash.
//!
//! The rules are not modelled: each request decides by the domain's own transitions. The store is, and is compared
//! with the store in memory for each commit that a search meets. What is said here again, and may go astray from the
//! code, is in which order a redemption reads (`service/presented_shares.rs`) and how it is sent again
//! (`store/resend.rs`).
//!
//! Each search sees every state within its bounds and prints how many there were, and how many steps lead to the
//! farthest of them. Each promise has a protocol that is broken on purpose, for which it has to be found broken.
//!
//! With larger bounds it sees ten million states instead of eight hundred thousand, which takes two minutes and up to
//! two gigabytes: `CLOAKROOM_MODEL_LARGE=1 cargo test --release --test interleavings model -- --nocapture`.
//!
//! Never here: a rule of the domain, said again.

mod bounds;
mod conformance;
mod flaws;
mod properties;
mod request;
mod rows;
mod share;
mod state;
mod store;

use stateright::{Checker, HasDiscoveries, Model};

use flaws::Flaw;
use share::Share;
use store::Outcome;

/// Holds all properties in every state that can be reached.
fn search(name: &str, share: Share) {
    let checker = share.checker().spawn_bfs().join();
    let (states, steps) = (checker.unique_state_count(), checker.max_depth() - 1);
    println!("{name}: {states} states, at most {steps} steps");
    checker.assert_properties();
}

#[test]
fn of_three_claimants_one_wins() {
    search("three claimants for one place", bounds::racing(1));
}

#[test]
fn of_three_claimants_two_win_where_two_may() {
    search("three claimants for two places", bounds::racing(2));
}

#[test]
fn whatever_is_lost_or_late_a_claimant_who_asks_again_has_the_same_claim() {
    search("asking again", bounds::retrying());
}

#[test]
fn two_requests_of_one_claimant_make_one_claim() {
    search("twice the same claimant", bounds::twice_the_same());
}

#[test]
fn once_a_revocation_is_answered_nobody_is_let_in() {
    search("a revocation", bounds::revoking());
}

#[test]
fn nobody_claims_outside_its_time_by_the_clock_of_the_replica() {
    search("opening and end", bounds::expiring());
}

#[test]
fn a_claim_goes_on_in_one_place() {
    search("a claim that moves", bounds::moving_on());
}

#[test]
fn a_claim_that_moves_ends_with_the_share() {
    search("a claim that moves while the share ends", bounds::moving_and_ending());
}

#[tokio::test]
async fn the_real_store_answers_as_the_models() {
    let mut outcomes = Vec::new();
    for share in [bounds::retrying(), bounds::revoking(), bounds::moving_on()] {
        outcomes.extend(conformance::compare_all(&Share { crashes: 0, ..share }).await);
    }
    println!("the real store: {} commits compared", outcomes.len());
    for outcome in [Outcome::Applied, Outcome::Proven, Outcome::Stale] {
        assert!(outcomes.contains(&outcome), "no commit was {outcome:?}");
    }
}

/// A flaw is found, by this property.
fn is_found(flaw: Flaw, share: Share, property: &'static str) {
    let share = Share { flaw: Some(flaw), shows: Vec::new(), ..share };
    let checker = share.checker().finish_when(HasDiscoveries::AnyOf([property].into())).spawn_bfs().join();
    let path = checker.assert_any_discovery(property);
    println!("{flaw:?}: found after {} states: {property}: {:?}", checker.unique_state_count(), path.into_actions());
}

#[test]
fn a_store_that_checks_nothing_lets_in_too_many() {
    is_found(Flaw::CommitsUnchecked, bounds::racing(1), properties::NO_MORE_CLAIMANTS);
}

#[test]
fn a_store_that_checks_nothing_takes_versions_back() {
    is_found(Flaw::CommitsUnchecked, bounds::racing(2), properties::FORWARD);
}

#[test]
fn a_commit_by_halves_leaves_a_claim_that_nobody_counts() {
    is_found(Flaw::CommitsByHalves, bounds::racing(1), properties::COUNTED);
}

#[test]
fn a_claim_that_leaves_no_event_is_missed() {
    is_found(Flaw::RecordsNoClaim, bounds::racing(1), properties::ONE_RECORD);
}

#[test]
fn what_is_sent_again_as_another_attempt_is_recorded_twice() {
    is_found(Flaw::ResendsAsNew, bounds::retrying(), properties::ONE_PER_REQUEST);
}

#[test]
fn a_claim_that_is_read_too_early_costs_its_claimant_the_claim() {
    is_found(Flaw::TrustsAnEarlierRead, bounds::retrying(), properties::OWN_CLAIM);
}

#[test]
fn a_leaving_claim_that_is_read_too_late_costs_its_claimant_the_claim() {
    is_found(Flaw::ReadsTheLeavingLast, bounds::moving_on(), properties::OWN_CLAIM);
}

#[test]
fn a_revocation_that_checks_nothing_takes_a_claim_back() {
    is_found(Flaw::RevokesUnchecked, bounds::revoking(), properties::COUNTED);
}

#[test]
fn a_revocation_that_is_not_looked_at_ends_nothing() {
    is_found(Flaw::IgnoresRevocation, bounds::revoking(), properties::REVOKED);
}

#[test]
fn an_end_that_is_not_looked_at_is_none() {
    is_found(Flaw::IgnoresExpiry, bounds::expiring(), properties::IN_TIME);
}

#[test]
fn an_opening_that_is_not_looked_at_is_none() {
    is_found(Flaw::IgnoresOpening, bounds::expiring(), properties::IN_TIME);
}

#[test]
fn an_end_of_access_that_is_not_looked_at_is_none() {
    is_found(Flaw::IgnoresAccessEnd, bounds::expiring(), properties::ACCESS_ENDS);
}

#[test]
fn a_move_that_begins_anew_is_longer_than_was_minted() {
    is_found(Flaw::MovesBeginAnew, bounds::moving_and_ending(), properties::ACCESS_STAYS);
}

#[test]
fn a_move_that_checks_nothing_goes_to_two_places() {
    is_found(Flaw::MovesUnchecked, bounds::moving_on(), properties::ONE_PLACE);
}

#[test]
fn a_claim_that_moves_and_does_not_end_is_good_in_two_places() {
    is_found(Flaw::MovesWithoutEnding, bounds::moving_on(), properties::MOVED);
}

#[test]
fn a_claim_that_is_made_anew_for_whoever_comes_back_is_another() {
    is_found(Flaw::ClaimsAnewInTheAnswer, bounds::expiring(), properties::SAME_CLAIM);
}
