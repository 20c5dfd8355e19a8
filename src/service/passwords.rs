//! Password hashing on a bounded pool: a flood of guesses neither exhausts
//! memory (19 MiB each) nor slows other requests.

use std::sync::Arc;

use tokio::sync::Semaphore;

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

/// Hashes a few passwords at a time.
#[derive(Clone, Debug)]
pub struct PasswordPool {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl PasswordPool {
    /// A pool that hashes at most this many at a time, at least one.
    pub fn new(at_a_time: usize) -> Self {
        let at_a_time = at_a_time.max(1);
        Self {
            running: Arc::new(Semaphore::new(at_a_time)),
            admitted: Arc::new(Semaphore::new(at_a_time + MOST_WAITING)),
        }
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let _admitted = self.admitted.try_acquire().map_err(|_| Error::Busy)?;
        let place = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Error::Busy)?;
        // The place goes along: a caller who leaves does not free it while the work still runs.
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        working.await.map_err(|_| Error::Internal("password hashing was interrupted".into()))
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

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        task::Poll,
    };

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn of_five_hundred_at_once_a_few_run_some_wait_and_the_others_are_sent_away() {
        let pool = PasswordPool::new(2);
        let (closed, gate) = mpsc::channel::<()>();
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
}
