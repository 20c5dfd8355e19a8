//! What an error of DynamoDB says about a commit, and what it does not say.
//!
//! The rule: an outcome is definite only where DynamoDB says in so many words
//! that this attempt was not applied. Everything else is unknown.
//! Never here: a request, or the decision to send again.

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::CancellationReason,
};

use super::{
    super::{Failure, Row, Unavailable},
    item,
};

/// For reads, where any error means the same.
pub(super) fn unavailable<E>(error: SdkError<E>) -> Unavailable
where
    E: ProvideErrorMetadata,
{
    Unavailable(kind(&error))
}

/// What the error says about a transaction whose first `writes` items are its
/// conditional writes and what it takes, and whose other items are its outbox rows: some, where it records anything.
pub(super) fn of_commit(error: SdkError<TransactWriteItemsError>, writes: usize, records: bool) -> Result<(), Failure> {
    let service = match error {
        SdkError::ServiceError(answer) => {
            if answer.raw().status().is_server_error() {
                return Err(Failure::Unknown(describe(answer.err())));
            }
            answer.into_err()
        }
        // Timed out, cut off or unreadable: the request may have arrived all the same.
        other => return Err(Failure::Unknown(kind(&other))),
    };
    match &service {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            of_cancellation(cancelled.cancellation_reasons.clone().unwrap_or_default(), writes, records)
        }
        // An earlier attempt of this very transaction is under way.
        TransactWriteItemsError::TransactionInProgressException(_) => Err(Failure::Unknown(describe(&service))),
        TransactWriteItemsError::ProvisionedThroughputExceededException(_)
        | TransactWriteItemsError::RequestLimitExceeded(_) => Err(Failure::Contended),
        TransactWriteItemsError::InternalServerError(_) => Err(Failure::Unknown(describe(&service))),
        _ if service.code().is_some_and(is_throttling) => Err(Failure::Contended),
        // A mismatched request token, a missing table, a missing permission, a malformed request.
        _ => Err(Failure::Refused(describe(&service))),
    }
}

fn of_cancellation(reasons: Vec<CancellationReason>, writes: usize, records: bool) -> Result<(), Failure> {
    let codes: Vec<Reason> = reasons.iter().map(|reason| Reason::of(reason.code())).collect();
    let Some((of_writes, of_outbox)) =
        codes.split_at_checked(writes).filter(|(_, outbox)| outbox.is_empty() != records)
    else {
        return Err(Failure::Unknown("a transaction was cancelled without a reason for each item".into()));
    };
    // An outbox row is put if absent, under a key that only this attempt uses.
    if of_outbox.contains(&Reason::ConditionFailed) {
        return Ok(());
    }
    if let Some(other) = codes.iter().position(|reason| *reason == Reason::Other) {
        return Err(Failure::Refused(format!("item {other} of a transaction: {:?}", reasons[other].code())));
    }
    // As long as the outbox row was not looked at, a failed condition may be
    // the work of an earlier attempt of this very transaction.
    if of_writes.contains(&Reason::ConditionFailed) && of_outbox.iter().all(|reason| *reason == Reason::None) {
        let failed = of_writes.iter().zip(reasons).filter(|(reason, _)| **reason == Reason::ConditionFailed);
        let rows: Result<_, Unavailable> = failed.map(|(_, reason)| old_row(reason)).collect();
        return Err(rows.map_or_else(|Unavailable(reason)| Failure::Refused(reason), Failure::Stale));
    }
    Err(Failure::Contended)
}

fn old_row(reason: CancellationReason) -> Result<Option<Row>, Unavailable> {
    reason.item.filter(|item| !item.is_empty()).map(item::row).transpose()
}

/// Why one item of a transaction stood in its way, or that it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    None,
    ConditionFailed,
    InTheWay,
    Other,
}

impl Reason {
    fn of(code: Option<&str>) -> Self {
        match code {
            None | Some("None") => Self::None,
            Some("ConditionalCheckFailed") => Self::ConditionFailed,
            Some("TransactionConflict" | "ProvisionedThroughputExceeded" | "ThrottlingError") => Self::InTheWay,
            Some(_) => Self::Other,
        }
    }
}

/// Whether a request was turned away, unseen, for its signature: that of a clock that is minutes away from Amazon's is refused so.
pub(super) fn is_signed_at_another_time(error: &SdkError<TransactWriteItemsError>) -> bool {
    error.code() == Some("InvalidSignatureException")
}

fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "ThrottlingException" | "Throttling" | "RequestLimitExceeded" | "ProvisionedThroughputExceededException"
    )
}

/// The code and message of a service's error, for the operator's log.
/// Which error it was, without the answer it came in: that may hold rows.
fn kind<E: ProvideErrorMetadata>(error: &SdkError<E>) -> String {
    match error {
        SdkError::ConstructionFailure(_) => "DynamoDB: the request could not be made".into(),
        SdkError::TimeoutError(_) => "DynamoDB: timed out".into(),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "DynamoDB: timed out connecting".into(),
        SdkError::DispatchFailure(_) => "DynamoDB: no connection, or no credentials".into(),
        SdkError::ResponseError(_) => "DynamoDB: an answer that cannot be read".into(),
        SdkError::ServiceError(answer) => {
            format!("DynamoDB: {} {}", answer.raw().status().as_u16(), answer.err().code().unwrap_or("without a code"))
        }
        _ => "DynamoDB: an error of another kind".into(),
    }
}

fn describe(error: &TransactWriteItemsError) -> String {
    format!("{}: {}", error.code().unwrap_or("no code"), error.message().unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{RowKey, Version};

    fn reasons(codes: &[&str]) -> Vec<CancellationReason> {
        codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect()
    }

    const FAILED: &str = "ConditionalCheckFailed";
    const CONFLICT: &str = "TransactionConflict";

    #[test]
    fn an_outbox_row_that_is_there_proves_the_commit() {
        assert!(of_cancellation(reasons(&["None", FAILED]), 1, true).is_ok());
        assert!(of_cancellation(reasons(&[FAILED, FAILED]), 1, true).is_ok());
        assert!(of_cancellation(reasons(&[CONFLICT, FAILED]), 1, true).is_ok());
        assert!(of_cancellation(reasons(&[FAILED]), 0, true).is_ok());
    }

    #[test]
    fn a_failed_condition_gives_the_old_row() {
        let old = item::item(&RowKey::new("p", "s"), Version::FIRST, b"old", None);
        let there = CancellationReason::builder().code(FAILED).set_item(Some(old)).build();
        let reasons = [reasons(&["None", FAILED]), vec![there], reasons(&["None"])].concat();
        let Err(Failure::Stale(rows)) = of_cancellation(reasons, 3, true) else { panic!("not stale") };
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0], None);
        assert_eq!(rows[1].as_ref().unwrap().body, b"old");
    }

    #[test]
    fn a_conflict_is_contention_and_not_a_refusal() {
        for code in [CONFLICT, "ThrottlingError", "ProvisionedThroughputExceeded"] {
            assert!(matches!(of_cancellation(reasons(&[code, "None"]), 1, true), Err(Failure::Contended)));
        }
        // The outbox row was not looked at: the winner may be this very attempt.
        assert!(matches!(of_cancellation(reasons(&[FAILED, CONFLICT]), 1, true), Err(Failure::Contended)));
        assert!(
            matches!(of_cancellation(reasons(&[FAILED, CONFLICT, "None"]), 2, true), Err(Failure::Stale(rows)) if rows.len() == 1)
        );
    }

    #[test]
    fn what_cannot_be_read_as_definite_is_not() {
        assert!(matches!(of_cancellation(Vec::new(), 1, true), Err(Failure::Unknown(_))));
        assert!(matches!(of_cancellation(reasons(&[FAILED]), 1, true), Err(Failure::Unknown(_))));
        assert!(matches!(
            of_cancellation(reasons(&["ValidationError", FAILED, "None"]), 2, true),
            Err(Failure::Refused(_))
        ));
    }
}
