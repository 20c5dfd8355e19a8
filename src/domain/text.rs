//! Short texts that people give things: labels, names and messages.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest label, in characters.
pub const LONGEST_LABEL: usize = 200;

/// The longest message, in characters.
pub const LONGEST_MESSAGE: usize = 1_000;

/// Why a text is no label; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 200 characters, all of them visible")]
pub struct NotALabel;

/// What an owner tells whoever is sent a link: 1 to 1,000 characters, none of them invisible. It is shown as the
/// owner's quoted words, never as ours, and never as markup.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Message(String);

/// Why a text is no message; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 1,000 characters, all of them visible, and no line breaks")]
pub struct NotAMessage;

impl TryFrom<String> for Message {
    type Error = NotAMessage;

    fn try_from(text: String) -> Result<Self, NotAMessage> {
        let shown = text.chars().any(|character| !character.is_whitespace());
        let fits = text.chars().count() <= LONGEST_MESSAGE && !text.chars().any(is_invisible);
        if shown && fits { Ok(Self(text)) } else { Err(NotAMessage) }
    }
}

impl From<Message> for String {
    fn from(message: Message) -> Self {
        message.0
    }
}

impl fmt::Debug for Message {
    /// How long; it may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({})", self.0.len())
    }
}

/// Whether a character steers the text around it, or shows nothing at all:
/// control characters, marks of direction, zero-width and filler characters.
pub fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{AD}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Whether a character may be left out of a name and nobody sees a difference. More than
/// [`is_invisible`]: some of these join letters or choose a picture, and so belong into names.
pub fn shows_nothing(character: char) -> bool {
    is_invisible(character)
        || matches!(character,
            '\u{34F}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200C}' | '\u{200D}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Checks a label: 1 to 200 characters, none of them invisible.
///
/// # Errors
/// For anything else.
pub fn label(text: &str) -> Result<String, NotALabel> {
    let length = text.chars().count();
    if length == 0 || length > LONGEST_LABEL || text.chars().any(is_invisible) {
        Err(NotALabel)
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_harmless() {
        assert!(label("Quarterly report, 3rd draft ✓").is_ok());
        assert!(label(&"é".repeat(200)).is_ok());
        for wrong in ["", "a\nb", "a\u{202e}b", "a\u{ad}b", "\u{3164}", &"x".repeat(201)] {
            assert!(label(wrong).is_err());
        }
    }

    #[test]
    fn messages_are_longer_and_as_harmless() {
        let message = |text: &str| Message::try_from(text.to_owned());
        let right = message("Here is the draft; see https://example.com ✓").unwrap();
        assert!(!format!("{right:?}").contains("draft"));
        assert!(message(&"é".repeat(1_000)).is_ok());
        for wrong in ["", " ", "a\nb", "a\u{202e}b", "a\u{200b}b", "\u{3164}", &"x".repeat(1_001)] {
            assert_eq!(message(wrong), Err(NotAMessage), "{wrong:?}");
        }
    }
}
