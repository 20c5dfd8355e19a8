//! Recipients: to whom alone something goes, by their e-mail addresses.
//!
//! Addresses are personal data: what is kept of them beside the list itself are marks, keyed hashes of which this
//! module knows nothing but that they are equal or not.

use std::fmt;

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::text::{self, is_invisible};

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

/// What an owner notes of a recipient: 1 to 200 characters, none of them invisible. By it nothing is decided, and
/// recipients are not told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Note(String);

/// Why a text is no note; the wording is shown to callers.
pub type NotANote = text::NotALabel;

impl TryFrom<String> for Note {
    type Error = NotANote;

    fn try_from(text: String) -> Result<Self, NotANote> {
        text::label(&text).map(Self)
    }
}

impl From<Note> for String {
    fn from(note: Note) -> Self {
        note.0
    }
}

impl fmt::Debug for Note {
    /// Without what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Note(…)")
    }
}

/// One recipient, and what the owner has noted of why their address is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub address: Address,
    /// What their address is used for.
    pub purpose: Option<Note>,
    /// By what they have agreed to that.
    pub consent: Option<Note>,
}

/// A recipient of whom something is noted, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    address: Address,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purpose: Option<Note>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consent: Option<Note>,
}

impl From<Address> for Recipient {
    fn from(address: Address) -> Self {
        Self { address, purpose: None, consent: None }
    }
}

impl Recipient {
    /// Whether there is nothing but the address.
    fn is_bare(&self) -> bool {
        self.purpose.is_none() && self.consent.is_none()
    }
}

impl Serialize for Recipient {
    /// An address alone where nothing is noted.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_bare() {
            return self.address.serialize(serializer);
        }
        let Self { address, purpose, consent } = self.clone();
        Noted { address, purpose, consent }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Recipient {
    /// An address, or an object with one.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> de::Visitor<'de> for Either {
            type Value = Recipient;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, or an object with one")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Recipient, E> {
                Address::try_from(text.to_owned()).map(Recipient::from).map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, members: A) -> Result<Recipient, A::Error> {
                let noted = Noted::deserialize(de::value::MapAccessDeserializer::new(members))?;
                let Noted { address, purpose, consent } = noted;
                Ok(Recipient { address, purpose, consent })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// Recipients, sorted by their addresses, none twice: 1 to 50 as an owner gives them, and fewer, down to none, once some
/// of them were erased. To a list of none nobody belongs: it opens nothing for anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Recipients(Vec<Recipient>);

/// Not 1 to 50 recipients, each once; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has 1 to 50 addresses, each once; leave it out for what whoever holds the link may open")]
pub struct NotRecipients;

impl Recipients {
    /// The recipients, sorted.
    pub fn as_slice(&self) -> &[Recipient] {
        &self.0
    }

    /// Their addresses, sorted.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.0.iter().map(|recipient| &recipient.address)
    }

    /// How many there are: 50 at most.
    pub fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Whether nobody is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, address: &Address) -> Option<&Recipient> {
        let place = self.0.binary_search_by(|recipient| recipient.address.cmp(address)).ok()?;
        self.0.get(place)
    }

    /// Whether somebody is one of them.
    pub fn has(&self, address: &Address) -> bool {
        self.find(address).is_some()
    }

    /// Whether each of them is one of the others.
    pub fn are_among(&self, others: &Self) -> bool {
        self.addresses().all(|address| others.has(address))
    }

    /// With what was noted before of those of whom nothing is noted now.
    #[must_use]
    pub fn noted_as(self, before: &Self) -> Self {
        let noted = |recipient: Recipient| {
            let known = before.find(&recipient.address).filter(|_| recipient.is_bare()).cloned();
            known.unwrap_or(recipient)
        };
        Self(self.0.into_iter().map(noted).collect())
    }

    /// Without this one; none if they are none of them.
    pub fn without(&self, address: &Address) -> Option<Self> {
        let others = self.0.iter().filter(|recipient| recipient.address != *address).cloned();
        self.has(address).then(|| Self(others.collect()))
    }

    /// With another address in the place of one of them, and what was noted of it; none if that is none of them. Where
    /// the other is one already, there is one fewer.
    pub fn corrected(&self, from: &Address, to: &Address) -> Option<Self> {
        let Recipient { purpose, consent, .. } = self.find(from)?.clone();
        let Self(mut others) = self.without(from)?;
        if !others.iter().any(|recipient| recipient.address == *to) {
            others.push(Recipient { address: to.clone(), purpose, consent });
            others.sort_unstable_by(|a, b| a.address.cmp(&b.address));
        }
        Some(Self(others))
    }
}

impl TryFrom<Vec<Recipient>> for Recipients {
    type Error = NotRecipients;

    fn try_from(mut recipients: Vec<Recipient>) -> Result<Self, NotRecipients> {
        recipients.sort_unstable_by(|a, b| a.address.cmp(&b.address));
        let is_twice = recipients.windows(2).any(|pair| pair[0].address == pair[1].address);
        if recipients.is_empty() || recipients.len() > MOST_RECIPIENTS || is_twice {
            return Err(NotRecipients);
        }
        Ok(Self(recipients))
    }
}

impl TryFrom<Vec<Address>> for Recipients {
    type Error = NotRecipients;

    fn try_from(addresses: Vec<Address>) -> Result<Self, NotRecipients> {
        Self::try_from(addresses.into_iter().map(Recipient::from).collect::<Vec<_>>())
    }
}

impl<'de> Deserialize<'de> for Recipients {
    /// As an owner gives them: some.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Recipient>::deserialize(deserializer)?.try_into().map_err(de::Error::custom)
    }
}

/// Recipients as they are kept: those who were erased are none any more, and it may be that nobody is left.
///
/// # Errors
/// When it is no list of them.
pub fn kept<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Recipients>, D::Error> {
    let Some(list) = Option::<Vec<Recipient>>::deserialize(deserializer)? else { return Ok(None) };
    if list.is_empty() {
        return Ok(Some(Recipients(list)));
    }
    list.try_into().map(Some).map_err(de::Error::custom)
}

impl From<Recipients> for Vec<Recipient> {
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

    #[test]
    fn what_is_noted_of_a_recipient_goes_with_the_address_and_decides_nothing() {
        let text = r#"["b@d",{"address":"A@d","purpose":"the draft","consent":"by mail, 2026-11-20"}]"#;
        let list: Recipients = serde_json::from_str(text).unwrap();
        let (ada, bob) = (address("a@d").unwrap(), address("b@d").unwrap());
        assert_eq!(list.addresses().collect::<Vec<_>>(), [&ada, &bob]);
        let kept = r#"[{"address":"a@d","purpose":"the draft","consent":"by mail, 2026-11-20"},"b@d"]"#;
        assert_eq!(serde_json::to_string(&list).unwrap(), kept);
        let bare: Recipients = serde_json::from_str(r#"["a@d"]"#).unwrap();
        assert!(bare.are_among(&list) && bare != list);
        assert_eq!(bare.noted_as(&list).as_slice(), &list.as_slice()[..1]);
        let anew: Recipients = serde_json::from_str(r#"[{"address":"a@d","purpose":"another"}]"#).unwrap();
        assert_eq!(anew.clone().noted_as(&list), anew);
        assert!(!format!("{list:?}").contains("draft") && !format!("{list:?}").contains("mail"));
        for wrong in [
            r#"[{"address":"a@d","purpose":""}]"#,
            r#"[{"address":"a@d","reason":"x"}]"#,
            r#"[{"purpose":"x"}]"#,
            r#"["a@d",{"address":"A@d"}]"#,
            "[7]",
            "[null]",
        ] {
            assert!(serde_json::from_str::<Recipients>(wrong).is_err(), "{wrong}");
        }
        let long = format!(r#"[{{"address":"a@d","consent":"{}"}}]"#, "x".repeat(201));
        assert!(serde_json::from_str::<Recipients>(&long).is_err());
    }

    #[test]
    fn whoever_is_erased_leaves_the_list_and_a_list_of_nobody_is_kept() {
        #[derive(Deserialize)]
        struct Row {
            #[serde(default, deserialize_with = "kept")]
            recipients: Option<Recipients>,
        }
        let row = |text: &str| serde_json::from_str::<Row>(text).map(|row| row.recipients);
        let list = row(r#"{"recipients":["a@d",{"address":"b@d","purpose":"p"}]}"#).unwrap().unwrap();
        let [ada, bob, eve] = ["a@d", "b@d", "e@d"].map(|text| address(text).unwrap());
        assert_eq!(list.without(&eve), None);
        let left = list.without(&ada).unwrap();
        assert_eq!((left.count(), left.has(&bob), left.has(&ada)), (1, true, false));
        let nobody = left.without(&bob).unwrap();
        assert!(nobody.is_empty() && !nobody.has(&bob));
        assert_eq!(
            row(&format!(r#"{{"recipients":{}}}"#, serde_json::to_string(&nobody).unwrap())).unwrap(),
            Some(nobody)
        );
        assert_eq!(row("{}").unwrap(), None);
        // No owner gives one.
        assert!(serde_json::from_str::<Recipients>("[]").is_err());
        // Corrected, what was noted goes with it, and nobody comes twice.
        let corrected = list.corrected(&bob, &eve).unwrap();
        assert_eq!(serde_json::to_string(&corrected).unwrap(), r#"["a@d",{"address":"e@d","purpose":"p"}]"#);
        assert_eq!(list.corrected(&bob, &ada).unwrap().count(), 1);
        assert_eq!(list.corrected(&eve, &ada), None);
    }
}
