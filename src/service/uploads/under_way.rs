//! Completions that are under way in this process.
//!
//! A completion runs by itself, not in the request that asked for it: a large
//! file is copied and scanned for longer than anybody waits, and a caller that
//! hangs up must not stop it halfway. Callers join the one that runs.
//!
//! Nothing rests on this table: two replicas may complete the same upload, and
//! one commit decides.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{runtime::Handle, sync::watch};

use crate::domain::ids::UploadId;

use super::super::Error;

/// How a completion ended, once it has.
pub(super) type Outcome = Option<Result<(), Error>>;

type Running = HashMap<UploadId, watch::Receiver<Outcome>>;

/// The completions of this process.
#[derive(Clone, Debug)]
pub struct UnderWay {
    runtime: Handle,
    running: Arc<Mutex<Running>>,
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
        Self { runtime, running: Arc::default() }
    }

    /// Whether this upload is being completed now.
    pub fn is_running(&self, id: UploadId) -> bool {
        locked(&self.running).contains_key(&id)
    }

    /// Begins to complete an upload, unless that is under way.
    pub(super) fn join<W>(&self, id: UploadId, begin: impl FnOnce() -> W) -> Joined
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
        let work = begin();
        self.runtime.spawn(async move {
            let done = work.await;
            drop(on_the_table);
            // Nobody may be waiting any more.
            let _ = ended.send(Some(done));
        });
        Joined { outcome, is_new: true }
    }

    /// Runs something to its end, though its caller may hang up.
    pub(in crate::service) async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let lost = |_| Error::Internal("a task was lost".into());
        self.runtime.spawn(work).await.map_err(lost)?
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
