//! What meets strangers' bytes, against bytes that nobody would send: each committed input of the fuzzer (`fuzz/corpus`), and
//! some thousand others drawn from them by a seed. The fuzzer itself, which finds new ones, is `fuzz/run`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and tells what it measured"
)]
#![expect(unreachable_pub, reason = "modules of one binary share by plain pub")]

mod checks;
mod mutations;
mod seeds;

use std::{env, fs, path::PathBuf};

use mutations::Drawn;

/// Where the inputs of a check lie.
fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", name].iter().collect()
}

/// Tells the input that a check failed for.
struct Told<'a>(&'a str, &'a [u8]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} fails for \"{}\"", self.0, self.1.escape_ascii());
        }
    }
}

/// Holds for each input of the corpus, and for so many drawn from them.
fn holds(name: &str, drawn: usize) {
    let (_, check) = checks::ALL.into_iter().find(|(other, _)| *other == name).expect("a check of this name");
    let seed = env::var("CLOAKROOM_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let times = env::var("CLOAKROOM_TEST_DRAWN").ok().and_then(|drawn| drawn.parse().ok()).unwrap_or(drawn);
    let mut files: Vec<_> = fs::read_dir(folder(name)).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let is_seed = |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-"));
    let read = |file: &PathBuf| fs::read(file).unwrap();
    let (corpus, seeds): (Vec<_>, Vec<_>) =
        (files.iter().map(read).collect(), files.iter().filter(|file| is_seed(file)).map(read).collect());
    assert!(!seeds.is_empty(), "there is no corpus");
    for input in &corpus {
        let _told = Told(name, input);
        check(input);
    }
    let mut draws = Drawn::from(seed);
    for number in 0..times {
        // Half of them from what is genuine, however much was found.
        let input = draws.mutation(if number % 2 == 0 { &seeds } else { &corpus });
        let _told = Told(name, &input);
        check(&input);
    }
    println!("{} inputs, and {times} drawn from them by the seed {seed}", corpus.len());
}

#[test]
fn whatever_is_asked_of_the_api_is_answered_as_described() {
    holds("api_requests", 600);
}

#[test]
fn canonical_json_has_one_text_for_each_value() {
    holds("canonical_json", 4_000);
}

#[test]
fn whatever_is_sent_to_the_content_listener_nothing_is_stored_but_what_was_declared() {
    holds("content_requests", 300);
}

#[test]
fn edge_cookies_open_nothing_but_what_they_were_signed_for() {
    holds("edge_cookies", 2_000);
}

#[test]
fn key_documents_are_written_as_they_were_read_and_hide_their_secrets() {
    holds("key_documents", 2_000);
}

#[test]
fn a_path_leads_nowhere_else_and_a_pin_ends_at_its_segments() {
    holds("paths", 8_000);
}

#[test]
fn a_range_is_what_its_header_says() {
    holds("ranges", 20_000);
}

#[test]
fn a_signed_note_says_what_was_signed() {
    holds("signed_notes", 1_000);
}

#[test]
fn no_token_opens_but_one_that_was_sealed() {
    holds("tokens", 2_000);
}

#[test]
fn values_are_written_as_they_were_read() {
    holds("values", 6_000);
}

#[test]
fn every_target_of_the_fuzzer_is_tested_here() {
    let targets = fs::read_dir(folder("..").join("fuzz_targets")).unwrap();
    let mut targets: Vec<_> =
        targets.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    targets.sort();
    assert_eq!(targets, checks::ALL.map(|(name, _)| name));
}
