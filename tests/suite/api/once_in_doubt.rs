//! Promise 1, when answers of the store are lost, late or missing: the claimant
//! who was told nothing may ask again, and nobody else gets in.
//!
//! Time is paused: the deadline of a commit passes as soon as nothing else happens.

use std::{iter::repeat_n, time::Duration};

use cloakroom::{
    clock::Clock,
    domain::{event::EventType, permission::SharePermission},
    service::Error,
    store::faulty::Fault,
};
use futures_util::future::join_all;

use super::laboratory::{Claimant, Laboratory};

/// More than fit before the deadline of a commit.
const WITHOUT_END: usize = 1_000;

async fn claims(laboratory: &Laboratory) -> usize {
    laboratory.events().await.iter().filter(|event| event.kind == EventType::ShareClaimed).count()
}

#[tokio::test]
async fn whatever_becomes_of_the_answers_there_is_one_claim_and_one_session() {
    let laboratory = Laboratory::new().await;
    for (number, (first, second)) in
        Fault::ALL.iter().flat_map(|first| Fault::ALL.iter().map(move |second| (*first, *second))).enumerate()
    {
        let minted = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
        let (claimant, other) = (Claimant::new(), Claimant::new());
        laboratory.faults.plan([first, second]);
        let opened = laboratory.redeem(&minted, &claimant).await.unwrap();
        laboratory.faults.clear_plan();
        laboratory.faults.settle().await;

        let again = laboratory.redeem(&minted, &claimant).await.unwrap();
        assert_eq!((opened.session, opened.access_until), (again.session, again.access_until), "{first:?} {second:?}");
        assert!(matches!(laboratory.redeem(&minted, &other).await, Err(Error::DeadToken)), "{first:?} {second:?}");
        assert_eq!(claims(&laboratory).await, number + 1, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn a_claim_that_was_applied_in_silence_is_the_claimants_alone() {
    let laboratory = Laboratory::new().await;
    let minted = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    let (claimant, other) = (Claimant::new(), Claimant::new());
    laboratory.faults.plan(repeat_n(Fault::FailedButApplied, WITHOUT_END));
    let answer = laboratory.redeem(&minted, &claimant).await;
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");

    laboratory.faults.clear_plan();
    assert!(matches!(laboratory.redeem(&minted, &other).await, Err(Error::DeadToken)));
    let first = laboratory.redeem(&minted, &claimant).await.unwrap();
    let second = laboratory.redeem(&minted, &claimant).await.unwrap();
    assert_eq!(first.session, second.session);
    assert_eq!(claims(&laboratory).await, 1);
}

#[tokio::test]
async fn a_claim_that_never_arrived_uses_nothing_up() {
    let laboratory = Laboratory::new().await;
    let minted = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    let (claimant, other) = (Claimant::new(), Claimant::new());
    laboratory.faults.plan(repeat_n(Fault::Failed, WITHOUT_END));
    assert!(matches!(laboratory.redeem(&minted, &claimant).await, Err(Error::Unavailable(_))));
    assert_eq!(claims(&laboratory).await, 0);

    laboratory.faults.clear_plan();
    laboratory.redeem(&minted, &other).await.unwrap();
    assert!(matches!(laboratory.redeem(&minted, &claimant).await, Err(Error::DeadToken)));
}

#[tokio::test]
async fn a_claim_that_arrives_late_counts_if_nobody_was_faster() {
    let laboratory = Laboratory::new().await;
    let minted = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    let (claimant, other) = (Claimant::new(), Claimant::new());
    laboratory.faults.plan([Fault::AppliedLate]);
    laboratory.faults.plan(repeat_n(Fault::Failed, WITHOUT_END));
    assert!(matches!(laboratory.redeem(&minted, &claimant).await, Err(Error::Unavailable(_))));

    laboratory.faults.clear_plan();
    laboratory.faults.settle().await;
    assert!(matches!(laboratory.redeem(&minted, &other).await, Err(Error::DeadToken)));
    laboratory.redeem(&minted, &claimant).await.unwrap();
    assert_eq!(claims(&laboratory).await, 1);
}

#[tokio::test]
async fn a_claim_that_arrives_too_late_does_not_count() {
    let laboratory = Laboratory::new().await;
    let minted = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    let (claimant, other) = (Claimant::new(), Claimant::new());
    laboratory.faults.plan([Fault::AppliedLate]);
    laboratory.faults.plan(repeat_n(Fault::Failed, WITHOUT_END));
    assert!(matches!(laboratory.redeem(&minted, &claimant).await, Err(Error::Unavailable(_))));

    // The other's commit is applied, and only then the one that was held up.
    laboratory.faults.clear_plan();
    laboratory.redeem(&minted, &other).await.unwrap();
    laboratory.faults.settle().await;
    assert!(matches!(laboratory.redeem(&minted, &claimant).await, Err(Error::DeadToken)));
    laboratory.redeem(&minted, &other).await.unwrap();
    assert_eq!(claims(&laboratory).await, 1);
}

#[tokio::test]
async fn many_claimants_and_many_faults_make_one_claim() {
    for round in 0..16 {
        let laboratory = Laboratory::new().await;
        let minted = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
        let claimants: Vec<_> = (0..24).map(|_| Claimant::new()).collect();
        let faults = Fault::ALL.into_iter().cycle().skip(round % 4).step_by(1 + 2 * (round / 4)).take(60);
        laboratory.faults.plan(faults);
        join_all(claimants.iter().map(|claimant| laboratory.redeem(&minted, claimant))).await;
        laboratory.faults.clear_plan();
        laboratory.faults.settle().await;

        let mut opened = 0;
        for claimant in &claimants {
            match laboratory.redeem(&minted, claimant).await {
                Ok(_) => opened += 1,
                Err(fault) => assert!(matches!(fault, Error::DeadToken), "{fault:?}"),
            }
        }
        assert_eq!((opened, claims(&laboratory).await), (1, 1));
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_after_the_share_has_expired() {
    let laboratory = Laboratory::new().await;
    let minted = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    let (claimant, other) = (Claimant::new(), Claimant::new());
    laboratory.faults.plan(repeat_n(Fault::FailedButApplied, WITHOUT_END));
    let claimed_at = laboratory.clock.now();
    assert!(laboratory.redeem(&minted, &claimant).await.is_err());
    laboratory.faults.clear_plan();

    laboratory.clock.advance(Duration::from_secs(3_599));
    let opened = laboratory.redeem(&minted, &claimant).await.unwrap();
    assert_eq!(opened.access_until, claimed_at.plus(Duration::from_secs(3_600)));
    assert_eq!(opened.expires_at, opened.access_until);
    assert!(matches!(laboratory.redeem(&minted, &other).await, Err(Error::DeadToken)));
    laboratory.clock.advance(Duration::from_secs(1));
    assert!(matches!(laboratory.redeem(&minted, &claimant).await, Err(Error::DeadToken)));
}
