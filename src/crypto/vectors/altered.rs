//! Tokens of every purpose, altered in every place: each bit, each length, each border between two.
//!
//! The tokens are those of the vectors, so that what is altered is what is known to open.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    crypto::{
        keyring::{
            KeyState, Keyring,
            tests::{key, keyring},
        },
        sealed::{OVERHEAD, Purpose},
    },
    entropy::SystemEntropy,
};

use super::sealed::{purpose, tokens};

/// What opens, and each purpose with a token of it.
fn all() -> (Keyring, Vec<(Purpose, Vec<u8>)>) {
    let vectors = tokens();
    let decoded = |text: &String| URL_SAFE_NO_PAD.decode(text).unwrap();
    let found = vectors.positives.iter().map(|vector| (purpose(&vector.purpose), decoded(&vector.text)));
    (vectors.keyring(), found.collect())
}

fn opens(ring: &Keyring, purpose: Purpose, token: &[u8]) -> bool {
    ring.open(purpose, &URL_SAFE_NO_PAD.encode(token)).is_ok()
}

#[test]
fn every_flipped_bit_is_refused() {
    let (ring, tokens) = all();
    for (purpose, token) in tokens {
        assert!(opens(&ring, purpose, &token));
        for bit in 0..token.len() * 8 {
            let mut flipped = token.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&ring, purpose, &flipped), "{purpose:?}, bit {bit}");
        }
    }
}

#[test]
fn every_other_length_is_refused() {
    let (ring, tokens) = all();
    for (purpose, token) in tokens {
        for length in 0..token.len() {
            assert!(!opens(&ring, purpose, &token[..length]), "{purpose:?}, the first {length}");
            assert!(!opens(&ring, purpose, &token[token.len() - length..]), "{purpose:?}, the last {length}");
            let without = [&token[..length], &token[length + 1..]].concat();
            assert!(!opens(&ring, purpose, &without), "{purpose:?}, without byte {length}");
        }
        for at in 0..=token.len() {
            for byte in [0, 1, 0xff] {
                let with = [&token[..at], &[byte], &token[at..]].concat();
                assert!(!opens(&ring, purpose, &with), "{purpose:?}, with {byte} at {at}");
            }
        }
        for more in [16, 32, token.len()] {
            let extended: Vec<u8> = token.iter().chain(token.iter().cycle().take(more)).copied().collect();
            assert!(!opens(&ring, purpose, &extended), "{purpose:?}, {more} more");
        }
    }
}

#[test]
fn two_tokens_spliced_at_any_border_are_refused() {
    let (ring, tokens) = all();
    for (purpose, token) in tokens {
        let plaintext = vec![7; token.len() - OVERHEAD];
        let other = ring.seal(purpose, &plaintext, &SystemEntropy).unwrap();
        let other = URL_SAFE_NO_PAD.decode(other).unwrap();
        assert_eq!(other.len(), token.len());
        // Version, suite and kid are the same in both: a splice there is one of them, whole.
        for at in 7..token.len() {
            for (start, end) in [(&token, &other), (&other, &token)] {
                let spliced = [&start[..at], &end[at..]].concat();
                let is_one = spliced == token || spliced == other;
                assert_eq!(opens(&ring, purpose, &spliced), is_one, "{purpose:?} at {at}");
            }
        }
    }
}

#[test]
fn no_purpose_opens_a_token_of_another() {
    let (ring, tokens) = all();
    for (sealed_for, token) in tokens {
        for purpose in Purpose::ALL {
            assert_eq!(opens(&ring, purpose, &token), purpose == sealed_for, "{sealed_for:?} as {purpose:?}");
        }
    }
}

#[test]
fn no_kid_but_its_own_opens_a_token_of_any_purpose() {
    let ring = keyring(
        [1, 2, 3].map(|number| key(number, if number == 1 { KeyState::Primary } else { KeyState::AcceptOnly })).into(),
    );
    for purpose in Purpose::ALL {
        let token = URL_SAFE_NO_PAD.decode(ring.seal(purpose, b"x", &SystemEntropy).unwrap()).unwrap();
        for kid in [[2; 4], [3; 4], [0; 4], [0xff; 4], [1, 1, 1, 2]] {
            let named = [&token[..2], &kid, &token[6..]].concat();
            assert!(!opens(&ring, purpose, &named), "{purpose:?}, {kid:?}");
        }
        let retired = keyring(vec![key(1, KeyState::Retired), key(2, KeyState::Primary)]);
        assert!(opens(&ring, purpose, &token) && !opens(&retired, purpose, &token), "{purpose:?}");
    }
}
