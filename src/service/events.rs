//! Events as they leave with a commit: to the outbox, and to the history of
//! what they are about.

use crate::{
    domain::{
        event::{Actor, Event, EventType, Outcome},
        ids::{AttemptId, RequestId},
        instant::Instant,
        tenant::Namespace,
    },
    store::{Expected, OutboxEvent, Transaction},
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
        let transaction = Transaction::recording(attempt, outbox(event)?);
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

/// The event on its way to its ledger.
pub(super) fn outbox(event: &Event) -> Result<OutboxEvent, Error> {
    let body = serde_json::to_vec(event).map_err(|fault| Error::Internal(fault.to_string()))?;
    Ok(OutboxEvent { ledger: rows::ledger(event.namespace), body })
}
