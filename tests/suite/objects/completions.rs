//! What becomes of an upload in parts: one object of exactly what was named, or none.

use cloakroom::objects::{
    Checksum, CompleteError, CopyError, ETag, MultipartId, PartContract, SMALLEST_PART, StoredPart,
};
use sha2::{Digest, Sha256};

use super::{
    bench::{Bench, content_type, inbox, send, vault},
    parts::{begun, three},
};

pub fn parts_in_any_order_become_the_object(bench: &Bench) {
    let (upload, sent) = (begun(bench, true), three());
    for number in [3, 1, 2] {
        upload.send(number, &sent[number as usize - 1]);
    }
    let arrived = upload.parts().unwrap();
    let described: Vec<_> = arrived.iter().map(|part| (part.number, part.size)).collect();
    assert_eq!(described, [(1, SMALLEST_PART), (2, SMALLEST_PART), (3, 1000)]);
    for (part, bytes) in arrived.iter().zip(&sent) {
        let told = if bench.refuses.parts_know_checksums { Some(Sha256::digest(bytes).into()) } else { None };
        assert_eq!(part.sha256, told);
    }
    upload.complete(&arrived).unwrap();

    let facts = bench.wait(bench.storage.head(&upload.key)).unwrap().unwrap();
    assert_eq!((facts.size, facts.content_type), (2 * SMALLEST_PART + 1000, content_type("text/csv")));
    assert!(bench.bytes(&upload.key).unwrap() == sent.concat());
    if let Some(Checksum::Full(sha256)) = facts.checksum {
        assert_eq!(sha256, *Sha256::digest(sent.concat()));
    } else if let Some(Checksum::Composite { sha256, parts }) = facts.checksum {
        assert_eq!((sha256, parts), (composite(&sent), 3));
    } else {
        assert!(!bench.refuses.parts_know_checksums, "a checksum was lost");
    }
    assert_eq!(upload.parts(), None);
}

pub fn composite(sent: &[Vec<u8>]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for bytes in sent {
        hasher.update(Sha256::digest(bytes));
    }
    hasher.finalize().into()
}

/// The way of every large upload into a vault.
pub fn a_copy_of_what_came_in_parts_knows_the_whole(bench: &Bench) {
    let (upload, sent, to) = (begun(bench, true), three(), vault());
    upload.send(1, &sent[0]);
    upload.send(2, &sent[2]);
    upload.complete_all().unwrap();
    let etag = bench.wait(bench.storage.head(&upload.key)).unwrap().unwrap().etag;
    let copied = bench.wait(bench.storage.copy(&upload.key, &etag, &to, &content_type("text/csv"), SMALLEST_PART));
    if bench.refuses.copy_computes_checksum {
        let whole = Sha256::new().chain_update(&sent[0]).chain_update(&sent[2]).finalize();
        assert_eq!(copied.unwrap().checksum, Some(Checksum::Full(whole.into())));
        assert!(bench.bytes(&to).unwrap() == [&sent[0][..], &sent[2]].concat());
    } else {
        assert!(matches!(copied, Err(CopyError::Unavailable(_))), "{copied:?}");
    }
}

pub fn one_part_is_enough(bench: &Bench) {
    for part_checksums in [false, true] {
        let upload = begun(bench, part_checksums);
        let answer = send(&upload.signed(1, b"all of it"), b"all of it");
        let arrived = upload.parts().unwrap();
        assert_eq!(answer.header("etag"), arrived[0].etag.0);
        upload.complete(&arrived).unwrap();
        assert_eq!(bench.bytes(&upload.key).unwrap(), b"all of it");
    }
}

pub fn a_part_that_is_sent_again_replaces_the_earlier_one(bench: &Bench) {
    let upload = begun(bench, false);
    upload.send(1, b"the first, which is longer");
    let before = upload.parts().unwrap();
    upload.send(1, b"the second");
    upload.assert_unchanged(&upload.complete(&before));
    upload.complete_all().unwrap();
    assert_eq!(bench.bytes(&upload.key).unwrap(), b"the second");
}

pub fn a_missing_part_is_refused_and_the_upload_goes_on(bench: &Bench) {
    let (upload, sent) = (begun(bench, true), three());
    upload.send(1, &sent[0]);
    upload.send(3, &sent[2]);
    let missing = StoredPart {
        number: 2,
        size: SMALLEST_PART,
        etag: etag_of_nothing(),
        sha256: Some(Sha256::digest(&sent[1]).into()),
    };
    let mut named = upload.parts().unwrap();
    named.insert(1, missing);
    upload.assert_unchanged(&upload.complete(&named));
    upload.send(2, &sent[1]);
    upload.complete_all().unwrap();
    assert!(bench.bytes(&upload.key).unwrap() == sent.concat());
}

pub fn another_part_or_order_than_arrived_is_refused(bench: &Bench) {
    let (upload, sent) = (begun(bench, false), three());
    upload.send(1, &sent[0]);
    upload.send(2, &sent[2]);
    let arrived = upload.parts().unwrap();
    let other = StoredPart { etag: etag_of_nothing(), ..arrived[0].clone() };
    upload.assert_unchanged(&upload.complete(&[other, arrived[1].clone()]));
    let reversed = upload.complete(&[arrived[1].clone(), arrived[0].clone()]);
    if bench.refuses.parts_out_of_order {
        upload.assert_unchanged(&reversed);
        upload.complete(&arrived).unwrap();
    } else {
        reversed.unwrap();
    }
    assert!(bench.bytes(&upload.key).unwrap() == [&sent[0][..], &sent[2]].concat());
}

pub fn a_small_part_before_the_last_is_refused(bench: &Bench) {
    let upload = begun(bench, false);
    for (number, bytes) in [(1, b"small"), (2, b"last.")] {
        let contract = PartContract { part_size: 5, ..upload.contract(number, bytes) };
        assert_eq!(send(&upload.sign(&contract), bytes).status, 200);
    }
    let completed = upload.complete_all();
    if bench.refuses.small_parts {
        upload.assert_unchanged(&completed);
    } else {
        completed.unwrap();
    }
}

pub fn completing_twice_makes_one_object(bench: &Bench) {
    let upload = begun(bench, false);
    upload.send(1, b"once");
    let arrived = upload.parts().unwrap();
    upload.complete(&arrived).unwrap();
    let before = bench.wait(bench.storage.head(&upload.key)).unwrap();
    let again = upload.complete(&arrived);
    if bench.refuses.late_completions {
        assert!(matches!(again, Err(CompleteError::Changed)), "{again:?}");
    } else {
        again.unwrap();
    }
    assert_eq!(bench.wait(bench.storage.head(&upload.key)).unwrap(), before);
    upload.abort();
    assert_eq!(bench.bytes(&upload.key).unwrap(), b"once");
}

pub fn a_taken_key_is_not_written_over(bench: &Bench) {
    let upload = begun(bench, false);
    upload.send(1, b"the later one");
    bench.put(&upload.key, "text/plain", b"the earlier one");
    let completed = upload.complete_all();
    assert!(matches!(completed, Err(CompleteError::Changed)), "{completed:?}");
    assert_eq!(bench.bytes(&upload.key).unwrap(), b"the earlier one");
    bench.wait(bench.storage.delete(&upload.key)).unwrap();
    upload.complete_all().unwrap();
    assert_eq!(bench.bytes(&upload.key).unwrap(), b"the later one");
}

pub fn nothing_comes_after_an_abort(bench: &Bench) {
    let upload = begun(bench, false);
    upload.send(1, b"x");
    let arrived = upload.parts().unwrap();
    upload.abort();
    assert_eq!(upload.parts(), None);
    for number in [1, 2] {
        let answer = send(&upload.signed(number, b"x"), b"x");
        assert!(bench.is_refusal(&answer), "{answer:?}");
    }
    upload.assert_unchanged(&upload.complete(&arrived));
    assert_eq!(upload.parts(), None);
    upload.abort();
}

pub fn nothing_comes_after_completion(bench: &Bench) {
    let upload = begun(bench, false);
    let signed = [upload.signed(1, b"before"), upload.signed(1, b"after!"), upload.signed(2, b"after!")];
    assert_eq!(send(&signed[0], b"before").status, 200);
    upload.complete_all().unwrap();
    for signed in &signed {
        let answer = send(signed, b"after!");
        assert!(bench.is_refusal(&answer), "{answer:?}");
    }
    assert_eq!(bench.bytes(&upload.key).unwrap(), b"before");
    assert_eq!(upload.parts(), None);
}

pub fn of_many_completions_one_object_comes(bench: &Bench) {
    let upload = begun(bench, false);
    upload.send(1, b"once");
    let arrived = upload.parts().unwrap();
    let outcomes = bench.wait(futures_util::future::join_all(
        (0..6).map(|_| bench.storage.complete_multipart(&upload.key, &upload.id, &arrived)),
    ));
    let succeeded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(if bench.refuses.racing_completions { succeeded == 1 } else { succeeded >= 1 }, "{outcomes:?}");
    assert_eq!(bench.bytes(&upload.key).unwrap(), b"once");
    assert_eq!(upload.parts(), None);
}

pub fn an_unknown_upload_is_none(bench: &Bench) {
    let (upload, elsewhere) = (begun(bench, false), inbox());
    upload.send(1, b"x");
    let arrived = upload.parts().unwrap();
    let unknown = MultipartId(format!("{}0", upload.id.0));
    for (key, id) in [(&upload.key, &unknown), (&elsewhere, &upload.id)] {
        assert_eq!(bench.wait(bench.storage.parts(key, id)).unwrap(), None);
        let completed = bench.wait(bench.storage.complete_multipart(key, id, &arrived));
        assert!(matches!(completed, Err(CompleteError::Changed)), "{completed:?}");
        bench.wait(bench.storage.abort_multipart(key, id)).unwrap();
    }
    upload.complete(&arrived).unwrap();
}

fn etag_of_nothing() -> ETag {
    ETag("\"00000000000000000000000000000000\"".into())
}
