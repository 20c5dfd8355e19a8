//! Counters for the stores that one process has for itself. Nobody misses them after a restart.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::domain::instant::Instant;

use super::RowKey;

#[derive(Default)]
pub(super) struct Counters(Mutex<HashMap<RowKey, (u64, Instant)>>);

/// From so many on, those are dropped whose purge date is well before the newest one.
const TIDY_FROM: usize = 1_000;
const WELL_BEFORE: Duration = Duration::from_secs(3_600);

impl Counters {
    pub(super) fn add(&self, key: &RowKey, amount: u64, purge_after: Instant) -> u64 {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= TIDY_FROM {
            counters.retain(|_, (_, of_it)| of_it.plus(WELL_BEFORE) > purge_after);
        }
        let (count, _) = counters.entry(key.clone()).or_insert((0, purge_after));
        *count = count.saturating_add(amount);
        *count
    }

    pub(super) fn remove(&self, partition: &str) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counters.retain(|key, _| key.partition != partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_counts_any_more_is_dropped() {
        let (counters, at) = (Counters::default(), Instant::from_unix_seconds);
        for number in 0..10_000 {
            assert_eq!(counters.add(&RowKey::new("p", number.to_string()), 2, at(60 * number)), 2);
        }
        assert!(counters.0.lock().unwrap().len() <= TIDY_FROM);
        assert_eq!(counters.add(&RowKey::new("p", "9999"), 3, at(0)), 5);
    }
}
