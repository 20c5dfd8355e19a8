//! Somebody who follows a ledger: first what they have missed, page by page as they read it; then what is new.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        oneshot,
    },
    time::{Instant, sleep_until},
};

use crate::domain::event::EventType;

use super::{
    super::{Broker, Error, credentials::Credential},
    Ended, HEARTBEAT, Taking, Told, Written,
};

/// How many records are read at a time by one who is behind.
const PAGE: usize = 100;

/// What comes next.
#[derive(Debug)]
pub enum Tiding {
    /// An event.
    Event(Arc<Told>),
    /// Nothing new for a while; this is the number to go on after, all the same.
    StillHere(u64),
    /// It is over.
    Ended(Ended),
}

/// An open stream. Dropping it closes it.
pub struct Follower {
    broker: Broker,
    taking: Taking,
    credential: Credential,
    kinds: Vec<EventType>,
    written: Written,
    /// What was read of the ledger and is not yet taken.
    ready: VecDeque<Arc<Told>>,
    /// The number after which to go on, when all that is ready was taken.
    position: u64,
    /// Whether the ledger has more than the feed will tell.
    is_behind: bool,
    news: broadcast::Receiver<Arc<Told>>,
    ended: oneshot::Receiver<Ended>,
    read_at: Arc<AtomicU64>,
}

/// What a stream begins with.
pub(super) struct Opened {
    pub(super) broker: Broker,
    pub(super) taking: Taking,
    pub(super) credential: Credential,
    pub(super) kinds: Vec<EventType>,
    pub(super) position: u64,
    pub(super) news: broadcast::Receiver<Arc<Told>>,
    pub(super) ended: oneshot::Receiver<Ended>,
    pub(super) read_at: Arc<AtomicU64>,
    pub(super) written: Written,
}

impl Follower {
    pub(super) fn new(opened: Opened) -> Self {
        let Opened { broker, taking, credential, kinds, position, news, ended, read_at, written } = opened;
        // The feed tells nothing of what came before it was joined.
        Self {
            broker,
            taking,
            credential,
            kinds,
            written,
            ready: VecDeque::new(),
            position,
            is_behind: true,
            news,
            ended,
            read_at,
        }
    }

    /// The number after which it goes on.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Waits for what comes next. Nothing comes after an end. Given up while it waits, it has lost nothing.
    pub async fn next(&mut self) -> Tiding {
        let silent_until = Instant::now() + HEARTBEAT;
        loop {
            self.read_at.store(self.broker.now().as_unix_millis(), Ordering::Relaxed);
            match self.ended.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => {}
                Ok(why) => return Tiding::Ended(why),
                Err(oneshot::error::TryRecvError::Closed) => return Tiding::Ended(Ended::Closing),
            }
            if let Some(told) = self.ready.pop_front() {
                self.taking.streams.sent.fetch_add(1, Ordering::Relaxed);
                return Tiding::Event(told);
            }
            if Instant::now() >= silent_until {
                return Tiding::StillHere(self.position);
            }
            if self.is_behind {
                match self.catch_up().await {
                    Ok(()) => continue,
                    Err(Error::Unauthenticated | Error::Forbidden(_)) => return Tiding::Ended(Ended::NotAllowed),
                    Err(fault) => {
                        tracing::warn!(%fault, "a stream of events cannot go on");
                        return Tiding::Ended(Ended::Unavailable);
                    }
                }
            }
            tokio::select! {
                biased;
                why = &mut self.ended => return Tiding::Ended(why.unwrap_or(Ended::Closing)),
                news = self.news.recv() => match news {
                    Ok(told) => self.take(told),
                    // Nothing is lost: it stands in the ledger.
                    Err(RecvError::Lagged(_)) => self.is_behind = true,
                    Err(RecvError::Closed) => return Tiding::Ended(Ended::Closing),
                },
                () = sleep_until(silent_until) => {}
            }
        }
    }

    /// A page of the ledger. Others may have heard of what it says only as long as they may: so it is with this one.
    async fn catch_up(&mut self) -> Result<(), Error> {
        self.broker.may_follow(&self.credential).await?;
        let namespace = self.credential.namespace;
        let onward = self.broker.records_after(namespace, self.position, PAGE).await?;
        let count = onward.records.len();
        let told = self.broker.recorded(namespace, onward.records, &onward.segments).await?;
        for recorded in told {
            self.take(Arc::new(Told::of(recorded, self.written)));
        }
        self.position = self.position.max(onward.reached);
        self.is_behind = count == PAGE;
        Ok(())
    }

    /// What was seen already is told once.
    fn take(&mut self, told: Arc<Told>) {
        if told.seq > self.position {
            self.position = told.seq;
            if self.kinds.is_empty() || self.kinds.contains(&told.kind) {
                self.ready.push_back(told);
            }
        }
    }
}
