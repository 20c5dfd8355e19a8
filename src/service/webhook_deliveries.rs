//! Delivering events: the ledger is what waits to be delivered, and each webhook knows how far it has come in it.
//!
//! A few records are sent at a time; then one commit moves the webhook on, and writes of each that failed when it is
//! tried again. Cut off before that commit, all of them are sent again, under the ids that they had: at least once, never
//! not at all. Any replica may deliver; a lease in the webhook's progress keeps two from doing the same work, and where it
//! does not, one of the two commits comes to nothing.
//!
//! Never here: a queue. What is kept in memory says when to look, and nothing else.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use crate::{
    courier::{Courier, Message, PATIENCE},
    crypto::digest::labelled,
    domain::{
        event::{Actor, Event, EventType, Outcome},
        ids::{AttemptId, WebhookId},
        instant::Instant,
        ledger::{Record as LedgerRecord, RecordHash},
        tenant::{Namespace, Tenant},
        webhook::Paused,
        webhook_delivery::{Delivery, DeliveryState, Lease, Progress, Tried},
    },
    entropy::Entropy,
    store::{Direction, Expected, Query, Transaction},
};

use super::{
    Broker, Error,
    events::Origin,
    history::{Place, Recorded},
    places::Places,
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
    webhooks::{Target, WebhookRow},
};

/// At most so many messages of one webhook are on their way at a time.
const WINDOW: usize = 4;

/// At most so many webhooks are at work in a process, and so many of one namespace.
const MOST_AT_WORK: usize = 32;
const MOST_OF_ONE: usize = 8;

/// How many records are read at a time, and how often before what was passed over is noted.
const RECORDS: usize = 100;
const MOST_READS: usize = 20;

/// After how many records that are none of its business it is noted that a webhook has passed them over.
const FAR: u64 = 1_000;

/// How many retries are looked at at a time.
const RETRIES: usize = 32;

/// For how long a replica may deliver before it has to say so again: longer than receivers have.
const LEASE: Duration = Duration::from_secs(3 * PATIENCE.as_secs());

/// How soon it is looked again where another replica delivers.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How soon it is tried again where something of ours did not answer.
const AFTER_A_FAULT: Duration = Duration::from_secs(5);

/// At most so many namespaces are looked at for what others have left behind at a time.
const PATROL: usize = 5;

/// How an event is told to receivers: as the audit trail tells it.
pub type Telling = fn(Recorded) -> serde_json::Result<Box<RawValue>>;

/// What this process knows of webhooks, and who carries their messages.
pub struct Webhooks {
    pub(super) courier: Arc<Courier>,
    telling: Telling,
    /// By which name this process leases.
    holder: u64,
    pub(super) places: Places<Namespace>,
    due: Mutex<HashMap<Namespace, Instant>>,
    /// Webhooks at which somebody of this process works; and whether there is more to look at than they may have seen.
    at_work: Mutex<HashMap<WebhookId, bool>>,
    /// Up to where there is nothing for a webhook after the record at which it stands.
    passed_over: Mutex<HashMap<WebhookId, (u64, u64)>>,
    waiting: Mutex<HashMap<WebhookId, (u64, Option<Instant>)>>,
    delivered: AtomicU64,
    failed: AtomicU64,
    dead: AtomicU64,
}

/// What the operator is told of webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookFigures {
    /// Messages that receivers took.
    pub delivered: u64,
    /// Tries that came to nothing.
    pub failed: u64,
    /// Deliveries that were left after their last try.
    pub dead: u64,
    /// How many wait to be tried again, of the webhooks at which this process has worked.
    pub waiting: u64,
    /// For how long some have waited without a break, in seconds.
    pub waiting_seconds: u64,
}

/// That a delivery is to be tried again.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Retry {
    seq: u64,
    due: Instant,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere while holding it leaves a table that is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Webhooks {
    /// None that is due.
    pub fn new(courier: Courier, telling: Telling, entropy: &dyn Entropy) -> Self {
        Self {
            courier: Arc::new(courier),
            telling,
            holder: u64::from_be_bytes(entropy.bytes()),
            places: Places::new(MOST_AT_WORK, MOST_OF_ONE),
            due: Mutex::default(),
            at_work: Mutex::default(),
            passed_over: Mutex::default(),
            waiting: Mutex::default(),
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            dead: AtomicU64::new(0),
        }
    }

    /// The webhooks of this namespace are looked at then, or before.
    pub(super) fn wake(&self, namespace: Namespace, at: Instant) {
        let mut due = locked(&self.due);
        let due = due.entry(namespace).or_insert(at);
        *due = at.min(*due);
    }

    fn take_due(&self, now: Instant) -> Vec<Namespace> {
        locked(&self.due).extract_if(|_, at| *at <= now).map(|(namespace, _)| namespace).collect()
    }

    /// Whether nobody of this process works at a webhook; from now on somebody does. Who does looks once more.
    fn begin(&self, id: WebhookId) -> bool {
        let mut at_work = locked(&self.at_work);
        match at_work.get_mut(&id) {
            Some(more) => {
                *more = true;
                false
            }
            None => at_work.insert(id, false).is_none(),
        }
    }

    /// Whether there is nothing more to look at; then nobody works at it any more.
    fn end(&self, id: WebhookId) -> bool {
        let mut at_work = locked(&self.at_work);
        match at_work.get_mut(&id) {
            Some(more) if *more => {
                *more = false;
                false
            }
            _ => {
                at_work.remove(&id);
                true
            }
        }
    }

    fn count(&self, id: WebhookId, progress: &Progress, tried: &[Tried], dead: u64) {
        let delivered = tried.iter().filter(|tried| tried.is_ok()).count() as u64;
        self.delivered.fetch_add(delivered, Ordering::Relaxed);
        self.failed.fetch_add(tried.len() as u64 - delivered, Ordering::Relaxed);
        self.dead.fetch_add(dead, Ordering::Relaxed);
        self.saw(id, progress);
    }

    fn saw(&self, id: WebhookId, progress: &Progress) {
        locked(&self.waiting).insert(id, (progress.waiting, progress.waiting_since));
    }

    fn forget(&self, id: WebhookId) {
        locked(&self.waiting).remove(&id);
        locked(&self.passed_over).remove(&id);
    }

    fn figures(&self, now: Instant) -> WebhookFigures {
        let waiting = locked(&self.waiting);
        let since = waiting.values().filter_map(|(_, since)| *since).min();
        WebhookFigures {
            delivered: self.delivered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            dead: self.dead.load(Ordering::Relaxed),
            waiting: waiting.values().map(|(waiting, _)| waiting).sum(),
            waiting_seconds: since.map_or(0, |since| now.since(since).as_secs()),
        }
    }
}

/// A record on its way to a receiver.
struct Letter {
    record: LedgerRecord,
    hash: RecordHash,
}

/// What there is to do now.
#[derive(Default)]
struct Work {
    letters: Vec<Letter>,
    /// Up to where the ledger is done with, once these are sent.
    seq: u64,
    /// Up to where retries are, and when the last was due.
    retries_up_to: Option<(String, Instant)>,
    /// Whether that is all there is.
    is_all: bool,
    /// When the next retry is due.
    next: Option<Instant>,
}

impl Broker {
    /// What became of deliveries, as far as this process has to do with them.
    pub fn webhook_figures(&self) -> WebhookFigures {
        self.webhooks.figures(self.now())
    }

    /// Begins to deliver what is due, each webhook by itself.
    pub async fn begin_deliveries(&self, tasks: &mut JoinSet<()>) {
        for namespace in self.webhooks.take_due(self.now()) {
            match self.webhooks_of(namespace).await {
                Ok(seen) => {
                    for id in seen.into_iter().filter(|seen| seen.webhook.paused.is_none()).map(|seen| seen.webhook.id)
                    {
                        let broker = self.clone();
                        tasks.spawn(async move { broker.work_at(namespace, id).await });
                    }
                }
                Err(fault) => self.look_again(namespace, &fault),
            }
        }
    }

    /// Delivers all that there is to deliver now of a namespace, and waits for it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn deliver(&self, namespace: Namespace) -> Result<(), Error> {
        self.chain(namespace).await?;
        let seen = self.webhooks_of(namespace).await?;
        join_all(seen.iter().map(|seen| self.work_at(namespace, seen.webhook.id))).await;
        Ok(())
    }

    /// Looks at the namespaces after this one for what other processes have left behind. Tells which was the last; none after
    /// the last of all.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn patrol_webhooks(&self, after: Option<String>) -> Result<Option<String>, Error> {
        let (partition, begins_with, direction) = (rows::webhook_namespaces(), String::new(), Direction::Ascending);
        let found = self.store.query(&Query { partition, begins_with, after, limit: PATROL, direction }).await?;
        let now = self.now();
        for namespace in found.iter().filter_map(|row| self.readable::<Namespace>(row)) {
            self.webhooks.wake(namespace, now);
        }
        Ok(found.last().filter(|_| found.len() == PATROL).map(|row| row.key.sort.clone()))
    }

    fn look_again(&self, namespace: Namespace, fault: &Error) {
        tracing::warn!(%fault, tenant = %namespace.tenant, "events could not be delivered yet");
        self.webhooks.wake(namespace, self.now().plus(AFTER_A_FAULT));
    }

    async fn work_at(&self, namespace: Namespace, id: WebhookId) {
        if !self.webhooks.begin(id) {
            return;
        }
        loop {
            match self.deliver_to(namespace, id).await {
                Ok(next) => next.into_iter().for_each(|at| self.webhooks.wake(namespace, at)),
                Err(Error::NotFound) => self.webhooks.forget(id),
                Err(fault) => self.look_again(namespace, &fault),
            }
            if self.webhooks.end(id) {
                return;
            }
        }
    }

    /// Delivers until there is nothing to do now. Tells when there is something again, as far as that is known.
    async fn deliver_to(&self, namespace: Namespace, id: WebhookId) -> Result<Option<Instant>, Error> {
        let mut outrun_by = 0;
        while outrun_by < ROUNDS {
            let (webhook, mut progress) = self.own_webhook(namespace, id).await?;
            self.webhooks.saw(id, &progress.value);
            let now = self.now();
            let Some(target) = webhook.value.target.clone().filter(|_| webhook.value.paused.is_none()) else {
                return Ok(None);
            };
            if let Some(until) = progress.value.rests(now) {
                return Ok(Some(until));
            }
            let others = progress.value.lease.filter(|lease| lease.holder != self.webhooks.holder && now < lease.until);
            if let Some(lease) = others {
                return Ok(Some(lease.until.min(now.plus(LOOK_AGAIN))));
            }
            let work = self.work_of(namespace, &webhook.value, &progress.value, now).await?;
            if work.letters.is_empty() && work.is_all {
                self.passed_over(id, progress.value.seq, work.seq);
                let is_far = work.seq >= progress.value.seq + FAR;
                if progress.value.lease.is_some() || is_far || work.retries_up_to.is_some() {
                    progress.value.lease = None;
                    work.take(&mut progress.value);
                    self.note(id, &progress).await?;
                }
                return Ok(work.next);
            }
            if work.letters.is_empty() {
                work.take(&mut progress.value);
                outrun_by += usize::from(!self.note(id, &progress).await?);
                continue;
            }
            if self.is_suspended(namespace).await? {
                return Ok(None);
            }
            let _place = self.webhooks.places.take(namespace).await?;
            if !self.holds(progress.value.lease) {
                progress.value.lease = Some(self.lease());
                if !self.note(id, &progress).await? {
                    outrun_by += 1;
                    continue;
                }
                progress.version = progress.version.next();
            }
            let tried = self.send_all(namespace, &target, id, &work.letters).await?;
            let done = self.settle_deliveries(namespace, webhook, progress, work, tried).await?;
            outrun_by += usize::from(!done);
        }
        Err(outrun())
    }

    fn lease(&self) -> Lease {
        Lease { holder: self.webhooks.holder, until: self.now().plus(LEASE) }
    }

    /// Whether this process may deliver for as long as receivers have.
    fn holds(&self, lease: Option<Lease>) -> bool {
        let until = self.now().plus(2 * PATIENCE);
        lease.is_some_and(|lease| lease.holder == self.webhooks.holder && until <= lease.until)
    }

    async fn is_suspended(&self, namespace: Namespace) -> Result<bool, Error> {
        let [row] = self.store.get([rows::tenant(namespace.tenant)]).await?;
        Ok(self.decode_if::<Tenant>(row.as_ref())?.is_none_or(|tenant| tenant.value.suspended))
    }

    /// Keeps in mind that there is nothing for a webhook up to here.
    fn passed_over(&self, id: WebhookId, from: u64, to: u64) {
        locked(&self.webhooks.passed_over).insert(id, (from, to));
    }

    /// Writes how far a webhook has come. Tells whether nobody was faster.
    async fn note(&self, id: WebhookId, progress: &Record<Progress>) -> Result<bool, Error> {
        let transaction = self.noting_progress(id, progress)?;
        Ok(matches!(committed(self.store.commit(transaction).await)?, Committed::Done))
    }

    /// A transaction that writes how far a webhook has come: nothing that a ledger would have to tell.
    pub(super) fn noting_progress(&self, id: WebhookId, progress: &Record<Progress>) -> Result<Transaction, Error> {
        let attempt = AttemptId::new(self.now(), self.entropy.bytes());
        Ok(Transaction::noting(attempt, self.put_progress(id, progress)?))
    }

    /// What there is to send now: what is due again, and what is new.
    async fn work_of(
        &self,
        namespace: Namespace,
        webhook: &WebhookRow,
        progress: &Progress,
        now: Instant,
    ) -> Result<Work, Error> {
        let id = webhook.id;
        // Whoever has taken nothing for a while is asked one thing at a time, and what is new first: the old may be what it cannot take.
        let is_probing = progress.failed_in_a_row >= WINDOW as u32;
        let mut work = Work::default();
        let (new, retries) = if is_probing {
            let new = self.add_new(namespace, webhook, progress, 1, &mut work).await?;
            (new, self.add_retries(namespace, id, progress, 1, now, &mut work).await?)
        } else {
            let retries = self.add_retries(namespace, id, progress, WINDOW / 2, now, &mut work).await?;
            (self.add_new(namespace, webhook, progress, WINDOW, &mut work).await?, retries)
        };
        work.is_all = new && retries;
        Ok(work)
    }

    /// What is new, until so many are together. Tells whether that is all.
    async fn add_new(
        &self,
        namespace: Namespace,
        webhook: &WebhookRow,
        progress: &Progress,
        room: usize,
        work: &mut Work,
    ) -> Result<bool, Error> {
        let passed_over = locked(&self.webhooks.passed_over).get(&webhook.id).copied();
        let known = passed_over.filter(|(from, _)| *from == progress.seq).map(|(_, to)| to);
        work.seq = known.unwrap_or(progress.seq);
        for _ in 0..MOST_READS {
            let onward = self.records_after(namespace, work.seq, RECORDS).await?;
            let count = onward.records.len();
            for (record, hash) in onward.records {
                // One that is due again may be new as well, where somebody has set the webhook back.
                let is_there = work.letters.iter().any(|letter| letter.record.seq == record.seq);
                if is_there || !takes(webhook, &record.event) {
                    work.seq = record.seq;
                    continue;
                }
                if work.letters.len() == room {
                    return Ok(false);
                }
                work.seq = record.seq;
                work.letters.push(Letter { record, hash });
            }
            work.seq = work.seq.max(onward.reached);
            if count < RECORDS {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is due again, until so many are together. Tells whether that is all.
    async fn add_retries(
        &self,
        namespace: Namespace,
        id: WebhookId,
        progress: &Progress,
        room: usize,
        now: Instant,
        work: &mut Work,
    ) -> Result<bool, Error> {
        let query = Query {
            partition: rows::webhook_retries(id),
            begins_with: String::new(),
            after: Some(progress.retries_up_to.clone()).filter(|position| !position.is_empty()),
            limit: RETRIES,
            direction: Direction::Ascending,
        };
        let found = self.store.query(&query).await?;
        let retries: Vec<_> = found.iter().map(|row| (row.key.sort.clone(), self.readable::<Retry>(row))).collect();
        let is_due = |(_, retry): &&(String, Option<Retry>)| retry.is_none_or(|retry| retry.due <= now);
        let due: Vec<_> = retries.iter().take_while(is_due).collect();
        work.next = retries.get(due.len()).and_then(|(_, retry)| *retry).map(|retry| retry.due);
        let keys: Vec<_> =
            due.iter().filter_map(|(_, retry)| *retry).map(|retry| rows::webhook_delivery(id, retry.seq)).collect();
        let rows = self.store.get_all(&keys).await?;
        let deliveries: HashMap<u64, Delivery> =
            rows.iter().flatten().filter_map(|row| self.readable::<Delivery>(row)).map(|one| (one.seq, one)).collect();
        let new: HashSet<u64> = work.letters.iter().map(|letter| letter.record.seq).collect();
        for (position, retry) in due.iter().map(|(position, retry)| (position, *retry)) {
            let still = |retry: &Retry| {
                deliveries
                    .get(&retry.seq)
                    .is_some_and(|delivery| delivery.state == DeliveryState::Waiting { next_at: retry.due })
            };
            let live = retry.filter(still).filter(|retry| !new.contains(&retry.seq));
            if live.is_some() && work.letters.len() == room {
                return Ok(false);
            }
            work.retries_up_to = Some((position.clone(), retry.map_or(progress.retries_due, |retry| retry.due)));
            let Some(retry) = live else { continue };
            let onward = self.records_after(namespace, retry.seq - 1, 1).await?;
            match onward.records.into_iter().find(|(record, _)| record.seq == retry.seq) {
                Some((record, hash)) => work.letters.push(Letter { record, hash }),
                None => {
                    tracing::error!(seq = retry.seq, webhook = %id, "a record that is to be delivered cannot be read")
                }
            }
        }
        Ok(due.len() < RETRIES)
    }

    async fn send_all(
        &self,
        namespace: Namespace,
        target: &Target,
        id: WebhookId,
        letters: &[Letter],
    ) -> Result<Vec<Tried>, Error> {
        let messages: Result<Vec<_>, Error> =
            letters.iter().map(|letter| self.message(namespace, target, id, &letter.record, &letter.hash)).collect();
        Ok(join_all(messages?.into_iter().map(|message| Arc::clone(&self.webhooks.courier).send(message))).await)
    }

    /// A record as a message to this receiver, signed now.
    pub(super) fn message(
        &self,
        namespace: Namespace,
        target: &Target,
        id: WebhookId,
        record: &LedgerRecord,
        hash: &RecordHash,
    ) -> Result<Message, Error> {
        let LedgerRecord { event, id: event_id, prev_hash, seq } = record.clone();
        let (kind, at) = (event.kind, event.at);
        debug_assert_eq!(event.namespace, namespace);
        let place = Place { seq, hash: hash.clone(), previous: prev_hash };
        // By ids alone: names, and from where somebody asked, stay here.
        let told = Recorded { id: event_id.clone(), event, by: None, place: Some(place), client: None };
        let data = (self.webhooks.telling)(told).map_err(|fault| Error::Internal(fault.to_string()))?;
        let kind = serde_json::to_value(kind).map_err(|fault| Error::Internal(fault.to_string()))?;
        let payload = Payload { kind: kind.as_str().unwrap_or_default(), timestamp: at, data: &data };
        self.signed(target, &message_id(id, &event_id), &payload)
    }

    pub(super) fn signed(&self, target: &Target, id: &str, payload: &Payload<'_>) -> Result<Message, Error> {
        let body = serde_json::to_vec(payload).map_err(|fault| Error::Internal(fault.to_string()))?;
        let now = self.now();
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", now.as_unix_seconds().to_string()),
            ("webhook-signature", target.signatures(id, now, &body)),
        ];
        Ok(Message { url: target.url.clone(), headers, body })
    }

    /// One commit that says what became of all of these. Tells whether it happened.
    async fn settle_deliveries(
        &self,
        namespace: Namespace,
        mut webhook: Record<WebhookRow>,
        mut progress: Record<Progress>,
        work: Work,
        tried: Vec<Tried>,
    ) -> Result<bool, Error> {
        let (id, now) = (webhook.value.id, self.now());
        work.take(&mut progress.value);
        progress.value.lease = (!work.is_all).then(|| self.lease());
        let keys: Vec<_> = work.letters.iter().map(|letter| rows::webhook_delivery(id, letter.record.seq)).collect();
        let before = self.store.get_all(&keys).await?;
        let floor = progress.value.retries_due.plus(Duration::from_millis(1));
        let (mut writes, mut given_up, mut dead) = (Vec::new(), 0, 0);
        for (((letter, tried), key), before) in work.letters.iter().zip(&tried).zip(keys).zip(&before) {
            let before = self.decode_if::<Delivery>(before.as_ref())?;
            let after = match (tried, &before) {
                (Ok(_), None) => continue,
                (Ok(_), Some(before)) => before.value.clone().delivered(now),
                (Err(failure), before) => {
                    let fresh = || Delivery {
                        seq: letter.record.seq,
                        event: letter.record.id.clone(),
                        message: message_id(id, &letter.record.id),
                        kind: letter.record.event.kind,
                        attempts: 0,
                        first_at: now,
                        last_at: now,
                        failure: *failure,
                        state: DeliveryState::Delivered { at: now },
                    };
                    // What arrived or was left before is sent anew, from the beginning.
                    let goes_on = before.as_ref().map(|before| before.value.clone()).filter(Delivery::is_waiting);
                    let [jitter] = self.entropy.bytes();
                    goes_on.unwrap_or_else(fresh).failed(*failure, now, jitter, floor)
                }
            };
            let expected = before.as_ref().map_or(Expected::Absent, |before| Expected::Version(before.version));
            progress.value.count(before.as_ref().map(|before| &before.value), &after, now);
            writes.push(self.put(key, expected, &after, Some(after.kept_until()))?);
            match after.state {
                DeliveryState::Waiting { next_at } => {
                    let key = rows::webhook_retry(id, next_at, after.seq);
                    let retry = Retry { seq: after.seq, due: next_at };
                    writes.push(self.put(key, Expected::Absent, &retry, Some(after.kept_until()))?);
                }
                DeliveryState::Dead { .. } => {
                    dead += 1;
                    // What webhooks say of themselves goes on for one step, and no further.
                    given_up += u64::from(!is_of_webhooks(after.kind));
                }
                DeliveryState::Delivered { .. } => {}
            }
        }
        let [jitter] = self.entropy.bytes();
        let pause = progress.value.heard(&tried, now, jitter);
        let origin = Origin { namespace, asking: None, at: now };
        let event = |kind| Event { outcome: Outcome::Refused, ..origin.done(kind, Actor::System, id) };
        let left = (given_up > 0).then(|| Event { count: Some(given_up), ..event(EventType::WebhookDeliveryFailed) });
        let paused = pause.map(|_| event(EventType::WebhookPaused));
        let mut transaction = match (&left, &paused) {
            (Some(left), Some(paused)) => self.recording_both(left, paused)?.write(self.put_progress(id, &progress)?),
            (Some(event), None) | (None, Some(event)) => {
                self.recording(event)?.write(self.put_progress(id, &progress)?)
            }
            (None, None) => self.noting_progress(id, &progress)?,
        };
        if let Some(why) = pause {
            webhook.value.paused = Some(Paused { at: now, why });
            let (sealed, key) = (self.sealed(namespace.tenant).await?, rows::webhook(namespace, id));
            let expected = Expected::Version(webhook.version);
            transaction = transaction.write(sealed.put(key, expected, &webhook.value, None)?);
        }
        transaction = writes.into_iter().fold(transaction, Transaction::write);
        match committed(self.store.commit(transaction).await)? {
            Committed::Done => {
                self.webhooks.count(id, &progress.value, &tried, dead);
                if let Some(why) = pause {
                    tracing::warn!(webhook = %id, tenant = %namespace.tenant, why = why.as_str(), "a webhook was paused");
                }
                Ok(true)
            }
            Committed::ReadAgain => Ok(false),
        }
    }
}

impl Work {
    /// Up to where this goes is done with.
    fn take(&self, progress: &mut Progress) {
        progress.seq = progress.seq.max(self.seq);
        if let Some((position, due)) = &self.retries_up_to {
            progress.retries_up_to.clone_from(position);
            progress.retries_due = progress.retries_due.max(*due);
        }
    }
}

/// What is sent.
#[derive(Serialize)]
pub(super) struct Payload<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    pub(super) timestamp: Instant,
    pub(super) data: &'a RawValue,
}

/// The same for every try of this event by this webhook, and another for every other.
pub(super) fn message_id(webhook: WebhookId, event: &str) -> String {
    let digest = labelled("cloakroom/webhook/v1|message", &[webhook.as_bytes(), event.as_bytes()]);
    format!("msg_{}", base16ct::lower::encode_string(&digest[..16]))
}

/// Whether an event is one that webhooks cause by themselves.
fn is_of_webhooks(kind: EventType) -> bool {
    matches!(kind, EventType::WebhookPaused | EventType::WebhookDeliveryFailed)
}

/// Whether an event is sent by a webhook. Nobody is told by the way that does not work that it does not.
fn takes(webhook: &WebhookRow, event: &Event) -> bool {
    let is_about_itself = is_of_webhooks(event.kind) && event.resource == webhook.id.to_string();
    let is_wanted = webhook.types.as_ref().is_none_or(|types| types.iter().any(|pattern| pattern.takes(event.kind)));
    is_wanted && !is_about_itself
}
