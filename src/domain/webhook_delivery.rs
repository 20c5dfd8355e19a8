//! What becomes of events on their way to a receiver: tried, tried again ever less often, and at last left.
//!
//! Pure: the ledger is what is delivered, and rows of how far that has come are kept elsewhere.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{event::EventType, instant::Instant, webhook::PauseReason};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// How long after each failed try there is another, in seconds, as the Standard Webhooks specification has it. After the
/// last of them it is left.
const WAITS: [u64; 9] = [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// For how long what was left can be looked at, and sent once more.
pub const DEAD_FOR: Duration = Duration::from_secs(30 * 24 * HOUR);

/// For how long what still waits is kept, while its webhook is paused.
pub const WAITING_FOR: Duration = Duration::from_secs(90 * 24 * HOUR);

/// After how many failures in a row, of whatever, a receiver is given a rest.
const PATIENCE: u32 = 5;

/// How long the first rest is, in seconds, and the longest.
const REST: (u64, u64) = (10, 10 * MINUTE);

/// A receiver that has taken nothing for so long is asked no more.
const FAILING_FOR: Duration = Duration::from_secs(5 * 24 * HOUR);

/// How long a receiver may ask to be left alone.
const LONGEST_ASKED: Duration = Duration::from_secs(HOUR);

/// What went wrong with a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// It answered, and not with 2xx.
    Status,
    /// It did not answer in time.
    Timeout,
    /// There is nobody of that name.
    NameNotFound,
    /// The name leads to where nothing is sent.
    AddressRefused,
    /// There is no connection to be had.
    Unreachable,
    /// It does not show that it is who it says.
    Certificate,
    /// It hung up, or spoke something else than HTTP.
    Broken,
}

impl Trouble {
    /// As it is told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::NameNotFound => "name_not_found",
            Self::AddressRefused => "address_refused",
            Self::Unreachable => "unreachable",
            Self::Certificate => "certificate",
            Self::Broken => "broken",
        }
    }
}

/// A try that came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong.
    pub what: Trouble,
    /// What it answered, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it wants to be left alone, where it says so.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

/// What a try came to: the status of the answer, or what went wrong.
pub type Tried = Result<u16, Failure>;

/// 410: the receiver wants nothing more.
fn is_gone(tried: &Tried) -> bool {
    matches!(tried, Err(Failure { status: Some(410), .. }))
}

/// How long a receiver is left alone because it wants that: 429 and 503 may say so.
fn asked_for(tried: &Tried) -> Option<Duration> {
    match tried {
        Err(Failure { status: Some(429 | 503), retry_after: Some(span), .. }) => Some((*span).min(LONGEST_ASKED)),
        _ => None,
    }
}

/// Where a delivery stands that failed once at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum DeliveryState {
    /// It is tried again.
    Waiting {
        /// When.
        next_at: Instant,
    },
    /// It was tried as often as anything is, and left.
    Dead {
        /// When.
        at: Instant,
    },
    /// It arrived in the end.
    Delivered {
        /// When.
        at: Instant,
    },
}

/// The delivery of one event to one receiver, where it failed once at least.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The number of the event in its ledger.
    pub seq: u64,
    /// The id of the event.
    pub event: String,
    /// The `webhook-id` under which it is sent, the same each time.
    pub message: String,
    /// What happened.
    pub kind: EventType,
    /// How often it was tried.
    pub attempts: u32,
    /// When first.
    pub first_at: Instant,
    /// When last.
    pub last_at: Instant,
    /// What the last failed try came to.
    pub failure: Failure,
    /// Where it stands.
    pub state: DeliveryState,
}

impl Delivery {
    /// Whether it is to be tried again by itself.
    pub const fn is_waiting(&self) -> bool {
        matches!(self.state, DeliveryState::Waiting { .. })
    }

    /// After another failed try, by itself. `jitter` is drawn, so that what failed together is not tried together; the next
    /// try is not before `floor`.
    #[must_use]
    pub fn failed(self, failure: Failure, now: Instant, jitter: u8, floor: Instant) -> Self {
        let attempts = self.attempts + 1;
        let wait = usize::try_from(attempts - 1).ok().and_then(|index| WAITS.get(index));
        let state = match wait {
            Some(seconds) => {
                // A tenth more at most.
                let spread = Duration::from_millis(seconds * 100 * u64::from(jitter) / 255);
                let wait = Duration::from_secs(*seconds) + spread;
                let wait = wait.max(asked_for(&Err(failure)).unwrap_or_default());
                DeliveryState::Waiting { next_at: now.plus(wait).max(floor) }
            }
            None => DeliveryState::Dead { at: now },
        };
        Self { attempts, last_at: now, failure, state, ..self }
    }

    /// After a try that somebody has asked for: where it failed, it stands as it stood.
    #[must_use]
    pub fn replayed(self, tried: Tried, now: Instant) -> Self {
        let attempts = self.attempts + 1;
        match tried {
            Ok(_) => Self { attempts, last_at: now, state: DeliveryState::Delivered { at: now }, ..self },
            Err(failure) => Self { attempts, last_at: now, failure, ..self },
        }
    }

    /// It arrived.
    #[must_use]
    pub fn delivered(self, now: Instant) -> Self {
        Self { attempts: self.attempts + 1, last_at: now, state: DeliveryState::Delivered { at: now }, ..self }
    }

    /// Until when it is kept.
    pub fn kept_until(&self) -> Instant {
        match self.state {
            DeliveryState::Waiting { next_at } => next_at.plus(WAITING_FOR),
            DeliveryState::Dead { at } => at.plus(DEAD_FOR),
            DeliveryState::Delivered { at } => at.plus(Duration::from_secs(24 * HOUR)),
        }
    }
}

/// Who delivers now, so that two do not do the same work. Nothing but effort rests on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Drawn by a process when it starts.
    pub holder: u64,
    /// Until when.
    pub until: Instant,
}

/// How far a webhook has come in its ledger, and how its receiver is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// All records up to this one were tried, or are none of its business.
    pub seq: u64,
    /// All retries that stand up to here were dealt with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub retries_up_to: String,
    /// When the last of those was due.
    pub retries_due: Instant,
    /// Who delivers now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// How many deliveries wait to be tried again.
    pub waiting: u64,
    /// Since when some wait, without a break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Instant>,
    /// How many were left, in all.
    pub dead: u64,
    /// Since when nothing arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Instant>,
    /// How many tries have failed since anything arrived.
    pub failed_in_a_row: u32,
    /// Until when the receiver is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_until: Option<Instant>,
    /// When something arrived last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Instant>,
}

impl Progress {
    /// Of a webhook that gets what comes after this record.
    pub fn after(seq: u64, now: Instant) -> Self {
        Self {
            seq,
            retries_up_to: String::new(),
            retries_due: now,
            lease: None,
            waiting: 0,
            waiting_since: None,
            dead: 0,
            failing_since: None,
            failed_in_a_row: 0,
            rests_until: None,
            delivered_at: None,
        }
    }

    /// Until when nothing is sent, if that is so now.
    pub fn rests(&self, now: Instant) -> Option<Instant> {
        self.rests_until.filter(|until| now < *until)
    }

    /// The receiver is asked again at once, whatever was before.
    pub fn awake(&mut self) {
        (self.failing_since, self.failed_in_a_row, self.rests_until) = (None, 0, None);
    }

    /// Counts a delivery that was in one state, or had never failed, and is now in another.
    pub fn count(&mut self, before: Option<&Delivery>, after: &Delivery, now: Instant) {
        let waited = before.is_some_and(Delivery::is_waiting);
        match (waited, after.is_waiting()) {
            (false, true) => self.waiting += 1,
            (true, false) => self.waiting = self.waiting.saturating_sub(1),
            _ => {}
        }
        let was_dead = before.is_some_and(|before| matches!(before.state, DeliveryState::Dead { .. }));
        if matches!(after.state, DeliveryState::Dead { .. }) && !was_dead {
            self.dead += 1;
        }
        self.waiting_since = if self.waiting == 0 { None } else { self.waiting_since.or(Some(now)) };
    }

    /// What tries at the same time say of the receiver. Tells whether it is to be asked no more for now.
    pub fn heard(&mut self, tried: &[Tried], now: Instant, jitter: u8) -> Option<PauseReason> {
        if tried.iter().any(is_gone) {
            return Some(PauseReason::Gone);
        }
        if tried.iter().any(Result::is_ok) {
            self.awake();
            self.delivered_at = Some(now);
        } else if !tried.is_empty() {
            let since = *self.failing_since.get_or_insert(now);
            self.failed_in_a_row = self.failed_in_a_row.saturating_add(u32::try_from(tried.len()).unwrap_or(u32::MAX));
            if since.plus(FAILING_FOR) <= now {
                return Some(PauseReason::Failing);
            }
            let (first, longest) = REST;
            let over = self.failed_in_a_row.checked_sub(PATIENCE);
            let rest = over.map(|over| first.saturating_mul(1 << (over / PATIENCE).min(10)).min(longest));
            let rest = rest.map(|seconds| Duration::from_millis(seconds * (1_000 + 100 * u64::from(jitter) / 255)));
            self.rests_until = rest.map(|rest| now.plus(rest));
        }
        let asked = tried.iter().filter_map(asked_for).max().map(|span| now.plus(span));
        self.rests_until = self.rests_until.max(asked);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Instant = Instant::from_unix_seconds(1_000_000);

    fn failure(status: u16) -> Failure {
        Failure { what: Trouble::Status, status: Some(status), retry_after: None }
    }

    fn delivery() -> Delivery {
        Delivery {
            seq: 1,
            event: "evt_1".into(),
            message: "msg_1".into(),
            kind: EventType::ShareClaimed,
            attempts: 0,
            first_at: AT,
            last_at: AT,
            failure: failure(500),
            state: DeliveryState::Waiting { next_at: AT },
        }
    }

    #[test]
    fn a_delivery_is_tried_ten_times_over_three_days_and_then_left() {
        let (mut delivery, mut now, mut waits) = (delivery(), AT, Vec::new());
        while let DeliveryState::Waiting { .. } = delivery.state {
            delivery = delivery.failed(failure(500), now, 0, AT);
            if let DeliveryState::Waiting { next_at } = delivery.state {
                waits.push(next_at.since(now).as_secs());
                now = next_at;
            }
        }
        assert_eq!(waits, WAITS);
        assert_eq!((delivery.attempts, delivery.state), (10, DeliveryState::Dead { at: now }));
        assert_eq!(now.since(AT).as_secs(), 75 * HOUR + 35 * MINUTE + 5);
        assert_eq!(delivery.kept_until(), now.plus(DEAD_FOR));
    }

    #[test]
    fn the_next_try_is_spread_and_neither_before_what_was_looked_at_nor_before_the_receiver_wants() {
        let next = |delivery: Delivery| match delivery.state {
            DeliveryState::Waiting { next_at } => next_at.since(AT).as_millis(),
            other => panic!("{other:?}"),
        };
        assert_eq!(next(delivery().failed(failure(500), AT, 255, AT)), 5_500);
        assert_eq!(next(delivery().failed(failure(500), AT, 0, AT.plus(Duration::from_secs(9)))), 9_000);
        let busy = |status, seconds| Failure { retry_after: Some(Duration::from_secs(seconds)), ..failure(status) };
        assert_eq!(next(delivery().failed(busy(503, 60), AT, 0, AT)), 60_000);
        assert_eq!(next(delivery().failed(busy(429, 1_000_000), AT, 0, AT)), 3_600_000);
        assert_eq!(next(delivery().failed(busy(500, 60), AT, 0, AT)), 5_000);
        assert_eq!(next(delivery().failed(busy(503, 1), AT, 0, AT)), 5_000);
    }

    #[test]
    fn what_is_replayed_arrives_or_stands_as_it_stood() {
        let dead = Delivery { state: DeliveryState::Dead { at: AT }, ..delivery() };
        let later = AT.plus(Duration::from_secs(1));
        assert_eq!(dead.clone().replayed(Err(failure(404)), later).state, dead.state);
        assert_eq!(dead.replayed(Ok(200), later).state, DeliveryState::Delivered { at: later });
    }

    #[test]
    fn a_receiver_that_takes_nothing_is_left_alone_ever_longer_and_asked_no_more_after_days() {
        let mut progress = Progress::after(0, AT);
        let bad = [Err(failure(500))];
        for _ in 0..4 {
            assert_eq!(progress.heard(&bad, AT, 0), None);
            assert_eq!(progress.rests(AT), None);
        }
        let (mut now, mut rests) = (AT, Vec::new());
        let paused = loop {
            match progress.heard(&bad, now, 0) {
                None => {}
                Some(why) => break why,
            }
            let until = progress.rests(now).unwrap();
            rests.push(until.since(now).as_secs());
            now = until;
        };
        assert_eq!(rests[..7], [10, 10, 10, 10, 10, 20, 20]);
        assert_eq!(rests.iter().max(), Some(&600));
        assert_eq!(paused, PauseReason::Failing);
        assert!(now.since(AT) >= FAILING_FOR);

        assert_eq!(progress.heard(&[Err(failure(500)), Ok(204)], now, 0), None);
        assert_eq!((progress.failing_since, progress.rests(now)), (None, None));
    }

    #[test]
    fn a_receiver_that_is_gone_or_wants_to_be_left_alone_is_heard() {
        let mut progress = Progress::after(0, AT);
        assert_eq!(progress.heard(&[Err(failure(410))], AT, 0), Some(PauseReason::Gone));
        let busy = Failure { retry_after: Some(Duration::from_secs(30)), ..failure(429) };
        assert_eq!(progress.heard(&[Err(busy), Ok(200)], AT, 0), None);
        assert_eq!(progress.rests(AT), Some(AT.plus(Duration::from_secs(30))));
    }

    #[test]
    fn what_waits_and_what_was_left_is_counted() {
        let mut progress = Progress::after(0, AT);
        let waiting = delivery();
        let dead = Delivery { state: DeliveryState::Dead { at: AT }, ..delivery() };
        let arrived = Delivery { state: DeliveryState::Delivered { at: AT }, ..delivery() };
        progress.count(None, &waiting, AT);
        progress.count(Some(&waiting), &waiting, AT);
        assert_eq!((progress.waiting, progress.dead, progress.waiting_since), (1, 0, Some(AT)));
        progress.count(Some(&waiting), &dead, AT);
        assert_eq!((progress.waiting, progress.dead, progress.waiting_since), (0, 1, None));
        progress.count(Some(&dead), &arrived, AT);
        progress.count(Some(&dead), &dead, AT);
        assert_eq!((progress.waiting, progress.dead), (0, 1));
    }
}
