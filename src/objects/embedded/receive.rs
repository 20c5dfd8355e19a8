//! Bytes on their way to disk.
//!
//! They are hashed and written in big pieces off the async threads, into a
//! temporary file that vanishes with this value: a lost connection leaves nothing.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use sha2::{Digest, Sha256};

use crate::{
    crypto::data_key::DataKey,
    entropy::Entropy,
    objects::{Checksum, ContentType, ObjectFacts, ObjectKey, Unavailable, UploadContract},
};

use super::{
    at_rest::{AtRest, Laying},
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
    at_rest: AtRest,
    laying: Laying,
    entropy: Arc<dyn Entropy>,
    hasher: Sha256,
    size: u64,
}

/// A file that is whole and on disk, and lacks only its name.
pub(super) struct Written {
    pub(super) temporary: Temporary,
    pub(super) facts: ObjectFacts,
}

impl Writing {
    /// A new file of this tenant's, or of nobody's.
    pub(super) fn begin(files: &Files, owner: Option<&DataKey>, entropy: Arc<dyn Entropy>) -> io::Result<Self> {
        let (temporary, file) = files.temporary(entropy.as_ref())?;
        let (at_rest, laying) = (AtRest::new(owner, entropy.as_ref()), Laying::from_the_beginning());
        Ok(Self { file, temporary, at_rest, laying, entropy, hasher: Sha256::new(), size: 0 })
    }

    pub(super) fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.hasher.update(piece);
        self.size += piece.len() as u64;
        self.laying.append(&self.file, &self.at_rest, piece, self.entropy.as_ref())
    }

    pub(super) fn finish(mut self, content_type: &ContentType) -> io::Result<Written> {
        let (at_rest, entropy) = (&self.at_rest, self.entropy.as_ref());
        self.laying.finish(&self.file, at_rest, entropy)?;
        let sha256 = self.hasher.finalize().into();
        self.file.write_all_at(&at_rest.header(self.size, &sha256, content_type, entropy)?, 0)?;
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
        owner: Option<Arc<DataKey>>,
    ) -> Result<Self, Refused> {
        let arriving = inbox.enter(&contract.key).ok_or(Refused::Taken)?;
        receiving(move || {
            if files.is_taken(&contract.key)? {
                return Err(Refused::Taken);
            }
            files.has_room()?;
            let writing = Some(Writing::begin(&files, owner.as_deref(), entropy)?);
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
        let (mut piece, files) = (std::mem::take(&mut self.gathered), Arc::clone(&self.files));
        let (writing, piece) = receiving(move || {
            files.has_room()?;
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
    owner: Option<&DataKey>,
    entropy: Arc<dyn Entropy>,
    key: &ObjectKey,
    content_type: &ContentType,
    bytes: &[u8],
) -> io::Result<ObjectFacts> {
    let mut writing = Writing::begin(files, owner, entropy)?;
    writing.append(bytes)?;
    let written = writing.finish(content_type)?;
    files.publish(written.temporary, key)?;
    Ok(written.facts)
}
