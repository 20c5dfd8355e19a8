//! `cloakroom download`: fetch files of a share, or of the vault.

pub(super) mod access;
mod fetch;

use std::{
    cell::Cell,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use crate::domain::path::{PathPin, VaultPath};

use super::{
    Failed,
    ahead::Ahead,
    checked_jobs,
    checksum::{Told, hex},
    client::{Client, Server, bytes, cleaned, json_line, text},
    local::place_below,
    many::{each, verdict},
    progress::Progress,
    recipient::RecipientOptions,
    remark,
    storage::Storage,
};
use access::{Access, Listed};
use fetch::{Outcome, Wanted, parts_of};

/// What is signed together is fetched before its URLs, which live a minute, are stale on most lines.
const MOST_BYTES_SIGNED: u64 = 16 * 1024 * 1024;

const LONG_HELP: &str = "\
A share is claimed by the first who redeems it. This machine keeps the key of
its claim, and comes back to it as often as the share allows.

Files that are there are never replaced. When a download is interrupted, the
same command fetches the rest.";

#[derive(Args, Debug)]
#[command(after_long_help = LONG_HELP)]
pub(super) struct Arguments {
    /// A whole share link, in quotes, and of its files those wanted; or paths of your vault.
    /// One that ends in / is a folder with all below it
    #[arg(required = true, value_name = "LINK|PATH")]
    wanted: Vec<String>,
    /// Where the files go
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    to: PathBuf,
    /// How many files are fetched at a time
    #[arg(long, value_name = "NUMBER", default_value = "4", value_parser = checked_jobs)]
    jobs: usize,
    /// Print one JSON object a file
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    recipient: RecipientOptions,
    #[command(flatten)]
    server: Server,
}

/// What is printed about each file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// Where it is.
    Places,
    /// A JSON object.
    Objects,
    /// Nothing: it was said before.
    Nothing,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let (access, paths) = match arguments.wanted.split_first() {
        Some((link, paths)) if link.contains("://") || link.contains("crs_") => {
            let (access, session) = Access::of_share(link, &arguments.recipient)?;
            remark(format!("claimed; open until {}", text(&session, "access_expires_at")));
            (access, paths)
        }
        _ => (Access::of_vault(Client::with_key(&arguments.server)?), arguments.wanted.as_slice()),
    };
    let files = found(&access, paths)?;
    let telling = if arguments.json { Telling::Objects } else { Telling::Places };
    fetch_all(&access, files, &arguments.to, arguments.jobs, telling)
}

/// The files that are wanted: all, or those under the paths.
fn found(access: &Access, paths: &[String]) -> Result<Vec<Listed>, Failed> {
    if paths.is_empty() {
        return Ok(access.list(&PathPin::root())?);
    }
    let mut files = BTreeMap::new();
    for path in paths {
        let pin = PathPin::parse(path).map_err(|fault| format!("{}: {fault}", cleaned(path)))?;
        let mut found = access.list(&pin)?;
        // A list under a file's path has its longer namesakes, too.
        found.retain(|listed| VaultPath::parse(&listed.path).is_ok_and(|path| pin.covers(&path)));
        if found.is_empty() {
            return Err(format!("{}: there is nothing here", cleaned(path)).into());
        }
        files.extend(found.into_iter().map(|listed| (listed.path.clone(), listed)));
    }
    Ok(files.into_values().collect())
}

/// Fetches files below a folder; each of them stands for itself.
pub(super) fn fetch_all(
    access: &Access,
    files: Vec<Listed>,
    folder: &Path,
    jobs: usize,
    telling: Telling,
) -> Result<(), Failed> {
    let count = files.len();
    let total = files.iter().fold(0_u64, |total, listed| total.saturating_add(listed.size));
    let storage = Storage::of(access.server());
    let progress = Progress::new(count, total);
    let places: Vec<PathBuf> = files.iter().map(|listed| folder.join(&listed.path)).collect();
    let wanted = files.iter().zip(&places).enumerate();
    // What is there is not asked for.
    let wanted = wanted.filter(|(_, (_, place))| access.has_batches() && place.symlink_metadata().is_err());
    let ahead = Ahead::of(wanted.map(|(number, (listed, _))| (number, listed.size)), MOST_BYTES_SIGNED);
    let files: Vec<_> = files.into_iter().zip(parts_of(&places)).collect();
    let sign = |batch: &[usize]| {
        let paths = batch.iter().filter_map(|number| files.get(*number)).map(|(listed, _)| listed.path.as_str());
        access.urls(&paths.collect::<Vec<_>>())
    };
    let faults = each(&files, jobs, |number, (listed, part)| {
        let signed = ahead.take(number, sign);
        let fetched = fetch(access, &storage, listed, signed, folder, part, &progress);
        let told = fetched.and_then(|(wanted, outcome)| tell(&progress, &wanted, outcome, telling));
        told.map_err(|fault| format!("{}: {fault}", cleaned(&listed.path)))
    });
    if faults.is_empty() && telling != Telling::Nothing {
        let noun = if count == 1 { "file" } else { "files" };
        progress.remark(format!("{count} {noun}, {}", bytes(total)));
    }
    verdict(&progress, faults, count, "fetched")
}

fn fetch(
    access: &Access,
    storage: &Storage,
    listed: &Listed,
    signed: Option<String>,
    folder: &Path,
    part: &Path,
    progress: &Progress,
) -> Result<(Wanted, Outcome), Failed> {
    let place = place_below(folder, &listed.path)?;
    // Beside its place, which is checked now.
    let part = place.with_file_name(part.file_name().unwrap_or_default());
    let wanted = Wanted { listed: listed.clone(), part, place, signed: Cell::new(signed) };
    let outcome = wanted.fetch(access, storage, &progress.file(&listed.path, listed.size))?;
    Ok((wanted, outcome))
}

fn tell(progress: &Progress, wanted: &Wanted, outcome: Outcome, telling: Telling) -> Result<(), Failed> {
    let was_there = outcome == Outcome::WasThere;
    let place = cleaned(&wanted.place.to_string_lossy());
    match telling {
        Telling::Nothing => Ok(()),
        Telling::Places => {
            if was_there {
                progress.remark(format!("{place}: already there"));
            }
            progress.say(place)
        }
        Telling::Objects => {
            let listed = &wanted.listed;
            let mut told = json!({ "path": listed.path, "file": wanted.place.to_string_lossy(), "size": listed.size });
            if let Some(Told::Full(hash)) = &listed.checksum {
                told["sha256"] = json!(hex(hash));
            }
            if was_there {
                told["already_there"] = json!(true);
            }
            progress.say(json_line(&told))
        }
    }
}
