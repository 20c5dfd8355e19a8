//! `cloakroom redeem`: redeem a share without a browser.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    crypto::secret::SecretText,
    domain::path::VaultPath,
    entropy::{Entropy, SystemEntropy},
};

use super::{
    Failed,
    client::{self, Client, bytes, cleaned, text},
    remark, say,
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The whole link, in quotes: 'https://…/s#crs_…'
    url: String,
    /// Save the files in this folder; existing ones are never replaced
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let (server, token) = arguments
        .url
        .split_once("/s#")
        .ok_or("this is not a whole share link: put it in quotes, and copy all of it, to the end")?;
    let entropy: &dyn Entropy = &SystemEntropy;
    let claim_key = URL_SAFE_NO_PAD.encode(entropy.bytes::<32>());
    let redemption = json!({ "token": token, "claim_key": claim_key });
    let public = Client::public(server);
    // An answer that got lost is asked for again with the same key: still one claim.
    let session = public.post("/v1/shares/redeem", &redemption).or_else(|fault| {
        if fault.to_string().contains("cannot be reached") {
            public.post("/v1/shares/redeem", &redemption)
        } else {
            Err(fault)
        }
    })?;
    remark(format!("claimed; open until {}", text(&session, "access_expires_at")));

    let client = public.bearing(SecretText::new(text(&session, "session_token")));
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/v1/session/objects?limit=200{cursor}"))?;
        for file in page["items"].as_array().into_iter().flatten() {
            let path = text(file, "path");
            say(format!("{:>10}  {}", bytes(file["size"].as_u64().unwrap_or_default()), cleaned(path)))?;
            if let Some(folder) = &arguments.save {
                save(&client, folder, path)?;
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(()),
        }
    }
}

/// Saves one file below the folder. The path is checked again here: a client
/// does not trust a server with its own disk.
fn save(client: &Client, folder: &Path, path: &str) -> Result<(), Failed> {
    let path = VaultPath::parse(path)?;
    let target = folder.join(path.as_str());
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let download: Value = client.post("/v1/session/downloads", &json!({ "path": path.as_str() }))?;
    let mut response = client::agent().get(text(&download, "url")).call()?;
    if !response.status().is_success() {
        return Err(format!("{}: the download was refused ({})", cleaned(path.as_str()), response.status()).into());
    }
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&target)
        .map_err(|fault| format!("{}: {fault}", target.display()))?;
    io::copy(&mut response.body_mut().as_reader(), &mut file)?;
    Ok(())
}
