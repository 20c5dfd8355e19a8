//! The sweep: ledgers are verified without anybody asking, and checkpoints made of what was found to be right. What
//! this process writes to is looked at ten minutes later at the latest; every ledger, from its first record on, once a day by one of
//! the replicas.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        checkpoint,
        event::{Actor, Event, EventType, Outcome},
        ids::{AttemptId, TenantId},
        instant::Instant,
        ledger::{Broken, Head},
        placed::Placed,
        tenant::{Mode, Namespace},
    },
    store::{Expected, Transaction},
};

use super::{
    Broker, Error,
    events::Origin,
    records::{Committed, committed},
    redemption_proof::{RedemptionProof, Unproven},
    rows,
    verification::Followed,
};

/// How often a ledger is verified from its first record on.
const WHOLE_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How soon that is tried again where it could not be done, or came to something that is wrong.
const AGAIN: Duration = Duration::from_secs(3600);

/// How many tenants are passed over at a time whose turn it is not.
const MOST_PASSED_OVER: usize = 10;

/// How far a ledger was verified. A hint: what counts is the checkpoint itself, which is signed and lies elsewhere.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct LedgerState {
    /// The size that the newest checkpoint speaks of.
    checkpoint: u64,
    /// When all of it was verified.
    whole_at: Instant,
}

/// How much of a ledger is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// What has come since its newest checkpoint.
    SinceCheckpoint,
}

/// What a sweep came to.
#[derive(Clone, Debug)]
pub struct Swept {
    /// How far everything is as it must be.
    pub head: Head,
    /// What is wrong with the record after that, if anything is.
    pub broken: Option<Broken>,
    /// What comparing it with the tokens came to, where all of it was verified.
    pub redemptions: Option<RedemptionProof>,
}

/// What the operator is told of ledgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerFigures {
    /// Ledgers that this process found to be intact, and how often.
    pub intact: u64,
    /// How often it found one that was not.
    pub broken: u64,
    /// How many are broken now, as far as it has looked.
    pub broken_now: u64,
    /// Records that it verified.
    pub records: u64,
    /// How many ledgers lack records of redemptions now, or have too many, as far as it has looked.
    pub unproven_now: u64,
    /// For how many seconds some event has waited to be chained.
    pub waiting_seconds: u64,
}

/// Ledgers that are to be swept by this process, and what it found.
#[derive(Default)]
pub(super) struct Watch {
    since: Mutex<HashMap<Namespace, Instant>>,
    broken_now: Mutex<HashSet<Namespace>>,
    unproven_now: Mutex<HashSet<Namespace>>,
    /// When this process last began to verify all of a ledger, where that has not come to a good end.
    tried: Mutex<HashMap<Namespace, Instant>>,
    intact: AtomicU64,
    broken: AtomicU64,
    records: AtomicU64,
}

impl Watch {
    fn since(&self) -> MutexGuard<'_, HashMap<Namespace, Instant>> {
        // A panic elsewhere while holding it leaves a map that is whole.
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken_now(&self) -> MutexGuard<'_, HashSet<Namespace>> {
        self.broken_now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unproven_now(&self) -> MutexGuard<'_, HashSet<Namespace>> {
        self.unproven_now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tried(&self) -> MutexGuard<'_, HashMap<Namespace, Instant>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_broken(&self, namespace: Namespace) -> bool {
        self.broken_now().contains(&namespace)
    }

    /// Whether all of a ledger was tried so lately that it is not to be tried again.
    fn was_tried(&self, namespace: Namespace, now: Instant) -> bool {
        self.tried().get(&namespace).is_some_and(|at| now < at.plus(AGAIN))
    }

    pub(super) fn written(&self, namespace: Namespace, now: Instant) {
        self.since().entry(namespace).or_insert(now);
    }

    /// Those whose turn it is. They are so again once something is written.
    fn take_due(&self, now: Instant) -> Vec<Namespace> {
        let is_due = |since: Instant| since.plus(checkpoint::EVERY) <= now;
        self.since().extract_if(|_, since| is_due(*since)).map(|(namespace, _)| namespace).collect()
    }

    /// Counts what was found. Tells whether it is news that this ledger is broken.
    fn found(&self, namespace: Namespace, records: u64, is_broken: bool) -> bool {
        self.records.fetch_add(records, Ordering::Relaxed);
        let counter = if is_broken { &self.broken } else { &self.intact };
        counter.fetch_add(1, Ordering::Relaxed);
        let mut broken = self.broken_now();
        match is_broken {
            true => broken.insert(namespace),
            false => {
                broken.remove(&namespace);
                false
            }
        }
    }

    pub(super) fn figures(&self) -> LedgerFigures {
        LedgerFigures {
            intact: self.intact.load(Ordering::Relaxed),
            broken: self.broken.load(Ordering::Relaxed),
            broken_now: self.broken_now().len() as u64,
            records: self.records.load(Ordering::Relaxed),
            unproven_now: self.unproven_now().len() as u64,
            waiting_seconds: 0,
        }
    }
}

impl Broker {
    /// What sweeps of this process have found.
    pub fn ledger_figures(&self) -> LedgerFigures {
        let waiting_seconds = self.ledgers.longest_wait(self.now()).as_secs();
        LedgerFigures { waiting_seconds, ..self.ledgers.watch.figures() }
    }

    /// Sweeps the ledgers that this process has written to, each when it is time.
    pub async fn sweep_due_ledgers(&self) {
        for namespace in self.ledgers.watch.take_due(self.now()) {
            // What comes after a break is not signed; whether it still is one, is seen when all of it is verified.
            if self.ledgers.watch.is_broken(namespace) {
                continue;
            }
            // Nothing is noted of one whose tenant is gone.
            if matches!(self.is_removed(namespace.tenant).await, Ok(true)) {
                continue;
            }
            if let Err(fault) = self.sweep_ledger(namespace, Extent::SinceCheckpoint).await {
                tracing::warn!(%fault, tenant = %namespace.tenant, "a ledger could not be verified yet");
                self.ledgers.watch.written(namespace, self.now());
            }
        }
    }

    /// Verifies the ledgers of the next tenants from their first records on, unless that was done within a day: until one is done, or
    /// a few were passed over. Tells which was the last; none after the last of all.
    ///
    /// # Errors
    /// When the store does not answer. A ledger that cannot be verified now is passed over.
    pub async fn sweep_next(&self, mut after: Option<TenantId>) -> Result<Option<TenantId>, Error> {
        for _ in 0..MOST_PASSED_OVER {
            let Some(tenant) = self.next_tenant(after).await? else { return Ok(None) };
            after = Some(tenant);
            let mut has_done = false;
            for namespace in [Mode::Live, Mode::Test].map(|mode| Namespace { tenant, mode }) {
                if let Err(fault) = self.remove_old_exports(namespace).await {
                    tracing::warn!(%fault, %tenant, "old exports could not be removed yet");
                }
                if self.is_due_whole(namespace).await? {
                    has_done = true;
                    if let Err(fault) = self.sweep_ledger(namespace, Extent::Whole).await {
                        tracing::warn!(%fault, %tenant, "a ledger could not be verified yet");
                    }
                }
            }
            if has_done {
                break;
            }
        }
        Ok(after)
    }

    async fn is_due_whole(&self, namespace: Namespace) -> Result<bool, Error> {
        if self.ledgers.watch.was_tried(namespace, self.now()) {
            return Ok(false);
        }
        if self.ledgers.watch.is_broken(namespace) {
            return Ok(true);
        }
        let [row] = self.store.get([rows::ledger_state(namespace)]).await?;
        let state = self.decode_if::<LedgerState>(row.as_ref())?;
        Ok(state.is_none_or(|state| state.value.whole_at.plus(WHOLE_EVERY) <= self.now()))
    }

    /// Verifies a ledger, and makes a checkpoint of where it ends if all of it is as it must be.
    ///
    /// # Errors
    /// When the store or the object storage do not answer.
    pub async fn sweep_ledger(&self, namespace: Namespace, extent: Extent) -> Result<Swept, Error> {
        let watch = &self.ledgers.watch;
        let extent = if watch.is_broken(namespace) { Extent::Whole } else { extent };
        if extent == Extent::Whole {
            watch.tried().insert(namespace, self.now());
        }
        // Behind a segment that is not as it was written nothing is chained: that is what is to be told.
        self.chain_what_waits(namespace).await;
        let [row] = self.store.get([rows::ledger_state(namespace)]).await?;
        let state = self.decode_if::<LedgerState>(row.as_ref())?;
        let newest = state.as_ref().map_or(0, |state| state.value.checkpoint);
        let from = match extent {
            Extent::SinceCheckpoint if newest > 0 => self.anchor(namespace, newest).await?,
            Extent::SinceCheckpoint | Extent::Whole => None,
        };
        let is_whole = from.is_none();
        let from = from.unwrap_or_else(|| self.beginning(namespace));
        let begun_at = from.size;
        let mut sums = is_whole.then(|| self.token_sums());
        let mut noting = |record: Placed<'_>| sums.iter_mut().for_each(|sums| sums.note(record));
        let Followed { head, mut broken, .. } = self.follow_ledger(namespace, from, u64::MAX, &mut noting).await?;
        let mut redemptions = None;
        // Before anything says that all is well: what is found here, or cannot be, is looked at again.
        if let Some(sums) = sums.filter(|_| broken.is_none()) {
            let proof;
            (proof, broken) = self.prove_redemptions(namespace, sums).await?;
            self.tell_of_unproven(namespace, &proof).await?;
            redemptions = Some(proof);
        }
        if watch.found(namespace, head.size - begun_at, broken.is_some())
            && let Some(broken) = &broken
        {
            self.tell_of(namespace, broken).await?;
        }
        if broken.is_none() && (head.size > newest || is_whole) {
            if head.size > newest {
                self.sign_checkpoint(namespace, &head).await?;
            }
            let whole_at = match &state {
                Some(state) if !is_whole => state.value.whole_at,
                _ => self.now(),
            };
            let expected = row.map_or(Expected::Absent, |row| Expected::Version(row.version));
            let state = LedgerState { checkpoint: head.size, whole_at };
            let note = self.put(rows::ledger_state(namespace), expected, &state, None)?;
            let attempt = AttemptId::new(self.now(), self.entropy.bytes());
            match committed(self.store.commit(Transaction::noting(attempt, note)).await)? {
                // Another replica was faster; its note is as good.
                Committed::Done | Committed::ReadAgain => {}
            }
            watch.tried().remove(&namespace);
        }
        if broken.is_none() {
            self.index_or_warn(namespace, begun_at, head.size).await;
        }
        Ok(Swept { head, broken, redemptions })
    }

    async fn tell_of_unproven(&self, namespace: Namespace, proof: &RedemptionProof) -> Result<(), Error> {
        let is_news = match proof.named.first() {
            Some(_) => self.ledgers.watch.unproven_now().insert(namespace),
            None => {
                self.ledgers.watch.unproven_now().remove(&namespace);
                false
            }
        };
        if is_news && let Some(Unproven { token, redemptions, records, why }) = proof.named.first() {
            let (tenant, mode, unproven) = (namespace.tenant, namespace.mode.as_str(), proof.unproven);
            tracing::error!(
                event = "redemption_unproven", %tenant, mode, unproven, %token, redemptions, records, %why,
                "what is kept of a token contradicts its ledger"
            );
            self.tell_tenant(namespace, token.to_string()).await?;
        }
        Ok(())
    }

    /// Of how many records the newest checkpoint speaks that the store knows of.
    pub(super) async fn newest_checkpoint_known(&self, namespace: Namespace) -> Result<u64, Error> {
        let [row] = self.store.get([rows::ledger_state(namespace)]).await?;
        Ok(self.decode_if::<LedgerState>(row.as_ref())?.map_or(0, |state| state.value.checkpoint))
    }

    /// Where the newest checkpoint says that the ledger was, if the ledger says so too. Else all of it is verified, which tells what is
    /// wrong.
    async fn anchor(&self, namespace: Namespace, newest: u64) -> Result<Option<Head>, Error> {
        let keys = self.verifying_keys(namespace).await?;
        let Ok(signed) = self.checkpoint_at(namespace, newest, &keys).await? else { return Ok(None) };
        let head = signed.checkpoint.head;
        Ok((self.hash_at(namespace, newest).await?.as_ref() == Some(&head.hash)).then_some(head))
    }

    /// Tells the operator, and the tenant in the ledger itself: what comes after the break is still chained.
    async fn tell_of(&self, namespace: Namespace, broken: &Broken) -> Result<(), Error> {
        let Broken { seq, what } = broken;
        let (tenant, mode) = (namespace.tenant, namespace.mode.as_str());
        tracing::error!(event = "ledger_broken", %tenant, mode, seq, %what, "a ledger is not as it was written");
        self.tell_tenant(namespace, format!("record {seq}")).await
    }

    async fn tell_tenant(&self, namespace: Namespace, of: String) -> Result<(), Error> {
        let origin = Origin { namespace, asking: None, at: self.now() };
        let event = origin.done(EventType::LedgerVerificationFailed, Actor::System, of);
        self.record(&Event { outcome: Outcome::Refused, ..event }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(tenant: u8) -> Namespace {
        Namespace { tenant: TenantId::from_bytes([tenant; 16]), mode: Mode::Live }
    }

    #[test]
    fn what_was_written_to_is_due_ten_minutes_after_the_first_write() {
        let (watch, at) = (Watch::default(), |seconds: u64| Instant::from_unix_seconds(1_000_000 + seconds));
        watch.written(namespace(1), at(0));
        watch.written(namespace(1), at(500));
        watch.written(namespace(2), at(500));
        assert_eq!(watch.take_due(at(599)), []);
        assert_eq!(watch.take_due(at(600)), [namespace(1)]);
        assert_eq!(watch.take_due(at(600)), []);
        assert_eq!(watch.take_due(at(1_100)), [namespace(2)]);
    }

    #[test]
    fn a_broken_ledger_is_news_once() {
        let watch = Watch::default();
        assert!(watch.found(namespace(1), 10, true));
        assert!(!watch.found(namespace(1), 10, true));
        assert!(!watch.found(namespace(2), 5, false));
        let figures =
            LedgerFigures { intact: 1, broken: 2, broken_now: 1, records: 25, unproven_now: 0, waiting_seconds: 0 };
        assert_eq!(watch.figures(), figures);
        assert!(!watch.found(namespace(1), 10, false));
        assert_eq!(watch.figures().broken_now, 0);
        assert!(watch.found(namespace(1), 10, true));
    }
}
