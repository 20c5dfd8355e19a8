//! Keys that are read again while the broker runs, and rows that are vouched for anew once they have changed.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use crate::{
    crypto::keyring::{KeyKind, KeyState, Kid, ListedKey},
    keys::{
        Keys,
        document::KeyDocument,
        place::{KeyPlace, KeysError},
        schedule::{self, Step},
    },
    service::{Broker, rewriting::Rewriting},
};

use super::StartError;

/// How often keys are read again, and a replica tells which it has.
const READING: Duration = Duration::from_secs(30);

/// How often it is looked whether a root key is old.
const REPLACING: Duration = Duration::from_secs(3600);

/// How often it is looked whether rows are to be vouched for anew.
const REWRITING: Duration = Duration::from_secs(60);

/// The same, while it is waited for other replicas, or for events: at first, and then after twice as long each time, since it
/// may take a look at every row.
const REWRITING_LATER: Duration = Duration::from_secs(3);
const REWRITING_AT_LAST: Duration = Duration::from_secs(3600);

/// Reads the keys again, from time to time and whenever somebody wants it, and tells the others.
pub(super) async fn reading(broker: Broker, place: Arc<KeyPlace>, wanted: Arc<Notify>, changed: Arc<Notify>) {
    let mut ticks = tokio::time::interval(READING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = wanted.notified() => {}
        }
        let is_changed = read(&broker, &place).await;
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
async fn read(broker: &Broker, place: &KeyPlace) -> bool {
    let taken = match keys_in(place).await {
        Ok((keys, listed)) => {
            let taken = broker.take_keys(&keys.keyring, &keys.edge).await;
            if taken.is_ok() {
                broker.rotation.listed(listed);
            }
            taken.map_err(|fault| fault.to_string())
        }
        Err(fault) => Err(fault.to_string()),
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

async fn keys_in(place: &KeyPlace) -> Result<(Keys, Vec<ListedKey>), KeysError> {
    let document = place.read().await?.ok_or_else(|| KeysError::Missing(place.source().clone()))?;
    let keys = document.keys().map_err(|fault| KeysError::Malformed(place.source().clone(), fault))?;
    Ok((keys, document.listed()))
}

/// Replaces root keys that are old, step by step. Replicas share the place of the keys, and of those that want the same step one does it.
pub(super) async fn replacing(broker: Broker, place: Arc<KeyPlace>, days: u16, wanted: Arc<Notify>) {
    let mut ticks = tokio::time::interval(REPLACING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match replaced(&broker, &place, days).await {
            Ok(None) => {}
            Ok(Some(step)) => {
                tracing::info!(event = "root_keys_replaced", ?step, "root keys have changed, since one is old");
                wanted.notify_one();
            }
            Err(fault) => tracing::warn!(%fault, "whether a root key is to be replaced could not be seen to"),
        }
    }
}

async fn replaced(broker: &Broker, place: &KeyPlace, days: u16) -> Result<Option<Step>, StartError> {
    let Some(document) = place.read().await? else { return Ok(None) };
    // This one counts, too.
    broker.note_replica().await?;
    let replicas = broker.replicas().await?;
    let accepted = |name: &str| !replicas.is_empty() && replicas.iter().all(|replica| replica.accepts(name));
    let mut unused = Vec::new();
    for key in document.listed().into_iter().filter(|key| key.state == KeyState::AcceptOnly) {
        if let Some(kid) = Kid::parse(&key.name)
            && broker.rewritten_at(kid).await?.is_some()
        {
            unused.push(key.name);
        }
    }
    let now = broker.now();
    let next = |document: &KeyDocument| {
        schedule::next(&document.listed(), days, now, accepted, |name| unused.iter().any(|unused| unused == name))
    };
    let Some(step) = next(&document) else { return Ok(None) };
    let entropy = broker.entropy.as_ref();
    let changed = place.change(
        |document| {
            // Somebody may have done it meanwhile, or something else.
            if next(document).as_ref() != Some(&step) {
                return Ok(false);
            }
            match &step {
                Step::Stage => document.stage(KeyKind::Root, now, entropy).map(drop)?,
                Step::Promote(name) => document.promote(name, None, now).map(drop)?,
                Step::Retire(name) => document.retire(name, false, now).map(drop)?,
            }
            Ok(true)
        },
        entropy,
    );
    match changed.await {
        Ok(changed) => Ok(changed.then_some(step)),
        Err(KeysError::Changed(_)) => Ok(None),
        Err(fault) => Err(fault.into()),
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
