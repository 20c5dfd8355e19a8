//! Signed tokens in compact form: JSON Web Signature (RFC 7515), strictly.
//!
//! ```text
//! token     = base64url(header) "." base64url(claims) "." base64url(signature)
//! signature = sign(key, ASCII(base64url(header) "." base64url(claims)))
//! ```
//!
//! The header says which of the accepted algorithms it is, and which of the
//! issuer's keys; nothing else in it is looked at. A key or an address in it (`jwk`,
//! `jku`, `x5c`, `x5u`) counts for nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{
    json::{self, Present, present},
    rejected::{Rejected, TokenKind},
};

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;

/// The algorithms that are accepted (RFC 7518, section 3.1; RFC 8037). All are
/// asymmetric: there is no value for `none`, and none for HMAC, under which a
/// public key would become a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// By its name, which is exact.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            // The second name is RFC 9864's.
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<Present>,
}

/// A token whose form is right. Its signature is not verified yet.
pub(super) struct Jws<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key: Option<String>,
    kind: Option<String>,
    pub(super) signed: &'a str,
    pub(super) claims: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// Base64url has one spelling here: no padding, and no bits that are left over.
fn decoded(text: &str) -> Result<Vec<u8>, Rejected> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Rejected::NotCompact)
}

impl<'a> Jws<'a> {
    /// Takes a token apart.
    pub(super) fn parse(text: &'a str) -> Result<Self, Rejected> {
        if text.len() > LONGEST {
            return Err(Rejected::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Rejected::NotCompact)?;
        let (header, claims) = signed.split_once('.').ok_or(Rejected::NotCompact)?;
        // A further dot is no character of base64url.
        let (header, claims, signature) = (decoded(header)?, decoded(claims)?, decoded(signature)?);
        let header: Header = json::object(&header).ok_or(Rejected::Malformed("header"))?;
        if header.crit.is_some() {
            return Err(Rejected::CriticalExtension);
        }
        Ok(Self {
            algorithm: Algorithm::named(&header.alg).ok_or(Rejected::Algorithm)?,
            key: header.kid,
            kind: header.typ,
            signed,
            claims,
            signature,
        })
    }

    /// Whether its type is that of this kind of token (RFC 9068, section 4; RFC 8725, section 3.11).
    pub(super) fn is_typed(&self, wanted: TokenKind) -> bool {
        let kind = self.kind.as_deref().map(|kind| kind.to_ascii_lowercase());
        match wanted {
            TokenKind::Access => matches!(kind.as_deref(), Some("at+jwt" | "application/at+jwt")),
            TokenKind::Id => matches!(kind.as_deref(), None | Some("jwt" | "application/jwt")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> String {
        [header, "{}", "signature"].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
    }

    fn fault(text: &str) -> Rejected {
        Jws::parse(text).err().unwrap_or_else(|| panic!("taken: {text}"))
    }

    #[test]
    fn a_token_is_three_parts_in_their_one_spelling() {
        let right = token(r#"{"alg":"ES256"}"#);
        let parsed = Jws::parse(&right).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!((parsed.algorithm, parsed.claims.as_slice()), (Algorithm::Es256, b"{}".as_slice()));
        assert_eq!(format!("{}.{}", parsed.signed, URL_SAFE_NO_PAD.encode(&parsed.signature)), right);
        let [header, claims, signature] = right.split('.').collect::<Vec<_>>().try_into().unwrap();
        for wrong in [
            String::new(),
            "..".into(),
            header.into(),
            format!("{header}.{claims}"),
            format!("{right}."),
            format!("{right}.{signature}"),
            format!("{header}.{claims}=.{signature}"),
            format!("{header}.{claims}.{signature}=="),
            format!("{header}.{claims}.{signature}\n"),
            format!(" {right}"),
            // `e30` is `{}`; the last two bits of another last letter are left over.
            format!("{header}.e31.{signature}"),
            format!("{header}.e3+.{signature}"),
        ] {
            assert!(matches!(fault(&wrong), Rejected::NotCompact | Rejected::Malformed("header")), "{wrong}");
        }
        assert_eq!(fault(&format!("{right}{}", "A".repeat(LONGEST))), Rejected::TooLong);
    }

    #[test]
    fn no_algorithm_but_four_is_accepted() {
        for name in [
            "none", "None", "NONE", "nOnE", "", " none", "HS256", "HS384", "HS512", "hs256", "rs256", "RS384", "RS512",
            "ES256K", "ES384", "dir", "RSA-OAEP", "A128GCM",
        ] {
            assert_eq!(fault(&token(&format!(r#"{{"alg":"{name}"}}"#))), Rejected::Algorithm, "{name}");
        }
        for header in
            ["{}", r#"{"alg":null}"#, r#"{"alg":["ES256"]}"#, r#"["ES256"]"#, r#"{"alg":"ES256","alg":"ES256"}"#]
        {
            assert_eq!(fault(&token(header)), Rejected::Malformed("header"), "{header}");
        }
        for header in [r#"{"alg":"ES256","crit":["b64"],"b64":false}"#, r#"{"alg":"ES256","crit":null}"#] {
            assert_eq!(fault(&token(header)), Rejected::CriticalExtension, "{header}");
        }
    }

    #[test]
    fn a_type_fits_one_kind_at_most() {
        for (header, access, id) in [
            (r#"{"alg":"ES256"}"#, false, true),
            (r#"{"alg":"ES256","typ":"JWT"}"#, false, true),
            (r#"{"alg":"ES256","typ":"at+jwt"}"#, true, false),
            (r#"{"alg":"ES256","typ":"application/AT+JWT"}"#, true, false),
            (r#"{"alg":"ES256","typ":"logout+jwt"}"#, false, false),
            (r#"{"alg":"ES256","typ":""}"#, false, false),
        ] {
            let text = token(header);
            let parsed = Jws::parse(&text).unwrap_or_else(|fault| panic!("{fault}"));
            assert_eq!((parsed.is_typed(TokenKind::Access), parsed.is_typed(TokenKind::Id)), (access, id), "{header}");
        }
    }
}
