//! What somebody did, going by the records: as a user by their id; as a recipient by what had been sent to them.
//!
//! A record does not name a recipient. Theirs is what was done in a session that they claimed, and what bearers of a token
//! did on a share or link that named them: before somebody has claimed it, nobody can tell those apart, and one who is
//! erased is rather erased too far.

use std::collections::{HashMap, HashSet};

use crate::{
    domain::{
        event::{Actor, Event},
        principal::PrincipalId,
        recipient::Address,
        redemption::Claim,
        tenant::Namespace,
    },
    service::{Broker, Error, removed_rows::Pages, sealed_records::SealedRecords},
    store::RowKey,
};

const CLAIM: &str = "claim#";

/// Tells whose a record is. What it has found out of a share or link it remembers, for one pass.
pub(super) struct Theirs<'a> {
    broker: &'a Broker,
    sealed: &'a SealedRecords<'a>,
    users: &'a HashSet<PrincipalId>,
    address: Option<&'a Address>,
    namespace: Namespace,
    /// The claims of theirs, of what named them; none of what did not.
    things: HashMap<String, Option<HashSet<String>>>,
}

impl<'a> Theirs<'a> {
    /// Of whoever is these users, and has this address.
    pub(super) fn new(
        (broker, sealed): (&'a Broker, &'a SealedRecords<'a>),
        (users, address): (&'a HashSet<PrincipalId>, Option<&'a Address>),
        namespace: Namespace,
    ) -> Self {
        Self { broker, sealed, users, address, namespace, things: HashMap::new() }
    }

    /// Whether they did this, or may have.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn is(&mut self, event: &Event) -> Result<bool, Error> {
        let by = match event.actor {
            Actor::User { id } => Some(PrincipalId::User(id)),
            Actor::Console { principal, .. } => Some(principal),
            Actor::Impersonation { operator, .. } => Some(operator),
            Actor::System | Actor::ApiKey { .. } | Actor::Session { .. } | Actor::Submission { .. } | Actor::Bearer => {
                None
            }
        };
        if by.is_some_and(|by| self.users.contains(&by)) {
            return Ok(true);
        }
        let Some(address) = self.address else { return Ok(false) };
        Ok(match &event.actor {
            Actor::Session { share, claim } => {
                self.claims(&share.to_string(), address).await?.is_some_and(|claims| claims.contains(claim))
            }
            Actor::Bearer => self.claims(&event.resource, address).await?.is_some(),
            _ => false,
        })
    }

    async fn claims(&mut self, id: &str, address: &Address) -> Result<Option<&HashSet<String>>, Error> {
        if !self.things.contains_key(id) {
            let claims = self.find_claims(id, address).await?;
            self.things.insert(id.to_owned(), claims);
        }
        Ok(self.things.get(id).and_then(Option::as_ref))
    }

    async fn find_claims(&self, id: &str, address: &Address) -> Result<Option<HashSet<String>>, Error> {
        let Some(thing) = self.broker.thing_named(self.sealed, self.namespace, id).await? else { return Ok(None) };
        let Some(key) = thing.recipient_key(self.broker) else {
            return Ok(thing.has(address).then(HashSet::new));
        };
        // Who was a recipient once, and is none any more, has left that row.
        let [row] = self.broker.store.get([thing.confirmation(&key, address)]).await?;
        if row.is_none() && !thing.has(address) {
            return Ok(None);
        }
        let (mark, mut claims) = (key.recipient(address), HashSet::new());
        let mut pages = Pages::beginning_with(thing.partition(), CLAIM);
        while let Some(page) = pages.next(self.broker).await? {
            for row in &page {
                let claim = self.broker.readable::<Claim>(row);
                if claim.is_some_and(|claim| claim.recipient.as_ref() == Some(&mark)) {
                    claims.extend(claim_of(&row.key).map(str::to_owned));
                }
            }
        }
        Ok(Some(claims))
    }
}

fn claim_of(key: &RowKey) -> Option<&str> {
    key.sort.strip_prefix(CLAIM)
}
