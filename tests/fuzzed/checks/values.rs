//! The small texts that strangers send, in bodies, queries and headers: whatever is taken prints as a text that is taken as
//! the same, and keeps what its type promises.

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use cloakroom::{
    crypto::{ed25519::PublicKey, keyring::Kid},
    domain::{
        file_request,
        idempotency::IdempotencyKey,
        identity::{Issuer, Subject},
        ids::{ArtifactId, RequestId, ShareId, TenantId, UploadId},
        instant::Instant,
        limits::Route,
        metadata::{MetadataKey, MetadataValue},
        network::Network,
        principal::PrincipalId,
        rate::Rate,
        recipient::{Address, Note},
        record_hash::RecordHash,
        text::Message,
        web_origin::WebOrigin,
        webhook::{self, Reachable, WebhookUrl},
    },
    objects::{ArtifactLabel, ContentType},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The input is the text, of each kind.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Spelled one way.
    exact::<TenantId>(text);
    exact::<ShareId>(text);
    exact::<UploadId>(text);
    exact::<ArtifactId>(text);
    exact::<RequestId>(text);
    exact::<PrincipalId>(text);
    for taken in [
        written::<WebOrigin>(text),
        written::<MetadataKey>(text),
        written::<MetadataValue>(text),
        written::<Message>(text),
        written::<Note>(text),
        written::<ContentType>(text),
        written::<RecordHash>(text),
        written::<PublicKey>(text),
        Issuer::parse(text).ok().map(|issuer| issuer.to_string()),
        Subject::parse(text).ok().map(|subject| subject.expose().to_owned()),
        ArtifactLabel::parse(text).map(|label| label.as_str().to_owned()),
        Kid::parse(text).map(|kid| kid.to_string()),
        IdempotencyKey::parse(text).ok().map(|key| String::from_utf8(key.as_bytes().to_vec()).unwrap()),
    ] {
        assert!(taken.is_none_or(|taken| taken == text), "{text:?}");
    }
    // Brought into the one spelling that they have.
    settles::<Network>(text);
    settles::<Rate>(text);
    let _ = written::<Network>(text);
    let _ = written::<file_request::TypePattern>(text);
    let _ = written::<webhook::TypePattern>(text);
    let _ = written::<Instant>(text);
    let _ = text.parse::<Route>();
    if let Some(address) = written::<Address>(text) {
        let is_plain = |character: char| !character.is_whitespace() && !character.is_control();
        assert!(address.chars().all(is_plain) && address.matches('@').count() == 1, "{address:?}");
    }
    if let Ok(content_type) = ContentType::parse(text) {
        assert!(content_type.as_str().bytes().all(|byte| (b' '..0x7f).contains(&byte)), "it is a header of its own");
    }
    check_webhook_url(text);
}

/// Parses, prints, and nothing is another.
fn exact<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

fn settles<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let printed = value.to_string();
        assert_eq!(printed.parse::<T>().ok().as_ref(), Some(&value), "{text:?} prints as {printed:?}");
    }
}

/// As a field of JSON has it: what is written of what was read is read, and written the same again.
fn written<T: DeserializeOwned + Serialize>(text: &str) -> Option<String> {
    let value: T = serde_json::from_value(Value::from(text)).ok()?;
    let written = serde_json::to_value(&value).unwrap_or_else(|fault| panic!("{text:?} cannot be written: {fault}"));
    let again: T = serde_json::from_value(written.clone()).unwrap_or_else(|fault| panic!("{text:?}: {fault}"));
    assert_eq!(serde_json::to_value(&again).unwrap(), written, "{text:?}");
    written.as_str().map(str::to_owned)
}

/// Nothing is sent to this machine, nor to those beside it, by an address that is written out.
fn check_webhook_url(text: &str) {
    let Ok(url) = WebhookUrl::parse(text, &Reachable::default()) else { return };
    let again = WebhookUrl::parse(url.as_str(), &Reachable::default()).expect("it prints as one that is taken");
    assert_eq!(again.as_str(), url.as_str());
    let (scheme, rest) = url.as_str().split_once("://").unwrap();
    let host = rest.split(['/', '?', '#']).next().unwrap();
    assert!(scheme == "https" && !host.contains('@'), "{url:?} {text:?}");
    for inside in ["127.", "10.", "192.168.", "169.254.", "0.", "[::1]", "[::]", "[fe80:", "[fd"] {
        let is_address = host.starts_with('[') || host.split(':').next().is_some_and(is_four_numbers);
        assert!(!(is_address && host.starts_with(inside)), "{text:?}");
    }
}

fn is_four_numbers(host: &str) -> bool {
    host.split('.').count() == 4 && host.split('.').all(|part| part.parse::<u8>().is_ok())
}
