//! `cloakroom webhook`: have events sent to receivers of yours, and see what becomes of them.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failed,
    change::some,
    client::{Client, Server, all_pages, cleaned, encoded, text},
    remark,
    rights::without_nulls,
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
    /// Have events sent to a URL; prints the webhook's id, and its secret, which is shown this once
    Create {
        /// To where: an https URL
        // Not called url: that is the server, which is asked with the key.
        #[arg(value_name = "RECEIVER")]
        receiver: String,
        /// Only events of this type, such as share.claimed, or of this kind, such as 'share.*'; repeat it for more
        #[arg(long = "type", value_name = "TYPE")]
        types: Vec<String>,
        /// What you say about it
        #[arg(long)]
        description: Option<String>,
    },
    /// List webhooks, newest first
    List,
    /// Show a webhook: how far it has come, and how its receiver is
    Show {
        /// Its id
        id: String,
    },
    /// Change where a webhook sends, or which events
    Change {
        /// Its id
        id: String,
        /// To where from now on
        #[arg(long, value_name = "RECEIVER")]
        to: Option<String>,
        /// Only events of this type or kind from now on; repeat it for more
        #[arg(long = "type", value_name = "TYPE", conflicts_with = "all_types")]
        types: Vec<String>,
        /// All events from now on
        #[arg(long)]
        all_types: bool,
        /// What you say about it
        #[arg(long)]
        description: Option<String>,
    },
    /// Send a message that tells nothing, now; ends with 1 where it does not arrive
    Test {
        /// Its id
        id: String,
    },
    /// Send nothing for now
    Pause {
        /// Its id
        id: String,
    },
    /// Go on from where it was
    Resume {
        /// Its id
        id: String,
    },
    /// Give a webhook a new secret, which is shown this once
    Rotate {
        /// Its id
        id: String,
        /// For how many seconds the secret before signs along; 0 where it may have leaked [default: 86400]
        #[arg(long, value_name = "SECONDS")]
        overlap: Option<u64>,
    },
    /// List deliveries that wait to be tried again, or were left after their last try
    Deliveries {
        /// Its id
        id: String,
    },
    /// Send a delivery once more, now; or all events after a record of the audit trail
    Replay {
        /// Its id
        id: String,
        /// Which delivery: the number of its record, as `deliveries` lists it; ends with 1 where it does not arrive
        #[arg(required_unless_present = "after")]
        delivery: Option<u64>,
        /// All events after this record; 0 for all there are
        #[arg(long, value_name = "NUMBER", conflicts_with = "delivery")]
        after: Option<u64>,
    },
    /// Remove a webhook
    Remove {
        /// Its id
        id: String,
    },
}

fn route(id: &str) -> String {
    format!("/v1/webhooks/{}", encoded(id))
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let client = Client::with_key(&arguments.server)?;
    let change = |id: &str, body: &Value| -> Result<(), Failed> {
        let seen = client.ask("PATCH", &route(id), Some(body))?.body;
        say(line(&seen))
    };
    match &arguments.action {
        Action::Create { receiver, types, description } => {
            let body = json!({ "url": receiver, "types": some(types), "description": description });
            with_secret(&client.create("/v1/webhooks", &without_nulls(&body))?)
        }
        Action::List => {
            let listed = client.get("/v1/webhooks")?;
            listed["items"].as_array().into_iter().flatten().try_for_each(|webhook| say(line(webhook)))
        }
        Action::Show { id } => show(&client.get(&route(id))?),
        Action::Change { id, to, types, all_types, description } => {
            let mut body = without_nulls(&json!({ "url": to, "types": some(types), "description": description }));
            if *all_types {
                body["types"] = Value::Null;
            }
            change(id, &body)
        }
        Action::Test { id } => {
            let came = client.post(&format!("{}/test", route(id)), &json!({}))?;
            let took = format!("after {} ms", came["milliseconds"]);
            match came["delivered"] == true {
                true => say(format!("delivered: {} {took}", came["status"])),
                false => Err(format!("not delivered: {} {took}", trouble(&came["problem"], &came["status"])).into()),
            }
        }
        Action::Pause { id } => change(id, &json!({ "paused": true })),
        Action::Resume { id } => change(id, &json!({ "paused": false })),
        Action::Rotate { id, overlap } => {
            let body = without_nulls(&json!({ "overlap": overlap }));
            with_secret(&client.create(&format!("{}/rotate", route(id)), &body)?)
        }
        Action::Deliveries { id } => {
            let path = format!("{}/deliveries?limit=200", route(id));
            let found = all_pages(|cursor| client.get(&format!("{path}{cursor}")))?;
            found.iter().try_for_each(|delivery| say(delivered(delivery)))
        }
        Action::Replay { id, delivery: Some(seq), .. } => {
            let stands = client.post(&format!("{}/deliveries/{seq}/replay", route(id)), &json!({}))?;
            match text(&stands, "state") {
                "delivered" => say(delivered(&stands)),
                _ => Err(format!("not delivered: {}", trouble(&stands["last_problem"], &stands["last_status"])).into()),
            }
        }
        Action::Replay { id, delivery: None, after } => {
            client.post(&format!("{}/replay", route(id)), &json!({ "after": after.unwrap_or_default() }))?;
            remark(format!("{id} goes on after record {}", after.unwrap_or_default()));
            Ok(())
        }
        Action::Remove { id } => {
            client.delete(&route(id))?;
            remark(format!("{id} is removed"));
            Ok(())
        }
    }
}

fn with_secret(made: &Value) -> Result<(), Failed> {
    remark("the secret is shown this once; the receiver verifies with it");
    say(format!("{}  {}", text(made, "id"), text(made, "secret")))
}

/// What went wrong, in words.
fn trouble(problem: &Value, status: &Value) -> String {
    match problem.as_str().unwrap_or_default() {
        "status" => format!("it answered {status}"),
        "timeout" => "it did not answer in time".into(),
        "name_not_found" => "there is nobody of that name".into(),
        "address_refused" => "its name leads to an address that nothing is sent to".into(),
        "unreachable" => "there is no connection to be had".into(),
        "certificate" => "it does not show that it is who it says".into(),
        _ => "it hung up, or does not speak HTTP".into(),
    }
}

fn line(webhook: &Value) -> String {
    let types = webhook["types"].as_array().map(|types| types.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    let types = types.map_or_else(|| "all".to_owned(), |types| types.join(","));
    let waiting = match webhook["waiting"].as_u64() {
        None | Some(0) => String::new(),
        Some(waiting) => format!("  {waiting} waiting"),
    };
    format!(
        "{}  {:<6}  {}  {types}{waiting}  {}",
        text(webhook, "id"),
        text(webhook, "status"),
        cleaned(text(webhook, "url")),
        cleaned(text(webhook, "description"))
    )
    .trim_end()
    .to_owned()
}

fn show(webhook: &Value) -> Result<(), Failed> {
    say(line(webhook))?;
    say(format!("  up to record {} of the audit trail", webhook["seq"]))?;
    if let Some(why) = webhook["paused"]["reason"].as_str() {
        let why = match why {
            "gone" => "its receiver answered that it is gone",
            "failing" => "its receiver has taken nothing for days",
            _ => "somebody wanted that",
        };
        say(format!("  paused since {}: {why}", text(&webhook["paused"], "at")))?;
    }
    for (name, words) in [
        ("delivered_at", "something arrived last at"),
        ("failing_since", "nothing arrives since"),
        ("rests_until", "the receiver is left alone until"),
        ("previous_signs_until", "the secret before signs along until"),
    ] {
        if let Some(at) = webhook[name].as_str() {
            say(format!("  {words} {at}"))?;
        }
    }
    match webhook["dead_letters"].as_u64() {
        None | Some(0) => Ok(()),
        Some(1) => say("  1 delivery was left after its last try"),
        Some(dead) => say(format!("  {dead} deliveries were left after their last tries")),
    }
}

fn delivered(delivery: &Value) -> String {
    let next = delivery["next_at"].as_str().map(|next| format!("  again at {next}")).unwrap_or_default();
    let tries = match delivery["attempts"].as_u64().unwrap_or_default() {
        1 => "1 try".to_owned(),
        tries => format!("{tries} tries"),
    };
    let last = match text(delivery, "state") {
        "delivered" => String::new(),
        _ => format!("  {}", trouble(&delivery["last_problem"], &delivery["last_status"])),
    };
    let (kind, state) = (text(delivery, "type"), text(delivery, "state"));
    format!("{:>8}  {state:<9}  {kind:<26}  {tries}{last}{next}", delivery["seq"].to_string())
}
