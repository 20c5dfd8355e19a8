//! Password hashing on a few threads of its own: a flood of guesses neither exhausts
//! memory (19 MiB each) nor slows other requests.
//!
//! Of its own, since an allocator keeps for each thread what it once needed: on the many threads
//! of a runtime that is 19 MiB or more for each of them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use tokio::sync::{Semaphore, oneshot};

use crate::{
    crypto::{
        password::{self, PasswordError},
        secret::SecretText,
    },
    entropy::Entropy,
};

use super::Error;

/// How many may wait for a place before others are told to come back later.
const MOST_WAITING: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// Hashes a few passwords at a time.
#[derive(Clone, Debug)]
pub struct PasswordPool {
    jobs: Sender<Job>,
    admitted: Arc<Semaphore>,
}

impl PasswordPool {
    /// A pool that hashes at most this many at a time, at least one. Its threads end with it.
    pub fn new(at_a_time: usize) -> Self {
        let at_a_time = at_a_time.max(1);
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..at_a_time {
            let waiting = Arc::clone(&waiting);
            if let Err(fault) = thread::Builder::new().name("passwords".into()).spawn(move || work_off(&waiting)) {
                // Without any, everybody is told that all are busy.
                tracing::error!(%fault, "a thread for passwords cannot be had");
            }
        }
        Self { jobs, admitted: Arc::new(Semaphore::new(at_a_time + MOST_WAITING)) }
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Error::Busy)?;
        let (answer, answered) = oneshot::channel();
        let job = move || {
            // Nobody waits for the guess of a caller who has left.
            let done = if answer.is_closed() { None } else { Some(work()) };
            drop(admitted);
            // Whoever left meanwhile misses nothing.
            let _unheard = done.map(|done| answer.send(done));
        };
        self.jobs.send(Box::new(job)).map_err(|_| Error::Busy)?;
        answered.await.map_err(|_| Error::Internal("password hashing was interrupted".into()))
    }

    pub(super) async fn hash(
        &self,
        password: SecretText,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Result<String, PasswordError>, Error> {
        self.run(move || password::hash(&password, entropy.as_ref())).await
    }

    pub(super) async fn verify(&self, password: SecretText, stored: String) -> Result<bool, Error> {
        self.run(move || password::verify(&password, &stored)).await
    }
}

fn work_off(waiting: &Mutex<Receiver<Job>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // Whoever waits for it learns of a panic by getting no answer; the others go on.
        let _panicked = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
        },
        task::Poll,
    };

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn of_five_hundred_at_once_a_few_run_some_wait_and_the_others_are_sent_away() {
        let pool = PasswordPool::new(2);
        let (closed, gate) = channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut guesses = Vec::new();
        for _ in 0..500 {
            let (gate, running, most) = (Arc::clone(&gate), Arc::clone(&running), Arc::clone(&most));
            let mut guess = Box::pin(pool.run(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Nobody gets on until all have come.
                let _opened = gate.lock().map(|gate| gate.recv());
                running.fetch_sub(1, Ordering::SeqCst);
            }));
            // Those for whom there is no room know it at once.
            match poll_fn(|context| Poll::Ready(guess.as_mut().poll(context))).await {
                Poll::Pending => guesses.push(guess),
                Poll::Ready(answer) => assert!(matches!(answer, Err(Error::Busy))),
            }
        }
        assert_eq!(guesses.len(), 2 + MOST_WAITING);
        drop(closed);
        assert!(join_all(guesses).await.iter().all(Result::is_ok));
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
        assert!(pool.run(|| ()).await.is_ok(), "there is room again");
    }

    #[tokio::test]
    async fn every_hash_is_made_on_the_same_few_threads_whatever_happens_there() {
        let pool = PasswordPool::new(1);
        let first = pool.run(|| thread::current().id()).await.unwrap();
        assert!(pool.run::<()>(|| panic!("planned by a test")).await.is_err());
        for _ in 0..100 {
            assert_eq!(pool.run(|| thread::current().id()).await.unwrap(), first);
        }
    }
}
