//! The objects of a tenant that is removed, in every version. They go before the rows that name them.

use crate::{
    domain::{artifact::Manifest, ids::ArtifactId, ledger_export::Export, tenant::Namespace},
    objects::{ArtifactLabel, Doomed, MultipartId, ObjectFolder, ObjectKey},
};

use super::{
    Error,
    ledger_exports::names_of,
    removal::Removal,
    removed_rows::{OfUpload, Pages},
    rows,
    uploads::place_of,
};

impl Removal<'_> {
    /// Removes all objects of a namespace but its checkpoints.
    pub(super) async fn objects_before_rows(&mut self, namespace: Namespace) -> Result<Option<()>, Error> {
        // Where uploads in parts cannot be listed, their rows name them.
        let mut pages = Pages::of(rows::uploads(namespace));
        while let Some(page) = pages.next(self.broker).await? {
            for upload in page.iter().filter_map(|row| self.broker.readable::<OfUpload>(row)) {
                if let Some((key, id)) = place_of(&upload, namespace)? {
                    self.broker.objects.abort_multipart(&key, &MultipartId(id)).await?;
                }
            }
        }
        let mut exported = Vec::new();
        let mut pages = Pages::of(rows::exports(namespace));
        while let Some(page) = pages.next(self.broker).await? {
            for export in page.iter().filter_map(|row| self.broker.readable::<Export>(row)) {
                let names = names_of(&export);
                exported.extend(names.map(|name| ObjectKey::export(namespace, export.id, &name)));
            }
        }
        let Some(()) = self.erase(&Doomed::exports(namespace, exported)).await? else { return Ok(None) };
        let mut pages = Pages::of(rows::artifacts(namespace));
        while let Some(page) = pages.next(self.broker).await? {
            for artifact in page.iter().filter_map(|row| row.key.sort.parse::<ArtifactId>().ok()) {
                let label = ArtifactLabel::of(artifact);
                let [row] = self.broker.store.get([rows::artifact_manifest(artifact)]).await?;
                let manifest = row.and_then(|row| self.broker.readable::<Manifest>(&row));
                let files = manifest.into_iter().flat_map(|manifest| manifest.files);
                let known = files.map(|file| ObjectKey::artifact(namespace.tenant, &label, &file.path)).collect();
                let Some(()) = self.erase(&Doomed::artifact(&label, known)).await? else { return Ok(None) };
            }
        }
        for folder in [ObjectFolder::Inbox(namespace), ObjectFolder::Vault(namespace)] {
            let Some(()) = self.erase(&Doomed::folder(folder)).await? else { return Ok(None) };
        }
        Ok(Some(()))
    }

    /// Removes the checkpoints of a namespace.
    pub(super) async fn checkpoints(&mut self, namespace: Namespace) -> Result<Option<()>, Error> {
        let folders = [
            ObjectFolder::Erased(namespace),
            ObjectFolder::Superseded(namespace),
            ObjectFolder::Checkpoints(namespace),
        ];
        for folder in folders {
            let Some(()) = self.erase(&Doomed::folder(folder)).await? else { return Ok(None) };
        }
        Ok(Some(()))
    }

    async fn erase(&mut self, doomed: &Doomed) -> Result<Option<()>, Error> {
        loop {
            match self.broker.objects.erase(doomed).await? {
                0 => return Ok(Some(())),
                removed => {
                    let Some(()) = self.counted(removed).await? else { return Ok(None) };
                }
            }
        }
    }
}
