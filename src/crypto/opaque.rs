//! Opaque tokens: 256 random bits of which only the SHA-256 is ever stored.
//!
//! A token and its hash are different types: what is compared and stored can
//! not be mistaken for what is handed out.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{domain::tenant::Mode, entropy::Entropy};

use super::{
    digest::{self, Sha256Digest},
    secret::SecretText,
};

/// The text is no token of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token of this kind")]
pub struct NotAToken;

fn generate(prefix: &str, entropy: &dyn Entropy) -> SecretText {
    let bytes = Zeroizing::new(entropy.bytes::<32>());
    SecretText::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes.as_ref())))
}

/// Whether the text is the prefix and 32 bytes in their one base64url spelling.
fn is_token(text: &str, prefix: &str) -> bool {
    let mut bytes = Zeroizing::new([0; 32]);
    let encoded = text.strip_prefix(prefix).filter(|encoded| encoded.len() == 43);
    encoded.is_some_and(|encoded| URL_SAFE_NO_PAD.decode_slice(encoded, bytes.as_mut()) == Ok(32))
}

/// SHA-256 of a whole token text, prefix included.
macro_rules! token_hash {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(Sha256Digest);

        impl $name {
            /// The hash that these 64 hexadecimal digits spell.
            pub fn from_hexadecimal(text: &str) -> Option<Self> {
                let mut digest = [0; 32];
                (base16ct::lower::decode(text, &mut digest).ok()?.len() == 32).then_some(Self(digest))
            }
        }

        impl fmt::Display for $name {
            /// As 64 hexadecimal digits, the way rows are keyed by it.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base16ct::lower::encode_string(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

token_hash!(/** What is stored of a link token. */ LinkTokenHash);
token_hash!(/** What is stored of an API key. */ ApiKeyHash);
token_hash!(/** What is stored of a file request's token. */ FileRequestTokenHash);
token_hash!(/** What is stored of a console session's secret. */ ConsoleSecretHash);

impl LinkTokenHash {
    /// The first 128 bits, to which claims of the link are bound.
    pub fn first_half(&self) -> [u8; 16] {
        let mut half = [0; 16];
        half.copy_from_slice(&self.0[..16]);
        half
    }
}

/// A token of 43 random characters after a prefix of its kind.
macro_rules! opaque_token {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $hash:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(SecretText);

        impl $name {
            const PREFIX: &str = $prefix;

            /// A new one.
            pub fn generate(entropy: &dyn Entropy) -> Self {
                Self(generate(Self::PREFIX, entropy))
            }

            /// Checks the form of a text.
            ///
            /// # Errors
            /// When it has not the form of such a token.
            pub fn parse(text: &SecretText) -> Result<Self, NotAToken> {
                if is_token(text.expose(), Self::PREFIX) { Ok(Self(text.clone())) } else { Err(NotAToken) }
            }

            /// What is stored of it.
            pub fn hash(&self) -> $hash {
                $hash(digest::of(self.0.expose().as_bytes()))
            }

            /// The token itself, for the response that hands it out.
            pub fn expose(&self) -> &str {
                self.0.expose()
            }
        }
    };
}

opaque_token!(/** A link token: `crl_` and 43 characters. */ LinkToken, "crl_", LinkTokenHash);
opaque_token!(
    /** The token of a file request: `crf_` and 43 characters. */
    FileRequestToken, "crf_", FileRequestTokenHash
);
opaque_token!(
    /** The secret of a console session: `crc_` and 43 characters. */
    ConsoleSecret, "crc_", ConsoleSecretHash
);

/// An API key: `crk_live_` or `crk_test_` and 43 characters.
#[derive(Clone, Debug)]
pub struct ApiKeySecret {
    mode: Mode,
    text: SecretText,
}

impl ApiKeySecret {
    const fn prefix(mode: Mode) -> &'static str {
        match mode {
            Mode::Live => "crk_live_",
            Mode::Test => "crk_test_",
        }
    }

    /// A new one for this mode.
    pub fn generate(mode: Mode, entropy: &dyn Entropy) -> Self {
        Self { mode, text: generate(Self::prefix(mode), entropy) }
    }

    /// Checks the form of a text.
    ///
    /// # Errors
    /// When it has not the form of an API key.
    pub fn parse(text: &SecretText) -> Result<Self, NotAToken> {
        [Mode::Live, Mode::Test]
            .into_iter()
            .find(|mode| is_token(text.expose(), Self::prefix(*mode)))
            .map(|mode| Self { mode, text: text.clone() })
            .ok_or(NotAToken)
    }

    /// Which namespace it opens, as its prefix says.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What is stored of it.
    pub fn hash(&self) -> ApiKeyHash {
        ApiKeyHash(digest::of(self.text.expose().as_bytes()))
    }

    /// What it is listed by: the prefix and four characters, 24 of its 256 bits.
    pub fn preview(&self) -> String {
        let shown = Self::prefix(self.mode).len() + 4;
        format!("{}…", &self.text.expose()[..shown])
    }

    /// The key itself, for the response that hands it out.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }
}

/// Digests in rows: base64url text.
pub(crate) mod base64_digest {
    use super::*;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(digest: &Sha256Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(digest))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sha256Digest, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text.as_ref()).map_err(D::Error::custom)?;
        bytes.try_into().map_err(|_| D::Error::custom("not 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn a_token_is_known_by_its_form() {
        let token = LinkToken::generate(&SystemEntropy);
        assert_eq!(token.expose().len(), 47);
        assert_eq!(LinkToken::parse(&SecretText::new(token.expose())).unwrap().hash(), token.hash());
        let body = &token.expose()[4..];
        for wrong in
            [body, &format!("crk_{body}"), &format!("crl_{body}="), &format!("crl_{}", &body[..42]), "crl_", ""]
        {
            assert!(LinkToken::parse(&SecretText::new(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_carries_its_mode_and_shows_little() {
        for mode in [Mode::Live, Mode::Test] {
            let key = ApiKeySecret::generate(mode, &SystemEntropy);
            assert_eq!(ApiKeySecret::parse(&SecretText::new(key.expose())).unwrap().mode(), mode);
            assert_eq!(key.preview().chars().count(), 14);
            assert!(!format!("{key:?}").contains(&key.expose()[13..]));
        }
    }

    #[test]
    fn the_stored_hash_is_plain_sha_256_of_the_text() {
        let token = LinkToken::generate(&SystemEntropy);
        let expected = base16ct::lower::encode_string(&digest::of(token.expose().as_bytes()));
        assert_eq!(token.hash().to_string(), expected);
    }

    #[test]
    fn a_hash_is_read_from_all_its_digits_alone_and_halved_at_its_half() {
        let hash = LinkToken::generate(&SystemEntropy).hash();
        let text = hash.to_string();
        assert_eq!(LinkTokenHash::from_hexadecimal(&text), Some(hash));
        for wrong in ["", &text[..62], &format!("{text}00"), &text.replace(|_| true, "g")] {
            assert_eq!(LinkTokenHash::from_hexadecimal(wrong), None, "{wrong}");
        }
        assert_eq!(base16ct::lower::encode_string(&hash.first_half()), text[..32]);
    }
}
