//! `cloakroom tenant`: create and list tenants, for operators.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Failed,
    client::{Client, Server, all_pages, cleaned, text},
    measures::Size,
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
    /// Create a tenant and print the key that administers it: this once
    Create {
        /// Its name, as recipients of its links read it
        name: String,
    },
    /// List the tenants
    List,
    /// Limit what a tenant may keep; without limits, it may keep as much as there is room for
    Quota {
        /// The tenant's id
        id: String,
        /// At most so much, as 50GB or 1.5TiB
        #[arg(long, value_name = "SIZE")]
        bytes: Option<Size>,
        /// At most so many files
        #[arg(long, value_name = "NUMBER")]
        files: Option<u64>,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let client = Client::with_key(&arguments.server)?;
    match &arguments.action {
        Action::Create { name } => {
            let tenant = client.create("/v1/tenants", &json!({ "name": name }))?;
            remark(format!("{}  its admin key, shown this once:", text(&tenant, "id")));
            say(text(&tenant["admin_key"], "secret"))
        }
        Action::Quota { id, bytes, files } => {
            let limits = json!({ "bytes": bytes, "objects": files });
            client.ask("PUT", &format!("/v1/tenants/{id}/quota"), Some(&limits))?;
            Ok(())
        }
        Action::List => {
            for tenant in all_pages(|cursor| client.get(&format!("/v1/tenants?limit=200{cursor}")))? {
                let (id, status) = (text(&tenant, "id"), text(&tenant, "status"));
                say(format!("{id}  {status:<9} {}", cleaned(text(&tenant, "name"))))?;
            }
            Ok(())
        }
    }
}
