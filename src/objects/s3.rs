//! Object storage on S3, and on whatever speaks its protocol.
//!
//! This file sends requests as the broker itself; `presign` and
//! `post_policy` make requests for others to send. AWS types end here: none
//! of them is in the port. What never happens here: asking S3 to widen a
//! permission, or a constraint that is left out of a signature.

mod answers;
mod clock;
mod copy;
mod erase;
mod list;
mod multipart;
mod post_policy;
mod presign;
mod settings;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::{
    Client,
    config::{Builder, RequestChecksumCalculation},
    error::ProvideErrorMetadata,
    primitives::ByteStream as SdkByteStream,
    types::ChecksumMode,
};
use aws_smithy_http_client::tls;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use crate::{clock::Clock, domain::instant::Instant};

use super::{
    ByteRange, ByteStream, Checksum, CompleteError, ContentType, CopyError, Doomed, DownloadContract, ETag,
    LARGEST_PART, LONGEST_UPLOAD, ListedObject, MultipartId, ObjectFacts, ObjectFolder, ObjectKey, ObjectStorage,
    PartContract, SignedRequest, StoredPart, Unavailable, UploadContract,
};

use self::{
    answers::{checksum, status, unavailable},
    clock::StorageClock,
    copy::Copying,
    presign::{Signing, Window},
    settings::Address,
};

pub(crate) use presign::expiry_of;
pub use settings::{NotUsable, S3Settings};

/// What one request may take, and with all its repetitions.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(25);

/// SigV4 knows no longer URL.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(7 * 24 * 3600);

/// Objects in one bucket.
pub struct S3Storage {
    client: Client,
    /// Asked for every signature: it is up to them to keep what they give.
    credentials: SharedCredentialsProvider,
    /// By which signatures hold.
    clock: StorageClock,
    /// Where clients send what is signed for them.
    public: Address,
    bucket: String,
    region: String,
    largest_copy: u64,
}

impl fmt::Debug for S3Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Storage({} in {})", self.bucket, self.region)
    }
}

impl S3Storage {
    /// Storage in the bucket of the settings, with the credentials and the HTTP
    /// client of the configuration. No request is sent yet.
    ///
    /// # Errors
    /// When an endpoint is no URL, or the configuration knows no credentials.
    pub fn new(settings: S3Settings, sdk_config: &SdkConfig, clock: Arc<dyn Clock>) -> Result<Self, NotUsable> {
        let clock = StorageClock::beside(clock);
        let provider = sdk_config.credentials_provider().ok_or(NotUsable::NoCredentials)?;
        let public = Address::of(&settings)?;

        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let mut builder = Builder::from(sdk_config)
            .region(Region::new(settings.region.clone()))
            .force_path_style(settings.path_style)
            .timeout_config(timeouts)
            .interceptor(clock.clone())
            // The SHA-256 is ours to give; a CRC besides it proves nothing more.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        if sdk_config.behavior_version().is_none() {
            builder = builder.behavior_version(BehaviorVersion::latest());
        }
        if sdk_config.http_client().is_none() {
            let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
            builder = builder.http_client(aws_smithy_http_client::Builder::new().tls_provider(ring).build_https());
        }
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        Ok(Self {
            client: Client::from_conf(builder.build()),
            credentials: provider,
            clock,
            public,
            bucket: settings.bucket,
            region: settings.region,
            // As much as one part has.
            largest_copy: LARGEST_PART,
        })
    }

    /// The same, with copies in parts for all that is larger than this many bytes. S3
    /// itself refuses to copy more than 5 GiB at once.
    pub fn with_largest_copy(self, bytes: u64) -> Self {
        Self { largest_copy: bytes.min(LARGEST_PART), ..self }
    }

    async fn stored(&self, key: &ObjectKey) -> Result<Option<ObjectFacts>, Unavailable> {
        let answer = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        let head = match answer {
            Err(error) if status(&error) == Some(404) => return Ok(None),
            other => other.map_err(|error| unavailable("HeadObject", &error))?,
        };
        let size = head.content_length().and_then(|length| u64::try_from(length).ok());
        let (Some(size), Some(etag)) = (size, head.e_tag()) else {
            return Err(Unavailable("HeadObject answered without a length or an ETag".into()));
        };
        Ok(Some(ObjectFacts {
            size,
            etag: ETag(etag.into()),
            content_type: head
                .content_type()
                .and_then(|text| ContentType::parse(text).ok())
                .unwrap_or_else(ContentType::unknown),
            checksum: checksum(head.checksum_type(), head.checksum_sha256()),
        }))
    }

    /// The facts of what was just written, by a request that answered this ETag.
    async fn written(&self, key: &ObjectKey, etag: Option<&str>) -> Result<ObjectFacts, Unavailable> {
        let facts = self.stored(key).await?;
        facts
            .filter(|facts| Some(facts.etag.0.as_str()) == etag)
            .ok_or_else(|| Unavailable("an object was replaced or removed right after it was written".into()))
    }

    /// What is signed so, from now until then and for so long at most, by the storage's clock.
    async fn signed(
        &self,
        [now, until]: [Instant; 2],
        longest: Duration,
        sign: impl FnOnce(&Signing<'_>) -> Result<SignedRequest, Unavailable>,
    ) -> Result<SignedRequest, Unavailable> {
        let provided = self.credentials.provide_credentials().await;
        let credentials = provided.map_err(|error| Unavailable(format!("no AWS credentials: {error}")))?;
        let ahead = self.clock.ahead(now);
        let window = Window::new(ahead.there(now), ahead.there(until), longest, &credentials)?;
        let (address, region, credentials) = (&self.public, self.region.as_str(), &credentials);
        let signed = sign(&Signing { address, region, credentials, window })?;
        Ok(SignedRequest { expires_at: ahead.here(signed.expires_at), ..signed })
    }
}

#[async_trait]
impl ObjectStorage for S3Storage {
    async fn sign_put(&self, contract: &UploadContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        self.signed([now, contract.expires_at], LONGEST_UPLOAD, |signing| presign::put(contract, signing)).await
    }

    async fn sign_post(&self, contract: &UploadContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        self.signed([now, contract.expires_at], LONGEST_UPLOAD, |signing| {
            post_policy::post(contract, &self.bucket, signing)
        })
        .await
    }

    async fn sign_get(&self, contract: &DownloadContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        self.signed([now, contract.expires_at], LONGEST_DOWNLOAD, |signing| presign::get(contract, signing)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectFacts>, Unavailable> {
        self.stored(key).await
    }

    async fn copy(
        &self,
        from: &ObjectKey,
        pinned: &ETag,
        to: &ObjectKey,
        content_type: &ContentType,
        part_size: u64,
    ) -> Result<ObjectFacts, CopyError> {
        let Some(found) = self.stored(from).await? else {
            return Err(CopyError::Changed);
        };
        // For the size alone: what is copied, the pinned ETag decides at the copy itself.
        let copying = Copying { from, pinned, to, content_type };
        if found.size <= self.largest_copy {
            self.copy_whole(&copying, found.size).await
        } else {
            self.copy_in_parts(&copying, found.size, part_size).await
        }
    }

    async fn put(&self, key: &ObjectKey, content_type: &ContentType, bytes: Bytes) -> Result<ObjectFacts, Unavailable> {
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        let size = bytes.len() as u64;
        let stored = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .content_type(content_type.as_str())
            .checksum_sha256(STANDARD.encode(sha256))
            .body(SdkByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| unavailable("PutObject", &error))?;
        let etag = stored.e_tag().ok_or_else(|| Unavailable("PutObject answered without an ETag".into()))?;
        let (etag, content_type) = (ETag(etag.into()), content_type.clone());
        Ok(ObjectFacts { size, etag, content_type, checksum: Some(Checksum::Full(sha256)) })
    }

    async fn read(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Option<ByteStream>, Unavailable> {
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_range(range.map(|range| format!("bytes={}-{}", range.first, range.last)))
            .send()
            .await;
        let object = match answer {
            Err(error) if status(&error) == Some(404) => return Ok(None),
            other => other.map_err(|error| unavailable("GetObject", &error))?,
        };
        if let Some(range) = range
            && object.content_length() != i64::try_from(range.length()).ok()
        {
            return Err(Unavailable("GetObject answered another range than was asked for".into()));
        }
        let stream = stream::unfold(object.body, |mut body| async {
            let chunk = body.next().await?;
            Some((chunk.map_err(|error| Unavailable(format!("GetObject broke off: {error}"))), body))
        });
        Ok(Some(stream.boxed()))
    }

    async fn begin_multipart(
        &self,
        key: &ObjectKey,
        content_type: &ContentType,
        part_checksums: bool,
    ) -> Result<MultipartId, Unavailable> {
        self.begin(key, content_type, part_checksums).await
    }

    async fn sign_part(&self, contract: &PartContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        contract.check()?;
        self.signed([now, contract.expires_at], LONGEST_UPLOAD, |signing| presign::part(contract, signing)).await
    }

    async fn parts(&self, key: &ObjectKey, upload: &MultipartId) -> Result<Option<Vec<StoredPart>>, Unavailable> {
        self.arrived(key, upload).await
    }

    async fn complete_multipart(
        &self,
        key: &ObjectKey,
        upload: &MultipartId,
        parts: &[StoredPart],
    ) -> Result<(), CompleteError> {
        self.complete(key, upload, parts, true).await.map(|_| ())
    }

    async fn abort_multipart(&self, key: &ObjectKey, upload: &MultipartId) -> Result<(), Unavailable> {
        self.abort(key, upload).await
    }

    async fn list(&self, folder: &ObjectFolder, after: Option<&ObjectKey>) -> Result<Vec<ListedObject>, Unavailable> {
        self.listed(*folder, after).await
    }

    /// A PUT is signed for a key that is free. Were this one deleted, it would be.
    async fn close(&self, key: &ObjectKey) -> Result<(), Unavailable> {
        self.put(key, &ContentType::unknown(), Bytes::new()).await.map(|_| ())
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), Unavailable> {
        let answer = self.client.delete_object().bucket(&self.bucket).key(key.as_str()).send().await;
        match answer {
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            other => other.map(|_| ()).map_err(|error| unavailable("DeleteObject", &error)),
        }
    }

    async fn erase(&self, doomed: &Doomed) -> Result<u64, Unavailable> {
        self.erased(doomed.prefix()).await
    }

    fn knows_full_checksum(&self, size: u64) -> bool {
        size <= self.largest_copy
    }

    fn browser_origin(&self) -> String {
        self.public.origin().to_owned()
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        let answer = self.client.head_bucket().bucket(&self.bucket).send().await;
        answer.map(|_| ()).map_err(|error| unavailable("HeadBucket", &error))
    }
}
