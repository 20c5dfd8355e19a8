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
mod disk;
mod guesses;
#[path = "../shared/histogram.rs"]
mod histogram;
mod idle;
mod inside;
mod limited;
mod load;
mod operation;
mod paced;
#[path = "../shared/process.rs"]
mod process;
mod replicas;
mod scenario;
#[path = "../shared/spread.rs"]
mod spread;
mod starts;
#[path = "../shared/yardstick.rs"]
mod yardstick;

use std::{path::PathBuf, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use load::Load;
use spread::Spread;

const HELP: &str = "\
cargo bench --bench throughput -- [OPTION...]

  --quick              short rounds, for a first look
  --connections N,...  connections at once, one number after the other [256]
  --seconds N          length of a round [2]
  --rounds N           rounds of each operation [5]
  --fixed-rate N       also by the clock, over one of those numbers of connections, at half the rate reached with them
  --only TEXT          only operations whose name contains this, and nothing else
  --except TEXT        not what is called so: limits, idle, guesses
  --replicas           one replica and three on the emulated table instead (localstack/emulators start)
  --program FILE       another build of cloakroom
  --json FILE          write the figures there too";

struct Options {
    connections: Vec<usize>,
    seconds: f64,
    rounds: usize,
    quick: bool,
    replicas: bool,
    fixed_rate: Option<usize>,
    only: Option<String>,
    except: Vec<String>,
    program: PathBuf,
    json: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let quick = arguments.iter().any(|argument| argument == "--quick");
        let mut options = Self {
            connections: vec![256],
            seconds: if quick { 0.5 } else { 2.0 },
            rounds: if quick { 3 } else { 5 },
            quick,
            replicas: false,
            fixed_rate: None,
            only: None,
            except: Vec::new(),
            program: env!("CARGO_BIN_EXE_cloakroom").into(),
            json: None,
        };
        let mut arguments = arguments.iter();
        while let Some(option) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{option} wants a value"));
            match option.as_str() {
                // The first is what cargo adds.
                "--bench" | "--quick" => {}
                "--connections" => {
                    options.connections = value()?.split(',').map(|number| number.parse().unwrap()).collect();
                }
                "--seconds" => options.seconds = value()?.parse().unwrap(),
                "--rounds" => options.rounds = value()?.parse().unwrap(),
                "--fixed-rate" => options.fixed_rate = Some(value()?.parse().unwrap()),
                "--only" => options.only = Some(value()?.clone()),
                "--except" => options.except.push(value()?.clone()),
                "--replicas" => options.replicas = true,
                "--program" => options.program = value()?.into(),
                "--json" => options.json = Some(value()?.into()),
                _ => return Err(format!("{option} is no option")),
            }
        }
        match options.fixed_rate {
            Some(number) if !options.connections.contains(&number) => {
                Err(format!("--fixed-rate {number}: that is none of the numbers of --connections"))
            }
            _ => Ok(options),
        }
    }

    fn span(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    fn loads(&self) -> impl Iterator<Item = Load> {
        self.connections.iter().map(|connections| Load { connections: *connections, span: self.span() })
    }

    /// Under which load what is measured at one alone.
    fn load(&self) -> Load {
        Load { connections: self.connections[0], span: self.span() }
    }

    fn write(&self, figures: &Value) {
        if let Some(file) = &self.json {
            std::fs::write(file, serde_json::to_string_pretty(figures).unwrap()).unwrap();
        }
    }

    fn wants(&self, what: &str) -> bool {
        self.only.as_ref().is_none_or(|only| what.contains(only)) && !self.except.iter().any(|except| except == what)
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
        Err(fault) => {
            println!("{fault}\n\n{HELP}");
            std::process::exit(2);
        }
    };
    // Thousands of connections have two ends, and the servers inherit this.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let processors = std::thread::available_parallelism().unwrap().get();
    println!(
        "{:?} connections, {} rounds of {} s, {processors} processors for everything together\n",
        options.connections, options.rounds, options.seconds
    );
    let mut figures = json!({
        "processors": processors, "connections": options.connections, "rounds": options.rounds, "seconds": options.seconds,
        "fixed_rate": options.fixed_rate,
    });
    if options.replicas {
        figures["replicas"] = replicas::figures(&options.program, processors, options.load(), options.rounds);
        return options.write(&figures);
    }
    if options.only.is_none() {
        figures["start"] = starts::figures(&options, processors);
        figures["primitives_us"] = primitives(&options);
    }
    if options.wants("limits") {
        figures["limits"] = limited::figures(&options.program, processors, options.load(), options.rounds);
    }
    if options.wants("idle") {
        figures["idle"] = idle::figures(&options.program, processors);
    }
    if options.wants("guesses") {
        figures["guesses"] = guesses::figures(&options.program, processors, options.span() * 5);
    }
    let [operations, ceilings, memory] = scenario::figures(&options, processors);
    figures["operations"] = operations;
    figures["ceilings_per_second"] = ceilings;
    figures["memory"] = memory;
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

/// What single operations cost, and beside them what does not change with this program.
fn primitives(options: &Options) -> Value {
    let span = options.span() / 4;
    let mut figures = json!({});
    let yardsticks =
        [("SHA-256 of 4 KiB", yardstick::microseconds(span)), ("write 4 KiB and fsync", disk::write_and_sync(span))];
    for (name, micros) in yardsticks.into_iter().chain(inside::operations(span)) {
        let Spread { median, least, most } = micros;
        println!("{name:<41} {median:8.2} µs ({least:.2} to {most:.2})");
        figures[name] = micros.json();
    }
    println!();
    figures
}
