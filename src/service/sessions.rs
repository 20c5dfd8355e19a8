//! Sessions: what a claimant does under a share. Every action reads the share,
//! its claim, the tenant and the minter again.

use crate::{
    crypto::{
        claim::ClaimHash,
        digest::Sha256Digest,
        grant_hash::grant_hash,
        secret::SecretText,
        session_token::{SessionToken, SessionTokenContents},
    },
    domain::{
        event::Actor,
        ids::{SessionId, ShareId, TenantId},
        instant::Instant,
        lifetime,
        object::VaultFile,
        path::{PathPin, VaultPath},
        permission::{Permission, SharePermission},
        principal::Principal,
        redemption::Claim,
        share::{ShareGrant, ShareRights},
        tenant::Tenant,
        upload::Within,
    },
    objects::SignedRequest,
};

use super::{
    Asking, Broker, Error,
    events::Origin,
    listing::{Page, PageRequest},
    uploads::{MayUpload, Uploader, scope_of},
    vault::Purpose,
};

/// An open session, checked just now.
#[derive(Debug)]
pub struct Session {
    /// Which one.
    pub id: SessionId,
    /// Until when this credential may be used.
    pub expires_at: Instant,
    /// The claim that opened it.
    pub claim: Claim,
    claim_hash: ClaimHash,
    grant: ShareGrant,
    minter: Principal,
    tenant: Tenant,
    asking: Asking,
}

/// The rows behind a session, once they are all as they must be.
struct Standing {
    grant: ShareGrant,
    claim: Claim,
    tenant: Tenant,
    minter: Principal,
}

impl Session {
    /// What may be done at most.
    pub fn permission(&self) -> SharePermission {
        self.grant.permission
    }

    /// Where.
    pub fn paths(&self) -> &[PathPin] {
        self.grant.pins.as_slice()
    }

    /// Who shares.
    pub fn sender(&self) -> &str {
        &self.tenant.name
    }

    /// No URL that is signed in this session outlives this.
    fn ends_at(&self) -> Instant {
        self.minter.backs_until().map_or(self.claim.access_until, |end| end.min(self.claim.access_until))
    }

    pub(super) fn share(&self) -> ShareId {
        self.grant.id
    }

    pub(super) fn grant(&self) -> &ShareGrant {
        &self.grant
    }

    pub(super) fn claim_hash(&self) -> ClaimHash {
        self.claim_hash
    }

    pub(super) fn allows(&self, path: &VaultPath, permission: Permission) -> bool {
        self.rights().is_ok_and(|rights| rights.allow(path, permission))
    }

    fn rights(&self) -> Result<ShareRights<'_>, Error> {
        self.grant.rights(&self.minter.grants).map_err(|_| Error::NoSession)
    }

    pub(super) fn actor(&self) -> Actor {
        Actor::Session { share: self.grant.id, claim: self.claim_hash.to_string() }
    }

    pub(super) fn origin(&self, broker: &Broker) -> Origin {
        Origin { namespace: self.grant.made.namespace, asking: Some(self.asking), at: broker.now() }
    }
}

impl MayUpload for Session {
    fn uploader(&self, broker: &Broker) -> Uploader {
        Uploader {
            made: self.grant.made.clone(),
            within: Some(Within::Session { share: self.grant.id, claim: self.claim_hash.to_string() }),
            actor: self.actor(),
            origin: self.origin(broker),
            largest_upload: self.minter.largest_upload,
            scopes: scope_of(&self.minter),
            quota: self.tenant.quota,
            until: Some(self.ends_at()),
        }
    }

    fn may(&self, path: &VaultPath, permission: Permission) -> Result<(), Error> {
        if self.rights()?.allow(path, permission) {
            Ok(())
        } else {
            Err(Error::Forbidden(format!("this session has no such permission on {path}")))
        }
    }
}

impl Broker {
    /// The session that a token is for, as it stands now.
    ///
    /// # Errors
    /// [`Error::NoSession`], the same for every token that is not accepted.
    pub async fn session(&self, token: &SecretText, asking: Asking) -> Result<Session, Error> {
        let token: SessionTokenContents = SessionToken::open(token, &self.keyring).map_err(|_| Error::NoSession)?;
        let now = self.now();
        if now >= token.expires_at {
            return Err(Error::NoSession);
        }
        let (claim_hash, id, expires_at) = (token.claim, token.session, token.expires_at);
        let standing = self.standing((token.tenant, token.share), claim_hash, &token.grant_hash, now, asking).await?;
        let Standing { grant, claim, tenant, minter } = standing;
        if claim.returns(now).is_err() || tenant.id != token.tenant {
            return Err(Error::NoSession);
        }
        Ok(Session { id, expires_at, claim, claim_hash, grant, minter, tenant, asking })
    }

    /// A session as it stands now, but for its time: what has begun in it may go on beyond that.
    ///
    /// # Errors
    /// [`Error::NoSession`] when something else has ended it.
    pub(super) async fn session_still_stands(&self, session: &Session) -> Result<Session, Error> {
        let share = (session.tenant.id, session.share());
        let (claim_hash, hash) = (session.claim_hash, grant_hash(&session.grant));
        let Standing { grant, claim, tenant, minter } =
            self.standing(share, claim_hash, &hash, self.now(), session.asking).await?;
        let Session { id, expires_at, asking, .. } = *session;
        Ok(Session { id, expires_at, claim, claim_hash, grant, minter, tenant, asking })
    }

    /// What a session stands on; whether its time is over is another question.
    async fn standing(
        &self,
        share: (TenantId, ShareId),
        claim: ClaimHash,
        sealed_hash: &Sha256Digest,
        now: Instant,
        asking: Asking,
    ) -> Result<Standing, Error> {
        let rows = self.share_rows(share, Some(claim), sealed_hash).await?;
        let rows = rows.map_err(|_| Error::NoSession)?;
        rows.stands(now, asking.from).map_err(|_| Error::NoSession)?;
        match (rows.claim, rows.tenant, rows.minter) {
            (Some(claim), Some(tenant), Some(minter))
                if rows.state.value.revoked_at.is_none() && claim.moved_at.is_none() =>
            {
                Ok(Standing { grant: rows.grant, claim, tenant, minter })
            }
            _ => Err(Error::NoSession),
        }
    }

    /// The files of a session, in the order of their paths.
    ///
    /// # Errors
    /// When the prefix or the page asked for is not one.
    pub async fn session_objects(
        &self,
        session: &Session,
        prefix: &str,
        request: &PageRequest,
    ) -> Result<Page<VaultFile>, Error> {
        let rights = session.rights()?;
        let allowed = |path: &VaultPath| rights.allow(path, Permission::Read);
        self.list_below(session.grant.made.namespace, rights.pins(), &allowed, prefix, request).await
    }

    /// A URL that downloads one file of the session within the next minute.
    ///
    /// # Errors
    /// When the session does not reach the path, or nothing is there.
    pub async fn session_download(
        &self,
        session: &Session,
        path: &VaultPath,
        purpose: Purpose,
    ) -> Result<SignedRequest, Error> {
        session.may(path, Permission::Read)?;
        let origin = session.origin(self);
        let file = self.file(origin.namespace, path).await?;
        let until = origin.at.plus(lifetime::DOWNLOAD_URL).min(session.ends_at());
        self.issue_download(origin, session.actor(), &file, purpose, until).await
    }
}
