//! The feed of one ledger: reads what is new, and looks whether those who follow still may and still read.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::sync::broadcast;

use crate::domain::{ids::RequestId, instant::Instant, tenant::Namespace};

use super::{
    super::{Asking, Broker, Error, credentials::Credential},
    Ended, PATIENCE, Seat, Told, Written,
};

/// How often a ledger is looked at, and who follows it.
const TICK: Duration = Duration::from_millis(400);

/// How many records are read at a time.
const PORTION: usize = 500;

/// Reads for ever; whoever began it ends it.
pub(super) async fn read(
    broker: Broker,
    namespace: Namespace,
    told: broadcast::Sender<Arc<Told>>,
    end: u64,
    written: Written,
) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut reached, mut was_broken) = (end, false);
    loop {
        ticks.tick().await;
        let looked = broker.look(namespace, &told, &mut reached, written).await;
        if let Err(fault) = &looked
            && !was_broken
        {
            tracing::warn!(%fault, "a ledger that is followed cannot be read now");
        }
        was_broken = looked.is_err();
    }
}

impl Broker {
    async fn look(
        &self,
        namespace: Namespace,
        told: &broadcast::Sender<Arc<Told>>,
        reached: &mut u64,
        written: Written,
    ) -> Result<(), Error> {
        // Nobody hears of anything of whom it is not known that they may.
        self.look_at_followers(namespace).await?;
        loop {
            let onward = self.records_after(namespace, *reached, PORTION).await?;
            let count = onward.records.len();
            for recorded in self.recorded(namespace, onward.records, &onward.segments).await? {
                // Whoever is behind reads by themselves.
                let _nobody = told.send(Arc::new(Told::of(recorded, written)));
            }
            *reached = onward.reached;
            if count < PORTION {
                return Ok(());
            }
        }
    }

    async fn look_at_followers(&self, namespace: Namespace) -> Result<(), Error> {
        let now = self.now();
        let credentials = self.event_streams.end_what_is_over(namespace, now);
        let looks = credentials.into_iter().map(async |credential| {
            let found = self.may_follow(&credential).await;
            (credential, found)
        });
        let mut outcome = Ok(());
        for (credential, found) in join_all(looks).await {
            match found {
                Ok(()) => {}
                Err(Error::Unauthenticated | Error::Forbidden(_)) => {
                    self.event_streams.end_those_of(namespace, &credential);
                }
                Err(fault) => outcome = Err(fault),
            }
        }
        outcome
    }

    /// Whether somebody may still follow.
    pub(super) async fn may_follow(&self, credential: &Credential) -> Result<(), Error> {
        let asking = Asking::here(RequestId::from_bytes([0; 16]));
        self.still_known(credential, asking).await?.administers()
    }
}

impl super::EventStreams {
    /// Ends streams whose time is over, and connections of which nobody reads. Those who follow, each once.
    fn end_what_is_over(&self, namespace: Namespace, now: Instant) -> HashSet<Credential> {
        let mut feeds = self.feeds();
        let Some(feed) = feeds.by_namespace.get_mut(&namespace) else { return HashSet::new() };
        for seat in feed.seats.values_mut() {
            if seat.end.is_some() && now >= seat.ends_at {
                seat.end(Ended::Over);
            } else if !reads(seat, now) {
                if seat.end.is_some() {
                    self.not_read.fetch_add(1, Ordering::Relaxed);
                }
                seat.end(Ended::NotRead);
                // What was told to end and takes nothing does not hear that.
                (seat.hang_up)();
            }
        }
        let followers = feed.seats.values().filter(|seat| seat.end.is_some());
        followers.map(|seat| seat.credential.clone()).collect()
    }

    fn end_those_of(&self, namespace: Namespace, credential: &Credential) {
        let mut feeds = self.feeds();
        let Some(feed) = feeds.by_namespace.get_mut(&namespace) else { return };
        for seat in feed.seats.values_mut().filter(|seat| seat.credential == *credential) {
            seat.end(Ended::NotAllowed);
        }
    }
}

fn reads(seat: &Seat, now: Instant) -> bool {
    now < Instant::from_unix_millis(seat.read_at.load(Ordering::Relaxed)).plus(PATIENCE)
}
