//! Sessions: what a claimant does under a share. Every action reads the share,
//! its claim, the tenant and the minter again.

use crate::{
    crypto::{
        claim::ClaimHash,
        secret::SecretText,
        session_token::{SessionToken, SessionTokenContents},
    },
    domain::{
        event::Actor,
        ids::{RequestId, SessionId},
        instant::Instant,
        lifetime,
        object::VaultFile,
        path::{PathPin, VaultPath},
        permission::{Permission, SharePermission},
        redemption::Claim,
        share::{ShareGrant, ShareRights},
        upload::Within,
    },
    objects::SignedRequest,
};

use super::{
    Broker, Error,
    events::Origin,
    listing::{Page, PageRequest},
    uploads::{MayUpload, Uploader, key_scope},
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
    minter: crate::domain::api_key::ApiKey,
    tenant: crate::domain::tenant::Tenant,
    request: RequestId,
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
        self.minter.expires_at.map_or(self.claim.access_until, |end| end.min(self.claim.access_until))
    }

    fn rights(&self) -> Result<ShareRights<'_>, Error> {
        self.grant.rights(&self.minter.grants).map_err(|_| Error::NoSession)
    }

    fn actor(&self) -> Actor {
        Actor::Session { share: self.grant.id, claim: self.claim_hash.to_string() }
    }

    fn origin(&self, broker: &Broker) -> Origin {
        Origin { namespace: self.grant.made.namespace, request: Some(self.request), at: broker.now() }
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
            scopes: key_scope(&self.minter),
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
    pub async fn session(&self, token: &SecretText, request: RequestId) -> Result<Session, Error> {
        let token: SessionTokenContents = SessionToken::open(token, &self.keyring).map_err(|_| Error::NoSession)?;
        let now = self.now();
        if now >= token.expires_at {
            return Err(Error::NoSession);
        }
        let rows = self.share_rows(token.share, Some(token.claim), &token.grant_hash).await?;
        let rows = rows.map_err(|_| Error::NoSession)?;
        rows.stands(now).map_err(|_| Error::NoSession)?;
        let (Some(claim), Some(tenant), Some(minter)) = (rows.claim, rows.tenant, rows.minter) else {
            return Err(Error::NoSession);
        };
        let revoked = rows.state.value.revoked_at.is_some();
        if revoked || claim.returns(now).is_err() || tenant.id != token.tenant {
            return Err(Error::NoSession);
        }
        Ok(Session {
            id: token.session,
            expires_at: token.expires_at,
            claim,
            claim_hash: token.claim,
            grant: rows.grant,
            minter,
            tenant,
            request,
        })
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
    pub async fn session_download(&self, session: &Session, path: &VaultPath) -> Result<SignedRequest, Error> {
        session.may(path, Permission::Read)?;
        let origin = session.origin(self);
        let file = self.file(origin.namespace, path).await?;
        let until = origin.at.plus(lifetime::DOWNLOAD_URL).min(session.ends_at());
        self.issue_download(origin, session.actor(), &file, until).await
    }
}
