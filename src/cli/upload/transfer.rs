//! One file on its way into the vault.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    cli::{
        checksum::{Hash, Told, hex},
        client::{Client, encoded, text},
        fault::{Fault, patiently, wait_for},
        progress::{FileProgress, Progress},
        storage::Storage,
    },
    crypto::secret::SecretText,
    domain::upload::LARGEST_SINGLE_REQUEST,
    entropy::{Entropy, SystemEntropy},
};

use super::{Method, parts::Parts, selection::Chosen};

/// How often a signed URL is asked for anew when the storage does not take it.
pub(super) const SIGNATURES: u32 = 3;

/// What all files of an upload have in common.
pub(super) struct Transfer<'a> {
    pub(super) client: Client,
    pub(super) storage: Storage,
    pub(super) slots: Slots,
    pub(super) progress: &'a Progress,
    pub(super) jobs: usize,
    pub(super) content_type: Option<&'a str>,
    pub(super) method: Option<Method>,
    pub(super) overwrite: bool,
}

/// A file that is in the vault.
pub(super) struct Sent {
    /// What the server says of it.
    pub(super) view: Value,
    /// Whether it was there before.
    pub(super) was_there: bool,
    /// SHA-256 of all of it, where it had to be known.
    pub(super) hash: Option<Hash>,
}

/// So many things at a time, whichever files they belong to.
pub(super) struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), freed: Condvar::new() }
    }

    /// Waits for a place, and gives it back afterwards.
    pub(super) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        drop(free);
        let done = work();
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.freed.notify_one();
        done
    }
}

impl Transfer<'_> {
    /// Sends one file, by whichever method suits it.
    pub(super) fn send(&self, chosen: &Chosen) -> Result<Sent, Fault> {
        let progress = self.progress.file(chosen.path.as_str(), chosen.source.size);
        let sent = match Method::of(self.method, chosen.source.size) {
            Method::Put => self.put(chosen, &progress),
            Method::Multipart => match Parts::send(self, chosen, &progress) {
                // Parts were our choice, and one request does it, too.
                Err(fault) if fault.code == "method_not_offered" && self.may_be_put(chosen) => {
                    self.put(chosen, &progress)
                }
                sent => sent,
            },
        };
        match sent {
            Err(fault) if fault.code == "path_taken" && !self.overwrite => {
                progress.note("comparing …");
                self.compared(chosen, fault)
            }
            sent => sent,
        }
    }

    fn may_be_put(&self, chosen: &Chosen) -> bool {
        self.method.is_none() && chosen.source.size <= LARGEST_SINGLE_REQUEST
    }

    /// Declares an upload. One whose answer is lost is not declared twice.
    pub(super) fn declare(&self, chosen: &Chosen, method: &Value) -> Result<Value, Fault> {
        let mut declaration = json!({
            "path": chosen.path.as_str(),
            "size": chosen.source.size,
            "content_type": self.content_type(chosen),
            "overwrite": self.overwrite,
        });
        for (name, value) in method.as_object().into_iter().flatten() {
            declaration[name] = value.clone();
        }
        let once = SecretText::new(base16ct::lower::encode_string(&(&SystemEntropy as &dyn Entropy).bytes::<16>()));
        patiently(|| self.client.post_once("/v1/uploads", &declaration, once.expose()))
    }

    /// The media type: as said, or as told by the name.
    pub(super) fn content_type(&self, chosen: &Chosen) -> String {
        let told = || mime_guess::from_path(chosen.path.as_str()).first_or_octet_stream().to_string();
        self.content_type.map_or_else(told, str::to_owned)
    }

    fn put(&self, chosen: &Chosen, progress: &FileProgress) -> Result<Sent, Fault> {
        let source = &chosen.source;
        progress.note("reading …");
        let hash = self.slots.within(|| source.hash(0, source.size)).map_err(|fault| Fault::other(&fault))?;
        progress.resume();
        let mut signatures = 1;
        let id = loop {
            let upload = self.declare(chosen, &json!({ "method": "put", "sha256": hex(&hash) }))?;
            let id = text(&upload, "id").to_owned();
            let url = text(&upload, "url");
            let sent = self
                .slots
                .within(|| patiently(|| self.put_section(chosen, (0, source.size), url, &upload["headers"], progress)));
            match sent {
                Ok(()) => break id,
                // It has arrived; the answer has not.
                Err(fault) if fault.status == Some(412) => break id,
                Err(fault) => {
                    self.cancel(&id);
                    if fault.status != Some(403) || signatures == SIGNATURES {
                        return Err(fault);
                    }
                    signatures += 1;
                }
            }
        };
        self.hold_to_source(chosen, &id)?;
        let view = self.complete(&id, progress)?;
        match view["sha256"].as_str() {
            Some(found) if !found.eq_ignore_ascii_case(&hex(&hash)) => {
                Err(Fault::other(&"the server tells another SHA-256 than the file has"))
            }
            _ => Ok(Sent { view, was_there: false, hash: Some(hash) }),
        }
    }

    /// Sends a section of the file to a signed URL, once.
    pub(super) fn put_section(
        &self,
        chosen: &Chosen,
        (offset, length): (u64, u64),
        url: &str,
        headers: &Value,
        progress: &FileProgress,
    ) -> Result<(), Fault> {
        let section = chosen.source.section(offset, length).map_err(|fault| Fault::other(&fault))?;
        let mut counting = progress.counting(section);
        let sent = self.storage.put(url, headers, length, &mut counting);
        if sent.is_err() {
            counting.undo();
            // A file that shrinks looks like a broken connection.
            chosen.source.is_unchanged().map_err(|fault| Fault::other(&fault))?;
        }
        sent
    }

    /// What was sent is one state of the file, or nothing.
    pub(super) fn hold_to_source(&self, chosen: &Chosen, id: &str) -> Result<(), Fault> {
        chosen.source.is_unchanged().map_err(|fault| {
            self.cancel(id);
            Fault::other(&fault)
        })
    }

    /// Asks to verify what arrived, until it is verified.
    pub(super) fn complete(&self, id: &str, progress: &FileProgress) -> Result<Value, Fault> {
        progress.note("verifying …");
        let mut tries = 0;
        loop {
            let path = format!("/v1/uploads/{}/complete", encoded(id));
            let answer = patiently(|| self.client.ask("POST", &path, Some(&Value::Null)))?;
            let is_verifying = answer.is_preliminary || text(&answer.body, "status") == "verifying";
            match text(&answer.body, "status") {
                _ if is_verifying => {
                    tries += 1;
                    wait_for(answer.retry_after, tries);
                }
                "completed" => return Ok(answer.body),
                status => return Err(Fault::other(&format!("the server says that it is {status}"))),
            }
        }
    }

    /// Calls an upload off. If that fails it ends by itself.
    pub(super) fn cancel(&self, id: &str) {
        let _ = self.client.delete(&format!("/v1/uploads/{}", encoded(id)));
    }

    /// Whether the file that is there is this very file.
    fn compared(&self, chosen: &Chosen, taken: Fault) -> Result<Sent, Fault> {
        let there = patiently(|| self.client.get(&format!("/v1/objects/{}", encoded(chosen.path.as_str()))));
        let Ok(view) = there else { return Err(taken) };
        let source = &chosen.source;
        let told = Told::of(&view).filter(|_| view["size"].as_u64() == Some(source.size));
        let Some(told) = told else { return Err(taken) };
        let compare = || told.agrees(source.size, source.section(0, source.size)?);
        if !self.slots.within(compare).map_err(|fault| Fault::other(&fault))? {
            return Err(taken);
        }
        Ok(Sent { view, was_there: true, hash: None })
    }
}

/// For how long a multipart upload is declared: a day, or what a slow line
/// (128 KiB a second) needs, up to the week that the server allows.
pub(super) fn patience(size: u64) -> Duration {
    const DAY: u64 = 24 * 60 * 60;
    Duration::from_secs((size / (128 * 1024)).clamp(DAY, 7 * DAY))
}
