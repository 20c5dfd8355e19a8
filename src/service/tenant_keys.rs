//! Reads the data keys of tenants, has KMS decrypt those that it has encrypted, and remembers them for a while.
//!
//! Never here: a key that is made, or wrapped anew ([`super::data_keys`]).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Clock,
    crypto::{
        data_key::{DataKey, EncryptedDataKey},
        keyring::Keyring,
    },
    domain::{ids::TenantId, instant::Instant},
    kms::{Kms, KmsFault},
    objects::{self, embedded::DataKeySource},
    store::{Row, Store, Version},
};

use super::{
    Broker, Error,
    records::{self, Record},
    rows,
};

/// A key that was read is used for so long: a tenant whose key was destroyed is unreadable by then, on every replica.
const LONGEST: Duration = Duration::from_secs(60);

/// What KMS has decrypted is not asked for again for so long, as long as the same lies in the store: KMS is paid by the call, and a
/// key that is disabled there is of no use here by then.
const DECRYPTED: Duration = Duration::from_secs(3600);

/// KMS that was away a moment ago is not asked again for so long.
const AWAY: Duration = Duration::from_secs(1);

/// So many tenants' keys are asked for at a time.
const ASKING: usize = 64;

/// The most keys that are in memory at a time.
const MOST: usize = 10_000;

/// The row of a tenant's data key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DataKeyRow {
    pub(super) wrapped: String,
    /// What that is wrapped in is a ciphertext of KMS, from when this key of it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kms_key: Option<String>,
}

/// A data key as its row has it.
pub(super) enum Unwrapped {
    Plain(DataKey),
    Encrypted(EncryptedDataKey),
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
    /// This process was not told of KMS.
    #[error("the tenant's data key is encrypted by KMS, which is not set up here: CLOAKROOM_KMS_KEY")]
    WithoutKms,
    /// The key is disabled, or gone, or this role may not use it.
    #[error("KMS refuses to decrypt the tenant's data key")]
    RefusedByKms,
}

/// Since when KMS has been away, if it is.
pub(super) type Asking = Option<(Instant, KmsFault)>;

/// Data keys that this process has read lately. Those that leave are wiped.
#[derive(Debug)]
pub struct DataKeys {
    kept: Mutex<HashMap<TenantId, Kept>>,
    /// Held by whoever asks KMS: of many who want the same key at once, one does. And since when KMS has been away, for those who
    /// waited: each would be told the same, one after the other.
    asking: [tokio::sync::Mutex<Asking>; ASKING],
}

impl Default for DataKeys {
    fn default() -> Self {
        Self { kept: Mutex::default(), asking: std::array::from_fn(|_| tokio::sync::Mutex::default()) }
    }
}

/// How a data key is to lie in the store, where it does not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToDo {
    /// Encrypted by KMS, or by another key of it. The version is that of its row.
    PutUnderKms(Version),
    /// Wrapped under the root key that is primary now.
    WrapAnew,
}

/// That somebody does it. Given up, it is left for the next one.
pub(super) struct Undertaken<'a> {
    keys: &'a DataKeys,
    tenant: TenantId,
    /// As the key lay in the store.
    wrapped: String,
    pub(super) to_do: ToDo,
    pub(super) is_done: bool,
}

impl Drop for Undertaken<'_> {
    fn drop(&mut self) {
        if !self.is_done
            && let Some(kept) = self.keys.kept().get_mut(&self.tenant)
            && kept.wrapped == self.wrapped
            && kept.to_do.is_none()
        {
            kept.to_do = Some(self.to_do);
        }
    }
}

#[derive(Debug)]
struct Kept {
    key: Arc<DataKey>,
    /// As it lay in the store.
    wrapped: String,
    /// What is still to be done with how it lies there.
    to_do: Option<ToDo>,
    until: Instant,
    decrypted_until: Instant,
}

impl DataKeys {
    fn kept(&self) -> MutexGuard<'_, HashMap<TenantId, Kept>> {
        // A panic elsewhere while holding it leaves whole entries.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn asking(&self, tenant: TenantId) -> &tokio::sync::Mutex<Asking> {
        // The last byte of an id is random.
        &self.asking[usize::from(tenant.as_bytes()[15]) % ASKING]
    }

    fn find(&self, tenant: TenantId, now: Instant) -> Option<Arc<DataKey>> {
        self.kept().get(&tenant).filter(|kept| now < kept.until).map(|kept| Arc::clone(&kept.key))
    }

    /// What is to be done with the key of a tenant. One is told who will do it, until that has been given up.
    pub(super) fn take_to_do(&self, tenant: TenantId) -> Option<Undertaken<'_>> {
        let mut kept = self.kept();
        let kept = kept.get_mut(&tenant)?;
        let to_do = kept.to_do.take()?;
        Some(Undertaken { keys: self, tenant, wrapped: kept.wrapped.clone(), to_do, is_done: false })
    }

    /// Wipes the key of a tenant.
    pub(super) fn forget(&self, tenant: TenantId) {
        self.kept().remove(&tenant);
    }

    /// The key that was made of this, if that is not too long ago. It is good for another while.
    fn find_again(&self, tenant: TenantId, wrapped: &str, now: Instant) -> Option<Arc<DataKey>> {
        let mut kept = self.kept();
        let found = kept.get_mut(&tenant).filter(|kept| kept.wrapped == wrapped && now < kept.decrypted_until)?;
        found.until = found.decrypted_until.min(now.plus(LONGEST));
        Some(Arc::clone(&found.key))
    }

    fn keep(&self, tenant: TenantId, key: Arc<DataKey>, wrapped: String, to_do: Option<ToDo>, now: Instant) {
        let mut kept = self.kept();
        if kept.len() >= MOST {
            kept.retain(|_, kept| now < kept.decrypted_until);
        }
        if kept.len() >= MOST {
            kept.retain(|_, kept| now < kept.until);
        }
        // So many at once: each is read, and decrypted, again.
        if kept.len() >= MOST {
            kept.clear();
        }
        let [until, decrypted_until] = [LONGEST, DECRYPTED].map(|longest| now.plus(longest));
        kept.insert(tenant, Kept { key, wrapped, to_do, until, decrypted_until });
    }
}

/// All that is needed to read the data keys of tenants.
#[derive(Clone)]
pub struct TenantKeys {
    /// Where they lie.
    pub store: Store,
    /// What they are wrapped under.
    pub keyring: Arc<Keyring>,
    /// Has encrypted them besides, where operators have set that up.
    pub kms: Option<Arc<Kms>>,
    /// Those that were read lately.
    pub kept: Arc<DataKeys>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TenantKeys(…)")
    }
}

impl Broker {
    fn tenant_keys(&self) -> TenantKeys {
        TenantKeys {
            store: self.store.clone(),
            keyring: Arc::clone(&self.keyring),
            kms: self.kms.clone(),
            kept: Arc::clone(&self.data_keys),
            clock: Arc::clone(&self.clock),
        }
    }

    /// As [`TenantKeys::read`].
    pub(super) async fn read_data_key(&self, tenant: TenantId) -> Result<Result<Arc<DataKey>, NoDataKey>, Error> {
        match self.data_keys.find(tenant, self.now()) {
            Some(key) => Ok(Ok(key)),
            None => self.tenant_keys().read(tenant).await,
        }
    }
}

impl TenantKeys {
    /// The data key of a tenant, where it has one that opens.
    async fn read(&self, tenant: TenantId) -> Result<Result<Arc<DataKey>, NoDataKey>, Error> {
        let now = self.clock.now();
        if let Some(key) = self.kept.find(tenant, now) {
            return Ok(Ok(key));
        }
        let [row] = self.store.get([rows::data_key(tenant)]).await?;
        let (unwrapped, found) = match unwrapped(&self.keyring, tenant, row.as_ref()) {
            Ok(found) => found,
            Err(fault) => {
                // What was destroyed is gone from memory, too.
                self.kept.forget(tenant);
                return Ok(Err(unreadable(tenant, fault)));
            }
        };
        let DataKeyRow { wrapped, kms_key } = &found.value;
        let unwrapped = match unwrapped {
            Unwrapped::Plain(key) => Ok(key),
            Unwrapped::Encrypted(encrypted) => {
                let mut asking = self.kept.asking(tenant).lock().await;
                // Somebody else may have asked while we waited.
                if let Some(key) = self.kept.find_again(tenant, wrapped, now) {
                    return Ok(Ok(key));
                }
                if let Some(fault) = away(&asking, self.clock.now()) {
                    return Err(fault.into());
                }
                self.decrypted(tenant, &encrypted, &mut asking).await?
            }
        };
        let key = match unwrapped {
            Ok(key) => Arc::new(key),
            Err(fault) => return Ok(Err(unreadable(tenant, fault))),
        };
        let is_elsewhere = self.kms.as_ref().is_some_and(|kms| kms_key.as_deref() != Some(kms.key()));
        let to_do = if is_elsewhere {
            Some(ToDo::PutUnderKms(found.version))
        } else {
            (!self.keyring.is_under_primary(wrapped)).then_some(ToDo::WrapAnew)
        };
        self.kept.keep(tenant, Arc::clone(&key), wrapped.clone(), to_do, now);
        Ok(Ok(key))
    }

    async fn decrypted(
        &self,
        tenant: TenantId,
        encrypted: &EncryptedDataKey,
        asking: &mut Asking,
    ) -> Result<Result<DataKey, NoDataKey>, Error> {
        let Some(kms) = &self.kms else { return Ok(Err(NoDataKey::WithoutKms)) };
        match kms.decrypt(tenant, &encrypted.ciphertext).await {
            Ok(secret) => Ok(encrypted.decrypted(&secret).map_err(|_| NoDataKey::Altered)),
            Err(fault @ KmsFault::Away(_)) => {
                *asking = Some((self.clock.now(), fault.clone()));
                Err(fault.into())
            }
            Err(fault @ KmsFault::Refused(_)) => {
                tracing::error!(%tenant, %fault, "KMS does not decrypt a data key");
                Ok(Err(NoDataKey::RefusedByKms))
            }
        }
    }
}

/// Files of tenants lie under the same keys as what is personal of them.
#[async_trait]
impl DataKeySource for TenantKeys {
    async fn data_key(&self, tenant: TenantId) -> Result<Arc<DataKey>, objects::Unavailable> {
        let unavailable = |fault: &dyn std::fmt::Display| objects::Unavailable(format!("a file of {tenant}: {fault}"));
        match self.read(tenant).await {
            Ok(Ok(key)) => Ok(key),
            Ok(Err(fault)) => Err(unavailable(&fault)),
            Err(fault) => Err(unavailable(&fault)),
        }
    }
}

/// What KMS was away for a moment ago.
pub(super) fn away(asking: &Asking, now: Instant) -> Option<KmsFault> {
    let (at, fault) = asking.as_ref()?;
    (now < at.plus(AWAY)).then(|| fault.clone())
}

/// What lies in the row of a tenant's data key.
pub(super) fn unwrapped(
    keyring: &Keyring,
    tenant: TenantId,
    row: Option<&Row>,
) -> Result<(Unwrapped, Record<DataKeyRow>), NoDataKey> {
    let row = row.ok_or(NoDataKey::Missing)?;
    let found = records::decode::<DataKeyRow>(keyring, row).map_err(|_| NoDataKey::Altered)?;
    let wrapped = &found.value.wrapped;
    let unwrapped = match &found.value.kms_key {
        None => keyring.unwrap_data_key(tenant, wrapped).map(Unwrapped::Plain),
        Some(_) => keyring.unwrap_encrypted(tenant, wrapped).map(Unwrapped::Encrypted),
    };
    Ok((unwrapped.map_err(|_| NoDataKey::Altered)?, found))
}

/// Tells the operator.
fn unreadable(tenant: TenantId, fault: NoDataKey) -> NoDataKey {
    tracing::error!(%tenant, %fault, "what is personal of a tenant cannot be read");
    fault
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
        keys.keep(tenant(1), data_key(), "wrapped".into(), None, NOW);
        assert!(keys.find(tenant(1), NOW.plus(Duration::from_millis(59_999))).is_some());
        assert!(keys.find(tenant(1), NOW.plus(LONGEST)).is_none());
        assert!(keys.find(tenant(2), NOW).is_none());
    }

    #[test]
    fn what_was_decrypted_is_used_for_an_hour_while_the_same_lies_in_the_store() {
        let keys = DataKeys::default();
        keys.keep(tenant(1), data_key(), "wrapped".into(), None, NOW);
        let at = |seconds| NOW.plus(Duration::from_secs(seconds));
        assert!(keys.find_again(tenant(1), "another", at(60)).is_none());
        assert!(keys.find_again(tenant(1), "wrapped", at(60)).is_some());
        assert!(keys.find(tenant(1), at(119)).is_some() && keys.find(tenant(1), at(120)).is_none());
        assert!(keys.find_again(tenant(1), "wrapped", at(3_590)).is_some());
        assert!(keys.find(tenant(1), at(3_599)).is_some() && keys.find(tenant(1), at(3_600)).is_none());
        assert!(keys.find_again(tenant(1), "wrapped", at(3_600)).is_none());
        keys.forget(tenant(1));
        assert!(keys.find_again(tenant(1), "wrapped", at(60)).is_none());
    }

    #[test]
    fn what_is_to_be_done_is_told_to_one_and_to_the_next_where_it_was_given_up() {
        let keys = DataKeys::default();
        let keep = |wrapped: &str, to_do| keys.keep(tenant(1), data_key(), wrapped.into(), to_do, NOW);
        keep("wrapped", Some(ToDo::WrapAnew));
        let undertaken = keys.take_to_do(tenant(1)).unwrap();
        assert!(keys.take_to_do(tenant(1)).is_none(), "somebody does it");
        drop(undertaken);
        let mut undertaken = keys.take_to_do(tenant(1)).unwrap();
        undertaken.is_done = true;
        drop(undertaken);
        assert!(keys.take_to_do(tenant(1)).is_none(), "it is done");
        // Given up after the key was read again, which lies otherwise by now.
        keep("wrapped", Some(ToDo::WrapAnew));
        let undertaken = keys.take_to_do(tenant(1)).unwrap();
        keep("otherwise", None);
        drop(undertaken);
        assert!(keys.take_to_do(tenant(1)).is_none());
    }

    #[test]
    fn however_many_tenants_there_are_so_many_keys_are_kept() {
        let (keys, one) = (DataKeys::default(), data_key());
        for number in 0..3 * MOST {
            keys.keep(tenant(number), Arc::clone(&one), String::new(), None, NOW);
            assert!(keys.kept().len() <= MOST);
            assert!(keys.find(tenant(number), NOW).is_some());
        }
        // What is too old makes room before anything else does.
        let fresh = keys.kept().len();
        keys.keep(tenant(0), Arc::clone(&one), String::new(), None, NOW.plus(LONGEST));
        assert!(fresh > 1 && keys.kept().len() <= fresh);
    }
}
