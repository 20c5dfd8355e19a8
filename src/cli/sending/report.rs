//! What is said and saved about a file that was sent.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use serde_json::{Value, json};

use crate::cli::{
    Failed,
    checksum::hex,
    client::{bytes, cleaned, encoded, json_line, text},
    fault::patiently,
    local::place_below,
};

use super::{
    Sending, Target,
    selection::Chosen,
    transfer::{Sent, Transfer},
};

impl Sending {
    /// Says what became of a file, and saves its receipt where that is wanted.
    pub(super) fn report(
        &self,
        target: &Target,
        transfer: &Transfer<'_>,
        chosen: &Chosen,
        sent: Sent,
        is_only: bool,
    ) -> Result<(), Failed> {
        let view = &sent.view;
        let path = chosen.path.as_str();
        let receipt = self.receipt_of(transfer, view)?;
        let sha256 = view["sha256"].as_str().map(str::to_owned).or_else(|| sent.hash.as_ref().map(hex));
        if let Some(folder) = &self.receipts {
            match &receipt {
                Some(receipt) => save_receipt(folder, path, receipt)?,
                None => transfer.progress.remark(format!("{}: the server gives no receipt", cleaned(path))),
            }
        }
        if sent.was_there {
            transfer.progress.remark(format!("{}: already there", cleaned(path)));
        } else if is_only {
            let checksum = match &sha256 {
                Some(sha256) => format!("sha256 {sha256}"),
                None => format!("{} checksum {}", text(&view["checksum"], "type"), text(&view["checksum"], "value")),
            };
            let size = bytes(chosen.source.size);
            transfer.progress.remark(format!("{size}  {}  {checksum}", text(view, "content_type")));
        }
        if !self.json {
            if target.quietly {
                transfer.progress.remark(cleaned(path));
                return Ok(());
            }
            return transfer.progress.say(cleaned(path));
        }
        let mut told = json!({ "path": path, "size": chosen.source.size });
        let known = [
            ("id", view.get("id").cloned().filter(|id| id.as_str().is_some_and(|id| id.starts_with("upl_")))),
            ("content_type", view.get("content_type").cloned()),
            ("sha256", sha256.map(Value::from)),
            ("checksum", view.get("checksum").cloned()),
            ("receipt", receipt),
            ("already_there", sent.was_there.then_some(Value::Bool(true))),
        ];
        for (name, value) in known.into_iter().filter_map(|(name, value)| Some((name, value.filter(|v| !v.is_null())?)))
        {
            told[name] = value;
        }
        transfer.progress.say(json_line(&told))
    }

    /// The receipt of an upload: from its view, or asked for where it is wanted.
    fn receipt_of(&self, transfer: &Transfer<'_>, view: &Value) -> Result<Option<Value>, Failed> {
        let wanted = self.json || self.receipts.is_some();
        let id = text(view, "id");
        if let Some(receipt) = view.get("receipt").filter(|receipt| receipt.is_object()) {
            return Ok(Some(receipt.clone()));
        }
        if !wanted || !id.starts_with("upl_") {
            return Ok(None);
        }
        let path = format!("{}/{}/receipt", transfer.place.route(), encoded(id));
        match patiently(|| transfer.client.get(&path)) {
            Ok(receipt) => Ok(Some(receipt)),
            Err(fault) if fault.status == Some(404) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }
}

/// Saves a receipt beside those of its siblings. One for an earlier file under the path is replaced.
fn save_receipt(folder: &Path, path: &str, receipt: &Value) -> Result<(), Failed> {
    let file = place_below(folder, &format!("{path}.receipt.json"))?;
    let draft = file.with_extension("json.draft");
    let fault = |fault| format!("{}: {fault}", draft.display());
    // One that was left behind is in the way; where there is none this fails, rightly.
    let _ = fs::remove_file(&draft);
    let mut written = OpenOptions::new().write(true).create_new(true).open(&draft).map_err(fault)?;
    writeln!(written, "{receipt}").map_err(fault)?;
    fs::rename(&draft, &file).map_err(fault)?;
    Ok(())
}
