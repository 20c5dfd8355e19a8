//! Whether a browser shows a download or saves it, and under which name.

use serde::{Deserialize, Serialize};

use super::encode::percent_encode;

/// At most this many bytes of a file name reach a browser.
const LONGEST_NAME: usize = 255;

/// What a name becomes of which nothing is left.
const NAMELESS: &str = "download";

/// Whether a browser shows a download or saves it, and under which name. The
/// name is cleaned when the header is written, whoever filled it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Shown, if the browser can.
    Inline {
        /// The name to save it under.
        file_name: String,
    },
    /// Saved.
    Attachment {
        /// The name to save it under.
        file_name: String,
    },
}

impl Disposition {
    /// The value of the header `Content-Disposition` (RFC 6266, RFC 8187): a
    /// plain name for old clients, and the exact one where it differs.
    pub fn header_value(&self) -> String {
        let (kind, file_name) = match self {
            Self::Inline { file_name } => ("inline", file_name),
            Self::Attachment { file_name } => ("attachment", file_name),
        };
        let name = cleaned(file_name);
        let plain: String = name.chars().map(|character| if is_plain(character) { character } else { '_' }).collect();
        if plain == name {
            format!("{kind}; filename=\"{plain}\"")
        } else {
            format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{}", percent_encode(&name, b""))
        }
    }
}

/// Characters that every client reads alike within quotes; a percent sign is
/// decoded by some, so it is not one of them.
fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~') && !matches!(character, '"' | '\\' | '%')
}

/// A name that is one segment, shows as what it is, and begins with no dot or space.
fn cleaned(file_name: &str) -> String {
    let visible = file_name.chars().filter(|character| !character.is_control() && !is_invisible(*character));
    let segment: String =
        visible.map(|character| if matches!(character, '/' | '\\' | ':') { '_' } else { character }).collect();
    let trimmed = segment.trim_start_matches(|character: char| character == '.' || character.is_whitespace());
    let mut end = trimmed.len().min(LONGEST_NAME);
    while !trimmed.is_char_boundary(end) {
        end -= 1;
    }
    // Windows drops trailing dots and spaces, and so changes the extension.
    let name = trimmed[..end].trim_end_matches(|character: char| character == '.' || character.is_whitespace());
    if name.is_empty() { NAMELESS.into() } else { name.into() }
}

/// Marks that reorder text or show nothing.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(file_name: &str) -> String {
        Disposition::Attachment { file_name: file_name.into() }.header_value()
    }

    #[test]
    fn plain_names_stand_alone_and_others_are_said_twice() {
        assert_eq!(header("a b.pdf"), "attachment; filename=\"a b.pdf\"");
        assert_eq!(header("résumé.pdf"), "attachment; filename=\"r_sum_.pdf\"; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf");
        let inline = Disposition::Inline { file_name: "a.png".into() };
        assert_eq!(inline.header_value(), "inline; filename=\"a.png\"");
    }

    #[test]
    fn no_name_leaves_its_quotes_or_its_line() {
        assert_eq!(
            header("a\"; x=\"b\r\nSet-Cookie: c"),
            "attachment; filename=\"a_; x=_bSet-Cookie_ c\"; filename*=UTF-8''a%22%3B%20x%3D%22bSet-Cookie_%20c"
        );
        assert_eq!(header("a%41.txt"), "attachment; filename=\"a_41.txt\"; filename*=UTF-8''a%2541.txt");
    }

    #[test]
    fn no_name_is_a_path_or_hides_its_extension() {
        assert_eq!(header("../../etc/passwd"), "attachment; filename=\"_.._etc_passwd\"");
        assert_eq!(header("C:\\x.exe"), "attachment; filename=\"C__x.exe\"");
        assert_eq!(header("a\u{202e}gpj.exe"), "attachment; filename=\"agpj.exe\"");
        assert_eq!(header(".. . "), "attachment; filename=\"download\"");
        assert_eq!(header(".htaccess"), "attachment; filename=\"htaccess\"");
        assert_eq!(header("a.exe. "), "attachment; filename=\"a.exe\"");
        assert_eq!(header(""), "attachment; filename=\"download\"");
        assert!(header(&"é".repeat(400)).len() < 1200);
    }
}
