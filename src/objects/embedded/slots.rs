//! The file `parts` of an upload in parts: what the upload is, and which
//! parts have arrived.
//!
//! ```text
//! head | slot of part 1 | slot of part 2 | …
//!
//! head(512) = magic(8) | SHA-256 of the key(32) | checksums demanded(1) | length of the type(1)
//!             | type, padded with zeros | SHA-256 of all this(32)
//! slot(80)  = number(4) | zero(4) | part size(8) | size(8) | SHA-256 of the bytes(32)
//!             | the first 24 bytes of the SHA-256 of all this
//! ```
//!
//! A slot that was never written is zero, and one that was torn fails its
//! guard: neither is a part.

use sha2::{Digest, Sha256};

use crate::objects::{ContentType, ObjectKey, StoredPart};

use super::header::etag_of;

/// The last byte is the version of the format.
const MAGIC: [u8; 8] = *b"CLKRPRT\x01";

/// How long the head is.
pub(super) const HEAD: usize = 512;

/// How long a slot is.
pub(super) const SLOT: usize = 80;

const GUARDED_HEAD: usize = HEAD - 32;
const GUARDED_SLOT: usize = SLOT - 24;

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

    pub(super) fn encode(&self) -> [u8; HEAD] {
        let text = self.content_type.as_str().as_bytes();
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&self.key);
        head.push(u8::from(self.part_checksums));
        // A content type has at most 255 bytes.
        head.push(text.len() as u8);
        head.extend_from_slice(text);
        head.resize(GUARDED_HEAD, 0);
        let guard = Sha256::digest(&head);
        head.extend_from_slice(&guard);
        let mut encoded = [0; HEAD];
        encoded.copy_from_slice(&head);
        encoded
    }

    /// The head that [`Head::encode`] made; nothing if it is none.
    pub(super) fn decode(head: &[u8; HEAD]) -> Option<Self> {
        let (guarded, guard) = head.split_at(GUARDED_HEAD);
        if Sha256::digest(guarded).as_slice() != guard {
            return None;
        }
        let (magic, rest) = guarded.split_first_chunk::<8>()?;
        let (key, rest) = rest.split_first_chunk::<32>()?;
        let (&[part_checksums, length], rest) = rest.split_first_chunk::<2>()?;
        let text = std::str::from_utf8(rest.get(..usize::from(length))?).ok()?;
        (*magic == MAGIC).then_some(())?;
        Some(Self { key: *key, part_checksums: part_checksums == 1, content_type: ContentType::parse(text).ok()? })
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

    pub(super) fn encode(&self) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        let (guarded, guard) = slot.split_at_mut(GUARDED_SLOT);
        guarded[..4].copy_from_slice(&self.number.to_be_bytes());
        guarded[8..16].copy_from_slice(&self.part_size.to_be_bytes());
        guarded[16..24].copy_from_slice(&self.size.to_be_bytes());
        guarded[24..].copy_from_slice(&self.sha256);
        guard.copy_from_slice(&Sha256::digest(guarded)[..24]);
        slot
    }

    fn decode(slot: &[u8]) -> Option<Self> {
        let (guarded, guard) = slot.split_at_checked(GUARDED_SLOT)?;
        if Sha256::digest(guarded)[..24] != *guard {
            return None;
        }
        let (number, rest) = guarded.split_first_chunk::<4>()?;
        let (_, rest) = rest.split_first_chunk::<4>()?;
        let (part_size, rest) = rest.split_first_chunk::<8>()?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            number: u32::from_be_bytes(*number),
            part_size: u64::from_be_bytes(*part_size),
            size: u64::from_be_bytes(*size),
            sha256: *rest.first_chunk()?,
        })
    }

    /// The parts in what follows the head, in order.
    pub(super) fn all_in(slots: &[u8]) -> Vec<Self> {
        let slots = slots.chunks_exact(SLOT).zip(1..);
        slots.filter_map(|(slot, number)| Self::decode(slot).filter(|slot| slot.number == number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_survives_and_every_flipped_bit_is_seen() {
        let key = ObjectKey::from_sealed("inbox/x".into());
        let longest = ContentType::parse(&format!("text/{}", "x".repeat(250))).unwrap();
        for (content_type, part_checksums) in [(ContentType::unknown(), false), (longest, true)] {
            let head = Head::new(&key, content_type, part_checksums);
            let encoded = head.encode();
            assert_eq!(Head::decode(&encoded), Some(head.clone()));
            assert!(head.is_for(&key) && !head.is_for(&ObjectKey::from_sealed("inbox/y".into())));
            for bit in 0..HEAD * 8 {
                let mut flipped = encoded;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Head::decode(&flipped), None, "bit {bit}");
            }
        }
        assert_eq!(Head::decode(&[0; HEAD]), None);
    }

    #[test]
    fn what_is_torn_or_elsewhere_is_no_part() {
        let slot = |number| Slot { number, part_size: 10, size: 7, sha256: [number as u8; 32] };
        let file = [slot(1).encode(), [0; SLOT], slot(3).encode()].concat();
        assert_eq!(Slot::all_in(&file), [slot(1), slot(3)]);
        assert_eq!((Slot::position(3), slot(3).offset()), (512 + 160, 20));
        // The last slot is cut off, at every length.
        for length in 160..240 {
            assert_eq!(Slot::all_in(&file[..length]), [slot(1)], "{length}");
        }
        for bit in 0..SLOT * 8 {
            let mut flipped = file.clone();
            flipped[160 + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Slot::all_in(&flipped), [slot(1)], "bit {bit}");
        }
        assert_eq!(Slot::all_in(&[slot(2).encode(), slot(2).encode()].concat()), [slot(2)]);
        assert_eq!(Slot::all_in(&[0; 4 * SLOT]), []);
    }
}
