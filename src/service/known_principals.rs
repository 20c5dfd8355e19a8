//! What this process has read lately, so that it need not be asked for, or worked through, again. It grants nothing: the rows of
//! principal and tenant are read for every request all the same, so that what is taken back is gone with the next one.
//!
//! - Principals whose rows were verified, opened and parsed: where they are what they were, to the byte, that is not done again.
//! - Which key a secret is of, and who has minted a share. Neither ever changes, and what is read next says whether it still counts.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    crypto::opaque::ApiKeyHash,
    domain::{
        ids::ShareId,
        principal::{Principal, PrincipalId},
        tenant::{Namespace, Tenant},
    },
    store::Row,
};

use super::access::ApiKeyPointer;

/// At most so many, some kilobytes each.
const MOST: usize = 10_000;

/// The rows of a principal and its tenant, and what they say.
#[derive(Clone)]
pub(super) struct WorkedThrough {
    pub(super) rows: [Row; 2],
    pub(super) principal: Principal,
    pub(super) tenant: Tenant,
}

/// What is known by its name, [`MOST`] at most.
struct Known<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Known<K, V> {
    fn kept(&self) -> MutexGuard<'_, HashMap<K, V>> {
        // A panic elsewhere while holding it leaves whole entries.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &K) -> Option<V> {
        self.kept().get(key).cloned()
    }

    fn keep(&self, key: K, value: V) {
        let mut kept = self.kept();
        // So many at once: each is read again, once.
        if kept.len() >= MOST && !kept.contains_key(&key) {
            kept.clear();
        }
        kept.insert(key, value);
    }
}

/// What was read lately.
#[derive(Default)]
pub struct KnownPrincipals {
    worked_through: Known<(Namespace, PrincipalId), Arc<WorkedThrough>>,
    keys: Known<ApiKeyHash, ApiKeyPointer>,
    minters: Known<ShareId, (Namespace, PrincipalId)>,
}

impl fmt::Debug for KnownPrincipals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownPrincipals(…)")
    }
}

impl KnownPrincipals {
    /// What these rows say, if they are known.
    pub(super) fn find(&self, namespace: Namespace, id: PrincipalId, rows: [&Row; 2]) -> Option<Arc<WorkedThrough>> {
        self.worked_through.find(&(namespace, id)).filter(|known| known.rows.iter().eq(rows))
    }

    pub(super) fn forget(&self, namespace: Namespace, id: PrincipalId) {
        self.worked_through.kept().remove(&(namespace, id));
    }

    pub(super) fn keep(&self, namespace: Namespace, id: PrincipalId, known: WorkedThrough) {
        self.worked_through.keep((namespace, id), Arc::new(known));
    }

    /// Which key a secret is of.
    pub(super) fn key_of(&self, secret: &ApiKeyHash) -> Option<ApiKeyPointer> {
        self.keys.find(secret)
    }

    pub(super) fn keep_key(&self, secret: ApiKeyHash, key: ApiKeyPointer) {
        self.keys.keep(secret, key);
    }

    /// Who has minted a share, and in which namespace.
    pub(super) fn minter_of(&self, share: ShareId) -> Option<(Namespace, PrincipalId)> {
        self.minters.find(&share)
    }

    pub(super) fn keep_minter(&self, share: ShareId, minter: (Namespace, PrincipalId)) {
        self.minters.keep(share, minter);
    }
}
