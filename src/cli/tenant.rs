//! `cloakroom tenant`: create and list tenants, for operators.

use clap::{Args, Subcommand};
use serde_json::json;

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
    /// Create a tenant and print the key that administers it: this once
    Create {
        /// Its name, as recipients of its links read it
        name: String,
    },
    /// List the tenants
    List,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let client = Client::with_key(&arguments.server)?;
    match &arguments.action {
        Action::Create { name } => {
            let tenant = client.post("/v1/tenants", &json!({ "name": name }))?;
            remark(format!("{}  its admin key, shown this once:", text(&tenant, "id")));
            say(text(&tenant["admin_key"], "secret"))
        }
        Action::List => {
            let mut cursor = String::new();
            loop {
                let page = client.get(&format!("/v1/tenants?limit=200{cursor}"))?;
                for tenant in page["items"].as_array().into_iter().flatten() {
                    say(format!(
                        "{}  {:<9} {}",
                        text(tenant, "id"),
                        text(tenant, "status"),
                        cleaned(text(tenant, "name"))
                    ))?;
                }
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => return Ok(()),
                }
            }
        }
    }
}
