//! The end of a tenant: asked for, called off within its grace, or carried out; and what remains of it.
//!
//! Of a tenant that is removed one row is left, which says that there was one. Nothing in it is personal, and nothing of it
//! was the tenant's to say: its name goes, too.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    event::Actor,
    ids::TenantId,
    instant::Instant,
    ledger::RecordHash,
    tenant::{Mode, Namespace, Tenant},
};

/// For how long a deletion can be called off, unless it is wanted at once.
pub const GRACE: Duration = Duration::from_secs(7 * 24 * 3600);

/// When it is looked once more for what was written while everything was removed: later than any upload, copy or commit that
/// had begun before can come to its end.
pub const LAST_LOOK: Duration = Duration::from_secs(13 * 3600);

/// That a tenant is to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// Who asked for it.
    pub by: Actor,
    /// Where they are at home: in that ledger it is told.
    pub home: Namespace,
    /// When they did.
    pub asked_at: Instant,
    /// When it begins. Until then it can be called off.
    pub due_at: Instant,
    /// Since when it cannot be called off any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Instant>,
    /// Whether the tenant was suspended before.
    pub was_suspended: bool,
}

impl Tenant {
    /// The tenant with its deletion asked for, which suspends it. One that is asked for already only comes sooner.
    #[must_use]
    pub fn to_be_deleted(self, by: Actor, home: Namespace, grace: Duration, now: Instant) -> Self {
        let due_at = now.plus(grace);
        let deletion = match self.deletion {
            Some(asked) => Deletion { due_at: asked.due_at.min(due_at), ..asked },
            None => Deletion { by, home, asked_at: now, due_at, begun_at: None, was_suspended: self.suspended },
        };
        Self { suspended: true, deletion: Some(deletion), ..self }
    }

    /// The tenant as it was before its deletion was asked for; none where it was not, or has begun.
    pub fn restored(&self) -> Option<Self> {
        let deletion = self.deletion.as_ref().filter(|deletion| deletion.begun_at.is_none())?;
        Some(Self { suspended: deletion.was_suspended, deletion: None, ..self.clone() })
    }

    /// The tenant with its deletion begun; none where that is not due.
    pub fn deletion_begun(&self, now: Instant) -> Option<Self> {
        let due = self.deletion.clone().filter(|deletion| deletion.due_at <= now)?;
        let begun_at = due.begun_at.or(Some(now));
        Some(Self { deletion: Some(Deletion { begun_at, ..due }), ..self.clone() })
    }
}

/// How a ledger ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEnd {
    /// Of the live or the test side.
    pub mode: Mode,
    /// How many records it had; where it was broken, how many before the first that was not as it must be.
    pub size: u64,
    /// The hash of the last of them.
    pub hash: RecordHash,
    /// Whether all of it was as it was written.
    pub intact: bool,
    /// What was signed of that: a checkpoint as a signed note, where there was a key to sign with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// The key that signed, as programs that read notes are told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier_key: Option<String>,
}

/// What remains of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Which tenant.
    pub tenant: TenantId,
    /// Who asked for its deletion.
    pub by: Actor,
    /// Where they are at home.
    pub home: Namespace,
    /// When they asked.
    pub asked_at: Instant,
    /// When it began.
    pub begun_at: Instant,
    /// When something was removed last.
    pub touched_at: Instant,
    /// Rows that were removed.
    pub rows: u64,
    /// Objects that were removed, each version by itself. Counted after they are: a crash may leave out some.
    pub objects: u64,
    /// How its ledgers ended.
    pub ledgers: Vec<LedgerEnd>,
    /// Since when nothing is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Instant>,
    /// When it was looked once more for what had come meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Instant>,
}

/// What is to be done for a deletion now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Remove what there is.
    Remove,
    /// Look once more.
    LookAgain,
    /// Wait, until then at least.
    Wait(Instant),
    /// Nothing.
    Nothing,
}

impl Tombstone {
    /// What remains of a tenant whose deletion has begun, before anything is removed.
    pub fn of(tenant: TenantId, deletion: &Deletion, ledgers: Vec<LedgerEnd>, now: Instant) -> Self {
        Self {
            tenant,
            by: deletion.by.clone(),
            home: deletion.home,
            asked_at: deletion.asked_at,
            begun_at: deletion.begun_at.unwrap_or(now),
            touched_at: now,
            rows: 0,
            objects: 0,
            ledgers,
            deleted_at: None,
            closed_at: None,
        }
    }

    /// What is to be done.
    pub fn next(&self, now: Instant) -> Next {
        match (self.deleted_at, self.closed_at) {
            (None, _) => Next::Remove,
            (Some(_), Some(_)) => Next::Nothing,
            (Some(at), None) if at.plus(LAST_LOOK) <= now => Next::LookAgain,
            (Some(at), None) => Next::Wait(at.plus(LAST_LOOK)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{quota::Limits, tenant::Generation};

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(1_000_000 + seconds)
    }

    fn tenant(suspended: bool) -> Tenant {
        Tenant {
            id: TenantId::from_bytes([1; 16]),
            name: "t1".into(),
            generation: Generation(5),
            suspended,
            quota: Limits::default(),
            allowed_origins: Vec::new(),
            deletion: None,
            created_at: at(0),
        }
    }

    fn home() -> Namespace {
        Namespace { tenant: TenantId::from_bytes([2; 16]), mode: Mode::Live }
    }

    #[test]
    fn a_deletion_suspends_and_calling_it_off_gives_back_what_was() {
        for suspended in [false, true] {
            let asked = tenant(suspended).to_be_deleted(Actor::System, home(), GRACE, at(0));
            assert!(asked.suspended);
            assert_eq!(asked.restored(), Some(tenant(suspended)));
            assert_eq!(asked.deletion_begun(at(GRACE.as_secs() - 1)), None);
            let begun = asked.deletion_begun(at(GRACE.as_secs())).unwrap();
            assert_eq!(begun.restored(), None);
            assert_eq!(begun.deletion_begun(at(GRACE.as_secs() + 9)), Some(begun.clone()));
        }
        assert_eq!(tenant(false).restored(), None);
        assert_eq!(tenant(false).deletion_begun(at(0)), None);
    }

    #[test]
    fn asking_again_makes_it_sooner_and_never_later() {
        let asked = tenant(false).to_be_deleted(Actor::System, home(), GRACE, at(0));
        let again = asked.clone().to_be_deleted(Actor::Bearer, home(), GRACE, at(100));
        assert_eq!(again, asked);
        let at_once = asked.to_be_deleted(Actor::Bearer, home(), Duration::ZERO, at(200));
        let deletion = at_once.deletion.as_ref().unwrap();
        assert_eq!((deletion.due_at, deletion.asked_at, &deletion.by), (at(200), at(0), &Actor::System));
        assert_eq!(at_once.restored(), Some(tenant(false)));
    }

    #[test]
    fn a_tombstone_is_looked_at_once_more_and_then_never() {
        let deletion = tenant(false).to_be_deleted(Actor::System, home(), GRACE, at(0)).deletion.unwrap();
        let removing = Tombstone::of(tenant(false).id, &deletion, Vec::new(), at(5));
        assert_eq!(removing.next(at(5)), Next::Remove);
        let deleted = Tombstone { deleted_at: Some(at(10)), ..removing };
        let last = 10 + LAST_LOOK.as_secs();
        assert_eq!(deleted.next(at(last - 1)), Next::Wait(at(last)));
        assert_eq!(deleted.next(at(last)), Next::LookAgain);
        assert_eq!(Tombstone { closed_at: Some(at(last)), ..deleted }.next(at(last)), Next::Nothing);
    }
}
