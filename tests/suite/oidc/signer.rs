//! Keys of issuers, and tokens signed with them, right or wrong as a test wants.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
        RsaKeyPair, RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::with;

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[derive(Clone)]
enum Material {
    Ecdsa(Arc<EcdsaKeyPair>),
    Ed25519(Arc<Ed25519KeyPair>),
    Rsa(Arc<RsaKeyPair>),
    /// For what no library of today signs with any more.
    OpenSsl(Arc<(TempDir, PathBuf)>),
}

/// A key with its name.
#[derive(Clone)]
pub struct Signer {
    pub kid: String,
    pub algorithm: &'static str,
    material: Material,
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}

impl Signer {
    pub fn es256(kid: &str) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        Self { kid: kid.into(), algorithm: "ES256", material: Material::Ecdsa(Arc::new(pair)) }
    }

    pub fn ed25519(kid: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        Self { kid: kid.into(), algorithm: "EdDSA", material: Material::Ed25519(Arc::new(pair)) }
    }

    /// All have one pair: it takes long to make.
    pub fn rsa(kid: &str, algorithm: &'static str) -> Self {
        static PAIR: OnceLock<Arc<RsaKeyPair>> = OnceLock::new();
        let pair = PAIR.get_or_init(|| {
            let made = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], &[]);
            let pkcs8 = openssl(&["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"], &made);
            Arc::new(RsaKeyPair::from_pkcs8(&pkcs8).unwrap())
        });
        Self { kid: kid.into(), algorithm, material: Material::Rsa(Arc::clone(pair)) }
    }

    pub fn rsa_of_1024_bits(kid: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        let name = file.to_str().unwrap();
        openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", name], &[]);
        Self { kid: kid.into(), algorithm: "RS256", material: Material::OpenSsl(Arc::new((folder, file))) }
    }

    /// The same key under another name.
    pub fn renamed(&self, kid: &str) -> Self {
        Self { kid: kid.into(), ..self.clone() }
    }

    /// The public half, as issuers publish it.
    pub fn jwk(&self) -> Value {
        let jwk = match &self.material {
            Material::Ecdsa(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])})
            }
            Material::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key())}),
            Material::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": encode(public.n), "e": encode(public.e)})
            }
            Material::OpenSsl(key) => {
                let told = openssl(&["rsa", "-in", key.1.to_str().unwrap(), "-noout", "-modulus"], &[]);
                let digits = String::from_utf8(told).unwrap().trim().replace("Modulus=", "").to_lowercase();
                json!({"kty": "RSA", "n": encode(base16ct::lower::decode_vec(digits).unwrap()), "e": "AQAB"})
            }
        };
        with(jwk, json!({"kid": self.kid, "use": "sig"}))
    }

    /// The bytes of the public half: what key confusion takes for a shared secret.
    pub fn public_bytes(&self) -> Vec<u8> {
        match &self.material {
            Material::Ecdsa(pair) => pair.public_key().as_ref().to_vec(),
            Material::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
            Material::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Material::OpenSsl(_) => self.jwk().to_string().into_bytes(),
        }
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.material {
            Material::Ecdsa(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Material::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Material::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                match self.algorithm {
                    "PS256" => pair.sign(&RSA_PSS_SHA256, &random, message, &mut signature).unwrap(),
                    _ => pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap(),
                }
                signature
            }
            Material::OpenSsl(key) => openssl(&["dgst", "-sha256", "-sign", key.1.to_str().unwrap()], message),
        }
    }

    /// The header of an access token that is right in everything.
    pub fn header(&self) -> Value {
        json!({"alg": self.algorithm, "typ": "at+jwt", "kid": self.kid})
    }

    /// A token of these texts, whatever they are.
    pub fn sign(&self, header: impl ToString, claims: impl ToString) -> String {
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        format!("{signed}.{}", encode(self.signature(signed.as_bytes())))
    }

    pub fn access_token(&self, claims: &Value) -> String {
        self.sign(self.header(), claims)
    }

    pub fn id_token(&self, claims: &Value) -> String {
        self.sign(json!({"alg": self.algorithm, "kid": self.kid}), claims)
    }
}
