//! What a long run is told by its environment.

use std::str::FromStr;

/// The seed that is asked for, or the one that is run by itself.
pub fn seed() -> u64 {
    set("CLOAKROOM_TEST_SEED").unwrap_or(0x5eed_c10a_6200_0001)
}

pub fn set<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}
