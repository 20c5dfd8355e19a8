//! When principals last called: to the hour, beside everything that decides.
//!
//! A request notes it in memory and waits for nothing; a round writes down what was noted, each principal once an hour,
//! into a row of its own, since the principal's own row is for those who administer it. What a process that is killed
//! had not written yet is lost, and so is what is beyond the bound. Nothing hangs on it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        event::{Actor, Event, EventType},
        instant::Instant,
        principal::{Principal, PrincipalId},
        tenant::Namespace,
    },
    store::{Expected, Row},
};

use super::{
    Broker, Error,
    events::Origin,
    records::{Committed, Record, committed},
    rows,
};

/// So exactly is it told, in seconds.
const HOUR: u64 = 3600;

/// The most principals that are noted by this process in an hour.
const MOST: usize = 100_000;

/// How many are written in one commit.
const PORTION: usize = 50;

/// The row of a principal's last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastUse {
    at: Instant,
}

/// A principal as administrators see it.
#[derive(Clone, Debug)]
pub struct SeenPrincipal {
    /// The principal.
    pub principal: Principal,
    /// In which hour it last called: when that began.
    pub last_used_at: Option<Instant>,
}

type Who = (Namespace, PrincipalId);

/// Who has called this process lately.
#[derive(Debug, Default)]
pub struct LastUsed(Mutex<HashMap<Who, Noted>>);

#[derive(Clone, Copy, Debug)]
struct Noted {
    hour: Instant,
    is_written: bool,
}

fn hour_of(now: Instant) -> Instant {
    Instant::from_unix_seconds(now.as_unix_seconds() / HOUR * HOUR)
}

impl LastUsed {
    fn noted(&self) -> MutexGuard<'_, HashMap<Who, Noted>> {
        // A panic elsewhere while holding it leaves whole entries.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, who: Who, now: Instant) {
        let hour = hour_of(now);
        let mut noted = self.noted();
        let is_full = noted.len() >= MOST;
        match noted.get_mut(&who) {
            Some(noted) if noted.hour >= hour => {}
            Some(noted) => *noted = Noted { hour, is_written: false },
            None if is_full => {}
            None => drop(noted.insert(who, Noted { hour, is_written: false })),
        }
    }

    /// What is still to be written, by namespace.
    fn waiting(&self) -> BTreeMap<Namespace, Vec<(PrincipalId, Instant)>> {
        let mut waiting: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for ((namespace, id), noted) in self.noted().iter().filter(|(_, noted)| !noted.is_written) {
            waiting.entry(*namespace).or_default().push((*id, noted.hour));
        }
        waiting
    }

    fn written(&self, namespace: Namespace, of: &[(PrincipalId, Instant)]) {
        let mut noted = self.noted();
        for (id, hour) in of {
            if let Some(noted) = noted.get_mut(&(namespace, *id)).filter(|noted| noted.hour == *hour) {
                noted.is_written = true;
            }
        }
    }

    /// Makes room for those of this hour.
    fn forget_before(&self, now: Instant) {
        let hour = hour_of(now);
        self.noted().retain(|_, noted| !noted.is_written || noted.hour >= hour);
    }
}

impl Broker {
    /// Notes that a principal calls.
    pub(super) fn called(&self, who: &Principal, now: Instant) {
        self.last_used.note((who.namespace, who.id), now);
    }

    /// Writes down who has called. What cannot be written now is tried again the next time.
    pub async fn record_last_used(&self) {
        for (namespace, called) in self.last_used.waiting() {
            for portion in called.chunks(PORTION) {
                match self.write_last_used(namespace, portion).await {
                    Ok(()) => self.last_used.written(namespace, portion),
                    Err(fault) => tracing::warn!(%fault, "who has called could not be written down yet"),
                }
            }
        }
        self.last_used.forget_before(self.now());
    }

    async fn write_last_used(&self, namespace: Namespace, called: &[(PrincipalId, Instant)]) -> Result<(), Error> {
        let keys: Vec<_> = called.iter().map(|(id, _)| rows::last_used(namespace, *id)).collect();
        let found = self.store.get_all(&keys).await?;
        let mut writes = Vec::new();
        for ((key, row), (_, at)) in keys.into_iter().zip(found).zip(called) {
            // Another replica has written it, perhaps.
            if self.last_use(row.as_ref()).is_none_or(|before| before < *at) {
                let expected = row.map_or(Expected::Absent, |row| Expected::Version(row.version));
                writes.push(self.put(key, expected, &LastUse { at: *at }, None)?);
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        let origin = Origin { namespace, asking: None, at: self.now() };
        let event = origin.done(EventType::PrincipalsUsed, Actor::System, namespace.tenant);
        let event = Event { count: Some(writes.len() as u64), ..event };
        let transaction =
            writes.into_iter().fold(self.recording(&event)?, |transaction, write| transaction.write(write));
        match committed(self.store.commit(transaction).await)? {
            Committed::Done => Ok(()),
            Committed::ReadAgain => Err(Error::Busy),
        }
    }

    /// Principals of a namespace with their last use.
    pub(super) async fn seen(
        &self,
        namespace: Namespace,
        principals: Vec<Principal>,
    ) -> Result<Vec<SeenPrincipal>, Error> {
        let keys: Vec<_> = principals.iter().map(|who| rows::last_used(namespace, who.id)).collect();
        let found = self.store.get_all(&keys).await?;
        let seen = principals.into_iter().zip(found).map(|(principal, row)| {
            let last_used_at = self.last_use(row.as_ref());
            SeenPrincipal { principal, last_used_at }
        });
        Ok(seen.collect())
    }

    fn last_use(&self, row: Option<&Row>) -> Option<Instant> {
        let Record { value: LastUse { at }, .. } = self.decode(row?).ok()?;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::{ApiKeyId, TenantId},
        tenant::Mode,
    };

    const NOW: Instant = Instant::from_unix_seconds(1_800_001_234);

    fn who(number: usize) -> Who {
        let namespace = Namespace { tenant: TenantId::from_bytes([1; 16]), mode: Mode::Live };
        (namespace, PrincipalId::ApiKey(ApiKeyId::from_bytes((number as u128).to_be_bytes())))
    }

    fn waiting(calls: &LastUsed) -> Vec<(PrincipalId, Instant)> {
        calls.waiting().into_values().flatten().collect()
    }

    #[test]
    fn whoever_calls_again_within_the_hour_is_not_written_again() {
        let calls = LastUsed::default();
        let (namespace, id) = who(1);
        for second in 0..100 {
            calls.note(who(1), NOW.plus(std::time::Duration::from_secs(second)));
        }
        let hour = Instant::from_unix_seconds(1_800_000_000);
        assert_eq!(waiting(&calls), [(id, hour)]);
        calls.written(namespace, &[(id, hour)]);
        calls.note(who(1), NOW);
        assert_eq!(waiting(&calls), []);
        let next = Instant::from_unix_seconds(1_800_003_600);
        calls.note(who(1), next);
        // Noted in the meantime, it is not taken for written.
        calls.written(namespace, &[(id, hour)]);
        assert_eq!(waiting(&calls), [(id, next)]);
        // A clock that was set back takes nothing back.
        calls.note(who(1), NOW);
        assert_eq!(waiting(&calls), [(id, next)]);
    }

    #[test]
    fn what_is_noted_is_bounded_and_makes_room_with_the_hour() {
        let calls = LastUsed::default();
        for number in 0..MOST + 10 {
            calls.note(who(number), NOW);
        }
        assert_eq!(calls.noted().len(), MOST);
        let (all, later) = (waiting(&calls), NOW.plus(std::time::Duration::from_secs(HOUR)));
        calls.forget_before(later);
        assert_eq!(calls.noted().len(), MOST, "what is not written is not forgotten");
        calls.written(who(0).0, &all);
        calls.forget_before(NOW);
        assert_eq!(calls.noted().len(), MOST);
        calls.forget_before(later);
        assert_eq!(calls.noted().len(), 0);
    }
}
