//! Shares, as whoever holds the token meets them: preview and redeem.

use crate::{
    crypto::{
        claim::{ClaimHash, ClaimKey},
        grant_hash::grant_hash,
        move_token::{MoveToken, MoveTokenContents},
        row_mac::NotAuthentic,
        secret::SecretText,
        session_token::{SessionToken, SessionTokenContents},
        share_token::{ShareToken, ShareTokenContents},
    },
    domain::{
        event::{Actor, EventType},
        ids::{RequestId, SessionId, ShareId, TenantId},
        instant::Instant,
        lifetime,
        narrowing::{Conditions, Notes},
        network::ClientAddress,
        path::PathPin,
        permission::{Permission, SharePermission},
        principal::Principal,
        recipient::Address,
        redemption::{Claim, Move, Redemption, UseState},
        refusal::Refusal,
        share::ShareGrant,
        tenant::{Mode, Namespace, Tenant},
        text::Message,
    },
    store::{Expected, Transaction, Version},
};

use super::{
    Asking, Broker, Caller, Error,
    access::Authority,
    events::Origin,
    recipients::{Addressed, Proven, RecipientProof, Thing, is_still_addressed, no_code_wanted},
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
    shares::{ShareRow, kept_until},
};

/// The most files that a preview counts.
const MOST_COUNTED: usize = 1_000;

/// What a redemption gives.
#[derive(Debug)]
pub struct OpenedSession {
    /// Which session: the same each time the same claimant asks.
    pub session: SessionId,
    /// The credential.
    pub token: SessionToken,
    /// Until when the credential may be used.
    pub expires_at: Instant,
    /// Until when the claimant may ask for another.
    pub access_until: Instant,
    /// What may be done.
    pub permission: SharePermission,
    /// Where.
    pub paths: Vec<PathPin>,
}

/// What a share would give, told without giving it.
#[derive(Debug)]
pub struct SharePreview {
    /// The tenant's name.
    pub sender: String,
    /// What its minter tells recipients.
    pub message: Option<Message>,
    /// What could be done.
    pub permission: SharePermission,
    /// How many files.
    pub item_count: usize,
    /// Their size together, in bytes.
    pub total_size: u64,
    /// Whether there are more files than were counted.
    pub more: bool,
    /// Whether it goes to recipients alone, and whoever looks has not claimed it yet.
    pub needs_recipient: bool,
    /// From when on it may be claimed, where that is not now.
    pub opens_at: Option<Instant>,
    /// Whether one claims it and nobody else.
    pub single_use: bool,
    /// Until when it may be claimed.
    pub claim_by: Instant,
    /// For how many seconds it then stays open.
    pub access_seconds: u64,
    /// Whether it goes on with a claim, which then ends on the device where it is.
    pub moving: bool,
    /// Which share it is, if whoever is looking minted it.
    pub share: Option<ShareId>,
}

/// What a text is that presents itself to be redeemed, once it has been opened.
struct Presented {
    tenant: TenantId,
    share: ShareId,
    grant_hash: [u8; 32],
    way: Way,
}

/// How it leads to a session.
#[derive(Clone, Copy)]
enum Way {
    /// By claiming the share.
    Claiming,
    /// By going on with a claim.
    Moving { from: ClaimHash, offered_until: Instant },
}

/// What comes of it.
enum Opening {
    Claims { state: UseState, claim: Claim },
    Moves { from: ClaimHash, version: Version, ended: Claim, claim: Claim },
    Returns { claim: Claim },
    Later { opens_at: Instant },
}

/// The rows behind a share, as they are now.
pub(super) struct ShareRows {
    pub(super) grant: ShareGrant,
    /// As they are now.
    conditions: Conditions,
    notes: Notes,
    /// Who alone may claim it.
    addressed: Option<Addressed>,
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
        let found = self.store.get([rows::share_grant(share), rows::share_state(share)]).await?;
        let [Some(grant), Some(state)] = &found else { return Ok(Err(Refusal::Unknown)) };
        let sealed = self.sealed(tenant).await?;
        let (Ok(row), Ok(state)) = (sealed.decode::<ShareRow>(grant), sealed.decode::<UseState>(state)) else {
            return Ok(Err(Refusal::Altered));
        };
        let ShareRow { grant, notes } = row.value;
        if grant.id != share || grant_hash(&grant) != *sealed_hash {
            return Ok(Err(Refusal::Altered));
        }
        // After the state: a claim that the state counts is then there to be found.
        let claim = claim.map(|claim| rows::share_claim(share, claim));
        let Authority { tenant, minter, claim } = self.authority(&grant.made, claim).await?;
        match claim {
            Ok(claim) => {
                let conditions = grant.conditions.under(&state.value);
                let (tenant_id, list) = (grant.made.namespace.tenant, notes.recipients.as_ref());
                let addressed = self.addressed(tenant_id, share.as_bytes(), &conditions, list);
                let rows = |addressed| ShareRows { grant, conditions, notes, addressed, state, claim, tenant, minter };
                Ok(addressed.map(rows))
            }
            Err(NotAuthentic) => Ok(Err(Refusal::Altered)),
        }
    }

    /// What a text is that presents itself to be redeemed.
    fn presented(&self, token: &SecretText) -> Result<Presented, Error> {
        if MoveToken::is_one(token) {
            let token = MoveToken::open(token, &self.keyring).map_err(|_| self.refuse_unattributed())?;
            let MoveTokenContents { tenant, share, grant_hash, claim, expires_at, .. } = token;
            let way = Way::Moving { from: claim, offered_until: expires_at };
            return Ok(Presented { tenant, share, grant_hash, way });
        }
        let token = ShareToken::open(token, &self.keyring).map_err(|_| self.refuse_unattributed())?;
        let ShareTokenContents { tenant, share, grant_hash, .. } = token;
        Ok(Presented { tenant, share, grant_hash, way: Way::Claiming })
    }

    /// The rows behind what is presented, and the claim that is to move.
    async fn presented_rows(
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
    async fn refuse_share(&self, token: &Presented, rows: Option<&ShareRows>, origin: Origin, why: Refusal) -> Error {
        match rows {
            Some(rows) if rows.tenant.is_some() => {
                self.refuse(origin, EventType::ShareRefused, token.share.to_string(), why).await
            }
            _ => self.refuse_unattributed(),
        }
    }

    /// As [`Broker::refuse_share`], where the rows are missing or not ours: the
    /// token itself names the tenant.
    async fn refuse_unread_share(&self, token: &Presented, request: RequestId, why: Refusal) -> Error {
        let namespace = Namespace { tenant: token.tenant, mode: Mode::Live };
        let origin = Origin { namespace, request: Some(request), at: self.now() };
        match self.store.get([rows::tenant(token.tenant)]).await {
            Ok([Some(_)]) => self.refuse(origin, EventType::ShareRefused, token.share.to_string(), why).await,
            _ => self.refuse_unattributed(),
        }
    }

    /// Redeems a share for whoever holds this claim key; or goes on with a claimed one, where the token is one
    /// to move it.
    ///
    /// # Errors
    /// [`Error::DeadToken`] whatever is wrong with the token.
    pub async fn redeem_share(
        &self,
        token: &SecretText,
        claim_key: &ClaimKey,
        proof: Option<&RecipientProof>,
        Asking { request, from }: Asking,
    ) -> Result<OpenedSession, Error> {
        let token = self.presented(token)?;
        let claim_hash = claim_key.hash(token.share.as_bytes());
        let mut is_tried = false;
        for _ in 0..ROUNDS {
            let (rows, leaving) = match self.presented_rows(&token, Some(claim_hash)).await? {
                Ok(found) => found,
                Err(why) => return Err(self.refuse_unread_share(&token, request, why).await),
            };
            let now = self.now();
            let origin = Origin { namespace: rows.grant.made.namespace, request: Some(request), at: now };
            let opening = match rows.open(&token, leaving.as_ref(), now, from) {
                Ok(opening) => opening,
                Err(why) => return Err(self.refuse_share(&token, Some(&rows), origin, why).await),
            };

            let session = claim_key.session(token.share.as_bytes());
            let actor = Actor::Session { share: token.share, claim: claim_hash.to_string() };
            let purge = kept_until(&rows.grant);
            let claim_row = rows::share_claim(token.share, claim_hash);
            let (claim, transaction) = match opening {
                Opening::Claims { state, mut claim } => {
                    let thing = Thing::Share(token.share);
                    let mut used = None;
                    if let Some(addressed) = &rows.addressed {
                        match self.prove(thing, (addressed, proof), is_tried, origin, purge).await? {
                            Proven::Tried => {
                                is_tried = true;
                                continue;
                            }
                            Proven::Ready(recipient, writes) => {
                                claim.recipient = Some(recipient);
                                used = Some(writes);
                            }
                            Proven::Wrong => {
                                self.refuse_share(&token, Some(&rows), origin, Refusal::WrongCode).await;
                                return Err(Error::RecipientWrong);
                            }
                        }
                    }
                    let state_row = rows::share_state(token.share);
                    let sealed = self.sealed(origin.namespace.tenant).await?;
                    let event = origin.done(EventType::ShareClaimed, actor, token.share);
                    let transaction = self
                        .recording(&event)?
                        .write(sealed.put(state_row, Expected::Version(rows.state.version), &state, purge)?)
                        .write(self.put(claim_row, Expected::Absent, &claim, purge)?);
                    (claim, used.into_iter().flatten().fold(transaction, Transaction::write))
                }
                Opening::Moves { from, version, ended, claim } => {
                    let ended_row = rows::share_claim(token.share, from);
                    let event = origin.done(EventType::ShareMoved, actor, token.share);
                    let transaction = self
                        .recording(&event)?
                        .write(self.put(ended_row, Expected::Version(version), &ended, purge)?)
                        .write(self.put(claim_row, Expected::Absent, &claim, purge)?);
                    (claim, transaction)
                }
                Opening::Later { opens_at } => {
                    self.refuse_share(&token, Some(&rows), origin, Refusal::NotYet).await;
                    return Err(Error::NotYet { opens_at });
                }
                Opening::Returns { claim } => {
                    (claim, self.recording(&origin.done(EventType::ShareRenewed, actor, token.share))?)
                }
            };
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return self.open_session(&rows.grant, session, claim_hash, &claim, now),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    fn open_session(
        &self,
        grant: &ShareGrant,
        session: SessionId,
        claim_hash: ClaimHash,
        claim: &Claim,
        now: Instant,
    ) -> Result<OpenedSession, Error> {
        let expires_at = claim.access_until.min(now.plus(lifetime::CREDENTIAL));
        let contents = SessionTokenContents {
            tenant: grant.made.namespace.tenant,
            share: grant.id,
            session,
            issued_at: now,
            expires_at,
            claim: claim_hash,
            grant_hash: grant_hash(grant),
        };
        Ok(OpenedSession {
            session,
            token: SessionToken::seal(&contents, &self.keyring, self.entropy.as_ref())?,
            expires_at,
            access_until: claim.access_until,
            permission: grant.permission,
            paths: grant.pins.as_slice().to_vec(),
        })
    }

    /// Sends a code to an address, if it is that of a recipient of the share. Whoever asks is not told.
    ///
    /// # Errors
    /// [`Error::DeadToken`] whatever is wrong with the token; when no code is wanted to redeem it, or too many were asked
    /// for.
    pub async fn send_share_code(
        &self,
        token: &SecretText,
        address: &Address,
        Asking { request, from }: Asking,
    ) -> Result<(), Error> {
        let token = self.presented(token)?;
        let (rows, leaving) = match self.presented_rows(&token, None).await? {
            Ok(found) => found,
            Err(why) => return Err(self.refuse_unread_share(&token, request, why).await),
        };
        let now = self.now();
        let origin = Origin { namespace: rows.grant.made.namespace, request: Some(request), at: now };
        let opening = match rows.open(&token, leaving.as_ref(), now, from) {
            Ok(opening) => opening,
            Err(why) => return Err(self.refuse_share(&token, Some(&rows), origin, why).await),
        };
        let (Some(tenant), Some(addressed)) = (&rows.tenant, &rows.addressed) else { return Err(no_code_wanted()) };
        match opening {
            Opening::Claims { .. } => {
                let (thing, purge) = (Thing::Share(token.share), kept_until(&rows.grant));
                self.send_code(thing, addressed, address, (tenant, &rows.notes), origin, purge).await
            }
            Opening::Later { opens_at } => {
                self.refuse_share(&token, Some(&rows), origin, Refusal::NotYet).await;
                Err(Error::NotYet { opens_at })
            }
            Opening::Moves { .. } | Opening::Returns { .. } => Err(no_code_wanted()),
        }
    }

    /// What a share would give. Consumes nothing.
    ///
    /// # Errors
    /// [`Error::DeadToken`] whatever is wrong with the token.
    pub async fn preview_share(
        &self,
        token: &SecretText,
        claim_key: Option<&ClaimKey>,
        looking: Option<&Caller>,
        Asking { request, from }: Asking,
    ) -> Result<SharePreview, Error> {
        let token = self.presented(token)?;
        let claim_hash = claim_key.map(|key| key.hash(token.share.as_bytes()));
        let (rows, leaving) = match self.presented_rows(&token, claim_hash).await? {
            Ok(found) => found,
            Err(why) => return Err(self.refuse_unread_share(&token, request, why).await),
        };
        let now = self.now();
        let opening = match rows.open(&token, leaving.as_ref(), now, from) {
            Ok(opening) => opening,
            Err(why) => {
                let origin = Origin { namespace: rows.grant.made.namespace, request: Some(request), at: now };
                return Err(self.refuse_share(&token, Some(&rows), origin, why).await);
            }
        };
        let (Some(tenant), Some(minter)) = (&rows.tenant, &rows.minter) else {
            return Err(self.refuse_unattributed());
        };
        let rights = rows.grant.rights(&minter.grants).map_err(|_| Error::DeadToken)?;
        let mut files = Vec::new();
        for pin in rights.pins() {
            let room = (MOST_COUNTED + 1).saturating_sub(files.len());
            if room > 0 {
                files.extend(self.files_of_pin(rows.grant.made.namespace, pin, "", None, room).await?);
            }
        }
        files.retain(|file| rights.allow(&file.path, Permission::Read));
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        let opens_at = if let Opening::Later { opens_at } = &opening { Some(*opens_at) } else { None };
        let needs_claim = matches!(opening, Opening::Claims { .. } | Opening::Later { .. });
        let (claim_by, access_seconds) = match (token.way, opening) {
            (Way::Moving { offered_until, .. }, Opening::Moves { claim, .. } | Opening::Returns { claim }) => {
                (offered_until, claim.access_until.since(now).as_secs())
            }
            _ => (rows.conditions.terms.expires_at, rows.conditions.terms.access_seconds),
        };
        let yours = looking.is_some_and(|caller| {
            caller.principal.id == rows.grant.made.minter && caller.namespace() == rows.grant.made.namespace
        });
        // Whoever made it, or has claimed it, knows it already.
        if !yours && rows.claim.is_none() {
            let origin = Origin { namespace: rows.grant.made.namespace, request: Some(request), at: now };
            self.previewed(origin, EventType::SharePreviewed, token.share);
        }
        Ok(SharePreview {
            sender: tenant.name.clone(),
            message: rows.notes.message.clone(),
            permission: rows.grant.permission,
            item_count: files.len().min(MOST_COUNTED),
            total_size: files.iter().take(MOST_COUNTED).map(|file| file.size).sum(),
            more: files.len() > MOST_COUNTED,
            needs_recipient: rows.addressed.is_some() && needs_claim,
            opens_at,
            single_use: rows.conditions.terms.redemptions == 1,
            claim_by,
            access_seconds,
            moving: matches!(token.way, Way::Moving { .. }),
            share: yours.then_some(token.share),
        })
    }
}

impl ShareRows {
    /// Everything that can refuse a share, in one order for redeeming and looking.
    fn open(
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
