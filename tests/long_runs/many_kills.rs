//! The program killed a thousand times under load.

use std::time::Duration;

use super::crashing::killed_many_times;

const KILLS: usize = 1_000;

#[test]
fn a_thousand_times_killed_it_has_lost_nothing_and_lets_nobody_claim_twice() {
    let seed = std::env::var("CLOAKROOM_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    killed_many_times(KILLS, Duration::from_millis(300), seed.unwrap_or(0x5eed_c10a_6200_0001));
}
