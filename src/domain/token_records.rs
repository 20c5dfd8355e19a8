//! What a ledger says of tokens: how often each was redeemed, whether it was revoked, and which versions its state has had. To be held
//! against what is kept of the tokens themselves.
//!
//! Records stand in the order in which they were chained, not in that in which things happened. Of one token, the versions of its state tell
//! that order: every commit that changes the state is recorded with the version it has from then on, so that each version is named once.

use std::collections::HashMap;

use super::{
    ids::{LinkId, ShareId},
    instant::Instant,
    placed::Placed,
    redemption::UseState,
    token_sums::Drawers,
};

/// A token that is used up by redemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Token {
    /// That of a share.
    Share(ShareId),
    /// That of a link.
    Link(LinkId),
}

impl Token {
    pub(super) fn minted_at(self) -> Instant {
        match self {
            Self::Share(id) => id.created_at(),
            Self::Link(id) => id.created_at(),
        }
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Share(id) => id.fmt(f),
            Self::Link(id) => id.fmt(f),
        }
    }
}

/// Versions that records name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Versions {
    /// Each up to here was named, once.
    all_to: u64,
    /// Beyond that, those that were named before the ones before them: chained within seconds of each other.
    ahead: Vec<u64>,
    /// One of them was named twice.
    any_twice: bool,
}

impl Versions {
    fn name(&mut self, version: u64) {
        if version <= self.all_to || self.ahead.contains(&version) {
            self.any_twice = true;
            return;
        }
        if version > self.all_to + 1 {
            self.ahead.push(version);
            return;
        }
        self.all_to = version;
        while let Some(at) = self.ahead.iter().position(|ahead| *ahead == self.all_to + 1) {
            self.ahead.swap_remove(at);
            self.all_to += 1;
        }
    }

    fn newest(&self) -> u64 {
        self.ahead.iter().copied().fold(self.all_to, u64::max)
    }
}

/// What a ledger says of one token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfToken {
    /// How many records there are of its redemption.
    pub redemptions: u32,
    is_revoked: bool,
    versions: Versions,
}

/// A token's state, and how often that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How often it was redeemed.
    pub redemptions: u32,
    /// Whether it was revoked.
    pub is_revoked: bool,
    /// The version of its row.
    pub version: u64,
}

impl Seen {
    /// Of a state in this version.
    pub const fn new(state: &UseState, version: u64) -> Self {
        Self { redemptions: state.claims, is_revoked: state.revoked_at.is_some(), version }
    }
}

/// In what a ledger and a token contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// There is a redemption without a record; the record may still be on its way.
    #[error("it has been redeemed more often than there are records of that")]
    Unrecorded,
    /// A change is without a record; the record may still be on its way.
    #[error("its state has changed without a record of that")]
    UnrecordedChange,
    /// There is a record without a redemption: the token was put back.
    #[error("there are more records of its redemption than it has had")]
    PutBack,
    /// A record says that it was revoked, and it is not: it was put back.
    #[error("a record says that it was revoked, and it is not")]
    NotRevoked,
    /// A record names a version that its state never had: it was put back.
    #[error("a record names a later version of its state than there is")]
    Older,
    /// Two records name one version: of two changes one was undone.
    #[error("two records name the same version of its state")]
    Twice,
    /// Records name it, and nothing of it is kept where it is listed: it was taken away.
    #[error("records name it, and it is not kept where all are listed")]
    Missing,
}

impl Contradiction {
    /// Whether it may vanish once what waits is chained.
    pub const fn may_vanish(self) -> bool {
        matches!(self, Self::Unrecorded | Self::UnrecordedChange)
    }
}

impl OfToken {
    /// Holds what was recorded against a token that was looked at later.
    ///
    /// # Errors
    /// In what they contradict each other.
    pub fn held_against(&self, seen: Seen) -> Result<(), Contradiction> {
        if self.redemptions > seen.redemptions {
            return Err(Contradiction::PutBack);
        }
        if self.is_revoked && !seen.is_revoked {
            return Err(Contradiction::NotRevoked);
        }
        if self.versions.any_twice {
            return Err(Contradiction::Twice);
        }
        if self.versions.newest() > seen.version {
            return Err(Contradiction::Older);
        }
        self.has_all_of(seen)
    }

    /// Whether all that had happened to a token is recorded now. More may have happened since.
    ///
    /// # Errors
    /// What is not.
    pub fn has_all_of(&self, seen: Seen) -> Result<(), Contradiction> {
        if self.redemptions < seen.redemptions {
            return Err(Contradiction::Unrecorded);
        }
        if self.versions.all_to < seen.version { Err(Contradiction::UnrecordedChange) } else { Ok(()) }
    }
}

/// What a record says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) token: Token,
    pub(super) is_redemption: bool,
    pub(super) is_revocation: bool,
    /// The version that its state has had since.
    pub(super) version: Option<u64>,
}

impl Said {
    /// What this record says, if it is of a token's redemption, revocation or change.
    pub(super) fn by(record: Placed<'_>) -> Option<Self> {
        if record.outcome != "done" {
            return None;
        }
        let (is_redemption, is_revocation) = match record.kind {
            "share.claimed" | "link.claimed" => (true, false),
            "share.revoked" | "link.revoked" => (false, true),
            _ if record.version.is_some() => (false, false),
            _ => return None,
        };
        let id = record.resource?;
        let token = id.parse().map(Token::Share).or_else(|_| id.parse().map(Token::Link)).ok()?;
        Some(Self { token, is_redemption, is_revocation, version: record.version })
    }
}

/// What a ledger says of some tokens.
#[derive(Clone, Debug)]
pub struct TokenRecords {
    some: Drawers,
    records: HashMap<Token, OfToken>,
}

impl TokenRecords {
    /// Of the tokens in these drawers, and of no other.
    pub fn of_those_in(some: Drawers) -> Self {
        Self { some, records: HashMap::new() }
    }

    /// Notes a record, if it is of one of them.
    pub fn note(&mut self, record: Placed<'_>) {
        let Some(said) = Said::by(record).filter(|said| self.compares(said.token)) else { return };
        let of_token = self.records.entry(said.token).or_default();
        of_token.redemptions += u32::from(said.is_redemption);
        of_token.is_revoked |= said.is_revocation;
        if let Some(version) = said.version {
            of_token.versions.name(version);
        }
    }

    /// Whether a token is one of those.
    pub fn compares(&self, token: Token) -> bool {
        self.some.have(token)
    }

    /// The tokens of which there is anything.
    pub fn tokens(&self) -> impl Iterator<Item = Token> {
        self.records.keys().copied()
    }

    /// What there is of this token.
    pub fn of(&self, token: Token) -> OfToken {
        self.records.get(&token).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(redemptions: u32, is_revoked: bool, versions: &[u64]) -> OfToken {
        let mut of_token = OfToken { redemptions, is_revoked, versions: Versions::default() };
        versions.iter().for_each(|version| of_token.versions.name(*version));
        of_token
    }

    fn seen(redemptions: u32, is_revoked: bool, version: u64) -> Seen {
        Seen { redemptions, is_revoked, version }
    }

    #[test]
    fn versions_are_named_once_each_in_whatever_order_they_are_chained() {
        for order in [[1, 2, 3, 4], [1, 3, 2, 4], [4, 3, 2, 1], [2, 1, 4, 3]] {
            assert_eq!(recorded(0, false, &order).versions, Versions { all_to: 4, ..Versions::default() }, "{order:?}");
        }
        assert!(recorded(0, false, &[1, 2, 2]).versions.any_twice);
        assert!(recorded(0, false, &[1, 4, 4]).versions.any_twice);
        assert_eq!(
            recorded(0, false, &[1, 4, 3]).versions,
            Versions { all_to: 1, ahead: vec![4, 3], any_twice: false }
        );
    }

    #[test]
    fn whatever_one_says_and_the_other_does_not_is_named() {
        use Contradiction::*;
        let held = |recorded: OfToken, seen| recorded.held_against(seen);
        assert_eq!(held(recorded(1, true, &[1, 2, 3]), seen(1, true, 3)), Ok(()));
        assert_eq!(held(recorded(0, false, &[1]), seen(1, false, 2)), Err(Unrecorded));
        assert_eq!(held(recorded(1, false, &[1, 2]), seen(1, true, 3)), Err(UnrecordedChange));
        assert_eq!(held(recorded(0, false, &[1, 3]), seen(0, false, 3)), Err(UnrecordedChange));
        assert_eq!(held(recorded(1, false, &[1, 2]), seen(0, false, 2)), Err(PutBack));
        assert_eq!(held(recorded(0, true, &[1, 2]), seen(0, false, 2)), Err(NotRevoked));
        assert_eq!(held(recorded(0, false, &[1, 2]), seen(0, false, 1)), Err(Older));
        assert_eq!(held(recorded(0, false, &[1, 4]), seen(0, false, 3)), Err(Older));
        assert_eq!(held(recorded(0, false, &[1, 2, 2]), seen(0, false, 2)), Err(Twice));
        assert_eq!(recorded(9, false, &[1, 2, 3]).has_all_of(seen(1, false, 2)), Ok(()));
        let vanishing =
            [Unrecorded, UnrecordedChange, PutBack, NotRevoked, Older, Twice].map(Contradiction::may_vanish);
        assert_eq!(vanishing, [true, true, false, false, false, false]);
    }
}
