//! Removing for good: every version of an object, the marks that deletions have left, and uploads in parts.

use aws_sdk_s3::types::{Delete, Error, ObjectIdentifier};

use crate::objects::Unavailable;

use super::{S3Storage, answers::unavailable};

/// S3 lists, and deletes, no more at a time.
const AT_ONCE: i32 = 1000;

impl S3Storage {
    /// Removes up to a thousand of what lies under keys that begin so. Tells how many.
    pub(super) async fn erased(&self, prefix: &str) -> Result<u64, Unavailable> {
        match self.erase_versions(prefix).await? {
            0 => self.abort_uploads(prefix).await,
            removed => Ok(removed),
        }
    }

    async fn erase_versions(&self, prefix: &str) -> Result<u64, Unavailable> {
        let answer =
            self.client.list_object_versions().bucket(&self.bucket).prefix(prefix).max_keys(AT_ONCE).send().await;
        let found = answer.map_err(|error| unavailable("ListObjectVersions", &error))?;
        let versions = found.versions().iter().map(|version| (version.key(), version.version_id()));
        let marks = found.delete_markers().iter().map(|mark| (mark.key(), mark.version_id()));
        let named = versions.chain(marks).filter_map(|(key, version)| {
            // Where a prefix is not understood, nothing of anybody else's is deleted.
            let key = key.filter(|key| key.starts_with(prefix))?;
            ObjectIdentifier::builder().key(key).set_version_id(version.map(str::to_owned)).build().ok()
        });
        let named: Vec<_> = named.collect();
        if named.is_empty() {
            return Ok(0);
        }
        let count = named.len() as u64;
        let delete = Delete::builder().set_objects(Some(named)).quiet(true).build();
        let delete = delete.map_err(|error| Unavailable(error.to_string()))?;
        let answer = self.client.delete_objects().bucket(&self.bucket).delete(delete).send().await;
        let deleted = answer.map_err(|error| unavailable("DeleteObjects", &error))?;
        // What a lost answer has removed before is gone.
        let gone = |error: &&Error| matches!(error.code(), Some("NoSuchVersion" | "NoSuchKey"));
        let refused: Vec<_> = deleted.errors().iter().filter(|error| !gone(error)).collect();
        match refused.first() {
            None => Ok(count),
            Some(error) => {
                let (refused, code) = (refused.len(), error.code().unwrap_or("no code"));
                Err(Unavailable(format!(
                    "DeleteObjects refused {refused} of {count} versions ({code}): an object lock keeps them, or the \
                     permission s3:DeleteObjectVersion is missing"
                )))
            }
        }
    }

    async fn abort_uploads(&self, prefix: &str) -> Result<u64, Unavailable> {
        let answer =
            self.client.list_multipart_uploads().bucket(&self.bucket).prefix(prefix).max_uploads(AT_ONCE).send().await;
        let found = answer.map_err(|error| unavailable("ListMultipartUploads", &error))?;
        let mut aborted = 0;
        for upload in found.uploads() {
            let (Some(key), Some(id)) = (upload.key().filter(|key| key.starts_with(prefix)), upload.upload_id()) else {
                continue;
            };
            let answer = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(id).send().await;
            answer.map_err(|error| unavailable("AbortMultipartUpload", &error))?;
            aborted += 1;
        }
        Ok(aborted)
    }
}
