//! Rows as values: JSON bodies, each vouched for by the keyring. Those with personal data in them have the same
//! words in [`super::sealed_records`].

use crate::{
    domain::{instant::Instant, ledger::Segment},
    store::{CommitError, Expected, Row, RowKey, Version, Write},
};

use super::{Broker, Error, personal::Plain};

/// A value and the version of the row it was read from.
#[derive(Clone, Debug)]
pub(super) struct Record<T> {
    pub(super) value: T,
    pub(super) version: Version,
}

/// How often a use case reads again after somebody else's commit. Each round
/// means that another caller got on, so this is only reached under a storm.
pub(super) const ROUNDS: usize = 64;

impl Broker {
    /// Reads a row that this deployment wrote.
    pub(super) fn decode<T: Plain>(&self, row: &Row) -> Result<Record<T>, Error> {
        let body = self.keyring.authentic(&row.key.partition, &row.key.sort, &row.body)?;
        let value = serde_json::from_slice(body)
            .map_err(|fault| Error::Internal(format!("a stored row cannot be read: {fault}")))?;
        Ok(Record { value, version: row.version })
    }

    /// As [`Broker::decode`], for a row that may not be there.
    pub(super) fn decode_if<T: Plain>(&self, row: Option<&Row>) -> Result<Option<Record<T>>, Error> {
        row.map(|row| self.decode(row)).transpose()
    }

    /// The value of a row, where one that is not ours, or damaged, counts as
    /// missing: it grants nothing, and hides no others.
    pub(super) fn readable<T: Plain>(&self, row: &Row) -> Option<T> {
        self.decode(row).map_err(|fault| counts_as_missing(row, &fault)).ok().map(|record| record.value)
    }

    /// A row that is no value but bytes in a form of their own: a segment of a ledger, or a part of its index.
    pub(super) fn bytes<'row>(&self, row: &'row Row) -> Result<&'row [u8], Error> {
        Ok(self.keyring.authentic(&row.key.partition, &row.key.sort, &row.body)?)
    }

    /// A segment of a ledger, read where it lies.
    pub(super) fn segment<'row>(&self, row: &'row Row) -> Result<Segment<&'row str>, Error> {
        Segment::read(self.bytes(row)?)
            .map_err(|fault| Error::Internal(format!("a stored segment cannot be read: {fault}")))
    }

    /// As [`Broker::segment`], where one that is not ours, or damaged, counts as missing.
    pub(super) fn readable_segment<'row>(&self, row: &'row Row) -> Option<Segment<&'row str>> {
        self.segment(row).map_err(|fault| counts_as_missing(row, &fault)).ok()
    }

    /// A write of such bytes, where nothing is, vouched for.
    pub(super) fn put_bytes(&self, key: RowKey, bytes: &[u8]) -> Write {
        let body = self.keyring.authenticate(&key.partition, &key.sort, bytes);
        Write { key, expected: Expected::Absent, body, purge_after: None }
    }

    /// A write of this value, vouched for.
    pub(super) fn put<T: Plain>(
        &self,
        key: RowKey,
        expected: Expected,
        value: &T,
        purge_after: Option<Instant>,
    ) -> Result<Write, Error> {
        let body = serde_json::to_vec(value).map_err(|fault| Error::Internal(fault.to_string()))?;
        let body = self.keyring.authenticate(&key.partition, &key.sort, &body);
        Ok(Write { key, expected, body, purge_after })
    }
}

/// Tells the operator of a row that nobody else hears of.
pub(super) fn counts_as_missing(row: &Row, fault: &Error) {
    tracing::error!(%fault, key = ?row.key, "a stored row counts as missing");
}

/// What a commit came to, for a use case that reads again when it was late.
pub(super) enum Committed {
    Done,
    ReadAgain,
}

/// Tells "somebody was faster" from "nothing is known".
pub(super) fn committed(result: Result<(), CommitError>) -> Result<Committed, Error> {
    match result {
        Ok(()) => Ok(Committed::Done),
        Err(CommitError::Stale(_)) => Ok(Committed::ReadAgain),
        Err(CommitError::Unavailable(fault)) => Err(fault.into()),
    }
}

/// After [`ROUNDS`] rounds in which others were always faster.
pub(super) fn outrun() -> Error {
    Error::Busy
}
