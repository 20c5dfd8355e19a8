//! Files altered thousands of times, and the program started on each: `CLOAKROOM_TEST_ALTERATIONS` of them, by `CLOAKROOM_TEST_SEED`.

use super::{
    drawn_by_seed::{seed, set},
    rotting::altered_many_times,
};

#[test]
fn of_thousands_of_altered_files_none_is_answered_for_what_it_was_not() {
    altered_many_times(set("CLOAKROOM_TEST_ALTERATIONS").unwrap_or(3_000), seed());
}
