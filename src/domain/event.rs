//! Events: what the ledger will say happened. Every commit carries one.
//!
//! Never in an event: a secret, a token, a claim key, a password, or the text
//! of a path or label (they are personal data; the resource id finds them).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    client::Client,
    ids::{ApiKeyId, ConsoleSessionId, FileRequestId, LinkId, RequestId, ShareId, UserId},
    instant::Instant,
    ledger::RecordHash,
    lifetime,
    narrowing::Field,
    principal::PrincipalId,
    refusal::Refusal,
    tenant::Namespace,
};

/// What happened. The same words in ledger, webhooks and stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is what its wire name says")]
pub enum EventType {
    #[serde(rename = "store.adopted")]
    StoreAdopted,
    #[serde(rename = "tenant.created")]
    TenantCreated,
    #[serde(rename = "tenant.suspended")]
    TenantSuspended,
    #[serde(rename = "tenant.resumed")]
    TenantResumed,
    #[serde(rename = "tenant.cut_off")]
    TenantCutOff,
    #[serde(rename = "tenant.origins_changed")]
    TenantOriginsChanged,
    #[serde(rename = "tenant.impersonated")]
    TenantImpersonated,
    #[serde(rename = "tenant.deletion_asked")]
    TenantDeletionAsked,
    #[serde(rename = "tenant.restored")]
    TenantRestored,
    #[serde(rename = "tenant.deleted")]
    TenantDeleted,
    #[serde(rename = "tenant.exported")]
    TenantExported,
    #[serde(rename = "tenant.key_wrapped")]
    TenantKeyWrapped,
    #[serde(rename = "api_key.created")]
    ApiKeyCreated,
    #[serde(rename = "api_key.changed")]
    ApiKeyChanged,
    #[serde(rename = "api_key.rotated")]
    ApiKeyRotated,
    #[serde(rename = "api_key.revoked")]
    ApiKeyRevoked,
    #[serde(rename = "api_key.cut_off")]
    ApiKeyCutOff,
    #[serde(rename = "api_key.reinstated")]
    ApiKeyReinstated,
    #[serde(rename = "user.created")]
    UserCreated,
    #[serde(rename = "user.changed")]
    UserChanged,
    #[serde(rename = "user.removed")]
    UserRemoved,
    #[serde(rename = "user.cut_off")]
    UserCutOff,
    #[serde(rename = "user.reinstated")]
    UserReinstated,
    #[serde(rename = "data_subject.exported")]
    DataSubjectExported,
    #[serde(rename = "data_subject.corrected")]
    DataSubjectCorrected,
    #[serde(rename = "data_subject.erasure_asked")]
    DataSubjectErasureAsked,
    #[serde(rename = "data_subject.erased")]
    DataSubjectErased,
    #[serde(rename = "principals.used")]
    PrincipalsUsed,
    #[serde(rename = "share.created")]
    ShareCreated,
    #[serde(rename = "share.previewed")]
    SharePreviewed,
    #[serde(rename = "share.claimed")]
    ShareClaimed,
    #[serde(rename = "share.renewed")]
    ShareRenewed,
    #[serde(rename = "share.refused")]
    ShareRefused,
    #[serde(rename = "share.changed")]
    ShareChanged,
    #[serde(rename = "share.code_asked")]
    ShareCodeAsked,
    #[serde(rename = "share.code_tried")]
    ShareCodeTried,
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
    #[serde(rename = "link.previewed")]
    LinkPreviewed,
    #[serde(rename = "link.claimed")]
    LinkClaimed,
    #[serde(rename = "link.renewed")]
    LinkRenewed,
    #[serde(rename = "link.refused")]
    LinkRefused,
    #[serde(rename = "link.changed")]
    LinkChanged,
    #[serde(rename = "link.code_asked")]
    LinkCodeAsked,
    #[serde(rename = "link.code_tried")]
    LinkCodeTried,
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
    #[serde(rename = "file_request.previewed")]
    FileRequestPreviewed,
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
    #[serde(rename = "event_stream.opened")]
    EventStreamOpened,
    #[serde(rename = "ledger.event_rejected")]
    LedgerEventRejected,
    #[serde(rename = "ledger.verification_failed")]
    LedgerVerificationFailed,
    #[serde(rename = "export.created")]
    ExportCreated,
    #[serde(rename = "ledger.key_created")]
    LedgerKeyCreated,
    #[serde(rename = "ledger.key_replaced")]
    LedgerKeyReplaced,
    #[serde(rename = "webhook.created")]
    WebhookCreated,
    #[serde(rename = "webhook.changed")]
    WebhookChanged,
    #[serde(rename = "webhook.rotated")]
    WebhookRotated,
    #[serde(rename = "webhook.removed")]
    WebhookRemoved,
    #[serde(rename = "webhook.tested")]
    WebhookTested,
    #[serde(rename = "webhook.replayed")]
    WebhookReplayed,
    #[serde(rename = "webhook.paused")]
    WebhookPaused,
    #[serde(rename = "webhook.delivery_failed")]
    WebhookDeliveryFailed,
    #[serde(rename = "console.signed_in")]
    ConsoleSignedIn,
    #[serde(rename = "console.signed_out")]
    ConsoleSignedOut,
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
    /// A user whom a provider of identities vouched for.
    User {
        /// Which user.
        id: UserId,
    },
    /// An operator who acts for the tenant.
    Impersonation {
        /// By which key, which was drawn for that.
        id: ApiKeyId,
        /// Which operator.
        operator: PrincipalId,
    },
    /// Somebody who has signed in to the console.
    Console {
        /// As whom.
        principal: PrincipalId,
        /// In which session.
        session: ConsoleSessionId,
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
    /// How many like it this one stands for, where that is not one; where a store was adopted, how many records are known to be
    /// lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Which version the state of what it was done to has since, where it has one: of two records of one thing, the one with the
    /// lower number was first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Which fields were changed; never what they say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Field>,
    /// When.
    pub at: Instant,
    /// In which request; none for what the broker did itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// A commitment to who sent the request: a hash, of which nothing can be told without what opens it. That lies
    /// beside the ledger and can be erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<RecordHash>,
    /// Who sent it, on the way to where that is committed to; never in a record.
    #[serde(skip)]
    pub seen: Option<Client>,
}

/// A thing whose history its owner can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A share.
    Share(ShareId),
    /// A link.
    Link(LinkId),
    /// A file request.
    FileRequest(FileRequestId),
}

impl Subject {
    fn named(id: &str) -> Option<Self> {
        let share = id.parse().map(Self::Share);
        share.or_else(|_| id.parse().map(Self::Link)).or_else(|_| id.parse().map(Self::FileRequest)).ok()
    }

    /// For how long after an event its history is kept: for as long as the thing itself may be, at least.
    pub const fn kept(self) -> Duration {
        match self {
            Self::Share(_) | Self::Link(_) => lifetime::LINK_HISTORY,
            Self::FileRequest(_) => lifetime::FILE_REQUEST_HISTORY,
        }
    }
}

impl std::fmt::Display for Subject {
    /// Its id.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Share(id) => id.fmt(f),
            Self::Link(id) => id.fmt(f),
            Self::FileRequest(id) => id.fmt(f),
        }
    }
}

/// Kinds of events, by which it is set for how long it is kept who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventClass {
    /// Something was refused.
    Refusals,
    /// Recipients and those who deliver: what they opened, renewed, moved and looked at.
    Recipients,
    /// Files went in or out, or were deleted.
    Transfers,
    /// Everything else: what a tenant's own people, and operators, have done.
    Administration,
}

impl EventClass {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Refusals, Self::Recipients, Self::Transfers, Self::Administration];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refusals => "refusals",
            Self::Recipients => "recipients",
            Self::Transfers => "transfers",
            Self::Administration => "administration",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

impl EventType {
    /// Of what kind it is, where it was not refused.
    const fn class(self) -> EventClass {
        use EventType::*;
        match self {
            SharePreviewed
            | ShareClaimed
            | ShareRenewed
            | ShareRefused
            | ShareCodeAsked
            | ShareCodeTried
            | ShareMoveOffered
            | ShareMoved
            | LinkPreviewed
            | LinkClaimed
            | LinkRenewed
            | LinkRefused
            | LinkCodeAsked
            | LinkCodeTried
            | LinkEntered
            | LinkPasswordTried
            | FileRequestPreviewed
            | FileRequestOpened
            | FileRequestRenewed
            | FileRequestRefused
            | FileRequestPasswordTried => EventClass::Recipients,
            UploadCreated | UploadCompleted | UploadRejected | UploadCancelled | UploadExpired | UploadReleased
            | UploadPartsIssued | DownloadIssued | ArchiveIssued | ObjectCreated | ObjectDeleted => {
                EventClass::Transfers
            }
            _ => EventClass::Administration,
        }
    }
}

impl Event {
    /// Of what kind it is.
    pub fn class(&self) -> EventClass {
        match self.outcome {
            Outcome::Refused => EventClass::Refusals,
            Outcome::Done => self.kind.class(),
        }
    }

    /// In whose history it belongs: that of what it was done to, or else of
    /// what gave the right to do it.
    pub fn subject(&self) -> Option<Subject> {
        Subject::named(&self.resource).or(match self.actor {
            Actor::Session { share, .. } => Some(Subject::Share(share)),
            Actor::Submission { request, .. } => Some(Subject::FileRequest(request)),
            Actor::System
            | Actor::ApiKey { .. }
            | Actor::User { .. }
            | Actor::Impersonation { .. }
            | Actor::Console { .. }
            | Actor::Bearer => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::TenantId, tenant::Mode};

    fn event(actor: Actor, resource: &str) -> Event {
        Event {
            kind: EventType::DownloadIssued,
            namespace: Namespace { tenant: TenantId::from_bytes([1; 16]), mode: Mode::Live },
            actor,
            resource: resource.into(),
            outcome: Outcome::Done,
            reason: None,
            count: None,
            version: None,
            changed: Vec::new(),
            at: Instant::from_unix_seconds(1),
            request: None,
            client: None,
            seen: None,
        }
    }

    #[test]
    fn an_event_is_told_of_what_it_was_done_to_or_under() {
        let (share, request) = (ShareId::from_bytes([1; 16]), FileRequestId::from_bytes([2; 16]));
        let link = LinkId::from_bytes([3; 16]);
        let (object, claim) = (format!("obj_{}", "0".repeat(32)), "c".to_owned());
        let session = Actor::Session { share, claim: claim.clone() };
        let submission = Actor::Submission { request, claim };
        let key = Actor::ApiKey { id: ApiKeyId::from_bytes([4; 16]) };

        assert_eq!(event(session.clone(), &object).subject(), Some(Subject::Share(share)));
        assert_eq!(event(submission, &object).subject(), Some(Subject::FileRequest(request)));
        assert_eq!(event(key.clone(), &link.to_string()).subject(), Some(Subject::Link(link)));
        assert_eq!(event(Actor::Bearer, &share.to_string()).subject(), Some(Subject::Share(share)));
        assert_eq!(event(session, &link.to_string()).subject(), Some(Subject::Link(link)));
        assert_eq!(event(key, &object).subject(), None);
        assert_eq!(event(Actor::Bearer, "others").subject(), None);
    }

    #[test]
    fn each_event_is_of_one_class_and_a_refusal_is_one_whatever_it_is_of() {
        let done = event(Actor::Bearer, "x");
        assert_eq!(done.class(), EventClass::Transfers);
        let claimed = Event { kind: EventType::ShareClaimed, ..done.clone() };
        assert_eq!(claimed.class(), EventClass::Recipients);
        assert_eq!(Event { outcome: Outcome::Refused, ..claimed }.class(), EventClass::Refusals);
        assert_eq!(Event { kind: EventType::ShareCreated, ..done }.class(), EventClass::Administration);
        assert!(EventClass::ALL.iter().all(|class| EventClass::named(class.as_str()) == Some(*class)));
    }

    #[test]
    fn a_history_lasts_as_long_as_what_it_is_of() {
        let longest = |claim: u64, access: u64| Duration::from_secs(claim + access) + lifetime::REMEMBERED;
        let share = Subject::Share(ShareId::from_bytes([1; 16])).kept();
        assert!(share >= longest(lifetime::SHARE.most, lifetime::SHARE_ACCESS.most));
        assert!(share >= longest(lifetime::LINK.most, lifetime::LINK_ACCESS.most));
        let request = Subject::FileRequest(FileRequestId::from_bytes([1; 16])).kept();
        assert!(request >= longest(lifetime::FILE_REQUEST.most, lifetime::SUBMISSION.most));
    }
}
