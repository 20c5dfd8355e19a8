//! Whether the model's store answers as the real one does: every commit that a search meets, put to both.

use std::collections::HashSet;

use cloakroom::{
    domain::ids::AttemptId,
    store::{Backend, Expected, Failure, OutboxEvent, RowKey, Transaction, Write as RealWrite, memory::MemoryStore},
};
use stateright::Model;

use super::{
    rows::{Row, Write},
    share::Share,
    store::{Attempt, Commit, KEYS, Key, Outcome, Recorded, Store},
};

/// Puts every commit that is on its way in any state to a store in memory with the same rows, and tells what each
/// came to.
pub async fn compare_all(share: &Share) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (store, commit) in commits(share) {
        outcomes.push(compare(store, &commit).await);
    }
    outcomes
}

/// Each commit that may arrive, with each store that it may find.
fn commits(share: &Share) -> HashSet<(Store, Commit)> {
    let mut waiting = share.init_states();
    let (mut known, mut found) = (HashSet::new(), HashSet::new());
    while let Some(state) = waiting.pop() {
        let sent = state.clients.iter().filter_map(|client| client.request.as_ref()?.sent.as_ref());
        let arriving = sent.map(|sent| sent.commit).chain(state.late.iter().copied());
        found.extend(arriving.map(|commit| (state.store.clone(), commit)));
        waiting.extend(share.next_states(&state).into_iter().filter(|next| known.insert(next.clone())));
    }
    found
}

async fn compare(mut model: Store, commit: &Commit) -> Outcome {
    let real = real_store(&model).await;
    let answer = real.try_commit(&transaction(commit)).await;
    let outcome = model.try_commit(commit, None);
    match outcome {
        Outcome::Applied | Outcome::Proven => assert!(answer.is_ok(), "{answer:?} to {commit:?}"),
        Outcome::Stale => assert!(matches!(answer, Err(Failure::Stale(_))), "{answer:?} to {commit:?}"),
    }
    // Rows compare with what they say; `Debug` leaves that out.
    assert!(real.all() == real_store(&model).await.all(), "other rows after {commit:?}");
    outcome
}

/// A store with the rows of the model's.
async fn real_store(model: &Store) -> MemoryStore {
    let store = MemoryStore::new();
    let claims = (0..KEYS).filter_map(|key| Some((claim_key(Key(key as u8)), model.claims[key]?)));
    let claims = claims.flat_map(|(key, row)| history(&key, &row));
    let uses = model.uses.iter().flat_map(|row| history(&uses_key(), row));
    for (number, write) in uses.chain(claims).enumerate() {
        // Each version by a commit of its own, without an event: those that there are come below.
        let attempt = AttemptId::from_bytes([200 + u8::try_from(number).unwrap(); 16]);
        store.try_commit(&Transaction::noting(attempt, write)).await.unwrap();
    }
    for recorded in &model.outbox {
        store.try_commit(&recording(recorded)).await.unwrap();
    }
    store
}

/// The writes that make a row what it is: as many as its version says, the last one with what it says.
fn history<T: std::fmt::Debug + Copy>(key: &RowKey, row: &Row<T>) -> Vec<RealWrite> {
    let mut expected = Expected::Absent;
    let mut writes = Vec::new();
    while writes.len() < row.version.number() as usize {
        writes.push(RealWrite { key: key.clone(), expected, body: bytes(&row.body), purge_after: None });
        expected = Expected::Version(expected.next());
    }
    writes
}

fn transaction(commit: &Commit) -> Transaction {
    let Commit { attempt, event, uses, ended, claim } = *commit;
    let mut transaction = recording(&Recorded { attempt, event });
    if let Some(uses) = uses {
        transaction = transaction.write(write(uses_key(), &uses));
    }
    for (key, claim) in ended.into_iter().chain(claim) {
        transaction = transaction.write(write(claim_key(key), &claim));
    }
    transaction
}

fn recording(recorded: &Recorded) -> Transaction {
    let Attempt { client, number } = recorded.attempt;
    let mut attempt = [0; 16];
    attempt[..2].copy_from_slice(&[client, number]);
    let event = OutboxEvent { ledger: "share".into(), body: bytes(&recorded.event) };
    Transaction::recording(AttemptId::from_bytes(attempt), event)
}

fn write<T: std::fmt::Debug + Copy>(key: RowKey, write: &Write<T>) -> RealWrite {
    RealWrite { key, expected: write.expected(), body: bytes(&write.body), purge_after: None }
}

fn bytes(value: &impl std::fmt::Debug) -> Vec<u8> {
    format!("{value:?}").into_bytes()
}

fn uses_key() -> RowKey {
    RowKey::new("share", "state")
}

fn claim_key(Key(key): Key) -> RowKey {
    RowKey::new("share", format!("claim#{key}"))
}
