//! What `query` returns: order, pages, beginnings, and never a neighbour.

use cloakroom::store::{Direction, Expected, Query};

use super::fixture::{Fixture, sorts, write};

async fn ask(
    fixture: &Fixture,
    begins_with: &str,
    after: Option<&str>,
    limit: usize,
    direction: Direction,
) -> Vec<String> {
    let (begins_with, after) = (begins_with.to_owned(), after.map(str::to_owned));
    let query = Query { partition: fixture.partition("p"), begins_with, after, limit, direction };
    let rows = fixture.store.query(&query).await.unwrap();
    // In these tests, a row's body is its sort key.
    rows.into_iter().map(|row| String::from_utf8(row.body).unwrap()).collect()
}

use Direction::{Ascending, Descending};

pub(super) async fn pages_in_both_directions(fixture: Fixture) {
    let all = ["a", "b", "c", "d", "e"];
    fixture.fill("p", &all).await;
    for limit in 1..=6 {
        let rows = fixture.pages(fixture.partition("p"), Ascending, limit).await;
        assert_eq!(sorts(&rows), all);
        let rows = fixture.pages(fixture.partition("p"), Descending, limit).await;
        assert_eq!(sorts(&rows), ["e", "d", "c", "b", "a"]);
    }
    assert_eq!(ask(&fixture, "", None, 2, Ascending).await, ["a", "b"]);
    assert_eq!(ask(&fixture, "", None, 2, Descending).await, ["e", "d"]);
    assert_eq!(ask(&fixture, "", Some("b"), 2, Ascending).await, ["c", "d"]);
    assert_eq!(ask(&fixture, "", Some("b"), 2, Descending).await, ["a"]);
    // A position needs no row of its own.
    assert_eq!(ask(&fixture, "", Some("bb"), 1, Ascending).await, ["c"]);
    assert_eq!(ask(&fixture, "", Some("bb"), 1, Descending).await, ["b"]);
    let missing = Query {
        partition: fixture.partition("empty"),
        begins_with: String::new(),
        after: None,
        limit: 1,
        direction: Ascending,
    };
    assert_eq!(fixture.store.query(&missing).await.unwrap(), []);
}

pub(super) async fn beginnings_and_positions_meet(fixture: Fixture) {
    fixture.fill("p", &["a", "b", "b#", "b#1", "b#2", "b$", "ba", "c"]).await;
    assert_eq!(ask(&fixture, "b#", None, 9, Ascending).await, ["b#", "b#1", "b#2"]);
    assert_eq!(ask(&fixture, "b#", None, 9, Descending).await, ["b#2", "b#1", "b#"]);
    assert_eq!(ask(&fixture, "b#", None, 1, Descending).await, ["b#2"]);
    assert_eq!(ask(&fixture, "b", None, 9, Ascending).await, ["b", "b#", "b#1", "b#2", "b$", "ba"]);
    // A position inside the beginning,
    assert_eq!(ask(&fixture, "b#", Some("b#"), 9, Ascending).await, ["b#1", "b#2"]);
    assert_eq!(ask(&fixture, "b#", Some("b#1"), 9, Ascending).await, ["b#2"]);
    assert_eq!(ask(&fixture, "b#", Some("b#1"), 9, Descending).await, ["b#"]);
    assert_eq!(ask(&fixture, "b#", Some("b#"), 9, Descending).await, [""; 0]);
    assert_eq!(ask(&fixture, "b#", Some("b#15"), 9, Ascending).await, ["b#2"]);
    // before it,
    assert_eq!(ask(&fixture, "b#", Some("a"), 9, Ascending).await, ["b#", "b#1", "b#2"]);
    assert_eq!(ask(&fixture, "b#", Some("b"), 9, Ascending).await, ["b#", "b#1", "b#2"]);
    assert_eq!(ask(&fixture, "b#", Some("a"), 9, Descending).await, [""; 0]);
    // and behind it.
    assert_eq!(ask(&fixture, "b#", Some("b$"), 9, Ascending).await, [""; 0]);
    assert_eq!(ask(&fixture, "b#", Some("c"), 9, Descending).await, ["b#2", "b#1", "b#"]);
    assert_eq!(ask(&fixture, "x", None, 9, Ascending).await, [""; 0]);
}

pub(super) async fn neighbours_never_mix(fixture: Fixture) {
    for name in ["t1", "t10", "t1#", "t1#0", "t1/", "t", "t2"] {
        fixture.fill(name, &["a", "b"]).await;
        // A sort key that would be another partition's, were the two just joined.
        fixture.fill(name, &["#0", "0", "/a"]).await;
    }
    for name in ["t1", "t10", "t1#", "t1#0", "t1/", "t", "t2"] {
        for direction in [Ascending, Descending] {
            let rows = fixture.pages(fixture.partition(name), direction, 2).await;
            assert_eq!(rows.len(), 5);
            assert!(rows.iter().all(|row| row.key.partition == fixture.partition(name)));
        }
    }
}

pub(super) async fn sort_keys_are_ordered_by_their_bytes(fixture: Fixture) {
    // In UTF-16, or in the order of some language, these would lie otherwise.
    let mut expected =
        ["A", "Z", "a", "z", "\u{7f}", "é", "ß", "\u{ffee}", "\u{10000}", "🎟", "\u{10ffff}", "a\u{300}", "~"];
    fixture.fill("p", &expected).await;
    expected.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    assert_eq!(ask(&fixture, "", None, 100, Ascending).await, expected);
    expected.reverse();
    assert_eq!(ask(&fixture, "", None, 100, Descending).await, expected);
    assert_eq!(ask(&fixture, "\u{10ffff}", None, 100, Ascending).await, ["\u{10ffff}"]);
    assert_eq!(ask(&fixture, "", Some("\u{ffee}"), 1, Ascending).await, ["\u{10000}"]);
}

pub(super) async fn more_than_a_thousand_rows(fixture: Fixture) {
    let all: Vec<_> = (0..1_100).map(|index| format!("{index:04}")).collect();
    fixture.fill("p", &all).await;
    assert_eq!(ask(&fixture, "", None, 1_000, Ascending).await, all[..1_000]);
    let rows = fixture.pages(fixture.partition("p"), Descending, 1_000).await;
    assert!(sorts(&rows).iter().rev().eq(all.iter()));
}

/// DynamoDB ends a page after a megabyte, whatever the limit.
pub(super) async fn more_than_a_megabyte(fixture: Fixture) {
    let body = vec![7; 150_000];
    for index in 0..15 {
        let key = fixture.key("p", &format!("{index:02}"));
        fixture.store.commit(fixture.transaction().write(write(&key, Expected::Absent, &body))).await.unwrap();
    }
    for direction in [Ascending, Descending] {
        let query =
            Query { partition: fixture.partition("p"), begins_with: String::new(), after: None, limit: 14, direction };
        let rows = fixture.store.query(&query).await.unwrap();
        assert_eq!(rows.len(), 14);
        assert!(rows.iter().all(|row| row.body == body));
    }
}
