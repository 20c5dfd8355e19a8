//! Object storage in a folder of this machine.
//!
//! Signed requests are URLs of our own content listener with a sealed
//! contract in them; [`crate::http::content`] answers them through
//! [`EmbeddedStorage::receive`] and [`EmbeddedStorage::open_for_download`].
//! There is no second way to the bytes, and no list of keys: what is
//! stored where is known to the rows alone.

mod files;
mod header;
mod inbox;
mod receive;
mod refused;
mod signed;

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::{
    clock::Clock,
    crypto::{keyring::Keyring, sealed::Purpose},
    domain::instant::Instant,
    entropy::Entropy,
};

use super::{
    ByteRange, ByteStream, ContentType, CopyError, DownloadContract, ETag, LONGEST_UPLOAD, ObjectFacts, ObjectKey,
    ObjectStorage, SignedRequest, Unavailable, UploadContract,
};

use self::{
    files::{Files, Opened},
    inbox::Inbox,
    receive::{Writing, store},
};

pub use receive::Incoming;
pub use refused::Refused;

/// How much is read from disk at a time.
const PIECE: usize = 128 * 1024;

/// Objects in a folder.
pub struct EmbeddedStorage {
    files: Arc<Files>,
    inbox: Arc<Inbox>,
    keyring: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    base_url: String,
}

impl fmt::Debug for EmbeddedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmbeddedStorage(at {})", self.base_url)
    }
}

/// An object that is open: its facts and its bytes belong together.
pub struct OpenObject(Opened);

impl OpenObject {
    /// What it is.
    pub fn facts(&self) -> &ObjectFacts {
        &self.0.facts
    }

    /// Its bytes, or a part of them that lies within its size.
    pub fn stream(self, range: Option<ByteRange>) -> ByteStream {
        let (skipped, wanted) = range.map_or((0, self.0.facts.size), |range| (range.first, range.length()));
        let begin = Some((self.0.file, Some(SeekFrom::Start(header::LENGTH as u64 + skipped)), wanted));
        let pieces = stream::try_unfold(begin, |state| async {
            let Some((file, seek, left)) = state.filter(|(_, _, left)| *left > 0) else {
                return Ok(None);
            };
            let (file, piece) = blocking(move || read_piece(file, seek, left)).await?;
            let left = left - piece.len() as u64;
            Ok(Some((piece, Some((file, None, left)))))
        });
        pieces.boxed()
    }
}

fn read_piece(mut file: File, seek: Option<SeekFrom>, left: u64) -> io::Result<(File, Bytes)> {
    if let Some(position) = seek {
        file.seek(position)?;
    }
    let mut piece = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
    file.read_exact(&mut piece)?;
    Ok((file, piece.into()))
}

impl EmbeddedStorage {
    /// Opens or creates the folder, which no other process may use meanwhile.
    /// Signed URLs begin with `base_url`.
    ///
    /// # Errors
    /// When the folder cannot be written to, or its file system knows no hard links.
    pub fn open(
        folder: &Path,
        keyring: Arc<Keyring>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        base_url: &str,
    ) -> io::Result<Self> {
        let files = Arc::new(Files::open(folder, entropy.as_ref())?);
        Ok(Self {
            files,
            inbox: Arc::default(),
            keyring,
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

    /// The fields that a form POST under this contract must carry before its file.
    pub fn post_fields(contract: &UploadContract) -> BTreeMap<String, String> {
        signed::post_fields(contract)
    }

    /// Begins to take the bytes of an upload.
    ///
    /// # Errors
    /// When the key is taken already, or nothing can be stored.
    pub async fn receive(&self, contract: UploadContract) -> Result<Incoming, Refused> {
        Incoming::begin(&self.inbox, self.files.clone(), self.entropy.clone(), contract).await
    }

    /// Opens the object under the key, if there is one.
    ///
    /// # Errors
    /// When the storage fails, or the object is damaged.
    pub async fn open_for_download(&self, key: &ObjectKey) -> Result<Option<OpenObject>, Unavailable> {
        let (files, key) = (self.files.clone(), key.clone());
        let found = blocking(move || files.find(&key)).await?;
        Ok(found.map(OpenObject))
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
        Ok(self.open_for_download(key).await?.map(|object| object.0.facts))
    }

    async fn copy(
        &self,
        from: &ObjectKey,
        pinned: &ETag,
        to: &ObjectKey,
        content_type: &ContentType,
    ) -> Result<ObjectFacts, CopyError> {
        let (files, entropy) = (self.files.clone(), self.entropy.clone());
        let (from, pinned, to, content_type) = (from.clone(), pinned.clone(), to.clone(), content_type.clone());
        let copied = blocking(move || copy(&files, entropy.as_ref(), &from, &pinned, &to, &content_type)).await?;
        copied.ok_or(CopyError::Changed)
    }

    async fn put(&self, key: &ObjectKey, content_type: &ContentType, bytes: Bytes) -> Result<ObjectFacts, Unavailable> {
        let (files, entropy) = (self.files.clone(), self.entropy.clone());
        let (key, content_type) = (key.clone(), content_type.clone());
        blocking(move || store(&files, entropy.as_ref(), &key, &content_type, &bytes)).await
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

    async fn delete(&self, key: &ObjectKey) -> Result<(), Unavailable> {
        if key.is_inbox() {
            self.inbox.settle(key, self.clock.now());
        }
        let (files, key) = (self.files.clone(), key.clone());
        blocking(move || files.remove(&key)).await
    }

    fn browser_origin(&self) -> String {
        self.base_url.clone()
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        let (files, entropy) = (self.files.clone(), self.entropy.clone());
        blocking(move || files.probe(entropy.as_ref())).await
    }
}

/// Copies by a second name for the same file, which costs nothing; where that
/// cannot be, or under another type, by its bytes. Nothing when the source is
/// not what was pinned.
fn copy(
    files: &Files,
    entropy: &dyn Entropy,
    from: &ObjectKey,
    pinned: &ETag,
    to: &ObjectKey,
    content_type: &ContentType,
) -> io::Result<Option<ObjectFacts>> {
    let Some((mut source, link)) = files.find_linked(from, entropy)? else {
        return Ok(None);
    };
    if source.facts.etag != *pinned {
        return Ok(None);
    }
    if let Some(link) = link
        && source.facts.content_type == *content_type
    {
        files.publish(link, to)?;
        return Ok(Some(source.facts));
    }
    let mut writing = Writing::begin(files, entropy)?;
    let mut piece = vec![0; PIECE];
    loop {
        match source.file.read(&mut piece)? {
            0 => break,
            read => writing.append(&piece[..read])?,
        }
    }
    let written = writing.finish(content_type)?;
    if written.facts.etag != *pinned {
        return Err(io::Error::new(ErrorKind::InvalidData, "the bytes of an object are damaged"));
    }
    files.publish(written.temporary, to)?;
    Ok(Some(written.facts))
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
