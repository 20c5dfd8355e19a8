//! QR codes (ISO/IEC 18004) as paths of an SVG. What they say is never logged:
//! mostly it is a link with its token.

use std::fmt::Write;

use fast_qr::{ECL, QRBuilder};
use serde::Serialize;
use utoipa::ToSchema;

/// The longest text, in bytes.
const LONGEST: usize = 2_048;

/// Up to so many bytes a code bears that 15 % of it are covered; above, 7 %, so
/// that it stays coarse enough for a phone held before a screen.
const SHORT: usize = 150;

/// The light border that readers need, in modules.
const QUIET_ZONE: usize = 4;

/// The text cannot be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has 1 to 2,048 bytes")]
pub(super) struct NotDrawable;

/// A QR code to draw.
#[derive(Debug, Serialize, ToSchema)]
pub struct QrView {
    /// How many modules it is wide and high, with the quiet zone.
    pub size: usize,
    /// The dark modules, a rectangle for each run of them, as the `d` of an SVG path in a `viewBox` of `0 0 {size} {size}`.
    pub path: String,
}

/// Draws a text.
///
/// # Errors
/// When it is empty or too long.
pub(super) fn draw(text: &str) -> Result<QrView, NotDrawable> {
    if !(1..=LONGEST).contains(&text.len()) {
        return Err(NotDrawable);
    }
    let level = if text.len() <= SHORT { ECL::M } else { ECL::L };
    let code = QRBuilder::new(text).ecl(level).build().map_err(|_| NotDrawable)?;
    let mut path = String::new();
    for row in 0..code.size {
        let dark = |column: usize| code[row][column].value();
        let mut column = 0;
        while column < code.size {
            let run = (column..code.size).take_while(|column| dark(*column)).count();
            if run > 0 {
                let (x, y) = (column + QUIET_ZONE, row + QUIET_ZONE);
                // Into a string nothing fails to be written.
                let _ = write!(path, "M{x} {y}h{run}v1h-{run}z");
            }
            column += run.max(1);
        }
    }
    Ok(QrView { size: code.size + 2 * QUIET_ZONE, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_finders_and_its_quiet_zone() {
        let drawing = draw("https://share.example/s#crs_x").unwrap();
        // Version 3 has 29 modules; seven dark ones begin and end the first row.
        assert_eq!(drawing.size, 29 + 8);
        assert!(drawing.path.starts_with("M4 4h7v1h-7z"), "{}", drawing.path);
        assert!(drawing.path.contains("M26 4h7v1h-7z"), "{}", drawing.path);
    }

    #[test]
    fn a_share_link_stays_coarse() {
        let link = format!("https://share.example.com/s#crs_{}", "A".repeat(248));
        assert!(draw(&link).unwrap().size <= 57 + 12, "{}", draw(&link).unwrap().size);
    }

    #[test]
    fn what_is_empty_or_too_long_is_not_drawn() {
        assert!(draw("").is_err());
        assert!(draw(&"x".repeat(LONGEST)).is_ok());
        assert!(draw(&"x".repeat(LONGEST + 1)).is_err());
    }
}
