//! `cloakroom api-key`: create, list and revoke API keys.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failed,
    client::{Client, Server, cleaned, text},
    remark, say,
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a key and print it: this once
    Create {
        /// What it may do: PATH=read, PATH=write or PATH=admin; / is the whole vault
        #[arg(required = true, value_parser = grant)]
        grants: Vec<Grant>,
        /// For trying things out, in a namespace of its own
        #[arg(long)]
        test: bool,
        /// The largest upload it may declare
        #[arg(long, value_name = "BYTES")]
        largest_upload: Option<u64>,
        /// For how many seconds it lives
        #[arg(long, value_name = "SECONDS")]
        expires_in: Option<u64>,
        /// Your own name for it
        #[arg(long)]
        label: Option<String>,
    },
    /// List the keys
    List,
    /// Revoke a key, and with it all that it minted
    Revoke {
        /// Its id
        id: String,
    },
}

#[derive(Clone, Debug)]
struct Grant {
    path: String,
    permission: String,
}

fn grant(text: &str) -> Result<Grant, String> {
    let (path, permission) = text.rsplit_once('=').ok_or("write it as PATH=read, PATH=write or PATH=admin")?;
    Ok(Grant { path: path.to_owned(), permission: permission.to_owned() })
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let client = Client::with_key(&arguments.server)?;
    match &arguments.action {
        Action::Create { grants, test, largest_upload, expires_in, label } => {
            let grants: Vec<Value> =
                grants.iter().map(|grant| json!({ "path": grant.path, "permission": grant.permission })).collect();
            let key = client.post(
                "/v1/api-keys",
                &json!({
                    "label": label,
                    "mode": test.then_some("test"),
                    "grants": grants,
                    "largest_upload": largest_upload,
                    "expires_in": expires_in,
                }),
            )?;
            remark(format!("{}  shown this once:", text(&key, "id")));
            say(text(&key, "secret"))
        }
        Action::List => list(&client),
        Action::Revoke { id } => {
            client.delete(&format!("/v1/api-keys/{id}"))?;
            remark(format!("{id} is revoked, and with it all that it minted"));
            Ok(())
        }
    }
}

fn list(client: &Client) -> Result<(), Failed> {
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/v1/api-keys?limit=200{cursor}"))?;
        for key in page["items"].as_array().into_iter().flatten() {
            let grants: Vec<String> = key["grants"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|grant| format!("{}={}", text(grant, "path"), text(grant, "permission")))
                .collect();
            say(format!(
                "{}  {}  {:<8} {}  {}",
                text(key, "id"),
                text(key, "preview"),
                text(key, "status"),
                cleaned(&grants.join(" ")),
                cleaned(text(key, "label"))
            ))?;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(()),
        }
    }
}
