//! What shares and links may be restricted to, as bodies say it.

use crate::domain::{instant::Instant, redemption::MOST_REDEMPTIONS};

use super::problem::Problem;

/// From when on it may be claimed, checked.
///
/// # Errors
/// When that is over, or not before the end.
pub(super) fn not_before(
    wanted: Option<Instant>,
    expires_at: Instant,
    now: Instant,
) -> Result<Option<Instant>, Problem> {
    match wanted {
        Some(at) if at < now => {
            Err(Problem::invalid("/not_before", "is over; leave it out for what may be opened at once"))
        }
        Some(at) if at >= expires_at => Err(Problem::invalid("/not_before", "must be before the time it expires")),
        _ => Ok(wanted),
    }
}

/// How many may claim it, checked: one where nothing is said.
///
/// # Errors
/// When it is not 1 to 1,000.
pub(super) fn redemptions(wanted: Option<u32>) -> Result<u32, Problem> {
    match wanted.unwrap_or(1) {
        count @ 1..=MOST_REDEMPTIONS => Ok(count),
        _ => Err(Problem::invalid("/redemptions", "must be between 1 and 1,000")),
    }
}
