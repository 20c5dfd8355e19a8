//! Tests against real parts: sockets, files, browsers, and emulators of the services.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and clippy takes only the functions marked as tests for tests"
)]
#![expect(unreachable_pub, reason = "modules of one binary share by plain pub")]

mod api;
mod architecture;
mod delivery;
mod doctor;
mod faults;
mod objects;
mod oidc;
mod program;
mod relaying;
mod scanner;
mod store;
