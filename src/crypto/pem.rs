//! Public keys as text, the one way that `openssl` and CloudFront read them.

use base64::{Engine, engine::general_purpose::STANDARD};

/// How long a line is (RFC 7468 section 2).
const LINE: usize = 64;

/// PEM (RFC 7468 section 13) of a SubjectPublicKeyInfo.
pub(super) fn public_key(spki: &[u8]) -> String {
    let text = STANDARD.encode(spki);
    let lines: Vec<_> = text.as_bytes().chunks(LINE).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}
