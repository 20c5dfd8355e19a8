//! `cloakroom request`: links by which outsiders deliver files, and see nothing else.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failed,
    client::{Client, Server, all_pages, bytes, cleaned, counted, encoded, json_line, text},
    measures::{Lifetime, Size},
    password::PasswordOptions,
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
    /// Make a link by which outsiders deliver files, and see nothing else
    Create(Box<Create>),
    /// List file requests, newest first
    List {
        /// Print one JSON object a file request
        #[arg(long)]
        json: bool,
    },
    /// Show a file request, and how much was delivered
    Show {
        /// Its id
        id: String,
        /// Print it as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Close a file request before its time; what was delivered stays
    Close {
        /// Its id
        id: String,
    },
}

#[derive(Args, Debug)]
struct Create {
    /// The folder of the vault below which everything goes, each delivery in a folder of its own
    #[arg(value_name = "FOLDER")]
    folder: String,
    /// The largest file, as 50MB or 1.5GiB
    #[arg(long, value_name = "SIZE")]
    max_file: Option<Size>,
    /// How much may be delivered, by all together
    #[arg(long, value_name = "SIZE")]
    max_total: Option<Size>,
    /// How many files may be delivered, by all together
    #[arg(long, value_name = "NUMBER")]
    max_files: Option<u64>,
    /// How many may deliver: 1 to 10000 [default: 100]
    #[arg(long, value_name = "NUMBER")]
    max_deliveries: Option<u32>,
    /// A media type that is taken, such as application/pdf or 'image/*'; more than once for several [default: all]
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// For how long it takes deliveries: 60s to 90d [default: 7d]
    #[arg(long, value_name = "TIME")]
    closes_in: Option<Lifetime>,
    /// For how long whoever began to deliver may come back: 60s to 7d [default: 24h]
    #[arg(long, value_name = "TIME")]
    access_expires_in: Option<Lifetime>,
    /// What whoever delivers is told
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Your own name for it
    #[arg(long)]
    label: Option<String>,
    /// Print it as a JSON object, the link in its field url
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    password: PasswordOptions,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    if let Action::Create(wanted) = &arguments.action {
        return create(wanted, &arguments.server);
    }
    let client = Client::with_key(&arguments.server)?;
    let route = |id: &str| format!("/v1/file-requests/{}", encoded(id));
    match &arguments.action {
        Action::Create(_) => Ok(()),
        Action::List { json } => {
            let requests = all_pages(|cursor| client.get(&format!("/v1/file-requests?limit=200{cursor}")))?;
            requests.iter().try_for_each(|request| say(if *json { json_line(request) } else { line(request) }))
        }
        Action::Show { id, json } => {
            let request = client.get(&route(id))?;
            if *json { say(json_line(&request)) } else { show(&request) }
        }
        Action::Close { id } => {
            client.delete(&route(id))?;
            remark(format!("{} is closed; what was delivered stays", cleaned(id)));
            Ok(())
        }
    }
}

fn create(wanted: &Create, server: &Server) -> Result<(), Failed> {
    let password = wanted.password.read()?;
    let made = Client::with_key(server)?.create(
        "/v1/file-requests",
        &json!({
            "folder": wanted.folder,
            "limits": { "bytes": wanted.max_total, "objects": wanted.max_files },
            "largest_file": wanted.max_file,
            "content_types": wanted.types,
            "submissions": wanted.max_deliveries,
            "expires_in": wanted.closes_in,
            "access_expires_in": wanted.access_expires_in,
            "password": password.as_ref().map(|password| password.expose()),
            "label": wanted.label,
            "message": wanted.message,
        }),
    )?;
    if wanted.json {
        return say(json_line(&made));
    }
    remark(format!("{}  whoever has this link may deliver into {}:", text(&made, "id"), text(&made, "folder")));
    allowed(&made).iter().for_each(|line| remark(format!("  {line}")));
    remark("  in a browser, or with: cloakroom deliver FILE… --to 'LINK'");
    say(text(&made, "url"))
}

/// What a file request allows, in plain words.
fn allowed(request: &Value) -> Vec<String> {
    let types: Vec<String> =
        request["content_types"].as_array().into_iter().flatten().filter_map(Value::as_str).map(cleaned).collect();
    let limits = &request["limits"];
    let each = request["largest_file"].as_u64().map(|most| format!(", at most {} each", bytes(most)));
    let all = [limits["objects"].as_u64().map(|files| counted(files, "file")), limits["bytes"].as_u64().map(bytes)];
    let all = all.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    let mut lines = vec![format!(
        "{}{}{}",
        if types.is_empty() { "files of every type".to_owned() } else { types.join(", ") },
        each.unwrap_or_default(),
        if all.is_empty() { all } else { format!(", {all} in all") },
    )];
    lines.push(format!("until {}, from {} at most", text(request, "expires_at"), people(&request["most_submissions"])));
    if request["has_password"] == true {
        lines.push("who know the password".to_owned());
    }
    lines
}

fn people(number: &Value) -> String {
    match number.as_u64().unwrap_or_default() {
        1 => "1 person".to_owned(),
        number => format!("{number} people"),
    }
}

/// A file request on one line of a list.
fn line(request: &Value) -> String {
    format!(
        "{}  {:<7}  until {}  {}  {}",
        text(request, "id"),
        text(request, "status"),
        text(request, "expires_at"),
        cleaned(text(request, "folder")),
        cleaned(text(request, "label")),
    )
    .trim_end()
    .to_owned()
}

fn show(request: &Value) -> Result<(), Failed> {
    let head = format!("{}  {}  {}", text(request, "id"), text(request, "status"), cleaned(text(request, "label")));
    say(head.trim_end())?;
    say(format!("  into {}", cleaned(text(request, "folder"))))?;
    for line in allowed(request) {
        say(format!("  {line}"))?;
    }
    if !text(request, "message").is_empty() {
        say(format!("  told: {}", cleaned(text(request, "message"))))?;
    }
    let usage = &request["usage"];
    let number = |name: &str| usage[name].as_u64().unwrap_or_default();
    let (files, size) = (counted(number("objects"), "file"), bytes(number("bytes")));
    say(format!("  delivered so far: {files}, {size}, from {}", people(&request["submissions"])))
}
