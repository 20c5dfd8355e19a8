//! Reading the ledger: what happened in a namespace, newest first. That nothing is missing is shown by
//! [`super::verification`].

use std::collections::HashMap;

use crate::{
    crypto::record_hash::of_record,
    domain::{
        audit_filter::{AuditFilter, Finder},
        audit_index::Block,
        ledger::{Record, RecordHash, Segment},
        tenant::Namespace,
    },
    store::{Direction, MOST_TAKEN, Query, Row},
};

use super::{
    Broker, Caller, Error,
    audit_index::IndexReader,
    following::first_of,
    history::{Place, Recorded},
    listing::{Page, PageRequest},
    rows,
};

/// At most so many records are looked through for one page.
const MOST_LOOKED_AT: u64 = 100_000;

/// At most so many blocks of the index are asked for one page: of some 16 million records.
const MOST_ASKED: u64 = 2_000;

/// About so many records are read at a time where that many are to be looked through.
const AT_ONCE: u64 = 2_000;

/// At most so many segments: the next may be larger.
const SEGMENTS: usize = 100;

impl Broker {
    /// What happened in the caller's namespace, newest first, as far as the filter takes it. Of what is rare, a page may hold
    /// less than was asked for, and still be followed by another.
    ///
    /// # Errors
    /// When the caller does not administer the tenant.
    pub async fn audit(
        &self,
        caller: &Caller,
        filter: &AuditFilter,
        request: &PageRequest,
    ) -> Result<Page<Recorded>, Error> {
        caller.administers()?;
        let (namespace, limit) = (caller.namespace(), request.limit()?);
        if let Some(name) = filter.too_long() {
            return Err(Error::invalid(name, "at most 100 characters, as ids have"));
        }
        self.chain_what_waits(namespace).await;
        let list = format!("audit#{}#{filter:?}", rows::ledger(namespace));
        let mut looking = Looking::for_records(filter, limit);
        let mut below = match self.position(&list, namespace, request)?.and_then(|position| position.parse().ok()) {
            Some(below) => below,
            None if looking.is_narrowed => self.end_of(namespace).await? + 1,
            None => u64::MAX,
        };
        let mut index = IndexReader::of(self, namespace, filter);
        // `below` comes down to the first record, past all that the index says is none of what is looked for.
        while below > 1 && !looking.is_enough() && index.asked < MOST_ASKED {
            let block = Block::of(below - 1);
            let records = match looking.is_narrowed {
                true => block.newest_before(below, index.groups(block).await?),
                false => Some(1..below),
            };
            let Some(records) = records else {
                below = block.first();
                continue;
            };
            below = records.end;
            while below > records.start && !looking.is_enough() {
                below = self.look_through(namespace, &mut looking, below, records.start).await?;
            }
        }
        let next_cursor = (below > 1).then(|| self.cursor(&list, namespace, &below.to_string())).transpose()?;
        let Looking { found, segments, .. } = looking;
        Ok(Page { items: self.recorded(namespace, found, &segments).await?, next_cursor })
    }

    /// Records as they are told, with who was seen to ask: of the segments that begin with these.
    pub(super) async fn recorded(
        &self,
        namespace: Namespace,
        found: Vec<(Record, RecordHash)>,
        segments: &[u64],
    ) -> Result<Vec<Recorded>, Error> {
        let commitments: HashMap<u64, RecordHash> =
            found.iter().filter_map(|(record, _)| Some((record.seq, record.event.client.clone()?))).collect();
        let mut clients = self.clients_of(namespace, segments, &commitments).await?;
        let events = found.into_iter().map(|(record, hash)| {
            let place = Place { seq: record.seq, hash, previous: record.prev_hash };
            (record.id, record.event, Some(place))
        });
        let mut told = self.told(namespace, events.collect()).await?;
        for recorded in &mut told {
            recorded.client = recorded.place.as_ref().and_then(|place| clients.remove(&place.seq));
        }
        Ok(told)
    }

    /// Looks through some of the records before one, back to another or somewhat further. Tells how far that came.
    async fn look_through(
        &self,
        namespace: Namespace,
        looking: &mut Looking<'_>,
        mut below: u64,
        back_to: u64,
    ) -> Result<u64, Error> {
        let segments = self.newest_segments(namespace, Some(below), looking.portion(below - back_to)).await?;
        if segments.is_empty() {
            return Ok(1);
        }
        let (mut read, mut records) = (0, 0);
        for row in &segments {
            // One that cannot be read hides no others.
            below = match self.readable_segment(row) {
                Some(segment) => {
                    (read, records) = (read + 1, records + segment.records.len() as u64);
                    looking.through(&segment, below)
                }
                None => first_of(row),
            };
            if looking.is_enough() || below <= back_to {
                break;
            }
        }
        if let Some(each) = records.checked_div(read) {
            looking.each = each.max(1);
        }
        Ok(below)
    }

    /// The newest segments that begin before a record.
    pub(super) async fn newest_segments(
        &self,
        namespace: Namespace,
        below: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Row>, Error> {
        let query = Query {
            partition: rows::segments(namespace),
            begins_with: String::new(),
            after: below.map(|below| rows::segment(namespace, below).sort),
            limit,
            direction: Direction::Descending,
        };
        Ok(self.store.query(&query).await?)
    }

    /// The hash of the record with this number, if there is one that can be read.
    pub(super) async fn hash_at(&self, namespace: Namespace, seq: u64) -> Result<Option<RecordHash>, Error> {
        let rows = self.newest_segments(namespace, Some(seq + 1), 1).await?;
        let segment = rows.first().and_then(|row| self.readable_segment(row));
        let place = segment.as_ref().and_then(|segment| usize::try_from(seq.checked_sub(segment.first)?).ok());
        Ok(segment.zip(place).and_then(|(segment, place)| segment.records.get(place).map(|text| of_record(text))))
    }
}

/// What was found so far, and what is looked for.
struct Looking<'a> {
    finder: Finder<'a>,
    limit: usize,
    is_narrowed: bool,
    /// How many records a segment has, on average of those read last.
    each: u64,
    found: Vec<(Record, RecordHash)>,
    /// The segments that it was found in.
    segments: Vec<u64>,
    looked_at: u64,
}

impl<'a> Looking<'a> {
    fn for_records(filter: &'a AuditFilter, limit: usize) -> Self {
        let (is_narrowed, each) = (*filter != AuditFilter::default(), MOST_TAKEN as u64);
        let (found, segments) = (Vec::new(), Vec::new());
        Self { finder: filter.finder(), limit, is_narrowed, each, found, segments, looked_at: 0 }
    }

    /// How many segments are read next, where so many records are to be looked through; the last of them may have begun before.
    fn portion(&self, records: u64) -> usize {
        let left = (self.limit - self.found.len()) as u64;
        let wanted = if self.is_narrowed { records + self.each } else { records.min(left) };
        usize::try_from(wanted.min(AT_ONCE) / self.each).unwrap_or(usize::MAX).saturating_add(1).min(SEGMENTS)
    }

    fn is_enough(&self) -> bool {
        self.found.len() == self.limit || self.looked_at >= MOST_LOOKED_AT
    }

    /// Looks through a segment, from its end or from below a record; tells how far it came.
    fn through(&mut self, segment: &Segment<&str>, below: u64) -> u64 {
        let before = self.found.len();
        let mut reached = segment.first;
        let numbered = (segment.first..).zip(&segment.records).take_while(|(seq, _)| *seq < below);
        for (seq, text) in numbered.collect::<Vec<_>>().into_iter().rev() {
            self.looked_at += 1;
            if let Some(record) = self.finder.find(text) {
                self.found.push((record, of_record(text)));
            }
            if self.found.len() == self.limit {
                reached = seq;
                break;
            }
        }
        if self.found.len() > before {
            self.segments.push(segment.first);
        }
        reached
    }
}
