//! `cloakroom upload`: send files and folders into the vault, and share them if wanted.

use clap::Args;

use super::{
    Failed,
    client::{Client, Server},
    kept::Kept,
    measures::Lifetime,
    sending::{LONG_HELP, Place, Sending, Target},
    share::Minting,
};

#[derive(Args, Debug)]
#[command(after_long_help = LONG_HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    sending: Sending,
    /// Where they go: a folder of the vault, with a slash at its end; for one file, its path
    #[arg(long, value_name = "PATH")]
    to: Option<String>,
    /// Replace files that are there
    #[arg(long)]
    overwrite: bool,
    /// Share what was sent, to be read, and print the link alone; nothing is shared unless all was sent
    #[arg(long)]
    share: bool,
    /// For how long the share may be claimed: 60s to 7d [default: 15m]
    #[arg(long, value_name = "TIME", requires = "share")]
    expires_in: Option<Lifetime>,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let Arguments { sending, to, overwrite, share, expires_in, server } = arguments;
    let selection = sending.select(to.as_deref())?;
    let paths: Vec<&str> = selection.files.iter().map(|chosen| chosen.path.as_str()).collect();
    let minting = share.then(|| Minting::to_read(&paths, *expires_in)).transpose()?;
    let client = Client::with_key(server)?;
    let words: Vec<String> =
        [client.url().to_owned(), to.clone().unwrap_or_default()].into_iter().chain(sending.words()).collect();
    let target = Target {
        place: Place::Vault { overwrite: *overwrite },
        kept: Kept::of("declared", &words.iter().map(String::as_str).collect::<Vec<_>>()),
        client: client.clone(),
        quietly: *share,
    };
    let sent = sending.send(&selection, &target);
    match minting {
        Some(minting) => {
            sent.map_err(|fault| format!("{fault}; nothing was shared"))?;
            minting.mint(&client, sending.json)
        }
        None => sent,
    }
}
