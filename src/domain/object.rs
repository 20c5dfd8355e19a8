//! Vault files: what lies under a path now.

use serde::{Deserialize, Serialize};

use super::{
    checksum::Checksum,
    ids::{ObjectId, UploadId},
    instant::Instant,
    path::VaultPath,
    quota::{Amount, Charge},
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
    /// Its checksum.
    pub checksum: Checksum,
    /// The upload it came from; none for what the broker made itself.
    pub upload: Option<UploadId>,
    /// To which accounts it is charged.
    pub charges: Vec<Charge>,
    /// When it came there.
    pub created_at: Instant,
}

impl VaultFile {
    /// How much room it takes.
    pub const fn amount(&self) -> Amount {
        Amount::file(self.size)
    }
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
