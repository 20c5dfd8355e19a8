//! The rehearsal of three replicas, once over. `tests/long_runs` has it many times over.

use super::rehearsal;

#[test]
fn what_holds_for_one_holds_for_three_that_come_and_go() {
    rehearsal::rehearse(1);
}
