//! Completing: callers wait for it, a while; it goes on without them.

use std::time::Duration;

use crate::domain::{
    ids::UploadId,
    permission::Permission,
    upload::{Progress, Upload},
};

use super::{
    super::{Broker, Error, records::ROUNDS},
    InspectedUpload, MayUpload, Uploader,
    end::rejected,
    under_way::Joined,
};

/// For how long a caller is kept waiting. Proxies give up after a minute, some after half.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a caller who asked for completion is told.
#[derive(Clone, Debug)]
pub enum Completion {
    /// The file is in the vault.
    Done(InspectedUpload),
    /// It is being verified; ask again.
    UnderWay(Upload),
}

impl Broker {
    /// Verifies what arrived and moves it into the vault. Completing again
    /// gives the same answer and the same receipt.
    ///
    /// # Errors
    /// When not everything has arrived, or something else than was declared.
    pub async fn complete_upload(&self, who: &dyn MayUpload, id: UploadId) -> Result<Completion, Error> {
        let uploader = who.uploader(self);
        let upload = self.upload_of(&uploader, id).await?.value;
        let path = &upload.declaration.path;
        who.may(path, Permission::Read).map_err(|_| Error::NotFound)?;
        who.may(path, Permission::Write)?;
        match tokio::time::timeout(PATIENCE, self.completed(&uploader, id)).await {
            Ok(done) => done.map(Completion::Done),
            Err(_) => Ok(Completion::UnderWay(upload)),
        }
    }

    async fn completed(&self, uploader: &Uploader, id: UploadId) -> Result<InspectedUpload, Error> {
        loop {
            let upload = self.upload_of(uploader, id).await?.value;
            match &upload.progress {
                Progress::Pending => {}
                Progress::Completed { .. } => return self.inspected(upload).await,
                Progress::Rejected { reason, .. } => return Err(rejected(*reason)),
                Progress::Cancelled { .. } => {
                    return Err(Error::conflict("upload_cancelled", "this upload was called off; declare another"));
                }
                Progress::Expired { .. } => return Err(expired()),
            }
            let Joined { mut outcome, is_new } = self.under_way.join(uploader.made.namespace, id, || {
                let (broker, uploader) = (self.clone(), uploader.clone());
                async move { broker.promote(&uploader, id).await }
            });
            let outcome = outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
            match outcome {
                // One that began earlier may not have seen what this caller has sent since.
                Ok(Some(Err(fault))) if is_new => return Err(fault),
                Ok(_) => {}
                Err(_) => return Err(Error::Internal("a completion was lost".into())),
            }
        }
    }

    /// Promotes what arrived, round by round, until the upload is settled.
    async fn promote(&self, uploader: &Uploader, id: UploadId) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let upload = self.upload_of(uploader, id).await?;
            if upload.value.progress != Progress::Pending {
                return Ok(());
            }
            if self.now() >= upload.value.declaration.completable_until() {
                return Err(expired());
            }
            if let Some(settled) = self.try_to_promote(uploader, upload).await? {
                return settled;
            }
        }
        Err(Error::Busy)
    }
}

fn expired() -> Error {
    Error::conflict("upload_expired", "this upload has expired; declare another")
}
