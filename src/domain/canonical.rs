//! Canonical JSON (RFC 8785) of strings, whole numbers, lists and objects: one text for each value, members in the order of
//! their names, no white space. There is no null, no truth value and no fraction in it; names are ASCII.
//!
//! Never here: what a record means.

use serde::Serialize;
use serde_json::Value;

/// Whole numbers up to here are the same for every reader of JSON (RFC 8785, section 3.2.2.3).
const MOST: u64 = (1 << 53) - 1;

/// How deep objects and lists may lie in each other.
const DEEPEST: usize = 16;

/// A text, or a value, that canonical JSON of ours does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not canonical JSON")]
pub struct NotCanonical;

/// The canonical text of a value.
///
/// # Errors
/// When there is something in it that canonical JSON of ours does not have.
pub fn canonical(value: &impl Serialize) -> Result<String, NotCanonical> {
    let value = serde_json::to_value(value).map_err(|_| NotCanonical)?;
    let mut text = String::with_capacity(512);
    write(&value, 0, &mut text)?;
    Ok(text)
}

fn write(value: &Value, depth: usize, text: &mut String) -> Result<(), NotCanonical> {
    match value {
        _ if depth > DEEPEST => return Err(NotCanonical),
        Value::String(_) => text.push_str(&value.to_string()),
        Value::Number(number) => {
            let number = number.as_u64().filter(|number| *number <= MOST).ok_or(NotCanonical)?;
            text.push_str(&number.to_string());
        }
        Value::Object(members) => {
            // Names are ASCII, so that bytes are in the order of UTF-16 code units.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if !name.is_ascii() || plain_bytes(name.as_bytes()) < name.len() {
                    return Err(NotCanonical);
                }
                text.push_str(if index == 0 { "" } else { "," });
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(value, depth + 1, text)?;
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write(item, depth + 1, text)?;
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) => return Err(NotCanonical),
    }
    Ok(())
}

/// Goes through the canonical text of an object without making anything of it, and hands over its own members: their names, and the
/// texts of their values. Names that want escapes are none of ours.
///
/// # Errors
/// When it is none; some members may have been handed over by then.
pub fn members<'a>(text: &'a str, member: impl FnMut(&'a str, &'a str)) -> Result<(), NotCanonical> {
    let mut scan = Scan { text, at: 0 };
    scan.object(0, member)?;
    if scan.at == text.len() { Ok(()) } else { Err(NotCanonical) }
}

/// The text of a string's value, if nothing in it is escaped.
pub fn plain(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('\\'))
}

/// How many bytes there are before a quote, a backslash or a control character; looked at eight at a time.
fn plain_bytes(bytes: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // The high bit of each byte that is below this limit, and maybe of some after the first that is: the first is right.
    let below = |word: u64, limit: u64| word.wrapping_sub(EACH * limit) & !word & (EACH << 7);
    let mut at = 0;
    while let Some(word) = bytes[at..].first_chunk() {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (EACH * u64::from(b'"')), 1);
        let found = quote | below(word ^ (EACH * u64::from(b'\\')), 1) | below(word, 0x20);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count()
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn next(&mut self) -> Result<u8, NotCanonical> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    fn peek(&self) -> Result<u8, NotCanonical> {
        self.text.as_bytes().get(self.at).copied().ok_or(NotCanonical)
    }

    fn expect(&mut self, wanted: u8) -> Result<(), NotCanonical> {
        if self.next()? == wanted { Ok(()) } else { Err(NotCanonical) }
    }

    /// Whether this byte is next; then it is passed.
    fn passes(&mut self, wanted: u8) -> Result<bool, NotCanonical> {
        let is_next = self.peek()? == wanted;
        self.at += usize::from(is_next);
        Ok(is_next)
    }

    fn value(&mut self, depth: usize) -> Result<(), NotCanonical> {
        match self.peek()? {
            _ if depth > DEEPEST => Err(NotCanonical),
            b'"' => self.string().map(drop),
            b'{' => self.object(depth, |_, _| ()),
            b'[' => self.list(depth),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize, mut member: impl FnMut(&'a str, &'a str)) -> Result<(), NotCanonical> {
        self.expect(b'{')?;
        if self.passes(b'}')? {
            return Ok(());
        }
        let mut last = None;
        loop {
            let begin = self.at;
            let is_plain = self.string()?;
            let name = &self.text[begin + 1..self.at - 1];
            if !is_plain || !name.is_ascii() {
                return Err(NotCanonical);
            }
            if last.is_some_and(|last| last >= name) {
                return Err(NotCanonical);
            }
            last = Some(name);
            self.expect(b':')?;
            let begin = self.at;
            self.value(depth + 1)?;
            member(name, &self.text[begin..self.at]);
            if self.passes(b'}')? {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn list(&mut self, depth: usize) -> Result<(), NotCanonical> {
        self.expect(b'[')?;
        if self.passes(b']')? {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            if self.passes(b']')? {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn number(&mut self) -> Result<(), NotCanonical> {
        let begin = self.at;
        while self.peek().is_ok_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = &self.text[begin..self.at];
        let is_shortest = digits == "0" || !digits.starts_with('0');
        let is_whole = digits.parse::<u64>().is_ok_and(|number| number <= MOST);
        if is_shortest && is_whole { Ok(()) } else { Err(NotCanonical) }
    }

    /// Passes a string. Tells whether nothing in it is escaped.
    fn string(&mut self) -> Result<bool, NotCanonical> {
        self.expect(b'"')?;
        let mut is_plain = true;
        loop {
            self.at += plain_bytes(self.text.as_bytes().get(self.at..).unwrap_or_default());
            match self.next()? {
                b'"' => return Ok(is_plain),
                b'\\' => {
                    is_plain = false;
                    self.escape()?;
                }
                _ => return Err(NotCanonical),
            }
        }
    }

    /// What has to be escaped, in the one way it is (RFC 8785, section 3.2.2.2).
    fn escape(&mut self) -> Result<(), NotCanonical> {
        match self.next()? {
            b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or(NotCanonical)?;
                self.at += 4;
                match digits {
                    b"0008" | b"0009" | b"000a" | b"000c" | b"000d" => Err(NotCanonical),
                    [b'0', b'0', b'0' | b'1', b'0'..=b'9' | b'a'..=b'f'] => Ok(()),
                    _ => Err(NotCanonical),
                }
            }
            _ => Err(NotCanonical),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(text: &str) -> Result<Vec<(&str, &str)>, NotCanonical> {
        let mut found = Vec::new();
        members(text, |name, value| found.push((name, value)))?;
        Ok(found)
    }

    /// The judgement of the library, by which that of the scan is measured.
    fn is_canonical(text: &str) -> bool {
        let value = serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
        value.is_some_and(|value| canonical(&value).is_ok_and(|canonical| canonical == text))
    }

    #[test]
    fn its_own_members_are_handed_over_as_they_are_written() {
        let text = canonical(&json!({ "b": [1, { "x": "y" }, []], "a": "q\"\u{1}\n\u{7f}ü", "": {}, "c": 0 })).unwrap();
        let found = of(&text).unwrap();
        let wanted = [("", "{}"), ("a", "\"q\\\"\\u0001\\n\u{7f}ü\""), ("b", "[1,{\"x\":\"y\"},[]]"), ("c", "0")];
        assert_eq!(found, wanted);
        assert_eq!(of("{}"), Ok(Vec::new()));
        assert_eq!((plain("\"ab\""), plain("\"a\\n\""), plain("1")), (Some("ab"), None, None));
    }

    #[test]
    fn whatever_is_spelled_in_another_way_is_refused() {
        for text in [
            "",
            "{",
            "[]",
            "\"a\"",
            "{}{}",
            "{} ",
            " {}",
            "{\"a\": 1}",
            "{\"a\":1,}",
            "{\"a\":1,\"a\":1}",
            "{\"b\":1,\"a\":1}",
            "{\"a\":01}",
            "{\"a\":-1}",
            "{\"a\":1.0}",
            "{\"a\":1e3}",
            "{\"a\":9007199254740992}",
            "{\"a\":null}",
            "{\"a\":true}",
            "{\"ü\":1}",
            "{\"\\n\":1}",
            "{\"a\":\"\\/\"}",
            "{\"a\":\"\\u0041\"}",
            "{\"a\":\"\\u000a\"}",
            "{\"a\":\"\\u001F\"}",
            "{\"a\":\"\\u00\"}",
            "{\"a\":\"\u{1}\"}",
            "{\"a\":[1,]}",
            "{\"a\":[,1]}",
            "{\"a\":}",
            "{\"a\"}",
            "{a:1}",
        ] {
            assert_eq!(of(text), Err(NotCanonical), "{text}");
        }
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(of(&deep(DEEPEST)).is_ok() && of(&deep(DEEPEST + 1)).is_err());
    }

    #[test]
    fn what_would_not_be_read_is_not_written() {
        let deep = (0..DEEPEST).fold(json!({}), |inner, _| json!({ "a": inner }));
        assert!(of(&canonical(&deep).unwrap()).is_ok());
        for value in [json!({ "a": deep }), json!({ "\"": 1 }), json!({ "a": [{ "\n": 1 }] }), json!({ "\\": 1 })] {
            assert_eq!(canonical(&value), Err(NotCanonical), "{value}");
        }
    }

    /// Every change of one byte, every cut and every doubled byte of a text that has everything in it.
    #[test]
    fn the_scan_and_the_library_judge_alike() {
        let value =
            json!({ "a": { "b": "x\"\\\u{1f}\u{8}ä€😀", "c": [] }, "d": [0, 10, "e"], "f": 9_007_199_254_740_991_u64 });
        let text = canonical(&value).unwrap();
        assert!(is_canonical(&text) && of(&text).is_ok());
        let mut judged = 0;
        for at in 0..text.len() {
            let bytes = text.as_bytes();
            let cut = [&bytes[..at], &bytes[at + 1..]].concat();
            let doubled = [&bytes[..=at], &bytes[at..]].concat();
            let changed = (0..=255u8).map(|byte| {
                let mut changed = bytes.to_vec();
                changed[at] = byte;
                changed
            });
            for other in changed.chain([cut, doubled]) {
                let Ok(other) = String::from_utf8(other) else { continue };
                assert_eq!(of(&other).is_ok(), is_canonical(&other), "{other}");
                judged += 1;
            }
        }
        assert!(judged > 9_000, "{judged}");
    }
}
