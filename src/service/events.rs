//! Events as they leave with a commit: to the outbox, and to the history of
//! what they are about.

use crate::{
    domain::{
        event::{Actor, Event, EventType, Outcome},
        ids::{AttemptId, RequestId},
        instant::Instant,
        tenant::Namespace,
    },
    store::{Expected, OutboxEvent, Row, Transaction, event_sort},
};

use super::{Broker, Error, rows};

/// What every event of one request shares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) namespace: Namespace,
    pub(super) request: Option<RequestId>,
    pub(super) at: Instant,
}

impl Origin {
    /// An event of something that was done.
    pub(super) fn done(self, kind: EventType, actor: Actor, resource: impl ToString) -> Event {
        Event {
            kind,
            namespace: self.namespace,
            actor,
            resource: resource.to_string(),
            outcome: Outcome::Done,
            reason: None,
            count: None,
            changed: Vec::new(),
            at: self.at,
            request: self.request,
        }
    }
}

impl Broker {
    /// A transaction that records this event.
    pub(super) fn recording(&self, event: &Event) -> Result<Transaction, Error> {
        let attempt = AttemptId::new(self.now(), self.entropy.bytes());
        let transaction = Transaction::recording(attempt, self.outbox(attempt, 0, event)?);
        let Some(subject) = event.subject() else { return Ok(transaction) };
        // Named as its outbox row is, so that both are told under one id.
        let Some(sort) = transaction.outbox().next().map(|(key, _)| key.sort) else { return Ok(transaction) };
        let key = rows::history_of(event.namespace, subject, sort);
        let purge = Some(event.at.plus(subject.kept()));
        Ok(transaction.write(self.put(key, Expected::Absent, event, purge)?))
    }

    /// Records an event that changes no row.
    pub(super) async fn record(&self, event: &Event) -> Result<(), Error> {
        match self.store.commit(self.recording(event)?).await {
            Ok(()) => Ok(()),
            Err(fault) => Err(Error::Unavailable(fault.to_string())),
        }
    }
}

impl Broker {
    /// As [`Broker::recording`], with another event that happened in one with it.
    pub(super) fn recording_both(&self, event: &Event, other: &Event) -> Result<Transaction, Error> {
        let transaction = self.recording(event)?;
        let other = self.outbox(transaction.attempt(), 1, other)?;
        Ok(transaction.and_event(other))
    }

    /// The event on its way to its ledger, vouched for in its place.
    fn outbox(&self, attempt: AttemptId, number: usize, event: &Event) -> Result<OutboxEvent, Error> {
        self.ledgers.written(event.namespace, self.now());
        let ledger = rows::ledger(event.namespace);
        let body = serde_json::to_vec(event).map_err(|fault| Error::Internal(fault.to_string()))?;
        let body = self.keyring.authenticate(&place(&ledger), &event_sort(attempt, number), &body);
        Ok(OutboxEvent { ledger, body })
    }

    /// Reads an event on its way; none of what is not ours, or was changed or moved.
    pub(super) fn read_outbox(&self, row: &Row) -> Option<Event> {
        let (ledger, _) = row.key.partition.strip_prefix("outbox#")?.rsplit_once('#')?;
        let body = self.keyring.authentic(&place(ledger), &row.key.sort, &row.body).ok()?;
        serde_json::from_slice(body).ok()
    }
}

/// In which part of the outbox an event waits is the store's business.
fn place(ledger: &str) -> String {
    format!("outbox#{ledger}")
}

/// An event is named by the attempt that recorded it, and its number there.
pub(super) fn event_id(sort: &str) -> String {
    format!("evt_{}", sort.trim_start_matches("att_").replace('#', ""))
}
