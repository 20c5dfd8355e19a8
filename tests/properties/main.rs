//! Rules that hold for whatever is drawn: paths and pins, permissions, keys that are rotated, quotas, ledgers, canonical JSON;
//! and how the benchmarks count.
//!
//! Each is held against a reference that is written here, plainly and without the code that is judged. A case that fails is
//! made smaller and kept in `tests/proptest-regressions`, from where it is tried first the next time; those files are committed.
//! `PROPTEST_CASES=10000 cargo test --test properties` draws more than 256 cases of each.
//!
//! Never here: a store, a clock, the network.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and tells what it measured"
)]

mod altered;
mod canonical_json;
mod events;
mod keyring;
mod latencies;
mod ledger;
mod paths;
mod permissions;
mod quotas;
mod replicas;
mod sealed;
mod tampering;
mod vault;
