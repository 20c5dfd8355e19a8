//! Uploads under a quota while the program is killed: declared, sent, completed, called off, deleted, and looked at afterwards.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    crashing::{Asking, Drawn},
    process::until,
};

/// How many files there may be at first, and how many more each time.
const FILES: u64 = 40;

/// How many bytes there may be for each: less than the largest are, so that either limit is met.
const BYTES_OF_EACH: u64 = 12_000;

/// What was called off counts until no URL can bring it any more, which is so after ten minutes and the time of a transfer.
const SURELY_COUNTS: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Nothing,
    Declared,
    Completed,
    Cancelled,
    Deleted,
}

/// What was to become a file.
pub struct File {
    pub path: String,
    size: usize,
    seed: u64,
    /// Of the upload; not known where its declaration was not answered.
    id: Option<String>,
    /// What was acknowledged.
    known: Stage,
    /// What was asked for, and not answered.
    asked: Option<Stage>,
    /// All of its bytes were taken.
    is_sent: bool,
    ended: Option<Instant>,
}

/// How much may be kept.
pub struct Room {
    tenant: String,
    /// Bytes and files.
    limits: [u64; 2],
    /// What was asked for instead, and not answered.
    asked: Option<[u64; 2]>,
    refused: usize,
}

/// Somebody raises what may be kept, one at a time.
pub struct Raising {
    tenant: String,
    /// What is acknowledged, and what is asked for.
    limits: Mutex<[[u64; 2]; 2]>,
    refused: AtomicUsize,
}

fn content(seed: u64, size: usize) -> Vec<u8> {
    let mut drawn = Drawn::new(seed);
    (0..size.div_ceil(8)).flat_map(|_| drawn.next().to_le_bytes()).take(size).collect()
}

/// A file that is there before anything is killed.
pub fn published(asking: &Asking, numbers: &AtomicUsize) -> File {
    let mut file = File::new(numbers, 7, 1_000);
    file.declare(asking).expect("it is answered").expect("there is room");
    file.finish(asking, Stage::Completed, "POST", "/complete").expect("it is answered");
    file
}

/// Declares an upload, and sees it through, or leaves it or calls it off; nothing once there was no answer.
pub fn file(
    asking: &Asking,
    raising: &Raising,
    numbers: &AtomicUsize,
    drawn: &mut Drawn,
    files: &mut Vec<File>,
) -> Option<()> {
    let largest = if drawn.is_one_in(4) { 150_000 } else { 4_000 };
    let mut file = File::new(numbers, drawn.next(), drawn.below(largest) as usize);
    let leaves = drawn.below(8);
    let done = file.used(asking, raising, drawn, leaves);
    if !file.is_nothing() {
        files.push(file);
    }
    done
}

impl File {
    fn new(numbers: &AtomicUsize, seed: u64, size: usize) -> Self {
        let path = format!("files/{}.bin", numbers.fetch_add(1, Ordering::SeqCst));
        let (id, known, asked) = (None, Stage::Nothing, None);
        Self { path, size, seed, id, known, asked, is_sent: false, ended: None }
    }

    fn used(&mut self, asking: &Asking, raising: &Raising, drawn: &mut Drawn, leaves: u64) -> Option<()> {
        if self.declare(asking)?.is_none() {
            raising.refused.fetch_add(1, Ordering::SeqCst);
            return if drawn.is_one_in(6) { raising.raise(asking) } else { Some(()) };
        }
        match leaves {
            0 => Some(()),
            1 => self.finish(asking, Stage::Cancelled, "DELETE", ""),
            _ => {
                self.finish(asking, Stage::Completed, "POST", "/complete")?;
                if leaves < 5 && self.known == Stage::Completed { self.delete(asking) } else { Some(()) }
            }
        }
    }

    /// Where there is no room for it, nothing was declared. Its bytes are sent as well.
    fn declare(&mut self, asking: &Asking) -> Option<Option<()>> {
        let body = json!({ "path": self.path, "size": self.size, "content_type": "application/octet-stream" });
        self.asked = Some(Stage::Declared);
        let (status, declared) = asking.tried("POST", "/v1/uploads", Some(&body))?;
        self.asked = None;
        if declared["code"] == "quota_exceeded" {
            return Some(None);
        }
        assert_eq!(status, 201, "{declared}");
        self.known = Stage::Declared;
        self.id = declared["id"].as_str().map(str::to_owned);
        let (status, _) = asking.carried(&declared, Some(&content(self.seed, self.size)))?;
        assert_eq!(status, 200, "{}", self.path);
        self.is_sent = true;
        Some(Some(()))
    }

    fn finish(&mut self, asking: &Asking, stage: Stage, method: &str, way: &str) -> Option<()> {
        let path = format!("/v1/uploads/{}{way}", self.id.as_deref().unwrap());
        self.asked = Some(stage);
        #[expect(clippy::disallowed_methods, reason = "that of the program, which is another process")]
        let now = Instant::now();
        self.ended = Some(now);
        let (status, told) = asking.tried(method, &path, None)?;
        // Where it takes long, that is said, and it is not known when it is done.
        if status != 202 {
            assert!(matches!(status, 200 | 204), "{status} {told}");
            (self.known, self.asked) = (stage, None);
        }
        Some(())
    }

    fn delete(&mut self, asking: &Asking) -> Option<()> {
        self.asked = Some(Stage::Deleted);
        let (status, told) = asking.tried("DELETE", &format!("/v1/objects/{}", self.path), None)?;
        assert_eq!(status, 204, "{told}");
        (self.known, self.asked) = (Stage::Deleted, None);
        Some(())
    }

    /// Whether nothing is to be expected of it.
    pub fn is_nothing(&self) -> bool {
        self.known == Stage::Nothing && self.asked.is_none()
    }

    /// It is what was acknowledged, or what was asked for last; and stays that from here on.
    pub fn holds(&mut self, asking: &Asking) {
        let Some(id) = self.id.clone() else { return };
        let path = &self.path;
        let (status, upload) = asking.told("GET", &format!("/v1/uploads/{id}"), None);
        assert_eq!(status, 200, "{path}: a declaration that was acknowledged is lost");
        let (status, found) = asking.told("GET", &format!("/v1/objects/{path}"), None);
        let stage = match (upload["status"].as_str().unwrap(), status) {
            ("pending", 404) => Stage::Declared,
            ("completed", 200) => Stage::Completed,
            ("completed", 404) => Stage::Deleted,
            ("cancelled", 404) => Stage::Cancelled,
            other => panic!("{path}: {other:?} {upload} {found}"),
        };
        let is_one = stage == self.known || Some(stage) == self.asked;
        assert!(is_one, "{path}: it is {stage:?}, was {:?} and was asked to be {:?}", self.known, self.asked);
        (self.known, self.asked) = (stage, None);
        if stage == Stage::Completed {
            self.is_as_sent(asking, &found);
        }
        // What was taken whole can be gone on with.
        if stage == Stage::Declared && self.is_sent && self.seed.is_multiple_of(3) {
            let (status, told) = asking.told("POST", &format!("/v1/uploads/{id}/complete"), None);
            assert_eq!(status, 200, "{told}");
            self.known = Stage::Completed;
        }
    }

    fn is_as_sent(&self, asking: &Asking, found: &Value) {
        let path = &self.path;
        assert_eq!(found["size"], json!(self.size), "{path}");
        let (status, signed) = asking.told("POST", "/v1/objects/downloads", Some(&json!({ "path": path })));
        assert_eq!(status, 200, "{signed}");
        let (status, bytes) = until("it is answered", || asking.carried(&json!({ "url": signed["url"] }), None));
        assert!(status == 200 && bytes == content(self.seed, self.size), "{path}: {status}, or other bytes");
    }

    /// Whether it takes room: for certain, or perhaps.
    fn counts(&self) -> [bool; 2] {
        match self.known {
            Stage::Nothing | Stage::Deleted => [false; 2],
            Stage::Declared | Stage::Completed => [true; 2],
            Stage::Cancelled => [self.ended.is_some_and(|ended| ended.elapsed() < SURELY_COUNTS), true],
        }
    }
}

/// Declarations that were not answered, and are there or are not.
pub fn find_unanswered(asking: &Asking, files: &mut [File], from: usize) {
    let unanswered = |file: &File| file.id.is_none() && file.asked == Some(Stage::Declared);
    if !files[from..].iter().any(unanswered) {
        return;
    }
    let (status, listed) = asking.told("GET", "/v1/uploads?limit=1000", None);
    assert_eq!(status, 200, "{listed}");
    for file in files[from..].iter_mut().filter(|file| unanswered(file)) {
        let found = listed["items"].as_array().unwrap().iter().find(|upload| upload["path"] == file.path);
        file.id = found.map(|upload| upload["id"].as_str().unwrap().to_owned());
        file.asked = None;
        file.known = if found.is_some() { Stage::Declared } else { Stage::Nothing };
    }
}

/// What they came to.
pub fn said(files: &[File]) -> String {
    let of = |stage| files.iter().filter(|file| file.known == stage).count();
    let [completed, deleted, cancelled, declared] =
        [Stage::Completed, Stage::Deleted, Stage::Cancelled, Stage::Declared].map(of);
    format!(
        "{} uploads: {completed} completed, {deleted} completed and deleted, {cancelled} called off, {declared} left",
        files.len()
    )
}

impl Room {
    /// Limits the tenant.
    pub fn begin(asking: &Asking) -> Self {
        let (status, tenants) = asking.told("GET", "/v1/tenants", None);
        assert_eq!(status, 200, "{tenants}");
        let tenant = tenants["items"][0]["id"].as_str().unwrap().to_owned();
        let room = Self { tenant, limits: [FILES * BYTES_OF_EACH, FILES], asked: None, refused: 0 };
        assert_eq!(limited(asking, &room.tenant, room.limits), Some(200));
        room
    }

    pub fn raising(&self) -> Raising {
        let limits = Mutex::new([self.limits; 2]);
        Raising { tenant: self.tenant.clone(), limits, refused: AtomicUsize::new(0) }
    }

    /// Takes down what was raised.
    pub fn raised(&mut self, raising: Raising) {
        let [acknowledged, asked] = raising.limits.into_inner().unwrap();
        (self.limits, self.asked) = (acknowledged, (asked != acknowledged).then_some(asked));
        self.refused += raising.refused.into_inner();
    }

    /// What is used is what is kept, and no more than may be.
    pub fn holds(&mut self, asking: &Asking, files: &[File]) {
        let (status, usage) = asking.told("GET", "/v1/usage", None);
        assert_eq!(status, 200, "{usage}");
        let of = |from: &Value| ["bytes", "objects"].map(|name| from[name].as_u64().unwrap());
        let (used, limits) = (of(&usage["tenant"]), of(&usage["tenant"]["limits"]));
        let are_right = limits == self.limits || Some(limits) == self.asked;
        assert!(are_right, "the limits are {limits:?}, were {:?} and asked to be {:?}", self.limits, self.asked);
        (self.limits, self.asked) = (limits, None);
        let sum = |which: usize| {
            let counted = files.iter().filter(|file| file.counts()[which]);
            counted.fold([0, 0], |[bytes, count], file| [bytes + file.size as u64, count + 1])
        };
        let (surely, perhaps) = (sum(0), sum(1));
        for which in 0..2 {
            let kept = surely[which]..=perhaps[which];
            assert!(kept.contains(&used[which]), "used are {used:?}, kept {surely:?} to {perhaps:?}");
            assert!(used[which] <= limits[which], "used are {used:?} of {limits:?}");
        }
    }

    /// The program finds nothing wrong with its own accounts, and no file without bytes.
    pub fn reconciles(&self, asking: &Asking) {
        let (status, found) = asking.told("POST", "/v1/objects/reconcile", Some(&json!({ "dry_run": true })));
        let differences = found["items"].as_array().unwrap_or_else(|| panic!("{status} {found}"));
        // A copy that was made and never committed is there until it is removed.
        let wrong: Vec<_> = differences.iter().filter(|difference| difference["kind"] != "orphan").collect();
        assert!(status == 200 && wrong.is_empty(), "{wrong:?}");
    }

    pub fn said(&self) -> String {
        format!("{} more refused for a quota of {} files and {} bytes", self.refused, self.limits[1], self.limits[0])
    }
}

impl Raising {
    fn raise(&self, asking: &Asking) -> Option<()> {
        let mut limits = self.limits.lock().unwrap();
        let [acknowledged, asked] = &mut *limits;
        if acknowledged != asked {
            return None;
        }
        *asked = [acknowledged[0] + FILES / 4 * BYTES_OF_EACH, acknowledged[1] + FILES / 4];
        assert_eq!(limited(asking, &self.tenant, *asked)?, 200);
        *acknowledged = *asked;
        Some(())
    }
}

fn limited(asking: &Asking, tenant: &str, [bytes, objects]: [u64; 2]) -> Option<u16> {
    let body = json!({ "bytes": bytes, "objects": objects });
    Some(asking.tried("PUT", &format!("/v1/tenants/{tenant}/quota"), Some(&body))?.0)
}
