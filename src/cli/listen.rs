//! `cloakroom listen`: what webhooks would send, sent to a program that is being written on this machine.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use ureq::Agent;

use crate::{
    clock::{Clock, SystemClock},
    crypto::{secret::SecretText, webhook_signature::WebhookSecret},
    entropy::SystemEntropy,
    outward,
};

use super::{
    Failed,
    client::{Client, Server, text},
    event_stream::{self, Wanted},
    remark, say,
};

/// The variable with a secret to sign with.
const SECRET: &str = "CLOAKROOM_WEBHOOK_SECRET";

/// How long the program may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Where to send each event, by POST, such as http://127.0.0.1:3000/hook
    #[arg(long, value_name = "URL")]
    forward_to: String,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let url = url::Url::parse(&arguments.forward_to).map_err(|fault| format!("--forward-to: {fault}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("--forward-to: begins with http:// or https://".into());
    }
    let client = Client::with_key(&arguments.server)?;
    let secret = match std::env::var(SECRET) {
        Ok(given) => {
            WebhookSecret::parse(&SecretText::new(given.trim())).map_err(|fault| format!("{SECRET}: {fault}"))?
        }
        Err(_) => {
            let drawn = WebhookSecret::draw(&SystemEntropy);
            remark(format!("signed with {} (drawn for this run; {SECRET} sets another)", drawn.text().expose()));
            drawn
        }
    };
    remark(format!("events go to {url}"));
    let agent = agent();
    event_stream::follow(&client, &arguments.wanted, |event| {
        let outcome = send(&agent, url.as_str(), &secret, event);
        say(format!("{:>8}  {:<26} {outcome}", event["seq"].to_string(), text(event, "type")))
    })
}

/// It goes straight there, and nowhere else, whatever is answered.
fn agent() -> Agent {
    Agent::new_with_config(
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(PATIENCE))
            .tls_config(outward::trust())
            .build(),
    )
}

/// Sends one event as a webhook is sent (Standard Webhooks), once, and says what came of it.
fn send(agent: &Agent, url: &str, secret: &WebhookSecret, event: &Value) -> String {
    let body = json!({ "type": event["type"], "timestamp": event["at"], "data": event }).to_string();
    let (id, now) = (text(event, "id"), SystemClock::default().now());
    let sent = agent
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", now.as_unix_seconds().to_string())
        .header("webhook-signature", secret.sign(id, now, body.as_bytes()))
        .send(&body);
    match sent {
        Ok(answer) => answer.status().to_string(),
        Err(fault) => format!("not sent: {fault}"),
    }
}
