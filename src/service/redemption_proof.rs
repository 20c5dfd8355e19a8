//! The proof that every token that was used up has the records of its redemptions in the ledger, each once, and that there are
//! none of a redemption that never was.
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
        redemption_count::{RedemptionCount, Token},
        tenant::Namespace,
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

/// A token whose redemptions are not those that the ledger has records of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unproven {
    /// Which one.
    pub token: Token,
    /// How often it was redeemed.
    pub redemptions: u32,
    /// Of how many redemptions there are records.
    pub records: u32,
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
    /// A count for tokens of which something is kept.
    pub(super) fn redemption_count(&self) -> RedemptionCount {
        RedemptionCount::since(self.now().minus(KEPT))
    }

    /// Compares all tokens of a namespace with what was counted in its ledger from the first record to this one.
    pub(super) async fn prove_redemptions(
        &self,
        namespace: Namespace,
        mut count: RedemptionCount,
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
                for (token, state) in self.states_of(namespace, &found).await? {
                    let compared = Unproven { token, redemptions: state.claims, records: count.of(token) };
                    proof.tokens += 1;
                    proof.redemptions += u64::from(compared.redemptions);
                    if compared.records > compared.redemptions {
                        proof.refute(compared);
                    } else if compared.records < compared.redemptions {
                        waiting.push(compared);
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
            self.follow_ledger(namespace, head, u64::MAX, Some(&mut count)).await?;
        }
        for Unproven { token, redemptions, .. } in waiting {
            let records = count.of(token);
            if records < redemptions {
                proof.refute(Unproven { token, redemptions, records });
            }
        }
        Ok(proof)
    }

    /// The states of tokens that an index names. One that is not ours counts as redeemed never, so that its records refute it.
    async fn states_of(&self, namespace: Namespace, index: &[Row]) -> Result<Vec<(Token, UseState)>, Error> {
        let (tokens, keys): (Vec<_>, Vec<_>) = index.iter().filter_map(|row| self.token_of(row)).unzip();
        let (states, sealed) = (self.store.get_all(&keys).await?, self.sealed(namespace.tenant).await?);
        let states = tokens.into_iter().zip(states).filter_map(|(token, row)| Some((token, row?)));
        Ok(states.map(|(token, row)| (token, sealed.readable(&row).unwrap_or_default())).collect())
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
