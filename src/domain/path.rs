//! Paths in a vault, and pins on them.
//!
//! Invariants of every [`VaultPath`], held by its only constructor:
//! - 1 to 900 bytes of UTF-8 in Unicode normalisation form C;
//! - segments of 1 to 255 bytes, separated by single `/`, none `.` or `..`;
//! - no leading and no trailing `/`, no backslash, no control character;
//! - no percent-encoded dot, slash, backslash or control character, however
//!   often it was encoded: a later decoder must not find another path in it;
//! - no character that reorders text or shows nothing.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::text::is_invisible;

/// At most this many bytes in a path, so that storage keys built from it stay
/// below the 1,024 bytes of S3 and of a DynamoDB sort key.
pub const LONGEST_PATH: usize = 900;

/// At most this many bytes between two slashes, as on common file systems.
pub const LONGEST_SEGMENT: usize = 255;

/// Why a text is no path. The wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPath {
    /// Nothing there.
    #[error("a path must not be empty")]
    Empty,
    /// Over [`LONGEST_PATH`] bytes, or a segment over [`LONGEST_SEGMENT`].
    #[error("a path has at most 900 bytes, and at most 255 between two slashes")]
    TooLong,
    /// `//`, or a slash at the beginning.
    #[error("a path begins with a name and has no empty segments")]
    EmptySegment,
    /// `.` or `..`, plain or percent-encoded.
    #[error("a path must not contain the segments . and .., nor percent-encoded dots, slashes or control characters")]
    Traversal,
    /// A backslash, a control character, or an invisible one that reorders text.
    #[error("a path must not contain backslashes, control characters or invisible formatting characters")]
    Character,
    /// A trailing slash where a single file is meant.
    #[error("a file path must not end in a slash")]
    Folder,
}

/// The path of one file in a vault.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VaultPath(String);

impl VaultPath {
    /// Checks a text and brings it into normalisation form C.
    pub fn parse(text: &str) -> Result<Self, NotAPath> {
        match text.strip_suffix('/') {
            Some(_) => Err(NotAPath::Folder),
            None => checked(text).map(Self),
        }
    }

    /// The path, without a leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment: what a person calls the file.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

fn checked(text: &str) -> Result<String, NotAPath> {
    if text.is_empty() {
        return Err(NotAPath::Empty);
    }
    // Before normalising, which can only make it longer by a small factor.
    if text.len() > LONGEST_PATH {
        return Err(NotAPath::TooLong);
    }
    let normal: String = text.nfc().collect();
    if normal.len() > LONGEST_PATH || normal.split('/').any(|segment| segment.len() > LONGEST_SEGMENT) {
        return Err(NotAPath::TooLong);
    }
    if normal.chars().any(|character| character == '\\' || is_invisible(character)) {
        return Err(NotAPath::Character);
    }
    if normal.split('/').any(str::is_empty) {
        return Err(NotAPath::EmptySegment);
    }
    if normal.split('/').any(|segment| matches!(segment, "." | "..")) || hides_another_path(&normal) {
        return Err(NotAPath::Traversal);
    }
    Ok(normal)
}

/// Whether percent-decoding, once or more, would bring a dot, slash, backslash
/// or control character to light, also one of several bytes. `100%` and `50%ab` are names like any other.
fn hides_another_path(text: &str) -> bool {
    let mut bytes = text.as_bytes().to_vec();
    loop {
        let mut decoded = Vec::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while let Some((&byte, tail)) = rest.split_first() {
            match (byte, tail) {
                (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    let digit = |byte: u8| char::from(byte).to_digit(16).map_or(0, |value| value as u8);
                    let value = digit(*high) << 4 | digit(*low);
                    if matches!(value, b'.' | b'/' | b'\\' | 0..0x20 | 0x7f) {
                        return true;
                    }
                    decoded.push(value);
                    rest = after;
                }
                _ => {
                    decoded.push(byte);
                    rest = tail;
                }
            }
        }
        if decoded.len() == bytes.len() {
            return false;
        }
        // Those beyond ASCII are two bytes each.
        if String::from_utf8_lossy(&decoded).chars().any(char::is_control) {
            return true;
        }
        bytes = decoded;
    }
}

impl fmt::Display for VaultPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VaultPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl TryFrom<String> for VaultPath {
    type Error = NotAPath;

    fn try_from(text: String) -> Result<Self, NotAPath> {
        Self::parse(&text)
    }
}

impl From<VaultPath> for String {
    fn from(path: VaultPath) -> Self {
        path.0
    }
}

/// What a grant or share is pinned to: one file, or all below a folder.
///
/// `a.pdf` is the file and nothing else; `docs/` is everything below the
/// folder; `/` is the whole vault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PathPin {
    /// Exactly this file.
    File(VaultPath),
    /// Everything below: the text before the final slash, empty for the whole vault.
    Folder(String),
}

impl PathPin {
    /// The whole vault.
    pub const fn root() -> Self {
        Self::Folder(String::new())
    }

    /// Checks a text: with a slash at its end it is a folder, else a file.
    pub fn parse(text: &str) -> Result<Self, NotAPath> {
        match text.strip_suffix('/') {
            Some("") => Ok(Self::root()),
            Some(folder) => checked(folder).map(Self::Folder),
            None => VaultPath::parse(text).map(Self::File),
        }
    }

    /// Whether this one file is pinned.
    pub fn covers(&self, path: &VaultPath) -> bool {
        match self {
            Self::File(file) => file == path,
            Self::Folder(folder) => is_below(path.as_str(), folder),
        }
    }

    /// Whether everything the other pin covers is covered here too.
    pub fn covers_pin(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::File(file)) => self.covers(file),
            (Self::File(_), Self::Folder(_)) => false,
            (Self::Folder(mine), Self::Folder(theirs)) => mine == theirs || is_below(theirs, mine),
        }
    }

    /// What both pins cover: the narrower of the two, or nothing.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        if self.covers_pin(other) {
            Some(other.clone())
        } else if other.covers_pin(self) {
            Some(self.clone())
        } else {
            None
        }
    }

    /// The folder in which the pinned file or folder lies, with its slash; empty at the top.
    pub fn parent(&self) -> &str {
        let (Self::File(VaultPath(path)) | Self::Folder(path)) = self;
        path.rfind('/').map_or("", |slash| &path[..=slash])
    }

    /// What the path of everything covered begins with; for a file, all of it.
    pub fn listing_prefix(&self) -> String {
        match self {
            Self::File(file) => file.0.clone(),
            Self::Folder(folder) if folder.is_empty() => String::new(),
            Self::Folder(folder) => format!("{folder}/"),
        }
    }
}

/// Whether `path` lies below `folder`, compared at segment borders.
fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

impl fmt::Display for PathPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Folder(folder) => write!(f, "{folder}/"),
        }
    }
}

impl TryFrom<String> for PathPin {
    type Error = NotAPath;

    fn try_from(text: String) -> Result<Self, NotAPath> {
        Self::parse(&text)
    }
}

impl From<PathPin> for String {
    fn from(pin: PathPin) -> Self {
        pin.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_paths() {
        for text in
            ["a", "a.pdf", "docs/a b.pdf", ".env", "...", "a..b", "日本/ファイル", "100%", "50%zz", "%ze", "%C3%A9"]
        {
            assert_eq!(VaultPath::parse(text).map(String::from), Ok(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn two_pins_have_the_narrower_in_common_or_nothing() {
        let pin = |text: &str| PathPin::parse(text).unwrap();
        for (one, other, common) in [
            ("/", "a", Some("a")),
            ("a/", "a/b/", Some("a/b/")),
            ("a/", "a/b", Some("a/b")),
            ("a/", "a/", Some("a/")),
            ("a", "a", Some("a")),
            ("a/", "ab", None),
            ("a/", "a", None),
            ("a/b/", "a/c/", None),
        ] {
            assert_eq!(pin(one).intersection(&pin(other)), common.map(pin), "{one} {other}");
            assert_eq!(pin(other).intersection(&pin(one)), common.map(pin), "{other} {one}");
        }
        for (text, parent) in [("/", ""), ("a", ""), ("a/", ""), ("a/b", "a/"), ("a/b/", "a/"), ("a/b/c", "a/b/")] {
            assert_eq!(pin(text).parent(), parent, "{text}");
        }
    }

    #[test]
    fn every_way_out_is_closed() {
        use NotAPath::*;
        for (text, fault) in [
            ("", Empty),
            ("/", Folder),
            ("/a", EmptySegment),
            ("a//b", EmptySegment),
            ("a/", Folder),
            ("..", Traversal),
            ("../a", Traversal),
            ("a/../b", Traversal),
            ("a/./b", Traversal),
            ("a/%2e%2e/b", Traversal),
            ("a/.%2E/b", Traversal),
            ("%252e%252e/b", Traversal),
            ("a%2fb", Traversal),
            ("a%255c", Traversal),
            ("a%00", Traversal),
            ("%25%32%65", Traversal),
            ("a%C2%85", Traversal),
            ("a%25c2%259f", Traversal),
            ("a\\b", Character),
            ("a\0", Character),
            ("a\nb", Character),
            ("a\u{202e}gpj.exe", Character),
            ("a\u{85}", Character),
            ("a%c2%2585", Traversal),
        ] {
            assert_eq!(VaultPath::parse(text), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn lengths_are_counted_in_bytes() {
        assert!(VaultPath::parse(&"a".repeat(255)).is_ok());
        assert_eq!(VaultPath::parse(&"a".repeat(256)), Err(NotAPath::TooLong));
        assert_eq!(VaultPath::parse(&"é".repeat(128)), Err(NotAPath::TooLong));
        let long = vec!["a".repeat(179); 5].join("/");
        assert_eq!(long.len(), 899);
        assert!(VaultPath::parse(&long).is_ok());
        assert_eq!(VaultPath::parse(&format!("{long}/b")), Err(NotAPath::TooLong));
    }

    #[test]
    fn two_spellings_of_one_name_are_one_path() {
        assert_eq!(VaultPath::parse("e\u{301}"), VaultPath::parse("\u{e9}"));
    }

    #[test]
    fn a_file_pin_covers_the_file_alone() {
        let pin = PathPin::parse("a.pdf").unwrap();
        assert!(pin.covers(&VaultPath::parse("a.pdf").unwrap()));
        assert!(!pin.covers(&VaultPath::parse("a.pdf.bak").unwrap()));
        assert!(!pin.covers(&VaultPath::parse("a.pdf/b").unwrap()));
    }

    #[test]
    fn a_folder_pin_ends_at_its_slash() {
        let pin = PathPin::parse("share/").unwrap();
        assert!(pin.covers(&VaultPath::parse("share/x/y").unwrap()));
        assert!(!pin.covers(&VaultPath::parse("share2/x").unwrap()));
        assert!(!pin.covers(&VaultPath::parse("share").unwrap()));
        assert!(PathPin::root().covers(&VaultPath::parse("share").unwrap()));
    }

    #[test]
    fn pins_contain_each_other_at_segment_borders() {
        let pin = |text| PathPin::parse(text).unwrap();
        assert!(pin("/").covers_pin(&pin("/")));
        assert!(pin("/").covers_pin(&pin("a/")));
        assert!(pin("a/").covers_pin(&pin("a/")));
        assert!(pin("a/").covers_pin(&pin("a/b/")));
        assert!(pin("a/").covers_pin(&pin("a/b")));
        assert!(!pin("a/").covers_pin(&pin("ab/")));
        assert!(!pin("a/b").covers_pin(&pin("a/b/")));
        assert!(!pin("a/").covers_pin(&pin("/")));
    }

    #[test]
    fn a_pin_is_written_as_it_was_read() {
        for text in ["/", "docs/", "docs/a.pdf"] {
            assert_eq!(PathPin::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(PathPin::parse("//"), Err(NotAPath::EmptySegment));
    }

    #[test]
    fn the_longest_path_is_one_and_a_byte_more_is_none() {
        let long = vec!["a".repeat(224); 4].join("/") + "b";
        assert_eq!(long.len(), LONGEST_PATH);
        assert!(VaultPath::parse(&long).is_ok());
        assert_eq!(VaultPath::parse(&format!("{long}b")), Err(NotAPath::TooLong));
    }

    #[test]
    fn a_file_is_called_by_its_last_segment() {
        for (text, name) in [("a.pdf", "a.pdf"), ("docs/a.pdf", "a.pdf"), ("docs/deep/b", "b")] {
            assert_eq!(VaultPath::parse(text).unwrap().file_name(), name);
        }
    }

    #[test]
    fn a_pin_is_listed_by_what_its_files_begin_with_and_stored_as_it_is_written() {
        for (text, prefix) in [("/", ""), ("docs/", "docs/"), ("docs/a.pdf", "docs/a.pdf")] {
            let pin = PathPin::parse(text).unwrap();
            assert_eq!(pin.listing_prefix(), prefix);
            assert_eq!(serde_json::to_value(pin).unwrap(), text);
        }
    }
}
