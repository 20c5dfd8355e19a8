//! Rows as values: JSON bodies, each vouched for by the keyring. Those with personal data in them have the same
//! words in [`super::sealed_records`].

use crate::{
    crypto::keyring::Keyring,
    crypto::{record_hash::of_record, row_mac::NotAuthentic},
    domain::{instant::Instant, ledger::Segment},
    store::{CommitError, Expected, Row, RowKey, Version, Write},
};

use super::{Broker, Error, personal::Plain, rows};

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
        decode(&self.keyring, row)
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

    /// A row that is no value but bytes in a form of their own, such as a part of an index.
    pub(super) fn bytes<'row>(&self, row: &'row Row) -> Result<&'row [u8], Error> {
        Ok(self.keyring.authentic(&row.key.partition, &row.key.sort, &row.body)?)
    }

    /// A segment of a ledger, read where it lies.
    pub(super) fn segment<'row>(&self, row: &'row Row) -> Result<Segment<&'row str>, Error> {
        let segment = self.segment_by_first_line(row)?;
        match segment.is_bound_by_its_first_line(of_record) {
            true => Ok(segment),
            false => Err(NotAuthentic.into()),
        }
    }

    /// A segment of which the first line is ours, for those who hold its records against that themselves.
    pub(super) fn segment_by_first_line<'row>(&self, row: &'row Row) -> Result<Segment<&'row str>, Error> {
        let (partition, sort) = (&row.key.partition, &row.key.sort);
        let body = self.keyring.authentic_by_first_line(partition, sort, &row.body);
        // In stores of format 1 all of it was vouched for.
        let body = body.or_else(|_| self.keyring.authentic(partition, sort, &row.body))?;
        Segment::read(body).map_err(|fault| Error::Internal(format!("a stored segment cannot be read: {fault}")))
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

    /// A write of a segment, where nothing is: its first line is vouched for, and binds the rest.
    pub(super) fn put_segment<T: AsRef<str>>(&self, key: RowKey, segment: &Segment<T>) -> Write {
        let body = self.keyring.authenticate_first_line(&key.partition, &key.sort, segment.text().as_bytes());
        Write { key, expected: Expected::Absent, body, purge_after: None }
    }

    /// The body of a row that says the same and is vouched for under the primary key.
    ///
    /// # Errors
    /// When nobody can read it, now or afterwards.
    pub(super) fn vouched_anew(&self, row: &Row) -> Result<Vec<u8>, NotAuthentic> {
        let RowKey { partition, sort } = &row.key;
        if rows::is_segment(&row.key)
            && let Ok(body) = self.keyring.authentic_by_first_line(partition, sort, &row.body)
        {
            return Ok(self.keyring.authenticate_first_line(partition, sort, body));
        }
        Ok(self.keyring.authenticate(partition, sort, self.keyring.authentic(partition, sort, &row.body)?))
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

/// Reads a row that the deployment with these keys wrote.
pub(super) fn decode<T: Plain>(keyring: &Keyring, row: &Row) -> Result<Record<T>, Error> {
    let body = keyring.authentic(&row.key.partition, &row.key.sort, &row.body)?;
    let value = serde_json::from_slice(body)
        .map_err(|fault| Error::Internal(format!("a stored row cannot be read: {fault}")))?;
    Ok(Record { value, version: row.version })
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
