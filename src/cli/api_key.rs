//! `cloakroom api-key`: create, list, change, rotate, reinstate and revoke API keys.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Failed,
    client::{Client, Server, all_pages, cleaned, encoded, text},
    measures::{Lifetime, Size},
    remark,
    rights::{Grant, grant, grants_of, last_used, shown, without_nulls},
    say,
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
        /// viewer, member or admin [default: admin with /=admin, or else member]
        #[arg(long)]
        role: Option<String>,
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
    /// Change what a key may do; what it minted shrinks with it, at once
    Change {
        /// Its id
        id: String,
        /// What it may do from now on: all of it, as for create
        #[arg(value_parser = grant)]
        grants: Vec<Grant>,
        /// viewer, member or admin
        #[arg(long)]
        role: Option<String>,
        /// How long it lives from now on, as 24h or 90d
        #[arg(long, value_name = "TIME")]
        expires_in: Option<Lifetime>,
        /// Your own name for it
        #[arg(long)]
        label: Option<String>,
    },
    /// Give a key a new secret and print it: this once; what it minted stays
    Rotate {
        /// Its id
        id: String,
        /// How long the old secret is still accepted, as 0s, 1h or 7d [default: 24h]
        #[arg(long, value_name = "TIME")]
        overlap: Option<Lifetime>,
    },
    /// End all that a key minted, and the console sessions that it opened; the key goes on
    CutOff {
        /// Its id
        id: String,
    },
    /// Let a key be used again that was cut off with its tenant; what it minted stays ended
    Reinstate {
        /// Its id
        id: String,
    },
    /// Revoke a key, and with it all that it minted
    Revoke {
        /// Its id
        id: String,
        /// Leave alive what it minted, for its own time
        #[arg(long)]
        keep_minted: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let client = Client::with_key(&arguments.server)?;
    match &arguments.action {
        Action::Create { grants, role, test, largest_upload, quota_bytes, quota_objects, expires_in, label } => {
            let key = client.create(
                "/v1/api-keys",
                &json!({
                    "label": label,
                    "mode": test.then_some("test"),
                    "role": role,
                    "grants": grants_of(grants),
                    "largest_upload": largest_upload,
                    "quota": { "bytes": quota_bytes, "objects": quota_objects },
                    "expires_in": expires_in,
                }),
            )?;
            remark(format!("{}  shown this once:", text(&key, "id")));
            say(text(&key, "secret"))
        }
        Action::List => list(&client),
        Action::Change { id, grants, role, expires_in, label } => {
            let grants = (!grants.is_empty()).then(|| grants_of(grants));
            let wanted = json!({ "role": role, "grants": grants, "expires_in": expires_in, "label": label });
            client.ask("PATCH", &format!("/v1/api-keys/{}", encoded(id)), Some(&without_nulls(&wanted)))?;
            Ok(())
        }
        Action::Rotate { id, overlap } => {
            let key = client.create(&format!("/v1/api-keys/{}/rotate", encoded(id)), &json!({ "overlap": overlap }))?;
            let until = key["previous_accepted_until"].as_str();
            let until = until.map_or("ended".to_owned(), |until| format!("accepted until {until}"));
            remark(format!("{id}  the old secret is {until}; the new one, shown this once:"));
            say(text(&key, "secret"))
        }
        Action::CutOff { id } => {
            client.post(&format!("/v1/api-keys/{}/cut-off", encoded(id)), &json!({}))?;
            remark(format!("all that {id} minted has ended"));
            Ok(())
        }
        Action::Reinstate { id } => {
            client.post(&format!("/v1/api-keys/{}/reinstate", encoded(id)), &json!({}))?;
            remark(format!("{id} may be used again; what it had minted stays ended"));
            Ok(())
        }
        Action::Revoke { id, keep_minted } => {
            client.delete(&format!("/v1/api-keys/{}?keep_minted={keep_minted}", encoded(id)))?;
            let rest =
                if *keep_minted { "what it minted lives on for its time" } else { "and with it all that it minted" };
            remark(format!("{id} is revoked, {rest}"));
            Ok(())
        }
    }
}

fn list(client: &Client) -> Result<(), Failed> {
    for key in all_pages(|cursor| client.get(&format!("/v1/api-keys?limit=200{cursor}")))? {
        let limits = &key["quota"];
        let usage = if limits["bytes"].is_u64() || limits["objects"].is_u64() {
            let inspected = client.get(&format!("/v1/api-keys/{}", encoded(text(&key, "id"))))?;
            format!("  ({})", used(&inspected["usage"]))
        } else {
            String::new()
        };
        let line = format!(
            "{}  {}  {:<8} {:<6} {:<25}  {}{usage}  {}",
            text(&key, "id"),
            text(&key, "preview"),
            text(&key, "status"),
            text(&key, "role"),
            last_used(&key),
            shown(&key["grants"]),
            cleaned(text(&key, "label"))
        );
        say(line.trim_end())?;
    }
    Ok(())
}
