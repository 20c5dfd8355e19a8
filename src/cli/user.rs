//! `cloakroom user`: let in, list, change and remove users whom an identity provider vouches for.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Failed,
    client::{Client, Server, all_pages, cleaned, encoded, text},
    measures::Lifetime,
    remark,
    rights::{Grant, grant, grants_of, last_used, shown, without_nulls},
    say,
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
    /// Let somebody in
    Add {
        /// Who vouches for them: the issuer's URL, as its tokens have it
        #[arg(long, value_name = "URL")]
        issuer: String,
        /// What the issuer calls them: the claim sub
        #[arg(long)]
        subject: String,
        /// What they may do: PATH=read, PATH=write or PATH=admin; / is the whole vault
        #[arg(required = true, value_parser = grant)]
        grants: Vec<Grant>,
        /// viewer, member or admin [default: admin with /=admin, or else member]
        #[arg(long)]
        role: Option<String>,
        /// How long they have access, as 24h or 90d [default: until they are removed]
        #[arg(long, value_name = "TIME")]
        expires_in: Option<Lifetime>,
        /// Your own name for them
        #[arg(long)]
        label: Option<String>,
    },
    /// List the users
    List,
    /// Change what a user may do; what they made shrinks with it, at once
    Change {
        /// Their id
        id: String,
        /// What they may do from now on: all of it, as for add
        #[arg(value_parser = grant)]
        grants: Vec<Grant>,
        /// viewer, member or admin
        #[arg(long)]
        role: Option<String>,
    },
    /// End all that a user made, and their sessions; they may sign in again
    CutOff {
        /// Their id
        id: String,
    },
    /// Let a user in again who was cut off with the tenant; what they made stays ended
    Reinstate {
        /// Their id
        id: String,
    },
    /// Remove a user, and with them all that they made
    Remove {
        /// Their id
        id: String,
        /// Leave alive what they made, for its own time
        #[arg(long)]
        keep_minted: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let client = Client::with_key(&arguments.server)?;
    match &arguments.action {
        Action::Add { issuer, subject, grants, role, expires_in, label } => {
            let user = client.create(
                "/v1/users",
                &json!({
                    "issuer": issuer,
                    "subject": subject,
                    "role": role,
                    "grants": grants_of(grants),
                    "expires_in": expires_in,
                    "label": label,
                }),
            )?;
            say(text(&user, "id"))
        }
        Action::List => list(&client),
        Action::Change { id, grants, role } => {
            let grants = (!grants.is_empty()).then(|| grants_of(grants));
            let path = format!("/v1/users/{}", encoded(id));
            client.ask("PATCH", &path, Some(&without_nulls(&json!({ "role": role, "grants": grants }))))?;
            Ok(())
        }
        Action::CutOff { id } => {
            client.post(&format!("/v1/users/{}/cut-off", encoded(id)), &json!({}))?;
            remark(format!("all that {id} made has ended"));
            Ok(())
        }
        Action::Reinstate { id } => {
            client.post(&format!("/v1/users/{}/reinstate", encoded(id)), &json!({}))?;
            remark(format!("{id} may come in again; what they had made stays ended"));
            Ok(())
        }
        Action::Remove { id, keep_minted } => {
            client.delete(&format!("/v1/users/{}?keep_minted={keep_minted}", encoded(id)))?;
            remark(format!("{id} is removed"));
            Ok(())
        }
    }
}

fn list(client: &Client) -> Result<(), Failed> {
    for user in all_pages(|cursor| client.get(&format!("/v1/users?limit=200{cursor}")))? {
        let line = format!(
            "{}  {:<8} {:<6} {:<25}  {}  {}  {}",
            text(&user, "id"),
            text(&user, "status"),
            text(&user, "role"),
            last_used(&user),
            cleaned(text(&user, "subject")),
            shown(&user["grants"]),
            cleaned(text(&user, "label"))
        );
        say(line.trim_end())?;
    }
    Ok(())
}
