//! Writing all that a tenant has into files, a line for each thing. Files of the vault are among them by path, size and
//! checksum, and fetched by `cloakroom download`.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use super::{
    Failed,
    client::{Client, counted, encoded, json_line, text},
    say,
};

/// Fetches page after page into this folder.
pub(super) fn fetch(client: &Client, folder: &Path) -> Result<(), Failed> {
    fs::create_dir_all(folder)?;
    let mut files: BTreeMap<String, (BufWriter<File>, u64)> = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let mut lines = client.lines(&format!("/v1/export?limit=500{cursor}"))?;
        let next = lines.pop().filter(|line| text(line, "kind") == "next").ok_or("an answer broke off; begin again")?;
        for line in &lines {
            let kind = text(line, "kind");
            // A name of the server's becomes one of ours only if it is a plain one.
            if kind.is_empty() || !kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                return Err("the server names a kind of thing that is no name".into());
            }
            if !files.contains_key(kind) {
                let file = File::create(folder.join(format!("{kind}.ndjson")))?;
                files.insert(kind.to_owned(), (BufWriter::new(file), 0));
            }
            let Some((file, count)) = files.get_mut(kind) else { continue };
            writeln!(file, "{}", json_line(&line["value"]))?;
            *count += 1;
        }
        match next["value"]["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => break,
        }
    }
    for (kind, (mut file, count)) in files {
        file.flush()?;
        say(format!("{}  {kind}.ndjson", counted(count, &kind.replace('_', " "))))?;
    }
    Ok(())
}
