//! The index of a ledger in its rows: how it is made, after the fact, and how a search reads it.
//!
//! It is made from the ledger and says nothing else, so that two who make it make the same, and whoever was cut off is
//! followed by the next. A row of it that is missing, or not ours, means that the records themselves are read.
//!
//! Never here: a commit that chains. Events do not wait for their index.

use std::collections::{HashMap, HashSet};

use crate::{
    crypto::record_hash::{of_record, of_term},
    domain::{
        audit_filter::AuditFilter,
        audit_index::{Block, DRAWERS, Filing, Groups, Term, Times},
        ids::AttemptId,
        ledger::RecordHash,
        tenant::Namespace,
    },
    store::{Direction, Expected, Query, Row, RowKey, Transaction, Write},
};

use super::{
    Broker, Error,
    following::first_of,
    records::{committed, counts_as_missing},
    rows,
};

/// How many segments are read at a time.
const PORTION: usize = 20;

/// How many blocks a search asks for at a time, at first and at most.
const FEW: u64 = 4;
const MANY: u64 = 128;

fn term((member, text): &(&str, String)) -> Term {
    Term::from_digest(&of_term(member, text))
}

impl Broker {
    /// Indexes the blocks that this process has completed lately.
    pub(super) async fn index_lately(&self) {
        for (namespace, (from, to)) in self.ledgers.take_completed() {
            self.index_or_warn(namespace, from, to).await;
        }
    }

    /// As [`Broker::index_ledger`]. What could not be done is left to the next sweep: nobody waits for it.
    pub(super) async fn index_or_warn(&self, namespace: Namespace, from: u64, to: u64) {
        if let Err(fault) = self.index_ledger(namespace, from, to).await {
            tracing::warn!(%fault, tenant = %namespace.tenant, "a ledger could not be indexed yet");
        }
    }

    /// Makes what is missing of the index, for the blocks that were completed while the ledger grew from one size to the other.
    ///
    /// # Errors
    /// When the store does not answer, or records cannot be read.
    async fn index_ledger(&self, namespace: Namespace, from: u64, to: u64) -> Result<(), Error> {
        for block in Block::completed(from, to) {
            self.index_block(namespace, block).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn index_block(&self, namespace: Namespace, block: Block) -> Result<(), Error> {
        let mut keys = vec![rows::times(namespace, block)];
        keys.extend((0..DRAWERS).map(|drawer| rows::drawer(namespace, drawer, block)));
        let found = self.store.get_all(&keys).await?;
        let Some(end) = self.hash_at(namespace, block.last()).await? else { return Ok(()) };
        let is_ours = |row: &Option<Row>| row.as_ref().is_some_and(|row| self.bytes(row).is_ok());
        let times = found.first().and_then(Option::as_ref).and_then(|row| Times::read(self.bytes(row).ok()?));
        if found.iter().all(is_ours) && times.is_some_and(|times| times.end_with(&end)) {
            return Ok(());
        }
        let Some((filing, end)) = self.filed(namespace, block).await? else { return Ok(()) };
        if self.is_removed(namespace.tenant).await? {
            return Ok(());
        }
        let bodies = std::iter::once(filing.times(&end)).chain(filing.drawers());
        let writes = keys.into_iter().zip(found).zip(bodies).map(|((key, found), body)| {
            let expected = found.map_or(Expected::Absent, |row| Expected::Version(row.version));
            Write { expected, ..self.put_bytes(key, &body) }
        });
        let mut writes = writes.collect::<Vec<_>>().into_iter();
        let Some(first) = writes.next() else { return Ok(()) };
        let attempt = AttemptId::new(self.now(), self.entropy.bytes());
        let transaction = writes.fold(Transaction::noting(attempt, first), Transaction::write);
        // Who was faster has written the same.
        committed(self.store.commit(transaction).await).map(drop)
    }

    /// All records of a block, filed, and the hash of the last; none where one cannot be read.
    async fn filed(&self, namespace: Namespace, block: Block) -> Result<Option<(Filing, RecordHash)>, Error> {
        let mut filing = Filing::of(block);
        // The block may begin within a segment.
        let first = self.newest_segments(namespace, Some(block.first() + 1), 1).await?;
        let mut after = first.first().and_then(|row| rows::segment_before(first_of(row)));
        loop {
            let (partition, begins_with) = (rows::segments(namespace), String::new());
            let query = Query { partition, begins_with, after, limit: PORTION, direction: Direction::Ascending };
            let found = self.store.query(&query).await?;
            after = found.last().map(|row| row.key.sort.clone());
            let before = filing.reached();
            for row in &found {
                let Some(segment) = self.readable_segment(row) else { return Ok(None) };
                for (seq, text) in (segment.first..).zip(&segment.records) {
                    let term = |member: &str, text: &str| Term::from_digest(&of_term(member, text));
                    if filing.file(seq, text, term).is_err() {
                        tracing::error!(seq, "a record of a ledger cannot be indexed");
                        return Ok(None);
                    }
                    if filing.is_complete() {
                        return Ok(Some((filing, of_record(text))));
                    }
                }
            }
            if filing.reached() == before {
                return Ok(None);
            }
            tokio::task::yield_now().await;
        }
    }
}

/// What the index says of blocks, as a search goes back through them.
pub(super) struct IndexReader<'a> {
    broker: &'a Broker,
    namespace: Namespace,
    filter: &'a AuditFilter,
    terms: Vec<Term>,
    known: HashMap<Block, Groups>,
    portion: u64,
    /// How many blocks were asked for.
    pub(super) asked: u64,
}

impl<'a> IndexReader<'a> {
    pub(super) fn of(broker: &'a Broker, namespace: Namespace, filter: &'a AuditFilter) -> Self {
        let terms = filter.terms().iter().map(term).collect();
        Self { broker, namespace, filter, terms, known: HashMap::new(), portion: FEW, asked: 0 }
    }

    /// In which groups of a block there may be what is looked for.
    pub(super) async fn groups(&mut self, block: Block) -> Result<Groups, Error> {
        if !self.known.contains_key(&block) {
            self.read(block).await?;
            self.portion = MANY.min(4 * self.portion);
        }
        Ok(self.known.get(&block).copied().unwrap_or(Groups::MAX))
    }

    /// Reads what there is of this block and some before it.
    async fn read(&mut self, newest: Block) -> Result<(), Error> {
        let portion = self.portion.min(newest.count());
        let blocks = std::iter::successors(Some(newest), |block| block.before()).take(portion as usize);
        self.asked += portion;
        self.known = blocks.map(|block| (block, Groups::MAX)).collect();
        for drawer in self.terms.iter().map(Term::drawer).collect::<HashSet<_>>() {
            for row in self.rows(rows::drawers(self.namespace, drawer), newest, portion).await? {
                let Some(bytes) = self.bytes(&row) else { continue };
                let terms = self.terms.iter().filter(|term| term.drawer() == drawer);
                let groups = terms.fold(Groups::MAX, |all, term| all & term.groups(bytes));
                self.narrow(&row.key, groups);
            }
        }
        if self.filter.asks_for_time() {
            for row in self.rows(rows::all_times(self.namespace), newest, portion).await? {
                let Some(times) = self.bytes(&row).and_then(Times::read) else { continue };
                self.narrow(&row.key, times.groups(self.filter.after, self.filter.before));
            }
        }
        Ok(())
    }

    /// The rows of this block and at least so many before it, as far as there are any.
    async fn rows(&self, partition: String, newest: Block, portion: u64) -> Result<Vec<Row>, Error> {
        let after = Some(format!("{:016x}", newest.first() + 1));
        let (begins_with, direction) = (String::new(), Direction::Descending);
        Ok(self
            .broker
            .store
            .query(&Query { partition, begins_with, after, limit: portion as usize, direction })
            .await?)
    }

    fn bytes<'row>(&self, row: &'row Row) -> Option<&'row [u8]> {
        self.broker.bytes(row).map_err(|fault| counts_as_missing(row, &fault)).ok()
    }

    fn narrow(&mut self, key: &RowKey, groups: Groups) {
        let block = u64::from_str_radix(&key.sort, 16).ok().map(Block::of);
        if let Some(known) = block.and_then(|block| self.known.get_mut(&block)) {
            *known &= groups;
        }
    }
}
