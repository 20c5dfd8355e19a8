//! Who of this process charges an account next.
//!
//! A crowd that charges one account at a time without this is right as well: one commit succeeds,
//! and all others are too late and read again. Here they wait instead.
//!
//! Nothing rests on it: other replicas do not know of it, whoever has waited for too
//! long goes ahead, and the commit decides.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::OwnedMutexGuard;

use crate::domain::{quota::SHARDS, tenant::Namespace};

/// A store that does not answer must not make those who wait time out one after the other.
const PATIENCE: Duration = Duration::from_millis(500);

/// The accounts of one namespace.
type Accounts = [Arc<tokio::sync::Mutex<()>>; SHARDS];

/// The accounts that somebody of this process charges.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<Namespace, Weak<Accounts>>>);

/// The turn at an account; dropping it lets the next one go.
pub(super) struct Turn {
    pub(super) shard: usize,
    _accounts: Arc<Accounts>,
    _alone: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// The first account from this one on that is free, or else this one, once it is.
    pub(super) async fn at(&self, namespace: Namespace, first: usize) -> Turn {
        let accounts = self.accounts(namespace);
        let free = (0..SHARDS).map(|step| (first + step) % SHARDS).find_map(|shard| {
            let alone = Arc::clone(&accounts[shard]).try_lock_owned().ok()?;
            Some((shard, Some(alone)))
        });
        let (shard, alone) = match free {
            Some(free) => free,
            None => {
                let shard = first % SHARDS;
                let waiting = tokio::time::timeout(PATIENCE, Arc::clone(&accounts[shard]).lock_owned());
                (shard, waiting.await.ok())
            }
        };
        Turn { shard, _accounts: accounts, _alone: alone }
    }

    fn accounts(&self, namespace: Namespace) -> Arc<Accounts> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(accounts) = known.get(&namespace).and_then(Weak::upgrade) {
            return accounts;
        }
        known.retain(|_, accounts| accounts.strong_count() > 0);
        let accounts = Arc::new(Accounts::default());
        known.insert(namespace, Arc::downgrade(&accounts));
        accounts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::TenantId, tenant::Mode};

    #[tokio::test]
    async fn the_free_one_is_taken_and_nobody_waits_for_ever() {
        let (turns, [a, b]) = (
            Turns::default(),
            [1, 2].map(|tenant| Namespace { tenant: TenantId::from_bytes([tenant; 16]), mode: Mode::Live }),
        );
        let mut held = Vec::new();
        for _ in 0..SHARDS {
            held.push(turns.at(a, 3).await);
        }
        let mut shards: Vec<_> = held.iter().map(|turn| turn.shard).collect();
        assert_eq!(shards[..2], [3, 4]);
        shards.sort_unstable();
        assert_eq!(shards, (0..SHARDS).collect::<Vec<_>>());
        assert_eq!(turns.at(b, 3).await.shard, 3, "another namespace is in nobody's way");

        let late = turns.at(a, 3).await;
        assert!(late.shard == 3 && late._alone.is_none(), "it goes ahead");
        drop((late, held.remove(0)));
        assert!(turns.at(a, 5).await._alone.is_some());
        drop(held);
        assert!(turns.at(b, 0).await._alone.is_some());
        assert_eq!(turns.0.lock().unwrap().len(), 1, "who is gone is forgotten");
    }
}
