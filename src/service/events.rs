//! Events as they leave with a commit: to the outbox, and to the history of
//! what they are about.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{client_commitment::Opening, sealed::Purpose},
    domain::{
        client::Client,
        event::{Actor, Event, EventType, Outcome},
        ids::AttemptId,
        instant::Instant,
        tenant::Namespace,
    },
    store::{Expected, OutboxEvent, Row, Transaction, Write, event_sort},
};

use super::{Asking, Broker, Error, rows};

/// What every event of one request shares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) namespace: Namespace,
    /// Who asked; none for what the broker does itself.
    pub(super) asking: Option<Asking>,
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
            version: None,
            changed: Vec::new(),
            at: self.at,
            request: self.asking.map(|asking| asking.request),
            client: None,
            seen: self.asking.map(|asking| Client::new(asking.from, &asking.agent)),
        }
    }
}

impl Broker {
    /// A transaction that records this event.
    pub(super) fn recording(&self, event: &Event) -> Result<Transaction, Error> {
        let attempt = AttemptId::new(self.now(), self.entropy.bytes());
        let (event, opening) = &self.committed_to_client(event);
        let transaction = Transaction::recording(attempt, self.outbox(attempt, 0, event, opening.as_ref())?);
        let Some(subject) = event.subject() else { return Ok(transaction) };
        // Named as its outbox row is, so that both are told under one id.
        let Some(sort) = transaction.outbox().next().map(|(key, _)| key.sort) else { return Ok(transaction) };
        let key = rows::history_of(event.namespace, subject, sort);
        let purge = Some(event.at.plus(subject.kept()));
        Ok(transaction.write(self.put(key, Expected::Absent, event, purge)?))
    }

    /// A transaction that records this event of a change of what it was done to, with the write of that. Which version it has since is
    /// part of the record.
    pub(super) fn recording_change(&self, event: &Event, state: Write) -> Result<Transaction, Error> {
        let event = Event { version: Some(state.expected.next().number()), ..event.clone() };
        Ok(self.recording(&event)?.write(state))
    }

    /// The event with its commitment to who was seen to ask, and what opens that.
    fn committed_to_client(&self, event: &Event) -> (Event, Option<Opening>) {
        let keeps = !self.settings.now().client_details.of(event.class()).is_zero();
        let opening = event.seen.clone().filter(|_| keeps).map(|client| Opening::of(client, self.entropy.as_ref()));
        (Event { client: opening.as_ref().map(Opening::commitment), ..event.clone() }, opening)
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
        let (other, opening) = self.committed_to_client(other);
        let other = self.outbox(transaction.attempt(), 1, &other, opening.as_ref())?;
        Ok(transaction.and_event(other))
    }

    /// The event on its way to its ledger, vouched for in its place, with what its commitment to a client opens to.
    fn outbox(
        &self,
        attempt: AttemptId,
        number: usize,
        event: &Event,
        seen: Option<&Opening>,
    ) -> Result<OutboxEvent, Error> {
        self.ledgers.written(event.namespace, self.now());
        self.progress.written();
        let ledger = rows::ledger(event.namespace);
        let internal = |fault: serde_json::Error| Error::Internal(fault.to_string());
        let seen = match seen {
            Some(opening) => {
                let opening = serde_json::to_vec(opening).map_err(internal)?;
                Some(self.keyring.seal(Purpose::Client, &opening, self.entropy.as_ref())?)
            }
            None => None,
        };
        let body = serde_json::to_vec(&OnItsWay { event: Cow::Borrowed(event), seen }).map_err(internal)?;
        let body = self.keyring.authenticate(&place(&ledger), &event_sort(attempt, number), &body);
        Ok(OutboxEvent { ledger, body })
    }

    /// Reads an event on its way; none of what is not ours, or was changed or moved.
    pub(super) fn read_outbox(&self, row: &Row) -> Option<(Event, Option<Opening>)> {
        let (ledger, _) = row.key.partition.strip_prefix("outbox#")?.rsplit_once('#')?;
        let body = self.keyring.authentic(&place(ledger), &row.key.sort, &row.body).ok()?;
        let OnItsWay { event, seen } = serde_json::from_slice(body).ok()?;
        let seen = seen.and_then(|sealed| self.keyring.open(Purpose::Client, &sealed).ok());
        Some((event.into_owned(), seen.and_then(|opening| serde_json::from_slice(&opening).ok())))
    }
}

/// An event in the outbox.
#[derive(Serialize, Deserialize)]
struct OnItsWay<'a> {
    #[serde(flatten)]
    event: Cow<'a, Event>,
    /// Sealed: who was seen to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<String>,
}

/// In which part of the outbox an event waits is the store's business.
fn place(ledger: &str) -> String {
    format!("outbox#{ledger}")
}

/// An event is named by the attempt that recorded it, and its number there.
pub(super) fn event_id(sort: &str) -> String {
    format!("evt_{}", sort.trim_start_matches("att_").replace('#', ""))
}
