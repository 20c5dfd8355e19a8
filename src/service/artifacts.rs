//! Artifacts: publish a snapshot of vault files, list, inspect, delete.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        artifact::{Artifact, ArtifactFile, LARGEST_MANIFEST, MOST_FILES, Manifest},
        event::EventType,
        ids::ArtifactId,
        metadata::Metadata,
        object::VaultFile,
        parts::PartPlan,
        path::{PathPin, VaultPath},
        permission::Permission,
        tenant::Namespace,
    },
    objects::{ArtifactLabel, Checksum, ContentType, CopyError, ETag, ObjectKey},
    store::Expected,
};

use super::{
    Broker, Caller, Error,
    history::Maker,
    idempotency::Reply,
    listing::{Page, PageRequest},
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
};

/// How many copies are under way at once.
const COPIES_AT_ONCE: usize = 16;

/// What an artifact is to be.
#[derive(Clone, Debug)]
pub struct PublishArtifact {
    /// The files: single ones are published under their name, those of a
    /// folder under their path below it.
    pub paths: Vec<PathPin>,
    /// What is shown for a folder.
    pub index: String,
    /// The owner's name for it.
    pub label: Option<String>,
    /// Words of the owner's own.
    pub metadata: Metadata,
}

/// An artifact as its owner sees it.
#[derive(Clone, Debug)]
pub struct SeenArtifact {
    /// The artifact.
    pub artifact: Artifact,
    /// Who published it.
    pub maker: Maker,
}

/// What a host label leads to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ArtifactPointer {
    pub(super) namespace: Namespace,
    pub(super) id: ArtifactId,
}

impl Broker {
    /// Publishes a snapshot. What happens to the vault files later does not touch it.
    ///
    /// # Errors
    /// When the caller may not read a path, nothing is there, or there are too many files.
    pub async fn publish_artifact(
        &self,
        caller: &Caller,
        wanted: PublishArtifact,
        reply: &Reply<'_, (SeenArtifact, Manifest)>,
    ) -> Result<(SeenArtifact, Manifest), Error> {
        caller.mints()?;
        for pin in &wanted.paths {
            caller.may_pin(pin, Permission::Read)?;
        }
        let files = self.files_to_publish(caller.namespace(), &wanted.paths).await?;
        let origin = caller.origin(self);
        let id = ArtifactId::new(origin.at, self.entropy.bytes());
        let label = ArtifactLabel::of(id);

        let manifest = Manifest {
            files: files
                .iter()
                .map(|(path, file)| ArtifactFile {
                    path: path.clone(),
                    size: file.size,
                    content_type: file.content_type.clone(),
                    sha256: file.checksum.full().map(str::to_owned),
                })
                .collect(),
        };
        let artifact = Artifact {
            id,
            made: caller.made(),
            label: wanted.label,
            metadata: wanted.metadata,
            index: wanted.index,
            file_count: manifest.files.len(),
            total_size: manifest.files.iter().map(|file| file.size).sum(),
            created_at: origin.at,
            deleted_at: None,
        };
        let namespace = origin.namespace;
        let pointer = ArtifactPointer { namespace, id };
        let manifest_write = self.put(rows::artifact_manifest(id), Expected::Absent, &manifest, None)?;
        if manifest_write.body.len() > LARGEST_MANIFEST {
            return Err(Error::invalid("/paths", "too many files with such long paths; publish several artifacts"));
        }
        let event = origin.done(EventType::ArtifactCreated, caller.actor(), id);
        let sealed = self.sealed(namespace.tenant).await?;
        let transaction = self
            .recording(&event)?
            .write(sealed.put(rows::artifact(namespace, id), Expected::Absent, &artifact, None)?)
            .write(manifest_write)
            .write(self.put(rows::artifact_host(&label), Expected::Absent, &pointer, None)?);

        // Copied first: until the commit nothing leads to the copies.
        let copied = stream::iter(files.iter().map(Ok::<_, Error>))
            .try_for_each_concurrent(COPIES_AT_ONCE, |(path, file)| self.copy_into(namespace, &label, path, file))
            .await;
        let copies = manifest.files.iter();
        let copies: Vec<_> = copies.map(|file| ObjectKey::artifact(namespace.tenant, &label, &file.path)).collect();
        let published = (SeenArtifact { artifact, maker: Maker::from_caller(caller) }, manifest);
        let result = match copied {
            Ok(()) => match self.create(transaction, published, reply).await {
                // Perhaps it is published: copies that nothing leads to are better than an artifact without its bytes.
                in_doubt @ Err(Error::Unavailable(_)) => return in_doubt,
                result => result,
            },
            Err(fault) => Err(fault),
        };
        if result.is_err() {
            for copy in copies {
                self.delete_bytes(copy).await;
            }
        }
        result
    }

    async fn files_to_publish(
        &self,
        namespace: Namespace,
        pins: &[PathPin],
    ) -> Result<Vec<(VaultPath, VaultFile)>, Error> {
        let mut files: Vec<(VaultPath, VaultFile)> = Vec::new();
        for (index, pin) in pins.iter().enumerate() {
            let pointer = format!("/paths/{index}");
            let room = (MOST_FILES + 1).saturating_sub(files.len());
            if room == 0 {
                break;
            }
            let found = self.files_of_pin(namespace, pin, "", None, room).await?;
            if found.is_empty() {
                return Err(Error::invalid(pointer, "there is no such file, or the folder is empty"));
            }
            for file in found {
                let below = match pin {
                    PathPin::File(path) => path.file_name().to_owned(),
                    PathPin::Folder(_) => file.path.as_str()[pin.listing_prefix().len()..].to_owned(),
                };
                let path = VaultPath::parse(&below).map_err(Error::path(pointer.as_str()))?;
                files.push((path, file));
            }
        }
        files.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(twice) = files.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::invalid("/paths", format!("two files would be published as {}", twice[0].0)));
        }
        if files.len() > MOST_FILES {
            return Err(Error::invalid("/paths", "an artifact has at most 1,000 files"));
        }
        Ok(files)
    }

    async fn copy_into(
        &self,
        namespace: Namespace,
        label: &ArtifactLabel,
        path: &VaultPath,
        file: &VaultFile,
    ) -> Result<(), Error> {
        let from = ObjectKey::vault(namespace, file.object);
        let gone = || Error::conflict("file_changed", format!("{path} changed while it was published; try again"));
        let facts = self.objects.head(&from).await?.ok_or_else(gone)?;
        // Somebody who can write the storage may have put another one there.
        if let (Some(Checksum::Full(stored)), Some(completed)) = (&facts.checksum, file.checksum.full())
            && base16ct::lower::encode_string(stored) != completed
        {
            return Err(Error::Internal("a file in the storage is not the one that was completed".into()));
        }
        let etag: &ETag = &facts.etag;
        let content_type = ContentType::parse(&file.content_type).unwrap_or_else(|_| ContentType::unknown());
        let to = ObjectKey::artifact(namespace.tenant, label, path);
        let part_size = PartPlan::of(file.size, false).map_or(u64::MAX, |plan| plan.part_size);
        match self.objects.copy(&from, etag, &to, &content_type, part_size).await {
            Ok(_) => Ok(()),
            Err(CopyError::Changed) => Err(gone()),
            Err(CopyError::Unavailable(fault)) => Err(fault.into()),
        }
    }

    /// The tenant's artifacts, newest first.
    ///
    /// # Errors
    /// When the page asked for is not one.
    pub async fn list_artifacts(&self, caller: &Caller, request: &PageRequest) -> Result<Page<SeenArtifact>, Error> {
        let namespace = caller.namespace();
        let page = self.newest_first(rows::artifacts(namespace), namespace, request).await?;
        let sealed = self.sealed(namespace.tenant).await?;
        let artifacts = page.items.iter().filter_map(|row| sealed.readable::<Artifact>(row));
        let own: Vec<_> = artifacts.filter(|artifact| visible(caller, artifact)).collect();
        let makers = self.makers(namespace, own.iter().map(|artifact| artifact.made.minter)).await?;
        let items = own.into_iter().map(|artifact| {
            let maker = makers.maker(artifact.made.minter);
            SeenArtifact { artifact, maker }
        });
        Ok(Page { items: items.collect(), next_cursor: page.next_cursor })
    }

    /// One of the caller's artifacts.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn inspect_artifact(&self, caller: &Caller, id: ArtifactId) -> Result<(SeenArtifact, Manifest), Error> {
        let artifact = self.own_artifact(caller, id).await?.value;
        let maker = self.maker(&artifact.made).await?;
        Ok((SeenArtifact { artifact, maker }, self.manifest(id).await?))
    }

    async fn manifest(&self, id: ArtifactId) -> Result<Manifest, Error> {
        let [row] = self.store.get([rows::artifact_manifest(id)]).await?;
        Ok(self.decode_if::<Manifest>(row.as_ref())?.ok_or(Error::NotFound)?.value)
    }

    pub(super) async fn own_artifact(&self, caller: &Caller, id: ArtifactId) -> Result<Record<Artifact>, Error> {
        let artifact = self.artifact(caller.namespace(), id).await?.ok_or(Error::NotFound)?;
        if visible(caller, &artifact.value) { Ok(artifact) } else { Err(Error::NotFound) }
    }

    pub(super) async fn artifact(
        &self,
        namespace: Namespace,
        id: ArtifactId,
    ) -> Result<Option<Record<Artifact>>, Error> {
        let [row] = self.store.get([rows::artifact(namespace, id)]).await?;
        self.sealed(namespace.tenant).await?.decode_if(row.as_ref())
    }

    /// Deletes an artifact: from the commit on nothing opens it, then its
    /// objects go. Deleting again goes on with objects that were left.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn delete_artifact(&self, caller: &Caller, id: ArtifactId) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let artifact = self.own_artifact(caller, id).await?;
            if artifact.value.deleted_at.is_none() {
                let origin = caller.origin(self);
                let deleted = Artifact { deleted_at: Some(origin.at), ..artifact.value.clone() };
                let event = origin.done(EventType::ArtifactDeleted, caller.actor(), id);
                let key = rows::artifact(origin.namespace, id);
                let sealed = self.sealed(origin.namespace.tenant).await?;
                let write = sealed.put(key, Expected::Version(artifact.version), &deleted, None)?;
                match committed(self.store.commit(self.recording(&event)?.write(write)).await)? {
                    Committed::Done => {}
                    Committed::ReadAgain => continue,
                }
            }
            let label = ArtifactLabel::of(id);
            let manifest = self.manifest(id).await?;
            let tenant = caller.namespace().tenant;
            let keys = manifest.files.iter().map(|file| ObjectKey::artifact(tenant, &label, &file.path));
            let mut deleting = stream::iter(keys.map(|key| async move { self.objects.delete(&key).await }))
                .buffer_unordered(COPIES_AT_ONCE);
            while let Some(deleted) = deleting.next().await {
                deleted?;
            }
            return Ok(());
        }
        Err(outrun())
    }
}

fn visible(caller: &Caller, artifact: &Artifact) -> bool {
    caller.principal.grants.administer() || artifact.made.minter == caller.principal.id
}
