//! `cloakroom events`: what happens, oldest first; and while it happens.

use clap::Args;
use serde_json::Value;

use super::{
    Failed,
    client::{Client, Server, cleaned, encoded, json_line, text},
    event_stream::{self, Wanted},
    say,
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Print what is new as it happens, for ever; from now on, where no number is given
    #[arg(long)]
    follow: bool,
    /// Each event as JSON on a line, instead of words
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let client = Client::with_key(&arguments.server)?;
    let print = |event: &Value| say(if arguments.json { json_line(event) } else { line(event) });
    if arguments.follow {
        return event_stream::follow(&client, &arguments.wanted, print);
    }
    let kinds = arguments.wanted.kinds.as_deref().map(|kinds| format!("&type={}", encoded(kinds))).unwrap_or_default();
    let mut after = arguments.wanted.after.unwrap_or_default();
    loop {
        let page = client.get(&format!("/v1/events?limit=200&after={after}{kinds}"))?;
        page["items"].as_array().into_iter().flatten().try_for_each(print)?;
        match page["next_after"].as_u64() {
            Some(next) if next > after && page["more"] == true => after = next,
            _ => return Ok(()),
        }
    }
}

/// An event on one line.
pub(super) fn line(event: &Value) -> String {
    let actor = &event["actor"];
    let who = if actor["label"].is_string() { text(actor, "label") } else { text(actor, "kind") };
    let reason = event["reason"].as_str().map(|reason| format!("  {reason}")).unwrap_or_default();
    let from = event["client"]["address"].as_str().map(|from| format!("  from {from}")).unwrap_or_default();
    let (at, kind) = (text(event, "at"), text(event, "type"));
    format!(
        "{:>8}  {at}  {kind:<26} {}  {}{reason}{from}",
        event["seq"].to_string(),
        text(event, "resource"),
        cleaned(who)
    )
}
