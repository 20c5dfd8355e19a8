//! Verification: that nothing of a ledger was changed, removed, added or moved, and that it is the one that its
//! checkpoints speak of.

use crate::{
    crypto::{ed25519::PublicKey, record_hash},
    domain::{
        ledger::{Broken, Head, RecordHash, Verifier, Wrong},
        tenant::Namespace,
        token_records::TokenRecords,
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
                self.chain(namespace).await?;
                self.beginning(namespace)
            }
        };
        let most = from.size + MOST;
        let mut tokens = (from.size == 0).then(|| self.token_records());
        let followed = self.follow_ledger(namespace, from, most, tokens.as_mut()).await?;
        let Followed { head, checkpoints, broken, is_all } = followed;
        let redemptions = match tokens.filter(|_| is_all && broken.is_none()) {
            Some(tokens) => Some(self.prove_redemptions(namespace, tokens, head.clone()).await?),
            None => None,
        };
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
    /// Notes what it says of tokens, where that is wanted.
    pub(super) async fn follow_ledger(
        &self,
        namespace: Namespace,
        from: Head,
        most: u64,
        tokens: Option<&mut TokenRecords>,
    ) -> Result<Followed, Error> {
        let keys = self.verifying_keys(namespace).await?;
        let mut following = Following {
            broker: self,
            namespace,
            keys,
            listed: from.size,
            has_all: false,
            checkpoints: 0,
            verifier: Verifier::from(namespace, from),
            tokens,
        };
        let outcome = following.follow_to_end(most).await?;
        let Following { verifier, checkpoints, .. } = following;
        // Those ahead were read, and not come by.
        let checkpoints = checkpoints - verifier.expects() as u64;
        let (broken, is_all) = outcome.map_or_else(|broken| (Some(broken), true), |is_all| (None, is_all));
        Ok(Followed { head: verifier.head().clone(), checkpoints, broken, is_all })
    }
}

/// A ledger and the checkpoints of it, side by side.
struct Following<'a> {
    broker: &'a Broker,
    namespace: Namespace,
    keys: Vec<PublicKey>,
    verifier: Verifier,
    tokens: Option<&'a mut TokenRecords>,
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
        let Ok(segment) = self.broker.segment(row) else {
            return Ok(Err(Broken { seq: self.verifier.head().size + 1, what: Wrong::NotAuthentic }));
        };
        while !self.has_all && self.listed < segment.end().size {
            if let Err(broken) = self.more_checkpoints().await? {
                return Ok(Err(broken));
            }
        }
        let mut tokens = self.tokens.as_deref_mut();
        Ok(self.verifier.follow(&segment, record_hash::of_record, |record| {
            if let Some(tokens) = &mut tokens {
                tokens.note(record);
            }
        }))
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
