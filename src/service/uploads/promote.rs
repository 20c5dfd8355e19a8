//! From the inbox into the vault: assembled, verified, copied, scanned, committed.
//!
//! Any step may be cut off, and any may run twice at the same time: each
//! looks at the storage as it is, and only the commit decides.

use crate::{
    domain::{
        checksum::Checksum,
        event::EventType,
        ids::ObjectId,
        object::{PathEntry, VaultFile},
        parts::PartPlan,
        upload::{Arrived, Declaration, Progress, Rejection, Transfer, Upload},
    },
    objects::{self, CompleteError, CopyError, ObjectFacts, ObjectKey},
    scanner::{ScanRequest, Verdict},
    store::{Expected, Transaction},
};

use super::{
    super::{
        Broker, Error,
        records::{Committed, ROUNDS, Record, committed},
        rows,
    },
    LONGEST_PROMOTION, Uploader, inbox_key, namespace_of, storage_id,
};

/// How a round ended; nothing where the next one has to look again.
type Round = Option<Result<(), Error>>;

impl Broker {
    /// One round of promoting a pending upload.
    pub(super) async fn try_to_promote(&self, uploader: &Uploader, upload: Record<Upload>) -> Result<Round, Error> {
        let declaration = &upload.value.declaration;
        let namespace = namespace_of(declaration);
        let inbox = inbox_key(declaration)?;
        let Some(arrived) = self.arrived(declaration, &inbox).await? else {
            // Nothing there, or no longer: somebody else may have settled it just now.
            let now = self.upload_of(uploader, declaration.id).await?;
            if now.version != upload.version {
                return Ok(None);
            }
            return Err(incomplete("nothing has arrived yet; send the bytes, then complete again"));
        };
        if let Err(reason) = verify(declaration, &arrived) {
            return self.rejecting(uploader, &upload, reason).await;
        }
        let entry = self.path_entry(namespace, &declaration.path).await?;
        let replaced = entry.clone().and_then(|entry| entry.value.file());
        if replaced.is_some() && !declaration.overwrite {
            return self.rejecting(uploader, &upload, Rejection::PathTaken).await;
        }

        // A key of its own for every round: two rounds that saw different
        // bytes in the inbox never write to the same place.
        let now = self.now();
        let object = ObjectId::new(now, self.entropy.bytes());
        let vault_key = ObjectKey::vault(namespace, object);
        let copied =
            self.objects.copy(&inbox, &arrived.etag, &vault_key, &arrived.content_type, copy_part_size(declaration));
        let stored = match copied.await {
            Ok(stored) => stored,
            Err(CopyError::Changed) => return Ok(None),
            Err(CopyError::Unavailable(fault)) => {
                self.delete_bytes(vault_key).await;
                return Err(fault.into());
            }
        };
        if let Err(reason) = verify(declaration, &stored) {
            self.delete_bytes(vault_key).await;
            return self.rejecting(uploader, &upload, reason).await;
        }
        // What will be served is what is scanned: nobody writes to the copy any more.
        match self.scan(declaration, &vault_key, &stored).await {
            Ok(Verdict::Clean) => {}
            Ok(Verdict::Infected { signature }) => {
                tracing::warn!(upload = %declaration.id, signature, "the scanner found something in an upload");
                self.delete_bytes(vault_key).await;
                return self.rejecting(uploader, &upload, Rejection::Infected).await;
            }
            Err(fault) => {
                self.delete_bytes(vault_key).await;
                return Err(fault);
            }
        }
        let checksum = match checksum(declaration, &stored) {
            Ok(checksum) => checksum,
            Err(fault) => {
                self.delete_bytes(vault_key).await;
                return Err(fault);
            }
        };
        let file = VaultFile {
            path: declaration.path.clone(),
            object,
            size: stored.size,
            content_type: declaration.content_type.clone(),
            checksum,
            upload: Some(declaration.id),
            charges: upload.value.charges.clone(),
            created_at: now,
        };
        let round = self.commit_promotion(uploader, &upload, &file, entry.as_ref()).await;
        match &round {
            Ok(Some(_)) => {
                self.close_inbox(declaration).await;
                if let Some(replaced) = replaced {
                    self.delete_bytes(ObjectKey::vault(namespace, replaced.object)).await;
                }
            }
            Ok(None) | Err(NotCommitted::Certainly(_)) => self.delete_bytes(vault_key).await,
            // The copy stays where the path may point to it.
            Err(NotCommitted::Perhaps(_)) => {}
        }
        round.map_err(NotCommitted::into_fault)
    }

    async fn rejecting(&self, uploader: &Uploader, upload: &Record<Upload>, reason: Rejection) -> Result<Round, Error> {
        Ok(self.reject((uploader.origin, &uploader.actor), upload, reason).await?.map(Err))
    }

    /// What lies in the inbox, put together from its parts where it came in parts.
    async fn arrived(&self, declaration: &Declaration, inbox: &ObjectKey) -> Result<Option<ObjectFacts>, Error> {
        if let Transfer::Multipart { plan, storage_id: id } = &declaration.transfer
            && let Some(parts) = self.objects.parts(inbox, &storage_id(id)).await?
        {
            let sizes: Vec<_> = parts.iter().map(|part| (part.number, part.size)).collect();
            plan.check(&sizes, declaration.size).map_err(|lacking| {
                let first: Vec<_> = lacking.first.iter().map(ToString::to_string).collect();
                let more = if lacking.count > first.len() { ", …" } else { "" };
                incomplete(&format!(
                    "{} of {} parts have not arrived as agreed ({}{more}); send them, then complete again",
                    lacking.count,
                    plan.count,
                    first.join(", ")
                ))
            })?;
            match self.objects.complete_multipart(inbox, &storage_id(id), &parts).await {
                // Another round may have put them together: what lies there now counts.
                Ok(()) | Err(CompleteError::Changed) => {}
                Err(CompleteError::Unavailable(fault)) => return Err(fault.into()),
            }
        }
        Ok(self.objects.head(inbox).await?)
    }

    /// What the scanner says; without one everything is clean.
    async fn scan(&self, declaration: &Declaration, key: &ObjectKey, stored: &ObjectFacts) -> Result<Verdict, Error> {
        let Some(scanner) = &self.scanner else { return Ok(Verdict::Clean) };
        let sha256 = match stored.checksum {
            Some(objects::Checksum::Full(digest)) => Some(digest),
            _ => None,
        };
        let what =
            ScanRequest { id: declaration.id, size: stored.size, content_type: stored.content_type.clone(), sha256 };
        let gone = || Error::Unavailable("a copy that was made just now is gone".into());
        let bytes = self.objects.read(key, None).await?.ok_or_else(gone)?;
        scanner.scan(&what, bytes).await.map_err(|fault| Error::Unavailable(fault.to_string()))
    }

    /// Commits, unless somebody else has changed upload or path.
    async fn commit_promotion(
        &self,
        uploader: &Uploader,
        upload: &Record<Upload>,
        file: &VaultFile,
        entry: Option<&Record<PathEntry>>,
    ) -> Result<Round, NotCommitted> {
        let namespace = namespace_of(&upload.value.declaration);
        for _ in 0..ROUNDS {
            // By then reconciling may take it for one that nobody commits any more.
            if self.now().since(file.object.created_at()) > LONGEST_PROMOTION {
                return Err(NotCommitted::Certainly(Error::Busy));
            }
            let transaction = self.promotion(uploader, upload, file, entry).await.map_err(NotCommitted::Certainly)?;
            match committed(self.store.commit(transaction).await).map_err(NotCommitted::Perhaps)? {
                Committed::Done => return Ok(Some(Ok(()))),
                Committed::ReadAgain => {}
            }
            // It may have been an account alone: then the copy is still good.
            let keys = [rows::upload(namespace, upload.value.declaration.id), rows::vault_path(namespace, &file.path)];
            let [upload_now, entry_now] =
                self.store.get(keys).await.map_err(|fault| NotCommitted::Certainly(fault.into()))?;
            let is_same = upload_now.is_some_and(|row| row.version == upload.version)
                && entry_now.map(|row| row.version) == entry.map(|entry| entry.version);
            if !is_same {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The one transaction: upload, path, receipt and room, together or not at all.
    async fn promotion(
        &self,
        uploader: &Uploader,
        upload: &Record<Upload>,
        file: &VaultFile,
        entry: Option<&Record<PathEntry>>,
    ) -> Result<Transaction, Error> {
        let declaration = &upload.value.declaration;
        let namespace = namespace_of(declaration);
        let (object, checksum, completed_at) = (file.object, file.checksum.clone(), file.created_at);
        let receipt = self.receipt(declaration, file)?;
        let expected = entry.map_or(Expected::Absent, |entry| Expected::Version(entry.version));
        let progress = Progress::Completed { object, checksum, completed_at };
        let (_, transaction) =
            self.settle(uploader.origin, &uploader.actor, upload, EventType::UploadCompleted, progress).await?;
        let path_row = rows::vault_path(namespace, &declaration.path);
        let receipt_row = rows::receipt(namespace, declaration.id);
        let mut transaction = transaction
            .write(self.put(path_row, expected, &PathEntry::File(file.clone()), None)?)
            .write(self.put(receipt_row, Expected::Absent, &receipt, None)?);
        if let Some(replaced) = entry.and_then(|entry| entry.value.clone().file()) {
            for write in self.leaving(namespace, &replaced, self.now()).await? {
                transaction = transaction.write(write);
            }
        }
        Ok(transaction)
    }
}

/// A copy was not committed.
enum NotCommitted {
    /// Nothing was asked of the store.
    Certainly(Error),
    /// The store was asked, and its answer was lost.
    Perhaps(Error),
}

impl NotCommitted {
    fn into_fault(self) -> Error {
        let (Self::Certainly(fault) | Self::Perhaps(fault)) = self;
        fault
    }
}

fn incomplete(message: &str) -> Error {
    Error::conflict("upload_incomplete", message)
}

fn verify(declaration: &Declaration, found: &ObjectFacts) -> Result<(), Rejection> {
    let sha256 = match found.checksum {
        Some(objects::Checksum::Full(digest)) => Some(base16ct::lower::encode_string(&digest)),
        _ => None,
    };
    declaration.verify(&Arrived {
        size: found.size,
        content_type: found.content_type.as_str(),
        sha256: sha256.as_deref(),
    })
}

/// Where a file is copied in parts, it is in the parts it was sent in: its
/// composite checksum is then the one that its uploader can compute.
fn copy_part_size(declaration: &Declaration) -> u64 {
    let plan = match &declaration.transfer {
        Transfer::Multipart { plan, .. } => Some(*plan),
        _ => PartPlan::of(declaration.size, false),
    };
    plan.map_or(u64::MAX, |plan| plan.part_size)
}

/// The checksum that the copy has; without one nothing could be vouched for.
fn checksum(declaration: &Declaration, stored: &ObjectFacts) -> Result<Checksum, Error> {
    match stored.checksum {
        Some(objects::Checksum::Full(digest)) => Ok(Checksum::Full { sha256: base16ct::lower::encode_string(&digest) }),
        Some(objects::Checksum::Composite { sha256, parts }) if declaration.sha256.is_none() => {
            let sha256 = base16ct::lower::encode_string(&sha256);
            Ok(Checksum::Composite { sha256, parts, part_size: copy_part_size(declaration) })
        }
        _ => Err(Error::Internal("the object storage gave no SHA-256 for a copy".into())),
    }
}
