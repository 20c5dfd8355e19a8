//! What stands behind a text that is presented to redeem or preview a share: its rows as they are now, and everything that
//! can refuse it, in one order for all who ask.

use crate::{
    crypto::{
        claim::ClaimHash,
        grant_hash::grant_hash,
        move_token::{MoveToken, MoveTokenContents},
        row_mac::NotAuthentic,
        secret::SecretText,
        share_token::{ShareToken, ShareTokenContents},
    },
    domain::{
        event::EventType,
        ids::{ShareId, TenantId},
        instant::Instant,
        narrowing::{Conditions, Notes},
        network::ClientAddress,
        principal::Principal,
        redemption::{Claim, Move, Redemption, UseState},
        refusal::Refusal,
        share::ShareGrant,
        tenant::{Mode, Namespace, Tenant},
    },
    store::Version,
};

use super::{
    Asking, Broker, Error,
    access::Authority,
    events::Origin,
    recipients::{Addressed, is_still_addressed},
    records::Record,
    rows,
    shares::ShareRow,
};

/// What a text is that presents itself to be redeemed, once it has been opened.
pub(super) struct Presented {
    tenant: TenantId,
    pub(super) share: ShareId,
    grant_hash: [u8; 32],
    pub(super) way: Way,
}

impl Presented {
    /// A token that claims this share.
    pub(super) const fn to_claim(tenant: TenantId, share: ShareId, grant_hash: [u8; 32]) -> Self {
        Self { tenant, share, grant_hash, way: Way::Claiming }
    }
}

/// How it leads to a session.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// By claiming the share.
    Claiming,
    /// By going on with a claim.
    Moving { from: ClaimHash, offered_until: Instant },
}

/// What comes of it.
pub(super) enum Opening {
    Claims { state: UseState, claim: Claim },
    Moves { from: ClaimHash, version: Version, ended: Claim, claim: Claim },
    Returns { claim: Claim },
    Later { opens_at: Instant },
}

/// The rows behind a share, as they are now.
pub(super) struct ShareRows {
    pub(super) grant: ShareGrant,
    /// As they are now.
    pub(super) conditions: Conditions,
    pub(super) notes: Notes,
    /// Who alone may claim it.
    pub(super) addressed: Option<Addressed>,
    pub(super) state: Record<UseState>,
    pub(super) claim: Option<Claim>,
    pub(super) tenant: Option<Tenant>,
    pub(super) minter: Option<Principal>,
}

impl Broker {
    /// Reads all that a share's fate depends on.
    ///
    /// # Errors
    /// Inside: [`Refusal::Unknown`] or [`Refusal::Altered`]. Fail closed: a
    /// row that is missing or not ours is a refusal.
    pub(super) async fn share_rows(
        &self,
        (tenant, share): (TenantId, ShareId),
        claim: Option<ClaimHash>,
        sealed_hash: &[u8; 32],
    ) -> Result<Result<ShareRows, Refusal>, Error> {
        let mut read = self.share_rows_once((tenant, share), claim, sealed_hash).await?;
        // Recipients and their mark lie in two rows, and somebody may just have changed both.
        for _ in 0..2 {
            if matches!(read, Err(Refusal::Altered)) {
                read = self.share_rows_once((tenant, share), claim, sealed_hash).await?;
            }
        }
        Ok(read)
    }

    async fn share_rows_once(
        &self,
        (tenant, share): (TenantId, ShareId),
        claim: Option<ClaimHash>,
        sealed_hash: &[u8; 32],
    ) -> Result<Result<ShareRows, Refusal>, Error> {
        let claim = claim.map(|claim| rows::share_claim(share, claim));
        let known = self.known_principals.minter_of(share).filter(|(namespace, _)| namespace.tenant == tenant);
        let mut keys = vec![rows::share_grant(share), rows::share_state(share)];
        // Where it is known who has minted it, all is read at once.
        keys.extend(known.iter().flat_map(|(namespace, minter)| Authority::rows(*namespace, *minter, claim.clone())));
        let mut found = self.store.get_all(&keys).await?;
        let mut behind = found.split_off(2);
        let [Some(grant), Some(state)] = found.as_slice() else { return Ok(Err(Refusal::Unknown)) };
        let sealed = self.sealed(tenant).await?;
        let (Ok(row), Ok(state)) = (sealed.decode::<ShareRow>(grant), sealed.decode::<UseState>(state)) else {
            return Ok(Err(Refusal::Altered));
        };
        let ShareRow { grant, notes } = row.value;
        if grant.id != share || grant_hash(&grant) != *sealed_hash {
            return Ok(Err(Refusal::Altered));
        }
        let minter = (grant.made.namespace, grant.made.minter);
        self.known_principals.keep_minter(share, minter);
        if known != Some(minter) {
            // After the state: a claim that the state counts is then there to be found.
            behind = self.store.get_all(&Authority::rows(minter.0, minter.1, claim.clone())).await?;
        }
        let Authority { tenant: tenant_now, minter: minter_now, claim: mut found } =
            self.authority_in(minter.0, &behind).await?;
        let conditions = grant.conditions.under(&state.value);
        let addressed = self.addressed(tenant, share.as_bytes(), &conditions, notes.recipients.as_ref());
        // What is read at once is not all of one moment: a claim may be older than the state that counts it, or than the list it is on.
        let is_overtaken = match (&found, &addressed) {
            (Ok(None), _) => state.value.claims > 0,
            (Ok(Some(claim)), Ok(addressed)) => {
                !is_still_addressed(&grant.conditions, &state.value, addressed.as_ref(), claim)
            }
            _ => false,
        };
        if known == Some(minter)
            && is_overtaken
            && let Some(claim) = claim
        {
            let [row] = self.store.get([claim]).await?;
            let read = self.decode_if::<Claim>(row.as_ref()).map_err(|_| NotAuthentic);
            found = read.map(|record| record.map(|record| record.value));
        }
        let (Ok(claim), Ok(addressed)) = (found, addressed) else { return Ok(Err(Refusal::Altered)) };
        Ok(Ok(ShareRows { grant, conditions, notes, addressed, state, claim, tenant: tenant_now, minter: minter_now }))
    }

    /// What a text is that presents itself to be redeemed.
    pub(super) fn presented(&self, token: &SecretText) -> Result<Presented, Error> {
        if MoveToken::is_one(token) {
            let token = MoveToken::open(token, &self.keyring).map_err(|_| self.refuse_unattributed())?;
            let MoveTokenContents { tenant, share, grant_hash, claim, expires_at, .. } = token;
            let way = Way::Moving { from: claim, offered_until: expires_at };
            return Ok(Presented { tenant, share, grant_hash, way });
        }
        let token = ShareToken::open(token, &self.keyring).map_err(|_| self.refuse_unattributed())?;
        let ShareTokenContents { tenant, share, grant_hash, .. } = token;
        Ok(Presented::to_claim(tenant, share, grant_hash))
    }

    /// The rows behind what is presented, and the claim that is to move.
    pub(super) async fn presented_rows(
        &self,
        presented: &Presented,
        claim: Option<ClaimHash>,
    ) -> Result<Result<(ShareRows, Option<Record<Claim>>), Refusal>, Error> {
        // First: when it has moved by then, what it has become is there to be found.
        let leaving = match presented.way {
            Way::Claiming => None,
            Way::Moving { from, .. } => {
                let [row] = self.store.get([rows::share_claim(presented.share, from)]).await?;
                match self.decode_if::<Claim>(row.as_ref()) {
                    Ok(leaving) => leaving,
                    Err(_) => return Ok(Err(Refusal::Altered)),
                }
            }
        };
        let rows = self.share_rows((presented.tenant, presented.share), claim, &presented.grant_hash).await?;
        Ok(rows.map(|rows| (rows, leaving)))
    }

    /// Refuses a genuine token, on its owner's record where it has an owner.
    pub(super) async fn refuse_share(
        &self,
        token: &Presented,
        rows: Option<&ShareRows>,
        origin: Origin,
        why: Refusal,
    ) -> Error {
        match rows {
            Some(rows) if rows.tenant.is_some() => {
                self.refuse(origin, EventType::ShareRefused, token.share.to_string(), why).await
            }
            _ => self.refuse_unattributed(),
        }
    }

    /// As [`Broker::refuse_share`], where the rows are missing or not ours: the
    /// token itself names the tenant.
    pub(super) async fn refuse_unread_share(&self, token: &Presented, asking: Asking, why: Refusal) -> Error {
        let namespace = Namespace { tenant: token.tenant, mode: Mode::Live };
        let origin = Origin { namespace, asking: Some(asking), at: self.now() };
        match self.store.get([rows::tenant(token.tenant)]).await {
            Ok([Some(_)]) => self.refuse(origin, EventType::ShareRefused, token.share.to_string(), why).await,
            _ => self.refuse_unattributed(),
        }
    }
}

impl ShareRows {
    /// Everything that can refuse a share, in one order for redeeming and looking.
    pub(super) fn open(
        &self,
        token: &Presented,
        leaving: Option<&Record<Claim>>,
        now: Instant,
        from: ClientAddress,
    ) -> Result<Opening, Refusal> {
        if token.tenant != self.grant.made.namespace.tenant {
            return Err(Refusal::Altered);
        }
        self.stands(now, from)?;
        let (state, existing) = (&self.state.value, self.claim.as_ref());
        let Way::Moving { from, offered_until } = token.way else {
            return Ok(match self.conditions.terms.redeem(state, existing, now)? {
                Redemption::First { state, claim } => Opening::Claims { state, claim },
                Redemption::Again { claim } => Opening::Returns { claim },
                Redemption::Later { opens_at } => Opening::Later { opens_at },
            });
        };
        let (minted, addressed) = (&self.grant.conditions, self.addressed.as_ref());
        if leaving.is_some_and(|leaving| !is_still_addressed(minted, state, addressed, &leaving.value)) {
            return Err(Refusal::NoRecipientAnyMore);
        }
        let moved = state.move_claim(leaving.map(|leaving| &leaving.value), existing, offered_until, now)?;
        match (moved, leaving) {
            (Move::First { ended, claim }, Some(Record { version, .. })) => {
                Ok(Opening::Moves { from, version: *version, ended, claim })
            }
            (Move::First { .. }, None) => Err(Refusal::Unknown),
            (Move::Again { claim }, _) => Ok(Opening::Returns { claim }),
        }
    }

    /// Whether tenant and minter still stand behind the share, with something left to give to somebody there.
    pub(super) fn stands(&self, now: Instant, from: ClientAddress) -> Result<(), Refusal> {
        self.grant.made.is_backed(self.tenant.as_ref(), self.minter.as_ref(), now)?;
        let minter = self.minter.as_ref().ok_or(Refusal::MinterEnded)?;
        self.grant.rights(&minter.grants)?;
        let (minted, state, addressed) = (&self.grant.conditions, &self.state.value, self.addressed.as_ref());
        if self.claim.as_ref().is_some_and(|claim| !is_still_addressed(minted, state, addressed, claim)) {
            return Err(Refusal::NoRecipientAnyMore);
        }
        self.conditions.restrictions.admits(from)
    }
}
