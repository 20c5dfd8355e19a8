//! Rows are vouched for anew, under the root key that is primary, so that the one before can be given up: all rows of all
//! partitions, one page after the other, and what the broker notes beside its files.
//!
//! A pass begins once every replica seals under the new key, and is one replica's work; who is cut off is followed by another.
//! Only a pass that one process has made from end to end, and that finds nothing to be done, shows that all is done.
//!
//! Never here: a row that says something else afterwards.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    crypto::keyring::{KeyState, Kid, RootKey},
    domain::{
        ids::{AttemptId, TenantId},
        instant::Instant,
        tenant::{Mode, Namespace},
    },
    objects::{ObjectFolder, ObjectKey},
    store::{Expected, Row, RowKey, Transaction, is_outbox},
};

use super::{
    Broker, Error,
    records::{Committed, Record, committed},
    removed_rows::Pages,
    rows,
};

/// How many rows are read at a time.
const PORTION: usize = 200;

/// After so long without a step, another replica goes on.
const LEFT: Duration = Duration::from_secs(120);

/// A pass over all rows, as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RewritingRow {
    /// Under which root key they are to be.
    under: String,
    /// Which replica is at it.
    by: String,
    touched_at: Instant,
    /// The last row that was looked at.
    after: Option<(String, String)>,
    /// How many were under another key.
    rewritten: u64,
    /// How many events under another key waited for their ledger, which is to have them first.
    waiting: u64,
}

/// What was to be done about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Rewritten,
    Waiting,
}

/// What came of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewriting {
    /// There is nothing to be done.
    Done,
    /// Another replica seals under another key still, or is at it; or events wait for their ledger.
    Later,
}

impl Broker {
    /// Vouches anew for all rows that are under root keys that are accepted only, if there are such keys, and notes it once
    /// none is left.
    ///
    /// # Errors
    /// When the store or the object storage does not answer. What was done is done.
    pub async fn rewrite_rows(&self) -> Result<Rewriting, Error> {
        let (primary, ring) = (self.keyring.primary(), self.keyring.keys());
        self.rotation.used(primary, true);
        let mut left = Vec::new();
        for key in ring.iter().filter(|key| key.state == KeyState::AcceptOnly) {
            let is_used = self.rewritten_at(key.kid).await?.is_none();
            self.rotation.used(key.kid, is_used);
            if is_used {
                left.push(key.kid);
            }
        }
        if left.is_empty() {
            return Ok(Rewriting::Done);
        }
        loop {
            if !self.all_seal_under(primary, &ring).await? {
                return Ok(Rewriting::Later);
            }
            let Some(pass) = self.pass(primary).await? else { return Ok(Rewriting::Later) };
            match (pass.rewritten, pass.waiting) {
                (0, 0) => break,
                (0, _) => return Ok(Rewriting::Later),
                (rows, _) => tracing::info!(rows, under = %primary, "rows were vouched for anew"),
            }
        }
        // Somebody may have begun, or gone back, since the pass did.
        if !self.all_seal_under(primary, &ring).await? {
            return Ok(Rewriting::Later);
        }
        for kid in left {
            self.note_rewritten(kid, Some(self.now())).await?;
            self.rotation.used(kid, false);
            tracing::info!(%kid, "no row is vouched for with this root key any more");
        }
        Ok(Rewriting::Done)
    }

    /// Whether this is the primary key of all replicas, and these are still the keys of this one.
    async fn all_seal_under(&self, primary: Kid, ring: &Arc<[Arc<RootKey>]>) -> Result<bool, Error> {
        let name = primary.to_string();
        let seals = |state: Option<&KeyState>| state == Some(&KeyState::Primary);
        let replicas = self.replicas().await?;
        Ok(Arc::ptr_eq(&self.keyring.keys(), ring) && replicas.iter().all(|replica| seals(replica.keys.get(&name))))
    }

    /// One pass from its beginning, or from where somebody left it, and what it found. None where somebody else is at it.
    async fn pass(&self, primary: Kid) -> Result<Option<RewritingRow>, Error> {
        let key = rows::rewriting(self.keyring.deployment());
        let [row] = self.store.get([key.clone()]).await?;
        let found = self.decode_if::<RewritingRow>(row.as_ref())?;
        let (under, by, now) = (primary.to_string(), self.replica().to_owned(), self.now());
        let expected = found.as_ref().map_or(Expected::Absent, |found| Expected::Version(found.version));
        let begun = RewritingRow { under, by, touched_at: now, after: None, rewritten: 0, waiting: 0 };
        let mut pass = match found {
            Some(Record { value, .. }) if value.after.is_some() && value.under == begun.under => {
                if value.by != begun.by && now < value.touched_at.plus(LEFT) {
                    return Ok(None);
                }
                // What was done behind it meanwhile nobody knows: it shows nothing, and there is another after it.
                RewritingRow { by: begun.by, touched_at: now, rewritten: value.rewritten.max(1), ..value }
            }
            _ => begun,
        };
        let Some(mut expected) = self.step(&pass, expected).await? else { return Ok(None) };
        loop {
            let after = pass.after.as_ref().map(|(partition, sort)| RowKey::new(partition.as_str(), sort.as_str()));
            let page = self.store.scan(after.as_ref(), PORTION).await?;
            let Some(last) = page.last() else { break };
            pass.after = Some((last.key.partition.clone(), last.key.sort.clone()));
            let mut rewritten = 0;
            for row in &page {
                match self.rewrite_row(row, primary).await? {
                    Found::Nothing => {}
                    Found::Rewritten => rewritten += 1,
                    Found::Waiting => pass.waiting += 1,
                }
            }
            pass.rewritten += rewritten;
            self.rotation.rewritten.fetch_add(rewritten, Ordering::Relaxed);
            // Pages in which nothing was to be done cost no write each.
            if rewritten > 0 || pass.touched_at.plus(LEFT / 4) <= self.now() {
                pass.touched_at = self.now();
                match self.step(&pass, expected).await? {
                    Some(next) => expected = next,
                    None => return Ok(None),
                }
            }
            tokio::task::yield_now().await;
        }
        self.rewrite_notes().await?;
        let ended = RewritingRow { after: None, ..pass };
        Ok(self.step(&ended, expected).await?.map(|_| ended))
    }

    /// Notes how far a pass has come; none where somebody else has gone on with it.
    async fn step(&self, pass: &RewritingRow, expected: Expected) -> Result<Option<Expected>, Error> {
        let write = self.put(rows::rewriting(self.keyring.deployment()), expected, pass, None)?;
        let transaction = Transaction::noting(AttemptId::new(self.now(), self.entropy.bytes()), write);
        match committed(self.store.commit(transaction).await)? {
            Committed::Done => Ok(Some(Expected::Version(expected.next()))),
            Committed::ReadAgain => Ok(None),
        }
    }

    /// Vouches for a row under the primary key, if it is under another. What was written since it was read is under that.
    async fn rewrite_row(&self, row: &Row, primary: Kid) -> Result<Found, Error> {
        // Whose key it wraps under may have changed between the wrapping and the vouching: both are looked at.
        if let Some(tenant) = rows::tenant_of_data_key(&row.key)
            && let Some(was_to_do) = self.wrap_data_key_anew(tenant, Some(row)).await?
        {
            return Ok(if was_to_do { Found::Rewritten } else { Found::Nothing });
        }
        if row.body.starts_with(&primary.0) {
            return Ok(Found::Nothing);
        }
        if is_outbox(&row.key) {
            return Ok(if self.keyring.has_key_of_row(&row.body) { Found::Waiting } else { Found::Nothing });
        }
        let Ok(anew) = self.vouched_anew(row) else { return Ok(Found::Nothing) };
        let replaced = self.store.replace_body(row, &anew).await?;
        // Or somebody has written it meanwhile, which is to be looked at once more.
        Ok(if replaced { Found::Rewritten } else { Found::Waiting })
    }

    /// Puts notes anew: of how far the store has come, of tenants that were removed, and of people who were erased.
    async fn rewrite_notes(&self) -> Result<(), Error> {
        self.rewrite_note(&ObjectKey::standing(&self.keyring.deployment().0)).await?;
        for partition in [rows::tenants(), rows::tombstones()] {
            let mut pages = Pages::of(partition);
            while let Some(page) = pages.next(self).await? {
                for tenant in page.iter().filter_map(|row| row.key.sort.parse::<TenantId>().ok()) {
                    self.rewrite_note(&ObjectKey::removed(tenant)).await?;
                    for mode in [Mode::Live, Mode::Test] {
                        self.rewrite_notes_of(Namespace { tenant, mode }).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn rewrite_notes_of(&self, namespace: Namespace) -> Result<(), Error> {
        let mut after = None;
        loop {
            let listed = self.objects.list(&ObjectFolder::Erased(namespace), after.as_ref()).await?;
            let Some(last) = listed.last() else { return Ok(()) };
            after = Some(last.key.clone());
            for object in &listed {
                self.rewrite_note(&object.key).await?;
            }
        }
    }

    async fn rewrite_note(&self, key: &ObjectKey) -> Result<(), Error> {
        match self.read_note_of(key).await? {
            Some(Some(note)) => self.put_note(key, &note).await,
            None | Some(None) => Ok(()),
        }
    }
}
