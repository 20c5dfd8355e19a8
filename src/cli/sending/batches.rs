//! Many small files: declared a hundred at a time, as their turn comes near.

use serde_json::{Value, json};

use crate::cli::{ahead::Ahead, checksum::Hash, fault::Fault};

use super::{Method, memory::Declared, selection::Chosen, transfer::Transfer};

/// What is declared together is sent before its URLs, which live ten minutes, are stale on most lines.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// A file whose turn has come: its hash and, unless it is better declared alone, its upload.
pub(super) type Prepared = Result<(Hash, Option<Declared>), Fault>;

/// The batches of one command.
pub(super) struct Batches<'a> {
    files: &'a [Chosen],
    ahead: Ahead<Prepared>,
}

impl<'a> Batches<'a> {
    /// All files that go in one request and were not begun before.
    pub(super) fn of(transfer: &Transfer<'_>, files: &'a [Chosen]) -> Self {
        let is_new = |chosen: &Chosen| transfer.memory.declared(chosen.path.as_str()).is_none();
        let is_small = |chosen: &Chosen| Method::of(transfer.method, chosen.source.size) == Method::Put;
        let small = files.iter().enumerate().filter(|(_, chosen)| is_small(chosen) && is_new(chosen));
        Self { files, ahead: Ahead::of(small.map(|(index, chosen)| (index, chosen.source.size)), MOST_BYTES) }
    }

    /// What was prepared for a file together with others; none for one that goes alone.
    pub(super) fn take(&self, transfer: &Transfer<'_>, index: usize) -> Option<Prepared> {
        self.ahead.take(index, |batch| {
            let files: Vec<&Chosen> = batch.iter().filter_map(|index| self.files.get(*index)).collect();
            prepared(transfer, &files)
        })
    }
}

fn prepared(transfer: &Transfer<'_>, files: &[&Chosen]) -> Vec<Option<Prepared>> {
    let hash = |chosen: &&Chosen| chosen.source.hash(0, chosen.source.size).map_err(|fault| Fault::other(&fault));
    let hashes: Vec<Result<Hash, Fault>> = files.iter().map(hash).collect();
    let readable = files.iter().zip(&hashes).filter_map(|(chosen, hash)| Some((*chosen, hash.as_ref().ok()?)));
    let declarations: Vec<Value> =
        readable.map(|(chosen, hash)| transfer.declaration(chosen, &Transfer::by_put(hash))).collect();
    let path = format!("{}/batch", transfer.place.route());
    let answer = transfer.client.create(&path, &json!({ "items": declarations }));
    let mut answers = match &answer {
        Ok(answer) => answer["items"].as_array().map(Vec::as_slice).unwrap_or_default(),
        Err(_) => &[],
    }
    .iter();
    let mut prepared = |(chosen, hash): (&&Chosen, Result<Hash, Fault>)| {
        let hash = hash?;
        match (&answer, answers.next()) {
            (Err(fault), _) => Err(fault.clone()),
            // Fewer answers than questions.
            (Ok(_), None) => Ok((hash, None)),
            (Ok(_), Some(item)) if item["upload"].is_object() => {
                let declared = Declared::of(&item["upload"]);
                transfer.memory.add(chosen.path.as_str(), &declared);
                Ok((hash, Some(declared)))
            }
            (Ok(_), Some(item)) => {
                let status = item["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(500);
                let fault = Fault::refused(transfer.client.url(), status, &item["problem"].to_string(), None);
                // What passes is tried again, alone.
                if fault.is_passing { Ok((hash, None)) } else { Err(fault) }
            }
        }
    };
    files.iter().zip(hashes).map(|file| Some(prepared(file))).collect()
}
