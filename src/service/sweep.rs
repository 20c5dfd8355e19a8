//! The sweeper: uploads that nobody completes any more.
//!
//! Every upload leaves a row under the time at which it has to be looked at
//! again. Sweeping removes what lies in storage first and then gives the room
//! back in one commit: cut off anywhere, it is found again. Any number of
//! replicas may sweep at once: each step may be done twice, and the commit
//! happens once.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::{
    domain::{
        event::EventType,
        ids::UploadId,
        instant::Instant,
        lifetime,
        tenant::Namespace,
        upload::{Leftover, Progress, Upload},
    },
    store::{Direction, Query},
};

use super::{
    Broker, Caller, Error,
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
    uploads::{DUE_LATE, DUE_ROOM, DueRow},
};

/// How far back a sweep looks for room to give back: as long as rows are kept.
pub const LOOK_BACK: Duration = lifetime::REMEMBERED;

/// How far back a sweep looks for bytes that came late, at most. What is older
/// is left to the bucket's own rules.
const LOOK_BACK_FOR_LATE: Duration = Duration::from_secs(24 * 3600);

const HOUR: u64 = 3600;
const PORTION: usize = 500;
const QUERIES_AT_ONCE: usize = 8;
const UPLOADS_AT_ONCE: usize = 8;

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
    /// How many uploads could not be dealt with now.
    pub failed: usize,
}

/// Whether a sweep does what it finds to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweeping {
    /// Yes.
    Really,
    /// No: it only says what there would be.
    DryRun,
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

    /// Deals with all uploads that were due since then.
    ///
    /// # Errors
    /// When the store does not answer. What was done is done.
    pub async fn sweep(&self, since: Instant, sweeping: Sweeping) -> Result<Sweep, Error> {
        let now = self.now();
        let mut sweep = Sweep::default();
        for (kind, since) in [(DUE_ROOM, since), (DUE_LATE, since.max(now.minus(LOOK_BACK_FOR_LATE)))] {
            let hours = since.as_unix_seconds() / HOUR..=now.as_unix_seconds() / HOUR;
            let mut partitions = Vec::new();
            for hour in hours {
                partitions.extend((0..rows::DUE_SHARDS).map(|shard| rows::due_partition(kind, hour, shard)));
            }
            let sweeps = partitions.into_iter().map(|partition| self.sweep_partition(partition, now, sweeping).boxed());
            let mut due = stream::iter(sweeps).buffer_unordered(QUERIES_AT_ONCE);
            while let Some(found) = due.try_next().await? {
                sweep.swept.extend(found.swept);
                sweep.failed += found.failed;
            }
        }
        Ok(sweep)
    }

    async fn sweep_partition(&self, partition: String, now: Instant, sweeping: Sweeping) -> Result<Sweep, Error> {
        let mut sweep = Sweep::default();
        let mut after = None;
        loop {
            let query = Query {
                partition: partition.clone(),
                begins_with: String::new(),
                after,
                limit: PORTION,
                direction: Direction::Ascending,
            };
            let found = self.store.query(&query).await?;
            let due: Vec<DueRow> = found.iter().filter_map(|row| self.readable(row)).collect();
            let keys: Vec<_> = due.iter().map(|due| rows::upload(due.namespace, due.upload)).collect();
            let uploads = self.store.get_all(&keys).await?;
            let leftovers = uploads.into_iter().flatten().filter_map(|row| {
                let upload = self.decode::<Upload>(&row).ok()?;
                let leftover = upload.value.leftover(now)?;
                Some((upload, leftover))
            });
            let mut outcomes = stream::iter(leftovers)
                .map(|(upload, leftover)| async move {
                    let id = upload.value.declaration.id;
                    (id, self.sweep_upload(upload, leftover, now, sweeping).await)
                })
                .buffer_unordered(UPLOADS_AT_ONCE);
            while let Some((id, outcome)) = outcomes.next().await {
                match outcome {
                    Ok(swept) => sweep.swept.extend(swept),
                    Err(fault) => {
                        tracing::warn!(%fault, upload = %id, "an upload could not be swept yet");
                        sweep.failed += 1;
                    }
                }
            }
            drop(outcomes);
            match found.last() {
                Some(last) if found.len() == PORTION => after = Some(last.key.sort.clone()),
                _ => return Ok(sweep),
            }
        }
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
        if leftover == Leftover::Late && !self.has_arrivals(&declaration).await? {
            return Ok(None);
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
