//! Uploads: one declared contract for one object, from URL to verified file.

use serde::{Deserialize, Serialize};

use super::{
    authority::MadeUnder,
    checksum::Checksum,
    ids::{FileRequestId, ObjectId, ShareId, UploadId},
    instant::Instant,
    lifetime,
    metadata::Metadata,
    parts::PartPlan,
    path::VaultPath,
    quota::{Amount, Charge},
};

/// S3 takes at most 5 GB in a single PUT or POST.
pub const LARGEST_SINGLE_REQUEST: u64 = 5 * 1024 * 1024 * 1024;

/// How the bytes are asked to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// One PUT.
    Put,
    /// One form POST.
    Post,
    /// A PUT for each part.
    Multipart,
}

/// How the bytes are sent, with what has been agreed about it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method")]
pub enum Transfer {
    /// One PUT.
    Put,
    /// One form POST.
    Post,
    /// A PUT for each part.
    Multipart {
        /// Where parts begin and end.
        plan: PartPlan,
        /// The upload as the storage names it. No client ever names it.
        storage_id: String,
    },
}

/// Who declared it, where that was not the minter itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Within {
    /// Somebody with a share that may write.
    Session {
        /// The share whose session it was.
        share: ShareId,
        /// The claim that opened it: the hash of the claim key, in base64url.
        claim: String,
    },
    /// An outsider who delivers to a file request.
    Submission {
        /// Which file request.
        request: FileRequestId,
        /// Which submission: the hash of the claim key, in base64url.
        claim: String,
        /// What the paths of its files begin with, which their deliverer is not told.
        folder: String,
    },
}

/// What was declared. Never changed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// Which upload.
    pub id: UploadId,
    /// Under whose authority.
    pub made: MadeUnder,
    /// In which session or submission, if in one.
    pub within: Option<Within>,
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
    pub transfer: Transfer,
    /// 256 random bits, in hexadecimal, that make the inbox key unguessable.
    pub inbox: String,
    /// Words of whoever declared it.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
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
        /// Their checksum.
        checksum: Checksum,
        /// When.
        completed_at: Instant,
    },
    /// What arrived was not what was declared, or must not be kept.
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
    /// Never completed.
    Expired {
        /// When that was found.
        expired_at: Instant,
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
    /// The scanner found something in it.
    Infected,
}

/// What arrived in the inbox, as storage tells it.
#[derive(Clone, Debug)]
pub struct Arrived<'a> {
    /// How many bytes.
    pub size: u64,
    /// Which type.
    pub content_type: &'a str,
    /// SHA-256 of all the bytes in hexadecimal, where storage knows it.
    pub sha256: Option<&'a str>,
}

impl std::fmt::Debug for Transfer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Put => f.write_str("Put"),
            Self::Post => f.write_str("Post"),
            Self::Multipart { plan, .. } => write!(f, "Multipart({plan:?}, …)"),
        }
    }
}

impl Transfer {
    /// The method that was asked for.
    pub const fn method(&self) -> Method {
        match self {
            Self::Put => Method::Put,
            Self::Post => Method::Post,
            Self::Multipart { .. } => Method::Multipart,
        }
    }

    /// How much one request sends at most.
    const fn largest_request(&self, size: u64) -> u64 {
        match self {
            Self::Put | Self::Post => size,
            Self::Multipart { plan, .. } => plan.part_size,
        }
    }
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

    /// From when on no URL can bring bytes any more, where none was signed
    /// after `last_signed`: the last URL has ended, and so has every transfer
    /// that began under it.
    fn silent_from(&self, last_signed: Instant) -> Instant {
        let last_url = match self.transfer {
            Transfer::Put | Transfer::Post => self.expires_at,
            Transfer::Multipart { .. } => self.expires_at.min(last_signed.plus(lifetime::PART_URL)),
        };
        last_url.plus(lifetime::transfer(self.transfer.largest_request(self.size))).plus(lifetime::CLOCK_SKEW)
    }

    /// How much room it is given.
    pub const fn amount(&self) -> Amount {
        Amount::file(self.size)
    }
}

/// An upload and where it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// What was declared.
    pub declaration: Declaration,
    /// Where it stands.
    pub progress: Progress,
    /// The accounts that its room is charged to. Empty once that has passed to
    /// the file, or has been given back. It comes back from a file that is
    /// deleted while a form could still bring as much again.
    pub charges: Vec<Charge>,
}

/// What is left to do about an upload that nobody completes any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// It was never completed: it ends, and its room is given back.
    Expire,
    /// It was called off or rejected, or its file deleted early, and its URLs are silent now:
    /// its room is given back.
    Release,
    /// It was completed, and its URLs are silent now: what came late is removed.
    Late,
}

impl Upload {
    /// The upload after it was settled in this way; a completed one has passed
    /// its charges on.
    #[must_use]
    pub fn settled(&self, progress: Progress) -> Self {
        let charges = match progress {
            Progress::Completed { .. } | Progress::Expired { .. } => Vec::new(),
            _ => self.charges.clone(),
        };
        Self { declaration: self.declaration.clone(), progress, charges }
    }

    /// The upload after its room was given back.
    #[must_use]
    pub fn released(&self) -> Self {
        Self { charges: Vec::new(), ..self.clone() }
    }

    /// The upload that takes its room back from its file, which is being deleted, where the form
    /// that brought it could still bring as much: the storage cannot be told to refuse that.
    pub fn takes_back(&self, charges: &[Charge], now: Instant) -> Option<Self> {
        let is_form = self.declaration.transfer == Transfer::Post;
        let takes = is_form && matches!(self.progress, Progress::Completed { .. }) && now < self.due_at();
        takes.then(|| Self { charges: charges.to_vec(), ..self.clone() })
    }

    /// When it has to be looked at again, and by then nobody else can.
    pub fn due_at(&self) -> Instant {
        let declaration = &self.declaration;
        match self.progress {
            Progress::Pending => {
                let silent = declaration.silent_from(declaration.expires_at);
                declaration.completable_until().max(silent).plus(lifetime::CLOCK_SKEW)
            }
            Progress::Completed { completed_at: at, .. }
            | Progress::Rejected { rejected_at: at, .. }
            | Progress::Cancelled { cancelled_at: at }
            | Progress::Expired { expired_at: at } => declaration.silent_from(at),
        }
    }

    /// What is left to do about it now.
    pub fn leftover(&self, now: Instant) -> Option<Leftover> {
        if now < self.due_at() {
            return None;
        }
        match self.progress {
            Progress::Pending => Some(Leftover::Expire),
            Progress::Completed { .. } | Progress::Rejected { .. } | Progress::Cancelled { .. }
                if !self.charges.is_empty() =>
            {
                Some(Leftover::Release)
            }
            Progress::Completed { .. } => Some(Leftover::Late),
            Progress::Rejected { .. } | Progress::Cancelled { .. } | Progress::Expired { .. } => None,
        }
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
            Self::Infected => "infected",
        }
    }
}
