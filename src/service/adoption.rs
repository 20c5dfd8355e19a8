//! Adopting a store that is not the one that was served last: told to be the same, moved; or restored from a backup.
//!
//! In a restored store, what was used up, revoked or changed since the backup is as it was. So a new generation is drawn for every tenant, under
//! which nothing stands that was made before: no token, no session, no key, no user's access; what administrators look at and find to be
//! right, they reinstate. Each ledger tells that its store was restored, and how many records are known to be lost.
//!
//! Nobody serves the store meanwhile. Cut off anywhere, an adoption is gone on with where it was, since how far it has come is part of each
//! of its commits.

use crate::{
    domain::{
        event::{Actor, Event, EventType},
        ids::{AttemptId, TenantId},
        ledger::Head,
        removal::Deletion,
        standing::{Adoption, FORMAT, Standing, StoreRecord},
        tenant::{Generation, Mode, Namespace, Tenant},
    },
    objects::{ContentType, ObjectFolder, ObjectKey},
    store::{Expected, Transaction, Write},
};

use super::{
    Broker, Error,
    events::Origin,
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
    standing::Noted,
    tenants,
};

/// What a ledger has lost, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose.
    pub namespace: Namespace,
    /// How many records it has.
    pub has: u64,
    /// How many it had by the newest checkpoint that is kept outside.
    pub had: u64,
}

impl Gap {
    const fn lost(&self) -> u64 {
        self.had.saturating_sub(self.has)
    }
}

/// A ledger as it is in the restored store.
struct Restored {
    gap: Gap,
    /// Where it goes on; none where its last segment is not one of ours.
    end: Option<Head>,
}

fn written_by_a_newer_program() -> Error {
    Error::conflict(
        "store_newer",
        "a newer Cloakroom has written to it, in a form that this one does not know: use that one",
    )
}

impl Broker {
    /// Takes the store for the same as before, somewhere else: nobody has served another copy of it since.
    ///
    /// # Errors
    /// When it is certain that it is not: what is noted outside tells of more. When store or object storage do not answer.
    pub async fn adopt_moved(&self) -> Result<(), Error> {
        match self.store_standing().await? {
            Standing::Newer => Err(written_by_a_newer_program()),
            Standing::Behind => Err(Error::conflict(
                "store_behind",
                "it is older than what was served last: it was restored, not moved; adopt it as that",
            )),
            Standing::New | Standing::Same | Standing::Elsewhere => {
                let adoption = self.adoption().await?;
                if adoption.as_ref().is_some_and(|adoption| !adoption.value.is_done) {
                    return Err(Error::conflict(
                        "adoption_begun",
                        "its adoption as restored has begun; go on with that",
                    ));
                }
                self.settle_here(None).await
            }
        }
    }

    /// Takes the store for one that was restored from a backup. `tell` hears of each ledger that has lost records.
    ///
    /// # Errors
    /// When store or object storage do not answer: the same call goes on where this one was.
    pub async fn adopt_restored(&self, mut tell: impl FnMut(&Gap)) -> Result<Adoption, Error> {
        if self.store_standing().await? == Standing::Newer {
            return Err(written_by_a_newer_program());
        }
        let mut adoption = match self.adoption().await? {
            Some(begun) if !begun.value.is_done => begun,
            before => self.begin_adoption(before).await?,
        };
        while let Some(tenant) = self.next_tenant(adoption.value.reached).await? {
            adoption = self.adopt_tenant(tenant, adoption, &mut tell).await?;
        }
        let adopted = adoption.value.clone();
        self.settle_here(Some(adoption)).await?;
        Ok(adopted)
    }

    async fn adoption(&self) -> Result<Option<Record<Adoption>>, Error> {
        let [row] = self.store.get([rows::store_adoption(self.keyring.deployment())]).await?;
        self.decode_if(row.as_ref())
    }

    fn write_adoption(&self, expected: Expected, adoption: &Adoption) -> Result<Write, Error> {
        self.put(rows::store_adoption(self.keyring.deployment()), expected, adoption, None)
    }

    async fn begin_adoption(&self, before: Option<Record<Adoption>>) -> Result<Record<Adoption>, Error> {
        let expected = before.map_or(Expected::Absent, |before| Expected::Version(before.version));
        let adoption = Adoption::begin(self.now());
        let write = self.write_adoption(expected, &adoption)?;
        match committed(self.store.commit(Transaction::noting(self.new_attempt(), write)).await)? {
            Committed::Done => Ok(Record { value: adoption, version: expected.next() }),
            // Begun by an attempt whose answer was lost, or by somebody else: there is one.
            Committed::ReadAgain => self.adoption().await?.filter(|begun| !begun.value.is_done).ok_or(Error::Busy),
        }
    }

    /// Ends what was made under one tenant, tells its ledgers, and lays aside the checkpoints of what they have lost.
    async fn adopt_tenant(
        &self,
        id: TenantId,
        mut adoption: Record<Adoption>,
        tell: &mut impl FnMut(&Gap),
    ) -> Result<Record<Adoption>, Error> {
        for _ in 0..ROUNDS {
            let [row] = self.store.get([rows::tenant(id)]).await?;
            // A row that is not authentic serves nobody, before and after.
            let tenant = row.as_ref().and_then(|row| self.decode::<Tenant>(row).ok());
            let mut ledgers = Vec::new();
            for mode in [Mode::Live, Mode::Test] {
                ledgers.push(self.restored_ledger(Namespace { tenant: id, mode }).await?);
            }
            let mut erased = 0;
            if tenant.is_some() {
                for mode in [Mode::Live, Mode::Test] {
                    // Twice is harmless: an erasure that has begun goes on.
                    erased += self.erase_again(Namespace { tenant: id, mode }).await?;
                }
            }
            let lost: u64 = ledgers.iter().map(|ledger| ledger.gap.lost()).sum();
            let Adoption { begun_at, tenants, lost: before, erased_again, .. } = adoption.value;
            let erased_again = erased_again + erased;
            let reached = Adoption {
                reached: Some(id),
                tenants: tenants + 1,
                lost: before + lost,
                erased_again,
                ..adoption.value
            };
            let expected = Expected::Version(adoption.version);
            let attempt = self.new_attempt();
            let mut transaction = Transaction::noting(attempt, self.write_adoption(expected, &reached)?);
            let is_removed = self.was_removed(id).await?;
            // Who is told that it is gone once it is: an operator's, if it is there.
            let first = self.first_tenant().await?.filter(|first| *first != id);
            let home = Namespace { tenant: first.unwrap_or(id), mode: Mode::Live };
            if let Some(Record { value, version }) = tenant {
                let adopted = self.adopted(value, is_removed, home);
                let write = self.put(rows::tenant(id), Expected::Version(version), &adopted, None)?;
                transaction = transaction.write(write);
                if is_removed {
                    transaction = transaction.write(self.deletion_again(id).await?);
                }
            }
            for ledger in &ledgers {
                if let Some(end) = ledger.end.as_ref().filter(|end| end.size > 0 || ledger.gap.had > 0) {
                    let namespace = ledger.gap.namespace;
                    let segment = self.next_segment(end, attempt, self.told_of(&ledger.gap, is_removed))?;
                    let key = rows::segment(namespace, segment.first);
                    transaction = transaction.write(self.put_segment(key, &segment));
                }
            }
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => {
                    ledgers.iter().filter(|ledger| ledger.gap.lost() > 0).for_each(|ledger| tell(&ledger.gap));
                    return Ok(Record { value: reached, version: expected.next() });
                }
                // An answer was lost, or somebody else adopts it as well.
                Committed::ReadAgain => match self.adoption().await? {
                    Some(now) if now.value.begun_at == begun_at && now.value.reached < Some(id) => adoption = now,
                    Some(now) if now.value.begun_at == begun_at => return Ok(now),
                    _ => return Err(Error::Busy),
                },
            }
        }
        Err(outrun())
    }

    /// A tenant under which nothing stands that was made before. One that was removed is to be removed again.
    fn adopted(&self, tenant: Tenant, is_removed: bool, home: Namespace) -> Tenant {
        let generation = Generation(u64::from_be_bytes(self.entropy.bytes()));
        let tenant = Tenant { generation, ..tenant };
        if !is_removed {
            return tenant;
        }
        let now = self.now();
        let deletion = Deletion {
            by: Actor::System,
            home,
            asked_at: now,
            due_at: now,
            begun_at: Some(now),
            was_suspended: tenant.suspended,
        };
        Tenant { suspended: true, deletion: Some(deletion), ..tenant }
    }

    async fn deletion_again(&self, id: TenantId) -> Result<Write, Error> {
        let [lead] = self.store.get([rows::deletion(id)]).await?;
        let expected = lead.map_or(Expected::Absent, |row| Expected::Version(row.version));
        self.put(rows::deletion(id), expected, &tenants::IndexRow {}, None)
    }

    fn told_of(&self, gap: &Gap, is_removed: bool) -> Vec<Event> {
        let Namespace { tenant, mode } = gap.namespace;
        let origin = Origin { namespace: gap.namespace, asking: None, at: self.now() };
        let adopted = origin.done(EventType::StoreAdopted, Actor::System, tenant);
        let mut events = vec![Event { count: Some(gap.lost()).filter(|lost| *lost > 0), ..adopted }];
        if is_removed && mode == Mode::Live {
            events.push(origin.done(EventType::TenantDeletionAsked, Actor::System, tenant));
        }
        events
    }

    /// What a ledger has, and had.
    async fn restored_ledger(&self, namespace: Namespace) -> Result<Restored, Error> {
        let end = match self.ledger_head(namespace).await {
            Ok(end) => Some(end),
            Err(fault @ (Error::Unavailable(_) | Error::Busy)) => return Err(fault),
            Err(fault) => {
                let tenant = namespace.tenant;
                tracing::error!(%fault, %tenant, "the end of a restored ledger is not authentic: it cannot be told there");
                None
            }
        };
        let has = end.as_ref().map_or(0, |end| end.size);
        let had = match &end {
            Some(end) => self.lay_checkpoints_aside(namespace, end.size).await?,
            None => 0,
        };
        Ok(Restored { gap: Gap { namespace, has, had }, end })
    }

    /// Lays checkpoints aside that were made since the backup: those of records that are lost, since others will have these numbers;
    /// and those that were signed by a key that is lost, since nobody could verify them. Tells of how many records the newest speaks.
    async fn lay_checkpoints_aside(&self, namespace: Namespace, has: u64) -> Result<u64, Error> {
        let mut had = has;
        let keys = self.verifying_keys(namespace).await?;
        let (folder, adopted_at) = (ObjectFolder::Checkpoints(namespace), self.now());
        // What the store knows of was made before the backup.
        let mut after = self.newest_checkpoint_known(namespace).await?;
        loop {
            let listed = self.objects.list(&folder, Some(&ObjectKey::checkpoint(namespace, after))).await?;
            let sizes: Vec<_> = listed.iter().filter_map(|object| object.key.checkpoint_size()).collect();
            let Some(last) = sizes.last() else {
                // What an attempt that was cut off, or somebody else, has laid aside counts, too. Looked for last: it is put there before
                // it goes from here.
                return Ok(had.max(self.newest_laid_aside(namespace).await?));
            };
            after = *last;
            for size in sizes {
                had = had.max(size);
                if size <= has && self.checkpoint_at(namespace, size, &keys).await?.is_ok() {
                    continue;
                }
                let checkpoint = ObjectKey::checkpoint(namespace, size);
                if let Some(note) = self.read_note(&checkpoint).await? {
                    let aside = ObjectKey::superseded_checkpoint(namespace, adopted_at, size);
                    self.objects.put(&aside, &ContentType::plain_text(), note.into()).await?;
                }
                self.objects.delete(&checkpoint).await?;
            }
        }
    }

    async fn newest_laid_aside(&self, namespace: Namespace) -> Result<u64, Error> {
        let Some(begun) = self.adoption().await?.filter(|adoption| !adoption.value.is_done) else { return Ok(0) };
        let (folder, mut newest) = (ObjectFolder::Superseded(namespace), 0);
        let mut after = ObjectKey::superseded_checkpoint(namespace, begun.value.begun_at, 0);
        loop {
            let listed = self.objects.list(&folder, Some(&after)).await?;
            newest = listed.iter().filter_map(|object| object.key.superseded_size()).fold(newest, u64::max);
            let Some(last) = listed.last() else { return Ok(newest) };
            after = last.key.clone();
        }
    }

    /// The store is at home here from now on, and further than whatever is noted outside. With that, an adoption is done.
    async fn settle_here(&self, adoption: Option<Record<Adoption>>) -> Result<(), Error> {
        let identity = self.store.identity().await?;
        let outside = match self.noted_progress().await? {
            Noted::Progress(outside) => outside,
            Noted::Illegible => 0,
        };
        let mut before = self.store_record().await?;
        let progress = before.as_ref().map_or(0, |before| before.value.progress).max(outside) + 1;
        let settled = StoreRecord { identity, progress, adopted_at: self.now(), format: FORMAT };
        for _ in 0..ROUNDS {
            let write = self.write_store_record(before.as_ref(), &settled)?;
            let mut transaction = Transaction::noting(self.new_attempt(), write);
            if let Some(Record { value, version }) = &adoption {
                let done = Adoption { is_done: true, ..value.clone() };
                transaction = transaction.write(self.write_adoption(Expected::Version(*version), &done)?);
            }
            let outcome = committed(self.store.commit(transaction).await)?;
            before = self.store_record().await?;
            // Or an answer was lost.
            let is_settled = before.as_ref().is_some_and(|before| before.value == settled);
            if matches!(outcome, Committed::Done) || is_settled {
                return self.note_outside(progress).await;
            }
        }
        Err(outrun())
    }

    /// Notes outside that a tenant is no more, so that a restored store does not bring it back.
    pub(super) async fn note_removed(&self, tenant: TenantId) -> Result<(), Error> {
        self.put_note(&ObjectKey::removed(tenant), "removed").await
    }

    /// Whether a tenant was removed once. What somebody else put there says nothing.
    async fn was_removed(&self, tenant: TenantId) -> Result<bool, Error> {
        let note = self.read_note_of(&ObjectKey::removed(tenant)).await?;
        if note == Some(None) {
            tracing::error!(%tenant, "a note that a tenant was removed is not authentic, and counts for nothing");
        }
        Ok(note.flatten().is_some())
    }

    fn new_attempt(&self) -> AttemptId {
        AttemptId::new(self.now(), self.entropy.bytes())
    }
}
