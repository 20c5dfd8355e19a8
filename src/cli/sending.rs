//! Files and folders on their way to a server, each under a contract of its
//! own: what `upload` and `deliver` have in common.

mod batches;
mod memory;
mod parts;
mod report;
mod selection;
mod transfer;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{
    Failed, checked_jobs,
    client::{Client, bytes, cleaned, counted},
    kept::Kept,
    many::{each, verdict},
    progress::Progress,
    remark,
    storage::Storage,
};
use batches::Batches;
use memory::Memory;
use selection::IGNORE_FILE;
pub(super) use selection::Selection;
use transfer::{Slots, Transfer};

/// Up to this size a file goes in one request.
const LARGEST_PUT: u64 = 64 * 1024 * 1024;

/// Of everything that sends.
pub(super) const LONG_HELP: &str = "\
Folders keep their names: `site` arrives as site/…; of one with a slash at its
end, `site/`, only what is in it goes.

What .cloakroomignore names (in a folder that is sent or below it, in the
syntax of .gitignore) is left out. Links are not followed.

Private keys, credentials, settings directories, version control internals,
raw data sets and prompt libraries do not leave this machine: one of them among
the files, and nothing is sent.

Large files go in parts. When it is interrupted, the same command sends the rest.";

/// What is sent, and how.
#[derive(Args, Debug)]
pub(super) struct Sending {
    /// Files and folders
    #[arg(required = true, value_name = "FILE|FOLDER")]
    files: Vec<PathBuf>,
    /// Their media type [default: told by their names]
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
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
    pub(super) json: bool,
    /// Name what is left out
    #[arg(long, short)]
    verbose: bool,
    /// Send even what must not leave this machine; the server may refuse it still
    #[arg(long)]
    without_protection: bool,
}

/// How the bytes of a file are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
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

/// Where files go, and what may be known and done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The caller's own vault.
    Vault { overwrite: bool },
    /// The folder of a delivery: nothing there can be seen or replaced.
    Delivery,
}

impl Place {
    /// The route under which uploads are declared.
    fn route(self) -> &'static str {
        match self {
            Self::Vault { .. } => "/v1/uploads",
            Self::Delivery => "/v1/session/uploads",
        }
    }

    fn overwrites(self) -> bool {
        self == Self::Vault { overwrite: true }
    }
}

/// To whom files are sent.
pub(super) struct Target {
    pub(super) client: Client,
    pub(super) place: Place,
    /// Where is kept what an interrupted run has begun.
    pub(super) kept: Kept,
    /// Whether the names of files go to standard error, for something else is wanted from standard output.
    pub(super) quietly: bool,
}

impl Sending {
    /// Looks at all that is to be sent, before anything is.
    ///
    /// # Errors
    /// When something must stay, cannot be read, or there is nothing.
    pub(super) fn select(&self, to: Option<&str>) -> Result<Selection, Failed> {
        let selection = Selection::of(&self.files, to, self.without_protection)?;
        if !selection.protected.is_empty() {
            return Err(refusal(&selection));
        }
        tell_what_stays(&selection, self.verbose);
        if selection.files.is_empty() { Err("there is nothing to send".into()) } else { Ok(selection) }
    }

    /// What tells this command apart from others that send.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        self.files.iter().map(move |path| absolute(path).to_string_lossy().into_owned())
    }

    /// Sends it all; each file stands for itself.
    ///
    /// # Errors
    /// When a file was not sent. The others were.
    pub(super) fn send(&self, selection: &Selection, target: &Target) -> Result<(), Failed> {
        let files = &selection.files;
        let total = files.iter().map(|chosen| chosen.source.size).sum();
        let progress = Progress::new(files.len(), total);
        let transfer = Transfer {
            storage: Storage::of(target.client.url()),
            client: target.client.clone(),
            place: target.place,
            slots: Slots::new(self.jobs),
            progress: &progress,
            jobs: self.jobs,
            content_type: self.content_type.as_deref(),
            method: self.method,
            memory: Memory::of(&target.kept),
            scope: match target.place {
                Place::Vault { .. } => String::new(),
                Place::Delivery => target.kept.name(),
            },
        };
        let batches = Batches::of(&transfer, files);
        let faults = each(files, self.jobs, |index, chosen| {
            let sent = transfer.send(chosen, || batches.take(&transfer, index)).map_err(Failed::from);
            let told = sent.and_then(|sent| self.report(target, &transfer, chosen, sent, files.len() == 1));
            told.map_err(|fault| format!("{}: {fault}", cleaned(&chosen.source.path.to_string_lossy())))
        });
        if faults.is_empty() && matches!(target.place, Place::Vault { .. }) {
            target.kept.forget();
        }
        if faults.is_empty() && files.len() > 1 {
            progress.remark(format!("{} files, {}", files.len(), bytes(total)));
        }
        verdict(&progress, faults, files.len(), "sent")
    }
}

fn refusal(selection: &Selection) -> Failed {
    for (path, class) in &selection.protected {
        remark(format!("{path}: {}", class.reason()));
    }
    format!(
        "nothing was sent: {} must stay on this machine. Leave such files out with {IGNORE_FILE}, or send them with --without-protection",
        counted(selection.protected.len() as u64, "path")
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
        let verb = if paths.len() == 1 { singular } else { plural };
        let hint = if verbose { ":" } else { " (--verbose names them)" };
        remark(format!("{} {verb}{hint}", counted(paths.len() as u64, "path")));
        if verbose {
            paths.iter().for_each(|path| remark(format!("  {path}")));
        }
    }
}
