//! What stands before the bytes in the file of an object.
//!
//! Of a file of a tenant's, a head that is sealed ([`crate::crypto::file_key`]) and says
//!
//! ```text
//! size(8) | SHA-256 of the bytes(32) | length of the type(1) | type, padded with zeros
//! ```
//!
//! Of one that the broker wrote itself:
//!
//! ```text
//! magic(8) | size(8) | SHA-256 of the bytes(32) | length of the type(1) | type, padded with zeros | SHA-256 of all this(32)
//! ```
//!
//! The key of the object is not in it: one file may be linked under several keys.

use sha2::{Digest, Sha256};

use crate::{
    crypto::file_key::{HEAD, HEAD_PLAIN},
    objects::{Checksum, ContentType, ETag, ObjectFacts},
};

/// The last byte is the version of the format.
const MAGIC: [u8; 8] = *b"CLKROBJ\x01";

/// The same, of a file that is sealed.
pub(super) const SEALED: [u8; 8] = *b"CLKROBJ\x02";

/// How long a header is. The bytes of the object follow.
pub(super) const LENGTH: usize = HEAD;

const GUARDED: usize = LENGTH - 32;

/// The header of a file with these bytes, in the open.
pub(super) fn encode(size: u64, sha256: &[u8; 32], content_type: &ContentType) -> [u8; LENGTH] {
    let mut encoded = [0; LENGTH];
    let (guarded, guard) = encoded.split_at_mut(GUARDED);
    guarded[..MAGIC.len()].copy_from_slice(&MAGIC);
    write_facts(&mut guarded[MAGIC.len()..], size, sha256, content_type);
    guard.copy_from_slice(&Sha256::digest(guarded));
    encoded
}

/// The facts in a header that lies in the open; nothing if it is not one that [`encode`] made.
pub(super) fn decode(header: &[u8; LENGTH]) -> Option<ObjectFacts> {
    let (guarded, guard) = header.split_at(GUARDED);
    if Sha256::digest(guarded).as_slice() != guard {
        return None;
    }
    read_facts(guarded.strip_prefix(&MAGIC)?)
}

/// What the head of a sealed file with these bytes says.
pub(super) fn facts_to_seal(size: u64, sha256: &[u8; 32], content_type: &ContentType) -> [u8; HEAD_PLAIN] {
    let mut plain = [0; HEAD_PLAIN];
    write_facts(&mut plain, size, sha256, content_type);
    plain
}

fn write_facts(to: &mut [u8], size: u64, sha256: &[u8; 32], content_type: &ContentType) {
    // A content type has at most 255 bytes.
    let text = content_type.as_str().as_bytes();
    to[..8].copy_from_slice(&size.to_be_bytes());
    to[8..40].copy_from_slice(sha256);
    to[40] = text.len() as u8;
    to[41..41 + text.len()].copy_from_slice(text);
}

/// The facts as [`facts_to_seal`] wrote them.
pub(super) fn read_facts(facts: &[u8]) -> Option<ObjectFacts> {
    let (size, rest) = facts.split_first_chunk::<8>()?;
    let (sha256, rest) = rest.split_first_chunk::<32>()?;
    let (&length, rest) = rest.split_first()?;
    let text = std::str::from_utf8(rest.get(..usize::from(length))?).ok()?;
    Some(ObjectFacts {
        size: u64::from_be_bytes(*size),
        etag: etag_of(sha256),
        content_type: ContentType::parse(text).ok()?,
        checksum: Some(Checksum::Full(*sha256)),
    })
}

/// The ETag of these bytes, whatever their type.
pub(super) fn etag_of(sha256: &[u8; 32]) -> ETag {
    ETag(format!("\"{}\"", base16ct::lower::encode_string(sha256)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_and_every_flipped_bit_is_seen() {
        let longest = ContentType::parse(&format!("text/{}", "x".repeat(250))).unwrap();
        for content_type in [ContentType::unknown(), longest] {
            let header = encode(7, &[9; 32], &content_type);
            let facts = decode(&header).unwrap();
            assert_eq!(
                (facts.size, facts.checksum, &facts.content_type),
                (7, Some(Checksum::Full([9; 32])), &content_type)
            );
            assert_eq!(read_facts(&facts_to_seal(7, &[9; 32], &content_type)), Some(facts));
            for bit in 0..LENGTH * 8 {
                let mut flipped = header;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(&flipped), None, "bit {bit}");
            }
        }
        assert_eq!(decode(&[0; LENGTH]), None);
    }
}
