//! `cloakroom deliver`: send files to whoever asked for them, without an API key.

use clap::Args;
use serde_json::{Value, json};

use crate::crypto::secret::SecretText;

use super::{
    Failed,
    claim::{Claim, Kind},
    client::{Client, cleaned, text},
    fault::Fault,
    password::{PasswordOptions, asked},
    remark,
    sending::{LONG_HELP, Place, Sending, Target},
};

/// How often a password may be mistyped.
const PASSWORD_TRIES: u32 = 3;

const PASSWORD_WANTED: &str = "a password is wanted: give it with --password-stdin or --password-file";

#[derive(Args, Debug)]
#[command(after_long_help = LONG_HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    sending: Sending,
    /// The whole link, in quotes: 'https://…/r#crf_…'; or its token alone, crf_…
    #[arg(long, value_name = "LINK")]
    to: String,
    /// Your name, which whoever asked for the files sees
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    password: PasswordOptions,
    /// The server, where only a token is given
    #[arg(long, env = "CLOAKROOM_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    url: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let (server, token) = link(&arguments.to, &arguments.url)?;
    // Before anybody is told that something comes.
    let selection = arguments.sending.select(None)?;
    let proof = Proof { name: arguments.name.as_deref(), password: arguments.password.read()? };
    let public = Client::public(server);
    let (claim, asked_for) = proof.open(&public, token)?;
    remark(format!("delivering to {}, until {}", cleaned(text(&asked_for, "sender")), text(&asked_for, "closes_at")));
    if !text(&asked_for, "message").is_empty() {
        remark(format!("  {}", cleaned(text(&asked_for, "message"))));
    }
    let target = Target { kept: claim.memory(), client: claim.client(), place: Place::Delivery, quietly: false };
    arguments.sending.send(&selection, &target)
}

/// Server and token of a link; of a token alone, with the server that was named.
fn link<'a>(to: &'a str, url: &'a str) -> Result<(&'a str, &'a str), Failed> {
    match to.split_once("/r#") {
        Some(link) => Ok(link),
        None if to.starts_with("crf_") => Ok((url, to)),
        None => Err("this is not a whole link to deliver to: put it in quotes, and copy all of it, to the end".into()),
    }
}

/// What whoever asked for the files wants to know of whoever delivers.
struct Proof<'a> {
    name: Option<&'a str>,
    password: Option<SecretText>,
}

impl Proof<'_> {
    /// Begins a delivery, or goes on with the one that was begun from here.
    fn open(&self, public: &Client, token: &str) -> Result<(Claim, Value), Failed> {
        let words = [self.name.unwrap_or_default()];
        let mut claim = Claim::of(Kind::FileRequest, public.clone(), token, &words)?;
        let mut opened = self.redeem(&claim);
        if !claim.is_new() && opened.as_ref().is_err_and(|fault| fault.code == "dead_token") {
            // The time to come back to it is over, perhaps; another delivery may yet be begun.
            claim = Claim::anew(Kind::FileRequest, public.clone(), token, &words)?;
            opened = self.redeem(&claim);
        }
        match opened {
            Ok(opened) => Ok((claim, opened)),
            Err(fault) => {
                // Where the outcome is known, nothing was begun under this key.
                if claim.is_new() && !fault.is_passing {
                    claim.forget();
                }
                Err(fault.into())
            }
        }
    }

    /// Redeems the link; where a password is wanted and none was given, whoever sits at the terminal is asked.
    fn redeem(&self, claim: &Claim) -> Result<Value, Fault> {
        let redeem = |password: Option<&SecretText>| {
            claim.redeem(&json!({ "name": self.name, "password": password.map(SecretText::expose) }))
        };
        let mut opened = redeem(self.password.as_ref());
        for _ in 0..PASSWORD_TRIES {
            match &opened {
                Err(fault) if self.password.is_none() && fault.code.starts_with("password_") => {
                    if fault.code == "password_wrong" {
                        remark(fault.to_string());
                    }
                    let password = asked("Password: ").map_err(|fault| Fault::other(&fault))?;
                    opened = redeem(Some(&password.ok_or_else(|| Fault::other(&PASSWORD_WANTED))?));
                }
                _ => break,
            }
        }
        opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_its_server_and_a_token_does_not() {
        assert_eq!(link("https://a.example/r#crf_x", "http://b").unwrap(), ("https://a.example", "crf_x"));
        assert_eq!(link("crf_x", "http://b").unwrap(), ("http://b", "crf_x"));
        for wrong in ["", "https://a.example/s#crs_x", "https://a.example/r", "crs_x"] {
            assert!(link(wrong, "http://b").is_err(), "{wrong}");
        }
    }
}
