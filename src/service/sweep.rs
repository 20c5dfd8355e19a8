//! The sweeper: uploads that nobody completes any more.
//!
//! Every upload leaves a row under the time at which it has to be looked at
//! again, and so does a file that is deleted or replaced, for its bytes. Sweeping removes what lies in storage first and then gives the room
//! back in one commit: cut off anywhere, it is found again. Any number of
//! replicas may sweep at once: each step may be done twice, and the commit
//! happens once.

use std::{ops::Range, time::Duration};

use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};

use crate::{
    domain::{
        event::EventType,
        ids::{ObjectId, UploadId},
        instant::Instant,
        lifetime,
        tenant::Namespace,
        upload::{Leftover, Progress, Upload},
    },
    objects::ObjectKey,
    store::{Direction, Query, Row},
};

use super::{
    Broker, Caller, Error,
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
    uploads::{DUE_BYTES, DUE_LATE, DUE_ROOM, DueBytes, DueRow},
};

/// How far back a sweep looks for room to give back: as long as rows are kept.
pub const LOOK_BACK: Duration = lifetime::REMEMBERED;

/// How far back a sweep looks for bytes that came late or were left behind, at most. What
/// is older is left to the bucket's own rules, and to reconciling.
const LOOK_BACK_FOR_BYTES: Duration = Duration::from_secs(24 * 3600);

const HOUR: u64 = 3600;
const PORTION: usize = 500;
const QUERIES_AT_ONCE: usize = 8;
const AT_ONCE: usize = 8;

/// What was done, or would be, about one upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Which upload.
    pub upload: UploadId,
    /// In whose namespace.
    pub namespace: Namespace,
    /// What.
    pub leftover: Leftover,
    /// How much room it gives back, in bytes.
    pub bytes: u64,
}

/// How a sweep went.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// What was done, or would be.
    pub swept: Vec<Swept>,
    /// What could not be dealt with now.
    pub failed: Vec<Unswept>,
}

/// Something that is due, and was not dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unswept {
    namespace: Namespace,
    what: Due,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Upload(UploadId),
    Bytes(ObjectId),
}

/// What came of one that was due.
type Outcome = (Unswept, Result<Option<Swept>, Error>);

/// Whether a sweep does what it finds to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweeping {
    /// Yes.
    Really,
    /// No: it only says what there would be.
    DryRun,
}

impl Sweep {
    fn add(&mut self, other: Self) {
        self.swept.extend(other.swept);
        self.failed.extend(other.failed);
    }
}

impl Broker {
    /// Sweeps for an operator.
    ///
    /// # Errors
    /// When the caller is no operator, or the store does not answer.
    pub async fn sweep_uploads(&self, caller: &Caller, sweeping: Sweeping) -> Result<Sweep, Error> {
        caller.operates()?;
        let now = self.now();
        self.sweep(now.minus(LOOK_BACK), sweeping).await
    }

    /// Deals with all that has become due since then.
    ///
    /// # Errors
    /// When the store does not answer. What was done is done.
    pub async fn sweep(&self, since: Instant, sweeping: Sweeping) -> Result<Sweep, Error> {
        let now = self.now();
        let lately = since.max(now.minus(LOOK_BACK_FOR_BYTES));
        let mut sweep = Sweep::default();
        for (kind, since) in [(DUE_ROOM, since), (DUE_LATE, lately), (DUE_BYTES, lately)] {
            let hours = since.as_unix_seconds() / HOUR..=now.as_unix_seconds() / HOUR;
            let mut partitions = Vec::new();
            for hour in hours {
                partitions.extend((0..rows::DUE_SHARDS).map(|shard| rows::due_partition(kind, hour, shard)));
            }
            let sweeps = partitions
                .into_iter()
                .map(|partition| self.sweep_partition(kind, partition, since..now, sweeping).boxed());
            let mut due = stream::iter(sweeps).buffer_unordered(QUERIES_AT_ONCE);
            while let Some(found) = due.try_next().await? {
                sweep.add(found);
            }
        }
        Ok(sweep)
    }

    /// Tries again what could not be dealt with before.
    pub async fn sweep_again(&self, unswept: &[Unswept]) -> Result<Sweep, Error> {
        let mut sweep = Sweep::default();
        for some in unswept.chunks(PORTION) {
            sweep.add(self.sweep_all(some, Sweeping::Really).await?);
        }
        Ok(sweep)
    }

    async fn sweep_partition(
        &self,
        kind: &str,
        partition: String,
        time: Range<Instant>,
        sweeping: Sweeping,
    ) -> Result<Sweep, Error> {
        let mut sweep = Sweep::default();
        let mut after = rows::due_position(time.start);
        // What is due at this very moment is due.
        let end = rows::due_position(time.end.plus(Duration::from_millis(1)));
        loop {
            let query = Query {
                partition: partition.clone(),
                begins_with: String::new(),
                after: Some(after),
                limit: PORTION,
                direction: Direction::Ascending,
            };
            let found = self.store.query(&query).await?;
            let due = found.iter().take_while(|row| row.key.sort < end);
            let due: Vec<_> = due.filter_map(|row| self.unswept(kind, row)).collect();
            sweep.add(self.sweep_all(&due, sweeping).await?);
            match found.last() {
                Some(last) if found.len() == PORTION && last.key.sort < end => after = last.key.sort.clone(),
                _ => return Ok(sweep),
            }
        }
    }

    fn unswept(&self, kind: &str, row: &Row) -> Option<Unswept> {
        if kind == DUE_BYTES {
            let DueBytes { namespace, object } = self.readable(row)?;
            return Some(Unswept { namespace, what: Due::Bytes(object) });
        }
        let DueRow { namespace, upload } = self.readable(row)?;
        Some(Unswept { namespace, what: Due::Upload(upload) })
    }

    async fn sweep_all(&self, due: &[Unswept], sweeping: Sweeping) -> Result<Sweep, Error> {
        let now = self.now();
        let (mut of_uploads, mut tenants) = (Vec::new(), Vec::new());
        let mut work: Vec<BoxFuture<'_, Outcome>> = Vec::new();
        for unswept in due.iter().copied() {
            match unswept.what {
                Due::Upload(upload) => {
                    of_uploads.push(rows::upload(unswept.namespace, upload));
                    tenants.push(unswept.namespace.tenant);
                }
                Due::Bytes(_) if sweeping == Sweeping::DryRun => {}
                Due::Bytes(object) => {
                    let swept = self.sweep_bytes(ObjectKey::vault(unswept.namespace, object));
                    work.push(swept.map(move |swept| (unswept, swept)).boxed());
                }
            }
        }
        for (row, tenant) in self.store.get_all(&of_uploads).await?.into_iter().zip(tenants) {
            let Some(row) = row else { continue };
            let Ok(upload) = self.sealed(tenant).await?.decode::<Upload>(&row) else { continue };
            let Some(leftover) = upload.value.leftover(now) else { continue };
            let declaration = &upload.value.declaration;
            let unswept = Unswept { namespace: declaration.made.namespace, what: Due::Upload(declaration.id) };
            let swept = self.sweep_upload(upload, leftover, now, sweeping);
            work.push(swept.map(move |swept| (unswept, swept)).boxed());
        }
        let mut outcomes = stream::iter(work).buffer_unordered(AT_ONCE);
        let mut sweep = Sweep::default();
        while let Some((unswept, outcome)) = outcomes.next().await {
            match outcome {
                Ok(swept) => sweep.swept.extend(swept),
                Err(fault) => {
                    tracing::warn!(%fault, what = ?unswept.what, "something could not be swept yet");
                    sweep.failed.push(unswept);
                }
            }
        }
        Ok(sweep)
    }

    /// Nothing, almost always: whoever deleted or replaced a file has removed its bytes. In a bucket
    /// with versions, deleting what is not there would leave a mark.
    async fn sweep_bytes(&self, key: ObjectKey) -> Result<Option<Swept>, Error> {
        if self.objects.is_there(&key).await? {
            self.objects.delete(&key).await?;
            tracing::info!(?key, "bytes that were left behind are removed");
        }
        Ok(None)
    }

    async fn sweep_upload(
        &self,
        mut upload: Record<Upload>,
        leftover: Leftover,
        now: Instant,
        sweeping: Sweeping,
    ) -> Result<Option<Swept>, Error> {
        let declaration = upload.value.declaration.clone();
        let swept =
            Swept { upload: declaration.id, namespace: declaration.made.namespace, leftover, bytes: declaration.size };
        if leftover == Leftover::Late {
            match self.arrivals(&declaration).await? {
                None => return Ok(None),
                // What keeps the URL from being used again: nobody needs to hear of it.
                Some(0) if sweeping == Sweeping::DryRun => return Ok(None),
                Some(0) => return self.try_clear_inbox(&declaration).await.map(|()| None),
                Some(_) => {}
            }
        }
        if sweeping == Sweeping::DryRun {
            return Ok(Some(swept));
        }
        self.try_clear_inbox(&declaration).await?;
        for _ in 0..ROUNDS {
            let (after, kind) = match leftover {
                Leftover::Late => return Ok(Some(swept)),
                Leftover::Expire => {
                    (upload.value.settled(Progress::Expired { expired_at: now }), EventType::UploadExpired)
                }
                Leftover::Release => (upload.value.released(), EventType::UploadReleased),
            };
            let transaction = self.giving_back(&upload, &after, kind, now).await?;
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return Ok(Some(swept)),
                Committed::ReadAgain => {}
            }
            // Another replica may have been faster, or an account is busy.
            match self.upload(swept.namespace, swept.upload).await? {
                Some(again) if again.value.leftover(now) == Some(leftover) => upload = again,
                _ => return Ok(None),
            }
        }
        Err(outrun())
    }
}
