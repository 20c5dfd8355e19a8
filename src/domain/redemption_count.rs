//! How often tokens were redeemed, as a ledger says: to be held against what is kept of the tokens themselves.

use std::collections::HashMap;

use super::{
    ids::{LinkId, ShareId},
    instant::Instant,
    ledger::Placed,
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
    fn minted_at(self) -> Instant {
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

/// How many records of a redemption each token has.
#[derive(Clone, Debug)]
pub struct RedemptionCount {
    since: Instant,
    records: HashMap<Token, u32>,
}

impl RedemptionCount {
    /// Counts for tokens that were minted since then: nothing is kept of older ones that could be compared.
    pub fn since(since: Instant) -> Self {
        Self { since, records: HashMap::new() }
    }

    /// Counts a record, if it is one of a redemption.
    pub fn count(&mut self, record: Placed<'_>) {
        let token = match (record.kind, record.outcome) {
            ("share.claimed", "done") => record.resource.and_then(|id| id.parse().ok()).map(Token::Share),
            ("link.claimed", "done") => record.resource.and_then(|id| id.parse().ok()).map(Token::Link),
            _ => None,
        };
        if let Some(token) = token.filter(|token| token.minted_at() >= self.since) {
            *self.records.entry(token).or_default() += 1;
        }
    }

    /// How many records there are of this token's redemption.
    pub fn of(&self, token: Token) -> u32 {
        self.records.get(&token).copied().unwrap_or_default()
    }
}
