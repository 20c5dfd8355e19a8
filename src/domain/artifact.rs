//! Artifacts: immutable snapshots of vault files, served on a host of their own.

use serde::{Deserialize, Serialize};

use super::{authority::MadeUnder, ids::ArtifactId, instant::Instant, path::VaultPath};

/// The most files of one artifact.
pub const MOST_FILES: usize = 1_000;

/// One file of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactFile {
    /// Its path within the artifact.
    pub path: VaultPath,
    /// How many bytes.
    pub size: u64,
    /// Its media type.
    pub content_type: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A published snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its id.
    pub id: ArtifactId,
    /// Who published it, under which generations.
    pub made: MadeUnder,
    /// The owner's name for it.
    pub label: Option<String>,
    /// What is shown for a folder.
    pub index: String,
    /// Its files, sorted by path.
    pub files: Vec<ArtifactFile>,
    /// When it was published.
    pub created_at: Instant,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
}

impl Artifact {
    /// The size of all files together, in bytes.
    pub fn total_size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}
