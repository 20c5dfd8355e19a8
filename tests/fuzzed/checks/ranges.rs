//! `Range` headers, against a reading of RFC 9110 (section 14) of its own.

use cloakroom::objects::{ByteRange, WantedRange};

use super::altered::first;

/// Two bytes say how large the object is; the rest is the header.
pub fn check(data: &[u8]) {
    let ((high, rest), size) = (first(data), |low| u64::from(low));
    let (low, header) = first(rest);
    // The largest there are, and those that are as small as what is asked for.
    let size = if high == 0xff { u64::MAX - size(low) } else { u64::from(high) << 8 | size(low) };
    let Ok(header) = std::str::from_utf8(header) else { return };
    let got = WantedRange::parse(header, size);
    if let WantedRange::Part(ByteRange { first, last }) = got {
        assert!(first <= last && last < size, "{header:?} of {size}: {got:?}");
    }
    assert_eq!(got, naive(header, u128::from(size)), "{header:?} of {size}");
}

/// One range of bytes; whatever else it is may be passed over.
fn naive(header: &str, size: u128) -> WantedRange {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit());
    // No object is so large that it had no place for 20 digits; whoever writes more is not understood.
    let number = |text: &str| text.parse::<u128>().ok().filter(|number| *number <= u128::from(u64::MAX));
    let part = |first: u128, last: u128| match (u64::try_from(first), u64::try_from(last.min(size.saturating_sub(1)))) {
        (Ok(first), Ok(last)) if u128::from(first) < size => WantedRange::Part(ByteRange { first, last }),
        _ => WantedRange::Beyond,
    };
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return WantedRange::Whole;
    };
    match (first, last) {
        ("", last) if digits(last) => match number(last) {
            None => WantedRange::Whole,
            Some(0) => WantedRange::Beyond,
            Some(_) if size == 0 => WantedRange::Beyond,
            Some(count) => part(size.saturating_sub(count), size - 1),
        },
        (first, "") if digits(first) => number(first).map_or(WantedRange::Whole, |first| part(first, u128::MAX)),
        (first, last) if digits(first) && digits(last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => part(first, last),
            _ => WantedRange::Whole,
        },
        _ => WantedRange::Whole,
    }
}
