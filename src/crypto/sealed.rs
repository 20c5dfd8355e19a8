//! Sealed tokens: authenticated encryption under a key that one token has to itself.
//!
//! ```text
//! version(1) | suite(1) | kid(4) | salt(32) | commitment(32) | iv(12) | ciphertext | tag(16)
//!
//! prk          = HKDF-Extract(salt, root key of kid)                    RFC 5869
//! key          = HKDF-Expand(prk, purpose "|key", 32)
//! commitment   = HKDF-Expand(prk, purpose "|commit", 32)
//! header       = version | suite | kid | salt | commitment | iv
//! aad          = framed(purpose, header, deployment id)
//! ciphertext,tag = AES-256-GCM(key, iv, plaintext, aad)                 NIST SP 800-38D
//! ```
//!
//! GCM alone does not commit to its key: one ciphertext can be made to open
//! under two keys. The commitment is compared, in constant time, before anything is
//! decrypted. A key of its own for every token keeps random IVs far from the
//! 2^32 messages after which one key must not be used with them.
//!
//! The kid must match exactly, the suite is a constant, and nothing about a
//! token decides how it is checked. A purpose separates each kind of token
//! from every other: a session token never opens as a share token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::entropy::Entropy;

pub use super::primitives::{NotOpened, SealError};

use super::{
    digest::framed,
    keyring::{Keyring, Kid, RootKey},
    primitives::{Cipher, expand},
};

const VERSION: u8 = 1;
/// HKDF-SHA256 with AES-256-GCM and a 256-bit commitment.
const SUITE: u8 = 1;

const HEADER: usize = 1 + 1 + 4 + 32 + 32 + 12;
const TAG: usize = 16;

/// The bytes that sealing adds to a plaintext.
pub const OVERHEAD: usize = HEADER + TAG;

/// The most text that is looked at, so that a stranger cannot make us decode at length.
const LONGEST_TEXT: usize = 16 * 1024;

/// What a sealed token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Claims a share.
    Share,
    /// Acts in an open session.
    Session,
    /// Goes on with a listing.
    Cursor,
    /// Puts one object into the embedded storage.
    ObjectPut,
    /// Posts one object into the embedded storage.
    ObjectPost,
    /// Puts one part of an object into the embedded storage.
    ObjectPart,
    /// Gets one object from the embedded storage.
    ObjectGet,
    /// Carries the edge cookies of an artifact to its host.
    Handoff,
    /// Delivers to a file request.
    Submission,
    /// Goes on with a claimed share on another device.
    Move,
    /// Comes back from an identity provider.
    SigningIn,
    /// Keeps the data key of a tenant in the store.
    DataKey,
    /// The same of one that a service for keys has encrypted before.
    EncryptedDataKey,
    /// Takes to the ledger who was seen to ask.
    Client,
    /// Opens a stream of events.
    EventTicket,
}

impl Purpose {
    /// Every purpose there is.
    pub const ALL: [Self; 15] = [
        Self::Share,
        Self::Session,
        Self::Cursor,
        Self::ObjectPut,
        Self::ObjectPost,
        Self::ObjectPart,
        Self::ObjectGet,
        Self::Handoff,
        Self::Submission,
        Self::Move,
        Self::SigningIn,
        Self::DataKey,
        Self::EncryptedDataKey,
        Self::Client,
        Self::EventTicket,
    ];

    pub(super) const fn labels(self) -> [&'static str; 3] {
        match self {
            Self::Share => ["cloakroom/share/v1", "cloakroom/share/v1|key", "cloakroom/share/v1|commit"],
            Self::Session => ["cloakroom/session/v1", "cloakroom/session/v1|key", "cloakroom/session/v1|commit"],
            Self::Cursor => ["cloakroom/cursor/v1", "cloakroom/cursor/v1|key", "cloakroom/cursor/v1|commit"],
            Self::ObjectPut => {
                ["cloakroom/object-put/v1", "cloakroom/object-put/v1|key", "cloakroom/object-put/v1|commit"]
            }
            Self::ObjectPost => {
                ["cloakroom/object-post/v1", "cloakroom/object-post/v1|key", "cloakroom/object-post/v1|commit"]
            }
            Self::ObjectPart => {
                ["cloakroom/object-part/v1", "cloakroom/object-part/v1|key", "cloakroom/object-part/v1|commit"]
            }
            Self::ObjectGet => {
                ["cloakroom/object-get/v1", "cloakroom/object-get/v1|key", "cloakroom/object-get/v1|commit"]
            }
            Self::Submission => {
                ["cloakroom/submission/v1", "cloakroom/submission/v1|key", "cloakroom/submission/v1|commit"]
            }
            Self::Move => ["cloakroom/move/v1", "cloakroom/move/v1|key", "cloakroom/move/v1|commit"],
            Self::SigningIn => {
                ["cloakroom/signing-in/v1", "cloakroom/signing-in/v1|key", "cloakroom/signing-in/v1|commit"]
            }
            Self::DataKey => ["cloakroom/data-key/v1", "cloakroom/data-key/v1|key", "cloakroom/data-key/v1|commit"],
            Self::EncryptedDataKey => [
                "cloakroom/encrypted-data-key/v1",
                "cloakroom/encrypted-data-key/v1|key",
                "cloakroom/encrypted-data-key/v1|commit",
            ],
            Self::Client => ["cloakroom/client/v1", "cloakroom/client/v1|key", "cloakroom/client/v1|commit"],
            Self::EventTicket => {
                ["cloakroom/event-ticket/v1", "cloakroom/event-ticket/v1|key", "cloakroom/event-ticket/v1|commit"]
            }
            Self::Handoff => ["cloakroom/handoff/v1", "cloakroom/handoff/v1|key", "cloakroom/handoff/v1|commit"],
        }
    }
}

struct Derived {
    cipher: Cipher,
    commitment: [u8; 32],
}

fn derive(root: &RootKey, purpose: Purpose, salt: &[u8]) -> Derived {
    let [_, key_info, commitment_info] = purpose.labels();
    let extracted = Hkdf::new(Some(salt), root.secret.as_ref());
    let mut key = Zeroizing::new([0; 32]);
    let mut commitment = [0; 32];
    expand(&extracted, key_info, &mut key);
    expand(&extracted, commitment_info, &mut commitment);
    Derived { cipher: Cipher::new(&key), commitment }
}

impl Keyring {
    /// Seals a plaintext under the primary key: base64url without padding.
    ///
    /// # Errors
    /// When the plaintext is longer than about 12,000 bytes.
    pub fn seal(&self, purpose: Purpose, plaintext: &[u8], entropy: &dyn Entropy) -> Result<String, SealError> {
        let root = self.sealing_key();
        let salt: [u8; 32] = entropy.bytes();
        let iv: [u8; 12] = entropy.bytes();
        let Derived { cipher, commitment } = derive(&root, purpose, &salt);

        let mut token = Vec::with_capacity(OVERHEAD + plaintext.len());
        token.extend_from_slice(&[VERSION, SUITE]);
        token.extend_from_slice(&root.kid.0);
        token.extend_from_slice(&salt);
        token.extend_from_slice(&commitment);
        token.extend_from_slice(&iv);

        let aad = self.associated_data(purpose, &token);
        token.extend_from_slice(&cipher.encrypt(iv, plaintext, &aad)?);

        let text = URL_SAFE_NO_PAD.encode(&token);
        if text.len() > LONGEST_TEXT { Err(SealError) } else { Ok(text) }
    }

    /// Opens what [`Keyring::seal`] made for the same purpose in the same deployment.
    ///
    /// # Errors
    /// One and the same for every text that does not open.
    pub fn open(&self, purpose: Purpose, text: &str) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        if text.len() > LONGEST_TEXT {
            return Err(NotOpened);
        }
        let token = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotOpened)?;
        let (header, ciphertext) = token.split_at_checked(HEADER).ok_or(NotOpened)?;
        let (&[version, suite, kid @ ..], rest) = header.split_first_chunk::<6>().ok_or(NotOpened)?;
        let (salt, rest) = rest.split_first_chunk::<32>().ok_or(NotOpened)?;
        let (commitment, iv) = rest.split_first_chunk::<32>().ok_or(NotOpened)?;
        let iv: [u8; 12] = iv.try_into().map_err(|_| NotOpened)?;
        if version != VERSION || suite != SUITE {
            return Err(NotOpened);
        }

        let root = self.opening_key(Kid(kid)).ok_or(NotOpened)?;
        let derived = derive(&root, purpose, salt);
        if !bool::from(derived.commitment.ct_eq(commitment)) {
            return Err(NotOpened);
        }
        let aad = self.associated_data(purpose, header);
        derived.cipher.decrypt(iv, ciphertext, &aad).map(Zeroizing::new)
    }

    /// Whether a sealed text names the primary key. What names another is still to be opened before it is believed.
    pub fn is_under_primary(&self, text: &str) -> bool {
        // Six bytes are eight characters.
        let named = text.get(..8).and_then(|start| URL_SAFE_NO_PAD.decode(start).ok());
        named.is_some_and(|named| named[2..] == self.sealing_key().kid.0)
    }

    fn associated_data(&self, purpose: Purpose, header: &[u8]) -> Vec<u8> {
        let [label, ..] = purpose.labels();
        framed(&[label.as_bytes(), header, &self.deployment().0])
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

    fn sealed(keyring: &Keyring) -> String {
        keyring.seal(Purpose::Share, b"what it says", &SystemEntropy).unwrap()
    }

    #[test]
    fn what_was_sealed_opens() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        assert_eq!(ring.open(Purpose::Share, &sealed(&ring)).unwrap().as_slice(), b"what it says");
        let empty = ring.seal(Purpose::Cursor, b"", &SystemEntropy).unwrap();
        assert!(ring.open(Purpose::Cursor, &empty).unwrap().is_empty());
    }

    #[test]
    fn no_two_tokens_are_alike() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        assert_ne!(sealed(&ring), sealed(&ring));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let token = URL_SAFE_NO_PAD.decode(sealed(&ring)).unwrap();
        for bit in 0..token.len() * 8 {
            let mut flipped = token.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let text = URL_SAFE_NO_PAD.encode(flipped);
            assert_eq!(ring.open(Purpose::Share, &text).unwrap_err(), NotOpened, "bit {bit}");
        }
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let text = sealed(&ring);
        for length in 0..text.len() {
            assert!(ring.open(Purpose::Share, &text[..length]).is_err(), "{length}");
        }
        for extended in [format!("{text}A"), format!("{text}="), format!(" {text}"), text.repeat(200)] {
            assert!(ring.open(Purpose::Share, &extended).is_err());
        }
    }

    #[test]
    fn no_purpose_opens_what_another_sealed() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        for sealing in Purpose::ALL {
            let text = ring.seal(sealing, b"x", &SystemEntropy).unwrap();
            for opening in Purpose::ALL {
                assert_eq!(ring.open(opening, &text).is_ok(), sealing == opening, "{sealing:?} {opening:?}");
            }
        }
    }

    #[test]
    fn another_deployment_with_the_same_keys_opens_nothing() {
        let keys = vec![key(1, KeyState::Primary)];
        let here = keyring(keys.clone());
        let there = Keyring::new(DeploymentId([8; 16]), keys).unwrap();
        assert!(there.open(Purpose::Share, &sealed(&here)).is_err());
    }

    #[test]
    fn a_rotation_rejects_nothing_until_the_key_is_retired() {
        use KeyState::*;
        let text = sealed(&keyring(vec![key(1, Primary)]));
        for (state, opens) in [(Staged, true), (AcceptOnly, true), (Retired, false)] {
            let later = keyring(vec![key(1, state), key(2, Primary)]);
            assert_eq!(later.open(Purpose::Share, &text).is_ok(), opens, "{state:?}");
        }
        assert!(keyring(vec![key(2, Primary)]).open(Purpose::Share, &text).is_err());
    }

    #[test]
    fn the_commitment_alone_stops_a_foreign_key() {
        // The same kid with other bits: GCM would most likely refuse too, but
        // the commitment must, before anything is decrypted.
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let token = URL_SAFE_NO_PAD.decode(sealed(&ring)).unwrap();
        let root = key(1, KeyState::Primary);
        let derived = derive(&root, Purpose::Share, &token[6..38]);
        assert_eq!(derived.commitment, token[38..70]);
        assert_ne!(derive(&key(2, KeyState::Primary), Purpose::Share, &token[6..38]).commitment, token[38..70]);
    }

    #[test]
    fn a_forged_commitment_is_refused_even_when_the_ciphertext_is_genuine() {
        // Seal by hand with a wrong commitment inside the authenticated header:
        // everything but the commitment check passes.
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let root = ring.sealing_key();
        let derived = derive(&root, Purpose::Share, &[3; 32]);
        let mut token = vec![VERSION, SUITE];
        token.extend(root.kid.0);
        token.extend([3; 32]);
        token.extend([0; 32]);
        token.extend([5; 12]);
        let aad = ring.associated_data(Purpose::Share, &token);
        token.extend(derived.cipher.encrypt([5; 12], b"x", &aad).unwrap());
        assert!(ring.open(Purpose::Share, &URL_SAFE_NO_PAD.encode(token)).is_err());
    }

    #[test]
    fn what_is_too_long_is_not_sealed() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        assert_eq!(ring.seal(Purpose::Cursor, &[0; 20_000], &SystemEntropy), Err(SealError));
    }

    #[test]
    fn the_longest_that_is_sealed_opens_and_a_byte_more_is_not_sealed() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let most = LONGEST_TEXT / 4 * 3 - OVERHEAD;
        let text = ring.seal(Purpose::Cursor, &vec![7; most], &SystemEntropy).unwrap();
        assert_eq!(text.len(), LONGEST_TEXT);
        assert_eq!(ring.open(Purpose::Cursor, &text).unwrap().len(), most);
        assert_eq!(ring.seal(Purpose::Cursor, &vec![7; most + 1], &SystemEntropy), Err(SealError));
    }

    #[test]
    fn another_version_or_suite_is_refused_even_when_all_else_is_genuine() {
        let ring = keyring(vec![key(1, KeyState::Primary)]);
        let root = ring.sealing_key();
        let derived = derive(&root, Purpose::Share, &[3; 32]);
        for (version, suite, opens) in
            [(VERSION, SUITE, true), (VERSION + 1, SUITE, false), (VERSION, SUITE + 1, false)]
        {
            let mut token = vec![version, suite];
            token.extend(root.kid.0);
            token.extend([3; 32]);
            token.extend(derived.commitment);
            token.extend([5; 12]);
            let aad = ring.associated_data(Purpose::Share, &token);
            token.extend(derived.cipher.encrypt([5; 12], b"x", &aad).unwrap());
            assert_eq!(ring.open(Purpose::Share, &URL_SAFE_NO_PAD.encode(token)).is_ok(), opens);
        }
    }
}
