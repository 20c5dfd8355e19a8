//! Refusals on record: every one up to ten an hour for a token, then one
//! summary with a count, so that a dead token replayed a million times does
//! not fill its owner's ledger.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::domain::{
    event::{Actor, Event, EventType, Outcome},
    instant::Instant,
    refusal::Refusal,
};

use super::{Broker, Error, events::Origin};

const WINDOW: Duration = Duration::from_secs(3600);
const RECORDED_SINGLY: u64 = 10;
/// How many tokens are counted at once; beyond, refusals count as the operator's.
const MOST_TOKENS: usize = 10_000;

struct Count {
    since: Instant,
    seen: u64,
    summary: Event,
}

/// Counts the refusals of each token on this replica.
#[derive(Default)]
pub struct Refusals {
    tokens: Mutex<HashMap<String, Count>>,
    unattributed: AtomicU64,
}

enum Recorded {
    Singly,
    InSummary,
}

impl Refusals {
    fn tokens(&self) -> std::sync::MutexGuard<'_, HashMap<String, Count>> {
        // A panic elsewhere while holding it leaves counts, nothing worse.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, event: &Event) -> Recorded {
        let mut tokens = self.tokens();
        if tokens.len() >= MOST_TOKENS && !tokens.contains_key(&event.resource) {
            self.unattributed.fetch_add(1, Ordering::Relaxed);
            return Recorded::InSummary;
        }
        let fresh = || Count { since: event.at, seen: 0, summary: event.clone() };
        let count = tokens.entry(event.resource.clone()).or_insert_with(fresh);
        count.seen += 1;
        if count.seen <= RECORDED_SINGLY { Recorded::Singly } else { Recorded::InSummary }
    }

    /// The summaries of all hours that are over; of all hours when `everything`.
    fn due(&self, now: Instant, everything: bool) -> Vec<Event> {
        let mut due = Vec::new();
        self.tokens().retain(|_, count| {
            if !everything && now.since(count.since) < WINDOW {
                return true;
            }
            if count.seen > RECORDED_SINGLY {
                let surplus = count.seen - RECORDED_SINGLY;
                due.push(Event { count: Some(surplus), at: now, ..count.summary.clone() });
            }
            false
        });
        due
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
                    tracing::error!(%fault, "a refusal could not be recorded");
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
        for event in self.refusals.due(self.now(), everything) {
            if let Err(fault) = self.record(&event).await {
                tracing::error!(%fault, "a summary of refusals could not be recorded");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::TenantId,
        tenant::{Mode, Namespace},
    };

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

        assert!(refusals.due(Instant::from_unix_seconds(3_604), false).is_empty());
        let due = refusals.due(Instant::from_unix_seconds(3_605), false);
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].resource.as_str(), due[0].count), ("a", Some(990)));
        assert!(matches!(refusals.count(&refusal("a", 3_606)), Recorded::Singly));
    }

    #[test]
    fn nothing_is_lost_when_the_process_ends() {
        let refusals = Refusals::default();
        for _ in 0..12 {
            refusals.count(&refusal("a", 5));
        }
        assert_eq!(refusals.due(Instant::from_unix_seconds(6), true)[0].count, Some(2));
    }

    #[test]
    fn memory_is_bounded() {
        let refusals = Refusals::default();
        for number in 0..MOST_TOKENS + 5 {
            refusals.count(&refusal(&number.to_string(), 5));
        }
        assert_eq!(refusals.tokens().len(), MOST_TOKENS);
        assert_eq!(refusals.unattributed(), 5);
    }
}
