//! Who sent a request, as far as that can be seen: recorded beside an event, where it can be erased again. The event itself holds
//! a commitment, which says nothing without what lies beside it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::network::ClientAddress;

/// The most of what a program says of itself that is kept, in bytes.
const LONGEST: usize = 160;

/// What a program says of itself (RFC 9110, section 10.1.5): its beginning, visible ASCII alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserAgent {
    bytes: [u8; LONGEST],
    length: u8,
}

impl UserAgent {
    /// What the header says.
    pub fn new(header: &[u8]) -> Self {
        let mut agent = Self { bytes: [b' '; LONGEST], length: header.len().min(LONGEST) as u8 };
        for (byte, said) in agent.bytes.iter_mut().zip(header) {
            *byte = if (0x20..0x7f).contains(said) { *said } else { b'?' };
        }
        agent
    }

    /// Of a program that says nothing.
    pub fn none() -> Self {
        Self::new(b"")
    }

    /// What is kept.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// From which address.
    pub address: String,
    /// With which program, as that says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
}

impl Client {
    /// Whoever asked from here, with this program.
    pub fn new(address: ClientAddress, agent: &UserAgent) -> Self {
        Self { address: address.to_string(), user_agent: agent.as_str().trim().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_program_says_the_visible_beginning_is_kept() {
        assert_eq!(UserAgent::new(b"curl/8.0").as_str(), "curl/8.0");
        assert_eq!(UserAgent::new("a\r\nb\u{e9}\u{1b}[2J".as_bytes()).as_str(), "a??b???[2J");
        assert_eq!(UserAgent::new(&[b'x'; 1_000]).as_str(), "x".repeat(LONGEST));
        assert_eq!(UserAgent::none().as_str(), "");
    }
}
