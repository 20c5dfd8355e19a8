//! The rows of a share, small enough to be kept a million times over, and the domain's values that they stand for.
//!
//! Never here: what may become of a row. That is the domain's.

use cloakroom::{
    domain::{
        instant::Instant,
        redemption::{Claim, UseState},
    },
    store::{Expected, Version},
};

/// What a [`UseState`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uses {
    pub claims: u32,
    pub revoked_at: Option<Instant>,
}

/// What a [`Claim`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claimed {
    pub claimed_at: Instant,
    pub access_until: Instant,
    pub moved_at: Option<Instant>,
}

impl Uses {
    /// All of it, so that a field that is added does not pass unseen.
    pub fn of(state: UseState) -> Self {
        let UseState { claims, revoked_at, narrowed } = state;
        assert_eq!(narrowed, None, "nobody narrows a share here");
        Self { claims, revoked_at }
    }

    pub const fn to_domain(self) -> UseState {
        UseState { claims: self.claims, revoked_at: self.revoked_at, narrowed: None }
    }
}

impl Claimed {
    /// All of it, so that a field that is added does not pass unseen.
    pub fn of(claim: Claim) -> Self {
        let Claim { claimed_at, access_until, moved_at, recipient } = claim;
        assert_eq!(recipient, None, "no share has recipients here");
        Self { claimed_at, access_until, moved_at }
    }

    pub const fn to_domain(self) -> Claim {
        let Self { claimed_at, access_until, moved_at } = self;
        Claim { claimed_at, access_until, moved_at, recipient: None }
    }

    /// As its claimant was told of it: a claim that has moved was the same before.
    pub const fn is_told_as(&self, told: &Self) -> bool {
        self.claimed_at.as_unix_millis() == told.claimed_at.as_unix_millis()
            && self.access_until.as_unix_millis() == told.access_until.as_unix_millis()
    }
}

/// A stored row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row<T> {
    pub version: Version,
    pub body: T,
}

/// A write of a whole row, on the condition that it is the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Write<T> {
    /// Which version was read; none where there was no row.
    pub read: Option<Version>,
    pub body: T,
}

impl<T: Copy> Write<T> {
    /// Where nothing is.
    pub const fn first(body: T) -> Self {
        Self { read: None, body }
    }

    /// In the place of the row that was read.
    pub const fn over<U>(row: &Row<U>, body: T) -> Self {
        Self { read: Some(row.version), body }
    }

    pub fn expected(&self) -> Expected {
        self.read.map_or(Expected::Absent, Expected::Version)
    }

    pub fn row(&self) -> Row<T> {
        Row { version: self.expected().next(), body: self.body }
    }

    pub fn holds(&self, current: Option<&Row<T>>) -> bool {
        self.read == current.map(|row| row.version)
    }
}
