//! Uploads in parts: begun, looked at, completed and aborted as S3 does it.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_s3::{
    config::{Builder, Config},
    error::ProvideErrorMetadata,
    operation::{complete_multipart_upload::CompleteMultipartUploadOutput, list_parts::ListPartsOutput},
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, Part},
};
use aws_smithy_types::timeout::TimeoutConfig;
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::objects::{CompleteError, ContentType, ETag, MOST_PARTS, MultipartId, ObjectKey, StoredPart, Unavailable};

use super::{
    ATTEMPT_TIMEOUT, OPERATION_TIMEOUT, S3Storage,
    answers::{digest_of, unavailable},
};

/// S3 works for minutes on a large object, and answers when it is done.
const LONGEST_WORK: Duration = Duration::from_secs(300);

/// It moves far more in a second.
const LEAST_PER_SECOND: u64 = 20 * 1024 * 1024;

/// For requests that S3 works on as long as there are bytes: those of small objects are given up as soon as any other.
pub(super) fn patient(bytes: u64) -> Builder {
    let work = Duration::from_secs(bytes / LEAST_PER_SECOND);
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(LONGEST_WORK.min(ATTEMPT_TIMEOUT + work))
        .operation_timeout(LONGEST_WORK.min(OPERATION_TIMEOUT + work))
        .build();
    Config::builder().timeout_config(timeouts)
}

impl S3Storage {
    /// Without the algorithm S3 takes no checksum of a part, and with it no part without one.
    pub(super) async fn begin(
        &self,
        key: &ObjectKey,
        content_type: &ContentType,
        part_checksums: bool,
    ) -> Result<MultipartId, Unavailable> {
        let begun = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .content_type(content_type.as_str())
            .set_checksum_algorithm(part_checksums.then_some(ChecksumAlgorithm::Sha256))
            .send()
            .await
            .map_err(|error| unavailable("CreateMultipartUpload", &error))?;
        let id = begun.upload_id().ok_or_else(|| Unavailable("CreateMultipartUpload answered without an id".into()))?;
        Ok(MultipartId(id.into()))
    }

    pub(super) async fn arrived(
        &self,
        key: &ObjectKey,
        upload: &MultipartId,
    ) -> Result<Option<Vec<StoredPart>>, Unavailable> {
        let mut arrived = Arrived::default();
        loop {
            let answer = self
                .client
                .list_parts()
                .bucket(&self.bucket)
                .key(key.as_str())
                .upload_id(&upload.0)
                .set_part_number_marker(arrived.marker.take())
                .send()
                .await;
            let page = match answer {
                Err(error) if error.code() == Some("NoSuchUpload") => return Ok(None),
                other => other.map_err(|error| unavailable("ListParts", &error))?,
            };
            if arrived.take(&page)? {
                return Ok(Some(arrived.parts.into_values().collect()));
            }
        }
    }

    /// With `only_new`, where nothing is under the key.
    pub(super) async fn complete(
        &self,
        key: &ObjectKey,
        upload: &MultipartId,
        parts: &[StoredPart],
        only_new: bool,
    ) -> Result<CompleteMultipartUploadOutput, CompleteError> {
        let answer = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(&upload.0)
            .set_if_none_match(only_new.then(|| "*".to_owned()))
            .multipart_upload(
                CompletedMultipartUpload::builder().set_parts(Some(parts.iter().map(completed).collect())).build(),
            )
            .customize()
            .config_override(patient(parts.iter().map(|part| part.size).sum()))
            .send()
            .await;
        match answer {
            Err(error) if is_changed(error.code()) => Err(CompleteError::Changed),
            other => Ok(other.map_err(|error| unavailable("CompleteMultipartUpload", &error))?),
        }
    }

    pub(super) async fn abort(&self, key: &ObjectKey, upload: &MultipartId) -> Result<(), Unavailable> {
        let answer = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(&upload.0)
            .send()
            .await;
        match answer {
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            other => other.map(|_| ()).map_err(|error| unavailable("AbortMultipartUpload", &error)),
        }
    }
}

fn completed(part: &StoredPart) -> CompletedPart {
    CompletedPart::builder()
        // At most 10,000.
        .part_number(i32::try_from(part.number).unwrap_or(i32::MAX))
        .e_tag(&part.etag.0)
        .set_checksum_sha256(part.sha256.map(|sha256| STANDARD.encode(sha256)))
        .build()
}

/// Whether the parts, the upload or the key are not what they were thought to be. Also
/// of two completions at once: one is told so, or that the other is under way.
fn is_changed(code: Option<&str>) -> bool {
    matches!(
        code,
        Some(
            "NoSuchUpload"
                | "InvalidPart"
                | "InvalidPartOrder"
                | "EntityTooSmall"
                | "PreconditionFailed"
                | "ConditionalRequestConflict"
        )
    )
}

/// The parts of the pages so far.
#[derive(Default)]
struct Arrived {
    parts: BTreeMap<u32, StoredPart>,
    /// After which part the next page begins.
    marker: Option<String>,
}

impl Arrived {
    /// Takes a page; whether it was the last.
    fn take(&mut self, page: &ListPartsOutput) -> Result<bool, Unavailable> {
        let known = self.parts.len();
        for part in page.parts() {
            let part = stored(part).ok_or_else(|| Unavailable("ListParts answered with half a part".into()))?;
            self.parts.insert(part.number, part);
        }
        if page.is_truncated() != Some(true) {
            return Ok(true);
        }
        self.marker = page.next_part_number_marker().map(str::to_owned);
        // Else a page that says the same again would keep us for ever.
        if self.parts.len() == known || self.marker.is_none() {
            return Err(Unavailable("ListParts answered without end".into()));
        }
        Ok(false)
    }
}

fn stored(part: &Part) -> Option<StoredPart> {
    let number = part.part_number().and_then(|number| u32::try_from(number).ok())?;
    (1..=MOST_PARTS).contains(&number).then_some(())?;
    Some(StoredPart {
        number,
        size: part.size().and_then(|size| u64::try_from(size).ok())?,
        etag: ETag(part.e_tag()?.into()),
        sha256: part.checksum_sha256().and_then(digest_of),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(numbers: &[i32], next: Option<&str>) -> ListPartsOutput {
        let part = |number: &i32| Part::builder().part_number(*number).size(7).e_tag("\"e\"").build();
        ListPartsOutput::builder()
            .set_parts(Some(numbers.iter().map(part).collect()))
            .is_truncated(next.is_some())
            .set_next_part_number_marker(next.map(str::to_owned))
            .build()
    }

    #[test]
    fn the_pages_of_a_list_are_one_list() {
        let mut arrived = Arrived::default();
        assert!(!arrived.take(&page(&[2, 1], Some("2"))).unwrap());
        assert_eq!(arrived.marker.take().as_deref(), Some("2"));
        assert!(!arrived.take(&page(&[3], Some("3"))).unwrap());
        assert!(arrived.take(&page(&[10_000], None)).unwrap());
        assert_eq!(arrived.parts.into_keys().collect::<Vec<_>>(), [1, 2, 3, 10_000]);
        assert!(Arrived::default().take(&page(&[], None)).unwrap());
    }

    #[test]
    fn a_list_without_end_or_sense_is_a_fault() {
        let mut arrived = Arrived::default();
        assert!(!arrived.take(&page(&[1], Some("1"))).unwrap());
        assert!(arrived.take(&page(&[1], Some("1"))).is_err());
        assert!(Arrived::default().take(&page(&[], Some("1"))).is_err());
        for number in [0, -1, 10_001] {
            assert!(Arrived::default().take(&page(&[number], None)).is_err(), "{number}");
        }
        let truncated = ListPartsOutput::builder().parts(Part::builder().build()).build();
        assert!(Arrived::default().take(&truncated).is_err());
        let endless = ListPartsOutput::builder().set_parts(page(&[1], None).parts).is_truncated(true).build();
        assert!(Arrived::default().take(&endless).is_err());
    }

    #[test]
    fn there_is_patience_for_large_objects_alone() {
        let patience = |bytes| {
            let config = patient(bytes).behavior_version_latest().build();
            let timeouts = config.timeout_config().cloned().unwrap();
            [timeouts.operation_attempt_timeout().unwrap(), timeouts.operation_timeout().unwrap()]
        };
        assert_eq!(patience(0), [ATTEMPT_TIMEOUT, OPERATION_TIMEOUT]);
        assert_eq!(patience(5 << 30), [266, 281].map(Duration::from_secs));
        assert_eq!(patience(u64::MAX), [LONGEST_WORK; 2]);
    }

    #[test]
    fn what_has_changed_is_told_from_what_failed() {
        for code in ["NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall", "PreconditionFailed"] {
            assert!(is_changed(Some(code)), "{code}");
        }
        for code in [None, Some("InternalError"), Some("SlowDown"), Some("AccessDenied"), Some("MalformedXML")] {
            assert!(!is_changed(code), "{code:?}");
        }
    }
}
