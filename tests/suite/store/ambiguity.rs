//! Lost, late and failed answers: every commit ends definite, applied once,
//! recorded once. The conformance suite runs under faults too; here each fault
//! stands alone, and what happens in between is chosen.

use std::sync::Arc;

use cloakroom::store::{
    Backend, CommitError, Expected, Failure, Query, Store, Version,
    embedded::EmbeddedStore,
    faulty::{Fault, FaultyStore},
    memory::MemoryStore,
};

use super::fixture::{self, Fixture, write};

/// A fixture whose faults are planned by the test.
struct Planned {
    fixture: Fixture,
    faulty: Arc<FaultyStore<Arc<dyn Backend>>>,
}

impl Planned {
    fn over(backend: Arc<dyn Backend>, directory: Option<tempfile::TempDir>) -> Self {
        let faulty = Arc::new(FaultyStore::new(backend));
        Self { fixture: Fixture::on(faulty.clone(), 0, directory), faulty }
    }

    async fn each() -> [Self; 3] {
        let directory = tempfile::tempdir().unwrap();
        let embedded = Arc::new(EmbeddedStore::open(directory.path()).unwrap());
        [
            Self::over(Arc::new(MemoryStore::new()), None),
            Self::over(embedded, Some(directory)),
            Self::over(Arc::new(fixture::dynamodb_store()), None),
        ]
    }
}

#[tokio::test]
async fn every_pair_of_faults_ends_definite_and_applied_once() {
    for Planned { fixture, faulty } in Planned::each().await {
        for first in Fault::ALL {
            for second in Fault::ALL {
                let key = fixture.key(&format!("{first:?} {second:?}"), "state");
                let transaction = fixture.transaction().write(write(&key, Expected::Absent, b"mine"));
                faulty.plan([first, second]);
                fixture.store.commit(transaction.clone()).await.unwrap();
                faulty.settle().await;
                let row = fixture.row(&key).await.unwrap();
                assert_eq!((row.version, row.body.as_slice()), (Version::FIRST, b"mine".as_slice()));
                assert_eq!(fixture.recorded(&transaction).await, 1);
                faulty.clear_plan();
            }
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_found_again_after_others_have_changed_the_row() {
    for Planned { fixture, faulty } in Planned::each().await {
        let key = fixture.key("p", "s");
        let mine = fixture.transaction().write(write(&key, Expected::Absent, b"mine"));
        faulty.plan([Fault::FailedButApplied]);
        assert!(matches!(faulty.try_commit(&mine).await, Err(Failure::Unknown(_))));
        fixture.put(&key, Expected::Version(Version::FIRST), b"revoked").await.unwrap();
        fixture.store.commit(mine.clone()).await.unwrap();
        let row = fixture.row(&key).await.unwrap();
        assert_eq!((row.version.number(), row.body.as_slice()), (2, b"revoked".as_slice()));
        assert_eq!(fixture.recorded(&mine).await, 1);
    }
}

#[tokio::test]
async fn a_commit_that_was_overtaken_has_lost_for_good() {
    for Planned { fixture, faulty } in Planned::each().await {
        let key = fixture.key("p", "s");
        let late = fixture.transaction().write(write(&key, Expected::Absent, b"late"));
        faulty.plan([Fault::AppliedLate]);
        assert!(matches!(faulty.try_commit(&late).await, Err(Failure::Unknown(_))));
        // Not there, and yet not "not applied": reading would prove nothing.
        assert_eq!(fixture.row(&key).await, None);
        fixture.put(&key, Expected::Absent, b"winner").await.unwrap();
        assert!(matches!(fixture.store.commit(late.clone()).await, Err(CommitError::Stale(_))));
        assert_eq!(fixture.row(&key).await.unwrap().body, b"winner");
        assert_eq!(fixture.recorded(&late).await, 0);
    }
}

#[tokio::test]
async fn a_commit_that_was_held_up_is_applied_by_the_next_one() {
    for Planned { fixture, faulty } in Planned::each().await {
        let (key, other) = (fixture.key("p", "s"), fixture.key("p", "other"));
        let late = fixture.transaction().write(write(&key, Expected::Absent, b"late"));
        faulty.plan([Fault::AppliedLate]);
        assert!(faulty.try_commit(&late).await.is_err());
        fixture.put(&other, Expected::Absent, b"next").await.unwrap();
        assert_eq!(fixture.row(&key).await.unwrap().body, b"late");
        fixture.store.commit(late.clone()).await.unwrap();
        assert_eq!(fixture.row(&key).await.unwrap().version, Version::FIRST);
        assert_eq!(fixture.recorded(&late).await, 1);
    }
}

#[tokio::test]
async fn a_store_that_fails_grants_nothing() {
    let faulty = Arc::new(FaultyStore::new(MemoryStore::new()));
    let fixture = Fixture::on(faulty.clone(), 0, None);
    let key = fixture.key("p", "s");
    faulty.fail_commits(true);
    assert!(matches!(fixture.put(&key, Expected::Absent, b"").await, Err(CommitError::Unavailable(_))));
    faulty.fail_commits(false);
    assert_eq!(fixture.row(&key).await, None);
    faulty.fail_reads(true);
    let store: &Store = &fixture.store;
    assert!(store.get([key.clone()]).await.is_err());
    let direction = cloakroom::store::Direction::Ascending;
    let query =
        Query { partition: fixture.partition("p"), begins_with: String::new(), after: None, limit: 1, direction };
    assert!(store.query(&query).await.is_err());
    assert!(store.ping().await.is_err());
    faulty.fail_reads(false);
    assert!(store.ping().await.is_ok());
}
