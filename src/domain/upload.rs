//! Uploads: one declared contract for one object, from URL to verified file.

use serde::{Deserialize, Serialize};

use super::{
    authority::MadeUnder,
    ids::{ObjectId, ShareId, UploadId},
    instant::Instant,
    lifetime,
    path::VaultPath,
};

/// S3 takes at most 5 GB in a single PUT or POST.
pub const LARGEST_SINGLE_REQUEST: u64 = 5 * 1024 * 1024 * 1024;

/// How the bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// One PUT.
    Put,
    /// One form POST.
    Post,
}

/// Who declared it, where that was not the minter itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InSession {
    /// The share whose session it was.
    pub share: ShareId,
    /// The claim that opened it: the hash of the claim key, in base64url.
    pub claim: String,
}

/// What was declared. Never changed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// Which upload.
    pub id: UploadId,
    /// Under whose authority.
    pub made: MadeUnder,
    /// In which session, if in one.
    pub in_session: Option<InSession>,
    /// Where the file goes.
    pub path: VaultPath,
    /// Whether a file that is there may be replaced.
    pub overwrite: bool,
    /// Exactly how many bytes.
    pub size: u64,
    /// Exactly which type.
    pub content_type: String,
    /// SHA-256 of the bytes in hexadecimal, where declared.
    pub sha256: Option<String>,
    /// How they are sent.
    pub method: Method,
    /// 256 random bits, in hexadecimal, that make the inbox key unguessable.
    pub inbox: String,
    /// When it was declared.
    pub created_at: Instant,
    /// Until when sending may begin.
    pub expires_at: Instant,
}

/// Where an upload stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Progress {
    /// Bytes are awaited.
    Pending,
    /// The file is in the vault.
    Completed {
        /// Which stored bytes it became.
        object: ObjectId,
        /// Their SHA-256 in hexadecimal.
        sha256: String,
        /// When.
        completed_at: Instant,
    },
    /// What arrived was not what was declared, or the path was taken.
    Rejected {
        /// Why.
        reason: Rejection,
        /// When.
        rejected_at: Instant,
    },
    /// Called off.
    Cancelled {
        /// When.
        cancelled_at: Instant,
    },
}

/// Why an upload did not become a file. The uploader is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// More or fewer bytes than declared.
    Size,
    /// Another type than declared.
    ContentType,
    /// Other bytes than declared.
    Checksum,
    /// A file has come under the path in the meantime.
    PathTaken,
}

/// What arrived in the inbox, as storage tells it.
#[derive(Clone, Debug)]
pub struct Arrived<'a> {
    /// How many bytes.
    pub size: u64,
    /// Which type.
    pub content_type: &'a str,
    /// SHA-256 in hexadecimal, where storage knows it.
    pub sha256: Option<&'a str>,
}

impl std::fmt::Debug for Declaration {
    /// Without the inbox key: while the upload lives it is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Declaration({}, {:?}, {} bytes)", self.id, self.path, self.size)
    }
}

impl Declaration {
    /// Holds what arrived against what was declared.
    ///
    /// # Errors
    /// The first thing that differs.
    pub fn verify(&self, arrived: &Arrived<'_>) -> Result<(), Rejection> {
        if arrived.size != self.size {
            Err(Rejection::Size)
        } else if arrived.content_type != self.content_type {
            Err(Rejection::ContentType)
        } else if let (Some(declared), Some(found)) = (&self.sha256, arrived.sha256)
            && declared != found
        {
            Err(Rejection::Checksum)
        } else {
            Ok(())
        }
    }

    /// The last moment at which it may be completed.
    pub fn completable_until(&self) -> Instant {
        self.expires_at.plus(lifetime::COMPLETION)
    }
}

impl Rejection {
    /// The reason as callers and the ledger read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::ContentType => "content_type",
            Self::Checksum => "checksum",
            Self::PathTaken => "path_taken",
        }
    }
}
