//! What a signed request promises, and what a stored object is.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::domain::instant::Instant;

use super::{Disposition, LARGEST_PART, MOST_PARTS, ObjectKey, Unavailable};

/// A media type, `type/subtype` with optional parameters, as RFC 9110 section 8.3.1
/// writes it; at most 255 visible ASCII characters and spaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentType(String);

/// A text that is no media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a content type is written type/subtype, for example application/pdf")]
pub struct NotAContentType;

impl ContentType {
    /// Checks the text.
    pub fn parse(text: &str) -> Result<Self, NotAContentType> {
        let token = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        };
        let essence = text.split(';').next().unwrap_or_default().trim_end();
        let well_formed = essence.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype));
        let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if well_formed && printable && text.len() <= 255 && text.trim() == text {
            Ok(Self(text.into()))
        } else {
            Err(NotAContentType)
        }
    }

    /// The text as declared.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `text/plain; charset=utf-8`.
    pub fn plain_text() -> Self {
        Self("text/plain; charset=utf-8".into())
    }

    /// `application/octet-stream`: bytes of no known kind.
    pub fn unknown() -> Self {
        Self("application/octet-stream".into())
    }
}

impl TryFrom<String> for ContentType {
    type Error = NotAContentType;

    fn try_from(text: String) -> Result<Self, NotAContentType> {
        Self::parse(&text)
    }
}

impl From<ContentType> for String {
    fn from(content_type: ContentType) -> Self {
        content_type.0
    }
}

/// Identifies the stored bytes of an object, as the storage spells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ETag(pub String);

/// What an upload must be, to the byte.
#[derive(Clone, Debug)]
pub struct UploadContract {
    /// Where it goes.
    pub key: ObjectKey,
    /// Exactly how many bytes.
    pub size: u64,
    /// Exactly which type.
    pub content_type: ContentType,
    /// The SHA-256 of the bytes, when the client declared it.
    pub sha256: Option<[u8; 32]>,
    /// Until when it may begin.
    pub expires_at: Instant,
}

/// What a download gives.
#[derive(Clone, Debug)]
pub struct DownloadContract {
    /// What is read.
    pub key: ObjectKey,
    /// The type it is answered with.
    pub content_type: ContentType,
    /// How a browser treats it.
    pub disposition: Disposition,
    /// The SHA-256 of what is to lie there, where it is known. S3 cannot be asked to hold a download to it; the embedded
    /// storage answers with nothing else.
    pub sha256: Option<[u8; 32]>,
    /// Until when it may begin.
    pub expires_at: Instant,
}

/// A request that anybody who holds it may send, once or more, until it expires.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// `GET`, `PUT` or `POST`.
    pub method: &'static str,
    /// The whole URL.
    pub url: String,
    /// Headers the client must send exactly so, other than those that every
    /// client sets by itself (`Host`, `Content-Length`).
    pub headers: BTreeMap<String, String>,
    /// Form fields for a `POST`, to be sent before the field `file`.
    pub fields: BTreeMap<String, String>,
    /// When it ends: at most the contract's end, earlier when the credentials
    /// that signed it end earlier.
    pub expires_at: Instant,
}

impl fmt::Debug for SignedRequest {
    /// Without the URL and the fields: they are a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedRequest({} …, until {})", self.method, self.expires_at)
    }
}

/// What is stored under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// How many bytes.
    pub size: u64,
    /// Which bytes, in the storage's own spelling.
    pub etag: ETag,
    /// The type it was stored with.
    pub content_type: ContentType,
    /// The SHA-256 of the bytes, where the storage knows it.
    pub checksum: Option<Checksum>,
}

/// What a SHA-256 that a storage knows was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// All the bytes.
    Full([u8; 32]),
    /// The SHA-256 of each part, one after the other: all that S3 knows of an
    /// object above 5 GB.
    Composite {
        /// The SHA-256 of the parts' SHA-256.
        sha256: [u8; 32],
        /// How many parts.
        parts: u32,
    },
}

/// An upload in parts that is under way, as the storage names it. It never
/// leaves the broker but inside a signed URL.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MultipartId(pub String);

impl fmt::Debug for MultipartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MultipartId(…)")
    }
}

/// What one part of an upload must be, to the byte.
#[derive(Clone, Debug)]
pub struct PartContract {
    /// The object it becomes a part of.
    pub key: ObjectKey,
    /// The upload it belongs to.
    pub upload: MultipartId,
    /// Which part, from 1 to 10,000.
    pub number: u32,
    /// How long each part but the last is: part `n` begins at `(n - 1) * part_size`.
    pub part_size: u64,
    /// Exactly how many bytes this one has.
    pub size: u64,
    /// Their SHA-256, when the client declared it.
    pub sha256: Option<[u8; 32]>,
    /// Until when it may begin.
    pub expires_at: Instant,
}

impl PartContract {
    /// A contract that no storage could hold anybody to is an error.
    pub(super) fn check(&self) -> Result<(), Unavailable> {
        let is_sound =
            (1..=MOST_PARTS).contains(&self.number) && self.part_size <= LARGEST_PART && self.size <= self.part_size;
        if is_sound { Ok(()) } else { Err(Unavailable("there is no such part of an upload".into())) }
    }
}

/// A part that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Which part.
    pub number: u32,
    /// How many bytes.
    pub size: u64,
    /// Which bytes, in the storage's own spelling.
    pub etag: ETag,
    /// Their SHA-256, where the storage knows it.
    pub sha256: Option<[u8; 32]>,
}

/// An object as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: ObjectKey,
    /// How many bytes.
    pub size: u64,
    /// When it came there; for one sent in parts, when that began.
    pub created_at: Instant,
}
