//! Rows with personal data, as values: what [`super::personal`] names of them is sealed under the data key of their
//! tenant before it is written, and opened when it is read. Nothing beyond this knows of it.
//!
//! Never here: personal data that is read although it lies in the open, or written so.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    crypto::{data_key::DataKey, field::Place, lookup::LookupHash},
    domain::{
        identity::{Issuer, Subject},
        ids::TenantId,
        instant::Instant,
    },
    store::{Expected, Row, RowKey, Write},
};

use super::{
    Broker, Error,
    data_keys::NoDataKey,
    personal::Personal,
    records::{Record, counts_as_missing},
};

/// The rows of one tenant that hold personal data. Without its data key none of them is read or written, whether or
/// not anything in it is sealed.
pub(super) struct SealedRecords<'a> {
    broker: &'a Broker,
    key: Result<Arc<DataKey>, NoDataKey>,
}

impl Broker {
    /// The rows of a tenant that hold personal data.
    pub(super) async fn sealed(&self, tenant: TenantId) -> Result<SealedRecords<'_>, Error> {
        Ok(SealedRecords { broker: self, key: self.data_key(tenant).await? })
    }

    /// As [`Broker::sealed`], for a tenant that is being made.
    pub(super) const fn sealed_under(&self, key: Arc<DataKey>) -> SealedRecords<'_> {
        SealedRecords { broker: self, key: Ok(key) }
    }
}

impl SealedRecords<'_> {
    fn key(&self) -> Result<&DataKey, Error> {
        self.key.as_deref().map_err(|fault| Error::Internal(fault.to_string()))
    }

    /// Reads a row that this deployment wrote for this tenant.
    pub(super) fn decode<T: Personal>(&self, row: &Row) -> Result<Record<T>, Error> {
        let key = self.key()?;
        let body = self.broker.keyring.authentic(&row.key.partition, &row.key.sort, &row.body)?;
        let mut value: Value = serde_json::from_slice(body).map_err(unreadable)?;
        for field in T::FIELDS {
            let Some(found) = present(&mut value, field) else { continue };
            let place = Place { partition: &row.key.partition, sort: &row.key.sort, field };
            let opened = found.as_str().and_then(|sealed| key.open(place, sealed).ok());
            let opened = opened.ok_or_else(|| Error::Internal(not_opened(field)))?;
            *found = serde_json::from_slice(&opened).map_err(unreadable)?;
        }
        let value = serde_json::from_value(value).map_err(unreadable)?;
        Ok(Record { value, version: row.version })
    }

    /// As [`SealedRecords::decode`], for a row that may not be there.
    pub(super) fn decode_if<T: Personal>(&self, row: Option<&Row>) -> Result<Option<Record<T>>, Error> {
        row.map(|row| self.decode(row)).transpose()
    }

    /// As [`Broker::readable`].
    pub(super) fn readable<T: Personal>(&self, row: &Row) -> Option<T> {
        self.decode(row).map_err(|fault| counts_as_missing(row, &fault)).ok().map(|record| record.value)
    }

    /// A write of this value, with what is personal sealed, vouched for.
    pub(super) fn put<T: Personal>(
        &self,
        key: RowKey,
        expected: Expected,
        value: &T,
        purge_after: Option<Instant>,
    ) -> Result<Write, Error> {
        let data_key = self.key()?;
        let unwritable = |fault: serde_json::Error| Error::Internal(fault.to_string());
        let mut value = serde_json::to_value(value).map_err(unwritable)?;
        for field in T::FIELDS {
            let Some(found) = present(&mut value, field) else { continue };
            let place = Place { partition: &key.partition, sort: &key.sort, field };
            let plain = serde_json::to_vec(found).map_err(unwritable)?;
            *found = Value::String(data_key.seal(place, &plain, self.broker.entropy.as_ref())?);
        }
        let body = serde_json::to_vec(&value).map_err(unwritable)?;
        let body = self.broker.keyring.authenticate(&key.partition, &key.sort, &body);
        Ok(Write { key, expected, body, purge_after })
    }

    /// Under what the row lies that leads to a user.
    pub(super) fn user(&self, issuer: &Issuer, subject: &Subject) -> Result<LookupHash, Error> {
        Ok(LookupHash::of_user(self.key()?, issuer, subject))
    }
}

/// What a field says, if anything.
fn present<'a>(value: &'a mut Value, field: &str) -> Option<&'a mut Value> {
    value.pointer_mut(field).filter(|found| !found.is_null())
}

fn unreadable(fault: serde_json::Error) -> Error {
    // Without the fault's own words, which may quote what is personal.
    Error::Internal(format!("a stored row cannot be read: {:?} at column {}", fault.classify(), fault.column()))
}

fn not_opened(field: &str) -> String {
    format!(
        "the field {field} of a stored row does not open: it was sealed for another place, tenant or data key, or lies \
         in the open, as versions wrote it that sealed nothing"
    )
}
