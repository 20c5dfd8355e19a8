//! What limits add to a request: two brokers in turns, one without limits and one with all that a caller
//! can meet, each so high that nobody does.

use std::{path::Path, sync::Arc};

use serde_json::{Value, json};

use crate::{
    load::{Load, Requests},
    median,
    operation::measured,
    process::{Server, admin_key, request},
};

const HIGH: &str = "principal=1000000/1s,tenant=1000000/1s";

/// Microseconds of processor time for a request with and without limits.
pub(crate) fn figures(program: &Path, workers: usize, load: Load, rounds: usize) -> Value {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let brokers = ["off", HIGH].map(|limits| {
        let data = folders[usize::from(limits == HIGH)].path().join("data");
        let (server, _) = Server::start_limited(program, &data, workers, Some(limits));
        let bytes = vec![request(server.api, "GET", "/v1/receipt-keys", &admin_key(&data), "", "keep-alive")];
        (server, Arc::new(Requests { bytes, again: true }))
    });
    let mut costs = [Vec::new(), Vec::new()];
    let mut added = Vec::new();
    for _ in 0..rounds {
        let round = [0, 1].map(|which| {
            let (server, requests) = &brokers[which];
            measured(&server.process, server.api, requests, 200, load).1
        });
        added.push(round[1] - round[0]);
        (0..2).for_each(|which| costs[which].push(round[which]));
    }
    let [without, with] = costs.map(|mut costs| median(&mut costs));
    let added = median(&mut added);
    println!(
        "an authenticated request: {without:.1} µs of processor time without limits, {with:.1} with ({added:+.1})\n"
    );
    json!({ "without_us": without, "with_us": with, "added_us": added })
}
