//! Edge cookies in CloudFront's own format: a custom policy for one host, signed
//! with ECDSA P-256 over SHA-256.
//!
//! Source: Amazon CloudFront Developer Guide, "Set signed cookies that use a
//! custom policy". The same cookies pass CloudFront and Cloakroom's own edge.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey},
};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::domain::instant::Instant;

use super::pem;

/// The names of the four cookies, in the order of [`EdgeCookies::values`].
pub const NAMES: [&str; 4] =
    ["CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id", "CloudFront-Hash-Algorithm"];

const HASH_ALGORITHM: &str = "SHA256";

/// What stands before the point in a SubjectPublicKeyInfo of P-256 (RFC 5480): id-ecPublicKey, secp256r1, a bit string.
const SPKI_OF_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The longest policy text that is looked at.
const LONGEST_POLICY: usize = 1024;

/// The signing key of the edge cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the edge signing key is not a P-256 key in PKCS #8")]
pub struct NotAnEdgeKey;

/// The cookies do not open this host now. It deliberately does not say why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no valid edge cookies")]
pub struct NotAdmitted;

/// The four cookies as name and value pairs.
#[derive(Clone, PartialEq, Eq)]
pub struct EdgeCookies {
    /// In the order of [`NAMES`].
    pub values: [String; 4],
}

impl EdgeCookies {
    /// Whether they name this key.
    pub(super) fn name(&self, key: &EdgeKey) -> bool {
        self.values[2] == key.key_pair_id
    }
}

impl fmt::Debug for EdgeCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EdgeCookies(…)")
    }
}

/// Signs edge cookies, and verifies them where Cloakroom itself is the edge.
pub struct EdgeKey {
    key_pair_id: String,
    key: EcdsaKeyPair,
}

impl EdgeKey {
    /// The key in this PKCS #8 document, known to the edge under this id.
    ///
    /// # Errors
    /// When the document holds no P-256 key.
    pub fn from_pkcs8(key_pair_id: impl Into<String>, pkcs8: &[u8]) -> Result<Self, NotAnEdgeKey> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &SystemRandom::new())
            .map_err(|_| NotAnEdgeKey)?;
        Ok(Self { key_pair_id: key_pair_id.into(), key })
    }

    /// A new key as a PKCS #8 document. ring draws from the operating system itself.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate_pkcs8() -> Result<Zeroizing<Vec<u8>>, NotAnEdgeKey> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .map_err(|_| NotAnEdgeKey)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// By what the edge knows it.
    pub fn id(&self) -> &str {
        &self.key_pair_id
    }

    /// The public key in PEM of a SubjectPublicKeyInfo (RFC 5480), as CloudFront takes it.
    pub fn public_key_pem(&self) -> String {
        pem::public_key(&[SPKI_OF_P256.as_slice(), self.public_key()].concat())
    }

    /// The public key as an uncompressed point (SEC 1 section 2.3.3), 65 bytes.
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// Cookies that open everything on this origin (`https://label.example`), until then.
    ///
    /// # Errors
    /// When the signature cannot be made.
    pub fn sign(&self, origin: &str, until: Instant) -> Result<EdgeCookies, NotAnEdgeKey> {
        let policy = policy(origin, until);
        let signature = self.key.sign(&SystemRandom::new(), policy.as_bytes()).map_err(|_| NotAnEdgeKey)?;
        Ok(EdgeCookies {
            values: [
                encode(policy.as_bytes()),
                encode(signature.as_ref()),
                self.key_pair_id.clone(),
                HASH_ALGORITHM.to_owned(),
            ],
        })
    }

    /// Whether the cookies open this origin now, and until when.
    ///
    /// # Errors
    /// One and the same for everything that does not.
    pub fn verify(&self, cookies: &EdgeCookies, origin: &str, now: Instant) -> Result<Instant, NotAdmitted> {
        let [policy, signature, key_pair_id, hash_algorithm] = &cookies.values;
        if *key_pair_id != self.key_pair_id || hash_algorithm != HASH_ALGORITHM {
            return Err(NotAdmitted);
        }
        let policy = decode(policy).ok_or(NotAdmitted)?;
        let signature = decode(signature).ok_or(NotAdmitted)?;
        if !is_signed(self.public_key(), &policy, &signature) {
            return Err(NotAdmitted);
        }
        let Policy { statement: [statement] } = serde_json::from_slice(&policy).map_err(|_| NotAdmitted)?;
        let until = Instant::from_unix_seconds(statement.condition.date_less_than.epoch_time);
        if statement.resource == format!("{origin}/*") && now < until { Ok(until) } else { Err(NotAdmitted) }
    }
}

impl fmt::Debug for EdgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EdgeKey({}, …)", self.key_pair_id)
    }
}

/// Whether the key with this public half has signed it: ECDSA on P-256 over SHA-256 (FIPS 186-5), in ASN.1.
pub(super) fn is_signed(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public_key).verify(message, signature).is_ok()
}

/// Without white space, as CloudFront wants it. An origin has no character that JSON escapes.
fn policy(origin: &str, until: Instant) -> String {
    format!(
        r#"{{"Statement":[{{"Resource":"{origin}/*","Condition":{{"DateLessThan":{{"AWS:EpochTime":{}}}}}}}]}}"#,
        until.as_unix_seconds()
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    #[serde(rename = "Statement")]
    statement: [Statement; 1],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Resource")]
    resource: String,
    #[serde(rename = "Condition")]
    condition: Condition,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    #[serde(rename = "DateLessThan")]
    date_less_than: DateLessThan,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DateLessThan {
    #[serde(rename = "AWS:EpochTime")]
    epoch_time: u64,
}

/// Base64 with CloudFront's replacements: `+ = /` become `- _ ~`.
fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > LONGEST_POLICY * 2 || text.contains(['+', '=', '/']) {
        return None;
    }
    let standard = text.replace('-', "+").replace('_', "=").replace('~', "/");
    STANDARD.decode(standard).ok().filter(|bytes| bytes.len() <= LONGEST_POLICY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://abc.content.example";

    fn edge_key() -> EdgeKey {
        EdgeKey::from_pkcs8("K1", &EdgeKey::generate_pkcs8().unwrap()).unwrap()
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_unix_seconds(seconds)
    }

    #[test]
    fn cookies_open_their_own_host_until_they_end() {
        let key = edge_key();
        let cookies = key.sign(ORIGIN, at(1_000)).unwrap();
        assert_eq!(key.verify(&cookies, ORIGIN, at(999)), Ok(at(1_000)));
        assert_eq!(key.verify(&cookies, ORIGIN, at(1_000)), Err(NotAdmitted));
        assert_eq!(key.verify(&cookies, "https://abd.content.example", at(999)), Err(NotAdmitted));
        assert_eq!(key.verify(&cookies, "http://abc.content.example", at(999)), Err(NotAdmitted));
    }

    #[test]
    fn nothing_about_a_cookie_can_be_changed() {
        let key = edge_key();
        let good = key.sign(ORIGIN, at(1_000)).unwrap();
        let longer = key.sign("https://other.example", at(9_000)).unwrap();
        for index in 0..4 {
            for value in [String::new(), "x".into(), longer.values[index].clone() + "A", "~".repeat(4_000)] {
                let mut bad = good.clone();
                bad.values[index] = value;
                assert_eq!(key.verify(&bad, ORIGIN, at(1)), Err(NotAdmitted), "cookie {index}");
            }
        }
        let mut spliced = good.clone();
        spliced.values[0] = longer.values[0].clone();
        assert_eq!(key.verify(&spliced, ORIGIN, at(1)), Err(NotAdmitted));
        assert_eq!(edge_key().verify(&good, ORIGIN, at(1)), Err(NotAdmitted));
    }

    #[test]
    fn the_policy_is_written_as_cloudfront_documents_it() {
        assert_eq!(
            policy(ORIGIN, at(1_790_000_000)),
            r#"{"Statement":[{"Resource":"https://abc.content.example/*","Condition":{"DateLessThan":{"AWS:EpochTime":1790000000}}}]}"#
        );
        let cookies = edge_key().sign(ORIGIN, at(1_790_000_000)).unwrap();
        assert!(cookies.values.iter().all(|value| !value.contains(['+', '=', '/'])));
    }

    #[test]
    fn no_cookie_has_another_spelling() {
        let key = edge_key();
        let mut others = 0;
        // Of three lengths that follow each other two are padded.
        for origin in ["https://a.example", "https://ab.example", "https://abc.example"] {
            let good = key.sign(origin, at(1_000)).unwrap();
            assert!(key.verify(&good, origin, at(1)).is_ok());
            for index in 0..2 {
                let standard = good.values[index].replace('-', "+").replace('_', "=").replace('~', "/");
                if standard != good.values[index] {
                    others += 1;
                    let mut other = good.clone();
                    other.values[index] = standard;
                    assert_eq!(key.verify(&other, origin, at(1)), Err(NotAdmitted));
                }
            }
        }
        assert!(others > 0);
    }

    #[test]
    fn the_longest_host_has_cookies_that_open_it() {
        let key = edge_key();
        let origin = format!("https://{}.example", "a".repeat(900));
        let cookies = key.sign(&origin, at(1_000)).unwrap();
        assert!(cookies.values[0].len() > LONGEST_POLICY + 2);
        assert_eq!(key.verify(&cookies, &origin, at(1)), Ok(at(1_000)));
        let longer = format!("https://{}.example", "a".repeat(LONGEST_POLICY));
        assert_eq!(key.verify(&key.sign(&longer, at(1_000)).unwrap(), &longer, at(1)), Err(NotAdmitted));
    }

    #[test]
    fn the_public_key_is_written_as_others_read_it() {
        let key = edge_key();
        let pem = key.public_key_pem();
        assert!(
            pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.ends_with("-----END PUBLIC KEY-----\n"),
            "{pem}"
        );
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        assert_eq!(STANDARD.decode(body).unwrap(), [SPKI_OF_P256.as_slice(), key.public_key()].concat());
    }
}
