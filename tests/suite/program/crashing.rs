//! The program killed at any moment under load, and started again, as often as wanted: nothing that was acknowledged is lost, nothing
//! is claimed twice, and the trail is whole.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::process::{Place, Served, said, until};

const CLIENTS: usize = 4;

/// A share that was minted, and redeemed or not: of a claim without an answer nobody knows.
struct Minted {
    id: String,
    token: String,
    claim_key: String,
    is_claimed: bool,
}

/// Numbers that a seed repeats (xorshift64).
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn claim_key(number: usize) -> String {
    format!("{number:0>42}A")
}

/// Kills it so many times, each time up to `longest` after the load has begun.
#[expect(clippy::print_stdout, reason = "what fails tells by which seed")]
pub fn killed_many_times(rounds: usize, longest: Duration, seed: u64) {
    println!("seed {seed}");
    let (place, mut drawn, numbers) = (Place::new(), Drawn(seed | 1), AtomicUsize::new(0));
    let mut all: Vec<Minted> = Vec::new();
    let mut looked_at = 0;
    for round in 0..rounds {
        let served = place.serve();
        let key = place.admin_key();
        // What was there in earlier rounds already was looked at then, and is once more in the end.
        all[looked_at..].iter().for_each(|minted| holds(&served, &key, minted, &numbers));
        looked_at = all.len();
        let after = Duration::from_micros(drawn.below(longest.as_micros() as u64));
        let minted = under_load_until_killed(&served, &key, &numbers, after);
        assert!(!minted.is_empty(), "round {round}");
        all.extend(minted);
        served.kill();
    }
    let served = place.serve();
    let key = place.admin_key();
    all.iter().for_each(|minted| holds(&served, &key, minted, &numbers));
    let told = said(&served.client_in(&place.path("."), &key, &["audit", "verify"]));
    assert!(told.contains("intact: ") && told.contains("proven: "), "{told}");
    let claimed = all.iter().filter(|minted| minted.is_claimed).count();
    println!("{rounds} kills, {} shares, {claimed} of them redeemed before; {}", all.len(), told.trim_end());
    served.stop();
}

/// What clients have got by the time when it is killed.
fn under_load_until_killed(served: &Served, key: &str, numbers: &AtomicUsize, after: Duration) -> Vec<Minted> {
    let acknowledged = AtomicUsize::new(0);
    thread::scope(|scope| {
        let clients = [(); CLIENTS].map(|()| {
            scope.spawn(|| {
                let mut minted = Vec::new();
                loop {
                    let body = json!({ "paths": ["x/"], "permission": "read", "allow_missing": true });
                    let Some((201, share)) = tried(served, "/v1/shares", key, &body) else { return minted };
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                    let [id, token] = ["id", "token"].map(|name| share[name].as_str().unwrap().to_owned());
                    let claim_key = claim_key(numbers.fetch_add(1, Ordering::SeqCst));
                    let body = json!({ "token": token, "claim_key": claim_key });
                    let redeemed = tried(served, "/v1/shares/redeem", "", &body).map(|(status, _)| status);
                    assert!(matches!(redeemed, None | Some(200)), "{redeemed:?}");
                    minted.push(Minted { id, token, claim_key, is_claimed: redeemed.is_some() });
                    if redeemed.is_none() {
                        return minted;
                    }
                }
            })
        });
        until("something is acknowledged", || (acknowledged.load(Ordering::SeqCst) > 0).then_some(()));
        // Any moment is one at which it may be killed.
        thread::sleep(after);
        served.signal("KILL");
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

/// The answer, if one comes whole.
fn tried(served: &Served, path: &str, key: &str, body: &Value) -> Option<(u16, Value)> {
    let agent = ureq::Agent::config_builder().max_idle_connections(0).proxy(None).http_status_as_error(false).build();
    let mut call = ureq::Agent::from(agent).post(format!("{}{path}", served.url()));
    if !key.is_empty() {
        call = call.header("authorization", format!("Bearer {key}"));
    }
    let mut answer = call.send_json(body).ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.body_mut().read_json().ok()?))
}

/// It is there, and its claimant's and nobody else's.
fn holds(served: &Served, key: &str, minted: &Minted, numbers: &AtomicUsize) {
    let Minted { id, token, claim_key: own, is_claimed } = minted;
    let redeem = |claim_key: &str| {
        let body = json!({ "token": token, "claim_key": claim_key });
        served.ask("POST", "/v1/shares/redeem", "", Some(&body)).0
    };
    let anothers = claim_key(numbers.fetch_add(1, Ordering::SeqCst));
    if *is_claimed {
        assert_eq!(redeem(&anothers), 404, "{id}: a claim that was acknowledged is lost");
    }
    assert_eq!(redeem(own), 200, "{id}");
    assert_eq!(redeem(&anothers), 404, "{id}: it was claimed twice");
    let (status, share) = served.ask("GET", &format!("/v1/shares/{id}"), key, None);
    assert_eq!((status, &share["claims"]), (200, &json!(1)), "{id}");
}
