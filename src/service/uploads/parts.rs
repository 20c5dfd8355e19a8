//! Parts: signed as they are asked for, again and again while the upload lives.

use crate::{
    crypto::digest::Sha256Digest,
    domain::{
        event::EventType,
        ids::UploadId,
        lifetime,
        parts::{Part, PartPlan},
        permission::Permission,
        upload::{Declaration, Progress, Transfer},
    },
    objects::{MultipartId, PartContract, SignedRequest, StoredPart},
};

use super::{
    super::{
        Broker, Error,
        listing::{Page, PageRequest},
    },
    MayUpload, inbox_key, namespace_of, storage_id,
};

/// At most so many parts are signed at once.
const MOST_AT_ONCE: usize = 1_000;

/// A part to be signed.
#[derive(Clone, Debug)]
pub struct WantedPart {
    /// Which part.
    pub number: u32,
    /// The SHA-256 of its bytes.
    pub sha256: Option<Sha256Digest>,
}

/// A part and the request that sends it.
#[derive(Debug)]
pub struct SignedPart {
    /// Which part, and which bytes of the file it is.
    pub part: Part,
    /// What to send. A credential until it expires.
    pub request: SignedRequest,
}

/// A part that has arrived whole.
#[derive(Clone, Debug)]
pub struct ArrivedPart {
    /// Which part.
    pub number: u32,
    /// How many bytes.
    pub size: u64,
    /// Their SHA-256 in hexadecimal, where the storage knows it.
    pub sha256: Option<String>,
}

impl Broker {
    /// Signs parts of a pending upload.
    ///
    /// # Errors
    /// When there is no such part, or its checksum is missing or too much.
    pub async fn sign_parts(
        &self,
        who: &dyn MayUpload,
        id: UploadId,
        wanted: &[WantedPart],
    ) -> Result<Vec<SignedPart>, Error> {
        let uploader = who.uploader(self);
        let upload = self.upload_of(&uploader, id).await?.value;
        let declaration = &upload.declaration;
        who.may(&declaration.path, Permission::Read).map_err(|_| Error::NotFound)?;
        who.may(&declaration.path, Permission::Write)?;
        let (plan, storage_id) = pending_parts(declaration, &upload.progress)?;
        let now = uploader.origin.at;
        if now >= declaration.expires_at {
            return Err(Error::conflict("upload_expired", "this upload has expired; declare another"));
        }
        if !(1..=MOST_AT_ONCE).contains(&wanted.len()) {
            return Err(Error::invalid("/parts", "ask for 1 to 1,000 parts at once"));
        }
        let ends = now.plus(lifetime::PART_URL).min(declaration.expires_at);
        let expires_at = uploader.until.map_or(ends, |until| until.min(ends));
        let key = inbox_key(declaration)?;
        let mut signed = Vec::with_capacity(wanted.len());
        for (index, wanted) in wanted.iter().enumerate() {
            let pointer = |field: &str| format!("/parts/{index}/{field}");
            let part = plan.part(wanted.number, declaration.size).ok_or_else(|| {
                Error::invalid(pointer("number"), format!("this upload has the parts 1 to {}", plan.count))
            })?;
            match (plan.checksums, wanted.sha256) {
                (true, None) => {
                    return Err(Error::invalid(pointer("sha256"), "was agreed for every part: part_checksums"));
                }
                (false, Some(_)) => {
                    return Err(Error::invalid(
                        pointer("sha256"),
                        "was not agreed; declare the upload with part_checksums",
                    ));
                }
                _ => {}
            }
            let contract = PartContract {
                key: key.clone(),
                upload: storage_id.clone(),
                number: part.number,
                part_size: plan.part_size,
                size: part.size,
                sha256: wanted.sha256,
                expires_at,
            };
            signed.push(SignedPart { part, request: self.objects.sign_part(&contract, now).await? });
        }
        let mut event = uploader.origin.done(EventType::UploadPartsIssued, uploader.actor, id);
        event.count = Some(signed.len() as u64);
        self.record(&event).await?;
        Ok(signed)
    }

    /// The parts of a pending upload that have arrived.
    ///
    /// # Errors
    /// When the upload is not in parts, or is over.
    pub async fn arrived_parts(
        &self,
        who: &dyn MayUpload,
        id: UploadId,
        request: &PageRequest,
    ) -> Result<Page<ArrivedPart>, Error> {
        let upload = self.upload_of(&who.uploader(self), id).await?.value;
        let declaration = &upload.declaration;
        who.may(&declaration.path, Permission::Read).map_err(|_| Error::NotFound)?;
        let (_, storage_id) = pending_parts(declaration, &upload.progress)?;
        let limit = request.limit()?;
        let list = format!("parts#{id}");
        let after = self.position(&list, namespace_of(declaration), request)?;
        let after: u32 = after.and_then(|after| after.parse().ok()).unwrap_or_default();

        let arrived = self.objects.parts(&inbox_key(declaration)?, &storage_id).await?.unwrap_or_default();
        let mut later = arrived.into_iter().filter(|part| part.number > after);
        let items: Vec<_> = later.by_ref().take(limit).map(ArrivedPart::from).collect();
        let next_cursor = match (later.next(), items.last()) {
            (Some(_), Some(last)) => Some(self.cursor(&list, namespace_of(declaration), &last.number.to_string())?),
            _ => None,
        };
        Ok(Page { items, next_cursor })
    }
}

impl From<StoredPart> for ArrivedPart {
    fn from(part: StoredPart) -> Self {
        let sha256 = part.sha256.map(|digest| base16ct::lower::encode_string(&digest));
        Self { number: part.number, size: part.size, sha256 }
    }
}

fn pending_parts(declaration: &Declaration, progress: &Progress) -> Result<(PartPlan, MultipartId), Error> {
    let Transfer::Multipart { plan, storage_id: id } = &declaration.transfer else {
        return Err(Error::conflict("not_in_parts", "this upload is sent in one request"));
    };
    match progress {
        Progress::Pending => Ok((*plan, storage_id(id))),
        _ => Err(Error::conflict("upload_over", "this upload is over: look at its status")),
    }
}
