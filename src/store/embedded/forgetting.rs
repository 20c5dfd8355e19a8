//! Rewriting the files of the database, so that none of them has anything left of rows that were removed.
//!
//! A row that is removed is only marked as such: its bytes stay in tables until those are merged, and in the journal until
//! that is full. So the journal is filled until it is sealed, what lies in memory is written to tables, upon which sealed
//! journals are deleted, and then all tables are merged.
//!
//! Blocks, for as long as it takes to write the whole database once and 64 MB more; requests go on meanwhile.

use std::time::Duration;

use fjall::{Keyspace, KeyspaceCreateOptions};

use super::{super::Unavailable, directory::Database, room};

/// What fills the journal: deleted again at the end, and at the next time, should there be none.
const FILLER: &str = "filler";

/// The database seals its journal from 64 MB on (`fjall`, worker pool), when something is written to a table.
const SEALED_FROM: usize = 68_000_000;

const PIECE: usize = 1_000_000;
const PIECES_IN_MEMORY: usize = 4;

/// How often all tables are merged: what the first time is kept for a reader, the second time is not.
const MERGED: usize = 2;

/// How often it is looked whether sealed journals are gone: each is there for a moment.
const MOST_LOOKS: usize = 3_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

pub(super) fn rewrite(database: &Database) -> Result<(), Unavailable> {
    // Were there too little, it would fail in the middle, and the database with it.
    room::check(&database.directory, database.fjall.disk_space()?.saturating_add(2 * room::RESERVED))?;
    let mut noise = Noise(1);
    let filler = filler(database)?;
    for piece in 0..SEALED_FROM.div_ceil(PIECE) {
        filler.insert(piece.to_be_bytes(), noise.bytes(PIECE))?;
        if piece % PIECES_IN_MEMORY == 0 {
            filler.rotate_memtable_and_wait()?;
        }
    }
    let keyspaces = [&database.rows, &database.purge_index, &filler];
    for keyspace in keyspaces {
        keyspace.rotate_memtable_and_wait()?;
    }
    // Sealed journals go when the tables that make them needless are there, which the database's own thread sees to.
    for _ in 0..MOST_LOOKS {
        if database.fjall.journal_count() == 1 {
            break;
        }
        std::thread::sleep(BETWEEN_LOOKS);
        move_on(&filler)?;
        for keyspace in keyspaces {
            keyspace.rotate_memtable_and_wait()?;
        }
    }
    if database.fjall.journal_count() > 1 {
        return Err(Unavailable("the journals of the database do not go away".into()));
    }
    // What is older than a time that only moves on with writes is kept for readers; so are tables that were merged.
    for _ in 0..MERGED {
        move_on(&filler)?;
        database.rows.major_compact()?;
        database.purge_index.major_compact()?;
        move_on(&filler)?;
    }
    Ok(database.fjall.delete_keyspace(filler)?)
}

/// Writes something, after which what nobody reads any more is let go.
fn move_on(filler: &Keyspace) -> Result<(), Unavailable> {
    filler.insert([0], [0])?;
    Ok(filler.rotate_memtable_and_wait()?)
}

fn filler(database: &Database) -> Result<Keyspace, Unavailable> {
    let open = || database.fjall.keyspace(FILLER, KeyspaceCreateOptions::default);
    if database.fjall.keyspace_exists(FILLER) {
        database.fjall.delete_keyspace(open()?)?;
    }
    Ok(open()?)
}

/// Bytes that do not become fewer when they are compressed.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            // xorshift64 (Marsaglia 2003).
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.extend_from_slice(&self.0.to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use crate::{
        domain::{ids::AttemptId, instant::Instant},
        store::{
            Backend, Expected, OutboxEvent, RowKey, Transaction, Version, Write,
            embedded::{EmbeddedStore, codec},
        },
    };

    fn holds(folder: &Path, text: &[u8]) -> bool {
        fs::read_dir(folder).unwrap().any(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                holds(&path, text)
            } else {
                fs::read(&path).unwrap().windows(text.len()).any(|window| window == text)
            }
        })
    }

    fn recording(attempt: u8) -> Transaction {
        let event = OutboxEvent { ledger: "ledger".into(), body: Vec::new() };
        Transaction::recording(AttemptId::from_bytes([attempt; 16]), event)
    }

    #[tokio::test]
    async fn of_a_row_that_was_removed_no_byte_is_left_and_others_are_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path()).unwrap();
        let write = |sort: &str, body: &[u8], expected| Write {
            key: RowKey::new("partition", sort),
            expected,
            body: body.to_vec(),
            purge_after: Some(Instant::from_unix_seconds(9_000_000_000)),
        };
        let both = recording(1).write(write("leaves", b"what-leaves-is-this", Expected::Absent)).write(write(
            "stays",
            b"what-stays-is-this",
            Expected::Absent,
        ));
        store.try_commit(&both).await.unwrap();
        let anew = write("leaves", b"what-leaves-is-that", Expected::Version(Version::FIRST));
        store.try_commit(&recording(2).write(anew)).await.unwrap();
        assert!(holds(folder.path(), b"what-leaves-is-this"));
        let leaves = RowKey::new("partition", "leaves");
        store.try_commit(&recording(3).remove(leaves.clone())).await.unwrap();
        assert_eq!(store.database.purge_index.len().unwrap(), 1);

        store.forget().await.unwrap();
        for gone in [b"what-leaves-is-this".as_slice(), b"what-leaves-is-that", &codec::row_key(&leaves)] {
            assert!(!holds(folder.path(), gone), "{}", String::from_utf8_lossy(gone));
        }
        store.close().await;
        drop(store);
        let again = EmbeddedStore::open(folder.path()).unwrap();
        let found = again.get(&[leaves, RowKey::new("partition", "stays")]).await.unwrap();
        assert!(found[0].is_none());
        assert_eq!(found[1].as_ref().unwrap().body, b"what-stays-is-this");
    }

    #[tokio::test]
    async fn whoever_comes_meanwhile_waits_for_their_turn() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path()).unwrap();
        let write = Write {
            key: RowKey::new("partition", "stays"),
            expected: Expected::Absent,
            body: Vec::new(),
            purge_after: Some(Instant::from_unix_seconds(9_000_000_000)),
        };
        store.try_commit(&recording(1).write(write)).await.unwrap();
        let (one, other) = tokio::join!(store.forget(), store.forget());
        one.and(other).unwrap();

        // Whoever has gone has begun it all the same, and it goes on.
        let gone = tokio::time::timeout(Duration::ZERO, store.forget()).await;
        assert!(gone.is_err() && store.forgetting.try_lock().is_err());
        store.forget().await.unwrap();
        assert!(store.forgetting.try_lock().is_ok());
    }
}
