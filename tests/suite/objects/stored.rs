//! What the broker itself does with objects.

use cloakroom::objects::{ByteRange, Checksum, CopyError, ETag, ObjectFacts, ObjectKey, SMALLEST_PART};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::bench::{Bench, artifact, content_type, inbox, vault};

const BYTES: &[u8] = b"what is stored";
const OTHERS: &[u8] = b"something else";

fn head(bench: &Bench, key: &ObjectKey) -> Option<ObjectFacts> {
    bench.wait(bench.storage.head(key)).unwrap()
}

fn copy(bench: &Bench, from: &ObjectKey, pinned: &ETag, to: &ObjectKey, kind: &str) -> Result<ObjectFacts, CopyError> {
    bench.wait(bench.storage.copy(from, pinned, to, &content_type(kind), SMALLEST_PART))
}

pub fn what_was_put_is_there(bench: &Bench) {
    for bytes in [BYTES, b""] {
        let key = vault();
        let facts = bench.put(&key, "text/plain", bytes);
        assert_eq!(facts.size, bytes.len() as u64);
        assert_eq!(facts.checksum, Some(Checksum::Full(Sha256::digest(bytes).into())));
        assert_eq!(head(bench, &key), Some(facts));
        assert_eq!(bench.bytes(&key).unwrap(), bytes);
    }
}

pub fn a_put_replaces(bench: &Bench) {
    let key = vault();
    let before = bench.put(&key, "text/plain", BYTES);
    let after = bench.put(&key, "text/html", OTHERS);
    assert_ne!(before.etag, after.etag);
    assert_eq!(head(bench, &key), Some(after));
    assert_eq!(bench.bytes(&key).unwrap(), OTHERS);
}

pub fn any_key_works(bench: &Bench) {
    let paths = [
        "a b.txt",
        "a+b.txt",
        "100%.txt",
        "50%zz",
        "%C3%A9",
        "日本/ファイル",
        "a&b=c;d?e#f",
        "'(a)!*~",
        "a..b",
        "\"<>|",
    ];
    for path in paths {
        let (key, other) = (artifact(path), artifact(path));
        let facts = bench.put(&key, "text/plain", BYTES);
        assert_eq!(head(bench, &key), Some(facts.clone()), "{path}");
        assert_eq!(bench.bytes(&key).unwrap(), BYTES, "{path}");
        let copied = copy(bench, &key, &facts.etag, &other, "text/html").unwrap();
        assert_eq!(head(bench, &other), Some(copied), "{path}");
        bench.wait(bench.storage.delete(&key)).unwrap();
        assert_eq!(head(bench, &key), None, "{path}");
        assert_eq!(bench.bytes(&other).unwrap(), BYTES, "{path}");
    }
}

pub fn parts_are_read(bench: &Bench) {
    let key = vault();
    let bytes: Vec<u8> = (0..400_000_u32).map(|n| (n / 251) as u8).collect();
    bench.put(&key, "text/plain", &bytes);
    for (first, last) in [(0, 0), (1, 3), (100_000, 399_999), (399_999, 399_999), (0, 399_999)] {
        let stream = bench.wait(bench.storage.read(&key, Some(ByteRange { first, last }))).unwrap().unwrap();
        let part: Vec<_> = bench.wait(stream.try_collect()).unwrap();
        assert!(part.concat() == bytes[first as usize..=last as usize], "{first}-{last}");
    }
    assert!(bench.wait(bench.storage.read(&key, Some(ByteRange { first: 399_999, last: 400_000 }))).is_err());
    assert!(bench.wait(bench.storage.read(&key, Some(ByteRange { first: 400_000, last: 400_000 }))).is_err());
}

pub fn nothing_is_where_nothing_was_put(bench: &Bench) {
    assert_eq!(head(bench, &vault()), None);
    assert_eq!(bench.bytes(&vault()), None);
    assert!(bench.wait(bench.storage.read(&vault(), Some(ByteRange { first: 0, last: 0 }))).unwrap().is_none());
}

pub fn deleting_twice_succeeds(bench: &Bench) {
    let key = vault();
    bench.put(&key, "text/plain", BYTES);
    bench.wait(bench.storage.delete(&key)).unwrap();
    assert_eq!(head(bench, &key), None);
    bench.wait(bench.storage.delete(&key)).unwrap();
    bench.wait(bench.storage.delete(&vault())).unwrap();
}

pub fn a_copy_keeps_the_bytes_and_knows_their_checksum(bench: &Bench) {
    for bytes in [BYTES, b""] {
        let (from, to) = (inbox(), vault());
        let facts = bench.put(&from, "text/plain", bytes);
        let copied = copy(bench, &from, &facts.etag, &to, "text/plain").unwrap();
        assert_eq!(copied.checksum, Some(Checksum::Full(Sha256::digest(bytes).into())));
        assert_eq!(copied.size, bytes.len() as u64);
        assert_eq!(head(bench, &to), Some(copied));
        assert_eq!(bench.bytes(&to).unwrap(), bytes);
    }
}

pub fn a_copy_takes_the_type_it_is_given(bench: &Bench) {
    let (from, to) = (inbox(), vault());
    let facts = bench.put(&from, "text/plain", BYTES);
    let copied = copy(bench, &from, &facts.etag, &to, "image/svg+xml").unwrap();
    assert_eq!(copied.content_type, content_type("image/svg+xml"));
    assert_eq!(head(bench, &to), Some(copied));
    assert_eq!(head(bench, &from), Some(facts));
}

pub fn a_copy_replaces(bench: &Bench) {
    for kind in ["text/plain", "text/html"] {
        let (from, to) = (inbox(), vault());
        let facts = bench.put(&from, "text/plain", BYTES);
        bench.put(&to, "text/plain", OTHERS);
        copy(bench, &from, &facts.etag, &to, kind).unwrap();
        assert_eq!(bench.bytes(&to).unwrap(), BYTES);
    }
}

pub fn a_copy_outlives_its_source(bench: &Bench) {
    let (from, to) = (inbox(), vault());
    let facts = bench.put(&from, "text/plain", BYTES);
    copy(bench, &from, &facts.etag, &to, "text/plain").unwrap();
    bench.put(&from, "text/plain", OTHERS);
    assert_eq!(bench.bytes(&to).unwrap(), BYTES);
    bench.wait(bench.storage.delete(&from)).unwrap();
    assert_eq!(bench.bytes(&to).unwrap(), BYTES);
}

pub fn a_copy_of_something_else_is_refused(bench: &Bench) {
    let (from, to) = (inbox(), vault());
    let stale = bench.put(&from, "text/plain", BYTES).etag;
    bench.put(&from, "text/plain", OTHERS);
    for pinned in [stale, ETag("\"00000000000000000000000000000000\"".into())] {
        for kind in ["text/plain", "text/html"] {
            let outcome = copy(bench, &from, &pinned, &to, kind);
            assert!(matches!(outcome, Err(CopyError::Changed)), "{outcome:?}");
            assert_eq!(bench.bytes(&to), None);
        }
    }
}

pub fn a_copy_of_nothing_is_refused(bench: &Bench) {
    let (gone, to) = (inbox(), vault());
    let etag = bench.put(&gone, "text/plain", BYTES).etag;
    bench.wait(bench.storage.delete(&gone)).unwrap();
    for from in [gone, inbox()] {
        let outcome = copy(bench, &from, &etag, &to, "text/plain");
        assert!(matches!(outcome, Err(CopyError::Changed)), "{outcome:?}");
        assert_eq!(bench.bytes(&to), None);
    }
}

/// A completion that is sent again.
pub fn a_copy_onto_its_own_copy_succeeds(bench: &Bench) {
    let (from, to) = (inbox(), vault());
    let facts = bench.put(&from, "text/plain", BYTES);
    let first = copy(bench, &from, &facts.etag, &to, "text/plain").unwrap();
    let second = copy(bench, &from, &facts.etag, &to, "text/plain").unwrap();
    assert_eq!(first, second);
    assert_eq!(bench.bytes(&to).unwrap(), BYTES);
}

pub fn the_storage_answers(bench: &Bench) {
    bench.wait(bench.storage.ping()).unwrap();
}
