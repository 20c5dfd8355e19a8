//! What lies in the store: rows, fields, and replies that are kept.

use serde::Deserialize;

use crate::{
    crypto::{
        field::Place, kept_reply::AskedOnce, keyring::Keyring, record_hash::of_record, sealed::NotOpened,
        secret::SecretText,
    },
    domain::{idempotency::IdempotencyKey, instant::Instant, ledger::Segment},
};

use super::{Bytes, Recorded, Vectors, text_of};

#[derive(Deserialize)]
struct Row {
    name: String,
    #[serde(default)]
    kid: Option<Bytes>,
    partition: String,
    sort: String,
    #[serde(default)]
    body: Option<Bytes>,
    row: Bytes,
}

#[test]
fn rows() {
    let vectors = Vectors::<Row, Row>::read(text_of!("row-mac"), 3, 15);
    for Row { name, kid, partition, sort, body, row } in &vectors.positives {
        let (kid, body) = (kid.as_ref().unwrap(), body.as_ref().unwrap());
        assert_eq!(vectors.sealing_under(kid).authenticate(partition, sort, &body.0), row.0, "{name}");
        assert_eq!(vectors.keyring().authentic(partition, sort, &row.0), Ok(body.0.as_slice()), "{name}");
    }
    for Row { name, partition, sort, row, .. } in &vectors.negatives {
        assert!(vectors.keyring().authentic(partition, sort, &row.0).is_err(), "{name}");
    }
}

#[derive(Deserialize)]
struct InLedger {
    name: String,
    #[serde(default)]
    kid: Option<Bytes>,
    partition: String,
    sort: String,
    #[serde(default)]
    records: Vec<String>,
    row: Bytes,
}

#[test]
fn segments() {
    let vectors = Vectors::<InLedger, InLedger>::read(text_of!("segment"), 2, 16);
    let keyring = vectors.keyring();
    for InLedger { name, kid, partition, sort, records, row } in &vectors.positives {
        let first = u64::from_str_radix(sort, 16).unwrap();
        let segment = Segment { first, records: records.clone(), head: of_record(records.last().unwrap()) };
        let ring = vectors.sealing_under(kid.as_ref().unwrap());
        assert_eq!(ring.authenticate_first_line(partition, sort, segment.text().as_bytes()), row.0, "{name}");
        let read = Segment::read(keyring.authentic_by_first_line(partition, sort, &row.0).unwrap()).unwrap();
        assert!(read.is_bound_by_its_first_line(of_record) && read.records == *records, "{name}");
    }
    for InLedger { name, partition, sort, row, .. } in &vectors.negatives {
        let body = keyring.authentic_by_first_line(partition, sort, &row.0).ok();
        let read = body.and_then(|body| Segment::read(body).ok());
        assert!(!read.is_some_and(|read| read.is_bound_by_its_first_line(of_record)), "{name}");
    }
}

#[derive(Deserialize)]
struct Drawn {
    salt: Bytes,
    iv: Bytes,
}

impl Drawn {
    fn recorded(&self) -> Recorded {
        Recorded::of(&[&self.salt.0, &self.iv.0])
    }
}

#[derive(Deserialize)]
struct Field {
    name: String,
    partition: String,
    sort: String,
    field: String,
    text: String,
}

impl Field {
    fn place(&self) -> Place<'_> {
        Place { partition: &self.partition, sort: &self.sort, field: &self.field }
    }
}

#[derive(Deserialize)]
struct SealedField {
    #[serde(flatten)]
    field: Field,
    #[serde(flatten)]
    drawn: Drawn,
    value: Bytes,
}

#[test]
fn fields() {
    let vectors = Vectors::<SealedField, Field>::read(text_of!("sealed-field"), 5, 41);
    let key = vectors.data_key();
    for SealedField { field, drawn, value } in &vectors.positives {
        assert_eq!(key.seal(field.place(), &value.0, &drawn.recorded()).unwrap(), field.text, "{}", field.name);
        assert_eq!(*key.open(field.place(), &field.text).unwrap(), value.0, "{}", field.name);
    }
    for field in &vectors.negatives {
        assert_eq!(key.open(field.place(), &field.text).unwrap_err(), NotOpened, "{}", field.name);
    }
}

#[derive(Deserialize)]
struct Asked {
    principal: Bytes,
    credential: String,
    idempotency_key: String,
    route: String,
    body: Bytes,
    item: usize,
}

impl Asked {
    fn once(&self) -> AskedOnce {
        let credential = SecretText::new(&self.credential);
        let credential = (!self.credential.is_empty()).then_some(&credential);
        let key = IdempotencyKey::parse(&self.idempotency_key).unwrap();
        AskedOnce::new(&self.principal.0, credential, &key, &self.route, &self.body.0).item(self.item)
    }
}

#[derive(Deserialize)]
struct Kept {
    name: String,
    asked: Asked,
    kid: Bytes,
    #[serde(flatten)]
    drawn: Drawn,
    kept_until_ms: u64,
    reply: Bytes,
    place: String,
    kept: Bytes,
}

#[derive(Deserialize)]
struct NotKept {
    name: String,
    asked: Asked,
    kept: Bytes,
}

/// Until when it is kept, and the reply, if all compares.
fn opened(ring: &Keyring, asked: &Asked, kept: &Bytes) -> Option<(Instant, Vec<u8>)> {
    let asked = asked.once();
    let found = ring.find_reply(&asked, &kept.0).ok()?;
    let compares = found.compared.same_credential && found.compared.same_request;
    let reply = found.open().ok().filter(|_| compares)?;
    Some((found.compared.kept_until, reply))
}

#[test]
fn kept_replies() {
    let vectors = Vectors::<Kept, NotKept>::read(text_of!("kept-reply"), 3, 28);
    for Kept { name, asked, kid, drawn, kept_until_ms, reply, place, kept } in &vectors.positives {
        let (until, recorded) = (Instant::from_unix_millis(*kept_until_ms), drawn.recorded());
        let sealed = vectors.sealing_under(kid).seal_reply(&asked.once(), until, &reply.0, &recorded).unwrap();
        assert_eq!(sealed, kept.0, "{name}");
        assert_eq!(opened(&vectors.keyring(), asked, kept), Some((until, reply.0.clone())), "{name}");
        assert_eq!(asked.once().place(), *place, "{name}");
    }
    for NotKept { name, asked, kept } in &vectors.negatives {
        assert_eq!(opened(&vectors.keyring(), asked, kept), None, "{name}");
    }
}
