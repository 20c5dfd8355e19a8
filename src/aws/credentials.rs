//! The credentials that sign requests, kept so that signing needs no I/O.
//!
//! What is signed dies with its credentials, so they are renewed while they
//! still outlive the longest upload: by a clock that is five minutes behind Amazon's, too.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};

use crate::{
    clock::Clock,
    domain::instant::Instant,
    objects::{LONGEST_UPLOAD, s3::expiry_of},
};

/// How long credentials that name no end are used before they are asked for again.
const UNDATED_LIFE: Duration = Duration::from_secs(15 * 60);

/// A provider that has nothing fresher to give is not asked more often than this.
const PATIENCE: Duration = Duration::from_secs(30);

/// A provider that hangs must not hang every request.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Held {
    credentials: Credentials,
    asked_at: Instant,
}

impl Held {
    fn is_usable(&self, now: Instant) -> bool {
        expiry_of(&self.credentials).is_none_or(|end| end > now)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        let age = now.since(self.asked_at);
        match expiry_of(&self.credentials) {
            None => age < UNDATED_LIFE,
            Some(end) => end.since(now) > LONGEST_UPLOAD || (end > now && age < PATIENCE),
        }
    }
}

/// A credentials provider and what it gave last.
pub(super) struct CachedCredentials {
    provider: SharedCredentialsProvider,
    clock: Arc<dyn Clock>,
    held: RwLock<Option<Held>>,
    /// Held by the one caller that renews.
    renewing: tokio::sync::Mutex<()>,
}

impl CachedCredentials {
    pub(super) fn new(provider: SharedCredentialsProvider, clock: Arc<dyn Clock>) -> Self {
        Self { provider, clock, held: RwLock::new(None), renewing: tokio::sync::Mutex::new(()) }
    }

    fn held(&self) -> Option<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hold(&self, credentials: Credentials, asked_at: Instant) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(Held { credentials, asked_at });
    }

    /// Credentials to sign with now.
    async fn at(&self, now: Instant) -> Result<Credentials, CredentialsError> {
        if let Some(held) = self.held().filter(|held| held.is_fresh(now)) {
            return Ok(held.credentials);
        }
        let _renewing = self.renewing.lock().await;
        // Somebody else may have renewed them while we waited.
        let held = self.held();
        if let Some(held) = held.as_ref().filter(|held| held.is_fresh(now)) {
            return Ok(held.credentials.clone());
        }
        let answer = tokio::time::timeout(LONGEST_WAIT, self.provider.provide_credentials()).await;
        let fault = match answer {
            Ok(Ok(credentials)) => {
                self.hold(credentials.clone(), now);
                return Ok(credentials);
            }
            Ok(Err(error)) => error,
            Err(_) => CredentialsError::provider_timed_out(LONGEST_WAIT),
        };
        // Old ones are better than none, as long as they last.
        let held = held.filter(|held| held.is_usable(now)).ok_or(fault)?;
        self.hold(held.credentials.clone(), now);
        Ok(held.credentials)
    }
}

impl ProvideCredentials for CachedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.at(self.clock.now()))
    }
}

impl fmt::Debug for CachedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CachedCredentials({:?})", self.provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::UNIX_EPOCH,
    };

    const NOW: Instant = Instant::from_unix_seconds(1_790_000_000);

    /// Gives credentials that end this long after [`NOW`], then fails.
    #[derive(Debug)]
    struct Source {
        life: Option<u64>,
        good_for: usize,
        asked: Arc<AtomicUsize>,
    }

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let nth = self.asked.fetch_add(1, Ordering::SeqCst);
            let end = self.life.map(|life| UNIX_EPOCH + Duration::from_secs(NOW.as_unix_seconds() + life));
            future::ProvideCredentials::ready(if nth < self.good_for {
                Ok(Credentials::new(format!("AK{nth}"), "secret", None, end, "test"))
            } else {
                Err(CredentialsError::provider_error("gone"))
            })
        }
    }

    fn source(life: Option<u64>, good_for: usize) -> (CachedCredentials, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let provider = SharedCredentialsProvider::new(Source { life, good_for, asked: asked.clone() });
        (CachedCredentials::new(provider, Arc::new(ManualClock::at(NOW))), asked)
    }

    fn after(seconds: u64) -> Instant {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[tokio::test]
    async fn the_source_is_asked_once_while_what_it_gave_is_fresh() {
        let (cache, asked) = source(Some(3600), 9);
        for second in 0..100 {
            assert_eq!(cache.at(after(second)).await.unwrap().access_key_id(), "AK0");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(cache.at(after(3000)).await.unwrap().access_key_id(), "AK1");
    }

    #[tokio::test]
    async fn undated_credentials_are_asked_for_again_in_time() {
        let (cache, _) = source(None, 9);
        assert_eq!(cache.at(after(0)).await.unwrap().access_key_id(), "AK0");
        assert_eq!(cache.at(after(899)).await.unwrap().access_key_id(), "AK0");
        assert_eq!(cache.at(after(900)).await.unwrap().access_key_id(), "AK1");
    }

    #[tokio::test]
    async fn short_lived_credentials_do_not_flood_their_source() {
        let (cache, asked) = source(Some(60), 9);
        for second in 0..30 {
            cache.at(after(second)).await.unwrap();
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        cache.at(after(30)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    /// Never gives any.
    #[derive(Debug)]
    struct Hanging;

    impl ProvideCredentials for Hanging {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_hangs_hangs_nobody() {
        let provider = SharedCredentialsProvider::new(Hanging);
        let cache = CachedCredentials::new(provider, Arc::new(ManualClock::at(NOW)));
        assert!(cache.provide_credentials().await.is_err());
        let old =
            Credentials::new("OLD", "secret", None, Some(UNIX_EPOCH + Duration::from_secs(1_790_000_060)), "test");
        cache.hold(old, NOW);
        assert_eq!(cache.at(after(40)).await.unwrap().access_key_id(), "OLD");
    }

    #[tokio::test]
    async fn old_credentials_serve_while_their_source_is_away_but_not_past_their_end() {
        let (cache, _) = source(Some(600), 1);
        assert!(cache.at(after(0)).await.is_ok());
        assert!(cache.at(after(599)).await.is_ok());
        assert!(cache.at(after(600)).await.is_err());
    }
}
