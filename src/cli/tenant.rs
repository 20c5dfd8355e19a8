//! `cloakroom tenant`: create, list, suspend, cut off and remove tenants, and act for one; for operators.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failed,
    client::{Client, Server, all_pages, cleaned, encoded, json_line, text},
    measures::{Lifetime, Size},
    remark, say, tenant_export,
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
    /// Suspend a tenant: nothing of it works, and nothing is lost
    Suspend {
        /// The tenant's id
        id: String,
    },
    /// Let a suspended tenant work again
    Resume {
        /// The tenant's id
        id: String,
    },
    /// Remove a tenant with everything that it has, seven days from now; it is suspended until then
    Delete {
        /// The tenant's id
        id: String,
        /// Remove it at once: nobody can call that off
        #[arg(long, requires = "name")]
        without_grace: bool,
        /// What the tenant is called, so that no other one is removed by a slip
        #[arg(long, requires = "without_grace")]
        name: Option<String>,
    },
    /// Call the removal of a tenant off, before it begins
    Restore {
        /// The tenant's id
        id: String,
    },
    /// Write all that the key's own namespace has into files of a folder: one for each kind of thing, a line of JSON each
    Export {
        /// The folder; files of an earlier export there are replaced
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Show a tenant, or what remains of it
    Show {
        /// The tenant's id
        id: String,
        /// As JSON, on one line
        #[arg(long)]
        json: bool,
    },
    /// End everything that was made under a tenant, keys included, and print a new admin key: this once
    CutOff {
        /// The tenant's id
        id: String,
    },
    /// Print a key to act for a tenant for a while, which sees that, and why: this once
    Impersonate {
        /// The tenant's id
        id: String,
        /// Why: the tenant reads it
        #[arg(long)]
        reason: String,
        /// viewer, member or admin [default: viewer]
        #[arg(long)]
        role: Option<String>,
        /// For how long, up to 1h [default: 15m]
        #[arg(long, value_name = "TIME")]
        expires_in: Option<Lifetime>,
    },
    /// Let pages of these origins use a tenant by script, and no others; without any, none
    AllowOrigins {
        /// The tenant's id
        id: String,
        /// As browsers spell them: https://app.example
        origins: Vec<String>,
    },
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
        Action::AllowOrigins { id, origins } => {
            client.ask("PUT", &of(id, "allowed-origins"), Some(&json!({ "origins": origins })))?;
            Ok(())
        }
        Action::Suspend { id } => client.post(&of(id, "suspend"), &json!({})).map(drop).map_err(Into::into),
        Action::Resume { id } => client.post(&of(id, "resume"), &json!({})).map(drop).map_err(Into::into),
        Action::Delete { id, without_grace, name } => {
            let grace = without_grace.then_some("none");
            let tenant = client.post(&of(id, "delete"), &json!({ "grace": grace, "name": name }))?;
            match without_grace {
                true => remark(format!("{id}  is being removed; `cloakroom tenant show {id}` tells how far that is")),
                false => remark(format!(
                    "{id}  is suspended, and removed on {}; `cloakroom tenant restore {id}` calls that off",
                    text(&tenant["deletion"], "due_at")
                )),
            }
            Ok(())
        }
        Action::Restore { id } => client.post(&of(id, "restore"), &json!({})).map(drop).map_err(Into::into),
        Action::Export { to } => tenant_export::fetch(&client, to),
        Action::Show { id, json } => {
            let tenant = client.get(&format!("/v1/tenants/{}", encoded(id)))?;
            if *json { say(json_line(&tenant)) } else { show(&tenant) }
        }
        Action::CutOff { id } => {
            let tenant = client.post(&of(id, "cut-off"), &json!({}))?;
            remark(format!("{id}  all that was made under it has ended; its new admin key, shown this once:"));
            say(text(&tenant["admin_key"], "secret"))
        }
        Action::Impersonate { id, reason, role, expires_in } => {
            let wanted = json!({ "reason": reason, "role": role, "expires_in": expires_in });
            let key = client.create(&of(id, "impersonations"), &wanted)?;
            remark(format!("{}  ends {}; shown this once:", text(&key, "id"), text(&key, "expires_at")));
            say(text(&key, "secret"))
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

/// The route by which something is done to a tenant.
fn of(id: &str, what: &str) -> String {
    format!("/v1/tenants/{}/{what}", encoded(id))
}

fn show(tenant: &Value) -> Result<(), Failed> {
    say(format!("{}  {}  {}", text(tenant, "id"), text(tenant, "status"), cleaned(text(tenant, "name"))))?;
    for (what, at) in [("asked for", "asked_at"), ("to be removed from", "due_at")] {
        if let Some(at) = tenant["deletion"][at].as_str() {
            say(format!("{what:<20}{at}"))?;
        }
    }
    for (what, at) in [("asked for", "asked_at"), ("nothing left since", "deleted_at"), ("last look", "last_look_at")] {
        if let Some(at) = tenant[at].as_str() {
            say(format!("{what:<20}{at}"))?;
        }
    }
    if let (Some(rows), Some(objects)) = (tenant["rows"].as_u64(), tenant["objects"].as_u64()) {
        say(format!("{:<20}{rows} rows, {objects} objects", "removed"))?;
    }
    for ledger in tenant["ledgers"].as_array().into_iter().flatten() {
        let (mode, size, hash) = (text(ledger, "mode"), &ledger["size"], text(ledger, "hash"));
        say(format!("{:<20}{size} records, ended by {hash}", format!("{mode} ledger")))?;
    }
    Ok(())
}
