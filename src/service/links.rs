//! Links, as their owner handles them: mint, list, inspect, revoke. Changing them is `changes.rs`.

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{
        opaque::{LinkToken, LinkTokenHash},
        secret::SecretText,
    },
    domain::{
        event::EventType,
        filter::Filter,
        ids::{ArtifactId, LinkId},
        instant::Instant,
        lifetime,
        link::LinkGrant,
        metadata::Metadata,
        narrowing::{AsMinted, Conditions, Notes},
        recipient::{Address, Recipients},
        redemption::{Status, Terms, UseState},
        restrictions::Restrictions,
        text::Message,
    },
    store::Expected,
};

use super::{
    Broker, Caller, Error,
    history::Maker,
    idempotency::Reply,
    listing::{Between, Page, PageRequest},
    recipients::Thing,
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
};

/// What a link is to be.
#[derive(Debug)]
pub struct MintLink {
    /// What it opens.
    pub artifact: ArtifactId,
    /// From when on it may be claimed, where that is not at once.
    pub not_before: Option<Instant>,
    /// Until when it may be claimed.
    pub expires_at: Instant,
    /// For how many seconds the claimant may come back.
    pub access_seconds: u64,
    /// How many claimants there may be.
    pub redemptions: u32,
    /// From where it may be used.
    pub restrictions: Restrictions,
    /// The password, if it is to have one.
    pub password: Option<SecretText>,
    /// The owner's name for it.
    pub label: Option<String>,
    /// Words of the owner's own.
    pub metadata: Metadata,
    /// What recipients are told.
    pub message: Option<Message>,
    /// To whom alone it goes.
    pub recipients: Option<Recipients>,
}

/// A link as its owner sees it.
#[derive(Clone, Debug)]
pub struct Link {
    /// What it gives.
    pub grant: LinkGrant,
    /// For how long, how often and from where, as it is now.
    pub conditions: Conditions,
    /// What its owner says about it.
    pub notes: Notes,
    /// Who of its recipients has claimed it, where that was looked up.
    pub claimed_by: Vec<(Address, Option<Instant>)>,
    /// What became of it.
    pub status: Status,
    /// How often it was claimed.
    pub claims: u32,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
    /// Who made it.
    pub maker: Maker,
}

/// A link and its token, of which only the hash is kept.
#[derive(Debug)]
pub struct MintedLink {
    /// The link.
    pub link: Link,
    /// Shown this once.
    pub token: LinkToken,
}

/// What a link's id leads to: the hash of its token, in hexadecimal.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LinkPointer {
    token: String,
}

/// The row of a grant.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LinkRow {
    pub(super) grant: LinkGrant,
    #[serde(flatten)]
    pub(super) notes: Notes,
}

/// The rows of a link as its owner reads them, and where they lie.
pub(super) struct OwnLink {
    pub(super) hash: LinkTokenHash,
    pub(super) row: Record<LinkRow>,
    pub(super) state: Record<UseState>,
}

impl LinkRow {
    fn is_taken_by(&self, filter: &Filter, state: &UseState, now: Instant) -> bool {
        let Conditions { terms, .. } = self.grant.conditions.under(state);
        filter.takes(terms.status(state, now), terms.issued_at, self.grant.made.minter, &self.notes.metadata)
    }
}

impl Link {
    pub(super) fn seen(LinkRow { grant, notes }: LinkRow, state: &UseState, maker: Maker, now: Instant) -> Self {
        let conditions = grant.conditions.under(state);
        let status = conditions.terms.status(state, now);
        let UseState { claims, revoked_at, .. } = *state;
        Self { grant, conditions, notes, claimed_by: Vec::new(), status, claims, revoked_at, maker }
    }
}

impl Broker {
    /// Mints a link to one of the caller's artifacts.
    ///
    /// # Errors
    /// When there is no such artifact, or the password cannot be one.
    pub async fn mint_link(
        &self,
        caller: &Caller,
        wanted: MintLink,
        reply: &Reply<'_, MintedLink>,
    ) -> Result<MintedLink, Error> {
        caller.mints()?;
        let artifact = self.own_artifact(caller, wanted.artifact).await.map_err(|fault| match fault {
            Error::NotFound => Error::invalid("/artifact", "there is no such artifact"),
            other => other,
        })?;
        if artifact.value.deleted_at.is_some() {
            return Err(Error::invalid("/artifact", "this artifact was deleted"));
        }
        if wanted.recipients.is_some() {
            self.sends_codes()?;
        }
        let password = match wanted.password {
            None => None,
            Some(password) => {
                let hashed = self.passwords.hash(password, self.entropy.clone()).await?;
                Some(hashed.map_err(|fault| Error::invalid("/password", fault))?)
            }
        };

        let origin = caller.origin(self);
        let token = LinkToken::generate(self.entropy.as_ref());
        let hash = token.hash();
        let (id, made) = (LinkId::new(origin.at, self.entropy.bytes()), caller.made());
        let mark = |list: &Recipients| self.mark_of_recipients(made.namespace.tenant, id.as_bytes(), list);
        let restrictions = Restrictions { recipients: wanted.recipients.as_ref().map(mark), ..wanted.restrictions };
        let terms = Terms {
            issued_at: origin.at,
            not_before: wanted.not_before,
            expires_at: wanted.expires_at,
            access_seconds: wanted.access_seconds,
            redemptions: wanted.redemptions,
        };
        let grant = LinkGrant {
            id,
            made,
            artifact: wanted.artifact,
            password,
            conditions: AsMinted::new(Conditions { terms, restrictions }),
        };
        let purge = kept_until(&grant);
        let pointer = LinkPointer { token: hash.to_string() };
        let state = UseState::default();
        let event = origin.done(EventType::LinkCreated, caller.actor(), grant.id);
        let pointer_row = rows::link_pointer(origin.namespace, grant.id);
        let notes = Notes {
            label: wanted.label,
            metadata: wanted.metadata,
            message: wanted.message,
            recipients: wanted.recipients,
        };
        let row = LinkRow { grant, notes };
        let sealed = self.sealed(origin.namespace.tenant).await?;
        let transaction = self
            .recording_change(&event, sealed.put(rows::link_state(hash), Expected::Absent, &state, purge)?)?
            .write(sealed.put(rows::link_grant(hash), Expected::Absent, &row, purge)?)
            .write(self.put(pointer_row, Expected::Absent, &pointer, purge)?);
        let link = Link::seen(row, &state, Maker::from_caller(caller), origin.at);
        self.create(transaction, MintedLink { link, token }, reply).await
    }

    /// The caller's links, newest first. A page has fewer than asked for where the filter, or the caller's rights,
    /// leave some of them out.
    ///
    /// # Errors
    /// When the page asked for is not one.
    pub async fn list_links(
        &self,
        caller: &Caller,
        filter: &Filter,
        request: &PageRequest,
    ) -> Result<Page<Link>, Error> {
        let (namespace, now) = (caller.namespace(), self.now());
        let between = Between::times(filter, LinkId::new);
        let page = self.newest_first_between(rows::links(namespace), namespace, request, between).await?;
        let mut keys = Vec::with_capacity(page.items.len() * 2);
        for row in &page.items {
            let Some(pointer) = self.readable::<LinkPointer>(row) else { continue };
            let hash = self.link_hash(&pointer)?;
            keys.extend([rows::link_grant(hash), rows::link_state(hash)]);
        }
        let found = self.store.get_all(&keys).await?;
        let sealed = self.sealed(namespace.tenant).await?;
        let mut own = Vec::with_capacity(page.items.len());
        for pair in found.chunks(2) {
            if let [Some(grant), Some(state)] = pair
                && let Some(row) = sealed.readable::<LinkRow>(grant)
                && let Some(state) = sealed.readable::<UseState>(state)
                && visible(caller, &row.grant)
                && row.is_taken_by(filter, &state, now)
            {
                own.push((row, state));
            }
        }
        let makers = self.makers(namespace, own.iter().map(|(row, _)| row.grant.made.minter)).await?;
        let items = own.into_iter().map(|(row, state)| {
            let maker = makers.maker(row.grant.made.minter);
            Link::seen(row, &state, maker, now)
        });
        Ok(Page { items: items.collect(), next_cursor: page.next_cursor })
    }

    /// One of the caller's links.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn inspect_link(&self, caller: &Caller, id: LinkId) -> Result<Link, Error> {
        let OwnLink { hash, row, state } = self.own_link(caller, id).await?;
        let maker = self.maker(&row.value.grant.made).await?;
        self.link_with_claimants(Link::seen(row.value, &state.value, maker, self.now()), hash).await
    }

    /// With who of its recipients has claimed it.
    pub(super) async fn link_with_claimants(&self, mut link: Link, hash: LinkTokenHash) -> Result<Link, Error> {
        let (thing, tenant) = (Thing::Link(hash, link.grant.id), link.grant.made.namespace.tenant);
        let list = link.notes.recipients.as_ref();
        link.claimed_by = self.who_claimed(tenant, thing, &link.conditions, list).await?;
        Ok(link)
    }

    /// Revokes a link. Revoking again changes nothing; whether this call did is answered.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn revoke_link(&self, caller: &Caller, id: LinkId) -> Result<bool, Error> {
        let sealed = self.sealed(caller.namespace().tenant).await?;
        for _ in 0..ROUNDS {
            let OwnLink { hash, row, state } = self.own_link(caller, id).await?;
            let origin = caller.origin(self);
            let Some(revoked) = state.value.revoke(origin.at) else { return Ok(false) };
            let event = origin.done(EventType::LinkRevoked, caller.actor(), id);
            let purge = kept_until(&row.value.grant);
            let write = sealed.put(rows::link_state(hash), Expected::Version(state.version), &revoked, purge)?;
            match committed(self.store.commit(self.recording_change(&event, write)?).await)? {
                Committed::Done => return Ok(true),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    pub(super) fn link_hash(&self, pointer: &LinkPointer) -> Result<LinkTokenHash, Error> {
        LinkTokenHash::from_hexadecimal(&pointer.token)
            .ok_or_else(|| Error::Internal("a stored link hash cannot be read".into()))
    }

    pub(super) async fn own_link(&self, caller: &Caller, id: LinkId) -> Result<OwnLink, Error> {
        let [pointer] = self.store.get([rows::link_pointer(caller.namespace(), id)]).await?;
        let pointer = self.decode_if::<LinkPointer>(pointer.as_ref())?.ok_or(Error::NotFound)?.value;
        let hash = self.link_hash(&pointer)?;
        let [grant, state] = self.store.get([rows::link_grant(hash), rows::link_state(hash)]).await?;
        let sealed = self.sealed(caller.namespace().tenant).await?;
        let row = sealed.decode_if::<LinkRow>(grant.as_ref())?.ok_or(Error::NotFound)?;
        let state = sealed.decode_if::<UseState>(state.as_ref())?.ok_or(Error::NotFound)?;
        let grant = &row.value.grant;
        if grant.made.namespace == caller.namespace() && visible(caller, grant) {
            Ok(OwnLink { hash, row, state })
        } else {
            Err(Error::NotFound)
        }
    }
}

fn visible(caller: &Caller, grant: &LinkGrant) -> bool {
    caller.principal.grants.administer() || grant.made.minter == caller.principal.id
}

/// Until when the rows of a link are kept. Claims from before it was narrowed last as long as they were told.
pub(super) fn kept_until(grant: &LinkGrant) -> Option<Instant> {
    Some(grant.conditions.sealed().terms.ends_at().plus(lifetime::REMEMBERED))
}
