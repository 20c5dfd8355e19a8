//! `cloakroom redeem`: claim a share and list its files, without a browser.

use std::path::PathBuf;

use clap::Args;

use crate::domain::path::PathPin;

use super::{
    Failed,
    client::{bytes, cleaned, text},
    download::{Telling, access::Access, fetch_all},
    recipient::RecipientOptions,
    remark, say,
};

/// How many files are fetched at a time.
const JOBS: usize = 4;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The whole link, in quotes: 'https://…/s#crs_…'
    url: String,
    /// Save the files in this folder, as download does; existing ones are never replaced
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    #[command(flatten)]
    recipient: RecipientOptions,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let (access, session) = Access::of_share(&arguments.url, &arguments.recipient)?;
    remark(format!("claimed; open until {}", text(&session, "access_expires_at")));
    let files = access.list(&PathPin::root())?;
    for file in &files {
        say(format!("{:>10}  {}", bytes(file.size), cleaned(&file.path)))?;
    }
    match &arguments.save {
        Some(folder) => fetch_all(&access, files, folder, JOBS, Telling::Nothing),
        None => Ok(()),
    }
}
