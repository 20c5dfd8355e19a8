//! Keys that are read again while the broker runs, and rows that are vouched for anew once they have changed.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use crate::{
    keys::source::{KeySource, KeysError},
    service::{Broker, rewriting::Rewriting},
};

/// How often keys are read again, and a replica tells which it has.
const READING: Duration = Duration::from_secs(30);

/// How often it is looked whether rows are to be vouched for anew.
const REWRITING: Duration = Duration::from_secs(60);

/// The same, while it is waited for other replicas, or for events: at first, and then after twice as long each time, since it
/// may take a look at every row.
const REWRITING_LATER: Duration = Duration::from_secs(3);
const REWRITING_AT_LAST: Duration = Duration::from_secs(3600);

/// Reads the keys again, from time to time and whenever somebody wants it, and tells the others.
pub(super) async fn reading(broker: Broker, source: KeySource, wanted: Arc<Notify>, changed: Arc<Notify>) {
    let mut ticks = tokio::time::interval(READING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = wanted.notified() => {}
        }
        let is_changed = read(&broker, source.clone()).await;
        if let Err(fault) = broker.note_replica().await {
            tracing::warn!(%fault, "the other replicas could not be told which keys this one has");
        }
        if is_changed {
            changed.notify_one();
        }
    }
}

/// Takes the keys that are there now. Those in use stay where others cannot be had or used: no request ends by it. Tells
/// whether they are others.
async fn read(broker: &Broker, source: KeySource) -> bool {
    let read = tokio::task::spawn_blocking(move || match source.read()? {
        Some(document) => {
            let keys = document.keys().map_err(|fault| KeysError::Malformed(source, fault))?;
            Ok((keys, document.listed()))
        }
        None => Err(KeysError::Missing(source)),
    });
    let taken = match read.await {
        Ok(Ok((keys, listed))) => {
            let taken = broker.take_keys(&keys.keyring, &keys.edge).await;
            if taken.is_ok() {
                broker.rotation.listed(listed);
            }
            taken.map_err(|fault| fault.to_string())
        }
        Ok(Err(fault)) => Err(fault.to_string()),
        Err(_) => Err("reading them did not end".into()),
    };
    match taken {
        Ok(false) => false,
        Ok(true) => {
            let states: Vec<_> =
                broker.keyring.keys().iter().map(|key| format!("{} {}", key.kid, key.state.as_str())).collect();
            tracing::info!(root_keys = states.join(", "), "keys have changed");
            true
        }
        Err(fault) => {
            broker.rotation.refused();
            tracing::error!(event = "keys_not_taken", %fault, "the keys in use stay: others were not taken");
            false
        }
    }
}

/// Vouches for rows anew, where there are some under a key that is accepted only.
pub(super) async fn rewriting(broker: Broker, changed: Arc<Notify>) {
    let mut later = REWRITING_LATER;
    loop {
        let pause = match broker.rewrite_rows().await {
            Ok(Rewriting::Done) => REWRITING,
            Ok(Rewriting::Later) => {
                later = REWRITING_AT_LAST.min(2 * later);
                later / 2
            }
            Err(fault) => {
                tracing::warn!(%fault, "rows could not be vouched for anew yet");
                REWRITING
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = changed.notified() => later = REWRITING_LATER,
        }
    }
}
