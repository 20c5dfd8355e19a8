//! Moves: a claimant goes on with a share on another device, and ends on this one.
//!
//! Offering changes nothing but the record. The move itself is a redemption: `share_redemption.rs`.

use crate::{
    crypto::{
        claim::ClaimKey,
        grant_hash::grant_hash,
        move_token::{MoveToken, MoveTokenContents},
    },
    domain::{event::EventType, instant::Instant, lifetime},
};

use super::{Broker, Error, sessions::Session};

/// An offer to go on elsewhere.
#[derive(Debug)]
pub struct OfferedMove {
    /// Shown this once.
    pub token: MoveToken,
    /// Until when it may be followed.
    pub expires_at: Instant,
}

impl Broker {
    /// A token by which the session's claim moves to whoever presents it first. Only the claimant may offer it:
    /// the credential alone, good for minutes, must not become the claim, good for days.
    ///
    /// # Errors
    /// When the claim key is not the one that the session was opened with; when the offer cannot be recorded.
    pub async fn offer_move(&self, session: &Session, claim_key: &ClaimKey) -> Result<OfferedMove, Error> {
        let origin = session.origin(self);
        let grant = session.grant();
        if claim_key.hash(grant.id.as_bytes()) != session.claim_hash() {
            return Err(Error::invalid("/claim_key", "this session was not opened with this claim key"));
        }
        let expires_at = origin.at.plus(lifetime::MOVE).min(session.claim.access_until);
        let contents = MoveTokenContents {
            tenant: grant.made.namespace.tenant,
            share: grant.id,
            issued_at: origin.at,
            expires_at,
            claim: session.claim_hash(),
            grant_hash: grant_hash(grant),
        };
        let token = MoveToken::seal(&contents, &self.keyring, self.entropy.as_ref())?;
        self.record(&origin.done(EventType::ShareMoveOffered, session.actor(), grant.id)).await?;
        Ok(OfferedMove { token, expires_at })
    }
}
