//! Whether the store may be served: that it is the one that was served last, and as far as it had come. The rule is in
//! [`crate::domain::standing`]; here it is found out, and noted while the broker runs.
//!
//! Never here: a way to serve a store that may not be. That is [`super::adoption`].

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::{
    domain::{
        ids::AttemptId,
        standing::{FORMAT, Standing, StoreIdentity, StoreRecord},
    },
    objects::{ContentType, ObjectKey},
    store::{Expected, Transaction, Write},
};

use super::{
    Broker, Error,
    records::{Committed, Record, committed},
    rows,
};

/// A note is a number and what vouches for it.
const LONGEST_NOTE: usize = 1_000;

/// How far the store has come, as this process has seen.
#[derive(Debug, Default)]
pub struct Progress {
    seen: AtomicU64,
    /// Whether something was written since that was noted.
    is_due: AtomicBool,
}

impl Progress {
    pub(super) fn written(&self) {
        self.is_due.store(true, Ordering::Relaxed);
    }
}

/// What is noted outside of how far the store has come.
pub(super) enum Noted {
    /// This far. Zero, where there is no note.
    Progress(u64),
    /// Something that is not of this deployment, or was altered: nothing can be told by it.
    Illegible,
}

impl Broker {
    /// Whether the store is the one that was served last.
    ///
    /// # Errors
    /// When the store or the object storage do not answer, or what the store says of itself is not authentic.
    pub async fn store_standing(&self) -> Result<Standing, Error> {
        let identity = self.store.identity().await?;
        let recorded = self.store_record().await?.map(|record| record.value);
        self.progress.seen.fetch_max(recorded.as_ref().map_or(0, |record| record.progress), Ordering::Relaxed);
        Ok(match self.noted_progress().await? {
            Noted::Progress(outside) => Standing::of(recorded.as_ref(), &identity, outside),
            // Whoever put it there may have taken one away that says more.
            Noted::Illegible => Standing::Behind,
        })
    }

    /// Notes how far the store has come, in it and outside, if something was written since the last time. Tells whether it
    /// may still be served: another may have taken its place meanwhile.
    ///
    /// # Errors
    /// When the store or the object storage do not answer. It is noted the next time.
    pub async fn note_progress(&self) -> Result<Standing, Error> {
        let identity = self.store.identity().await?;
        let recorded = self.store_record().await?;
        let seen = self.progress.seen.load(Ordering::Relaxed);
        let standing = Standing::of(recorded.as_ref().map(|record| &record.value), &identity, seen);
        // Before anything is written in this form: an older program beside is to stop.
        let is_of_older_form = recorded.as_ref().is_some_and(|record| record.value.format < FORMAT);
        let is_due = self.progress.is_due.swap(false, Ordering::Relaxed) || is_of_older_form;
        if !standing.may_serve() || !is_due {
            return Ok(standing);
        }
        let noted = self.note_progress_now(recorded, identity).await;
        match noted {
            Ok(progress) => drop(self.progress.seen.fetch_max(progress, Ordering::Relaxed)),
            Err(fault) => {
                self.progress.written();
                return Err(fault);
            }
        }
        Ok(standing)
    }

    /// First in the store, then outside: what is noted outside is never more than a store has that nobody put back.
    async fn note_progress_now(
        &self,
        recorded: Option<Record<StoreRecord>>,
        identity: StoreIdentity,
    ) -> Result<u64, Error> {
        let (progress, adopted_at) = match &recorded {
            Some(record) => (record.value.progress + 1, record.value.adopted_at),
            None => (1, self.now()),
        };
        let write = self
            .write_store_record(recorded.as_ref(), &StoreRecord { identity, progress, adopted_at, format: FORMAT })?;
        let attempt = AttemptId::new(self.now(), self.entropy.bytes());
        match committed(self.store.commit(Transaction::noting(attempt, write)).await)? {
            Committed::Done => self.note_outside(progress).await?,
            // Another replica has noted it in this moment.
            Committed::ReadAgain => {}
        }
        Ok(progress)
    }

    /// What the store says of itself.
    pub(super) async fn store_record(&self) -> Result<Option<Record<StoreRecord>>, Error> {
        let [row] = self.store.get([rows::store_standing(self.keyring.deployment())]).await?;
        self.decode_if(row.as_ref())
    }

    /// The write by which it says so.
    pub(super) fn write_store_record(
        &self,
        before: Option<&Record<StoreRecord>>,
        record: &StoreRecord,
    ) -> Result<Write, Error> {
        let expected = before.map_or(Expected::Absent, |before| Expected::Version(before.version));
        self.put(rows::store_standing(self.keyring.deployment()), expected, record, None)
    }

    pub(super) async fn note_outside(&self, progress: u64) -> Result<(), Error> {
        self.put_note(&ObjectKey::standing(&self.keyring.deployment().0), &progress.to_string()).await
    }

    pub(super) async fn noted_progress(&self) -> Result<Noted, Error> {
        Ok(match self.read_note_of(&ObjectKey::standing(&self.keyring.deployment().0)).await? {
            None => Noted::Progress(0),
            Some(note) => note.and_then(|note| note.parse().ok()).map_or(Noted::Illegible, Noted::Progress),
        })
    }

    /// Keeps a note of the broker's own with the objects, vouched for like a row.
    pub(super) async fn put_note(&self, key: &ObjectKey, note: &str) -> Result<(), Error> {
        let note = self.keyring.authenticate(NOTES, key.as_str(), note.as_bytes());
        self.objects.put(key, &ContentType::unknown(), Bytes::from(note)).await?;
        Ok(())
    }

    /// A note of the broker's own, if there is something in its place; none of that, where it is not authentic.
    pub(super) async fn read_note_of(&self, key: &ObjectKey) -> Result<Option<Option<String>>, Error> {
        let Some(mut stream) = self.objects.read(key, None).await? else { return Ok(None) };
        let mut found = Vec::new();
        while let Some(bytes) = stream.try_next().await? {
            found.extend_from_slice(&bytes);
            if found.len() > LONGEST_NOTE {
                return Ok(Some(None));
            }
        }
        let note = self.keyring.authentic(NOTES, key.as_str(), &found).ok();
        Ok(Some(note.and_then(|note| String::from_utf8(note.to_vec()).ok())))
    }
}

/// What notes are vouched for under: no row has this partition.
const NOTES: &str = "note";
