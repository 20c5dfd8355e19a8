//! Files that lie on a disk of ours: under a key that each file has to itself, derived from the data key of its tenant.
//!
//! ```text
//! head(512)    magic(8) | tenant(16) | key id(4) | salt(32) | iv(12) | ciphertext(424) | tag(16)
//! chunk        iv(12) | ciphertext, 65536 bytes and of the last chunk as many as there are | tag(16)
//! note         iv(12) | ciphertext | tag(16)
//!
//! prk          = HKDF-Extract(salt, data key of the tenant)                  RFC 5869
//! key          = HKDF-Expand(prk, label "|key", 32)
//! aad          = framed(label, deployment id, tenant, key id, what, number(8))
//! ciphertext,tag = AES-256-GCM(key, iv, plaintext, aad)                      NIST SP 800-38D
//! ```
//!
//! `what` is `chunk`, `note`, or `head` and the magic; `number` is that of a chunk or note in its file. So nothing opens in
//! another place, file, tenant or deployment; how many chunks there are, the head has to say. Each IV is random: a part of an
//! upload may be sent again, and a place in a file be written twice under one key. A file has fewer than 2^30 chunks, and NIST
//! allows 2^32 random IVs a key.
//!
//! Never here: files, and what a head or a note says.

use hkdf::Hkdf;
use zeroize::Zeroizing;

use crate::entropy::Entropy;

use super::{
    data_key::{DataKey, KEY_ID},
    digest::framed,
    primitives::{Cipher, IV, NotOpened, SealError, expand},
};

const LABEL: &str = "cloakroom/file/v1";
const KEY_LABEL: &str = "cloakroom/file/v1|key";
const SALT: usize = 32;
const TAG: usize = 16;
const MAGIC: usize = 8;
const OUTSIDE: usize = MAGIC + 16 + KEY_ID + SALT;

/// How long a head is.
pub const HEAD: usize = 512;

/// How much a head says.
pub const HEAD_PLAIN: usize = HEAD - OUTSIDE - IV - TAG;

/// How many bytes of a file are sealed at a time.
pub const CHUNK: usize = 64 * 1024;

/// How much longer sealed bytes are than what they say.
pub const OVERHEAD: usize = IV + TAG;

/// The key of one file.
pub struct FileKey {
    cipher: Cipher,
    /// Magic excepted, what stands in the open at the beginning of the file: tenant, key id, salt.
    outside: [u8; OUTSIDE - MAGIC],
    /// Label, deployment, tenant, key id: what everything in the file is bound to.
    bound_to: Vec<u8>,
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey(…)")
    }
}

impl DataKey {
    /// The key of a new file.
    pub fn new_file_key(&self, entropy: &dyn Entropy) -> FileKey {
        self.file_key(&entropy.bytes())
    }

    /// The key of the file with this head, and what the head says.
    ///
    /// # Errors
    /// When it was sealed under another key, or altered, or is of another kind of file.
    pub fn open_head(&self, magic: [u8; MAGIC], head: &[u8; HEAD]) -> Result<(FileKey, [u8; HEAD_PLAIN]), NotOpened> {
        let (outside, sealed) = head.split_at(OUTSIDE);
        let (named, salt) = outside.split_last_chunk::<SALT>().ok_or(NotOpened)?;
        if named != [magic.as_slice(), self.tenant.as_bytes(), &self.id].concat() {
            return Err(NotOpened);
        }
        let key = self.file_key(salt);
        let plain = key.open(&of_head(magic), 0, sealed)?;
        Ok((key, plain.try_into().map_err(|_| NotOpened)?))
    }

    fn file_key(&self, salt: &[u8; SALT]) -> FileKey {
        let mut key = Zeroizing::new([0; 32]);
        expand(&Hkdf::new(Some(salt), self.secret.as_ref()), KEY_LABEL, &mut key);
        let mut outside = [0; OUTSIDE - MAGIC];
        outside[..16].copy_from_slice(self.tenant.as_bytes());
        outside[16..16 + KEY_ID].copy_from_slice(&self.id);
        outside[16 + KEY_ID..].copy_from_slice(salt);
        let bound_to = framed(&[LABEL.as_bytes(), &self.deployment.0, self.tenant.as_bytes(), &self.id]);
        FileKey { cipher: Cipher::new(&key), outside, bound_to }
    }
}

impl FileKey {
    /// Seals what the head of the file says.
    ///
    /// # Errors
    /// Never for so few bytes; the cipher's own limit is passed on.
    pub fn seal_head(
        &self,
        magic: [u8; MAGIC],
        plain: &[u8; HEAD_PLAIN],
        entropy: &dyn Entropy,
    ) -> Result<[u8; HEAD], SealError> {
        let mut sealed = [magic.as_slice(), &self.outside].concat();
        self.seal(&of_head(magic), 0, plain, entropy, &mut sealed)?;
        sealed.try_into().map_err(|_| SealError)
    }

    /// Seals a chunk of at most [`CHUNK`] bytes behind `sealed`.
    ///
    /// # Errors
    /// Never for so few bytes; the cipher's own limit is passed on.
    pub fn seal_chunk(
        &self,
        number: u64,
        plain: &[u8],
        entropy: &dyn Entropy,
        sealed: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        self.seal(b"chunk", number, plain, entropy, sealed)
    }

    /// The bytes of the chunk with this number.
    ///
    /// # Errors
    /// When it is another, of another file, or was altered.
    pub fn open_chunk(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        self.open(b"chunk", number, sealed)
    }

    /// Seals a note beside the file.
    ///
    /// # Errors
    /// When it is longer than the cipher takes: 64 GB.
    pub fn seal_note(&self, number: u64, plain: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, SealError> {
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
        self.seal(b"note", number, plain, entropy, &mut sealed)?;
        Ok(sealed)
    }

    /// What the note with this number says.
    ///
    /// # Errors
    /// When it is another, of another file, or was altered.
    pub fn open_note(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        self.open(b"note", number, sealed)
    }

    fn seal(
        &self,
        what: &[u8],
        number: u64,
        plain: &[u8],
        entropy: &dyn Entropy,
        sealed: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let iv: [u8; IV] = entropy.bytes();
        sealed.extend_from_slice(&iv);
        sealed.extend_from_slice(&self.cipher.encrypt(iv, plain, &self.associated_data(what, number))?);
        Ok(())
    }

    fn open(&self, what: &[u8], number: u64, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let (iv, ciphertext) = sealed.split_first_chunk::<IV>().ok_or(NotOpened)?;
        self.cipher.decrypt(*iv, ciphertext, &self.associated_data(what, number))
    }

    fn associated_data(&self, what: &[u8], number: u64) -> Vec<u8> {
        [self.bound_to.as_slice(), &framed(&[what, &number.to_be_bytes()])].concat()
    }
}

fn of_head(magic: [u8; MAGIC]) -> [u8; 4 + MAGIC] {
    let mut what = [0; 4 + MAGIC];
    what[..4].copy_from_slice(b"head");
    what[4..].copy_from_slice(&magic);
    what
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::{
            data_key::tests::{known_key, tenant},
            keyring::{
                DeploymentId, KeyState, Keyring,
                tests::{key, keyring},
            },
        },
        entropy::SystemEntropy,
    };

    const MINE: [u8; MAGIC] = *b"CLKROBJ\x02";

    fn data_key(number: u8) -> DataKey {
        keyring(vec![key(1, KeyState::Primary)]).new_data_key(tenant(number), &SystemEntropy)
    }

    fn chunk(key: &FileKey, number: u64, plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        key.seal_chunk(number, plain, &SystemEntropy, &mut sealed).unwrap();
        assert_eq!(sealed.len(), plain.len() + OVERHEAD);
        sealed
    }

    #[test]
    fn a_file_is_found_again_by_its_head() {
        let data_key = data_key(1);
        let key = data_key.new_file_key(&SystemEntropy);
        let head = key.seal_head(MINE, &[7; HEAD_PLAIN], &SystemEntropy).unwrap();
        let (again, plain) = data_key.open_head(MINE, &head).unwrap();
        assert_eq!(plain, [7; HEAD_PLAIN]);
        for plain in [&b""[..], b"x", &[9; CHUNK]] {
            assert_eq!(again.open_chunk(3, &chunk(&key, 3, plain)).unwrap(), plain);
        }
        let note = key.seal_note(4, b"that it came", &SystemEntropy).unwrap();
        assert_eq!(again.open_note(4, &note).unwrap(), b"that it came");
    }

    #[test]
    fn every_flipped_bit_and_truncation_of_a_head_is_refused() {
        let data_key = data_key(1);
        let head = data_key.new_file_key(&SystemEntropy).seal_head(MINE, &[7; HEAD_PLAIN], &SystemEntropy).unwrap();
        for bit in 0..HEAD * 8 {
            let mut flipped = head;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(data_key.open_head(MINE, &flipped).is_err(), "bit {bit}");
        }
        assert!(data_key.open_head(*b"CLKRPRT\x02", &head).is_err());
    }

    #[test]
    fn every_flipped_bit_truncation_and_extension_of_a_chunk_is_refused() {
        let key = data_key(1).new_file_key(&SystemEntropy);
        let sealed = chunk(&key, 0, b"what somebody said");
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open_chunk(0, &flipped).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(key.open_chunk(0, &sealed[..length]).is_err(), "{length}");
        }
        assert!(key.open_chunk(0, &[sealed.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn nothing_opens_in_another_place_or_file() {
        let data_key = data_key(1);
        let (key, other) = (data_key.new_file_key(&SystemEntropy), data_key.new_file_key(&SystemEntropy));
        let sealed = chunk(&key, 1, b"bytes");
        assert!(key.open_chunk(1, &sealed).is_ok());
        assert!(key.open_chunk(0, &sealed).is_err() && key.open_chunk(2, &sealed).is_err());
        assert!(key.open_note(1, &sealed).is_err());
        assert!(other.open_chunk(1, &sealed).is_err());
        let note = key.seal_note(1, b"bytes", &SystemEntropy).unwrap();
        assert!(key.open_chunk(1, &note).is_err() && key.open_note(0, &note).is_err());
    }

    #[test]
    fn nothing_opens_for_another_tenant_key_or_deployment() {
        let ring = |deployment| Keyring::new(DeploymentId(deployment), vec![key(1, KeyState::Primary)]).unwrap();
        let mine = known_key();
        let head = mine.new_file_key(&SystemEntropy).seal_head(MINE, &[7; HEAD_PLAIN], &SystemEntropy).unwrap();
        assert!(mine.open_head(MINE, &head).is_ok());
        // The same bits under another name.
        let wrapped = |of: u8, id: [u8; 4]| {
            let plaintext = [&[of; 16][..], &id, &[3; 32]].concat();
            let ring = ring([9; 16]);
            let text = ring.seal(crate::crypto::sealed::Purpose::DataKey, &plaintext, &SystemEntropy).unwrap();
            ring.unwrap_data_key(tenant(of), &text).unwrap()
        };
        assert!(wrapped(1, [2; 4]).open_head(MINE, &head).is_ok());
        assert!(wrapped(2, [2; 4]).open_head(MINE, &head).is_err());
        assert!(wrapped(1, [4; 4]).open_head(MINE, &head).is_err());
        let plaintext = [&[1; 16][..], &[2; 4], &[3; 32]].concat();
        let elsewhere = ring([8; 16]);
        let text = elsewhere.seal(crate::crypto::sealed::Purpose::DataKey, &plaintext, &SystemEntropy).unwrap();
        assert!(elsewhere.unwrap_data_key(tenant(1), &text).unwrap().open_head(MINE, &head).is_err());
    }

    #[test]
    fn the_same_bytes_are_sealed_differently_each_time() {
        let key = data_key(1).new_file_key(&SystemEntropy);
        assert_ne!(chunk(&key, 0, b"the same"), chunk(&key, 0, b"the same"));
    }

    #[test]
    fn a_head_does_not_open_as_that_of_another_kind_of_file_whatever_it_calls_itself() {
        let data_key = data_key(1);
        let mut head = data_key.new_file_key(&SystemEntropy).seal_head(MINE, &[7; HEAD_PLAIN], &SystemEntropy).unwrap();
        let other = *b"CLKRPRT\x02";
        head[..MAGIC].copy_from_slice(&other);
        assert!(data_key.open_head(other, &head).is_err());
    }
}
