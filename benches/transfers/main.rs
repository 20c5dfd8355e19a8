//! How Cloakroom hands out and carries files: signatures, bytes in and out,
//! memory, and a quota that everybody draws on. Speeds are told as ratios to
//! something measured in turns with them. Nothing is asserted about time.
//!
//! `cargo bench --bench transfers -- --help` tells the options, and
//! `docs/performance.md` what the figures mean.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for measuring: it reads the clock, prints, and ends where something is wrong"
)]

mod broker;
mod client;
mod inside;
mod memory;
mod nginx;
#[path = "../shared/process.rs"]
mod process;
mod quota_direct;
mod quota_http;
mod quotas;
mod sealing;
mod signatures;
mod speeds;

use std::path::PathBuf;

use serde_json::{Value, json};

const HELP: &str = "\
cargo bench --bench transfers -- [OPTION...] [SECTION...]

Sections, all where none is named: signatures speeds sealing memory quotas

  --quick              little of everything, for a first look
  --megabytes N        how large a file is sent and fetched [1000]
  --largest N          the largest file for memory, in megabytes [5000]
  --declarations N     declarations of a round [4000]
  --rounds N           rounds of everything [5]
  --only TEXT          only speeds whose name contains this
  --folder FOLDER      where files are kept meanwhile [a temporary one]
  --program FILE       another build of cloakroom
  --json FILE          write the figures there too

Needs twice the size of the largest file as free space, and nginx.";

pub(crate) struct Options {
    bytes: u64,
    largest: u64,
    declarations: usize,
    rounds: usize,
    workers: usize,
    only: Option<String>,
    folder: PathBuf,
    program: PathBuf,
    json: Option<PathBuf>,
    sections: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let quick = arguments.iter().any(|argument| argument == "--quick");
        let mut options = Self {
            bytes: if quick { 100_000_000 } else { 1_000_000_000 },
            largest: if quick { 100_000_000 } else { 5_000_000_000 },
            declarations: if quick { 800 } else { 4_000 },
            rounds: if quick { 2 } else { 5 },
            workers: std::thread::available_parallelism().unwrap().get(),
            only: None,
            folder: std::env::temp_dir(),
            program: env!("CARGO_BIN_EXE_cloakroom").into(),
            json: None,
            sections: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(option) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{option} wants a value"));
            let megabytes = |text: &String| text.parse::<u64>().unwrap() * 1_000_000;
            match option.as_str() {
                // The first is what cargo adds.
                "--bench" | "--quick" => {}
                "--megabytes" => options.bytes = megabytes(value()?),
                "--largest" => options.largest = megabytes(value()?),
                "--declarations" => options.declarations = value()?.parse().unwrap(),
                "--rounds" => options.rounds = value()?.parse().unwrap(),
                "--only" => options.only = Some(value()?.clone()),
                "--folder" => options.folder = value()?.into(),
                "--program" => options.program = value()?.into(),
                "--json" => options.json = Some(value()?.into()),
                "signatures" | "speeds" | "sealing" | "memory" | "quotas" => options.sections.push(option.clone()),
                _ => return Err(format!("{option} is no option")),
            }
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only))
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{HELP}");
        return;
    }
    let options = match Options::parse(&arguments) {
        Ok(options) => options,
        Err(fault) => return println!("{fault}\n\n{HELP}"),
    };
    println!("{} rounds, {} processors for everything together\n", options.rounds, options.workers);
    let mut figures = json!({ "processors": options.workers });
    type Section = fn(&Options, &std::path::Path) -> Value;
    let sections: [(&str, Section); 5] = [
        ("signatures", signatures::measure),
        ("speeds", speeds::measure),
        ("sealing", sealing::measure),
        ("memory", memory::measure),
        ("quotas", quotas::measure),
    ];
    for (name, measure) in sections {
        if options.sections.is_empty() || options.sections.iter().any(|section| section == name) {
            let folder = tempfile::tempdir_in(&options.folder).unwrap();
            figures[name] = measure(&options, folder.path());
        }
    }
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&figures).unwrap()).unwrap();
    }
}

/// The median of some figures, the least and the most.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        Self { median: figures[figures.len() / 2], least: figures[0], most: figures[figures.len() - 1] }
    }

    fn coarse(&self) -> String {
        format!("{:.0} ({:.0} to {:.0})", self.median, self.least, self.most)
    }

    fn fine(&self) -> String {
        format!("{:.3} ({:.3} to {:.3})", self.median, self.least, self.most)
    }

    fn json(&self) -> Value {
        json!({ "median": self.median, "least": self.least, "most": self.most })
    }
}
