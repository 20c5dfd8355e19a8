//! All of the long ledger verified, and each token held against it: records a second of wall clock and of processor time, beside what SHA-256 of
//! these same texts takes in this run, with the same crate.

use std::{hint::black_box, time::Instant};

use cloakroom::{
    crypto::record_hash::of_record,
    domain::ledger::Segment,
    service::ledger_sweep::Extent,
    store::{Direction, Query, RowKey},
};
use serde_json::{Value, json};

use super::{Measured, process};

const ROUNDS: usize = 3;

pub(crate) async fn measure(measured: &Measured) -> Value {
    let (broker, long) = (&measured.broker, measured.long);
    println!("\n{:<34} {:>12} {:>14} {:>12} {:>8}", "verified", "records/s", "/s a core", "SHA-256/s", "ratio");
    let mut best = json!({ "per_core": 0.0 });
    let before = process::memory("VmRSS:");
    process::forget_most_memory();
    for _ in 0..ROUNDS {
        let (started, processor) = (Instant::now(), process::processor_seconds());
        let swept = broker.sweep_ledger(long, Extent::Whole).await.unwrap();
        let (seconds, processor) = (started.elapsed().as_secs_f64(), process::processor_seconds() - processor);
        assert!(swept.broken.is_none());
        let records = swept.head.size as f64;
        let (hashed, bytes) = hashing(measured).await;
        let (rate, per_core, ratio) = (records / seconds, records / processor, records / processor / hashed);
        println!("{:<34} {rate:>12.0} {per_core:>14.0} {hashed:>12.0} {ratio:>8.2}", "all of it, with redemptions");
        if per_core > best["per_core"].as_f64().unwrap() {
            let tokens = swept.redemptions.map_or(0, |proof| proof.tokens);
            best = json!({ "records": records, "tokens": tokens, "per_second": rate, "per_core": per_core,
                "sha256_per_second": hashed, "ratio": ratio, "bytes_each": bytes });
        }
    }
    best["memory_before_mb"] = json!(before);
    best["memory_most_mb"] = json!(process::memory("VmHWM:"));
    println!("memory: {before:.0} MB before, {:.0} MB at most meanwhile", process::memory("VmHWM:"));
    best
}

/// How many such texts are hashed a second, and nothing else; and how long they are.
async fn hashing(measured: &Measured) -> (f64, usize) {
    let partition = format!("ledger#{}#live", measured.long.tenant);
    let query =
        Query { partition, begins_with: String::new(), after: None, limit: 500, direction: Direction::Descending };
    let rows = measured.broker.store.query(&query).await.unwrap();
    let keyring = &measured.broker.keyring;
    let bodies = rows.iter().map(|row| {
        let RowKey { partition, sort } = &row.key;
        keyring.authentic_by_first_line(partition, sort, &row.body).unwrap()
    });
    let texts: Vec<&str> = bodies.flat_map(|body| Segment::read(body).unwrap().records).collect();
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let started = Instant::now();
        for text in &texts {
            black_box(of_record(black_box(text)));
        }
        best = best.max(texts.len() as f64 / started.elapsed().as_secs_f64());
    }
    (best, texts.iter().map(|text| text.len()).sum::<usize>() / texts.len())
}
