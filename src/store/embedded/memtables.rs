//! When what lies in memory goes into a table on the disk: told by the writer, once for each.
//!
//! The database would see to that itself, and ask its worker with every batch for as long as there is more in memory than there may
//! be. The worker takes what it is asked from a queue of a thousand, and puts what follows from it into the same queue. While it merges
//! tables, a busy store fills that queue; then the worker waits for room in it, and nobody else makes any: from there on all that is
//! written stays in memory (fjall 3.1.13, seen once: 15 GB). So the writer is faster than it: once for each memtable, before that is as
//! large as the database takes it for too large. What that is, a database keeps from when it was made.
//!
//! Where tables come slower than rows, the database holds the writer up, with four of them waiting.

use fjall::AbstractTree;

use super::directory::Database;

const MIB: u64 = 1024 * 1024;

/// From so much on the database would ask for a table of rows, and of the index of what is to be purged.
pub(super) const TOO_LARGE: [u64; 2] = [16 * MIB, 4 * MIB];

/// Sends what lies in memory on its way into a table, where it is three quarters of that. There may be up to four times as much
/// while it is on its way.
///
/// # Errors
/// When the database cannot go on.
pub(super) fn keep_small(database: &Database) -> fjall::Result<()> {
    for (keyspace, too_large) in [&database.rows, &database.purge_index].into_iter().zip(TOO_LARGE) {
        if keyspace.tree.active_memtable().size() >= too_large / 4 * 3 {
            keyspace.rotate_memtable()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::{
        domain::ids::AttemptId,
        store::{
            Expected, OutboxEvent, RowKey, Transaction, Write,
            embedded::writer::{Job, Prepared, Writer},
        },
    };

    #[test]
    fn what_the_writer_has_written_goes_into_tables() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(directory.path()).unwrap();
        let (jobs, taken) = mpsc::channel(8);
        let writer = Writer::new(database.clone());
        let writing = std::thread::spawn(move || writer.run(taken));
        for number in 0..48_u8 {
            let event = OutboxEvent { ledger: "ledger".into(), body: Vec::new() };
            let (key, body) = (RowKey::new("p", number.to_string()), vec![number; MIB as usize]);
            let write = Write { key, expected: Expected::Absent, body, purge_after: None };
            let prepared =
                Prepared::from(&Transaction::recording(AttemptId::from_bytes([number; 16]), event).write(write));
            let (answer, answered) = oneshot::channel();
            jobs.blocking_send(Job::Commit { prepared, answer }).unwrap();
            answered.blocking_recv().unwrap().unwrap();
            // The database has not had to ask: it would, two commits later.
            let size = database.rows.tree.active_memtable().size();
            assert!(size < TOO_LARGE[0] / 8 * 7, "{size} bytes");
        }
        drop(jobs);
        writing.join().unwrap();
        // As soon as the database's worker gets to it. Two thousand looks are more than enough, and an end.
        let left = (0..2_000).map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            database.fjall.write_buffer_size()
        });
        let least = left.take_while(|left| *left > 2 * MIB).last();
        assert!(database.fjall.write_buffer_size() < 2 * MIB, "{least:?} bytes are in memory");
    }
}
