//! Welch's t-test over two lists of times, whose slowest are left out: what interrupts a machine, interrupts both.

use std::fmt;

/// So many of a hundred of the times are looked at, the fastest.
const KEPT: usize = 90;

/// How two kinds of times differ.
pub(crate) struct Comparison {
    /// How many of each are compared.
    samples: [usize; 2],
    /// By how many nanoseconds the second takes longer.
    difference: f64,
    /// The error of that, one standard deviation.
    error: f64,
    /// The difference in such deviations.
    pub(crate) t: f64,
}

impl Comparison {
    pub(crate) fn of(first: Vec<f64>, second: Vec<f64>) -> Self {
        // One bound for both, else a difference could be cut away.
        let mut all = [first.as_slice(), &second].concat();
        all.sort_unstable_by(f64::total_cmp);
        let bound = all[all.len() * KEPT / 100];
        let [first, second] = [first, second].map(|times| {
            let kept: Vec<_> = times.into_iter().filter(|time| *time <= bound).collect();
            let count = kept.len() as f64;
            let mean = kept.iter().sum::<f64>() / count;
            let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
            (kept.len(), mean, variance / count)
        });
        let (difference, error) = (second.1 - first.1, (first.2 + second.2).sqrt());
        Self { samples: [first.0, second.0], difference, error, t: difference / error }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples: [first, second], difference, error, t } = self;
        write!(f, "{first:>7} + {second:>7}   {difference:>+9.2} ns ± {:>7.2}   t = {t:>+7.2}", 1.96 * error)
    }
}
