//! What is asked of the broker: the operations, round after round, and the store alone between them.
//!
//! Never here: how a figure comes about (`operation.rs`).

use std::{collections::BTreeMap, path::Path, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Options, data_directory, inside,
    load::{Load, Requests},
    operation::Operation,
    process::{Server, admin_key, call, request},
    spread::Spread,
};

const SHARE: &str = r#"{"paths":["welcome.txt"],"permission":"read","expires_in":86400}"#;
const UPLOAD: &str = r#"{"path":"docs/report.pdf","size":100000,"content_type":"application/pdf","method":"put"}"#;
const LIST: &str = "/v1/shares?limit=50";

/// An operation, and how it is asked for.
struct Job {
    operation: Operation,
    asks: Asks,
}

enum Asks {
    /// The same each time.
    Same(Vec<u8>),
    /// Once for each token that the job before has minted.
    Redeems(&'static str),
}

impl Job {
    fn requests(&self, server: &Server, tokens: Vec<String>) -> Requests {
        match &self.asks {
            Asks::Same(bytes) => Requests { bytes: vec![bytes.clone()], again: true },
            Asks::Redeems(path) => redemptions(server, path, tokens),
        }
    }
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

pub(crate) fn token_of(answer: &(u16, String)) -> String {
    let answer: Value = serde_json::from_str(&answer.1).unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

/// What is measured, those alone that were asked for and what they need.
fn jobs(options: &Options, workers: usize, server: &Server, data: &Path) -> Vec<Job> {
    let key = admin_key(data);
    let once = |method, path: &str, body: &str| call(server.api, method, path, &key, body);
    let same = |method, path: &str, body: &str| Asks::Same(request(server.api, method, path, &key, body, "keep-alive"));
    while once("GET", "/v1/objects/welcome.txt", "").0 != 200 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let redeemed = |path, minted: &(u16, String)| {
        let body = json!({ "token": token_of(minted), "claim_key": "A".repeat(43) }).to_string();
        call(server.api, "POST", path, "", &body)
    };
    let minted = once("POST", "/v1/shares", SHARE);
    let share_redeemed = redeemed("/v1/shares/redeem", &minted);
    let artifact = once("POST", "/v1/artifacts", r#"{"paths":["welcome.txt"]}"#).1;
    let artifact: Value = serde_json::from_str(&artifact).unwrap();
    let link = json!({ "artifact": artifact["id"] }).to_string();
    let link_minted = once("POST", "/v1/links", &link);
    let link_redeemed = redeemed("/v1/links/redeem", &link_minted);
    let declared = once("POST", "/v1/uploads", UPLOAD);
    for _ in 0..50 {
        once("POST", "/v1/shares", SHARE);
    }
    let listed = once("GET", LIST, "");
    // The page that recipients land on; a build without pages has a description at least.
    let page = ["/s", "/docs"].into_iter().find(|page| once("GET", page, "").0 == 200).unwrap();
    let got = call(server.api, "GET", page, "", "");

    let all = [
        ("mint a share", true, minted, same("POST", "/v1/shares", SHARE)),
        ("redeem a share", true, share_redeemed, Asks::Redeems("/v1/shares/redeem")),
        ("mint a link", false, link_minted, same("POST", "/v1/links", &link)),
        ("redeem a link", true, link_redeemed, Asks::Redeems("/v1/links/redeem")),
        ("declare an upload", true, declared, same("POST", "/v1/uploads", UPLOAD)),
        ("list 50 shares", false, listed, same("GET", LIST, "")),
        ("get a page", false, got, same("GET", page, "")),
    ];
    // What is redeemed must have been minted.
    let is_wanted = |name: &str| options.wants(name) || options.wants(&name.replace("mint", "redeem"));
    let wanted = all.into_iter().filter(|(name, ..)| is_wanted(name));
    let jobs =
        wanted.map(|(name, aim, first, asks)| Job { operation: Operation::new(name, aim, workers, first), asks });
    jobs.collect()
}

/// Every operation beside a bare handler, and the store alone between them: operations, ceilings, memory.
pub(crate) fn figures(options: &Options, workers: usize) -> [Value; 3] {
    let (_folder, data) = data_directory();
    let (server, _) = Server::start(&options.program, &data, workers);
    // Before its first request, but after what a first start leaves to be done.
    admin_key(&data);
    let idle = server.process.resident();
    let mut jobs = jobs(options, workers, &server, &data);
    let stores = jobs.iter().any(|job| job.operation.name == "mint a share");
    let mut ceilings: BTreeMap<usize, [Vec<f64>; 2]> = BTreeMap::new();
    let mut loaded = Vec::new();
    for _ in 0..options.rounds {
        for load in options.loads() {
            if stores {
                let alone = inside::ceiling(load.connections, load.span / 2);
                let [mint, redeem] = ceilings.entry(load.connections).or_default();
                mint.push(alone.mint);
                redeem.push(alone.redeem);
            }
            each(&mut jobs, &server, |operation, requests| operation.round(&server, requests, load));
        }
        loaded.push(server.process.resident());
    }
    if let Some(connections) = options.fixed_rate {
        let load = Load { connections, span: options.span() };
        for _ in 0..options.rounds {
            each(&mut jobs, &server, |operation, requests| operation.paced_round(&server, requests, load));
        }
    }

    print(options, &jobs, &ceilings);
    let loaded = Spread::of(&loaded);
    println!("resident memory: {idle:.1} MB idle after the start, {:.1} MB at most after a round of load", loaded.most);
    let operations: serde_json::Map<String, Value> =
        jobs.iter().map(|job| (job.operation.name.to_owned(), job.operation.json())).collect();
    let ceilings: serde_json::Map<String, Value> = ceilings
        .into_iter()
        .map(|(connections, [mint, redeem])| {
            let figures = json!({ "mint": Spread::of(&mint).json(), "redeem": Spread::of(&redeem).json() });
            (connections.to_string(), figures)
        })
        .collect();
    [operations.into(), ceilings.into(), json!({ "idle_mb": idle, "loaded_mb": loaded.json() })]
}

/// One round of each job; what one has minted the next may redeem.
fn each(jobs: &mut [Job], server: &Server, mut round: impl FnMut(&mut Operation, Requests) -> Vec<String>) {
    let mut tokens = Vec::new();
    for job in jobs {
        let requests = job.requests(server, tokens);
        tokens = round(&mut job.operation, requests);
    }
}

fn print(options: &Options, jobs: &[Job], ceilings: &BTreeMap<usize, [Vec<f64>; 2]>) {
    for connections in &options.connections {
        let heading = format!("{connections} connections");
        println!(
            "{heading:<22} {:>9} {:>9}   {:<24} {:>7} {:>7} {:>9} {:>9}   aim",
            "bare/s", "here/s", "ratio", "bare µs", "µs", "p50 ms", "p99 ms"
        );
        jobs.iter().for_each(|job| job.operation.print(*connections));
        let Some(stores) = ceilings.get(connections) else { continue };
        for (job, alone) in jobs.iter().zip(stores) {
            let (name, alone) = (job.operation.name, Spread::of(alone).median);
            let part = job.operation.rate(*connections) / alone;
            println!("the store alone, as to {name}: {alone:.0} durable commits/s; over HTTP {part:.2} of that");
        }
        println!();
    }
    println!("(ratio: the median, the least and the most; µs: processor time of the server for one request)\n");
    if let Some(connections) = options.fixed_rate {
        println!(
            "by the clock, at half the rate reached at {connections} connections; latencies in ms, from when each was to be sent"
        );
        println!("{:<22} {:>9} {:>9} {:>9} {:>9} {:>9}", "", "per s", "bare p50", "bare p99", "p50", "p99");
        jobs.iter().for_each(|job| job.operation.print_paced());
        println!();
    }
}
