//! Uploads: declare, complete, inspect, cancel.
//!
//! Bytes land under an inbox key that nobody can read. Completion looks at
//! what arrived, copies exactly those bytes to a key of their own, and commits
//! upload and path together: the path points to the new bytes or it does not,
//! whatever arrives in the inbox later.

use serde::{Deserialize, Serialize};

use crate::{
    crypto::digest::Sha256Digest,
    domain::{
        authority::MadeUnder,
        event::{Actor, EventType},
        ids::{ObjectId, UploadId},
        instant::Instant,
        lifetime,
        object::{PathEntry, VaultFile},
        path::VaultPath,
        permission::Permission,
        tenant::Namespace,
        upload::{Arrived, Declaration, InSession, LARGEST_SINGLE_REQUEST, Method, Progress, Rejection},
    },
    objects::{
        Checksum, ContentType, CopyError, InboxSecret, ObjectFacts, ObjectKey, SMALLEST_PART, SignedRequest,
        UploadContract,
    },
    store::{Expected, Transaction},
};

use super::{
    Broker, Caller, Error,
    events::Origin,
    listing::{Page, PageRequest},
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
};

/// What an upload is to be.
#[derive(Clone, Debug)]
pub struct DeclareUpload {
    /// Where the file goes.
    pub path: VaultPath,
    /// Whether a file that is there may be replaced.
    pub overwrite: bool,
    /// Exactly how many bytes.
    pub size: u64,
    /// Exactly which type.
    pub content_type: ContentType,
    /// The SHA-256 of the bytes, if known.
    pub sha256: Option<Sha256Digest>,
    /// How they are sent.
    pub method: Method,
    /// Within how many seconds sending must begin.
    pub expires_in: std::time::Duration,
}

/// An upload and where it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// What was declared.
    pub declaration: Declaration,
    /// Where it stands.
    pub progress: Progress,
}

/// An upload and the request that sends its bytes.
#[derive(Debug)]
pub struct DeclaredUpload {
    /// The upload.
    pub upload: Upload,
    /// What to send. A credential until it expires.
    pub request: SignedRequest,
}

/// Who uploads: an API key, or a session under a share.
pub(super) struct Uploader {
    pub(super) made: MadeUnder,
    pub(super) in_session: Option<InSession>,
    pub(super) actor: Actor,
    pub(super) origin: Origin,
    pub(super) largest_upload: Option<u64>,
    /// No URL outlives this.
    pub(super) until: Instant,
}

impl Caller {
    fn uploader(&self, broker: &Broker) -> Uploader {
        let origin = self.origin(broker);
        Uploader {
            made: self.made(),
            in_session: None,
            actor: self.actor(),
            origin,
            largest_upload: self.key.largest_upload,
            until: self.key.expires_at.unwrap_or_else(|| origin.at.plus(lifetime::COMPLETION)),
        }
    }
}

impl Broker {
    /// Declares an upload and signs the request that sends it.
    ///
    /// # Errors
    /// When the path is outside the caller's grant or taken, or the size over a cap.
    pub async fn declare_upload(&self, caller: &Caller, wanted: DeclareUpload) -> Result<DeclaredUpload, Error> {
        caller.may(&wanted.path, Permission::Write)?;
        self.declare(caller.uploader(self), wanted).await
    }

    /// Verifies what arrived and moves it into the vault. Completing again
    /// gives the same answer.
    ///
    /// # Errors
    /// When nothing has arrived yet, or something else than was declared.
    pub async fn complete_upload(&self, caller: &Caller, id: UploadId) -> Result<Upload, Error> {
        let upload = self.inspect_upload(caller, id).await?;
        caller.may(&upload.declaration.path, Permission::Write)?;
        self.complete(&caller.uploader(self), id).await
    }

    /// One of the caller's uploads.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn inspect_upload(&self, caller: &Caller, id: UploadId) -> Result<Upload, Error> {
        let upload = self.upload_of(&caller.uploader(self), id).await?.value;
        caller.may(&upload.declaration.path, Permission::Read).map_err(|_| Error::NotFound)?;
        Ok(upload)
    }

    /// Calls off one of the caller's uploads; calling it off again changes nothing.
    ///
    /// # Errors
    /// When it has been completed already.
    pub async fn cancel_upload(&self, caller: &Caller, id: UploadId) -> Result<(), Error> {
        let upload = self.inspect_upload(caller, id).await?;
        caller.may(&upload.declaration.path, Permission::Write)?;
        self.cancel(&caller.uploader(self), id).await
    }

    /// The caller's uploads, newest first.
    ///
    /// # Errors
    /// When the page asked for is not one.
    pub async fn list_uploads(&self, caller: &Caller, request: &PageRequest) -> Result<Page<Upload>, Error> {
        let namespace = caller.namespace();
        let page = self.newest_first(rows::uploads(namespace), namespace, request).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for row in &page.items {
            let Some(upload) = self.readable::<Upload>(row) else { continue };
            if caller.key.grants.allow(&upload.declaration.path, Permission::Read) {
                items.push(upload);
            }
        }
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    pub(super) async fn declare(&self, uploader: Uploader, wanted: DeclareUpload) -> Result<DeclaredUpload, Error> {
        let caps = [self.settings.largest_upload, LARGEST_SINGLE_REQUEST];
        let cap = caps.into_iter().chain(uploader.largest_upload).min().unwrap_or_default();
        if wanted.size > cap {
            return Err(Error::TooLarge { cap });
        }
        let namespace = uploader.made.namespace;
        if !wanted.overwrite
            && let Some(entry) = self.path_entry(namespace, &wanted.path).await?
            && entry.value.file().is_some()
        {
            return Err(path_taken(&wanted.path));
        }

        let now = uploader.origin.at;
        let inbox = self.entropy.bytes::<32>();
        let contract = UploadContract {
            key: ObjectKey::inbox(namespace, InboxSecret(inbox)),
            size: wanted.size,
            content_type: wanted.content_type.clone(),
            sha256: wanted.sha256,
            expires_at: now.plus(wanted.expires_in).min(uploader.until),
        };
        // Signed first, handed out only once it is on record.
        let request = match wanted.method {
            Method::Put => self.objects.sign_put(&contract, now).await?,
            Method::Post => self.objects.sign_post(&contract, now).await?,
        };
        let upload = Upload {
            declaration: Declaration {
                id: UploadId::new(now, self.entropy.bytes()),
                made: uploader.made,
                in_session: uploader.in_session,
                path: wanted.path,
                overwrite: wanted.overwrite,
                size: wanted.size,
                content_type: wanted.content_type.into(),
                sha256: wanted.sha256.map(|digest| base16ct::lower::encode_string(&digest)),
                method: wanted.method,
                inbox: base16ct::lower::encode_string(&inbox),
                created_at: now,
                expires_at: request.expires_at,
            },
            progress: Progress::Pending,
        };
        let id = upload.declaration.id;
        let event = uploader.origin.done(EventType::UploadCreated, uploader.actor, id);
        let write = self.put(rows::upload(namespace, id), Expected::Absent, &upload, purge(&upload))?;
        match committed(self.store.commit(self.recording(&event)?.write(write)).await)? {
            Committed::Done => Ok(DeclaredUpload { upload, request }),
            Committed::ReadAgain => Err(Error::Internal("a new upload's id was taken".into())),
        }
    }

    /// An upload, for whoever declared it: the tenant's keys for those declared
    /// with a key, the very claimant for those declared in a session.
    pub(super) async fn upload_of(&self, uploader: &Uploader, id: UploadId) -> Result<Record<Upload>, Error> {
        let [row] = self.store.get([rows::upload(uploader.made.namespace, id)]).await?;
        let upload = self.decode_if::<Upload>(row.as_ref())?.ok_or(Error::NotFound)?;
        let declaration = &upload.value.declaration;
        let own = match &uploader.in_session {
            Some(session) => declaration.in_session.as_ref() == Some(session),
            None => true,
        };
        if own && declaration.made.namespace == uploader.made.namespace { Ok(upload) } else { Err(Error::NotFound) }
    }

    pub(super) async fn complete(&self, uploader: &Uploader, id: UploadId) -> Result<Upload, Error> {
        for _ in 0..ROUNDS {
            let upload = self.upload_of(uploader, id).await?;
            match &upload.value.progress {
                Progress::Completed { .. } => return Ok(upload.value),
                Progress::Rejected { reason, .. } => return Err(rejected(&upload.value.declaration, *reason)),
                Progress::Cancelled { .. } => {
                    return Err(Error::conflict("upload_cancelled", "this upload was cancelled; declare another"));
                }
                Progress::Pending => {}
            }
            if let Some(done) = self.try_to_complete(uploader, upload).await? {
                return done;
            }
        }
        Err(outrun())
    }

    /// One round: `None` when somebody else's commit came first.
    async fn try_to_complete(
        &self,
        uploader: &Uploader,
        upload: Record<Upload>,
    ) -> Result<Option<Result<Upload, Error>>, Error> {
        let declaration = &upload.value.declaration;
        let namespace = declaration.made.namespace;
        let now = self.now();
        if now >= declaration.completable_until() {
            return Err(Error::conflict("upload_expired", "this upload has expired; declare another"));
        }
        let inbox = inbox_key(declaration)?;
        let Some(arrived) = self.objects.head(&inbox).await? else {
            // Nothing there, or no longer: somebody else may have settled it just now.
            let now = self.upload_of(uploader, declaration.id).await?;
            if now.version != upload.version {
                return Ok(None);
            }
            return Err(Error::conflict(
                "upload_incomplete",
                "nothing has arrived yet; send the bytes, then complete again",
            ));
        };
        if let Err(reason) = verify(declaration, &arrived) {
            return self.reject(uploader, &upload, reason).await;
        }
        let entry = self.path_entry(namespace, &declaration.path).await?;
        let replaced = entry.clone().and_then(|entry| entry.value.file());
        if replaced.is_some() && !declaration.overwrite {
            return self.reject(uploader, &upload, Rejection::PathTaken).await;
        }

        // A key of its own for every round: two rounds that saw different
        // bytes in the inbox never write to the same place.
        let object = ObjectId::new(now, self.entropy.bytes());
        let vault_key = ObjectKey::vault(namespace, object);
        let stored =
            match self.objects.copy(&inbox, &arrived.etag, &vault_key, &arrived.content_type, SMALLEST_PART).await {
                Ok(stored) => stored,
                Err(CopyError::Changed) => return Ok(None),
                Err(CopyError::Unavailable(fault)) => return Err(fault.into()),
            };
        if let Err(reason) = verify(declaration, &stored) {
            self.delete_bytes(vault_key).await;
            return self.reject(uploader, &upload, reason).await;
        }
        let Some(Checksum::Full(digest)) = stored.checksum else {
            return Err(Error::Internal("the object storage gave no SHA-256 for a copy".into()));
        };

        let sha256 = base16ct::lower::encode_string(&digest);
        let file = PathEntry::File(VaultFile {
            path: declaration.path.clone(),
            object,
            size: stored.size,
            content_type: declaration.content_type.clone(),
            sha256: sha256.clone(),
            upload: Some(declaration.id),
            created_at: now,
        });
        let progress = Progress::Completed { object, sha256, completed_at: now };
        let expected = entry.map_or(Expected::Absent, |entry| Expected::Version(entry.version));
        let path_row = rows::vault_path(namespace, &declaration.path);
        let (done, transaction) = self.settle(uploader, &upload, EventType::UploadCompleted, progress)?;
        let transaction = transaction.write(self.put(path_row, expected, &file, None)?);
        match committed(self.store.commit(transaction).await) {
            Ok(Committed::Done) => {
                self.delete_bytes(inbox).await;
                if let Some(replaced) = replaced {
                    self.delete_bytes(ObjectKey::vault(namespace, replaced.object)).await;
                }
                Ok(Some(Ok(done)))
            }
            Ok(Committed::ReadAgain) => {
                self.delete_bytes(vault_key).await;
                Ok(None)
            }
            // It may have been applied: the copy stays where the path may point to it.
            Err(fault) => Err(fault),
        }
    }

    async fn reject(
        &self,
        uploader: &Uploader,
        upload: &Record<Upload>,
        reason: Rejection,
    ) -> Result<Option<Result<Upload, Error>>, Error> {
        let progress = Progress::Rejected { reason, rejected_at: self.now() };
        let (_, transaction) = self.settle(uploader, upload, EventType::UploadRejected, progress)?;
        match committed(self.store.commit(transaction).await)? {
            Committed::Done => {
                self.delete_bytes(inbox_key(&upload.value.declaration)?).await;
                Ok(Some(Err(rejected(&upload.value.declaration, reason))))
            }
            Committed::ReadAgain => Ok(None),
        }
    }

    /// The upload with its final progress, and the transaction that makes it so.
    fn settle(
        &self,
        uploader: &Uploader,
        upload: &Record<Upload>,
        kind: EventType,
        progress: Progress,
    ) -> Result<(Upload, Transaction), Error> {
        let settled = Upload { declaration: upload.value.declaration.clone(), progress };
        let id = settled.declaration.id;
        let key = rows::upload(settled.declaration.made.namespace, id);
        let write = self.put(key, Expected::Version(upload.version), &settled, purge(&settled))?;
        let event = uploader.origin.done(kind, uploader.actor.clone(), id);
        Ok((settled, self.recording(&event)?.write(write)))
    }

    pub(super) async fn cancel(&self, uploader: &Uploader, id: UploadId) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let upload = self.upload_of(uploader, id).await?;
            match &upload.value.progress {
                Progress::Completed { .. } => {
                    return Err(Error::conflict(
                        "upload_completed",
                        "this upload is completed; delete the file instead",
                    ));
                }
                Progress::Rejected { .. } | Progress::Cancelled { .. } => return Ok(()),
                Progress::Pending => {}
            }
            let progress = Progress::Cancelled { cancelled_at: self.now() };
            let (_, transaction) = self.settle(uploader, &upload, EventType::UploadCancelled, progress)?;
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => {
                    self.delete_bytes(inbox_key(&upload.value.declaration)?).await;
                    return Ok(());
                }
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }
}

fn verify(declaration: &Declaration, found: &ObjectFacts) -> Result<(), Rejection> {
    let sha256 = match found.checksum {
        Some(Checksum::Full(digest)) => Some(base16ct::lower::encode_string(&digest)),
        _ => None,
    };
    declaration.verify(&Arrived {
        size: found.size,
        content_type: found.content_type.as_str(),
        sha256: sha256.as_deref(),
    })
}

fn inbox_key(declaration: &Declaration) -> Result<ObjectKey, Error> {
    let mut secret = [0; 32];
    base16ct::lower::decode(&declaration.inbox, &mut secret)
        .map_err(|_| Error::Internal("a stored inbox key cannot be read".into()))?;
    Ok(ObjectKey::inbox(namespace(declaration), InboxSecret(secret)))
}

fn namespace(declaration: &Declaration) -> Namespace {
    declaration.made.namespace
}

fn purge(upload: &Upload) -> Option<Instant> {
    Some(upload.declaration.completable_until().plus(lifetime::REMEMBERED))
}

fn path_taken(path: &VaultPath) -> Error {
    Error::conflict("path_taken", format!("there is a file {path} already; choose another path, or set overwrite"))
}

fn rejected(declaration: &Declaration, reason: Rejection) -> Error {
    match reason {
        Rejection::PathTaken => path_taken(&declaration.path),
        _ => Error::conflict(
            "upload_rejected",
            format!("what arrived is not what was declared ({}); declare another upload", reason.as_str()),
        ),
    }
}
