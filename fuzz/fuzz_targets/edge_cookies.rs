#![no_main]

#[path = "../../tests/fuzzed/checks/mod.rs"]
#[allow(dead_code, reason = "each target calls one of them")]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::edge_cookies::check(data));
