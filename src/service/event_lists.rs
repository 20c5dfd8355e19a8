//! Events oldest first, from a number on: for those who ask from time to time what is new.

use crate::domain::event::EventType;

use super::{Broker, Caller, Error, history::Recorded, listing::PageRequest};

/// At most so many records are looked through for one answer.
const MOST_LOOKED_AT: usize = 20_000;

/// How many are looked through at a time where only some types are wanted.
const PORTION: usize = 1_000;

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub struct WantedEvents {
    /// After this number; from the first on where none is given, or, in a stream, from its present end on.
    pub after: Option<u64>,
    /// Of these types; of every type where there are none.
    pub kinds: Vec<EventType>,
}

impl WantedEvents {
    pub(super) fn takes(&self, kind: EventType) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// The number to begin after, which the ledger has reached.
    pub(super) fn reached(&self, end: u64) -> Result<Option<u64>, Error> {
        match self.after {
            Some(after) if after > end => Err(Error::invalid(
                "after",
                format!("the last event has the number {end}; nothing follows {after} yet"),
            )),
            after => Ok(after),
        }
    }
}

/// Events, and where to go on.
#[derive(Debug)]
pub struct NextEvents {
    /// In their order.
    pub items: Vec<Recorded>,
    /// The number after which to go on.
    pub next_after: u64,
    /// Whether more is known to follow.
    pub more: bool,
}

impl Broker {
    /// What happened in the caller's namespace after a number, oldest first.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or there is no such number yet.
    pub async fn events_after(
        &self,
        caller: &Caller,
        wanted: &WantedEvents,
        limit: Option<usize>,
    ) -> Result<NextEvents, Error> {
        caller.administers()?;
        let (namespace, limit) = (caller.namespace(), PageRequest { limit, cursor: None }.limit()?);
        self.chain_what_waits(namespace).await;
        let end = self.end_of(namespace).await?;
        let mut next_after = wanted.reached(end)?.unwrap_or_default();
        let portion = if wanted.kinds.is_empty() { limit } else { PORTION };
        let (mut found, mut segments, mut looked_at) = (Vec::new(), Vec::new(), 0);
        'looking: while looked_at < MOST_LOOKED_AT {
            let onward = self.records_after(namespace, next_after, portion).await?;
            let count = onward.records.len();
            looked_at += count;
            segments.extend(onward.segments);
            for (record, hash) in onward.records {
                let seq = record.seq;
                if wanted.takes(record.event.kind) {
                    found.push((record, hash));
                }
                if found.len() == limit {
                    next_after = seq;
                    break 'looking;
                }
            }
            next_after = onward.reached;
            if count < portion {
                break;
            }
        }
        let items = self.recorded(namespace, found, &segments).await?;
        Ok(NextEvents { items, next_after, more: next_after < end })
    }
}
