//! Completions that are under way in this process.
//!
//! A completion runs by itself, not in the request that asked for it: a large
//! file is copied and scanned for longer than anybody waits, and a caller that
//! hangs up must not stop it halfway. Callers join the one that runs.
//!
//! Completions hold open files and connections while they work, and anybody who
//! may upload can ask for many: so few work at a time, and the others wait
//! holding nothing.
//!
//! Nothing rests on this table: two replicas may complete the same upload, and
//! one commit decides.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{runtime::Handle, sync::watch};

use crate::domain::{ids::UploadId, tenant::Namespace};

use super::super::{Error, places::Places};

/// At most so many completions are at work at a time in a process.
const MOST_AT_WORK: usize = 32;

/// At most so many of one namespace, so that none keeps the others waiting.
const MOST_OF_ONE: usize = 8;

/// How a completion ended, once it has.
pub(super) type Outcome = Option<Result<(), Error>>;

type Running = HashMap<UploadId, watch::Receiver<Outcome>>;

/// The completions of this process.
#[derive(Clone, Debug)]
pub struct UnderWay {
    runtime: Handle,
    running: Arc<Mutex<Running>>,
    places: Arc<Places<Namespace>>,
}

/// A completion that was joined or begun.
pub(super) struct Joined {
    pub(super) outcome: watch::Receiver<Outcome>,
    /// Whether it began just now, and so saw everything the caller did before.
    pub(super) is_new: bool,
}

/// Takes the completion off the table, however it ends.
struct OffTheTable {
    id: UploadId,
    running: Arc<Mutex<Running>>,
}

impl Drop for OffTheTable {
    fn drop(&mut self) {
        locked(&self.running).remove(&self.id);
    }
}

fn locked(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    // A panic elsewhere leaves the table whole.
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

impl UnderWay {
    /// Completions run on this runtime, which must outlive the requests.
    pub fn on(runtime: Handle) -> Self {
        Self { runtime, running: Arc::default(), places: Arc::new(Places::new(MOST_AT_WORK, MOST_OF_ONE)) }
    }

    /// Whether this upload is being completed now.
    pub fn is_running(&self, id: UploadId) -> bool {
        locked(&self.running).contains_key(&id)
    }

    /// Begins to complete an upload of this namespace, unless that is under way.
    pub(super) fn join<W>(&self, namespace: Namespace, id: UploadId, begin: impl FnOnce() -> W) -> Joined
    where
        W: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let mut running = locked(&self.running);
        if let Some(outcome) = running.get(&id) {
            return Joined { outcome: outcome.clone(), is_new: false };
        }
        let (ended, outcome) = watch::channel(None);
        running.insert(id, outcome.clone());
        let on_the_table = OffTheTable { id, running: Arc::clone(&self.running) };
        let (work, places) = (begin(), Arc::clone(&self.places));
        self.runtime.spawn(async move {
            let done = match places.take(namespace).await {
                Ok(_held) => work.await,
                Err(fault) => Err(fault),
            };
            drop(on_the_table);
            // Nobody may be waiting any more.
            let _ = ended.send(Some(done));
        });
        Joined { outcome, is_new: true }
    }

    /// Runs something that nobody waits for.
    pub(in crate::service) fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Runs something to its end, though its caller may hang up.
    pub(in crate::service) async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let lost = |_| Error::Internal("a task was lost".into());
        self.runtime.spawn(work).await.map_err(lost)?
    }

    /// Begins something that goes on beside its caller, and ends by itself when nobody takes what it makes.
    pub(in crate::service) fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Waits until nothing is under way.
    pub async fn settled(&self) {
        loop {
            let next = locked(&self.running).values().next().cloned();
            match next {
                Some(mut outcome) => {
                    // An error means that it has ended.
                    let _ = outcome.wait_for(Option::is_some).await;
                }
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::domain::{ids::TenantId, tenant::Mode};

    /// What works, what has, and the most that worked at a time.
    #[derive(Default)]
    struct Counted {
        now: AtomicUsize,
        done: AtomicUsize,
        most: AtomicUsize,
    }

    impl Counted {
        async fn work(&self) {
            self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // All that may begin do so before the first one ends: there is one thread.
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            self.now.fetch_sub(1, Ordering::SeqCst);
            self.done.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn namespace(number: u8) -> Namespace {
        Namespace { tenant: TenantId::from_bytes([number; 16]), mode: Mode::Live }
    }

    fn upload(number: u8) -> UploadId {
        UploadId::from_bytes([number; 16])
    }

    async fn most_of(namespaces: u8) -> usize {
        let (under_way, counted) = (UnderWay::on(Handle::current()), Arc::new(Counted::default()));
        for number in 0..100 {
            let counted = Arc::clone(&counted);
            under_way.join(namespace(number % namespaces), upload(number), || async move {
                counted.work().await;
                Ok(())
            });
        }
        under_way.settled().await;
        assert_eq!(counted.done.load(Ordering::SeqCst), 100);
        counted.most.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn few_work_at_a_time_and_all_get_their_turn() {
        assert_eq!(most_of(1).await, MOST_OF_ONE);
        assert_eq!(most_of(10).await, MOST_AT_WORK);
    }

    #[tokio::test]
    async fn a_namespace_whose_completions_hang_keeps_no_other_waiting() {
        let under_way = UnderWay::on(Handle::current());
        let mut first = Vec::new();
        for number in 0..100 {
            first.push(under_way.join(namespace(1), upload(number), std::future::pending));
        }
        let other = under_way.join(namespace(2), upload(200), || async { Ok(()) });
        // There is one thread: all that may go on has gone on by then.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert!(other.outcome.borrow().is_some());
        assert!(first.iter().all(|joined| joined.outcome.borrow().is_none()));
    }
}
