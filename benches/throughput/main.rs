//! How fast Cloakroom is, as ratios: each operation beside a bare handler that
//! reads the same requests and gives answers of the same size, from a process
//! with as many workers, under the same load, in turns. Nothing is asserted
//! about time: machines differ, and ratios move less than seconds.
//!
//! `cargo bench --bench throughput -- --help` tells the options, and
//! `docs/performance.md` what the figures mean.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for measuring: it reads the clock, prints, and ends where something is wrong"
)]

mod bare;
mod guesses;
mod idle;
mod inside;
mod limited;
mod load;
#[path = "../shared/process.rs"]
mod process;
mod replicas;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use bare::Bare;
use load::{Load, Requests};
use process::{Process, Server, admin_key, call, request};

const HELP: &str = "\
cargo bench --bench throughput -- [OPTION...]

  --quick              short rounds, for a first look
  --connections N      connections at once [256]
  --seconds N          length of a round [2]
  --rounds N           rounds of each operation [5]
  --only TEXT          only operations whose name contains this, and nothing else
  --replicas           one replica and three on the emulated table instead (localstack/emulators start)
  --program FILE       another build of cloakroom
  --json FILE          write the figures there too";

struct Options {
    connections: usize,
    seconds: f64,
    rounds: usize,
    quick: bool,
    replicas: bool,
    only: Option<String>,
    program: PathBuf,
    json: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let quick = arguments.iter().any(|argument| argument == "--quick");
        let mut options = Self {
            connections: 256,
            seconds: if quick { 0.5 } else { 2.0 },
            rounds: if quick { 3 } else { 5 },
            quick,
            replicas: false,
            only: None,
            program: env!("CARGO_BIN_EXE_cloakroom").into(),
            json: None,
        };
        let mut arguments = arguments.iter();
        while let Some(option) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{option} wants a value"));
            match option.as_str() {
                // The first is what cargo adds.
                "--bench" | "--quick" => {}
                "--connections" => options.connections = value()?.parse().unwrap(),
                "--seconds" => options.seconds = value()?.parse().unwrap(),
                "--rounds" => options.rounds = value()?.parse().unwrap(),
                "--only" => options.only = Some(value()?.clone()),
                "--replicas" => options.replicas = true,
                "--program" => options.program = value()?.into(),
                "--json" => options.json = Some(value()?.into()),
                _ => return Err(format!("{option} is no option")),
            }
        }
        Ok(options)
    }

    fn load(&self) -> Load {
        Load { connections: self.connections, span: Duration::from_secs_f64(self.seconds) }
    }

    fn write(&self, figures: &Value) {
        if let Some(file) = &self.json {
            std::fs::write(file, serde_json::to_string_pretty(figures).unwrap()).unwrap();
        }
    }

    fn wants(&self, operation: &str) -> bool {
        self.only.as_ref().is_none_or(|only| operation.contains(only))
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == bare::BARE) {
        return bare::be_bare(arguments.skip(1));
    }
    let arguments: Vec<String> = arguments.collect();
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{HELP}");
        return;
    }
    let options = match Options::parse(&arguments) {
        Ok(options) => options,
        Err(fault) => return println!("{fault}\n\n{HELP}"),
    };
    let processors = std::thread::available_parallelism().unwrap().get();
    println!(
        "{} connections, {} rounds of {} s, {processors} processors for everything together\n",
        options.connections, options.rounds, options.seconds
    );
    let mut figures = json!({ "processors": processors, "connections": options.connections });
    if options.replicas {
        figures["replicas"] = replicas::figures(&options.program, processors, options.load(), options.rounds);
        return options.write(&figures);
    }
    if options.only.is_none() {
        figures["start"] = starts(&options, processors);
        figures["microseconds"] = microseconds(&options);
    }
    if options.wants("limits") {
        figures["limits"] = limited::figures(&options.program, processors, options.load(), options.rounds);
    }
    if options.wants("idle") {
        figures["idle"] = idle::figures(&options.program, processors);
    }
    if options.wants("guesses") {
        let span = Duration::from_secs_f64(options.seconds * 5.0);
        figures["guesses"] = guesses::figures(&options.program, processors, span);
    }
    figures["operations"] = operations(&options, processors, &mut figures["memory"]);
    options.write(&figures);
}

pub(crate) fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn data_directory() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    (folder, data)
}

/// How long a start takes, and how much memory an idle broker has.
fn starts(options: &Options, workers: usize) -> Value {
    const ROWS: usize = 100_000;
    let times = if options.quick { 5 } else { 11 };
    let start = |data: &Path| {
        let (server, ready_after) = Server::start(&options.program, data, workers);
        let ready = ready_after.as_secs_f64() * 1e3;
        std::thread::sleep(Duration::from_millis(300));
        (ready, server.process.resident())
    };
    let mut figures = json!({});
    let mut report = |name: &str, starts: Vec<(f64, f64)>| {
        let (mut ready, mut resident): (Vec<f64>, Vec<f64>) = starts.into_iter().unzip();
        let (ready_median, resident) = (median(&mut ready), median(&mut resident));
        let (least, most) = (ready[0], ready[ready.len() - 1]);
        println!("{name:<34} ready after {ready_median:6.1} ms ({least:.1} to {most:.1}), idle with {resident:5.1} MB");
        figures[name] = json!({ "ready_ms": ready_median, "ready_ms_most": most, "idle_mb": resident });
    };
    let (_folder, data) = data_directory();
    report(
        "first start, empty directory",
        (0..times)
            .map(|_| {
                let (_folder, data) = data_directory();
                start(&data)
            })
            .collect(),
    );
    start(&data);
    report("start again, nothing but a tenant", (0..times).map(|_| start(&data)).collect());
    inside::fill(&data.join("store"), ROWS);
    report("start with 100,000 rows", (0..times).map(|_| start(&data)).collect());
    println!();
    figures
}

/// What single operations cost.
fn microseconds(options: &Options) -> Value {
    let mut figures = json!({});
    for (name, micros) in inside::operations(Duration::from_secs_f64(options.seconds / 4.0)) {
        println!("{name:<34} {micros:8.2} µs");
        figures[name] = json!(micros);
    }
    println!();
    figures
}

/// An operation and what was measured of it, a figure a round.
struct Operation {
    name: &'static str,
    /// The share of a bare handler's rate that is aimed at.
    aim: Option<f64>,
    expected: u16,
    bare: Bare,
    bare_rates: Vec<f64>,
    rates: Vec<f64>,
    ratios: Vec<f64>,
    /// Microseconds of processor time that the bare handler takes for a request.
    bare_costs: Vec<f64>,
    /// And the broker.
    costs: Vec<f64>,
}

impl Operation {
    /// Takes the size of its answers from a first answer.
    fn new(name: &'static str, aim: bool, workers: usize, (status, answer): (u16, String)) -> Self {
        assert!((200..300).contains(&status), "{name}: {status} {answer}");
        Self {
            name,
            aim: aim.then_some(1.0 / 3.0),
            expected: status,
            bare: Bare::start(&answer, workers),
            bare_rates: Vec::new(),
            rates: Vec::new(),
            ratios: Vec::new(),
            bare_costs: Vec::new(),
            costs: Vec::new(),
        }
    }

    /// The bare handler, the broker, the bare handler: with the same requests.
    /// Answers the tokens that came back.
    fn round(&mut self, server: &Server, requests: Requests, load: Load) -> Vec<String> {
        let again = Arc::new(Requests { again: true, bytes: requests.bytes.clone() });
        let requests = Arc::new(requests);
        let half = Load { span: load.span / 2, ..load };
        let bare = |operation: &Self| measured(&operation.bare.process, operation.bare.address, &again, 200, half);
        let (before, bare_cost) = bare(self);
        let (round, cost) = measured(&server.process, server.api, &requests, self.expected, load);
        let (after, _) = bare(self);
        let bare = f64::midpoint(before.rate(), after.rate());
        self.bare_rates.push(bare);
        self.rates.push(round.rate());
        self.ratios.push(round.rate() / bare);
        self.bare_costs.push(bare_cost);
        self.costs.push(cost);
        round.tokens
    }

    fn report(&mut self) -> Value {
        let bare_cost = median(&mut self.bare_costs);
        let (bare, rate) = (median(&mut self.bare_rates), median(&mut self.rates));
        let (ratio, cost) = (median(&mut self.ratios), median(&mut self.costs));
        let (least, most) = (self.ratios[0], self.ratios[self.ratios.len() - 1]);
        let aim = match self.aim {
            None => String::new(),
            Some(aim) if ratio >= aim => format!("{aim:.3} reached"),
            Some(aim) => format!("{aim:.3} missed"),
        };
        let name = self.name;
        println!(
            "{name:<22} {bare:>9.0} {rate:>9.0}   {ratio:.3} ({least:.3} to {most:.3}) {bare_cost:>7.1} {cost:>7.1}   {aim}"
        );
        json!({ "bare_processor_us": bare_cost, "bare_per_second": bare, "per_second": rate, "ratio": ratio, "ratio_least": least,
                "ratio_most": most, "processor_us": cost, "aim": self.aim })
    }
}

/// A round, and how many microseconds of processor time the process took for a request.
fn measured(
    process: &Process,
    address: SocketAddr,
    requests: &Arc<Requests>,
    expected: u16,
    load: Load,
) -> (load::Round, f64) {
    let spent = process.processor_seconds();
    let round = load::round(address, requests, expected, load);
    let spent = process.processor_seconds() - spent;
    let cost = spent * 1e6 / round.answered as f64;
    (round, cost)
}

/// Redeemable texts, made by the rounds before and used up by the rounds after.
fn redemptions(server: &Server, path: &str, tokens: Vec<String>) -> Requests {
    let bytes = tokens.into_iter().map(|token| {
        let claim_key = URL_SAFE_NO_PAD.encode(Sha256::digest(&token));
        let body = json!({ "token": token, "claim_key": claim_key }).to_string();
        request(server.api, "POST", path, "", &body, "keep-alive")
    });
    Requests { bytes: bytes.collect(), again: false }
}

fn token_of(answer: &(u16, String)) -> String {
    let answer: Value = serde_json::from_str(&answer.1).unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

/// Every operation beside a bare handler, and the store alone between them.
fn operations(options: &Options, workers: usize, memory: &mut Value) -> Value {
    let (_folder, data) = data_directory();
    let (server, _) = Server::start(&options.program, &data, workers);
    let key = admin_key(&data);
    let key = key.as_str();
    let idle = server.process.resident();
    let once = |method, path: &str, body: &str| call(server.api, method, path, key, body);
    let same = |method, path: &str, body: &str| Requests {
        bytes: vec![request(server.api, method, path, key, body, "keep-alive")],
        again: true,
    };

    let share = r#"{"paths":["welcome.txt"],"permission":"read","expires_in":86400}"#;
    while once("GET", "/v1/objects/welcome.txt", "").0 != 200 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let minted = once("POST", "/v1/shares", share);
    let redeem_body = |token: &str| json!({ "token": token, "claim_key": "A".repeat(43) }).to_string();
    let redeemed = call(server.api, "POST", "/v1/shares/redeem", "", &redeem_body(&token_of(&minted)));
    let artifact = once("POST", "/v1/artifacts", r#"{"paths":["welcome.txt"]}"#).1;
    let artifact: Value = serde_json::from_str(&artifact).unwrap();
    let link = json!({ "artifact": artifact["id"] }).to_string();
    let link_minted = once("POST", "/v1/links", &link);
    let link_redeemed = call(server.api, "POST", "/v1/links/redeem", "", &redeem_body(&token_of(&link_minted)));
    let upload = r#"{"path":"docs/report.pdf","size":100000,"content_type":"application/pdf","method":"put"}"#;
    let declared = once("POST", "/v1/uploads", upload);
    for _ in 0..50 {
        once("POST", "/v1/shares", share);
    }
    let list = "/v1/shares?limit=50";
    let listed = once("GET", list, "");
    // The page that recipients land on; a build without pages has a description at least.
    let page = ["/s", "/docs"].into_iter().find(|page| once("GET", page, "").0 == 200).unwrap();
    let got = call(server.api, "GET", page, "", "");

    let mut mint = Operation::new("mint a share", true, workers, minted);
    let mut redeem = Operation::new("redeem a share", true, workers, redeemed);
    let mut link_mint = Operation::new("mint a link", false, workers, link_minted);
    let mut link_redeem = Operation::new("redeem a link", true, workers, link_redeemed);
    let mut declare = Operation::new("declare an upload", true, workers, declared);
    let mut listing = Operation::new("list 50 shares", false, workers, listed);
    let mut get = Operation::new("get a page", false, workers, got);
    let load = options.load();
    let mut ceilings = Vec::new();
    let mut loaded = 0.0_f64;
    for _ in 0..options.rounds {
        if options.wants("mint a share") || options.wants("redeem a share") {
            let tokens = mint.round(&server, same("POST", "/v1/shares", share), load);
            ceilings.push(inside::ceiling(options.connections, load.span / 2));
            redeem.round(&server, redemptions(&server, "/v1/shares/redeem", tokens), load);
        }
        if options.wants("mint a link") || options.wants("redeem a link") {
            let tokens = link_mint.round(&server, same("POST", "/v1/links", &link), load);
            link_redeem.round(&server, redemptions(&server, "/v1/links/redeem", tokens), load);
        }
        if options.wants("declare an upload") {
            declare.round(&server, same("POST", "/v1/uploads", upload), load);
        }
        if options.wants("list 50 shares") {
            listing.round(&server, same("GET", list, ""), load);
        }
        if options.wants("get a page") {
            get.round(&server, same("GET", page, ""), load);
        }
        loaded = loaded.max(server.process.resident());
    }

    println!("{:<22} {:>9} {:>9}   {:<24} {:>7} {:>7}   aim", "", "bare/s", "here/s", "ratio", "bare µs", "µs");
    let mut figures = json!({});
    for mut operation in [mint, redeem, link_mint, link_redeem, declare, listing, get] {
        if !operation.ratios.is_empty() {
            figures[operation.name] = operation.report();
        }
    }
    println!("(ratio: the median, the least and the most; µs: processor time of the server for one request)\n");
    if !ceilings.is_empty() {
        let mut ceiling = |name: &str, operation: &str, figure: fn(&inside::Ceiling) -> f64| {
            let commits = median(&mut ceilings.iter().map(figure).collect::<Vec<_>>());
            let share = figures[operation]["per_second"].as_f64().unwrap() / commits;
            println!("{name:<34} {commits:8.0} durable commits/s; over HTTP {share:.2} of that");
            figures[name] = json!(commits);
        };
        ceiling("the store alone, as for a mint", "mint a share", |ceiling| ceiling.mint);
        ceiling("the store alone, as for a redeem", "redeem a share", |ceiling| ceiling.redeem);
    }
    println!("resident memory: {idle:.1} MB idle after the start, {loaded:.1} MB at most after a round of load");
    *memory = json!({ "idle_mb": idle, "loaded_mb": loaded });
    figures
}
