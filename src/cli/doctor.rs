//! `cloakroom doctor`: whether the object storage enforces what its URLs say.

use std::process::ExitCode;

use clap::Args;

use crate::{app, config::Given, doctor::Verdict};

use super::{Failed, runtime, say};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    given: Given,
}

/// 0 when everything is enforced, 1 when something is not that a capability
/// stands on, 2 when it is only something else.
pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failed> {
    let config = arguments.given.complete()?;
    let (storage, report) = runtime()?.block_on(app::diagnose(&config))?;
    if arguments.json {
        say(serde_json::to_string_pretty(&report.to_json(&storage))?)?;
    } else {
        say(report.table(&storage).trim_end())?;
    }
    Ok(match report.verdict() {
        Verdict::Enforced => ExitCode::SUCCESS,
        Verdict::Fatal => ExitCode::from(1),
        Verdict::Tolerable => ExitCode::from(2),
    })
}
