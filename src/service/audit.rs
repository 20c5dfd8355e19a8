//! Reading the ledger: what happened in a namespace, newest first. That nothing is missing is shown by
//! [`super::verification`].

use std::{collections::HashMap, time::Duration};

use crate::{
    crypto::record_hash::of_record,
    domain::{
        audit_filter::AuditFilter,
        instant::Instant,
        ledger::{Record, RecordHash, Segment},
        tenant::Namespace,
    },
    store::{Direction, Query, Row},
};

use super::{
    Broker, Caller, Error,
    history::{Place, Recorded},
    listing::{Page, PageRequest},
    rows,
};

/// At most so many records are looked through for one page.
const MOST_LOOKED_AT: u64 = 100_000;

/// At most so many segments are read at a time: a page mostly wants one, a search looks through many.
const SEGMENTS: usize = 8;

/// Records stand in the order in which they were chained, which is within seconds after they happened. So much later they may be,
/// and are found by a time all the same.
const LATEST: Duration = Duration::from_secs(24 * 3600);

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
        let mut below = match self.position(&list, namespace, request)? {
            Some(position) => position.parse().ok(),
            None => self.first_after(namespace, filter.before.map(|before| before.plus(LATEST))).await?,
        };
        let oldest = filter.after.map(|after| after.minus(LATEST));
        let mut looking = Looking { found: Vec::new(), segments: Vec::new(), looked_at: 0 };
        let mut portion = 1;
        'looking: while looking.found.len() < limit && looking.looked_at < MOST_LOOKED_AT {
            let segments = self.newest_segments(namespace, below, portion).await?;
            portion = SEGMENTS.min(2 * portion);
            if segments.is_empty() {
                below = None;
                break;
            }
            for row in segments {
                // One that cannot be read hides no others.
                let first = u64::from_str_radix(&row.key.sort, 16).unwrap_or_default();
                let Some(segment) = self.readable::<Segment>(&row) else {
                    below = Some(first);
                    continue;
                };
                below = Some(looking.through(&segment, below, filter, limit));
                if looking.found.len() == limit {
                    break 'looking;
                }
                if oldest.is_some_and(|oldest| newest_of(&segment).is_some_and(|newest| newest < oldest)) {
                    below = None;
                    break 'looking;
                }
            }
        }
        let goes_on = below.filter(|below| *below > 1);
        let next_cursor = goes_on.map(|below| self.cursor(&list, namespace, &below.to_string())).transpose()?;
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

    /// The newest segments that begin before a record.
    async fn newest_segments(&self, namespace: Namespace, below: Option<u64>, limit: usize) -> Result<Vec<Row>, Error> {
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
        let segment = rows.first().and_then(|row| self.readable::<Segment>(row));
        let place = segment.as_ref().and_then(|segment| usize::try_from(seq.checked_sub(segment.first)?).ok());
        Ok(segment.zip(place).and_then(|(segment, place)| segment.records.get(place).map(|text| of_record(text))))
    }

    /// A record before which stands all that happened by this time: found by halves, since records are many.
    async fn first_after(&self, namespace: Namespace, time: Option<Instant>) -> Result<Option<u64>, Error> {
        let Some(time) = time else { return Ok(None) };
        let (mut low, mut high) = (0, self.ledger_head(namespace).await?.size + 1);
        // What begins before `low` began before the time; what begins at `high` or later, after it.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let row = self.newest_segments(namespace, Some(middle + 1), 1).await?;
            let segment = row.first().and_then(|row| self.readable::<Segment>(row));
            let begun = segment.as_ref().and_then(|segment| Some((segment.first, oldest_of(segment)?)));
            match begun {
                Some((first, begun)) if begun > time => high = first.min(middle),
                _ => low = middle,
            }
        }
        Ok(Some(high))
    }
}

fn instant_of(text: Option<&String>) -> Option<Instant> {
    text.and_then(|text| Record::parse(text).ok()).map(|record| record.event.at)
}

fn oldest_of(segment: &Segment) -> Option<Instant> {
    instant_of(segment.records.first())
}

fn newest_of(segment: &Segment) -> Option<Instant> {
    instant_of(segment.records.last())
}

/// What was found so far.
struct Looking {
    found: Vec<(Record, RecordHash)>,
    /// The segments that it was found in.
    segments: Vec<u64>,
    looked_at: u64,
}

impl Looking {
    /// Looks through a segment, from its end or from below a record; tells how far it came.
    fn through(&mut self, segment: &Segment, below: Option<u64>, filter: &AuditFilter, limit: usize) -> u64 {
        let before = self.found.len();
        let mut reached = segment.first;
        let numbered = segment.records.iter().enumerate().rev().map(|(at, text)| (segment.first + at as u64, text));
        for (seq, text) in numbered.filter(|(seq, _)| below.is_none_or(|below| *seq < below)) {
            self.looked_at += 1;
            if let Some(record) = filter.find(text) {
                self.found.push((record, of_record(text)));
            }
            if self.found.len() == limit {
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
