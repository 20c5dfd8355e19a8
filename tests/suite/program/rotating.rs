//! Root keys are replaced on the command line while the broker runs and is used: nothing that is asked for meanwhile fails.

use std::{
    fs,
    process::Output,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use cloakroom::domain::instant::Instant;
use serde_json::json;

use super::{
    process::{Place, Served, ask, fault, outcome, patiently, said},
    replica_load::now,
    replicated::{REPLICAS, Replicas},
};

/// How often a replica reads its keys by itself.
const READING: Duration = Duration::from_secs(30);

/// A command about the keys of the broker that runs here.
fn keys(place: &Place, arguments: &[&str]) -> Output {
    outcome(place.command("keys").args(arguments))
}

fn claim(served: &Served, token: &str) -> u16 {
    let body = json!({ "token": token, "claim_key": "a".repeat(42) + "A" });
    served.ask("POST", "/v1/shares/redeem", "", Some(&body)).0
}

/// Whoever uses the broker meanwhile stops, however the test ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Waits until the metrics say that a key is in this state.
fn read(served: &Served, name: &str, state: &str) {
    let line = format!("cloakroom_key_state_seconds{{kind=\"root\",name=\"{name}\",state=\"{state}\"}}");
    patiently("the broker takes other keys", || served.metrics().contains(&line).then_some(()));
}

#[test]
fn a_root_key_is_replaced_under_load_and_nothing_is_rejected() {
    let place = Place::new();
    let served = place.serve();
    let admin = place.admin_key();
    let listed = said(&keys(&place, &["list"]));
    let first = listed.lines().next().unwrap().split_whitespace().nth(1).unwrap().to_owned();
    assert!(listed.contains("primary") && !listed.contains("accept-only"), "{listed}");
    let (is_over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let second = thread::scope(|threads| {
        let _over = Over(&is_over);
        for _ in 0..2 {
            threads.spawn(|| {
                let mut minted = served.mint(&admin, "a.txt").1;
                while !is_over.load(Ordering::SeqCst) {
                    // What was sealed a moment ago, perhaps under another key.
                    let next = served.mint(&admin, "a.txt").1;
                    assert_eq!(claim(&served, &minted), 200, "{}", served.log());
                    assert_eq!(served.ask("GET", "/v1/shares?limit=2", &admin, None).0, 200);
                    minted = next;
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let second = said(&keys(&place, &["stage"]));
        assert!(fault(&keys(&place, &["stage"])).contains("staged already"));
        assert!(fault(&keys(&place, &["retire", &first])).contains("primary"));
        read(&served, &second, "staged");
        said(&keys(&place, &["promote", &second]));
        read(&served, &second, "primary");
        let unused = || said(&keys(&place, &["list"])).contains("no row is under it").then_some(());
        patiently("all rows are vouched for anew", unused);
        let after = done.load(Ordering::SeqCst) + 4;
        patiently("some more are minted and claimed", || (done.load(Ordering::SeqCst) >= after).then_some(()));
        is_over.store(true, Ordering::SeqCst);
        second
    });
    let (_, before) = served.mint(&admin, "a.txt");
    let early = fault(&keys(&place, &["retire", &first]));
    assert!(early.contains("may be good until") && early.contains("--leaked"), "{early}");
    said(&keys(&place, &["retire", &first, "--leaked"]));
    read(&served, &first, "retired");
    assert_eq!(claim(&served, &before), 200);
    let (status, seen) = served.ask("GET", "/v1/audit/verify", &admin, None);
    assert_eq!((status, &seen["intact"]), (200, &json!(true)), "{seen}");
    served.stop();

    let served = place.serve();
    let (_, fresh) = served.mint(&admin, "a.txt");
    assert_eq!(claim(&served, &fresh), 200);
    assert!(said(&keys(&place, &["list"])).contains(&second));
    served.stop();
}

#[test]
fn a_key_that_rows_are_under_is_not_given_up_whatever_the_file_says() {
    let place = Place::new();
    let served = place.serve();
    let admin = place.admin_key();
    let second = said(&keys(&place, &["stage"]));
    let file = place.data_dir().join("root-keys.json");
    let staged = fs::read_to_string(&file).unwrap();
    // Somebody who does not know better.
    let mut by_hand: serde_json::Value = serde_json::from_str(&staged).unwrap();
    by_hand["root_keys"][0]["state"] = "retired".into();
    by_hand["root_keys"][1]["state"] = "primary".into();
    fs::write(&file, by_hand.to_string()).unwrap();
    served.signal("HUP");
    patiently("it says so", || served.log().contains("keys_not_taken").then_some(()));
    let metrics = served.metrics();
    assert!(metrics.contains("cloakroom_keys_not_taken_total ") && !metrics.contains("not_taken_total 0"), "{metrics}");
    assert_eq!(served.ask("GET", "/v1/shares", &admin, None).0, 200);
    served.stop();
    let refused = fault(&place.run("serve"));
    assert!(refused.contains("is retired") && refused.contains("accept-only"), "{refused}");
    fs::write(&file, staged).unwrap();
    let served = place.serve();
    assert_eq!(served.ask("GET", "/v1/shares", &admin, None).0, 200);
    assert!(said(&keys(&place, &["list"])).contains(&second));
    served.stop();
}

#[test]
fn a_key_that_was_never_used_goes_without_a_trace() {
    let place = Place::new();
    let served = place.serve();
    let admin = place.admin_key();
    let second = said(&keys(&place, &["stage"]));
    read(&served, &second, "staged");
    said(&keys(&place, &["retire", &second]));
    patiently("it is gone", || (!served.metrics().contains(&second)).then_some(()));
    assert!(!served.log().contains("keys_not_taken"), "{}", served.log());
    served.stop();
    let served = place.serve();
    assert_eq!(claim(&served, &served.mint(&admin, "a.txt").1), 200);
    assert!(!said(&keys(&place, &["list"])).contains(&second));
    served.stop();
}

#[test]
fn three_replicas_change_their_root_key_one_after_the_other_and_reject_nothing() {
    let begun = now();
    let mut replicas = Replicas::start("off");
    let is_over = AtomicBool::new(false);
    let (done, unavailable) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let first = said(&replicas.keys(&["list"])).lines().next().unwrap().split_whitespace().nth(1).unwrap().to_owned();
    let (url, operator) = (replicas.balancer.url(), replicas.operator.clone());
    // An emulator that has much to do may be too slow; whoever is told so asks again.
    let answered = |method: &str, path: &str, key: &str, body: Option<&serde_json::Value>| {
        patiently("a backend answers", || {
            let (status, answer) = ask(&url, method, path, key, body);
            let is_unavailable = (status, &answer["code"]) == (503, &json!("unavailable"));
            unavailable.fetch_add(usize::from(is_unavailable), Ordering::SeqCst);
            (!is_unavailable).then_some((status, answer))
        })
    };
    thread::scope(|threads| {
        let _over = Over(&is_over);
        threads.spawn(|| {
            let mint = || {
                let body = json!({ "paths": ["a.txt"], "permission": "read", "allow_missing": true });
                let (status, minted) = answered("POST", "/v1/shares", &operator, Some(&body));
                assert_eq!(status, 201, "{minted}");
                minted["token"].clone()
            };
            let mut minted = mint();
            while !is_over.load(Ordering::SeqCst) {
                // By any of them, perhaps under a key that the next one does not use yet.
                let next = mint();
                let body = json!({ "token": minted, "claim_key": "a".repeat(42) + "A" });
                assert_eq!(answered("POST", "/v1/shares/redeem", "", Some(&body)).0, 200);
                minted = next;
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
        let second = said(&replicas.keys(&["stage"]));
        // How many do not accept it, for which it is not promoted; none, when it was.
        let lacking = || {
            let promoted = replicas.keys(&["promote", &second]);
            if promoted.status.success() {
                return Some(0);
            }
            let refused = fault(&promoted);
            let (count, of_all) = refused.strip_prefix("cloakroom: ")?.split_once(' ')?;
            of_all.starts_with("of 3 replicas do not accept").then(|| count.parse::<usize>().unwrap())
        };
        // Where that takes longer than until they read their keys by themselves, they may have it unasked.
        let in_time = || now().since(begun) < READING;
        let mut left = patiently("each has told which keys it has", lacking);
        assert!(left == REPLICAS || !in_time(), "{left} lack it, and none has been told");
        for (told, most) in [(0..1, 2), (1..REPLICAS, 0)] {
            told.for_each(|replica| replicas.hang_up(replica));
            if left > most {
                left = patiently("they have it", || lacking().filter(|left| *left <= most));
            }
            assert!(left == most || !in_time(), "{left} lack it, instead of {most}");
        }
        (0..3).for_each(|replica| replicas.hang_up(replica));
        let unused = || said(&replicas.keys(&["list"])).contains("no row is under it").then_some(());
        patiently("all rows are vouched for anew", unused);
        let after = done.load(Ordering::SeqCst) + 3;
        patiently("some more are minted and claimed", || (done.load(Ordering::SeqCst) >= after).then_some(()));
        is_over.store(true, Ordering::SeqCst);
    });
    said(&replicas.keys(&["retire", &first, "--leaked"]));
    (0..3).for_each(|replica| replicas.hang_up(replica));
    let accepting = || said(&replicas.keys(&["list"])).contains("retired").then_some(());
    patiently("it is retired", accepting);
    let (status, seen) = answered("GET", "/v1/audit/verify", &operator, None);
    assert_eq!((status, &seen["intact"]), (200, &json!(true)), "{seen}");
    let unavailable = unavailable.load(Ordering::SeqCst);
    let is_slow = || unavailable <= replicas.too_slow();
    assert!(unavailable == 0 || is_slow(), "{unavailable} requests were refused, and no emulator was too slow");
    replicas.end();
}

#[test]
fn keys_of_the_environment_are_used_and_not_changed() {
    let place = Place::new();
    place.serve().stop();
    let file = place.data_dir().join("root-keys.json");
    let document = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let with = |name: &str| {
        let mut command = place.command(name);
        command.env("CLOAKROOM_ROOT_KEYS", "env:KEYS_OF_CLOAKROOM").env("KEYS_OF_CLOAKROOM", &document);
        command
    };
    let served = place.serve_as(with("serve"));
    let admin = place.admin_key();
    let (_, token) = served.mint(&admin, "a.txt");
    assert_eq!(claim(&served, &token), 200);
    served.stop();
    let refused = fault(&outcome(with("keys").arg("stage")));
    assert!(refused.contains("cannot be changed from here"), "{refused}");
    let damaged = document.replace("primary", "prim");
    let refused = fault(&outcome(with("serve").env("KEYS_OF_CLOAKROOM", damaged)));
    let secret = document.split("\"secret\": \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(refused.contains("env:KEYS_OF_CLOAKROOM") && !refused.contains(secret), "{refused}");
    assert!(!file.exists());
}

/// What the document says, as if that many days had gone by since.
fn aged(place: &Place, days: u32) {
    let file = place.data_dir().join("root-keys.json");
    let mut document: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    for key in document["root_keys"].as_array_mut().unwrap() {
        let since: Instant = serde_json::from_value(key["since"].clone()).unwrap();
        key["since"] = json!(since.minus(Duration::from_secs(24 * 3600) * days));
    }
    fs::write(&file, document.to_string()).unwrap();
}

#[test]
fn a_root_key_that_is_old_is_replaced_by_itself_step_by_step() {
    let place = Place::new();
    let serve = || {
        let mut command = place.command("serve");
        command.env("CLOAKROOM_ROOT_KEY_DAYS", "30");
        place.serve_as(command)
    };
    let state = |wanted: &str| {
        let listed = said(&keys(&place, &["list"]));
        let keys = listed.lines().filter(|line| line.starts_with("root  "));
        keys.filter(|line| line.contains(wanted)).count()
    };
    let served = serve();
    let (admin, first) = (place.admin_key(), state("primary"));
    let (_, minted) = served.mint(&admin, "a.txt");
    assert_eq!((first, state("staged")), (1, 0));
    served.stop();
    aged(&place, 23);
    let served = serve();
    patiently("a key is staged, for the old one is three weeks old", || (state("staged") == 1).then_some(()));
    served.stop();
    aged(&place, 7);
    let served = serve();
    patiently("it is promoted, for it was there for a week", || (state("accept-only") == 1).then_some(()));
    assert_eq!(claim(&served, &minted), 200);
    patiently("no row is under the old one", || (state("no row is under it") == 1).then_some(()));
    served.stop();
    aged(&place, 16);
    let served = serve();
    patiently("the old one is retired, for nothing is good any more that it sealed", || {
        (state("retired") == 1).then_some(())
    });
    let (_, minted) = served.mint(&admin, "b.txt");
    assert_eq!((claim(&served, &minted), state("primary")), (200, 1));
    served.stop();
    // Where each replica has a file of its own nobody could.
    let mut command = place.command("serve");
    command.env("CLOAKROOM_ROOT_KEY_DAYS", "30").env("CLOAKROOM_ROOT_KEYS", "env:KEYS");
    assert!(fault(&outcome(&mut command)).contains("CLOAKROOM_ROOT_KEY_DAYS"));
}
