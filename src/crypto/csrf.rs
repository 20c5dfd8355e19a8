//! Tokens against forged requests: what a page has to repeat in a header, to
//! show that it can read the cookies of our own origin.
//!
//! HMAC-SHA256 (RFC 2104) of a label under the session's secret: whoever can
//! set a cookie of ours, but not read one, cannot make up a pair that matches.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Mac;
use subtle::ConstantTimeEq;

use super::{digest::framed, opaque::ConsoleSecret, primitives::hmac, secret::SecretText};

const LABEL: &[u8] = b"cloakroom/console/v1|csrf";

impl ConsoleSecret {
    /// The token that belongs to this session, and to no other: 43 characters.
    pub fn csrf_token(&self) -> SecretText {
        let mut mac = hmac(self.expose().as_bytes());
        mac.update(&framed(&[LABEL]));
        SecretText::new(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    /// Whether this text is the token. Takes as long for a wrong one.
    pub fn accepts_csrf(&self, presented: &str) -> bool {
        self.csrf_token().expose().as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn a_session_accepts_its_own_token_alone() {
        let (one, other) = (ConsoleSecret::generate(&SystemEntropy), ConsoleSecret::generate(&SystemEntropy));
        let token = one.csrf_token();
        assert_eq!(token.expose().len(), 43);
        assert!(one.accepts_csrf(token.expose()));
        assert!(!other.accepts_csrf(token.expose()));
        for wrong in ["", &token.expose()[..42], one.expose(), &one.hash().to_string()] {
            assert!(!one.accepts_csrf(wrong));
        }
    }

    #[test]
    fn the_token_is_hmac_under_a_label_of_its_own() {
        // printf '\0\0\0\031cloakroom/console/v1|csrf' | openssl dgst -sha256 -hmac crc_AAAA… -binary | basenc --base64url
        let secret = ConsoleSecret::parse(&SecretText::new(format!("crc_{}", "A".repeat(43)))).unwrap();
        assert_eq!(secret.csrf_token().expose(), "lQH6nAJ_XIZkwZ5papUpu1B4f5bDG7TrE0nneVbj2PI");
    }
}
