//! `cloakroom audit`: what happened, and whether it is told as it was written.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    Failed, audit_export,
    client::{Client, Server, all_pages, cleaned, encoded, text},
    events::line,
    remark, say,
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: Server,
}

/// Which events; what is not said is not asked for.
#[derive(Args, Debug)]
struct Filter {
    /// Only events of this type, such as share.claimed
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only what they did: the id of a key, user, share or file request; or a kind of actor, such as bearer
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Only what was done to this
    #[arg(long, value_name = "ID")]
    resource: Option<String>,
    /// Only what ended so: done or refused
    #[arg(long)]
    outcome: Option<String>,
    /// Only what happened after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
    /// Only what happened before this time
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
}

impl Filter {
    fn query(&self) -> String {
        let Self { kind, actor, resource, outcome, after, before } = self;
        let given = [
            ("type", kind),
            ("actor", actor),
            ("resource", resource),
            ("outcome", outcome),
            ("after", after),
            ("before", before),
        ];
        let given = given.iter().filter_map(|(name, value)| Some(format!("&{name}={}", encoded(value.as_deref()?))));
        given.collect()
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what happened, newest first
    List {
        #[command(flatten)]
        filter: Filter,
    },
    /// Verify that nothing was changed, removed, added or moved; ends with 1 where something was
    Verify,
    /// Verify what is new and sign where the trail ends: prints a checkpoint, to be kept elsewhere
    Checkpoint,
    /// Export records, with a signed manifest that openssl verifies, into a folder
    Export {
        /// The folder, which is made where there is none. One that an earlier try has left is gone on with
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// Go on with this export
        #[arg(long, value_name = "ID", conflicts_with_all = ["kind", "actor", "after", "before"])]
        id: Option<String>,
        /// Only events of this type, such as share.claimed
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// Only what they did: the id of a key, user, share or file request; or a kind of actor, such as bearer
        #[arg(long, value_name = "ID")]
        actor: Option<String>,
        /// Only what happened after this time (RFC 3339)
        #[arg(long, value_name = "TIME")]
        after: Option<String>,
        /// Only what happened before this time
        #[arg(long, value_name = "TIME")]
        before: Option<String>,
    },
    /// List the public keys that checkpoints and exports are verified with
    Keys {
        /// Draw a new one first; the one before signs no more
        #[arg(long)]
        replace: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let client = Client::with_key(&arguments.server)?;
    match &arguments.action {
        Action::List { filter } => {
            let filter = filter.query();
            for event in all_pages(|cursor| client.get(&format!("/v1/audit?limit=200{filter}{cursor}")))? {
                say(line(&event))?;
            }
            Ok(())
        }
        Action::Verify => verify(&client),
        Action::Checkpoint => {
            let made = client.post("/v1/audit/checkpoints", &serde_json::json!({}))?;
            remark(format!("signed by {}", text(&made, "verifier_key")));
            say(text(&made, "note").trim_end())
        }
        Action::Export { to, id, kind, actor, after, before } => {
            let export = match id {
                Some(id) => client.get(&format!("/v1/audit/exports/{}", encoded(id)))?,
                None => {
                    let given = [("type", kind), ("actor", actor), ("after", after), ("before", before)];
                    let given = given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
                    client.create("/v1/audit/exports", &given.collect::<serde_json::Value>())?
                }
            };
            audit_export::fetch(&client, client.url(), text(&export, "id"), to)
        }
        Action::Keys { replace } => keys(&client, *replace),
    }
}

/// Portion by portion, to the end or to the first record that is not as it must be.
fn verify(client: &Client) -> Result<(), Failed> {
    let (mut cursor, mut checkpoints) = (String::new(), 0);
    loop {
        let found = client.get(&format!("/v1/audit/verify{cursor}"))?;
        checkpoints += found["checkpoints"].as_u64().unwrap_or_default();
        if found["intact"] != true {
            let broken = &found["broken"];
            let (seq, problem) = (&broken["seq"], cleaned(text(broken, "problem")));
            return Err(format!("record {seq} is not as it must be: {problem}").into());
        }
        match found["next_cursor"].as_str() {
            Some(next) => {
                remark(format!("{} records so far …", found["records"]));
                cursor = format!("?cursor={}", encoded(next));
            }
            None => {
                let (records, head) = (&found["records"], text(&found, "head"));
                let said = match checkpoints {
                    0 => String::new(),
                    1 => ", as a checkpoint says".into(),
                    count => format!(", as {count} checkpoints say"),
                };
                say(format!("intact: {records} records, head {head}{said}"))?;
                return redemptions(&found["redemptions"]);
            }
        }
    }
}

/// Whether there is a record for each redemption, where the trail was short enough to be compared at once.
fn redemptions(compared: &serde_json::Value) -> Result<(), Failed> {
    if compared.is_null() {
        return Ok(());
    }
    let (tokens, redemptions) = (&compared["tokens"], &compared["redemptions"]);
    if compared["proven"] == true {
        return say(format!(
            "proven: each of the {redemptions} redemptions of {tokens} shares and links has its record"
        ));
    }
    let unproven = compared["unproven"].as_array().into_iter().flatten();
    let lines = unproven.map(|token| {
        let resource = cleaned(text(token, "resource"));
        let (redemptions, records) = (&token["redemptions"], &token["records"]);
        format!("{resource} was redeemed {redemptions} times, of {records} records: {}", text(token, "problem"))
    });
    Err(lines.collect::<Vec<_>>().join("\n").into())
}

fn keys(client: &Client, replace: bool) -> Result<(), Failed> {
    let list = || client.get("/v1/audit/signing-keys");
    let mut found = list()?;
    if let Some(newest) = found["items"].get(0).filter(|_| replace) {
        client
            .post(&format!("/v1/audit/signing-keys/{}/replace", encoded(text(newest, "id"))), &serde_json::json!({}))?;
        found = list()?;
    }
    for key in found["items"].as_array().into_iter().flatten() {
        let until = key["replaced_at"].as_str().unwrap_or("now");
        say(format!("{}  {} to {until}\n{}", text(key, "id"), text(key, "created_at"), text(key, "public_key")))?;
    }
    Ok(())
}
