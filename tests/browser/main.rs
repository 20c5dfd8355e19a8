//! The pages, in a real Chromium, as people use them.
//!
//! A test has a broker of its own behind relays that see every request, and up to two browsers, each with a
//! profile of its own. It looks for what the markup promises to keep (`data-view`, `data-do`, `data-slot`, ids),
//! not for wording. Pages are photographed on the way, and what is photographed is checked for accessibility.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it measured"
)]
#![expect(unreachable_pub, reason = "modules of one binary share by plain pub")]

mod browser;
mod driver;
mod house;
mod pictures;
mod words;

mod archives;
mod connections;
mod console;
mod dead;
mod devices;
mod figures;
mod folders;
mod forging;
mod keyboard;
mod languages;
mod links;
mod looking;
mod making;
mod names;
mod previews;
mod recipients;
mod requests;
mod restrictions;
mod roles;
mod sending;
mod sending_many;
mod sending_trouble;
mod sharing;
mod signing_in;
mod truths;
mod unable;

#[path = "../suite/relaying.rs"]
#[expect(dead_code, reason = "it is shared with the other tests, which use all of it")]
mod relaying;

#[path = "../suite/api"]
#[allow(dead_code, unused_imports, reason = "it is shared with the other tests, which use all of it")]
mod api {
    mod calls;
    pub mod deeds;
    pub mod harness;
    pub mod laboratory;
}

#[path = "../suite/delivery"]
#[expect(dead_code, reason = "it is shared with the other tests, which use all of it")]
mod delivery {
    pub mod words;
}
