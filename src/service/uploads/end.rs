//! How uploads end: settled in one commit each, found again when their URLs
//! are silent, and given back only then.

use crate::{
    domain::{
        event::{Actor, EventType},
        ids::{ObjectId, UploadId},
        instant::Instant,
        lifetime,
        object::VaultFile,
        permission::Permission,
        tenant::Namespace,
        upload::{Declaration, Progress, Rejection, Transfer, Upload},
    },
    objects::{MultipartId, ObjectKey},
    store::{Expected, Transaction, Write},
};

use serde::{Deserialize, Serialize};

use super::{
    super::{
        Broker, Error,
        events::Origin,
        records::{Committed, ROUNDS, Record, committed, outrun},
        rows,
    },
    MayUpload,
    declare::purge,
    inbox_key, namespace_of, path_taken, storage_id,
};

/// What brings a sweeper to an upload.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::service) struct DueRow {
    pub(in crate::service) namespace: Namespace,
    pub(in crate::service) upload: UploadId,
}

/// What brings a sweeper to bytes that no path leads to any more.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::service) struct DueBytes {
    pub(in crate::service) namespace: Namespace,
    pub(in crate::service) object: ObjectId,
}

/// Uploads that may have room to give back.
pub(in crate::service) const DUE_ROOM: &str = "room";
/// Completed uploads whose URLs may have brought more.
pub(in crate::service) const DUE_LATE: &str = "late";
/// Bytes whose file was deleted or replaced.
pub(in crate::service) const DUE_BYTES: &str = "bytes";

impl Broker {
    /// Calls off an upload; calling it off again changes nothing.
    ///
    /// # Errors
    /// When it has been completed already.
    pub async fn cancel_upload(&self, who: &dyn MayUpload, id: UploadId) -> Result<(), Error> {
        let uploader = who.uploader(self);
        for _ in 0..ROUNDS {
            let upload = self.upload_of(&uploader, id).await?;
            let path = &upload.value.declaration.path;
            who.may(path, Permission::Read).map_err(|_| Error::NotFound)?;
            who.may(path, Permission::Write)?;
            match &upload.value.progress {
                Progress::Completed { .. } => {
                    return Err(Error::conflict(
                        "upload_completed",
                        "this upload is completed; delete the file instead",
                    ));
                }
                Progress::Pending => {}
                _ => return Ok(()),
            }
            let progress = Progress::Cancelled { cancelled_at: self.now() };
            let (_, transaction) =
                self.settle(uploader.origin, &uploader.actor, &upload, EventType::UploadCancelled, progress).await?;
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => {
                    self.clear_inbox(&upload.value.declaration).await;
                    return Ok(());
                }
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// Settles an upload that cannot become a file. Nothing when somebody
    /// else's commit came first.
    pub(super) async fn reject(
        &self,
        (origin, actor): (Origin, &Actor),
        upload: &Record<Upload>,
        reason: Rejection,
    ) -> Result<Option<Error>, Error> {
        let progress = Progress::Rejected { reason, rejected_at: self.now() };
        let (_, transaction) = self.settle(origin, actor, upload, EventType::UploadRejected, progress).await?;
        match committed(self.store.commit(transaction).await)? {
            Committed::Done => {
                self.clear_inbox(&upload.value.declaration).await;
                Ok(Some(rejected(reason)))
            }
            Committed::ReadAgain => Ok(None),
        }
    }

    /// The upload with its final progress, and the transaction that makes it so.
    pub(super) async fn settle(
        &self,
        origin: Origin,
        actor: &Actor,
        upload: &Record<Upload>,
        kind: EventType,
        progress: Progress,
    ) -> Result<(Upload, Transaction), Error> {
        let settled = upload.value.settled(progress);
        let id = settled.declaration.id;
        let namespace = namespace_of(&settled.declaration);
        let key = rows::upload(namespace, id);
        let write = self.sealed(namespace.tenant).await?.put(
            key,
            Expected::Version(upload.version),
            &settled,
            purge(&settled),
        )?;
        let event = origin.done(kind, actor.clone(), id);
        let transaction = self.recording(&event)?.write(write).write(self.due(&settled, self.now())?);
        Ok((settled, transaction))
    }

    /// The row that brings a sweeper back to this upload.
    pub(super) fn due(&self, upload: &Upload, now: Instant) -> Result<Write, Error> {
        let namespace = namespace_of(&upload.declaration);
        let is_late = matches!(upload.progress, Progress::Completed { .. }) && upload.charges.is_empty();
        let kind = if is_late { DUE_LATE } else { DUE_ROOM };
        let row = DueRow { namespace, upload: upload.declaration.id };
        // Never in a past that a sweeper may have been through already.
        let at = upload.due_at().max(now.plus(lifetime::CLOCK_SKEW));
        let key = rows::due(kind, at, namespace, &row.upload, row.upload.as_bytes()[15]);
        self.put(key, Expected::Absent, &row, purge(upload))
    }

    /// The writes by which a file leaves the vault, but for that to its path: its room is given
    /// back, and a sweeper finds its bytes should nobody have removed them.
    pub(in crate::service) async fn leaving(
        &self,
        namespace: Namespace,
        file: &VaultFile,
        now: Instant,
    ) -> Result<Vec<Write>, Error> {
        let bytes = DueBytes { namespace, object: file.object };
        let at = now.plus(lifetime::CLOCK_SKEW);
        let key = rows::due(DUE_BYTES, at, namespace, &file.object, file.object.as_bytes()[15]);
        let mut writes = vec![self.put(key, Expected::Absent, &bytes, Some(at.plus(lifetime::REMEMBERED)))?];
        let upload = match file.upload {
            Some(id) => self.upload(namespace, id).await?,
            None => None,
        };
        if let Some(upload) = upload
            && let Some(again) = upload.value.takes_back(&file.charges, now)
        {
            let key = rows::upload(namespace, again.declaration.id);
            let sealed = self.sealed(namespace.tenant).await?;
            writes.push(sealed.put(key, Expected::Version(upload.version), &again, purge(&again))?);
            writes.push(self.due(&again, now)?);
        } else {
            writes.extend(self.discharge(namespace, &file.charges, file.amount()).await?);
        }
        Ok(writes)
    }

    /// The transaction that ends or releases an upload, and gives its room back.
    pub(in crate::service) async fn giving_back(
        &self,
        upload: &Record<Upload>,
        given_back: &Upload,
        kind: EventType,
        now: Instant,
    ) -> Result<Transaction, Error> {
        let declaration = &upload.value.declaration;
        let namespace = namespace_of(declaration);
        let origin = Origin { namespace, asking: None, at: now };
        let key = rows::upload(namespace, declaration.id);
        let sealed = self.sealed(namespace.tenant).await?;
        let write = sealed.put(key, Expected::Version(upload.version), given_back, purge(given_back))?;
        let event = origin.done(kind, Actor::System, declaration.id);
        let mut transaction = self.recording(&event)?.write(write);
        for write in self.discharge(namespace, &upload.value.charges, declaration.amount()).await? {
            transaction = transaction.write(write);
        }
        Ok(transaction)
    }

    /// Removes what has arrived. If that fails the sweeper comes back to it.
    pub(super) async fn clear_inbox(&self, declaration: &Declaration) {
        if let Err(fault) = self.try_clear_inbox(declaration).await {
            tracing::warn!(%fault, upload = %declaration.id, "what arrived could not be removed yet");
        }
    }

    /// Removes what has arrived.
    pub(in crate::service) async fn try_clear_inbox(&self, declaration: &Declaration) -> Result<(), Error> {
        let key = inbox_key(declaration)?;
        if let Transfer::Multipart { storage_id: id, .. } = &declaration.transfer {
            self.objects.abort_multipart(&key, &storage_id(id)).await?;
        }
        Ok(self.objects.delete(&key).await?)
    }

    /// Removes what has arrived of a completed upload, and keeps its URL from bringing it again.
    /// Parts cannot come any more: their upload has ended at the storage.
    pub(super) async fn close_inbox(&self, declaration: &Declaration) {
        let closed = match (inbox_key(declaration), &declaration.transfer) {
            (Ok(key), Transfer::Put | Transfer::Post) => self.objects.close(&key).await.map_err(Error::from),
            (Ok(_), Transfer::Multipart { .. }) => self.try_clear_inbox(declaration).await,
            (Err(fault), _) => Err(fault),
        };
        if let Err(fault) = closed {
            tracing::warn!(%fault, upload = %declaration.id, "what arrived could not be removed yet");
        }
    }

    /// How many bytes lie in the inbox of an upload, if anything does.
    pub(in crate::service) async fn arrivals(&self, declaration: &Declaration) -> Result<Option<u64>, Error> {
        Ok(self.objects.head(&inbox_key(declaration)?).await?.map(|facts| facts.size))
    }

    /// Ends an upload in parts that never came on record.
    pub(super) async fn abort_parts(&self, key: &ObjectKey, id: &MultipartId) {
        if let Err(fault) = self.objects.abort_multipart(key, id).await {
            tracing::warn!(%fault, "an upload in parts that was not recorded was left to the storage's own rules");
        }
    }
}

/// What the uploader of a rejected upload is told.
pub(super) fn rejected(reason: Rejection) -> Error {
    match reason {
        Rejection::PathTaken => path_taken(),
        Rejection::Infected => Error::conflict("upload_infected", "the scanner found something in it; it was not kept"),
        _ => Error::conflict(
            "upload_rejected",
            format!("what arrived is not what was declared ({}); declare another upload", reason.as_str()),
        ),
    }
}
