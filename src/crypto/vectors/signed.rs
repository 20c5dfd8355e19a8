//! What leaves the house: ledgers and checkpoints, receipts, cookies of the edge, webhooks.

use serde::Deserialize;

use crate::{
    crypto::{
        ed25519::PublicKey,
        edge_cookie::{EdgeCookies, EdgeKey, NotAdmitted},
        record_hash,
        secret::SecretText,
        signed_note,
        signing_key::{Seed, key_id, origin},
        webhook_signature::WebhookSecret,
    },
    domain::{
        checkpoint::Checkpoint,
        ids::TenantId,
        instant::Instant,
        ledger::{Broken, Head, Record, RecordHash, Segment, Verifier, Vouched, Wrong},
        placed::NotARecord,
        tenant::{Mode, Namespace},
    },
};

use super::{Bytes, Vectors, text_of};

#[derive(Deserialize)]
struct Ledger<T> {
    tenant: TenantId,
    mode: Mode,
    records: Vec<T>,
    head: RecordHash,
}

#[derive(Deserialize)]
struct Intact {
    #[serde(flatten)]
    ledger: Ledger<Hashed>,
    beginning: RecordHash,
}

#[derive(Deserialize)]
struct Hashed {
    text: String,
    hash: RecordHash,
}

#[derive(Deserialize)]
struct BrokenLedger {
    name: String,
    refused_by: String,
    #[serde(flatten)]
    ledger: Ledger<String>,
    first_bad: u64,
}

impl<T> Ledger<T> {
    fn namespace(&self) -> Namespace {
        Namespace { tenant: self.tenant, mode: self.mode }
    }
}

#[test]
fn ledgers() {
    let vectors = Vectors::<Intact, BrokenLedger>::read(text_of!("ledger"), 2, 18);
    let follow = |namespace, records: Vec<&str>, head: &RecordHash| {
        let beginning = record_hash::beginning(vectors.deployment(), namespace);
        let segment = Segment { first: 1, records, head: head.clone() };
        let mut verifier = Verifier::from(namespace, Head { size: 0, hash: beginning });
        verifier.follow(&segment, Vouched::Nothing, record_hash::of_record, |_| ())
    };
    for Intact { ledger, beginning } in &vectors.positives {
        assert_eq!(record_hash::beginning(vectors.deployment(), ledger.namespace()), *beginning);
        for Hashed { text, hash } in &ledger.records {
            assert_eq!(record_hash::of_record(text), *hash);
            assert_eq!(Record::parse(text).unwrap().text().unwrap(), *text);
        }
        let records = ledger.records.iter().map(|record| record.text.as_str()).collect();
        assert_eq!(follow(ledger.namespace(), records, &ledger.head), Ok(()));
    }
    for BrokenLedger { name, refused_by, ledger, first_bad } in &vectors.negatives {
        let records = ledger.records.iter().map(String::as_str).collect();
        let what = match refused_by.as_str() {
            "form" => Wrong::NotARecord(NotARecord::NotCanonical),
            "number" => Wrong::Number,
            "ledger" => Wrong::Foreign,
            "previous" => Wrong::PreviousHash,
            "head" => Wrong::Head,
            other => panic!("{other}"),
        };
        let broken = Broken { seq: *first_bad, what };
        assert_eq!(follow(ledger.namespace(), records, &ledger.head), Err(broken), "{name}");
    }
}

#[derive(Deserialize)]
struct Kept {
    seed: Bytes,
    tenant: TenantId,
    mode: Mode,
    origin: String,
    size: u64,
    head: RecordHash,
    at_seconds: u64,
    public_key_pem: String,
    key_id: String,
    verifier_key: String,
    note: String,
}

#[derive(Deserialize)]
struct NotKept {
    name: String,
    origin: String,
    public_key_pem: String,
    note: String,
}

/// The checkpoint in a note, as it is read where it lies.
fn opened(note: &str, origin: &str, key: PublicKey) -> Option<Checkpoint> {
    let (text, _) = signed_note::open(note, origin, &[key])?;
    Checkpoint::parse(text).filter(|told| told.origin == origin)
}

#[test]
fn checkpoints() {
    let vectors = Vectors::<Kept, NotKept>::read(text_of!("checkpoint"), 1, 21);
    for kept in &vectors.positives {
        let key = Seed::from(kept.seed.array::<32>()).key();
        let namespace = Namespace { tenant: kept.tenant, mode: kept.mode };
        assert_eq!(origin(vectors.deployment(), namespace), kept.origin);
        assert_eq!(key.public().pem(), kept.public_key_pem);
        assert_eq!(key_id(&key.public()), kept.key_id);
        assert_eq!(signed_note::verifier_key(&kept.origin, &key.public()), kept.verifier_key);
        let checkpoint = Checkpoint {
            origin: kept.origin.clone(),
            head: Head { size: kept.size, hash: kept.head.clone() },
            at: Instant::from_unix_seconds(kept.at_seconds),
        };
        assert_eq!(signed_note::sign(&checkpoint.text(), &kept.origin, &key), kept.note);
        assert_eq!(opened(&kept.note, &kept.origin, key.public()), Some(checkpoint));
    }
    for NotKept { name, origin, public_key_pem, note } in &vectors.negatives {
        assert_eq!(opened(note, origin, PublicKey::from_pem(public_key_pem).unwrap()), None, "{name}");
    }
}

#[derive(Deserialize)]
struct Receipt {
    kid: Bytes,
    tenant: TenantId,
    public_key_pem: String,
    payload: String,
    signature: Bytes,
}

/// Those that are wrong are refused by who reads receipts: the command line, whose test has them.
#[test]
fn receipts() {
    let vectors = Vectors::<Receipt, serde_json::Value>::read(text_of!("receipt"), 1, 14);
    for receipt in &vectors.positives {
        let key = vectors.sealing_under(&receipt.kid).receipt_key(receipt.tenant);
        assert_eq!(key.public_key(), receipt.public_key_pem);
        assert_eq!(key.sign(receipt.payload.as_bytes()), receipt.signature.0);
    }
}

#[derive(Deserialize)]
struct EdgeFile {
    key: DescribedEdgeKey,
}

#[derive(Deserialize)]
struct DescribedEdgeKey {
    key_pair_id: String,
    pkcs8: Bytes,
    public_key_pem: String,
}

#[derive(Deserialize)]
struct Cookies {
    name: String,
    origin: String,
    #[serde(default)]
    until_seconds: Option<u64>,
    now: u64,
    cookies: [String; 4],
}

#[test]
fn edge_cookies() {
    let vectors = Vectors::<Cookies, Cookies>::read(text_of!("edge-cookie"), 1, 21);
    let EdgeFile { key } = serde_json::from_str(text_of!("edge-cookie")).unwrap();
    let edge = EdgeKey::from_pkcs8(key.key_pair_id, &key.pkcs8.0).unwrap();
    assert_eq!(edge.public_key_pem(), key.public_key_pem);
    let verified = |Cookies { origin, now, cookies, .. }: &Cookies| {
        edge.verify(&EdgeCookies { values: cookies.clone() }, origin, Instant::from_unix_seconds(*now))
    };
    for vector in &vectors.positives {
        let until = Instant::from_unix_seconds(vector.until_seconds.unwrap());
        assert_eq!(verified(vector), Ok(until));
        let signed = edge.sign(&vector.origin, until).unwrap().values;
        // Each signature is another, by what is drawn for it.
        let but_signature = |values: &[String; 4]| [0, 2, 3].map(|at: usize| values[at].clone());
        assert_eq!(but_signature(&signed), but_signature(&vector.cookies));
    }
    for vector in &vectors.negatives {
        assert_eq!(verified(vector), Err(NotAdmitted), "{}", vector.name);
    }
}

#[derive(Deserialize)]
struct Message {
    name: String,
    secret: String,
    id: String,
    timestamp: u64,
    body: String,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    signatures: String,
    #[serde(default)]
    now: u64,
}

impl Message {
    fn secret(&self) -> Option<WebhookSecret> {
        WebhookSecret::parse(&SecretText::new(&self.secret)).ok()
    }

    fn verifies(&self, signatures: &str, now: u64) -> bool {
        let (at, now) = (Instant::from_unix_seconds(self.timestamp), Instant::from_unix_seconds(now));
        self.secret().is_some_and(|secret| secret.verify(&self.id, at, self.body.as_bytes(), signatures, now).is_ok())
    }
}

#[test]
fn webhooks() {
    let vectors = Vectors::<Message, Message>::read(text_of!("webhook-signature"), 4, 17);
    for message in &vectors.positives {
        let at = Instant::from_unix_seconds(message.timestamp);
        let signature = message.secret().unwrap().sign(&message.id, at, message.body.as_bytes());
        assert_eq!(signature, message.signature, "{}", message.name);
        assert!(message.verifies(&message.signature, message.timestamp), "{}", message.name);
    }
    for message in &vectors.negatives {
        assert!(!message.verifies(&message.signatures, message.now), "{}", message.name);
    }
}
