//! How the bytes of an object lie in its file: in chunks, each sealed under the key of the file, or as they are.
//!
//! Everything here blocks.

use std::{
    fs::File,
    io::{self, ErrorKind},
    ops::Range,
    os::unix::fs::FileExt,
};

use crate::{
    crypto::{
        data_key::DataKey,
        file_key::{CHUNK, FileKey, OVERHEAD},
    },
    entropy::Entropy,
    objects::ContentType,
};

use super::header;

/// How long a sealed chunk is.
const SEALED_CHUNK: u64 = (CHUNK + OVERHEAD) as u64;

/// So many chunks are sealed before they are written.
const AT_A_TIME: usize = 4;

/// Whether, and with what, the bytes of a file are sealed.
#[derive(Debug)]
pub(super) enum AtRest {
    /// What the broker says itself.
    Open,
    /// Files of tenants.
    Sealed(Box<FileKey>),
}

impl AtRest {
    /// A new file of the tenant with this key, or of nobody's.
    pub(super) fn new(owner: Option<&DataKey>, entropy: &dyn Entropy) -> Self {
        owner.map_or(Self::Open, |owner| Self::Sealed(Box::new(owner.new_file_key(entropy))))
    }

    /// What stands before the bytes.
    pub(super) fn header(
        &self,
        size: u64,
        sha256: &[u8; 32],
        content_type: &ContentType,
        entropy: &dyn Entropy,
    ) -> io::Result<[u8; header::LENGTH]> {
        match self {
            Self::Open => Ok(header::encode(size, sha256, content_type)),
            Self::Sealed(key) => {
                let facts = header::facts_to_seal(size, sha256, content_type);
                key.seal_head(header::SEALED, &facts, entropy).map_err(io::Error::other)
            }
        }
    }

    /// How long a file with so many bytes is; nothing where no file can be so long.
    pub(super) fn file_length(&self, size: u64) -> Option<u64> {
        let overhead = match self {
            Self::Open => 0,
            Self::Sealed(_) => size.div_ceil(CHUNK as u64).checked_mul(OVERHEAD as u64)?,
        };
        size.checked_add(overhead)?.checked_add(header::LENGTH as u64)
    }

    /// How many bytes an object has whose file is so long, if it is of this kind.
    pub(super) fn size_of(is_sealed: bool, file_length: u64) -> u64 {
        let stored = file_length.saturating_sub(header::LENGTH as u64);
        if is_sealed {
            stored - stored.div_ceil(SEALED_CHUNK).saturating_mul(OVERHEAD as u64).min(stored)
        } else {
            stored
        }
    }

    /// Of these bytes the first ones, at most so many; some, if they are any. There are `size` of them in all.
    pub(super) fn read(&self, file: &File, bytes: Range<u64>, size: u64, most: usize) -> io::Result<Vec<u8>> {
        let from = bytes.start;
        let wanted = usize::try_from(bytes.end.saturating_sub(from)).unwrap_or(most).min(most);
        let Self::Sealed(key) = self else {
            let mut bytes = vec![0; wanted];
            file.read_exact_at(&mut bytes, header::LENGTH as u64 + from)?;
            return Ok(bytes);
        };
        let (first, skipped) = (from / CHUNK as u64, (from % CHUNK as u64) as usize);
        // Up to where a chunk ends, so that none is opened twice.
        let wanted = wanted.min(most.saturating_sub(skipped).max(1));
        let mut bytes = Vec::with_capacity(wanted + CHUNK);
        let mut sealed = vec![0; SEALED_CHUNK as usize];
        for number in first..(from + wanted as u64).div_ceil(CHUNK as u64) {
            let length = size.saturating_sub(number * CHUNK as u64).min(CHUNK as u64) as usize + OVERHEAD;
            file.read_exact_at(&mut sealed[..length], header::LENGTH as u64 + number * SEALED_CHUNK)?;
            bytes.extend_from_slice(&key.open_chunk(number, &sealed[..length]).map_err(|_| damaged())?);
        }
        bytes.truncate(skipped + wanted);
        bytes.drain(..skipped);
        Ok(bytes)
    }
}

/// What is said of a file that is not as it was written.
pub(super) fn damaged() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the file of an object is damaged")
}

/// Bytes on their way into a file, in order, from the beginning of the object or of one of its parts.
#[derive(Debug)]
pub(super) struct Laying {
    /// Of the next chunk.
    number: u64,
    /// Where in the file the next bytes go.
    position: u64,
    /// Less than a chunk, and not in the file yet.
    rest: Vec<u8>,
}

impl Laying {
    /// Bytes from the first one on.
    pub(super) const fn from_the_beginning() -> Self {
        Self { number: 0, position: header::LENGTH as u64, rest: Vec::new() }
    }

    /// Bytes of a part after so many others, of this size each. Such parts make one object where their size is a multiple of
    /// [`CHUNK`]; of others, each has its place all the same.
    pub(super) fn of_a_part(at_rest: &AtRest, before: u32, part_size: u64) -> io::Result<Self> {
        let too_large = || io::Error::from(ErrorKind::FileTooLarge);
        let before = u64::from(before);
        let number = part_size.div_ceil(CHUNK as u64).checked_mul(before).ok_or_else(too_large)?;
        let each = at_rest.file_length(part_size).ok_or_else(too_large)? - header::LENGTH as u64;
        let position = each.checked_mul(before).and_then(|before| before.checked_add(header::LENGTH as u64));
        Ok(Self { number, position: position.ok_or_else(too_large)?, rest: Vec::new() })
    }

    /// Takes some more bytes.
    pub(super) fn append(
        &mut self,
        file: &File,
        at_rest: &AtRest,
        piece: &[u8],
        entropy: &dyn Entropy,
    ) -> io::Result<()> {
        let AtRest::Sealed(key) = at_rest else { return self.put(file, piece) };
        // Less than a chunk is kept, however long the upload takes.
        let (filling, piece) = match self.rest.len() {
            0 => piece.split_at(0),
            some => piece.split_at(piece.len().min(CHUNK - some)),
        };
        self.rest.extend_from_slice(filling);
        if self.rest.len() == CHUNK {
            let whole = std::mem::take(&mut self.rest);
            self.seal(file, key, &whole, entropy)?;
        }
        let (whole, rest) = piece.split_at(piece.len() - piece.len() % CHUNK);
        for chunks in whole.chunks(AT_A_TIME * CHUNK) {
            self.seal(file, key, chunks, entropy)?;
        }
        self.rest.extend_from_slice(rest);
        Ok(())
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self, file: &File, at_rest: &AtRest, entropy: &dyn Entropy) -> io::Result<()> {
        let AtRest::Sealed(key) = at_rest else { return Ok(()) };
        let rest = std::mem::take(&mut self.rest);
        self.seal(file, key, &rest, entropy)
    }

    fn seal(&mut self, file: &File, key: &FileKey, plain: &[u8], entropy: &dyn Entropy) -> io::Result<()> {
        let mut sealed = Vec::with_capacity(plain.len() + plain.len().div_ceil(CHUNK) * OVERHEAD);
        for chunk in plain.chunks(CHUNK) {
            key.seal_chunk(self.number, chunk, entropy, &mut sealed).map_err(io::Error::other)?;
            self.number += 1;
        }
        self.put(file, &sealed)
    }

    fn put(&mut self, file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, self.position)?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::keyring::{DeploymentId, KeyState, Keyring, RootKey},
        domain::ids::TenantId,
        entropy::SystemEntropy,
    };

    fn kinds() -> [AtRest; 2] {
        let ring =
            Keyring::new(DeploymentId([1; 16]), vec![RootKey::generate(KeyState::Primary, &SystemEntropy)]).unwrap();
        let key = ring.new_data_key(TenantId::from_bytes([1; 16]), &SystemEntropy);
        [AtRest::Open, AtRest::new(Some(&key), &SystemEntropy)]
    }

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn every_part_of_an_object_of_every_length_is_read_as_it_was_written() {
        let sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7];
        for at_rest in kinds() {
            let is_sealed = matches!(at_rest, AtRest::Sealed(_));
            for size in sizes {
                let (bytes, file) = (content(size), tempfile::tempfile().unwrap());
                let mut laying = Laying::from_the_beginning();
                for piece in bytes.chunks(10_001) {
                    laying.append(&file, &at_rest, piece, &SystemEntropy).unwrap();
                }
                laying.finish(&file, &at_rest, &SystemEntropy).unwrap();
                let length = file.metadata().unwrap().len().max(header::LENGTH as u64);
                assert_eq!(at_rest.file_length(size as u64), Some(length));
                assert_eq!(AtRest::size_of(is_sealed, length), size as u64);
                for from in sizes.into_iter().filter(|from| from <= &size) {
                    for to in sizes.into_iter().filter(|to| (from..=size).contains(to)) {
                        let (mut read, mut at) = (Vec::new(), from);
                        while at < to {
                            let piece = at_rest.read(&file, at as u64..to as u64, size as u64, 2 * CHUNK).unwrap();
                            assert!(!piece.is_empty() && piece.len() <= 2 * CHUNK);
                            at += piece.len();
                            read.extend(piece);
                        }
                        assert!(read == bytes[from..to], "{size}: {from}..{to}");
                    }
                }
            }
        }
    }

    #[test]
    fn parts_that_come_in_any_order_and_twice_are_one_object() {
        let part = 2 * CHUNK;
        let bytes = content(2 * part + 5);
        for at_rest in kinds() {
            let file = tempfile::tempfile().unwrap();
            let other = vec![0; part];
            for (before, sent) in
                [(2, &bytes[2 * part..]), (0, &other), (1, &bytes[part..2 * part]), (0, &bytes[..part])]
            {
                let mut laying = Laying::of_a_part(&at_rest, before, part as u64).unwrap();
                laying.append(&file, &at_rest, sent, &SystemEntropy).unwrap();
                laying.finish(&file, &at_rest, &SystemEntropy).unwrap();
            }
            assert!(at_rest.read(&file, 0..bytes.len() as u64, bytes.len() as u64, usize::MAX).unwrap() == bytes);
        }
        for at_rest in kinds() {
            assert!(Laying::of_a_part(&at_rest, u32::MAX, u64::MAX).is_err());
        }
    }

    #[test]
    fn what_is_no_file_of_ours_has_some_size() {
        for length in [0, 1, 511, 512, 513, 512 + 27, 512 + 28, u64::MAX] {
            assert!(AtRest::size_of(true, length) <= length);
        }
        assert_eq!(AtRest::size_of(true, 512 + 29), 1);
    }
}
