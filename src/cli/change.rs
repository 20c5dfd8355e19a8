//! `cloakroom share change` and `cloakroom link change`: what a share or link that is out may still become.

use clap::Args;
use serde_json::{Value, json};

use super::{
    Failed,
    client::{Client, Server, encoded, text},
    measures::Lifetime,
    remark,
    rights::without_nulls,
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Its id
    id: String,
    /// For how long from now it may still be claimed; only shorter
    #[arg(long, value_name = "TIME")]
    expires_in: Option<Lifetime>,
    /// For how long those who claim it from now on may keep coming back; only shorter
    #[arg(long, value_name = "TIME")]
    access_expires_in: Option<Lifetime>,
    /// From when on it may be claimed, as 2026-11-23T12:00:00Z; only later
    #[arg(long, value_name = "WHEN")]
    not_before: Option<String>,
    /// How many may claim it; only fewer
    #[arg(long, value_name = "NUMBER")]
    redemptions: Option<u32>,
    /// From which network alone it may be used, as 192.0.2.0/24; repeat it for more
    #[arg(long = "allowed-network", value_name = "NETWORK")]
    allowed_networks: Vec<String>,
    /// The e-mail address of one of those to whom alone it goes from now on; repeat it for more
    #[arg(long = "recipient", value_name = "ADDRESS")]
    recipients: Vec<String>,
    /// Your own name for it
    #[arg(long)]
    label: Option<String>,
    /// What recipients are told
    #[arg(long)]
    message: Option<String>,
}

/// What was given once at least.
pub(super) fn some(values: &[String]) -> Option<&[String]> {
    (!values.is_empty()).then_some(values)
}

/// How often what was minted opens.
pub(super) fn times(minted: &Value) -> String {
    match minted["redemptions"].as_u64() {
        Some(count) if count > 1 => format!("{count} times"),
        _ => "once".into(),
    }
}

/// Changes what lies under this route.
pub(super) fn run(route: &str, arguments: &Arguments, server: &Server) -> Result<(), Failed> {
    let wanted = json!({
        "expires_in": arguments.expires_in,
        "access_expires_in": arguments.access_expires_in,
        "not_before": arguments.not_before,
        "redemptions": arguments.redemptions,
        "allowed_networks": some(&arguments.allowed_networks),
        "recipients": some(&arguments.recipients),
        "label": arguments.label,
        "message": arguments.message,
    });
    let path = format!("{route}/{}", encoded(&arguments.id));
    let seen = Client::with_key(server)?.ask("PATCH", &path, Some(&without_nulls(&wanted)))?.body;
    remark(format!("{}  {}, until {}", text(&seen, "id"), text(&seen, "status"), text(&seen, "expires_at")));
    Ok(())
}
