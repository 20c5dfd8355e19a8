//! Copies inside the bucket, of exactly the object that was looked at.
//!
//! One request copies up to 5 GiB, and S3 then knows the SHA-256 of the whole.
//! Anything larger is copied in parts: then it knows no more than the SHA-256
//! of each part, and we hold what it reports against what those make.

use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    operation::complete_multipart_upload::CompleteMultipartUploadOutput,
    types::{ChecksumAlgorithm, MetadataDirective},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use crate::objects::{
    ByteRange, Checksum, CompleteError, ContentType, CopyError, ETag, MOST_PARTS, MultipartId, ObjectFacts, ObjectKey,
    StoredPart, Unavailable, encode::percent_encode,
};

use super::{
    S3Storage,
    answers::{checksum, digest_of, unavailable},
    multipart::patient,
};

/// How many parts are copied at a time.
const AT_A_TIME: usize = 8;

/// What is copied, and where to.
pub(super) struct Copying<'a> {
    pub(super) from: &'a ObjectKey,
    pub(super) pinned: &'a ETag,
    pub(super) to: &'a ObjectKey,
    pub(super) content_type: &'a ContentType,
}

impl S3Storage {
    pub(super) async fn copy_whole(&self, copying: &Copying<'_>, size: u64) -> Result<ObjectFacts, CopyError> {
        let answer = self
            .client
            .copy_object()
            .bucket(&self.bucket)
            .key(copying.to.as_str())
            .copy_source(self.source(copying.from))
            .copy_source_if_match(&copying.pinned.0)
            .metadata_directive(MetadataDirective::Replace)
            .content_type(copying.content_type.as_str())
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .customize()
            .config_override(patient(size))
            .send()
            .await;
        let copied = match answer {
            Err(error) if is_changed(&error) => return Err(CopyError::Changed),
            other => other.map_err(|error| unavailable("CopyObject", &error))?,
        };
        let etag = copied.copy_object_result().and_then(|result| result.e_tag());
        let facts = self.written(copying.to, etag).await?;
        match facts.checksum {
            Some(Checksum::Full(_)) => Ok(facts),
            _ => Err(Unavailable("CopyObject computed no SHA-256".into()).into()),
        }
    }

    pub(super) async fn copy_in_parts(
        &self,
        copying: &Copying<'_>,
        size: u64,
        part_size: u64,
    ) -> Result<ObjectFacts, CopyError> {
        let ranges = ranges(size, part_size)?;
        let upload = self.begin(copying.to, copying.content_type, true).await?;
        let copied = self.copy_ranges(copying, &upload, ranges).await;
        if copied.is_err() {
            // Should this fail too, the rule of the bucket for unfinished uploads removes it.
            let _ = self.abort(copying.to, &upload).await;
        }
        let facts = copied?;
        if facts.size == size { Ok(facts) } else { Err(Unavailable("a copy in parts has another size".into()).into()) }
    }

    async fn copy_ranges(
        &self,
        copying: &Copying<'_>,
        upload: &MultipartId,
        ranges: Vec<(u32, ByteRange)>,
    ) -> Result<ObjectFacts, CopyError> {
        let parts: Vec<StoredPart> = stream::iter(ranges)
            .map(|(number, range)| self.copy_part(copying, upload, number, range))
            .buffered(AT_A_TIME)
            .try_collect()
            .await?;
        let made = composite(&parts)?;
        let completed = match self.complete(copying.to, upload, &parts, false).await {
            // Nobody else knows of this upload.
            Err(CompleteError::Changed) => return Err(Unavailable("a copy in parts was interfered with".into()).into()),
            Err(CompleteError::Unavailable(fault)) => return Err(fault.into()),
            Ok(completed) => completed,
        };
        hold_against(&completed, made)?;
        let facts = self.written(copying.to, completed.e_tag()).await?;
        match facts.checksum {
            Some(reported) if reported != made => Err(differs().into()),
            _ => Ok(ObjectFacts { checksum: Some(made), ..facts }),
        }
    }

    async fn copy_part(
        &self,
        copying: &Copying<'_>,
        upload: &MultipartId,
        number: u32,
        range: ByteRange,
    ) -> Result<StoredPart, CopyError> {
        let answer = self
            .client
            .upload_part_copy()
            .bucket(&self.bucket)
            .key(copying.to.as_str())
            .upload_id(&upload.0)
            // At most 10,000.
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .copy_source(self.source(copying.from))
            .copy_source_if_match(&copying.pinned.0)
            .copy_source_range(format!("bytes={}-{}", range.first, range.last))
            .customize()
            .config_override(patient(range.length()))
            .send()
            .await;
        let copied = match answer {
            Err(error) if is_changed(&error) => return Err(CopyError::Changed),
            other => other.map_err(|error| unavailable("UploadPartCopy", &error))?,
        };
        let result = copied.copy_part_result();
        let etag = result.and_then(|result| result.e_tag());
        let sha256 = result.and_then(|result| result.checksum_sha256()).and_then(digest_of);
        match (etag, sha256) {
            (Some(etag), Some(_)) => Ok(StoredPart { number, size: range.length(), etag: ETag(etag.into()), sha256 }),
            _ => Err(Unavailable("UploadPartCopy computed no SHA-256".into()).into()),
        }
    }

    fn source(&self, key: &ObjectKey) -> String {
        format!("{}/{}", self.bucket, percent_encode(key.as_str(), b"/"))
    }
}

/// The parts of an object of this size.
fn ranges(size: u64, part_size: u64) -> Result<Vec<(u32, ByteRange)>, Unavailable> {
    if size == 0 || part_size == 0 || size.div_ceil(part_size) > u64::from(MOST_PARTS) {
        return Err(Unavailable(format!("{size} bytes cannot be copied in parts of {part_size}")));
    }
    let range = |first: u64| ByteRange { first, last: (first + part_size).min(size) - 1 };
    let begins = std::iter::successors(Some(0), |first| Some(first + part_size)).take_while(|first| *first < size);
    Ok((1..).zip(begins.map(range)).collect())
}

/// What the SHA-256 of the parts make.
fn composite(parts: &[StoredPart]) -> Result<Checksum, Unavailable> {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.sha256.ok_or_else(differs)?);
    }
    let parts = u32::try_from(parts.len()).map_err(|_| differs())?;
    Ok(Checksum::Composite { sha256: hasher.finalize().into(), parts })
}

fn hold_against(completed: &CompleteMultipartUploadOutput, made: Checksum) -> Result<(), Unavailable> {
    let reported = checksum(completed.checksum_type(), completed.checksum_sha256());
    if reported.is_some_and(|reported| reported != made) { Err(differs()) } else { Ok(()) }
}

fn differs() -> Unavailable {
    Unavailable("the SHA-256 of a copy in parts is not what its parts make".into())
}

/// Whether a copy failed because its source is not, or no longer, what was pinned.
fn is_changed<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(error.code(), Some("PreconditionFailed" | "NoSuchKey"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_byte_once() {
        for (size, part_size, count) in
            [(1, 1, 1), (10, 3, 4), (9, 3, 3), (10, 10, 1), (10, 11, 1), (10_000, 1, 10_000)]
        {
            let ranges = ranges(size, part_size).unwrap();
            assert_eq!(ranges.len(), count, "{size} in {part_size}");
            let mut next = 0;
            for ((number, range), expected) in ranges.iter().zip(1..) {
                assert_eq!((*number, range.first), (expected, next));
                assert!(range.length() == part_size || *number as usize == count);
                next = range.last + 1;
            }
            assert_eq!(next, size);
        }
        assert!(ranges(10_001, 1).is_err() && ranges(0, 1).is_err() && ranges(1, 0).is_err());
    }

    #[test]
    fn what_is_reported_must_be_what_the_parts_make() {
        let part = |number, sha256| StoredPart { number, size: 1, etag: ETag("e".into()), sha256 };
        let made = composite(&[part(1, Some([1; 32])), part(2, Some([2; 32]))]).unwrap();
        let whole = Sha256::new().chain_update([1; 32]).chain_update([2; 32]).finalize();
        assert_eq!(made, Checksum::Composite { sha256: whole.into(), parts: 2 });
        assert!(composite(&[part(1, Some([1; 32])), part(2, None)]).is_err());

        use base64::{Engine, engine::general_purpose::STANDARD};
        let answer = |text: String| CompleteMultipartUploadOutput::builder().checksum_sha256(text).build();
        assert!(hold_against(&answer(format!("{}-2", STANDARD.encode(whole))), made).is_ok());
        assert!(hold_against(&answer(format!("{}-3", STANDARD.encode(whole))), made).is_err());
        assert!(hold_against(&answer(format!("{}-2", STANDARD.encode([0; 32]))), made).is_err());
        assert!(hold_against(&CompleteMultipartUploadOutput::builder().build(), made).is_ok());
    }
}
