//! Conditions, all-or-nothing, and sending the same transaction again.

use cloakroom::{
    domain::instant::Instant,
    store::{CommitError, Direction, Expected, OutboxEvent, Row, RowKey, Version},
};

use super::fixture::{Fixture, version, write, write_until};

fn stale(outcome: Result<(), CommitError>) -> Vec<Option<Row>> {
    match outcome {
        Err(CommitError::Stale(rows)) => rows,
        other => panic!("not stale but {other:?}"),
    }
}

pub(super) async fn a_new_row_needs_an_absent_one(fixture: Fixture) {
    let key = fixture.key("p", "s");
    fixture.put(&key, Expected::Absent, b"first").await.unwrap();
    stale(fixture.put(&key, Expected::Absent, b"second").await);
    assert_eq!(fixture.row(&key).await.unwrap().body, b"first");
    assert_eq!(fixture.recorded_in_all().await, 1);
}

pub(super) async fn a_changed_row_needs_its_version(fixture: Fixture) {
    let key = fixture.key("p", "s");
    stale(fixture.put(&key, Expected::Version(Version::FIRST), b"nothing to change").await);
    fixture.put(&key, Expected::Absent, b"first").await.unwrap();
    stale(fixture.put(&key, Expected::Version(version(2)), b"too early").await);
    fixture.put(&key, Expected::Version(version(1)), b"second").await.unwrap();
    stale(fixture.put(&key, Expected::Version(version(1)), b"too late").await);
    assert_eq!(fixture.row(&key).await.unwrap().body, b"second");
    assert_eq!(fixture.recorded_in_all().await, 2);
}

pub(super) async fn versions_count_up(fixture: Fixture) {
    let key = fixture.key("p", "s");
    fixture.put(&key, Expected::Absent, b"body").await.unwrap();
    for number in 1..=11 {
        assert_eq!(fixture.row(&key).await.unwrap().version, version(number));
        fixture.put(&key, Expected::Version(version(number)), b"body").await.unwrap();
    }
    assert_eq!(fixture.row(&key).await.unwrap().version.number(), 12);
}

pub(super) async fn all_writes_happen_or_none(fixture: Fixture) {
    let [a, b, c] = ["a", "b", "c"].map(|sort| fixture.key(sort, sort));
    fixture.put(&b, Expected::Absent, b"there").await.unwrap();
    let together = |b_expected| {
        fixture
            .transaction()
            .write(write(&a, Expected::Absent, b"new"))
            .write(write(&b, b_expected, b"new"))
            .write(write(&c, Expected::Absent, b"new"))
    };
    let failing = together(Expected::Absent);
    stale(fixture.store.commit(failing.clone()).await);
    let [row_a, row_b, row_c] = fixture.store.get([a.clone(), b.clone(), c.clone()]).await.unwrap();
    assert_eq!((row_a, row_b.unwrap().body.as_slice(), row_c), (None, b"there".as_slice(), None));
    assert_eq!(fixture.recorded(&failing).await, 0);

    let holding = together(Expected::Version(Version::FIRST));
    fixture.store.commit(holding.clone()).await.unwrap();
    let rows = fixture.store.get([a, b, c]).await.unwrap();
    assert_eq!(rows.clone().map(|row| row.unwrap().body), [b"new", b"new", b"new"]);
    assert_eq!(rows.map(|row| row.unwrap().version.number()), [1, 2, 1]);
    assert_eq!(fixture.recorded(&holding).await, 1);
}

pub(super) async fn a_stale_commit_returns_the_old_rows(fixture: Fixture) {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|sort| fixture.key("p", sort));
    fixture.put(&a, Expected::Absent, b"a").await.unwrap();
    fixture.put(&c, Expected::Absent, b"c").await.unwrap();
    let transaction = fixture
        .transaction()
        .write(write(&a, Expected::Absent, b"new"))
        .write(write(&b, Expected::Absent, b"new"))
        .write(write(&c, Expected::Version(version(7)), b"new"))
        .write(write(&d, Expected::Version(version(1)), b"new"));
    let old = stale(fixture.store.commit(transaction).await);
    // One for each condition that failed, in the order of the writes.
    let row = |key: RowKey, body: &[u8]| Some(Row { key, version: Version::FIRST, body: body.to_vec() });
    assert_eq!(old, [row(a, b"a"), row(c, b"c"), None]);
}

pub(super) async fn the_same_transaction_again_changes_nothing(fixture: Fixture) {
    let (key, other) = (fixture.key("p", "s"), fixture.key("p", "other"));
    let claim = fixture.transaction().write(write(&key, Expected::Absent, b"mine"));
    fixture.store.commit(claim.clone()).await.unwrap();
    fixture.store.commit(claim.clone()).await.unwrap();
    let expected = Row { key: key.clone(), version: Version::FIRST, body: b"mine".to_vec() };
    assert_eq!(fixture.row(&key).await, Some(expected));

    // Nor does it after later changes have overwritten what it wrote.
    fixture.put(&key, Expected::Version(version(1)), b"changed").await.unwrap();
    fixture.store.commit(claim.clone()).await.unwrap();
    let expected = Row { key: key.clone(), version: version(2), body: b"changed".to_vec() };
    assert_eq!(fixture.row(&key).await, Some(expected));
    assert_eq!(fixture.recorded(&claim).await, 1);

    // One that failed is judged anew each time, and may hold later.
    let early = fixture.transaction().write(write(&other, Expected::Version(version(1)), b"second"));
    stale(fixture.store.commit(early.clone()).await);
    fixture.put(&other, Expected::Absent, b"first").await.unwrap();
    fixture.store.commit(early).await.unwrap();
    assert_eq!(fixture.row(&other).await.unwrap().body, b"second");
}

pub(super) async fn an_event_alone_is_a_transaction(fixture: Fixture) {
    let event = |body: &[u8]| OutboxEvent { ledger: fixture.partition("ledger"), body: body.to_vec() };
    let transaction = fixture.transaction().and_event(event(b"second")).and_event(event(b"third"));
    for _ in 0..3 {
        fixture.store.commit(transaction.clone()).await.unwrap();
    }
    for (key, body) in transaction.outbox() {
        let row = fixture.row(&key).await.unwrap();
        assert_eq!((row.version, row.body.as_slice()), (Version::FIRST, body));
    }
    assert_eq!(fixture.recorded(&transaction).await, 3);
}

pub(super) async fn the_largest_transaction_is_applied(fixture: Fixture) {
    let many = (0..99).fold(fixture.transaction(), |transaction, index| {
        transaction.write(write(&fixture.key("many", &format!("{index:02}")), Expected::Absent, b"body"))
    });
    fixture.store.commit(many).await.unwrap();
    assert_eq!(fixture.pages(fixture.partition("many"), Direction::Ascending, 1_000).await.len(), 99);

    let large = vec![7; 400_000];
    let key = fixture.key("large", "s");
    fixture.put(&key, Expected::Absent, &large).await.unwrap();
    assert!(fixture.row(&key).await.unwrap().body == large);
}

pub(super) async fn transactions_beyond_the_limits_are_refused(fixture: Fixture) {
    let refused = |outcome| assert!(matches!(outcome, Err(CommitError::Unavailable(_))));
    let key = fixture.key("p", "s");
    refused(fixture.put(&key, Expected::Absent, &vec![0; 400_001]).await);
    refused(fixture.put(&RowKey::new(fixture.partition("p"), "nul\0"), Expected::Absent, b"").await);
    let twice = fixture.transaction().write(write(&key, Expected::Absent, b"a"));
    refused(fixture.store.commit(twice.write(write(&key, Expected::Absent, b"b"))).await);
    assert_eq!(fixture.row(&key).await, None);
    assert_eq!(fixture.recorded_in_all().await, 0);
}

/// Nothing depends on the store's own purging: expiry is checked against the
/// clock, by others.
pub(super) async fn rows_past_their_purge_date_are_still_there(fixture: Fixture) {
    let key = fixture.key("p", "s");
    let long_ago = Instant::from_unix_seconds(1_600_000_000);
    let transaction = fixture.transaction().write(write_until(&key, Expected::Absent, long_ago));
    fixture.store.commit(transaction).await.unwrap();
    assert_eq!(fixture.row(&key).await.unwrap().body, b"body");
    let rows = fixture.pages(fixture.partition("p"), Direction::Ascending, 10).await;
    assert_eq!(rows.len(), 1);
    fixture.put(&key, Expected::Version(Version::FIRST), b"kept").await.unwrap();
}
