//! The inputs that fuzzing begins with: genuine ones, written anew from the vectors of the formats and from requests that are
//! right. What a fuzzer found worth keeping lies beside them, under other names.
//!
//! `cargo test --test fuzzed -- --ignored the_seeds_are_written_anew`

mod requests;
mod texts;

use std::fs;

use super::folder;

#[test]
#[ignore = "it writes into the source: for who has changed a format or a route"]
fn the_seeds_are_written_anew() {
    for (name, inputs) in texts::all().into_iter().chain(requests::all()) {
        let folder = folder(name);
        fs::create_dir_all(&folder).unwrap();
        for old in fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()) {
            if old.file_name().unwrap().to_str().unwrap().starts_with("seed-") {
                fs::remove_file(old).unwrap();
            }
        }
        for (number, input) in inputs.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:03}")), input).unwrap();
        }
    }
}
