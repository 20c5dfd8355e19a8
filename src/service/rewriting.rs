//! Rows are vouched for anew, under the root key that is primary, so that the one before can be given up: all rows of all
//! partitions, one page after the other, and what the broker notes beside its files.
//!
//! A pass begins once every replica seals under the new key, and is one replica's work; who is cut off is followed by another.
//! Only a pass that finds nothing to be done shows that all is done.
//!
//! Never here: a row that says something else afterwards.

use std::{sync::atomic::Ordering, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    crypto::keyring::{KeyState, Kid},
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
    rotation::RewrittenRow,
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
}

/// What came of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewriting {
    /// There is nothing to be done.
    Done,
    /// Another replica seals under another key still, or is at it.
    Later,
}

impl Broker {
    /// Vouches anew for all rows that are under root keys that are accepted only, if there are such keys, and notes it once
    /// none is left.
    ///
    /// # Errors
    /// When the store or the object storage does not answer. What was done is done.
    pub async fn rewrite_rows(&self) -> Result<Rewriting, Error> {
        let ring = self.keyring.keys();
        let Some(primary) = ring.iter().find(|key| key.state == KeyState::Primary) else { return Ok(Rewriting::Done) };
        self.is_used_again(primary.kid).await?;
        self.rotation.used(primary.kid, true);
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
        let name = primary.kid.to_string();
        let seals = |state: Option<&KeyState>| state == Some(&KeyState::Primary);
        if !self.replicas().await?.iter().all(|replica| seals(replica.keys.get(&name))) {
            return Ok(Rewriting::Later);
        }
        loop {
            let Some(rewritten) = self.pass(primary.kid).await? else { return Ok(Rewriting::Later) };
            if rewritten == 0 {
                break;
            }
            tracing::info!(rows = rewritten, under = %name, "rows were vouched for anew");
        }
        for kid in left {
            self.note_rewritten(kid, Some(self.now())).await?;
            self.rotation.used(kid, false);
            tracing::info!(%kid, "no row is vouched for with this root key any more");
        }
        Ok(Rewriting::Done)
    }

    /// One pass from its beginning, or from where somebody left it; how many rows it found. None where somebody else is at it.
    async fn pass(&self, primary: Kid) -> Result<Option<u64>, Error> {
        let key = rows::rewriting(self.keyring.deployment());
        let [row] = self.store.get([key.clone()]).await?;
        let found = self.decode_if::<RewritingRow>(row.as_ref())?;
        let (under, by, now) = (primary.to_string(), self.replica().to_owned(), self.now());
        let expected = found.as_ref().map_or(Expected::Absent, |found| Expected::Version(found.version));
        let begun = RewritingRow { under, by, touched_at: now, after: None, rewritten: 0 };
        let mut pass = match found {
            Some(Record { value, .. }) if value.after.is_some() && value.under == begun.under => {
                if value.by != begun.by && now < value.touched_at.plus(LEFT) {
                    return Ok(None);
                }
                RewritingRow { after: value.after, rewritten: value.rewritten, ..begun }
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
                rewritten += u64::from(self.rewrite_row(row, primary).await?);
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
        let rewritten = pass.rewritten;
        let ended = RewritingRow { after: None, rewritten: 0, ..pass };
        Ok(self.step(&ended, expected).await?.map(|_| rewritten))
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
    async fn rewrite_row(&self, row: &Row, primary: Kid) -> Result<bool, Error> {
        // Events are gone within a second, and not vouched for.
        if is_outbox(&row.key) || row.body.starts_with(&primary.0) {
            return Ok(false);
        }
        let Ok(body) = self.keyring.authentic(&row.key.partition, &row.key.sort, &row.body) else {
            // Nobody can read it now, nor could afterwards.
            return Ok(false);
        };
        if let Some(tenant) = rows::tenant_of_data_key(&row.key) {
            self.wrap_data_key_anew(tenant).await?;
            return Ok(true);
        }
        let anew = self.keyring.authenticate(&row.key.partition, &row.key.sort, body);
        Ok(self.store.replace_body(row, &anew).await?)
    }

    /// Puts notes anew that are looked for in years: of tenants that were removed, and people who were erased.
    async fn rewrite_notes(&self) -> Result<(), Error> {
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

    /// A key that is primary again is used again.
    async fn is_used_again(&self, kid: Kid) -> Result<(), Error> {
        match self.rewritten_at(kid).await? {
            Some(_) => self.note_rewritten(kid, None).await,
            None => Ok(()),
        }
    }

    async fn note_rewritten(&self, kid: Kid, at: Option<Instant>) -> Result<(), Error> {
        let key = rows::rewritten(self.keyring.deployment(), kid);
        let [row] = self.store.get([key.clone()]).await?;
        let expected = row.map_or(Expected::Absent, |row| Expected::Version(row.version));
        let write = self.put(key, expected, &RewrittenRow { at }, None)?;
        let transaction = Transaction::noting(AttemptId::new(self.now(), self.entropy.bytes()), write);
        committed(self.store.commit(transaction).await).map(drop)
    }
}
