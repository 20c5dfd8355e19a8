//! `cloakroom link`: publish files and mint a link to them; change such a link.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Failed,
    change::{self, some, times},
    client::{Client, Server, counted, text},
    measures::Lifetime,
    password::PasswordOptions,
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
    /// For how long it may be claimed: 60s to 7d [default: 7d]
    #[arg(long, value_name = "TIME")]
    expires_in: Option<Lifetime>,
    /// The file that is shown first [default: index.html]
    #[arg(long, value_name = "PATH")]
    index: Option<String>,
    /// The e-mail address of somebody to whom alone it goes; repeat it for more
    #[arg(long = "recipient", value_name = "ADDRESS")]
    recipients: Vec<String>,
    /// Your own name for it
    #[arg(long)]
    label: Option<String>,
    #[command(flatten)]
    password: PasswordOptions,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Change what is said about a link that is out, or make it narrower; its token stays the same
    Change(change::Arguments),
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    if let Some(Action::Change(change)) = &arguments.action {
        return change::run("/v1/links", change, &arguments.server);
    }
    let password = arguments.password.read()?;
    let client = Client::with_key(&arguments.server)?;
    let artifact = client.create(
        "/v1/artifacts",
        &json!({ "paths": arguments.paths, "index": arguments.index, "label": arguments.label }),
    )?;
    let link = client.create(
        "/v1/links",
        &json!({
            "artifact": artifact["id"],
            "expires_in": arguments.expires_in,
            "password": password.as_ref().map(|password| password.expose()),
            "label": arguments.label,
            "recipients": some(&arguments.recipients),
        }),
    )?;
    let files = artifact["files"].as_array().map_or(0, Vec::len) as u64;
    remark(format!(
        "{}  {}, {}, opens {}, until {}",
        text(&link, "id"),
        text(&artifact, "id"),
        counted(files, "file"),
        times(&link),
        text(&link, "expires_at")
    ));
    say(text(&link, "url"))
}
