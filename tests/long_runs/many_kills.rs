//! The program killed thousands of times under load: `CLOAKROOM_TEST_KILLS` times, by `CLOAKROOM_TEST_SEED`.

use std::time::Duration;

use super::{
    crashing::{Plan, killed_many_times},
    drawn_by_seed::{seed, set},
};

#[test]
fn thousands_of_times_killed_it_has_lost_nothing_and_lets_nobody_claim_twice() {
    killed_many_times(&Plan {
        kills: set("CLOAKROOM_TEST_KILLS").unwrap_or(3_000),
        longest: Duration::from_millis(300),
        all_after: 100,
        seed: seed(),
    });
}
