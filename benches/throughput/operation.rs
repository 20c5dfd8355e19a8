//! One operation beside its bare handler: what each round came to, at each number of connections and at a fixed rate.
//!
//! Never here: what is asked of the broker (`scenario.rs`), or how it is sent (`load.rs`, `paced.rs`).

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use serde_json::{Value, json};

use crate::{
    bare::Bare,
    histogram::Histogram,
    load::{self, Load, Requests, Round},
    paced::{self, Pace},
    process::{Process, Server},
    spread::Spread,
};

/// What the system counts processor time in: less than that cannot be told.
const TICK: f64 = 0.01;

/// An operation and what was measured of it.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// The share of a bare handler's rate that is aimed at.
    aim: Option<f64>,
    expected: u16,
    bare: Bare,
    /// As fast as they are answered, by connections.
    closed: BTreeMap<usize, Rounds>,
    /// So many a second.
    paced: Option<(f64, Rounds)>,
}

/// A figure a round, and the latencies of all of them.
struct Rounds {
    bare_rates: Vec<f64>,
    rates: Vec<f64>,
    ratios: Vec<f64>,
    /// Microseconds of processor time that the bare handler takes for a request.
    bare_costs: Vec<f64>,
    /// And the broker.
    costs: Vec<f64>,
    cost_ratios: Vec<f64>,
    p50_ratios: Vec<f64>,
    p99_ratios: Vec<f64>,
    bare_latencies: Histogram,
    latencies: Histogram,
}

impl Rounds {
    fn new() -> Self {
        let [bare_rates, rates, ratios, bare_costs, costs, cost_ratios, p50_ratios, p99_ratios] =
            [(); 8].map(|()| Vec::new());
        let [bare_latencies, latencies] = [(); 2].map(|()| Histogram::new());
        Self {
            bare_rates,
            rates,
            ratios,
            bare_costs,
            costs,
            cost_ratios,
            p50_ratios,
            p99_ratios,
            bare_latencies,
            latencies,
        }
    }

    /// The bare handler before, the broker, the bare handler after.
    fn add(&mut self, [before, here, after]: [&(Round, f64); 3]) {
        let mut bare_latencies = before.0.latencies.clone();
        bare_latencies.add(&after.0.latencies);
        let latencies = &here.0.latencies;
        let (bare, rate) = (f64::midpoint(before.0.rate(), after.0.rate()), here.0.rate());
        let (bare_cost, cost) = (f64::midpoint(before.1, after.1), here.1);
        let slower = |part| latencies.microseconds(part) / bare_latencies.microseconds(part);
        self.bare_rates.push(bare);
        self.rates.push(rate);
        self.ratios.push(rate / bare);
        self.bare_costs.push(bare_cost);
        self.costs.push(cost);
        self.cost_ratios.push(cost / bare_cost);
        self.p50_ratios.push(slower(0.5));
        self.p99_ratios.push(slower(0.99));
        self.bare_latencies.add(&bare_latencies);
        self.latencies.add(latencies);
    }

    fn json(&self) -> Value {
        let spread = |figures: &[f64]| Spread::of(figures).json();
        json!({
            "bare_per_second": spread(&self.bare_rates), "per_second": spread(&self.rates), "ratio": spread(&self.ratios),
            "bare_processor_us": spread(&self.bare_costs), "processor_us": spread(&self.costs),
            "processor_ratio": spread(&self.cost_ratios),
            "p50_ratio": spread(&self.p50_ratios), "p99_ratio": spread(&self.p99_ratios),
            "bare_latency_us": self.bare_latencies.json(), "latency_us": self.latencies.json(),
        })
    }
}

impl Operation {
    /// Takes the size of its answers from a first answer.
    pub(crate) fn new(name: &'static str, aim: bool, workers: usize, (status, answer): (u16, String)) -> Self {
        assert!((200..300).contains(&status), "{name}: {status} {answer}");
        Self {
            name,
            aim: aim.then_some(1.0 / 3.0),
            expected: status,
            bare: Bare::start(&answer, workers),
            closed: BTreeMap::new(),
            paced: None,
        }
    }

    /// The bare handler, the broker, the bare handler: with the same requests.
    /// Answers the tokens that came back.
    pub(crate) fn round(&mut self, server: &Server, requests: Requests, load: Load) -> Vec<String> {
        let again = Arc::new(Requests { again: true, bytes: requests.bytes.clone() });
        let half = Load { span: load.span / 2, ..load };
        let bare = || measured(&self.bare.process, self.bare.address, &again, 200, half);
        let before = bare();
        let mut here = measured(&server.process, server.api, &Arc::new(requests), self.expected, load);
        let after = bare();
        self.closed.entry(load.connections).or_insert_with(Rounds::new).add([&before, &here, &after]);
        std::mem::take(&mut here.0.tokens)
    }

    /// The same, at half the rate that the broker reached at so many connections: the bare handler as well.
    pub(crate) fn paced_round(&mut self, server: &Server, requests: Requests, load: Load) -> Vec<String> {
        let again = Requests { again: true, bytes: requests.bytes.clone() };
        let half = Load { span: load.span / 2, ..load };
        let reached = &self.closed[&load.connections];
        let rate = Spread::of(&reached.rates).median / 2.0;
        let bare = || {
            let pace = Pace { address: self.bare.address, expected: 200, rate };
            costing(&self.bare.process, || paced::round(pace, &again, half))
        };
        let before = bare();
        let pace = Pace { address: server.api, expected: self.expected, rate };
        let mut here = costing(&server.process, || paced::round(pace, &requests, load));
        let after = bare();
        self.paced.get_or_insert_with(|| (rate, Rounds::new())).1.add([&before, &here, &after]);
        std::mem::take(&mut here.0.tokens)
    }

    pub(crate) fn rate(&self, connections: usize) -> f64 {
        Spread::of(&self.closed[&connections].rates).median
    }

    /// One line of a table.
    pub(crate) fn print(&self, connections: usize) {
        let rounds = &self.closed[&connections];
        let median = |figures: &[f64]| Spread::of(figures).median;
        let ratio = Spread::of(&rounds.ratios);
        let aim = match self.aim {
            None => String::new(),
            Some(aim) if ratio.median >= aim => format!("{aim:.3} reached"),
            Some(aim) => format!("{aim:.3} missed"),
        };
        println!(
            "{:<22} {:>9.0} {:>9.0}   {:.3} ({:.3} to {:.3}) {:>7.1} {:>7.1} {:>9.2} {:>9.2}   {aim}",
            self.name,
            median(&rounds.bare_rates),
            median(&rounds.rates),
            ratio.median,
            ratio.least,
            ratio.most,
            median(&rounds.bare_costs),
            median(&rounds.costs),
            rounds.latencies.microseconds(0.5) / 1e3,
            rounds.latencies.microseconds(0.99) / 1e3,
        );
    }

    /// One line of the table of what is sent by the clock.
    pub(crate) fn print_paced(&self) {
        let Some((rate, rounds)) = &self.paced else { return };
        let milliseconds = |latencies: &Histogram, part| latencies.microseconds(part) / 1e3;
        println!(
            "{:<22} {rate:>9.0} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
            self.name,
            milliseconds(&rounds.bare_latencies, 0.5),
            milliseconds(&rounds.bare_latencies, 0.99),
            milliseconds(&rounds.latencies, 0.5),
            milliseconds(&rounds.latencies, 0.99),
        );
    }

    pub(crate) fn json(&self) -> Value {
        let closed: serde_json::Map<String, Value> =
            self.closed.iter().map(|(connections, rounds)| (connections.to_string(), rounds.json())).collect();
        let mut figures = json!({ "aim": self.aim, "connections": closed });
        if let Some((rate, rounds)) = &self.paced {
            figures["fixed_rate"] = rounds.json();
            figures["fixed_rate"]["intended_per_second"] = json!(rate.round());
        }
        figures
    }
}

/// A round, and how many microseconds of processor time the process took for a request.
pub(crate) fn measured(
    process: &Process,
    address: SocketAddr,
    requests: &Arc<Requests>,
    expected: u16,
    load: Load,
) -> (Round, f64) {
    costing(process, || load::round(address, requests, expected, load))
}

fn costing(process: &Process, round: impl FnOnce() -> Round) -> (Round, f64) {
    let spent = process.processor_seconds();
    let round = round();
    let spent = (process.processor_seconds() - spent).max(TICK);
    assert!(round.answered > 0, "nothing was answered in time: this machine is too busy, or the round too short");
    let cost = spent * 1e6 / round.answered as f64;
    (round, cost)
}
