//! Files of tenants that lie sealed: heads, chunks and notes, each by itself, and whole files of them.
//!
//! What a head says, and how long a file has to be, the embedded storage knows, which this part does not: here both are
//! as `docs/formats.md` has them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::crypto::{
    data_key::DataKey,
    digest,
    file_key::{CHUNK, FileKey, HEAD, HEAD_PLAIN, OVERHEAD},
};

use super::{Bytes, Recorded, Vectors, text_of};

const OBJECT: [u8; 8] = *b"CLKROBJ\x02";
const UPLOAD: [u8; 8] = *b"CLKRPRT\x02";

/// How long the slot of a part is.
const SLOT: usize = 80;

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Right {
    Object(Object),
    Upload(Upload),
    Chunk(Piece),
    Note(Piece),
}

#[derive(Deserialize)]
struct Object {
    name: String,
    content: Repeated,
    sha256: Bytes,
    content_type: String,
    salt: Bytes,
    iv: Bytes,
    chunk_ivs: Vec<Bytes>,
    head: Bytes,
    stored_length: usize,
    stored_sha256: Bytes,
    /// Where it is short.
    stored: Option<Bytes>,
}

#[derive(Deserialize)]
struct Repeated {
    pattern: Bytes,
    size: usize,
}

#[derive(Deserialize)]
struct Upload {
    name: String,
    key: String,
    part_checksums: bool,
    content_type: String,
    salt: Bytes,
    iv: Bytes,
    slots: usize,
    parts: Vec<Part>,
    stored: Bytes,
}

#[derive(Deserialize)]
struct Part {
    iv: Bytes,
    number: u32,
    part_size: u64,
    size: u64,
    sha256: Bytes,
}

/// A chunk or a note.
#[derive(Deserialize)]
struct Piece {
    name: String,
    salt: Bytes,
    number: u64,
    iv: Bytes,
    plaintext: Bytes,
    sealed: Bytes,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Wrong {
    Head { name: String, magic: Bytes, head: Bytes },
    Chunk { name: String, salt: Bytes, number: u64, sealed: Bytes },
    Note { name: String, salt: Bytes, number: u64, sealed: Bytes },
    Object { name: String, pieces: Vec<Taken> },
}

/// What the file of an object is put together of.
#[derive(Deserialize)]
#[serde(untagged)]
enum Taken {
    Given(Bytes),
    /// From where to where in the file of this name.
    From(String, usize, usize),
}

/// The key of the file with this salt.
fn key(data_key: &DataKey, salt: &Bytes) -> FileKey {
    data_key.new_file_key(&Recorded::of(&[&salt.0]))
}

fn drawing(iv: &Bytes) -> Recorded {
    Recorded::of(&[&iv.0])
}

/// What a head says, padded with zeros.
fn says(fields: &[&[u8]]) -> [u8; HEAD_PLAIN] {
    let fields = fields.concat();
    let mut says = [0; HEAD_PLAIN];
    says[..fields.len()].copy_from_slice(&fields);
    says
}

impl Object {
    fn content(&self) -> Vec<u8> {
        self.content.pattern.0.iter().copied().cycle().take(self.content.size).collect()
    }

    fn says(&self) -> [u8; HEAD_PLAIN] {
        let text = self.content_type.as_bytes();
        says(&[&(self.content.size as u64).to_be_bytes(), &self.sha256.0, &[text.len() as u8], text])
    }

    /// The file, made of what is written down.
    fn sealed(&self, data_key: &DataKey) -> Vec<u8> {
        let (key, content) = (key(data_key, &self.salt), self.content());
        let mut sealed = key.seal_head(OBJECT, &self.says(), &drawing(&self.iv)).unwrap().to_vec();
        assert_eq!(content.chunks(CHUNK).count(), self.chunk_ivs.len(), "{}", self.name);
        for ((number, chunk), iv) in (0..).zip(content.chunks(CHUNK)).zip(&self.chunk_ivs) {
            key.seal_chunk(number, chunk, &drawing(iv), &mut sealed).unwrap();
        }
        sealed
    }

    /// The file, which has to be the one that another program has made, and opens.
    fn verified(&self, data_key: &DataKey) -> Vec<u8> {
        let (sealed, name) = (self.sealed(data_key), &self.name);
        assert_eq!(sealed[..HEAD], self.head.0, "{name}");
        assert_eq!(sealed.len(), self.stored_length, "{name}");
        assert_eq!(digest::of(&sealed).as_slice(), self.stored_sha256.0, "{name}");
        assert!(self.stored.as_ref().is_none_or(|stored| stored.0 == sealed), "{name}");
        let (said, content) = opened(data_key, &sealed).unwrap();
        assert!(said == self.says() && content == self.content(), "{name}");
        assert_eq!(digest::of(&content).as_slice(), self.sha256.0, "{name}");
        sealed
    }
}

/// What the head of the file of an object says, and its bytes, if it is one.
fn opened(data_key: &DataKey, file: &[u8]) -> Option<([u8; HEAD_PLAIN], Vec<u8>)> {
    let (head, chunks) = file.split_first_chunk::<HEAD>()?;
    let (key, said) = data_key.open_head(OBJECT, head).ok()?;
    let size = u64::from_be_bytes(*said.first_chunk::<8>()?);
    let sealed_size = size.checked_add(size.div_ceil(CHUNK as u64).checked_mul(OVERHEAD as u64)?)?;
    if sealed_size != chunks.len() as u64 {
        return None;
    }
    let mut content = Vec::new();
    for (number, chunk) in (0..).zip(chunks.chunks(CHUNK + OVERHEAD)) {
        content.extend(key.open_chunk(number, chunk).ok()?);
    }
    Some((said, content))
}

impl Part {
    fn says(&self) -> Vec<u8> {
        let sizes = [self.part_size.to_be_bytes(), self.size.to_be_bytes()].concat();
        [self.number.to_be_bytes().as_slice(), &sizes, &self.sha256.0].concat()
    }
}

impl Upload {
    fn says(&self) -> [u8; HEAD_PLAIN] {
        let (key, text) = (digest::of(self.key.as_bytes()), self.content_type.as_bytes());
        says(&[&key, &[u8::from(self.part_checksums), text.len() as u8], text])
    }

    fn verify(&self, data_key: &DataKey) {
        let (key, name) = (key(data_key, &self.salt), &self.name);
        let mut sealed = key.seal_head(UPLOAD, &self.says(), &drawing(&self.iv)).unwrap().to_vec();
        sealed.resize(HEAD + self.slots * SLOT, 0);
        for part in &self.parts {
            let note = key.seal_note(part.number.into(), &part.says(), &drawing(&part.iv)).unwrap();
            let at = HEAD + (part.number as usize - 1) * SLOT;
            sealed[at..at + SLOT].copy_from_slice(&note);
        }
        assert_eq!(sealed, self.stored.0, "{name}");

        let (head, slots) = self.stored.0.split_first_chunk::<HEAD>().unwrap();
        let (again, said) = data_key.open_head(UPLOAD, head).unwrap();
        assert!(said == self.says(), "{name}");
        let notes = (1..).zip(slots.chunks(SLOT)).filter_map(|(number, slot)| again.open_note(number, slot).ok());
        assert!(notes.eq(self.parts.iter().map(Part::says)), "{name}");
    }
}

impl Taken {
    fn bytes<'a>(&'a self, objects: &'a BTreeMap<&str, Vec<u8>>) -> &'a [u8] {
        match self {
            Self::Given(bytes) => &bytes.0,
            Self::From(name, begin, end) => &objects[name.as_str()][*begin..*end],
        }
    }
}

#[test]
fn sealed_files() {
    let vectors = Vectors::<Right, Wrong>::read(text_of!("sealed-file"), 14, 154);
    let data_key = vectors.data_key();
    let mut objects = BTreeMap::new();
    for vector in &vectors.positives {
        match vector {
            Right::Object(object) => {
                objects.insert(object.name.as_str(), object.verified(&data_key));
            }
            Right::Upload(upload) => upload.verify(&data_key),
            Right::Chunk(Piece { name, salt, number, iv, plaintext, sealed }) => {
                let (key, mut made) = (key(&data_key, salt), Vec::new());
                key.seal_chunk(*number, &plaintext.0, &drawing(iv), &mut made).unwrap();
                assert_eq!(made, sealed.0, "{name}");
                assert_eq!(key.open_chunk(*number, &sealed.0).unwrap(), plaintext.0, "{name}");
            }
            Right::Note(Piece { name, salt, number, iv, plaintext, sealed }) => {
                let key = key(&data_key, salt);
                assert_eq!(key.seal_note(*number, &plaintext.0, &drawing(iv)).unwrap(), sealed.0, "{name}");
                assert_eq!(key.open_note(*number, &sealed.0).unwrap(), plaintext.0, "{name}");
            }
        }
    }
    for vector in &vectors.negatives {
        match vector {
            Wrong::Head { name, magic, head } => {
                let head: Option<&[u8; HEAD]> = head.0.as_slice().try_into().ok();
                let opens = head.is_some_and(|head| data_key.open_head(magic.array(), head).is_ok());
                assert!(!opens, "head {name}");
            }
            Wrong::Chunk { name, salt, number, sealed } => {
                assert!(key(&data_key, salt).open_chunk(*number, &sealed.0).is_err(), "chunk {name}");
            }
            Wrong::Note { name, salt, number, sealed } => {
                assert!(key(&data_key, salt).open_note(*number, &sealed.0).is_err(), "note {name}");
            }
            Wrong::Object { name, pieces } => {
                let file: Vec<&[u8]> = pieces.iter().map(|piece| piece.bytes(&objects)).collect();
                assert!(opened(&data_key, &file.concat()).is_none(), "object {name}");
            }
        }
    }
}
