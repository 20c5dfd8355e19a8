//! Promise 1: once. Under any number of redeemers, one claimant, whose own
//! requests all lead to one session.

use std::{
    collections::BTreeSet,
    sync::Barrier,
    thread::{scope, spawn},
};

use serde_json::json;

use super::{
    harness::{Answer, Api, Backend, claim_key, insisting, text},
    laboratory::Laboratory,
};

/// All at the same moment, each on a connection of its own.
pub fn at_once(claim_keys: &[String], redeem: impl Fn(&str) -> Answer + Sync) -> Vec<Answer> {
    let start = Barrier::new(claim_keys.len());
    scope(|threads| {
        let racers: Vec<_> = claim_keys
            .iter()
            .map(|claim_key| {
                threads.spawn(|| {
                    start.wait();
                    redeem(claim_key)
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    })
}

pub fn of_many_claimants_one_wins_and_the_others_get_one_answer(api: &Api) {
    for _ in 0..api.rounds() {
        let minted = api.mint(api.admin(), "read", &["a.txt"]);
        let claim_keys: Vec<_> = (0..64).map(|_| claim_key()).collect();
        let answers = at_once(&claim_keys, |claim_key| insisting(|| api.redeem(&minted.token, claim_key)));

        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1);
        let refusals: BTreeSet<_> = lost.iter().map(|answer| answer.but_for_the_request_id()).collect();
        assert_eq!((lost.len(), refusals.len()), (63, 1), "{refusals:#?}");
        lost[0].problem(404, "dead_token");
        assert_eq!(api.get(api.admin(), &format!("/v1/shares/{}", minted.id)).expect(200)["claims"], 1);
        assert_eq!(api.happened("share.claimed", &minted.id), 1);
    }
}

pub fn one_claimant_asking_many_times_at_once_gets_one_session(api: &Api) {
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let answers = at_once(&vec![claim_key(); 16], |claim_key| insisting(|| api.redeem(&minted.token, claim_key)));
    let sessions: BTreeSet<_> = answers.iter().map(|answer| text(&answer.expect(200), "session")).collect();
    assert_eq!(sessions.len(), 1);
    assert_eq!(api.happened("share.claimed", &minted.id), 1);
    // One more, should the claim itself have been answered too late.
    assert!(api.happened("share.renewed", &minted.id) >= 15);
}

pub fn the_second_claimant_is_refused_and_the_first_comes_back(api: &Api) {
    let minted = api.mint(api.admin(), "read", &["a.txt"]);
    let (first, second) = (claim_key(), claim_key());
    let opened = api.redeem(&minted.token, &first).expect(200);
    api.redeem(&minted.token, &second).problem(404, "dead_token");
    let again = api.redeem(&minted.token, &first).expect(200);
    assert_eq!(opened["session"], again["session"]);
    assert_eq!(opened["access_expires_at"], again["access_expires_at"]);
    for token in [&opened["session_token"], &again["session_token"]] {
        api.get(token.as_str().unwrap(), "/v1/session").expect(200);
    }
}

pub fn a_share_that_is_claimed_while_it_is_revoked_ends_revoked(api: &Api) {
    for _ in 0..api.rounds() {
        let minted = api.mint(api.admin(), "read", &["a.txt"]);
        let claim_key = claim_key();
        let (claimed, revoked) = scope(|threads| {
            let claiming = threads.spawn(|| api.redeem(&minted.token, &claim_key));
            let revoking = threads.spawn(|| api.delete(api.admin(), &format!("/v1/shares/{}", minted.id)));
            (claiming.join().unwrap(), revoking.join().unwrap())
        });
        revoked.expect(204);
        api.redeem(&minted.token, &claim_key).problem(404, "dead_token");
        if claimed.status == 200 {
            api.get(&claimed.text("session_token"), "/v1/session").problem(401, "no_session");
        } else {
            claimed.problem(404, "dead_token");
        }
    }
}

#[test]
fn a_claim_survives_a_restart() {
    let mut api = Api::start(Backend::Embedded);
    let (claimed, pending) = (api.mint(api.admin(), "read", &["a.txt"]), api.mint(api.admin(), "read", &["b.txt"]));
    let (first, second) = (claim_key(), claim_key());
    let before = api.redeem(&claimed.token, &first).expect(200);

    api.restart();

    api.redeem(&claimed.token, &second).problem(404, "dead_token");
    let after = api.redeem(&claimed.token, &first).expect(200);
    assert_eq!(before["session"], after["session"]);
    api.get(before["session_token"].as_str().unwrap(), "/v1/session").expect(200);
    api.redeem(&pending.token, &second).expect(200);
    assert_eq!(api.happened("share.claimed", &claimed.id), 1);
}

#[test]
fn a_restart_in_the_middle_of_a_storm_leaves_one_claimant() {
    for _ in 0..3 {
        let mut api = Api::start(Backend::Embedded);
        let minted = api.mint(api.admin(), "read", &["a.txt"]);
        let body = |claim_key: &str| json!({ "token": minted.token, "claim_key": claim_key }).to_string();
        let claim_keys: Vec<_> = (0..32).map(|_| claim_key()).collect();
        // Clients that outlive the server: what they are told, if anything, is not asked.
        let clients: Vec<_> = claim_keys
            .iter()
            .map(|claim_key| {
                let (port, body) = (api.ports[0], body(claim_key));
                spawn(move || {
                    let url = format!("http://127.0.0.1:{port}/v1/shares/redeem");
                    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
                    agent.post(url).content_type("application/json").send(body).is_ok()
                })
            })
            .collect();
        api.restart();
        let told = clients.into_iter().map(|client| client.join().unwrap()).filter(|told| *told).count();
        let opened = claim_keys.iter().filter(|key| api.redeem(&minted.token, key).status == 200).count();
        assert_eq!((opened, told <= 1), (1, true));
        assert_eq!(api.happened("share.claimed", &minted.id), 1);
    }
}

/// Several rows are read at once, and DynamoDB has them of different moments.
#[test]
fn a_claim_that_its_state_overtakes_is_found_all_the_same() {
    let (api, _, faults) = Laboratory::served();
    let (minted, first) = (api.mint(api.admin(), "read", &["a.txt"]), claim_key());
    let opened = api.redeem(&minted.token, &first).expect(200);
    let claims = api.rows(&format!("share#{}", minted.id));
    let claim = claims.into_iter().find(|row| row.key.sort.starts_with("claim#")).unwrap().key;
    faults.overtake(claim.clone());
    assert_eq!(api.redeem(&minted.token, &first).expect(200)["session"], opened["session"]);
    // In the session, too.
    faults.overtake(claim);
    api.get(&text(&opened, "session_token"), "/v1/session/objects").expect(200);
    assert_eq!(api.happened("share.claimed", &minted.id), 1);
}
