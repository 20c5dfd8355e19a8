//! The integration tests, in one binary: what is proven against real backends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and clippy takes only the functions marked as tests for tests"
)]

mod store;
