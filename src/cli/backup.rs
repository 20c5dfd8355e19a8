//! `cloakroom backup` and `cloakroom restore`: what lies in the data directory, to another place and back.

use std::{
    env,
    path::{Path, PathBuf},
};

use clap::Args;
use indicatif::DecimalBytes;

use crate::{
    app::control::{self, Answer, Request},
    backup::{self, Manifest},
    clock::{Clock, SystemClock},
    config::{Config, Given, ObjectsConfig, StoreConfig},
    store::embedded::EmbeddedStore,
};

use super::{Failed, keys::are_there, remark, say};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The folder of the backup
    folder: PathBuf,
    #[command(flatten)]
    given: Given,
}

/// What is not in the data directory is in nobody's backup of it.
fn embedded(config: &Config) -> Result<(), Failed> {
    if config.store != StoreConfig::Embedded {
        return Err("rows are in DynamoDB, which has backups of its own: see docs/operations.md".into());
    }
    if config.objects != ObjectsConfig::Embedded {
        remark("Objects are in S3, and not in this backup: see docs/operations.md.");
    }
    Ok(())
}

pub(super) fn make(arguments: Arguments) -> Result<(), Failed> {
    let config = arguments.given.complete()?;
    embedded(&config)?;
    let folder = env::current_dir()?.join(arguments.folder);
    // Named from the root for the broker too, which may have been started elsewhere.
    let made = match control::ask(&config.data_dir, &Request::Backup(folder.clone()))? {
        Some(Answer::Backup(manifest)) => manifest,
        Some(Answer::Fault(fault)) => return Err(fault.into()),
        Some(_) => return Err("the broker that runs has answered something else".into()),
        None => of_nobody(&config, &folder)?,
    };
    let Manifest { rows, objects, bytes, .. } = made;
    say(format!("{}: {rows} rows, {objects} objects ({})", folder.display(), DecimalBytes(bytes)))?;
    remark(format!(
        "Bring it to another disk or machine. The root keys are not in it: keep {} elsewhere, too.",
        config.root_keys
    ));
    Ok(())
}

/// A backup of a store that nobody serves.
fn of_nobody(config: &Config, folder: &Path) -> Result<Manifest, Failed> {
    let store = config.data_dir.join("store");
    if !store.exists() {
        return Err(format!("there is no store in {}", config.data_dir.display()).into());
    }
    let opened = EmbeddedStore::open(&store)?;
    Ok(backup::make(&opened, &config.data_dir, folder, SystemClock::default().now())?)
}

pub(super) fn restore(arguments: Arguments) -> Result<(), Failed> {
    let config = arguments.given.complete()?;
    embedded(&config)?;
    let Manifest { rows, objects, bytes, made_at, .. } = backup::restore(&arguments.folder, &config.data_dir)?;
    say(format!(
        "{}: {rows} rows, {objects} objects ({}), as of {made_at}",
        config.data_dir.display(),
        DecimalBytes(bytes)
    ))?;
    if !are_there(&config.root_keys)? {
        remark(format!("Put the root keys of that time into {}: without them nothing can be read.", config.root_keys));
    }
    remark("It is not served before it is adopted: cloakroom adopt --restored");
    Ok(())
}
