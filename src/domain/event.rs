//! Events: what the ledger will say happened. Every commit carries one.
//!
//! Never in an event: a secret, a token, a claim key, a password, or the text
//! of a path or label (they are personal data; the resource id finds them).

use serde::{Deserialize, Serialize};

use super::{
    ids::{ApiKeyId, FileRequestId, RequestId, ShareId},
    instant::Instant,
    refusal::Refusal,
    tenant::Namespace,
};

/// What happened. The same words in ledger, webhooks and stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is what its wire name says")]
pub enum EventType {
    #[serde(rename = "tenant.created")]
    TenantCreated,
    #[serde(rename = "api_key.created")]
    ApiKeyCreated,
    #[serde(rename = "api_key.revoked")]
    ApiKeyRevoked,
    #[serde(rename = "share.created")]
    ShareCreated,
    #[serde(rename = "share.claimed")]
    ShareClaimed,
    #[serde(rename = "share.renewed")]
    ShareRenewed,
    #[serde(rename = "share.refused")]
    ShareRefused,
    #[serde(rename = "share.revoked")]
    ShareRevoked,
    #[serde(rename = "share.move_offered")]
    ShareMoveOffered,
    #[serde(rename = "share.moved")]
    ShareMoved,
    #[serde(rename = "artifact.created")]
    ArtifactCreated,
    #[serde(rename = "artifact.deleted")]
    ArtifactDeleted,
    #[serde(rename = "link.created")]
    LinkCreated,
    #[serde(rename = "link.claimed")]
    LinkClaimed,
    #[serde(rename = "link.renewed")]
    LinkRenewed,
    #[serde(rename = "link.refused")]
    LinkRefused,
    #[serde(rename = "link.revoked")]
    LinkRevoked,
    #[serde(rename = "link.entered")]
    LinkEntered,
    #[serde(rename = "link.password_tried")]
    LinkPasswordTried,
    #[serde(rename = "file_request.created")]
    FileRequestCreated,
    #[serde(rename = "file_request.closed")]
    FileRequestClosed,
    #[serde(rename = "file_request.opened")]
    FileRequestOpened,
    #[serde(rename = "file_request.renewed")]
    FileRequestRenewed,
    #[serde(rename = "file_request.refused")]
    FileRequestRefused,
    #[serde(rename = "file_request.password_tried")]
    FileRequestPasswordTried,
    #[serde(rename = "upload.created")]
    UploadCreated,
    #[serde(rename = "upload.completed")]
    UploadCompleted,
    #[serde(rename = "upload.rejected")]
    UploadRejected,
    #[serde(rename = "upload.cancelled")]
    UploadCancelled,
    #[serde(rename = "upload.expired")]
    UploadExpired,
    #[serde(rename = "upload.released")]
    UploadReleased,
    #[serde(rename = "upload.parts_issued")]
    UploadPartsIssued,
    #[serde(rename = "download.issued")]
    DownloadIssued,
    #[serde(rename = "archive.issued")]
    ArchiveIssued,
    #[serde(rename = "object.created")]
    ObjectCreated,
    #[serde(rename = "object.deleted")]
    ObjectDeleted,
    #[serde(rename = "usage.corrected")]
    UsageCorrected,
    #[serde(rename = "quota.changed")]
    QuotaChanged,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Actor {
    /// The broker itself, at its first start.
    System,
    /// The holder of an API key.
    ApiKey {
        /// Which key.
        id: ApiKeyId,
    },
    /// Whoever claimed a share.
    Session {
        /// Which share.
        share: ShareId,
        /// Which claim of it: the hash of the claim key, in base64url.
        claim: String,
    },
    /// Whoever delivers to a file request.
    Submission {
        /// Which file request.
        request: FileRequestId,
        /// Which delivery: the hash of the claim key, in base64url.
        claim: String,
    },
    /// Whoever presented a token.
    Bearer,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As wanted.
    Done,
    /// Refused.
    Refused,
}

/// One event of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// In whose namespace.
    pub namespace: Namespace,
    /// Who did it.
    pub actor: Actor,
    /// The id of what it was done to.
    pub resource: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Refusal>,
    /// How many like it this one stands for, where that is not one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// When.
    pub at: Instant,
    /// In which request; none for what the broker did itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
}
