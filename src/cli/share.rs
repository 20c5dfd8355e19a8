//! `cloakroom share`: mint a share.

use clap::Args;
use serde_json::json;

use super::{
    Failed,
    client::{Client, Server, text},
    remark, say,
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Vault paths; one that ends in / is a folder with all below it
    #[arg(required = true)]
    paths: Vec<String>,
    /// Let the claimant upload as well
    #[arg(long)]
    write: bool,
    /// For how many seconds it may be claimed: 60 to 604800 [default: 900]
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
    /// For how many seconds the claimant may keep coming back: 60 to 604800 [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    access_expires_in: Option<u64>,
    /// Your own name for it
    #[arg(long)]
    label: Option<String>,
    /// Share paths where nothing is yet
    #[arg(long)]
    allow_missing: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let share = Client::with_key(&arguments.server)?.post(
        "/v1/shares",
        &json!({
            "paths": arguments.paths,
            "permission": if arguments.write { "write" } else { "read" },
            "expires_in": arguments.expires_in,
            "access_expires_in": arguments.access_expires_in,
            "label": arguments.label,
            "allow_missing": arguments.allow_missing,
        }),
    )?;
    remark(format!("{}  opens once, until {}", text(&share, "id"), text(&share, "expires_at")));
    say(text(&share, "url"))
}
