//! The file `parts` of an upload in parts: what the upload is, and which
//! parts have arrived.
//!
//! ```text
//! head | slot of part 1 | slot of part 2 | …
//!
//! head(512) sealed: SHA-256 of the key(32) | checksums demanded(1) | length of the type(1) | type, padded with zeros
//! slot(80)  a sealed note: number(4) | part size(8) | size(8) | SHA-256 of the bytes(32)
//! ```
//!
//! Both are sealed under the key of the file that the parts become ([`crate::crypto::file_key`]). A slot
//! that was never written is zero, and one that was torn does not open: neither is a part.

use sha2::{Digest, Sha256};

use crate::{
    crypto::{
        data_key::DataKey,
        file_key::{self, FileKey, HEAD_PLAIN, OVERHEAD},
        sealed::{NotOpened, SealError},
    },
    entropy::Entropy,
    objects::{ContentType, ObjectKey, StoredPart},
};

use super::header::etag_of;

/// The last byte is the version of the format.
const MAGIC: [u8; 8] = *b"CLKRPRT\x02";

/// How long the head is.
pub(super) const HEAD: usize = file_key::HEAD;

/// How long a slot is.
pub(super) const SLOT: usize = SAYS + OVERHEAD;

/// How much a slot says.
const SAYS: usize = 4 + 8 + 8 + 32;

/// What an upload in parts is, but for its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    key: [u8; 32],
    /// Whether every part must come with its SHA-256.
    pub(super) part_checksums: bool,
    /// The type of the whole object.
    pub(super) content_type: ContentType,
}

impl Head {
    pub(super) fn new(key: &ObjectKey, content_type: ContentType, part_checksums: bool) -> Self {
        Self { key: Sha256::digest(key.as_str()).into(), part_checksums, content_type }
    }

    /// Whether the upload goes to this key.
    pub(super) fn is_for(&self, key: &ObjectKey) -> bool {
        Sha256::digest(key.as_str()).as_slice() == self.key
    }

    pub(super) fn seal(&self, key: &FileKey, entropy: &dyn Entropy) -> Result<[u8; HEAD], SealError> {
        let text = self.content_type.as_str().as_bytes();
        let mut plain = [0; HEAD_PLAIN];
        plain[..32].copy_from_slice(&self.key);
        plain[32] = u8::from(self.part_checksums);
        // A content type has at most 255 bytes.
        plain[33] = text.len() as u8;
        plain[34..34 + text.len()].copy_from_slice(text);
        key.seal_head(MAGIC, &plain, entropy)
    }

    /// The head that [`Head::seal`] made, and the key of what the parts become.
    pub(super) fn open(owner: &DataKey, head: &[u8; HEAD]) -> Result<(Self, FileKey), NotOpened> {
        let (file_key, plain) = owner.open_head(MAGIC, head)?;
        let (key, rest) = plain.split_first_chunk::<32>().ok_or(NotOpened)?;
        let (&[part_checksums, length], rest) = rest.split_first_chunk::<2>().ok_or(NotOpened)?;
        let text = std::str::from_utf8(rest.get(..usize::from(length)).ok_or(NotOpened)?).map_err(|_| NotOpened)?;
        let content_type = ContentType::parse(text).map_err(|_| NotOpened)?;
        Ok((Self { key: *key, part_checksums: part_checksums == 1, content_type }, file_key))
    }

    /// Whether it is the head of an upload at all; nothing more can be said without the key of its tenant.
    pub(super) fn is_one(head: &[u8; HEAD]) -> bool {
        head.starts_with(&MAGIC)
    }
}

/// A part that has arrived: it is in the file `data`, on disk, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// From 1 to 10,000.
    pub(super) number: u32,
    /// Its bytes begin at `(number - 1) * part_size` of the object.
    pub(super) part_size: u64,
    pub(super) size: u64,
    pub(super) sha256: [u8; 32],
}

impl Slot {
    /// Where the slot of this part begins in the file.
    pub(super) fn position(number: u32) -> u64 {
        HEAD as u64 + u64::from(number.saturating_sub(1)) * SLOT as u64
    }

    /// Where its bytes begin in the object.
    pub(super) fn offset(&self) -> u64 {
        u64::from(self.number.saturating_sub(1)) * self.part_size
    }

    pub(super) fn stored(&self) -> StoredPart {
        StoredPart { number: self.number, size: self.size, etag: etag_of(&self.sha256), sha256: Some(self.sha256) }
    }

    pub(super) fn seal(&self, key: &FileKey, entropy: &dyn Entropy) -> Result<Vec<u8>, SealError> {
        let mut plain = [0; SAYS];
        plain[..4].copy_from_slice(&self.number.to_be_bytes());
        plain[4..12].copy_from_slice(&self.part_size.to_be_bytes());
        plain[12..20].copy_from_slice(&self.size.to_be_bytes());
        plain[20..].copy_from_slice(&self.sha256);
        key.seal_note(u64::from(self.number), &plain, entropy)
    }

    fn open(key: &FileKey, number: u32, slot: &[u8]) -> Option<Self> {
        let plain = key.open_note(u64::from(number), slot).ok()?;
        let (named, rest) = plain.split_first_chunk::<4>()?;
        let (part_size, rest) = rest.split_first_chunk::<8>()?;
        let (size, sha256) = rest.split_first_chunk::<8>()?;
        (u32::from_be_bytes(*named) == number).then_some(())?;
        Some(Self {
            number,
            part_size: u64::from_be_bytes(*part_size),
            size: u64::from_be_bytes(*size),
            sha256: sha256.try_into().ok()?,
        })
    }

    /// The parts in what follows the head, in order.
    pub(super) fn all_in(key: &FileKey, slots: &[u8]) -> Vec<Self> {
        let slots = slots.chunks_exact(SLOT).zip(1..).filter(|(slot, _)| **slot != [0; SLOT]);
        slots.filter_map(|(slot, number)| Self::open(key, number, slot)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::keyring::{DeploymentId, KeyState, Keyring, RootKey},
        domain::ids::TenantId,
        entropy::SystemEntropy,
    };

    fn owner() -> DataKey {
        let ring = Keyring::new(DeploymentId([1; 16]), vec![RootKey::generate(KeyState::Primary, &SystemEntropy)]);
        ring.unwrap().new_data_key(TenantId::from_bytes([1; 16]), &SystemEntropy)
    }

    #[test]
    fn a_head_survives_and_every_flipped_bit_is_seen() {
        let (owner, key) = (owner(), ObjectKey::from_sealed("inbox/x".into(), None));
        let longest = ContentType::parse(&format!("text/{}", "x".repeat(250))).unwrap();
        for (content_type, part_checksums) in [(ContentType::unknown(), false), (longest, true)] {
            let head = Head::new(&key, content_type, part_checksums);
            let file_key = owner.new_file_key(&SystemEntropy);
            let sealed = head.seal(&file_key, &SystemEntropy).unwrap();
            let (opened, again) = Head::open(&owner, &sealed).unwrap();
            assert_eq!(opened, head);
            assert_eq!(again.open_note(1, &file_key.seal_note(1, b"x", &SystemEntropy).unwrap()).unwrap(), b"x");
            assert!(Head::is_one(&sealed));
            assert!(head.is_for(&key) && !head.is_for(&ObjectKey::from_sealed("inbox/y".into(), None)));
            for bit in 0..HEAD * 8 {
                let mut flipped = sealed;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(Head::open(&owner, &flipped).is_err(), "bit {bit}");
            }
        }
        assert!(Head::open(&owner, &[0; HEAD]).is_err() && !Head::is_one(&[0; HEAD]));
    }

    #[test]
    fn what_is_torn_or_elsewhere_is_no_part() {
        let key = owner().new_file_key(&SystemEntropy);
        let slot = |number| Slot { number, part_size: 10, size: 7, sha256: [number as u8; 32] };
        let sealed = |number| slot(number).seal(&key, &SystemEntropy).unwrap();
        let file = [sealed(1), vec![0; SLOT], sealed(3)].concat();
        assert_eq!(Slot::all_in(&key, &file), [slot(1), slot(3)]);
        assert_eq!((Slot::position(3), slot(3).offset()), (512 + 160, 20));
        // The last slot is cut off, at every length.
        for length in 160..240 {
            assert_eq!(Slot::all_in(&key, &file[..length]), [slot(1)], "{length}");
        }
        for bit in 0..SLOT * 8 {
            let mut flipped = file.clone();
            flipped[160 + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Slot::all_in(&key, &flipped), [slot(1)], "bit {bit}");
        }
        assert_eq!(Slot::all_in(&key, &[sealed(2), sealed(2)].concat()), [slot(2)]);
        assert_eq!(Slot::all_in(&key, &[0; 4 * SLOT]), []);
        // Of another upload.
        assert_eq!(Slot::all_in(&owner().new_file_key(&SystemEntropy), &file), []);
    }
}
