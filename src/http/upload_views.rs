//! Uploads as the API spells them.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        lifetime,
        metadata::Metadata,
        path::VaultPath,
        tenant::Mode,
        upload::{Method, Progress, Transfer, Upload},
    },
    objects::ContentType,
    service::{
        Broker,
        uploads::{ArrivedPart, DeclareUpload, DeclaredUpload, InspectedUpload, MayUpload, SignedPart, WantedPart},
    },
};

use super::{
    problem::{Problem, ProblemDocument},
    receipt_views::{ChecksumView, ReceiptView},
    render::Pairs,
};

/// What an upload is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareBody {
    /// Where the file goes in your vault.
    #[schema(value_type = String, example = "docs/a.pdf")]
    pub path: VaultPath,
    /// Exactly how many bytes.
    pub size: u64,
    /// Exactly which media type.
    #[schema(value_type = String, example = "application/pdf")]
    pub content_type: ContentType,
    /// SHA-256 of the bytes, as 64 hexadecimal digits or in base64.
    pub sha256: Option<String>,
    /// `put`, `post`, or `multipart` for large files and lines that break.
    #[serde(default = "put")]
    #[schema(value_type = String, example = "put")]
    pub method: Method,
    /// For `multipart`: whether every part is declared with a SHA-256 of its own, which storage then holds it to.
    #[serde(default)]
    pub part_checksums: bool,
    /// Within how many seconds sending must begin: 1 to 600, by default 600. For `multipart`, how long the upload
    /// may take: 60 to 604800, by default 86400.
    pub expires_in: Option<u64>,
    /// Whether a file that is there may be replaced.
    #[serde(default)]
    pub overwrite: bool,
    /// Words of your own that go with it: up to 20 texts of up to 500 characters, under keys of up to 40 characters
    /// (`A-Z a-z 0-9 _ . -`). Whoever declared it and its owner see them.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub metadata: Metadata,
}

fn put() -> Method {
    Method::Put
}

impl DeclareBody {
    pub(super) fn parse(self) -> Result<DeclareUpload, Problem> {
        let bounds = match self.method {
            Method::Put | Method::Post => lifetime::UPLOAD,
            Method::Multipart => lifetime::MULTIPART,
        };
        if self.part_checksums && self.method != Method::Multipart {
            return Err(Problem::invalid("/part_checksums", "is for the method multipart"));
        }
        let expires_in = bounds.seconds(self.expires_in);
        Ok(DeclareUpload {
            path: self.path,
            overwrite: self.overwrite,
            size: self.size,
            content_type: self.content_type,
            sha256: digest(self.sha256.as_deref(), "/sha256")?,
            method: self.method,
            part_checksums: self.part_checksums,
            metadata: self.metadata,
            expires_in: expires_in.map_err(|fault| Problem::invalid("/expires_in", fault.to_string()))?,
        })
    }
}

fn digest(text: Option<&str>, pointer: &str) -> Result<Option<[u8; 32]>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let bytes = match text.len() {
        64 => base16ct::mixed::decode_vec(text).ok(),
        _ => STANDARD.decode(text).ok(),
    };
    let digest = bytes.and_then(|bytes| bytes.try_into().ok());
    digest.map(Some).ok_or_else(|| Problem::invalid(pointer, "is 64 hexadecimal digits, or 32 bytes in base64"))
}

/// An upload and where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadView {
    /// Its id.
    pub id: String,
    /// `pending`, `verifying`, `completed`, `rejected`, `cancelled` or `expired`.
    pub status: &'static str,
    /// Why it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Whether it is real, or made with a test key.
    pub livemode: bool,
    /// Where the file goes.
    pub path: String,
    /// How many bytes.
    pub size: u64,
    /// Its media type.
    pub content_type: String,
    /// `put`, `post` or `multipart`.
    #[schema(value_type = String)]
    pub method: Method,
    /// For `multipart`: how long each part but the last is, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_size: Option<u64>,
    /// For `multipart`: how many parts there are, numbered from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_count: Option<u32>,
    /// For `multipart`: whether every part is declared with its SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_checksums: Option<bool>,
    /// SHA-256 of all the bytes in hexadecimal, as declared or, once completed, as found.
    pub sha256: Option<String>,
    /// Once completed: the checksum that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<ChecksumView>,
    /// Words of your own that go with it.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub metadata: Metadata,
    /// When it was declared (RFC 3339).
    pub created_at: String,
    /// Until when sending may begin (RFC 3339).
    pub expires_at: String,
    /// When it was completed (RFC 3339).
    pub completed_at: Option<String>,
    /// Once completed: what proves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptView>,
}

impl UploadView {
    pub(super) fn new(upload: Upload, who: &dyn MayUpload, broker: &Broker) -> Self {
        let declaration = upload.declaration;
        let (mut sha256, mut checksum, mut completed) = (declaration.sha256.clone(), None, None);
        let (status, reason) = match upload.progress {
            Progress::Pending if broker.under_way.is_running(declaration.id) => ("verifying", None),
            Progress::Pending if broker.now() >= declaration.completable_until() => ("expired", None),
            Progress::Pending => ("pending", None),
            Progress::Completed { checksum: found, completed_at, .. } => {
                sha256 = found.full().map(str::to_owned);
                checksum = Some(ChecksumView::from(&found));
                completed = Some(completed_at.to_string());
                ("completed", None)
            }
            Progress::Rejected { reason, .. } => ("rejected", Some(reason.as_str())),
            Progress::Cancelled { .. } => ("cancelled", None),
            Progress::Expired { .. } => ("expired", None),
        };
        let plan = match &declaration.transfer {
            Transfer::Multipart { plan, .. } => Some(*plan),
            Transfer::Put | Transfer::Post => None,
        };
        Self {
            id: declaration.id.to_string(),
            status,
            reason,
            livemode: declaration.made.namespace.mode == Mode::Live,
            path: who.shown(&declaration.path),
            size: declaration.size,
            content_type: declaration.content_type,
            method: declaration.transfer.method(),
            part_size: plan.map(|plan| plan.part_size),
            part_count: plan.map(|plan| plan.count),
            part_checksums: plan.map(|plan| plan.checksums),
            sha256,
            checksum,
            metadata: declaration.metadata,
            created_at: declaration.created_at.to_string(),
            expires_at: declaration.expires_at.to_string(),
            completed_at: completed,
            receipt: None,
        }
    }

    pub(super) fn inspected(inspected: InspectedUpload, who: &dyn MayUpload, broker: &Broker) -> Self {
        Self { receipt: inspected.receipt.map(Into::into), ..Self::new(inspected.upload, who, broker) }
    }
}

/// An upload just declared, and how to send its bytes.
#[derive(Serialize, ToSchema)]
pub struct DeclaredView {
    /// The upload.
    #[serde(flatten)]
    pub upload: UploadView,
    /// The HTTP method of the request: `PUT` or `POST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_method: Option<&'static str>,
    /// Where the bytes go. Whoever has the URL can use it until it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// For `put`: headers to send exactly so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Pairs>,
    /// For `post`: form fields to send exactly so, before the field `file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Pairs>,
}

impl DeclaredView {
    pub(super) fn new(declared: &DeclaredUpload, who: &dyn MayUpload, broker: &Broker) -> Self {
        let upload = UploadView::new(declared.upload.clone(), who, broker);
        let Some(request) = declared.request.clone() else {
            return Self { upload, http_method: None, url: None, headers: None, fields: None };
        };
        let (headers, fields) = match upload.method {
            Method::Post => (None, Some(request.fields)),
            Method::Put | Method::Multipart => (Some(request.headers), None),
        };
        Self { upload, http_method: Some(request.method), url: Some(request.url), headers, fields }
    }
}

/// Parts to be signed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartsBody {
    /// 1 to 1,000 of them.
    pub parts: Vec<PartBody>,
}

/// A part to be signed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartBody {
    /// Which part, from 1.
    pub number: u32,
    /// SHA-256 of its bytes, as 64 hexadecimal digits or in base64; needed where the upload has `part_checksums`.
    pub sha256: Option<String>,
}

impl PartsBody {
    pub(super) fn parse(&self) -> Result<Vec<WantedPart>, Problem> {
        let parts = self.parts.iter().enumerate().map(|(index, part)| {
            let sha256 = digest(part.sha256.as_deref(), &format!("/parts/{index}/sha256"))?;
            Ok(WantedPart { number: part.number, sha256 })
        });
        parts.collect()
    }
}

/// A part, and how to send it.
#[derive(Serialize, ToSchema)]
pub struct SignedPartView {
    /// Which part.
    pub number: u32,
    /// At which byte of the file it begins.
    pub offset: u64,
    /// Exactly how many bytes it has.
    pub size: u64,
    /// `PUT`.
    pub http_method: &'static str,
    /// Where the bytes go. Whoever has the URL can use it until it expires.
    pub url: String,
    /// Headers to send exactly so.
    pub headers: Pairs,
    /// Until when sending may begin (RFC 3339), ten minutes at most; then ask for another.
    pub expires_at: String,
}

impl From<SignedPart> for SignedPartView {
    fn from(SignedPart { part, request }: SignedPart) -> Self {
        Self {
            number: part.number,
            offset: part.offset,
            size: part.size,
            http_method: request.method,
            url: request.url,
            headers: request.headers,
            expires_at: request.expires_at.to_string(),
        }
    }
}

/// Parts that were signed.
#[derive(Serialize, ToSchema)]
pub struct SignedPartsView {
    /// In the order asked for.
    pub items: Vec<SignedPartView>,
}

/// A part that has arrived whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArrivedPartView {
    /// Which part.
    pub number: u32,
    /// How many bytes.
    pub size: u64,
    /// Their SHA-256 in hexadecimal, where the storage knows it.
    pub sha256: Option<String>,
}

impl From<ArrivedPart> for ArrivedPartView {
    fn from(ArrivedPart { number, size, sha256 }: ArrivedPart) -> Self {
        Self { number, size, sha256 }
    }
}

/// Several uploads to be declared, each by itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareBatchBody {
    /// 1 to 100 of them.
    #[schema(value_type = Vec<DeclareBody>)]
    pub items: Vec<serde_json::Value>,
}

/// What became of one item of a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchItem<T> {
    /// It succeeded.
    Done {
        /// The status that the item would have had by itself.
        status: u16,
        /// What was asked for.
        #[serde(flatten)]
        done: T,
    },
    /// It did not.
    Refused {
        /// The status that the item would have had by itself.
        status: u16,
        /// Why not.
        problem: ProblemDocument,
    },
}

/// An upload of a batch.
#[derive(Serialize, ToSchema)]
pub struct DeclaredItem {
    /// The upload.
    #[schema(value_type = DeclaredView)]
    pub upload: serde_json::Value,
}

/// What became of the items of a batch, in the order asked for.
#[derive(Serialize, ToSchema)]
pub struct BatchView<T> {
    /// One for each that was asked for.
    pub items: Vec<BatchItem<T>>,
}

impl<T> BatchView<T> {
    pub(super) fn new(results: impl IntoIterator<Item = Result<T, Problem>>, success: u16) -> Self {
        let item = |result: Result<T, Problem>| match result {
            Ok(done) => BatchItem::Done { status: success, done },
            Err(problem) => {
                let problem = problem.document(None);
                BatchItem::Refused { status: problem.status, problem }
            }
        };
        Self { items: results.into_iter().map(item).collect() }
    }
}
