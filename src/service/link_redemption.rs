//! Links, as whoever holds the token meets them: preview, redeem, and the
//! handoff to the artifact's own host.

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{
        claim::{ClaimHash, ClaimKey},
        edge_cookie::EdgeCookies,
        opaque::{LinkToken, LinkTokenHash},
        sealed::Purpose,
        secret::SecretText,
    },
    domain::{
        artifact::Artifact,
        event::{Actor, EventType},
        instant::Instant,
        lifetime,
        link::LinkGrant,
        narrowing::{Conditions, Notes},
        network::ClientAddress,
        principal::Principal,
        recipient::Address,
        redemption::{Claim, Redemption, UseState},
        refusal::Refusal,
        tenant::Tenant,
        text::Message,
    },
    objects::ArtifactLabel,
    store::{Expected, Row, Transaction},
};

use super::{
    Asking, Broker, Caller, Error,
    access::{Authority, OfLink},
    events::Origin,
    links::{LinkRow, kept_until},
    recipients::{Addressed, Proven, RecipientProof, Thing, is_still_addressed, no_code_wanted},
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
    sealed_records::SealedRecords,
};

/// What a redemption gives: the way to the artifact's own host. No `Debug`:
/// the code is a credential.
pub struct OpenedLink {
    /// Where the browser posts the code.
    pub enter_url: String,
    /// The code: once, within 30 seconds.
    pub code: String,
    /// Until when the code may be used.
    pub expires_at: Instant,
    /// Until when the claimant may come back.
    pub access_until: Instant,
}

/// What a link would give, told without giving it.
#[derive(Debug)]
pub struct LinkPreview {
    /// The tenant's name.
    pub sender: String,
    /// What its minter tells recipients.
    pub message: Option<Message>,
    /// How many files.
    pub item_count: usize,
    /// Their size together, in bytes.
    pub total_size: u64,
    /// From when on it may be claimed, where that is not now.
    pub opens_at: Option<Instant>,
    /// Whether one claims it and nobody else.
    pub single_use: bool,
    /// Until when it may be claimed.
    pub claim_by: Instant,
    /// For how many seconds it then stays open.
    pub access_seconds: u64,
    /// Whether a password is wanted.
    pub needs_password: bool,
    /// Whether it goes to recipients alone, and whoever looks has not claimed it yet.
    pub needs_recipient: bool,
    /// Whether whoever is looking minted it.
    pub yours: bool,
}

/// What a handoff code says: short-lived, sealed, and of use once.
#[derive(Serialize, Deserialize)]
struct Handoff {
    id: String,
    token: String,
    claim: ClaimHash,
    label: String,
    expires_at: Instant,
}

/// The rows behind a link, as they are now.
struct LinkRows {
    grant: LinkGrant,
    /// As they are now.
    conditions: Conditions,
    notes: Notes,
    /// Who alone may claim it.
    addressed: Option<Addressed>,
    state: Record<UseState>,
    claim: Option<Claim>,
    artifact: Option<Artifact>,
    tenant: Option<Tenant>,
    minter: Option<Principal>,
}

impl LinkRows {
    /// Everything that can refuse a link but its password.
    fn redeem(&self, now: Instant, from: ClientAddress) -> Result<Redemption, Refusal> {
        self.grant.made.is_backed(self.tenant.as_ref(), self.minter.as_ref(), now)?;
        self.artifact.as_ref().ok_or(Refusal::TargetGone)?;
        let (minted, state, addressed) = (&self.grant.conditions, &self.state.value, self.addressed.as_ref());
        if self.claim.as_ref().is_some_and(|claim| !is_still_addressed(minted, state, addressed, claim)) {
            return Err(Refusal::NoRecipientAnyMore);
        }
        self.conditions.restrictions.admits(from)?;
        self.conditions.terms.redeem(&self.state.value, self.claim.as_ref(), now)
    }
}

impl Broker {
    async fn link_rows(&self, token: LinkTokenHash, claim: Option<ClaimHash>) -> Result<Option<LinkRows>, Error> {
        // Recipients and their mark lie in two rows, and somebody may just have changed both.
        for _ in 0..2 {
            let read = self.link_rows_once(token, claim).await?;
            if read.is_some() {
                return Ok(read);
            }
        }
        self.link_rows_once(token, claim).await
    }

    async fn link_rows_once(&self, token: LinkTokenHash, claim: Option<ClaimHash>) -> Result<Option<LinkRows>, Error> {
        let found = self.store.get([rows::link_grant(token), rows::link_state(token)]).await?;
        let [Some(grant), Some(state)] = &found else { return Ok(None) };
        // A token does not tell whose it is.
        let Ok(OfLink { grant: made }) = self.decode(grant).map(|record| record.value) else { return Ok(None) };
        let sealed = self.sealed(made.made.namespace.tenant).await?;
        let (Ok(grant), Ok(state)) = (sealed.decode::<LinkRow>(grant), sealed.decode::<UseState>(state)) else {
            return Ok(None);
        };
        let LinkRow { grant, notes } = grant.value;
        let conditions = grant.conditions.under(&state.value);
        // After the state: a claim that the state counts is then there to be found.
        let claim = claim.map(|claim| rows::link_claim(token, claim));
        let namespace = grant.made.namespace;
        let mut keys = Authority::rows(namespace, grant.made.minter, claim);
        keys.push(rows::artifact(namespace, grant.artifact));
        let mut found = self.store.get_all(&keys).await?;
        let artifact = found.pop().flatten();
        let Authority { tenant, minter, claim } = self.authority_in(namespace, &found).await?;
        let Ok(claim) = claim else { return Ok(None) };
        let artifact = self.target(&grant, artifact, &sealed).await?;
        let (tenant_id, list) = (grant.made.namespace.tenant, notes.recipients.as_ref());
        let Ok(addressed) = self.addressed(tenant_id, grant.id.as_bytes(), &conditions, list) else { return Ok(None) };
        Ok(Some(LinkRows { grant, conditions, notes, addressed, state, claim, artifact, tenant, minter }))
    }

    /// The artifact of a link, if it is published and its publisher stands behind it.
    async fn target(
        &self,
        grant: &LinkGrant,
        row: Option<Row>,
        sealed: &SealedRecords<'_>,
    ) -> Result<Option<Artifact>, Error> {
        let Some(artifact) = row.and_then(|row| sealed.decode::<Artifact>(&row).ok()) else { return Ok(None) };
        let artifact = artifact.value;
        let same_authority = artifact.made == grant.made && artifact.deleted_at.is_none();
        Ok(if same_authority || self.is_live(&artifact).await? { Some(artifact) } else { None })
    }

    async fn refuse_link(&self, rows: &LinkRows, origin: Origin, why: Refusal) -> Error {
        if rows.tenant.is_some() {
            self.refuse(origin, EventType::LinkRefused, rows.grant.id.to_string(), why).await
        } else {
            self.refuse_unattributed()
        }
    }

    /// Redeems a link for whoever holds this claim key.
    ///
    /// # Errors
    /// [`Error::DeadToken`] whatever is wrong with the token; only the holder
    /// of a live one learns that a password is wanted. A wrong one uses nothing up.
    pub async fn redeem_link(
        &self,
        token: &SecretText,
        claim_key: &ClaimKey,
        password: Option<&SecretText>,
        proof: Option<&RecipientProof>,
        asking: Asking,
    ) -> Result<OpenedLink, Error> {
        let token = LinkToken::parse(token).map_err(|_| self.refuse_unattributed())?.hash();
        let (mut password_checked, mut is_tried) = (false, false);
        for _ in 0..ROUNDS {
            let claim_hash = claim_key.hash(&claimed(token));
            let rows = self.link_rows(token, Some(claim_hash)).await?.ok_or_else(|| self.refuse_unattributed())?;
            let now = self.now();
            let origin = Origin { namespace: rows.grant.made.namespace, asking: Some(asking), at: now };
            let redemption = match rows.redeem(now, asking.from) {
                Ok(redemption) => redemption,
                Err(why) => return Err(self.refuse_link(&rows, origin, why).await),
            };
            // Whoever comes back proved it at the claim.
            if let Some(stored) = &rows.grant.password
                && !password_checked
                && matches!(redemption, Redemption::First { .. })
            {
                let password = password.ok_or(Error::PasswordRequired)?;
                let tried = (EventType::LinkPasswordTried, rows.grant.id.to_string());
                let purge = kept_until(&rows.grant);
                self.count_try(rows::link_tries(token), tried, origin, purge).await?;
                if !self.passwords.verify(password.clone(), stored.clone()).await? {
                    self.refuse_link(&rows, origin, Refusal::WrongPassword).await;
                    return Err(Error::PasswordWrong);
                }
                password_checked = true;
                // Time has passed: read everything again before anything is used up.
                continue;
            }

            let id = rows.grant.id;
            let (claim, transaction) = match redemption {
                Redemption::First { state, mut claim } => {
                    let purge = kept_until(&rows.grant);
                    let thing = Thing::Link(token, id);
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
                                self.refuse_link(&rows, origin, Refusal::WrongCode).await;
                                return Err(Error::RecipientWrong);
                            }
                        }
                    }
                    let state_row = rows::link_state(token);
                    let claim_row = rows::link_claim(token, claim_hash);
                    let sealed = self.sealed(origin.namespace.tenant).await?;
                    let changed = sealed.put(state_row, Expected::Version(rows.state.version), &state, purge)?;
                    let mut transaction = self
                        .recording_change(&origin.done(EventType::LinkClaimed, Actor::Bearer, id), changed)?
                        .write(self.put(claim_row, Expected::Absent, &claim, purge)?);
                    if password_checked {
                        transaction = transaction.write(self.forget_tries(rows::link_tries(token), purge).await?);
                    }
                    (claim, used.into_iter().flatten().fold(transaction, Transaction::write))
                }
                Redemption::Later { opens_at } => {
                    self.refuse_link(&rows, origin, Refusal::NotYet).await;
                    return Err(Error::NotYet { opens_at });
                }
                Redemption::Again { claim } => {
                    (claim, self.recording(&origin.done(EventType::LinkRenewed, Actor::Bearer, id))?)
                }
            };
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return self.open_link(&rows, token, claim_hash, &claim, now),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    fn open_link(
        &self,
        rows: &LinkRows,
        token: LinkTokenHash,
        claim_hash: ClaimHash,
        claim: &Claim,
        now: Instant,
    ) -> Result<OpenedLink, Error> {
        let label = ArtifactLabel::of(rows.grant.artifact);
        let handoff = Handoff {
            id: base16ct::lower::encode_string(&self.entropy.bytes::<16>()),
            token: token.to_string(),
            claim: claim_hash,
            label: label.as_str().into(),
            expires_at: now.plus(lifetime::HANDOFF).min(claim.access_until),
        };
        let plaintext = serde_json::to_vec(&handoff).map_err(|fault| Error::Internal(fault.to_string()))?;
        Ok(OpenedLink {
            enter_url: format!("{}{ENTER_PATH}", self.settings.content.of(&label)),
            code: self.keyring.seal(Purpose::Handoff, &plaintext, self.entropy.as_ref())?,
            expires_at: handoff.expires_at,
            access_until: claim.access_until,
        })
    }

    /// Exchanges a handoff code, once, for the edge cookies of the host it was made for.
    ///
    /// # Errors
    /// [`Error::DeadToken`] whatever is wrong with the code.
    pub async fn enter(
        &self,
        label: &ArtifactLabel,
        code: &str,
        asking: Asking,
    ) -> Result<(EdgeCookies, Instant), Error> {
        let handoff = self.keyring.open(Purpose::Handoff, code).map_err(|_| self.refuse_unattributed())?;
        let handoff: Handoff = serde_json::from_slice(&handoff).map_err(|_| self.refuse_unattributed())?;
        let token = LinkTokenHash::from_hexadecimal(&handoff.token).ok_or_else(|| self.refuse_unattributed())?;
        let rows = self.link_rows(token, Some(handoff.claim)).await?.ok_or_else(|| self.refuse_unattributed())?;
        let now = self.now();
        let origin = Origin { namespace: rows.grant.made.namespace, asking: Some(asking), at: now };
        let redeemed = if handoff.label != label.as_str() {
            Err(Refusal::Unknown)
        } else if now >= handoff.expires_at {
            Err(Refusal::Expired)
        } else {
            rows.redeem(now, asking.from)
        };
        let claim = match redeemed {
            Ok(Redemption::Again { claim }) => claim,
            // The claim that it was made for is gone.
            Ok(Redemption::First { .. } | Redemption::Later { .. }) => {
                return Err(self.refuse_link(&rows, origin, Refusal::Unknown).await);
            }
            Err(why) => return Err(self.refuse_link(&rows, origin, why).await),
        };

        let until = claim.access_until.min(now.plus(lifetime::CREDENTIAL));
        let cookies = self
            .edge
            .sign(&self.settings.content.of(label), until)
            .map_err(|fault| Error::Internal(fault.to_string()))?;
        let event = origin.done(EventType::LinkEntered, Actor::Bearer, rows.grant.id);
        let purge = Some(handoff.expires_at.plus(lifetime::CREDENTIAL));
        let used = self.put(rows::handoff_used(&handoff.id), Expected::Absent, &now, purge)?;
        let lead = self.lead_to(&rows::ledger(event.namespace), &used)?;
        match committed(self.store.commit(self.recording(&event)?.write(lead).write(used)).await)? {
            Committed::Done => Ok((cookies, until)),
            // Somebody has exchanged it already.
            Committed::ReadAgain => Err(self.refuse_link(&rows, origin, Refusal::AlreadyClaimed).await),
        }
    }

    /// Sends a code to an address, if it is that of a recipient of the link. Whoever asks is not told.
    ///
    /// # Errors
    /// [`Error::DeadToken`] whatever is wrong with the token; when no code is wanted to redeem it, or too many were asked
    /// for.
    pub async fn send_link_code(&self, token: &SecretText, address: &Address, asking: Asking) -> Result<(), Error> {
        let token = LinkToken::parse(token).map_err(|_| self.refuse_unattributed())?.hash();
        let rows = self.link_rows(token, None).await?.ok_or_else(|| self.refuse_unattributed())?;
        let now = self.now();
        let origin = Origin { namespace: rows.grant.made.namespace, asking: Some(asking), at: now };
        let redemption = match rows.redeem(now, asking.from) {
            Ok(redemption) => redemption,
            Err(why) => return Err(self.refuse_link(&rows, origin, why).await),
        };
        if let Redemption::Later { opens_at } = redemption {
            self.refuse_link(&rows, origin, Refusal::NotYet).await;
            return Err(Error::NotYet { opens_at });
        }
        let (Some(tenant), Some(addressed)) = (&rows.tenant, &rows.addressed) else { return Err(no_code_wanted()) };
        let (thing, purge) = (Thing::Link(token, rows.grant.id), kept_until(&rows.grant));
        self.send_code(thing, addressed, address, tenant, origin, purge).await
    }

    /// What a link would give. Consumes nothing.
    ///
    /// # Errors
    /// [`Error::DeadToken`] whatever is wrong with the token.
    pub async fn preview_link(
        &self,
        token: &SecretText,
        claim_key: Option<&ClaimKey>,
        looking: Option<&Caller>,
        asking: Asking,
    ) -> Result<LinkPreview, Error> {
        let token = LinkToken::parse(token).map_err(|_| self.refuse_unattributed())?.hash();
        let claim_hash = claim_key.map(|key| key.hash(&claimed(token)));
        let rows = self.link_rows(token, claim_hash).await?.ok_or_else(|| self.refuse_unattributed())?;
        let now = self.now();
        let opens_at = match rows.redeem(now, asking.from) {
            Ok(Redemption::Later { opens_at }) => Some(opens_at),
            Ok(_) => None,
            Err(why) => {
                let origin = Origin { namespace: rows.grant.made.namespace, asking: Some(asking), at: now };
                return Err(self.refuse_link(&rows, origin, why).await);
            }
        };
        let (Some(tenant), Some(artifact)) = (&rows.tenant, &rows.artifact) else { return Err(Error::DeadToken) };
        let yours = looking.is_some_and(|caller| {
            caller.principal.id == rows.grant.made.minter && caller.namespace() == rows.grant.made.namespace
        });
        if !yours && rows.claim.is_none() {
            let origin = Origin { namespace: rows.grant.made.namespace, asking: Some(asking), at: now };
            self.previewed(origin, EventType::LinkPreviewed, rows.grant.id);
        }
        Ok(LinkPreview {
            sender: tenant.name.clone(),
            message: rows.notes.message.clone(),
            item_count: artifact.file_count,
            total_size: artifact.total_size,
            opens_at,
            single_use: rows.conditions.terms.redemptions == 1,
            claim_by: rows.conditions.terms.expires_at,
            access_seconds: rows.conditions.terms.access_seconds,
            needs_password: rows.grant.password.is_some() && rows.claim.is_none(),
            needs_recipient: rows.addressed.is_some() && rows.claim.is_none(),
            yours,
        })
    }
}

/// Where an artifact's host takes handoff codes.
pub const ENTER_PATH: &str = "/.cloakroom/enter";

/// What a claim of a link is bound to: the first half of the hash of its token.
fn claimed(token: LinkTokenHash) -> [u8; 16] {
    token.first_half()
}
