//! JSON from others: objects that name nothing twice.
//!
//! Of two members of one name, parsers take the first, the last or neither; a token
//! must not say one thing here and another there (RFC 8725, section 2.4, RFC 7515, section 4).

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IgnoredAny, MapAccess, Visitor},
};

/// Reads an object. What else is in it than `T` wants is left alone.
pub(super) fn object<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice::<NamedOnce>(bytes).ok()?;
    serde_json::from_slice(bytes).ok()
}

/// An object, and no array, whose members have different names.
struct NamedOnce;

impl<'de> Deserialize<'de> for NamedOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = NamedOnce;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<NamedOnce, A::Error> {
                let mut names = HashSet::new();
                while let Some((name, IgnoredAny)) = members.next_entry::<String, _>()? {
                    if !names.insert(name) {
                        return Err(A::Error::custom("a name is there twice"));
                    }
                }
                Ok(NamedOnce)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Something is there, whatever it is, `null` included.
#[derive(Debug)]
pub(super) struct Present;

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// For members whose presence alone says something.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Present>, D::Error> {
    Present::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Shape {
        a: u8,
        #[serde(default, deserialize_with = "present")]
        b: Option<Present>,
    }

    #[test]
    fn only_an_object_that_names_nothing_twice_is_read() {
        let read: Shape = object(br#" {"a":1,"c":{"d":[1]},"e":2} "#).unwrap();
        assert!(read.a == 1 && read.b.is_none());
        assert!(object::<Shape>(br#"{"a":1,"b":null}"#).unwrap().b.is_some());
        for wrong in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":1,"c":1,"c":2}"#,
            r#"[1]"#,
            r#"{"a":1}x"#,
            r#"{"a":1}{"a":1}"#,
            "\u{feff}{\"a\":1}",
            r#"{"a":1,}"#,
            r#"{"a":"1"}"#,
            r#""a""#,
            "",
        ] {
            assert!(object::<Shape>(wrong.as_bytes()).is_none(), "{wrong}");
        }
        // Skipped without a step of recursion for each.
        let deep = format!(r#"{{"a":1,"c":{}{}}}"#, "[".repeat(500_000), "]".repeat(500_000));
        assert!(object::<Shape>(deep.as_bytes()).is_some());
    }
}
