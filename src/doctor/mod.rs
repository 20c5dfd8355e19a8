//! Whether an object storage enforces what its signed requests say.
//!
//! The broker promises that a URL gives exactly what its contract says, and
//! it is the storage that keeps the promise. Here the storage is asked for
//! signed requests, sent what violates them over real HTTP, and every
//! constraint that it lets pass is named. All objects and uploads of the probes lie
//! in an inbox of their own and are removed afterwards.

mod constraints;
mod diagnosis;
mod probes;
mod report;
mod request;
mod table;

use std::{
    panic::AssertUnwindSafe,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, stream};
use sha2::{Digest, Sha256};
use ureq::Agent;

use crate::{
    clock::Clock,
    domain::{
        ids::TenantId,
        instant::Instant,
        tenant::{Mode, Namespace},
    },
    entropy::Entropy,
    objects::{ContentType, InboxSecret, MultipartId, ObjectKey, ObjectStorage, Unavailable, UploadContract},
    outward,
};

use self::{
    probes::Seen,
    request::{Answer, Sent},
};

pub use constraints::{CONSTRAINTS, Constraint, Method, Weight};
pub use report::{Finding, Outcome, Report, Verdict};

/// How many requests are under way at a time: enough to be done soon, few enough for a small storage.
const AT_ONCE: usize = 8;

/// A storage that takes longer for one small request does not answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long what is signed here may be used.
const LIFE: Duration = Duration::from_secs(300);

/// Why nothing can be said about the storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object storage cannot be examined: {0}")]
pub struct NotExamined(
    /// What is wrong, and what to do.
    pub String,
);

/// What every probe works with.
struct Probing<'a> {
    storage: &'a dyn ObjectStorage,
    clock: &'a dyn Clock,
    entropy: &'a dyn Entropy,
    agent: Agent,
    namespace: Namespace,
    /// Everything that may have been stored: removed in the end, whatever happens.
    keys: Mutex<Vec<ObjectKey>>,
    /// Every upload in parts that was begun: aborted in the end, whatever happens.
    uploads: Mutex<Vec<(ObjectKey, MultipartId)>>,
}

/// Tries every constraint on the storage.
///
/// The probes write into `namespace`, which should be nobody else's. Up to 8
/// requests are under way at a time. Should the future be dropped before it is
/// done, objects may stay behind in the inbox, whose rules remove them.
///
/// # Errors
/// When a plain agreed upload or download fails already, so that a refusal would mean nothing.
pub async fn examine(
    storage: &dyn ObjectStorage,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    namespace: Namespace,
) -> Result<Report, NotExamined> {
    let began = clock.now();
    let agent = outward::agent(PATIENCE);
    let (keys, uploads) = (Mutex::default(), Mutex::default());
    let probing = Probing { storage, clock, entropy, agent, namespace, keys, uploads };
    // A panic must not leave objects behind.
    let outcome = AssertUnwindSafe(probing.all()).catch_unwind().await;
    let left_behind = probing.clean_up().await;
    let (findings, unusable) = outcome
        .unwrap_or_else(|_| Err(NotExamined("the examination itself failed; this is a fault of ours".into())))?;
    Ok(Report { findings, unusable, left_behind, took: clock.now().since(began) })
}

/// A namespace that nobody else has.
pub fn namespace(clock: &dyn Clock, entropy: &dyn Entropy) -> Namespace {
    let tenant = TenantId::new(clock.now(), entropy.bytes());
    Namespace { tenant, mode: Mode::Test }
}

type Found = (Vec<Finding>, Vec<(Method, String)>);

impl Probing<'_> {
    async fn all(&self) -> Result<Found, NotExamined> {
        // Each to its end: nothing may still be on its way when everything is removed.
        let (put, post, part, get) = tokio::join!(
            caught(probes::put(self)),
            caught(probes::form(self)),
            caught(probes::part(self)),
            caught(probes::get(self))
        );
        put.map_err(|fault| NotExamined(format!("an upload as agreed fails: {fault}")))?;
        get.map_err(|fault| NotExamined(format!("a download as agreed fails: {fault}")))?;
        let refused = |method, agreed: Result<(), String>| agreed.err().map(|fault| (method, fault));
        let unusable = [refused(Method::Post, post), refused(Method::Part, part)];
        let unusable: Vec<_> = unusable.into_iter().flatten().collect();
        let usable = |method| unusable.iter().all(|(other, _)| *other != method);
        let tried = CONSTRAINTS.iter().filter(|constraint| usable(constraint.method));
        let findings = stream::iter(tried.map(|constraint| self.finding(constraint))).buffered(AT_ONCE).collect().await;
        Ok((findings, unusable))
    }

    async fn finding(&self, constraint: &'static Constraint) -> Finding {
        match caught(probes::try_out(self, constraint.probe)).await {
            Err(reason) => Finding { constraint, outcome: Outcome::Unclear(reason), status: None, note: None },
            Ok(seen) => judged(constraint, &seen),
        }
    }

    /// Ends all uploads of the probes, and removes all objects. How many stayed.
    async fn clean_up(&self) -> usize {
        let uploads = std::mem::take(&mut *self.uploads.lock().unwrap_or_else(PoisonError::into_inner));
        let aborted = uploads.iter().map(|(key, upload)| self.storage.abort_multipart(key, upload));
        let stayed = stayed(aborted.collect()).await;
        let keys = std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner));
        stayed + self::stayed(keys.iter().map(|key| self.storage.delete(key)).collect()).await
    }

    /// A key that nothing lies under. What will lie there is removed in the end.
    fn key(&self) -> ObjectKey {
        let key = ObjectKey::inbox(self.namespace, InboxSecret(self.entropy.bytes()));
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).push(key.clone());
        key
    }

    /// Begins an upload in parts. It is aborted in the end.
    async fn begin(&self, key: &ObjectKey, part_checksums: bool) -> Result<MultipartId, String> {
        let begun = self.storage.begin_multipart(key, &ContentType::unknown(), part_checksums).await;
        let upload = begun.map_err(|fault| fault.to_string())?;
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).push((key.clone(), upload.clone()));
        Ok(upload)
    }

    /// Nothing lies under this key: in a bucket with versions, removing it would leave a mark.
    fn forget(&self, key: &ObjectKey) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| other != key);
    }

    /// A contract for exactly these bytes.
    fn contract(&self, bytes: &[u8], declared: bool) -> UploadContract {
        UploadContract {
            key: self.key(),
            size: bytes.len() as u64,
            content_type: ContentType::unknown(),
            sha256: declared.then(|| Sha256::digest(bytes).into()),
            expires_at: self.clock.now().plus(LIFE),
        }
    }

    /// Two minutes ago, when something was signed for one.
    fn long_ago(&self) -> (Instant, Instant) {
        let now = self.clock.now().as_unix_seconds();
        let ago = |seconds| Instant::from_unix_seconds(now.saturating_sub(seconds));
        (ago(120), ago(60))
    }

    async fn send(&self, request: Sent) -> Result<Answer, String> {
        let agent = self.agent.clone();
        let answer = tokio::task::spawn_blocking(move || request.send(&agent)).await;
        answer.map_err(|_| "the request was lost".to_owned())?
    }

    async fn is_stored(&self, key: &ObjectKey) -> Result<bool, String> {
        Ok(self.storage.head(key).await.map_err(|fault| fault.to_string())?.is_some())
    }
}

/// How many of these could not be done. One that panics does not keep another from it.
async fn stayed(removals: Vec<impl Future<Output = Result<(), Unavailable>>>) -> usize {
    let removals = removals.into_iter().map(|removal| AssertUnwindSafe(removal).catch_unwind());
    let removed: Vec<_> = stream::iter(removals).buffer_unordered(AT_ONCE).collect().await;
    removed.iter().filter(|removed| !matches!(removed, Ok(Ok(())))).count()
}

/// A panic as a reason why nothing can be told.
async fn caught<T>(probe: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let done = AssertUnwindSafe(probe).catch_unwind().await;
    done.unwrap_or_else(|_| Err("the probe itself failed; this is a fault of ours".into()))
}

/// What the answer and what came of it mean.
fn judged(constraint: &'static Constraint, seen: &Seen) -> Finding {
    let (outcome, note) = match seen.status {
        None if seen.done => (Outcome::Ignored, None),
        None => (Outcome::Enforced, None),
        Some(200..=299) => (Outcome::Ignored, None),
        Some(400..=599) if seen.done => (Outcome::Ignored, Some("refused, and done all the same")),
        Some(400..=499) => (Outcome::Enforced, None),
        Some(500..=599) => (Outcome::Enforced, Some("refused as a fault of the storage's own")),
        Some(300..=399) => (Outcome::Unclear("the storage answers from somewhere else".into()), None),
        Some(_) => (Outcome::Unclear("the answer means nothing".into()), None),
    };
    Finding { constraint, outcome, status: seen.status, note }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_when_nothing_came_of_it() {
        let judged = |status, done| judged(&CONSTRAINTS[0], &Seen { status, done });
        for (status, done, outcome, noted) in [
            (Some(403), false, Some(Outcome::Enforced), false),
            (Some(412), false, Some(Outcome::Enforced), false),
            (Some(500), false, Some(Outcome::Enforced), true),
            (Some(200), false, Some(Outcome::Ignored), false),
            (Some(204), true, Some(Outcome::Ignored), false),
            (Some(403), true, Some(Outcome::Ignored), true),
            (Some(503), true, Some(Outcome::Ignored), true),
            (Some(301), false, None, false),
            (Some(102), false, None, false),
            (None, false, Some(Outcome::Enforced), false),
            (None, true, Some(Outcome::Ignored), false),
        ] {
            let finding = judged(status, done);
            match outcome {
                Some(outcome) => assert_eq!(finding.outcome, outcome, "{status:?} {done}"),
                None => assert!(matches!(finding.outcome, Outcome::Unclear(_)), "{status:?} {done}"),
            }
            assert_eq!(finding.note.is_some(), noted, "{status:?} {done}");
        }
        assert_eq!(judged(Some(403), true).answer(), "DONE, 403");
    }
}
