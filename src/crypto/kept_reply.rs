//! Replies that are kept for whoever asks again under the same idempotency key.
//!
//! A reply holds what is shown once: tokens, secrets, signed URLs. So it is sealed under a key that takes three
//! to derive: a root key, the caller's credential where that is a lasting one, and the idempotency key. Of the
//! last two nothing is kept but hashes.
//!
//! ```text
//! version(1) | kid(4) | kept until(8) | salt(32) | iv(12) | credential(32) | request(32) | ciphertext | tag(16)
//!
//! place        = SHA-256(framed(label "|place", principal, idempotency key))
//! place        = SHA-256(framed(label "|item", place, number(8)))          of further items of a batch
//! asked        = SHA-256(framed(label "|asked", route, body))
//! prk          = HKDF-Extract(salt, framed(root key of kid, framed(credential, idempotency key)))     RFC 5869
//! credential   = HKDF-Expand(prk, label "|credential", 32)
//! request      = HMAC-SHA256(HKDF-Expand(prk, label "|request", 32), asked)                           RFC 2104
//! key          = HKDF-Expand(prk, label "|key", 32)
//! aad          = framed(label, deployment id, place, all before the ciphertext)
//! ciphertext,tag = AES-256-GCM(key, iv, reply, aad)                                                   NIST SP 800-38D
//! ```
//!
//! `credential` commits to the key, and tells a credential that was changed from a request that was. The digest
//! of a request is keyed, since a body may hold a password that could be guessed.

use hkdf::Hkdf;
use hmac::Mac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    domain::{
        idempotency::{Compared, IdempotencyKey},
        instant::Instant,
    },
    entropy::Entropy,
};

use super::{
    digest::{Sha256Digest, framed, labelled},
    keyring::{Keyring, Kid, RootKey},
    primitives::{Cipher, expand, hmac},
    sealed::{NotOpened, SealError},
    secret::SecretText,
};

const VERSION: u8 = 1;
const LABEL: &str = "cloakroom/kept-reply/v1";
const HEADER: usize = 1 + 4 + 8 + 32 + 12;
const COMMITMENTS: usize = 32 + 32;

/// A request that comes with an idempotency key: where its reply lies, and what opens that.
pub struct AskedOnce {
    place: Sha256Digest,
    /// Credential and idempotency key.
    secret: Zeroizing<Vec<u8>>,
    request: Sha256Digest,
}

impl AskedOnce {
    /// The request to this route with this body. `principal` names who is calling, and `credential` is the
    /// secret that shows it, where they have one that stays the same.
    pub fn new(
        principal: &[u8],
        credential: Option<&SecretText>,
        key: &IdempotencyKey,
        route: &str,
        body: &[u8],
    ) -> Self {
        let credential = credential.map_or("", SecretText::expose);
        Self {
            place: labelled("cloakroom/kept-reply/v1|place", &[principal, key.as_bytes()]),
            secret: Zeroizing::new(framed(&[credential.as_bytes(), key.as_bytes()])),
            request: labelled("cloakroom/kept-reply/v1|asked", &[route.as_bytes(), body]),
        }
    }

    /// One item of a batch, with a reply of its own. The request remains the whole batch. The first lies where the
    /// reply to another request under the key would, so that neither is carried out beside the other.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        let place = match index {
            0 => self.place,
            _ => labelled("cloakroom/kept-reply/v1|item", &[&self.place, &(index as u64).to_be_bytes()]),
        };
        Self { place, secret: self.secret.clone(), request: self.request }
    }

    /// Where the reply lies: 64 hexadecimal digits.
    pub fn place(&self) -> String {
        base16ct::lower::encode_string(&self.place)
    }
}

impl std::fmt::Debug for AskedOnce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AskedOnce(…)")
    }
}

struct Derived {
    cipher: Cipher,
    credential: [u8; 32],
    request: [u8; 32],
}

fn derive(root: &RootKey, asked: &AskedOnce, salt: &[u8]) -> Derived {
    let material = Zeroizing::new(framed(&[root.secret.as_ref(), &asked.secret]));
    let extracted = Hkdf::new(Some(salt), &material);
    let (mut key, mut request_key) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
    let mut credential = [0; 32];
    expand(&extracted, "cloakroom/kept-reply/v1|key", &mut key);
    expand(&extracted, "cloakroom/kept-reply/v1|request", &mut request_key);
    expand(&extracted, "cloakroom/kept-reply/v1|credential", &mut credential);
    let mut mac = hmac(request_key.as_ref());
    mac.update(&asked.request);
    Derived { cipher: Cipher::new(&key), credential, request: mac.finalize().into_bytes().into() }
}

/// A kept reply that has been found.
pub struct FoundReply<'row> {
    /// How it compares with the request.
    pub compared: Compared,
    sealed: &'row [u8],
    iv: [u8; 12],
    cipher: Cipher,
    aad: Vec<u8>,
}

impl FoundReply<'_> {
    /// The reply. To be asked for only where everything compares.
    ///
    /// # Errors
    /// When it was not sealed for this request.
    pub fn open(&self) -> Result<Vec<u8>, NotOpened> {
        self.cipher.decrypt(self.iv, self.sealed, &self.aad)
    }
}

impl Keyring {
    /// Seals a reply for whoever asks the same again.
    ///
    /// # Errors
    /// When it is longer than the cipher takes.
    pub fn seal_reply(
        &self,
        asked: &AskedOnce,
        kept_until: Instant,
        reply: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, SealError> {
        let root = self.sealing_key();
        let (salt, iv): ([u8; 32], [u8; 12]) = (entropy.bytes(), entropy.bytes());
        let derived = derive(&root, asked, &salt);
        let mut kept = Vec::with_capacity(HEADER + COMMITMENTS + reply.len() + 16);
        kept.push(VERSION);
        kept.extend_from_slice(&root.kid.0);
        kept.extend_from_slice(&kept_until.as_unix_millis().to_be_bytes());
        kept.extend_from_slice(&salt);
        kept.extend_from_slice(&iv);
        kept.extend_from_slice(&derived.credential);
        kept.extend_from_slice(&derived.request);
        let aad = self.aad_of_reply(asked, &kept);
        kept.extend_from_slice(&derived.cipher.encrypt(iv, reply, &aad)?);
        Ok(kept)
    }

    /// Reads what [`Keyring::seal_reply`] made, and compares it with a request.
    ///
    /// # Errors
    /// When it is nothing of the kind, or its root key is gone.
    pub fn find_reply<'row>(&self, asked: &AskedOnce, kept: &'row [u8]) -> Result<FoundReply<'row>, NotOpened> {
        let (&[version, kid @ ..], rest) = kept.split_first_chunk::<5>().ok_or(NotOpened)?;
        let (until, rest) = rest.split_first_chunk::<8>().ok_or(NotOpened)?;
        let (salt, rest) = rest.split_first_chunk::<32>().ok_or(NotOpened)?;
        let (&iv, rest) = rest.split_first_chunk::<12>().ok_or(NotOpened)?;
        let (credential, rest) = rest.split_first_chunk::<32>().ok_or(NotOpened)?;
        let (request, sealed) = rest.split_first_chunk::<32>().ok_or(NotOpened)?;
        if version != VERSION {
            return Err(NotOpened);
        }
        let derived = derive(&*self.opening_key(Kid(kid)).ok_or(NotOpened)?, asked, salt);
        let compared = Compared {
            kept_until: Instant::from_unix_millis(u64::from_be_bytes(*until)),
            same_credential: derived.credential.ct_eq(credential).into(),
            same_request: derived.request.ct_eq(request).into(),
        };
        let aad = self.aad_of_reply(asked, &kept[..HEADER + COMMITMENTS]);
        Ok(FoundReply { compared, sealed, iv, cipher: derived.cipher, aad })
    }

    fn aad_of_reply(&self, asked: &AskedOnce, header: &[u8]) -> Vec<u8> {
        framed(&[LABEL.as_bytes(), &self.deployment().0, &asked.place, header])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::keyring::{
            DeploymentId, KeyState,
            tests::{key, keyring},
        },
        entropy::SystemEntropy,
    };

    const UNTIL: Instant = Instant::from_unix_seconds(1_000);

    fn asked(credential: &str, name: &str, route: &str, body: &str) -> AskedOnce {
        let name = IdempotencyKey::parse(name).unwrap();
        AskedOnce::new(b"principal", Some(&SecretText::new(credential)), &name, route, body.as_bytes())
    }

    fn compared(ring: &Keyring, kept: &[u8], asked: &AskedOnce) -> (bool, bool, bool) {
        let found = ring.find_reply(asked, kept).unwrap();
        (found.compared.same_credential, found.compared.same_request, found.open().is_ok())
    }

    #[test]
    fn a_reply_opens_for_the_very_request_alone() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let first = asked("secret", "name", "POST /a", "{}");
        let kept = ring.seal_reply(&first, UNTIL, b"the reply", &SystemEntropy).unwrap();
        let found = ring.find_reply(&first, &kept).unwrap();
        assert_eq!(found.compared, Compared { kept_until: UNTIL, same_credential: true, same_request: true });
        assert_eq!(found.open().unwrap(), b"the reply");

        // The cipher's key depends on credential and name; what was asked is compared before it is opened.
        assert_eq!(compared(&ring, &kept, &asked("another", "name", "POST /a", "{}")), (false, false, false));
        assert_eq!(compared(&ring, &kept, &asked("secret", "names", "POST /a", "{}")), (false, false, false));
        assert!(!compared(&ring, &kept, &asked("secret", "name", "POST /b", "{}")).1);
        assert!(!compared(&ring, &kept, &asked("secret", "name", "POST /a", "{ }")).1);
        assert_eq!(compared(&ring, &kept, &first.item(1)), (true, true, false));
    }

    #[test]
    fn no_bit_of_it_can_be_changed() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let first = asked("secret", "name", "POST /a", "{}");
        let kept = ring.seal_reply(&first, UNTIL, b"the reply", &SystemEntropy).unwrap();
        for index in 0..kept.len() {
            let mut changed = kept.clone();
            changed[index] ^= 1;
            let opened = ring.find_reply(&first, &changed).and_then(|found| found.open());
            assert_eq!(opened, Err(NotOpened), "byte {index}");
        }
        for length in 0..kept.len() {
            assert!(ring.find_reply(&first, &kept[..length]).and_then(|found| found.open()).is_err());
        }
        let elsewhere = Keyring::new(DeploymentId([8; 16]), vec![key(1, KeyState::Primary)]).unwrap();
        assert!(elsewhere.find_reply(&first, &kept).unwrap().open().is_err());
        assert!(keyring(vec![key(2, KeyState::Primary)]).find_reply(&first, &kept).is_err());
    }

    #[test]
    fn what_is_kept_holds_neither_secret_nor_name() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let first = asked("the-secret", "the-name", "POST /a", "{}");
        let kept = ring.seal_reply(&first, UNTIL, b"the-reply", &SystemEntropy).unwrap();
        for hidden in ["the-secret", "the-name", "the-reply"] {
            assert!(!kept.windows(hidden.len()).any(|window| window == hidden.as_bytes()), "{hidden}");
        }
        assert!(!format!("{first:?}").contains("the-"));
    }

    #[test]
    fn everybody_has_places_of_their_own() {
        let name = IdempotencyKey::parse("name").unwrap();
        let one = AskedOnce::new(b"one", None, &name, "POST /a", b"");
        let two = AskedOnce::new(b"two", None, &name, "POST /a", b"");
        assert_ne!(one.place(), two.place());
        assert_ne!(one.place(), one.item(1).place());
        assert_ne!(one.item(1).place(), one.item(2).place());
    }
}
