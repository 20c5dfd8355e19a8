//! Hashing of several fields without ambiguity.

use sha2::{Digest, Sha256};

/// A SHA-256 value (FIPS 180-4).
pub type Sha256Digest = [u8; 32];

/// `len(a) | a | len(b) | b | …`, each length as 32 bits, big-endian: no two
/// different lists of fields have the same frame.
pub fn framed(fields: &[&[u8]]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(fields.iter().map(|field| field.len() + 4).sum());
    for field in fields {
        // No field comes near 4 GiB: bodies are bounded at the border.
        frame.extend_from_slice(&(field.len() as u32).to_be_bytes());
        frame.extend_from_slice(field);
    }
    frame
}

/// SHA-256 over the framed label and fields.
pub fn labelled(label: &str, fields: &[&[u8]]) -> Sha256Digest {
    let mut digest = Sha256::new();
    for field in [label.as_bytes()].iter().chain(fields) {
        digest.update((field.len() as u32).to_be_bytes());
        digest.update(field);
    }
    digest.finalize().into()
}

/// SHA-256 of plain bytes.
pub fn of(bytes: &[u8]) -> Sha256Digest {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_border_changes_the_digest() {
        assert_ne!(labelled("l", &[b"ab", b"c"]), labelled("l", &[b"a", b"bc"]));
        assert_ne!(labelled("l", &[b"ab"]), labelled("la", &[b"b"]));
        assert_ne!(labelled("l", &[]), labelled("l", &[b""]));
    }

    #[test]
    fn plain_digests_are_those_of_the_standard() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(base16ct::lower::encode_string(&of(b"abc")), expected);
    }
}
