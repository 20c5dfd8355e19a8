//! One file on its way.

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
    domain::upload::LARGEST_SINGLE_REQUEST,
};

use super::{
    Method, Place,
    batches::Prepared,
    memory::{Declared, Memory},
    parts::Parts,
    selection::Chosen,
};

/// How often a signed URL is asked for anew when the storage does not take it.
pub(super) const SIGNATURES: u32 = 3;

/// What all files of a command have in common.
pub(super) struct Transfer<'a> {
    pub(super) client: Client,
    pub(super) place: Place,
    pub(super) storage: Storage,
    pub(super) slots: Slots,
    pub(super) progress: &'a Progress,
    pub(super) jobs: usize,
    pub(super) content_type: Option<&'a str>,
    pub(super) method: Option<Method>,
    pub(super) memory: Memory,
    /// Tells apart, in what is kept for the next run, deliveries to several places of one server.
    pub(super) scope: String,
}

/// A file that has arrived.
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
    /// Sends one file, by whichever method suits it; `ahead` gives what was prepared for it.
    pub(super) fn send(&self, chosen: &Chosen, ahead: impl FnOnce() -> Option<Prepared>) -> Result<Sent, Fault> {
        let progress = self.progress.file(chosen.path.as_str(), chosen.source.size);
        let sent = match Method::of(self.method, chosen.source.size) {
            Method::Put => self.put(chosen, ahead, &progress),
            Method::Multipart => match Parts::send(self, chosen, &progress) {
                // Parts were our choice, and one request does it, too.
                Err(fault) if fault.code == "method_not_offered" && self.may_be_put(chosen) => {
                    self.put(chosen, || None, &progress)
                }
                sent => sent,
            },
        };
        match sent {
            Err(fault) if fault.code == "path_taken" && !self.place.overwrites() => {
                progress.note("comparing …");
                self.compared(chosen, fault)
            }
            sent => sent,
        }
    }

    fn may_be_put(&self, chosen: &Chosen) -> bool {
        self.method.is_none() && chosen.source.size <= LARGEST_SINGLE_REQUEST
    }

    /// The route of an upload.
    pub(super) fn upload(&self, id: &str) -> String {
        format!("{}/{}", self.place.route(), encoded(id))
    }

    /// Declares an upload. One whose answer is lost is not declared twice.
    pub(super) fn declare(&self, chosen: &Chosen, method: &Value) -> Result<Value, Fault> {
        let declaration = self.declaration(chosen, method);
        let upload = self.client.create(self.place.route(), &declaration)?;
        self.memory.add(chosen.path.as_str(), &Declared::of(&upload));
        Ok(upload)
    }

    /// What a file is declared to be.
    pub(super) fn declaration(&self, chosen: &Chosen, method: &Value) -> Value {
        let mut declaration = json!({
            "path": chosen.path.as_str(),
            "size": chosen.source.size,
            "content_type": self.content_type(chosen),
            "overwrite": self.place.overwrites(),
        });
        for (name, value) in method.as_object().into_iter().flatten() {
            declaration[name] = value.clone();
        }
        declaration
    }

    /// How a file is declared that goes in one request.
    pub(super) fn by_put(hash: &Hash) -> Value {
        json!({ "method": "put", "sha256": hex(hash) })
    }

    /// The media type: as said, or as told by the name.
    pub(super) fn content_type(&self, chosen: &Chosen) -> String {
        let told = || mime_guess::from_path(chosen.path.as_str()).first_or_octet_stream().to_string();
        self.content_type.map_or_else(told, str::to_owned)
    }

    fn put(
        &self,
        chosen: &Chosen,
        ahead: impl FnOnce() -> Option<Prepared>,
        progress: &FileProgress,
    ) -> Result<Sent, Fault> {
        let source = &chosen.source;
        progress.note("reading …");
        let (hash, mut declared) = match ahead() {
            Some(prepared) => prepared?,
            None => {
                let hash = self.slots.within(|| source.hash(0, source.size)).map_err(|fault| Fault::other(&fault))?;
                (hash, self.begun(chosen, &hash)?)
            }
        };
        progress.resume();
        let mut signatures = 1;
        let id = loop {
            let Declared { id, url, headers } = match declared.take() {
                Some(declared) => declared,
                None => Declared::of(&self.declare(chosen, &Self::by_put(&hash))?),
            };
            let sent = self
                .slots
                .within(|| patiently(|| self.put_section(chosen, (0, source.size), &url, &headers, progress)));
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

    /// What an interrupted run has declared for these very bytes, if it can still be sent.
    fn begun(&self, chosen: &Chosen, hash: &Hash) -> Result<Option<Declared>, Fault> {
        let before = self.memory.declared(chosen.path.as_str()).filter(|declared| !declared.url.is_empty());
        let Some(declared) = before else { return Ok(None) };
        match patiently(|| self.client.get(&self.upload(&declared.id))) {
            Ok(view) => {
                let is_same = view["size"].as_u64() == Some(chosen.source.size)
                    && text(&view, "sha256").eq_ignore_ascii_case(&hex(hash))
                    && text(&view, "content_type") == self.content_type(chosen);
                Ok((is_same && text(&view, "status") == "pending").then(|| declared.clone()))
            }
            Err(fault) if fault.status == Some(404) => Ok(None),
            Err(fault) => Err(fault),
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
            let path = format!("{}/complete", self.upload(id));
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
        let _ = self.client.delete(&self.upload(id));
    }

    /// Whether the file that is there is this very file.
    fn compared(&self, chosen: &Chosen, taken: Fault) -> Result<Sent, Fault> {
        let path = chosen.path.as_str();
        let taken = match self.place {
            Place::Vault { .. } => taken,
            Place::Delivery => {
                Fault::other(&"another file was delivered under this name, and stays; give this one another")
            }
        };
        let route = match (self.place, self.memory.declared(path)) {
            (Place::Vault { .. }, _) => format!("/v1/objects/{}", encoded(path)),
            // What is there cannot be looked at, but what was delivered from here.
            (Place::Delivery, Some(declared)) => self.upload(&declared.id),
            (Place::Delivery, None) => return Err(taken),
        };
        let there = patiently(|| self.client.get(&route));
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
