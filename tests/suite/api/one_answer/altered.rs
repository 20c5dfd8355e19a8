//! Texts that are nearly a token: misspelt, with a bit turned in each part, and sealed by whoever has not the key.

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD},
};
use cloakroom::{
    crypto::{
        edge_cookie::EdgeKey,
        edge_keys::EdgeKeys,
        keyring::{DeploymentId, KeyState, Keyring, Kid, RootKey},
        sealed::Purpose,
    },
    entropy::SystemEntropy,
};

use super::{house::House, table::Case, tickets::Held};
use crate::api::harness::{Api, claim_key, random};

type Named = (String, String);

/// Spellings and near misses of a token with this prefix.
pub fn misspelt(prefix: &str, token: &str) -> Vec<Named> {
    let (body, length) = (&token[prefix.len()..], token.len());
    let mut all: Vec<Named> = vec![
        ("empty".into(), String::new()),
        ("a prefix alone".into(), prefix.into()),
        ("a word".into(), "token".into()),
        ("no prefix".into(), if prefix.is_empty() { format!("x{body}") } else { body.into() }),
        ("a prefix in capitals".into(), format!("{}{body}", prefix.to_uppercase())),
        ("padded".into(), format!("{token}=")),
        ("padded twice".into(), format!("{token}==")),
        ("in the standard alphabet".into(), format!("{prefix}{}", body.replace('-', "+").replace('_', "/"))),
        ("in capitals".into(), token.to_uppercase()),
        ("with a space before".into(), format!(" {token}")),
        ("with a newline after".into(), format!("{token}\n")),
        ("with a NUL after".into(), format!("{token}\0")),
        ("percent-encoded".into(), token.bytes().map(|byte| format!("%{byte:02X}")).collect()),
        ("twice".into(), format!("{token}{token}")),
        ("as a link".into(), format!("http://127.0.0.1/s#{token}")),
        ("over-long".into(), format!("{token}{}", "A".repeat(10_000))),
        ("not ASCII".into(), format!("{prefix}é{}", &body[2..])),
        ("zeros".into(), format!("{prefix}{}", "A".repeat(body.len()))),
        ("one longer".into(), format!("{token}A")),
        ("one longer before".into(), format!("{prefix}A{body}")),
    ];
    for cut in [1, 2, 3, 4, body.len() / 2, body.len() - 1] {
        all.push((format!("{cut} shorter"), token[..length - cut].into()));
    }
    for other in ["crs_", "crm_", "crl_", "crf_", "cst_", "csb_", "crk_live_", "crk_test_", "crc_", "cet_"] {
        all.push((format!("as {other}"), format!("{other}{body}")));
    }
    all.retain(|(_, text)| text != token);
    all
}

/// What stands in a header as it is.
pub fn fits_a_header(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b";,\"".contains(&byte))
}

/// The same bytes in another spelling: bits of the last letter that say nothing, if it has any.
pub fn with_spare_bits(token: &str, prefix: &str) -> Option<String> {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let spare = match (token.len() - prefix.len()) % 4 {
        2 => 0b1111,
        3 => 0b11,
        _ => return None,
    };
    let (head, last) = token.split_at(token.len() - 1);
    let other = format!("{head}{}", &letters[letters.find(last)? | spare..][..1]);
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone);
    let decoded = |text: &str| GeneralPurpose::new(&URL_SAFE, lenient).decode(&text[prefix.len()..]).unwrap();
    assert_eq!(decoded(&other), decoded(token));
    Some(other).filter(|other| other != token)
}

/// One bit turned in each part of a sealed token: version, suite, kid, salt, commitment, IV, ciphertext, tag.
pub fn altered(prefix: &str, token: &str) -> Vec<Named> {
    let bytes = URL_SAFE_NO_PAD.decode(&token[prefix.len()..]).unwrap();
    let tag = bytes.len() - 16;
    let parts = [
        ("version", 0..1),
        ("suite", 1..2),
        ("kid", 2..6),
        ("salt", 6..38),
        ("commitment", 38..70),
        ("IV", 70..82),
        ("ciphertext", 82..tag),
        ("tag", tag..bytes.len()),
    ];
    let ends = parts.into_iter().flat_map(|(part, at)| [(part, at.start, 0x80), (part, at.end - 1, 0x01)]);
    let altered = ends.map(|(part, at, bit)| {
        let mut bytes = bytes.clone();
        bytes[at] ^= bit;
        (format!("in its {part}"), format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
    });
    altered.collect()
}

/// Another letter in several places of a token that is only looked up.
pub fn with_another_letter(prefix: &str, token: &str) -> Vec<Named> {
    let places = (prefix.len()..token.len() - 1).step_by(5);
    places
        .map(|place| {
            let other = if &token[place..=place] == "B" { "C" } else { "B" };
            (format!("at {place}"), format!("{}{other}{}", &token[..place], &token[place + 1..]))
        })
        .collect()
}

/// Keys of this deployment that the broker does not seal with.
pub struct Strangers {
    /// Under the name of the key that is primary, other bits.
    pub forged: Keyring,
    /// Under a name that the broker never had.
    pub unknown: Keyring,
    /// One that the broker had, and has retired.
    pub retired: Keyring,
    /// The same for cookies of the edge.
    pub retired_edge: EdgeKey,
}

impl Strangers {
    /// The broker has one more retired key of each kind from now on. To be drawn before a cookie of the edge is signed.
    pub fn of(api: &Api) -> Self {
        let edge = |id: &str| {
            let document = EdgeKey::generate_pkcs8().unwrap();
            [(); 2].map(|()| EdgeKey::from_pkcs8(id, &document).unwrap())
        };
        let ([primary, _], [retired, retired_edge]) = (edge("KPRIMARY"), edge("KRETIRED"));
        let keys = vec![(KeyState::Primary, primary), (KeyState::Retired, retired)];
        assert!(api.broker().edge.replace(&EdgeKeys::new(keys).unwrap()));
        let ours = &api.broker().keyring;
        let ring = |keys| Keyring::new(ours.deployment(), keys).unwrap();
        let key = |kid, state, secret: [u8; 32]| RootKey::new(kid, state, secret.into());
        let (kid, secret) = (Kid(random()), random());
        let mut keys: Vec<_> = ours.keys().iter().map(|key| RootKey::clone(key)).collect();
        keys.push(key(kid, KeyState::Retired, secret));
        assert!(ours.replace(&ring(keys)).unwrap());
        Self {
            forged: ring(vec![key(ours.primary(), KeyState::Primary, random())]),
            unknown: ring(vec![key(Kid(random()), KeyState::Primary, random())]),
            retired: ring(vec![key(kid, KeyState::Primary, secret)]),
            retired_edge,
        }
    }
}

/// What a sealed token of ours says.
pub fn opened(api: &Api, purpose: Purpose, prefix: &str, token: &str) -> Vec<u8> {
    api.broker().keyring.open(purpose, &token[prefix.len()..]).unwrap().to_vec()
}

/// These words, sealed with these keys.
pub fn sealed(keyring: &Keyring, purpose: Purpose, prefix: &str, words: &[u8]) -> String {
    format!("{prefix}{}", keyring.seal(purpose, words, &SystemEntropy).unwrap())
}

/// The same words with others from there on.
pub fn instead(words: &[u8], from: usize, others: &[u8]) -> Vec<u8> {
    [&words[..from], others, &words[from + others.len()..]].concat()
}

/// What nobody without our keys can make: sealed tokens that are no longer, or never were, of ours and of their kind.
pub fn not_ours(
    house: &House,
    (purpose, prefix): (Purpose, &str),
    live: &Held,
    presented: impl Fn(String) -> Held,
) -> Vec<Case> {
    let token = &live.token;
    let case = |cause, (what, token): Named| Case::new(cause, what, presented(token));
    let mut cases: Vec<_> = misspelt(prefix, token).into_iter().map(|named| case("malformed", named)).collect();
    cases.extend(altered(prefix, token).into_iter().map(|named| case("altered", named)));
    let spare = with_spare_bits(token, prefix);
    cases.extend(spare.map(|token| case("with spare bits set", (String::new(), token))));
    let words = opened(&house.api, purpose, prefix, token);
    let ours = &house.api.broker().keyring;
    let keys: Vec<_> = ours.keys().iter().map(|key| RootKey::clone(key)).collect();
    let elsewhere = Keyring::new(DeploymentId(random()), keys).unwrap();
    let Strangers { forged, unknown, retired, .. } = &house.strangers;
    for (cause, keyring) in [
        ("under a forged key", forged),
        ("under an unknown key", unknown),
        ("under a retired key", retired),
        ("of another deployment", &elsewhere),
    ] {
        cases.push(case(cause, (String::new(), sealed(keyring, purpose, prefix, &words))));
    }
    for other in Purpose::ALL.into_iter().filter(|other| *other != purpose) {
        cases.push(case("for another purpose", (format!("{other:?}"), sealed(ours, other, prefix, &words))));
    }
    cases
}

/// Of tokens that are only looked up: what was never given out.
pub fn never_given_out(
    prefix: &str,
    live: &Held,
    others: &[&str],
    elsewhere: &str,
    presented: impl Fn(String) -> Held,
) -> Vec<Case> {
    let case = |cause, (what, token): Named| Case::new(cause, what, presented(token));
    let token = &live.token;
    let mut cases: Vec<_> = misspelt(prefix, token).into_iter().map(|named| case("malformed", named)).collect();
    cases.extend(with_another_letter(prefix, token).into_iter().map(|named| case("altered", named)));
    let spare = with_spare_bits(token, prefix);
    cases.extend(spare.map(|token| case("with spare bits set", (String::new(), token))));
    let new = format!("{prefix}{}", claim_key());
    cases.push(case("never existed", (String::new(), new)));
    cases.push(case("of another deployment", (String::new(), elsewhere.to_owned())));
    for other in others {
        let body = other.split_once('_').map_or(*other, |(_, body)| body);
        cases.push(case("for another purpose", ((*other)[..4].to_owned(), (*other).to_owned())));
        cases.push(case("for another purpose", (format!("the rest of {}", &other[..4]), format!("{prefix}{body}"))));
    }
    cases
}
