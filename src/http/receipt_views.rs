//! Checksums and receipts as the API spells them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        checksum::Checksum,
        receipt::{Receipt, ReceiptChecksum},
    },
    service::receipts::PublicReceiptKey,
};

/// A checksum and what it was made of.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChecksumView {
    /// `sha256`.
    algorithm: &'static str,
    /// `full`: over all the bytes. `composite`: over the SHA-256 of each part, one after the other.
    #[serde(rename = "type")]
    kind: &'static str,
    /// In hexadecimal.
    value: String,
    /// For `composite`: how many parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<u32>,
    /// For `composite`: how long each part but the last is, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    part_size: Option<u64>,
}

impl From<&Checksum> for ChecksumView {
    fn from(checksum: &Checksum) -> Self {
        let ReceiptChecksum { algorithm, part_size, parts, kind, value } = checksum.into();
        Self { algorithm, kind, value, parts, part_size }
    }
}

/// What proves a completed upload, to anybody who has your public key.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiptView {
    /// What is vouched for: canonical JSON (RFC 8785), in base64.
    pub payload: String,
    /// The signature over the bytes of the payload (Ed25519), in base64.
    pub signature: String,
    /// Which key made it: see `/v1/receipt-keys`.
    pub key_id: String,
    /// `Ed25519`.
    pub algorithm: &'static str,
}

impl From<Receipt> for ReceiptView {
    fn from(receipt: Receipt) -> Self {
        let Receipt { payload, signature, key_id } = receipt;
        Self { payload, signature, key_id, algorithm: "Ed25519" }
    }
}

/// A public key that receipts are verified with.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiptKeyView {
    /// Its id.
    pub id: String,
    /// `Ed25519`.
    pub algorithm: &'static str,
    /// PEM, as openssl reads it.
    pub public_key: String,
    /// `staged`, `primary`, `accept-only` or `retired`: the primary one signs now.
    pub status: &'static str,
}

impl From<PublicReceiptKey> for ReceiptKeyView {
    fn from(key: PublicReceiptKey) -> Self {
        Self { id: key.id, algorithm: "Ed25519", public_key: key.public_key, status: key.state.as_str() }
    }
}
