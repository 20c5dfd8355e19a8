//! What `get` returns.

use cloakroom::store::{Expected, Row, RowKey, Version};

use super::fixture::{Fixture, write};

pub(super) async fn what_was_committed_is_read(fixture: Fixture) {
    let (empty, binary) = (fixture.key("p", "empty"), fixture.key("p", "binary"));
    let bytes: Vec<u8> = (0..=255).collect();
    let transaction = fixture.transaction();
    let transaction =
        transaction.write(write(&empty, Expected::Absent, b"")).write(write(&binary, Expected::Absent, &bytes));
    fixture.store.commit(transaction).await.unwrap();
    let row = |key: &RowKey, body: &[u8]| Row { key: key.clone(), version: Version::FIRST, body: body.to_vec() };
    assert_eq!(fixture.row(&empty).await, Some(row(&empty, b"")));
    assert_eq!(fixture.row(&binary).await, Some(row(&binary, &bytes)));
    assert_eq!(fixture.row(&fixture.key("p", "missing")).await, None);
}

pub(super) async fn rows_come_in_the_order_asked_for(fixture: Fixture) {
    fixture.fill("p", &["a", "b"]).await;
    fixture.fill("q", &["a"]).await;
    let asked = [("p", "b"), ("p", "missing"), ("q", "a"), ("p", "a"), ("p", "b"), ("q", "b")];
    let rows = fixture.store.get(asked.map(|(name, sort)| fixture.key(name, sort))).await.unwrap();
    let found = rows.map(|row| row.map(|row| row.key));
    let there = |name, sort| Some(fixture.key(name, sort));
    assert_eq!(found, [there("p", "b"), None, there("q", "a"), there("p", "a"), there("p", "b"), None]);
}

pub(super) async fn no_keys_no_rows(fixture: Fixture) {
    assert_eq!(fixture.store.get_all(&[]).await.unwrap(), []);
}

pub(super) async fn hundreds_of_rows_are_read_in_portions(fixture: Fixture) {
    let sorts: Vec<_> = (0..250).map(|index| format!("{index:03}")).collect();
    fixture.fill("p", &sorts).await;
    let keys: Vec<_> = sorts.iter().rev().map(|sort| fixture.key("p", sort)).collect();
    let rows = fixture.store.get_all(&keys).await.unwrap();
    assert!(rows.iter().zip(&keys).all(|(row, key)| row.as_ref().is_some_and(|row| row.key == *key)));
    assert_eq!(rows.len(), 250);
}

pub(super) async fn keys_no_backend_could_hold_are_refused(fixture: Fixture) {
    for (partition, sort) in [("", "s"), ("p", ""), ("p\0", "s"), ("p", "s\0")] {
        assert!(fixture.store.get([RowKey::new(partition, sort)]).await.is_err());
    }
    let longest = RowKey::new(format!("{:p<1500}", fixture.partition("")), "s".repeat(1_000));
    fixture.put(&longest, Expected::Absent, b"").await.unwrap();
    assert!(fixture.row(&longest).await.is_some());
}

pub(super) async fn a_backend_that_works_answers_a_ping(fixture: Fixture) {
    fixture.store.ping().await.unwrap();
}

pub(super) async fn a_store_is_the_same_each_time(fixture: Fixture) {
    let first = fixture.store.identity().await.unwrap();
    assert!(!first.0.is_empty());
    assert_eq!(fixture.store.identity().await.unwrap(), first);
}
