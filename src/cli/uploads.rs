//! `cloakroom uploads`: list and call off uploads; sweep, reconcile and count
//! what is kept.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failed,
    client::{Client, Server, all_pages, bytes, cleaned, counted, text},
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
    /// List uploads, newest first
    List,
    /// Call off an upload
    Cancel {
        /// Its id
        id: String,
    },
    /// Deal with abandoned uploads now, which the server does by itself each minute; for operators
    Sweep {
        /// Only say what there would be to do
        #[arg(long)]
        dry_run: bool,
    },
    /// Hold the vault against what is stored: orphans, lost files, wrong counts; for administrators
    Reconcile {
        /// Only say what differs
        #[arg(long)]
        dry_run: bool,
    },
    /// Say how much is kept, and how much may be
    Usage,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let client = Client::with_key(&arguments.server)?;
    match &arguments.action {
        Action::List => list(&client),
        Action::Cancel { id } => {
            client.delete(&format!("/v1/uploads/{id}"))?;
            Ok(())
        }
        Action::Sweep { dry_run } => sweep(&client, *dry_run),
        Action::Reconcile { dry_run } => reconcile(&client, *dry_run),
        Action::Usage => usage(&client),
    }
}

fn list(client: &Client) -> Result<(), Failed> {
    let uploads = all_pages(|cursor| client.get(&format!("/v1/uploads?limit=200{cursor}")))?;
    for upload in &uploads {
        let (id, status) = (text(upload, "id"), text(upload, "status"));
        let size = bytes(upload["size"].as_u64().unwrap_or_default());
        say(format!("{id}  {status:<9}  {size:>10}  {}", cleaned(text(upload, "path"))))?;
    }
    Ok(())
}

fn sweep(client: &Client, dry_run: bool) -> Result<(), Failed> {
    let swept = client.post("/v1/uploads/sweep", &json!({ "dry_run": dry_run }))?;
    let items = items(&swept);
    for item in items {
        let what = match text(item, "action") {
            "expire" => "never completed",
            "release" => "called off or rejected",
            "remove_late" => "sent again after completion",
            other => other,
        };
        let size = bytes(item["bytes"].as_u64().unwrap_or_default());
        say(format!("{}  {size:>10}  {}", text(item, "upload"), cleaned(what)))?;
    }
    let verb = if dry_run { "would be swept; nothing was changed" } else { "swept" };
    remark(format!("{} {verb}", counted(items.len() as u64, "upload")));
    match swept["failed"].as_u64().unwrap_or_default() {
        0 => Ok(()),
        failed => {
            Err(format!("{} could not be dealt with now; the next sweep tries again", counted(failed, "upload")).into())
        }
    }
}

fn reconcile(client: &Client, dry_run: bool) -> Result<(), Failed> {
    let found = client.post("/v1/objects/reconcile", &json!({ "dry_run": dry_run }))?;
    let mut lost = 0;
    for item in items(&found) {
        let count = |field: &str| item[field].as_u64().unwrap_or_default();
        say(match text(item, "kind") {
            "orphan" => format!("orphan      {:>10}  {}", bytes(count("bytes")), text(item, "object")),
            "missing" => {
                lost += 1;
                format!("LOST        {}  ({})", cleaned(text(item, "path")), text(item, "object"))
            }
            "miscounted" => format!(
                "miscounted  {}: {} in {} said, {} in {} kept",
                text(item, "scope"),
                bytes(count("counted_bytes")),
                counted_value(&item["counted_objects"]),
                bytes(count("bytes")),
                counted_value(&item["objects"]),
            ),
            other => cleaned(other),
        })?;
    }
    let differences = counted(items(&found).len() as u64, "difference");
    let changed = if dry_run { "; nothing was changed" } else { "" };
    remark(format!("{}, {differences}{changed}", counted_value(&found["files"])));
    if lost == 0 {
        Ok(())
    } else {
        Err(format!("the bytes of {} are gone: restore them", counted(lost, "file")).into())
    }
}

fn usage(client: &Client) -> Result<(), Failed> {
    let usage = client.get("/v1/usage")?;
    for (name, part) in [("tenant", &usage["tenant"]), ("this key", &usage["key"])] {
        if part.is_null() {
            continue;
        }
        say(format!("{name:<9} {}", used(part)))?;
    }
    Ok(())
}

/// How much is used, and of how much: a usage as the API tells it.
pub(super) fn used(usage: &Value) -> String {
    let limits = &usage["limits"];
    let of_bytes = limits["bytes"].as_u64().map_or(String::new(), |limit| format!(" of {}", bytes(limit)));
    let of_files = limits["objects"].as_u64().map_or(String::new(), |limit| format!(" of {limit}"));
    let size = bytes(usage["bytes"].as_u64().unwrap_or_default());
    format!("{size}{of_bytes}, {}{of_files}", counted_value(&usage["objects"]))
}

fn items(answer: &Value) -> &[Value] {
    answer["items"].as_array().map_or(&[], Vec::as_slice)
}

/// A number of files, as an answer tells it.
fn counted_value(number: &Value) -> String {
    counted(number.as_u64().unwrap_or_default(), "file")
}
