//! Parts of objects.

/// Part of an object: `first..=last`, in bytes from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte wanted.
    pub first: u64,
    /// The last byte wanted, inclusive.
    pub last: u64,
}

/// What a `Range` header asks of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedRange {
    /// Everything: there is no range, or one that need not be understood.
    Whole,
    /// One part, within the object.
    Part(ByteRange),
    /// A part that begins beyond the end.
    Beyond,
}

impl ByteRange {
    /// How many bytes.
    pub fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

impl WantedRange {
    /// Reads a `Range` header (RFC 9110 section 14.2) for an object of this
    /// size. Several ranges at once are answered with everything, as the RFC allows.
    pub fn parse(header: &str, size: u64) -> Self {
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
        let Some((first, last)) = header.strip_prefix("bytes=").and_then(|rest| rest.split_once('-')) else {
            return Self::Whole;
        };
        let (first, last) = match (number(first), number(last)) {
            // The last so many bytes.
            (None, Some(count)) if first.is_empty() => match count.min(size) {
                0 => return Self::Beyond,
                count => (size - count, size - 1),
            },
            (Some(first), Some(last)) if first <= last => (first, last),
            (Some(first), None) if last.is_empty() => (first, u64::MAX),
            _ => return Self::Whole,
        };
        if first < size { Self::Part(ByteRange { first, last: last.min(size - 1) }) } else { Self::Beyond }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood() {
        let part = |first, last| WantedRange::Part(ByteRange { first, last });
        for (header, size, wanted) in [
            ("bytes=0-0", 10, part(0, 0)),
            ("bytes=2-5", 10, part(2, 5)),
            ("bytes=2-", 10, part(2, 9)),
            ("bytes=2-99", 10, part(2, 9)),
            ("bytes=-3", 10, part(7, 9)),
            ("bytes=-99", 10, part(0, 9)),
            ("bytes=10-", 10, WantedRange::Beyond),
            ("bytes=10-11", 10, WantedRange::Beyond),
            ("bytes=-0", 10, WantedRange::Beyond),
            ("bytes=0-", 0, WantedRange::Beyond),
            ("bytes=-1", 0, WantedRange::Beyond),
            ("bytes=5-2", 10, WantedRange::Whole),
            ("bytes=-", 10, WantedRange::Whole),
            ("bytes=0-1,3-4", 10, WantedRange::Whole),
            ("bytes=+1-2", 10, WantedRange::Whole),
            ("bytes=99999999999999999999-", 10, WantedRange::Whole),
            ("lines=1-2", 10, WantedRange::Whole),
            ("", 10, WantedRange::Whole),
        ] {
            assert_eq!(WantedRange::parse(header, size), wanted, "{header} of {size}");
        }
    }
}
