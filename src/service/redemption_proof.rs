//! The proof that every token that was used up has the records of its redemptions in the ledger, each once, and that there are
//! none of a redemption that never was.
//!
//! The same goes for every other change of a token: each version of its state has one record.
//!
//! A redemption and its event are one commit, and the event is chained later. So what a ledger had before a state was read is
//! never more than the state says, and what it has once everything that waited then is chained is never less. Nothing stands
//! still while that is looked at, and nothing has to.

use std::time::Duration;

use crate::{
    domain::{
        ids::{LinkId, ShareId},
        ledger::Head,
        lifetime,
        redemption::UseState,
        tenant::Namespace,
        token_records::{Contradiction, Seen, Token, TokenRecords},
    },
    store::{Direction, Query, Row, RowKey},
};

use super::{Broker, Error, links::LinkPointer, rows};

/// Of tokens that were minted longer ago, nothing is kept to compare.
const KEPT: Duration = lifetime::LINK_HISTORY;

/// How many tokens are looked at at a time.
const PORTION: usize = 500;

/// At most so many are named.
const MOST_NAMED: usize = 20;

/// What comparing tokens with the ledger came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedemptionProof {
    /// How many tokens were looked at.
    pub tokens: u64,
    /// How many redemptions they have had.
    pub redemptions: u64,
    /// How many tokens have more or fewer redemptions than records of them.
    pub unproven: u64,
    /// The first of these.
    pub named: Vec<Unproven>,
}

/// A token of which its ledger says something else than is kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unproven {
    /// Which one.
    pub token: Token,
    /// How often it was redeemed.
    pub redemptions: u32,
    /// Of how many redemptions there are records.
    pub records: u32,
    /// In what they contradict each other.
    pub why: Contradiction,
}

impl RedemptionProof {
    fn refute(&mut self, unproven: Unproven) {
        self.unproven += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(unproven);
        }
    }
}

impl Broker {
    /// For what a ledger says of tokens of which something is kept.
    pub(super) fn token_records(&self) -> TokenRecords {
        TokenRecords::since(self.now().minus(KEPT))
    }

    /// Compares all tokens of a namespace with what its ledger says of them from the first record to this one.
    pub(super) async fn prove_redemptions(
        &self,
        namespace: Namespace,
        mut records: TokenRecords,
        head: Head,
    ) -> Result<RedemptionProof, Error> {
        let mut proof = RedemptionProof::default();
        let mut waiting = Vec::new();
        for partition in [rows::shares(namespace), rows::links(namespace)] {
            let mut after = None;
            loop {
                let (begins_with, direction) = (String::new(), Direction::Ascending);
                let query = Query { partition: partition.clone(), begins_with, after, limit: PORTION, direction };
                let found = self.store.query(&query).await?;
                after = found.last().map(|row| row.key.sort.clone());
                for (token, seen) in self.states_of(namespace, &found).await? {
                    // A store may keep rows for longer than it has to.
                    if !records.compares(token) {
                        continue;
                    }
                    proof.tokens += 1;
                    proof.redemptions += u64::from(seen.redemptions);
                    match records.of(token).held_against(seen) {
                        Ok(()) => {}
                        Err(why) if why.may_vanish() => waiting.push((token, seen)),
                        Err(why) => proof.refute(unproven(token, seen, &records, why)),
                    }
                }
                if found.len() < PORTION {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        if !waiting.is_empty() {
            self.chain(namespace).await?;
            // What is broken from here on is found by the next sweep.
            self.follow_ledger(namespace, head, u64::MAX, Some(&mut records)).await?;
        }
        for (token, seen) in waiting {
            if let Err(why) = records.of(token).has_all_of(seen) {
                proof.refute(unproven(token, seen, &records, why));
            }
        }
        Ok(proof)
    }

    /// The states of tokens that an index names. One that is not ours counts as redeemed never, so that its records refute it.
    async fn states_of(&self, namespace: Namespace, index: &[Row]) -> Result<Vec<(Token, Seen)>, Error> {
        let (tokens, keys): (Vec<_>, Vec<_>) = index.iter().filter_map(|row| self.token_of(row)).unzip();
        let (states, sealed) = (self.store.get_all(&keys).await?, self.sealed(namespace.tenant).await?);
        let states = tokens.into_iter().zip(states).filter_map(|(token, row)| Some((token, row?)));
        let seen = |row: &Row| Seen::new(&sealed.readable::<UseState>(row).unwrap_or_default(), row.version.number());
        Ok(states.map(|(token, row)| (token, seen(&row))).collect())
    }

    fn token_of(&self, row: &Row) -> Option<(Token, RowKey)> {
        if let Ok(share) = row.key.sort.parse::<ShareId>() {
            return Some((Token::Share(share), rows::share_state(share)));
        }
        let link: LinkId = row.key.sort.parse().ok()?;
        let hash = self.link_hash(&self.readable::<LinkPointer>(row)?).ok()?;
        Some((Token::Link(link), rows::link_state(hash)))
    }
}

fn unproven(token: Token, seen: Seen, records: &TokenRecords, why: Contradiction) -> Unproven {
    Unproven { token, redemptions: seen.redemptions, records: records.of(token).redemptions, why }
}
