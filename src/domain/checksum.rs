//! Checksums of files: what a SHA-256 was made of belongs to it.

use serde::{Deserialize, Serialize};

/// The SHA-256 of a file, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "type")]
pub enum Checksum {
    /// Over all its bytes.
    Full {
        /// 64 digits.
        sha256: String,
    },
    /// Over the SHA-256 of its parts, one after the other: all that S3 can tell
    /// of an object above 5 GB.
    Composite {
        /// 64 digits.
        sha256: String,
        /// How many parts.
        parts: u32,
        /// How long each part but the last is, in bytes.
        part_size: u64,
    },
}

impl Checksum {
    /// The SHA-256 of all the bytes, where that is what is known.
    pub fn full(&self) -> Option<&str> {
        match self {
            Self::Full { sha256 } => Some(sha256),
            Self::Composite { .. } => None,
        }
    }
}
