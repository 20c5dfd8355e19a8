//! The limit of a tenant, which holds on all replicas together.
//!
//! No request waits for a row that all others wait for: a replica leases a twentieth of the tenant's
//! budget for the minute at hand, with one addition to a counter in the store, and spends it by itself.
//! What is leased and not spent is lost, so that a tenant may meet its limit up to a twentieth early for
//! each further replica; never late. Where the store does not answer there is no lease, and no request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    domain::{instant::Instant, rate::Rate, tenant::Namespace},
    service::{Error, rows},
    store::Store,
};

use super::{Spent, exceeded};

/// Into how many leases a budget is divided.
const LEASES: u32 = 20;

/// For how long the store may keep a counter whose window is over.
const KEPT: Duration = Duration::from_secs(3600);

pub(super) struct TenantLimit {
    name: Arc<str>,
    rate: Rate,
    budgets: Mutex<HashMap<Namespace, Arc<Budget>>>,
}

/// What a replica has of a tenant's budget.
#[derive(Default)]
struct Budget {
    window: Mutex<Window>,
    /// Held by whoever leases more, so that others wait for that lease and take none of their own.
    leasing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Window {
    number: u64,
    /// How many requests this replica may let in without asking.
    left: u32,
    /// How many all replicas have leased, as far as is known here.
    leased: u64,
}

/// What a request got of a budget.
enum Taken {
    One { remaining: u32 },
    NoneLeftHere,
    NoneLeft,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere while holding it leaves counts, nothing worse.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TenantLimit {
    /// How many requests it allows.
    pub(super) const fn rate(&self) -> Rate {
        self.rate
    }

    pub(super) fn new(name: &str, rate: Rate) -> Self {
        Self { name: name.into(), rate, budgets: Mutex::default() }
    }

    /// Counts one request of a tenant.
    ///
    /// # Errors
    /// When there have been too many, or when the store does not answer.
    pub(super) async fn another(&self, tenant: Namespace, store: &Store, now: Instant) -> Result<Spent, Error> {
        let seconds = u64::from(self.rate.seconds());
        let its_own = now.as_unix_seconds() / seconds;
        let budget = self.budget(tenant, its_own);
        loop {
            let (window, taken) = budget.take(its_own, self.rate);
            let ends = Instant::from_unix_seconds((window + 1) * seconds);
            match taken {
                Taken::One { remaining } => {
                    let limit = Arc::clone(&self.name);
                    return Ok(Spent { limit, rate: self.rate, remaining, reset: ends.since(now) });
                }
                Taken::NoneLeft => return Err(exceeded(&self.name, self.rate, ends.since(now))),
                Taken::NoneLeftHere => {
                    let _alone = budget.leasing.lock().await;
                    // Whoever held it before has perhaps leased enough.
                    if !lock(&budget.window).is_spent(window, self.rate) {
                        continue;
                    }
                    let wanted = (self.rate.requests() / LEASES).max(1);
                    let leased = store.count(rows::leased(tenant, window), u64::from(wanted), ends.plus(KEPT)).await?;
                    budget.lease(window, wanted, leased, self.rate);
                }
            }
        }
    }

    fn budget(&self, tenant: Namespace, window: u64) -> Arc<Budget> {
        let mut budgets = lock(&self.budgets);
        if let Some(budget) = budgets.get(&tenant) {
            return Arc::clone(budget);
        }
        // Who was here in no window lately is forgotten.
        budgets.retain(|_, budget| lock(&budget.window).number.saturating_add(1) >= window);
        let budget = Arc::new(Budget {
            window: Mutex::new(Window { number: window, ..Window::default() }),
            ..Budget::default()
        });
        budgets.insert(tenant, Arc::clone(&budget));
        budget
    }
}

impl Window {
    /// Whether more has to be leased before there can be another request, and can be.
    fn is_spent(&self, window: u64, rate: Rate) -> bool {
        self.number == window && self.left == 0 && self.leased < u64::from(rate.requests())
    }
}

impl Budget {
    /// Takes one request of this window; or of a later one, where another request has begun that already.
    fn take(&self, window: u64, rate: Rate) -> (u64, Taken) {
        let mut at = lock(&self.window);
        if at.number < window {
            *at = Window { number: window, ..Window::default() };
        }
        let taken = if at.left > 0 {
            at.left -= 1;
            let unleased = u64::from(rate.requests()).saturating_sub(at.leased);
            Taken::One { remaining: at.left + u32::try_from(unleased).unwrap_or(u32::MAX) }
        } else if at.leased < u64::from(rate.requests()) {
            Taken::NoneLeftHere
        } else {
            Taken::NoneLeft
        };
        (at.number, taken)
    }

    /// Takes what there was still to lease when `wanted` was added, which made it `leased` in all.
    fn lease(&self, window: u64, wanted: u32, leased: u64, rate: Rate) {
        let mut at = lock(&self.window);
        if at.number != window {
            return;
        }
        let before = leased.saturating_sub(u64::from(wanted));
        let there_was = u64::from(rate.requests()).saturating_sub(before);
        at.left += u32::try_from(there_was).map_or(wanted, |there_was| there_was.min(wanted));
        at.leased = leased;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{ids::TenantId, tenant::Mode},
        store::{faulty::FaultyStore, memory::MemoryStore},
    };

    const NOW: Instant = Instant::from_unix_seconds(1_800_000_000);

    fn namespace(tenant: u8) -> Namespace {
        Namespace { tenant: TenantId::from_bytes([tenant; 16]), mode: Mode::Live }
    }

    fn limit(text: &str) -> TenantLimit {
        TenantLimit::new("tenant", text.parse().unwrap())
    }

    #[tokio::test]
    async fn replicas_let_in_no_more_than_the_budget_together() {
        let store = Store::new(Arc::new(MemoryStore::new()));
        let replicas = [limit("100/60s"), limit("100/60s"), limit("100/60s")];
        for window in 0..2 {
            let now = NOW.plus(Duration::from_secs(60 * window));
            let mut let_in = 0;
            for request in 0..600 {
                let_in += usize::from(replicas[request % 3].another(namespace(1), &store, now).await.is_ok());
            }
            assert_eq!(let_in, 100);
            assert!(replicas[0].another(namespace(2), &store, now).await.is_ok(), "another tenant has its own");
        }
        assert!(lock(&replicas[0].budgets).len() == 2);
        let much_later = NOW.plus(Duration::from_secs(6_000));
        replicas[0].another(namespace(3), &store, much_later).await.unwrap();
        assert_eq!(lock(&replicas[0].budgets).len(), 1, "who is gone is forgotten");
    }

    #[tokio::test]
    async fn at_once_they_let_in_exactly_the_budget() {
        let store = Store::new(Arc::new(MemoryStore::new()));
        let (limit, store) = (Arc::new(limit("64/60s")), Arc::new(store));
        let asking = (0..500).map(|_| {
            let (limit, store) = (Arc::clone(&limit), Arc::clone(&store));
            tokio::spawn(async move { limit.another(namespace(1), &store, NOW).await.is_ok() })
        });
        let asked = futures_util::future::join_all(asking).await;
        assert_eq!(asked.into_iter().filter(|let_in| *let_in.as_ref().unwrap()).count(), 64);
    }

    #[tokio::test]
    async fn a_request_that_comes_late_takes_of_the_window_that_has_begun() {
        let store = Store::new(Arc::new(MemoryStore::new()));
        let limit = limit("20/60s");
        let next = NOW.plus(Duration::from_secs(60));
        limit.another(namespace(1), &store, next).await.unwrap();
        let late = limit.another(namespace(1), &store, NOW);
        let spent = tokio::time::timeout(Duration::from_secs(10), late).await.unwrap().unwrap();
        assert_eq!((spent.remaining, spent.reset), (18, Duration::from_secs(120)));
    }

    #[tokio::test]
    async fn what_is_left_is_told_until_the_window_ends() {
        let store = Store::new(Arc::new(MemoryStore::new()));
        let limit = limit("40/60s");
        let at = NOW.plus(Duration::from_secs(59));
        for remaining in (0..40).rev() {
            let spent = limit.another(namespace(1), &store, at).await.unwrap();
            assert_eq!((spent.remaining, spent.reset), (remaining, Duration::from_secs(1)));
        }
        match limit.another(namespace(1), &store, at).await {
            Err(Error::RateLimited { retry_after, .. }) => assert_eq!(retry_after, Duration::from_secs(1)),
            _ => panic!("the budget is spent"),
        }
        assert!(limit.another(namespace(1), &store, at.plus(Duration::from_secs(1))).await.is_ok());
    }

    #[tokio::test]
    async fn without_an_answer_of_the_store_there_is_no_lease() {
        let faulty = Arc::new(FaultyStore::new(MemoryStore::new()));
        let store = Store::new(faulty.clone());
        let limit = limit("40/60s");
        faulty.fail_commits(true);
        assert!(matches!(limit.another(namespace(1), &store, NOW).await, Err(Error::Unavailable(_))));
        faulty.fail_commits(false);
        limit.another(namespace(1), &store, NOW).await.unwrap();
        faulty.fail_commits(true);
        limit.another(namespace(1), &store, NOW).await.unwrap();
        assert!(limit.another(namespace(1), &store, NOW).await.is_err(), "two were leased");
    }
}
