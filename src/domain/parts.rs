//! Where the parts of an upload begin and end. The broker chooses.

use serde::{Deserialize, Serialize};

const MEBIBYTE: u64 = 1024 * 1024;

/// S3 takes at most so many parts (Amazon S3 User Guide, "multipart upload limits").
pub const MOST_PARTS: u32 = 10_000;
/// No part but the last may be smaller (the same page).
pub const SMALLEST_PART: u64 = 5 * MEBIBYTE;
/// No part may be larger (the same page).
pub const LARGEST_PART: u64 = 5 * 1024 * MEBIBYTE;
/// What follows from both: 48.8 TiB.
pub const LARGEST_OBJECT: u64 = MOST_PARTS as u64 * LARGEST_PART;

/// A line that breaks loses at most one part, so that parts are small; but a
/// large file is not cut into more requests than it takes to send it well.
const USUAL_PART: u64 = 8 * MEBIBYTE;
const WELL_FILLED_PART: u64 = 64 * MEBIBYTE;
const USUAL_COUNT: u64 = 128;

/// How an upload is cut into parts: all have one size but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartPlan {
    /// How long each part but the last is, in bytes.
    pub part_size: u64,
    /// How many parts there are: 1 to 10,000.
    pub count: u32,
    /// Whether each part must be declared with its SHA-256.
    pub checksums: bool,
}

/// One part: where it begins and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which part, from 1.
    pub number: u32,
    /// At which byte of the file it begins.
    pub offset: u64,
    /// Exactly how many bytes it has.
    pub size: u64,
}

/// What is missing before the parts make the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// How many parts have not arrived, or not as agreed.
    pub count: usize,
    /// The first ten of them.
    pub first: Vec<u32>,
}

impl PartPlan {
    /// The plan for a file of this size; none when it is larger than [`LARGEST_OBJECT`].
    /// An empty file is one empty part.
    pub fn of(size: u64, checksums: bool) -> Option<Self> {
        if size > LARGEST_OBJECT {
            return None;
        }
        let usual = size.div_ceil(USUAL_COUNT).clamp(USUAL_PART, WELL_FILLED_PART);
        let part_size = usual.max(size.div_ceil(u64::from(MOST_PARTS))).next_multiple_of(MEBIBYTE);
        let count = size.div_ceil(part_size).max(1);
        Some(Self { part_size, count: u32::try_from(count).ok()?, checksums })
    }

    /// A part of a file of this size, if there is such a part.
    pub fn part(&self, number: u32, size: u64) -> Option<Part> {
        if !(1..=self.count).contains(&number) {
            return None;
        }
        let offset = u64::from(number - 1) * self.part_size;
        Some(Part { number, offset, size: size.checked_sub(offset)?.min(self.part_size) })
    }

    /// Whether these parts, by number and size, are the whole file.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(&self, arrived: &[(u32, u64)], size: u64) -> Result<(), Lacking> {
        let arrived: std::collections::HashMap<u32, u64> = arrived.iter().copied().collect();
        let as_agreed = |number: &u32| {
            let agreed = self.part(*number, size).map(|part| part.size);
            agreed.is_some() && arrived.get(number).copied() == agreed
        };
        let mut lacking = (1..=self.count).filter(|number| !as_agreed(number)).peekable();
        if lacking.peek().is_none() {
            return Ok(());
        }
        let mut first = Vec::new();
        let mut count = 0;
        for number in lacking {
            count += 1;
            if first.len() < 10 {
                first.push(number);
            }
        }
        Err(Lacking { count, first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIBIBYTE: u64 = 1024 * MEBIBYTE;

    #[test]
    fn parts_cover_every_size_within_the_limits_of_s3() {
        for size in [
            0,
            1,
            USUAL_PART - 1,
            USUAL_PART,
            USUAL_PART + 1,
            GIBIBYTE + 1,
            6 * GIBIBYTE,
            8 * GIBIBYTE + 7,
            625 * GIBIBYTE,
            626 * GIBIBYTE + 13,
            5 * 1024 * GIBIBYTE,
            LARGEST_OBJECT - 1,
            LARGEST_OBJECT,
        ] {
            let plan = PartPlan::of(size, false).unwrap();
            assert!((SMALLEST_PART..=LARGEST_PART).contains(&plan.part_size), "{size}: {plan:?}");
            assert!((1..=10_000).contains(&plan.count), "{size}: {plan:?}");
            let mut end = 0;
            for number in 1..=plan.count {
                let part = plan.part(number, size).unwrap();
                assert_eq!(part.offset, end);
                assert!(number == plan.count || part.size == plan.part_size);
                assert!(size == 0 || part.size > 0);
                end += part.size;
            }
            assert_eq!(end, size);
            assert_eq!((plan.part(0, size), plan.part(plan.count + 1, size)), (None, None));
        }
        assert_eq!(PartPlan::of(LARGEST_OBJECT + 1, false), None);
    }

    #[test]
    fn a_large_file_is_sent_in_parts_of_a_sensible_size() {
        let size_of = |size| PartPlan::of(size, true).unwrap().part_size / MEBIBYTE;
        assert_eq!([size_of(200 * MEBIBYTE), size_of(6 * GIBIBYTE), size_of(100 * GIBIBYTE)], [8, 48, 64]);
    }

    #[test]
    fn what_is_missing_or_of_another_size_is_named() {
        let size = 3 * USUAL_PART + 5;
        let plan = PartPlan::of(size, false).unwrap();
        let whole = [(4, 5), (1, USUAL_PART), (3, USUAL_PART), (2, USUAL_PART)];
        assert_eq!(plan.check(&whole, size), Ok(()));
        assert_eq!(plan.check(&whole[1..], size), Err(Lacking { count: 1, first: vec![4] }));
        let short = [(4, 5), (1, USUAL_PART), (3, USUAL_PART - 1)];
        assert_eq!(plan.check(&short, size), Err(Lacking { count: 2, first: vec![2, 3] }));
        let many = PartPlan::of(100 * USUAL_PART, false).unwrap();
        assert_eq!(many.check(&[], 100 * USUAL_PART), Err(Lacking { count: 100, first: (1..=10).collect() }));
    }
}
