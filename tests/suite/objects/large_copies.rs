//! Copies of what a storage does not copy at once. Those are above 5 GiB; here the
//! storage is told to take 5 MiB for that.

use cloakroom::objects::{Checksum, CopyError, ETag, ObjectFacts, ObjectKey, SMALLEST_PART};
use sha2::{Digest, Sha256};

use super::{
    bench::{Bench, content_type, inbox, vault},
    completions::composite,
    parts::{bytes, three},
};

fn copy(bench: &Bench, from: &ObjectKey, pinned: &ETag, to: &ObjectKey) -> Result<ObjectFacts, CopyError> {
    bench.wait(bench.copies_in_parts.copy(from, pinned, to, &content_type("text/csv"), SMALLEST_PART))
}

pub fn a_large_copy_keeps_the_bytes_and_knows_their_checksum(bench: &Bench) {
    let (from, to, sent) = (inbox(), vault(), three());
    let source = bench.put(&from, "text/plain", &sent.concat());
    let copied = copy(bench, &from, &source.etag, &to);
    if !bench.refuses.copy_computes_checksum {
        assert!(matches!(copied, Err(CopyError::Unavailable(_))), "{copied:?}");
        return;
    }
    let copied = copied.unwrap();
    let whole = Checksum::Full(Sha256::digest(sent.concat()).into());
    let parts = Checksum::Composite { sha256: composite(&sent), parts: 3 };
    assert_eq!(copied.checksum, Some(if bench.refuses.large_copies { parts } else { whole }));
    assert_eq!((copied.size, &copied.content_type), (source.size, &content_type("text/csv")));
    assert!(bench.bytes(&to).unwrap() == sent.concat());
    let found = bench.wait(bench.storage.head(&to)).unwrap().unwrap();
    assert_eq!((found.etag, found.size, found.content_type), (copied.etag, copied.size, copied.content_type));
}

pub fn a_large_copy_of_something_else_is_refused(bench: &Bench) {
    let (from, to) = (inbox(), vault());
    let stale = bench.put(&from, "text/plain", &bytes(SMALLEST_PART + 1, 1)).etag;
    bench.put(&from, "text/plain", &bytes(SMALLEST_PART + 1, 2));
    for pinned in [stale, ETag("\"00000000000000000000000000000000\"".into())] {
        let outcome = copy(bench, &from, &pinned, &to);
        if bench.refuses.large_copies_of_others {
            assert!(matches!(outcome, Err(CopyError::Changed)), "{outcome:?}");
            assert_eq!(bench.bytes(&to), None);
        } else {
            outcome.unwrap();
        }
    }
    let outcome = copy(bench, &inbox(), &ETag("\"0\"".into()), &to);
    assert!(matches!(outcome, Err(CopyError::Changed)), "{outcome:?}");
    assert_eq!(bench.unfinished(&to), 0);
}

pub fn a_large_copy_replaces(bench: &Bench) {
    let (from, to, large) = (inbox(), vault(), bytes(SMALLEST_PART + 1, 1));
    let source = bench.put(&from, "text/plain", &large);
    bench.put(&to, "text/plain", b"what was there");
    let copied = copy(bench, &from, &source.etag, &to);
    assert_eq!(copied.is_ok(), bench.refuses.copy_computes_checksum, "{copied:?}");
    let expected = if copied.is_ok() { large } else { b"what was there".to_vec() };
    assert!(bench.bytes(&to).unwrap() == expected);
}
