//! Sizes and lifetimes as people write them: `50MB`, `1.5GiB`, `15m`, `7d`.
//!
//! Every option that takes one is of these types; plain numbers are bytes and seconds.

use std::str::FromStr;

use serde::Serialize;

const SIZES: [(&str, u64); 11] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("pb", 1_000_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

const LIFETIMES: [(&str, u64); 6] = [("", 1), ("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)];

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Size(u64);

/// A number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Lifetime(u64);

/// Why a text is no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a size as 50MB, 1.5GiB or a plain number of bytes")]
pub(super) struct NotASize;

/// Why a text is no lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a time as 90s, 15m, 24h, 7d or a plain number of seconds")]
pub(super) struct NotALifetime;

impl FromStr for Size {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        measured(&text.to_ascii_lowercase(), &SIZES).map(Self).ok_or(NotASize)
    }
}

impl FromStr for Lifetime {
    type Err = NotALifetime;

    /// Units in small letters: `M` might be a month.
    fn from_str(text: &str) -> Result<Self, NotALifetime> {
        measured(text, &LIFETIMES).map(Self).ok_or(NotALifetime)
    }
}

/// A decimal number and its unit, rounded down to a whole one; none for
/// anything else, and for what no number holds.
fn measured(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = units.iter().find(|(name, _)| *name == unit.trim_start())?.1;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // With more digits than these, the last ones count for nothing.
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 18 {
        return None;
    }
    let part = fraction.parse::<u128>().ok()? * u128::from(factor) / 10_u128.pow(fraction.len() as u32);
    whole.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("50000000", 50_000_000),
            ("7B", 7),
            ("50MB", 50_000_000),
            ("50 mb", 50_000_000),
            ("1.5GiB", 1_610_612_736),
            ("0.1KiB", 102),
            ("16pb", 16_000_000_000_000_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for wrong in [
            "",
            "MB",
            "50M",
            "50MBit",
            "-1",
            "+1",
            "1,5GB",
            "1.GB",
            ".5GB",
            "1.2.3MB",
            "1e3",
            " 1",
            "٣MB",
            "18446744073709551616",
            "20000PB",
            "18446744073709551.616KB",
        ] {
            assert_eq!(wrong.parse::<Size>(), Err(NotASize), "{wrong}");
        }
    }

    #[test]
    fn lifetimes_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("24h", 86_400),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("1.5h", 5_400),
        ] {
            assert_eq!(text.parse(), Ok(Lifetime(seconds)), "{text}");
        }
        for wrong in ["", "d", "7D", "1M", "1y", "1h30m", "-1d", "a week", "999999999999999d"] {
            assert_eq!(wrong.parse::<Lifetime>(), Err(NotALifetime), "{wrong}");
        }
    }
}
