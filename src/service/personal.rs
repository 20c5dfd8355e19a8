//! What of the stored rows is personal, and therefore sealed: all of it, on this screen.
//!
//! Personal is what people say in their own words, or are called by: labels, messages, metadata, names, subjects and
//! reasons; what webhooks go to and are signed with; and the networks from which something may be used, which are somebody's addresses.
//!
//! Not sealed, and why:
//! - paths and names of files: they are listed by their beginnings, which nothing sealed has. What an outsider says
//!   they are called becomes part of a path once they deliver ([`FileRequest::submission_folder`]);
//! - the names of tenants, and the origins of their web pages: those of organisations, and recipients are told;
//! - ids, times, sizes, rights, limits and states: they decide, and say nothing of a person by themselves;
//! - events: they name things by their ids (`domain/event.rs` says what must not be in one);
//! - replies that are kept for who asks again: sealed whole, under more than this (`crypto/kept_reply.rs`);
//! - segments of the ledger, which are records, and their index: lines and bits, not values.
//!
//! Every type that is kept in a row stands here once. One that stands here twice, or not at all, does not compile.

use serde::{Serialize, de::DeserializeOwned};

use crate::domain::{
    artifact::{Artifact, Manifest},
    confirmation::{Confirmation, Latest},
    console::ConsoleSession,
    erasure::Erasure,
    event::Event,
    file_request::{FileRequest, Submission},
    instant::Instant,
    ledger_export::Export,
    object::PathEntry,
    principal::Principal,
    quota::Account,
    receipt::Receipt,
    redemption::{Claim, UseState},
    removal::Tombstone,
    standing::{Adoption, StoreRecord},
    tenant::{Namespace, Tenant},
    tries::Tries,
    upload::Upload,
    webhook_delivery::{Delivery, Progress},
};

use super::{
    access::{ApiKeyPointer, OfLink},
    artifacts::ArtifactPointer,
    client_details::ClientsRow,
    console::Used,
    data_subjects::UnderWay,
    file_requests::FileRequestPointer,
    last_used::LastUse,
    leads::Lead,
    ledger_sweep::LedgerState,
    links::{LinkPointer, LinkRow},
    origins::NamedOrigin,
    removed_rows::OfUpload,
    rewriting::RewritingRow,
    rotation::{ReplicaRow, RewrittenRow},
    shares::{self, ShareRow},
    signing_keys::SigningKeyRow,
    tenant_keys::DataKeyRow,
    tenants,
    uploads::{DueBytes, DueRow},
    users::UserPointer,
    webhook_deliveries::Retry,
    webhooks::{Roster, WebhookRow},
};

/// A value that is kept in a row, in one way or the other.
pub(super) trait Kept: Serialize + DeserializeOwned {}

/// A value of which nothing is personal: it lies in its row as it is.
pub(super) trait Plain: Kept {}

/// A value of which something is personal: it is written and read by [`super::sealed_records`] alone.
pub(super) trait Personal: Kept {
    /// What, as JSON pointers (RFC 6901). What is null or missing is not sealed.
    const FIELDS: &'static [&'static str];
}

macro_rules! personal {
    ($($kept:ty: $($field:literal),+;)+) => {
        $(impl Kept for $kept {}
        impl Personal for $kept {
            const FIELDS: &'static [&'static str] = &[$($field),+];
        })+
    };
}

macro_rules! plain {
    ($($kept:ty),+ $(,)?) => {
        $(impl Kept for $kept {}
        impl Plain for $kept {})+
    };
}

personal! {
    Principal: "/label", "/metadata", "/known_by/subject", "/known_by/reason";
    ShareRow: "/label", "/metadata", "/message", "/recipients", "/grant/restrictions/networks";
    LinkRow: "/label", "/metadata", "/message", "/recipients", "/grant/restrictions/networks";
    // What became of a share, link or file request; and the networks that it was narrowed to.
    UseState: "/narrowed/networks";
    FileRequest: "/label", "/metadata", "/message";
    // The folder ends in their name.
    Submission: "/name", "/folder";
    Artifact: "/label", "/metadata";
    Upload: "/declaration/metadata";
    // Addresses and programs of whoever asked.
    ClientsRow: "/clients";
    // Who it is, while it is under way, and why.
    Erasure: "/who", "/reason";
    // A secret of the tenant's, which goes with its data key.
    SigningKeyRow: "/seed";
    // Where events are sent, and what they are signed with.
    WebhookRow: "/target", "/description";
}

plain! {
    // Whose a row is, and what leads from one to another: ids and hashes.
    Lead, ApiKeyPointer, ArtifactPointer, FileRequestPointer, LinkPointer, Namespace, OfLink, UserPointer,
    shares::IndexRow, tenants::IndexRow,
    // What has become of something: counts and times.
    Claim, Confirmation, ConsoleSession, Instant, LastUse, Latest, Tries, Used,
    // Uploads and files: paths, sizes, types and checksums.
    Account, DueBytes, DueRow, Manifest, PathEntry, Receipt,
    // An organisation, its key and its web pages; and what remains of it.
    DataKeyRow, NamedOrigin, Tenant, Tombstone,
    // An upload as far as it is known without what of it is personal.
    OfUpload,
    Event, Export, LedgerState,
    // Where the store is at home, and under which keys it is.
    Adoption, ReplicaRow, RewritingRow, RewrittenRow, StoreRecord,
    // How far events have come on their way to receivers.
    Delivery, Progress, Retry, Roster,
    // What leads to an erasure.
    UnderWay,
}
