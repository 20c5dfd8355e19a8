//! Events on their way out of the outbox: each into one segment of its ledger, with it or not at all.

use cloakroom::store::{Expected, Row, RowKey, Transaction};

use super::fixture::{Fixture, attempt, write};

/// Rows of the outbox that this transaction puts.
fn events(transaction: &Transaction) -> Vec<RowKey> {
    transaction.outbox().map(|(key, _)| key).collect()
}

async fn chain(fixture: &Fixture, segment: &str, body: &[u8], taken: Vec<RowKey>) -> Result<(), Vec<Option<Row>>> {
    let segment = write(&fixture.key("ledger", segment), Expected::Absent, body);
    fixture.commit_in_a_crowd(Transaction::chaining(attempt(), segment, taken)).await
}

/// Whether it was chained, be it by an attempt whose answer was lost.
async fn chained(fixture: &Fixture, segment: &str, body: &[u8], taken: Vec<RowKey>) -> bool {
    match chain(fixture, segment, body, taken).await {
        Ok(()) => true,
        Err(_) => fixture.row(&fixture.key("ledger", segment)).await.is_some_and(|row| row.body == body),
    }
}

pub(super) async fn events_leave_the_outbox_with_the_segment(fixture: Fixture) {
    let recorded = [fixture.transaction(), fixture.transaction(), fixture.transaction()];
    for transaction in &recorded {
        fixture.store.commit(transaction.clone()).await.unwrap();
    }
    let [first, second, third] = &recorded;
    assert!(chained(&fixture, "1", b"two", [events(first), events(second)].concat()).await);
    assert_eq!(fixture.recorded_in_all().await, 1);
    assert_eq!(fixture.recorded(third).await, 1);
    assert_eq!(fixture.row(&fixture.key("ledger", "1")).await.unwrap().body, b"two");
}

pub(super) async fn an_event_is_chained_once(fixture: Fixture) {
    let [first, second] = [fixture.transaction(), fixture.transaction()];
    for transaction in [&first, &second] {
        fixture.store.commit(transaction.clone()).await.unwrap();
    }
    assert!(chained(&fixture, "1", b"one", events(&first)).await);
    // What is gone takes nothing else along.
    let again = chain(&fixture, "2", b"again", [events(&second), events(&first)].concat()).await;
    assert!(again.is_err());
    assert_eq!(fixture.row(&fixture.key("ledger", "2")).await, None);
    assert_eq!(fixture.recorded(&second).await, 1);
    // A place that is taken leaves the event where it is.
    assert!(chain(&fixture, "1", b"fork", events(&second)).await.is_err());
    assert_eq!(fixture.recorded(&second).await, 1);
    assert!(chained(&fixture, "2", b"two", events(&second)).await);
}

/// Attempts of these tests are named at random, so that most sort before some that were taken already.
pub(super) async fn whatever_is_put_while_others_are_taken_is_found(fixture: Fixture) {
    let put: Vec<_> = (0..fixture.rounds).map(|_| fixture.transaction()).collect();
    let putting = async {
        for portion in put.chunks(4) {
            let commits = portion.iter().map(|transaction| fixture.commit_in_a_crowd(transaction.clone()));
            futures_util::future::try_join_all(commits).await.unwrap();
        }
    };
    let (is_put, mut segment) = (std::cell::Cell::new(false), 0);
    let taking = async {
        loop {
            let was_put = is_put.get();
            let waiting = fixture.waiting(5).await;
            if waiting.is_empty() && was_put {
                break;
            }
            // A store that answers at once would let nobody else have a turn.
            tokio::task::yield_now().await;
            for event in waiting {
                segment += 1;
                // Stale where an answer was lost: then it is gone as well.
                let _outcome = chain(&fixture, &format!("{segment:06}"), b"one", vec![event]).await;
            }
        }
    };
    let putting = async {
        putting.await;
        is_put.set(true);
    };
    futures_util::future::join(putting, taking).await;
    for transaction in &put {
        assert_eq!(fixture.recorded(transaction).await, 0, "an event was never found");
    }
}

pub(super) async fn of_many_who_chain_one_gets_each_event(fixture: Fixture) {
    for round in 0..fixture.rounds {
        let transaction = fixture.transaction();
        fixture.store.commit(transaction.clone()).await.unwrap();
        let name = format!("{round:04}");
        let bodies: Vec<_> = (0..8).map(|chainer| format!("{round} {chainer}")).collect();
        let chaining = bodies.iter().map(|body| chain(&fixture, &name, body.as_bytes(), events(&transaction)));
        let outcomes = futures_util::future::join_all(chaining).await;
        assert!(outcomes.iter().filter(|outcome| outcome.is_ok()).count() <= 1);
        assert!(fixture.row(&fixture.key("ledger", &name)).await.is_some());
        assert_eq!(fixture.recorded(&transaction).await, 0);
    }
}

pub(super) async fn what_is_sent_again_after_its_event_was_chained_changes_nothing(fixture: Fixture) {
    let key = fixture.key("p", "s");
    let changing = fixture.transaction().write(write(&key, Expected::Absent, b"body"));
    let event_alone = fixture.transaction();
    for (number, transaction) in [&changing, &event_alone].into_iter().enumerate() {
        fixture.store.commit(transaction.clone()).await.unwrap();
        assert!(chained(&fixture, &number.to_string(), b"segment", events(transaction)).await);
        fixture.store.commit(transaction.clone()).await.unwrap();
        assert_eq!(fixture.recorded(transaction).await, 0, "an event twice");
    }
    assert_eq!(fixture.row(&key).await.unwrap().version.number(), 1);
}
