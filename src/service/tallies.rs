//! What strangers do to a token, on record: refusals and previews, each one up
//! to ten an hour for a token, then one summary with a count, so that a token
//! that is tried or looked at a million times does not fill its owner's ledger.
//!
//! A refusal is recorded before it is answered. A preview issues no credential,
//! so nobody waits for its record, and it stands without one.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::{
    event::{Actor, Event, EventType, Outcome},
    instant::Instant,
    refusal::Refusal,
    tenant::Namespace,
};

use super::{Broker, Error, events::Origin};

const WINDOW: Duration = Duration::from_secs(3600);
const RECORDED_SINGLY: u64 = 10;
/// How many tokens of one tenant are counted one by one; those beyond share one count.
const MOST_TOKENS_OF_A_TENANT: usize = 1_000;

/// At most so many previews are being recorded at a time; those beyond are summed up.
const PREVIEWS_AT_ONCE: u32 = 64;

/// What is counted together: what happened to a token and, if it was refused,
/// why; or, where a tenant has too many, the same about all the others.
type Subject = (Namespace, EventType, Option<String>, Option<Refusal>);

struct Count {
    since: Instant,
    /// How many are not on record yet.
    unrecorded: u64,
    recorded: u64,
    summary: Event,
}

#[derive(Default)]
struct Counts {
    subjects: HashMap<Subject, Count>,
    of_tenants: HashMap<Namespace, usize>,
}

/// Counts the refusals and previews of each token on this replica.
pub struct Tallies {
    counts: Mutex<Counts>,
    by_reason: [AtomicU64; Refusal::ALL.len()],
    unattributed: AtomicU64,
    previews: Arc<Semaphore>,
}

impl Default for Tallies {
    fn default() -> Self {
        let previews = Arc::new(Semaphore::new(PREVIEWS_AT_ONCE as usize));
        Self {
            counts: Mutex::default(),
            by_reason: [const { AtomicU64::new(0) }; Refusal::ALL.len()],
            unattributed: AtomicU64::default(),
            previews,
        }
    }
}

enum Recorded {
    Singly,
    InSummary,
}

impl Tallies {
    /// How often each reason has led to a refusal, and how often there was nobody whom it concerned: `unattributed`.
    pub fn refusals(&self) -> [(&'static str, u64); Refusal::ALL.len() + 1] {
        std::array::from_fn(|at| match (Refusal::ALL.get(at), self.by_reason.get(at)) {
            (Some(reason), Some(count)) => (reason.as_str(), count.load(Ordering::Relaxed)),
            _ => ("unattributed", self.unattributed.load(Ordering::Relaxed)),
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // A panic elsewhere while holding it leaves counts, nothing worse.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, event: &Event) -> Recorded {
        let mut counts = self.counts();
        let Counts { subjects, of_tenants } = &mut *counts;
        let mut subject = subject(event);
        let of_tenant = of_tenants.entry(event.namespace).or_default();
        if *of_tenant >= MOST_TOKENS_OF_A_TENANT && !subjects.contains_key(&subject) {
            subject.2 = None;
        }
        let count = subjects.entry(subject).or_insert_with_key(|subject| {
            *of_tenant += 1;
            let resource = subject.2.clone().unwrap_or_else(|| "others".into());
            // Of many, who were not one.
            let summary = Event { resource, seen: None, ..event.clone() };
            Count { since: event.at, unrecorded: 0, recorded: 0, summary }
        });
        if count.recorded < RECORDED_SINGLY {
            count.recorded += 1;
            Recorded::Singly
        } else {
            count.unrecorded += 1;
            Recorded::InSummary
        }
    }

    /// The summaries of all hours that are over; of all hours when `everything`.
    /// Each is to be given back when it could not be recorded.
    fn take_due(&self, now: Instant, everything: bool) -> Vec<Event> {
        let mut due = Vec::new();
        let mut counts = self.counts();
        let Counts { subjects, of_tenants } = &mut *counts;
        subjects.retain(|(namespace, ..), count| {
            if !everything && now.since(count.since) < WINDOW {
                return true;
            }
            if count.unrecorded > 0 {
                due.push(Event { count: Some(count.unrecorded), at: now, ..count.summary.clone() });
            }
            if let Some(of_tenant) = of_tenants.get_mut(namespace) {
                *of_tenant -= 1;
            }
            false
        });
        of_tenants.retain(|_, count| *count > 0);
        due
    }

    fn give_back(&self, summary: Event) {
        let mut counts = self.counts();
        let Counts { subjects, of_tenants } = &mut *counts;
        let unrecorded = summary.count.unwrap_or_default();
        let count = subjects.entry(subject(&summary)).or_insert_with(|| {
            *of_tenants.entry(summary.namespace).or_default() += 1;
            Count {
                since: summary.at,
                unrecorded: 0,
                recorded: RECORDED_SINGLY,
                summary: Event { seen: None, ..summary.clone() },
            }
        });
        count.unrecorded += unrecorded;
    }

    /// A place to record a preview; none when too many are being recorded.
    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.previews).try_acquire_owned().ok()
    }

    /// Waits until no preview is being recorded any more.
    pub async fn settled(&self) {
        // It is never closed.
        let _ = self.previews.acquire_many(PREVIEWS_AT_ONCE).await;
    }

    /// Refusals of texts that name no live tenant, since the start: the operator's.
    pub fn unattributed(&self) -> u64 {
        self.unattributed.load(Ordering::Relaxed)
    }
}

fn subject(event: &Event) -> Subject {
    (event.namespace, event.kind, Some(event.resource.clone()), event.reason)
}

impl Broker {
    /// Records that somebody looked at what a token would give, while they get their answer.
    pub(super) fn previewed(&self, origin: Origin, kind: EventType, resource: impl ToString) {
        let event = origin.done(kind, Actor::Bearer, resource);
        if let Recorded::InSummary = self.tallies.count(&event) {
            return;
        }
        let Some(place) = self.tallies.place() else {
            return self.tallies.give_back(Event { count: Some(1), ..event });
        };
        let broker = self.clone();
        self.under_way.run(async move {
            if let Err(fault) = broker.record(&event).await {
                tracing::error!(%fault, "a preview could not be recorded yet");
                broker.tallies.give_back(Event { count: Some(1), ..event });
            }
            drop(place);
        });
    }

    /// Records that a token was refused, and gives the one answer that strangers get.
    ///
    /// # Errors
    /// Always: [`Error::DeadToken`], or that the refusal could not be recorded.
    pub(super) async fn refuse(&self, origin: Origin, kind: EventType, resource: String, reason: Refusal) -> Error {
        // Its place in their order.
        if let Some(count) = self.tallies.by_reason.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let event =
            Event { outcome: Outcome::Refused, reason: Some(reason), ..origin.done(kind, Actor::Bearer, resource) };
        match self.tallies.count(&event) {
            Recorded::InSummary => Error::DeadToken,
            Recorded::Singly => match self.record(&event).await {
                Ok(()) => Error::DeadToken,
                // The refusal stands either way, and reads the same.
                Err(fault) => {
                    tracing::error!(%fault, "a refusal could not be recorded yet");
                    self.tallies.give_back(Event { count: Some(1), ..event });
                    Error::DeadToken
                }
            },
        }
    }

    /// Counts a refusal that concerns no tenant.
    pub(super) fn refuse_unattributed(&self) -> Error {
        self.tallies.unattributed.fetch_add(1, Ordering::Relaxed);
        Error::DeadToken
    }

    /// Records the summaries of all hours that are over; called from time to
    /// time, and with `everything` before the process ends.
    pub async fn record_summaries(&self, everything: bool) {
        if everything {
            self.tallies.settled().await;
        }
        for event in self.tallies.take_due(self.now(), everything) {
            if let Err(fault) = self.record(&event).await {
                tracing::error!(%fault, "a summary could not be recorded yet");
                self.tallies.give_back(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::TenantId, tenant::Mode};

    fn refusal(resource: &str, seconds: u64) -> Event {
        Event {
            kind: EventType::ShareRefused,
            namespace: Namespace { tenant: TenantId::from_bytes([1; 16]), mode: Mode::Live },
            actor: Actor::Bearer,
            resource: resource.into(),
            outcome: Outcome::Refused,
            reason: Some(Refusal::AlreadyClaimed),
            count: None,
            version: None,
            changed: Vec::new(),
            at: Instant::from_unix_seconds(seconds),
            request: None,
            client: None,
            seen: None,
        }
    }

    #[test]
    fn ten_refusals_an_hour_are_recorded_and_the_rest_is_summed_up() {
        let refusals = Tallies::default();
        let singly = (0..1_000).filter(|_| matches!(refusals.count(&refusal("a", 5)), Recorded::Singly)).count();
        assert_eq!(singly, 10);
        assert!(matches!(refusals.count(&refusal("b", 5)), Recorded::Singly));

        assert!(refusals.take_due(Instant::from_unix_seconds(3_604), false).is_empty());
        let due = refusals.take_due(Instant::from_unix_seconds(3_605), false);
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].resource.as_str(), due[0].count), ("a", Some(990)));
        assert!(matches!(refusals.count(&refusal("a", 3_606)), Recorded::Singly));
    }

    #[test]
    fn reasons_are_not_mixed() {
        let refusals = Tallies::default();
        for _ in 0..20 {
            refusals.count(&refusal("a", 5));
            refusals.count(&Event { reason: Some(Refusal::WrongPassword), ..refusal("a", 5) });
        }
        let due = refusals.take_due(Instant::from_unix_seconds(6), true);
        assert_eq!(due.iter().map(|event| event.count).collect::<Vec<_>>(), [Some(10), Some(10)]);
    }

    #[test]
    fn nothing_is_lost_when_a_summary_cannot_be_recorded() {
        let refusals = Tallies::default();
        for _ in 0..12 {
            refusals.count(&refusal("a", 5));
        }
        let [summary] = refusals.take_due(Instant::from_unix_seconds(6), true).try_into().unwrap();
        refusals.give_back(summary);
        refusals.count(&refusal("a", 7));
        assert_eq!(refusals.take_due(Instant::from_unix_seconds(8), true)[0].count, Some(3));
    }

    #[test]
    fn a_tenant_with_many_dead_tokens_takes_nothing_from_another() {
        let refusals = Tallies::default();
        for number in 0..MOST_TOKENS_OF_A_TENANT + 50 {
            refusals.count(&refusal(&number.to_string(), 5));
        }
        assert_eq!(refusals.counts().subjects.len(), MOST_TOKENS_OF_A_TENANT + 1);
        let other = Namespace { tenant: TenantId::from_bytes([2; 16]), mode: Mode::Live };
        let event = Event { namespace: other, ..refusal("x", 5) };
        assert!(matches!(refusals.count(&event), Recorded::Singly));
        let due = refusals.take_due(Instant::from_unix_seconds(6), true);
        assert_eq!((due[0].resource.as_str(), due[0].count), ("others", Some(40)));
        assert!(refusals.counts().of_tenants.is_empty());
    }
}
