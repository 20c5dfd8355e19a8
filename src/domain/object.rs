//! Vault files: what lies under a path now.

use serde::{Deserialize, Serialize};

use super::{
    ids::{ObjectId, UploadId},
    instant::Instant,
    path::VaultPath,
};

/// The file under a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultFile {
    /// Its path.
    pub path: VaultPath,
    /// Which stored bytes it is.
    pub object: ObjectId,
    /// How many bytes.
    pub size: u64,
    /// Its media type, as declared by whoever uploaded it.
    pub content_type: String,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// The upload it came from; none for what the broker made itself.
    pub upload: Option<UploadId>,
    /// When it came there.
    pub created_at: Instant,
}

/// The row of a path: a file, or the mark that there was one. Rows stay, so
/// that their versions never begin again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathEntry {
    /// There is a file.
    File(VaultFile),
    /// There was one.
    Deleted {
        /// When it went.
        deleted_at: Instant,
    },
}

impl PathEntry {
    /// The file, if there is one.
    pub fn file(self) -> Option<VaultFile> {
        match self {
            Self::File(file) => Some(file),
            Self::Deleted { .. } => None,
        }
    }
}
