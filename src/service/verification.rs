//! Verification: that nothing of a ledger was changed, removed, added or moved, and that it is the one that its
//! checkpoints speak of.

use crate::{
    crypto::{ed25519::PublicKey, record_hash},
    domain::{
        ledger::{Broken, Head, RecordHash, Verifier, Vouched, Wrong},
        placed::Placed,
        tenant::Namespace,
    },
    store::{Direction, Query, Row},
};

use super::{Broker, Caller, Error, listing::PageRequest, redemption_proof::RedemptionProof, rows};

/// At most so many records are verified for one request.
const MOST: u64 = 100_000;

/// How many segments are read at a time.
const PORTION: usize = 50;

/// What verifying came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How far everything is as it must be.
    pub head: Head,
    /// How many checkpoints it came by, and is what they say.
    pub checkpoints: u64,
    /// What is wrong with the record after that, if anything is.
    pub broken: Option<Broken>,
    /// What comparing it with the tokens came to, where all of it was verified, and is as it must be.
    pub redemptions: Option<RedemptionProof>,
    /// Where to go on, if that was not all.
    pub next_cursor: Option<String>,
}

/// What following a ledger came to.
pub(super) struct Followed {
    pub(super) head: Head,
    pub(super) checkpoints: u64,
    pub(super) broken: Option<Broken>,
    pub(super) is_all: bool,
}

impl Broker {
    /// Verifies the ledger of the caller's namespace, from its beginning or from where an earlier call came to.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or the store or the object storage do not answer.
    pub async fn verify_ledger(&self, caller: &Caller, cursor: Option<String>) -> Result<Verified, Error> {
        caller.administers()?;
        let namespace = caller.namespace();
        let list = format!("verification#{}", rows::ledger(namespace));
        let request = PageRequest { limit: None, cursor };
        let from = match self.position(&list, namespace, &request)? {
            Some(position) => reached(&position).ok_or_else(|| Error::invalid("cursor", "begin again without it"))?,
            None => {
                // What was done before this was asked for is to be in it.
                self.chain_what_waits(namespace).await;
                self.beginning(namespace)
            }
        };
        let most = from.size + MOST;
        let mut sums = (from.size == 0).then(|| self.token_sums());
        let mut noting = |record: Placed<'_>| sums.iter_mut().for_each(|sums| sums.note(record));
        let followed = self.follow_ledger(namespace, from, most, &mut noting).await?;
        let Followed { head, checkpoints, mut broken, is_all } = followed;
        let mut redemptions = None;
        if let Some(sums) = sums.filter(|_| is_all && broken.is_none()) {
            let proof;
            (proof, broken) = self.prove_redemptions(namespace, sums).await?;
            redemptions = Some(proof).filter(|_| broken.is_none());
        }
        let next_cursor = match is_all {
            true => None,
            false => Some(self.cursor(&list, namespace, &format!("{}#{}", head.size, head.hash.as_str()))?),
        };
        Ok(Verified { head, checkpoints, broken, redemptions, next_cursor })
    }

    /// Where a ledger begins.
    pub(super) fn beginning(&self, namespace: Namespace) -> Head {
        Head { size: 0, hash: record_hash::beginning(self.keyring.deployment(), namespace) }
    }

    /// Follows a ledger from here to its end, to the first record that is not as it must be, or beyond `most`.
    /// Hands over each record that is as it must be, which counts for nothing where one is not.
    pub(super) async fn follow_ledger(
        &self,
        namespace: Namespace,
        from: Head,
        most: u64,
        followed: &mut (dyn FnMut(Placed<'_>) + Send),
    ) -> Result<Followed, Error> {
        // Whoever stops between two checkpoints has nothing that vouches for what came after the first.
        if most < u64::MAX {
            return self.follow(namespace, from, most, followed, Looking::Closely).await;
        }
        let found = self.follow(namespace, from.clone(), most, followed, Looking::AtPlaces).await?;
        if found.broken.is_none() {
            return Ok(found);
        }
        // A checkpoint tells that something before it was written anew, and not always which was the first.
        let closely = self.follow(namespace, from, most, &mut |_| (), Looking::Closely).await?;
        Ok(if closely.broken.is_some() { closely } else { found })
    }

    async fn follow(
        &self,
        namespace: Namespace,
        from: Head,
        most: u64,
        followed: &mut (dyn FnMut(Placed<'_>) + Send),
        looking: Looking,
    ) -> Result<Followed, Error> {
        let keys = self.verifying_keys(namespace).await?;
        let mut following = Following {
            broker: self,
            namespace,
            keys,
            looking,
            listed: from.size,
            has_all: false,
            checkpoints: 0,
            verifier: Verifier::from(namespace, from),
            followed,
        };
        let outcome = following.follow_to_end(most).await?;
        let Following { verifier, checkpoints, .. } = following;
        // Those ahead were read, and not come by.
        let checkpoints = checkpoints - verifier.expects() as u64;
        let (broken, is_all) = outcome.map_or_else(|broken| (Some(broken), true), |is_all| (None, is_all));
        Ok(Followed { head: verifier.head().clone(), checkpoints, broken, is_all })
    }
}

/// How closely records are looked at, beside their hashes and the MAC of the line that binds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looking {
    /// At all of each.
    Closely,
    /// At what tells its place, where a signed checkpoint speaks of a later record or this one: it was looked at closely before
    /// that was signed, and the chain to there leaves no byte free. At all of each, after the last of them.
    AtPlaces,
}

/// A ledger and the checkpoints of it, side by side.
struct Following<'a> {
    broker: &'a Broker,
    namespace: Namespace,
    keys: Vec<PublicKey>,
    looking: Looking,
    verifier: Verifier,
    followed: &'a mut (dyn FnMut(Placed<'_>) + Send),
    checkpoints: u64,
    /// Checkpoints up to here were read.
    listed: u64,
    has_all: bool,
}

impl Following<'_> {
    /// Tells whether the end was reached.
    async fn follow_to_end(&mut self, most: u64) -> Result<Result<bool, Broken>, Error> {
        let mut after = rows::segment_before(self.verifier.head().size + 1);
        loop {
            // What a checkpoint speaks of was stored before it: whoever reads it after the checkpoint finds it.
            if self.verifier.expects() == 0
                && let Err(broken) = self.more_checkpoints().await?
            {
                return Ok(Err(broken));
            }
            let (has_all, listed) = (self.has_all, self.listed);
            let (partition, begins_with) = (rows::segments(self.namespace), String::new());
            let query = Query { partition, begins_with, after, limit: PORTION, direction: Direction::Ascending };
            let found = self.broker.store.query(&query).await?;
            after = query.after;
            for row in &found {
                if let Err(broken) = self.follow(row).await? {
                    return Ok(Err(broken));
                }
                after = Some(row.key.sort.clone());
            }
            // Checkpoints that were read since may speak of what was stored since.
            let is_expected = self.listed == listed && self.verifier.expects() > 0;
            if found.len() < PORTION && (has_all || is_expected) {
                return Ok(self.verifier.end().map(|()| true));
            }
            if self.verifier.head().size >= most {
                return Ok(Ok(false));
            }
            // Where the store answers at once, others are to have their turn all the same.
            tokio::task::yield_now().await;
        }
    }

    async fn follow(&mut self, row: &Row) -> Result<Result<(), Broken>, Error> {
        let next = self.verifier.head().size + 1;
        let Ok(segment) = self.broker.segment_by_first_line(row) else {
            return Ok(Err(Broken { seq: next, what: Wrong::NotAuthentic }));
        };
        while !self.has_all && self.listed < segment.end().size {
            if let Err(broken) = self.more_checkpoints().await? {
                return Ok(Err(broken));
            }
        }
        let is_vouched = self.looking == Looking::AtPlaces && segment.end().size <= self.listed;
        let vouched = if is_vouched { Vouched::EachByte } else { Vouched::Nothing };
        Ok(self.verifier.follow(&segment, vouched, record_hash::of_record, &mut *self.followed))
    }

    async fn more_checkpoints(&mut self) -> Result<Result<(), Broken>, Error> {
        if self.has_all {
            return Ok(Ok(()));
        }
        let read = self.broker.checkpoints_after(self.namespace, self.listed, &self.keys).await?;
        self.has_all = read.is_empty();
        for signed in read {
            match signed {
                Ok(signed) => {
                    self.listed = signed.checkpoint.head.size;
                    self.checkpoints += 1;
                    self.verifier.expect(signed.checkpoint.head);
                }
                Err(broken) => return Ok(Err(broken)),
            }
        }
        Ok(Ok(()))
    }
}

fn reached(position: &str) -> Option<Head> {
    let (size, hash) = position.split_once('#')?;
    Some(Head { size: size.parse().ok()?, hash: RecordHash::try_from(hash.to_owned()).ok()? })
}
