//! `cloakroom upload`: send files and folders into the vault, each under a
//! contract of its own.

mod parts;
mod selection;
mod transfer;

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    Failed, checked_jobs,
    checksum::hex,
    client::{Client, Server, bytes, cleaned, encoded, json_line, text},
    fault::patiently,
    local::place_below,
    many::{each, verdict},
    progress::Progress,
    remark,
    storage::Storage,
};
use selection::{Chosen, IGNORE_FILE, Selection};
use transfer::{Sent, Slots, Transfer};

/// Up to this size a file goes in one request.
const LARGEST_PUT: u64 = 64 * 1024 * 1024;

const LONG_HELP: &str = "\
Folders keep their names: `upload site --to docs/` makes docs/site/…; with a
slash at its end, `upload site/ --to docs/` makes docs/….

What .cloakroomignore names (in a folder that is sent or below it, in the
syntax of .gitignore) is left out. Links are not followed.

Private keys, credentials, settings directories, version control internals,
raw data sets and prompt libraries do not leave this machine: one of them among
the files, and nothing is sent.

Large files go in parts. When an upload is interrupted, the same command sends
the rest.";

#[derive(Args, Debug)]
#[command(after_long_help = LONG_HELP)]
pub(super) struct Arguments {
    /// Files and folders
    #[arg(required = true, value_name = "FILE|FOLDER")]
    files: Vec<PathBuf>,
    /// Where they go: a folder of the vault, with a slash at its end; for one file, its path
    #[arg(long, value_name = "PATH")]
    to: Option<String>,
    /// Their media type [default: told by their names]
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Replace files that are there
    #[arg(long)]
    overwrite: bool,
    /// How files are sent [default: put up to 64 MiB, multipart above]
    #[arg(long)]
    method: Option<Method>,
    /// How many files and parts are sent at a time
    #[arg(long, value_name = "NUMBER", default_value = "4", value_parser = checked_jobs)]
    jobs: usize,
    /// Save receipts in this folder, as PATH.receipt.json
    #[arg(long, value_name = "FOLDER")]
    receipts: Option<PathBuf>,
    /// Print one JSON object a file
    #[arg(long)]
    json: bool,
    /// Name what is left out
    #[arg(long, short)]
    verbose: bool,
    /// Send even what must not leave this machine; the server may refuse it still
    #[arg(long)]
    without_protection: bool,
    #[command(flatten)]
    server: Server,
}

/// How the bytes of a file are sent.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Method {
    /// One request
    Put,
    /// Several, which can be resumed
    Multipart,
}

impl Method {
    fn of(forced: Option<Self>, size: u64) -> Self {
        forced.unwrap_or(if size <= LARGEST_PUT { Self::Put } else { Self::Multipart })
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let selection = Selection::of(&arguments.files, arguments.to.as_deref(), arguments.without_protection)?;
    if !selection.protected.is_empty() {
        return Err(refusal(&selection));
    }
    tell_what_stays(&selection, arguments.verbose);
    if selection.files.is_empty() {
        return Err("there is nothing to send".into());
    }
    let client = Client::with_key(&arguments.server)?;
    let total = selection.files.iter().map(|chosen| chosen.source.size).sum();
    let progress = Progress::new(selection.files.len(), total);
    let transfer = Transfer {
        storage: Storage::of(client.url()),
        client,
        slots: Slots::new(arguments.jobs),
        progress: &progress,
        jobs: arguments.jobs,
        content_type: arguments.content_type.as_deref(),
        method: arguments.method,
        overwrite: arguments.overwrite,
    };
    send_all(arguments, &transfer, &selection.files)
}

fn send_all(arguments: &Arguments, transfer: &Transfer<'_>, files: &[Chosen]) -> Result<(), Failed> {
    let faults = each(files, arguments.jobs, |chosen| {
        let sent = transfer.send(chosen).map_err(Failed::from);
        let told = sent.and_then(|sent| report(arguments, transfer, chosen, sent, files.len() == 1));
        told.map_err(|fault| format!("{}: {fault}", cleaned(&chosen.source.path.to_string_lossy())))
    });
    if faults.is_empty() && files.len() > 1 {
        let total = files.iter().map(|chosen| chosen.source.size).sum();
        transfer.progress.remark(format!("{} files, {}", files.len(), bytes(total)));
    }
    verdict(transfer.progress, faults, files.len(), "sent")
}

/// Says what became of a file.
fn report(
    arguments: &Arguments,
    transfer: &Transfer<'_>,
    chosen: &Chosen,
    sent: Sent,
    is_only: bool,
) -> Result<(), Failed> {
    let view = &sent.view;
    let path = chosen.path.as_str();
    let receipt = receipt_of(arguments, transfer, view)?;
    let sha256 = view["sha256"].as_str().map(str::to_owned).or_else(|| sent.hash.as_ref().map(hex));
    if let Some(folder) = &arguments.receipts {
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
    if !arguments.json {
        return transfer.progress.say(cleaned(path));
    }
    let mut told = json!({ "path": path, "size": chosen.source.size });
    let known = [
        ("id", view.get("id").cloned().filter(|_| !sent.was_there)),
        ("content_type", view.get("content_type").cloned()),
        ("sha256", sha256.map(Value::from)),
        ("checksum", view.get("checksum").cloned()),
        ("receipt", receipt),
        ("already_there", sent.was_there.then_some(Value::Bool(true))),
    ];
    for (name, value) in known.into_iter().filter_map(|(name, value)| Some((name, value.filter(|v| !v.is_null())?))) {
        told[name] = value;
    }
    transfer.progress.say(json_line(&told))
}

/// The receipt of an upload: from its view, or asked for where it is wanted.
fn receipt_of(arguments: &Arguments, transfer: &Transfer<'_>, view: &Value) -> Result<Option<Value>, Failed> {
    let wanted = arguments.json || arguments.receipts.is_some();
    let id = text(view, "id");
    if let Some(receipt) = view.get("receipt").filter(|receipt| receipt.is_object()) {
        return Ok(Some(receipt.clone()));
    }
    if !wanted || !id.starts_with("upl_") {
        return Ok(None);
    }
    match patiently(|| transfer.client.get(&format!("/v1/uploads/{}/receipt", encoded(id)))) {
        Ok(receipt) => Ok(Some(receipt)),
        Err(fault) if fault.status == Some(404) => Ok(None),
        Err(fault) => Err(fault.into()),
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

fn refusal(selection: &Selection) -> Failed {
    for (path, class) in &selection.protected {
        remark(format!("{path}: {}", class.reason()));
    }
    let (count, verb) = counted(selection.protected.len(), "path", "must stay", "must stay");
    format!(
        "nothing was sent: {count} {verb} on this machine. Leave such files out with {IGNORE_FILE}, or send them with --without-protection"
    )
    .into()
}

fn tell_what_stays(selection: &Selection, verbose: bool) {
    for (paths, singular, plural) in [
        (&selection.ignored, "is left out by .cloakroomignore", "are left out by .cloakroomignore"),
        (
            &selection.skipped,
            "is a link or a device, and is not followed",
            "are links or devices, and are not followed",
        ),
    ] {
        if paths.is_empty() {
            continue;
        }
        let (count, verb) = counted(paths.len(), "path", singular, plural);
        let hint = if verbose { ":" } else { " (--verbose names them)" };
        remark(format!("{count} {verb}{hint}"));
        if verbose {
            paths.iter().for_each(|path| remark(format!("  {path}")));
        }
    }
}

fn counted<'a>(count: usize, noun: &str, singular: &'a str, plural: &'a str) -> (String, &'a str) {
    if count == 1 { (format!("1 {noun}"), singular) } else { (format!("{count} {noun}s"), plural) }
}
