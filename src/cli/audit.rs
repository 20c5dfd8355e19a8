//! `cloakroom audit`: what happened, and whether it is told as it was written.

use clap::{Args, Subcommand};

use super::{
    Failed,
    client::{Client, Server, all_pages, cleaned, encoded, text},
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
    /// List what happened, newest first
    List {
        /// Only events of this type, such as share.claimed
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
    },
    /// Verify that nothing was changed, removed, added or moved; ends with 1 where something was
    Verify,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let client = Client::with_key(&arguments.server)?;
    match &arguments.action {
        Action::List { kind } => {
            let kind = kind.as_ref().map(|kind| format!("&type={}", encoded(kind))).unwrap_or_default();
            for event in all_pages(|cursor| client.get(&format!("/v1/audit?limit=200{kind}{cursor}")))? {
                let actor = &event["actor"];
                let who = if actor["label"].is_string() { text(actor, "label") } else { text(actor, "kind") };
                let reason = event["reason"].as_str().map(|reason| format!("  {reason}")).unwrap_or_default();
                let (at, kind) = (text(&event, "at"), text(&event, "type"));
                let line = format!(
                    "{:>8}  {at}  {kind:<26} {}  {}{reason}",
                    event["seq"],
                    text(&event, "resource"),
                    cleaned(who)
                );
                say(line)?;
            }
            Ok(())
        }
        Action::Verify => verify(&client),
    }
}

/// Portion by portion, to the end or to the first record that is not as it must be.
fn verify(client: &Client) -> Result<(), Failed> {
    let mut cursor = String::new();
    loop {
        let found = client.get(&format!("/v1/audit/verify{cursor}"))?;
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
            None => return say(format!("intact: {} records, head {}", found["records"], text(&found, "head"))),
        }
    }
}
