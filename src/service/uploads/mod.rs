//! Uploads: one declared contract for one file, from its URL to the vault.
//!
//! Bytes land under an inbox key that nobody can read. Completion looks at
//! what arrived, copies exactly those bytes to a key of their own, and commits
//! upload and path together: the path points to the new bytes or it does not,
//! whatever arrives in the inbox later.
//!
//! Keys, sessions and submissions upload alike: what differs is what each may
//! do, and that is all that [`MayUpload`] says.

mod complete;
mod declare;
mod end;
mod parts;
mod promote;
mod under_way;

use std::time::Duration;

use crate::{
    domain::{
        authority::MadeUnder,
        event::Actor,
        ids::UploadId,
        instant::Instant,
        path::VaultPath,
        permission::Permission,
        quota::{Limits, Scope},
        receipt::Receipt,
        tenant::Namespace,
        upload::{Declaration, Transfer, Within},
    },
    objects::{InboxSecret, MultipartId, ObjectKey},
};

use super::{
    Broker, Caller, Error,
    events::Origin,
    listing::{Page, PageRequest},
    records::Record,
    removed_rows::OfUpload,
    rows,
};

pub use crate::domain::upload::Upload;
pub(in crate::service) use end::{DUE_BYTES, DUE_LATE, DUE_ROOM, DueBytes, DueRow};

pub use complete::Completion;
pub use declare::{DeclareUpload, DeclaredUpload};
pub use parts::{ArrivedPart, SignedPart, WantedPart};
pub use under_way::UnderWay;

/// A copy is in the vault after so long, or never.
pub(in crate::service) const LONGEST_PROMOTION: Duration = Duration::from_secs(12 * 3600);

/// Who uploads, as of this request.
#[derive(Clone, Debug)]
pub struct Uploader {
    pub(super) made: MadeUnder,
    pub(super) within: Option<Within>,
    pub(super) actor: Actor,
    pub(super) origin: Origin,
    pub(super) largest_upload: Option<u64>,
    /// What it is charged to, besides the tenant.
    pub(super) scopes: Vec<(Scope, Limits)>,
    /// The tenant's own limits.
    pub(super) quota: Limits,
    /// No URL outlives this.
    pub(super) until: Option<Instant>,
}

/// Somebody who may upload: somewhere, and within limits.
pub trait MayUpload: Send + Sync {
    /// Who that is.
    fn uploader(&self, broker: &Broker) -> Uploader;

    /// Whether this may be done to this path.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where not, or that the session is over.
    fn may(&self, path: &VaultPath, permission: Permission) -> Result<(), Error>;

    /// Where in the vault a path that they name is.
    ///
    /// # Errors
    /// When it cannot be there.
    fn place(&self, path: &VaultPath) -> Result<VaultPath, Error> {
        Ok(path.clone())
    }

    /// A path of the vault, as they know it.
    fn shown(&self, path: &VaultPath) -> String {
        path.as_str().to_owned()
    }

    /// Whether what is declared is asked for at all.
    ///
    /// # Errors
    /// What is not.
    fn takes(&self, _wanted: &DeclareUpload) -> Result<(), Error> {
        Ok(())
    }
}

impl MayUpload for Caller {
    fn uploader(&self, broker: &Broker) -> Uploader {
        Uploader {
            made: self.made(),
            within: None,
            actor: self.actor(),
            origin: self.origin(broker),
            largest_upload: self.principal.largest_upload,
            scopes: scope_of(&self.principal),
            quota: self.tenant.quota,
            until: self.principal.expires_at,
        }
    }

    fn may(&self, path: &VaultPath, permission: Permission) -> Result<(), Error> {
        Self::may(self, path, permission)
    }
}

/// The scope of a principal that has a quota.
pub(in crate::service) fn scope_of(who: &crate::domain::principal::Principal) -> Vec<(Scope, Limits)> {
    if who.quota.is_none() { Vec::new() } else { vec![(Scope::Principal(who.id), who.quota)] }
}

/// An upload, and its receipt where it is completed.
#[derive(Clone, Debug)]
pub struct InspectedUpload {
    /// The upload.
    pub upload: Upload,
    /// What proves it.
    pub receipt: Option<Receipt>,
}

impl Broker {
    /// One of the uploader's uploads.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn inspect_upload(&self, who: &dyn MayUpload, id: UploadId) -> Result<InspectedUpload, Error> {
        let upload = self.upload_of(&who.uploader(self), id).await?.value;
        who.may(&upload.declaration.path, Permission::Read).map_err(|_| Error::NotFound)?;
        self.inspected(upload).await
    }

    /// The receipt of one of the uploader's uploads. It is kept for longer than the upload.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's, and while there is none.
    pub async fn upload_receipt(&self, who: &dyn MayUpload, id: UploadId) -> Result<Receipt, Error> {
        self.inspect_upload(who, id)
            .await?
            .receipt
            .ok_or_else(|| Error::conflict("upload_incomplete", "there is a receipt when the upload is completed"))
    }

    /// The caller's uploads, newest first.
    ///
    /// # Errors
    /// When the page asked for is not one.
    pub async fn list_uploads(&self, caller: &Caller, request: &PageRequest) -> Result<Page<Upload>, Error> {
        let namespace = caller.namespace();
        let page = self.newest_first(rows::uploads(namespace), namespace, request).await?;
        let sealed = self.sealed(namespace.tenant).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for row in &page.items {
            let Some(upload) = sealed.readable::<Upload>(row) else { continue };
            if caller.principal.grants.allow(&upload.declaration.path, Permission::Read) {
                items.push(upload);
            }
        }
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    /// The upload with its receipt, where it has one.
    async fn inspected(&self, upload: Upload) -> Result<InspectedUpload, Error> {
        let key = rows::receipt(namespace_of(&upload.declaration), upload.declaration.id);
        let [row] = self.store.get([key]).await?;
        let receipt = self.decode_if::<Receipt>(row.as_ref())?.map(|record| record.value);
        Ok(InspectedUpload { upload, receipt })
    }

    /// An upload, for whoever declared it: the tenant's keys for those declared
    /// with a key, the very claimant for those declared in a session.
    async fn upload_of(&self, uploader: &Uploader, id: UploadId) -> Result<Record<Upload>, Error> {
        let upload = self.upload(uploader.made.namespace, id).await?.ok_or(Error::NotFound)?;
        let declaration = &upload.value.declaration;
        let own = uploader.within.is_none() || declaration.within == uploader.within;
        if own && namespace_of(declaration) == uploader.made.namespace { Ok(upload) } else { Err(Error::NotFound) }
    }

    pub(super) async fn upload(&self, namespace: Namespace, id: UploadId) -> Result<Option<Record<Upload>>, Error> {
        let [row] = self.store.get([rows::upload(namespace, id)]).await?;
        self.sealed(namespace.tenant).await?.decode_if::<Upload>(row.as_ref())
    }
}

/// Where an upload lands.
fn inbox_key(declaration: &Declaration) -> Result<ObjectKey, Error> {
    inbox_of(namespace_of(declaration), &declaration.inbox)
}

fn inbox_of(namespace: Namespace, inbox: &str) -> Result<ObjectKey, Error> {
    let mut secret = [0; 32];
    base16ct::lower::decode(inbox, &mut secret)
        .map_err(|_| Error::Internal("a stored inbox key cannot be read".into()))?;
    Ok(ObjectKey::inbox(namespace, InboxSecret(secret)))
}

/// The key that an upload in parts goes to, and how the storage names it; none where it is no such.
pub(in crate::service) fn place_of(
    upload: &OfUpload,
    namespace: Namespace,
) -> Result<Option<(ObjectKey, String)>, Error> {
    let Transfer::Multipart { storage_id, .. } = &upload.declaration.transfer else { return Ok(None) };
    Ok(Some((inbox_of(namespace, &upload.declaration.inbox)?, storage_id.clone())))
}

/// An upload in parts, as the storage names it.
fn storage_id(id: &str) -> MultipartId {
    MultipartId(id.to_owned())
}

const fn namespace_of(declaration: &Declaration) -> Namespace {
    declaration.made.namespace
}

fn path_taken() -> Error {
    Error::conflict("path_taken", "there is a file under this path already; choose another path, or set overwrite")
}
