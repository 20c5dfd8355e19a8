//! How long a start takes, and how much memory an idle broker has.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{Options, data_directory, inside, process::Server, spread::Spread};

const ROWS: usize = 100_000;

pub(crate) fn figures(options: &Options, workers: usize) -> Value {
    let times = if options.quick { 5 } else { 11 };
    let start = |data: &Path| {
        let (server, ready_after) = Server::start(&options.program, data, workers);
        let ready = ready_after.as_secs_f64() * 1e3;
        std::thread::sleep(Duration::from_millis(300));
        (ready, server.process.resident())
    };
    let mut figures = json!({});
    let mut report = |name: &str, starts: Vec<(f64, f64)>| {
        let (ready, resident): (Vec<f64>, Vec<f64>) = starts.into_iter().unzip();
        let (ready, resident) = (Spread::of(&ready), Spread::of(&resident));
        println!(
            "{name:<34} ready after {:6.1} ms ({:.1} to {:.1}), idle with {:5.1} MB",
            ready.median, ready.least, ready.most, resident.median
        );
        figures[name] = json!({ "ready_ms": ready.json(), "idle_mb": resident.json() });
    };
    let (_folder, data) = data_directory();
    let first = |_| {
        let (_folder, data) = data_directory();
        start(&data)
    };
    report("first start, empty directory", (0..times).map(first).collect());
    start(&data);
    report("start again, nothing but a tenant", (0..times).map(|_| start(&data)).collect());
    inside::fill(&data.join("store"), ROWS);
    report("start with 100,000 rows", (0..times).map(|_| start(&data)).collect());
    println!();
    figures
}
