//! The vault: files by path, as the index rows know them.

use crate::{
    crypto::digest,
    domain::{
        checksum::Checksum,
        event::{Actor, EventType},
        ids::{ObjectId, UploadId},
        lifetime,
        object::{PathEntry, VaultFile},
        path::{PathPin, VaultPath},
        permission::Permission,
        tenant::Namespace,
    },
    objects::{ContentType, Disposition, DownloadContract, ObjectKey, SignedRequest},
    store::{Direction, Expected, Query},
};

use super::{
    Broker, Caller, Error,
    events::Origin,
    listing::{Page, PageRequest},
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
};

/// What a download is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To be shown by a browser, where that is harmless; saved otherwise.
    #[default]
    Showing,
    /// To be saved.
    Saving,
}

/// How many index rows are read at a time while looking for files.
const PORTION: usize = 200;

impl Broker {
    /// The files under these paths, in the same order.
    pub(super) async fn files(
        &self,
        namespace: Namespace,
        paths: &[&VaultPath],
    ) -> Result<Vec<Option<VaultFile>>, Error> {
        let keys: Vec<_> = paths.iter().map(|path| rows::vault_path(namespace, path)).collect();
        let found = self.store.get_all(&keys).await?;
        let mut files = Vec::with_capacity(found.len());
        for row in &found {
            files.push(self.decode_if::<PathEntry>(row.as_ref())?.and_then(|entry| entry.value.file()));
        }
        Ok(files)
    }

    /// The entry of a path, whether or not there is a file now.
    pub(super) async fn path_entry(
        &self,
        namespace: Namespace,
        path: &VaultPath,
    ) -> Result<Option<Record<PathEntry>>, Error> {
        let [row] = self.store.get([rows::vault_path(namespace, path)]).await?;
        self.decode_if(row.as_ref())
    }

    /// The file under a path.
    pub(super) async fn file(&self, namespace: Namespace, path: &VaultPath) -> Result<VaultFile, Error> {
        let entry = self.path_entry(namespace, path).await?;
        entry.and_then(|entry| entry.value.file()).ok_or(Error::NotFound)
    }

    /// Up to `limit` files that a pin covers, after a position, in the order of their paths.
    pub(super) async fn files_of_pin(
        &self,
        namespace: Namespace,
        pin: &PathPin,
        begins_with: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<VaultFile>, Error> {
        let wanted = |path: &str| path.starts_with(begins_with) && after.is_none_or(|after| path > after);
        let folder = match pin {
            PathPin::File(path) if wanted(path.as_str()) => {
                return Ok(self.files(namespace, &[path]).await?.into_iter().flatten().collect());
            }
            PathPin::File(_) => return Ok(Vec::new()),
            PathPin::Folder(_) => pin.listing_prefix(),
        };
        // The narrower of the two prefixes; where neither contains the other, nothing fits both.
        let prefix = match (begins_with.starts_with(&folder), folder.starts_with(begins_with)) {
            (true, _) => begins_with.to_owned(),
            (false, true) => folder,
            (false, false) => return Ok(Vec::new()),
        };

        let mut files = Vec::new();
        let mut position = after.map(str::to_owned);
        loop {
            let query = Query {
                partition: rows::vault(namespace),
                begins_with: prefix.clone(),
                after: position.take(),
                limit: PORTION,
                direction: Direction::Ascending,
            };
            let portion = self.store.query(&query).await?;
            let complete = portion.len() < PORTION;
            position = portion.last().map(|row| row.key.sort.clone());
            for row in &portion {
                if let Some(file) = self.decode::<PathEntry>(row)?.value.file() {
                    files.push(file);
                    if files.len() == limit {
                        return Ok(files);
                    }
                }
            }
            if complete {
                return Ok(files);
            }
        }
    }

    /// The caller's files, in the order of their paths.
    ///
    /// # Errors
    /// When the prefix or the page asked for is not one.
    pub async fn list_objects(
        &self,
        caller: &Caller,
        prefix: &str,
        request: &PageRequest,
    ) -> Result<Page<VaultFile>, Error> {
        let readable: Vec<PathPin> = caller.principal.grants.0.iter().map(|grant| grant.path.clone()).collect();
        let allowed = |path: &VaultPath| caller.principal.grants.allow(path, Permission::Read);
        self.list_below(caller.namespace(), &readable, &allowed, prefix, request).await
    }

    /// One page of the files that some of the pins cover and `allowed` lets through.
    pub(super) async fn list_below(
        &self,
        namespace: Namespace,
        pins: &[PathPin],
        allowed: &(dyn Fn(&VaultPath) -> bool + Sync),
        prefix: &str,
        request: &PageRequest,
    ) -> Result<Page<VaultFile>, Error> {
        let limit = request.limit()?;
        let prefix = if prefix == "/" { "" } else { prefix };
        if !prefix.is_empty() {
            PathPin::parse(prefix).map_err(Error::path("prefix"))?;
        }
        let list = format!("objects#{prefix}");
        let mut after = self.position(&list, namespace, request)?;
        let outermost = outermost(pins);

        let mut items: Vec<VaultFile> = Vec::new();
        loop {
            let mut portion: Vec<VaultFile> = Vec::new();
            for pin in &outermost {
                let room = limit + 1 - portion.len();
                if room == 0 {
                    break;
                }
                portion.extend(self.files_of_pin(namespace, pin, prefix, after.as_deref(), room).await?);
            }
            let complete = portion.len() <= limit;
            after = portion.last().map(|file| file.path.as_str().to_owned());
            items.extend(portion.into_iter().filter(|file| allowed(&file.path)));
            if complete || items.len() > limit {
                break;
            }
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = match items.last() {
            Some(last) if more => Some(self.cursor(&list, namespace, last.path.as_str())?),
            _ => None,
        };
        Ok(Page { items, next_cursor })
    }

    /// One of the caller's files.
    ///
    /// # Errors
    /// When the caller may not read the path, or nothing is there.
    pub async fn inspect_object(&self, caller: &Caller, path: &VaultPath) -> Result<VaultFile, Error> {
        caller.may(path, Permission::Read)?;
        self.file(caller.namespace(), path).await
    }

    /// A URL that downloads one of the caller's files within the next minute.
    ///
    /// # Errors
    /// When the caller may not read the path, or nothing is there.
    pub async fn download_object(
        &self,
        caller: &Caller,
        path: &VaultPath,
        purpose: Purpose,
    ) -> Result<SignedRequest, Error> {
        let file = self.inspect_object(caller, path).await?;
        let origin = caller.origin(self);
        let until = origin.at.plus(lifetime::DOWNLOAD_URL);
        let until = caller.principal.expires_at.map_or(until, |end| end.min(until));
        self.issue_download(origin, caller.actor(), &file, purpose, until).await
    }

    /// Signs a download and records it; without the record there is no URL.
    pub(super) async fn issue_download(
        &self,
        origin: Origin,
        actor: Actor,
        file: &VaultFile,
        purpose: Purpose,
        until: crate::domain::instant::Instant,
    ) -> Result<SignedRequest, Error> {
        let contract = DownloadContract {
            key: ObjectKey::vault(origin.namespace, file.object),
            content_type: ContentType::parse(&file.content_type).unwrap_or_else(|_| ContentType::unknown()),
            disposition: disposition(file, purpose),
            sha256: file.checksum.full().and_then(|sha256| base16ct::lower::decode_vec(sha256).ok()?.try_into().ok()),
            expires_at: until,
        };
        let signed = self.objects.sign_get(&contract, origin.at).await?;
        self.record(&origin.done(EventType::DownloadIssued, actor, file.object)).await?;
        Ok(signed)
    }

    /// Deletes one of the caller's files.
    ///
    /// # Errors
    /// When the caller may not write the path, or nothing is there.
    pub async fn delete_object(&self, caller: &Caller, path: &VaultPath) -> Result<(), Error> {
        caller.may(path, Permission::Write)?;
        let (broker, caller, path) = (self.clone(), caller.clone(), path.clone());
        // A caller who hangs up does not stop it between the commit and the bytes.
        self.under_way.to_its_end(async move { broker.delete_file(&caller, &path).await }).await
    }

    async fn delete_file(&self, caller: &Caller, path: &VaultPath) -> Result<(), Error> {
        let namespace = caller.namespace();
        for _ in 0..ROUNDS {
            let entry = self.path_entry(namespace, path).await?.ok_or(Error::NotFound)?;
            let file = entry.value.file().ok_or(Error::NotFound)?;
            let origin = caller.origin(self);
            let event = origin.done(EventType::ObjectDeleted, caller.actor(), file.object);
            let deleted = PathEntry::Deleted { deleted_at: origin.at };
            let expected = Expected::Version(entry.version);
            // Kept until nothing that knew the file can still be under way.
            let purge = Some(origin.at.plus(lifetime::REMEMBERED));
            let write = self.put(rows::vault_path(namespace, path), expected, &deleted, purge)?;
            let mut transaction = self.recording(&event)?.write(write);
            for write in self.leaving(namespace, &file, origin.at).await? {
                transaction = transaction.write(write);
            }
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => {
                    self.delete_bytes(ObjectKey::vault(namespace, file.object)).await;
                    return Ok(());
                }
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// Deletes bytes that nothing points to any more. If that fails they only
    /// take up room until the sweeper comes, so that nobody has to wait for it or be told.
    pub(super) async fn delete_bytes(&self, key: ObjectKey) {
        if let Err(fault) = self.objects.delete(&key).await {
            tracing::warn!(%fault, ?key, "bytes that nothing points to were left behind");
        }
    }

    /// Puts a file that the broker made itself where nothing is yet.
    ///
    /// # Errors
    /// When the store or the object storage does not answer.
    pub async fn put_sample(&self, namespace: Namespace, path: &VaultPath, text: &str) -> Result<(), Error> {
        let now = self.now();
        let object = ObjectId::new(now, self.entropy.bytes());
        let content_type = ContentType::parse("text/plain; charset=utf-8").unwrap_or_else(|_| ContentType::unknown());
        let bytes = bytes::Bytes::copy_from_slice(text.as_bytes());
        let facts = self.objects.put(&ObjectKey::vault(namespace, object), &content_type, bytes).await?;
        let entry = PathEntry::File(VaultFile {
            path: path.clone(),
            object,
            size: facts.size,
            content_type: content_type.as_str().into(),
            checksum: Checksum::Full { sha256: base16ct::lower::encode_string(&digest::of(text.as_bytes())) },
            upload: None::<UploadId>,
            // Ours, not the tenant's.
            charges: Vec::new(),
            created_at: now,
        });
        let origin = Origin { namespace, asking: None, at: now };
        let event = origin.done(EventType::ObjectCreated, Actor::System, object);
        let write = self.put(rows::vault_path(namespace, path), Expected::Absent, &entry, None)?;
        match committed(self.store.commit(self.recording(&event)?.write(write)).await)? {
            Committed::Done | Committed::ReadAgain => Ok(()),
        }
    }
}

/// The pins that none of the others covers, in order. They do not overlap: no file comes twice, and the files of
/// one all sort before those of the next.
pub(super) fn outermost(pins: &[PathPin]) -> Vec<&PathPin> {
    let mut sorted: Vec<&PathPin> = pins.iter().collect();
    sorted.sort_unstable_by_key(|pin| pin.listing_prefix());
    // Whatever a folder covers stands right after it.
    let mut outermost: Vec<&PathPin> = Vec::new();
    for pin in sorted {
        if !outermost.last().is_some_and(|last| last.covers_pin(pin)) {
            outermost.push(pin);
        }
    }
    outermost
}

/// Shown in the browser where that is harmless, saved otherwise.
fn disposition(file: &VaultFile, purpose: Purpose) -> Disposition {
    let essence = file.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let file_name = file.path.file_name().to_owned();
    let harmless = matches!(
        essence.as_str(),
        "application/pdf" | "text/plain" | "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/avif"
    ) || essence.starts_with("audio/")
        || essence.starts_with("video/");
    if harmless && purpose == Purpose::Showing {
        Disposition::Inline { file_name }
    } else {
        Disposition::Attachment { file_name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_pins_only_the_outermost_are_walked() {
        let left = |pins: &[&str]| -> Vec<String> {
            let pins: Vec<_> = pins.iter().map(|pin| PathPin::parse(pin).unwrap()).collect();
            outermost(&pins).into_iter().map(ToString::to_string).collect()
        };
        assert_eq!(left(&["b", "a/x", "a/", "a.b", "a", "a/y/", "a"]), ["a", "a.b", "a/", "b"]);
        assert_eq!(left(&["a/", "/", "b"]), ["/"]);
        assert_eq!(left(&["a/b/", "a/b", "a/b/c/", "a/bc/"]), ["a/b", "a/b/", "a/bc/"]);
    }

    #[test]
    fn only_what_is_harmless_is_ever_shown() {
        let shown = |content_type: &str, purpose| {
            let file = VaultFile {
                path: VaultPath::parse("a").unwrap(),
                object: ObjectId::from_bytes([1; 16]),
                size: 1,
                content_type: content_type.into(),
                checksum: Checksum::Full { sha256: String::new() },
                upload: None,
                charges: Vec::new(),
                created_at: crate::domain::instant::Instant::from_unix_seconds(1),
            };
            matches!(disposition(&file, purpose), Disposition::Inline { .. })
        };
        for harmless in
            ["image/png", "IMAGE/JPEG", "application/pdf", "text/plain; charset=utf-8", "audio/ogg", "video/mp4"]
        {
            assert!(shown(harmless, Purpose::Showing), "{harmless}");
            assert!(!shown(harmless, Purpose::Saving), "{harmless}");
        }
        for other in ["image/svg+xml", "text/html", "application/xhtml+xml", "text/xml", "text/html; text/plain", "x/y"]
        {
            assert!(!shown(other, Purpose::Showing), "{other}");
        }
    }
}
