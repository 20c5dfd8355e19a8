//! Contracts sealed into URLs. What a URL may be used for is in its token and
//! nowhere else: a purpose for each method, so that none works for another.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    crypto::{keyring::Keyring, sealed::Purpose},
    domain::{ids::TenantId, instant::Instant},
    entropy::Entropy,
    objects::{
        ContentType, Disposition, DownloadContract, MultipartId, ObjectKey, PartContract, Unavailable, UploadContract,
    },
};

use super::refused::Refused;

/// Whose file it is. Of what is nobody's no URL is made.
fn owner(key: &ObjectKey) -> Result<TenantId, Unavailable> {
    key.owner().ok_or_else(|| Unavailable("a request for what is nobody's was to be signed".into()))
}

/// Short names, since all of this stands in a URL.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedUpload {
    k: String,
    o: TenantId,
    n: u64,
    t: ContentType,
    h: Option<[u8; 32]>,
    x: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedPart {
    k: String,
    o: TenantId,
    u: MultipartId,
    i: u32,
    p: u64,
    n: u64,
    h: Option<[u8; 32]>,
    x: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedDownload {
    k: String,
    o: TenantId,
    t: ContentType,
    d: Disposition,
    // URLs of the last minute are without it.
    #[serde(default)]
    h: Option<[u8; 32]>,
    x: u64,
}

pub(super) fn seal_upload(
    keyring: &Keyring,
    entropy: &dyn Entropy,
    purpose: Purpose,
    contract: &UploadContract,
) -> Result<String, Unavailable> {
    let sealed = SealedUpload {
        k: contract.key.as_str().into(),
        o: owner(&contract.key)?,
        n: contract.size,
        t: contract.content_type.clone(),
        h: contract.sha256,
        x: contract.expires_at.as_unix_millis(),
    };
    seal(keyring, entropy, purpose, &sealed)
}

pub(super) fn seal_part(
    keyring: &Keyring,
    entropy: &dyn Entropy,
    contract: &PartContract,
) -> Result<String, Unavailable> {
    let sealed = SealedPart {
        k: contract.key.as_str().into(),
        o: owner(&contract.key)?,
        u: contract.upload.clone(),
        i: contract.number,
        p: contract.part_size,
        n: contract.size,
        h: contract.sha256,
        x: contract.expires_at.as_unix_millis(),
    };
    seal(keyring, entropy, Purpose::ObjectPart, &sealed)
}

pub(super) fn seal_download(
    keyring: &Keyring,
    entropy: &dyn Entropy,
    contract: &DownloadContract,
) -> Result<String, Unavailable> {
    let sealed = SealedDownload {
        k: contract.key.as_str().into(),
        o: owner(&contract.key)?,
        t: contract.content_type.clone(),
        d: contract.disposition.clone(),
        h: contract.sha256,
        x: contract.expires_at.as_unix_millis(),
    };
    seal(keyring, entropy, Purpose::ObjectGet, &sealed)
}

fn seal(
    keyring: &Keyring,
    entropy: &dyn Entropy,
    purpose: Purpose,
    contract: &impl Serialize,
) -> Result<String, Unavailable> {
    let fault = |what: &dyn std::fmt::Display| Unavailable(format!("could not sign a request: {what}"));
    let plaintext = Zeroizing::new(serde_json::to_vec(contract).map_err(|error| fault(&error))?);
    keyring.seal(purpose, &plaintext, entropy).map_err(|error| fault(&error))
}

/// The contract of an upload that may begin now.
pub(super) fn open_upload(
    keyring: &Keyring,
    purpose: Purpose,
    token: &str,
    now: Instant,
) -> Result<UploadContract, Refused> {
    let sealed: SealedUpload = open(keyring, purpose, token)?;
    let contract = UploadContract {
        key: ObjectKey::from_sealed(sealed.k, Some(sealed.o)),
        size: sealed.n,
        content_type: sealed.t,
        sha256: sealed.h,
        expires_at: Instant::from_unix_millis(sealed.x),
    };
    if now < contract.expires_at { Ok(contract) } else { Err(Refused::NotSigned) }
}

/// The contract of a part that may begin now.
pub(super) fn open_part(keyring: &Keyring, token: &str, now: Instant) -> Result<PartContract, Refused> {
    let sealed: SealedPart = open(keyring, Purpose::ObjectPart, token)?;
    let contract = PartContract {
        key: ObjectKey::from_sealed(sealed.k, Some(sealed.o)),
        upload: sealed.u,
        number: sealed.i,
        part_size: sealed.p,
        size: sealed.n,
        sha256: sealed.h,
        expires_at: Instant::from_unix_millis(sealed.x),
    };
    if now < contract.expires_at { Ok(contract) } else { Err(Refused::NotSigned) }
}

/// The contract of a download that may begin now.
pub(super) fn open_download(keyring: &Keyring, token: &str, now: Instant) -> Result<DownloadContract, Refused> {
    let sealed: SealedDownload = open(keyring, Purpose::ObjectGet, token)?;
    let contract = DownloadContract {
        key: ObjectKey::from_sealed(sealed.k, Some(sealed.o)),
        content_type: sealed.t,
        disposition: sealed.d,
        sha256: sealed.h,
        expires_at: Instant::from_unix_millis(sealed.x),
    };
    if now < contract.expires_at { Ok(contract) } else { Err(Refused::NotSigned) }
}

fn open<T: for<'de> Deserialize<'de>>(keyring: &Keyring, purpose: Purpose, token: &str) -> Result<T, Refused> {
    let plaintext = keyring.open(purpose, token).map_err(|_| Refused::NotSigned)?;
    serde_json::from_slice(&plaintext).map_err(|_| Refused::NotSigned)
}

/// The headers that a PUT must carry, spelled as S3 spells them.
pub(super) fn put_headers(contract: &UploadContract) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::from([
        ("content-type".to_owned(), contract.content_type.as_str().to_owned()),
        ("if-none-match".to_owned(), "*".to_owned()),
    ]);
    if let Some(sha256) = contract.sha256 {
        headers.insert("x-amz-checksum-sha256".into(), STANDARD.encode(sha256));
    }
    headers
}

/// The headers that the PUT of a part must carry. Its type is nobody's business.
pub(super) fn part_headers(contract: &PartContract) -> BTreeMap<String, String> {
    contract.sha256.iter().map(|sha256| ("x-amz-checksum-sha256".to_owned(), STANDARD.encode(sha256))).collect()
}

/// The form fields that must come before the file, spelled as S3 spells them.
pub(super) fn post_fields(contract: &UploadContract) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::from([
        ("key".to_owned(), contract.key.as_str().to_owned()),
        ("Content-Type".to_owned(), contract.content_type.as_str().to_owned()),
    ]);
    if let Some(sha256) = contract.sha256 {
        fields.insert("x-amz-checksum-sha256".into(), STANDARD.encode(sha256));
    }
    fields
}
