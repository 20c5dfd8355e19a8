//! Artifacts: immutable snapshots of vault files, served on a host of their own.

use serde::{Deserialize, Serialize};

use super::{authority::MadeUnder, ids::ArtifactId, instant::Instant, metadata::Metadata, path::VaultPath};

/// The most files of one artifact.
pub const MOST_FILES: usize = 1_000;

/// The largest manifest, in bytes as stored: what fits into one row of any store.
pub const LARGEST_MANIFEST: usize = 350_000;

/// One file of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactFile {
    /// Its path within the artifact.
    pub path: VaultPath,
    /// How many bytes.
    pub size: u64,
    /// Its media type.
    pub content_type: String,
    /// SHA-256 of all its bytes in hexadecimal, where that is known.
    pub sha256: Option<String>,
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
    /// Words of the owner's own.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// What is shown for a folder.
    pub index: String,
    /// How many files it has.
    pub file_count: usize,
    /// Their size together, in bytes.
    pub total_size: u64,
    /// When it was published.
    pub created_at: Instant,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
}

/// The files of an artifact, sorted by path: a row of its own, since it is
/// large and seldom wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The files.
    pub files: Vec<ArtifactFile>,
}
