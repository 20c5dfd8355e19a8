//! SHA-256 of local bytes, and what a server says that it is.

use std::io::{self, Read};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::client::text;

/// SHA-256 of something.
pub(super) type Hash = [u8; 32];

/// A checksum that a server or a receipt tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Told {
    /// Of all bytes.
    Full(Hash),
    /// Of the checksums of parts, as S3 makes it.
    Composite { value: Hash, part_size: u64, parts: u64 },
}

impl Told {
    /// What is told of a file, if it is of a kind that is known here.
    pub(super) fn of(file: &Value) -> Option<Self> {
        let checksum = &file["checksum"];
        let number = |name: &str| checksum[name].as_u64();
        // S3 writes the number of parts behind a composite one.
        let value = text(checksum, "value").split('-').next().and_then(hash_of);
        match (text(checksum, "algorithm"), text(checksum, "type")) {
            ("sha256", "full") => value.map(Self::Full),
            ("sha256", "composite") => {
                Some(Self::Composite { value: value?, part_size: number("part_size")?, parts: number("parts")? })
            }
            _ => hash_of(text(file, "sha256")).map(Self::Full),
        }
    }

    /// Whether it is that of so many bytes, and there are no others.
    pub(super) fn agrees(&self, size: u64, mut bytes: impl Read) -> io::Result<bool> {
        match self {
            Self::Full(value) => Ok(digest(bytes)? == (size, *value)),
            Self::Composite { part_size: 0, .. } => Ok(false),
            Self::Composite { value, part_size, parts } => {
                let mut hashes = Vec::new();
                let mut count = 0;
                while count < size || hashes.is_empty() {
                    let (read, hash) = digest((&mut bytes).take(*part_size))?;
                    count += read;
                    hashes.push(hash);
                    if read < *part_size {
                        break;
                    }
                }
                let is_all = count == size && bytes.read(&mut [0])? == 0 && hashes.len() as u64 == *parts;
                Ok(is_all && composite(&hashes) == *value)
            }
        }
    }
}

/// How many bytes there are, and their SHA-256.
pub(super) fn digest(mut bytes: impl Read) -> io::Result<(u64, Hash)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut count = 0;
    loop {
        match bytes.read(&mut buffer)? {
            0 => return Ok((count, hasher.finalize().into())),
            read => {
                hasher.update(&buffer[..read]);
                count += read as u64;
            }
        }
    }
}

/// What S3 calls a composite checksum: the SHA-256 of the parts' SHA-256, one after the other.
pub(super) fn composite<'a>(parts: impl IntoIterator<Item = &'a Hash>) -> Hash {
    let mut hasher = Sha256::new();
    parts.into_iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// A hash as 64 hexadecimal digits.
pub(super) fn hex(hash: &Hash) -> String {
    base16ct::lower::encode_string(hash)
}

/// A SHA-256 as 64 hexadecimal digits or in base64.
pub(super) fn hash_of(text: &str) -> Option<Hash> {
    let bytes = if text.len() == 64 { base16ct::mixed::decode_vec(text).ok() } else { STANDARD.decode(text).ok() };
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hash_is_read_in_both_spellings() {
        let hash = [7; 32];
        assert_eq!(hash_of(&hex(&hash)), Some(hash));
        assert_eq!(hash_of(&STANDARD.encode(hash)), Some(hash));
        assert_eq!(hash_of("07"), None);
    }

    #[test]
    fn both_kinds_hold_bytes_to_what_was_told() {
        let hash = |text: &str| digest(text.as_bytes()).unwrap().1;
        let full = json!({ "checksum": { "algorithm": "sha256", "type": "full", "value": hex(&hash("hello")) } });
        let value = hex(&composite(&[hash("hel"), hash("lo")]));
        let parts = json!({
            "checksum": { "algorithm": "sha256", "type": "composite", "value": value, "part_size": 3, "parts": 2 },
        });
        let mut more = parts.clone();
        more["checksum"]["parts"] = json!(3);
        let agrees = |told: &Value, bytes: &str| Told::of(told).unwrap().agrees(5, bytes.as_bytes()).unwrap();
        for told in [&full, &parts] {
            assert!(agrees(told, "hello"));
            for other in ["hellO", "hell", "hello!", ""] {
                assert!(!agrees(told, other), "{other}");
            }
        }
        assert!(!agrees(&more, "hello"));
        assert!(agrees(&json!({ "sha256": hex(&hash("hello")) }), "hello"));
        assert_eq!(Told::of(&json!({ "checksum": { "algorithm": "md5", "type": "full", "value": value } })), None);
    }
}
