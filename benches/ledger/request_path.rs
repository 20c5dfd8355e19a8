//! What its event adds to a request: the same two rows, as a mint writes them, committed with an event and without one, in turns; one at a time,
//! and by 64 at once. The event is made, vouched for and put into the outbox, as a use case does. Chaining is not part of a request.

use std::time::Instant;

use cloakroom::{
    domain::ids::AttemptId,
    entropy::{Entropy, SystemEntropy},
    store::{Expected, RowKey, Transaction, Write},
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Measured, append, percentiles};

const ROUNDS: usize = 20;

const EACH: usize = 100;

pub(crate) async fn measure(measured: &Measured) -> Value {
    println!("{:<34} {:>10} {:>10} {:>10}", "a commit of two rows, µs (median)", "without", "with", "added");
    let mut figures = json!({});
    for (name, at_once) in [("one_at_a_time", 1), ("64_at_once", 64)] {
        let mut spans = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (with_event, spans) in spans.iter_mut().enumerate() {
                for _ in 0..(EACH / at_once).max(4) {
                    let commits = (0..at_once).map(|_| commit(measured, with_event == 1));
                    spans.extend(join_all(commits).await);
                }
            }
        }
        let [(without, _), (with, _)] = spans.map(|mut spans| percentiles(&mut spans));
        println!("{name:<34} {without:>10.0} {with:>10.0} {:>10.1}", with - without);
        figures[name] = json!({ "without_us": without, "with_us": with, "added_us": with - without });
    }
    // They are taken out of the way.
    measured.broker.chain(measured.long).await.unwrap();
    figures
}

/// Microseconds from making the event to hearing that all is durable.
async fn commit(measured: &Measured, with_event: bool) -> f64 {
    let broker = &measured.broker;
    let attempt = AttemptId::new(broker.now(), (&SystemEntropy as &dyn Entropy).bytes());
    let row = |sort: &str, bytes: usize| Write {
        key: RowKey::new(format!("measured#{attempt}"), sort),
        expected: Expected::Absent,
        body: vec![7; bytes],
        purge_after: None,
    };
    let started = Instant::now();
    let transaction = match with_event {
        true => {
            let event = append::outbox_event(broker, attempt, measured.long, 1);
            Transaction::recording(attempt, event).write(row("grant", 900))
        }
        false => Transaction::noting(attempt, row("grant", 900)),
    };
    broker.store.commit(transaction.write(row("state", 400))).await.unwrap();
    started.elapsed().as_secs_f64() * 1e6
}
