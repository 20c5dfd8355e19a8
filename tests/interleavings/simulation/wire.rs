//! The network between replicas and their one store: it delivers what it has been handed in any order, late, twice or never.
//!
//! Never here: a fault that no real network or store could show.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cloakroom::{
    domain::{instant::Instant, standing::StoreIdentity},
    store::{Backend, Failure, Query, Row, RowKey, Transaction, Unavailable, memory::MemoryStore},
};
use futures_util::FutureExt;
use tokio::sync::oneshot::{Sender, channel};

use super::chance::Chance;

/// A question that is read from the store, or not, when it is delivered.
type Reading = Box<dyn FnOnce(Option<&MemoryStore>) + Send>;

enum Packet {
    /// Rows are read one by one, each as it is at that moment.
    Get {
        keys: Vec<RowKey>,
        found: Vec<Option<Option<Row>>>,
        answer: Sender<Result<Vec<Option<Row>>, Unavailable>>,
    },
    Read(Reading),
    Commit {
        transaction: Transaction,
        answer: Sender<Result<(), Failure>>,
    },
}

#[derive(Default)]
struct State {
    /// Where nothing is lost, all is done at once.
    is_reliable: bool,
    packets: Vec<Packet>,
    /// What the network still has, though nobody waits for its answer.
    late: Vec<Transaction>,
}

/// What became of it, told as numbers to be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub delivered: u64,
    pub lost_requests: u64,
    pub lost_answers: u64,
    pub late: u64,
    pub torn_reads: u64,
}

pub struct Wire {
    pub store: MemoryStore,
    state: Mutex<State>,
    traffic: Mutex<Traffic>,
}

fn lost<T>() -> Result<T, Unavailable> {
    Err(Unavailable("lost on the way".into()))
}

impl Wire {
    /// One that is reliable at first.
    pub fn new() -> Arc<Self> {
        let state = State { is_reliable: true, ..State::default() };
        Arc::new(Self { store: MemoryStore::new(), state: Mutex::new(state), traffic: Mutex::default() })
    }

    pub fn be_reliable(&self, is_reliable: bool) {
        self.state().is_reliable = is_reliable;
    }

    pub fn traffic(&self) -> Traffic {
        *self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with one of the packets under way, if there are any.
    pub fn deliver_one(&self, chance: &mut Chance) {
        let packet = {
            let packets = &mut self.state().packets;
            if packets.is_empty() {
                return;
            }
            let at = chance.below(packets.len());
            packets.swap_remove(at)
        };
        match packet {
            Packet::Get { answer, .. } if chance.is_one_in(40) => {
                self.count(|traffic| traffic.lost_requests += 1);
                let _nobody_waits = answer.send(lost());
            }
            Packet::Get { keys, found, answer } => self.read_some(chance, keys, found, answer),
            Packet::Read(read) => match chance.is_one_in(40) {
                true => read(None),
                false => read(Some(&self.store)),
            },
            Packet::Commit { transaction, answer } => {
                let outcome = self.commit(chance, transaction);
                let _nobody_waits = answer.send(outcome);
            }
        }
    }

    /// A batch of reads is not of one moment: some rows are read now, and the others when it is its turn again.
    fn read_some(
        &self,
        chance: &mut Chance,
        keys: Vec<RowKey>,
        mut found: Vec<Option<Option<Row>>>,
        answer: Sender<Result<Vec<Option<Row>>, Unavailable>>,
    ) {
        let is_torn = keys.len() > 1 && chance.is_one_in(3);
        for (key, found) in keys.iter().zip(&mut found) {
            if found.is_none() && !(is_torn && chance.is_one_in(2)) {
                *found = at_once(self.store.get(std::slice::from_ref(key))).map(|mut rows| rows.remove(0)).ok();
            }
        }
        if found.iter().any(Option::is_none) {
            self.count(|traffic| traffic.torn_reads += 1);
            self.state().packets.push(Packet::Get { keys, found, answer });
        } else {
            let _nobody_waits = answer.send(Ok(found.into_iter().flatten().collect()));
        }
    }

    fn commit(&self, chance: &mut Chance, transaction: Transaction) -> Result<(), Failure> {
        self.count(|traffic| traffic.delivered += 1);
        match chance.below(20) {
            0 => {
                self.count(|traffic| traffic.lost_requests += 1);
                Err(Failure::Unknown("the request was lost".into()))
            }
            1 | 2 => {
                self.count(|traffic| traffic.lost_answers += 1);
                let _unheard = at_once(self.store.try_commit(&transaction));
                Err(Failure::Unknown("the answer was lost".into()))
            }
            3 | 4 => {
                self.state().late.push(transaction);
                Err(Failure::Unknown("held up".into()))
            }
            5 => Err(Failure::Contended),
            // Sent on twice.
            6 => {
                self.state().late.push(transaction.clone());
                at_once(self.store.try_commit(&transaction))
            }
            _ => at_once(self.store.try_commit(&transaction)),
        }
    }

    /// Delivers one of the commits that were held up.
    pub fn deliver_late(&self, chance: &mut Chance) {
        let transaction = {
            let late = &mut self.state().late;
            if late.is_empty() {
                return;
            }
            let at = chance.below(late.len());
            late.swap_remove(at)
        };
        self.count(|traffic| traffic.late += 1);
        let _unheard = at_once(self.store.try_commit(&transaction));
    }

    /// Delivers all that was held up, and answers nobody.
    pub fn settle(&self, chance: &mut Chance) {
        while !self.state().late.is_empty() {
            self.deliver_late(chance);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, add: impl FnOnce(&mut Traffic)) {
        add(&mut self.traffic.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn hand_over(&self, packet: Packet) {
        self.state().packets.push(packet);
    }

    async fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&MemoryStore) -> Result<T, Unavailable> + Send + 'static,
    ) -> Result<T, Unavailable> {
        if self.state().is_reliable {
            return read(&self.store);
        }
        let (answer, answered) = channel();
        self.hand_over(Packet::Read(Box::new(|store| {
            let _nobody_waits = answer.send(store.map_or_else(lost, read));
        })));
        answered.await.unwrap_or_else(|_| lost())
    }
}

/// A store in memory waits for nothing.
fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("a store in memory answers at once")
}

#[async_trait]
impl Backend for Wire {
    async fn get(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, Unavailable> {
        if self.state().is_reliable {
            return self.store.get(keys).await;
        }
        let (answer, answered) = channel();
        self.hand_over(Packet::Get { keys: keys.to_vec(), found: vec![None; keys.len()], answer });
        answered.await.unwrap_or_else(|_| lost())
    }

    async fn query(&self, query: &Query) -> Result<Vec<Row>, Unavailable> {
        let query = query.clone();
        self.ask(move |store| at_once(store.query(&query))).await
    }

    async fn try_commit(&self, transaction: &Transaction) -> Result<(), Failure> {
        if self.state().is_reliable {
            return self.store.try_commit(transaction).await;
        }
        let (answer, answered) = channel();
        self.hand_over(Packet::Commit { transaction: transaction.clone(), answer });
        answered.await.unwrap_or_else(|_| Err(Failure::Unknown("lost on the way".into())))
    }

    async fn scan(&self, after: Option<&RowKey>, limit: usize) -> Result<Vec<Row>, Unavailable> {
        let after = after.cloned();
        self.ask(move |store| at_once(store.scan(after.as_ref(), limit))).await
    }

    async fn replace_body(&self, row: &Row, body: &[u8]) -> Result<bool, Unavailable> {
        let (row, body) = (row.clone(), body.to_vec());
        self.ask(move |store| at_once(store.replace_body(&row, &body))).await
    }

    async fn count(&self, counter: &RowKey, amount: u64, purge_after: Instant) -> Result<u64, Unavailable> {
        let counter = counter.clone();
        self.ask(move |store| at_once(store.count(&counter, amount, purge_after))).await
    }

    async fn remove_counters(&self, partition: &str) -> Result<(), Unavailable> {
        let partition = partition.to_owned();
        self.ask(move |store| at_once(store.remove_counters(&partition))).await
    }

    async fn identity(&self) -> Result<StoreIdentity, Unavailable> {
        self.ask(|store| at_once(store.identity())).await
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        self.ask(|store| at_once(store.ping())).await
    }
}
