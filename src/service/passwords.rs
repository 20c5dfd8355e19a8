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
