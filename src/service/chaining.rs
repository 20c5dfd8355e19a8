//! Chaining: events leave the outbox and become records of their ledger, each exactly once.
//!
//! Any replica may chain any ledger at any time. A segment is put where none is, and its events are taken out of the
//! outbox, in one commit: of two who chain at a time one finds the place taken, and nothing of its own was done. What
//! became of a commit whose answer was lost is of no account: whoever reads again sees what there is, and goes on.
//!
//! Never here: a cursor. Commits that take long sort before what was seen already.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::try_join_all;

use crate::{
    crypto::{client_commitment::Opening, record_hash},
    domain::{
        audit_index::Block,
        event::{Actor, Event, EventType, Outcome},
        ids::{AttemptId, TenantId},
        instant::Instant,
        ledger::{Head, Record, Segment},
        tenant::{Mode, Namespace},
    },
    store::{
        CommitError, DEADLINE, Direction, MOST_TAKEN, Query, Row, RowKey, Transaction, event_sort, outbox_partitions,
    },
};

use super::{
    Broker, Error,
    client_details::ClientsByClass,
    events::{Origin, event_id},
    ledger_sweep::Watch,
    records::{ROUNDS, outrun},
    rows,
};

/// The most that the records of one segment take, in bytes; far below what a row may hold.
const LARGEST_SEGMENT: usize = 250_000;

/// How many portions of what cannot be judged here are passed over to find what can.
const MOST_PASSED_OVER: usize = 20;

/// How many events of a part of the outbox are read at a time.
const AT_ONCE: usize = 1_000;

/// How soon after an event its ledger is looked at. Then after twice as long each time: a commit may take as long as it
/// is sent again.
const FIRST_LOOK: Duration = Duration::from_millis(200);

/// After so long, nothing is to come any more.
const LAST_LOOK: Duration = Duration::from_secs(DEADLINE.as_secs() + 5);

/// Ledgers to which this process has written lately.
#[derive(Default)]
pub struct Ledgers {
    lately: Mutex<HashMap<Namespace, Look>>,
    /// Those in which blocks were completed that are to be indexed: from which size to which.
    completed: Mutex<HashMap<Namespace, (u64, u64)>>,
    /// Since when the oldest event waits that this process has found waiting.
    waiting: Mutex<HashMap<Namespace, Instant>>,
    pub(super) watch: Watch,
}

/// When a ledger is looked at.
#[derive(Clone, Copy)]
struct Look {
    written: Instant,
    next: Instant,
}

impl Ledgers {
    fn lately(&self) -> MutexGuard<'_, HashMap<Namespace, Look>> {
        // A panic elsewhere while holding it leaves a map that is whole.
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn completed(&self) -> MutexGuard<'_, HashMap<Namespace, (u64, u64)>> {
        // As above.
        self.completed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest event of a ledger that waits happened then; or none waits.
    fn waits(&self, namespace: Namespace, since: Option<Instant>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match since {
            Some(since) => drop(waiting.insert(namespace, since)),
            None => drop(waiting.remove(&namespace)),
        }
    }

    /// For how long events have waited to be chained, where there are some.
    pub(super) fn longest_wait(&self, now: Instant) -> Duration {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.values().map(|since| now.since(*since)).max().unwrap_or_default()
    }

    /// A ledger has grown from one size to another.
    fn grown(&self, namespace: Namespace, from: u64, to: u64) {
        if Block::completed(from, to).next().is_some() {
            self.completed().entry(namespace).or_insert((from, to)).1 = to;
        }
    }

    /// Those that are to be indexed, which then are no longer.
    pub(super) fn take_completed(&self) -> Vec<(Namespace, (u64, u64))> {
        self.completed().drain().collect()
    }

    pub(super) fn written(&self, namespace: Namespace, now: Instant) {
        self.watch.written(namespace, now);
        let next = now.plus(FIRST_LOOK);
        let mut lately = self.lately();
        let look = lately.entry(namespace).or_insert(Look { written: now, next });
        *look = Look { written: now, next: look.next.min(next) };
    }

    /// Those whose turn it is.
    fn to_look_at(&self, now: Instant) -> Vec<Namespace> {
        let mut lately = self.lately();
        lately.retain(|_, look| look.next < look.written.plus(LAST_LOOK));
        let due = lately.iter_mut().filter(|(_, look)| look.next <= now);
        due.map(|(namespace, look)| {
            look.next = now.plus(now.since(look.written).max(FIRST_LOOK));
            *namespace
        })
        .collect()
    }
}

/// A row of the outbox and what becomes of it.
struct Waiting {
    row: Row,
    event: Event,
    seen: Option<Opening>,
}

/// What is written in one go, and which events that takes.
struct Portion {
    segment: Segment,
    clients: ClientsByClass,
    taken: Vec<RowKey>,
}

impl Broker {
    /// Chains what this process has written lately. Tells how many events were chained.
    ///
    /// # Errors
    /// The first fault; the other ledgers are looked at all the same.
    pub async fn chain_lately(&self) -> Result<usize, Error> {
        let mut outcome = Ok(0);
        for namespace in self.ledgers.to_look_at(self.now()) {
            match (self.chain(namespace).await, &mut outcome) {
                (Ok(chained), Ok(all)) => *all += chained,
                (Err(fault), Ok(_)) => outcome = Err(fault),
                (_, Err(_)) => {}
            }
        }
        self.index_lately().await;
        outcome
    }

    /// Chains what other processes have left behind, of all tenants. For a store that only this process has.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn chain_everything(&self) -> Result<(), Error> {
        let mut after = None;
        loop {
            after = self.chain_next(after).await?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Chains what other processes have left behind, of the tenant after this one. Where there is none, none; then it is
    /// the first one's turn again.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn chain_next(&self, after: Option<TenantId>) -> Result<Option<TenantId>, Error> {
        let Some(tenant) = self.next_tenant(after).await? else { return Ok(None) };
        for mode in [Mode::Live, Mode::Test] {
            self.chain(Namespace { tenant, mode }).await?;
        }
        Ok(Some(tenant))
    }

    /// The tenant after this one.
    pub(super) async fn next_tenant(&self, after: Option<TenantId>) -> Result<Option<TenantId>, Error> {
        let (partition, begins_with, direction) = (rows::tenants(), String::new(), Direction::Ascending);
        let after = after.map(|tenant| tenant.to_string());
        let found = self.store.query(&Query { partition, begins_with, after, limit: 1, direction }).await?;
        Ok(found.first().and_then(|row| row.key.sort.parse().ok()))
    }

    /// What was done before somebody asks for a ledger is to be in it. Where that cannot be, the rest is there to be read.
    pub(super) async fn chain_what_waits(&self, namespace: Namespace) {
        if let Err(fault) = self.chain(namespace).await {
            tracing::warn!(%fault, "events wait longer than they should to be chained");
        }
    }

    /// Chains everything of a namespace that waits. Tells how many events were chained from here.
    ///
    /// # Errors
    /// When the store does not answer, or others were always faster.
    pub async fn chain(&self, namespace: Namespace) -> Result<usize, Error> {
        let (mut chained, mut outrun_by) = (0, 0);
        while outrun_by < ROUNDS {
            let mut waiting = self.waiting(namespace).await?;
            self.ledgers.waits(namespace, waiting.front().map(|oldest| oldest.event.at));
            if waiting.is_empty() || self.is_removed(namespace.tenant).await? {
                return Ok(chained);
            }
            let mut head = self.ledger_head(namespace).await?;
            // Segment after segment of what was read once: where events were taken out lately, looking for more passes over all of them.
            while !waiting.is_empty() {
                let Portion { segment, clients, taken } = next_portion(&head, &mut waiting)?;
                let before = std::mem::replace(&mut head, segment.end()).size;
                let count = taken.len();
                let write = self.put_segment(rows::segment(namespace, segment.first), &segment);
                let attempt = AttemptId::new(self.now(), self.entropy.bytes());
                let transaction = Transaction::chaining(attempt, write, taken);
                let beside = self.keeping_clients(namespace, segment.first, clients).await?;
                let transaction = beside.into_iter().fold(transaction, Transaction::write);
                match self.store.commit(transaction).await {
                    Ok(()) => {
                        chained += count;
                        self.ledgers.grown(namespace, before, head.size);
                        self.webhooks.wake(namespace, self.now());
                    }
                    Err(CommitError::Stale(_)) => {
                        outrun_by += 1;
                        break;
                    }
                    Err(CommitError::Unavailable(fault)) => return Err(fault.into()),
                }
            }
        }
        Err(outrun())
    }

    /// The segment that says of these events, and of them alone, that they happened next.
    pub(super) fn next_segment(&self, head: &Head, attempt: AttemptId, events: Vec<Event>) -> Result<Segment, Error> {
        let (mut end, mut records) = (head.clone(), Vec::new());
        for (number, event) in events.into_iter().enumerate() {
            let text;
            (text, end) = follow_on(&end, event, event_id(&event_sort(attempt, number)))?;
            records.push(text);
        }
        Ok(Segment { first: head.size + 1, records, head: end.hash })
    }

    /// Where a ledger goes on.
    ///
    /// # Errors
    /// When the store does not answer, or its last segment is not one of ours: nothing is put behind that.
    pub(super) async fn ledger_head(&self, namespace: Namespace) -> Result<Head, Error> {
        let (partition, begins_with) = (rows::segments(namespace), String::new());
        let query = Query { partition, begins_with, after: None, limit: 1, direction: Direction::Descending };
        let last = self.store.query(&query).await?;
        let last = last.first().map(|row| self.segment(row)).transpose()?;
        Ok(last.map_or_else(|| self.beginning(namespace), |segment| segment.end()))
    }

    /// The oldest events that wait, merged from all parts of the outbox: attempts are named by the time of their making.
    async fn waiting(&self, namespace: Namespace) -> Result<VecDeque<Waiting>, Error> {
        let ledger = rows::ledger(namespace);
        let queries = outbox_partitions(&ledger).map(|partition| self.waiting_in(partition));
        let parts = try_join_all(queries).await?;
        // Where a part has more than was read of it, what follows waits for the next time, as do later ones of the others.
        let last_of = |part: &Vec<Row>| part.last().map(|row| row.key.sort.clone());
        let until = parts.iter().filter(|part| part.len() >= AT_ONCE).filter_map(last_of).min();
        let mut found: Vec<_> = parts.into_iter().flatten().collect();
        found.retain(|row| until.as_ref().is_none_or(|until| row.key.sort <= *until));
        found.sort_unstable_by(|a, b| a.key.sort.cmp(&b.key.sort));
        Ok(found.into_iter().map(|row| self.waiting_event(namespace, row)).collect())
    }

    /// The oldest rows of one part of an outbox that can be judged here. Another replica may have a root key that this
    /// one has not been given yet; its events wait for who has it.
    async fn waiting_in(&self, partition: String) -> Result<Vec<Row>, Error> {
        let (mut rows, mut after, mut left) = (Vec::new(), None, 0);
        for _ in 0..MOST_PASSED_OVER {
            let (partition, begins_with, direction) = (partition.clone(), String::new(), Direction::Ascending);
            let query = Query { partition, begins_with, after, limit: AT_ONCE, direction };
            let found = self.store.query(&query).await?;
            after = found.last().map(|row| row.key.sort.clone());
            let (count, before) = (found.len(), rows.len());
            rows.extend(found.into_iter().filter(|row| self.keyring.has_key_of_row(&row.body)));
            left += count - (rows.len() - before);
            if rows.len() >= AT_ONCE || count < AT_ONCE {
                break;
            }
        }
        if left > 0 {
            tracing::error!(left, partition, "events wait for a replica that has the root key they were written under");
        }
        Ok(rows)
    }

    /// An event that is not ours, or was changed while it waited, is not told; that there was one, is.
    fn waiting_event(&self, namespace: Namespace, row: Row) -> Waiting {
        let read = self.read_outbox(&row).filter(|(event, _)| event.namespace == namespace);
        let (event, seen) = read.unwrap_or_else(|| {
            tracing::error!(key = ?row.key, "an event in the outbox was not written by us, or was changed");
            let origin = Origin { namespace, asking: None, at: self.now() };
            let event = origin.done(EventType::LedgerEventRejected, Actor::System, event_id(&row.key.sort));
            (Event { outcome: Outcome::Refused, ..event }, None)
        });
        Waiting { row, event, seen }
    }
}

/// The record of an event that follows where a ledger ends, and where it ends then.
fn follow_on(end: &Head, event: Event, id: String) -> Result<(String, Head), Error> {
    let record = Record { event, id, prev_hash: end.hash.clone(), seq: end.size + 1 };
    let text = record.text().map_err(|fault| Error::Internal(format!("an event is no record: {fault}")))?;
    let end = Head { size: record.seq, hash: record_hash::of_record(&text) };
    Ok((text, end))
}

/// The next segment of what waits, which is taken off the front.
fn next_portion(head: &Head, waiting: &mut VecDeque<Waiting>) -> Result<Portion, Error> {
    let (mut end, mut records, mut taken, mut bytes) = (head.clone(), Vec::new(), Vec::new(), 0);
    let mut clients = ClientsByClass::default();
    while taken.len() < MOST_TAKEN
        && let Some(Waiting { row, event, seen }) = waiting.pop_front()
    {
        let class = event.class();
        let text;
        (text, end) = follow_on(&end, event, event_id(&row.key.sort))?;
        bytes += text.len();
        records.push(text);
        taken.push(row.key);
        if let Some(opening) = seen {
            clients.entry(class).or_default().insert(end.size, opening);
        }
        if bytes >= LARGEST_SEGMENT {
            break;
        }
    }
    Ok(Portion { segment: Segment { first: head.size + 1, records, head: end.hash }, clients, taken })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_is_looked_at_soon_and_then_ever_less_until_nothing_is_to_come() {
        let namespace = Namespace { tenant: TenantId::from_bytes([1; 16]), mode: Mode::Live };
        let at = |millis| Instant::from_unix_millis(1_000_000 + millis);
        let ledgers = Ledgers::default();
        ledgers.written(namespace, at(0));
        let looks = |from: u64, until: u64| {
            (from..until).step_by(100).filter(|millis| !ledgers.to_look_at(at(*millis)).is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(looks(0, 60_000), [200, 400, 800, 1_600, 3_200, 6_400, 12_800]);
        assert!(ledgers.lately().is_empty());
        // Whoever writes all the time is looked at all the time.
        ledgers.written(namespace, at(100_000));
        assert_eq!(looks(100_000, 101_000), [100_200, 100_400, 100_800]);
        ledgers.written(namespace, at(101_000));
        assert_eq!(looks(101_000, 101_500), [101_200, 101_400]);
    }
}
