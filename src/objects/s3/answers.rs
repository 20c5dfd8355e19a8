//! What the answers of S3 mean, and its errors.

use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    types::ChecksumType,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::objects::{Checksum, Unavailable};

/// A SHA-256 as S3 writes it; that of parts ends in `-` and their number.
pub(super) fn checksum(kind: Option<&ChecksumType>, encoded: Option<&str>) -> Option<Checksum> {
    let encoded = encoded?;
    let (digest, parts) = match encoded.split_once('-') {
        Some((digest, parts)) => (digest, Some(parts.parse().ok()?)),
        None => (encoded, None),
    };
    let sha256 = digest_of(digest)?;
    match (parts, kind) {
        (Some(parts), Some(ChecksumType::Composite) | None) => Some(Checksum::Composite { sha256, parts }),
        (None, Some(ChecksumType::FullObject) | None) => Some(Checksum::Full(sha256)),
        // Of how many parts it is a hash, nobody knows.
        _ => None,
    }
}

/// The SHA-256 of the bytes of one part.
pub(super) fn digest_of(encoded: &str) -> Option<[u8; 32]> {
    STANDARD.decode(encoded).ok()?.try_into().ok()
}

pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Says what failed, without the request: its headers and URL are none of the log's business.
pub(super) fn unavailable<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> Unavailable
where
    E: ProvideErrorMetadata,
{
    let kind = match error {
        SdkError::ConstructionFailure(_) => "could not be built",
        SdkError::TimeoutError(_) => "timed out",
        SdkError::DispatchFailure(_) => "could not be sent",
        SdkError::ResponseError(_) => "was answered with something unreadable",
        _ => "was refused",
    };
    let code = error.code().unwrap_or("no code");
    let status = status(error).map_or_else(|| "no status".into(), |status| status.to_string());
    Unavailable(format!("{operation} {kind} ({status}, {code})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_of_all_the_bytes_or_of_so_many_parts() {
        let encoded = STANDARD.encode([7; 32]);
        let (full, composite) = (Some(ChecksumType::FullObject), Some(ChecksumType::Composite));
        let (full, composite) = (full.as_ref(), composite.as_ref());
        let of_three = format!("{encoded}-3");
        let parts = Some(Checksum::Composite { sha256: [7; 32], parts: 3 });
        assert_eq!(checksum(full, Some(&encoded)), Some(Checksum::Full([7; 32])));
        assert_eq!(checksum(None, Some(&encoded)), Some(Checksum::Full([7; 32])));
        assert_eq!(checksum(composite, Some(&of_three)), parts);
        assert_eq!(checksum(None, Some(&of_three)), parts);
        assert_eq!(checksum(composite, Some(&encoded)), None);
        assert_eq!(checksum(full, Some(&of_three)), None);
        assert_eq!(checksum(None, None), None);
        for text in ["", "-3", "AAAA", "AAAA-3"] {
            assert_eq!(checksum(None, Some(text)), None, "{text}");
        }
        assert_eq!(checksum(None, Some(&format!("{encoded}-x"))), None);
    }
}
