//! A file sent in parts: each of them signed with its checksum, several at a
//! time, and only those that have not arrived in an earlier run.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    thread,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::{
    checksum::{Hash, Told, composite, hash_of, hex},
    client::{all_pages, text},
    fault::{Fault, patiently},
    kept::Kept,
    progress::FileProgress,
};

use super::{
    selection::Chosen,
    transfer::{SIGNATURES, Sent, Transfer, patience},
};

/// S3 takes no more.
const MOST_PARTS: u64 = 10_000;

/// So many parts are hashed and signed together: few requests, and no URL that waits until it is stale.
const RUN: usize = 4;

/// After parts were found missing on completion, they are sent again this often.
const ROUNDS: u32 = 3;

/// An upload under way, as it is kept for the next run.
#[derive(Debug, Serialize, Deserialize)]
struct Underway {
    upload: String,
    part_size: u64,
    part_count: u64,
}

impl Underway {
    /// What the server declared, if it fits the file. Nothing else it says about parts is believed.
    fn of(declared: &Value, size: u64) -> Result<Self, Fault> {
        let number = |name: &str| declared[name].as_u64().unwrap_or_default();
        let (part_size, part_count) = (number("part_size"), number("part_count"));
        let fits = part_size > 0 && part_count <= MOST_PARTS && part_count == size.div_ceil(part_size).max(1);
        if !fits || text(declared, "id").is_empty() {
            return Err(Fault::other(&"the server's plan for the parts does not fit the file"));
        }
        Ok(Self { upload: text(declared, "id").to_owned(), part_size, part_count })
    }

    /// Offset and length of a part; parts count from 1.
    fn extent(&self, number: u64, size: u64) -> (u64, u64) {
        let offset = (number - 1) * self.part_size;
        (offset, self.part_size.min(size - offset))
    }
}

/// The parts of one file.
pub(super) struct Parts<'a> {
    transfer: &'a Transfer<'a>,
    chosen: &'a Chosen,
    progress: &'a FileProgress,
    underway: Underway,
    /// The hashes of all parts that have arrived.
    hashes: Mutex<BTreeMap<u64, Hash>>,
}

/// A part that the server has: its size and, where it tells it, its hash.
type Arrived = BTreeMap<u64, (u64, Option<Hash>)>;

impl<'a> Parts<'a> {
    /// Sends a file in parts, or the rest of it.
    pub(super) fn send(
        transfer: &'a Transfer<'a>,
        chosen: &'a Chosen,
        progress: &'a FileProgress,
    ) -> Result<Sent, Fault> {
        let source = &chosen.source;
        let kept = Kept::of(
            "uploads",
            &[
                transfer.client.url(),
                &source.path.to_string_lossy(),
                &source.size.to_string(),
                &source.changed_at(),
                chosen.path.as_str(),
                &transfer.content_type(chosen),
                if transfer.place.overwrites() { "overwrite" } else { "" },
                &transfer.scope,
            ],
        );
        let underway = match Self::resumed(transfer, &kept, source.size)? {
            Some(underway) => underway,
            None => {
                let expires_in = patience(source.size).as_secs();
                let method = json!({ "method": "multipart", "part_checksums": true, "expires_in": expires_in });
                let underway = Underway::of(&transfer.declare(chosen, &method)?, source.size)?;
                kept.write(&underway)
                    .map_err(|fault| Fault::other(&format!("what is needed to resume cannot be kept: {fault}")))?;
                underway
            }
        };
        let parts = Self { transfer, chosen, progress, underway, hashes: Mutex::default() };
        let sent = parts.send_and_complete();
        // What the server has ended, or the file outgrown, is of no use to the next run.
        let is_over = match &sent {
            Ok(_) => true,
            Err(fault) => matches!(fault.status, Some(404 | 409 | 410 | 422)) || source.is_unchanged().is_err(),
        };
        if is_over {
            kept.forget();
        }
        sent
    }

    /// The upload of an earlier run, if the server still knows it as under way.
    fn resumed(transfer: &Transfer<'_>, kept: &Kept, size: u64) -> Result<Option<Underway>, Fault> {
        let Some(underway) = kept.read::<Underway>() else { return Ok(None) };
        let path = transfer.upload(&underway.upload);
        let status = match patiently(|| transfer.client.get(&path)) {
            Ok(view) => text(&view, "status").to_owned(),
            Err(fault) if fault.status == Some(404) => String::new(),
            Err(fault) => return Err(fault),
        };
        let fits = underway.part_size > 0 && underway.part_count == size.div_ceil(underway.part_size).max(1);
        if fits && matches!(status.as_str(), "pending" | "verifying" | "completed") {
            return Ok(Some(underway));
        }
        kept.forget();
        Ok(None)
    }

    fn send_and_complete(&self) -> Result<Sent, Fault> {
        let id = &self.underway.upload;
        let path = self.transfer.upload(id);
        let mut rounds = 0;
        loop {
            let status = patiently(|| self.transfer.client.get(&path))?;
            if text(&status, "status") == "pending" {
                self.send_missing()?;
                self.transfer.hold_to_source(self.chosen, id)?;
            }
            rounds += 1;
            match self.transfer.complete(id, self.progress) {
                Err(fault) if fault.code == "upload_incomplete" && rounds < ROUNDS => self.begin_again(),
                Err(fault) => return Err(fault),
                Ok(view) => return self.verified(view),
            }
        }
    }

    fn begin_again(&self) {
        self.progress.resume();
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        let sizes = hashes.keys().map(|number| self.underway.extent(*number, self.chosen.source.size).1);
        self.progress.take_back(sizes.sum());
        hashes.clear();
    }

    /// Which parts have arrived whole.
    fn arrived(&self) -> Result<Arrived, Fault> {
        let upload = self.transfer.upload(&self.underway.upload);
        let parts =
            all_pages(|cursor| patiently(|| self.transfer.client.get(&format!("{upload}/parts?limit=1000{cursor}"))))?;
        let facts = |part: &Value| {
            Some((part["number"].as_u64()?, (part["size"].as_u64()?, part["sha256"].as_str().and_then(hash_of))))
        };
        Ok(parts.iter().filter_map(facts).collect())
    }

    fn send_missing(&self) -> Result<(), Fault> {
        let arrived = self.arrived()?;
        let numbers: Vec<u64> = (1..=self.underway.part_count).collect();
        let runs = Mutex::new(numbers.chunks(RUN).collect::<VecDeque<_>>());
        let next = || runs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let work = || {
            while let Some(run) = next() {
                if let Err(fault) = self.transfer.slots.within(|| self.send_run(run, &arrived)) {
                    // The others finish their run and find no other.
                    runs.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    return Err(fault);
                }
            }
            Ok(())
        };
        let workers = self.transfer.jobs.min(numbers.len().div_ceil(RUN));
        thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let ended = workers.into_iter().map(|worker| worker.join());
            ended.map(|done| done.unwrap_or_else(|_| Err(Fault::other(&"a worker failed")))).fold(Ok(()), Result::and)
        })
    }

    fn send_run(&self, run: &[u64], arrived: &Arrived) -> Result<(), Fault> {
        let source = &self.chosen.source;
        let mut missing = BTreeMap::new();
        for &number in run {
            let (offset, length) = self.underway.extent(number, source.size);
            let hash = source.hash(offset, length).map_err(|fault| Fault::other(&fault))?;
            match arrived.get(&number) {
                Some((size, told)) if *size == length && told.is_none_or(|told| told == hash) => {
                    self.progress.found(length);
                    self.hashes.lock().unwrap_or_else(PoisonError::into_inner).insert(number, hash);
                }
                _ => {
                    missing.insert(number, hash);
                }
            }
        }
        let mut signatures = 0;
        while !missing.is_empty() {
            signatures += 1;
            for part in self.sign(&missing)? {
                let Some((&number, hash)) = part["number"].as_u64().and_then(|number| missing.get_key_value(&number))
                else {
                    continue;
                };
                let extent = self.underway.extent(number, source.size);
                let url = text(&part, "url");
                let put = || self.transfer.put_section(self.chosen, extent, url, &part["headers"], self.progress);
                match patiently(put) {
                    Ok(()) => {
                        self.hashes.lock().unwrap_or_else(PoisonError::into_inner).insert(number, *hash);
                        missing.remove(&number);
                    }
                    // The URL has grown too old while the parts before it were sent.
                    Err(fault) if fault.status == Some(403) && signatures < SIGNATURES * RUN as u32 => break,
                    Err(fault) => return Err(fault),
                }
            }
            if signatures > SIGNATURES * RUN as u32 {
                return Err(Fault::other(&"the server does not sign the parts that it was asked for"));
            }
        }
        Ok(())
    }

    fn sign(&self, missing: &BTreeMap<u64, Hash>) -> Result<Vec<Value>, Fault> {
        let wanted: Vec<_> =
            missing.iter().map(|(number, hash)| json!({ "number": number, "sha256": hex(hash) })).collect();
        let path = format!("{}/parts", self.transfer.upload(&self.underway.upload));
        let mut answer = patiently(|| self.transfer.client.post(&path, &json!({ "parts": wanted })))?;
        Ok(answer["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Holds the checksum that the server tells against the parts that were sent.
    fn verified(&self, view: Value) -> Result<Sent, Fault> {
        let hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Told::Composite { value, .. }) = Told::of(&view)
            && hashes.len() as u64 == self.underway.part_count
            && value != composite(hashes.values())
        {
            return Err(Fault::other(&"the server tells another checksum than the parts have"));
        }
        Ok(Sent { view, was_there: false, hash: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(part_size: u64, part_count: u64, size: u64) -> Result<Underway, Fault> {
        Underway::of(&json!({ "id": "upl_1", "part_size": part_size, "part_count": part_count }), size)
    }

    #[test]
    fn parts_cover_the_file_and_nothing_else() {
        let underway = plan(8, 3, 20).unwrap();
        assert_eq!([1, 2, 3].map(|number| underway.extent(number, 20)), [(0, 8), (8, 8), (16, 4)]);
        assert_eq!(plan(8, 2, 16).unwrap().extent(2, 16), (8, 8));
    }

    #[test]
    fn a_plan_that_does_not_fit_is_refused() {
        for (part_size, part_count, size) in [(0, 0, 20), (8, 2, 20), (8, 4, 20), (1, 10_001, 10_001)] {
            assert!(plan(part_size, part_count, size).is_err(), "{part_size} {part_count} {size}");
        }
        assert!(Underway::of(&json!({ "part_size": 8, "part_count": 1 }), 8).is_err());
    }
}
