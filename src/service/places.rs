//! How many may be at work at a time: of all, and of one.
//!
//! Nothing but effort rests on it: other replicas have places of their own.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Error;

/// A place among those of one, and among all; dropping it gives both back.
pub(super) type Place = [OwnedSemaphorePermit; 2];

/// The places of those at work in this process.
#[derive(Debug)]
pub(super) struct Places<K> {
    all: Arc<Semaphore>,
    most_of_one: usize,
    of_one: Mutex<HashMap<K, Weak<Semaphore>>>,
}

/// Why there is no place now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// This one has as many as one may.
    ByOne,
    /// All are taken.
    ByAll,
}

impl<K: Hash + Eq> Places<K> {
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(most)), most_of_one, of_one: Mutex::default() }
    }

    /// Waits for a place of this one first: whoever waits for that one takes no place of others.
    pub(super) async fn take(&self, one: K) -> Result<Place, Error> {
        let closed = |_| Error::Internal("there are no places any more".into());
        let own = self.of(one).acquire_owned().await.map_err(closed)?;
        let place = Arc::clone(&self.all).acquire_owned().await.map_err(closed)?;
        Ok([own, place])
    }

    /// A place, if there is one now.
    pub(super) fn try_take(&self, one: K) -> Result<Place, Taken> {
        let own = self.of(one).try_acquire_owned().map_err(|_| Taken::ByOne)?;
        let place = Arc::clone(&self.all).try_acquire_owned().map_err(|_| Taken::ByAll)?;
        Ok([own, place])
    }

    fn of(&self, one: K) -> Arc<Semaphore> {
        let mut of_one = self.of_one.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = of_one.get(&one).and_then(Weak::upgrade) {
            return places;
        }
        of_one.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(self.most_of_one));
        of_one.insert(one, Arc::downgrade(&places));
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_a_few_places_and_all_together_a_few_more() {
        let places = Places::new(3, 2);
        let mut held = vec![places.try_take("a"), places.try_take("a")];
        assert_eq!(places.try_take("a").unwrap_err(), Taken::ByOne);
        held.push(places.try_take("b"));
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(places.try_take("b").unwrap_err(), Taken::ByAll);
        drop(held.remove(0));
        assert!(places.try_take("a").is_ok());
        drop(held);
        assert!(places.try_take("c").is_ok());
        assert_eq!(places.of_one.lock().unwrap().len(), 1, "who is gone is forgotten");
    }
}
