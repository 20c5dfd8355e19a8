//! Tries at a password, counted before it is checked.

use crate::{
    domain::{
        event::{Actor, EventType},
        instant::Instant,
        tries::Tries,
    },
    store::{Expected, RowKey},
};

use super::{
    Broker, Error,
    events::Origin,
    records::{Committed, ROUNDS, committed, outrun},
};

impl Broker {
    /// Counts a try at the password of a resource.
    ///
    /// # Errors
    /// When there have been too many.
    pub(super) async fn count_try(
        &self,
        row: RowKey,
        (kind, resource): (EventType, String),
        origin: Origin,
        purge: Option<Instant>,
    ) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let now = self.now();
            let [found] = self.store.get([row.clone()]).await?;
            let previous = self.decode_if::<Tries>(found.as_ref())?;
            let tries = Tries::another(previous.as_ref().map(|record| &record.value), now)
                .map_err(|retry_after| Error::TooManyTries { retry_after })?;
            let event = Origin { at: now, ..origin }.done(kind, Actor::Bearer, &resource);
            let expected = previous.map_or(Expected::Absent, |record| Expected::Version(record.version));
            let write = self.put(row.clone(), expected, &tries, purge)?;
            match committed(self.store.commit(self.recording(&event)?.write(write)).await)? {
                Committed::Done => return Ok(()),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }
}
