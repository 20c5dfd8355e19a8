//! Shares, as whoever holds the token redeems them.

use crate::{
    crypto::{
        claim::{ClaimHash, ClaimKey},
        grant_hash::grant_hash,
        secret::SecretText,
        session_token::{SessionToken, SessionTokenContents},
    },
    domain::{
        event::{Actor, EventType},
        ids::SessionId,
        instant::Instant,
        lifetime,
        path::PathPin,
        permission::SharePermission,
        redemption::Claim,
        refusal::Refusal,
        share::ShareGrant,
    },
    store::{Expected, Transaction},
};

use super::{
    Asking, Broker, Error,
    events::Origin,
    presented_shares::Opening,
    recipients::{Proven, RecipientProof, Thing},
    records::{Committed, ROUNDS, committed, outrun},
    rows,
    shares::kept_until,
};

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

impl Broker {
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
        asking: Asking,
    ) -> Result<OpenedSession, Error> {
        let token = self.presented(token)?;
        let claim_hash = claim_key.hash(token.share.as_bytes());
        let mut is_tried = false;
        for _ in 0..ROUNDS {
            let (rows, leaving) = match self.presented_rows(&token, Some(claim_hash)).await? {
                Ok(found) => found,
                Err(why) => return Err(self.refuse_unread_share(&token, asking, why).await),
            };
            let now = self.now();
            let origin = Origin { namespace: rows.grant.made.namespace, asking: Some(asking), at: now };
            let opening = match rows.open(&token, leaving.as_ref(), now, asking.from) {
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
                    let changed = sealed.put(state_row, Expected::Version(rows.state.version), &state, purge)?;
                    let transaction = self.recording_change(&event, changed)?.write(self.put(
                        claim_row,
                        Expected::Absent,
                        &claim,
                        purge,
                    )?);
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
}
