//! Object storage on S3, and on whatever speaks its protocol.
//!
//! This file sends requests as the broker itself; `presign` and
//! `post_policy` make requests for others to send. AWS types end here: none
//! of them is in the port. What never happens here: asking S3 to widen a
//! permission, or a constraint that is left out of a signature.

mod credentials;
mod post_policy;
mod presign;
mod settings;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig, timeout::TimeoutConfig};
use aws_credential_types::Credentials;
use aws_sdk_s3::{
    Client,
    config::{Builder, RequestChecksumCalculation},
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream as SdkByteStream,
    types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, MetadataDirective},
};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use crate::domain::instant::Instant;

use super::{
    ByteRange, ByteStream, ContentType, CopyError, DownloadContract, ETag, LONGEST_UPLOAD, ObjectFacts, ObjectKey,
    ObjectStorage, SignedRequest, Unavailable, UploadContract, encode::percent_encode,
};

use self::{
    credentials::CachedCredentials,
    presign::{Signing, Window},
    settings::Address,
};

pub use settings::{NotUsable, S3Settings};

/// SigV4 knows no longer URL.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(7 * 24 * 3600);

/// S3 copies 5 GB at a few hundred MB a second, and answers when it is done.
const LONGEST_COPY: Duration = Duration::from_secs(300);

/// Objects in one bucket.
pub struct S3Storage {
    client: Client,
    credentials: CachedCredentials,
    /// Where clients send what is signed for them.
    public: Address,
    bucket: String,
    region: String,
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
    pub fn new(settings: S3Settings, sdk_config: &SdkConfig) -> Result<Self, NotUsable> {
        let provider = sdk_config.credentials_provider().ok_or(NotUsable::NoCredentials)?;
        let public = Address::of(&settings)?;

        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .operation_attempt_timeout(Duration::from_secs(10))
            .operation_timeout(Duration::from_secs(25))
            .build();
        let mut builder = Builder::from(sdk_config)
            .region(Region::new(settings.region.clone()))
            .force_path_style(settings.path_style)
            .timeout_config(timeouts)
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
            credentials: CachedCredentials::new(provider),
            public,
            bucket: settings.bucket,
            region: settings.region,
        })
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
            sha256: full_sha256(head.checksum_type(), head.checksum_sha256()),
        }))
    }

    /// The facts of what was just written, by a request that answered this ETag.
    async fn written(&self, key: &ObjectKey, etag: Option<&str>) -> Result<ObjectFacts, Unavailable> {
        let facts = self.stored(key).await?;
        facts
            .filter(|facts| Some(facts.etag.0.as_str()) == etag)
            .ok_or_else(|| Unavailable("an object was replaced or removed right after it was written".into()))
    }

    /// The credentials that sign now, and from when until when they may.
    async fn signer(
        &self,
        now: Instant,
        until: Instant,
        longest: Duration,
    ) -> Result<(Credentials, Window), Unavailable> {
        let credentials = self.credentials.at(now).await?;
        let window = Window::new(now, until, longest, &credentials)?;
        Ok((credentials, window))
    }

    fn signing<'a>(&'a self, (credentials, window): &'a (Credentials, Window)) -> Signing<'a> {
        Signing { address: &self.public, region: &self.region, credentials, window: *window }
    }
}

#[async_trait]
impl ObjectStorage for S3Storage {
    async fn sign_put(&self, contract: &UploadContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        let signer = self.signer(now, contract.expires_at, LONGEST_UPLOAD).await?;
        presign::put(contract, &self.signing(&signer))
    }

    async fn sign_post(&self, contract: &UploadContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        let signer = self.signer(now, contract.expires_at, LONGEST_UPLOAD).await?;
        post_policy::post(contract, &self.bucket, &self.signing(&signer))
    }

    async fn sign_get(&self, contract: &DownloadContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        let signer = self.signer(now, contract.expires_at, LONGEST_DOWNLOAD).await?;
        presign::get(contract, &self.signing(&signer))
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
    ) -> Result<ObjectFacts, CopyError> {
        let timeouts =
            TimeoutConfig::builder().operation_attempt_timeout(LONGEST_COPY).operation_timeout(LONGEST_COPY).build();
        let answer = self
            .client
            .copy_object()
            .bucket(&self.bucket)
            .key(to.as_str())
            .copy_source(format!("{}/{}", self.bucket, percent_encode(from.as_str(), b"/")))
            .copy_source_if_match(&pinned.0)
            .metadata_directive(MetadataDirective::Replace)
            .content_type(content_type.as_str())
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .customize()
            .config_override(aws_sdk_s3::config::Config::builder().timeout_config(timeouts))
            .send()
            .await;
        let copied = match answer {
            Err(error) if is_changed(&error) => return Err(CopyError::Changed),
            other => other.map_err(|error| unavailable("CopyObject", &error))?,
        };
        let etag = copied.copy_object_result().and_then(|result| result.e_tag());
        let facts = self.written(to, etag).await?;
        match facts.sha256 {
            Some(_) => Ok(facts),
            None => Err(Unavailable("CopyObject computed no SHA-256".into()).into()),
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
        Ok(ObjectFacts { size, etag: ETag(etag.into()), content_type: content_type.clone(), sha256: Some(sha256) })
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

    async fn delete(&self, key: &ObjectKey) -> Result<(), Unavailable> {
        let answer = self.client.delete_object().bucket(&self.bucket).key(key.as_str()).send().await;
        match answer {
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            other => other.map(|_| ()).map_err(|error| unavailable("DeleteObject", &error)),
        }
    }

    fn browser_origin(&self) -> String {
        self.public.origin().to_owned()
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        let answer = self.client.head_bucket().bucket(&self.bucket).send().await;
        answer.map(|_| ()).map_err(|error| unavailable("HeadBucket", &error))
    }
}

/// The SHA-256 of all the bytes. A composite one (of a multipart upload) is a hash of hashes.
fn full_sha256(kind: Option<&ChecksumType>, encoded: Option<&str>) -> Option<[u8; 32]> {
    let full = !matches!(kind, Some(ChecksumType::Composite));
    let decoded = encoded.filter(|_| full).and_then(|text| STANDARD.decode(text).ok())?;
    decoded.try_into().ok()
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Whether a copy failed because its source is not, or no longer, what was pinned.
fn is_changed<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(error.code(), Some("PreconditionFailed" | "NoSuchKey"))
}

/// Says what failed, without the request: its headers and URL are none of the log's business.
fn unavailable<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> Unavailable
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
    fn only_a_checksum_of_all_the_bytes_counts() {
        let encoded = STANDARD.encode([7; 32]);
        assert_eq!(full_sha256(Some(&ChecksumType::FullObject), Some(&encoded)), Some([7; 32]));
        assert_eq!(full_sha256(None, Some(&encoded)), Some([7; 32]));
        assert_eq!(full_sha256(Some(&ChecksumType::Composite), Some(&encoded)), None);
        assert_eq!(full_sha256(None, Some(&format!("{encoded}-3"))), None);
        assert_eq!(full_sha256(None, None), None);
    }
}
