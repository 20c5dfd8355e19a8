//! Every call of S3, made as the broker's storage makes it.

use std::sync::Arc;

use bytes::Bytes;
use cloakroom::{
    domain::{
        ids::{ObjectId, TenantId},
        tenant::{Mode, Namespace},
    },
    objects::{
        CompleteError, ContentType, CopyError, Doomed, ETag, InboxSecret, MultipartId, ObjectFolder, ObjectKey,
        ObjectStorage, SMALLEST_PART, StoredPart, Unavailable, s3::S3Storage,
    },
};
use futures_util::TryStreamExt;

use super::unreliable::Fault;
use crate::objects::bench::{client, random, s3_at, setting};

pub const CALLS: [&str; 15] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjects",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "UploadPartCopy",
];

pub const FAULTS: [Fault; 11] = [
    Fault::Told(503, "SlowDown"),
    Fault::Told(400, "ExpiredToken"),
    Fault::Told(403, "InvalidAccessKeyId"),
    Fault::Told(403, "RequestTimeTooSkewed"),
    Fault::Told(500, "InternalError"),
    Fault::ToldDone(500, "InternalError"),
    Fault::Unheard,
    Fault::Lost,
    Fault::Half,
    Fault::Garbled,
    Fault::Silent,
];

/// What S3 says late, since it works long.
pub const OWN_FAULTS: [(&str, Fault); 4] = [
    ("CopyObject", Fault::ToldLate("InternalError")),
    ("CopyObject", Fault::ToldLate("SlowDown")),
    ("UploadPartCopy", Fault::ToldLate("InternalError")),
    ("CompleteMultipartUpload", Fault::ToldLate("InternalError")),
];

/// Longer than the head of any answer: half an answer ends within.
const SMALL: &[u8] = &[7; 4096];

/// What all calls find in the storage.
pub struct Found {
    small: (ObjectKey, ETag),
    large: (ObjectKey, ETag),
}

impl Found {
    pub async fn put() -> Arc<Self> {
        let storage = s3_at(&setting("CLOAKROOM_TEST_S3_ENDPOINT"));
        let put = async |bytes: Bytes| {
            let key = vault(namespace());
            let facts = storage.put(&key, &text(), bytes).await.unwrap();
            (key, facts.etag)
        };
        let large = vec![7; usize::try_from(SMALLEST_PART).unwrap() + 1];
        Arc::new(Self { small: put(SMALL.into()).await, large: put(large.into()).await })
    }
}

/// A storage at this address, and a namespace of its own.
pub struct ObjectCalls {
    storage: S3Storage,
    in_parts: S3Storage,
    found: Arc<Found>,
    namespace: Namespace,
    prepared: Prepared,
}

/// What one call wants to be there, made past the relay.
struct Prepared {
    key: ObjectKey,
    upload: MultipartId,
    parts: Vec<StoredPart>,
}

impl ObjectCalls {
    pub async fn at(url: &str, found: Arc<Found>, call: &str) -> Self {
        let direct = s3_at(&setting("CLOAKROOM_TEST_S3_ENDPOINT"));
        let namespace = namespace();
        let key = match call {
            // Of a namespace, versions are found before uploads in parts.
            "DeleteObjects" | "ListObjectVersions" => vault(namespace),
            _ => ObjectKey::inbox(namespace, InboxSecret(random())),
        };
        let (mut upload, mut parts) = (MultipartId("none".into()), Vec::new());
        match call {
            "DeleteObject" | "DeleteObjects" | "ListObjectVersions" | "ListObjectsV2" => {
                direct.put(&key, &text(), SMALL.into()).await.unwrap();
            }
            "AbortMultipartUpload" | "CompleteMultipartUpload" | "ListMultipartUploads" | "ListParts" => {
                upload = direct.begin_multipart(&key, &text(), false).await.unwrap();
                let client = client(&setting("CLOAKROOM_TEST_S3_ENDPOINT"));
                let part = client.upload_part().bucket(setting("CLOAKROOM_TEST_BUCKET")).key(key.as_str());
                part.upload_id(&upload.0).part_number(1).body(Bytes::from(SMALL).into()).send().await.unwrap();
                parts = direct.parts(&key, &upload).await.unwrap().unwrap();
            }
            _ => {}
        }
        let (storage, in_parts) = (s3_at(url), s3_at(url).with_largest_copy(SMALLEST_PART));
        Self { storage, in_parts, found, namespace, prepared: Prepared { key, upload, parts } }
    }

    /// Makes the call. Whoever is told that it was done finds it done.
    pub async fn make(&self, call: &str) -> Result<(), Unavailable> {
        let Prepared { key, upload, parts } = &self.prepared;
        let (small, large) = (&self.found.small, &self.found.large);
        match call {
            "HeadBucket" => self.storage.ping().await,
            "HeadObject" => self.storage.head(&small.0).await.map(|facts| assert_eq!(facts.unwrap().etag, small.1)),
            "GetObject" => {
                let bytes = self.storage.read(&small.0, None).await?.unwrap();
                let pieces: Vec<_> = bytes.try_collect().await?;
                assert_eq!(pieces.concat(), SMALL);
                Ok(())
            }
            "PutObject" => self.storage.put(key, &text(), SMALL.into()).await.map(drop),
            "CopyObject" => {
                let copied = self.storage.copy(&small.0, &small.1, key, &text(), SMALLEST_PART).await;
                copied.map(|facts| assert_eq!(facts.size, SMALL.len() as u64)).map_err(unchanged)
            }
            "UploadPartCopy" => {
                let copied = self.in_parts.copy(&large.0, &large.1, key, &text(), SMALLEST_PART).await;
                copied.map(|facts| assert_eq!(facts.size, SMALLEST_PART + 1)).map_err(unchanged)
            }
            "CreateMultipartUpload" => self.storage.begin_multipart(key, &text(), true).await.map(drop),
            "ListParts" => {
                self.storage.parts(key, upload).await.map(|arrived| assert_eq!(arrived.as_ref(), Some(parts)))
            }
            "CompleteMultipartUpload" => match self.storage.complete_multipart(key, upload, parts).await {
                // It may be that it was completed before: what lies there tells.
                Ok(()) | Err(CompleteError::Changed) => {
                    self.storage.head(key).await.map(|facts| assert_eq!(facts.unwrap().size, SMALL.len() as u64))
                }
                Err(CompleteError::Unavailable(fault)) => Err(fault),
            },
            "AbortMultipartUpload" => self.storage.abort_multipart(key, upload).await,
            "ListObjectsV2" => {
                let listed = self.storage.list(&ObjectFolder::Inbox(self.namespace), None).await?;
                assert_eq!(listed.len(), 1);
                Ok(())
            }
            "DeleteObject" => self.storage.delete(key).await,
            "DeleteObjects" | "ListObjectVersions" => self.erase(ObjectFolder::Vault(self.namespace)).await,
            "ListMultipartUploads" => self.erase(ObjectFolder::Inbox(self.namespace)).await,
            other => panic!("nobody makes {other}"),
        }
    }

    /// Removes until nothing is found any more.
    async fn erase(&self, folder: ObjectFolder) -> Result<(), Unavailable> {
        while self.storage.erase(&Doomed::folder(folder)).await? > 0 {}
        Ok(())
    }
}

fn unchanged(error: CopyError) -> Unavailable {
    match error {
        CopyError::Changed => panic!("the source was said to have changed"),
        CopyError::Unavailable(fault) => fault,
    }
}

fn namespace() -> Namespace {
    Namespace { tenant: TenantId::from_bytes(random()), mode: Mode::Test }
}

fn vault(namespace: Namespace) -> ObjectKey {
    ObjectKey::vault(namespace, ObjectId::from_bytes(random()))
}

fn text() -> ContentType {
    ContentType::parse("text/plain").unwrap()
}
