//! Showing to be one of the recipients: the address, and the code that is sent there.
//!
//! Never here: a code as an argument, for those are seen by others.

use std::io::{self, IsTerminal};

use clap::Args;
use console::Term;
use serde_json::{Value, json};

use super::{Failed, claim::Claim, client::cleaned, fault::Fault, password::first_line, remark};

/// How often a code may be typed wrong before the command ends. The server has a limit of its own.
const TRIES: usize = 3;

/// Options of every command that opens what may go to some recipients alone.
#[derive(Args, Debug)]
pub(super) struct RecipientOptions {
    /// Your e-mail address, where the share goes to some recipients alone. A code is sent there, which is asked for on a
    /// terminal, and otherwise read from standard input
    #[arg(long = "as", value_name = "ADDRESS")]
    address: Option<String>,
}

impl RecipientOptions {
    /// Redeems, and shows to be a recipient where that is wanted. Who comes back to a claim is not asked.
    pub(super) fn redeem(&self, claim: &Claim) -> Result<Value, Failed> {
        match claim.redeem(&Value::Null) {
            Err(fault) if fault.code == "recipient_required" => self.redeem_with_code(claim),
            done => Ok(done?),
        }
    }

    fn redeem_with_code(&self, claim: &Claim) -> Result<Value, Failed> {
        let is_asked = Term::stderr().is_term() && io::stdin().is_terminal();
        let address = match &self.address {
            Some(address) => address.clone(),
            None if is_asked => answer("It goes to some recipients alone. Your e-mail address: ")?,
            None => return Err("it goes to some recipients alone: say with --as which of them you are".into()),
        };
        claim.send_code(&address)?;
        remark(format!("a code is on its way to {}, if that is a recipient's", cleaned(&address)));
        let mut tries = 1;
        loop {
            let code = match is_asked {
                true => answer("Code: ")?,
                false => first_line(io::stdin(), "there is no code")?.expose().to_owned(),
            };
            let proof = json!({ "recipient": { "address": address, "code": code } });
            match claim.redeem(&proof) {
                Err(fault) if is_wrong(&fault) && is_asked && tries < TRIES => remark(fault.to_string()),
                done => return Ok(done?),
            }
            tries += 1;
        }
    }
}

fn is_wrong(fault: &Fault) -> bool {
    fault.code == "recipient_wrong"
}

fn answer(question: &str) -> io::Result<String> {
    let terminal = Term::stderr();
    terminal.write_str(question)?;
    Ok(terminal.read_line()?.trim().to_owned())
}
