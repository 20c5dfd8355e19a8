//! The data keys of tenants: made in the commit that makes the tenant, read when they are needed, wrapped anew once
//! another root key is primary; encrypted by AWS KMS besides, where operators have set that up.
//!
//! Never here: a second key for a tenant whose first is gone. What was sealed under that stays sealed.

use std::sync::Arc;

use crate::{
    crypto::data_key::{DataKey, EncryptedDataKey},
    domain::{
        event::{Actor, EventType},
        ids::TenantId,
        tenant::{Mode, Namespace},
    },
    kms::KmsFault,
    store::{Expected, Row, Write},
};

use super::{
    Broker, Error,
    events::Origin,
    records::{Committed, committed},
    rows,
    tenant_keys::{DataKeyRow, NoDataKey, ToDo, Unwrapped, away, unwrapped},
};

impl Broker {
    /// Whether KMS does what it is needed for, where it is set up. That it is away now is no reason not to start: what it has to
    /// decrypt is unavailable until it is back, and nothing else is.
    ///
    /// # Errors
    /// When KMS refuses.
    pub async fn check_kms(&self) -> Result<(), KmsFault> {
        let Some(kms) = &self.kms else { return Ok(()) };
        match kms.check().await {
            Err(fault @ KmsFault::Away(_)) => {
                tracing::error!(%fault, "data keys of tenants cannot be decrypted yet");
                Ok(())
            }
            other => other,
        }
    }

    /// A data key for a tenant that is being made, and the write that stores it.
    pub(super) async fn new_data_key(&self, tenant: TenantId) -> Result<(Arc<DataKey>, Write), Error> {
        let key = self.keyring.new_data_key(tenant, self.entropy.as_ref());
        let row = self.wrapped(&key, tenant).await?;
        Ok((Arc::new(key), self.put(rows::data_key(tenant), Expected::Absent, &row, None)?))
    }

    /// The data key of a tenant, where it has one that opens.
    pub(super) async fn data_key(&self, tenant: TenantId) -> Result<Result<Arc<DataKey>, NoDataKey>, Error> {
        let key = match self.read_data_key(tenant).await? {
            Ok(key) => key,
            Err(fault) => return Ok(Err(fault)),
        };
        if let Some(mut undertaken) = self.data_keys.take_to_do(tenant) {
            undertaken.is_done = match undertaken.to_do {
                ToDo::PutUnderKms(version) => self.put_under_kms(&key, tenant, Expected::Version(version)).await,
                ToDo::WrapAnew => {
                    // Read again: who came here first may have done it.
                    match self.store.get([rows::data_key(tenant)]).await {
                        Ok([row]) => self.wrap_data_key_anew(tenant, row.as_ref()).await.map(|_| true)?,
                        // The key is at hand all the same.
                        Err(_) => false,
                    }
                }
            };
        }
        Ok(Ok(key))
    }

    /// Has KMS encrypt a data key that it has not, or under another key of it. Of those who find that at the same time one does so,
    /// and nobody fails with it: it is found again when the key is next read. Tells whether it was tried.
    async fn put_under_kms(&self, key: &DataKey, tenant: TenantId, expected: Expected) -> bool {
        let Ok(mut asking) = self.data_keys.asking(tenant).try_lock() else { return false };
        if away(&asking, self.now()).is_some() {
            return true;
        }
        match self.wrapped(key, tenant).await {
            Ok(row) => self.wrap_anew(tenant, &row, expected).await,
            Err(fault) => {
                *asking = Some((self.now(), KmsFault::Away(fault.to_string())));
                tracing::warn!(%tenant, %fault, "a data key could not be put under the key of KMS yet");
            }
        }
        true
    }

    /// Wraps the data key of a tenant, which lies in this row, under the root key that is primary now, and vouches for the row so;
    /// KMS is not asked. Tells whether that was still to be done, and nothing of one that does not open.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(super) async fn wrap_data_key_anew(&self, tenant: TenantId, row: Option<&Row>) -> Result<Option<bool>, Error> {
        let Ok((unwrapped, found)) = unwrapped(&self.keyring, tenant, row) else { return Ok(None) };
        let is_vouched_so = row.is_some_and(|row| row.body.starts_with(&self.keyring.primary().0));
        if is_vouched_so && self.keyring.is_under_primary(&found.value.wrapped) {
            return Ok(Some(false));
        }
        let wrapped = match unwrapped {
            Unwrapped::Plain(key) => self.keyring.wrap(&key, self.entropy.as_ref())?,
            Unwrapped::Encrypted(key) => self.keyring.wrap_encrypted(&key, self.entropy.as_ref())?,
        };
        let row = DataKeyRow { wrapped, ..found.value };
        self.wrap_anew(tenant, &row, Expected::Version(found.version)).await;
        Ok(Some(true))
    }

    /// Stores a key that was wrapped anew, so that what it was wrapped in before can be retired. Who asks for the
    /// key does not fail with it: whoever asks next tries again.
    async fn wrap_anew(&self, tenant: TenantId, row: &DataKeyRow, expected: Expected) {
        let namespace = Namespace { tenant, mode: Mode::Live };
        let origin = Origin { namespace, asking: None, at: self.now() };
        let event = origin.done(EventType::TenantKeyWrapped, Actor::System, tenant);
        let write = self.put(rows::data_key(tenant), expected, row, None);
        let done = match write.and_then(|write| Ok(self.recording(&event)?.write(write))) {
            Ok(transaction) => committed(self.store.commit(transaction).await),
            Err(fault) => Err(fault),
        };
        match done {
            // Another replica was faster.
            Ok(Committed::Done | Committed::ReadAgain) => {}
            Err(fault) => tracing::warn!(%tenant, %fault, "a data key could not be wrapped anew yet"),
        }
    }

    async fn wrapped(&self, key: &DataKey, tenant: TenantId) -> Result<DataKeyRow, Error> {
        let entropy = self.entropy.as_ref();
        let Some(kms) = &self.kms else {
            return Ok(DataKeyRow { wrapped: self.keyring.wrap(key, entropy)?, kms_key: None });
        };
        let encrypted = EncryptedDataKey::of(key, kms.encrypt(tenant, key.secret()).await?);
        let wrapped = self.keyring.wrap_encrypted(&encrypted, entropy)?;
        Ok(DataKeyRow { wrapped, kms_key: Some(kms.key().to_owned()) })
    }
}
