//! Signed PUTs of parts. What becomes of them stands in `completions`.

use std::{collections::BTreeMap, thread, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use cloakroom::{
    domain::instant::Instant,
    objects::{
        CompleteError, LARGEST_PART, MultipartId, ObjectKey, PartContract, SMALLEST_PART, SignedRequest, StoredPart,
    },
};
use sha2::{Digest, Sha256};

use super::{
    bench::{Answer, Bench, content_type, inbox, now, send, send_as, tampered, undeclared},
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
