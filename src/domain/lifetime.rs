//! How long things live: each bound once, with its default.

use std::time::Duration;

use super::instant::Instant;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Bounds of one kind of lifetime, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Shorter is refused.
    pub least: u64,
    /// Taken when nothing is asked for.
    pub default: u64,
    /// Longer is refused.
    pub most: u64,
}

/// Until when a share may be claimed.
pub const SHARE: Bounds = Bounds { least: MINUTE, default: 15 * MINUTE, most: 7 * DAY };
/// How long the claimant of a share may keep coming back.
pub const SHARE_ACCESS: Bounds = Bounds { least: MINUTE, default: HOUR, most: 7 * DAY };
/// Until when a link may be claimed.
pub const LINK: Bounds = Bounds { least: MINUTE, default: 7 * DAY, most: 7 * DAY };
/// How long the claimant of a link may keep coming back.
pub const LINK_ACCESS: Bounds = Bounds { least: MINUTE, default: DAY, most: 7 * DAY };
/// Until when a file request takes deliveries.
pub const FILE_REQUEST: Bounds = Bounds { least: MINUTE, default: 7 * DAY, most: 90 * DAY };
/// How long whoever delivers to a file request may keep coming back.
pub const SUBMISSION: Bounds = Bounds { least: MINUTE, default: DAY, most: 7 * DAY };
/// Until when an upload may begin.
pub const UPLOAD: Bounds = Bounds { least: 1, default: 10 * MINUTE, most: 10 * MINUTE };
/// Until when an upload in parts may be sent. Each of its URLs lives as long as [`PART_URL`].
pub const MULTIPART: Bounds = Bounds { least: MINUTE, default: DAY, most: 7 * DAY };
/// An API key that ends at all.
pub const API_KEY: Bounds = Bounds { least: MINUTE, default: 90 * DAY, most: 3660 * DAY };

/// For how long the secret of an API key is accepted beside a newer one.
pub const OVERLAP: Bounds = Bounds { least: 0, default: DAY, most: 7 * DAY };
/// For how long an operator may act for a tenant.
pub const IMPERSONATION: Bounds = Bounds { least: MINUTE, default: 15 * MINUTE, most: HOUR };

/// Session tokens and edge cookies, before they are renewed.
pub const CREDENTIAL: Duration = Duration::from_secs(15 * MINUTE);
/// A session of the console, from signing in. It is not renewed.
pub const CONSOLE_SESSION: Duration = Duration::from_secs(12 * HOUR);
/// An attempt to sign in at an identity provider, until its answer is there.
pub const SIGNING_IN: Duration = Duration::from_secs(10 * MINUTE);
/// The URL of one download.
pub const DOWNLOAD_URL: Duration = Duration::from_secs(MINUTE);
/// The link by which a claimant goes on with a share on another device.
pub const MOVE: Duration = Duration::from_secs(10 * MINUTE);
/// The code that carries edge cookies to an artifact's host.
pub const HANDOFF: Duration = Duration::from_secs(30);
/// The ticket that opens a stream of events by WebSocket.
pub const EVENT_TICKET: Duration = Duration::from_secs(30);
/// A stream of events; whoever follows goes on with another.
pub const EVENT_STREAM: Duration = Duration::from_secs(60 * MINUTE);
/// The URL of one part of an upload; another one may be asked for.
pub const PART_URL: Duration = Duration::from_secs(10 * MINUTE);
/// How far apart the clocks of two replicas may be.
pub const CLOCK_SKEW: Duration = Duration::from_secs(5 * MINUTE);
/// For how long after its URL ended an upload may still be completed.
pub const COMPLETION: Duration = Duration::from_secs(DAY);
/// For how long an idempotency key stands for the request that it came with.
pub const IDEMPOTENCY_KEY: Duration = Duration::from_secs(DAY);
/// For how long rows are kept after the thing they describe has ended, so
/// that its owner can still be told what became of it.
pub const REMEMBERED: Duration = Duration::from_secs(30 * DAY);

/// For how long what happened to a share or link is kept in its history: as long as any of them is remembered.
pub const LINK_HISTORY: Duration = Duration::from_secs(SHARE.most + SHARE_ACCESS.most + REMEMBERED.as_secs());
/// As [`LINK_HISTORY`], for file requests.
pub const FILE_REQUEST_HISTORY: Duration =
    Duration::from_secs(FILE_REQUEST.most + SUBMISSION.most + REMEMBERED.as_secs());

/// Bytes a second below which a transfer is not waited for.
pub const SLOWEST_LINE: u64 = 64 * 1024;

/// How long a transfer of so many bytes may take once it has begun: a minute,
/// and as long as a slow line needs.
pub const fn transfer(bytes: u64) -> Duration {
    Duration::from_secs(MINUTE + bytes / SLOWEST_LINE)
}

/// A lifetime that is out of bounds; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be between {least} and {most} seconds from now")]
pub struct OutOfBounds {
    least: u64,
    most: u64,
}

impl Bounds {
    /// The lifetime asked for, if it is within bounds.
    ///
    /// # Errors
    /// When it is not; it is never quietly cut to size.
    pub fn seconds(&self, wanted: Option<u64>) -> Result<Duration, OutOfBounds> {
        let seconds = wanted.unwrap_or(self.default);
        if (self.least..=self.most).contains(&seconds) {
            Ok(Duration::from_secs(seconds))
        } else {
            Err(OutOfBounds { least: self.least, most: self.most })
        }
    }

    /// The end asked for as a point in time, if it is within bounds seen from `now`.
    ///
    /// # Errors
    /// When it is not.
    pub fn until(&self, wanted: Instant, now: Instant) -> Result<Instant, OutOfBounds> {
        let span = wanted.since(now);
        if span >= Duration::from_secs(self.least) && span <= Duration::from_secs(self.most) {
            Ok(wanted)
        } else {
            Err(OutOfBounds { least: self.least, most: self.most })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_live_15_minutes_by_default_and_60_seconds_to_7_days() {
        assert_eq!(SHARE.seconds(None), Ok(Duration::from_secs(900)));
        assert_eq!(SHARE.seconds(Some(60)), Ok(Duration::from_secs(60)));
        assert_eq!(SHARE.seconds(Some(604_800)), Ok(Duration::from_secs(604_800)));
        assert!(SHARE.seconds(Some(59)).is_err());
        assert!(SHARE.seconds(Some(604_801)).is_err());
        assert!(SHARE.seconds(Some(0)).is_err());
        assert!(SHARE.seconds(Some(u64::MAX)).is_err());
    }

    #[test]
    fn links_live_7_days_by_default_and_at_most() {
        assert_eq!(LINK.seconds(None), Ok(Duration::from_secs(604_800)));
        assert!(LINK.seconds(Some(604_801)).is_err());
    }

    #[test]
    fn uploads_live_10_minutes_at_most() {
        assert_eq!(UPLOAD.seconds(None), Ok(Duration::from_secs(600)));
        assert!(UPLOAD.seconds(Some(601)).is_err());
    }

    #[test]
    fn a_point_in_time_is_judged_like_a_span() {
        let now = Instant::from_unix_seconds(1_000_000);
        assert!(SHARE.until(now.plus(Duration::from_secs(60)), now).is_ok());
        assert!(SHARE.until(now.plus(Duration::from_millis(59_999)), now).is_err());
        assert!(SHARE.until(now.plus(Duration::from_millis(604_800_001)), now).is_err());
        assert!(SHARE.until(Instant::from_unix_seconds(1), now).is_err());
    }

    #[test]
    fn the_longest_lifetime_is_within_bounds_as_a_point_in_time_too() {
        let now = Instant::from_unix_seconds(1_000_000);
        let longest = now.plus(Duration::from_secs(604_800));
        assert_eq!(SHARE.until(longest, now), Ok(longest));
    }

    #[test]
    fn a_transfer_may_take_a_minute_and_as_long_as_a_slow_line_needs() {
        assert_eq!(transfer(0), Duration::from_secs(60));
        assert_eq!(transfer(SLOWEST_LINE - 1), Duration::from_secs(60));
        assert_eq!(transfer(100 * SLOWEST_LINE), Duration::from_secs(160));
    }
}
