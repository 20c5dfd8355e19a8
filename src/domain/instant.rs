//! Points in time and spans, as the rules count them: whole milliseconds since
//! the Unix epoch. The system clock is read in [`crate::clock`] and nowhere else.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, time::Duration};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The end of the year 9999: RFC 3339 has no text for what comes after.
const LAST: u64 = 253_402_300_799_999;

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The point this many milliseconds after the epoch.
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The point this many seconds after the epoch.
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_unix_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_unix_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The point `span` later.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The point `span` earlier, or the epoch.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long from `earlier` to here; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 in UTC, to the second where nothing smaller is set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let text = OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok())
            .ok_or(fmt::Error)?;
        f.write_str(&text)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let moment = OffsetDateTime::parse(&text, &Rfc3339).map_err(de::Error::custom)?;
        let millis = u64::try_from(moment.unix_timestamp_nanos() / 1_000_000)
            .map_err(|_| de::Error::custom("a time before 1970"))?;
        // Within its own offset it may be earlier.
        if millis <= LAST { Ok(Self(millis)) } else { Err(de::Error::custom("a time after the year 9999")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_rfc_3339_in_utc() {
        assert_eq!(Instant::from_unix_seconds(1_790_000_000).to_string(), "2026-09-21T14:13:20Z");
        assert_eq!(Instant::from_unix_millis(1_500).to_string(), "1970-01-01T00:00:01.5Z");
    }

    #[test]
    fn what_is_read_can_be_written() {
        let read = |text: &str| serde_json::from_value::<Instant>(text.into());
        for text in ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        for text in ["1969-12-31T23:59:59Z", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59-23:59"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let end = Instant::from_unix_millis(u64::MAX);
        assert_eq!(end.plus(Duration::from_secs(1)), end);
        assert_eq!(Instant::from_unix_millis(1).since(end), Duration::ZERO);
    }
}
