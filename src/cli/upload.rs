//! `cloakroom upload`: upload one file under a contract.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use clap::Args;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Failed,
    client::{self, Client, Server, bytes, text},
    remark, say,
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The file
    file: PathBuf,
    /// Where it goes in the vault [default: its name]
    path: Option<String>,
    /// Its media type [default: told by its name]
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Replace a file that is there
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let named = |fault: io::Error| format!("{}: {fault}", arguments.file.display());
    let mut file = File::open(&arguments.file).map_err(named)?;
    let (size, sha256) = digest(&mut file).map_err(named)?;
    let name = arguments.file.file_name().and_then(|name| name.to_str());
    let path = match (&arguments.path, name) {
        (Some(path), _) => path.as_str(),
        (None, Some(name)) => name,
        (None, None) => return Err("say where it goes: cloakroom upload FILE PATH".into()),
    };
    let content_type = match &arguments.content_type {
        Some(content_type) => content_type.clone(),
        None => mime_guess::from_path(path).first_or_octet_stream().to_string(),
    };

    let client = Client::with_key(&arguments.server)?;
    let upload = client.post(
        "/v1/uploads",
        &json!({
            "path": path,
            "size": size,
            "content_type": content_type,
            "sha256": sha256,
            "method": "put",
            "overwrite": arguments.overwrite,
        }),
    )?;
    let file = File::open(&arguments.file).map_err(named)?;
    let mut request = client::agent().put(text(&upload, "url")).header("Content-Length", size.to_string());
    for (header, value) in upload["headers"].as_object().into_iter().flatten() {
        request = request.header(header, value.as_str().unwrap_or_default());
    }
    let mut sent = request.send(file)?;
    if !sent.status().is_success() {
        let said = sent.body_mut().read_to_string().unwrap_or_default();
        return Err(format!("the storage refused the upload: {} {said}", sent.status()).into());
    }
    let done: Value = client.post(&format!("/v1/uploads/{}/complete", text(&upload, "id")), &Value::Null)?;
    remark(format!("{}  {}  sha256 {}", bytes(size), text(&done, "content_type"), text(&done, "sha256")));
    say(text(&done, "path"))
}

fn digest(file: &mut File) -> io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((size, base16ct::lower::encode_string(&hasher.finalize()))),
            read => {
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
}
