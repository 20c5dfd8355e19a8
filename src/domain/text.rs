//! Short texts that people give things: labels and names.

/// The longest label, in characters.
pub const LONGEST_LABEL: usize = 200;

/// Why a text is no label; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 200 characters, all of them visible")]
pub struct NotALabel;

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
}
