//! How long many requests took, in buckets of which each is 1.1 percent wider than the one before: small however many there were,
//! and never further than that from what was measured.
//!
//! Never here: a clock.

use std::time::Duration;

use serde_json::{Value, json};

/// Buckets from one power of two of nanoseconds to the next.
const FINE: usize = 64;
/// The same in what is written down: enough to draw.
const COARSE: usize = 8;
/// Up to 18 minutes.
const POWERS: usize = 40;

#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u32>,
    most: Duration,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; FINE * POWERS], most: Duration::ZERO }
    }

    pub(crate) fn record(&mut self, taken: Duration) {
        let nanoseconds = taken.as_nanos().max(1) as f64;
        let bucket = (nanoseconds.log2() * FINE as f64) as usize;
        self.counts[bucket.min(FINE * POWERS - 1)] += 1;
        self.most = self.most.max(taken);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.most = self.most.max(other.most);
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// What this part of them did not exceed, in microseconds: the end of the bucket in which it lies.
    pub(crate) fn microseconds(&self, part: f64) -> f64 {
        let wanted = (self.count() as f64 * part).ceil().max(1.0) as u64;
        let mut passed = 0;
        let bucket = self.counts.iter().position(|count| {
            passed += u64::from(*count);
            passed >= wanted
        });
        let most = self.most.as_secs_f64() * 1e6;
        bucket.map_or(most, |bucket| ((bucket as f64 + 1.0) / FINE as f64).exp2() / 1e3).min(most)
    }

    /// Percentiles in microseconds, and coarse buckets from the first that is not empty to the last: bucket `n` begins at
    /// `2^(n/8)` nanoseconds.
    pub(crate) fn json(&self) -> Value {
        let coarse: Vec<u32> = self.counts.chunks(FINE / COARSE).map(|counts| counts.iter().sum()).collect();
        let first = coarse.iter().position(|count| *count > 0).unwrap_or(0);
        let end = coarse.iter().rposition(|count| *count > 0).map_or(first, |last| last + 1);
        let rounded = |part| (self.microseconds(part) * 10.0).round() / 10.0;
        json!({
            "p50": rounded(0.5), "p90": rounded(0.9), "p99": rounded(0.99), "p99.9": rounded(0.999), "max": rounded(1.0),
            "buckets": { "first": first, "counts": coarse[first..end] },
        })
    }
}
