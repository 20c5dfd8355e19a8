//! Replacing a few values in a JSON text. The rest is copied as it stands: rows are read at each request, and a tree
//! of all that is in one costs more than opening what is sealed there.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// A value in a JSON text.
pub(super) struct Field<'text> {
    /// The pointer that leads to it.
    pub(super) pointer: &'static str,
    /// As it stands there.
    pub(super) value: &'text str,
}

/// The values of an object that these JSON pointers lead to (RFC 6901; names without `~` and `/`), but for those that
/// are null: in the order of the text.
///
/// # Errors
/// When the text is no JSON object.
pub(super) fn find<'text>(
    text: &'text str,
    pointers: &'static [&'static str],
) -> Result<Vec<Field<'text>>, serde_json::Error> {
    let wanted: Vec<_> = pointers.iter().map(|pointer| Wanted { pointer, ahead: pointer }).collect();
    let mut found = Vec::new();
    find_below(text, &wanted, &mut found)?;
    Ok(found)
}

/// The text with other JSON texts in the place of what was found in it.
pub(super) fn replace<'text>(text: &'text str, found: &[Field<'text>], by: &[String]) -> Cow<'text, str> {
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut replaced = String::with_capacity(text.len() + by.iter().map(String::len).sum::<usize>());
    let mut copied = 0;
    for (field, by) in found.iter().zip(by) {
        let begin = field.value.as_ptr().addr() - text.as_ptr().addr();
        replaced.push_str(&text[copied..begin]);
        replaced.push_str(by);
        copied = begin + field.value.len();
    }
    replaced.push_str(&text[copied..]);
    Cow::Owned(replaced)
}

/// A pointer, and how much of it is still to be followed.
#[derive(Clone, Copy)]
struct Wanted {
    pointer: &'static str,
    ahead: &'static str,
}

impl Wanted {
    /// The next member on the way, and what follows then.
    fn step(self) -> (&'static str, Self) {
        let ahead = self.ahead.strip_prefix('/').unwrap_or(self.ahead);
        let end = ahead.find('/').unwrap_or(ahead.len());
        (&ahead[..end], Self { ahead: &ahead[end..], ..self })
    }
}

fn find_below<'text>(
    object: &'text str,
    wanted: &[Wanted],
    found: &mut Vec<Field<'text>>,
) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(object);
    reader.deserialize_map(Members { wanted, found })?;
    reader.end()
}

/// Looks at the members of one object.
struct Members<'a, 'text> {
    wanted: &'a [Wanted],
    found: &'a mut Vec<Field<'text>>,
}

impl<'text> Visitor<'text> for Members<'_, 'text> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'text>>(self, mut members: M) -> Result<(), M::Error> {
        while let Some(name) = members.next_key_seed(Name(self.wanted))? {
            let Some(name) = name else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = members.next_value::<&RawValue>()?.get();
            let mut deeper = Vec::new();
            for (_, next) in self.wanted.iter().map(|wanted| wanted.step()).filter(|(step, _)| *step == name) {
                match next.ahead {
                    "" if value != "null" => self.found.push(Field { pointer: next.pointer, value }),
                    "" => {}
                    _ => deeper.push(next),
                }
            }
            if !deeper.is_empty() && value.starts_with('{') {
                find_below(value, &deeper, self.found).map_err(serde::de::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// Reads the name of a member, if a pointer goes that way.
struct Name<'a>(&'a [Wanted]);

impl<'text> DeserializeSeed<'text> for Name<'_> {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'text>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().map(|wanted| wanted.step().0).find(|step| *step == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTERS: &[&str] = &["/label", "/grant/networks", "/grant/to/whom", "/message"];

    fn replaced(text: &str) -> Result<String, serde_json::Error> {
        let found = find(text, POINTERS)?;
        let by: Vec<_> = found.iter().map(|field| format!("<{} {}>", field.pointer, field.value)).collect();
        Ok(replace(text, &found, &by).into_owned())
    }

    #[test]
    fn what_is_pointed_to_is_replaced_and_everything_else_stays() {
        for (text, expected) in [
            (r#"{"label":"a","x":1}"#, r#"{"label":</label "a">,"x":1}"#),
            (
                r#"{ "grant" : { "label" : 1, "networks" : [ "a", {"label":2} ] , "to" : {"whom":{"b":[]}} }, "label":true}"#,
                r#"{ "grant" : { "label" : 1, "networks" : </grant/networks [ "a", {"label":2} ]> , "to" : {"whom":</grant/to/whom {"b":[]}>} }, "label":</label true>}"#,
            ),
            (
                r#"{"message":"\"}\\","label":"ü\u00fc"}"#,
                r#"{"message":</message "\"}\\">,"label":</label "ü\u00fc">}"#,
            ),
            // However a name is spelled, and however often it is there.
            (r#"{"\u006cabel":1,"label":2}"#, r#"{"\u006cabel":</label 1>,"label":</label 2>}"#),
        ] {
            assert_eq!(replaced(text).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_not_there_or_null_is_not() {
        for text in [
            "{}",
            r#"{"label":null,"message": null }"#,
            r#"{"x":{"label":1},"labels":1,"":2,"/label":3}"#,
            r#"{"grant":"networks","x":["label"]}"#,
            r#"{"grant":[{"networks":1}]}"#,
            r#"{"grant":{"to":null}}"#,
        ] {
            assert_eq!(replaced(text).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "1", r#"{"label":"#, r#"{"label":1}}"#, r#"{"grant":{"networks":}}"#] {
            assert!(replaced(text).is_err(), "{text}");
        }
    }
}
