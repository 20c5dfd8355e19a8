//! What a process does from time to time, beside answering requests.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinSet};

use crate::{
    domain::instant::Instant,
    high_water::HighWaterMark,
    service::{
        Broker, Error,
        sweep::{LOOK_BACK, Sweeping, Unswept},
    },
    store::embedded::EmbeddedStore,
};

use super::certificates::Certificates;

/// How often what has to be done from time to time is done.
const ROUND: Duration = Duration::from_secs(60);

/// In every so manyth round it is written down who has called: what is told to the hour need not be written each minute.
const LAST_USES: u64 = 10;

/// How many of what could not be swept are tried again in the next round.
const MOST_FAILED: usize = 1_000;

/// How many rows are purged in one go, so that commits never wait long.
const PURGE_PORTION: usize = 1_000;

/// What has to be done from time to time.
pub(super) async fn rounds(
    broker: Broker,
    embedded: Option<Arc<EmbeddedStore>>,
    mark: HighWaterMark,
    certificates: Certificates,
) {
    let mut ticks = tokio::time::interval(ROUND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut sweeper = Sweeper::new(broker.now());
    for round in 1_u64.. {
        ticks.tick().await;
        sweeper.round(&broker).await;
        if round.is_multiple_of(LAST_USES) {
            broker.record_last_used().await;
        }
        broker.record_summaries(false).await;
        raise(&mark, &broker);
        certificates.renew();
        if let Some(store) = &embedded {
            match store.sweep(broker.now(), PURGE_PORTION).await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "purged"),
                Err(fault) => tracing::warn!(%fault, "rows could not be purged"),
            }
        }
    }
}

/// How often it is noted how far the store has come, and looked whether it is still the same.
const NOTING: Duration = Duration::from_secs(30);

/// Notes how far the store has come. Tells when it may not be served any longer.
pub(super) async fn noting(broker: Broker, unfit: Arc<Notify>) {
    let mut ticks = tokio::time::interval(NOTING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match broker.note_progress().await {
            Ok(standing) if standing.may_serve() => {}
            Ok(standing) => {
                tracing::error!(event = "store_replaced", ?standing, "another store has taken the place of this one");
                unfit.notify_one();
            }
            Err(fault) => tracing::warn!(%fault, "how far the store has come could not be noted yet"),
        }
    }
}

/// How often events are chained: a ledger tells them within a second.
const CHAINING: Duration = Duration::from_millis(600);

/// After how many of those another tenant is looked at for what others have left behind. One after the other, for ever: all
/// at a time would be more reads of a shared table than all requests together.
const PATROL: u32 = 4;

/// Chains events. `alone`: no other process has this store.
pub(super) async fn chaining(broker: Broker, alone: bool) {
    let mut ticks = tokio::time::interval(CHAINING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let told = |chained: Result<(), Error>| {
        if let Err(fault) = chained {
            tracing::warn!(%fault, "events could not be chained yet");
        }
    };
    if alone {
        // What the last end has left; nobody else leaves anything.
        told(broker.chain_everything().await);
    }
    let (mut round, mut patrolled) = (0_u32, None);
    loop {
        ticks.tick().await;
        told(broker.chain_lately().await.map(drop));
        round = round.wrapping_add(1);
        if !alone && round.is_multiple_of(PATROL) {
            match broker.chain_next(patrolled).await {
                Ok(next) => patrolled = next,
                Err(fault) => told(Err(fault)),
            }
        }
    }
}

/// How often it is looked whether there is something to deliver.
const DELIVERING: Duration = Duration::from_millis(300);

/// After how many of those it is looked for what others have left behind, or somebody has let go on.
const WEBHOOK_PATROL: u32 = 8;

/// Has webhooks deliver. What is on its way when this ends is sent again later.
pub(super) async fn delivering(broker: Broker) {
    let mut ticks = tokio::time::interval(DELIVERING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut round, mut patrolled, mut deliveries) = (0_u32, None, JoinSet::new());
    loop {
        ticks.tick().await;
        while deliveries.try_join_next().is_some() {}
        if round.is_multiple_of(WEBHOOK_PATROL) {
            match broker.patrol_webhooks(patrolled.take()).await {
                Ok(next) => patrolled = next,
                Err(fault) => tracing::warn!(%fault, "it could not be looked for webhooks"),
            }
        }
        broker.begin_deliveries(&mut deliveries).await;
        round = round.wrapping_add(1);
    }
}

/// How often it is looked whether a ledger is to be verified.
const VERIFYING: Duration = Duration::from_secs(10);

/// When that begins.
const FIRST_VERIFYING: Duration = Duration::from_secs(60);

/// Verifies ledgers, and makes checkpoints of them: one after the other, for ever.
pub(super) async fn verifying(broker: Broker) {
    // Not while it starts: a ledger may be long.
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + FIRST_VERIFYING, VERIFYING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut verified = None;
    loop {
        ticks.tick().await;
        broker.sweep_due_ledgers().await;
        match broker.sweep_next(verified).await {
            Ok(next) => verified = next,
            Err(fault) => tracing::warn!(%fault, "a ledger could not be verified yet"),
        }
    }
}

/// How often it is looked for tenants and people that are to be removed.
const REMOVING: Duration = Duration::from_secs(10);

/// Removes tenants whose time it is, erases people, and goes on with what was left.
pub(super) async fn removing(broker: Broker) {
    let mut ticks = tokio::time::interval(REMOVING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(fault) = broker.remove_due_tenants().await {
            tracing::warn!(%fault, "it could not be looked for tenants that are to be removed");
        }
        if let Err(fault) = broker.go_on_erasing().await {
            tracing::warn!(%fault, "it could not be looked for people who are to be erased");
        }
    }
}

/// How far sweeping has come.
struct Sweeper {
    /// All that was due before has been looked at.
    since: Instant,
    /// What could not be dealt with.
    failed: Vec<Unswept>,
}

impl Sweeper {
    /// A process that starts looks at everything once, and from then on at what has become due.
    fn new(now: Instant) -> Self {
        Self { since: now.minus(LOOK_BACK), failed: Vec::new() }
    }

    async fn round(&mut self, broker: &Broker) {
        // Rows are written well before they are due, but for those of commits that took long.
        let next = broker.now().minus(2 * ROUND);
        let done = match broker.sweep_again(&self.failed).await {
            Ok(again) => broker.sweep(self.since, Sweeping::Really).await.map(|sweep| (again, sweep)),
            Err(fault) => Err(fault),
        };
        let (again, sweep) = match done {
            Ok(done) => done,
            Err(fault) => {
                tracing::warn!(%fault, "abandoned uploads could not be swept yet");
                return;
            }
        };
        self.since = next;
        self.failed = again.failed;
        for one in sweep.failed {
            if !self.failed.contains(&one) {
                self.failed.push(one);
            }
        }
        // A start looks at what is beyond that.
        self.failed.truncate(MOST_FAILED);
        let swept = again.swept.len() + sweep.swept.len();
        if swept > 0 {
            tracing::info!(uploads = swept, "abandoned uploads were swept");
        }
        if !self.failed.is_empty() {
            tracing::warn!(failed = self.failed.len(), "abandoned uploads could not be swept yet");
        }
    }
}

/// Writes down how late it is.
pub(super) fn raise(mark: &HighWaterMark, broker: &Broker) {
    if let Err(fault) = mark.raise(broker.now()) {
        tracing::error!(%fault, "the time could not be written down");
    }
}
