//! File requests, as whoever delivers meets them: preview, open, and upload
//! into a folder that nobody else delivers to, and that shows nothing.

use crate::{
    crypto::{
        claim::{ClaimHash, ClaimKey},
        opaque::FileRequestToken,
        secret::SecretText,
        submission_token::{SubmissionToken, SubmissionTokenContents},
    },
    domain::{
        event::{Actor, EventType},
        file_request::{FileRequest, Submission},
        ids::FileRequestId,
        instant::Instant,
        lifetime,
        path::VaultPath,
        permission::Permission,
        principal::Principal,
        quota::Scope,
        redemption::{Redemption, UseState},
        refusal::Refusal,
        tenant::{Namespace, Tenant},
        upload::{LARGEST_SINGLE_REQUEST, Method, Within},
    },
    store::Expected,
};

use super::{
    Asking, Broker, Error, SessionSpender,
    events::Origin,
    file_requests::{FileRequestPointer, purge},
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
    uploads::{DeclareUpload, MayUpload, Uploader, scope_of},
    usage::Usage,
};

/// What whoever delivers is told before they begin.
#[derive(Debug)]
pub struct FileRequestPreview {
    /// Who asks: the tenant's name.
    pub sender: String,
    /// What is asked for.
    pub request: FileRequest,
    /// The largest file that is taken, in bytes: by the request, the key that made it, and the deployment.
    pub largest_file: u64,
    /// How much has been delivered, of how much.
    pub usage: Usage,
    /// Whether a password is wanted.
    pub needs_password: bool,
}

/// A submission that may be gone on with.
#[derive(Debug)]
pub struct OpenedSubmission {
    /// The credential for it.
    pub token: SubmissionToken,
    /// Until when the credential may be used.
    pub expires_at: Instant,
    /// Until when asking again gives a new one.
    pub access_until: Instant,
    /// What is asked for.
    pub preview: FileRequestPreview,
}

/// Somebody who is delivering, checked just now.
#[derive(Debug)]
pub struct Delivering {
    request: FileRequest,
    submission: Submission,
    claim: ClaimHash,
    minter: Principal,
    tenant: Tenant,
    asking: Asking,
}

/// The rows behind a file request, as they are now.
struct RequestRows {
    request: FileRequest,
    state: Record<UseState>,
    submission: Option<Submission>,
    tenant: Option<Tenant>,
    minter: Option<Principal>,
}

impl RequestRows {
    /// Everything that can refuse but a password.
    fn redeem(&self, now: Instant) -> Result<Redemption, Refusal> {
        self.request.made.is_backed(self.tenant.as_ref(), self.minter.as_ref(), now)?;
        let may = self.minter.as_ref().is_some_and(|key| key.grants.allow_pin(&self.request.folder, Permission::Write));
        if !may {
            return Err(Refusal::MinterLostRights);
        }
        let claim = self.submission.as_ref().map(|submission| &submission.claim);
        self.request.terms.redeem(&self.state.value, claim, now)
    }
}

impl Broker {
    async fn request_rows(
        &self,
        namespace: Namespace,
        id: FileRequestId,
        claim: Option<ClaimHash>,
    ) -> Result<Option<RequestRows>, Error> {
        let keys = [rows::file_request(namespace, id), rows::file_request_state(id)];
        let [Some(request), Some(state)] = self.store.get(keys).await? else { return Ok(None) };
        let sealed = self.sealed(namespace.tenant).await?;
        let (Ok(request), Ok(state)) = (sealed.decode::<FileRequest>(&request), sealed.decode::<UseState>(&state))
        else {
            return Ok(None);
        };
        let request = request.value;
        // After the state: a submission that the state counts is then there to be found.
        let authority = self.authority(&request.made, None).await?;
        let submission = match claim {
            None => None,
            Some(claim) => {
                let [row] = self.store.get([rows::submission(id, claim)]).await?;
                match row.map(|row| sealed.decode::<Submission>(&row)) {
                    None => None,
                    Some(Ok(submission)) => Some(submission.value),
                    Some(Err(_)) => return Ok(None),
                }
            }
        };
        Ok(Some(RequestRows { request, state, submission, tenant: authority.tenant, minter: authority.minter }))
    }

    async fn request_of_token(
        &self,
        token: &SecretText,
        claim_key: Option<&ClaimKey>,
    ) -> Result<(RequestRows, Option<ClaimHash>), Error> {
        let token = FileRequestToken::parse(token).map_err(|_| self.refuse_unattributed())?;
        let [pointer] = self.store.get([rows::file_request_token(token.hash())]).await?;
        let pointer: FileRequestPointer =
            pointer.and_then(|row| self.readable(&row)).ok_or_else(|| self.refuse_unattributed())?;
        let claim = claim_key.map(|key| key.hash(pointer.id.as_bytes()));
        let rows = self.request_rows(pointer.namespace, pointer.id, claim).await?;
        Ok((rows.ok_or_else(|| self.refuse_unattributed())?, claim))
    }

    async fn refuse_request(&self, rows: &RequestRows, origin: Origin, why: Refusal) -> Error {
        if rows.tenant.is_some() {
            self.refuse(origin, EventType::FileRequestRefused, rows.request.id.to_string(), why).await
        } else {
            self.refuse_unattributed()
        }
    }

    /// What a file request asks for. Begins nothing.
    ///
    /// # Errors
    /// [`Error::DeadToken`] whatever is wrong with the token.
    pub async fn preview_file_request(
        &self,
        token: &SecretText,
        claim_key: Option<&ClaimKey>,
        asking: Asking,
    ) -> Result<FileRequestPreview, Error> {
        let (rows, _) = self.request_of_token(token, claim_key).await?;
        let now = self.now();
        let origin = Origin { namespace: rows.request.made.namespace, asking: Some(asking), at: now };
        if let Err(why) = rows.redeem(now) {
            return Err(self.refuse_request(&rows, origin, why).await);
        }
        if rows.submission.is_none() {
            self.previewed(origin, EventType::FileRequestPreviewed, rows.request.id);
        }
        self.request_preview(rows).await
    }

    async fn request_preview(&self, rows: RequestRows) -> Result<FileRequestPreview, Error> {
        let usage = self.usage_of(rows.request.made.namespace, Scope::FileRequest(rows.request.id)).await?;
        let by_method = (!self.settings.offered.multipart).then_some(LARGEST_SINGLE_REQUEST);
        let by_key = rows.minter.as_ref().and_then(|key| key.largest_upload);
        let caps = [by_method, by_key, rows.request.largest_file].into_iter().flatten();
        Ok(FileRequestPreview {
            largest_file: caps.fold(self.settings.now().largest_upload, u64::min),
            sender: rows.tenant.map(|tenant| tenant.name).unwrap_or_default(),
            needs_password: rows.request.password.is_some() && rows.submission.is_none(),
            request: rows.request,
            usage,
        })
    }

    /// Begins a submission for whoever holds this claim key, or goes on with it.
    ///
    /// # Errors
    /// [`Error::DeadToken`] whatever is wrong with the token; only the holder
    /// of a live one learns that a password is wanted.
    pub async fn open_submission(
        &self,
        token: &SecretText,
        claim_key: &ClaimKey,
        (password, name): (Option<&SecretText>, Option<&str>),
        asking: Asking,
    ) -> Result<OpenedSubmission, Error> {
        let mut password_checked = false;
        for _ in 0..ROUNDS {
            let (rows, claim) = self.request_of_token(token, Some(claim_key)).await?;
            let Some(claim) = claim else { return Err(Error::DeadToken) };
            let now = self.now();
            let origin = Origin { namespace: rows.request.made.namespace, asking: Some(asking), at: now };
            let redemption = match rows.redeem(now) {
                Ok(redemption) => redemption,
                Err(why) => return Err(self.refuse_request(&rows, origin, why).await),
            };
            let (id, purge) = (rows.request.id, purge(&rows.request));
            // Whoever comes back proved it at the beginning.
            if let Some(stored) = &rows.request.password
                && !password_checked
                && rows.submission.is_none()
            {
                let password = password.ok_or(Error::PasswordRequired)?;
                let tried = (EventType::FileRequestPasswordTried, id.to_string());
                self.count_try(rows::file_request_tries(id), tried, origin, purge).await?;
                if !self.passwords.verify(password.clone(), stored.clone()).await? {
                    self.refuse_request(&rows, origin, Refusal::WrongPassword).await;
                    return Err(Error::PasswordWrong);
                }
                password_checked = true;
                // Time has passed: read everything again.
                continue;
            }
            let actor = Actor::Submission { request: id, claim: claim.to_string() };
            let (access_until, transaction) = match redemption {
                Redemption::First { state, claim: begun } => {
                    let folder = rows.request.submission_folder(self.entropy.bytes(), name, now);
                    let folder = folder.map_err(Error::path("/name"))?;
                    let submission = Submission { claim: begun, folder, name: name.map(str::to_owned) };
                    let state_row = rows::file_request_state(id);
                    let sealed = self.sealed(origin.namespace.tenant).await?;
                    let changed = sealed.put(state_row, Expected::Version(rows.state.version), &state, purge)?;
                    let mut transaction = self
                        .recording_change(&origin.done(EventType::FileRequestOpened, actor, id), changed)?
                        .write(sealed.put(rows::submission(id, claim), Expected::Absent, &submission, purge)?);
                    if password_checked {
                        transaction = transaction.write(self.forget_tries(rows::file_request_tries(id), purge).await?);
                    }
                    (submission.claim.access_until, transaction)
                }
                Redemption::Later { opens_at } => return Err(Error::NotYet { opens_at }),
                Redemption::Again { claim } => {
                    let event = origin.done(EventType::FileRequestRenewed, actor, id);
                    (claim.access_until, self.recording(&event)?)
                }
            };
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => {
                    let expires_at = access_until.min(now.plus(lifetime::CREDENTIAL));
                    let contents = SubmissionTokenContents { request: id, expires_at, claim };
                    let token = SubmissionToken::seal(&contents, &self.keyring, self.entropy.as_ref())?;
                    let preview = self.request_preview(rows).await?;
                    return Ok(OpenedSubmission { token, expires_at, access_until, preview });
                }
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// Whoever delivers with this token, as things stand now.
    ///
    /// # Errors
    /// [`Error::NoSession`], the same for every token that is not accepted.
    pub async fn delivering(&self, token: &SecretText, asking: Asking) -> Result<Delivering, Error> {
        let token = SubmissionToken::open(token, &self.keyring).map_err(|_| Error::NoSession)?;
        let now = self.now();
        if now >= token.expires_at {
            return Err(Error::NoSession);
        }
        let [pointer] = self.store.get([rows::file_request_namespace(token.request)]).await?;
        let namespace: Namespace = pointer.and_then(|row| self.readable(&row)).ok_or(Error::NoSession)?;
        let rows = self.request_rows(namespace, token.request, Some(token.claim)).await?.ok_or(Error::NoSession)?;
        match rows.redeem(now) {
            Ok(Redemption::Again { .. }) => {}
            _ => return Err(Error::NoSession),
        }
        let (Some(submission), Some(minter), Some(tenant)) = (rows.submission, rows.minter, rows.tenant) else {
            return Err(Error::NoSession);
        };
        Ok(Delivering { request: rows.request, submission, claim: token.claim, minter, tenant, asking })
    }
}

impl Delivering {
    /// As whom limits count whoever delivers.
    pub fn spender(&self) -> SessionSpender {
        SessionSpender::Submission(self.request.id, self.claim)
    }
}

impl MayUpload for Delivering {
    fn uploader(&self, broker: &Broker) -> Uploader {
        let (request, claim) = (self.request.id, self.claim.to_string());
        let namespace = self.request.made.namespace;
        let folder = self.submission.folder.listing_prefix();
        let mut scopes = scope_of(&self.minter);
        scopes.push((Scope::FileRequest(request), self.request.limits));
        let caps = [self.minter.largest_upload, self.request.largest_file];
        let closes = self.request.terms.expires_at.min(self.submission.claim.access_until);
        Uploader {
            made: self.request.made.clone(),
            within: Some(Within::Submission { request, claim: claim.clone(), folder }),
            actor: Actor::Submission { request, claim },
            origin: Origin { namespace, asking: Some(self.asking), at: broker.now() },
            largest_upload: caps.into_iter().flatten().min(),
            scopes,
            quota: self.tenant.quota,
            until: Some(self.minter.backs_until().map_or(closes, |end| end.min(closes))),
        }
    }

    /// Within the folder of the submission, as long as its maker may write there.
    /// What is there, only the uploads that were declared here tell.
    fn may(&self, path: &VaultPath, _: Permission) -> Result<(), Error> {
        if self.submission.folder.covers(path) && self.minter.grants.allow(path, Permission::Write) {
            Ok(())
        } else {
            Err(Error::Forbidden(format!("nothing can be delivered to {}", self.submission.shown(path))))
        }
    }

    fn place(&self, path: &VaultPath) -> Result<VaultPath, Error> {
        self.submission.place(path).map_err(Error::path("/path"))
    }

    fn shown(&self, path: &VaultPath) -> String {
        self.submission.shown(path).to_owned()
    }

    fn takes(&self, wanted: &DeclareUpload) -> Result<(), Error> {
        // A form can be sent again and again, and nobody here vouches for who sends it.
        if wanted.method == Method::Post {
            return Err(Error::invalid("/method", "what is delivered is sent by put or multipart"));
        }
        if wanted.overwrite {
            return Err(Error::invalid("/overwrite", "what was delivered cannot be replaced"));
        }
        if !self.request.takes(wanted.content_type.as_str()) {
            let types: Vec<_> = self.request.content_types.iter().map(|pattern| pattern.as_str()).collect();
            return Err(Error::invalid("/content_type", format!("must be one of {}", types.join(", "))));
        }
        Ok(())
    }
}
