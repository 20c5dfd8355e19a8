//! What a process does from time to time, beside answering requests.

use std::{sync::Arc, time::Duration};

use crate::{
    domain::instant::Instant,
    high_water::HighWaterMark,
    service::{
        Broker,
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

/// How often events are chained: a ledger tells them within a second.
const CHAINING: Duration = Duration::from_millis(400);

/// After how many of those what others have left behind is looked for.
const EVERYTHING: u32 = 750;

/// Chains events.
pub(super) async fn chaining(broker: Broker) {
    let mut ticks = tokio::time::interval(CHAINING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = 0_u32;
    loop {
        ticks.tick().await;
        // A start finds what the last end has left.
        let chained = match round % EVERYTHING {
            0 => broker.chain_everything().await,
            _ => broker.chain_lately().await,
        };
        if let Err(fault) = chained {
            tracing::warn!(%fault, "events could not be chained yet");
        }
        round = round.wrapping_add(1);
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
