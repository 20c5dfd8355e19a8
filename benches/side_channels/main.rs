//! Whether the time that a refusal takes tells how near a guess was: two kinds of guesses in turns, whose times are compared by
//! Welch's t-test (dudect; Reparaz, Balasch, Verbauwhede, DATE 2017).
//!
//! Each comparison stands beside one that stops at the first byte that differs, around the same work: where that is not found, the
//! machine was too busy to show anything. `cargo bench --bench side_channels`, on a machine that does nothing else.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for measuring: it reads the clock, prints, and ends where something is wrong"
)]

mod welch;

use std::{hint::black_box, process::ExitCode, time::Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cloakroom::{
    crypto::{
        keyring::{DeploymentId, KeyState, Keyring, RootKey},
        opaque::ConsoleSecret,
        password,
        sealed::Purpose,
        secret::SecretText,
    },
    entropy::{Entropy, SystemEntropy},
};
use welch::Comparison;

/// Beyond this, two kinds of guesses do not take the same time (dudect's own bound for "maybe": 4.5; for "surely": 10).
const SUSPICIOUS: f64 = 4.5;

const FAST: usize = 1_000_000;
/// Of what takes ten thousand times as long.
const SLOW: usize = 400;

/// How many nanoseconds something takes.
fn nanoseconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_nanos() as f64
}

/// Compares two guesses, in an order that is drawn. Both lie in the same place when they are judged: what differs is what they say.
fn compare(samples: usize, guesses: [&str; 2], mut judge: impl FnMut(&str)) -> Comparison {
    let mut times = [Vec::with_capacity(samples), Vec::with_capacity(samples)];
    let mut drawn = vec![0; samples.div_ceil(8)];
    SystemEntropy.fill(&mut drawn);
    let mut place = String::with_capacity(guesses[0].len().max(guesses[1].len()));
    for number in 0..samples {
        let kind = usize::from(drawn[number / 8] >> (number % 8) & 1);
        place.clear();
        place.push_str(guesses[kind]);
        times[kind].push(nanoseconds(|| judge(black_box(&place))));
    }
    let [first, second] = times;
    Comparison::of(first, second)
}

/// What nobody should do: stops where the two differ.
fn is_equal_and_stops_early(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| black_box(one) == black_box(other))
}

/// The text with another letter at this place.
fn altered(text: &str, at: usize) -> String {
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

fn main() -> ExitCode {
    let keys = vec![RootKey::generate(KeyState::Primary, &SystemEntropy)];
    let keyring = Keyring::new(DeploymentId((&SystemEntropy as &dyn Entropy).bytes()), keys).unwrap();
    let mut is_sound = true;
    let mut tell = |name: &str, comparison: &Comparison, is_to_differ: bool| {
        let differs = comparison.t.abs() > SUSPICIOUS;
        is_sound &= differs == is_to_differ;
        let verdict = match (differs, is_to_differ) {
            (false, false) => "the same, as far as this shows",
            (true, true) => "found, as it should be",
            (true, false) => "DIFFERENT",
            (false, true) => "NOT FOUND: nothing above is shown",
        };
        println!("{name:<52} {comparison}   {verdict}");
    };

    // Commitment of a sealed token: 2 + 4 + 32 bytes stand before it, and it has 32.
    let token = keyring.seal(Purpose::Share, &[7; 88], &SystemEntropy).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
    let wrong = [38, 69].map(|at| {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        URL_SAFE_NO_PAD.encode(wrong)
    });
    let guesses = [wrong[0].as_str(), &wrong[1]];
    let opened = |text: &str| assert!(keyring.open(Purpose::Share, text).is_err());
    tell("commitment of a token: first or last byte wrong", &compare(FAST, guesses, opened), false);
    let stops = |text: &str| {
        opened(text);
        let presented = URL_SAFE_NO_PAD.decode(text).unwrap();
        assert!(!black_box(is_equal_and_stops_early(&bytes[38..70], &presented[38..70])));
    };
    tell("  beside it, one that stops early", &compare(FAST, guesses, stops), true);

    // Tag of a row, behind its 4 bytes of key id. Here the place is judged as bytes, written as letters.
    let row = keyring.authenticate("partition", "sort", &[7; 200]);
    let wrong = [4, 35].map(|at| {
        let mut wrong = row.clone();
        wrong[at] ^= 1;
        base16ct::lower::encode_string(&wrong)
    });
    let guesses = [wrong[0].as_str(), &wrong[1]];
    let mut decoded = vec![0; row.len()];
    let mut vouched = |text: &str| {
        base16ct::lower::decode(text, &mut decoded).unwrap();
        assert!(keyring.authentic("partition", "sort", &decoded).is_err());
    };
    tell("MAC of a row: first or last byte wrong", &compare(FAST, guesses, &mut vouched), false);
    let mut again = vec![0; row.len()];
    let stops = |text: &str| {
        vouched(text);
        base16ct::lower::decode(text, &mut again).unwrap();
        assert!(!black_box(is_equal_and_stops_early(&row[4..36], &again[4..36])));
    };
    tell("  beside it, one that stops early", &compare(FAST, guesses, stops), true);

    // The token against forgery of a console session.
    let console = ConsoleSecret::generate(&SystemEntropy);
    let right = console.csrf_token().expose().to_owned();
    let wrong = [0, right.len() - 1].map(|at| altered(&right, at));
    let guesses = [wrong[0].as_str(), &wrong[1]];
    let accepted = |text: &str| assert!(!console.accepts_csrf(text));
    tell("token against forgery: first or last letter wrong", &compare(FAST, guesses, accepted), false);
    let stops = |text: &str| {
        accepted(text);
        assert!(!black_box(is_equal_and_stops_early(right.as_bytes(), text.as_bytes())));
    };
    tell("  beside it, one that stops early", &compare(FAST, guesses, stops), true);

    // A password: right or wrong, and of any length.
    let stored = password::hash(&SecretText::new("correct horse battery staple"), &SystemEntropy).unwrap();
    let judged = |text: &str| {
        black_box(password::verify(&SecretText::new(text), &stored));
    };
    let guesses = ["correct horse battery staple", "correct horse battery stapl3"];
    tell("a password: right or wrong", &compare(SLOW, guesses, judged), false);
    let long = "c".repeat(1_000);
    tell("a password: one letter or a thousand", &compare(SLOW, ["c", &long], judged), false);

    if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
