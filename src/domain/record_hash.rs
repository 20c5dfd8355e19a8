//! The hash of a record, as a value. What is hashed, and how, is in [`crate::crypto::record_hash`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// SHA-256 in small hexadecimal digits: as they are, since each record is compared by them.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordHash([u8; 64]);

/// Not 64 small hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 small hexadecimal digits")]
pub struct NotAHash;

impl RecordHash {
    /// The hash with these bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut digits = [b'0'; 64];
        // There is room for two digits a byte.
        let _ = base16ct::lower::encode(bytes, &mut digits);
        Self(digits)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        // Of 64 digits, as all of these are, it always succeeds.
        let _ = base16ct::lower::decode(self.0, &mut bytes);
        bytes
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        // Digits always are text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordHash({})", self.as_str())
    }
}

impl TryFrom<&str> for RecordHash {
    type Error = NotAHash;

    fn try_from(text: &str) -> Result<Self, NotAHash> {
        let digits: [u8; 64] = text.as_bytes().try_into().map_err(|_| NotAHash)?;
        let right = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if right { Ok(Self(digits)) } else { Err(NotAHash) }
    }
}

impl TryFrom<String> for RecordHash {
    type Error = NotAHash;

    fn try_from(text: String) -> Result<Self, NotAHash> {
        text.as_str().try_into()
    }
}

impl From<RecordHash> for String {
    fn from(hash: RecordHash) -> Self {
        hash.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_its_bytes() {
        let bytes = std::array::from_fn(|at| (at * 8 + 7) as u8);
        assert_eq!(RecordHash::from_bytes(&bytes).to_bytes(), bytes);
    }
}
