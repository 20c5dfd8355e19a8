//! Reading a ledger onwards, oldest first: for those who follow it record by record.

use crate::{
    crypto::record_hash::of_record,
    domain::{
        ledger::{Record, RecordHash, Segment},
        tenant::Namespace,
    },
    store::{Direction, Query, Row},
};

use super::{Broker, Error, rows};

/// How many segments are read at a time.
const SEGMENTS: usize = 8;

/// What stands after a record.
#[derive(Debug, Default)]
pub(super) struct Onward {
    /// The records that follow, in their order.
    pub(super) records: Vec<(Record, RecordHash)>,
    /// The number to go on after. What cannot be read is passed over: it hides nothing that follows.
    pub(super) reached: u64,
    /// With which records the segments begin that they are from.
    pub(super) segments: Vec<u64>,
}

impl Onward {
    fn pass(&mut self, first: u64, segment: Option<Segment<&str>>, limit: usize) {
        let Some(segment) = segment else { return };
        let before = self.reached;
        for (seq, text) in (first..).zip(&segment.records).filter(|(seq, _)| *seq > before) {
            if self.records.len() == limit {
                return;
            }
            self.reached = seq;
            match Record::parse(text) {
                Ok(record) => self.records.push((record, of_record(text))),
                Err(fault) => tracing::error!(seq, %fault, "a record of a ledger is passed over by who follows it"),
            }
            if self.segments.last() != Some(&first) {
                self.segments.push(first);
            }
        }
    }
}

impl Broker {
    /// At most so many of the records that were chained after this one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn records_after(&self, namespace: Namespace, seq: u64, limit: usize) -> Result<Onward, Error> {
        let mut onward = Onward { reached: seq, ..Onward::default() };
        // Whoever follows closely finds in the last segment all there is.
        let mut segments = self.segments_from(namespace, None, Direction::Descending, 1).await?;
        if segments.first().is_some_and(|last| first_of(last) > seq + 1) {
            segments = self.segments_from(namespace, Some(seq + 2), Direction::Descending, 1).await?;
        }
        while let Some(last) = segments.last().map(first_of) {
            for row in &segments {
                onward.pass(first_of(row), self.readable_segment(row), limit);
            }
            if onward.records.len() == limit {
                break;
            }
            segments = self.segments_from(namespace, Some(last), Direction::Ascending, SEGMENTS).await?;
        }
        Ok(onward)
    }

    /// The number of the last record. Where the last segment cannot be read, that of its first, which is all that is
    /// known of it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn end_of(&self, namespace: Namespace) -> Result<u64, Error> {
        let last = self.segments_from(namespace, None, Direction::Descending, 1).await?;
        let end = |row: &Row| self.readable_segment(row).map_or_else(|| first_of(row), |segment| segment.end().size);
        Ok(last.first().map(end).unwrap_or_default())
    }

    async fn segments_from(
        &self,
        namespace: Namespace,
        after: Option<u64>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        let after = after.map(|after| rows::segment(namespace, after).sort);
        let (partition, begins_with) = (rows::segments(namespace), String::new());
        Ok(self.store.query(&Query { partition, begins_with, after, limit, direction }).await?)
    }
}

/// With which record a segment begins.
pub(super) fn first_of(row: &Row) -> u64 {
    u64::from_str_radix(&row.key.sort, 16).unwrap_or_default()
}
