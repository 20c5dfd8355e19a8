//! `cloakroom share`: mint a share, change it, and tell what would become of it.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::domain::share::MOST_PATHS;

use super::{
    Failed,
    change::{self, some, times},
    client::{Client, Server, cleaned, encoded, json_line, text},
    measures::Lifetime,
    remark, say,
};

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Vault paths; one that ends in / is a folder with all below it
    #[arg(required = true)]
    paths: Vec<String>,
    /// Let the claimant upload as well
    #[arg(long)]
    write: bool,
    /// For how long it may be claimed: 60s to 7d [default: 15m]
    #[arg(long, value_name = "TIME")]
    expires_in: Option<Lifetime>,
    /// For how long the claimant may keep coming back: 60s to 7d [default: 1h]
    #[arg(long, value_name = "TIME")]
    access_expires_in: Option<Lifetime>,
    /// The e-mail address of somebody to whom alone it goes; repeat it for more
    #[arg(long = "recipient", value_name = "ADDRESS")]
    recipients: Vec<String>,
    /// Your own name for it
    #[arg(long)]
    label: Option<String>,
    /// Share paths where nothing is yet
    #[arg(long)]
    allow_missing: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Change what is said about a share that is out, or make it narrower; its token stays the same
    Change(change::Arguments),
    /// Tell what would happen if somebody opened it now, and why
    Explain {
        /// The share's id
        id: String,
        /// Their address, where that matters; yours where it is left out
        #[arg(long, value_name = "ADDRESS")]
        from: Option<std::net::IpAddr>,
    },
}

/// A share that is to be minted.
#[derive(Debug)]
pub(super) struct Minting(Value);

impl Minting {
    /// Of exactly these files, to be read.
    ///
    /// # Errors
    /// When one share cannot name them all.
    pub(super) fn to_read(files: &[&str], expires_in: Option<Lifetime>) -> Result<Self, Failed> {
        if files.len() > MOST_PATHS {
            let count = files.len();
            return Err(format!(
                "--share is for at most {MOST_PATHS} files, and these are {count}: upload them without it, and share \
                 their folder with cloakroom share FOLDER/"
            )
            .into());
        }
        Ok(Self(json!({ "paths": files, "permission": "read", "expires_in": expires_in })))
    }

    /// Mints it and prints its link, this once.
    pub(super) fn mint(&self, client: &Client, as_json: bool) -> Result<(), Failed> {
        let share = client.create("/v1/shares", &self.0)?;
        if as_json {
            return say(json_line(&json!({ "share": share })));
        }
        remark(format!("{}  opens {}, until {}", text(&share, "id"), times(&share), text(&share, "expires_at")));
        say(text(&share, "url"))
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    match &arguments.action {
        Some(Action::Change(change)) => return change::run("/v1/shares", change, &arguments.server),
        Some(Action::Explain { id, from }) => {
            let from = from.map(|from| format!("?from={from}")).unwrap_or_default();
            let client = Client::with_key(&arguments.server)?;
            return explain(&client.get(&format!("/v1/shares/{}/explain{from}", encoded(id)))?);
        }
        None => {}
    }
    let minting = Minting(json!({
        "paths": arguments.paths,
        "permission": if arguments.write { "write" } else { "read" },
        "expires_in": arguments.expires_in,
        "access_expires_in": arguments.access_expires_in,
        "label": arguments.label,
        "recipients": some(&arguments.recipients),
        "allow_missing": arguments.allow_missing,
    }));
    minting.mint(&Client::with_key(&arguments.server)?, false)
}

fn explain(told: &Value) -> Result<(), Failed> {
    match text(told, "outcome") {
        "opens" if told["wants_code"] == true => say("it opens, for its recipients, with a code from their mail")?,
        "opens" => say("it opens")?,
        "later" => say(format!("it says that it opens at {}", text(told, "opens_at")))?,
        _ => {
            say(format!("it is refused, without a reason; the reason is: {}", text(told, "reason").replace('_', " ")))?
        }
    }
    for path in told["withheld"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        say(format!("nobody gets to {}: its minter may not give it any more", cleaned(path)))?;
    }
    remark(format!("{} may still claim it", told["redemptions_left"]));
    Ok(())
}
