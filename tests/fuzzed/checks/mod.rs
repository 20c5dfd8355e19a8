//! What must hold of each parser that strangers reach, whatever bytes they send: a function each, which fails by panicking.
//! The tests beside it and the targets of the fuzzer (`fuzz/fuzz_targets`) call the same ones.

mod altered;
pub mod api_requests;
pub mod canonical_json;
pub mod content_requests;
pub mod edge_cookies;
mod house;
pub mod key_documents;
pub mod paths;
pub mod ranges;
pub mod routes;
pub mod signed_notes;
pub mod tokens;
pub mod values;
mod vectors;
mod wire;

#[path = "../../suite/api/calls.rs"]
#[allow(dead_code, reason = "it is shared with the other tests, which use all of it")]
mod calls;

#[path = "../../suite/api/deeds.rs"]
#[allow(dead_code, reason = "it is shared with the other tests, which use all of it")]
mod deeds;

#[path = "../../suite/api/harness.rs"]
#[allow(dead_code, unused_imports, reason = "it is shared with the other tests, which use all of it")]
mod harness;

#[path = "../../suite/api/laboratory.rs"]
#[allow(dead_code, reason = "it is shared with the other tests, which use all of it")]
mod laboratory;

#[allow(unused_imports, reason = "for the seeds, which a target of the fuzzer has not")]
pub use vectors::GENUINE;

/// A check with its name, which is that of its target and of the folder of its corpus.
pub type Check = (&'static str, fn(&[u8]));

/// All there are.
pub const ALL: [Check; 10] = [
    ("api_requests", api_requests::check),
    ("canonical_json", canonical_json::check),
    ("content_requests", content_requests::check),
    ("edge_cookies", edge_cookies::check),
    ("key_documents", key_documents::check),
    ("paths", paths::check),
    ("ranges", ranges::check),
    ("signed_notes", signed_notes::check),
    ("tokens", tokens::check),
    ("values", values::check),
];
