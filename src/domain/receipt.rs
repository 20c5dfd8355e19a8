//! Receipts: what the broker vouches for when an upload is completed.
//!
//! The text that is signed is canonical JSON (RFC 8785): strings and whole
//! numbers only, members in the order of their names, no white space. The
//! fields below stand in that order; a test holds them to it.

use serde::{Deserialize, Serialize};

use super::{
    checksum::Checksum,
    ids::{TenantId, UploadId},
    tenant::Mode,
};

/// What every receipt of this kind says it is, so that nothing else that is
/// ever signed with the same key can pass for one.
pub const KIND: &str = "cloakroom.upload-receipt.v1";

/// What was delivered, by whom, when, and what it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptText {
    /// What was found in storage.
    pub checksum: ReceiptChecksum,
    /// When it was found and taken over (RFC 3339).
    pub completed_at: String,
    /// As declared and as found.
    pub content_type: String,
    /// When it was declared (RFC 3339).
    pub declared_at: String,
    /// Whose signature this is: the deployment's id, in hexadecimal.
    pub deployment: String,
    /// Real, or for trying things out.
    pub mode: Mode,
    /// Where it went, as whoever delivered it knows it.
    pub path: String,
    /// How many bytes were found.
    pub size: u64,
    /// Whose it is.
    pub tenant: TenantId,
    /// [`KIND`].
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Which upload.
    pub upload: UploadId,
    /// The API key, share or file request it came by.
    pub uploader: String,
}

/// A checksum as receipts spell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptChecksum {
    /// `sha256`.
    pub algorithm: &'static str,
    /// For `composite`: how long each part but the last is, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_size: Option<u64>,
    /// For `composite`: how many parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// `full` or `composite`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// In hexadecimal.
    pub value: String,
}

impl From<&Checksum> for ReceiptChecksum {
    fn from(checksum: &Checksum) -> Self {
        let (kind, value, parts, part_size) = match checksum {
            Checksum::Full { sha256 } => ("full", sha256, None, None),
            Checksum::Composite { sha256, parts, part_size } => ("composite", sha256, Some(*parts), Some(*part_size)),
        };
        Self { algorithm: "sha256", part_size, parts, kind, value: value.clone() }
    }
}

/// A receipt as it is kept and handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The text, in base64.
    pub payload: String,
    /// The Ed25519 signature over the bytes of the text (RFC 8032), in base64.
    pub signature: String,
    /// The key that made it.
    pub key_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_canonical() {
        let text = ReceiptText {
            checksum: (&Checksum::Composite { sha256: "ab".into(), parts: 2, part_size: 5 }).into(),
            completed_at: "2026-11-22T00:00:00Z".into(),
            content_type: "text/plain".into(),
            declared_at: "2026-11-21T00:00:00Z".into(),
            deployment: "00".into(),
            mode: Mode::Live,
            path: "ü/\"a\".txt".into(),
            size: 10,
            tenant: TenantId::from_bytes([1; 16]),
            kind: KIND,
            upload: UploadId::from_bytes([2; 16]),
            uploader: "key_1".into(),
        };
        let json = serde_json::to_string(&text).unwrap();
        assert!(json.starts_with(r#"{"checksum":{"algorithm":"sha256","part_size":5,"parts":2,"type":"composite","#));
        assert!(json.contains(r#""path":"ü/\"a\".txt""#), "{json}");
        // A map of serde_json's is ordered by name.
        let sorted: std::collections::BTreeMap<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&sorted).unwrap().len(), json.len());
        let names: Vec<_> = json.match_indices("\":").map(|(end, _)| json[..end].rsplit('"').next().unwrap()).collect();
        let outer: Vec<_> = names[..1].iter().chain(&names[6..]).collect();
        assert!(outer.is_sorted() && names[1..6].is_sorted(), "{names:?}");
    }
}
