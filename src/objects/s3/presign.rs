//! Pre-signed PUT and GET: AWS Signature Version 4 in the query.
//!
//! The signature covers exactly the headers named here. A constraint binds
//! only as a signed header: S3 ignores a checksum in the query, so none is
//! ever put there. Should the signer leave a header out, that is an error.

use std::{
    collections::BTreeMap,
    fmt::Display,
    time::{Duration, UNIX_EPOCH},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    domain::instant::Instant,
    objects::{DownloadContract, PartContract, SignedRequest, Unavailable, UploadContract, encode::percent_encode},
};

use super::settings::Address;

/// From when until when a signature holds. SigV4 counts whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    begin: u64,
    end: u64,
}

impl Window {
    /// Ends with the earliest of `until`, `longest` from now and the credentials, rounded down.
    pub(super) fn new(
        now: Instant,
        until: Instant,
        longest: Duration,
        credentials: &Credentials,
    ) -> Result<Self, Unavailable> {
        let begin = now.as_unix_seconds();
        // From the whole second: SigV4 counts from there.
        let end = until.min(Instant::from_unix_seconds(begin).plus(longest));
        let end = expiry_of(credentials).map_or(end, |expiry| end.min(expiry)).as_unix_seconds();
        if begin < end {
            Ok(Self { begin, end })
        } else {
            Err(Unavailable("what was to be signed has ended, or the credentials have".into()))
        }
    }

    /// When it was signed, in seconds since the epoch.
    pub(super) fn begin(self) -> u64 {
        self.begin
    }

    /// When it ends.
    pub(super) fn end(self) -> Instant {
        Instant::from_unix_seconds(self.end)
    }

    fn length(self) -> Duration {
        Duration::from_secs(self.end - self.begin)
    }
}

/// When the credentials end, if they say.
pub(crate) fn expiry_of(credentials: &Credentials) -> Option<Instant> {
    let since_epoch = credentials.expiry()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(Instant::from_unix_seconds(since_epoch.as_secs()))
}

/// What every signature needs besides its contract.
pub(super) struct Signing<'a> {
    pub(super) address: &'a Address,
    pub(super) region: &'a str,
    pub(super) credentials: &'a Credentials,
    pub(super) window: Window,
}

/// A PUT of exactly this object, where nothing is yet.
pub(super) fn put(contract: &UploadContract, signing: &Signing<'_>) -> Result<SignedRequest, Unavailable> {
    let mut headers = BTreeMap::from([
        ("content-type".to_owned(), contract.content_type.as_str().to_owned()),
        ("if-none-match".to_owned(), "*".to_owned()),
    ]);
    if let Some(sha256) = contract.sha256 {
        headers.insert("x-amz-checksum-sha256".into(), STANDARD.encode(sha256));
    }
    let mut signed = headers.clone();
    // Every client sets this one by itself, and S3 holds it to the signature.
    signed.insert("content-length".into(), contract.size.to_string());

    let url = signed_url("PUT", signing.address.object(&contract.key), &[], &signed, signing)?;
    Ok(SignedRequest { method: "PUT", url, headers, fields: BTreeMap::new(), expires_at: signing.window.end() })
}

/// A PUT of exactly this part.
pub(super) fn part(contract: &PartContract, signing: &Signing<'_>) -> Result<SignedRequest, Unavailable> {
    let mut headers = BTreeMap::new();
    if let Some(sha256) = contract.sha256 {
        headers.insert("x-amz-checksum-sha256".to_owned(), STANDARD.encode(sha256));
    }
    let mut signed = headers.clone();
    // Every client sets this one by itself, and S3 holds it to the signature.
    signed.insert("content-length".into(), contract.size.to_string());
    let query = [("partNumber", contract.number.to_string()), ("uploadId", contract.upload.0.clone())];
    let url = signed_url("PUT", signing.address.object(&contract.key), &query, &signed, signing)?;
    Ok(SignedRequest { method: "PUT", url, headers, fields: BTreeMap::new(), expires_at: signing.window.end() })
}

/// A GET, answered with the type and disposition of the contract.
pub(super) fn get(contract: &DownloadContract, signing: &Signing<'_>) -> Result<SignedRequest, Unavailable> {
    let query = [
        ("response-content-disposition", contract.disposition.header_value()),
        ("response-content-type", contract.content_type.as_str().to_owned()),
    ];
    let headers = BTreeMap::new();
    let url = signed_url("GET", signing.address.object(&contract.key), &query, &headers, signing)?;
    Ok(SignedRequest { method: "GET", url, headers, fields: BTreeMap::new(), expires_at: signing.window.end() })
}

fn signed_url(
    method: &str,
    mut url: String,
    query: &[(&str, String)],
    headers: &BTreeMap<String, String>,
    signing: &Signing<'_>,
) -> Result<String, Unavailable> {
    let fault = |what: &dyn Display| Unavailable(format!("could not sign a {method}: {what}"));
    append(&mut url, query.iter().map(|(name, value)| (*name, value.as_str())));

    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(signing.window.length());
    // S3 signs the path as it is sent.
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.excluded_headers = None;
    let identity = signing.credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(signing.region)
        .name("s3")
        .time(UNIX_EPOCH + Duration::from_secs(signing.window.begin()))
        .settings(settings)
        .build()
        .map_err(|error| fault(&error))?
        .into();
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let request = SignableRequest::new(method, url.as_str(), pairs, SignableBody::UnsignedPayload)
        .map_err(|error| fault(&error))?;
    let (instructions, _) = sign(request, &parameters).map_err(|error| fault(&error))?.into_parts();
    let (_, mut parameters) = instructions.into_parts();

    let mut constraints: Vec<&str> = headers.keys().map(String::as_str).chain(["host"]).collect();
    constraints.sort_unstable();
    let covered = parameters.iter().find(|(name, _)| *name == "X-Amz-SignedHeaders");
    if covered.is_none_or(|(_, names)| *names != constraints.join(";")) {
        return Err(fault(&"a header was left out of the signature"));
    }
    // The signature comes last, as other signers write it.
    parameters.sort_by_key(|(name, _)| *name == "X-Amz-Signature");
    append(&mut url, parameters.iter().map(|(name, value)| (*name, value.as_ref())));
    Ok(url)
}

fn append<'a>(url: &mut String, query: impl Iterator<Item = (&'a str, &'a str)>) {
    for (name, value) in query {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(name);
        url.push('=');
        url.push_str(&percent_encode(value, b""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_unix_millis(1_790_000_000_900);

    fn window(until_seconds: u64, longest: u64, credentials_end: Option<u64>) -> Option<u64> {
        let end = credentials_end.map(|seconds| UNIX_EPOCH + Duration::from_secs(1_790_000_000 + seconds));
        let credentials = Credentials::new("AK", "secret", None, end, "test");
        let until = Instant::from_unix_millis(1_790_000_000_999).plus(Duration::from_secs(until_seconds));
        let window = Window::new(NOW, until, Duration::from_secs(longest), &credentials).ok()?;
        Some(window.length().as_secs())
    }

    #[test]
    fn a_signature_ends_with_the_earliest_limit_rounded_down() {
        assert_eq!(window(60, 600, None), Some(60));
        assert_eq!(window(6000, 600, None), Some(600));
        assert_eq!(window(6000, 600, Some(7)), Some(7));
        assert_eq!(window(0, 600, None), None);
        assert_eq!(window(60, 600, Some(0)), None);
    }
}
