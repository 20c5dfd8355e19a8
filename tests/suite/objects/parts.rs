//! Uploads in parts.

use std::{collections::BTreeMap, thread, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use cloakroom::{
    domain::instant::Instant,
    objects::{
        Checksum, CompleteError, CopyError, ETag, LARGEST_PART, MultipartId, ObjectKey, PartContract, SMALLEST_PART,
        SignedRequest, StoredPart,
    },
};
use sha2::{Digest, Sha256};

use super::{
    bench::{Answer, Bench, content_type, inbox, now, send, send_as, tampered, undeclared, vault},
    puts::with_header,
};

/// An upload in parts of 5 MiB.
pub struct Upload<'a> {
    pub bench: &'a Bench,
    pub key: ObjectKey,
    pub id: MultipartId,
    pub part_checksums: bool,
}

pub fn begun(bench: &Bench, part_checksums: bool) -> Upload<'_> {
    let key = inbox();
    let kind = content_type("text/csv");
    let id = bench.wait(bench.storage.begin_multipart(&key, &kind, part_checksums)).unwrap();
    Upload { bench, key, id, part_checksums }
}

impl Upload<'_> {
    /// A contract for exactly these bytes, with their checksum where the upload wants one.
    pub fn contract(&self, number: u32, bytes: &[u8]) -> PartContract {
        PartContract {
            key: self.key.clone(),
            upload: self.id.clone(),
            number,
            part_size: SMALLEST_PART,
            size: bytes.len() as u64,
            sha256: self.part_checksums.then(|| Sha256::digest(bytes).into()),
            expires_at: now().plus(Duration::from_secs(60)),
        }
    }

    pub fn sign(&self, contract: &PartContract) -> SignedRequest {
        self.bench.wait(self.bench.storage.sign_part(contract, now())).unwrap()
    }

    pub fn signed(&self, number: u32, bytes: &[u8]) -> SignedRequest {
        self.sign(&self.contract(number, bytes))
    }

    #[track_caller]
    pub fn send(&self, number: u32, bytes: &[u8]) {
        let answer = send(&self.signed(number, bytes), bytes);
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub fn parts(&self) -> Option<Vec<StoredPart>> {
        self.bench.wait(self.bench.storage.parts(&self.key, &self.id)).unwrap()
    }

    pub fn complete(&self, parts: &[StoredPart]) -> Result<(), CompleteError> {
        self.bench.wait(self.bench.storage.complete_multipart(&self.key, &self.id, parts))
    }

    pub fn complete_all(&self) -> Result<(), CompleteError> {
        self.complete(&self.parts().unwrap())
    }

    pub fn abort(&self) {
        self.bench.wait(self.bench.storage.abort_multipart(&self.key, &self.id)).unwrap();
    }

    /// The request was refused, and no part has arrived.
    #[track_caller]
    fn assert_refused(&self, answer: &Answer) {
        assert!(self.bench.is_refusal(answer), "{answer:?}");
        assert_eq!(self.parts(), Some(Vec::new()), "{answer:?}");
        assert_eq!(self.bench.bytes(&self.key), None, "{answer:?}");
    }

    #[track_caller]
    pub fn assert_unchanged(&self, outcome: &Result<(), CompleteError>) {
        assert!(matches!(outcome, Err(CompleteError::Changed)), "{outcome:?}");
        assert_eq!(self.bench.bytes(&self.key), None);
    }
}

/// Bytes of no pattern that a shifted copy would have too.
pub fn bytes(length: u64, seed: u32) -> Vec<u8> {
    (0..length as u32).map(|n| ((n ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

pub fn three() -> [Vec<u8>; 3] {
    [bytes(SMALLEST_PART, 1), bytes(SMALLEST_PART, 2 << 24), bytes(1000, 3 << 24)]
}

fn etag_of_nothing() -> ETag {
    ETag("\"00000000000000000000000000000000\"".into())
}

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
    upload.send(1, b"small");
    upload.send(2, b"and last");
    let completed = upload.complete_all();
    if bench.refuses.small_parts {
        upload.assert_unchanged(&completed);
    } else {
        completed.unwrap();
    }
}

pub fn more_or_fewer_bytes_are_refused(bench: &Bench) {
    let bytes = bytes(1001, 5);
    for part_checksums in [false, true] {
        let upload = begun(bench, part_checksums);
        // The first, a middle and the last one, which is shorter.
        for (number, size) in [(1, 1000), (2, 1000), (3, 10)] {
            let contract = PartContract { part_size: 1000, ..upload.contract(number, &bytes[..size]) };
            let signed = upload.sign(&contract);
            for sent in [size + 1, size - 1, 0] {
                upload.assert_refused(&send(&signed, &bytes[..sent]));
            }
        }
    }
}

pub fn other_bytes_or_another_checksum_are_refused(bench: &Bench) {
    let upload = begun(bench, true);
    let (agreed, other) = (b"what was agreed", b"WHAT WAS AGREED");
    let signed = upload.signed(1, agreed);
    upload.assert_refused(&send(&signed, other));
    let encoded = STANDARD.encode(Sha256::digest(other));
    upload.assert_refused(&send(&with_header(signed.clone(), "x-amz-checksum-sha256", &encoded), other));
    let bare = SignedRequest { headers: BTreeMap::new(), ..signed };
    upload.assert_refused(&send(&bare, agreed));
}

pub fn an_undeclared_header_is_refused(bench: &Bench) {
    let upload = begun(bench, false);
    let source = inbox();
    bench.put(&source, "text/plain", b"somebody else's");
    let bucket = std::env::var("CLOAKROOM_TEST_BUCKET").unwrap_or_default();
    let copied = format!("/{bucket}/{}", source.as_str());
    let encoded = STANDARD.encode(Sha256::digest(b"x"));
    for (name, value) in
        [("x-amz-copy-source", copied.as_str()), ("x-amz-acl", "public-read"), ("x-amz-checksum-sha256", &encoded)]
    {
        let answer = send(&with_header(upload.signed(1, b"x"), name, value), b"x");
        if bench.refuses.undeclared_part_header {
            upload.assert_refused(&answer);
        } else {
            assert_eq!(answer.status, 200, "{name} {answer:?}");
        }
    }
    let encoded = STANDARD.encode(Sha256::digest(b"y"));
    let answer = send(&with_header(upload.signed(2, b"x"), "x-amz-checksum-sha256", &encoded), b"x");
    assert!(bench.is_refusal(&answer), "{answer:?}");
}

pub fn a_part_without_the_checksum_that_is_wanted_is_refused(bench: &Bench) {
    let upload = begun(bench, true);
    let contract = PartContract { sha256: None, ..upload.contract(1, b"x") };
    let answer = send(&upload.sign(&contract), b"x");
    if bench.refuses.missing_part_checksum {
        upload.assert_refused(&answer);
    } else {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

pub fn any_type_may_be_sent_or_none(bench: &Bench) {
    let upload = begun(bench, false);
    for (number, kind) in [(1, None), (2, Some("text/html"))] {
        let signed = upload.signed(number, b"x");
        let signed = kind.map_or(signed.clone(), |kind| with_header(signed, "content-type", kind));
        assert_eq!(send(&signed, b"x").status, 200);
    }
    assert_eq!(upload.parts().unwrap().len(), 2);
}

pub fn an_expired_url_is_refused(bench: &Bench) {
    let upload = begun(bench, false);
    let at = |seconds_ago| Instant::from_unix_seconds(now().as_unix_seconds() - seconds_ago);
    let ended = PartContract { expires_at: at(60), ..upload.contract(1, b"x") };
    let signed = bench.wait(bench.storage.sign_part(&ended, at(120))).unwrap();
    upload.assert_refused(&send(&signed, b"x"));
}

pub fn a_tampered_url_is_refused(bench: &Bench) {
    let upload = begun(bench, true);
    let signed = upload.signed(1, b"x");
    for url in tampered(&signed.url) {
        let answer = send_as("PUT", &url, &signed.headers, b"x");
        assert!(bench.is_refusal(&answer), "{url} {answer:?}");
    }
    assert_eq!((upload.parts(), bench.bytes(&upload.key)), (Some(Vec::new()), None));
}

pub fn another_part_upload_or_key_is_refused(bench: &Bench) {
    let (upload, other) = (begun(bench, false), begun(bench, false));
    let signed = upload.signed(1, b"x");
    let moved = [
        signed.url.replace("partNumber=1&", "partNumber=2&"),
        signed.url.replace(&upload.id.0, &other.id.0),
        signed.url.replace(upload.key.as_str(), other.key.as_str()),
        signed.url.replace(upload.key.as_str(), other.key.as_str()).replace(&upload.id.0, &other.id.0),
    ];
    for url in moved {
        // Embedded, all of that is sealed inside the token; appended, it is no path.
        let url = if url == signed.url { format!("{url}/2") } else { url };
        upload.assert_refused(&send_as("PUT", &url, &signed.headers, b"x"));
        assert_eq!(other.parts(), Some(Vec::new()));
    }
}

pub fn another_method_is_refused(bench: &Bench) {
    let upload = begun(bench, false);
    let signed = upload.signed(1, b"x");
    // For the bare upload, S3 answers a GET with its parts, and a DELETE aborts it.
    for url in [signed.url.clone(), signed.url.replace("partNumber=1&", "")] {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            upload.assert_refused(&send_as(method, &url, &signed.headers, b"x"));
        }
    }
    assert_eq!(send(&signed, b"x").status, 200);
}

pub fn a_url_for_a_part_and_one_for_an_object_are_two_things(bench: &Bench) {
    let upload = begun(bench, false);
    let part = upload.signed(1, b"x");
    let contract = cloakroom::objects::UploadContract { key: upload.key.clone(), ..undeclared(b"x") };
    let whole = bench.sign_put(&contract);
    let query = format!("partNumber=1&uploadId={}", upload.id.0);

    // As if the one were the other: its query, and its headers.
    let put_as_part = match whole.url.split_once('?') {
        Some((address, rest)) => format!("{address}?{query}&{rest}"),
        None => whole.url.clone(),
    };
    for url in [&put_as_part, &whole.url] {
        upload.assert_refused(&send_as("PUT", url, &part.headers, b"x"));
    }
    let part_as_put = part.url.replace(&format!("{query}&"), "");
    let answer = send_as("PUT", &part_as_put, &whole.headers, b"x");
    if part_as_put == part.url {
        // Embedded, the token says what it is for, whatever is sent along.
        assert_eq!((answer.status, upload.parts().unwrap().len()), (200, 1));
        assert_eq!(bench.bytes(&upload.key), None);
    } else {
        upload.assert_refused(&answer);
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
    assert!(if bench.refuses.late_completions { succeeded == 1 } else { succeeded >= 1 }, "{outcomes:?}");
    assert_eq!(bench.bytes(&upload.key).unwrap(), b"once");
    assert_eq!(upload.parts(), None);
}

pub fn of_many_senders_of_a_part_one_counts(bench: &Bench) {
    let upload = begun(bench, false);
    let sent: Vec<_> = (0..6_u32).map(|n| bytes(600_000, n << 24)).collect();
    let signed = upload.signed(1, &sent[0]);
    let answers: Vec<u16> = thread::scope(|scope| {
        let senders: Vec<_> = sent.iter().map(|bytes| scope.spawn(|| send(&signed, bytes).status)).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    assert!(answers.contains(&200) && answers.iter().all(|status| [200, 409].contains(status)), "{answers:?}");
    upload.complete_all().unwrap();
    let stored = bench.bytes(&upload.key).unwrap();
    assert!(sent.iter().zip(answers).any(|(bytes, status)| *bytes == stored && status == 200));
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

pub fn a_url_lives_ten_minutes_at_most(bench: &Bench) {
    let upload = begun(bench, false);
    let far = PartContract { expires_at: now().plus(Duration::from_secs(86_400)), ..upload.contract(1, b"x") };
    assert!(upload.sign(&far).expires_at <= now().plus(Duration::from_secs(600)));
}

pub fn what_has_ended_or_cannot_be_is_not_signed(bench: &Bench) {
    let upload = begun(bench, false);
    let sound = upload.contract(1, b"x");
    for contract in [
        PartContract { expires_at: now(), ..sound.clone() },
        PartContract { number: 0, ..sound.clone() },
        PartContract { number: 10_001, ..sound.clone() },
        PartContract { size: SMALLEST_PART + 1, ..sound.clone() },
        PartContract { size: 1, part_size: LARGEST_PART + 1, ..sound.clone() },
    ] {
        assert!(bench.wait(bench.storage.sign_part(&contract, now())).is_err(), "{contract:?}");
    }
    upload.sign(&PartContract { number: 10_000, size: LARGEST_PART, part_size: LARGEST_PART, ..sound });
}
