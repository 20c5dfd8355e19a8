//! The loop that turns ambiguous answers into definite ones.

use std::time::Duration;

use super::{Backend, CommitError, Failure, Transaction, Unavailable};

/// For how long a transaction is sent again before the caller is told that
/// nothing is known. Far below the ten minutes for which DynamoDB remembers
/// a request token.
const DEADLINE: Duration = Duration::from_secs(10);

/// The first pause between two attempts; doubled each time up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// Sends the identical transaction until its outcome is definite.
///
/// An unknown outcome is never resolved by reading: "not there" does not prove
/// "not applied", since the lost request may still be under way.
pub(super) async fn until_definite(backend: &dyn Backend, transaction: &Transaction) -> Result<(), CommitError> {
    let resending = async {
        let mut pause = FIRST_PAUSE;
        loop {
            match backend.try_commit(transaction).await {
                Ok(()) => return Ok(()),
                Err(Failure::Stale(rows)) => return Err(CommitError::Stale(rows)),
                Err(Failure::Contended) => {}
                Err(Failure::Unknown(reason)) => {
                    tracing::warn!(attempt = %transaction.attempt(), reason, "commit outcome unknown, sending again");
                }
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    };
    match tokio::time::timeout(DEADLINE, resending).await {
        Ok(definite) => definite,
        Err(_) => Err(Unavailable("no definite answer to a commit before the deadline".into()).into()),
    }
}
