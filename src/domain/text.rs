//! Short texts that people give things: labels and names.

/// The longest label, in characters.
pub const LONGEST_LABEL: usize = 200;

/// Why a text is no label; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 200 characters, without control characters")]
pub struct NotALabel;

/// Checks a label: 1 to 200 characters, none of them a control character or
/// one that reorders text around it.
///
/// # Errors
/// For anything else.
pub fn label(text: &str) -> Result<String, NotALabel> {
    let reorders = |character: char| matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let refused = |character: char| character.is_control() || reorders(character);
    let length = text.chars().count();
    if length == 0 || length > LONGEST_LABEL || text.chars().any(refused) {
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
        for wrong in ["", "a\nb", "a\u{202e}b", &"x".repeat(201)] {
            assert!(label(wrong).is_err());
        }
    }
}
