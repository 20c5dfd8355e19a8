//! Who is how far ahead of a rate: a table of fixed size.
//!
//! It holds only those who asked lately: a cell whose time has come says as much as none. Where all
//! cells of a set are taken, a newcomer takes over the one that is least ahead, *with what it says* (as
//! in the Space-Saving algorithm of Metwally, Agrawal and El Abbadi). So nobody is ever forgotten by who
//! asks from many addresses, and whoever is refused is the last to be replaced; an honest newcomer pays
//! for that only when there are more requests a second than all cells together allow.
//!
//! Libraries for this (such as `governor`) keep an entry for everybody who ever asked until somebody
//! tidies up, and so grow with a flood of addresses.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::domain::{
    instant::Instant,
    rate::{Due, Rate, Standing},
};

const SETS: usize = 2_048;
/// How many share a set. Which ones do is a secret of the process.
const WAYS: usize = 8;

/// How many are told apart at a time. A cell is 16 bytes: a table has 300 KB.
#[cfg(test)]
const CELLS: usize = SETS * WAYS;

#[derive(Clone, Copy, Default)]
struct Cell {
    /// The hash of whoever it is. Two with the same one would count as one: with 64 keyed bits, by
    /// chance alone, and to nobody's gain.
    who: u64,
    due: Due,
}

/// A table for one rate.
pub(crate) struct DueTable {
    hasher: RandomState,
    sets: Box<[Mutex<[Cell; WAYS]>]>,
}

impl Default for DueTable {
    fn default() -> Self {
        Self { hasher: RandomState::new(), sets: (0..SETS).map(|_| Mutex::default()).collect() }
    }
}

impl DueTable {
    /// Counts one more request of somebody, if it is within the rate.
    ///
    /// # Errors
    /// When it is not: how long to wait. Then nothing is counted.
    pub(crate) fn another(&self, who: impl Hash, rate: Rate, now: Instant) -> Result<Standing, Duration> {
        let who = self.hasher.hash_one(who);
        let set = &self.sets[usize::try_from(who >> 32).unwrap_or_default() % SETS];
        // A panic elsewhere while holding it leaves whole cells.
        let mut cells = set.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match cells.iter().position(|cell| cell.who == who) {
            Some(place) => place,
            None => (0..WAYS).min_by_key(|place| cells[*place].due).unwrap_or_default(),
        };
        let (due, standing) = rate.another(cells[place].due, now)?;
        cells[place] = Cell { who, due };
        Ok(standing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_unix_seconds(1_800_000_000);

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn everybody_counts_for_themselves() {
        let (table, rate) = (DueTable::default(), rate("3/60s"));
        for who in 0..1_000 {
            for remaining in [2, 1, 0] {
                assert_eq!(table.another(who, rate, NOW).map(|standing| standing.remaining), Ok(remaining));
            }
        }
        for who in 0..1_000 {
            assert_eq!(table.another(who, rate, NOW), Err(Duration::from_secs(20)));
            assert!(table.another(who, rate, NOW.plus(Duration::from_secs(20))).is_ok());
        }
    }

    #[test]
    fn a_flood_of_addresses_makes_nobody_forgotten() {
        let (table, rate) = (DueTable::default(), rate("100/60s"));
        for _ in 0..100 {
            table.another("guesser", rate, NOW).unwrap();
        }
        for address in 0..20 * CELLS {
            // Some are refused when their set is full: the flood pays for itself.
            let _counted_or_not = table.another(address, rate, NOW);
            if address % 1_000 == 0 {
                assert!(table.another("guesser", rate, NOW).is_err(), "after {address} addresses");
            }
        }
        assert_eq!(table.sets.len() * WAYS, CELLS);
    }

    #[test]
    fn honest_newcomers_are_let_in_during_a_flood_and_all_are_after_it() {
        let (table, rate) = (DueTable::default(), rate("100/60s"));
        for address in 0..20 * CELLS {
            table.another(address, rate, NOW).unwrap();
        }
        for newcomer in 0..1_000 {
            assert!(table.another(("honest", newcomer), rate, NOW).is_ok());
        }
        let later = NOW.plus(Duration::from_secs(60));
        assert_eq!(table.another("honest", rate, later).unwrap().remaining, 99);
    }

    #[test]
    fn all_addresses_together_get_no_more_than_all_cells_allow() {
        let (table, rate) = (DueTable::default(), rate("5/60s"));
        let let_in = (0..20 * CELLS).filter(|address| table.another(address, rate, NOW).is_ok()).count();
        assert_eq!(let_in, 5 * CELLS);
    }
}
