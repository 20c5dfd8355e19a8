//! Three replicas behind a load balancer: what holds for one holds for all of them together, while they are killed, held
//! still and told to stop, one after the other, under load; and nobody notices but who was being answered.

use std::{collections::BTreeMap, sync::atomic::Ordering, thread::scope};

use serde_json::Value;

use super::{
    process::patiently,
    replica_load::{Fate, Load, Lost, Over, Tenant, now},
    replicated::{Disturbance, REPLICAS, Replicas},
};

/// Requests that a tenant has in a day.
const LIMIT: usize = 160;

/// So many requests are answered while a replica is away, and between two that are.
const MEANWHILE: usize = 25;

/// Rehearses it so many times over, in three of them with each replica in each part. What happened, in numbers.
pub fn rehearse(rotations: usize) -> String {
    let mut replicas = Replicas::start(&format!("redeem=off,principal=off,tenant={LIMIT}/86400s"));
    let operator = replicas.operator.clone();
    let load = Load::on(replicas.balancer.url(), &operator);
    let first_day = today();
    let let_through = scope(|threads| {
        let over = Over(&load);
        let clients = [(); 2].map(|()| threads.spawn(|| load.share()));
        let guessing = threads.spawn(|| load.guess());
        let exhausting = threads.spawn(|| load.exhaust());
        for rotation in 0..rotations {
            let part = |number: usize| (rotation + number) % REPLICAS;
            load.goes_on(MEANWHILE);
            replicas.kill(part(0), || load.goes_on(MEANWHILE));
            load.goes_on(MEANWHILE);
            replicas.pause(part(1), || load.goes_on(MEANWHILE));
            load.goes_on(MEANWHILE);
            replicas.stop(part(2), || load.goes_on(MEANWHILE));
        }
        drop(over);
        clients.into_iter().for_each(|client| client.join().unwrap());
        guessing.join().unwrap();
        exhausting.join().unwrap()
    });
    let days = today() - first_day + 1;
    assert!(let_through <= LIMIT * days, "{let_through} requests of a tenant were let through in {days} days");

    assert_recorded(&replicas, &load);
    let lost = load.lost.lock().unwrap();
    for lost in lost.iter() {
        assert_on_its_way(&replicas, lost);
    }
    let unavailable = load.unavailable.load(Ordering::SeqCst);
    assert!(unavailable <= replicas.too_slow(), "{unavailable} requests were refused, and no emulator was too slow");
    replicas.end();
    let shares = load.shares.lock().unwrap().len();
    let (answered, lost) = (load.answered(), lost.len());
    format!("{answered} requests answered, {lost} lost on their way, {unavailable} too slow, {shares} shares")
}

/// The day, by which limits are counted here.
fn today() -> usize {
    usize::try_from(now().as_unix_seconds() / 86_400).unwrap()
}

/// Nobody has lost an answer but who had asked a replica that was killed or held still meanwhile.
fn assert_on_its_way(replicas: &Replicas, lost: &Lost) {
    let (replica, end) = replicas.balancer.told_of(lost.number);
    let meanwhile = |disturbance: &Disturbance| {
        Some(disturbance.replica) == replica && lost.began <= disturbance.to && lost.ended >= disturbance.from
    };
    assert!(
        replicas.disturbances.iter().any(meanwhile),
        "{} was lost without need, at {replica:?}: {end}. It took from {:?} to {:?}, and there were {:?}",
        lost.what,
        lost.began,
        lost.ended,
        replicas.disturbances
    );
}

/// The outbox is empty, each ledger is intact, and each redemption is in it once.
fn assert_recorded(replicas: &Replicas, load: &Load<'_>) {
    let tenants = load.tenants.lock().unwrap();
    for Tenant { id, key } in tenants.iter() {
        patiently("no events wait", || (replicas.waiting(&format!("{id}#live")) == 0).then_some(()));
        let verified = load.get(key, "/v1/audit/verify").expect(200);
        assert_eq!((&verified["intact"], &verified["next_cursor"]), (&true.into(), &Value::Null), "{verified}");
        assert_eq!(claims_told(load, key), claims_wanted(load, id), "claims of {id}");
        let listed = load.get(key, "/v1/shares?limit=1000").expect(200);
        for share in listed["items"].as_array().unwrap() {
            let (_, fate) = load.shares.lock().unwrap()[share["id"].as_str().unwrap()];
            assert_eq!(share["claims"], usize::from(fate == Fate::Claimed), "{share}");
        }
        let of_this = load.shares.lock().unwrap().values().filter(|(of, _)| of.id == *id).count();
        assert_eq!((listed["items"].as_array().unwrap().len(), &listed["next_cursor"]), (of_this, &Value::Null));
    }
}

/// How often the ledger tells that each share was claimed, and by whom.
fn claims_told(load: &Load<'_>, key: &str) -> BTreeMap<String, usize> {
    let (mut told, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = load.get(key, &format!("/v1/audit?type=share.claimed&outcome=done&limit=1000{cursor}")).expect(200);
        for record in page["items"].as_array().unwrap() {
            assert_eq!(record["client"]["address"], "127.0.0.1", "not who has asked the load balancer: {record}");
            *told.entry(record["resource"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return told,
        }
    }
}

fn claims_wanted(load: &Load<'_>, tenant: &str) -> BTreeMap<String, usize> {
    let shares = load.shares.lock().unwrap();
    let claimed = shares.iter().filter(|(_, (of, fate))| of.id == tenant && *fate == Fate::Claimed);
    claimed.map(|(id, _)| (id.clone(), 1)).collect()
}
