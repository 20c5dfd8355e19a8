//! The command line: one command a file.
//!
//! Commands are clients of the API, like everybody else. Only `serve`,
//! `bootstrap`, `recover-admin`, `adopt`, `backup`, `restore`, `keys` and `check-config` open the data directory, and
//! only `doctor` besides them the object storage.

mod adopt;
mod ahead;
mod api_key;
mod audit;
mod audit_export;
mod backup;
mod bootstrap;
mod change;
mod checksum;
mod claim;
mod client;
mod deliver;
mod doctor;
mod download;
mod event_stream;
mod events;
mod fault;
mod first_start;
mod health;
mod kept;
mod keys;
mod link;
mod listen;
mod local;
mod many;
mod measures;
mod password;
mod progress;
mod receipt;
mod recipient;
mod redeem;
mod request;
mod rights;
mod sending;
mod serve;
mod share;
mod source;
mod storage;
mod subject;
mod tenant;
mod tenant_export;
mod upload;
mod uploads;
mod user;
mod webhook;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{config::Given, domain::text::is_invisible};

/// You hand something over, you get a ticket, the ticket works once.
#[derive(Debug, Parser)]
#[command(name = "cloakroom", version, about, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Given,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker (what happens without a command)
    Serve(Given),
    /// Mint a share: a link that opens files of the vault, once; or change one
    Share(share::Arguments),
    /// Redeem a share, list its files, and save them
    Redeem(redeem::Arguments),
    /// Upload files and folders into the vault
    Upload(upload::Arguments),
    /// Deliver files to whoever asked for them by a link, without an API key
    Deliver(deliver::Arguments),
    /// Download files of a share, or of the vault
    Download(download::Arguments),
    /// List, call off and sweep uploads; say how much is kept
    Uploads(uploads::Arguments),
    /// Get receipts of uploads, and verify them without a server
    Receipt(receipt::Arguments),
    /// Publish files and mint a link to them, with a password if wanted; or change one
    Link(link::Arguments),
    /// Ask outsiders for files: make, list, show and close links to deliver by
    Request(request::Arguments),
    /// Create, list and revoke API keys
    ApiKey(api_key::Arguments),
    /// Let users in whom an identity provider vouches for, and change what they may do
    User(user::Arguments),
    /// Export, correct and erase what is kept of one person
    Subject(subject::Arguments),
    /// List what happened, and verify that it is told as it was written
    Audit(audit::Arguments),
    /// List what happened oldest first, and follow what happens
    Events(events::Arguments),
    /// Send what happens to a program on this machine, as webhooks would
    Listen(listen::Arguments),
    /// Have events sent to receivers of yours, signed, and see what becomes of them
    Webhook(webhook::Arguments),
    /// Create, list, suspend and delete tenants, for operators
    Tenant(tenant::Arguments),
    /// Create the first tenant and its admin key, where nothing does so by itself
    Bootstrap(Given),
    /// Make another operator's key, when the first is lost
    RecoverAdmin(Given),
    /// Make a backup of the data directory, also while the broker runs
    ///
    /// In a folder that is not there yet, whole or not at all. Without the root keys.
    Backup(Box<backup::Arguments>),
    /// Put a backup into an empty data directory; it has to be adopted before it is served
    Restore(Box<backup::Arguments>),
    /// Take over a store that was moved, or restored from a backup
    ///
    /// Without --moved or --restored it says what is known, and changes nothing.
    Adopt(Box<adopt::Arguments>),
    /// List root keys, and put others in their place, while the broker runs
    Keys(keys::Arguments),
    /// Say whether the configuration can be used
    CheckConfig(Given),
    /// Say whether the broker of this machine runs, for supervisors: ends with 0 or 1
    Health(Given),
    /// Say whether the object storage enforces what its URLs say
    ///
    /// Sends what violates a signed request, over HTTP, and looks at what is let pass. Everything lies in an
    /// inbox of its own and is removed afterwards. Ends with 0 when everything is enforced, with 1 when something is
    /// not that a capability stands on, with 2 when it is only something that costs bytes or convenience.
    Doctor(Box<doctor::Arguments>),
}

/// What a command may fail with: a sentence that says what to do.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Runs what the command line asks for.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        None => serve::run(arguments.serve),
        Some(Command::Serve(given)) => serve::run(given),
        Some(Command::Share(arguments)) => share::run(&arguments),
        Some(Command::Redeem(arguments)) => redeem::run(&arguments),
        Some(Command::Upload(arguments)) => upload::run(&arguments),
        Some(Command::Deliver(arguments)) => deliver::run(&arguments),
        Some(Command::Download(arguments)) => download::run(&arguments),
        Some(Command::Uploads(arguments)) => uploads::run(&arguments),
        Some(Command::Receipt(arguments)) => receipt::run(&arguments),
        Some(Command::Link(arguments)) => link::run(&arguments),
        Some(Command::Request(arguments)) => request::run(&arguments),
        Some(Command::ApiKey(arguments)) => api_key::run(&arguments),
        Some(Command::User(arguments)) => user::run(&arguments),
        Some(Command::Subject(arguments)) => subject::run(&arguments),
        Some(Command::Audit(arguments)) => audit::run(&arguments),
        Some(Command::Events(arguments)) => events::run(&arguments),
        Some(Command::Listen(arguments)) => listen::run(&arguments),
        Some(Command::Webhook(arguments)) => webhook::run(&arguments),
        Some(Command::Tenant(arguments)) => tenant::run(&arguments),
        Some(Command::Bootstrap(given)) => bootstrap::first(given),
        Some(Command::RecoverAdmin(given)) => bootstrap::recover(given),
        Some(Command::Backup(arguments)) => backup::make(*arguments),
        Some(Command::Restore(arguments)) => backup::restore(*arguments),
        Some(Command::Adopt(arguments)) => adopt::run(*arguments),
        Some(Command::Keys(arguments)) => keys::run(arguments),
        Some(Command::CheckConfig(given)) => check(given),
        Some(Command::Health(given)) => health::run(given),
        Some(Command::Doctor(arguments)) => return ended(doctor::run(*arguments)),
    };
    ended(done.map(|()| ExitCode::SUCCESS))
}

fn ended(done: Result<ExitCode, Failed>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(fault) => {
            // If even that cannot be written, the exit code still says it.
            let _ = writeln!(io::stderr(), "cloakroom: {}", harmless(&fault.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn check(given: Given) -> Result<(), Failed> {
    let config = given.complete()?;
    say(format!("The configuration can be used.\n{config:#?}"))
}

/// Prints to standard output.
fn say(text: impl AsRef<str>) -> Result<(), Failed> {
    writeln!(io::stdout(), "{}", harmless(text.as_ref()))?;
    Ok(())
}

/// Prints to standard error what a person wants to know and a script does not.
fn remark(text: impl AsRef<str>) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(io::stderr(), "{}", harmless(text.as_ref()));
}

/// How many things a command does at a time: enough for any line, and no flood.
fn checked_jobs(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|jobs| (1..=16).contains(jobs)).ok_or_else(|| "is a number from 1 to 16".to_owned())
}

/// What a terminal may be given: servers and other people wrote parts of it.
fn harmless(text: &str) -> String {
    let steers = |character: char| character != '\n' && is_invisible(character);
    text.chars().map(|character| if steers(character) { '\u{FFFD}' } else { character }).collect()
}

/// A runtime for commands that open the backends.
fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}
