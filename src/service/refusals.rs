//! Refusals on record: every one up to ten an hour for a token, then one
//! summary with a count, so that a dead token replayed a million times does
//! not fill its owner's ledger.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

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

/// What is counted together: a token and why it was refused, or, where a
/// tenant has too many, all the others that were refused for the same reason.
type Subject = (Namespace, Option<String>, Option<Refusal>);

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

/// Counts the refusals of each token on this replica.
#[derive(Default)]
pub struct Refusals {
    counts: Mutex<Counts>,
    unattributed: AtomicU64,
}

enum Recorded {
    Singly,
    InSummary,
}

impl Refusals {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        // A panic elsewhere while holding it leaves counts, nothing worse.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, event: &Event) -> Recorded {
        let mut counts = self.counts();
        let Counts { subjects, of_tenants } = &mut *counts;
        let mut subject = (event.namespace, Some(event.resource.clone()), event.reason);
        let of_tenant = of_tenants.entry(event.namespace).or_default();
        if *of_tenant >= MOST_TOKENS_OF_A_TENANT && !subjects.contains_key(&subject) {
            subject.1 = None;
        }
        let count = subjects.entry(subject).or_insert_with_key(|subject| {
            *of_tenant += 1;
            let resource = subject.1.clone().unwrap_or_else(|| "others".into());
            let summary = Event { resource, ..event.clone() };
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
        let subject = (summary.namespace, Some(summary.resource.clone()), summary.reason);
        let count = subjects.entry(subject).or_insert_with(|| {
            *of_tenants.entry(summary.namespace).or_default() += 1;
            Count { since: summary.at, unrecorded: 0, recorded: RECORDED_SINGLY, summary: summary.clone() }
        });
        count.unrecorded += unrecorded;
    }

    /// Refusals of texts that name no live tenant, since the start: the operator's.
    pub fn unattributed(&self) -> u64 {
        self.unattributed.load(Ordering::Relaxed)
    }
}

impl Broker {
    /// Records that a token was refused, and gives the one answer that strangers get.
    ///
    /// # Errors
    /// Always: [`Error::DeadToken`], or that the refusal could not be recorded.
    pub(super) async fn refuse(&self, origin: Origin, kind: EventType, resource: String, reason: Refusal) -> Error {
        let event = Event {
            kind,
            namespace: origin.namespace,
            actor: Actor::Bearer,
            resource,
            outcome: Outcome::Refused,
            reason: Some(reason),
            count: None,
            at: origin.at,
            request: origin.request,
        };
        match self.refusals.count(&event) {
            Recorded::InSummary => Error::DeadToken,
            Recorded::Singly => match self.record(&event).await {
                Ok(()) => Error::DeadToken,
                // The refusal stands either way, and reads the same.
                Err(fault) => {
                    tracing::error!(%fault, "a refusal could not be recorded yet");
                    self.refusals.give_back(Event { count: Some(1), ..event });
                    Error::DeadToken
                }
            },
        }
    }

    /// Counts a refusal that concerns no tenant.
    pub(super) fn refuse_unattributed(&self) -> Error {
        self.refusals.unattributed.fetch_add(1, Ordering::Relaxed);
        Error::DeadToken
    }

    /// Records an event that changes no row.
    pub(super) async fn record(&self, event: &Event) -> Result<(), Error> {
        match self.store.commit(self.recording(event)?).await {
            Ok(()) => Ok(()),
            Err(fault) => Err(Error::Unavailable(fault.to_string())),
        }
    }

    /// Records the summaries of all hours that are over; called from time to
    /// time, and with `everything` before the process ends.
    pub async fn record_refusal_summaries(&self, everything: bool) {
        for event in self.refusals.take_due(self.now(), everything) {
            if let Err(fault) = self.record(&event).await {
                tracing::error!(%fault, "a summary of refusals could not be recorded yet");
                self.refusals.give_back(event);
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
            at: Instant::from_unix_seconds(seconds),
            request: None,
        }
    }

    #[test]
    fn ten_refusals_an_hour_are_recorded_and_the_rest_is_summed_up() {
        let refusals = Refusals::default();
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
        let refusals = Refusals::default();
        for _ in 0..20 {
            refusals.count(&refusal("a", 5));
            refusals.count(&Event { reason: Some(Refusal::WrongPassword), ..refusal("a", 5) });
        }
        let due = refusals.take_due(Instant::from_unix_seconds(6), true);
        assert_eq!(due.iter().map(|event| event.count).collect::<Vec<_>>(), [Some(10), Some(10)]);
    }

    #[test]
    fn nothing_is_lost_when_a_summary_cannot_be_recorded() {
        let refusals = Refusals::default();
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
        let refusals = Refusals::default();
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
