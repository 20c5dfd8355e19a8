//! How far the storage's clock is from ours, as its answers tell: what is signed holds by the storage's clock.
//!
//! A clock of ours that is slow by a minute would sign downloads that are over when they are handed out.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_s3::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef},
    },
    error::BoxError,
    primitives::{DateTime, DateTimeFormat},
};
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::{clock::Clock, domain::instant::Instant};

/// `Date` has whole seconds, and an answer takes a while: from so much on it is a difference,
const BEGINS: i64 = 5_000;

/// and below so much no longer.
const ENDS: i64 = 3_000;

/// What is believed at most: what a URL may outlive its time by is less than what is waited before it is taken to be silent
/// ([`crate::domain::lifetime::CLOCK_SKEW`], and a minute for a transfer).
const MOST: i64 = 330_000;

/// An answer that took longer tells nothing: when it was written is not known well enough.
const LONGEST: Duration = Duration::from_secs(2);

/// For so long it is believed: a clock of ours that was set right is right.
const BELIEVED: Duration = Duration::from_secs(300);

/// The storage's clock, as far as it is known.
#[derive(Clone)]
pub(super) struct StorageClock {
    ours: Arc<dyn Clock>,
    known: Arc<Mutex<Option<Known>>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// By how many milliseconds it is ahead of ours.
    ahead: i64,
    /// Since when, by ours.
    told_at: Instant,
}

/// When a request was sent.
#[derive(Debug)]
struct SentAt(Instant);

impl Storable for SentAt {
    type Storer = StoreReplace<Self>;
}

/// By how much it is ahead, for one signature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead(i64);

impl Ahead {
    /// What the storage's clock shows when ours shows this.
    pub(super) fn there(self, here: Instant) -> Instant {
        shifted(here, self.0)
    }

    /// What ours shows when the storage's shows this.
    pub(super) fn here(self, there: Instant) -> Instant {
        shifted(there, -self.0)
    }
}

impl fmt::Debug for StorageClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageClock({:?})", self.known())
    }
}

impl StorageClock {
    /// Nothing is known yet: it is taken to be right.
    pub(super) fn beside(ours: Arc<dyn Clock>) -> Self {
        Self { ours, known: Arc::default() }
    }

    /// By how much it is ahead of ours, which shows this.
    pub(super) fn ahead(&self, now: Instant) -> Ahead {
        let known = self.known().filter(|known| now < known.told_at.plus(BELIEVED));
        Ahead(known.map_or(0, |known| known.ahead))
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        // A panic elsewhere while holding it leaves it whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self, date: &str, sent_at: Instant) {
        let now = self.ours.now();
        if now.since(sent_at) > LONGEST {
            return;
        }
        let Ok(date) = DateTime::from_str(date, DateTimeFormat::HttpDate) else { return };
        let (Ok(there), Ok(here)) = (date.to_millis(), i64::try_from(now.as_unix_millis())) else { return };
        let ahead = there.saturating_sub(here).clamp(-MOST, MOST);
        let mut known = self.known();
        let differed = known.is_some_and(|known| known.ahead != 0);
        let least = if differed { ENDS } else { BEGINS };
        let ahead = if ahead.abs() < least { 0 } else { ahead };
        *known = Some(Known { ahead, told_at: now });
        drop(known);
        if differed != (ahead != 0) {
            tracing::warn!(ahead_ms = ahead, "the storage's clock and the clock here differ, or do no more");
        }
    }
}

fn shifted(instant: Instant, millis: i64) -> Instant {
    let span = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 { instant.minus(span) } else { instant.plus(span) }
}

impl Intercept for StorageClock {
    fn name(&self) -> &'static str {
        "StorageClock"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(SentAt(self.ours.now()));
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(date), Some(&SentAt(sent_at))) =
            (context.response().headers().get("date"), config.load::<SentAt>())
        {
            self.told(date, sent_at);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 section 5.6.7.
    const THERE: Instant = Instant::from_unix_seconds(784_111_777);
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const MINUTE: Duration = Duration::from_secs(60);

    fn at(here: Instant) -> (StorageClock, Arc<ManualClock>) {
        let ours = Arc::new(ManualClock::at(here));
        (StorageClock::beside(Arc::<ManualClock>::clone(&ours)), ours)
    }

    #[test]
    fn what_it_shows_is_known_from_what_it_told() {
        for (here, is_there) in [
            (THERE.minus(MINUTE), THERE),
            (THERE.plus(MINUTE), THERE),
            (THERE.plus(Duration::from_secs(4)), THERE.plus(Duration::from_secs(4))),
            (THERE.plus(MINUTE * 60), THERE.plus(MINUTE * 60).minus(Duration::from_secs(330))),
        ] {
            let (clock, _) = at(here);
            assert_eq!(clock.ahead(here).there(here), here);
            clock.told(DATE, here);
            let ahead = clock.ahead(here);
            assert_eq!((ahead.there(here), ahead.here(ahead.there(here))), (is_there, here));
            clock.told("no date", here);
            assert_eq!(clock.ahead(here).there(here), is_there);
        }
    }

    #[test]
    fn an_answer_that_took_long_or_came_long_ago_tells_nothing() {
        let here = THERE.minus(MINUTE);
        let (clock, _) = at(here);
        clock.told(DATE, here.minus(Duration::from_secs(3)));
        assert_eq!(clock.ahead(here).there(here), here);
        clock.told(DATE, here.minus(Duration::from_secs(2)));
        assert_eq!(clock.ahead(here).there(here), THERE);
        let later = here.plus(BELIEVED);
        assert_eq!(clock.ahead(later).there(later), later);
    }

    #[test]
    fn it_does_not_go_back_and_forth_at_the_edge() {
        let (clock, ours) = at(THERE.minus(Duration::from_secs(5)));
        for (date, ahead) in [
            (DATE, 5_000),
            // Ours goes on.
            (DATE, 4_000),
            (DATE, 3_000),
            (DATE, 0),
            ("Sun, 06 Nov 1994 08:49:40 GMT", 0),
        ] {
            clock.told(date, ours.now());
            assert_eq!(clock.ahead(ours.now()).0, ahead, "{date}");
            ours.advance(Duration::from_secs(1));
        }
    }
}
