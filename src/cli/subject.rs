//! `cloakroom subject`: export, correct and erase what is kept of one person; for administrators.

use std::{thread, time::Duration};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failed,
    client::{Client, Server, all_pages, cleaned, encoded, json_line, text},
    remark,
    rights::without_nulls,
    say,
};

/// How often it is asked how far an erasure has come.
const ASKING: Duration = Duration::from_millis(500);

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print all that is kept of somebody, as JSON on one line
    Export {
        #[command(flatten)]
        who: Who,
    },
    /// Erase somebody from all that is kept, and wait until nothing is left; asked again, it goes on
    Erase {
        #[command(flatten)]
        who: Who,
        /// Why, for administrators; it must not name who it is
        #[arg(long)]
        reason: Option<String>,
        /// Leave alive what a user made, for its own time
        #[arg(long)]
        keep_minted: bool,
    },
    /// Put another address in the place of a recipient's, in all shares and links
    Correct {
        /// The address as it is written there
        #[arg(long, value_name = "ADDRESS")]
        address: String,
        /// The address that is right
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
    /// Say whether somebody was erased; ends with 1 if not
    Find {
        #[command(flatten)]
        who: Who,
    },
    /// List erasures, by keyed hashes alone: keep it with your backups
    Erasures,
}

/// Somebody: by --address; by --user; or by --issuer and --subject.
#[derive(Args, Debug)]
struct Who {
    /// The e-mail address of a recipient, or that a user goes by
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["user", "issuer", "subject"])]
    address: Option<String>,
    /// The id of a user
    #[arg(long, value_name = "ID", conflicts_with_all = ["issuer", "subject"])]
    user: Option<String>,
    /// Who vouches for a user: the issuer's URL
    #[arg(long, value_name = "URL", requires = "subject")]
    issuer: Option<String>,
    /// What the issuer calls them
    #[arg(long, requires = "issuer")]
    subject: Option<String>,
}

impl Who {
    /// The body that names them, with more in it.
    fn with(&self, more: &Value) -> Value {
        let who = json!({ "address": self.address, "user": self.user, "issuer": self.issuer, "subject": self.subject });
        let mut body = without_nulls(&who);
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), without_nulls(more)) {
            body.extend(more);
        }
        body
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let client = Client::with_key(&arguments.server)?;
    match &arguments.action {
        Action::Export { who } => say(json_line(&export(&client, who)?)),
        Action::Erase { who, reason, keep_minted } => {
            let body = who.with(&json!({ "reason": reason, "keep_minted": keep_minted }));
            let erasure = client.post("/v1/data-subjects/erase", &body)?;
            let id = text(&erasure, "id").to_owned();
            remark(format!("{id}  is being erased; should this be cut off, it goes on by itself"));
            let path = format!("/v1/data-subjects/erasures/{}", encoded(&id));
            let erased = loop {
                let seen = client.get(&path)?;
                if text(&seen, "status") == "erased" {
                    break seen;
                }
                thread::sleep(ASKING);
            };
            say(told(&erased))
        }
        Action::Correct { address, to } => {
            let (mut shares, mut links, mut cursor) = (0, 0, Value::Null);
            loop {
                let body = without_nulls(&json!({ "address": address, "to": to, "cursor": cursor }));
                let done = client.post("/v1/data-subjects/correct", &body)?;
                shares += done["shares"].as_u64().unwrap_or_default();
                links += done["links"].as_u64().unwrap_or_default();
                cursor = done["next_cursor"].clone();
                if cursor.is_null() {
                    return say(format!("corrected in {shares} shares and {links} links"));
                }
            }
        }
        Action::Find { who } => {
            let found = client.post("/v1/data-subjects/find", &who.with(&json!({})))?;
            match &found["erasure"] {
                Value::Null => Err(format!("{}  was not erased", text(&found, "id")).into()),
                erasure => say(told(erasure)),
            }
        }
        Action::Erasures => {
            for erasure in all_pages(|cursor| client.get(&format!("/v1/data-subjects/erasures?limit=200{cursor}")))? {
                say(told(&erasure))?;
            }
            Ok(())
        }
    }
}

/// All pages as one document.
fn export(client: &Client, who: &Who) -> Result<Value, Failed> {
    let mut all = client.post("/v1/data-subjects/export", &who.with(&json!({})))?;
    while let Some(cursor) = all["next_cursor"].as_str().map(str::to_owned) {
        let more = client.post("/v1/data-subjects/export", &who.with(&json!({ "cursor": cursor })))?;
        for list in ["users", "shares", "links", "records", "console_sessions"] {
            if let (Some(all), Some(more)) = (all[list].as_array_mut(), more[list].as_array()) {
                all.extend(more.iter().cloned());
            }
        }
        all["next_cursor"] = more["next_cursor"].clone();
    }
    Ok(all)
}

fn told(erasure: &Value) -> String {
    let removed = &erasure["removed"];
    let counts = ["shares", "links", "users", "client_details", "unreadable"];
    let counts: Vec<_> = counts.iter().filter(|what| removed[**what] != 0).collect();
    let counts: Vec<_> = counts.iter().map(|what| format!("{} {}", removed[**what], what.replace('_', " "))).collect();
    let counts = if counts.is_empty() { "nothing was held".to_owned() } else { counts.join(", ") };
    let line = format!(
        "{}  {:<7}  {}  {counts}  {}",
        text(erasure, "id"),
        text(erasure, "status"),
        erasure["erased_at"].as_str().unwrap_or(text(erasure, "asked_at")),
        cleaned(text(erasure, "reason"))
    );
    line.trim_end().to_owned()
}
