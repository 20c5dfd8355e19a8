//! Declaring an upload: the contract is checked, charged, signed and recorded
//! before anybody is told a URL.

use std::time::Duration;

use crate::{
    crypto::digest::Sha256Digest,
    domain::{
        event::EventType,
        ids::UploadId,
        lifetime,
        metadata::Metadata,
        object::PathEntry,
        parts::{LARGEST_OBJECT, PartPlan},
        path::VaultPath,
        permission::Permission,
        privacy::protected,
        quota::{Amount, Limits, Scope},
        upload::{Declaration, LARGEST_SINGLE_REQUEST, Method, Progress, Transfer, Upload},
    },
    objects::{ContentType, InboxSecret, ObjectKey, SignedRequest, UploadContract},
    store::Expected,
};

use super::{
    super::{
        Broker, Error,
        idempotency::Reply,
        records::{Committed, ROUNDS, committed, outrun},
        rows,
        usage::{Charged, account_keys},
    },
    MayUpload, Uploader, path_taken, storage_id,
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
    /// For parts: whether each is declared with its own SHA-256.
    pub part_checksums: bool,
    /// Within how many seconds sending must begin.
    pub expires_in: Duration,
    /// Words of whoever declares it.
    pub metadata: Metadata,
}

/// An upload and the request that sends its bytes.
#[derive(Debug)]
pub struct DeclaredUpload {
    /// The upload.
    pub upload: Upload,
    /// What to send. A credential until it expires. None for parts: those are
    /// asked for as they are needed.
    pub request: Option<SignedRequest>,
}

impl Broker {
    /// Declares an upload and signs the request that sends it.
    ///
    /// # Errors
    /// When the path is out of reach or taken, the size over a cap, or a quota full.
    pub async fn declare_upload(
        &self,
        who: &dyn MayUpload,
        mut wanted: DeclareUpload,
        reply: &Reply<'_, DeclaredUpload>,
    ) -> Result<DeclaredUpload, Error> {
        wanted.path = who.place(&wanted.path)?;
        who.may(&wanted.path, Permission::Write)?;
        who.takes(&wanted)?;
        let shown = who.shown(&wanted.path);
        self.declare(&who.uploader(self), wanted, shown, reply).await
    }

    async fn declare(
        &self,
        uploader: &Uploader,
        wanted: DeclareUpload,
        shown: String,
        reply: &Reply<'_, DeclaredUpload>,
    ) -> Result<DeclaredUpload, Error> {
        self.check_wanted(uploader, &wanted, shown)?;
        let namespace = uploader.made.namespace;
        let now = uploader.origin.at;
        let inbox = self.entropy.bytes::<32>();
        let ends = now.plus(wanted.expires_in);
        let contract = UploadContract {
            key: ObjectKey::inbox(namespace, InboxSecret(inbox)),
            size: wanted.size,
            content_type: wanted.content_type.clone(),
            sha256: wanted.sha256,
            expires_at: uploader.until.map_or(ends, |until| until.min(ends)),
        };
        // Signed first, handed out only once it is on record.
        let (transfer, request) = match wanted.method {
            Method::Put => (Transfer::Put, Some(self.objects.sign_put(&contract, now).await?)),
            Method::Post => (Transfer::Post, Some(self.objects.sign_post(&contract, now).await?)),
            Method::Multipart => {
                let plan = PartPlan::of(wanted.size, wanted.part_checksums);
                let plan = plan.ok_or(Error::TooLarge { cap: LARGEST_OBJECT })?;
                // Only looked at here: nothing is begun for whoever has no room.
                let taken = (!wanted.overwrite).then_some(&wanted.path);
                self.charge_unless_taken(uploader, taken, Amount::file(wanted.size), 0).await?;
                let begun = self.objects.begin_multipart(&contract.key, &contract.content_type, plan.checksums);
                (Transfer::Multipart { plan, storage_id: begun.await?.0 }, None)
            }
        };
        let declaration = Declaration {
            id: UploadId::new(now, self.entropy.bytes()),
            made: uploader.made.clone(),
            within: uploader.within.clone(),
            path: wanted.path,
            overwrite: wanted.overwrite,
            size: wanted.size,
            content_type: wanted.content_type.into(),
            sha256: wanted.sha256.map(|digest| base16ct::lower::encode_string(&digest)),
            transfer,
            inbox: base16ct::lower::encode_string(&inbox),
            metadata: wanted.metadata,
            created_at: now,
            expires_at: request.as_ref().map_or(contract.expires_at, |request| request.expires_at),
        };
        let upload = Upload { declaration, progress: Progress::Pending, charges: Vec::new() };
        let mut declared = DeclaredUpload { upload, request };
        match self.record_declaration(uploader, &mut declared, reply).await {
            Ok(()) => Ok(declared),
            // Perhaps it is on record, and whoever asks again is told to send parts.
            Err(in_doubt @ Error::Unavailable(_)) => Err(in_doubt),
            Err(fault) => {
                if let Transfer::Multipart { storage_id: id, .. } = &declared.upload.declaration.transfer {
                    self.abort_parts(&contract.key, &storage_id(id)).await;
                }
                Err(fault)
            }
        }
    }

    fn check_wanted(&self, uploader: &Uploader, wanted: &DeclareUpload, shown: String) -> Result<(), Error> {
        let by_method = match wanted.method {
            Method::Put | Method::Post => LARGEST_SINGLE_REQUEST,
            Method::Multipart => LARGEST_OBJECT,
        };
        // Only what they name themselves: the folder of a file request is not theirs to learn of.
        if self.settings.now().protect_paths
            && let Some(class) = protected(&shown)
        {
            return Err(Error::PathProtected { path: shown, reason: class.reason() });
        }
        let allowed = self.settings.now().largest_upload.min(uploader.largest_upload.unwrap_or(u64::MAX));
        if !self.settings.offered.has(wanted.method) {
            return Err(Error::MethodNotOffered { put_cap: allowed.min(LARGEST_SINGLE_REQUEST) });
        }
        let cap = allowed.min(by_method);
        if wanted.size > cap {
            return Err(Error::TooLarge { cap });
        }
        if uploader.until.is_some_and(|until| uploader.origin.at >= until) {
            return Err(Error::conflict("closed", "the time to upload here is over"));
        }
        if wanted.sha256.is_some() && !self.objects.knows_full_checksum(wanted.size) {
            return Err(Error::invalid(
                "/sha256",
                "the storage cannot hold a file of this size to a SHA-256 of the whole; leave it out, and set \
                 part_checksums",
            ));
        }
        Ok(())
    }

    /// Charges the upload and puts it on record, or neither.
    async fn record_declaration(
        &self,
        uploader: &Uploader,
        declared: &mut DeclaredUpload,
        reply: &Reply<'_, DeclaredUpload>,
    ) -> Result<(), Error> {
        let (namespace, id) = (uploader.made.namespace, declared.upload.declaration.id);
        let event = uploader.origin.done(EventType::UploadCreated, uploader.actor.clone(), id);
        // Another account in each round: another replica may be at the same one.
        let sealed = self.sealed(namespace.tenant).await?;
        for round in 0..ROUNDS {
            let turn = self.turns.at(namespace, usize::from(id.as_bytes()[14]) + round).await;
            let upload = &mut declared.upload;
            let declaration = &upload.declaration;
            // Who asks again is to hear what became of it, and not that its path is taken by now.
            let taken = (round == 0 && !declaration.overwrite).then_some(&declaration.path);
            let charged = self.charge_unless_taken(uploader, taken, declaration.amount(), turn.shard).await?;
            upload.charges = charged.charges;
            let write = sealed.put(rows::upload(namespace, id), Expected::Absent, upload, purge(upload))?;
            let transaction = self.recording(&event)?.write(write).write(self.due(upload, uploader.origin.at)?);
            let mut transaction = self.keep(transaction, declared, reply)?;
            for write in charged.writes {
                transaction = transaction.write(write);
            }
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return Ok(()),
                Committed::ReadAgain if self.is_overtaken(reply).await? => break,
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// Charges an upload, unless a file lies under this path: one question to the store.
    async fn charge_unless_taken(
        &self,
        uploader: &Uploader,
        path: Option<&VaultPath>,
        amount: Amount,
        shard: usize,
    ) -> Result<Charged, Error> {
        let (namespace, scopes) = (uploader.made.namespace, scopes(uploader));
        let mut keys = account_keys(namespace, &scopes, shard);
        keys.extend(path.map(|path| rows::vault_path(namespace, path)));
        let mut found = self.store.get_all(&keys).await?;
        let entry = path.and_then(|_| found.pop().flatten());
        if self.decode_if::<PathEntry>(entry.as_ref())?.is_some_and(|entry| entry.value.file().is_some()) {
            return Err(path_taken());
        }
        self.charge(namespace, &scopes, amount, shard, found).await
    }
}

/// Everything that is charged for what they upload.
fn scopes(uploader: &Uploader) -> Vec<(Scope, Limits)> {
    [(Scope::Tenant, uploader.quota)].into_iter().chain(uploader.scopes.clone()).collect()
}

/// Until when the row of an upload is kept.
pub(super) fn purge(upload: &Upload) -> Option<crate::domain::instant::Instant> {
    Some(upload.declaration.completable_until().plus(lifetime::REMEMBERED))
}
