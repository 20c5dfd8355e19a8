//! Work that is not ours and does not change: what single operations are held against, so that a slower machine is not
//! taken for slower code.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use crate::spread::Spread;

const RUNS: u32 = 9;

/// Microseconds for SHA-256 of 4 KiB, in assembly.
pub(crate) fn microseconds(span: Duration) -> Spread {
    let text = [b'x'; 4_096];
    let runs = (0..RUNS).map(|_| {
        let (started, mut done) = (Instant::now(), 0_u32);
        while started.elapsed() < span / RUNS {
            for _ in 0..20 {
                black_box(ring::digest::digest(&ring::digest::SHA256, black_box(&text)));
            }
            done += 20;
        }
        started.elapsed().as_secs_f64() * 1e6 / f64::from(done)
    });
    Spread::of(&runs.collect::<Vec<_>>())
}
