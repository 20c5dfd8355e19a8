//! The loop that turns ambiguous answers into definite ones.

use std::time::Duration;

use super::{Backend, CommitError, Failure, Transaction, Unavailable};

/// For how long a transaction is sent again before the caller is told that
/// nothing is known. Far below the ten minutes for which DynamoDB remembers
/// a request token.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The first pause between two attempts; doubled each time up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// Sends the identical transaction until its outcome is definite.
///
/// An unknown outcome is never resolved by reading: "not there" does not prove
/// "not applied", since the lost request may still be under way.
///
/// `Stale` is definite even after an unknown outcome. Had the lost attempt been
/// applied, its outbox row would have answered `Ok`. If it is still under way it
/// will fail as this one did: versions only rise, so a condition that has failed
/// once fails for ever.
pub(super) async fn until_definite(
    backend: &dyn Backend,
    transaction: &Transaction,
    deadline: Duration,
) -> Result<(), CommitError> {
    let mut pauses = Pauses::of(transaction);
    let resending = async {
        loop {
            match backend.try_commit(transaction).await {
                Ok(()) => return Ok(()),
                Err(Failure::Stale(rows)) => return Err(CommitError::Stale(rows)),
                Err(Failure::Refused(reason)) => return Err(Unavailable(reason).into()),
                Err(Failure::Contended) => {
                    tracing::debug!(attempt = %transaction.attempt(), "another transaction was in the way, sending again");
                }
                Err(Failure::Unknown(reason)) => {
                    tracing::warn!(attempt = %transaction.attempt(), reason, "commit outcome unknown, sending again");
                }
            }
            tokio::time::sleep(pauses.next()).await;
        }
    };
    match tokio::time::timeout(deadline, resending).await {
        Ok(definite) => definite,
        Err(_) => Err(Unavailable("no definite answer to a commit before the deadline".into()).into()),
    }
}

/// Growing pauses, each between half and the whole of its step, so that those
/// who were in each other's way do not meet again in step. The spread is taken
/// from the attempt's own id, which is random already.
struct Pauses {
    step: Duration,
    spread: [u8; 8],
    taken: usize,
}

impl Pauses {
    fn of(transaction: &Transaction) -> Self {
        let attempt = transaction.attempt();
        let [.., a, b, c, d, e, f, g, h] = *attempt.as_bytes();
        Self { step: FIRST_PAUSE, spread: [a, b, c, d, e, f, g, h], taken: 0 }
    }

    fn next(&mut self) -> Duration {
        let step = self.step;
        let spread = self.spread[self.taken % self.spread.len()];
        self.taken += 1;
        self.step = LONGEST_PAUSE.min(step * 2);
        step / 2 + step / 2 * u32::from(spread) / 255
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Arc, Mutex},
    };

    use async_trait::async_trait;

    use super::*;
    use crate::{
        domain::{ids::AttemptId, instant::Instant, standing::StoreIdentity},
        store::{OutboxEvent, Query, Row, RowKey, Store, faulty::Fault, faulty::FaultyStore, memory::MemoryStore},
    };

    fn transaction(attempt: u8) -> Transaction {
        let event = OutboxEvent { ledger: "ledger".into(), body: b"event".to_vec() };
        Transaction::recording(AttemptId::from_bytes([attempt; 16]), event)
    }

    /// Answers from a list, and for ever with the last entry of it.
    struct Scripted(Mutex<VecDeque<Result<(), Failure>>>);

    #[async_trait]
    impl Backend for Scripted {
        async fn get(&self, _: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable> {
            panic!("an unknown outcome is never resolved by reading")
        }

        async fn query(&self, _: &Query) -> Result<Vec<Row>, Unavailable> {
            panic!("an unknown outcome is never resolved by reading")
        }

        async fn try_commit(&self, _: &Transaction) -> Result<(), Failure> {
            let mut answers = self.0.lock().unwrap();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
        }

        async fn scan(&self, _: Option<&RowKey>, _: usize) -> Result<Vec<Row>, Unavailable> {
            panic!("an unknown outcome is never resolved by reading")
        }

        async fn replace_body(&self, _: &Row, _: &[u8]) -> Result<bool, Unavailable> {
            panic!("no commit replaces a body")
        }

        async fn count(&self, _: &RowKey, _: u64, _: Instant) -> Result<u64, Unavailable> {
            panic!("no commit counts")
        }

        async fn remove_counters(&self, _: &str) -> Result<(), Unavailable> {
            panic!("no commit counts")
        }

        async fn identity(&self) -> Result<StoreIdentity, Unavailable> {
            panic!("no commit asks whose it is")
        }

        async fn ping(&self) -> Result<(), Unavailable> {
            Ok(())
        }
    }

    async fn committing<const N: usize>(answers: [Result<(), Failure>; N]) -> Result<(), CommitError> {
        let scripted = Scripted(Mutex::new(answers.into()));
        until_definite(&scripted, &transaction(1), Duration::from_millis(100)).await
    }

    fn unknown() -> Result<(), Failure> {
        Err(Failure::Unknown("lost".into()))
    }

    #[tokio::test]
    async fn the_first_definite_answer_counts() {
        assert!(committing([unknown(), Err(Failure::Contended), Ok(())]).await.is_ok());
        let stale = committing([unknown(), Err(Failure::Stale(vec![None])), Ok(())]).await;
        assert!(matches!(stale, Err(CommitError::Stale(rows)) if rows == vec![None]));
    }

    #[tokio::test]
    async fn endless_doubt_and_endless_contention_end_at_the_deadline() {
        for answer in [unknown(), Err(Failure::Contended)] {
            assert!(matches!(committing([answer]).await, Err(CommitError::Unavailable(_))));
        }
    }

    #[tokio::test]
    async fn what_was_turned_away_is_neither_sent_again_nor_granted() {
        let refused = committing([unknown(), Err(Failure::Refused("no such table".into())), Ok(())]).await;
        assert!(matches!(refused, Err(CommitError::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_commit_held_up_beyond_the_resent_one_changes_nothing() {
        let faulty = Arc::new(FaultyStore::new(MemoryStore::new()));
        faulty.plan([Fault::AppliedLate, Fault::FailedButApplied, Fault::Failed]);
        let store = Store::new(faulty.clone());
        store.commit(transaction(1)).await.unwrap();
        faulty.settle().await;
        let (key, _) = transaction(1).outbox().next().map(|(key, body)| (key, body.len())).unwrap();
        let [row] = store.get([key]).await.unwrap();
        assert_eq!(row.unwrap().version, crate::store::Version::FIRST);
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ_between_attempts() {
        let mut low = Pauses::of(&transaction(0));
        let mut high = Pauses::of(&transaction(255));
        let low: Vec<_> = (0..10).map(|_| low.next()).collect();
        let high: Vec<_> = (0..10).map(|_| high.next()).collect();
        assert_eq!((low[0], high[0]), (FIRST_PAUSE / 2, FIRST_PAUSE));
        assert_eq!((low[9], high[9]), (LONGEST_PAUSE / 2, LONGEST_PAUSE));
        assert!(low.is_sorted() && high.is_sorted());
    }
}
