//! Whether the journals of the database are whole, looked at before it is opened.
//!
//! What follows the first batch that it cannot read, the database (fjall 3.1.13) takes for a commit that was under way when the
//! power went, and cuts it off. Mostly that is right: each batch is on the disk before the next one is begun, so that only
//! the last can be torn. But where a bit has changed in the midst, it would cut off commits that were acknowledged, and a claim
//! among them could be made again. So what is to be cut off has to look like one batch that never came to its end; and
//! numbers, which no checksum covers, have to rise: those of rows and of what is to be purged. Those of what only filled the
//! journal for a while are forgotten with it, and given again by the next start.
//!
//! ```text
//! batch     1 | number of items (4) | number of the batch (8) | item … | 3 | checksum (8) | magic (4)
//! item      2 | kind | compression | keyspace (8) | key length (2) | length (4) | length here (4) | key | value
//! clearing  4 | keyspace (8)
//! ```
//!
//! Numbers are little-endian; the checksum is XXH3 of all items. Never here: a change to a file.

use std::{
    fs::{self, File},
    io,
    ops::RangeInclusive,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEARING: u8 = 4;

/// How a batch ends.
const MAGIC: [u8; 4] = *b"FJL\x03";

/// How long what stands at the beginning of a batch is, and what stands at its end.
const HEAD: usize = 13;
const TRAILER: usize = 13;

/// The keyspaces that a database has for ever: they are made first, one after the other.
const LASTING: RangeInclusive<u64> = 1..=2;

/// More batches than any store has.
const MOST_BATCHES: u64 = 1 << 56;

/// A disk writes so much whole or not at all.
const SECTOR: usize = 512;

/// Journals have room at their end, which is zero, and is looked through in pieces of this size.
const PIECE: usize = 1024 * 1024;

/// What is wrong with a journal; nothing where all are whole, or end in the midst of one commit.
pub(super) fn fault(database: &Path) -> io::Result<Option<String>> {
    let mut before = None;
    for (_, path) in journals(database)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut journal = Journal::open(&path)?;
        while let Some(number) = journal.next_batch()? {
            let Some(number) = number else { continue };
            if before.is_some_and(|before| number <= before) || number >= MOST_BATCHES {
                return Ok(Some(format!("the commits in {name} are not in their order")));
            }
            before = Some(number);
        }
        let (rest, from) = journal.rest();
        if !is_torn(rest, from) {
            return Ok(Some(format!("{name} is not as it was written, from byte {from} on")));
        }
    }
    Ok(None)
}

/// In the order in which they were begun.
fn journals(database: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(database)? {
        let path = entry?.path();
        let is_one = path.extension().is_some_and(|extension| extension == "jnl");
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        // Whatever else there is, the database has a word for.
        if let Some(number) = number.filter(|_| is_one) {
            journals.push((number, path));
        }
    }
    journals.sort_unstable();
    Ok(journals)
}

/// A journal that is read batch by batch: of one of 64 MB no more is in memory at a time than a batch needs.
struct Journal {
    file: File,
    /// Without the zeros at its end.
    length: u64,
    /// Where in the file the bytes begin.
    from: u64,
    bytes: Vec<u8>,
    /// Where in the bytes the next batch begins.
    at: usize,
}

impl Journal {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut length = file.metadata()?.len();
        let mut piece = vec![0; PIECE];
        while length > 0 {
            let piece = &mut piece[..usize::try_from(length).unwrap_or(PIECE).min(PIECE)];
            file.read_exact_at(piece, length - piece.len() as u64)?;
            let zeros = piece.iter().rev().take_while(|byte| **byte == 0).count();
            length -= zeros as u64;
            if zeros < piece.len() {
                break;
            }
        }
        Ok(Self { file, length, from: 0, bytes: Vec::new(), at: 0 })
    }

    /// The number of the next batch that is there as it was written, if it lasts.
    fn next_batch(&mut self) -> io::Result<Option<Option<u64>>> {
        loop {
            if let Some((number, length)) = batch(&self.bytes[self.at..]) {
                self.at += length;
                return Ok(Some(number));
            }
            if !self.read_on()? {
                return Ok(None);
            }
        }
    }

    /// Takes more of the file to what was not read as a batch yet, unless that is all.
    fn read_on(&mut self) -> io::Result<bool> {
        self.bytes.drain(..self.at);
        self.from += self.at as u64;
        self.at = 0;
        let begun = self.bytes.len();
        let unread = self.length - self.from - begun as u64;
        self.bytes.resize(begun + usize::try_from(unread).unwrap_or(PIECE).min(PIECE), 0);
        self.file.read_exact_at(&mut self.bytes[begun..], self.from + begun as u64)?;
        Ok(unread > 0)
    }

    /// What is no batch, and where in the file it begins.
    fn rest(&self) -> (&[u8], u64) {
        (&self.bytes[self.at..], self.from + self.at as u64)
    }
}

/// The number of the batch at the beginning, if it lasts, and its length, if it is there as it was written.
fn batch(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let (number, items) = opened(bytes)?;
    let (&END, trailer) = bytes.get(items..)?.split_first()? else { return None };
    let (sum, trailer) = trailer.split_first_chunk()?;
    let is_whole = trailer.starts_with(&MAGIC) && xxh3_64(bytes.get(HEAD..items)?) == u64::from_le_bytes(*sum);
    is_whole.then_some((number, items + TRAILER))
}

/// The number of the batch at the beginning, if it lasts, and where its items end, if all of them are there.
fn opened(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let (&START, rest) = bytes.split_first()? else { return None };
    let (items, rest) = rest.split_first_chunk()?;
    let (number, _) = rest.split_first_chunk()?;
    let (mut at, mut lasts) = (HEAD, false);
    for _ in 0..u32::from_le_bytes(*items) {
        let (keyspace, length) = item(bytes.get(at..)?)?;
        lasts |= LASTING.contains(&keyspace);
        at = at.checked_add(length)?;
    }
    (at <= bytes.len()).then_some((lasts.then_some(u64::from_le_bytes(*number)), at))
}

/// Which keyspace an item is of, and how long it is.
fn item(bytes: &[u8]) -> Option<(u64, usize)> {
    match *bytes.first()? {
        ITEM => {
            let (keyspace, rest) = bytes.get(3..)?.split_first_chunk()?;
            let (key_length, rest) = rest.split_first_chunk()?;
            let (_, rest) = rest.split_first_chunk::<4>()?;
            let (length, _) = rest.split_first_chunk()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let length = 21_usize.checked_add(usize::from(u16::from_le_bytes(*key_length)))?.checked_add(length)?;
            Some((u64::from_le_bytes(*keyspace), length))
        }
        CLEARING => Some((u64::from_le_bytes(*bytes.get(1..)?.first_chunk()?), 9)),
        _ => None,
    }
}

/// Whether what is there from this byte on can be one batch that did not come to its end: killed, it was cut off there; where the
/// power went, some sectors of it may be missing before others.
fn is_torn(rest: &[u8], from: u64) -> bool {
    let ends = |at: &usize| rest[*at] == END && rest[*at..].get(TRAILER - 4..TRAILER) == Some(&MAGIC);
    let is_followed = |at: usize| at + TRAILER < rest.len() && begins_batch(&rest[at + TRAILER..]);
    if (0..rest.len()).filter(ends).any(is_followed) {
        return false;
    }
    let has_end = rest.len().checked_sub(TRAILER).as_ref().is_some_and(ends);
    let is_all_there = || opened(rest).is_some_and(|(_, items)| rest.len() >= items + TRAILER);
    !(has_end || is_all_there()) || has_hole(rest, from)
}

/// Whether a batch begins here, as far as there is enough to tell. What ends one can also stand in a value: large ones are
/// compressed, and a client can choose a text of which exactly that becomes. It can not make six zeros in a row, as there are in
/// the number of every keyspace: LZ4 has four at most where the text has none.
fn begins_batch(bytes: &[u8]) -> bool {
    let keyspace = match bytes.get(HEAD) {
        Some(&ITEM) => bytes.get(HEAD + 3..HEAD + 11),
        Some(&CLEARING) => bytes.get(HEAD + 1..HEAD + 9),
        Some(_) => return false,
        None => None,
    };
    bytes.first() == Some(&START) && keyspace.is_none_or(|keyspace| keyspace[2..].iter().all(|byte| *byte == 0))
}

/// Whether a sector of it was never written, or not to its end.
fn has_hole(rest: &[u8], from: u64) -> bool {
    let begun = SECTOR - (from % SECTOR as u64) as usize;
    let (first, others) = rest.split_at(begun.min(rest.len()));
    let mut parts = [first].into_iter().chain(others.chunks(SECTOR));
    // The first byte of a batch alone may have become zero by one bit.
    parts.any(|part| part.len() > 1 && part.iter().all(|byte| *byte == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::ids::AttemptId,
        store::{
            Backend, Expected, OutboxEvent, RowKey, Transaction, Write,
            embedded::{EmbeddedStore, OpenError},
        },
    };

    const COMMITS: u8 = 5;

    /// What was written of a journal.
    fn written(path: &Path) -> Vec<u8> {
        let mut bytes = fs::read(path).unwrap();
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        bytes
    }

    /// How many of its batches last, and where the last of all ends.
    fn batches(path: &Path) -> (usize, u64) {
        let mut journal = Journal::open(path).unwrap();
        let mut lasting = 0;
        while let Some(number) = journal.next_batch().unwrap() {
            lasting += usize::from(number.is_some());
        }
        (lasting, journal.rest().1)
    }

    /// A store with some commits, its journal, and where each of those ends in it.
    async fn store() -> (tempfile::TempDir, PathBuf, Vec<usize>) {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path()).unwrap();
        let journal = journals(&folder.path().join("database")).unwrap().remove(0).1;
        let mut ends = vec![written(&journal).len()];
        for number in 1..=COMMITS {
            let event = OutboxEvent { ledger: "ledger".into(), body: vec![number; 20] };
            let key = RowKey::new("p", number.to_string());
            let write = Write { key, expected: Expected::Absent, body: vec![number; 700], purge_after: None };
            let transaction = Transaction::recording(AttemptId::from_bytes([number; 16]), event).write(write);
            store.try_commit(&transaction).await.unwrap();
            ends.push(written(&journal).len());
        }
        (folder, journal, ends)
    }

    #[tokio::test]
    async fn every_bit_that_changed_in_a_journal_is_seen_and_no_commit_is_cut_off_for_it() {
        let (folder, journal, ends) = store().await;
        let whole = written(&journal);
        assert_eq!(batches(&journal).1, whole.len() as u64);
        let database = folder.path().join("database");
        let mut unseen = Vec::new();
        for bit in 0..whole.len() * 8 {
            let mut other = whole.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            fs::write(&journal, &other).unwrap();
            if fault(&database).unwrap().is_none() {
                unseen.push(bit);
            }
        }
        // The number of the first batch may be a smaller one, and that of the last a larger one.
        let last = ends[ends.len() - 2];
        assert!(unseen.iter().all(|bit| [0, last].iter().any(|from| (from + 5..from + HEAD).contains(&(bit / 8)))));
        for bit in unseen.into_iter().filter(|bit| bit / 8 >= last) {
            let mut other = whole.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            fs::write(&journal, &other).unwrap();
            let store = EmbeddedStore::open(folder.path()).unwrap();
            for number in 1..=COMMITS {
                let row = store.get(&[RowKey::new("p", number.to_string())]).await.unwrap();
                assert!(row[0].is_some(), "bit {bit}: commit {number} is lost");
            }
        }
        other_is_damaged(folder.path(), &journal, &whole);
    }

    #[tokio::test]
    async fn what_a_client_wrote_into_a_torn_commit_does_not_pass_for_the_end_of_it() {
        let (folder, journal, ends) = store().await;
        let database = folder.path().join("database");
        let from = *ends.last().unwrap();
        let store = EmbeddedStore::open(folder.path()).unwrap();
        // Three letters that come again become those letters and how far back they are.
        let rest: String = (0..2_000).map(|number| format!("{number},")).collect();
        let text = format!("abcabcabcabcqwertyFJLFJLFJLFJL{rest}");
        let event = OutboxEvent { ledger: "ledger".into(), body: Vec::new() };
        let write = Write {
            key: RowKey::new("p", "long"),
            expected: Expected::Absent,
            body: text.into_bytes(),
            purge_after: None,
        };
        let transaction = Transaction::recording(AttemptId::from_bytes([99; 16]), event).write(write);
        store.try_commit(&transaction).await.unwrap();
        drop(store);
        let whole = written(&journal);
        let is_end = |at: &usize| whole[*at] == END && whole[*at..].get(TRAILER - 4..TRAILER) == Some(&MAGIC);
        let planted: Vec<_> = (from..whole.len() - TRAILER).filter(is_end).collect();
        assert!(!planted.is_empty(), "the database compresses otherwise now: choose another text");
        for length in planted[0]..whole.len() {
            fs::write(&journal, &whole[..length]).unwrap();
            // Cut off right behind it, it is what it looks like: nobody can tell.
            let looks_ended = written(&journal).len().checked_sub(TRAILER).is_some_and(|at| planted.contains(&at));
            assert_eq!(fault(&database).unwrap().is_some(), looks_ended, "cut off at {length}");
        }
    }

    #[tokio::test]
    async fn a_database_that_was_rewritten_and_written_to_again_is_whole() {
        let (folder, journal, _) = store().await;
        EmbeddedStore::open(folder.path()).unwrap().forget().await.unwrap();
        for number in COMMITS + 1..COMMITS + 4 {
            let store = EmbeddedStore::open(folder.path()).unwrap();
            let event = OutboxEvent { ledger: "ledger".into(), body: Vec::new() };
            store.try_commit(&Transaction::recording(AttemptId::from_bytes([number; 16]), event)).await.unwrap();
        }
        assert!(!journal.exists(), "it is another journal");
        let database = folder.path().join("database");
        assert_eq!(fault(&database).unwrap(), None);
        let (_, journal) = journals(&database).unwrap().remove(0);
        assert!(batches(&journal).0 >= 3);
    }

    #[tokio::test]
    async fn a_journal_that_is_read_in_pieces_is_judged_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path()).unwrap();
        let (database, mut ends) = (folder.path().join("database"), Vec::new());
        let journal = journals(&database).unwrap().remove(0).1;
        for number in 0..8_u64 {
            // Nothing to compress.
            let body =
                (0..45_000).flat_map(|n: u64| xxh3_64(&[number, n].map(u64::to_le_bytes).concat()).to_le_bytes());
            let event = OutboxEvent { ledger: "ledger".into(), body: Vec::new() };
            let write = Write {
                key: RowKey::new("p", number.to_string()),
                expected: Expected::Absent,
                body: body.collect(),
                purge_after: None,
            };
            let transaction = Transaction::recording(AttemptId::from_bytes([number as u8; 16]), event).write(write);
            store.try_commit(&transaction).await.unwrap();
            ends.push(written(&journal).len());
        }
        let whole = written(&journal);
        assert!(whole.len() > 2 * PIECE && batches(&journal).1 == whole.len() as u64);
        for at in [ends[0] - 300_000, ends[2] - 1, ends[5] - 100, ends[7] - 300_000] {
            let mut other = whole.clone();
            other[at] ^= 1;
            fs::write(&journal, &other).unwrap();
            assert!(fault(&database).unwrap().is_some(), "a bit at {at}");
        }
        for length in [ends[6] + 1, ends[6] + 300_000, ends[7] - 1] {
            fs::write(&journal, &whole[..length]).unwrap();
            assert_eq!(fault(&database).unwrap(), None, "cut off at {length}");
        }
    }

    /// What is found keeps the store from being opened.
    fn other_is_damaged(folder: &Path, journal: &Path, whole: &[u8]) {
        let mut other = whole.to_vec();
        other[1] ^= 1;
        fs::write(journal, &other).unwrap();
        assert!(matches!(EmbeddedStore::open(folder), Err(OpenError::Damaged { .. })));
        assert_eq!(fs::read(journal).unwrap(), other, "nothing was cut off");
    }

    #[tokio::test]
    async fn what_a_kill_or_a_power_cut_leaves_is_cut_off_and_nothing_else() {
        let (folder, journal, ends) = store().await;
        let whole = written(&journal);
        let database = folder.path().join("database");
        let is_whole = |bytes: &[u8]| {
            fs::write(&journal, bytes).unwrap();
            fault(&database).unwrap().is_none()
        };
        for length in 0..whole.len() {
            assert!(is_whole(&whole[..length]), "cut off at {length}");
            // The room at the end of a new journal is zero.
            assert!(is_whole(&[&whole[..length], &[0; 3 * SECTOR]].concat()), "ends at {length}");
        }
        // A sector of the last batch never came to the disk, but those before and after did.
        let last = ends[ends.len() - 2];
        for sector in last / SECTOR..whole.len().div_ceil(SECTOR) {
            let mut torn = whole.clone();
            let end = whole.len().min((sector + 1) * SECTOR);
            torn[(sector * SECTOR).max(last)..end].fill(0);
            let is_last = end == whole.len();
            assert!(is_whole(&torn), "without sector {sector}, {is_last}");
        }
        // Of a batch that others follow, none is missing: they were written after it was on the disk.
        for sector in ends[0].div_ceil(SECTOR)..last / SECTOR - 1 {
            let mut other = whole.clone();
            other[sector * SECTOR..(sector + 1) * SECTOR].fill(0);
            assert!(!is_whole(&other), "without sector {sector}");
        }
    }
}
