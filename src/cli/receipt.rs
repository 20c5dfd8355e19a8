//! `cloakroom receipt`: what an upload was, signed; verified with a key in a
//! file, without a server.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Failed,
    checksum::Told,
    client::{Client, Server, bytes, cleaned, encoded, json_line, text},
    fault::patiently,
    remark, say,
};

/// What a payload says it is; another type is another document.
const TYPE: &str = "cloakroom.upload-receipt.v1";

/// No receipt and no key is longer.
const LONGEST_DOCUMENT: u64 = 64 * 1024;

/// How a public key for Ed25519 begins in DER (RFC 8410).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Verify a receipt and print what it says; no server is asked
    Verify {
        /// The receipt
        receipt: PathBuf,
        /// The public key, in PEM: what `cloakroom receipt key` prints
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Check size and SHA-256 of this local file as well
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print the receipt of an upload
    Get {
        /// The upload's id
        upload: String,
        #[command(flatten)]
        server: Server,
    },
    /// Print the public key for receipts, in PEM
    Key {
        /// Which key [default: the one that signs now]
        id: Option<String>,
        #[command(flatten)]
        server: Server,
    },
}

/// A receipt as it lies in a file.
#[derive(Deserialize)]
struct Receipt {
    payload: String,
    signature: String,
    algorithm: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    match &arguments.action {
        Action::Verify { receipt, key, file } => {
            let keys = keys_in(&read(key)?).ok_or_else(|| format!("{}: no Ed25519 key in PEM", key.display()))?;
            let payload = verified(&read(receipt)?, &keys).map_err(|why| format!("{}: {why}", receipt.display()))?;
            if let Some(file) = file {
                hold_against(&payload, file).map_err(|why| format!("{}: {why}", file.display()))?;
            }
            tell(&payload, file.as_deref())
        }
        Action::Get { upload, server } => {
            let path = format!("/v1/uploads/{}/receipt", encoded(upload));
            let client = Client::with_key(server)?;
            say(json_line(&patiently(|| client.get(&path))?))
        }
        Action::Key { id, server } => print_key(server, id.as_deref()),
    }
}

fn print_key(server: &Server, wanted: Option<&str>) -> Result<(), Failed> {
    // The keys are public; a key of one's own is used where there is one.
    let client = Client::with_key(server).unwrap_or_else(|_| Client::public(&server.url));
    let listed = patiently(|| client.get("/v1/receipt-keys"))?;
    let keys = listed["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_wanted = |key: &&Value| match wanted {
        Some(id) => text(key, "id") == id,
        None => matches!(text(key, "status"), "active" | "primary"),
    };
    let key = keys.iter().find(is_wanted).ok_or("the server has no such key")?;
    remark(format!("{}  {}", text(key, "id"), text(key, "status")));
    say(text(key, "public_key").trim_end())
}

fn read(path: &Path) -> Result<String, Failed> {
    let mut document = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_DOCUMENT).read_to_string(&mut document));
    read.map_err(|fault| format!("{}: {fault}", path.display()))?;
    Ok(document)
}

/// The Ed25519 keys in a PEM file; text around them is no matter.
fn keys_in(pem: &str) -> Option<Vec<[u8; 32]>> {
    let mut keys = Vec::new();
    for rest in pem.split("-----BEGIN PUBLIC KEY-----").skip(1) {
        let body: String = rest.split_once("-----END PUBLIC KEY-----")?.0.split_whitespace().collect();
        keys.push(STANDARD.decode(body).ok()?.strip_prefix(&ED25519_SPKI)?.try_into().ok()?);
    }
    Some(keys).filter(|keys| !keys.is_empty())
}

/// The payload of a receipt that one of the keys has signed.
fn verified(document: &str, keys: &[[u8; 32]]) -> Result<Value, Failed> {
    let receipt: Receipt = serde_json::from_str(document).map_err(|fault| format!("this is no receipt: {fault}"))?;
    if receipt.algorithm != "Ed25519" {
        return Err("this is no receipt that is signed with Ed25519".into());
    }
    let payload = STANDARD.decode(&receipt.payload).map_err(|_| "the payload is not in base64")?;
    let signature = STANDARD.decode(&receipt.signature).map_err(|_| "the signature is not in base64")?;
    let is_good = |key: &[u8; 32]| UnparsedPublicKey::new(&ED25519, key).verify(&payload, &signature).is_ok();
    if !keys.iter().any(is_good) {
        return Err("THE SIGNATURE IS NOT GOOD: the receipt was changed, or the key is another".into());
    }
    canonical(&payload).ok_or_else(|| format!("the payload is not a canonical {TYPE}").into())
}

/// The payload, if it is written in the one way that RFC 8785 leaves, with no
/// numbers but whole ones: two readers cannot read two things in it.
fn canonical(payload: &[u8]) -> Option<Value> {
    fn is_plain(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.is_u64() && number.as_u64() <= Some(1 << 53),
            Value::Array(items) => items.iter().all(is_plain),
            // UTF-8 and UTF-16 sort alike up to here.
            Value::Object(fields) => fields.iter().all(|(name, value)| name.is_ascii() && is_plain(value)),
            _ => true,
        }
    }
    let value: Value = serde_json::from_slice(payload).ok()?;
    let is_canonical = is_plain(&value) && serde_json::to_vec(&value).ok()? == payload;
    (is_canonical && text(&value, "type") == TYPE).then_some(value)
}

/// Holds a local file against what the receipt says of it.
fn hold_against(payload: &Value, path: &Path) -> Result<(), Failed> {
    let size = payload["size"].as_u64().ok_or("the receipt tells no size")?;
    let found = fs::metadata(path)?.len();
    if found != size {
        return Err(format!("it has {found} bytes, and the receipt is for {size}").into());
    }
    let told = Told::of(payload).ok_or("the receipt has a checksum of a kind that is not known here")?;
    if told.agrees(size, File::open(path)?)? { Ok(()) } else { Err("it is another file: its SHA-256 differs".into()) }
}

fn tell(payload: &Value, file: Option<&Path>) -> Result<(), Failed> {
    let checksum = &payload["checksum"];
    let size = payload["size"].as_u64().unwrap_or_default();
    let kind = match (text(checksum, "type"), checksum["parts"].as_u64(), checksum["part_size"].as_u64()) {
        ("composite", Some(parts), Some(part_size)) => format!(", of {parts} parts of {part_size} bytes"),
        _ => String::new(),
    };
    say("The signature is good.")?;
    if let Some(file) = file {
        say(format!("The file {} is the one.", cleaned(&file.to_string_lossy())))?;
    }
    say("")?;
    for (name, value) in [
        ("path", text(payload, "path").to_owned()),
        ("size", format!("{size} bytes ({})", bytes(size))),
        ("content type", text(payload, "content_type").to_owned()),
        ("sha256", format!("{}{kind}", text(checksum, "value"))),
        ("declared", text(payload, "declared_at").to_owned()),
        ("completed", text(payload, "completed_at").to_owned()),
        ("upload", text(payload, "upload").to_owned()),
        ("uploader", text(payload, "uploader").to_owned()),
        ("tenant", text(payload, "tenant").to_owned()),
        ("mode", text(payload, "mode").to_owned()),
        ("deployment", text(payload, "deployment").to_owned()),
    ] {
        say(format!("{name:<13} {}", cleaned(&value)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    fn payload() -> Value {
        json!({ "type": TYPE, "path": "docs/ä.txt", "size": 5, "checksum": { "algorithm": "sha256", "type": "full" } })
    }

    fn signed(payload: &[u8]) -> (String, [u8; 32]) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let receipt = json!({
            "payload": STANDARD.encode(payload),
            "signature": STANDARD.encode(pair.sign(payload)),
            "key_id": "k",
            "algorithm": "Ed25519",
        });
        (receipt.to_string(), pair.public_key().as_ref().try_into().unwrap())
    }

    #[test]
    fn only_what_was_signed_passes() {
        let (receipt, key) = signed(payload().to_string().as_bytes());
        assert_eq!(verified(&receipt, &[[1; 32], key]).unwrap(), payload());
        assert!(verified(&receipt, &[[1; 32]]).is_err());
        let mut changed = payload();
        changed["size"] = json!(6);
        let (was, now) = (STANDARD.encode(payload().to_string()), STANDARD.encode(changed.to_string()));
        assert!(verified(&receipt.replace(&was, &now), &[key]).unwrap_err().to_string().contains("NOT GOOD"));
        assert!(verified(&receipt.replace("Ed25519", "none"), &[key]).is_err());
        assert!(verified("{}", &[key]).is_err());
    }

    #[test]
    fn a_payload_has_one_spelling_and_one_type() {
        let good = payload().to_string();
        for (fault, text) in [
            ("a space", good.replacen(':', ": ", 1)),
            ("keys out of order", format!("{{\"type\":\"{TYPE}\",\"size\":5}}")),
            ("a key twice", good.replace("\"size\":5", "\"size\":5,\"size\":6")),
            ("an escape", good.replace('ä', "\\u00e4")),
            ("a fraction", good.replace(":5", ":5.0")),
            ("an exponent", good.replace(":5", ":5e0")),
            ("a negative", good.replace(":5", ":-5")),
            ("a line's end", format!("{good}\n")),
            ("another type", good.replace("v1", "v2")),
        ] {
            assert_ne!(text, good);
            let (receipt, key) = signed(text.as_bytes());
            assert!(verified(&receipt, &[key]).unwrap_err().to_string().contains("canonical"), "{fault}");
        }
    }

    /// As another program made them, from the description: `tests/vectors`.
    #[test]
    fn receipts_of_another_program_are_taken_and_refused_for_what_they_are() {
        let vectors: Value =
            serde_json::from_str(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/receipt.json")))
                .unwrap();
        let read = |vector: &Value| {
            let key = keys_in(vector["public_key_pem"].as_str().unwrap()).unwrap();
            verified(vector["receipt"].as_str().unwrap(), &key)
        };
        let [positives, negatives] = ["positives", "negatives"].map(|which| vectors[which].as_array().unwrap());
        assert_eq!((positives.len(), negatives.len()), (1, 14));
        for vector in positives {
            assert_eq!(read(vector).unwrap().to_string(), vector["payload"].as_str().unwrap());
        }
        for vector in negatives {
            assert!(read(vector).is_err(), "{}", vector["name"]);
        }
    }
}
