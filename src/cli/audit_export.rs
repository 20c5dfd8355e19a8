//! Fetching an export of the audit trail: what is there already and is what it should be, is not fetched again.

use std::{
    fs::{self, File},
    io,
    path::Path,
    thread,
    time::Duration,
};

use serde_json::Value;

use super::{
    Failed, checksum,
    client::{Client, cleaned, encoded, text},
    remark, say,
    storage::Storage,
};

/// How often it is asked how far an export has come.
const ASKING: Duration = Duration::from_millis(500);

/// Waits until the export is ready, and fetches its files.
pub(super) fn fetch(client: &Client, server: &str, id: &str, folder: &Path) -> Result<(), Failed> {
    remark(format!("export {id}; should this be cut off, go on with --id {id}"));
    let path = format!("/v1/audit/exports/{}", encoded(id));
    let mut told = 0;
    let export = loop {
        let export = client.get(&path)?;
        match text(&export, "status") {
            "building" => {
                let looked_at = export["looked_at"].as_u64().unwrap_or_default();
                if looked_at > told {
                    told = looked_at;
                    remark(format!("{looked_at} of {} records looked at …", export["ledger_records"]));
                }
                thread::sleep(ASKING);
            }
            "ready" => break export,
            "broken" => {
                let (seq, problem) = (&export["problem"]["seq"], cleaned(text(&export["problem"], "problem")));
                return Err(format!("record {seq} is not as it must be: {problem}").into());
            }
            "too_large" => {
                return Err("there are more records than one export has room for: select some by time".into());
            }
            _ => return Err("its files were removed: make another export".into()),
        }
    };
    fs::create_dir_all(folder)?;
    let storage = Storage::of(server);
    let names: Vec<_> = files(&export).map(|file| text(file, "name").to_owned()).collect();
    for name in &names {
        // A name of the server's becomes one of ours only if it is a plain one.
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !plain || name.starts_with('.') {
            return Err(format!("the server names a file {}, which is no name", cleaned(name)).into());
        }
        // URLs live for a minute, and a file may take longer.
        let export = client.get(&path)?;
        let file = files(&export).find(|file| text(file, "name") == name).ok_or("a file is no longer there")?;
        fetch_file(&storage, file, &folder.join(name))?;
    }
    say(format!("{} records in {} files in {}", export["records"], names.len(), folder.display()))?;
    remark("README.md there tells how to verify them with openssl");
    Ok(())
}

fn files(export: &Value) -> impl Iterator<Item = &Value> {
    export["files"].as_array().into_iter().flatten()
}

fn fetch_file(storage: &Storage, file: &Value, place: &Path) -> Result<(), Failed> {
    let is_it = |found: &Path| -> io::Result<bool> {
        let (_, hash) = checksum::digest(File::open(found)?)?;
        Ok(checksum::hex(&hash) == text(file, "sha256"))
    };
    if place.try_exists()? && is_it(place)? {
        return Ok(());
    }
    let part = place.with_extension("part");
    let mut body = storage.get(text(&file["download"], "url"), 0, None)?.into_body();
    io::copy(&mut body.as_reader(), &mut File::create(&part)?)?;
    if !is_it(&part)? {
        return Err(format!("{}: what came is not what was signed; try again", place.display()).into());
    }
    fs::rename(&part, place)?;
    Ok(())
}
