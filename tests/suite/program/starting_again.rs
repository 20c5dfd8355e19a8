//! A second start finds everything again, however the first one ended.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use cloakroom::entropy::{Entropy, SystemEntropy};
use serde_json::json;

use super::{
    crashing::{Plan, killed_many_times},
    process::{Place, said, until},
    rotting::altered_many_times,
};

fn claim_key(letter: &str) -> String {
    format!("{}A", letter.repeat(42))
}

#[test]
fn keys_files_and_claims_are_still_there() {
    let place = Place::new();
    let served = place.serve();
    let key = place.admin_key();
    fs::write(place.path("a.txt"), "hello").unwrap();
    said(&served.client_in(&place.path("."), &key, &["upload", "a.txt", "--to", "docs/"]));
    let ((_, claimed), (_, pending)) = (served.mint(&key, "docs/a.txt"), served.mint(&key, "docs/"));
    let redeem = |served: &super::process::Served, token: &str, letter: &str| {
        let body = json!({ "token": token, "claim_key": claim_key(letter) });
        served.ask("POST", "/v1/shares/redeem", "", Some(&body))
    };
    let (status, first) = redeem(&served, &claimed, "a");
    assert_eq!(status, 200, "{first}");
    served.stop();

    let served = place.serve();
    assert_eq!(place.admin_key(), key, "no other key was made");
    assert!(!served.log().contains("The admin API key"), "{}", served.log());
    assert_eq!(redeem(&served, &claimed, "b").0, 404, "what was claimed stays claimed");
    let (status, again) = redeem(&served, &claimed, "a");
    assert_eq!((status, &again["session"]), (200, &first["session"]));
    assert_eq!(redeem(&served, &pending, "c").0, 200);
    let download = served.ask("POST", "/v1/objects/downloads", &key, Some(&json!({ "path": "docs/a.txt" })));
    let url = download.1["url"].as_str().unwrap().replace("localhost", "127.0.0.1");
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    let host = format!("localhost:{}", served.ports[1]);
    let bytes = agent.get(&url).header("host", host).call().unwrap().body_mut().read_to_string().unwrap();
    assert_eq!(bytes, "hello");
    served.stop();
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let place = Place::new();
    let mut acknowledged: Vec<(String, String)> = Vec::new();
    let mut key = String::new();
    for round in 0..3 {
        let served = place.serve();
        key = place.admin_key();
        let pending: Vec<_> = acknowledged.clone();
        for (id, _) in &pending {
            assert_eq!(served.ask("GET", &format!("/v1/shares/{id}"), &key, None).0, 200, "{id}");
        }
        let (id, enough) = (served.id().to_string(), AtomicBool::new(false));
        let minted = thread::scope(|scope| {
            let minters: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut minted = Vec::new();
                        while let Some(one) = try_mint(&served, &key) {
                            minted.push(one);
                            if minted.len() == 10 + round * 7 {
                                enough.store(true, Ordering::SeqCst);
                            }
                        }
                        minted
                    })
                })
                .collect();
            until("there are shares enough", || enough.load(Ordering::SeqCst).then_some(()));
            // In the middle of it, as a power cut would.
            assert!(std::process::Command::new("kill").args(["-9", &id]).status().unwrap().success());
            minters.into_iter().flat_map(|minter| minter.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(minted.len() >= 10);
        acknowledged.extend(minted);
        served.kill();
    }
    let served = place.serve();
    let half = acknowledged.len() / 2;
    for (number, (id, token)) in acknowledged.iter().enumerate() {
        let (status, share) = served.ask("GET", &format!("/v1/shares/{id}"), &key, None);
        assert_eq!((status, &share["status"]), (200, &json!("pending")), "{id}");
        if number >= half {
            let body = json!({ "token": token, "claim_key": claim_key("a") });
            assert_eq!(served.ask("POST", "/v1/shares/redeem", "", Some(&body)).0, 200, "{id}");
        }
    }
    served.stop();
}

#[test]
fn killed_under_load_at_any_moment_it_has_lost_nothing_and_lets_nobody_claim_twice() {
    // Another one each time; it is told, and repeats the moments.
    let seed = u64::from_le_bytes((&SystemEntropy as &dyn Entropy).bytes());
    killed_many_times(&Plan { kills: 10, longest: Duration::from_millis(150), all_after: 5, seed });
}

#[test]
fn of_altered_files_none_is_answered_for_what_it_was_not() {
    altered_many_times(40, 0x5eed_c10a_6200_0001);
}

/// Id and token, if the broker has acknowledged it.
fn try_mint(served: &super::process::Served, key: &str) -> Option<(String, String)> {
    let agent: ureq::Agent = ureq::Agent::config_builder().max_idle_connections(0).proxy(None).build().into();
    let body = json!({ "paths": ["x/"], "permission": "read", "allow_missing": true });
    let mut answer = agent
        .post(format!("{}/v1/shares", served.url()))
        .header("authorization", format!("Bearer {key}"))
        .send_json(&body)
        .ok()?;
    let minted: serde_json::Value = answer.body_mut().read_json().ok()?;
    Some((minted["id"].as_str()?.into(), minted["token"].as_str()?.into()))
}
