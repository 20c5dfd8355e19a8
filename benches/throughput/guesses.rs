//! Whether others wait while somebody guesses passwords: five hundred guesses at once, every second, and
//! beside them one caller after the other who lists links.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    paced::{LARGEST_ANSWER, exchange},
    process::{Server, admin_key, call, request},
};

const GUESSES: usize = 500;
const PAUSE: Duration = Duration::from_millis(2);

/// Both attacks, each as one line and as figures.
pub(crate) fn figures(program: &Path, workers: usize, span: Duration) -> Value {
    println!("500 guesses at once, again every second; beside them one list of links every 2 ms");
    let mut figures = json!({});
    for (name, limits, links) in [
        ("one link, usual limits", None, 1),
        ("a hundred links, usual limits", None, 100),
        ("a hundred links, no limits", Some("off"), 100),
    ] {
        figures[name] = attack(name, program, workers, span, (limits, links));
    }
    println!();
    figures
}

fn attack(name: &str, program: &Path, workers: usize, span: Duration, (limits, links): (Option<&str>, usize)) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (server, _) = Server::start_limited(program, &data, workers, limits);
    let key = admin_key(&data);
    let once = |method: &str, path: &str, body: &str| call(server.api, method, path, &key, body);
    while once("GET", "/v1/objects/welcome.txt", "").0 != 200 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let artifact: Value =
        serde_json::from_str(&once("POST", "/v1/artifacts", r#"{"paths":["welcome.txt"]}"#).1).unwrap();
    let wanted = json!({ "artifact": artifact["id"], "password": "open sesame" }).to_string();
    let tokens: Vec<String> =
        (0..links).map(|_| crate::scenario::token_of(&once("POST", "/v1/links", &wanted))).collect();
    let guesses: Vec<_> = (0..GUESSES).map(|number| guess(server.api, number, &tokens[number % links])).collect();

    let listing = request(server.api, "GET", "/v1/links?limit=1", &key, "", "keep-alive");
    let ended = AtomicBool::new(false);
    let mut before = latencies(server.api, &listing, span);
    let (mut during, answered) = std::thread::scope(|scope| {
        let guessing = scope.spawn(|| keep_guessing(server.api, &guesses, &ended));
        let during = latencies(server.api, &listing, span);
        ended.store(true, Ordering::Relaxed);
        (during, guessing.join().unwrap())
    });
    let ([p50, p99], [p50_during, p99_during]) = (percentiles(&mut before), percentiles(&mut during));
    let (ratio, resident) = (p99_during / p99, server.process.memory("VmHWM:"));
    println!(
        "{name:<34} p99 {p99:6.2} ms alone, {p99_during:6.2} beside ({ratio:.2} times; median {p50:.2} and {p50_during:.2}); \
         {resident:.0} MB at most; answers {answered:?}"
    );
    json!({ "p50_ms": p50, "p99_ms": p99, "p50_ms_during": p50_during, "p99_ms_during": p99_during, "ratio": ratio,
            "most_resident_mb": resident, "answers": answered })
}

fn guess(address: SocketAddr, number: usize, token: &str) -> Vec<u8> {
    let claim_key = URL_SAFE_NO_PAD.encode(Sha256::digest(number.to_be_bytes()));
    let body = json!({ "token": token, "claim_key": claim_key, "password": format!("guess {number}") }).to_string();
    request(address, "POST", "/v1/links/redeem", "", &body, "close")
}

/// How often each status was answered.
fn keep_guessing(address: SocketAddr, guesses: &[Vec<u8>], ended: &AtomicBool) -> BTreeMap<String, usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut answered = BTreeMap::new();
    runtime.block_on(async {
        while !ended.load(Ordering::Relaxed) {
            let started = Instant::now();
            let statuses = join_all(guesses.iter().map(|guess| async move {
                let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                stream.write_all(guess).await.unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.unwrap();
                String::from_utf8_lossy(&answer[9..12]).into_owned()
            }));
            for status in statuses.await {
                *answered.entry(status).or_default() += 1;
            }
            tokio::time::sleep(Duration::from_secs(1).saturating_sub(started.elapsed())).await;
        }
    });
    answered
}

/// How long each answer took, in milliseconds.
fn latencies(address: SocketAddr, request: &[u8], span: Duration) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let (started, mut taken) = (Instant::now(), Vec::new());
    let mut buffer = vec![0; LARGEST_ANSWER];
    while started.elapsed() < span {
        let asked = Instant::now();
        exchange(&mut stream, request, 200, &mut buffer);
        taken.push(asked.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(PAUSE);
    }
    taken
}

/// The median, and what 99 of 100 stay under.
fn percentiles(taken: &mut [f64]) -> [f64; 2] {
    taken.sort_by(f64::total_cmp);
    [taken[taken.len() / 2], taken[taken.len() * 99 / 100]]
}
