//! One provider: asked over HTTP for what it publishes, by one thread at a time.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
};
use ureq::Agent;

use crate::{
    clock::Clock,
    domain::{identity::Identity, instant::Instant},
    outward,
};

use super::{
    claims::{Claims, Validity},
    jws::Jws,
    keys::KeySet,
    known::{Freshness, HONOURED, Known, Snapshot},
    metadata::{self, Metadata},
    rejected::Rejected,
    settings::ProviderSettings,
};

/// No answer of a provider is longer, in bytes.
pub(super) const LARGEST_ANSWER: u64 = 512 * 1024;

/// So many codes are exchanged at a time: each holds a thread while the provider answers.
const EXCHANGES: usize = 16;

/// A provider whose word is taken.
pub struct Provider {
    settings: ProviderSettings,
    pub(super) agent: Agent,
    clock: Arc<dyn Clock>,
    pub(super) runtime: Handle,
    pub(super) exchanges: Semaphore,
    known: Mutex<Known>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Provider {
    pub(super) fn new(settings: ProviderSettings, clock: Arc<dyn Clock>, runtime: Handle) -> Self {
        let agent = outward::agent(settings.patience);
        let exchanges = Semaphore::new(EXCHANGES);
        Self { settings, agent, clock, runtime, exchanges, known: Mutex::default() }
    }

    /// What the operator says about it.
    pub fn settings(&self) -> &ProviderSettings {
        &self.settings
    }

    /// The time now.
    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Whose access token this is. Its issuer and audience are those of this provider.
    pub(super) async fn identify(
        self: &Arc<Self>,
        token: &Jws<'_>,
        claims: &Claims,
    ) -> Result<(Identity, Validity, Arc<Snapshot>), Rejected> {
        claims.check_access(token, &self.settings, self.now())?;
        let snapshot = self.verified(token).await?;
        Ok((claims.identity(&self.settings)?, claims.validity(), snapshot))
    }

    /// Verifies the signature of a token, by the keys that are known or, where none of them is the one it names, by
    /// those that the issuer publishes now.
    pub(super) async fn verified(self: &Arc<Self>, token: &Jws<'_>) -> Result<Arc<Snapshot>, Rejected> {
        let snapshot = self.snapshot().await?;
        match snapshot.keys.verify(token) {
            Ok(()) => Ok(snapshot),
            Err(Rejected::UnknownKey) => {
                let newer = self.newer_than(&snapshot).await;
                newer.keys.verify(token).map(|()| newer)
            }
            Err(fault) => Err(fault),
        }
    }

    /// What the issuer said, an hour ago at most.
    pub(super) async fn snapshot(self: &Arc<Self>) -> Result<Arc<Snapshot>, Rejected> {
        let asking = {
            let mut known = self.known();
            let now = self.now();
            match known.standing(now) {
                Some((snapshot, Freshness::Fresh)) => return Ok(snapshot),
                Some((snapshot, Freshness::Ageing)) => {
                    // Nobody waits for this one.
                    let _asking = self.ask(&mut known, now);
                    return Ok(snapshot);
                }
                Some((_, Freshness::Late)) | None => self.ask(&mut known, now),
            }
        };
        ended(asking).await;
        let known = self.known();
        match known.standing(self.now()) {
            Some((snapshot, _)) => Ok(snapshot),
            None => Err(Rejected::Unavailable(known.fault.clone().unwrap_or_else(|| "it was not asked".into()))),
        }
    }

    /// What the issuer has said since, if it can be asked; else what was seen.
    async fn newer_than(self: &Arc<Self>, seen: &Arc<Snapshot>) -> Arc<Snapshot> {
        let newer = |known: &Known| known.snapshot.clone().filter(|known| !Arc::ptr_eq(known, seen));
        let asking = {
            let mut known = self.known();
            if let Some(newer) = newer(&known) {
                return newer;
            }
            self.ask(&mut known, self.now())
        };
        ended(asking).await;
        newer(&self.known()).unwrap_or_else(|| Arc::clone(seen))
    }

    /// Asks the issuer, unless it is being asked or was just now. It is asked to the end, whoever hangs up.
    fn ask(self: &Arc<Self>, known: &mut Known, now: Instant) -> Option<watch::Receiver<()>> {
        if let Some(asking) = known.asking() {
            return Some(asking);
        }
        if !known.may_ask(now) {
            return None;
        }
        let (answered, asking) = watch::channel(());
        (known.asked_at, known.asking) = (Some(now), Some(asking.clone()));
        let provider = Arc::clone(self);
        self.runtime.spawn_blocking(move || {
            provider.learn(provider.fetch(now), now);
            drop(answered);
        });
        Some(asking)
    }

    fn learn(&self, answer: Result<Snapshot, String>, now: Instant) {
        let mut known = self.known();
        match answer {
            Ok(snapshot) => (known.snapshot, known.fault) = (Some(Arc::new(snapshot)), None),
            Err(fault) => {
                let age = known.snapshot.as_ref().map(|snapshot| now.since(snapshot.asked_at));
                let honoured = age.map_or(0, |age| HONOURED.saturating_sub(age).as_secs());
                tracing::warn!(
                    provider = self.settings.name,
                    fault,
                    honoured_for_seconds = honoured,
                    "an identity provider's keys could not be fetched"
                );
                known.fault = Some(fault);
            }
        }
    }

    /// Blocks the thread for twice the provider's patience at most.
    fn fetch(&self, now: Instant) -> Result<Snapshot, String> {
        let metadata = Metadata::parse(&self.get(&metadata::location(&self.settings))?, &self.settings)?;
        let keys = KeySet::parse(&self.get(metadata.keys.as_str())?).ok_or("its key set cannot be read")?;
        if keys.usable() == 0 {
            return Err("its key set has no key that can be used".into());
        }
        Ok(Snapshot { metadata, keys, asked_at: now })
    }

    fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        let answer = self.agent.get(url).header("Accept", "application/json").call();
        let mut answer = answer.map_err(|fault| format!("{url} cannot be asked: {fault}"))?;
        if answer.status() != 200 {
            return Err(format!("{url} answered {}", answer.status()));
        }
        let body = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec();
        body.map_err(|fault| format!("the answer of {url} cannot be read: {fault}"))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A panic elsewhere leaves it whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the issuer has answered, or will not.
async fn ended(asking: Option<watch::Receiver<()>>) {
    if let Some(mut asking) = asking {
        // Nothing is ever sent: it ends by being closed.
        let _closed = asking.changed().await;
    }
}
