//! Carrying out the deletion of a tenant: everything it has is removed, and a tombstone is left.
//!
//! First its ledgers are verified and where they end is signed. Then its rows are turned into a tombstone, so that there is no
//! such tenant any more, and its data key is destroyed, which makes all that is sealed unreadable. What is left after that is
//! removed in such an order that what leads to something goes after it. Every commit that removes counts that in
//! the tombstone, on the condition that nobody else has: of two replicas one stops.
//!
//! Cut off anywhere, it is begun again from the start, and finds what is left. Whoever was about to write meanwhile may have
//! left something: it is looked once more, when nobody can be any longer.

use std::{collections::HashSet, time::Duration};

use crate::{
    domain::{
        event::{Actor, EventType},
        ids::{AttemptId, TenantId},
        removal::{LedgerEnd, Next, Tombstone},
        tenant::{Mode, Namespace, Tenant},
    },
    store::{CommitError, Direction, Expected, MOST_TAKEN, Query, RowKey, Transaction},
};

use super::{
    Broker, Error,
    events::Origin,
    ledger_sweep::{Extent, Swept},
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
};

/// A removal at which nobody has worked for so long is gone on with by whoever comes by.
const LEFT: Duration = Duration::from_secs(60);

/// How many deletions are looked at in a round.
const MOST: usize = 1_000;

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There is nothing to do any more.
    Done,
    /// There is nothing to do yet, or somebody else is at it.
    Later,
}

impl Broker {
    /// Carries out, or goes on with, the deletions whose time it is.
    ///
    /// # Errors
    /// When the store does not answer. Deletions that cannot be gone on with now are passed over.
    pub async fn remove_due_tenants(&self) -> Result<(), Error> {
        let (partition, begins_with, direction) = (rows::deletions(), String::new(), Direction::Ascending);
        let found = self.store.query(&Query { partition, begins_with, after: None, limit: MOST, direction }).await?;
        for tenant in found.iter().filter_map(|row| row.key.sort.parse::<TenantId>().ok()) {
            self.remove_in_background(tenant).await;
        }
        Ok(())
    }

    /// As [`Broker::remove_tenant`]; a fault is told to the operator, and the next round tries again.
    pub(super) async fn remove_in_background(&self, tenant: TenantId) {
        if let Err(fault) = self.remove_tenant(tenant).await {
            tracing::warn!(%fault, %tenant, "a tenant could not be removed yet");
        }
    }

    /// Goes on with the deletion of a tenant as far as that can be now.
    ///
    /// # Errors
    /// When the store or the object storage do not answer. What was removed is removed.
    pub async fn remove_tenant(&self, id: TenantId) -> Result<Turn, Error> {
        let [tenant, tombstone] = self.store.get([rows::tenant(id), rows::tombstone(id)]).await?;
        let tombstone = match self.decode_if::<Tombstone>(tombstone.as_ref())? {
            Some(tombstone) => tombstone,
            None => {
                let Some(tenant) = self.decode_if::<Tenant>(tenant.as_ref())? else { return Ok(Turn::Done) };
                match self.begin_removal(tenant).await? {
                    Some(tombstone) => tombstone,
                    None => return Ok(Turn::Later),
                }
            }
        };
        let now = self.now();
        let is_left = tombstone.value.touched_at.plus(LEFT) <= now || tombstone.value.rows == 0;
        match tombstone.value.next(now) {
            Next::Nothing => Ok(Turn::Done),
            Next::Wait(_) => Ok(Turn::Later),
            Next::Remove | Next::LookAgain if !is_left => Ok(Turn::Later),
            Next::Remove => self.remove_everything(tombstone).await,
            Next::LookAgain => self.remove_what_was_late(tombstone).await,
        }
    }

    /// Whether there is no such tenant any more, or never was.
    pub(super) async fn is_removed(&self, tenant: TenantId) -> Result<bool, Error> {
        let [row] = self.store.get([rows::tenant(tenant)]).await?;
        Ok(row.is_none())
    }

    /// Puts the tombstone, if it is time: what restores a tenant finds from now on that it comes too late.
    async fn begin_removal(&self, tenant: Record<Tenant>) -> Result<Option<Record<Tombstone>>, Error> {
        let id = tenant.value.id;
        let Some(begun) = tenant.value.deletion_begun(self.now()) else { return Ok(None) };
        if begun != tenant.value {
            let write = self.put(rows::tenant(id), Expected::Version(tenant.version), &begun, None)?;
            if let Committed::ReadAgain = committed(self.store.commit(self.noting(write)).await)? {
                return Ok(None);
            }
        }
        let Some(deletion) = begun.deletion else { return Ok(None) };
        let ledgers = self.ends_of_ledgers(id).await?;
        self.note_removed(id).await?;
        let tombstone = Tombstone::of(id, &deletion, ledgers, self.now());
        let write = self.put(rows::tombstone(id), Expected::Absent, &tombstone, None)?;
        match committed(self.store.commit(self.noting(write)).await)? {
            Committed::Done | Committed::ReadAgain => {}
        }
        tracing::info!(tenant = %id, "a tenant is being removed");
        let [row] = self.store.get([rows::tombstone(id)]).await?;
        self.decode_if(row.as_ref())
    }

    /// Verifies the ledgers of a tenant a last time, and signs where they end. One that cannot be, for the want of a key, say,
    /// ends as it is.
    async fn ends_of_ledgers(&self, tenant: TenantId) -> Result<Vec<LedgerEnd>, Error> {
        let mut ends = Vec::new();
        for mode in [Mode::Live, Mode::Test] {
            let namespace = Namespace { tenant, mode };
            let (head, intact) = match self.sweep_ledger(namespace, Extent::Whole).await {
                Ok(Swept { head, broken, .. }) => (head, broken.is_none()),
                Err(fault @ (Error::Unavailable(_) | Error::Busy)) => return Err(fault),
                Err(fault) => {
                    tracing::error!(%fault, %tenant, "the ledger of a tenant that is removed could not be verified");
                    let Ok(head) = self.ledger_head(namespace).await else { continue };
                    (head, false)
                }
            };
            if head.size == 0 {
                continue;
            }
            let signed = match self.verifying_keys(namespace).await {
                Ok(keys) if intact => self.checkpoint_at(namespace, head.size, &keys).await?.ok(),
                _ => None,
            };
            let (checkpoint, verifier_key) = signed.map(|signed| (signed.note, signed.verifier_key)).unzip();
            ends.push(LedgerEnd { mode, size: head.size, hash: head.hash, intact, checkpoint, verifier_key });
        }
        Ok(ends)
    }

    async fn remove_everything(&self, tombstone: Record<Tombstone>) -> Result<Turn, Error> {
        let mut removal = Removal::new(self, tombstone);
        let Some(()) = removal.pass().await? else { return Ok(Turn::Later) };
        self.store.forget().await?;
        let tombstone = &mut removal.tombstone.value;
        let now = self.now();
        tombstone.deleted_at = Some(now);
        tombstone.touched_at = now;
        let origin = Origin { namespace: tombstone.home, asking: None, at: now };
        let event = origin.done(EventType::TenantDeleted, Actor::System, tombstone.tenant);
        let write = removal.write()?;
        if let Committed::Done = committed(self.store.commit(self.recording(&event)?.write(write)).await)? {
            let Tombstone { tenant, rows, objects, .. } = &removal.tombstone.value;
            tracing::info!(%tenant, rows, objects, "a tenant was removed");
        }
        Ok(Turn::Later)
    }

    async fn remove_what_was_late(&self, tombstone: Record<Tombstone>) -> Result<Turn, Error> {
        let before = (tombstone.value.rows, tombstone.value.objects);
        let mut removal = Removal::new(self, tombstone);
        let Some(()) = removal.pass().await? else { return Ok(Turn::Later) };
        if before != (removal.tombstone.value.rows, removal.tombstone.value.objects) {
            self.store.forget().await?;
        }
        removal.tombstone.value.closed_at = Some(self.now());
        let (write, lead) = (removal.write()?, rows::deletion(removal.tombstone.value.tenant));
        match committed(self.store.commit(self.noting(write).remove(lead)).await)? {
            Committed::Done => Ok(Turn::Done),
            Committed::ReadAgain => Ok(Turn::Later),
        }
    }

    fn noting(&self, write: crate::store::Write) -> Transaction {
        Transaction::noting(AttemptId::new(self.now(), self.entropy.bytes()), write)
    }
}

/// What came of counting what is removed.
enum Counted {
    /// It is removed and counted.
    Done,
    /// Nothing was done: a row has gone by itself.
    NotNow,
    /// Nothing was done: somebody else is at it.
    ByAnother,
}

/// A removal under way. Each of its steps answers none where somebody else is at it.
pub(super) struct Removal<'a> {
    pub(super) broker: &'a Broker,
    pub(super) tombstone: Record<Tombstone>,
    /// Rows that are to go with the next commit, in their order.
    pending: Vec<RowKey>,
    /// The same, to find them.
    among: HashSet<RowKey>,
}

impl<'a> Removal<'a> {
    fn new(broker: &'a Broker, tombstone: Record<Tombstone>) -> Self {
        Self { broker, tombstone, pending: Vec::new(), among: HashSet::new() }
    }

    pub(super) fn tenant(&self) -> TenantId {
        self.tombstone.value.tenant
    }

    /// Removes everything there is, once.
    async fn pass(&mut self) -> Result<Option<()>, Error> {
        let tenant = self.tenant();
        // From here on there is no such tenant.
        for key in [rows::tenant(tenant), rows::tenant_index(tenant), rows::data_key(tenant)] {
            let Some(()) = self.row(key).await? else { return Ok(None) };
        }
        let Some(()) = self.settle().await? else { return Ok(None) };
        self.broker.data_keys.forget(tenant);
        for mode in [Mode::Live, Mode::Test] {
            let namespace = Namespace { tenant, mode };
            let Some(()) = self.objects_before_rows(namespace).await? else { return Ok(None) };
            let Some(()) = self.rows_of(namespace).await? else { return Ok(None) };
        }
        let Some(()) = self.due_rows().await? else { return Ok(None) };
        let Some(()) = self.settle().await? else { return Ok(None) };
        // An object lock may hold them back: that keeps nothing else.
        for mode in [Mode::Live, Mode::Test] {
            let Some(()) = self.checkpoints(Namespace { tenant, mode }).await? else { return Ok(None) };
        }
        Ok(Some(()))
    }

    /// Removes a row, soon: before any that is named after it.
    pub(super) async fn row(&mut self, key: RowKey) -> Result<Option<()>, Error> {
        if self.among.insert(key.clone()) {
            self.pending.push(key);
        }
        if self.pending.len() < MOST_TAKEN { Ok(Some(())) } else { self.settle().await }
    }

    /// Counts objects that were removed.
    pub(super) async fn counted(&mut self, objects: u64) -> Result<Option<()>, Error> {
        self.tombstone.value.objects += objects;
        Ok(match self.commit(Vec::new()).await? {
            Counted::Done => Some(()),
            Counted::ByAnother | Counted::NotNow => None,
        })
    }

    /// Removes what is named so far.
    pub(super) async fn settle(&mut self) -> Result<Option<()>, Error> {
        let mut pending = std::mem::take(&mut self.pending);
        self.among.clear();
        for _ in 0..ROUNDS {
            // Rows go by themselves, too, when their time is over.
            let found = self.broker.store.get_all(&pending).await?;
            pending = found.into_iter().flatten().map(|row| row.key).collect();
            if pending.is_empty() {
                return Ok(Some(()));
            }
            match self.commit(pending.clone()).await? {
                Counted::Done => return Ok(Some(())),
                Counted::ByAnother => return Ok(None),
                Counted::NotNow => {}
            }
        }
        Err(outrun())
    }

    /// Removes these rows and counts them, or does neither.
    async fn commit(&mut self, keys: Vec<RowKey>) -> Result<Counted, Error> {
        let before = self.tombstone.value.clone();
        self.tombstone.value.rows += keys.len() as u64;
        self.tombstone.value.touched_at = self.broker.now();
        let transaction = keys.into_iter().fold(self.broker.noting(self.write()?), Transaction::remove);
        let version = Expected::Version(self.tombstone.version).next();
        match self.broker.store.commit(transaction).await {
            Ok(()) => {
                self.tombstone.version = version;
                Ok(Counted::Done)
            }
            Err(CommitError::Unavailable(fault)) => Err(fault.into()),
            Err(CommitError::Stale(_)) => {
                let [row] = self.broker.store.get([rows::tombstone(self.tenant())]).await?;
                let found = self.broker.decode_if::<Tombstone>(row.as_ref())?.ok_or(Error::NotFound)?;
                if found.version == version && found.value == self.tombstone.value {
                    // It was this one's own, whose answer was lost.
                    self.tombstone.version = version;
                    return Ok(Counted::Done);
                }
                let is_untouched = found.version == self.tombstone.version;
                self.tombstone.value = before;
                Ok(if is_untouched { Counted::NotNow } else { Counted::ByAnother })
            }
        }
    }

    fn write(&self) -> Result<crate::store::Write, Error> {
        let Record { value, version } = &self.tombstone;
        self.broker.put(rows::tombstone(value.tenant), Expected::Version(*version), value, None)
    }
}
