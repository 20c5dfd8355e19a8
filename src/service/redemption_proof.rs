//! The proof that every token that was used up has the records of its redemptions in the ledger, each once, and that there are
//! none of a redemption that never was.
//!
//! The same goes for every other change of a token: each version of its state has one record.
//!
//! A redemption and its event are one commit, and the event is chained later. So what a ledger had before a state was read is
//! never more than the state says, and what it has once everything that waited then is chained is never less. Nothing stands
//! still while that is looked at, and nothing has to.

use std::{collections::HashSet, hash::RandomState, time::Duration};

use crate::{
    domain::{
        ledger::{Broken, Head},
        lifetime,
        redemption::UseState,
        tenant::Namespace,
        token_records::{Contradiction, Seen, Token, TokenRecords},
        token_sums::TokenSums,
    },
    store::{Direction, Query, Row, RowKey},
};

use super::{Broker, Error, links::LinkPointer, rows, verification::Followed};

/// Of tokens that were minted longer ago, nothing may be kept to compare: they are forgotten a day later at the soonest.
const KEPT: Duration = lifetime::REMEMBERED.saturating_sub(Duration::from_secs(24 * 3600));

/// How many tokens are looked at at a time.
const PORTION: usize = 500;

/// About so many tokens are remembered at a time with all that the ledger says of them: some 20 MB.
const MOST_REMEMBERED: usize = 200_000;

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
    pub(super) fn token_sums(&self) -> TokenSums {
        TokenSums::since(self.now().minus(KEPT), RandomState::new())
    }

    /// Compares all tokens of a namespace with what its ledger was found to say of them. Also tells what is wrong with the ledger,
    /// where that was found meanwhile: what comes after that was not compared.
    ///
    /// # Errors
    /// When the store or the object storage does not answer.
    pub(super) async fn prove_redemptions(
        &self,
        namespace: Namespace,
        mut sums: TokenSums,
    ) -> Result<(RedemptionProof, Option<Broken>), Error> {
        let mut proof = RedemptionProof::default();
        let mut states = States::of(self, namespace);
        while let Some(portion) = states.next(|_| true).await? {
            for (token, seen) in portion {
                // A store may keep rows for longer than it has to.
                if sums.hold_against(token, seen) {
                    proof.tokens += 1;
                    proof.redemptions += u64::from(seen.redemptions);
                }
            }
        }
        for some in sums.in_doubt(MOST_REMEMBERED) {
            let mut records = TokenRecords::of_those_in(some);
            let beginning = self.beginning(namespace);
            let Followed { head, broken, .. } =
                self.follow_ledger(namespace, beginning, u64::MAX, &mut |record| records.note(record)).await?;
            if broken.is_some() {
                return Ok((proof, broken));
            }
            self.compare_one_by_one(namespace, records, head, &mut proof).await?;
        }
        Ok((proof, None))
    }

    /// Compares some tokens with what the ledger says of them from its first record to this one.
    async fn compare_one_by_one(
        &self,
        namespace: Namespace,
        mut records: TokenRecords,
        head: Head,
        proof: &mut RedemptionProof,
    ) -> Result<(), Error> {
        let (mut states, mut waiting) = (States::of(self, namespace), Vec::new());
        let mut missing: HashSet<Token> = records.tokens().collect();
        while let Some(portion) = states.next(|token| records.compares(token)).await? {
            for (token, seen) in portion {
                missing.remove(&token);
                match records.of(token).held_against(seen) {
                    Ok(()) => {}
                    Err(why) if why.may_vanish() => waiting.push((token, seen)),
                    Err(why) => proof.refute(unproven(token, seen, &records, why)),
                }
            }
        }
        // Each was committed together with what was recorded of it first, and is kept for longer than it is compared.
        for token in missing {
            let nothing = Seen { redemptions: 0, is_revoked: false, version: 0 };
            proof.refute(unproven(token, nothing, &records, Contradiction::Missing));
        }
        if !waiting.is_empty() {
            self.chain(namespace).await?;
            // What is broken from here on is found by the next sweep.
            self.follow_ledger(namespace, head, u64::MAX, &mut |record| records.note(record)).await?;
        }
        for (token, seen) in waiting {
            if let Err(why) = records.of(token).has_all_of(seen) {
                proof.refute(unproven(token, seen, &records, why));
            }
        }
        Ok(())
    }

    /// The states of tokens that an index names. One that is not ours counts as redeemed never, so that its records refute it.
    async fn states_of(
        &self,
        namespace: Namespace,
        index: impl Iterator<Item = &Row>,
    ) -> Result<Vec<(Token, Seen)>, Error> {
        let (tokens, keys): (Vec<_>, Vec<_>) = index.filter_map(|row| self.token_of(row)).unzip();
        let (states, sealed) = (self.store.get_all(&keys).await?, self.sealed(namespace.tenant).await?);
        let states = tokens.into_iter().zip(states).filter_map(|(token, row)| Some((token, row?)));
        let seen = |row: &Row| Seen::new(&sealed.readable::<UseState>(row).unwrap_or_default(), row.version.number());
        Ok(states.map(|(token, row)| (token, seen(&row))).collect())
    }

    fn token_of(&self, row: &Row) -> Option<(Token, RowKey)> {
        let token = token_named(row)?;
        let state = match token {
            Token::Share(share) => rows::share_state(share),
            Token::Link(_) => rows::link_state(self.link_hash(&self.readable::<LinkPointer>(row)?).ok()?),
        };
        Some((token, state))
    }
}

/// The states of all tokens of a namespace, some at a time.
struct States<'a> {
    broker: &'a Broker,
    namespace: Namespace,
    indices: [String; 2],
    at: usize,
    after: Option<String>,
}

impl<'a> States<'a> {
    fn of(broker: &'a Broker, namespace: Namespace) -> Self {
        let indices = [rows::shares(namespace), rows::links(namespace)];
        Self { broker, namespace, indices, at: 0, after: None }
    }

    /// The next of them, of tokens that are wanted.
    async fn next(&mut self, is_wanted: impl Fn(Token) -> bool) -> Result<Option<Vec<(Token, Seen)>>, Error> {
        let Some(index) = self.indices.get(self.at) else { return Ok(None) };
        let (partition, begins_with, after) = (index.clone(), String::new(), self.after.take());
        let query = Query { partition, begins_with, after, limit: PORTION, direction: Direction::Ascending };
        let found = self.broker.store.query(&query).await?;
        match found.last() {
            Some(last) if found.len() == PORTION => self.after = Some(last.key.sort.clone()),
            _ => self.at += 1,
        }
        // Where the store answers at once, others are to have their turn all the same.
        tokio::task::yield_now().await;
        let wanted = found.iter().filter(|row| token_named(row).is_some_and(&is_wanted));
        self.broker.states_of(self.namespace, wanted).await.map(Some)
    }
}

/// Which token an index row leads to.
fn token_named(row: &Row) -> Option<Token> {
    let id = row.key.sort.as_str();
    id.parse().map(Token::Share).or_else(|_| id.parse().map(Token::Link)).ok()
}

fn unproven(token: Token, seen: Seen, records: &TokenRecords, why: Contradiction) -> Unproven {
    Unproven { token, redemptions: seen.redemptions, records: records.of(token).redemptions, why }
}
