//! Signed form POSTs.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use cloakroom::{
    domain::instant::Instant,
    objects::{SignedRequest, UploadContract},
};
use sha2::{Digest, Sha256};

use super::bench::{Bench, contract, inbox, now, send_as, send_form, send_parts, undeclared};

const BYTES: &[u8] = b"what was agreed";
const OTHERS: &[u8] = b"WHAT WAS AGREED";

pub fn the_agreed_file_is_stored(bench: &Bench) {
    let large: Vec<u8> = (0..700_001_u32).map(|n| n as u8).collect();
    for (contract, bytes) in [
        (contract(BYTES), BYTES),
        (undeclared(BYTES), BYTES),
        (contract(&large), &large),
        (contract(b"\r\n--"), b"\r\n--"),
    ] {
        let answer = send_form(&bench.sign_post(&contract), bytes);
        assert_eq!(answer.status, 204, "{answer:?}");
        bench.assert_stored(&contract, bytes);
    }
}

pub fn an_empty_file_is_stored(bench: &Bench) {
    for contract in [contract(b""), undeclared(b"")] {
        let answer = send_form(&bench.sign_post(&contract), b"");
        assert_eq!(answer.status, 204, "{answer:?}");
        bench.assert_stored(&contract, b"");
    }
}

pub fn more_bytes_are_refused(bench: &Bench) {
    for contract in [contract(BYTES), undeclared(BYTES)] {
        let answer = send_form(&bench.sign_post(&contract), &[BYTES, b"!"].concat());
        bench.assert_refused(&answer, &contract.key);
    }
}

pub fn fewer_bytes_are_refused(bench: &Bench) {
    for contract in [contract(BYTES), undeclared(BYTES)] {
        let signed = bench.sign_post(&contract);
        bench.assert_refused(&send_form(&signed, &BYTES[1..]), &contract.key);
        bench.assert_refused(&send_form(&signed, b""), &contract.key);
    }
}

pub fn another_type_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let signed = with_field(bench.sign_post(&contract), "Content-Type", "text/html");
    bench.assert_refused(&send_form(&signed, BYTES), &contract.key);
}

pub fn other_bytes_of_the_declared_checksum_are_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let signed = bench.sign_post(&contract);
    bench.assert_refused_if(bench.refuses.form_checksum, &send_form(&signed, OTHERS), &contract.key);
    let contract = self::contract(BYTES);
    let signed = bench.sign_post(&contract);
    let encoded = STANDARD.encode(Sha256::digest(OTHERS));
    let signed = with_field(signed, "x-amz-checksum-sha256", &encoded);
    bench.assert_refused(&send_form(&signed, OTHERS), &contract.key);
}

pub fn a_dropped_field_is_refused(bench: &Bench) {
    let names: Vec<_> = bench.sign_post(&contract(BYTES)).fields.into_keys().collect();
    for name in names {
        let contract = contract(BYTES);
        let mut signed = bench.sign_post(&contract);
        signed.fields.remove(&name);
        let refused = name != "policy" || bench.refuses.form_without_policy;
        bench.assert_refused_if(refused, &send_form(&signed, BYTES), &contract.key);
    }
}

pub fn an_expired_form_is_refused(bench: &Bench) {
    let at = |seconds_ago| Instant::from_unix_seconds(now().as_unix_seconds() - seconds_ago);
    let contract = UploadContract { expires_at: at(60), ..contract(BYTES) };
    let signed = bench.wait(bench.storage.sign_post(&contract, at(120))).unwrap();
    bench.assert_refused(&send_form(&signed, BYTES), &contract.key);
}

pub fn another_key_is_refused(bench: &Bench) {
    let (contract, other) = (contract(BYTES), inbox());
    for key in [other.as_str().to_owned(), format!("{}/../x", contract.key.as_str()), "${filename}".into()] {
        let signed = with_field(bench.sign_post(&contract), "key", &key);
        bench.assert_refused(&send_form(&signed, BYTES), &contract.key);
        assert_eq!(bench.bytes(&other), None);
    }
}

/// The policy of S3, or the token of the embedded storage, with other bits.
pub fn an_altered_policy_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let mut signed = bench.sign_post(&contract);
    match signed.fields.get("policy").cloned() {
        Some(policy) => {
            // Ended as it is, so that it is refused even where its signature goes unchecked.
            let document = String::from_utf8(STANDARD.decode(policy).unwrap()).unwrap();
            let year = &signed.expires_at.to_string()[..4];
            signed.fields.insert("policy".into(), STANDARD.encode(document.replacen(year, "1999", 1)));
        }
        None => signed.url = signed.url.replace("/o/A", "/o/B"),
    }
    bench.assert_refused(&send_form(&signed, BYTES), &contract.key);
}

pub fn another_signature_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let mut signed = bench.sign_post(&contract);
    if signed.fields.contains_key("x-amz-signature") {
        signed = with_field(signed, "x-amz-signature", &"0".repeat(64));
    } else {
        signed.url.pop();
    }
    bench.assert_refused_if(bench.refuses.form_signature, &send_form(&signed, BYTES), &contract.key);
}

pub fn an_extra_field_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let signed = with_field(bench.sign_post(&contract), "x-amz-meta-extra", "1");
    bench.assert_refused_if(bench.refuses.extra_field, &send_form(&signed, BYTES), &contract.key);
}

pub fn a_file_that_comes_first_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let signed = bench.sign_post(&contract);
    let mut parts: Vec<(&str, &[u8])> = vec![("file", BYTES)];
    parts.extend(signed.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
    bench.assert_refused_if(bench.refuses.file_first, &send_parts(&signed.url, &parts), &contract.key);
}

pub fn another_method_is_refused(bench: &Bench) {
    let contract = contract(BYTES);
    let signed = bench.sign_post(&contract);
    let headers = bench.sign_put(&contract).headers;
    let url = match signed.fields.contains_key("policy") {
        // A form's signature stands in its fields, so this is an unsigned PUT.
        true => format!("{}/{}", signed.url, contract.key.as_str()),
        false => signed.url,
    };
    let answer = send_as("PUT", &url, &headers, BYTES);
    bench.assert_refused_if(bench.refuses.unsigned, &answer, &contract.key);
}

pub fn a_replay_is_refused_but_by_s3(bench: &Bench) {
    let contract = undeclared(BYTES);
    let signed = bench.sign_post(&contract);
    assert_eq!(send_form(&signed, BYTES).status, 204);
    let answer = send_form(&signed, OTHERS);
    if bench.refuses.form_replay {
        assert_eq!(answer.status, 412);
        bench.assert_stored(&contract, BYTES);
    } else {
        // What was promoted from a pinned ETag is not touched by this.
        assert_eq!(answer.status, 204);
        bench.assert_stored(&contract, OTHERS);
    }
}

pub fn a_form_lives_ten_minutes_at_most(bench: &Bench) {
    let far = UploadContract { expires_at: now().plus(Duration::from_secs(86_400)), ..contract(BYTES) };
    assert!(bench.sign_post(&far).expires_at <= now().plus(Duration::from_secs(600)));
}

fn with_field(mut signed: SignedRequest, name: &str, value: &str) -> SignedRequest {
    signed.fields.insert(name.into(), value.into());
    signed
}
