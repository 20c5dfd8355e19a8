//! What stands before the bytes in the file of an object.
//!
//! ```text
//! magic(8) | size(8) | SHA-256 of the bytes(32) | length of the type(1) | type, padded with zeros | SHA-256 of all this(32)
//! ```
//!
//! The key is not in it: one file may be linked under several keys.

use sha2::{Digest, Sha256};

use crate::objects::{Checksum, ContentType, ETag, ObjectFacts};

/// The last byte is the version of the format.
const MAGIC: [u8; 8] = *b"CLKROBJ\x01";

/// How long a header is. The bytes of the object follow.
pub(super) const LENGTH: usize = 512;

const GUARDED: usize = LENGTH - 32;

/// The header of a file with these bytes.
pub(super) fn encode(size: u64, sha256: &[u8; 32], content_type: &ContentType) -> [u8; LENGTH] {
    let text = content_type.as_str().as_bytes();
    let mut header = Vec::with_capacity(LENGTH);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&size.to_be_bytes());
    header.extend_from_slice(sha256);
    // A content type has at most 255 bytes.
    header.push(text.len() as u8);
    header.extend_from_slice(text);
    header.resize(GUARDED, 0);
    let guard = Sha256::digest(&header);
    header.extend_from_slice(&guard);
    let mut encoded = [0; LENGTH];
    encoded.copy_from_slice(&header);
    encoded
}

/// The facts in a header; nothing if it is not one that [`encode`] made.
pub(super) fn decode(header: &[u8; LENGTH]) -> Option<ObjectFacts> {
    let (guarded, guard) = header.split_at(GUARDED);
    if Sha256::digest(guarded).as_slice() != guard {
        return None;
    }
    let (magic, rest) = guarded.split_first_chunk::<8>()?;
    let (size, rest) = rest.split_first_chunk::<8>()?;
    let (sha256, rest) = rest.split_first_chunk::<32>()?;
    let (&length, rest) = rest.split_first()?;
    let text = std::str::from_utf8(rest.get(..usize::from(length))?).ok()?;
    (*magic == MAGIC).then_some(())?;
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
            for bit in 0..LENGTH * 8 {
                let mut flipped = header;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(&flipped), None, "bit {bit}");
            }
        }
        assert_eq!(decode(&[0; LENGTH]), None);
    }
}
