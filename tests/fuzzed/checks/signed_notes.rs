//! Signed notes and the checkpoints in them: nothing is taken for signed but what was, and a checkpoint has one text.

use std::sync::LazyLock;

use cloakroom::{
    crypto::{
        ed25519::{PrivateKey, PublicKey},
        signed_note::{open, sign},
    },
    domain::checkpoint::Checkpoint,
};
use serde_json::Value;

use super::{
    altered::{altered, first},
    vectors::bytes,
};

struct Signed {
    name: String,
    text: String,
    note: String,
    key: PublicKey,
}

/// The note of the vectors, another of the same key and name, and those that are refused for what they say alone.
static SIGNED: LazyLock<Vec<Signed>> = LazyLock::new(|| {
    let vectors: Value = serde_json::from_str(include_str!("../../vectors/checkpoint.json")).unwrap();
    let vector = &vectors["positives"][0];
    let private = PrivateKey::from_seed(&bytes(&vector["seed"]));
    let (key, name) = (private.public(), vector["origin"].as_str().unwrap());
    let signed = |note: &str| {
        let (text, _) = note.rsplit_once("\n\n")?;
        Some(Signed { name: name.to_owned(), text: format!("{text}\n"), note: note.to_owned(), key })
    };
    let refused = vectors["negatives"].as_array().unwrap().iter();
    let refused = refused.filter(|vector| matches!(vector["refused_by"].as_str(), Some("form" | "ledger")));
    let refused =
        refused.filter_map(|vector| vector["note"].as_str()).filter(|note| open(note, name, &[key]).is_some());
    let other = sign("two\nlines\n", name, &private);
    [vector["note"].as_str().unwrap(), &other].into_iter().chain(refused).filter_map(signed).collect()
});

/// The bytes that were signed, and no others, come out of a note; whatever else is in it.
pub fn check(data: &[u8]) {
    let (begin, rest) = first(data);
    let note = match SIGNED.get(usize::from(begin ^ 0xf0)) {
        Some(genuine) => String::from_utf8(altered(genuine.note.as_bytes(), rest)).ok(),
        None => std::str::from_utf8(data).ok().map(str::to_owned),
    };
    let Some(note) = note else { return };
    let first = &SIGNED[0];
    let keys = [PrivateKey::from_seed(&[7; 32]).public(), first.key];
    for name in [first.name.as_str(), "another", ""] {
        let Some((text, key)) = open(&note, name, &keys) else { continue };
        assert_eq!(key, &first.key, "nobody has signed by the other key");
        assert_eq!(name, first.name, "nobody has signed under this name");
        assert!(SIGNED.iter().any(|signed| signed.text == text), "{text:?} was never signed");
        assert!(note.starts_with(text));
    }
    assert!(SIGNED.iter().all(|signed| open(&signed.note, &signed.name, &keys).is_some()));
    for text in [&*note, note.rsplit_once("\n\n").map_or("", |(text, _)| &note[..=text.len()])] {
        if let Some(checkpoint) = Checkpoint::parse(text) {
            assert_eq!(checkpoint.text(), text);
            assert_eq!(Checkpoint::parse(&checkpoint.text()), Some(checkpoint));
        }
    }
    if let Ok(key) = PublicKey::from_pem(&note) {
        assert_eq!(PublicKey::from_pem(&key.pem()), Ok(key));
    }
}
