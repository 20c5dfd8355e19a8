//! What happens in every order: a share's rows under many who ask at once, with faults and crashes in between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it measured"
)]
#![expect(unreachable_pub, reason = "modules of one binary share by plain pub")]

mod model;
