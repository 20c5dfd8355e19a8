//! The data keys of tenants: made in the commit that makes the tenant, read when they are needed, wrapped anew once
//! another root key is primary.
//!
//! Never here: a second key for a tenant whose first is gone. What was sealed under that stays sealed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    crypto::data_key::DataKey,
    domain::{
        event::{Actor, EventType},
        ids::TenantId,
        instant::Instant,
        tenant::{Mode, Namespace},
    },
    store::{Expected, Row, Write},
};

use super::{
    Broker, Error,
    events::Origin,
    records::{Committed, Record, committed},
    rows,
};

/// A key that was read is used for so long: a tenant whose key was destroyed is unreadable by then, on every replica.
const LONGEST: Duration = Duration::from_secs(60);

/// The most keys that are in memory at a time.
const MOST: usize = 10_000;

/// The row of a tenant's data key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DataKeyRow {
    wrapped: String,
}

/// Why there is no data key; for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoDataKey {
    /// Without it nothing of the tenant's is served.
    #[error("the tenant's data key is missing: it was destroyed, or the tenant is older than data keys")]
    Missing,
    /// Whatever was done to it.
    #[error("the tenant's data key does not open: its row was altered, or the root key it is wrapped under is gone")]
    Altered,
}

/// Data keys that this process has read lately. Those that leave are wiped.
#[derive(Debug, Default)]
pub struct DataKeys(Mutex<HashMap<TenantId, Kept>>);

#[derive(Debug)]
struct Kept {
    key: Arc<DataKey>,
    until: Instant,
}

impl DataKeys {
    fn kept(&self) -> MutexGuard<'_, HashMap<TenantId, Kept>> {
        // A panic elsewhere while holding it leaves whole entries.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, tenant: TenantId, now: Instant) -> Option<Arc<DataKey>> {
        self.kept().get(&tenant).filter(|kept| now < kept.until).map(|kept| Arc::clone(&kept.key))
    }

    /// Wipes the key of a tenant.
    pub(super) fn forget(&self, tenant: TenantId) {
        self.kept().remove(&tenant);
    }

    fn keep(&self, tenant: TenantId, key: Arc<DataKey>, now: Instant) {
        let mut kept = self.kept();
        if kept.len() >= MOST {
            kept.retain(|_, kept| now < kept.until);
        }
        // So many at once: each is read again, which costs no request more than one read.
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(tenant, Kept { key, until: now.plus(LONGEST) });
    }
}

impl Broker {
    /// A data key for a tenant that is being made, and the write that stores it.
    pub(super) fn new_data_key(&self, tenant: TenantId) -> Result<(Arc<DataKey>, Write), Error> {
        let key = self.keyring.new_data_key(tenant, self.entropy.as_ref());
        let write = self.wrapped(&key, tenant, Expected::Absent)?;
        Ok((Arc::new(key), write))
    }

    /// The data key of a tenant, where it has one that opens.
    pub(super) async fn data_key(&self, tenant: TenantId) -> Result<Result<Arc<DataKey>, NoDataKey>, Error> {
        let now = self.now();
        if let Some(key) = self.data_keys.find(tenant, now) {
            return Ok(Ok(key));
        }
        let [row] = self.store.get([rows::data_key(tenant)]).await?;
        let (key, wrapped) = match self.unwrapped(tenant, row.as_ref()) {
            Ok(found) => found,
            Err(fault) => {
                tracing::error!(%tenant, %fault, "what is personal of a tenant cannot be read");
                return Ok(Err(fault));
            }
        };
        if !self.keyring.is_under_primary(&wrapped.value.wrapped) {
            self.wrap_anew(&key, tenant, Expected::Version(wrapped.version)).await;
        }
        let key = Arc::new(key);
        self.data_keys.keep(tenant, Arc::clone(&key), now);
        Ok(Ok(key))
    }

    /// Wraps the data key of a tenant under the root key that is primary now, and vouches for its row so. Not one that does not open:
    /// tells whether it was one that does.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn wrap_data_key_anew(&self, tenant: TenantId) -> Result<bool, Error> {
        let [row] = self.store.get([rows::data_key(tenant)]).await?;
        let Ok((key, found)) = self.unwrapped(tenant, row.as_ref()) else { return Ok(false) };
        self.wrap_anew(&key, tenant, Expected::Version(found.version)).await;
        Ok(true)
    }

    fn unwrapped(&self, tenant: TenantId, row: Option<&Row>) -> Result<(DataKey, Record<DataKeyRow>), NoDataKey> {
        let row = row.ok_or(NoDataKey::Missing)?;
        let found = self.decode::<DataKeyRow>(row).map_err(|_| NoDataKey::Altered)?;
        let key = self.keyring.unwrap_data_key(tenant, &found.value.wrapped).map_err(|_| NoDataKey::Altered)?;
        Ok((key, found))
    }

    /// Wraps a key under the root key that is primary now, so that the one before can be retired. Who asks for the
    /// key does not fail with it: whoever asks next tries again.
    async fn wrap_anew(&self, key: &DataKey, tenant: TenantId, expected: Expected) {
        let namespace = Namespace { tenant, mode: Mode::Live };
        let origin = Origin { namespace, asking: None, at: self.now() };
        let event = origin.done(EventType::TenantKeyWrapped, Actor::System, tenant);
        let transaction =
            self.wrapped(key, tenant, expected).and_then(|write| Ok(self.recording(&event)?.write(write)));
        let done = match transaction {
            Ok(transaction) => committed(self.store.commit(transaction).await),
            Err(fault) => Err(fault),
        };
        match done {
            // Another replica was faster.
            Ok(Committed::Done | Committed::ReadAgain) => {}
            Err(fault) => tracing::warn!(%tenant, %fault, "a data key could not be wrapped anew yet"),
        }
    }

    fn wrapped(&self, key: &DataKey, tenant: TenantId, expected: Expected) -> Result<Write, Error> {
        let row = DataKeyRow { wrapped: self.keyring.wrap(key, self.entropy.as_ref())? };
        self.put(rows::data_key(tenant), expected, &row, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::keyring::{
            KeyState,
            tests::{key, keyring},
        },
        entropy::SystemEntropy,
    };

    const NOW: Instant = Instant::from_unix_seconds(1_800_000_000);

    fn tenant(number: usize) -> TenantId {
        TenantId::from_bytes((number as u128).to_be_bytes())
    }

    fn data_key() -> Arc<DataKey> {
        Arc::new(keyring(vec![key(1, KeyState::Primary)]).new_data_key(tenant(1), &SystemEntropy))
    }

    #[test]
    fn a_key_is_read_again_after_a_minute() {
        let keys = DataKeys::default();
        keys.keep(tenant(1), data_key(), NOW);
        assert!(keys.find(tenant(1), NOW.plus(Duration::from_millis(59_999))).is_some());
        assert!(keys.find(tenant(1), NOW.plus(LONGEST)).is_none());
        assert!(keys.find(tenant(2), NOW).is_none());
    }

    #[test]
    fn however_many_tenants_there_are_so_many_keys_are_kept() {
        let (keys, one) = (DataKeys::default(), data_key());
        for number in 0..3 * MOST {
            keys.keep(tenant(number), Arc::clone(&one), NOW);
            assert!(keys.kept().len() <= MOST);
            assert!(keys.find(tenant(number), NOW).is_some());
        }
        // What is too old makes room before anything else does.
        let fresh = keys.kept().len();
        keys.keep(tenant(0), Arc::clone(&one), NOW.plus(LONGEST));
        assert!(fresh > 1 && keys.kept().len() <= fresh);
    }
}
