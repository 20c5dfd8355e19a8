//! One part of an upload on its way to disk, straight to its place in the whole.
//!
//! What breaks off leaves no part that counts: an earlier one under the same
//! number is forgotten, on disk, before its first byte is overwritten.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::{
    crypto::data_key::DataKey,
    entropy::Entropy,
    objects::{ETag, PartContract, Unavailable},
};

use super::{
    at_rest::Laying,
    files::Files,
    multipart::{Folder, OpenFiles, name_of},
    receive::PIECE,
    refused::{Refused, receiving},
    slots::Slot,
    uploads::{Sender, Uploads},
};

/// A part that is under way, held to its contract.
pub struct IncomingPart {
    contract: PartContract,
    whole: Arc<Files>,
    /// Nothing while a piece is being written, and after that failed.
    writing: Option<Writing>,
    gathered: Vec<u8>,
    received: u64,
}

/// Goes wherever the writing goes, so that the next sender waits for a write
/// whose request was given up.
struct Writing {
    sender: Sender,
    files: OpenFiles,
    entropy: Arc<dyn Entropy>,
    hasher: Sha256,
    /// Nothing while an earlier part may stand there.
    laying: Option<Laying>,
}

impl IncomingPart {
    pub(super) async fn begin(
        uploads: &Uploads,
        files: Arc<Files>,
        entropy: Arc<dyn Entropy>,
        contract: PartContract,
        owner: Arc<DataKey>,
    ) -> Result<Self, Refused> {
        let sender = uploads.named(&name_of(&contract.upload)).send(contract.number).ok_or(Refused::Busy)?;
        receiving(move || {
            files.has_room()?;
            let whole = Arc::clone(&files);
            let files = {
                let _open = sender.may_write()?;
                let folder = Folder::find(&files, &owner, &contract.key, &contract.upload)?.ok_or(Refused::Ended)?;
                if folder.head.part_checksums && contract.sha256.is_none() {
                    return Err(Refused::Differs("the checksum of the part"));
                }
                folder.open()?
            };
            let writing = Writing { sender, files, entropy, hasher: Sha256::new(), laying: None };
            Ok(Self { contract, whole, writing: Some(writing), gathered: Vec::new(), received: 0 })
        })
        .await
    }

    /// Takes some more bytes.
    ///
    /// # Errors
    /// When they are more than was agreed, the upload has ended, or they cannot be stored.
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
            return Err(Refused::Unavailable(Unavailable("a part went on after it had failed".into())));
        };
        let (mut piece, contract) = (std::mem::take(&mut self.gathered), self.contract.clone());
        let whole = Arc::clone(&self.whole);
        let (writing, piece) = receiving(move || {
            whole.has_room()?;
            writing.append(&piece, &contract)?;
            piece.clear();
            Ok((writing, piece))
        })
        .await?;
        (self.writing, self.gathered) = (Some(writing), piece);
        Ok(())
    }

    /// All bytes have come: the part counts, if it is what was agreed and the upload is still open.
    ///
    /// # Errors
    /// When it is not, or cannot be stored. The upload has no such part then.
    pub async fn finish(mut self) -> Result<ETag, Refused> {
        if self.received != self.contract.size {
            return Err(Refused::Size);
        }
        self.flush().await?;
        let Self { contract, writing: Some(writing), .. } = self else {
            return Err(Refused::Unavailable(Unavailable("a part ended after it had failed".into())));
        };
        receiving(move || writing.finish(&contract)).await
    }
}

impl Writing {
    fn append(&mut self, piece: &[u8], contract: &PartContract) -> Result<(), Refused> {
        let _open = self.sender.may_write()?;
        let laying = match &mut self.laying {
            Some(laying) => laying,
            unbegun => {
                self.files.forget(contract.number)?;
                unbegun.insert(self.files.begin_part(contract.number, contract.part_size)?)
            }
        };
        self.files.write(laying, piece, self.entropy.as_ref())?;
        self.hasher.update(piece);
        Ok(())
    }

    fn finish(mut self, contract: &PartContract) -> Result<ETag, Refused> {
        let sha256: [u8; 32] = self.hasher.clone().finalize().into();
        if contract.sha256.is_some_and(|declared| declared != sha256) {
            return Err(Refused::Checksum);
        }
        let _open = self.sender.may_write()?;
        if let Some(laying) = &mut self.laying {
            self.files.finish(laying, self.entropy.as_ref())?;
        }
        let PartContract { number, part_size, size, .. } = *contract;
        let slot = Slot { number, part_size, size, sha256 };
        self.files.arrived(&slot, self.entropy.as_ref())?;
        Ok(slot.stored().etag)
    }
}
