//! What must hold whatever happens at the same time, in whatever order, with whatever answers lost and whichever process gone: every
//! order within small bounds (`model`), and many orders of the broker itself (`simulation`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it measured"
)]
#![expect(unreachable_pub, reason = "modules of one binary share by plain pub")]

mod model;
mod simulation;
