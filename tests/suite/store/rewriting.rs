//! Rows of all partitions, and another body for the same row.

use std::collections::BTreeSet;

use cloakroom::{
    domain::instant::Instant,
    store::{Expected, Row, RowKey, Version},
};

use super::fixture::{Fixture, write};

/// All rows there are, so many at a time.
async fn all(fixture: &Fixture, portion: usize) -> Vec<Row> {
    let (mut rows, mut after) = (Vec::new(), None::<RowKey>);
    loop {
        let found = fixture.store.scan(after.as_ref(), portion).await.unwrap();
        assert!(found.len() <= portion);
        let Some(last) = found.last() else { return rows };
        after = Some(last.key.clone());
        rows.extend(found);
    }
}

pub(super) async fn a_scan_comes_to_every_row_once(fixture: Fixture) {
    let sorts: Vec<_> = (0..40).map(|index| format!("{index:02}")).collect();
    let partitions: Vec<_> = ["p", "q", "pp"].iter().map(|name| fixture.partition(name)).collect();
    for name in ["p", "q", "pp"] {
        fixture.fill(name, &sorts).await;
    }
    // A counter is no row.
    let later = Instant::from_unix_seconds(4_000_000_000);
    fixture.store.count(fixture.key("r", "counter"), 1, later).await.unwrap();
    // Some pages of ours; where others have rows in the same table, many of theirs.
    let found = all(&fixture, 100).await;
    let keys: BTreeSet<_> = found.iter().map(|row| row.key.clone()).collect();
    assert_eq!(keys.len(), found.len(), "some came twice");
    let ours = |key: &&RowKey| partitions.contains(&key.partition);
    assert_eq!(keys.iter().filter(ours).count(), 120);
    assert!(!keys.contains(&fixture.key("r", "counter")));
}

pub(super) async fn another_body_leaves_everything_else_as_it_was(fixture: Fixture) {
    let (key, other) = (fixture.key("p", "a"), fixture.key("p", "b"));
    let purge_after = Some(Instant::from_unix_seconds(4_000_000_000));
    let put =
        fixture.transaction().write(cloakroom::store::Write { purge_after, ..write(&key, Expected::Absent, b"1") });
    fixture.store.commit(put).await.unwrap();
    fixture.put(&other, Expected::Absent, b"other").await.unwrap();
    let read = fixture.row(&key).await.unwrap();
    assert!(fixture.store.replace_body(&read, b"one").await.unwrap());
    // Done again, it is done again.
    assert!(fixture.store.replace_body(&read, b"one").await.unwrap());
    assert_eq!(fixture.row(&key).await, Some(Row { key: key.clone(), version: Version::FIRST, body: b"one".to_vec() }));
    assert_eq!(fixture.row(&other).await.unwrap().body, b"other");
    // Whoever had read it before goes on.
    fixture.put(&key, Expected::Version(Version::FIRST), b"2").await.unwrap();
    assert!(!fixture.store.replace_body(&read, b"one").await.unwrap(), "it was written since");
    assert_eq!(fixture.row(&key).await.unwrap().body, b"2");
    let gone = Row { key: fixture.key("p", "never"), ..read };
    assert!(!fixture.store.replace_body(&gone, b"x").await.unwrap());
    assert_eq!(fixture.row(&gone.key).await, None);
}
