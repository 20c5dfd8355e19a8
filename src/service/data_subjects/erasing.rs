//! Carrying out the erasure of a person.
//!
//! First the account of a user, then the lists of recipients; then, since nothing new comes after that, what is told beside
//! the ledger of where they asked from. Each step is one commit, in which the erasure's own row counts it on the condition
//! that nobody else has: of two who work on it one stops. Cut off anywhere, it is begun again from the start, and finds what
//! is left: what somebody did is found by what named them, of which a mark stays behind. Last, a store of files of its own
//! rewrites them, and the row becomes the tombstone.

use std::{collections::HashSet, time::Duration};

use crate::{
    domain::{
        confirmation::Confirmation,
        erasure::{DataSubject, Erasure, Removed},
        event::{Actor, Event, EventClass, EventType},
        ids::{AttemptId, DataSubjectId, UserId},
        ledger::Record as LedgerRecord,
        narrowing::Field,
        principal::{KnownBy, Principal, PrincipalId},
        recipient::Address,
        tenant::Namespace,
    },
    service::{
        Broker, Error,
        client_details::ClientsRow,
        events::Origin,
        records::{ROUNDS, Record, outrun},
        removed_rows::Pages,
        rows,
        sealed_records::SealedRecords,
    },
    store::{CommitError, Expected, Row, RowKey, Transaction, Write},
};

use super::{
    goes_by, reached_from,
    theirs::Theirs,
    things::{Addressed, Kind, marked},
};

/// An erasure at which nobody has worked for so long is gone on with by whoever comes by.
const LEFT: Duration = Duration::from_secs(60);

/// What working on an erasure came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There is nothing to do any more.
    Done,
    /// Somebody else is at it.
    Later,
}

/// What came of a step.
enum Counted {
    /// It is done, and counted.
    Done,
    /// Nothing was done: a row has changed meanwhile.
    ReadAgain,
    /// Nothing was done: somebody else is at it.
    ByAnother,
}

/// An erasure under way. Each of its steps answers none where somebody else is at it.
struct Erasing<'a> {
    broker: &'a Broker,
    sealed: &'a SealedRecords<'a>,
    home: Namespace,
    record: Record<Erasure>,
    /// Which users they are, or were.
    users: HashSet<PrincipalId>,
}

impl Broker {
    /// Whether an erasure is under way and nobody is at it.
    pub(super) async fn is_left(&self, namespace: Namespace, id: DataSubjectId) -> Result<bool, Error> {
        let [row] = self.store.get([rows::erasure(namespace, id)]).await?;
        let sealed = self.sealed(namespace.tenant).await?;
        let found = row.as_ref().and_then(|row| sealed.readable::<Erasure>(row));
        Ok(found.is_some_and(|found| found.is_under_way() && found.touched_at.plus(LEFT) <= self.now()))
    }

    /// As [`Broker::go_on_with_erasure`]; a fault is told to the operator, and a round tries again.
    pub(super) async fn erase_in_background(&self, namespace: Namespace, id: DataSubjectId) {
        if let Err(fault) = self.go_on_with_erasure(namespace, id).await {
            tracing::warn!(%fault, %id, tenant = %namespace.tenant, "a person could not be erased yet");
        }
    }

    /// Goes on with an erasure to its end. Whoever else is at it stops.
    ///
    /// # Errors
    /// When the store does not answer, or there is no data key. What was erased is erased.
    pub async fn go_on_with_erasure(&self, namespace: Namespace, id: DataSubjectId) -> Result<Turn, Error> {
        let sealed = self.sealed(namespace.tenant).await?;
        let [row] = self.store.get([rows::erasure(namespace, id)]).await?;
        let Some(record) = sealed.decode_if::<Erasure>(row.as_ref())? else { return Ok(Turn::Done) };
        let Some(who) = record.value.who.clone() else { return Ok(Turn::Done) };
        let mut erasing = Erasing { broker: self, sealed: &sealed, home: namespace, record, users: HashSet::new() };
        let done = erasing.pass(&who).await?;
        Ok(done.map_or(Turn::Later, |()| Turn::Done))
    }
}

impl Erasing<'_> {
    async fn pass(&mut self, who: &DataSubject) -> Result<Option<()>, Error> {
        // What counts is found anew each time that it is begun; and from here on nobody else works on it.
        self.record.value.removed.unreadable = 0;
        match self.commit(None, Vec::new(), |_| {}).await? {
            Counted::Done => {}
            Counted::ReadAgain | Counted::ByAnother => return Ok(None),
        }
        for namespace in reached_from(self.home) {
            match who {
                DataSubject::User(id) => {
                    self.users.insert(PrincipalId::User(*id));
                    let Some(()) = self.user(namespace, *id).await? else { return Ok(None) };
                }
                DataSubject::Address(address) => {
                    let Some(()) = self.users_called(namespace, address).await? else { return Ok(None) };
                    for kind in Kind::BOTH {
                        let Some(()) = self.recipients(namespace, kind, address).await? else { return Ok(None) };
                    }
                }
            }
            let Some(()) = self.client_details(namespace, who).await? else { return Ok(None) };
        }
        self.broker.store.forget().await?;
        self.end().await
    }

    async fn users_called(&mut self, namespace: Namespace, address: &Address) -> Result<Option<()>, Error> {
        let mut pages = Pages::of(rows::users(namespace));
        while let Some(page) = pages.next(self.broker).await? {
            for row in &page {
                let Some(Record { value: user, .. }) = self.read::<Principal>(row)? else { continue };
                let is_erased = matches!(user.known_by, KnownBy::Erased { subject } if subject == self.record.value.id);
                if let PrincipalId::User(id) = user.id
                    && (is_erased || goes_by(&user, address))
                {
                    self.users.insert(user.id);
                    let Some(()) = self.user(namespace, id).await? else { return Ok(None) };
                }
            }
        }
        Ok(Some(()))
    }

    /// Erases a user, if there is one of this id that is not erased.
    async fn user(&mut self, namespace: Namespace, id: UserId) -> Result<Option<()>, Error> {
        let (principal, erasure) = (PrincipalId::User(id), &self.record.value);
        let (subject, keeps_minted, by_operator) = (erasure.id, erasure.keeps_minted, erasure.by_operator);
        for _ in 0..ROUNDS {
            let [row] = self.broker.store.get([rows::principal(namespace, principal)]).await?;
            let Some(row) = row else { return Ok(Some(())) };
            let Some(Record { value: user, version }) = self.read::<Principal>(&row)? else { return Ok(Some(())) };
            if user.operator && !by_operator {
                return Ok(Some(()));
            }
            let Some(erased) = user.erased(subject, keeps_minted, self.broker.now()) else { return Ok(Some(())) };
            let kind = if user.ended.is_none() { EventType::UserRemoved } else { EventType::UserChanged };
            let expected = Expected::Version(version);
            let event = Event {
                changed: vec![Field::Label, Field::Metadata],
                version: Some(expected.next().number()),
                ..self.event(namespace, kind, id)
            };
            let write = self.sealed.put(row.key, expected, &erased, None)?;
            match self.commit(Some(&event), vec![write], |removed| removed.users += 1).await? {
                Counted::Done => {
                    self.broker.known_principals.forget(namespace, principal);
                    return Ok(Some(()));
                }
                Counted::ReadAgain => {}
                Counted::ByAnother => return Ok(None),
            }
        }
        Err(outrun())
    }

    /// Takes an address off the lists of recipients. What is minted meanwhile stands at the end of its list, and is found.
    async fn recipients(&mut self, namespace: Namespace, kind: Kind, address: &Address) -> Result<Option<()>, Error> {
        let mut pages = Pages::of(kind.list(namespace));
        while let Some(page) = pages.next(self.broker).await? {
            let read = self.broker.things_of(kind, self.sealed, &page).await?;
            self.record.value.removed.unreadable += read.unreadable;
            for thing in read.things.into_iter().filter(|thing| thing.has(address)) {
                let Some(()) = self.recipient(thing, address).await? else { return Ok(None) };
            }
        }
        Ok(Some(()))
    }

    async fn recipient(&mut self, mut thing: Addressed, address: &Address) -> Result<Option<()>, Error> {
        for _ in 0..ROUNDS {
            let key = thing.recipient_key(self.broker);
            let others = thing.notes.recipients.as_ref().and_then(|list| list.without(address));
            let mark = marked(key.as_ref(), others.as_ref());
            let (before, now) = (&thing.state.value, self.broker.now());
            let Some(changed) = thing.minted().without(&thing.notes, before, address, mark, now) else {
                return Ok(Some(()));
            };
            let [is_changed, is_revoked] = thing.events();
            let kind = if changed.state.revoked_at == before.revoked_at { is_changed } else { is_revoked };
            let event = Event {
                changed: changed.fields.clone(),
                version: Some(thing.state.version.next().number()),
                ..self.event(thing.namespace(), kind, thing.id())
            };
            let mut writes = thing.writes(self.sealed, &changed)?.to_vec();
            if let Some(key) = &key {
                // Whoever is about to send them a code, or to use one, finds that this row has changed.
                let place = thing.confirmation(key, address);
                let [row] = self.broker.store.get([place.clone()]).await?;
                let expected = row.map_or(Expected::Absent, |row| Expected::Version(row.version));
                writes.push(self.broker.put(place, expected, &Confirmation::gone(), thing.kept_until())?);
            }
            let is_share = matches!(kind, EventType::ShareChanged | EventType::ShareRevoked);
            let count = |removed: &mut Removed| *(if is_share { &mut removed.shares } else { &mut removed.links }) += 1;
            match self.commit(Some(&event), writes, count).await? {
                Counted::Done => return Ok(Some(())),
                Counted::ReadAgain => {}
                Counted::ByAnother => return Ok(None),
            }
            match self.broker.thing_again(self.sealed, thing.thing()).await? {
                Some(now) => thing = now,
                None => return Ok(Some(())),
            }
        }
        Err(outrun())
    }

    /// Drops from where and with which program they asked. The records, and what they are committed to, stay.
    async fn client_details(&mut self, namespace: Namespace, who: &DataSubject) -> Result<Option<()>, Error> {
        // Those that wait have theirs with them.
        self.broker.chain(namespace).await?;
        let (broker, sealed, users) = (self.broker, self.sealed, self.users.clone());
        let address = match who {
            DataSubject::Address(address) => Some(address),
            DataSubject::User(_) => None,
        };
        let mut theirs = Theirs::new((broker, sealed), (&users, address), namespace);
        let mut pages = Pages::of(rows::client_rows(namespace));
        while let Some(page) = pages.next(broker).await? {
            for row in page {
                let Some(()) = self.clients_of_segment(&mut theirs, namespace, row).await? else { return Ok(None) };
            }
        }
        Ok(Some(()))
    }

    async fn clients_of_segment(
        &mut self,
        theirs: &mut Theirs<'_>,
        namespace: Namespace,
        row: Row,
    ) -> Result<Option<()>, Error> {
        let (first, class) = row.key.sort.split_once('#').unwrap_or((&row.key.sort, ""));
        let class = EventClass::named(class).unwrap_or(EventClass::Administration);
        let segment = RowKey::new(rows::segments(namespace), first);
        let [segment] = self.broker.store.get([segment]).await?;
        let Some(segment) = segment.as_ref().and_then(|segment| self.broker.readable_segment(segment)) else {
            self.record.value.removed.unreadable += 1;
            return Ok(Some(()));
        };
        let (mut mine, mut newest) = (HashSet::new(), None);
        for (seq, text) in (segment.first..).zip(&segment.records) {
            let Ok(LedgerRecord { event, .. }) = LedgerRecord::parse(text) else { continue };
            newest = newest.max(Some(event.at));
            if event.client.is_some() && theirs.is(&event).await? {
                mine.insert(seq);
            }
        }
        let until = newest.map(|newest| newest.plus(self.broker.settings.now().client_details.of(class)));
        let mut found = Some(row);
        for _ in 0..ROUNDS {
            let Some(row) = found else { return Ok(Some(())) };
            let Some(Record { value: ClientsRow { mut clients }, version }) = self.read(&row)? else {
                return Ok(Some(()));
            };
            let before = clients.len();
            clients.retain(|seq, _| !mine.contains(seq));
            let dropped = (before - clients.len()) as u64;
            if dropped == 0 {
                return Ok(Some(()));
            }
            let write = self.sealed.put(row.key.clone(), Expected::Version(version), &ClientsRow { clients }, until)?;
            match self.commit(None, vec![write], |removed| removed.client_details += dropped).await? {
                Counted::Done => return Ok(Some(())),
                // Somebody else is erased at the same time.
                Counted::ReadAgain => [found] = self.broker.store.get([row.key]).await?,
                Counted::ByAnother => return Ok(None),
            }
        }
        Err(outrun())
    }

    /// Puts the tombstone.
    async fn end(&mut self) -> Result<Option<()>, Error> {
        let origin = Origin { namespace: self.home, asking: None, at: self.broker.now() };
        let before = self.record.value.clone();
        self.broker.note_erased(self.home, before.id).await?;
        let event = origin.done(EventType::DataSubjectErased, Actor::System, before.id);
        self.record.value = before.ended(origin.at);
        let transaction = self.broker.recording(&event)?.write(self.write()?);
        let transaction = transaction.remove(RowKey::new(rows::erasing(), before.lead));
        match self.broker.store.commit(transaction).await {
            Ok(()) => {
                let Erasure { id, removed, .. } = &self.record.value;
                tracing::info!(%id, ?removed, tenant = %self.home.tenant, "a person was erased");
                Ok(Some(()))
            }
            Err(CommitError::Stale(_)) => Ok(None),
            Err(CommitError::Unavailable(fault)) => Err(fault.into()),
        }
    }

    /// What is told of one step, as the doing of whoever asked for all of it.
    fn event(&self, namespace: Namespace, kind: EventType, resource: impl ToString) -> Event {
        let origin = Origin { namespace, asking: None, at: self.broker.now() };
        origin.done(kind, self.record.value.by.clone(), resource)
    }

    fn read<T: crate::service::personal::Personal>(&mut self, row: &Row) -> Result<Option<Record<T>>, Error> {
        let read = self.broker.read_or_pass(self.sealed, row)?;
        self.record.value.removed.unreadable += u64::from(read.is_none());
        Ok(read)
    }

    fn write(&self) -> Result<Write, Error> {
        let Record { value, version } = &self.record;
        self.sealed.put(rows::erasure(self.home, value.id), Expected::Version(*version), value, None)
    }

    /// Commits a step and counts it, or does neither. Where no event tells of it, it only notes what is gone.
    async fn commit(
        &mut self,
        event: Option<&Event>,
        writes: Vec<Write>,
        count: impl Fn(&mut Removed),
    ) -> Result<Counted, Error> {
        let (broker, before) = (self.broker, self.record.value.clone());
        count(&mut self.record.value.removed);
        self.record.value.touched_at = broker.now();
        let own = self.write()?;
        let transaction = match event {
            Some(event) => broker.recording(event)?.write(own),
            None => Transaction::noting(AttemptId::new(broker.now(), broker.entropy.bytes()), own),
        };
        let transaction = writes.into_iter().fold(transaction, Transaction::write);
        let version = Expected::Version(self.record.version).next();
        match broker.store.commit(transaction).await {
            Ok(()) => {
                self.record.version = version;
                Ok(Counted::Done)
            }
            Err(CommitError::Unavailable(fault)) => Err(fault.into()),
            Err(CommitError::Stale(_)) => {
                let [row] = broker.store.get([rows::erasure(self.home, before.id)]).await?;
                let Some(found) = self.sealed.decode_if::<Erasure>(row.as_ref())? else {
                    return Ok(Counted::ByAnother);
                };
                if found.version == version && found.value == self.record.value && event.is_none() {
                    // It was this one's own, whose answer was lost.
                    self.record.version = version;
                    return Ok(Counted::Done);
                }
                let is_untouched = found.version == self.record.version;
                self.record.value = before;
                Ok(if is_untouched { Counted::ReadAgain } else { Counted::ByAnother })
            }
        }
    }
}
