//! Which attempts had their events taken lately.
//!
//! The proof that an attempt was applied is its row in the outbox, and that is gone once the event is in the ledger. Whoever
//! still waits for an answer then, sends it again.

use std::collections::{HashSet, VecDeque};

use crate::domain::ids::AttemptId;

use super::RowKey;

/// More than can be chained while an attempt is sent again.
const REMEMBERED: usize = 200_000;

/// The newest attempts whose events were taken.
#[derive(Default)]
pub(super) struct Chained {
    order: VecDeque<AttemptId>,
    known: HashSet<AttemptId>,
}

impl Chained {
    /// Remembers the attempts that put these rows.
    pub(super) fn remember<'a>(&mut self, taken: impl IntoIterator<Item = &'a RowKey>) {
        for attempt in taken.into_iter().filter_map(attempt_of) {
            if self.known.insert(attempt) {
                self.order.push_back(attempt);
            }
        }
        while self.order.len() > REMEMBERED {
            if let Some(forgotten) = self.order.pop_front() {
                self.known.remove(&forgotten);
            }
        }
    }

    /// Whether this attempt was applied, as far as is remembered.
    pub(super) fn has(&self, attempt: AttemptId) -> bool {
        self.known.contains(&attempt)
    }
}

/// An outbox row is named by its attempt and a number.
fn attempt_of(key: &RowKey) -> Option<AttemptId> {
    key.sort.split_once('#').and_then(|(attempt, _)| attempt.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_lately_is_remembered_and_no_more() {
        let attempt = |number: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
            AttemptId::from_bytes(bytes)
        };
        let mut chained = Chained::default();
        for number in 0..REMEMBERED + 10 {
            chained.remember([&RowKey::new("outbox#l#0", format!("{}#00", attempt(number)))]);
        }
        assert!(!chained.has(attempt(9)) && chained.has(attempt(10)) && chained.has(attempt(REMEMBERED + 9)));
        assert_eq!((chained.order.len(), chained.known.len()), (REMEMBERED, REMEMBERED));
        chained.remember([&RowKey::new("p", "no attempt")]);
        assert_eq!(chained.order.len(), REMEMBERED);
    }
}
