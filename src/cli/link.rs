//! `cloakroom link`: publish files and mint a link to them.

use std::io::{self, BufRead};

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
    /// Read a password from standard input, which whoever opens the link must know
    #[arg(long)]
    password_stdin: bool,
    /// For how many seconds it may be claimed: 60 to 604800 [default: 604800]
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
    /// The file that is shown first [default: index.html]
    #[arg(long, value_name = "PATH")]
    index: Option<String>,
    /// Your own name for it
    #[arg(long)]
    label: Option<String>,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let password = if arguments.password_stdin {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Some(line.trim_end_matches(['\r', '\n']).to_owned())
    } else {
        None
    };
    let client = Client::with_key(&arguments.server)?;
    let artifact = client.post(
        "/v1/artifacts",
        &json!({ "paths": arguments.paths, "index": arguments.index, "label": arguments.label }),
    )?;
    let link = client.post(
        "/v1/links",
        &json!({
            "artifact": artifact["id"],
            "expires_in": arguments.expires_in,
            "password": password,
            "label": arguments.label,
        }),
    )?;
    let files = artifact["files"].as_array().map_or(0, Vec::len);
    remark(format!(
        "{}  {}, {files} file{}, opens once, until {}",
        text(&link, "id"),
        text(&artifact, "id"),
        if files == 1 { "" } else { "s" },
        text(&link, "expires_at")
    ));
    say(text(&link, "url"))
}
