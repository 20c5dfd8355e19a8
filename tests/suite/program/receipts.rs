//! Receipts, verified by the program and by openssl: docs/receipts.md, run line by line.

use std::{fs, path::Path, process::Command};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    pretending::{Pretender, Reply},
    process::{Place, fault, outcome, program, said, wrote},
};

/// The shell lines of a section of the page.
fn lines(section: &str) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/receipts.md")).unwrap();
    let section = page.split("\n## ").find(|found| found.starts_with(section)).unwrap();
    section.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

/// Runs lines in a shell that stops at the first that fails.
#[track_caller]
fn shell(place: &Place, lines: &str) -> String {
    let folder = Path::new(env!("CARGO_BIN_EXE_cloakroom")).parent().unwrap();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", lines])
        .current_dir(place.path("."))
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
        .output()
        .unwrap();
    wrote(&output, 0).0
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

fn payload(size: usize, checksum: &Value) -> Vec<u8> {
    let payload = json!({
        "checksum": checksum, "completed_at": "2026-11-22T12:00:00.000Z", "content_type": "application/pdf",
        "declared_at": "2026-11-22T11:59:00.000Z", "deployment": "dep_1", "mode": "live", "path": "docs/report.pdf",
        "size": size, "tenant": "ten_1", "type": "cloakroom.upload-receipt.v1", "upload": "upl_1", "uploader": "key_1",
    });
    payload.to_string().into_bytes()
}

fn full(bytes: &[u8]) -> Vec<u8> {
    payload(bytes.len(), &json!({ "algorithm": "sha256", "type": "full", "value": hex(&Sha256::digest(bytes)) }))
}

fn receipt(payload: &[u8], signature: &[u8]) -> String {
    let (payload, signature) = (STANDARD.encode(payload), STANDARD.encode(signature));
    json!({ "payload": payload, "signature": signature, "key_id": "rk_1", "algorithm": "Ed25519" }).to_string()
}

#[test]
fn what_openssl_signs_we_verify() {
    let place = Place::new();
    fs::write(place.path("report.pdf"), "hello").unwrap();
    let payload = full(b"hello");
    fs::write(place.path("payload.json"), &payload).unwrap();
    shell(&place, &lines("Signing the same way"));
    fs::write(place.path("receipt.json"), receipt(&payload, &fs::read(place.path("sig.bin")).unwrap())).unwrap();

    let told = shell(&place, &lines("With cloakroom"));
    assert!(told.starts_with("The signature is good.\nThe file report.pdf is the one.\n"), "{told}");
    for fact in ["docs/report.pdf", "5 bytes (5 B)", "application/pdf", "2cf24dba5fb0a30e", "ten_1", "upl_1", "key_1"] {
        assert!(told.contains(fact), "{fact}: {told}");
    }
    let verify = |arguments: &[&str]| {
        let verify = ["receipt", "verify", "receipt.json", "--key", "key.pem"];
        outcome(program().current_dir(place.path(".")).args([&verify, arguments].concat()))
    };
    fs::write(place.path("report.pdf"), "hellO").unwrap();
    assert!(fault(&verify(&["--file", "report.pdf"])).contains("report.pdf: it is another file"));
    shell(&place, "openssl genpkey -algorithm ed25519 | openssl pkey -pubout -out key.pem");
    assert!(fault(&verify(&[])).contains("THE SIGNATURE IS NOT GOOD"));
    shell(&place, "openssl genpkey -algorithm x25519 | openssl pkey -pubout -out key.pem");
    assert!(fault(&verify(&[])).contains("key.pem: no Ed25519 key"));
}

#[test]
fn what_we_sign_openssl_verifies() {
    let place = Place::new();
    let bytes = b"hello in three parts";
    fs::write(place.path("report.pdf"), bytes).unwrap();
    fs::write(place.path("parts.bin"), bytes).unwrap();
    let pair =
        Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap().as_ref());
    let pair = pair.unwrap();
    let parts: Vec<u8> = bytes.chunks(8).flat_map(|part| Sha256::digest(part).to_vec()).collect();
    let value = hex(&Sha256::digest(&parts));
    let composite = json!({ "algorithm": "sha256", "type": "composite", "value": value, "part_size": 8, "parts": 3 });
    let payload = payload(bytes.len(), &composite);
    let spki = [&hex_of("302a300506032b6570032100")[..], pair.public_key().as_ref()].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(spki));

    // As a server hands them out.
    let document = receipt(&payload, pair.sign(&payload).as_ref());
    let (answer, key) = (document.clone(), pem.clone());
    let server = Pretender::start(move |asked| match asked.line.as_str() {
        "GET /v1/uploads/upl_1/receipt" => Reply::bytes(200, answer.clone()),
        "GET /v1/receipt-keys" => Reply::json(
            200,
            &json!({ "items": [
                { "id": "rk_0", "algorithm": "Ed25519", "public_key": "old", "status": "retired" },
                { "id": "rk_1", "algorithm": "Ed25519", "public_key": key, "status": "active" },
            ] }),
        ),
        _ => Reply::problem(404, "not_found"),
    });
    let run = |arguments: &[&str]| {
        let mut command = program();
        command.env("CLOAKROOM_URL", server.url()).env("CLOAKROOM_API_KEY", "x").arg("receipt").args(arguments);
        outcome(&mut command)
    };
    fs::write(place.path("receipt.json"), said(&run(&["get", "upl_1"]))).unwrap();
    let (shown, remark) = wrote(&run(&["key"]), 0);
    assert_eq!((shown.as_str(), remark.as_str()), (pem.as_str(), "rk_1  active\n"));
    assert_eq!(said(&run(&["key", "rk_0"])), "old");
    assert!(fault(&run(&["get", "upl_2"])).contains("not_found"));
    fs::write(place.path("key.pem"), shown).unwrap();

    let told = shell(&place, &lines("With openssl"));
    assert!(told.contains("Signature Verified Successfully") && told.contains(&value), "{told}");
    assert_eq!(told.lines().last().unwrap().split(' ').next(), Some(value.as_str()), "{told}");
    let told = shell(&place, &lines("With cloakroom"));
    assert!(told.contains("of 3 parts of 8 bytes") && told.contains("is the one"), "{told}");
}

fn hex_of(text: &str) -> Vec<u8> {
    base16ct::lower::decode_vec(text).unwrap()
}
