//! Signed PUTs.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use cloakroom::objects::{Checksum, CopyError, SMALLEST_PART, SignedRequest, UploadContract};
use sha2::{Digest, Sha256};

use super::bench::{Bench, contract, inbox, now, send, send_as, tampered, undeclared, vault};

const BYTES: &[u8] = b"what was agreed";
const OTHERS: &[u8] = b"WHAT WAS AGREED";

pub fn the_agreed_object_is_stored(bench: &Bench) {
    for contract in [contract(BYTES), undeclared(BYTES)] {
        let answer = send(&bench.sign_put(&contract), BYTES);
        assert_eq!(answer.status, 200, "{answer:?}");
        bench.assert_stored(&contract, BYTES);
        let facts = bench.wait(bench.storage.head(&contract.key)).unwrap().unwrap();
        assert_eq!(answer.header("etag"), facts.etag.0);
    }
}

pub fn an_empty_object_is_stored(bench: &Bench) {
    for contract in [contract(b""), undeclared(b"")] {
        assert_eq!(send(&bench.sign_put(&contract), b"").status, 200);
        bench.assert_stored(&contract, b"");
    }
}

pub fn an_object_of_several_pieces_is_stored(bench: &Bench) {
    let bytes: Vec<u8> = (0..3_000_001_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let contract = contract(&bytes);
    assert_eq!(send(&bench.sign_put(&contract), &bytes).status, 200);
    bench.assert_stored(&contract, &bytes);
}

pub fn more_bytes_are_refused(bench: &Bench) {
    for contract in [contract(BYTES), undeclared(BYTES)] {
        let answer = send(&bench.sign_put(&contract), &[BYTES, b"!"].concat());
        bench.assert_refused(&answer, &contract.key);
    }
}

pub fn fewer_bytes_are_refused(bench: &Bench) {
    for contract in [contract(BYTES), undeclared(BYTES)] {
        let signed = bench.sign_put(&contract);
        bench.assert_refused(&send(&signed, &BYTES[1..]), &contract.key);
        bench.assert_refused(&send(&signed, b""), &contract.key);
    }
}

pub fn another_type_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    for kind in ["text/html", "text/plain", "text/plain; charset=utf-16"] {
        let answer = send(&with_header(bench.sign_put(&contract), "content-type", kind), BYTES);
        bench.assert_refused(&answer, &contract.key);
    }
}

pub fn other_bytes_of_the_declared_checksum_are_refused(bench: &Bench) {
    let contract = contract(BYTES);
    bench.assert_refused(&send(&bench.sign_put(&contract), OTHERS), &contract.key);
}

pub fn another_checksum_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let encoded = STANDARD.encode(Sha256::digest(OTHERS));
    let signed = with_header(bench.sign_put(&contract), "x-amz-checksum-sha256", &encoded);
    bench.assert_refused(&send(&signed, OTHERS), &contract.key);
}

pub fn a_dropped_header_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let signed = bench.sign_put(&contract);
    let names: Vec<_> = signed.headers.keys().cloned().collect();
    assert_eq!(names, ["content-type", "if-none-match", "x-amz-checksum-sha256"]);
    for name in names {
        let mut signed = signed.clone();
        signed.headers.remove(&name);
        bench.assert_refused(&send(&signed, BYTES), &contract.key);
    }
}

/// S3 gives these a meaning: the holder of a URL could copy somebody else's object.
pub fn an_unsigned_header_is_refused(bench: &Bench) {
    let source = inbox();
    bench.put(&source, "text/plain", OTHERS);
    let contract = undeclared(BYTES);
    let copied = format!("/bucket/{}", source.as_str());
    for (name, value) in [("x-amz-copy-source", copied.as_str()), ("x-amz-acl", "public-read")] {
        let answer = send(&with_header(bench.sign_put(&contract), name, value), BYTES);
        bench.assert_refused(&answer, &contract.key);
    }
}

pub fn an_expired_url_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    bench.assert_refused(&send(&signed_and_ended(bench, &contract), BYTES), &contract.key);
}

pub fn a_tampered_url_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let signed = bench.sign_put(&contract);
    for url in tampered(&signed.url) {
        let answer = send_as("PUT", &url, &signed.headers, BYTES);
        assert!(bench.is_refusal(&answer), "{url} {answer:?}");
    }
    assert_eq!(bench.bytes(&contract.key), None);
}

pub fn an_unsigned_request_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let signed = bench.sign_put(&contract);
    let bare = match signed.url.split_once('?') {
        Some((bare, _)) => bare.to_owned(),
        None => signed.url.replace("/o/", "/o/x"),
    };
    let answer = send_as("PUT", &bare, &signed.headers, BYTES);
    bench.assert_refused_if(bench.refuses.unsigned, &answer, &contract.key);
}

pub fn another_key_is_refused(bench: &Bench) {
    let (contract, other) = (contract(BYTES), inbox());
    let signed = bench.sign_put(&contract);
    let moved = signed.url.replace(contract.key.as_str(), other.as_str());
    // Embedded, the key is sealed inside the token; appended, it is no path.
    let moved = if moved == signed.url { format!("{}/{}", signed.url, other.as_str()) } else { moved };
    bench.assert_refused(&send_as("PUT", &moved, &signed.headers, BYTES), &other);
    assert_eq!(bench.bytes(&contract.key), None);
}

pub fn another_method_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let signed = bench.sign_put(&contract);
    for method in ["GET", "HEAD", "POST", "DELETE"] {
        let answer = send_as(method, &signed.url, &signed.headers, BYTES);
        bench.assert_refused(&answer, &contract.key);
    }
    assert_eq!(send(&signed, BYTES).status, 200);
    for method in ["GET", "DELETE"] {
        let answer = send_as(method, &signed.url, &signed.headers, BYTES);
        assert!(bench.is_refusal(&answer), "{method} {answer:?}");
    }
    bench.assert_stored(&contract, BYTES);
}

pub fn a_traversal_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let signed = bench.sign_put(&contract);
    let (address, query) = signed.url.split_once('?').unwrap_or((&signed.url, ""));
    for way_out in ["/../stolen", "/../../stolen", "/%2e%2e/stolen", "%2f..%2fstolen", "/..%5cstolen", "//stolen"] {
        let answer = send_as("PUT", &format!("{address}{way_out}?{query}"), &signed.headers, BYTES);
        bench.assert_refused(&answer, &contract.key);
    }
}

pub fn a_replay_is_refused_while_the_object_is_there(bench: &Bench) {
    let contract = undeclared(BYTES);
    let signed = bench.sign_put(&contract);
    assert_eq!(send(&signed, BYTES).status, 200);
    assert_eq!(send(&signed, OTHERS).status, 412);
    bench.assert_stored(&contract, BYTES);
}

pub fn a_replay_cannot_touch_what_was_promoted(bench: &Bench) {
    let (contract, promoted) = (undeclared(BYTES), vault());
    let signed = bench.sign_put(&contract);
    assert_eq!(send(&signed, BYTES).status, 200);
    let facts = bench.wait(bench.storage.head(&contract.key)).unwrap().unwrap();
    let copy =
        bench.wait(bench.storage.copy(&contract.key, &facts.etag, &promoted, &contract.content_type, SMALLEST_PART));
    if !bench.refuses.copy_computes_checksum {
        // No facts without a SHA-256: whoever completes an upload must not go on.
        assert!(matches!(copy, Err(CopyError::Unavailable(_))), "{copy:?}");
        return;
    }
    let before = copy.unwrap();
    assert_eq!(before.checksum, Some(Checksum::Full(Sha256::digest(BYTES).into())));
    bench.wait(bench.storage.delete(&contract.key)).unwrap();

    // The inbox key has gone and the URL has not ended.
    assert_eq!(send(&signed, OTHERS).status, if bench.refuses.settled_replay { 412 } else { 200 });
    assert_eq!(bench.bytes(&promoted).unwrap(), BYTES);
    assert_eq!(bench.wait(bench.storage.head(&promoted)).unwrap().unwrap(), before);
}

pub fn of_many_at_once_one_is_stored(bench: &Bench) {
    let contract = undeclared(BYTES);
    let signed = bench.sign_put(&contract);
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let sender = |n: u8| {
            let signed = &signed;
            scope.spawn(move || send(signed, &[b'a' + n; BYTES.len()]).status)
        };
        let senders: Vec<_> = (0..8).map(sender).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    let winners: Vec<_> = (0_u8..8).filter(|n| answers[usize::from(*n)] == 200).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 409, 412].contains(status)), "{answers:?}");
    bench.assert_stored(&contract, &[b'a' + winners[0]; BYTES.len()]);
}

pub fn a_url_lives_ten_minutes_at_most(bench: &Bench) {
    let at = now();
    let far = UploadContract { expires_at: at.plus(Duration::from_secs(86_400)), ..contract(BYTES) };
    assert!(bench.sign_put(&far).expires_at <= now().plus(Duration::from_secs(600)));
    let near = UploadContract { expires_at: at.plus(Duration::from_millis(30_999)), ..contract(BYTES) };
    assert!(bench.sign_put(&near).expires_at <= near.expires_at);
}

pub fn what_has_ended_is_not_signed(bench: &Bench) {
    let ended = UploadContract { expires_at: now(), ..contract(BYTES) };
    assert!(bench.wait(bench.storage.sign_put(&ended, now())).is_err());
    assert!(bench.wait(bench.storage.sign_post(&ended, now())).is_err());
}

/// Signed two minutes ago for one minute.
fn signed_and_ended(bench: &Bench, contract: &UploadContract) -> SignedRequest {
    let now = now().as_unix_seconds();
    let at = |seconds_ago| cloakroom::domain::instant::Instant::from_unix_seconds(now - seconds_ago);
    let contract = UploadContract { expires_at: at(60), ..contract.clone() };
    bench.wait(bench.storage.sign_put(&contract, at(120))).unwrap()
}

pub fn with_header(mut signed: SignedRequest, name: &str, value: &str) -> SignedRequest {
    signed.headers.extend(BTreeMap::from([(name.to_owned(), value.to_owned())]));
    signed
}
