//! The one thread that changes the database.
//!
//! It takes all the jobs that wait, judges each against the database *and*
//! against those before it in the group, and makes the group durable in one
//! batch. Two rules keep what is promised:
//!
//! - **Durable before visible.** The database writes a batch to its journal and
//!   syncs it before any row of it can be read, so nobody acts on a claim that
//!   a power cut could still undo.
//! - **Nobody is answered before the group is durable**, losers included: a
//!   loser would otherwise learn of a claim that may never have happened.
//!
//! Never here: a reply before the commit of the group, or a read that would
//! go past the overlay.

use std::collections::{BTreeMap, btree_map::Entry};

use fjall::{PersistMode, Slice};
use tokio::sync::{mpsc, oneshot};

use crate::domain::{ids::AttemptId, instant::Instant};

use super::{
    super::{Expected, Failure, Row, RowKey, Transaction, Unavailable, Version, chained::Chained, transaction::OUTBOX},
    codec::{self, Header},
    directory::Database,
    memtables, room,
};

/// How many jobs are merged into one batch at most.
const LARGEST_GROUP: usize = 512;

/// What the writer is asked for.
pub(super) enum Job {
    /// Apply a transaction.
    Commit { prepared: Prepared, answer: oneshot::Sender<Result<(), Failure>> },
    /// Remove the rows behind these index entries, those that are due by now.
    Sweep { due: Vec<Slice>, now: Instant, answer: oneshot::Sender<Result<usize, Unavailable>> },
    /// Put another body in the place of that of this version of a row.
    ReplaceBody { key: Slice, version: Version, body: Vec<u8>, answer: oneshot::Sender<Result<bool, Unavailable>> },
    /// Show that the writer is at work, and may write.
    Ping(oneshot::Sender<Result<(), Unavailable>>),
    /// Take no more jobs, finish those handed in, and end.
    Close(oneshot::Sender<()>),
}

impl Job {
    /// Answers it with this fault, unless there is no need to write for it.
    fn turned_away(self, fault: &Unavailable) -> Option<Self> {
        let fault = fault.clone();
        let _heard = match self {
            Self::Commit { answer, .. } => answer.send(Err(fault.into())).is_ok(),
            Self::Sweep { answer, .. } => answer.send(Err(fault)).is_ok(),
            Self::ReplaceBody { answer, .. } => answer.send(Err(fault)).is_ok(),
            Self::Ping(answer) => answer.send(Err(fault)).is_ok(),
            Self::Close(_) => return Some(self),
        };
        None
    }
}

/// A transaction in stored form, made on the caller's thread to keep the
/// writer's work short.
pub(super) struct Prepared {
    attempt: AttemptId,
    writes: Vec<PreparedWrite>,
    outbox: Vec<(Slice, Next)>,
    taken: Vec<(RowKey, Slice)>,
}

struct PreparedWrite {
    row_key: RowKey,
    key: Slice,
    expected: Expected,
    next: Next,
}

/// A row as it will be.
struct Next {
    value: Slice,
    purge_after: Option<Instant>,
}

impl From<&Transaction> for Prepared {
    fn from(transaction: &Transaction) -> Self {
        let next = |version, purge_after, body| Next {
            value: codec::value(Header { version, purge_after }, body),
            purge_after,
        };
        let writes = transaction.writes().iter().map(|write| PreparedWrite {
            row_key: write.key.clone(),
            key: codec::row_key(&write.key),
            expected: write.expected,
            next: next(write.expected.next(), write.purge_after, &write.body),
        });
        let outbox = transaction.outbox().map(|(key, body)| (codec::row_key(&key), next(Version::FIRST, None, body)));
        let taken = transaction.taken().iter().map(|key| (key.clone(), codec::row_key(key)));
        Self {
            attempt: transaction.attempt(),
            writes: writes.collect(),
            outbox: outbox.collect(),
            taken: taken.collect(),
        }
    }
}

pub(super) struct Writer {
    database: Database,
}

impl Writer {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Works until it is closed or the store is dropped, and all jobs are done.
    pub(super) fn run(self, mut jobs: mpsc::Receiver<Job>) {
        // Within the process only: whoever sends again, does so from here.
        let mut chained = Chained::default();
        let mut waiting = Vec::with_capacity(LARGEST_GROUP);
        let mut closing = Vec::new();
        while jobs.blocking_recv_many(&mut waiting, LARGEST_GROUP) > 0 {
            let room = room::check(&self.database.directory, room::RESERVED);
            let mut group = Group::new(&self.database, &mut chained);
            let mut answers = Vec::with_capacity(waiting.len());
            for job in waiting.drain(..) {
                let Some(job) = (match &room {
                    Ok(()) => Some(job),
                    Err(fault) => job.turned_away(fault),
                }) else {
                    continue;
                };
                match job {
                    Job::Commit { prepared, answer } => answers.push(Answer::Commit(group.admit(prepared), answer)),
                    Job::Sweep { due, now, answer } => answers.push(Answer::Sweep(group.sweep(&due, now), answer)),
                    Job::ReplaceBody { key, version, body, answer } => {
                        answers.push(Answer::ReplaceBody(group.replace_body(key, version, &body), answer));
                    }
                    Job::Ping(answer) => answers.push(Answer::Ping(answer)),
                    Job::Close(answer) => {
                        jobs.close();
                        closing.push(answer);
                    }
                }
            }
            group.commit();
            answers.into_iter().for_each(Answer::give);
            if let Err(error) = memtables::keep_small(&self.database) {
                end_process(&error);
            }
        }
        drop(self);
        for answer in closing {
            let _gone = answer.send(());
        }
    }
}

/// An answer that waits for its group to be durable.
enum Answer {
    Commit(Result<(), Failure>, oneshot::Sender<Result<(), Failure>>),
    Sweep(Result<usize, Unavailable>, oneshot::Sender<Result<usize, Unavailable>>),
    ReplaceBody(Result<bool, Unavailable>, oneshot::Sender<Result<bool, Unavailable>>),
    Ping(oneshot::Sender<Result<(), Unavailable>>),
}

impl Answer {
    /// Who has gone away meanwhile does not hear it, which is no fault.
    fn give(self) {
        let _heard = match self {
            Self::Commit(outcome, answer) => answer.send(outcome).is_ok(),
            Self::Sweep(outcome, answer) => answer.send(outcome).is_ok(),
            Self::ReplaceBody(outcome, answer) => answer.send(outcome).is_ok(),
            Self::Ping(answer) => answer.send(Ok(())).is_ok(),
        };
    }
}

/// Jobs that become durable together.
struct Group<'a> {
    database: &'a Database,
    /// What the group has changed so far: the rows as its later jobs see them.
    overlay: BTreeMap<Slice, Change>,
    /// Whose events were taken lately.
    chained: &'a mut Chained,
}

/// What a group does to one row, however many of its jobs wrote it.
struct Change {
    /// Under which purge date the database has it in its index.
    indexed: Option<Instant>,
    /// The row as it will be; none when it is swept.
    next: Option<Next>,
}

impl<'a> Group<'a> {
    fn new(database: &'a Database, chained: &'a mut Chained) -> Self {
        Self { database, overlay: BTreeMap::new(), chained }
    }

    /// Judges a transaction, and takes it into the group if all its conditions hold.
    fn admit(&mut self, prepared: Prepared) -> Result<(), Failure> {
        match self.judge(&prepared) {
            Ok(Verdict::Applied) => Ok(()),
            Ok(Verdict::Stale(rows)) => Err(Failure::Stale(rows)),
            Ok(Verdict::Applicable(purge_dates)) => {
                let mut purge_dates = purge_dates.into_iter();
                for (write, purge_date) in prepared.writes.into_iter().zip(purge_dates.by_ref()) {
                    self.change(write.key, purge_date, Some(write.next));
                }
                for ((_, key), purge_date) in prepared.taken.iter().zip(purge_dates) {
                    self.change(key.clone(), purge_date, None);
                }
                self.chained.remember(prepared.taken.iter().map(|(key, _)| key));
                for (key, next) in prepared.outbox {
                    self.change(key, None, Some(next));
                }
                Ok(())
            }
            // A read that failed proves nothing about an earlier attempt.
            Err(Unavailable(reason)) => Err(Failure::Unknown(reason)),
        }
    }

    fn judge(&self, prepared: &Prepared) -> Result<Verdict, Unavailable> {
        for (key, _) in &prepared.outbox {
            if self.current(key)?.is_some() {
                return Ok(Verdict::Applied);
            }
        }
        if self.chained.has(prepared.attempt) {
            return Ok(Verdict::Applied);
        }
        let mut stale = Vec::new();
        let mut purge_dates = Vec::with_capacity(prepared.writes.len());
        for write in &prepared.writes {
            let current = self.current(&write.key)?;
            let header = current.as_deref().map(codec::header).transpose()?;
            let holds = match write.expected {
                Expected::Absent => header.is_none(),
                Expected::Version(version) => header.is_some_and(|header| header.version == version),
            };
            if !holds {
                stale.push(current.map(|value| codec::row(write.row_key.clone(), &value)).transpose()?);
            }
            purge_dates.push(header.and_then(|header| header.purge_after));
        }
        for (_, key) in &prepared.taken {
            match self.current(key)? {
                Some(current) => purge_dates.push(codec::header(&current)?.purge_after),
                None => stale.push(None),
            }
        }
        Ok(if stale.is_empty() { Verdict::Applicable(purge_dates) } else { Verdict::Stale(stale) })
    }

    /// Removes the rows behind these index entries unless they were given a
    /// later purge date since the entries were read.
    fn sweep(&mut self, due: &[Slice], now: Instant) -> Result<usize, Unavailable> {
        let mut removed = 0;
        for entry in due {
            let key = Slice::from(codec::parse_index_key(entry)?);
            let Some(value) = self.current(&key)? else { continue };
            let purge_date = codec::header(&value)?.purge_after;
            if purge_date.is_some_and(|purge_date| purge_date <= now) {
                self.change(key, purge_date, None);
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Gives a row another body, unless it was written since that version. Tells whether it did.
    fn replace_body(&mut self, key: Slice, version: Version, body: &[u8]) -> Result<bool, Unavailable> {
        let Some(value) = self.current(&key)? else { return Ok(false) };
        let header = codec::header(&value)?;
        if header.version != version {
            return Ok(false);
        }
        let next = Next { value: codec::value(header, body), purge_after: header.purge_after };
        self.change(key, header.purge_after, Some(next));
        Ok(true)
    }

    /// The row as it is after the jobs before this one.
    fn current(&self, key: &Slice) -> Result<Option<Slice>, Unavailable> {
        match self.overlay.get(key) {
            Some(change) => Ok(change.next.as_ref().map(|next| next.value.clone())),
            None => Ok(self.database.rows.get(key)?),
        }
    }

    /// Changes a row that has this purge date now.
    fn change(&mut self, key: Slice, purge_date: Option<Instant>, next: Option<Next>) {
        match self.overlay.entry(key) {
            // What the database has in its index is not what the group has made of it since.
            Entry::Occupied(mut changed) => changed.get_mut().next = next,
            Entry::Vacant(unchanged) => {
                unchanged.insert(Change { indexed: purge_date, next });
            }
        }
    }

    /// Makes the group durable, then visible. Each row is in the batch once,
    /// in its last state, since the database cannot order two states of one batch.
    fn commit(self) {
        let (rows, purge_index) = (&self.database.rows, &self.database.purge_index);
        let mut batch = self.database.fjall.batch().durability(Some(PersistMode::SyncData));
        self.database.cache.changing(self.overlay.keys());
        let is_put = |(key, change): &(&Slice, &Change)| change.next.is_some() && key.starts_with(OUTBOX.as_bytes());
        let put: Vec<_> = self.overlay.iter().filter(is_put).map(|(key, _)| key.clone()).collect();
        self.database.beginnings.putting(put.iter());
        for (key, Change { indexed, next }) in self.overlay {
            let due = next.as_ref().and_then(|next| next.purge_after);
            if let Some(indexed) = indexed.filter(|_| due != indexed) {
                batch.remove(purge_index, codec::index_key(indexed, &key));
            }
            if let Some(due) = due.filter(|_| due != indexed) {
                batch.insert(purge_index, codec::index_key(due, &key), []);
            }
            match next {
                Some(next) => batch.insert(rows, key, next.value),
                None => batch.remove(rows, key),
            }
        }
        if let Err(error) = batch.commit() {
            end_process(&error);
        }
        self.database.cache.changed();
        self.database.beginnings.put(put.iter());
    }
}

/// What a group makes of a transaction.
enum Verdict {
    /// It was applied by an earlier attempt.
    Applied,
    /// Some conditions do not hold; the rows as they are.
    Stale(Vec<Option<Row>>),
    /// All conditions hold; the purge dates that the rows it writes, and then those it takes, have had so far.
    Applicable(Vec<Option<Instant>>),
}

/// Ends the process when a group could not be made durable.
///
/// After a failed fsync nobody can tell what is on the disk: the kernel may
/// have dropped the pages and call the next fsync a success. To go on would be
/// to answer from memory that a power cut takes away. What is on the disk is
/// found at the next start, by replaying the journal; callers who got no answer
/// ask again and learn it then.
fn end_process(error: &fjall::Error) -> ! {
    tracing::error!(
        %error,
        "the store could not make a commit durable and ends the process: check the disk, then start again"
    );
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{OutboxEvent, Write};

    fn claim(attempt: u8, expected: Expected, purge_after: Option<Instant>) -> Prepared {
        let event = OutboxEvent { ledger: "ledger".into(), body: Vec::new() };
        let write = Write { key: RowKey::new("p", "token"), expected, body: vec![attempt], purge_after };
        Prepared::from(&Transaction::recording(AttemptId::from_bytes([attempt; 16]), event).write(write))
    }

    fn database() -> (tempfile::TempDir, Database) {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(directory.path()).unwrap();
        (directory, database)
    }

    fn stored(database: &Database) -> Option<Row> {
        let key = RowKey::new("p", "token");
        let value = database.rows.get(codec::row_key(&key)).unwrap();
        value.map(|value| codec::row(key, &value).unwrap())
    }

    #[test]
    fn of_two_claims_in_one_group_one_wins() {
        let (_directory, database) = database();
        let mut chained = Chained::default();
        let mut group = Group::new(&database, &mut chained);
        assert!(group.admit(claim(1, Expected::Absent, None)).is_ok());
        let Err(Failure::Stale(rows)) = group.admit(claim(2, Expected::Absent, None)) else { panic!("two winners") };
        assert_eq!(rows[0].as_ref().unwrap().body, [1]);
        assert_eq!(stored(&database), None, "visible before it was durable");
        group.commit();
        assert_eq!(stored(&database).unwrap().body, [1]);
    }

    #[test]
    fn an_attempt_that_meets_itself_in_one_group_is_applied_once() {
        let (_directory, database) = database();
        let mut chained = Chained::default();
        let mut group = Group::new(&database, &mut chained);
        assert!(group.admit(claim(1, Expected::Absent, None)).is_ok());
        assert!(group.admit(claim(2, Expected::Version(Version::FIRST), None)).is_ok());
        assert!(group.admit(claim(1, Expected::Absent, None)).is_ok());
        group.commit();
        let row = stored(&database).unwrap();
        assert_eq!((row.version.number(), row.body), (2, vec![2]));
    }

    #[test]
    fn the_index_follows_a_row_through_a_group() {
        let (_directory, database) = database();
        let mut chained = Chained::default();
        let at = |millis| Some(Instant::from_unix_millis(millis));
        let indexed = || {
            let entries = database.due(Instant::from_unix_millis(1_000), 10).unwrap();
            entries.iter().map(|entry| u64::from_be_bytes(*entry.first_chunk().unwrap())).collect::<Vec<_>>()
        };
        let mut group = Group::new(&database, &mut chained);
        group.admit(claim(1, Expected::Absent, at(100))).unwrap();
        group.admit(claim(2, Expected::Version(Version::FIRST), at(200))).unwrap();
        group.commit();
        assert_eq!(indexed(), [200]);

        let due = database.due(Instant::from_unix_millis(200), 10).unwrap();
        let mut group = Group::new(&database, &mut chained);
        group.admit(claim(3, Expected::Version(Version::FIRST.next()), at(300))).unwrap();
        // The entry was read before the row was given a later date.
        assert_eq!(group.sweep(&due, Instant::from_unix_millis(200)).unwrap(), 0);
        group.commit();
        assert_eq!(indexed(), [300]);

        let mut group = Group::new(&database, &mut chained);
        let due = database.due(Instant::from_unix_millis(300), 10).unwrap();
        assert_eq!(group.sweep(&due, Instant::from_unix_millis(300)).unwrap(), 1);
        assert_eq!(group.sweep(&due, Instant::from_unix_millis(300)).unwrap(), 0, "swept twice");
        group.admit(claim(4, Expected::Absent, at(400))).unwrap();
        group.commit();
        assert_eq!(indexed(), [400]);
        assert_eq!(stored(&database).unwrap().body, [4]);
    }
}
