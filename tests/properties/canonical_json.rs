//! Canonical JSON (RFC 8785), as far as it is used here: strings, whole numbers, lists, and objects with names in ASCII.
//!
//! Judged by a writer that takes one character after the other, as the RFC says it.

use cloakroom::domain::canonical::{canonical, members, plain};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Map, Value};

/// Whole numbers beyond this one are not the same for every reader (RFC 8785, section 3.2.2.3).
const MOST: u64 = 9_007_199_254_740_991;

/// How deep values may lie in an object that is read.
const DEEPEST: usize = 16;

/// The text of a value, if there is one.
pub(super) fn written(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(_) => None,
        Value::Number(number) => number.as_u64().filter(|number| *number <= MOST).map(|number| format!("{number}")),
        Value::String(text) => Some(quoted(text)),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(written).collect();
            Some(format!("[{}]", items?.join(",")))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // Section 3.2.3: by the UTF-16 code units of their names.
            members.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
            let member = |(name, value): (&String, &Value)| {
                name.is_ascii().then_some(format!("{}:{}", quoted(name), written(value)?))
            };
            let members: Option<Vec<_>> = members.into_iter().map(member).collect();
            Some(format!("{{{}}}", members?.join(",")))
        }
    }
}

/// Section 3.2.2.2.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted += "\\\"",
            '\\' => quoted += "\\\\",
            '\u{8}' => quoted += "\\b",
            '\t' => quoted += "\\t",
            '\n' => quoted += "\\n",
            '\u{c}' => quoted += "\\f",
            '\r' => quoted += "\\r",
            '\0'..='\u{1f}' => quoted += &format!("\\u{:04x}", u32::from(character)),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

/// Whether a text is that of an object as it is read: not too deep, and of names that want no escapes.
pub(super) fn is_canonical_object(text: &str) -> bool {
    let value = serde_json::from_str(text).ok().filter(Value::is_object);
    value.is_some_and(|value| written(&value).is_some_and(|written| written == text) && is_read(&value, 0))
}

fn is_read(value: &Value, depth: usize) -> bool {
    let is_plain = |name: &str| quoted(name).len() == name.len() + 2;
    depth <= DEEPEST
        && match value {
            Value::Object(members) => members.iter().all(|(name, value)| is_plain(name) && is_read(value, depth + 1)),
            Value::Array(items) => items.iter().all(|item| is_read(item, depth + 1)),
            _ => true,
        }
}

/// Of all planes, and of what has to be escaped, much.
fn text() -> impl Strategy<Value = String> {
    let escaped =
        select(&["\"", "\\", "\u{8}", "\t", "\n", "\u{c}", "\r", "\0", "\u{1f}", "\u{7f}", "/", " ", "a"][..]);
    let planes = select(&["é", "\u{2028}", "\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}", "😀", "\u{10ffff}"][..]);
    prop_oneof![vec(prop_oneof![escaped, planes], 0..12).prop_map(|pieces| pieces.concat()), any::<String>()]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![10 => "[a-c]{0,3}", 3 => "[ -~]{0,6}", 1 => text()]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (0..20_u64).prop_map(Value::from),
        2 => (MOST - 2..=MOST).prop_map(Value::from),
        1 => select(&[MOST + 1, MOST + 2, u64::MAX][..]).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => select(&[0.0, -0.0, 1.0, 1e3][..]).prop_map(Value::from),
    ]
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    vec((name(), inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

/// Anything, also what has no canonical text here.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        8 => text().prop_map(Value::from),
        6 => number(),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| prop_oneof![vec(inner.clone(), 0..5).prop_map(Value::from), object(inner)])
}

/// Values that have a canonical text, in an object.
fn canonical_object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![text().prop_map(Value::from), (0..=MOST).prop_map(Value::from)];
    let inner = leaf.prop_recursive(4, 24, 5, |inner| {
        let members = vec(("[a-c]{0,3}", inner.clone()), 0..5);
        let object = members.prop_map(|members| Value::Object(members.into_iter().collect()));
        prop_oneof![vec(inner, 0..5).prop_map(Value::from), object]
    });
    let members = vec(("[ !#-\\[\\]-~]{0,4}", inner), 1..5);
    members.prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// One change of a text. It may be none, where it puts in what was there.
pub(super) fn edited(text: &str, at: usize, removed: usize, inserted: &str) -> String {
    let at = text.floor_char_boundary(at % (text.len() + 1));
    let end = text.ceil_char_boundary((at + removed).min(text.len()));
    [&text[..at], inserted, &text[end..]].concat()
}

/// What may be put in: what means something in JSON, and other spellings of the same.
pub(super) fn inserted() -> impl Strategy<Value = String> {
    let pieces = [
        "", "", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "1", "9", "-", "+", ".", "e", " ", "\n", "\t", "\r",
        "a", "b", "é", "null", "true", "\\n", "\\u000a", "\\u0001", "\\u00e9", "\\/", "00", "1.0", "{}", "[]",
        "\"a\":1,", "\0",
    ];
    prop_oneof![6 => select(pieces.map(str::to_owned).to_vec()), 1 => any::<char>().prop_map(String::from)]
}

/// What may be a number or a string, in one spelling or another.
fn spelling() -> impl Strategy<Value = String> {
    let number = r"-?0{0,2}[0-9]{0,17}(\.0)?(e1)?";
    let string = r#""(\\[bfnrt/"\\uax]|\\u00[01][0-9a-fA-F]|\\u[0-9a-f]{4}|[a"é\x00-\x1f]|\x1f){0,3}""#;
    prop_oneof![number, string]
}

proptest! {
    #[test]
    fn of_a_number_or_string_there_is_one_spelling(spelling in spelling(), is_short in any::<bool>()) {
        // What is long enough is looked at in larger pieces.
        let more = if is_short { "" } else { ",\"and a text behind it\"" };
        let text = format!("{{\"a\":[{spelling}{more}]}}");
        prop_assert_eq!(members(&text, |_, _| ()).is_ok(), is_canonical_object(&text), "{}", text);
    }

    #[test]
    fn a_value_has_the_text_that_the_rfc_says_or_none(value in value()) {
        // Nothing is written that would not be read.
        prop_assert_eq!(canonical(&value).ok(), written(&value).filter(|_| is_read(&value, 0)));
    }

    #[test]
    fn a_value_is_what_is_read_of_its_text(value in canonical_object()) {
        let text = canonical(&value).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn whole_numbers_end_where_readers_begin_to_differ(offset in 0..2_000_u64) {
        let number = MOST - 1_000 + offset;
        prop_assert_eq!(canonical(&number).ok(), (number <= MOST).then(|| number.to_string()));
        prop_assert_eq!(members(&format!("{{\"a\":{number}}}"), |_, _| ()).is_ok(), number <= MOST);
    }

    #[test]
    fn of_an_object_each_member_is_handed_over_as_it_is_written(value in canonical_object()) {
        let text = written(&value).unwrap();
        let mut found = Vec::new();
        members(&text, |name, value| found.push((name.to_owned(), value.to_owned()))).unwrap();
        let own = value.as_object().unwrap();
        let mut expected: Vec<_> = own.iter().map(|(name, value)| (name.clone(), written(value).unwrap())).collect();
        expected.sort();
        prop_assert_eq!(&found, &expected);
        for ((_, text), value) in found.iter().zip(expected.iter().map(|(name, _)| &own[name])) {
            let without_escapes = value.as_str().filter(|value| quoted(value).len() == value.len() + 2);
            prop_assert_eq!(plain(text), without_escapes);
        }
    }

    #[test]
    fn whatever_is_spelled_in_another_way_is_refused(
        value in canonical_object(),
        edits in vec((any::<usize>(), 0..4_usize, inserted()), 1..3),
    ) {
        let mut text = written(&value).unwrap();
        for (at, removed, inserted) in edits {
            text = edited(&text, at, removed, &inserted);
        }
        prop_assert_eq!(members(&text, |_, _| ()).is_ok(), is_canonical_object(&text), "{}", text);
    }

    #[test]
    fn members_that_come_twice_or_in_another_order_are_refused(
        value in canonical_object(),
        order in vec(any::<Index>(), 0..5),
        is_inside in any::<bool>(),
    ) {
        let own: Vec<_> = value.as_object().unwrap().iter().collect();
        let member = |(name, value): (&String, &Value)| format!("{}:{}", quoted(name), written(value).unwrap());
        let ordered: Vec<_> = order.iter().map(|which| member(own[which.index(own.len())])).collect();
        let object = format!("{{{}}}", ordered.join(","));
        let text = if is_inside { format!("{{\"a\":[{object}]}}") } else { object };
        prop_assert_eq!(members(&text, |_, _| ()).is_ok(), is_canonical_object(&text), "{}", text);
    }

    #[test]
    fn what_lies_too_deep_is_refused(depth in 0..40_usize, list in any::<bool>()) {
        let (open, close) = if list { ("[", "]") } else { ("{\"a\":", "}") };
        let text = format!("{{\"a\":{}1{}}}", open.repeat(depth), close.repeat(depth));
        prop_assert_eq!(members(&text, |_, _| ()).is_ok(), is_canonical_object(&text));
        prop_assert_eq!(members(&text, |_, _| ()).is_ok(), depth < DEEPEST);
    }
}
