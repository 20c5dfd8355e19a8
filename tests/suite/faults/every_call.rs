//! Every call meets every fault: within a bounded time it is told that nothing is known, or it was done all the same; and
//! when the fault is over, it is done, once.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use super::{
    key_calls::{self, Kept, KeyCalls},
    object_calls::{self, Found, ObjectCalls},
    store_calls::{self, OwnTable, StoreCalls},
    unreliable::{Fault, Unreliable},
};
use crate::objects::bench::setting;

/// Longer than anything that the broker has patience for, on a machine that is busy.
const BOUND: Duration = Duration::from_secs(90);

/// Whether one such fault is got over without anybody noticing, by repetition.
fn is_got_over(call: &str, fault: Fault) -> bool {
    match fault {
        // Sent again with the same credentials it would be answered the same.
        Fault::Told(_, "ExpiredTokenException" | "ExpiredToken" | "UnrecognizedClientException")
        | Fault::Told(_, "InvalidAccessKeyId" | "RequestTimeTooSkewed") => false,
        // The SDK takes it for a fault of its own; commits are sent again by us, and a parameter is asked for by us.
        Fault::Garbled => matches!(call, "GetParameter" | "TransactWriteItems"),
        // Its head has come, and half of the bytes were passed on.
        Fault::Half => call != "GetObject",
        _ => true,
    }
}

/// One call behind a relay of its own.
struct Meeting {
    call: &'static str,
    fault: Fault,
    times: Option<usize>,
    relay: Unreliable,
    calls: Calls,
}

enum Calls {
    Store(StoreCalls),
    Objects(Box<ObjectCalls>),
    Keys(Box<KeyCalls>),
}

/// Whose calls they are.
#[derive(Clone, Copy)]
enum Whose {
    Store,
    Objects,
    Keys,
}

/// How often something is asked for again: emulators that have much to do are slow at times.
const PATIENCE: usize = 20;

impl Meeting {
    async fn make(&self) -> Result<(), String> {
        match &self.calls {
            Calls::Store(calls) => calls.make(self.call).await.map_err(|fault| fault.0),
            Calls::Objects(calls) => calls.make(self.call).await.map_err(|fault| fault.0),
            Calls::Keys(calls) => calls.make(self.call).await,
        }
    }

    /// What the call answers that meets the fault; who was timed out before has met none.
    async fn answer(&self) -> Result<(), String> {
        for _ in 0..PATIENCE {
            let answer = self.make().await;
            if self.relay.met(self.call) > 0 {
                return answer;
            }
        }
        panic!("{} was not made", self.call)
    }

    async fn takes_place(&self) {
        let Self { call, fault, times, relay, calls } = self;
        match times {
            None => relay.plan(call, *fault),
            Some(times) => relay.plan_some(call, *fault, *times),
        }
        let answer = self.answer().await;
        let expected = (times.is_some() && is_got_over(call, *fault)) || key_calls::is_found_out(call, *fault);
        // It was repeated, and an emulator that has much to do did not answer that.
        let is_slow = expected && relay.asked(call) > relay.met(call);
        assert!(answer.is_ok() == expected || is_slow, "{call}, {fault:?}, {times:?}: {answer:?}");
        let claims = async || match calls {
            Calls::Store(calls) if *call == "TransactWriteItems" => Some(calls.claims().await),
            _ => None,
        };
        if let Some(claims) = claims().await {
            // What was repeated and not answered may have been done.
            let is_known = !is_slow || answer.is_ok();
            let expected = usize::from(fault.is_done() || answer.is_ok());
            assert!(claims == expected || (!is_known && claims == 1), "{fault:?}, {times:?}: {claims} claims");
        }
        // Not before that: an attempt that was given up may arrive late, and would be carried out.
        relay.mend();
        for _ in 0..PATIENCE {
            if self.make().await.is_ok() {
                assert!(claims().await.is_none_or(|claims| claims == 1), "{fault:?}, {times:?}");
                return;
            }
        }
        panic!("{call}, {fault:?}, {times:?}: {:?}", self.make().await)
    }
}

/// Whether it is mostly waited for.
fn takes_long(call: &str, fault: Fault, times: Option<usize>) -> bool {
    matches!(fault, Fault::Silent | Fault::SilentDone) || (call == "TransactWriteItems" && times.is_none())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_fails_is_told_and_done_once_when_the_fault_is_over() {
    let (found, table, kept) = (Found::put().await, OwnTable::new().await, Kept::new().await);
    let of_store = store_calls::CALLS.iter().flat_map(|call| store_calls::FAULTS.map(|fault| (*call, fault)));
    let of_store = of_store.chain(store_calls::OWN_FAULTS).map(|(call, fault)| (Whose::Store, call, fault));
    let of_objects = object_calls::CALLS.iter().flat_map(|call| object_calls::FAULTS.map(|fault| (*call, fault)));
    let of_objects = of_objects.chain(object_calls::OWN_FAULTS).map(|(call, fault)| (Whose::Objects, call, fault));
    let of_keys = key_calls::CALLS.iter().flat_map(|call| key_calls::FAULTS.map(|fault| (Whose::Keys, *call, fault)));
    let cells: Vec<_> = of_store.chain(of_objects).chain(of_keys).collect();
    // All wait at once. What works is held to a few at a time: emulators that are asked too much are slow by themselves.
    let few = Arc::new(Semaphore::new(4));
    let meeting = |(whose, call, fault): (Whose, &'static str, Fault), times: Option<usize>| {
        let (few, found, table) = (few.clone(), found.clone(), table.name.clone());
        let kept = kept.clone();
        async move {
            let _turn = if takes_long(call, fault, times) { None } else { Some(few.acquire_owned().await.unwrap()) };
            let relay = Unreliable::before(&match whose {
                Whose::Store => setting("CLOAKROOM_TEST_DYNAMODB_ENDPOINT"),
                Whose::Objects => setting("CLOAKROOM_TEST_S3_ENDPOINT"),
                Whose::Keys => key_calls::endpoint_of(call),
            });
            let calls = match whose {
                Whose::Store => Calls::Store(StoreCalls::at(&relay.url, table)),
                Whose::Objects => Calls::Objects(Box::new(ObjectCalls::at(&relay.url, found, call).await)),
                Whose::Keys => Calls::Keys(Box::new(KeyCalls::at(&relay.url, kept, call).await)),
            };
            let meeting = Meeting { call, fault, times, relay, calls };
            let taken_place = timeout(BOUND, meeting.takes_place()).await;
            taken_place.unwrap_or_else(|_| panic!("{call}, {fault:?}, {times:?}: no end"));
        }
    };
    // The SDK repeats so much in a process and no more: what fails for ever uses that up, and comes after the rest.
    let mut failed = told(cells.iter().map(|cell| meeting(*cell, Some(1)))).await;
    failed.extend(told(cells.iter().map(|cell| meeting(*cell, None))).await);
    table.remove().await;
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), 2 * cells.len(), failed.join("\n"));
}

/// What those say that failed.
async fn told(meetings: impl Iterator<Item = impl Future<Output = ()> + Send + 'static>) -> Vec<String> {
    let mut meetings: JoinSet<()> = meetings.collect();
    let mut failed = Vec::new();
    while let Some(met) = meetings.join_next().await {
        if let Err(panicked) = met {
            let says = panicked.into_panic();
            failed.push(says.downcast_ref::<String>().cloned().unwrap_or_else(|| "it says nothing".into()));
        }
    }
    failed
}
