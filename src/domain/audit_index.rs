//! An index of a ledger, by which a search passes over records that cannot be what is looked for.
//!
//! Records are taken in blocks of 8,192, and those in 128 groups of 64. Of each record the terms by which it can be found (its type, its
//! resource, ...) are marked, as in a Bloom filter of its group. The filters of a block are kept across: a term belongs to one of eight
//! drawers, and a drawer has, for each place of a filter, which of the groups have a mark there. So whoever looks for a term reads one
//! drawer of each block, in one row, and knows of all of its groups.
//!
//! It never says that something is not there which is. What it says may be, may not be: one group in several hundred is read for nothing.
//!
//! Never here: what is decided by it. Whoever has no index reads all records.

use std::ops::Range;

use super::{
    audit_filter::instant_of,
    canonical::{NotCanonical, members, plain},
    instant::Instant,
    ledger::RecordHash,
};

/// How many records are indexed together.
pub const BLOCK: u64 = 8_192;

/// How many groups a block has: one for each bit of [`Groups`].
const GROUPS: usize = 128;

const GROUP: u64 = BLOCK / GROUPS as u64;

/// How many drawers a block has.
pub const DRAWERS: usize = 8;

/// How many bits the filter of a group has in each drawer: a drawer, with all that is around it, is not larger than what DynamoDB reads
/// as one unit, 4 KB.
const PLACES: usize = 240;

/// How many of them a term marks: of 17 terms, as many as 64 records usually have for one drawer, one group in a thousand is read for nothing.
const MARKS: usize = 7;

/// A set of groups of a block: the first is the lowest bit.
pub type Groups = u128;

const EACH: usize = size_of::<Groups>();

/// A time takes six bytes: milliseconds until the year 10889.
const TIME: usize = 6;

const HASH: usize = 64;

/// The members of a record by which it is found, beside its actor.
const MEMBERS: [&str; 4] = ["outcome", "request", "resource", "type"];

/// The members of an actor by which a record is found.
const ACTOR: [&str; 6] = ["id", "kind", "operator", "principal", "request", "share"];

/// The records of a ledger that are indexed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block(u64);

impl Block {
    /// The one that has this record.
    pub fn of(seq: u64) -> Self {
        Self(seq.saturating_sub(1) / BLOCK)
    }

    /// Those that were completed while a ledger grew.
    pub fn completed(from: u64, to: u64) -> impl Iterator<Item = Self> {
        (from / BLOCK..to / BLOCK).map(Self)
    }

    /// The one before, unless this is the first.
    pub fn before(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }

    /// How many there are up to this one.
    pub fn count(self) -> u64 {
        self.0 + 1
    }

    /// Its first record.
    pub fn first(self) -> u64 {
        self.0 * BLOCK + 1
    }

    /// Its last record, if it is complete.
    pub fn last(self) -> u64 {
        (self.0 + 1) * BLOCK
    }

    /// The newest records before this one that are in these groups, as far as they follow each other.
    pub fn newest_before(self, below: u64, groups: Groups) -> Option<Range<u64>> {
        let is_before = |group: u32| self.first() + u64::from(group) * GROUP < below;
        let newest = (0..Groups::BITS).rev().find(|group| groups >> group & 1 == 1 && is_before(*group))?;
        let run = (groups << (Groups::BITS - 1 - newest)).leading_ones();
        let begin = self.first() + u64::from(newest + 1 - run) * GROUP;
        Some(begin..below.min(self.first() + u64::from(newest + 1) * GROUP))
    }
}

/// Something by which a record is found, as it is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    drawer: usize,
    places: [usize; MARKS],
}

impl Term {
    /// The term with this digest, of which any part is as good as random.
    pub fn from_digest(digest: &[u8; 32]) -> Self {
        let [drawer, rest @ ..] = digest;
        let (words, _) = rest.as_chunks::<4>();
        let mut places = [0; MARKS];
        for (place, word) in places.iter_mut().zip(words) {
            *place = u32::from_be_bytes(*word) as usize % PLACES;
        }
        Self { drawer: usize::from(*drawer) % DRAWERS, places }
    }

    /// In which drawer it is.
    pub fn drawer(&self) -> usize {
        self.drawer
    }

    /// Which groups have it, or may seem to; all, where this is no drawer.
    pub fn groups(&self, drawer: &[u8]) -> Groups {
        if drawer.len() != PLACES * EACH {
            return Groups::MAX;
        }
        let (places, _) = drawer.as_chunks::<EACH>();
        let marked = self
            .places
            .iter()
            .map(|place| places.get(*place).map_or(Groups::MAX, |groups| Groups::from_be_bytes(*groups)));
        marked.fold(Groups::MAX, |all, groups| all & groups)
    }
}

/// When the records of each group of a block happened, and by which hash the block ends.
#[derive(Clone, Copy, Debug)]
pub struct Times<'a>(&'a [u8]);

impl<'a> Times<'a> {
    /// Reads what [`Filing::times`] made; none where it is nothing like that.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() == HASH + GROUPS * 2 * TIME).then_some(Self(bytes))
    }

    /// Whether this is the hash of the block's last record.
    pub fn end_with(&self, hash: &RecordHash) -> bool {
        self.0.starts_with(hash.as_str().as_bytes())
    }

    /// Which groups have records of after or before these times, or may have.
    pub fn groups(&self, after: Option<Instant>, before: Option<Instant>) -> Groups {
        let (times, _) = self.0.get(HASH..).unwrap_or_default().as_chunks::<TIME>();
        let (pairs, _) = times.as_chunks::<2>();
        let is_then = |[oldest, newest]: &[[u8; TIME]; 2]| {
            after.is_none_or(|after| millis(newest) > after.as_unix_millis())
                && before.is_none_or(|before| millis(oldest) < before.as_unix_millis())
        };
        let marked = pairs.iter().enumerate().filter(|(_, pair)| is_then(pair));
        marked.fold(0, |groups, (group, _)| groups | 1 << group)
    }
}

fn millis(time: &[u8; TIME]) -> u64 {
    time.iter().fold(0, |millis, byte| millis << 8 | u64::from(*byte))
}

/// The index of a block while it is made, record by record.
pub struct Filing {
    block: Block,
    reached: u64,
    drawers: Vec<[Groups; PLACES]>,
    times: Vec<(u64, u64)>,
}

impl Filing {
    /// Of this block.
    pub fn of(block: Block) -> Self {
        let times = vec![(u64::MAX, 0); GROUPS];
        Self { block, reached: block.first() - 1, drawers: vec![[0; PLACES]; DRAWERS], times }
    }

    /// Takes the next record; those before the block are passed over, as are those after it.
    ///
    /// # Errors
    /// When it cannot be read: there is no index of a block that has such a record.
    pub fn file(&mut self, seq: u64, text: &str, term: impl Fn(&str, &str) -> Term) -> Result<(), NotCanonical> {
        if seq != self.reached + 1 || self.is_complete() {
            return Ok(());
        }
        let group = ((seq - self.block.first()) / GROUP) as usize;
        let (mut actor, mut at) = (None, None);
        let drawers = &mut self.drawers;
        let mut mark = |term: Term| {
            let Some(drawer) = drawers.get_mut(term.drawer) else { return };
            term.places.iter().for_each(|place| drawer[*place] |= 1 << group);
        };
        members(text, |name, value| match name {
            "actor" => actor = Some(value),
            "at" => at = plain(value).and_then(instant_of),
            name if MEMBERS.contains(&name) => mark(term(name, value)),
            _ => {}
        })?;
        members(actor.ok_or(NotCanonical)?, |name, value| {
            if ACTOR.contains(&name) {
                mark(term("actor", value));
            }
        })?;
        let at = at.ok_or(NotCanonical)?.as_unix_millis();
        if let Some((oldest, newest)) = self.times.get_mut(group) {
            (*oldest, *newest) = ((*oldest).min(at), (*newest).max(at));
        }
        self.reached = seq;
        Ok(())
    }

    /// Whether it has all records of its block.
    pub fn is_complete(&self) -> bool {
        self.reached == self.block.last()
    }

    /// How far it has come.
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// The drawers, in their order, as they are kept.
    pub fn drawers(&self) -> impl Iterator<Item = Vec<u8>> {
        self.drawers.iter().map(|drawer| drawer.iter().flat_map(|groups| groups.to_be_bytes()).collect())
    }

    /// The times, as they are kept; and the hash of the last record.
    pub fn times(&self, end: &RecordHash) -> Vec<u8> {
        let times = self.times.iter().flat_map(|(oldest, newest)| [oldest, newest]);
        let bytes = times.flat_map(|time| time.to_be_bytes().into_iter().skip(8 - TIME));
        end.as_str().bytes().chain(bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::domain::{
        audit_filter::AuditFilter,
        event::{Actor, Event, EventType, Outcome},
        ids::{ApiKeyId, ConsoleSessionId, FileRequestId, RequestId, ShareId, TenantId, UserId},
        ledger::Record,
        principal::PrincipalId,
        tenant::{Mode, Namespace},
    };

    fn term(member: &str, text: &str) -> Term {
        Term::from_digest(&Sha256::digest(format!("{member}:{text}")).into())
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(1_800_000_000 + seconds)
    }

    fn bytes(number: u64) -> [u8; 16] {
        Sha256::digest(number.to_be_bytes())[..16].try_into().unwrap()
    }

    /// Every kind of actor, and all else in several ways.
    fn event(number: u64) -> Event {
        let (share, principal) =
            (ShareId::from_bytes(bytes(number)), PrincipalId::User(UserId::from_bytes(bytes(number))));
        let (claim, id) = ("c".to_owned(), ApiKeyId::from_bytes(bytes(number)));
        let actor = match number % 8 {
            0 => Actor::System,
            1 => Actor::Bearer,
            2 => Actor::ApiKey { id },
            3 => Actor::User { id: UserId::from_bytes(bytes(number)) },
            4 => Actor::Impersonation { id, operator: principal },
            5 => Actor::Console { principal, session: ConsoleSessionId::from_bytes(bytes(number)) },
            6 => Actor::Session { share, claim },
            _ => Actor::Submission { request: FileRequestId::from_bytes(bytes(number)), claim },
        };
        Event {
            kind: if number % 1_000 == 7 { EventType::ShareRefused } else { EventType::ShareCreated },
            namespace: Namespace { tenant: TenantId::from_bytes([1; 16]), mode: Mode::Live },
            actor,
            resource: if number.is_multiple_of(3) { format!("{number} \"ü\"\n") } else { share.to_string() },
            outcome: if number % 100 == 7 { Outcome::Refused } else { Outcome::Done },
            reason: None,
            count: None,
            version: None,
            changed: Vec::new(),
            // Not in their order.
            at: at(number ^ 3),
            request: (!number.is_multiple_of(5)).then(|| RequestId::from_bytes(bytes(number))),
            client: None,
            seen: None,
        }
    }

    fn text(seq: u64) -> String {
        let prev_hash = RecordHash::from_bytes(&[0; 32]);
        Record { event: event(seq), id: format!("evt_{seq}"), prev_hash, seq }.text().unwrap()
    }

    fn filed(block: Block) -> Filing {
        let mut filing = Filing::of(block);
        for seq in block.first()..=block.last() {
            filing.file(seq, &text(seq), term).unwrap();
        }
        assert!(filing.is_complete());
        filing
    }

    fn group_of(block: Block, seq: u64) -> u32 {
        u32::try_from((seq - block.first()) / GROUP).unwrap()
    }

    /// The filters that take this event, each by one thing that it has.
    fn by_each(event: &Event) -> Vec<AuditFilter> {
        let none = AuditFilter::default;
        let actor = |actor: String| AuditFilter { actor: Some(actor), ..none() };
        let value = serde_json::to_value(&event.actor).unwrap();
        let said =
            value.as_object().unwrap().values().filter_map(|value| value.as_str()).map(|word| actor(word.to_owned()));
        let request = event.request.map(|request| AuditFilter { request: Some(request.to_string()), ..none() });
        let mut all = vec![
            AuditFilter { kind: Some(event.kind), ..none() },
            AuditFilter { resource: Some(event.resource.clone()), ..none() },
            AuditFilter { outcome: Some(event.outcome), ..none() },
        ];
        all.extend(said.chain(request));
        all.retain(|filter| filter.takes(event));
        all
    }

    #[test]
    fn whatever_a_filter_takes_is_in_a_group_that_the_index_names() {
        let block = Block(1);
        let drawers: Vec<_> = filed(block).drawers().collect();
        let mut asked = 0;
        for seq in (block.first()..=block.last()).step_by(7) {
            for filter in by_each(&event(seq)) {
                for (member, text) in filter.terms() {
                    let term = term(member, &text);
                    let groups = term.groups(&drawers[term.drawer()]);
                    assert_eq!(groups >> group_of(block, seq) & 1, 1, "{seq} {filter:?}");
                    asked += 1;
                }
            }
        }
        assert!(asked > 5_000, "{asked}");
    }

    #[test]
    fn of_what_is_not_there_few_groups_are_named() {
        let drawers: Vec<_> = filed(Block(0)).drawers().collect();
        let named: u32 = (0..1_000)
            .map(|number| {
                let term = term("resource", &format!("\"nothing {number}\""));
                term.groups(&drawers[term.drawer()]).count_ones()
            })
            .sum();
        // Of 128,000. Records with three terms of their own each are as bad as it gets.
        assert!(named < 1_500, "{named}");
        for drawer in &drawers {
            assert_eq!(drawer.len(), 3_840);
        }
        // One that is no drawer says nothing.
        assert_eq!(term("resource", "x").groups(&drawers[0][1..]), Groups::MAX);
        assert_eq!(term("resource", "x").groups(&[]), Groups::MAX);
    }

    #[test]
    fn times_name_the_groups_that_they_are_in() {
        let block = Block(2);
        let end = RecordHash::from_bytes(&[7; 32]);
        let bytes = filed(block).times(&end);
        let times = Times::read(&bytes).unwrap();
        assert!(times.end_with(&end) && !times.end_with(&RecordHash::from_bytes(&[8; 32])));
        assert_eq!(times.groups(None, None), Groups::MAX);
        for seq in (block.first()..=block.last()).step_by(61) {
            let (group, when) = (group_of(block, seq), event(seq).at);
            let second = std::time::Duration::from_secs(1);
            let groups = times.groups(Some(when.minus(second)), Some(when.plus(second)));
            assert_eq!(groups >> group & 1, 1, "{seq}");
            assert!(groups.count_ones() <= 2, "{seq}");
        }
        // Neither time is one of those asked for.
        assert_eq!(times.groups(Some(at(block.last() + 3)), None), 0);
        assert_eq!(times.groups(None, Some(at(block.first() - 1))), 0);
        assert!(Times::read(&bytes[1..]).is_none());
    }

    #[test]
    fn an_index_is_made_of_all_records_of_a_block_in_their_order_and_of_no_others() {
        let block = Block(0);
        let mut filing = Filing::of(block);
        filing.file(2, &text(2), term).unwrap();
        assert_eq!(filing.reached(), 0);
        for seq in (1..=BLOCK).flat_map(|seq| [seq, seq]) {
            filing.file(seq, &text(seq), term).unwrap();
        }
        assert!(filing.is_complete());
        let other = filing.drawers().collect::<Vec<_>>();
        filing.file(BLOCK + 1, &text(BLOCK + 1), term).unwrap();
        assert_eq!((filing.drawers().collect::<Vec<_>>(), filing.reached()), (other.clone(), BLOCK));
        assert_eq!(filed(block).drawers().collect::<Vec<_>>(), other);
        // Of one that cannot be read there is none.
        for text in ["{}", "", r#"{"actor":{},"at":"x"}"#, r#"{"at":"2027-01-15T08:00:00Z"}"#] {
            assert!(Filing::of(block).file(1, text, term).is_err(), "{text}");
        }
    }

    #[test]
    fn blocks_follow_each_other_and_runs_of_groups_go_back() {
        assert_eq!((Block::of(1), Block::of(BLOCK), Block::of(BLOCK + 1)), (Block(0), Block(0), Block(1)));
        assert_eq!((Block(1).first(), Block(1).last(), Block(1).count()), (BLOCK + 1, 2 * BLOCK, 2));
        assert_eq!((Block(1).before(), Block(0).before()), (Some(Block(0)), None));
        let completed = |from, to| Block::completed(from, to).collect::<Vec<_>>();
        assert_eq!(completed(0, BLOCK - 1), []);
        assert_eq!(completed(0, BLOCK), [Block(0)]);
        assert_eq!(completed(BLOCK - 1, 2 * BLOCK + 5), [Block(0), Block(1)]);
        assert_eq!(completed(BLOCK, BLOCK), []);

        let (block, end) = (Block(1), 2 * BLOCK + 1);
        let run = |below, groups| block.newest_before(below, groups);
        assert_eq!(run(end, 0), None);
        assert_eq!(run(end, Groups::MAX), Some(BLOCK + 1..end));
        assert_eq!(run(BLOCK + 100, Groups::MAX), Some(BLOCK + 1..BLOCK + 100));
        assert_eq!(run(end, 0b1101), Some(BLOCK + 129..BLOCK + 257));
        assert_eq!(run(BLOCK + 129, 0b1101), Some(BLOCK + 1..BLOCK + 65));
        assert_eq!(run(BLOCK + 130, 0b1101), Some(BLOCK + 129..BLOCK + 130));
        assert_eq!(run(BLOCK + 1, Groups::MAX), None);
        assert_eq!(run(end, 1 << 127), Some(2 * BLOCK - 63..end));
    }
}
