//! Promise 1 for links, when answers of the store are lost, late or missing: the claimant who was told nothing may ask
//! again, and nobody else gets in; and a code is exchanged once.

use std::{iter::repeat_n, sync::Arc};

use cloakroom::store::{
    faulty::{Fault, FaultyStore},
    memory::MemoryStore,
};
use serde_json::json;

use super::words::{DEAD, Handoff, at_once};
use crate::api::{
    harness::{Api, Minted, claim_key, text},
    laboratory::Laboratory,
};

const PASSWORD: &str = "open sesame";

/// More than fit before the deadline of a commit.
const WITHOUT_END: usize = 10_000;

/// A broker with a link, and a store whose faults are planned.
struct Doubtful {
    api: Api,
    faults: Arc<FaultyStore<MemoryStore>>,
    artifact: String,
}

impl Doubtful {
    fn new() -> Self {
        let (api, _, faults) = Laboratory::served();
        let artifact = api.publish_page(api.admin()).id;
        Self { api, faults, artifact }
    }

    fn link(&self) -> Minted {
        self.api.link(self.api.admin(), &self.artifact, json!({}))
    }

    fn all_is_well(&self) {
        self.faults.clear_plan();
        self.api.wait(self.faults.settle());
    }

    /// The link is this claimant's, who comes back as often as they like, and nobody else's.
    #[track_caller]
    fn assert_claimed(&self, minted: &Minted, claimant: &str) {
        let [first, second] = [(); 2].map(|()| self.api.redeem_link(&minted.token, claimant).expect(200));
        assert_eq!(first["access_expires_at"], second["access_expires_at"]);
        self.api.redeem_link(&minted.token, &claim_key()).problem(DEAD.0, DEAD.1);
        assert_eq!(self.api.happened("link.claimed", &minted.id), 1);
    }

    /// Nothing is known in the end of what was asked for under these faults.
    fn asked_in_vain(&self, minted: &Minted, claimant: &str, faults: impl IntoIterator<Item = Fault>) {
        self.faults.plan(faults);
        self.api.redeem_link(&minted.token, claimant).problem(503, "unavailable");
        self.faults.clear_plan();
    }
}

fn pairs() -> impl Iterator<Item = [Fault; 2]> {
    Fault::ALL.into_iter().flat_map(|first| Fault::ALL.into_iter().map(move |second| [first, second]))
}

#[test]
fn whatever_becomes_of_the_answers_there_is_one_claim() {
    let doubtful = Doubtful::new();
    for pair in pairs() {
        let (minted, claimant) = (doubtful.link(), claim_key());
        doubtful.faults.plan(pair);
        let opened = doubtful.api.redeem_link(&minted.token, &claimant);
        doubtful.all_is_well();
        assert_eq!(opened.status, 200, "{pair:?}: {opened:?}");
        let again = doubtful.api.redeem_link(&minted.token, &claimant).expect(200);
        assert_eq!(again["access_expires_at"], opened.json()["access_expires_at"], "{pair:?}");
        doubtful.assert_claimed(&minted, &claimant);
    }
}

/// A try is counted in a commit of its own before the password is checked: the faults meet that one, the claim, or both.
#[test]
fn whatever_becomes_of_the_answers_a_password_is_tried_once_and_claims_once() {
    let doubtful = Doubtful::new();
    let api = &doubtful.api;
    for before in 0..=2 {
        for pair in pairs() {
            let minted = api.link(api.admin(), &doubtful.artifact, json!({ "password": PASSWORD }));
            let claimant = claim_key();
            doubtful.faults.plan(repeat_n(Fault::Ok, before).chain(pair));
            let opened = api.redeem_with_password(&minted.token, &claimant, PASSWORD);
            doubtful.all_is_well();
            assert_eq!(opened.status, 200, "{before} {pair:?}: {opened:?}");
            assert_eq!(api.happened("link.password_tried", &minted.id), 1, "{before} {pair:?}");
            doubtful.assert_claimed(&minted, &claimant);
        }
    }
}

#[test]
fn whatever_becomes_of_the_answers_a_code_is_exchanged_once() {
    let doubtful = Doubtful::new();
    let api = &doubtful.api;
    for pair in pairs() {
        let minted = doubtful.link();
        let handoff = Handoff::of(&api.redeem_link(&minted.token, &claim_key()).expect(200));
        doubtful.faults.plan(pair);
        let entered = api.enter(&handoff.host, &handoff.code);
        doubtful.all_is_well();
        assert_eq!(entered.status, 303, "{pair:?}: {entered:?}");
        assert_eq!(api.enter(&handoff.host, &handoff.code).status, 403, "{pair:?}");
        assert_eq!(api.happened("link.entered", &minted.id), 1, "{pair:?}");
    }
}

#[test]
fn a_claim_that_was_applied_in_silence_is_the_claimants_alone() {
    let doubtful = Doubtful::new();
    let (minted, claimant) = (doubtful.link(), claim_key());
    doubtful.asked_in_vain(&minted, &claimant, repeat_n(Fault::FailedButApplied, WITHOUT_END));
    doubtful.assert_claimed(&minted, &claimant);
}

#[test]
fn a_claim_that_never_arrived_uses_nothing_up() {
    let doubtful = Doubtful::new();
    let (minted, claimant, other) = (doubtful.link(), claim_key(), claim_key());
    doubtful.asked_in_vain(&minted, &claimant, repeat_n(Fault::Failed, WITHOUT_END));
    doubtful.assert_claimed(&minted, &other);
    doubtful.api.redeem_link(&minted.token, &claimant).problem(DEAD.0, DEAD.1);
}

#[test]
fn a_claim_that_arrives_late_counts_if_nobody_was_faster() {
    let doubtful = Doubtful::new();
    let late = || [Fault::AppliedLate].into_iter().chain(repeat_n(Fault::Failed, WITHOUT_END));
    let (minted, claimant) = (doubtful.link(), claim_key());
    doubtful.asked_in_vain(&minted, &claimant, late());
    doubtful.all_is_well();
    doubtful.assert_claimed(&minted, &claimant);

    let (minted, other) = (doubtful.link(), claim_key());
    doubtful.asked_in_vain(&minted, &claimant, late());
    // The other's commit is applied, and only then the one that was held up.
    doubtful.api.redeem_link(&minted.token, &other).expect(200);
    doubtful.all_is_well();
    doubtful.assert_claimed(&minted, &other);
    doubtful.api.redeem_link(&minted.token, &claimant).problem(DEAD.0, DEAD.1);
}

#[test]
fn many_claimants_and_many_faults_make_one_claim() {
    let doubtful = Doubtful::new();
    for round in 0..16 {
        let minted = doubtful.link();
        let claimants: Vec<_> = (0..12).map(|_| claim_key()).collect();
        let faults = Fault::ALL.into_iter().cycle().skip(round % 4).step_by(1 + 2 * (round / 4)).take(60);
        doubtful.faults.plan(faults);
        at_once(claimants.len(), |number| doubtful.api.redeem_link(&minted.token, &claimants[number]));
        doubtful.all_is_well();
        let opened = |claimant: &&String| doubtful.api.redeem_link(&minted.token, claimant).status == 200;
        let won: Vec<_> = claimants.iter().filter(opened).collect();
        let [winner] = won[..] else { panic!("{round}: {} have it", won.len()) };
        doubtful.assert_claimed(&minted, winner);
        assert_eq!(
            text(&doubtful.api.get(doubtful.api.admin(), &format!("/v1/links/{}", minted.id)).json(), "status"),
            "claimed"
        );
    }
}
