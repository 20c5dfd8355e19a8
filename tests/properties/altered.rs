//! Tokens that somebody has altered: cut, lengthened, spliced, a bit flipped, a letter replaced, another key named. None opens,
//! whichever states the keys are in.
//!
//! Never here: what a genuine token opens under, which is the keyring's.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cloakroom::{
    crypto::{
        keyring::{DeploymentId, KeyState, Keyring, Kid, RootKey},
        sealed::Purpose,
    },
    entropy::Entropy,
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use zeroize::Zeroizing;

use super::sealed::Drawn;

fn key(number: u8, state: KeyState, secret: u8) -> RootKey {
    RootKey::new(Kid([number; 4]), state, Zeroizing::new([secret; 32]))
}

/// One key that seals, and others in any state; of what deployment, and of which bits, is told.
fn keyring(deployment: u8, others: &[KeyState], bits: u8) -> Keyring {
    let others = others.iter().zip(2_u8..).map(|(state, number)| key(number, *state, bits + number));
    let keys = others.chain([key(1, KeyState::Primary, bits)]).collect();
    Keyring::new(DeploymentId([deployment; 16]), keys).unwrap()
}

#[derive(Clone, Debug)]
enum Alteration {
    /// A bit of what the text stands for.
    Bit(Index),
    /// Its bytes up to here, or from here on.
    Begin(Index),
    End(Index),
    /// A byte is put in.
    Byte(Index, u8),
    /// Its beginning, and the rest of another.
    Splice(Index),
    /// It names another key.
    Kid(u8),
    /// A letter of the text, or one more.
    Letter(Index, char),
    More(Index, char),
}

fn alteration() -> impl Strategy<Value = Alteration> {
    let index = any::<Index>;
    let letter = || prop_oneof![4 => "[A-Za-z0-9_-]".prop_map(|text| text.chars().next().unwrap()), 1 => any::<char>()];
    prop_oneof![
        4 => index().prop_map(Alteration::Bit),
        1 => index().prop_map(Alteration::Begin),
        1 => index().prop_map(Alteration::End),
        1 => (index(), any::<u8>()).prop_map(|(at, byte)| Alteration::Byte(at, byte)),
        3 => index().prop_map(Alteration::Splice),
        1 => (0..6_u8).prop_map(Alteration::Kid),
        3 => (index(), letter()).prop_map(|(at, letter)| Alteration::Letter(at, letter)),
        1 => (index(), letter()).prop_map(|(at, letter)| Alteration::More(at, letter)),
    ]
}

fn altered(text: &str, other: &str, alteration: &Alteration) -> String {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let mut token = bytes(text);
    match alteration {
        Alteration::Bit(which) => {
            let bit = which.index(token.len() * 8);
            token[bit / 8] ^= 1 << (bit % 8);
        }
        Alteration::Begin(at) => token.truncate(at.index(token.len())),
        Alteration::End(at) => drop(token.drain(..=at.index(token.len()))),
        Alteration::Byte(at, byte) => token.insert(at.index(token.len() + 1), *byte),
        Alteration::Splice(at) => {
            let border = at.index(token.len() + 1);
            token.truncate(border);
            token.extend(bytes(other).into_iter().skip(border));
        }
        Alteration::Kid(kid) => token[2..6].fill(*kid),
        Alteration::Letter(at, letter) | Alteration::More(at, letter) => {
            let at = at.index(text.len());
            let end = at + usize::from(matches!(alteration, Alteration::Letter(..)));
            return format!("{}{letter}{}", &text[..at], &text[end..]);
        }
    }
    URL_SAFE_NO_PAD.encode(token)
}

fn states() -> impl Strategy<Value = Vec<KeyState>> {
    vec(select(&[KeyState::Staged, KeyState::AcceptOnly, KeyState::Retired][..]), 0..4)
}

proptest! {
    #[test]
    fn no_altered_token_opens_and_a_genuine_one_only_for_what_it_is(
        others in states(),
        purpose in select(&Purpose::ALL[..]),
        plaintexts in (vec(any::<u8>(), 0..150), vec(any::<u8>(), 0..150)),
        seed in any::<u64>(),
        alterations in vec(alteration(), 1..20),
    ) {
        let entropy = Drawn::from(seed);
        let entropy: &dyn Entropy = &entropy;
        let ring = keyring(9, &others, 100);
        let seal = |plaintext: &Vec<u8>| ring.seal(purpose, plaintext, entropy).unwrap();
        let (text, other) = (seal(&plaintexts.0), seal(&plaintexts.1));
        for alteration in alterations {
            let changed = altered(&text, &other, &alteration);
            let is_genuine = changed == text || changed == other;
            for asked in Purpose::ALL {
                let opened = ring.open(asked, &changed).ok();
                prop_assert_eq!(opened.is_some(), is_genuine && asked == purpose, "{:?}", alteration);
            }
        }
        let opened = ring.open(purpose, &text).unwrap();
        prop_assert_eq!(opened.as_slice(), &plaintexts.0[..]);
        prop_assert!(ring.is_under_primary(&text));
        // Another deployment with the same keys; the same deployment with other bits under the same names.
        for stranger in [keyring(8, &others, 100), keyring(9, &others, 101)] {
            prop_assert!(stranger.open(purpose, &text).is_err());
        }
    }

    #[test]
    fn no_altered_row_is_authentic(
        others in states(),
        body in "[a-z]{0,6}\n?[a-z]{0,9}\n?",
        alterations in vec((any::<Index>(), any::<u8>(), 0..3_usize, any::<bool>()), 1..20),
        first_line in any::<bool>(),
    ) {
        let ring = keyring(9, &others, 100);
        let (row, end) = if first_line {
            let end = body.find('\n').map_or(body.len(), |at| at + 1);
            (ring.authenticate_first_line("p", "s", body.as_bytes()), 36 + end)
        } else {
            (ring.authenticate("p", "s", body.as_bytes()), 36 + body.len())
        };
        for (at, byte, removed, is_put_in) in alterations {
            let mut changed = row.clone();
            let at = at.index(row.len() + 1);
            changed.splice(at..(at + removed).min(row.len()), is_put_in.then_some(byte));
            // What comes behind a first line is bound by that, and is not looked at here.
            let is_same = if first_line {
                let end_now = changed[36.min(changed.len())..].iter().position(|byte| *byte == b'\n');
                changed[..end_now.map_or(changed.len(), |line| 36 + line + 1)] == row[..end]
            } else {
                changed == row
            };
            let authentic = if first_line {
                ring.authentic_by_first_line("p", "s", &changed)
            } else {
                ring.authentic("p", "s", &changed)
            };
            prop_assert_eq!(authentic.ok(), is_same.then(|| &changed[36..]));
        }
    }
}
