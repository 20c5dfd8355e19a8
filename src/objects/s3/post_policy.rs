//! POST policies: form uploads that S3 holds to their contract. The SDK has none.
//!
//! Every condition is an equality (a range of one size included): there is
//! no `starts-with`, and no form field that the policy does not name.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use time::OffsetDateTime;

use crate::objects::{SignedRequest, Unavailable, UploadContract};

use super::presign::Signing;

/// A form POST of exactly this object.
pub(super) fn post(
    contract: &UploadContract,
    bucket: &str,
    signing: &Signing<'_>,
) -> Result<SignedRequest, Unavailable> {
    let key = contract.key.as_str();
    // S3 would put the name of the client's file in the place of a variable.
    if key.contains("${") {
        return Err(Unavailable("a key with a variable in it cannot be pinned by a form".into()));
    }
    let mut fields = vec![("Content-Type", contract.content_type.as_str().to_owned())];
    if let Some(sha256) = contract.sha256 {
        fields.push(("x-amz-checksum-algorithm", "SHA256".into()));
        fields.push(("x-amz-checksum-sha256", STANDARD.encode(sha256)));
    }
    let mut conditions: Vec<String> = fields.iter().map(|(name, value)| equals(name, value)).collect();
    conditions.push(format!(r#"["content-length-range", {size}, {size}]"#, size = contract.size));
    conditions.push(equals("bucket", bucket));
    conditions.push(equals("key", key));

    for (name, value) in signing_fields(signing)? {
        conditions.push(equals(name, &value));
        fields.push((name, value));
    }
    let document =
        format!(r#"{{"expiration": "{}", "conditions": [{}]}}"#, signing.window.end(), conditions.join(", "));
    let policy = STANDARD.encode(document);
    let moment = UNIX_EPOCH + Duration::from_secs(signing.window.begin());
    let signing_key = generate_signing_key(signing.credentials.secret_access_key(), moment, signing.region, "s3");
    fields.push(("x-amz-signature", calculate_signature(signing_key, policy.as_bytes())));
    fields.push(("policy", policy));
    fields.push(("key", key.into()));

    Ok(SignedRequest {
        method: "POST",
        url: signing.address.bucket().into(),
        headers: BTreeMap::new(),
        fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        expires_at: signing.window.end(),
    })
}

fn signing_fields(signing: &Signing<'_>) -> Result<Vec<(&'static str, String)>, Unavailable> {
    let begin = i64::try_from(signing.window.begin()).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let begin = begin.ok_or_else(|| Unavailable("the clock shows a year beyond 9999".into()))?;
    let date = format!("{:04}{:02}{:02}", begin.year(), u8::from(begin.month()), begin.day());
    let time = format!("{:02}{:02}{:02}", begin.hour(), begin.minute(), begin.second());
    let owner = signing.credentials.access_key_id();
    let mut fields = vec![
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("x-amz-credential", format!("{owner}/{date}/{}/s3/aws4_request", signing.region)),
        ("x-amz-date", format!("{date}T{time}Z")),
    ];
    if let Some(token) = signing.credentials.session_token() {
        fields.push(("x-amz-security-token", token.into()));
    }
    Ok(fields)
}

/// An equality, spaced as botocore spaces it, so that the two can be compared byte for byte.
fn equals(name: &str, value: &str) -> String {
    format!(r#"{{"{name}": {}}}"#, Value::from(value))
}
