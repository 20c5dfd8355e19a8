//! Runs that take too long or too much disk for every change:
//! `cargo test --release --test long_runs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it measured"
)]
#![expect(unreachable_pub, reason = "modules of one binary share by plain pub")]

mod drawn_by_seed;
mod large_file;
mod many_alterations;
mod many_kills;
mod many_rotations;

#[path = "../suite/program/crashing.rs"]
mod crashing;

#[path = "../suite/program/crashing_files.rs"]
mod crashing_files;

#[path = "../suite/program/crashing_tokens.rs"]
mod crashing_tokens;

#[path = "../suite/program/rotting.rs"]
mod rotting;

#[path = "../suite/program/rotting_content.rs"]
mod rotting_content;

#[path = "../suite/program/process.rs"]
#[expect(dead_code, reason = "it is shared with the other tests, which use all of it")]
mod process;

#[path = "../suite/program/balancer.rs"]
mod balancer;

#[path = "../suite/program/replica_load.rs"]
mod replica_load;

#[path = "../suite/program/replicated.rs"]
#[expect(dead_code, reason = "it is shared with the other tests, which use all of it")]
mod replicated;

#[path = "../suite/program/rehearsal.rs"]
mod rehearsal;
