//! The port to object storage, and what is asked of it.
//!
//! Bulk bytes go straight between clients and the storage: the broker hands
//! out [`SignedRequest`]s. Object keys are made here, from a namespace and
//! from ids that the server drew; no client text reaches the key of anything
//! that can be written by a client.

mod contract;
mod disposition;
pub mod embedded;
mod encode;
mod key;
mod range;
pub mod s3;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::domain::instant::Instant;

pub use contract::{
    Checksum, ContentType, DownloadContract, ETag, ListedObject, MultipartId, NotAContentType, ObjectFacts,
    PartContract, SignedRequest, StoredPart, UploadContract,
};
pub use disposition::Disposition;
pub use key::{ArtifactLabel, Doomed, InboxSecret, ObjectFolder, ObjectKey};
pub use range::{ByteRange, WantedRange};

/// An upload must begin this soon after it was signed, whatever its contract says.
pub const LONGEST_UPLOAD: Duration = Duration::from_secs(600);

pub use crate::domain::parts::{LARGEST_PART, MOST_PARTS, SMALLEST_PART};

/// The storage could not answer; nothing may be concluded from it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("object storage is unavailable: {0}")]
pub struct Unavailable(
    /// For the operator's log: never shown to a caller.
    pub String,
);

impl Unavailable {
    /// The same, of this file.
    fn of_file(self, file: &str) -> Self {
        Self(format!("{}: {file}", self.0))
    }
}

/// Why a copy did not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CopyError {
    /// The source is gone, or is not the object that was looked at.
    #[error("the object has changed or is gone")]
    Changed,
    /// No answer, or an error of the storage's own.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why an upload in parts was not completed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CompleteError {
    /// A part is not, or no longer, the one that was named; or the upload is
    /// gone; or the key is taken. Perhaps because it was completed before: what is
    /// under the key tells.
    #[error("the parts have changed or are gone")]
    Changed,
    /// No answer, or an error of the storage's own. It may have been completed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The bytes of an object, or of part of it, as they come.
pub type ByteStream = BoxStream<'static, Result<Bytes, Unavailable>>;

/// What every object storage offers. One conformance suite holds for all of them.
#[async_trait]
pub trait ObjectStorage: Send + Sync + 'static {
    /// A PUT that creates exactly the object of the contract: exact length,
    /// type and (when declared) SHA-256, refused where the key is taken.
    /// A part of the contract that cannot be signed is an error.
    async fn sign_put(&self, contract: &UploadContract, now: Instant) -> Result<SignedRequest, Unavailable>;

    /// A form POST for the same contract, as browsers without script can send it.
    async fn sign_post(&self, contract: &UploadContract, now: Instant) -> Result<SignedRequest, Unavailable>;

    /// A GET of one object, answered with the type and disposition of the contract.
    async fn sign_get(&self, contract: &DownloadContract, now: Instant) -> Result<SignedRequest, Unavailable>;

    /// What is stored under the key, if anything.
    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectFacts>, Unavailable>;

    /// Whether anything is stored under the key, whatever it is and whether or not it can be read.
    async fn is_there(&self, key: &ObjectKey) -> Result<bool, Unavailable> {
        Ok(self.head(key).await?.is_some())
    }

    /// Copies the object with exactly this ETag to another key, whatever is
    /// there, under this content type. The facts are those of the copy, always
    /// with a checksum: over the whole, or, where the storage cannot tell that
    /// (S3 above 5 GB), over parts of `part_size`.
    async fn copy(
        &self,
        from: &ObjectKey,
        pinned: &ETag,
        to: &ObjectKey,
        content_type: &ContentType,
        part_size: u64,
    ) -> Result<ObjectFacts, CopyError>;

    /// Stores a small object made by the broker itself.
    async fn put(&self, key: &ObjectKey, content_type: &ContentType, bytes: Bytes) -> Result<ObjectFacts, Unavailable>;

    /// The bytes of an object, or of a part of it that lies within its size.
    async fn read(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Option<ByteStream>, Unavailable>;

    /// Begins an upload in parts. With `part_checksums` every part must come with its SHA-256.
    async fn begin_multipart(
        &self,
        key: &ObjectKey,
        content_type: &ContentType,
        part_checksums: bool,
    ) -> Result<MultipartId, Unavailable>;

    /// A PUT of exactly this part: exact length, and SHA-256 where declared. A
    /// part that is sent again replaces the earlier one.
    async fn sign_part(&self, contract: &PartContract, now: Instant) -> Result<SignedRequest, Unavailable>;

    /// Every part that has arrived whole, in order; nothing when the storage
    /// knows of no such upload (any more).
    async fn parts(&self, key: &ObjectKey, upload: &MultipartId) -> Result<Option<Vec<StoredPart>>, Unavailable>;

    /// Makes one object of exactly these parts, where none is yet.
    async fn complete_multipart(
        &self,
        key: &ObjectKey,
        upload: &MultipartId,
        parts: &[StoredPart],
    ) -> Result<(), CompleteError>;

    /// Ends an upload in parts and removes what has arrived; once ended, or
    /// completed, it succeeds and changes nothing.
    async fn abort_multipart(&self, key: &ObjectKey, upload: &MultipartId) -> Result<(), Unavailable>;

    /// Objects of a folder in the order of their keys, after a key: at most 1,000.
    async fn list(&self, folder: &ObjectFolder, after: Option<&ObjectKey>) -> Result<Vec<ListedObject>, Unavailable>;

    /// Removes what lies under an inbox key in such a way that a PUT signed for it stays
    /// refused as long as its URL lives. Until it is deleted, an empty object may lie there.
    async fn close(&self, key: &ObjectKey) -> Result<(), Unavailable>;

    /// Removes an object; removing one that is not there succeeds.
    async fn delete(&self, key: &ObjectKey) -> Result<(), Unavailable>;

    /// Removes what it finds of these objects, a thousand at most, in every version there is, and what has arrived of uploads
    /// in parts to their keys. Tells how many it found: none once nothing is left. A storage that cannot find objects by how
    /// their keys begin removes the known ones; what arrives in parts it forgets with the upload.
    async fn erase(&self, doomed: &Doomed) -> Result<u64, Unavailable>;

    /// Whether a file of this size can be held to a SHA-256 over all of it.
    fn knows_full_checksum(&self, size: u64) -> bool;

    /// The origin that signed requests go to, for the policy of pages that send them.
    fn browser_origin(&self) -> String;

    /// Whether the storage answers at all, for readiness.
    async fn ping(&self) -> Result<(), Unavailable>;
}
