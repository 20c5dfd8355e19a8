//! The edge, where Cloakroom itself serves artifacts: who is admitted to a
//! host, and which object a path of it is.

use crate::{
    crypto::edge_cookie::EdgeCookies,
    domain::{artifact::Artifact, path::VaultPath},
    objects::{ArtifactLabel, ByteRange, ByteStream, ETag, ObjectKey},
};

use super::{Broker, Error, access::Authority, artifacts::ArtifactPointer, rows};

/// A file of an artifact, about to be served.
#[derive(Debug)]
pub struct EdgeFile {
    /// Where its bytes are.
    key: ObjectKey,
    /// How many bytes.
    pub size: u64,
    /// Which bytes.
    pub etag: ETag,
    /// Its media type.
    pub content_type: String,
}

impl Broker {
    /// The artifact of a host, for a browser that these cookies admit.
    ///
    /// # Errors
    /// [`Error::DeadToken`] for cookies that do not admit, and for an artifact
    /// that is gone, alike.
    pub async fn admitted(&self, label: &ArtifactLabel, cookies: &EdgeCookies) -> Result<Artifact, Error> {
        let origin = self.settings.content.of(label);
        self.edge.verify(cookies, &origin, self.now()).map_err(|_| Error::DeadToken)?;
        let [pointer] = self.store.get([rows::artifact_host(label)]).await?;
        let pointer = pointer.and_then(|row| self.decode::<ArtifactPointer>(&row).ok()).ok_or(Error::DeadToken)?.value;
        let artifact = self.artifact(pointer.namespace, pointer.id).await?.ok_or(Error::DeadToken)?.value;
        if self.is_live(&artifact).await? { Ok(artifact) } else { Err(Error::DeadToken) }
    }

    /// Whether an artifact is published, and its publisher still stands behind it.
    pub(super) async fn is_live(&self, artifact: &Artifact) -> Result<bool, Error> {
        let Authority { tenant, minter, .. } = self.authority(&artifact.made, None).await?;
        let stands = artifact.made.is_backed(tenant.as_ref(), minter.as_ref(), self.now());
        Ok(stands.is_ok() && artifact.deleted_at.is_none())
    }

    /// The file that a decoded URL path of the host names: itself, or the
    /// index document of a folder.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the artifact has no such file.
    pub async fn edge_file(&self, artifact: &Artifact, url_path: &str) -> Result<EdgeFile, Error> {
        let path = url_path.trim_start_matches('/');
        let name =
            if path.is_empty() || path.ends_with('/') { format!("{path}{}", artifact.index) } else { path.to_owned() };
        let path = VaultPath::parse(&name).map_err(|_| Error::NotFound)?;
        let key = ObjectKey::artifact(artifact.made.namespace.tenant, &ArtifactLabel::of(artifact.id), &path);
        let facts = self.objects.head(&key).await?.ok_or(Error::NotFound)?;
        Ok(EdgeFile { key, size: facts.size, etag: facts.etag, content_type: facts.content_type.into() })
    }

    /// The bytes of a file, or of a part of it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it has gone in the meantime.
    pub async fn edge_bytes(&self, file: &EdgeFile, range: Option<ByteRange>) -> Result<ByteStream, Error> {
        self.objects.read(&file.key, range).await?.ok_or(Error::NotFound)
    }
}
