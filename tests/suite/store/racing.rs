//! Races: many callers, one winner, nothing lost.

use std::sync::Arc;

use cloakroom::{
    domain::instant::Instant,
    store::{Expected, RowKey, Version},
};
use futures_util::future::join_all;
use tokio::sync::Barrier;

use super::fixture::{Fixture, write};

const CALLERS: usize = 64;

pub(super) async fn one_of_many_claims_wins(fixture: Fixture) {
    let fixture = Arc::new(fixture);
    let keys: Vec<_> = (0..fixture.rounds).map(|round| fixture.key(&format!("token {round}"), "state")).collect();
    for key in &keys {
        fixture.put(key, Expected::Absent, b"unclaimed").await.unwrap();
    }
    let start = Arc::new(Barrier::new(CALLERS));
    let keys = Arc::new(keys);
    let callers = (0..CALLERS).map(|caller| {
        let (fixture, start, keys) = (fixture.clone(), start.clone(), keys.clone());
        tokio::spawn(async move {
            let mut won = Vec::new();
            for (round, key) in keys.iter().enumerate() {
                start.wait().await;
                let name = format!("caller {caller}").into_bytes();
                let claim = write(key, Expected::Version(Version::FIRST), &name);
                match fixture.commit_in_a_crowd(fixture.transaction().write(claim)).await {
                    Ok(()) => won.push((round, name)),
                    Err(rows) => {
                        // Who lost learns of the winner, and of nothing before.
                        let [Some(winner)] = rows.as_slice() else { panic!("no old row") };
                        assert_eq!(winner.version.number(), 2);
                        assert_ne!(winner.body, b"unclaimed");
                    }
                }
            }
            won
        })
    });
    let mut won: Vec<_> = join_all(callers).await.into_iter().flat_map(Result::unwrap).collect();
    won.sort();
    let winners: Vec<_> = won.iter().map(|(round, _)| *round).collect();
    assert!(winners.into_iter().eq(0..fixture.rounds), "one winner for each token");
    for (round, name) in won {
        let row = fixture.row(&keys[round]).await.unwrap();
        assert_eq!((row.version.number(), row.body), (2, name));
    }
    assert_eq!(fixture.recorded_in_all().await, 2 * fixture.rounds);
}

/// Everybody wins in the end, each once, by reading again what was stale.
pub(super) async fn a_counter_loses_no_increment(fixture: Fixture) {
    let key = fixture.key("counter", "state");
    fixture.put(&key, Expected::Absent, b"").await.unwrap();
    let callers = (0..16).map(|_| async {
        let mut version = Version::FIRST;
        let counting = |version| fixture.transaction().write(write(&key, Expected::Version(version), b""));
        while let Err(rows) = fixture.commit_in_a_crowd(counting(version)).await {
            version = rows[0].as_ref().unwrap().version;
        }
    });
    join_all(callers).await;
    assert_eq!(fixture.row(&key).await.unwrap().version.number(), 17);
    assert_eq!(fixture.recorded_in_all().await, 17);
}

/// Two transactions that want the same rows in opposite order: one of them
/// gets both, never each one.
pub(super) async fn rows_written_together_are_seen_together(fixture: Fixture) {
    for round in 0..fixture.rounds.min(50) {
        let [a, b] = ["a", "b"].map(|sort| fixture.key(&format!("pair {round}"), sort));
        let forward = fixture.transaction().write(write(&a, Expected::Absent, b"1"));
        let forward = forward.write(write(&b, Expected::Absent, b"1"));
        let backward = fixture.transaction().write(write(&b, Expected::Absent, b"2"));
        let backward = backward.write(write(&a, Expected::Absent, b"2"));
        let outcomes = tokio::join!(fixture.commit_in_a_crowd(forward), fixture.commit_in_a_crowd(backward));
        assert_ne!(outcomes.0.is_ok(), outcomes.1.is_ok(), "one winner");
        let [a, b] = fixture.store.get([a, b]).await.unwrap();
        assert_eq!(a.unwrap().body, b.unwrap().body);
    }
}

pub(super) async fn a_limit_counts_every_addition_once(fixture: Fixture) {
    let fixture = Arc::new(fixture);
    let (key, other) = (fixture.key("counters", "a"), fixture.key("counters", "b"));
    let until = Instant::from_unix_seconds(4_000_000_000);
    let adding = (0..CALLERS).map(|_| {
        let (fixture, key) = (fixture.clone(), key.clone());
        tokio::spawn(async move { fixture.store.count(key, 3, until).await.unwrap() })
    });
    let mut answers: Vec<_> = join_all(adding).await.into_iter().map(Result::unwrap).collect();
    answers.sort_unstable();
    assert_eq!(answers, (1..=CALLERS as u64).map(|caller| 3 * caller).collect::<Vec<_>>());
    assert_eq!(fixture.store.count(other, 1, until).await.unwrap(), 1);
    assert!(fixture.store.count(RowKey::new("", "a"), 1, until).await.is_err());
}
