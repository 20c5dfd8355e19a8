//! The ledger, when whoever works on it is gone at any step, is one of very many, or has a clock that is wrong.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use cloakroom::{
    clock::{Clock, ManualClock},
    domain::{
        audit_filter::AuditFilter,
        event::EventType,
        instant::Instant,
        standing::StoreIdentity,
        tenant::{Mode, Namespace},
    },
    service::{Broker, ledger_sweep::Extent, listing::PageRequest},
    store::{
        Backend, Failure, Query, Row, RowKey, Store, Transaction, Unavailable,
        faulty::{Fault, FaultyStore},
        memory::MemoryStore,
    },
};
use tokio::task::yield_now;

use super::{deeds::events, laboratory::Laboratory, ledger::replica};

/// A store that gives way before and after whatever it does, so that a caller can be gone there.
pub struct Halting<B>(pub B);

#[async_trait]
impl<B: Backend> Backend for Halting<B> {
    async fn get(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable> {
        yield_now().await;
        let found = self.0.get(keys).await;
        yield_now().await;
        found
    }

    async fn query(&self, query: &Query) -> Result<Vec<Row>, Unavailable> {
        yield_now().await;
        let found = self.0.query(query).await;
        yield_now().await;
        found
    }

    async fn try_commit(&self, transaction: &Transaction) -> Result<(), Failure> {
        yield_now().await;
        let done = self.0.try_commit(transaction).await;
        yield_now().await;
        done
    }

    async fn scan(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<Row>, Unavailable> {
        self.0.scan(after, limit).await
    }

    async fn replace_body(&self, row: &Row, body: &[u8]) -> Result<bool, Unavailable> {
        self.0.replace_body(row, body).await
    }

    async fn count(&self, counter: &RowKey, amount: u64, purge_after: Instant) -> Result<u64, Unavailable> {
        self.0.count(counter, amount, purge_after).await
    }

    async fn remove_counters(&self, partition: &str) -> Result<(), Unavailable> {
        self.0.remove_counters(partition).await
    }

    async fn identity(&self) -> Result<StoreIdentity, Unavailable> {
        self.0.identity().await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.0.ping().await
    }
}

/// What comes of it if it takes no more steps than this; else it is gone where it stands.
pub async fn gone_after<F: Future>(steps: usize, work: F) -> Option<F::Output> {
    let (mut work, mut left) = (pin!(work), steps);
    poll_fn(move |context| match left.checked_sub(1) {
        None => Poll::Ready(None),
        Some(fewer) => {
            left = fewer;
            work.as_mut().poll(context).map(Some)
        }
    })
    .await
}

async fn broker_on(store: impl Backend) -> (Laboratory, Broker, Namespace) {
    let laboratory = Laboratory::new().await;
    let broker = Broker { store: Store::new(Arc::new(store)), ..laboratory.broker.clone() };
    let tenant = broker.create_first_tenant("First".into()).await.unwrap().tenant;
    (laboratory, broker, Namespace { tenant: tenant.id, mode: Mode::Live })
}

/// How many keys the ledger says were made; that it is whole goes without saying.
async fn keys_recorded(broker: &Broker, namespace: Namespace) -> usize {
    let swept = replica(broker).sweep_ledger(namespace, Extent::Whole).await.unwrap();
    assert_eq!(swept.broken, None);
    let events = events(broker, &format!("{}#live", namespace.tenant)).await;
    events.iter().filter(|event| event.kind == EventType::ApiKeyCreated).count()
}

#[tokio::test]
async fn whoever_chains_and_is_gone_at_any_step_leaves_every_event_once() {
    let (_laboratory, broker, namespace) = broker_on(Halting(MemoryStore::new())).await;
    let mut made = 1;
    for steps in 1.. {
        assert!(steps < 1_000, "it never came to its end");
        for _ in 0..3 {
            broker.recover_operator().await.unwrap();
            made += 1;
        }
        let chained = gone_after(steps, replica(&broker).chain(namespace)).await;
        assert_eq!(keys_recorded(&broker, namespace).await, made, "gone after {steps} steps");
        if let Some(chained) = chained {
            assert_eq!(chained.unwrap(), 3);
            assert!(steps > 5, "there were no steps to be gone at");
            break;
        }
    }
}

#[tokio::test]
async fn whoever_verifies_and_signs_and_is_gone_at_any_step_leaves_a_ledger_that_can_be() {
    let (_laboratory, broker, namespace) = broker_on(Halting(MemoryStore::new())).await;
    for (made, steps) in (2..).zip(1..) {
        assert!(steps < 1_000, "it never came to its end");
        broker.recover_operator().await.unwrap();
        let swept = gone_after(steps, replica(&broker).sweep_ledger(namespace, Extent::SinceCheckpoint)).await;
        assert_eq!(keys_recorded(&broker, namespace).await, made, "gone after {steps} steps");
        if let Some(swept) = swept {
            assert_eq!(swept.unwrap().broken, None);
            break;
        }
    }
}

/// An event is there exactly if what it tells of is.
#[tokio::test]
async fn whoever_acts_and_is_gone_at_any_step_has_done_all_of_it_or_nothing() {
    let (_laboratory, broker, namespace) = broker_on(Halting(MemoryStore::new())).await;
    let mut made = 1;
    for steps in 1.. {
        assert!(steps < 1_000, "it never came to its end");
        let done = gone_after(steps, broker.recover_operator()).await;
        let keys = super::deeds::rows(&broker, &format!("keys#{}#live", namespace.tenant)).await.len();
        assert!(keys == made || keys == made + 1);
        made = keys;
        assert_eq!(keys_recorded(&broker, namespace).await, keys, "gone after {steps} steps");
        if done.is_some() {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_append_under_every_fault_and_each_event_is_there_once() {
    let faulty = Arc::new(FaultyStore::new(MemoryStore::new()));
    let (_laboratory, broker, namespace) = broker_on(Halting(Arc::clone(&faulty))).await;
    let faults = Fault::ALL.into_iter().flat_map(|first| Fault::ALL.map(|then| [first, then, Fault::Ok]));
    faulty.plan(faults.flatten().cycle().take(2_000));
    let appending = (0..100).map(|_| {
        let broker = replica(&broker);
        tokio::spawn(async move {
            for _ in 0..3 {
                broker.recover_operator().await.unwrap();
            }
        })
    });
    let appending: Vec<_> = appending.collect();
    let chaining = (0..4).map(|number| {
        let broker = replica(&broker);
        tokio::spawn(async move {
            for round in 0..40 {
                // One of them never comes to an end.
                let _again = gone_after(if number == 0 { round } else { usize::MAX }, broker.chain(namespace)).await;
            }
        })
    });
    for task in chaining.collect::<Vec<_>>().into_iter().chain(appending) {
        task.await.unwrap();
    }
    faulty.clear_plan();
    faulty.settle().await;
    broker.chain(namespace).await.unwrap();
    assert_eq!(keys_recorded(&broker, namespace).await, 301);
}

#[tokio::test]
async fn a_clock_that_goes_back_breaks_nothing_and_hides_nothing() {
    let (laboratory, broker, namespace) = broker_on(MemoryStore::new()).await;
    let hours = |count: u64| Duration::from_secs(count * 3600);
    let began = laboratory.clock.now();
    let behind = |by: Duration| Broker { clock: Arc::new(ManualClock::at(began.minus(by))), ..replica(&broker) };
    // Forth and back, chained in between, so that a later record has an earlier time.
    for back in [0, 5, 1, 23, 0] {
        behind(hours(back)).recover_operator().await.unwrap();
        behind(hours(back)).chain(namespace).await.unwrap();
    }
    assert_eq!(keys_recorded(&broker, namespace).await, 6);
    let key = broker.recover_operator().await.unwrap().secret;
    let asking = super::laboratory::asking();
    let caller = broker.authenticate(&cloakroom::crypto::secret::SecretText::new(key.expose()), asking).await.unwrap();
    let before = |by: u64| AuditFilter {
        kind: Some(EventType::ApiKeyCreated),
        before: Some(began.minus(hours(by))),
        ..AuditFilter::default()
    };
    for (hours_before, found) in [(0, 3), (2, 2), (6, 1), (24, 0)] {
        let page = broker.audit(&caller, &before(hours_before), &PageRequest::default()).await.unwrap();
        assert_eq!(page.items.len(), found, "{hours_before} hours before");
    }
}
