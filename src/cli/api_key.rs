//! `cloakroom api-key`: create, list and revoke API keys.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failed,
    client::{Client, Server, all_pages, cleaned, encoded, text},
    measures::{Lifetime, Size},
    remark, say,
    uploads::used,
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
        /// The largest upload it may declare, as 50MB or 1.5GiB
        #[arg(long, value_name = "SIZE")]
        largest_upload: Option<Size>,
        /// How much may be kept of what comes by it, as 50GB or 1.5TiB
        #[arg(long, value_name = "SIZE")]
        quota_bytes: Option<Size>,
        /// How many files may be kept of those that come by it
        #[arg(long, value_name = "NUMBER")]
        quota_objects: Option<u64>,
        /// How long it lives, as 24h or 90d [default: until it is revoked]
        #[arg(long, value_name = "TIME")]
        expires_in: Option<Lifetime>,
        /// Your own name for it
        #[arg(long)]
        label: Option<String>,
    },
    /// List the keys, and how much those with a quota use
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
        Action::Create { grants, test, largest_upload, quota_bytes, quota_objects, expires_in, label } => {
            let grants: Vec<Value> =
                grants.iter().map(|grant| json!({ "path": grant.path, "permission": grant.permission })).collect();
            let key = client.create(
                "/v1/api-keys",
                &json!({
                    "label": label,
                    "mode": test.then_some("test"),
                    "grants": grants,
                    "largest_upload": largest_upload,
                    "quota": { "bytes": quota_bytes, "objects": quota_objects },
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
    for key in all_pages(|cursor| client.get(&format!("/v1/api-keys?limit=200{cursor}")))? {
        let grants = key["grants"].as_array().into_iter().flatten();
        let grants: Vec<String> =
            grants.map(|grant| format!("{}={}", text(grant, "path"), text(grant, "permission"))).collect();
        let limits = &key["quota"];
        let usage = if limits["bytes"].is_u64() || limits["objects"].is_u64() {
            let inspected = client.get(&format!("/v1/api-keys/{}", encoded(text(&key, "id"))))?;
            format!("  ({})", used(&inspected["usage"]))
        } else {
            String::new()
        };
        let line = format!(
            "{}  {}  {:<8} {}{usage}  {}",
            text(&key, "id"),
            text(&key, "preview"),
            text(&key, "status"),
            cleaned(&grants.join(" ")),
            cleaned(text(&key, "label"))
        );
        say(line.trim_end())?;
    }
    Ok(())
}
