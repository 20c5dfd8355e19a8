//! Recipients: to whom alone something goes, by their e-mail addresses.
//!
//! Addresses are personal data: what is kept of them beside the list itself are marks, keyed hashes of which this
//! module knows nothing but that they are equal or not.

use std::fmt;

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};

use super::text::is_invisible;

/// The most recipients of one share or link.
pub const MOST_RECIPIENTS: usize = 50;

/// The longest address, in bytes: what a path of RFC 5321 has room for (sections 4.5.3.1.3, with its brackets).
const LONGEST_ADDRESS: usize = 254;

/// An address as of RFC 5321, in lower case. What stands before the `@` could differ in case by that standard; at no
/// provider of today it does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

/// A text that is no address; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is written as name@example.org, without a display name, quotes or comments, up to 254 bytes")]
pub struct NotAnAddress;

impl Address {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Address {
    type Error = NotAnAddress;

    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        let address = text.to_lowercase();
        // A host of one's own network needs no dot. Quoted names are legal, and only ever seen in attacks.
        let options = Options::default().without_display_text().without_domain_literal();
        let harmless = !address.chars().any(|character| is_invisible(character) || character.is_whitespace());
        let plain = harmless && !address.contains(['"', '(', ')', '<', '>', ',', ';', ':', '\\']);
        if plain && address.len() <= LONGEST_ADDRESS && EmailAddress::parse_with_options(&address, options).is_ok() {
            Ok(Self(address))
        } else {
            Err(NotAnAddress)
        }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl fmt::Debug for Address {
    /// Without what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

/// Recipients: 1 to 50, sorted, none twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Address>", into = "Vec<Address>")]
pub struct Recipients(Vec<Address>);

/// Not 1 to 50 recipients, each once; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has 1 to 50 addresses, each once; leave it out for what whoever holds the link may open")]
pub struct NotRecipients;

impl Recipients {
    /// The addresses, sorted.
    pub fn as_slice(&self) -> &[Address] {
        &self.0
    }

    /// How many there are: 1 to 50.
    pub fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Whether somebody is one of them.
    pub fn has(&self, address: &Address) -> bool {
        self.0.binary_search(address).is_ok()
    }

    /// Whether each of them is one of the others.
    pub fn are_among(&self, others: &Self) -> bool {
        self.0.iter().all(|address| others.has(address))
    }
}

impl TryFrom<Vec<Address>> for Recipients {
    type Error = NotRecipients;

    fn try_from(mut addresses: Vec<Address>) -> Result<Self, NotRecipients> {
        addresses.sort_unstable();
        let is_twice = addresses.windows(2).any(|pair| pair[0] == pair[1]);
        if addresses.is_empty() || addresses.len() > MOST_RECIPIENTS || is_twice {
            return Err(NotRecipients);
        }
        Ok(Self(addresses))
    }
}

impl From<Recipients> for Vec<Address> {
    fn from(recipients: Recipients) -> Self {
        recipients.0
    }
}

/// A keyed hash of a whole list, with the name of its key. Whoever has the list and not the key cannot make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ListMark(pub String);

/// A keyed hash of one address, for one share or link: says nothing of the address, nor that two of them are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipientMark(pub String);

impl fmt::Display for RecipientMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<Address, NotAnAddress> {
        Address::try_from(text.to_owned())
    }

    #[test]
    fn an_address_is_one_by_the_standard_and_in_lower_case() {
        for (written, kept) in [
            ("Ada@Example.ORG", "ada@example.org"),
            ("a.b+c_d@sub.example.org", "a.b+c_d@sub.example.org"),
            ("o'neill@example.org", "o'neill@example.org"),
            ("ada@grüße.example", "ada@grüße.example"),
            ("ada@xn--gre-6ka8i.example", "ada@xn--gre-6ka8i.example"),
            ("root@localhost", "root@localhost"),
        ] {
            assert_eq!(address(written).unwrap().as_str(), kept);
        }
        let long = |local: usize, label: usize| format!("{}@{}.example", "a".repeat(local), "b".repeat(label));
        assert!(address(&long(64, 63)).is_ok());
        let full = format!("{}@{}.{}.{}", "a".repeat(64), "b".repeat(63), "c".repeat(63), "d".repeat(61));
        assert_eq!(full.len(), 254);
        assert!(address(&full).is_ok());
        for wrong in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.org",
            "a@b@example.org",
            "a..b@example.org",
            ".a@example.org",
            "Ada <ada@example.org>",
            "\"a b\"@example.org",
            "ada@[192.0.2.7]",
            "ada@-example.org",
            "ada@exa mple.org",
            "ada@example.org\r\nBcc: eve@example.org",
            "ada@example.org\n",
            " ada@example.org",
            "ada@example..org",
            "a,b@example.org",
            "ada\u{202e}@example.org",
            "ada@example.org\0",
            "ada(x)@example.org",
            &long(65, 10),
            &long(10, 64),
            &format!("{full}d"),
        ] {
            assert_eq!(address(wrong), Err(NotAnAddress), "{wrong:?}");
        }
    }

    #[test]
    fn there_are_1_to_50_recipients_each_once() {
        let list = |addresses: &[String]| {
            Recipients::try_from(addresses.iter().map(|text| address(text).unwrap()).collect::<Vec<_>>())
        };
        let many: Vec<_> = (0..51).map(|number| format!("a{number}@example.org")).collect();
        assert_eq!(list(&[]), Err(NotRecipients));
        assert_eq!(list(&many[..50]).unwrap().count(), 50);
        assert_eq!(list(&many), Err(NotRecipients));
        assert_eq!(list(&["a@b".into(), "A@B".into()]), Err(NotRecipients));
        let (all, some) = (list(&many[..3]).unwrap(), list(&many[1..2]).unwrap());
        assert!(some.are_among(&all) && !all.are_among(&some) && all.are_among(&all));
        assert!(!format!("{all:?} {some:?}").contains("example"));
    }
}
