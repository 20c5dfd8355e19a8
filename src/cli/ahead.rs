//! Answers that are asked for in batches, as many at a time as a server takes:
//! whoever needs the first answer of a batch asks for all of it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// As many as the API takes at a time.
const LARGEST_BATCH: usize = 100;

/// Answers for some of many items, which go by their numbers.
pub(super) struct Ahead<T> {
    batches: Vec<Batch<T>>,
    /// In which batch an item is, and where in it.
    places: HashMap<usize, (usize, usize)>,
}

struct Batch<T> {
    items: Vec<usize>,
    /// None until it was asked; each answer is taken once.
    answers: Mutex<Option<Vec<Option<T>>>>,
}

impl<T> Ahead<T> {
    /// Batches of items and their sizes in bytes, none of them with more bytes
    /// than these: an answer that waits too long for its turn is stale.
    pub(super) fn of(items: impl Iterator<Item = (usize, u64)>, most_bytes: u64) -> Self {
        let mut batches: Vec<Vec<usize>> = Vec::new();
        let mut room = 0;
        for (item, size) in items {
            match batches.last_mut().filter(|batch| batch.len() < LARGEST_BATCH && size <= room) {
                Some(batch) => {
                    batch.push(item);
                    room -= size;
                }
                None => {
                    batches.push(vec![item]);
                    room = most_bytes.saturating_sub(size);
                }
            }
        }
        // An item that is alone is asked for alone.
        batches.retain(|batch| batch.len() > 1);
        let places = batches
            .iter()
            .enumerate()
            .flat_map(|(number, batch)| batch.iter().enumerate().map(move |(place, item)| (*item, (number, place))));
        let places = places.collect();
        let batch = |items| Batch { items, answers: Mutex::new(None) };
        Self { places, batches: batches.into_iter().map(batch).collect() }
    }

    /// The answer for an item, once; asks for all of its batch if nobody has.
    /// None for an item that is in no batch or was not answered.
    pub(super) fn take(&self, item: usize, ask: impl FnOnce(&[usize]) -> Vec<Option<T>>) -> Option<T> {
        let (batch, place) = *self.places.get(&item)?;
        let batch = self.batches.get(batch)?;
        let mut answers = batch.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get_or_insert_with(|| ask(&batch.items)).get_mut(place)?.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(ahead: &Ahead<usize>) -> Vec<usize> {
        ahead.batches.iter().map(|batch| batch.items.len()).collect()
    }

    #[test]
    fn batches_are_bounded_in_number_and_in_bytes() {
        assert_eq!(sizes(&Ahead::of((0..250).map(|item| (item, 1)), 1_000)), [100, 100, 50]);
        assert_eq!(sizes(&Ahead::of((0..5).map(|item| (item, 400)), 1_000)), [2, 2], "the last one is alone");
        assert_eq!(sizes(&Ahead::of([(3, 5_000), (4, 1), (5, 1)].into_iter(), 1_000)), [2]);
    }

    #[test]
    fn a_batch_is_asked_for_once_and_each_answer_is_given_once() {
        let ahead = Ahead::of([(7, 1), (8, 1), (9, 1)].into_iter(), 10);
        let ask = |items: &[usize]| {
            assert_eq!(items, [7, 8, 9]);
            vec![Some(70), None, Some(90)]
        };
        assert_eq!(ahead.take(9, ask), Some(90));
        let never = |_: &[usize]| panic!("it was asked");
        assert_eq!([7, 8, 9, 1].map(|item| ahead.take(item, never)), [Some(70), None, None, None]);
    }
}
