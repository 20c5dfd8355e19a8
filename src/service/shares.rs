//! Shares, as their owner handles them: mint, list, inspect, revoke. Changing them is `changes.rs`.

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{
        grant_hash::grant_hash,
        share_token::{ShareToken, ShareTokenContents},
    },
    domain::{
        event::EventType,
        filter::Filter,
        ids::ShareId,
        instant::Instant,
        lifetime,
        metadata::Metadata,
        narrowing::{AsMinted, Conditions, Notes},
        object::VaultFile,
        path::{PathPin, VaultPath},
        permission::{Permission, SharePermission},
        recipient::{Address, Recipients},
        redemption::{Status, Terms, UseState},
        restrictions::Restrictions,
        share::{Pins, ShareGrant},
        tenant::Namespace,
        text::Message,
    },
    store::Expected,
};

use super::{
    Broker, Caller, Error,
    access::Authority,
    history::Maker,
    idempotency::Reply,
    listing::{Between, Page, PageRequest},
    recipients::Thing,
    records::{Committed, ROUNDS, Record, committed, outrun},
    rows,
};

/// What a share is to be.
#[derive(Clone, Debug)]
pub struct MintShare {
    /// Where.
    pub pins: Pins,
    /// What.
    pub permission: SharePermission,
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
    /// The owner's name for it.
    pub label: Option<String>,
    /// Words of the owner's own.
    pub metadata: Metadata,
    /// What recipients are told.
    pub message: Option<Message>,
    /// To whom alone it goes.
    pub recipients: Option<Recipients>,
    /// Whether files that are not there (yet) may be shared.
    pub allow_missing: bool,
}

/// A share as its owner sees it.
#[derive(Clone, Debug)]
pub struct Share {
    /// What it gives.
    pub grant: ShareGrant,
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

/// A share and the token that claims it, which is not kept.
#[derive(Debug)]
pub struct MintedShare {
    /// The share.
    pub share: Share,
    /// Shown this once.
    pub token: ShareToken,
}

/// The row of a grant.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ShareRow {
    pub(super) grant: ShareGrant,
    #[serde(flatten)]
    pub(super) notes: Notes,
}

/// The row that lists a share; everything about it lies elsewhere.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IndexRow {}

impl ShareRow {
    fn is_taken_by(&self, filter: &Filter, state: &UseState, now: Instant) -> bool {
        let Conditions { terms, .. } = self.grant.conditions.under(state);
        filter.takes(terms.status(state, now), terms.issued_at, self.grant.made.minter, &self.notes.metadata)
    }
}

impl Share {
    pub(super) fn seen(ShareRow { grant, notes }: ShareRow, state: &UseState, maker: Maker, now: Instant) -> Self {
        let conditions = grant.conditions.under(state);
        let status = conditions.terms.status(state, now);
        let UseState { claims, revoked_at, .. } = *state;
        Self { grant, conditions, notes, claimed_by: Vec::new(), status, claims, revoked_at, maker }
    }
}

impl Broker {
    /// Mints a share and the token that claims it.
    ///
    /// # Errors
    /// When the caller's own grant does not cover it, or a pinned file is missing.
    pub async fn mint_share(
        &self,
        caller: &Caller,
        wanted: MintShare,
        reply: &Reply<'_, MintedShare>,
    ) -> Result<MintedShare, Error> {
        caller.mints()?;
        let permission = Permission::from(wanted.permission);
        for pin in wanted.pins.as_slice() {
            caller.may_pin(pin, permission)?;
        }
        if !wanted.allow_missing {
            self.refuse_missing(caller.namespace(), wanted.pins.as_slice()).await?;
        }

        if wanted.recipients.is_some() {
            self.sends_codes()?;
        }

        let origin = caller.origin(self);
        let (id, made) = (ShareId::new(origin.at, self.entropy.bytes()), caller.made());
        let mark = |list: &Recipients| self.mark_of_recipients(made.namespace.tenant, id.as_bytes(), list);
        let restrictions =
            Restrictions { recipients: wanted.recipients.as_ref().map(mark), ..wanted.restrictions.clone() };
        let terms = Terms {
            issued_at: origin.at,
            not_before: wanted.not_before,
            expires_at: wanted.expires_at,
            access_seconds: wanted.access_seconds,
            redemptions: wanted.redemptions,
        };
        let grant = ShareGrant {
            id,
            made,
            permission: wanted.permission,
            pins: wanted.pins,
            conditions: AsMinted::new(Conditions { terms, restrictions }),
        };
        let contents = ShareTokenContents {
            tenant: grant.made.namespace.tenant,
            share: grant.id,
            issued_at: origin.at,
            expires_at: wanted.expires_at,
            permission: grant.permission,
            grant_hash: grant_hash(&grant),
        };
        let token = ShareToken::seal(&contents, &self.keyring, self.entropy.as_ref())?;

        let namespace = grant.made.namespace;
        let purge = kept_until(&grant);
        let MintShare { label, metadata, message, recipients, .. } = wanted;
        let row = ShareRow { grant, notes: Notes { label, metadata, message, recipients } };
        let state = UseState::default();
        let event = origin.done(EventType::ShareCreated, caller.actor(), id);
        let sealed = self.sealed(namespace.tenant).await?;
        let transaction = self
            .recording_change(&event, sealed.put(rows::share_state(id), Expected::Absent, &state, purge)?)?
            .write(sealed.put(rows::share_grant(id), Expected::Absent, &row, purge)?)
            .write(self.put(rows::share_index(namespace, id), Expected::Absent, &IndexRow {}, purge)?);
        self.known_principals.keep_minter(id, (namespace, row.grant.made.minter));
        let share = Share::seen(row, &state, Maker::from_caller(caller), origin.at);
        self.create(transaction, MintedShare { share, token }, reply).await
    }

    async fn refuse_missing(&self, namespace: Namespace, pins: &[PathPin]) -> Result<(), Error> {
        let files: Vec<_> = pins
            .iter()
            .filter_map(|pin| match pin {
                PathPin::File(path) => Some(path),
                PathPin::Folder(_) => None,
            })
            .collect();
        let found = self.files(namespace, &files).await?;
        match files.iter().zip(found).find(|(_, file)| file.is_none()) {
            None => Ok(()),
            Some((path, _)) => {
                Err(Error::invalid("/paths", format!("there is no file {path}; upload it first, or set allow_missing")))
            }
        }
    }

    /// The caller's shares, newest first. A page has fewer than asked for where the filter, or the caller's rights,
    /// leave some of them out.
    ///
    /// # Errors
    /// When the page asked for is not one.
    pub async fn list_shares(
        &self,
        caller: &Caller,
        filter: &Filter,
        request: &PageRequest,
    ) -> Result<Page<Share>, Error> {
        let namespace = caller.namespace();
        let between = Between::times(filter, ShareId::new);
        let page = self.newest_first_between(rows::shares(namespace), namespace, request, between).await?;
        let now = self.now();
        let ids = page.items.iter().filter_map(|row| row.key.sort.parse::<ShareId>().ok());
        let keys: Vec<_> = ids.flat_map(|id| [rows::share_grant(id), rows::share_state(id)]).collect();
        let found = self.store.get_all(&keys).await?;
        let sealed = self.sealed(namespace.tenant).await?;
        let mut own = Vec::with_capacity(found.len() / 2);
        for pair in found.chunks(2) {
            if let [Some(grant), Some(state)] = pair
                && let Some(row) = sealed.readable::<ShareRow>(grant)
                && let Some(state) = sealed.readable::<UseState>(state)
                && (caller.principal.grants.administer() || row.grant.made.minter == caller.principal.id)
                && row.is_taken_by(filter, &state, now)
            {
                own.push((row, state));
            }
        }
        let makers = self.makers(namespace, own.iter().map(|(row, _)| row.grant.made.minter)).await?;
        let items = own.into_iter().map(|(row, state)| {
            let maker = makers.maker(row.grant.made.minter);
            Share::seen(row, &state, maker, now)
        });
        Ok(Page { items: items.collect(), next_cursor: page.next_cursor })
    }

    /// One of the caller's shares.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn inspect_share(&self, caller: &Caller, id: ShareId) -> Result<Share, Error> {
        let (row, state) = self.own_share(caller, id).await?;
        let maker = self.maker(&row.value.grant.made).await?;
        self.share_with_claimants(Share::seen(row.value, &state.value, maker, self.now())).await
    }

    /// With who of its recipients has claimed it.
    pub(super) async fn share_with_claimants(&self, mut share: Share) -> Result<Share, Error> {
        let (thing, tenant) = (Thing::Share(share.grant.id), share.grant.made.namespace.tenant);
        let list = share.notes.recipients.as_ref();
        share.claimed_by = self.who_claimed(tenant, thing, &share.conditions, list).await?;
        Ok(share)
    }

    /// What a recipient would see now, whatever became of the share: its pins, cut down to what its minter may read.
    /// Nothing when its minter may give nothing any more.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's shares; when the prefix or the page asked for is not one.
    pub async fn share_objects(
        &self,
        caller: &Caller,
        id: ShareId,
        prefix: &str,
        request: &PageRequest,
    ) -> Result<Page<VaultFile>, Error> {
        let (Record { value: ShareRow { grant, .. }, .. }, _) = self.own_share(caller, id).await?;
        let Authority { tenant, minter, .. } = self.authority(&grant.made, None).await?;
        let stands = grant.made.is_backed(tenant.as_ref(), minter.as_ref(), self.now()).is_ok();
        let rights = minter.as_ref().filter(|_| stands).and_then(|minter| grant.rights(&minter.grants).ok());
        let pins = rights.as_ref().map_or(&[] as &[PathPin], |rights| rights.pins());
        let allowed = |path: &VaultPath| rights.as_ref().is_some_and(|rights| rights.allow(path, Permission::Read));
        self.list_below(grant.made.namespace, pins, &allowed, prefix, request).await
    }

    /// Revokes a share and every session it opened. Revoking again changes nothing; whether this call did is answered.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn revoke_share(&self, caller: &Caller, id: ShareId) -> Result<bool, Error> {
        let sealed = self.sealed(caller.namespace().tenant).await?;
        for _ in 0..ROUNDS {
            let (row, state) = self.own_share(caller, id).await?;
            let origin = caller.origin(self);
            let Some(revoked) = state.value.revoke(origin.at) else { return Ok(false) };
            let event = origin.done(EventType::ShareRevoked, caller.actor(), id);
            let purge = kept_until(&row.value.grant);
            let write = sealed.put(rows::share_state(id), Expected::Version(state.version), &revoked, purge)?;
            match committed(self.store.commit(self.recording_change(&event, write)?).await)? {
                Committed::Done => return Ok(true),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    pub(super) async fn own_share(
        &self,
        caller: &Caller,
        id: ShareId,
    ) -> Result<(Record<ShareRow>, Record<UseState>), Error> {
        let [grant, state] = self.store.get([rows::share_grant(id), rows::share_state(id)]).await?;
        let sealed = self.sealed(caller.namespace().tenant).await?;
        let row = sealed.decode_if::<ShareRow>(grant.as_ref())?.ok_or(Error::NotFound)?;
        let state = sealed.decode_if::<UseState>(state.as_ref())?.ok_or(Error::NotFound)?;
        let made = &row.value.grant.made;
        let visible = caller.principal.grants.administer() || made.minter == caller.principal.id;
        if made.namespace == caller.namespace() && visible { Ok((row, state)) } else { Err(Error::NotFound) }
    }
}

/// Until when the rows of a share are kept. Claims from before it was narrowed last as long as they were told.
pub(super) fn kept_until(grant: &ShareGrant) -> Option<Instant> {
    Some(grant.conditions.sealed().terms.ends_at().plus(lifetime::REMEMBERED))
}
