//! Object storage in a folder of this machine.
//!
//! Signed requests are URLs of our own content listener with a sealed
//! contract in them; [`crate::http::content`] answers them through
//! [`EmbeddedStorage::receive`] and [`EmbeddedStorage::open_for_download`].
//! There is no second way to the bytes.

mod at_rest;
mod copy;
mod files;
mod header;
mod inbox;
mod keys;
mod multipart;
mod open_object;
mod place;
mod receive;
mod receive_part;
mod refused;
mod settled;
mod signed;
mod slots;
mod uploads;

use std::{
    collections::BTreeMap,
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    clock::Clock,
    crypto::{data_key::DataKey, keyring::Keyring, sealed::Purpose},
    domain::instant::Instant,
    entropy::Entropy,
};

use super::{
    ByteRange, ByteStream, CompleteError, ContentType, CopyError, Doomed, DownloadContract, ETag, LONGEST_UPLOAD,
    ListedObject, MultipartId, ObjectFacts, ObjectFolder, ObjectKey, ObjectStorage, PartContract, SignedRequest,
    StoredPart, Unavailable, UploadContract,
};

use self::{
    copy::copy, files::Files, inbox::Inbox, multipart::Folder, receive::store, settled::Settled, slots::Slot,
    uploads::Uploads,
};

pub use keys::DataKeySource;
pub use open_object::OpenObject;
pub use receive::Incoming;
pub use receive_part::IncomingPart;
pub use refused::Refused;

/// How often a process looks for uploads in parts that nobody goes on with.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(24 * 3600);

/// How much is read from disk at a time.
const PIECE: usize = 128 * 1024;

/// Objects in a folder.
pub struct EmbeddedStorage {
    files: Arc<Files>,
    inbox: Arc<Inbox>,
    settled: Arc<Settled>,
    uploads: Uploads,
    swept_at: Mutex<Instant>,
    keyring: Arc<Keyring>,
    data_keys: Arc<dyn DataKeySource>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    base_url: String,
}

impl fmt::Debug for EmbeddedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmbeddedStorage(at {})", self.base_url)
    }
}

impl EmbeddedStorage {
    /// Opens or creates the folder, which no other process may use meanwhile.
    /// Signed URLs begin with `base_url`. Files of tenants are sealed under their data keys.
    ///
    /// # Errors
    /// When the folder cannot be written to, or its file system knows no hard links.
    pub fn open(
        folder: &Path,
        keyring: Arc<Keyring>,
        data_keys: Arc<dyn DataKeySource>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        base_url: &str,
    ) -> io::Result<Self> {
        let now = clock.now();
        let files = Arc::new(Files::open(folder, entropy.as_ref(), now)?);
        let (settled, live) = Settled::open(folder, now)?;
        Ok(Self {
            files,
            inbox: Arc::new(Inbox::new(&live)),
            settled: Arc::new(settled),
            uploads: Uploads::default(),
            swept_at: Mutex::new(now),
            keyring,
            data_keys,
            clock,
            entropy,
            base_url: base_url.trim_end_matches('/').into(),
        })
    }

    /// The contract that a PUT to this token is held to.
    ///
    /// # Errors
    /// When it is no token of ours for a PUT, or has ended.
    pub fn opened_put(&self, token: &str) -> Result<UploadContract, Refused> {
        signed::open_upload(&self.keyring, Purpose::ObjectPut, token, self.clock.now())
    }

    /// The contract that a form POST to this token is held to.
    ///
    /// # Errors
    /// When it is no token of ours for a POST, or has ended.
    pub fn opened_post(&self, token: &str) -> Result<UploadContract, Refused> {
        signed::open_upload(&self.keyring, Purpose::ObjectPost, token, self.clock.now())
    }

    /// The contract that a PUT of a part to this token is held to.
    ///
    /// # Errors
    /// When it is no token of ours for a part, or has ended.
    pub fn opened_part(&self, token: &str) -> Result<PartContract, Refused> {
        signed::open_part(&self.keyring, token, self.clock.now())
    }

    /// The contract that a GET or HEAD of this token is answered by.
    ///
    /// # Errors
    /// When it is no token of ours for a GET, or has ended.
    pub fn opened_get(&self, token: &str) -> Result<DownloadContract, Refused> {
        signed::open_download(&self.keyring, token, self.clock.now())
    }

    /// The headers, besides its length, that a PUT under this contract must carry.
    pub fn put_headers(contract: &UploadContract) -> BTreeMap<String, String> {
        signed::put_headers(contract)
    }

    /// The headers, besides its length, that the PUT of a part must carry.
    pub fn part_headers(contract: &PartContract) -> BTreeMap<String, String> {
        signed::part_headers(contract)
    }

    /// The fields that a form POST under this contract must carry before its file.
    pub fn post_fields(contract: &UploadContract) -> BTreeMap<String, String> {
        signed::post_fields(contract)
    }

    /// Begins to take the bytes of an upload.
    ///
    /// # Errors
    /// When the key is taken already, or nothing can be stored.
    pub async fn receive(&self, contract: UploadContract) -> Result<Incoming, Refused> {
        let owner = self.owner_of(&contract.key).await?;
        Incoming::begin(&self.inbox, self.files.clone(), self.entropy.clone(), contract, owner).await
    }

    /// Begins to take the bytes of one part of an upload.
    ///
    /// # Errors
    /// When the upload has ended, somebody else sends this part, too many others are sent, or nothing can be stored.
    pub async fn receive_part(&self, contract: PartContract) -> Result<IncomingPart, Refused> {
        let owner = self.owner_of_parts(&contract.key).await?;
        IncomingPart::begin(&self.uploads, self.files.clone(), self.entropy.clone(), contract, owner).await
    }

    /// Opens the object under the key, if there is one.
    ///
    /// # Errors
    /// When the storage fails, or the object is damaged.
    pub async fn open_for_download(&self, key: &ObjectKey) -> Result<Option<OpenObject>, Unavailable> {
        let owner = match self.owner_of(key).await {
            Ok(owner) => owner,
            // Where nothing lies, no key is wanted to say so.
            Err(fault) => return if self.is_there(key).await? { Err(fault) } else { Ok(None) },
        };
        let (files, place, key) = (self.files.clone(), place::told(key), key.clone());
        let found = blocking(move || files.find(&key, owner.as_deref())).await;
        let found = found.map_err(|fault| fault.of_file(&place))?;
        Ok(found.map(|opened| OpenObject { opened, place }))
    }

    /// The data key of whose file lies under the key.
    async fn owner_of(&self, key: &ObjectKey) -> Result<Option<Arc<DataKey>>, Unavailable> {
        match key.owner() {
            Some(owner) => self.data_keys.data_key(owner).await.map(Some),
            None => Ok(None),
        }
    }

    /// The same of what comes in parts, which is always somebody's.
    async fn owner_of_parts(&self, key: &ObjectKey) -> Result<Arc<DataKey>, Unavailable> {
        self.owner_of(key).await?.ok_or_else(|| Unavailable("what is nobody's does not come in parts".into()))
    }

    /// Removes uploads in parts that nobody goes on with, once a day.
    async fn sweep_daily(&self) {
        let now = self.clock.now();
        {
            let mut swept_at = self.swept_at.lock().unwrap_or_else(PoisonError::into_inner);
            if now < swept_at.plus(BETWEEN_SWEEPS) {
                return;
            }
            *swept_at = now;
        }
        if let Err(fault) = self.sweep(now).await {
            tracing::warn!(%fault, "uploads that nobody goes on with could not be removed");
        }
    }

    async fn sweep(&self, now: Instant) -> Result<(), Unavailable> {
        let files = self.files.clone();
        for name in blocking(move || multipart::at_rest(&files, now)).await? {
            let Some(ending) = self.uploads.named(&name).end().await else { continue };
            let files = self.files.clone();
            blocking(move || {
                // Closed before it is looked at again: a sender may have come just now.
                ending.close();
                if !multipart::remove_at_rest(&files, &name, now)? {
                    ending.reopen();
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    fn sign_upload(
        &self,
        method: &'static str,
        purpose: Purpose,
        contract: &UploadContract,
        now: Instant,
    ) -> Result<SignedRequest, Unavailable> {
        let expires_at = not_ended(contract.expires_at.min(now.plus(LONGEST_UPLOAD)), now)?;
        let contract = UploadContract { expires_at, ..contract.clone() };
        let token = signed::seal_upload(&self.keyring, self.entropy.as_ref(), purpose, &contract)?;
        let (headers, fields) = match purpose {
            Purpose::ObjectPost => (BTreeMap::new(), signed::post_fields(&contract)),
            _ => (signed::put_headers(&contract), BTreeMap::new()),
        };
        Ok(SignedRequest { method, url: self.url(&token), headers, fields, expires_at })
    }

    fn url(&self, token: &str) -> String {
        format!("{}/o/{token}", self.base_url)
    }
}

#[async_trait]
impl ObjectStorage for EmbeddedStorage {
    async fn sign_put(&self, contract: &UploadContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        self.sign_upload("PUT", Purpose::ObjectPut, contract, now)
    }

    async fn sign_post(&self, contract: &UploadContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        self.sign_upload("POST", Purpose::ObjectPost, contract, now)
    }

    async fn sign_get(&self, contract: &DownloadContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        let expires_at = not_ended(contract.expires_at, now)?;
        let token = signed::seal_download(&self.keyring, self.entropy.as_ref(), contract)?;
        let (headers, fields) = (BTreeMap::new(), BTreeMap::new());
        Ok(SignedRequest { method: "GET", url: self.url(&token), headers, fields, expires_at })
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectFacts>, Unavailable> {
        Ok(self.open_for_download(key).await?.map(|object| object.facts().clone()))
    }

    async fn is_there(&self, key: &ObjectKey) -> Result<bool, Unavailable> {
        let (files, key) = (self.files.clone(), key.clone());
        blocking(move || files.is_taken(&key)).await
    }

    async fn copy(
        &self,
        from: &ObjectKey,
        pinned: &ETag,
        to: &ObjectKey,
        content_type: &ContentType,
        _part_size: u64,
    ) -> Result<ObjectFacts, CopyError> {
        if from.owner() != to.owner() {
            return Err(Unavailable("nothing is copied from one tenant to another".into()).into());
        }
        let owner = self.owner_of(from).await?;
        let (files, entropy) = (self.files.clone(), self.entropy.clone());
        let (from, pinned, to, content_type) = (from.clone(), pinned.clone(), to.clone(), content_type.clone());
        let copied =
            blocking(move || copy(&files, owner.as_deref(), entropy, &from, &pinned, &to, &content_type)).await?;
        copied.ok_or(CopyError::Changed)
    }

    async fn put(&self, key: &ObjectKey, content_type: &ContentType, bytes: Bytes) -> Result<ObjectFacts, Unavailable> {
        let owner = self.owner_of(key).await?;
        let (files, entropy) = (self.files.clone(), self.entropy.clone());
        let (key, content_type) = (key.clone(), content_type.clone());
        blocking(move || store(&files, owner.as_deref(), entropy, &key, &content_type, &bytes)).await
    }

    async fn read(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Option<ByteStream>, Unavailable> {
        let Some(object) = self.open_for_download(key).await? else {
            return Ok(None);
        };
        match range {
            Some(range) if range.first > range.last || range.last >= object.facts().size => {
                Err(Unavailable("the range is not within the object".into()))
            }
            _ => Ok(Some(object.stream(range))),
        }
    }

    async fn begin_multipart(
        &self,
        key: &ObjectKey,
        content_type: &ContentType,
        part_checksums: bool,
    ) -> Result<MultipartId, Unavailable> {
        self.sweep_daily().await;
        let owner = self.owner_of_parts(key).await?;
        let (files, entropy) = (self.files.clone(), self.entropy.clone());
        let (key, content_type) = (key.clone(), content_type.clone());
        blocking(move || Folder::begin(&files, &owner, entropy.as_ref(), &key, &content_type, part_checksums)).await
    }

    async fn sign_part(&self, contract: &PartContract, now: Instant) -> Result<SignedRequest, Unavailable> {
        contract.check()?;
        let expires_at = not_ended(contract.expires_at.min(now.plus(LONGEST_UPLOAD)), now)?;
        let contract = PartContract { expires_at, ..contract.clone() };
        let token = signed::seal_part(&self.keyring, self.entropy.as_ref(), &contract)?;
        let (headers, fields) = (signed::part_headers(&contract), BTreeMap::new());
        Ok(SignedRequest { method: "PUT", url: self.url(&token), headers, fields, expires_at })
    }

    async fn parts(&self, key: &ObjectKey, upload: &MultipartId) -> Result<Option<Vec<StoredPart>>, Unavailable> {
        let owner = self.owner_of_parts(key).await?;
        let (files, key, upload) = (self.files.clone(), key.clone(), upload.clone());
        let arrived = blocking(move || {
            let folder = Folder::find(&files, &owner, &key, &upload)?;
            folder.map(|folder| folder.arrived()).transpose()
        });
        Ok(arrived.await?.map(|slots| slots.iter().map(Slot::stored).collect()))
    }

    async fn complete_multipart(
        &self,
        key: &ObjectKey,
        upload: &MultipartId,
        parts: &[StoredPart],
    ) -> Result<(), CompleteError> {
        let owner = self.owner_of_parts(key).await?;
        let ending = self.uploads.named(&multipart::name_of(upload)).end().await.ok_or(CompleteError::Changed)?;
        let (entropy, files, key, upload, parts) =
            (self.entropy.clone(), self.files.clone(), key.clone(), upload.clone(), parts.to_vec());
        let published = blocking(move || {
            ending.close();
            let published = multipart::publish(&files, &owner, entropy.as_ref(), &key, &upload, &parts);
            if !matches!(published, Ok(true)) && Folder::find(&files, &owner, &key, &upload)?.is_some() {
                ending.reopen();
            }
            published
        });
        if published.await? { Ok(()) } else { Err(CompleteError::Changed) }
    }

    async fn abort_multipart(&self, key: &ObjectKey, upload: &MultipartId) -> Result<(), Unavailable> {
        let (files, name) = (self.files.clone(), multipart::name_of(upload));
        if !blocking(move || multipart::is_there(&files, &name)).await? {
            return Ok(());
        }
        // What was begun by a tenant that is removed is removed, too.
        let owner = self.owner_of_parts(key).await.ok();
        let Some(ending) = self.uploads.named(&multipart::name_of(upload)).end().await else {
            return Ok(());
        };
        let (files, key, upload) = (self.files.clone(), key.clone(), upload.clone());
        blocking(move || {
            ending.close();
            if !multipart::abort(&files, owner.as_deref(), &key, &upload)? {
                // Of another key, perhaps: then it goes on.
                ending.reopen();
            }
            Ok(())
        })
        .await
    }

    async fn list(&self, folder: &ObjectFolder, after: Option<&ObjectKey>) -> Result<Vec<ListedObject>, Unavailable> {
        let (files, folder, after) = (self.files.clone(), *folder, after.cloned());
        blocking(move || files.list(folder, after.as_ref())).await
    }

    /// Keys that were deleted take no more bytes here.
    async fn close(&self, key: &ObjectKey) -> Result<(), Unavailable> {
        self.delete(key).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), Unavailable> {
        let settled = key.is_inbox().then(|| self.inbox.settle(key, self.clock.now()));
        let (files, remembered, key) = (self.files.clone(), self.settled.clone(), key.clone());
        blocking(move || {
            if let Some((settlement, ended)) = settled {
                remembered.remember(&settlement);
                ended.iter().for_each(|one| remembered.forget(one));
            }
            files.remove(&key)
        })
        .await
    }

    async fn erase(&self, doomed: &Doomed) -> Result<u64, Unavailable> {
        let (files, doomed) = (self.files.clone(), doomed.clone());
        blocking(move || files.erase(&doomed)).await
    }

    fn knows_full_checksum(&self, _size: u64) -> bool {
        true
    }

    fn browser_origin(&self) -> String {
        self.base_url.clone()
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        let (files, entropy) = (self.files.clone(), self.entropy.clone());
        blocking(move || files.probe(entropy.as_ref())).await
    }
}

fn not_ended(end: Instant, now: Instant) -> Result<Instant, Unavailable> {
    if now < end { Ok(end) } else { Err(Unavailable("what was to be signed has ended".into())) }
}

/// Runs what blocks where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Unavailable> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| Unavailable(format!("embedded object storage: {error}"))),
        Err(_) => Err(Unavailable("embedded object storage: a task was lost".into())),
    }
}
