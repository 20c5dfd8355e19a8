//! What the benchmarks tell of latencies lies as near to what was measured as they say.

#[path = "../../benches/shared/histogram.rs"]
mod histogram;

use std::time::Duration;

use histogram::Histogram;
use proptest::prelude::*;

/// From a nanosecond to some minutes, each power of two as likely as any other.
fn taken() -> impl Strategy<Value = Vec<u64>> {
    let one = (0_u32..38).prop_flat_map(|power| (1_u64 << power)..(2_u64 << power));
    proptest::collection::vec(one, 1..300)
}

fn recorded(taken: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    taken.iter().for_each(|nanoseconds| histogram.record(Duration::from_nanos(*nanoseconds)));
    histogram
}

/// The reference: the one of all, in order, that so many do not exceed.
fn exact(taken: &[u64], part: f64) -> f64 {
    let mut sorted = taken.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted[place.max(1) - 1] as f64 / 1e3
}

proptest! {
    #[test]
    fn a_percentile_is_at_most_a_bucket_more_than_it_was(taken in taken(), part in 0.0..=1.0) {
        let (told, exact) = (recorded(&taken).microseconds(part), exact(&taken, part));
        prop_assert!(told >= exact * 0.999_999 && told <= exact * 1.011, "{told} instead of {exact}");
    }

    #[test]
    fn the_most_is_told_as_it_was(taken in taken()) {
        let (told, exact) = (recorded(&taken).microseconds(1.0), exact(&taken, 1.0));
        prop_assert!((told / exact - 1.0).abs() < 1e-12, "{told} instead of {exact}");
    }

    #[test]
    fn two_that_are_added_are_one_of_all(taken in taken(), at in any::<prop::sample::Index>()) {
        let (some, others) = taken.split_at(at.index(taken.len()));
        let mut sum = recorded(some);
        sum.add(&recorded(others));
        prop_assert_eq!(sum.count(), taken.len() as u64);
        prop_assert_eq!(sum.json(), recorded(&taken).json());
    }

    #[test]
    fn each_of_the_buckets_that_are_written_down_has_what_lay_in_it(taken in taken()) {
        let json = recorded(&taken).json();
        let first = json["buckets"]["first"].as_u64().unwrap();
        let counts = json["buckets"]["counts"].as_array().unwrap();
        prop_assert_eq!(counts.iter().map(|count| count.as_u64().unwrap()).sum::<u64>(), taken.len() as u64);
        for nanoseconds in &taken {
            let bucket = ((*nanoseconds as f64).log2() * 8.0) as u64;
            prop_assert!(bucket >= first && counts[(bucket - first) as usize] != 0, "{nanoseconds} ns");
        }
    }
}
