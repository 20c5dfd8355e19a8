//! Shares, as whoever holds the token looks at them: nothing is used up.

use crate::{
    crypto::{claim::ClaimKey, secret::SecretText},
    domain::{
        event::EventType,
        ids::ShareId,
        instant::Instant,
        permission::{Permission, SharePermission},
        recipient::Address,
        refusal::Refusal,
        text::Message,
    },
};

use super::{
    Asking, Broker, Caller, Error,
    events::Origin,
    presented_shares::{Opening, Way},
    recipients::{Thing, no_code_wanted},
    shares::kept_until,
};

/// The most files that a preview counts.
const MOST_COUNTED: usize = 1_000;

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

impl Broker {
    /// Sends a code to an address, if it is that of a recipient of the share. Whoever asks is not told.
    ///
    /// # Errors
    /// [`Error::DeadToken`] whatever is wrong with the token; when no code is wanted to redeem it, or too many were asked
    /// for.
    pub async fn send_share_code(&self, token: &SecretText, address: &Address, asking: Asking) -> Result<(), Error> {
        let token = self.presented(token)?;
        let (rows, leaving) = match self.presented_rows(&token, None).await? {
            Ok(found) => found,
            Err(why) => return Err(self.refuse_unread_share(&token, asking, why).await),
        };
        let now = self.now();
        let origin = Origin { namespace: rows.grant.made.namespace, asking: Some(asking), at: now };
        let opening = match rows.open(&token, leaving.as_ref(), now, asking.from) {
            Ok(opening) => opening,
            Err(why) => return Err(self.refuse_share(&token, Some(&rows), origin, why).await),
        };
        let (Some(tenant), Some(addressed)) = (&rows.tenant, &rows.addressed) else { return Err(no_code_wanted()) };
        match opening {
            Opening::Claims { .. } => {
                let (thing, purge) = (Thing::Share(token.share), kept_until(&rows.grant));
                self.send_code(thing, addressed, address, tenant, origin, purge).await
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
        asking: Asking,
    ) -> Result<SharePreview, Error> {
        let token = self.presented(token)?;
        let claim_hash = claim_key.map(|key| key.hash(token.share.as_bytes()));
        let (rows, leaving) = match self.presented_rows(&token, claim_hash).await? {
            Ok(found) => found,
            Err(why) => return Err(self.refuse_unread_share(&token, asking, why).await),
        };
        let now = self.now();
        let opening = match rows.open(&token, leaving.as_ref(), now, asking.from) {
            Ok(opening) => opening,
            Err(why) => {
                let origin = Origin { namespace: rows.grant.made.namespace, asking: Some(asking), at: now };
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
            let origin = Origin { namespace: rows.grant.made.namespace, asking: Some(asking), at: now };
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
