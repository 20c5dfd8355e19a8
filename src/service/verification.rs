//! Verification: that nothing of a ledger was changed, removed, added or moved.
//!
//! What a chain alone cannot show is that its end was cut off.

use crate::{
    crypto::record_hash,
    domain::{
        ledger::{Broken, Head, RecordHash, Segment, Verifier, Wrong},
        tenant::Namespace,
    },
    store::{Direction, Query},
};

use super::{Broker, Caller, Error, listing::PageRequest, rows};

/// At most so many records are verified for one request.
const MOST: u64 = 100_000;

/// How many segments are read at a time.
const PORTION: usize = 50;

/// What verifying came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How far everything is as it must be.
    pub head: Head,
    /// What is wrong with the record after that, if anything is.
    pub broken: Option<Broken>,
    /// Where to go on, if that was not all.
    pub next_cursor: Option<String>,
}

impl Broker {
    /// Verifies the ledger of the caller's namespace, from its beginning or from where an earlier call came to.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or the store does not answer.
    pub async fn verify_ledger(&self, caller: &Caller, cursor: Option<String>) -> Result<Verified, Error> {
        caller.administers()?;
        let namespace = caller.namespace();
        let list = format!("verification#{}", rows::ledger(namespace));
        let request = PageRequest { limit: None, cursor };
        let from = match self.position(&list, namespace, &request)? {
            Some(position) => reached(&position).ok_or_else(|| Error::invalid("cursor", "begin again without it"))?,
            None => {
                // What was done before this was asked for is to be in it.
                self.chain(namespace).await?;
                Head { size: 0, hash: record_hash::beginning(self.keyring.deployment(), namespace) }
            }
        };
        let (head, broken, is_all) = self.verify_from(namespace, from).await?;
        let next_cursor = match is_all {
            true => None,
            false => Some(self.cursor(&list, namespace, &format!("{}#{}", head.size, head.hash.as_str()))?),
        };
        Ok(Verified { head, broken, next_cursor })
    }

    async fn verify_from(&self, namespace: Namespace, from: Head) -> Result<(Head, Option<Broken>, bool), Error> {
        let most = from.size + MOST;
        let mut verifier = Verifier::from(namespace, from);
        let mut after = rows::segment_before(verifier.head().size + 1);
        loop {
            let (partition, begins_with) = (rows::segments(namespace), String::new());
            let query = Query { partition, begins_with, after, limit: PORTION, direction: Direction::Ascending };
            let found = self.store.query(&query).await?;
            for row in &found {
                let followed = match self.decode::<Segment>(row) {
                    Ok(segment) => verifier.follow(&segment.value, record_hash::of_record),
                    Err(_) => Err(Broken { seq: verifier.head().size + 1, what: Wrong::NotAuthentic }),
                };
                if let Err(broken) = followed {
                    return Ok((verifier.head().clone(), Some(broken), true));
                }
            }
            match found.last() {
                Some(last) if found.len() == PORTION => after = Some(last.key.sort.clone()),
                _ => return Ok((verifier.head().clone(), None, true)),
            }
            if verifier.head().size >= most {
                return Ok((verifier.head().clone(), None, false));
            }
        }
    }
}

fn reached(position: &str) -> Option<Head> {
    let (size, hash) = position.split_once('#')?;
    Some(Head { size: size.parse().ok()?, hash: RecordHash::try_from(hash.to_owned()).ok()? })
}
