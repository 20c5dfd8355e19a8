//! Metadata: words of the owner's own that go with a thing. Nothing is decided by them, and nobody else sees them.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de};

use super::text;

/// The most pairs of one thing.
pub const MOST_PAIRS: usize = 20;
/// The longest key, in characters.
pub const LONGEST_KEY: usize = 40;
/// The longest value, in characters.
pub const LONGEST_VALUE: usize = 500;

/// Why something is no metadata; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each says itself what it is")]
pub enum NotMetadata {
    #[error("at most 20 pairs")]
    TooMany,
    #[error("a key has 1 to 40 characters of A-Z, a-z, 0-9, '_', '.' and '-'")]
    Key,
    #[error("a key is there twice")]
    Twice,
    #[error("a value has at most 500 characters, all of them visible")]
    Value,
}

/// The name of a pair: 1 to 40 characters of `A-Z a-z 0-9 _ . -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MetadataKey(String);

/// What a pair says: at most 500 characters, none of them invisible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MetadataValue(String);

impl TryFrom<String> for MetadataKey {
    type Error = NotMetadata;

    fn try_from(text: String) -> Result<Self, NotMetadata> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let fits = (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(text)) } else { Err(NotMetadata::Key) }
    }
}

impl TryFrom<String> for MetadataValue {
    type Error = NotMetadata;

    fn try_from(text: String) -> Result<Self, NotMetadata> {
        let fits = text.chars().count() <= LONGEST_VALUE && !text.chars().any(text::is_invisible);
        if fits { Ok(Self(text)) } else { Err(NotMetadata::Value) }
    }
}

impl From<MetadataKey> for String {
    fn from(key: MetadataKey) -> Self {
        key.0
    }
}

impl From<MetadataValue> for String {
    fn from(value: MetadataValue) -> Self {
        value.0
    }
}

/// Up to 20 pairs.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct Metadata(BTreeMap<MetadataKey, MetadataValue>);

impl Metadata {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a pair.
    ///
    /// # Errors
    /// When there are 20 already, or one under this key.
    pub fn add(&mut self, key: MetadataKey, value: MetadataValue) -> Result<(), NotMetadata> {
        if self.0.len() == MOST_PAIRS {
            return Err(NotMetadata::TooMany);
        }
        match self.0.insert(key, value) {
            None => Ok(()),
            Some(_) => Err(NotMetadata::Twice),
        }
    }

    /// Whether all pairs of the other are among these.
    pub fn has_all(&self, wanted: &Self) -> bool {
        wanted.0.iter().all(|(key, value)| self.0.get(key) == Some(value))
    }
}

impl fmt::Debug for Metadata {
    /// How many; they may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metadata({})", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> de::Visitor<'de> for Pairs {
            type Value = Metadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of up to 20 texts")
            }

            fn visit_map<M: de::MapAccess<'de>>(self, mut pairs: M) -> Result<Metadata, M::Error> {
                let mut metadata = Metadata::default();
                while let Some((key, value)) = pairs.next_entry()? {
                    metadata.add(key, value).map_err(de::Error::custom)?;
                }
                Ok(metadata)
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Metadata, String> {
        serde_json::from_str(text).map_err(|fault| fault.to_string())
    }

    #[test]
    fn it_is_a_few_short_pairs_of_texts() {
        let key = "k".repeat(40);
        let most = (0..20).map(|number| (format!("k.{number}_-"), json!("é".repeat(500)))).collect();
        for right in [json!({}), json!({ key: "" }), serde_json::Value::Object(most)] {
            let metadata = parse(&right.to_string()).unwrap();
            assert_eq!(serde_json::to_value(&metadata).unwrap(), right);
        }
        let many = (0..21).map(|number| (number.to_string(), json!(""))).collect();
        for wrong in [
            json!({ "": "x" }),
            json!({ "k".repeat(41): "x" }),
            json!({ "a b": "x" }),
            json!({ "é": "x" }),
            json!({ "a": "x".repeat(501) }),
            json!({ "a": "x\u{202e}" }),
            json!({ "a": "x\n" }),
            json!({ "a": 1 }),
            json!({ "a": null }),
            json!([]),
            json!("a"),
            serde_json::Value::Object(many),
        ] {
            assert!(parse(&wrong.to_string()).is_err(), "{wrong}");
        }
        assert!(parse(r#"{"a":"1","a":"2"}"#).unwrap_err().contains("twice"));
        assert!(!format!("{:?}", parse(r#"{"a":"secret"}"#)).contains("secret"));
    }

    #[test]
    fn what_is_wanted_must_all_be_there() {
        let metadata = |text| parse(text).unwrap();
        let (all, some) = (metadata(r#"{"a":"1","b":"2"}"#), metadata(r#"{"a":"1"}"#));
        assert!(all.has_all(&some) && all.has_all(&Metadata::default()));
        assert!(!some.has_all(&all) && !all.has_all(&metadata(r#"{"a":"2"}"#)));
    }
}
