//! Whether a ledger and what is kept of tokens say the same, found without remembering any of them.
//!
//! Each says what has happened to which token. That is written as a sum of numbers, one for everything that has happened, and two that
//! say the same have the same sum, in whatever order they say it: a multiset hash (Clarke et al., "Incremental Multiset Hash
//! Functions", ASIACRYPT 2003). Numbers are drawn by a keyed hash whose key nobody outside knows and no two comparisons share, so that
//! nothing can be made up to fit; two that differ have the same sum once in 2^64.
//!
//! Tokens are divided among drawers, each with a sum of its own. Where sums differ, for whatever reason, the tokens of that drawer
//! are compared one by one ([`super::token_records`]): that something happened meanwhile is the usual one.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use super::{
    instant::Instant,
    placed::Placed,
    token_records::{Said, Seen, Token},
};

/// Into how many drawers tokens are divided: of ten million, some 40 lie in each. They take 4 MiB.
const DRAWERS: usize = 1 << 18;

/// A state of a later version is looked at closely: a thousand redemptions and as many changes are more than there are.
const MOST_VERSIONS: u64 = 2_000;

/// Something that has happened to a token.
#[derive(Clone, Copy, Hash)]
enum Deed {
    Redemption,
    Revocation,
    /// Its state was written, in this version.
    Version(u64),
}

/// Tokens that can be compared, and how they are divided.
#[derive(Clone, Debug)]
struct Division {
    since: Instant,
    hasher: RandomState,
}

impl Division {
    /// Where a token lies; nowhere, if it was minted before.
    fn drawer(&self, token: Token) -> Option<usize> {
        (token.minted_at() >= self.since).then(|| self.hasher.hash_one(token) as usize % DRAWERS)
    }

    fn number(&self, token: Token, deed: Deed) -> u64 {
        self.hasher.hash_one((token, deed))
    }
}

/// Some of the drawers.
#[derive(Clone, Debug)]
pub struct Drawers {
    division: Arc<Division>,
    some: HashSet<usize>,
}

impl Drawers {
    /// Whether a token lies in one of them.
    pub fn have(&self, token: Token) -> bool {
        self.division.drawer(token).is_some_and(|drawer| self.some.contains(&drawer))
    }
}

/// What a ledger says of all tokens, less what is kept of them.
#[derive(Clone, Debug)]
pub struct TokenSums {
    division: Arc<Division>,
    balances: Vec<u64>,
    /// How many tokens are kept.
    kept: Vec<u32>,
    /// How many the ledger says were minted.
    minted: Vec<u32>,
    /// Drawers that are to be looked into whatever their balance.
    doubted: HashSet<usize>,
}

impl TokenSums {
    /// Of tokens that were minted since then: of older ones nothing may be kept that could be compared. The hasher is to be a new one.
    pub fn since(since: Instant, hasher: RandomState) -> Self {
        let division = Arc::new(Division { since, hasher });
        let [kept, minted] = [(); 2].map(|()| vec![0; DRAWERS]);
        Self { division, balances: vec![0; DRAWERS], kept, minted, doubted: HashSet::new() }
    }

    /// Notes what a record says of a token, if it says anything of one.
    pub fn note(&mut self, record: Placed<'_>) {
        let Some(said) = Said::by(record) else { return };
        let Some(drawer) = self.division.drawer(said.token) else { return };
        let mut sum = self.balances[drawer];
        let mut add = |deed| sum = sum.wrapping_add(self.division.number(said.token, deed));
        if said.is_redemption {
            add(Deed::Redemption);
        }
        if said.is_revocation {
            add(Deed::Revocation);
        }
        if let Some(version) = said.version {
            add(Deed::Version(version));
            self.minted[drawer] += u32::from(version == 1);
        }
        self.balances[drawer] = sum;
    }

    /// Holds a token that is kept against what was noted. Tells whether it is one of those that can be compared.
    pub fn hold_against(&mut self, token: Token, seen: Seen) -> bool {
        let Some(drawer) = self.division.drawer(token) else { return false };
        self.kept[drawer] += 1;
        if seen.version > MOST_VERSIONS {
            self.doubted.insert(drawer);
            return true;
        }
        let number = |deed| self.division.number(token, deed);
        let versions = (1..=seen.version).map(|version| number(Deed::Version(version)));
        let redemptions = number(Deed::Redemption).wrapping_mul(seen.redemptions.into());
        let revocation = if seen.is_revoked { number(Deed::Revocation) } else { 0 };
        let sum = versions.fold(redemptions.wrapping_add(revocation), u64::wrapping_add);
        self.balances[drawer] = self.balances[drawer].wrapping_sub(sum);
        true
    }

    /// The drawers whose tokens are to be compared one by one: so many that there are about as many tokens in them as that, each time.
    pub fn in_doubt(&self, tokens: usize) -> Vec<Drawers> {
        let (mut portions, mut some, mut count) = (Vec::new(), HashSet::new(), 0);
        let in_doubt = |drawer: &usize| self.balances[*drawer] != 0 || self.doubted.contains(drawer);
        for drawer in (0..DRAWERS).filter(in_doubt) {
            some.insert(drawer);
            count += self.kept[drawer].max(self.minted[drawer]) as usize;
            if count >= tokens {
                portions.push(std::mem::take(&mut some));
                count = 0;
            }
        }
        portions.push(some);
        portions.retain(|some| !some.is_empty());
        portions.into_iter().map(|some| Drawers { division: self.division.clone(), some }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ShareId;

    fn token(number: u8) -> Token {
        Token::Share(ShareId::from_bytes([number; 16]))
    }

    fn seen(redemptions: u32, is_revoked: bool, version: u64) -> Seen {
        Seen { redemptions, is_revoked, version }
    }

    fn noted(records: &[(u8, &str, Option<u64>)]) -> TokenSums {
        let mut sums = TokenSums::since(Instant::from_unix_seconds(0), RandomState::new());
        for (number, kind, version) in records {
            let id = token(*number).to_string();
            let (namespace, prev_hash, seq, resource) = ("", "", 1, Some(id.as_str()));
            sums.note(Placed { namespace, prev_hash, seq, kind, resource, outcome: "done", version: *version });
        }
        sums
    }

    const RECORDS: [(u8, &str, Option<u64>); 6] = [
        (1, "share.created", Some(1)),
        (2, "share.created", Some(1)),
        (1, "share.claimed", Some(3)),
        (1, "share.changed", Some(2)),
        (2, "share.claimed", Some(2)),
        (2, "share.revoked", Some(3)),
    ];

    /// Whether what is kept of these two is to be looked at one by one.
    fn doubts(records: &[(u8, &str, Option<u64>)], one: Seen, two: Seen) -> bool {
        let mut sums = noted(records);
        assert!(sums.hold_against(token(1), one) && sums.hold_against(token(2), two));
        !sums.in_doubt(1).is_empty()
    }

    #[test]
    fn two_that_say_the_same_are_not_compared_one_by_one() {
        let mut records = RECORDS;
        assert!(!doubts(&records, seen(1, false, 3), seen(1, true, 3)));
        records.reverse();
        assert!(!doubts(&records, seen(1, false, 3), seen(1, true, 3)));
        // What is kept no more is.
        let mut sums = noted(&RECORDS);
        assert!(sums.hold_against(token(1), seen(1, false, 3)));
        assert!(sums.in_doubt(1)[0].have(token(2)));
    }

    #[test]
    fn whatever_one_says_and_the_other_does_not_is_compared() {
        let right = (seen(1, false, 3), seen(1, true, 3));
        for wrong in [seen(0, false, 3), seen(2, false, 3), seen(1, true, 3), seen(1, false, 2), seen(1, false, 4)] {
            assert!(doubts(&RECORDS, wrong, right.1), "{wrong:?}");
        }
        assert!(doubts(&RECORDS, right.0, seen(1, false, 3)));
        for left in 0..RECORDS.len() {
            let mut records = RECORDS.to_vec();
            let record = records.remove(left);
            assert!(doubts(&records, right.0, right.1), "without {record:?}");
            records.extend([record, record]);
            assert!(doubts(&records, right.0, right.1), "{record:?} twice");
        }
        // Not counted up to, whoever wrote that into the row.
        assert!(doubts(&RECORDS, seen(1, false, u64::MAX), right.1));
    }

    #[test]
    fn those_in_doubt_come_in_portions_each_token_once() {
        let mut sums = noted(&[]);
        let tokens: Vec<_> = (0..=255).map(token).collect();
        for token in &tokens {
            sums.hold_against(*token, seen(1, false, 1));
        }
        let portions = sums.in_doubt(40);
        assert!((5..=7).contains(&portions.len()), "{}", portions.len());
        for token in tokens {
            assert_eq!(portions.iter().filter(|some| some.have(token)).count(), 1);
        }
        let older = TokenSums::since(Instant::from_unix_seconds(u32::MAX.into()), RandomState::new());
        assert!(older.division.drawer(token(0)).is_none());
    }
}
