//! Tries at a password, counted in the store before it is checked: what several
//! replicas are asked at the same time is counted once each.

use crate::{
    domain::{
        event::{Actor, EventType},
        instant::Instant,
        tries::Tries,
    },
    store::{Expected, RowKey, Write},
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
    /// When it comes too soon after others.
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

    /// The write by which a right password makes the next tries free again. It goes into the commit
    /// of what the password opened; a guess that comes between makes that one read again.
    pub(super) async fn forget_tries(&self, row: RowKey, purge: Option<Instant>) -> Result<Write, Error> {
        let [found] = self.store.get([row.clone()]).await?;
        let expected = found.map_or(Expected::Absent, |row| Expected::Version(row.version));
        self.put(row, expected, &Tries::none(self.now()), purge)
    }
}
