//! What only the embedded store has: a directory, a lock, a journal, a sweep.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cloakroom::{
    domain::{ids::AttemptId, instant::Instant},
    store::{
        Backend, Expected, Failure, OutboxEvent, RowKey, Transaction,
        embedded::{EmbeddedStore, OpenError},
    },
};
use futures_util::future::join_all;

use super::fixture::{Fixture, version, write, write_until};

fn open(directory: &Path) -> EmbeddedStore {
    EmbeddedStore::open(directory).unwrap()
}

fn open_error(directory: &Path) -> OpenError {
    match EmbeddedStore::open(directory) {
        Ok(_) => panic!("the store was opened"),
        Err(error) => error,
    }
}

fn at(seconds: u64) -> Instant {
    Instant::from_unix_seconds(seconds)
}

/// The commit with this number, which writes the row of that number.
fn numbered(number: u64) -> Transaction {
    let mut attempt = [1; 16];
    attempt[..8].copy_from_slice(&number.to_be_bytes());
    let event = OutboxEvent { ledger: "ledger".into(), body: format!("event {number}").into_bytes() };
    let row = write(&numbered_key(number), Expected::Absent, format!("row {number}").as_bytes());
    Transaction::recording(AttemptId::from_bytes(attempt), event).write(row)
}

fn numbered_key(number: u64) -> RowKey {
    RowKey::new("numbered", format!("{number:06}"))
}

/// Whether the row and the event of this commit are there; never one alone.
async fn holds(store: &EmbeddedStore, number: u64) -> bool {
    let outbox: Vec<_> = numbered(number).outbox().map(|(key, _)| key).collect();
    let rows = store.get(&[numbered_key(number), outbox[0].clone()]).await.unwrap();
    assert_eq!(rows[0].is_some(), rows[1].is_some(), "half of commit {number}");
    rows[0].is_some()
}

#[tokio::test]
async fn a_sweep_removes_what_is_due_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(directory.path()));
    let fixture = Fixture::on(store.clone(), 0, None);
    let commit = async |sort: &str, expected, purge_after: Option<Instant>| {
        let key = fixture.key("p", sort);
        let row = match purge_after {
            Some(purge_after) => write_until(&key, expected, purge_after),
            None => write(&key, expected, b"body"),
        };
        fixture.store.commit(fixture.transaction().write(row)).await.unwrap();
    };
    for sort in ["due", "due too", "put off", "kept", "brought forward", "rewritten"] {
        let purge_after = if sort == "brought forward" { at(900) } else { at(100) };
        commit(sort, Expected::Absent, Some(purge_after)).await;
    }
    commit("later", Expected::Absent, Some(at(101))).await;
    commit("never", Expected::Absent, None).await;
    let first = Expected::Version(version(1));
    commit("put off", first, Some(at(900))).await;
    commit("kept", first, None).await;
    commit("brought forward", first, Some(at(90))).await;
    commit("rewritten", first, Some(at(100))).await;
    let left = async || {
        let rows = fixture.pages(fixture.partition("p"), cloakroom::store::Direction::Ascending, 100).await;
        rows.into_iter().map(|row| row.key.sort).collect::<Vec<_>>()
    };

    assert_eq!(store.sweep(at(89), 100).await.unwrap(), 0);
    assert_eq!(left().await.len(), 8);
    // The one due longest goes first, and no more than were asked for.
    assert_eq!(store.sweep(at(100), 1).await.unwrap(), 1);
    assert!(!left().await.contains(&"brought forward".to_owned()));
    assert_eq!(store.sweep(at(100), 100).await.unwrap(), 3);
    assert_eq!(left().await, ["kept", "later", "never", "put off"]);
    assert_eq!(store.sweep(at(100), 100).await.unwrap(), 0);
    assert_eq!(store.sweep(at(101), 100).await.unwrap(), 1);
    assert_eq!(left().await, ["kept", "never", "put off"]);
    // What was put off is due on its new date, and no event is ever swept.
    assert_eq!(store.sweep(at(1_000_000), 100).await.unwrap(), 1);
    assert_eq!(left().await, ["kept", "never"]);
    assert_eq!(fixture.recorded_in_all().await, 12);
}

#[tokio::test]
async fn a_sweep_and_a_late_rewrite_do_not_lose_a_row() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(directory.path()));
    let fixture = Fixture::on(store.clone(), 0, None);
    for round in 0..200 {
        let key = fixture.key("p", &format!("{round:03}"));
        let row = write_until(&key, Expected::Absent, at(100));
        fixture.store.commit(fixture.transaction().write(row)).await.unwrap();
        let later = fixture.transaction().write(write_until(&key, Expected::Version(version(1)), at(900)));
        let (rewritten, swept) = tokio::join!(fixture.store.commit(later), store.sweep(at(100), 10));
        // Whichever came first: a rewrite that was acknowledged is there.
        assert_eq!(rewritten.is_ok(), fixture.row(&key).await.is_some());
        assert_eq!(rewritten.is_ok(), swept.unwrap() == 0);
    }
}

/// All are handed in before the writer can have answered the first, so that
/// many claims of one token meet in one group.
#[tokio::test]
async fn claims_of_one_token_in_one_group_have_one_winner() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(directory.path()));
    let fixture = Fixture::on(store.clone(), 0, None);
    for round in 0..100 {
        let key = fixture.key("p", &format!("{round}"));
        let claims: Vec<_> =
            (0..64).map(|_| fixture.transaction().write(write(&key, Expected::Absent, b"mine"))).collect();
        let outcomes = join_all(claims.iter().map(|claim| store.try_commit(claim))).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert_eq!(fixture.row(&key).await.unwrap().version.number(), 1);
    }
    assert_eq!(fixture.recorded_in_all().await, 100);
}

/// What is read often is kept in memory; whoever reads must not be able to tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reading_while_others_write_shows_whole_commits_and_never_older_ones() {
    let fixture = Arc::new(Fixture::embedded_in_a_directory().await);
    let pair = ["a", "b"].map(|sort| fixture.key("pair", sort));
    let commit = |expected: Expected| {
        let [a, b] = pair.each_ref().map(|key| write(key, expected, b""));
        fixture.store.commit(fixture.transaction().write(a).write(b))
    };
    commit(Expected::Absent).await.unwrap();
    let acknowledged = Arc::new(AtomicU64::new(1));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (fixture, pair, acknowledged) = (fixture.clone(), pair.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let mut last = 0;
                while last < 2_000 {
                    let before = acknowledged.load(Ordering::SeqCst);
                    let rows = fixture.store.get(pair.clone()).await.unwrap();
                    let [a, b] = rows.map(|row| row.unwrap().version.number());
                    assert_eq!(a, b, "half of a commit");
                    let alone = fixture.row(&pair[0]).await.unwrap().version.number();
                    assert!(before.max(last) <= a && a <= alone, "{before} {last} {a} {alone}");
                    last = alone;
                }
            })
        })
        .collect();
    for number in 1..2_000 {
        commit(Expected::Version(version(number))).await.unwrap();
        acknowledged.store(number + 1, Ordering::SeqCst);
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn everything_is_found_again_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let store = open(directory.path());
        for number in 0..round * 100 {
            assert!(holds(&store, number).await);
            // Sent again across a restart: still applied once.
            store.try_commit(&numbered(number)).await.unwrap();
        }
        for number in round * 100..(round + 1) * 100 {
            store.try_commit(&numbered(number)).await.unwrap();
        }
        if round % 2 == 0 {
            store.close().await;
            assert!(matches!(store.try_commit(&numbered(999)).await, Err(Failure::Unknown(_))));
            assert!(store.ping().await.is_err());
            assert!(!holds(&store, 999).await);
        }
    }
    assert_eq!(open(directory.path()).get(&[numbered_key(7)]).await.unwrap()[0].as_ref().unwrap().version, version(1));
}

#[tokio::test]
async fn closing_finishes_what_was_handed_in() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let transactions: Vec<_> = (0..300).map(numbered).collect();
    let commits = join_all(transactions.iter().map(|transaction| store.try_commit(transaction)));
    // The runtime would let each of a task's steps hand in so many only, and the closing between them.
    let commits = tokio::task::unconstrained(commits);
    let (outcomes, ()) = tokio::join!(biased; commits, store.close());
    assert!(outcomes.iter().all(Result::is_ok));
    drop(store);
    let store = open(directory.path());
    for number in 0..300 {
        assert!(holds(&store, number).await);
    }
}

#[tokio::test]
async fn a_directory_in_use_is_not_opened_twice() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.try_commit(&numbered(1)).await.unwrap();
    let error = open_error(directory.path());
    assert!(matches!(&error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("stop it first"), "{error}");
    // The refused one has done no harm.
    store.try_commit(&numbered(2)).await.unwrap();
    drop(store);
    let store = open(directory.path());
    assert!(holds(&store, 1).await && holds(&store, 2).await);
}

#[tokio::test]
async fn an_unknown_format_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).try_commit(&numbered(1)).await.unwrap();
    let format = directory.path().join("format");
    assert_eq!(fs::read_to_string(&format).unwrap(), "1\n");
    for found in ["2\n", "", "1.5", "\u{1b}[31m"] {
        fs::write(&format, found).unwrap();
        let error = open_error(directory.path());
        assert!(matches!(&error, OpenError::UnknownFormat { .. }), "{error}");
        assert!(error.to_string().contains("newer program") && !error.to_string().contains('\u{1b}'), "{error}");
    }
    fs::remove_file(&format).unwrap();
    assert!(matches!(open_error(directory.path()), OpenError::Damaged { .. }));
    fs::write(&format, "1\n").unwrap();
    assert!(holds(&open(directory.path()), 1).await);
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_is_repeated() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("database.new")).unwrap();
    fs::write(directory.path().join("database.new").join("0.jnl"), "half").unwrap();
    fs::write(directory.path().join("format.new"), "").unwrap();
    open(directory.path()).try_commit(&numbered(1)).await.unwrap();
    assert!(holds(&open(directory.path()), 1).await);
}

#[test]
fn a_directory_that_cannot_be_used_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open_error(&file);
    assert!(matches!(&error, OpenError::Inaccessible { .. }), "{error}");
    assert!(error.to_string().contains("check that the path is right"), "{error}");
}

/// A power cut: the journal ends somewhere in the commit under way, cut off or
/// filled with zeros. Whatever was acknowledged is there; what was not is
/// there whole or not at all; and the store goes on from there.
#[tokio::test]
async fn a_torn_journal_keeps_every_acknowledged_commit() {
    const ACKNOWLEDGED: u64 = 3;
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for number in 0..ACKNOWLEDGED {
        store.try_commit(&numbered(number)).await.unwrap();
    }
    let acknowledged = journal_length(directory.path());
    let copy = tempfile::tempdir().unwrap();
    store.try_commit(&numbered(ACKNOWLEDGED)).await.unwrap();
    let whole = journal_length(directory.path());
    assert!(acknowledged < whole, "a commit is in the journal when it is acknowledged");

    for length in (acknowledged..whole).step_by(3).chain([whole]) {
        for filled_with_zeros in [false, true] {
            let torn = copy.path().join("torn");
            copy_directory(directory.path(), &torn);
            let journal = File::options().write(true).open(journal(&torn)).unwrap();
            let size = journal.metadata().unwrap().len();
            journal.set_len(length as u64).unwrap();
            if filled_with_zeros {
                journal.set_len(size).unwrap();
            }
            let store = open(&torn);
            for number in 0..ACKNOWLEDGED {
                assert!(holds(&store, number).await, "commit {number} lost, journal cut at {length}");
            }
            assert_eq!(holds(&store, ACKNOWLEDGED).await, length == whole);
            store.try_commit(&numbered(ACKNOWLEDGED)).await.unwrap();
            store.try_commit(&numbered(ACKNOWLEDGED + 1)).await.unwrap();
            drop(store);
            let store = open(&torn);
            for number in 0..ACKNOWLEDGED + 2 {
                assert!(holds(&store, number).await, "commit {number} lost later, journal cut at {length}");
            }
            drop(store);
            fs::remove_dir_all(&torn).unwrap();
        }
    }
}

/// The one journal of a small store.
fn journal(directory: &Path) -> PathBuf {
    let entries = fs::read_dir(directory.join("database")).unwrap().map(|entry| entry.unwrap().path());
    let journals: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "jnl")).collect();
    let [journal] = journals.as_slice() else { panic!("journals: {journals:?}") };
    journal.clone()
}

/// Up to where the journal is written; what follows is reserved and zero.
fn journal_length(directory: &Path) -> usize {
    let bytes = fs::read(journal(directory)).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

const KILLED_DIRECTORY: &str = "CLOAKROOM_TEST_KILLED_DIRECTORY";

/// A process is killed while it commits; whatever it had acknowledged is there.
#[tokio::test]
async fn a_killed_process_keeps_every_acknowledged_commit() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = 0;
    for _ in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::embedded::commits_until_it_is_killed", "--ignored", "--nocapture"])
            .env(KILLED_DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let acknowledged = lines.filter_map(|line| line.unwrap().strip_prefix("acknowledged ")?.parse::<u64>().ok());
        let last = acknowledged.take_while(|number| *number < first + 500).last().expect("the child has committed");
        child.kill().unwrap();
        child.wait().unwrap();

        let store = open(directory.path());
        for number in 0..=last {
            assert!(holds(&store, number).await, "commit {number} of {last} lost");
        }
        first = last + 1;
    }
}

/// The child of the test above.
#[tokio::test]
#[ignore = "started by a_killed_process_keeps_every_acknowledged_commit"]
#[expect(clippy::print_stdout, reason = "its parent listens")]
async fn commits_until_it_is_killed() {
    let directory = std::env::var(KILLED_DIRECTORY).expect("started by another test");
    let store = open(Path::new(&directory));
    for number in 0.. {
        store.try_commit(&numbered(number)).await.unwrap();
        println!("acknowledged {number}");
    }
}
