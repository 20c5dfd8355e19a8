//! Principals whose rows this process has verified, opened and parsed lately. The rows are read for every request all the same,
//! so that what is taken back is gone with the next one; but where they are what they were, to the byte, they are not worked
//! through again.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    domain::{
        principal::{Principal, PrincipalId},
        tenant::{Namespace, Tenant},
    },
    store::Row,
};

/// At most so many, some kilobytes each.
const MOST: usize = 10_000;

/// The rows of a principal and its tenant, and what they say.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) rows: [Row; 2],
    pub(super) principal: Principal,
    pub(super) tenant: Tenant,
}

/// Principals that were worked through. They count where their rows are the same.
#[derive(Default)]
pub struct KnownPrincipals(Mutex<HashMap<(Namespace, PrincipalId), Arc<Known>>>);

impl fmt::Debug for KnownPrincipals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownPrincipals(…)")
    }
}

impl KnownPrincipals {
    fn kept(&self) -> MutexGuard<'_, HashMap<(Namespace, PrincipalId), Arc<Known>>> {
        // A panic elsewhere while holding it leaves whole entries.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What these rows say, if they are known.
    pub(super) fn find(&self, namespace: Namespace, id: PrincipalId, rows: [&Row; 2]) -> Option<Arc<Known>> {
        let known = self.kept().get(&(namespace, id)).cloned()?;
        (known.rows.iter().eq(rows)).then_some(known)
    }

    pub(super) fn forget(&self, namespace: Namespace, id: PrincipalId) {
        self.kept().remove(&(namespace, id));
    }

    pub(super) fn keep(&self, namespace: Namespace, id: PrincipalId, known: Known) {
        let mut kept = self.kept();
        // So many at once: each is worked through again, once.
        if kept.len() >= MOST && !kept.contains_key(&(namespace, id)) {
            kept.clear();
        }
        kept.insert((namespace, id), Arc::new(known));
    }
}
