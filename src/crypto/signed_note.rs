//! Signed notes (C2SP signed-note): a text, an empty line, and signatures of Ed25519.
//!
//! ```text
//! text, ending in a line feed
//! (an empty line)
//! — <name> base64(key hash(4) | signature(64))
//! ```
//!
//! The key hash is the beginning of SHA-256(name | 0x0A | 0x01 | public key(32)). What is signed is the text with the
//! line feed that ends it. Reference: <https://c2sp.org/signed-note>.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::ed25519::{PrivateKey, PublicKey};

/// The type of signature, as notes name it.
const ED25519: u8 = 1;

fn key_hash(name: &str, key: &PublicKey) -> [u8; 4] {
    let digest =
        Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key.as_bytes()).finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// How programs that read notes are told of a key: `<name>+<key hash>+base64(0x01 | public key)`.
pub fn verifier_key(name: &str, key: &PublicKey) -> String {
    let encoded = STANDARD.encode([&[ED25519][..], key.as_bytes()].concat());
    format!("{name}+{}+{encoded}", base16ct::lower::encode_string(&key_hash(name, key)))
}

/// This text, which ends in a line feed and has no empty line, signed under this name.
pub fn sign(text: &str, name: &str, key: &PrivateKey) -> String {
    let signature = [&key_hash(name, &key.public())[..], &key.sign(text.as_bytes())].concat();
    format!("{text}\n— {name} {}\n", STANDARD.encode(signature))
}

/// The text of a note, and which of these keys has signed it under this name. Signatures of others are passed over.
pub fn open<'n, 'k>(note: &'n str, name: &str, keys: &'k [PublicKey]) -> Option<(&'n str, &'k PublicKey)> {
    let (text, signatures) = note.rsplit_once("\n\n")?;
    let text = &note[..=text.len()];
    let signed: Vec<_> = signatures.strip_suffix('\n')?.split('\n').filter_map(|line| signature(line, name)).collect();
    let has_signed = |key: &&PublicKey| {
        let own = signed.iter().filter_map(|bytes| bytes.strip_prefix(&key_hash(name, key)[..]));
        own.into_iter().any(|signature| key.verifies(text.as_bytes(), signature))
    };
    Some((text, keys.iter().find(has_signed)?))
}

fn signature(line: &str, name: &str) -> Option<Vec<u8>> {
    let (by, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
    (by == name).then(|| STANDARD.decode(encoded).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_of_others_is_read() {
        // The example of the specification of Go's golang.org/x/mod/sumdb/note.
        let text =
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let note = format!(
            "{text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        );
        let key = PublicKey::try_from("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".to_owned());
        // Its encoding has the type before the key.
        assert!(key.is_err());
        let bytes = STANDARD.decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let key = PublicKey::try_from(STANDARD.encode(&bytes[1..])).unwrap();
        let told = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(verifier_key("PeterNeumann", &key), told);
        assert_eq!(open(&note, "PeterNeumann", &[key]), Some((text, &key)));
    }

    #[test]
    fn only_what_was_signed_opens_and_under_its_own_name() {
        let [key, other] = [1, 2].map(|byte| PrivateKey::from_seed(&[byte; 32]));
        let note = sign("origin\n1\n", "a/b", &key);
        let keys = [other.public(), key.public()];
        assert_eq!(open(&note, "a/b", &keys), Some(("origin\n1\n", &keys[1])));
        assert_eq!(open(&note, "a/b", &[other.public()]), None);
        assert_eq!(open(&note, "a", &[key.public()]), None);
        assert_eq!(open("", "a/b", &[key.public()]), None);
        // Signed by somebody else too.
        let line = sign("origin\n1\n", "c", &other);
        let (_, line) = line.split_once("\n\n").unwrap();
        assert!(open(&format!("{note}{line}"), "a/b", &[key.public()]).is_some());
        for (at, byte) in note.bytes().enumerate() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] = byte ^ 1;
            let changed = String::from_utf8(bytes).ok();
            assert!(changed.is_none_or(|changed| open(&changed, "a/b", &[key.public()]).is_none()), "{at}");
        }
    }
}
