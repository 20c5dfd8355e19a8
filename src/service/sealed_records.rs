//! Rows with personal data, as values: what [`super::personal`] names of them is sealed under the data key of their
//! tenant before it is written, and opened when it is read. Nothing beyond this knows of it.
//!
//! Never here: personal data that is read although it lies in the open, or written so.

use std::sync::Arc;

use crate::{
    crypto::{data_key::DataKey, field::Place, lookup::LookupHash},
    domain::{
        identity::{Issuer, Subject},
        ids::{DataSubjectId, TenantId},
        instant::Instant,
        recipient::Address,
    },
    store::{Expected, Row, RowKey, Write},
};

use super::{
    Broker, Error,
    json_fields::{self, Field},
    personal::Personal,
    records::{Record, counts_as_missing},
    tenant_keys::NoDataKey,
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
    /// Whether there is a data key.
    pub(super) const fn can_open(&self) -> bool {
        self.key.is_ok()
    }

    fn key(&self) -> Result<&DataKey, Error> {
        self.key.as_deref().map_err(|fault| Error::Internal(fault.to_string()))
    }

    /// Reads a row that this deployment wrote for this tenant.
    pub(super) fn decode<T: Personal>(&self, row: &Row) -> Result<Record<T>, Error> {
        let key = self.key()?;
        let body = self.broker.keyring.authentic(&row.key.partition, &row.key.sort, &row.body)?;
        let text = str::from_utf8(body).map_err(|_| Error::Internal("a stored row is no text".into()))?;
        let sealed = json_fields::find(text, T::FIELDS).map_err(unreadable)?;
        let opened: Result<Vec<_>, Error> = sealed.iter().map(|field| open(key, row, field)).collect();
        let value = serde_json::from_str(&json_fields::replace(text, &sealed, &opened?)).map_err(unreadable)?;
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
        let plain = serde_json::to_string(value).map_err(|fault| Error::Internal(fault.to_string()))?;
        let fields = json_fields::find(&plain, T::FIELDS).map_err(unreadable)?;
        let sealed: Result<Vec<_>, Error> = fields.iter().map(|field| self.seal(data_key, &key, field)).collect();
        let body = json_fields::replace(&plain, &fields, &sealed?);
        let body = self.broker.keyring.authenticate(&key.partition, &key.sort, body.as_bytes());
        Ok(Write { key, expected, body, purge_after })
    }

    /// The JSON string that stands in the row in the place of a value.
    fn seal(&self, data_key: &DataKey, row: &RowKey, field: &Field<'_>) -> Result<String, Error> {
        let sealed = data_key.seal(place(row, field), field.value.as_bytes(), self.broker.entropy.as_ref())?;
        Ok(format!("\"{sealed}\""))
    }

    /// Under what the row lies that leads to a user.
    pub(super) fn user(&self, issuer: &Issuer, subject: &Subject) -> Result<LookupHash, Error> {
        Ok(LookupHash::of_user(self.key()?, issuer, subject))
    }

    /// What the person is named by who is known by an address.
    pub(super) fn addressee(&self, address: &Address) -> Result<DataSubjectId, Error> {
        Ok(LookupHash::of_addressee(self.key()?, address))
    }

    /// What a user is named by as a person.
    pub(super) fn user_as_subject(&self, issuer: &Issuer, subject: &Subject) -> Result<DataSubjectId, Error> {
        Ok(LookupHash::of_user_as_subject(self.key()?, issuer, subject))
    }
}

fn place<'a>(row: &'a RowKey, field: &Field<'a>) -> Place<'a> {
    Place { partition: &row.partition, sort: &row.sort, field: field.pointer }
}

/// The JSON text that was sealed for this place.
fn open(data_key: &DataKey, row: &Row, field: &Field<'_>) -> Result<String, Error> {
    let sealed: Option<&str> = serde_json::from_str(field.value).ok();
    let opened = sealed.and_then(|sealed| data_key.open(place(&row.key, field), sealed).ok());
    opened.and_then(|value| String::from_utf8(value.to_vec()).ok()).ok_or_else(|| {
        Error::Internal(format!(
            "the field {} of a stored row does not open: it was sealed for another place, tenant or data key, or lies \
             in the open, as versions wrote it that sealed nothing",
            field.pointer
        ))
    })
}

fn unreadable(fault: serde_json::Error) -> Error {
    // Without the fault's own words, which may quote what is personal.
    Error::Internal(format!("a stored row cannot be read: {:?} fault at column {}", fault.classify(), fault.column()))
}
