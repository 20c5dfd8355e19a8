//! Streams of events: what happens in a namespace, told to whoever follows it while it happens.
//!
//! Each ledger that is followed here has one feed, which reads what is new once for all of them ([`feed`]) and ends
//! with the last. Whoever is behind reads the ledger by themselves until they have caught up ([`follower`]). What is kept
//! for one who does not read is bounded, whoever it is: by the feed's ring, and by a page of the ledger.
//!
//! Never here: what an event looks like to those who read it, and by what kind of connection it reaches them.

mod feed;
mod follower;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, broadcast, oneshot},
    task::JoinHandle,
};

use crate::domain::{
    event::EventType, ids::TenantId, instant::Instant, lifetime, limits::StreamLimits, network::AddressBlock,
    principal::PrincipalId, tenant::Namespace,
};

use super::{
    Broker, Caller, Error,
    credentials::Credential,
    event_lists::WantedEvents,
    history::Recorded,
    places::{Place, Places, Taken},
};

use follower::Opened;
pub use follower::{Follower, Tiding};

/// At most so many streams are open at a time in a process: half of the connections that it has.
const MOST_STREAMS: usize = 2_048;

/// How many events a feed keeps for those who have not read them yet.
const RING: usize = 1_024;

/// For how long a connection may take nothing, before it is ended. Something is sent to each twice as often.
const PATIENCE: Duration = Duration::from_secs(30);

/// After how long a silence something is sent that means nothing, so that nobody takes the silence for an end.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long those who read have to leave when the process ends.
const LEAVING: Duration = Duration::from_secs(2);

/// How an event is written for its readers; once for all of them.
pub type Written = fn(Recorded) -> String;

/// Ends the connection of somebody who takes nothing from it.
pub type HangUp = Box<dyn Fn() + Send + Sync>;

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Whoever followed may do so no more.
    NotAllowed,
    /// It lasted as long as a stream may.
    Over,
    /// Nothing was read from it.
    NotRead,
    /// The process ends.
    Closing,
    /// The store did not answer.
    Unavailable,
}

/// An event as it is sent.
#[derive(Debug)]
pub struct Told {
    /// Its number.
    pub seq: u64,
    kind: EventType,
    /// As its readers read it.
    pub text: String,
}

impl Told {
    fn of(recorded: Recorded, written: Written) -> Self {
        let seq = recorded.place.as_ref().map_or(0, |place| place.seq);
        Self { seq, kind: recorded.event.kind, text: written(recorded) }
    }
}

/// How streams are read that somebody opens.
pub struct Reading {
    /// How each event is written.
    pub written: Written,
    /// Ends the connection.
    pub hang_up: HangUp,
}

/// The streams of a process.
#[derive(Debug)]
pub struct EventStreams {
    /// Feeds outlive the requests that began them.
    runtime: Handle,
    of_address: Places<AddressBlock>,
    of_principal: Places<PrincipalId>,
    of_tenant: Places<TenantId>,
    feeds: Mutex<Feeds>,
    /// Told when the last follower of a ledger has left.
    left: Notify,
    sent: AtomicU64,
    not_read: AtomicU64,
}

/// What has become of streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventStreamFigures {
    /// How many are open.
    pub open: u64,
    /// How many ledgers these follow.
    pub followed: u64,
    /// How many events were sent.
    pub sent: u64,
    /// How many streams were ended because nobody read them.
    pub not_read: u64,
}

#[derive(Debug, Default)]
struct Feeds {
    is_closed: bool,
    opened: u64,
    by_namespace: HashMap<Namespace, Feed>,
}

/// The feed of one ledger, and who follows it.
#[derive(Debug)]
struct Feed {
    told: broadcast::Sender<Arc<Told>>,
    seats: HashMap<u64, Seat>,
    /// None once the process ends.
    reading: Option<JoinHandle<()>>,
}

/// Somebody who follows, as the feed knows them.
struct Seat {
    credential: Credential,
    ends_at: Instant,
    /// When they were last ready to take something, in milliseconds.
    read_at: Arc<AtomicU64>,
    /// None once they were told that it ended.
    end: Option<oneshot::Sender<Ended>>,
    hang_up: HangUp,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seat({:?})", self.credential)
    }
}

impl Seat {
    fn end(&mut self, why: Ended) {
        if let Some(end) = self.end.take() {
            // Who has left already hears nothing.
            let _left = end.send(why);
        }
    }
}

/// Gives the seat back when it is dropped, and with the last one the feed ends.
#[derive(Debug)]
struct Taking {
    streams: Arc<EventStreams>,
    namespace: Namespace,
    number: u64,
    _places: [Place; 3],
}

impl Drop for Taking {
    fn drop(&mut self) {
        let mut feeds = self.streams.feeds();
        let Some(feed) = feeds.by_namespace.get_mut(&self.namespace) else { return };
        if feed.seats.remove(&self.number).is_some() && feed.seats.is_empty() {
            if let Some(reading) = feed.reading.take() {
                reading.abort();
            }
            feeds.by_namespace.remove(&self.namespace);
            self.streams.left.notify_one();
        }
    }
}

impl EventStreams {
    /// No streams yet. Feeds will run there.
    pub fn on(runtime: Handle, limits: &StreamLimits) -> Self {
        let most = |limit: Option<u32>| limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MOST_STREAMS);
        Self {
            runtime,
            of_address: Places::new(MOST_STREAMS, most(limits.of_address)),
            of_principal: Places::new(MOST_STREAMS, most(limits.of_principal)),
            of_tenant: Places::new(MOST_STREAMS, most(limits.of_tenant)),
            feeds: Mutex::default(),
            left: Notify::new(),
            sent: AtomicU64::new(0),
            not_read: AtomicU64::new(0),
        }
    }

    fn feeds(&self) -> MutexGuard<'_, Feeds> {
        // A panic elsewhere while holding it leaves a map that is whole.
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has become of streams so far.
    pub fn figures(&self) -> EventStreamFigures {
        let feeds = self.feeds();
        EventStreamFigures {
            open: feeds.by_namespace.values().map(|feed| feed.seats.len() as u64).sum(),
            followed: feeds.by_namespace.len() as u64,
            sent: self.sent.load(Ordering::Relaxed),
            not_read: self.not_read.load(Ordering::Relaxed),
        }
    }

    /// Ends every stream, and lets nobody open another: a server that stops waits for answers under way. Whoever does
    /// not read does not leave by themselves, and is left behind.
    pub async fn close(&self) {
        let reading: Vec<_> = {
            let mut feeds = self.feeds();
            feeds.is_closed = true;
            let of_all = feeds.by_namespace.values_mut();
            of_all.flat_map(|feed| feed.seats.values_mut()).for_each(|seat| seat.end(Ended::Closing));
            feeds.by_namespace.values_mut().filter_map(|feed| feed.reading.take()).collect()
        };
        for reading in reading {
            reading.abort();
            // Ended, it no longer has the store open.
            let _cancelled = reading.await;
        }
        let all_left = async {
            while !self.feeds().by_namespace.is_empty() {
                self.left.notified().await;
            }
        };
        if tokio::time::timeout(LEAVING, all_left).await.is_err() {
            let feeds = self.feeds();
            feeds.by_namespace.values().flat_map(|feed| feed.seats.values()).for_each(|seat| (seat.hang_up)());
        }
    }

    fn places(&self, caller: &Caller) -> Result<[Place; 3], Error> {
        let taken = |what| {
            move |taken| match taken {
                Taken::ByOne => Error::TooManyAtOnce { what },
                Taken::ByAll => Error::Busy,
            }
        };
        let own = self.of_principal.try_take(caller.principal.id);
        let own = own.map_err(taken("you have as many event streams open as one may (streams_of_principal)"))?;
        let of_address = self.of_address.try_take(caller.asking.from.block());
        let of_address = of_address
            .map_err(taken("as many event streams are open from your address as may be (streams_of_address)"))?;
        let of_tenant = self.of_tenant.try_take(caller.tenant.id);
        let of_tenant =
            of_tenant.map_err(taken("as many event streams of your tenant are open as may be (streams_of_tenant)"))?;
        Ok([own, of_address, of_tenant])
    }
}

impl Broker {
    /// Opens a stream of what happens in the caller's namespace: from a number on, or from the present end on.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, there is no such number yet, too many streams are open, or the
    /// process ends.
    pub async fn follow_events(
        &self,
        caller: &Caller,
        wanted: WantedEvents,
        reading: Reading,
    ) -> Result<Follower, Error> {
        caller.administers()?;
        let (namespace, streams) = (caller.namespace(), &self.event_streams);
        let places = streams.places(caller)?;
        self.chain_what_waits(namespace).await;
        let end = self.end_of(namespace).await?;
        let position = wanted.reached(end)?.unwrap_or(end);
        let Reading { written, hang_up } = reading;
        let now = self.now();
        let read_at = Arc::new(AtomicU64::new(now.as_unix_millis()));
        let (ending, ended) = oneshot::channel();
        let credential = Credential::of(caller);
        let seat = Seat {
            credential: credential.clone(),
            ends_at: now.plus(lifetime::EVENT_STREAM),
            read_at: Arc::clone(&read_at),
            end: Some(ending),
            hang_up,
        };
        let (number, news) = {
            let mut feeds = streams.feeds();
            if feeds.is_closed {
                return Err(Error::Busy);
            }
            feeds.opened += 1;
            let number = feeds.opened;
            let feed = feeds.by_namespace.entry(namespace).or_insert_with(|| {
                let (told, _) = broadcast::channel(RING);
                // It begins where this ledger was seen to end; what stands before that, each reads by themselves.
                let reading = feed::read(self.clone(), namespace, told.clone(), end, written);
                Feed { told, seats: HashMap::new(), reading: Some(streams.runtime.spawn(reading)) }
            });
            feed.seats.insert(number, seat);
            (number, feed.told.subscribe())
        };
        let taking = Taking { streams: Arc::clone(streams), namespace, number, _places: places };
        let (broker, kinds) = (self.clone(), wanted.kinds);
        Ok(Follower::new(Opened { broker, taking, credential, kinds, position, news, ended, read_at, written }))
    }
}
