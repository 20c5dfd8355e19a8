//! Promise 1 for a claim that moves while answers of the store are lost, late or missing: whoever was told
//! nothing may ask again, nobody else gets in, and there is never a second session.

use std::{iter::repeat_n, time::Duration};

use cloakroom::{
    crypto::secret::SecretText,
    domain::{event::EventType, permission::SharePermission},
    service::{Error, share_redemption::OpenedSession, shares::MintedShare},
    store::faulty::Fault,
};
use futures_util::future::join_all;

use super::laboratory::{Claimant, Laboratory, asking};

/// More than fit before the deadline of a commit.
const WITHOUT_END: usize = 1_000;

/// A claimed share, and an offer to move it.
struct Offered {
    minted: MintedShare,
    claimant: Claimant,
    session: SecretText,
    token: SecretText,
}

impl Offered {
    async fn new(laboratory: &Laboratory) -> Self {
        let minted = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
        let claimant = Claimant::new();
        let opened = laboratory.redeem(&minted, &claimant).await.unwrap();
        let session = SecretText::new(opened.token.expose());
        let offered = laboratory.broker.session(&session, asking()).await.unwrap();
        let offered = laboratory.broker.offer_move(&offered, &claimant.key()).await.unwrap();
        Self { minted, claimant, session, token: SecretText::new(offered.token.expose()) }
    }

    async fn follow(&self, laboratory: &Laboratory, mover: &Claimant) -> Result<OpenedSession, Error> {
        laboratory.broker.redeem_share(&self.token, &mover.key(), None, asking()).await
    }

    /// Whether the session lives that it was before.
    async fn lives(&self, laboratory: &Laboratory) -> bool {
        laboratory.broker.session(&self.session, asking()).await.is_ok()
    }

    /// The session is this mover's alone.
    async fn assert_moved(&self, laboratory: &Laboratory, mover: &Claimant) {
        assert!(!self.lives(laboratory).await);
        assert!(matches!(laboratory.redeem(&self.minted, &self.claimant).await, Err(Error::DeadToken)));
        assert!(matches!(self.follow(laboratory, &Claimant::new()).await, Err(Error::DeadToken)));
        let (first, second) =
            (self.follow(laboratory, mover).await.unwrap(), self.follow(laboratory, mover).await.unwrap());
        assert_eq!((first.session, first.access_until), (second.session, second.access_until));
    }
}

async fn moves(laboratory: &Laboratory) -> usize {
    laboratory.events().await.iter().filter(|event| event.kind == EventType::ShareMoved).count()
}

#[tokio::test]
async fn whatever_becomes_of_the_answers_there_is_one_move_and_one_session() {
    let laboratory = Laboratory::new().await;
    for (number, (first, second)) in
        Fault::ALL.iter().flat_map(|first| Fault::ALL.iter().map(move |second| (*first, *second))).enumerate()
    {
        let offered = Offered::new(&laboratory).await;
        let mover = Claimant::new();
        laboratory.faults.plan([first, second]);
        let opened = offered.follow(&laboratory, &mover).await.unwrap();
        laboratory.faults.clear_plan();
        laboratory.faults.settle().await;
        let again = offered.follow(&laboratory, &mover).await.unwrap();
        assert_eq!((opened.session, opened.access_until), (again.session, again.access_until), "{first:?} {second:?}");
        offered.assert_moved(&laboratory, &mover).await;
        assert_eq!(moves(&laboratory).await, number + 1, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn a_move_that_was_applied_in_silence_is_the_movers_alone() {
    let laboratory = Laboratory::new().await;
    let (offered, mover) = (Offered::new(&laboratory).await, Claimant::new());
    laboratory.faults.plan(repeat_n(Fault::FailedButApplied, WITHOUT_END));
    assert!(matches!(offered.follow(&laboratory, &mover).await, Err(Error::Unavailable(_))));
    laboratory.faults.clear_plan();
    offered.assert_moved(&laboratory, &mover).await;
    assert_eq!(moves(&laboratory).await, 1);
}

#[tokio::test]
async fn a_move_that_never_arrived_ends_nothing() {
    let laboratory = Laboratory::new().await;
    let (offered, mover, other) = (Offered::new(&laboratory).await, Claimant::new(), Claimant::new());
    laboratory.faults.plan(repeat_n(Fault::Failed, WITHOUT_END));
    assert!(matches!(offered.follow(&laboratory, &mover).await, Err(Error::Unavailable(_))));
    laboratory.faults.clear_plan();
    assert!(offered.lives(&laboratory).await);
    laboratory.redeem(&offered.minted, &offered.claimant).await.unwrap();
    offered.follow(&laboratory, &other).await.unwrap();
    assert!(matches!(offered.follow(&laboratory, &mover).await, Err(Error::DeadToken)));
    offered.assert_moved(&laboratory, &other).await;
}

#[tokio::test]
async fn a_move_that_arrives_too_late_does_not_count() {
    let laboratory = Laboratory::new().await;
    let (offered, mover, other) = (Offered::new(&laboratory).await, Claimant::new(), Claimant::new());
    laboratory.faults.plan([Fault::AppliedLate]);
    laboratory.faults.plan(repeat_n(Fault::Failed, WITHOUT_END));
    assert!(matches!(offered.follow(&laboratory, &mover).await, Err(Error::Unavailable(_))));
    // The other's commit is applied, and only then the one that was held up.
    laboratory.faults.clear_plan();
    offered.follow(&laboratory, &other).await.unwrap();
    laboratory.faults.settle().await;
    assert!(matches!(offered.follow(&laboratory, &mover).await, Err(Error::DeadToken)));
    offered.assert_moved(&laboratory, &other).await;
    assert_eq!(moves(&laboratory).await, 1);
}

#[tokio::test]
async fn many_movers_and_many_faults_make_one_move() {
    for round in 0..16 {
        let laboratory = Laboratory::new().await;
        let offered = Offered::new(&laboratory).await;
        let movers: Vec<_> = (0..24).map(|_| Claimant::new()).collect();
        let faults = Fault::ALL.into_iter().cycle().skip(round % 4).step_by(1 + 2 * (round / 4)).take(60);
        laboratory.faults.plan(faults);
        join_all(movers.iter().map(|mover| offered.follow(&laboratory, mover))).await;
        laboratory.faults.clear_plan();
        laboratory.faults.settle().await;

        let mut opened = Vec::new();
        for mover in &movers {
            match offered.follow(&laboratory, mover).await {
                Ok(_) => opened.push(mover),
                Err(fault) => assert!(matches!(fault, Error::DeadToken), "{fault:?}"),
            }
        }
        let [mover] = opened[..] else { panic!("{} have it", opened.len()) };
        offered.assert_moved(&laboratory, mover).await;
        assert_eq!(moves(&laboratory).await, 1);
    }
}

#[tokio::test]
async fn an_offer_ends_after_ten_minutes_and_whoever_followed_it_comes_back() {
    let laboratory = Laboratory::new().await;
    let (late, mover) = (Offered::new(&laboratory).await, Claimant::new());
    let followed = Offered::new(&laboratory).await;
    laboratory.clock.advance(Duration::from_millis(599_999));
    let opened = followed.follow(&laboratory, &mover).await.unwrap();
    laboratory.clock.advance(Duration::from_millis(1));
    assert!(matches!(late.follow(&laboratory, &Claimant::new()).await, Err(Error::DeadToken)));
    assert!(late.lives(&laboratory).await);
    let again = followed.follow(&laboratory, &mover).await.unwrap();
    assert_eq!((opened.session, opened.access_until), (again.session, again.access_until));
    // The move gave no time: access ends an hour after the claim.
    laboratory.clock.advance(Duration::from_secs(3_000 - 1));
    followed.follow(&laboratory, &mover).await.unwrap();
    laboratory.clock.advance(Duration::from_secs(1));
    assert!(matches!(followed.follow(&laboratory, &mover).await, Err(Error::DeadToken)));
}

#[tokio::test]
async fn no_offer_outlives_the_access_that_it_moves() {
    let laboratory = Laboratory::new().await;
    let minted = laboratory.mint(SharePermission::Read, &["a.txt"]).await;
    let claimant = Claimant::new();
    laboratory.redeem(&minted, &claimant).await.unwrap();
    laboratory.clock.advance(Duration::from_secs(3_500));
    let opened = laboratory.redeem(&minted, &claimant).await.unwrap();
    let session = laboratory.broker.session(&SecretText::new(opened.token.expose()), asking()).await.unwrap();
    let offered = laboratory.broker.offer_move(&session, &claimant.key()).await.unwrap();
    assert_eq!(offered.expires_at, opened.access_until);
}

#[tokio::test]
async fn an_offer_that_cannot_be_recorded_is_not_made() {
    let laboratory = Laboratory::new().await;
    let offered = Offered::new(&laboratory).await;
    let session = laboratory.broker.session(&offered.session, asking()).await.unwrap();
    laboratory.faults.plan(repeat_n(Fault::Failed, WITHOUT_END));
    assert!(matches!(
        laboratory.broker.offer_move(&session, &offered.claimant.key()).await,
        Err(Error::Unavailable(_))
    ));
}
