//! Bytes on their way to disk.
//!
//! They are hashed and written in big pieces off the async threads, into a
//! temporary file that vanishes with this value: a lost connection leaves nothing.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use crate::{
    entropy::Entropy,
    objects::{Checksum, ContentType, ObjectFacts, ObjectKey, Unavailable, UploadContract},
};

use super::{
    files::{Files, Temporary},
    header,
    inbox::{Arriving, Inbox},
    refused::{Refused, receiving},
};

/// How much is gathered before it is hashed and written.
pub(super) const PIECE: usize = 256 * 1024;

/// A temporary file that grows.
pub(super) struct Writing {
    file: File,
    temporary: Temporary,
    hasher: Sha256,
    size: u64,
}

/// A file that is whole and on disk, and lacks only its name.
pub(super) struct Written {
    pub(super) temporary: Temporary,
    pub(super) facts: ObjectFacts,
}

impl Writing {
    pub(super) fn begin(files: &Files, entropy: &dyn Entropy) -> io::Result<Self> {
        let (temporary, mut file) = files.temporary(entropy)?;
        file.write_all(&[0; header::LENGTH])?;
        Ok(Self { file, temporary, hasher: Sha256::new(), size: 0 })
    }

    pub(super) fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.hasher.update(piece);
        self.size += piece.len() as u64;
        self.file.write_all(piece)
    }

    pub(super) fn finish(mut self, content_type: &ContentType) -> io::Result<Written> {
        let sha256 = self.hasher.finalize().into();
        let head = header::encode(self.size, &sha256, content_type);
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&head)?;
        self.file.sync_all()?;
        let facts = ObjectFacts {
            size: self.size,
            etag: header::etag_of(&sha256),
            content_type: content_type.clone(),
            checksum: Some(Checksum::Full(sha256)),
        };
        Ok(Written { temporary: self.temporary, facts })
    }
}

/// An upload that is under way, held to its contract.
pub struct Incoming {
    arriving: Arriving,
    files: Arc<Files>,
    contract: UploadContract,
    /// Nothing while a piece is being written, and after that failed.
    writing: Option<Writing>,
    gathered: Vec<u8>,
    received: u64,
}

impl Incoming {
    pub(super) async fn begin(
        inbox: &Arc<Inbox>,
        files: Arc<Files>,
        entropy: Arc<dyn Entropy>,
        contract: UploadContract,
    ) -> Result<Self, Refused> {
        let arriving = inbox.enter(&contract.key).ok_or(Refused::Taken)?;
        receiving(move || {
            if files.is_taken(&contract.key)? {
                return Err(Refused::Taken);
            }
            let writing = Some(Writing::begin(&files, entropy.as_ref())?);
            Ok(Self { arriving, files, contract, writing, gathered: Vec::new(), received: 0 })
        })
        .await
    }

    /// Takes some more bytes.
    ///
    /// # Errors
    /// When they are more than was agreed, or cannot be stored.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.received = self.received.saturating_add(bytes.len() as u64);
        if self.received > self.contract.size {
            return Err(Refused::Size);
        }
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Refused> {
        let Some(mut writing) = self.writing.take() else {
            return Err(Refused::Unavailable(Unavailable("an upload went on after it had failed".into())));
        };
        let mut piece = std::mem::take(&mut self.gathered);
        let (writing, piece) = receiving(move || {
            writing.append(&piece)?;
            piece.clear();
            Ok((writing, piece))
        })
        .await?;
        (self.writing, self.gathered) = (Some(writing), piece);
        Ok(())
    }

    /// All bytes have come: the object appears, if it is what was agreed and
    /// its key is still free.
    ///
    /// # Errors
    /// When it is not, or cannot be stored. Nothing is left of it then.
    pub async fn finish(mut self) -> Result<ObjectFacts, Refused> {
        if self.received != self.contract.size {
            return Err(Refused::Size);
        }
        self.flush().await?;
        let Self { arriving, files, contract, writing: Some(writing), .. } = self else {
            return Err(Refused::Unavailable(Unavailable("an upload ended after it had failed".into())));
        };
        receiving(move || {
            let written = writing.finish(&contract.content_type)?;
            if contract.sha256.is_some() && contract.sha256.map(Checksum::Full) != written.facts.checksum {
                return Err(Refused::Checksum);
            }
            if arriving.may_land() && files.publish_new(written.temporary, &contract.key)? {
                Ok(written.facts)
            } else {
                Err(Refused::Taken)
            }
        })
        .await
    }
}

/// Stores what is already in memory, whatever is under the key.
pub(super) fn store(
    files: &Files,
    entropy: &dyn Entropy,
    key: &ObjectKey,
    content_type: &ContentType,
    bytes: &[u8],
) -> io::Result<ObjectFacts> {
    let mut writing = Writing::begin(files, entropy)?;
    writing.append(bytes)?;
    let written = writing.finish(content_type)?;
    files.publish(written.temporary, key)?;
    Ok(written.facts)
}
