//! What the ledger costs, and what it is like when it is long: events recorded and chained a second, what recording adds to a commit, records
//! verified a second, searches; in this process, without HTTP, on the embedded store, and on DynamoDB where that is asked for.
//!
//! `cargo bench --bench ledger -- --help` tells the options, and `docs/performance.md` what the figures mean.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for measuring: it reads the clock, prints, and ends where something is wrong"
)]

mod append;
mod dynamodb;
mod process;
mod request_path;
mod search;
mod tokens;
mod verifying;

use std::path::{Path, PathBuf};

use cloakroom::{
    app::{self, MissingKeys},
    config::Given,
    crypto::secret::SecretText,
    domain::{
        ids::RequestId,
        tenant::{Mode, Namespace},
    },
    service::{Asking, Broker, Caller},
};
use serde_json::{Value, json};

const HELP: &str = "\
cargo bench --bench ledger -- [OPTION...]

  --quick         a hundredth of everything, for a first look
  --records N     records of the long ledger [1000000]; some 700 bytes of disk each
  --long          ten million of them
  --dynamodb      also on DynamoDB: CLOAKROOM_TEST_DYNAMODB_ENDPOINT and CLOAKROOM_TEST_TABLE say where
  --folder FOLDER where the embedded store is meanwhile [a temporary one]
  --json FILE     write the figures there too";

pub(crate) struct Options {
    records: usize,
    /// How many tenants there are where there are many.
    tenants: usize,
    /// Events in all, where there are many tenants.
    events: usize,
    on_dynamodb: usize,
    folder: PathBuf,
    json: Option<PathBuf>,
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let (mut records, mut dynamodb, mut parts, mut json) = (1_000_000, false, 1, None);
    let mut folder = std::env::temp_dir();
    let mut given = arguments.iter();
    while let Some(option) = given.next() {
        let mut value = || given.next().ok_or(format!("{option} wants a value"));
        match option.as_str() {
            "--quick" => (records, parts) = (10_000, 10),
            "--long" => records = 10_000_000,
            "--records" => records = value()?.parse().map_err(|_| "no number".to_owned())?,
            "--dynamodb" => dynamodb = true,
            "--folder" => folder = value()?.into(),
            "--json" => json = Some(value()?.into()),
            _ => return Err(format!("{option} is no option")),
        }
    }
    let on_dynamodb = if dynamodb { 5_000 / parts } else { 0 };
    Ok(Options { records, tenants: 1_000 / parts, events: 100_000 / parts, on_dynamodb, folder, json })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.iter().any(|argument| argument == "--help") {
        return println!("{HELP}");
    }
    let options = match parse(&arguments) {
        Ok(options) => options,
        Err(problem) => return println!("{problem}\n\n{HELP}"),
    };
    let folder = tempfile::tempdir_in(&options.folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let figures = runtime.block_on(measure(folder.path(), &options));
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&figures).unwrap()).unwrap();
    }
}

/// A broker with a tenant whose ledger becomes long.
pub(crate) struct Measured {
    broker: Broker,
    admin: Caller,
    long: Namespace,
}

async fn measure(folder: &Path, options: &Options) -> Value {
    let given = Given { data_dir: Some(folder.to_owned()), limits: Some("off".into()), ..Given::default() };
    let config = given.complete().unwrap();
    let parts = app::open(&config, "http://127.0.0.1:1".into(), "http://localhost:2", MissingKeys::Make).await.unwrap();
    let broker = parts.broker.clone();
    let first = broker.create_first_tenant("First".into()).await.unwrap();
    let secret = SecretText::new(first.admin_key.secret.expose());
    let admin = broker.authenticate(&secret, Asking::here(RequestId::from_bytes([1; 16]))).await.unwrap();
    let long = Namespace { tenant: first.tenant.id, mode: Mode::Live };
    let measured = Measured { broker, admin, long };
    let mut figures = json!({ "records": options.records, "load_before": process::load() });

    figures["request_path"] = request_path::measure(&measured).await;
    tokens::redeemed(&measured, options.records / 20).await;
    measured.broker.chain(measured.long).await.unwrap();
    figures["append"] = append::measure(&measured, options).await;
    figures["verification"] = verifying::measure(&measured).await;
    figures["searches"] = search::measure(&measured, options.records).await;
    if options.on_dynamodb > 0 {
        figures["dynamodb"] = dynamodb::measure(&measured, options).await;
    }
    figures["peak_mb"] = json!(process::memory("VmHWM:"));
    figures["load_after"] = json!(process::load());
    println!(
        "\nmost memory: {:.0} MB; load {} before, {} after",
        process::memory("VmHWM:"),
        figures["load_before"],
        figures["load_after"]
    );
    figures
}

/// The middle one, and the one at the 99th percentile.
pub(crate) fn percentiles(spans: &mut [f64]) -> (f64, f64) {
    spans.sort_by(f64::total_cmp);
    (spans[spans.len() / 2], spans[(spans.len() * 99).div_ceil(100) - 1])
}
