//! The public keys of an issuer: JSON Web Keys (RFC 7517), and what they verify.
//!
//! A key verifies the algorithm of its own type and no other, so that a token
//! cannot choose to have one key taken for another kind of key.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    json,
    jws::{Algorithm, Jws},
    rejected::Rejected,
};

/// No issuer has more keys; what comes after is not looked at.
const MOST_KEYS: usize = 100;

/// The bits of an RSA modulus: at least what NIST SP 800-131A asks for, at most what does not take long to verify.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Entry {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys with which an issuer signs.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    name: Option<String>,
    /// Where the issuer wants it used for one algorithm alone.
    only_for: Option<String>,
    material: Result<Material, &'static str>,
}

#[derive(Debug)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point (SEC 1, section 2.3.3).
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

impl KeySet {
    /// The keys of a JWK set that are for signatures. One that cannot be used is kept with the reason.
    pub(super) fn parse(document: &[u8]) -> Option<Self> {
        let Document { keys } = json::object(document)?;
        Some(Self(keys.into_iter().take(MOST_KEYS).filter_map(Key::of).collect()))
    }

    /// How many of them can verify something.
    pub(super) fn usable(&self) -> usize {
        self.0.iter().filter(|key| key.material.is_ok()).count()
    }

    /// Whether the token is signed by one of them: the one that it names or, where it names none, the only one.
    pub(super) fn verify(&self, token: &Jws<'_>) -> Result<(), Rejected> {
        let named: Vec<_> = match &token.key {
            Some(name) => self.0.iter().filter(|key| key.name.as_ref() == Some(name)).collect(),
            None => self.0.iter().collect(),
        };
        match named.as_slice() {
            [] if token.key.is_some() => Err(Rejected::UnknownKey),
            [key] => key.verify(token),
            // No key is tried out.
            _ => Err(Rejected::AmbiguousKey),
        }
    }
}

impl Key {
    /// None for what is not meant for signatures, or of a type that none of the algorithms is for.
    fn of(value: Value) -> Option<Self> {
        let entry: Entry = serde_json::from_value(value).ok()?;
        if entry.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let material = match entry.kty.as_str() {
            "RSA" => rsa(&entry),
            "EC" => p256(&entry),
            "OKP" => ed25519(&entry),
            _ => return None,
        };
        Some(Self { name: entry.kid, only_for: entry.alg, material })
    }

    fn verify(&self, token: &Jws<'_>) -> Result<(), Rejected> {
        let material = self.material.as_ref().map_err(|why| Rejected::UnusableKey(why))?;
        let only_for = self.only_for.as_deref();
        if only_for.is_some_and(|only_for| Algorithm::named(only_for) != Some(token.algorithm)) {
            return Err(Rejected::KeyMismatch);
        }
        material.verify(token.algorithm, token.signed.as_bytes(), &token.signature)
    }
}

impl Material {
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), Rejected> {
        let verified = match (self, algorithm) {
            (Self::Rsa { modulus, exponent }, Algorithm::Rs256 | Algorithm::Ps256) => {
                let parameters: &RsaParameters = match algorithm {
                    Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
                    _ => &RSA_PKCS1_2048_8192_SHA256,
                };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, signature)
            }
            (Self::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Self::Ed25519(key), Algorithm::EdDsa) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            _ => return Err(Rejected::KeyMismatch),
        };
        verified.map_err(|_| Rejected::Signature)
    }
}

fn part(text: Option<&String>) -> Result<Vec<u8>, &'static str> {
    text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or("a part of it is missing, or cannot be read")
}

fn exactly<const N: usize>(text: Option<&String>) -> Result<[u8; N], &'static str> {
    part(text)?.try_into().map_err(|_| "a part of it has the wrong length")
}

fn rsa(entry: &Entry) -> Result<Material, &'static str> {
    let (modulus, exponent) = (part(entry.n.as_ref())?, part(entry.e.as_ref())?);
    let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    if RSA_BITS.contains(&bits) {
        Ok(Material::Rsa { modulus, exponent })
    } else {
        Err("it is an RSA key of less than 2048 or more than 8192 bits")
    }
}

fn p256(entry: &Entry) -> Result<Material, &'static str> {
    if entry.crv.as_deref() != Some("P-256") {
        return Err("its curve is not P-256");
    }
    let (x, y) = (exactly::<32>(entry.x.as_ref())?, exactly::<32>(entry.y.as_ref())?);
    let mut point = [4; 65];
    point[1..33].copy_from_slice(&x);
    point[33..].copy_from_slice(&y);
    Ok(Material::P256(point))
}

fn ed25519(entry: &Entry) -> Result<Material, &'static str> {
    if entry.crv.as_deref() != Some("Ed25519") {
        return Err("its curve is not Ed25519");
    }
    exactly::<32>(entry.x.as_ref()).map(Material::Ed25519)
}

#[cfg(test)]
mod wycheproof;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A.4: a token signed with Ed25519, and its key.
    const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    const KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;

    fn verify(keys: &str) -> Result<(), Rejected> {
        let token = Jws::parse(TOKEN)?;
        KeySet::parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes()).unwrap().verify(&token)
    }

    #[test]
    fn a_vector_of_the_standard_verifies() {
        assert_eq!(verify(&format!("{KEY}}}")), Ok(()));
        assert_eq!(verify(&format!(r#"{KEY},"alg":"EdDSA","use":"sig","kid":"x"}}"#)), Ok(()));
        let other = KEY.replace("11qY", "11qZ");
        assert_eq!(verify(&format!("{other}}}")), Err(Rejected::Signature));
    }

    #[test]
    fn keys_of_another_use_or_type_are_none() {
        for (keys, fault) in [
            (String::new(), Rejected::AmbiguousKey),
            (format!(r#"{KEY},"use":"enc"}}"#), Rejected::AmbiguousKey),
            (format!(r#"{KEY},"alg":"ES256"}}"#), Rejected::KeyMismatch),
            (format!("{KEY}}},{KEY}}}"), Rejected::AmbiguousKey),
            (r#"{"kty":"oct","k":"AAAA"}"#.into(), Rejected::AmbiguousKey),
            (r#"{"kty":"OKP","crv":"Ed448","x":"AAAA"}"#.into(), Rejected::UnusableKey("its curve is not Ed25519")),
            (
                r#"{"kty":"OKP","crv":"Ed25519"}"#.into(),
                Rejected::UnusableKey("a part of it is missing, or cannot be read"),
            ),
            (
                r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#.into(),
                Rejected::UnusableKey("a part of it has the wrong length"),
            ),
        ] {
            assert_eq!(verify(&keys), Err(fault), "{keys}");
        }
        // What is no key does not take the others down.
        assert_eq!(verify(&format!(r#"7,{{"kty":7}},{{"kty":"RSA2"}},{KEY}}}"#)), Ok(()));
    }

    #[test]
    fn what_is_no_set_is_none() {
        for wrong in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
            assert!(KeySet::parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
