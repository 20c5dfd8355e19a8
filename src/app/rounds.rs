//! What a process does from time to time, beside answering requests.

use std::{sync::Arc, time::Duration};

use crate::{
    domain::{instant::Instant, lifetime::CLOCK_SKEW},
    high_water::HighWaterMark,
    service::{
        Broker,
        sweep::{LOOK_BACK, Sweep, Sweeping},
    },
    store::embedded::EmbeddedStore,
};

/// How often what has to be done from time to time is done.
const ROUND: Duration = Duration::from_secs(60);

/// How many rows are purged in one go, so that commits never wait long.
const PURGE_PORTION: usize = 1_000;

/// What has to be done from time to time.
pub(super) async fn rounds(broker: Broker, embedded: Option<Arc<EmbeddedStore>>, mark: HighWaterMark) {
    let mut ticks = tokio::time::interval(ROUND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // A process that starts looks at everything once, and from then on at what has become due.
    let mut swept = broker.now().minus(LOOK_BACK);
    loop {
        ticks.tick().await;
        swept = sweep(&broker, swept).await;
        broker.record_refusal_summaries(false).await;
        raise(&mark, &broker);
        if let Some(store) = &embedded {
            match store.sweep(broker.now(), PURGE_PORTION).await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "purged"),
                Err(fault) => tracing::warn!(%fault, "rows could not be purged"),
            }
        }
    }
}

/// Sweeps uploads, and says from where the next round goes on: a little
/// earlier than now, since replicas' clocks differ.
async fn sweep(broker: &Broker, since: Instant) -> Instant {
    let now = broker.now();
    match broker.sweep(since, Sweeping::Really).await {
        Ok(Sweep { swept, failed: 0 }) => {
            if !swept.is_empty() {
                tracing::info!(uploads = swept.len(), "abandoned uploads were swept");
            }
            now.minus(2 * CLOCK_SKEW)
        }
        Ok(Sweep { failed, .. }) => {
            tracing::warn!(failed, "abandoned uploads could not be swept yet");
            since
        }
        Err(fault) => {
            tracing::warn!(%fault, "abandoned uploads could not be swept yet");
            since
        }
    }
}

/// Writes down how late it is.
pub(super) fn raise(mark: &HighWaterMark, broker: &Broker) {
    if let Err(fault) = mark.raise(broker.now()) {
        tracing::error!(%fault, "the time could not be written down");
    }
}
