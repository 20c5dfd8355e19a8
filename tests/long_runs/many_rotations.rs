//! The rehearsal of three replicas, many times over. It wants the emulators and HAProxy, as `./test` has them.

use super::rehearsal;

#[test]
fn three_replicas_come_and_go_many_times() {
    println!("{}", rehearsal::rehearse(12));
}
