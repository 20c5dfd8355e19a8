//! Signatures of what is sent to others over HTTP, as the Standard Webhooks specification says: HMAC-SHA256 over
//! `{id}.{timestamp}.{body}`, under a secret that both sides know.
//!
//! Never here: what is sent, to whom, and for how long a secret signs along that was replaced.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::Mac;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::{domain::instant::Instant, entropy::Entropy};

use super::{primitives::hmac, secret::SecretText};

const PREFIX: &str = "whsec_";

/// What stands before each signature, and tells how it was made.
const VERSION: &str = "v1,";

/// How many bytes a secret may have.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// How far the time of a message may be from now: older ones may be those of somebody who has listened.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The text is no secret of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not of the form whsec_ and 24 to 64 bytes in base64")]
pub struct NotASecret;

/// A message was not signed by who should have, or not lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not signed by the holder of this secret, or too long ago")]
pub struct NotSigned;

/// What both sides know, and nobody else: 24 to 64 bytes, 32 where it was drawn here. As text, `whsec_` and its base64.
/// It is written into sealed fields of rows, and shown to those who have to verify; nowhere else.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// A new one.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(Zeroizing::new(entropy.bytes::<32>().to_vec()))
    }

    /// Reads one from its text.
    ///
    /// # Errors
    /// When it has another form or length.
    pub fn parse(text: &SecretText) -> Result<Self, NotASecret> {
        let encoded = text.expose().strip_prefix(PREFIX).ok_or(NotASecret)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| NotASecret)?);
        if LENGTHS.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(NotASecret) }
    }

    /// Its text, for who has to verify with it.
    pub fn text(&self) -> SecretText {
        SecretText::new(format!("{PREFIX}{}", Zeroizing::new(STANDARD.encode(self.0.as_slice())).as_str()))
    }

    /// The signature of one message: `v1,` and 44 characters. The time counts in whole seconds.
    pub fn sign(&self, id: &str, at: Instant, body: &[u8]) -> String {
        let mut mac = hmac(&self.0);
        mac.update(format!("{id}.{}.", at.as_unix_seconds()).as_bytes());
        mac.update(body);
        format!("{VERSION}{}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// Verifies a message by the value of its `webhook-signature`, which may hold several signatures, one space between two.
    ///
    /// # Errors
    /// When none of them is this secret's, or the message is from more than five minutes before or after `now`. Which of the
    /// two it was is not told, and each signature takes as long as another.
    pub fn verify(&self, id: &str, at: Instant, body: &[u8], signatures: &str, now: Instant) -> Result<(), NotSigned> {
        let expected = self.sign(id, at, body);
        let none = Choice::from(0);
        let found = signatures
            .split(' ')
            .fold(none, |found, signature| found | signature.as_bytes().ct_eq(expected.as_bytes()));
        let is_of_now = now.since(at).max(at.since(now)) <= TOLERANCE;
        if bool::from(found) && is_of_now { Ok(()) } else { Err(NotSigned) }
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

impl Serialize for WebhookSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text().expose())
    }
}

impl<'de> Deserialize<'de> for WebhookSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&SecretText::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const AT: Instant = Instant::from_unix_seconds(1_614_265_330);

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret::parse(&SecretText::new(text)).unwrap()
    }

    fn published() -> WebhookSecret {
        secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    }

    /// What the reference libraries of the specification test themselves with.
    #[test]
    fn a_signature_is_that_of_the_published_vector() {
        assert_eq!(published().sign(ID, AT, BODY), SIGNATURE);
        published().verify(ID, AT, BODY, SIGNATURE, AT).unwrap();
    }

    #[test]
    fn everything_that_is_signed_counts() {
        let secret = published();
        let verify = |id, at, body, signatures: &str| secret.verify(id, at, body, signatures, AT);
        assert_eq!(verify("msg_other", AT, BODY, SIGNATURE), Err(NotSigned));
        assert_eq!(verify(ID, AT.plus(Duration::from_secs(1)), BODY, SIGNATURE), Err(NotSigned));
        assert_eq!(verify(ID, AT, br#"{"test": 2432232315}"#, SIGNATURE), Err(NotSigned));
        for wrong in ["", "v1,", &SIGNATURE[3..], &SIGNATURE[..46], &format!("v2,{}", &SIGNATURE[3..])] {
            assert_eq!(verify(ID, AT, BODY, wrong), Err(NotSigned), "{wrong}");
        }
        let other = WebhookSecret::draw(&SystemEntropy);
        assert_eq!(other.verify(ID, AT, BODY, SIGNATURE, AT), Err(NotSigned));
    }

    #[test]
    fn one_of_several_signatures_is_enough() {
        let (old, new) = (published(), WebhookSecret::draw(&SystemEntropy));
        let both = format!("{} {}", new.sign(ID, AT, BODY), old.sign(ID, AT, BODY));
        old.verify(ID, AT, BODY, &both, AT).unwrap();
        new.verify(ID, AT, BODY, &both, AT).unwrap();
    }

    #[test]
    fn what_was_signed_long_ago_or_is_to_come_is_refused() {
        let secret = published();
        let now = |now| secret.verify(ID, AT, BODY, SIGNATURE, now);
        now(AT.plus(TOLERANCE)).unwrap();
        now(AT.minus(TOLERANCE)).unwrap();
        assert_eq!(now(AT.plus(TOLERANCE + Duration::from_secs(1))), Err(NotSigned));
        assert_eq!(now(AT.minus(TOLERANCE + Duration::from_secs(1))), Err(NotSigned));
    }

    #[test]
    fn a_secret_comes_back_from_its_text_and_from_where_it_is_kept() {
        let drawn = WebhookSecret::draw(&SystemEntropy);
        assert_eq!(drawn.0.len(), 32);
        assert_eq!(secret(drawn.text().expose()).0, drawn.0);
        let kept = serde_json::to_string(&drawn).unwrap();
        assert_eq!(serde_json::from_str::<WebhookSecret>(&kept).unwrap().0, drawn.0);
        assert_ne!(WebhookSecret::draw(&SystemEntropy).0, drawn.0);
        assert_eq!(format!("{drawn:?}"), "WebhookSecret(…)");
    }

    #[test]
    fn a_secret_has_24_to_64_bytes() {
        let of = |bytes: usize| SecretText::new(format!("{PREFIX}{}", STANDARD.encode(vec![7; bytes])));
        for length in [24, 32, 64] {
            assert!(WebhookSecret::parse(&of(length)).is_ok(), "{length}");
        }
        for length in [0, 23, 65] {
            assert_eq!(WebhookSecret::parse(&of(length)).err(), Some(NotASecret), "{length}");
        }
        let text = of(32).expose().to_owned();
        for wrong in [&text[6..], &text.replace('=', ""), &text.replace("whsec_", "whsec-"), &format!("{text} "), ""] {
            assert_eq!(WebhookSecret::parse(&SecretText::new(wrong)).err(), Some(NotASecret), "{wrong}");
        }
    }
}
