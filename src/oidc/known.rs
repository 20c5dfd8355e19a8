//! What is known of an issuer, and for how long that counts. Pure: the time comes in.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::domain::instant::Instant;

use super::{keys::KeySet, metadata::Metadata};

/// From this age on, keys are asked for again, beside their use.
pub(super) const FRESH: Duration = Duration::from_secs(15 * 60);

/// From this age on, whoever comes waits for that, so that a key which the issuer has withdrawn is not taken long after.
pub(super) const LATE: Duration = Duration::from_secs(20 * 60);

/// Up to this age, keys are honoured when the issuer does not answer.
pub(super) const HONOURED: Duration = Duration::from_secs(60 * 60);

/// An issuer is asked no more often than this, whatever strangers send.
pub(super) const PAUSE: Duration = Duration::from_secs(10);

/// What an issuer said at one time.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) metadata: Metadata,
    pub(super) keys: KeySet,
    pub(super) asked_at: Instant,
}

/// What is to be done before keys are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Nothing.
    Fresh,
    /// The issuer is to be asked meanwhile.
    Ageing,
    /// The issuer is to be asked first. If it does not answer, they are good enough.
    Late,
}

/// What is known now.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) snapshot: Option<Arc<Snapshot>>,
    /// Closed when the issuer that is being asked has answered, or will not.
    pub(super) asking: Option<watch::Receiver<()>>,
    pub(super) asked_at: Option<Instant>,
    /// What was wrong the last time.
    pub(super) fault: Option<String>,
}

impl Known {
    /// What still counts at this time, and how fresh it is.
    pub(super) fn standing(&self, now: Instant) -> Option<(Arc<Snapshot>, Freshness)> {
        let snapshot = self.snapshot.as_ref()?;
        let age = now.since(snapshot.asked_at);
        let freshness = if age < FRESH {
            Freshness::Fresh
        } else if age < LATE || self.fault.is_some() {
            // An issuer that has just failed keeps nobody waiting.
            Freshness::Ageing
        } else {
            Freshness::Late
        };
        (age < HONOURED).then(|| (Arc::clone(snapshot), freshness))
    }

    /// Whether the issuer may be asked again.
    pub(super) fn may_ask(&self, now: Instant) -> bool {
        self.asked_at.is_none_or(|asked_at| now.since(asked_at) >= PAUSE)
    }

    /// The asking that is under way.
    pub(super) fn asking(&self) -> Option<watch::Receiver<()>> {
        self.asking.clone().filter(|asking| asking.has_changed().is_ok())
    }
}
