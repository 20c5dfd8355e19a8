//! Shares and links as far as they go to recipients: read one by one or a page of the list at a time, and written back
//! with others on the list.

use crate::{
    crypto::{opaque::LinkTokenHash, recipients::RecipientKey},
    domain::{
        event::EventType,
        ids::{LinkId, ShareId},
        instant::Instant,
        link::LinkGrant,
        narrowing::{AsMinted, Changed, Conditions, Notes},
        recipient::{Address, Recipients},
        redemption::UseState,
        share::ShareGrant,
        tenant::Namespace,
    },
    service::{
        Broker, Error,
        links::{self, LinkPointer, LinkRow},
        personal::Personal,
        recipients::Thing,
        records::Record,
        rows,
        sealed_records::SealedRecords,
        shares::{self, ShareRow},
    },
    store::{Expected, Row, RowKey, Version, Write},
};

/// One of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Shares,
    Links,
}

impl Kind {
    pub(super) const BOTH: [Self; 2] = [Self::Shares, Self::Links];

    pub(super) fn list(self, namespace: Namespace) -> String {
        match self {
            Self::Shares => rows::shares(namespace),
            Self::Links => rows::links(namespace),
        }
    }
}

enum Grant {
    Share(ShareGrant),
    Link(LinkTokenHash, LinkGrant),
}

/// A share or link.
pub(super) struct Addressed {
    grant: Grant,
    version: Version,
    pub(super) notes: Notes,
    pub(super) state: Record<UseState>,
}

impl Addressed {
    pub(super) fn thing(&self) -> Thing {
        match &self.grant {
            Grant::Share(grant) => Thing::Share(grant.id),
            Grant::Link(hash, grant) => Thing::Link(*hash, grant.id),
        }
    }

    pub(super) fn id(&self) -> String {
        match &self.grant {
            Grant::Share(grant) => grant.id.to_string(),
            Grant::Link(_, grant) => grant.id.to_string(),
        }
    }

    pub(super) fn namespace(&self) -> Namespace {
        match &self.grant {
            Grant::Share(grant) => grant.made.namespace,
            Grant::Link(_, grant) => grant.made.namespace,
        }
    }

    pub(super) fn minted(&self) -> &AsMinted {
        match &self.grant {
            Grant::Share(grant) => &grant.conditions,
            Grant::Link(_, grant) => &grant.conditions,
        }
    }

    pub(super) fn conditions(&self) -> Conditions {
        self.minted().under(&self.state.value)
    }

    /// Which events tell that it was changed, and that it was revoked.
    pub(super) const fn events(&self) -> [EventType; 2] {
        match self.grant {
            Grant::Share(_) => [EventType::ShareChanged, EventType::ShareRevoked],
            Grant::Link(..) => [EventType::LinkChanged, EventType::LinkRevoked],
        }
    }

    pub(super) fn kept_until(&self) -> Option<Instant> {
        match &self.grant {
            Grant::Share(grant) => shares::kept_until(grant),
            Grant::Link(_, grant) => links::kept_until(grant),
        }
    }

    pub(super) fn has(&self, address: &Address) -> bool {
        self.notes.recipients.as_ref().is_some_and(|list| list.has(address))
    }

    /// Where its claims lie.
    pub(super) fn partition(&self) -> String {
        match &self.grant {
            Grant::Share(grant) => rows::share_grant(grant.id).partition,
            Grant::Link(hash, _) => rows::link_grant(*hash).partition,
        }
    }

    /// What its recipients are marked by; none where it goes to whoever holds it, or the key is retired or gone.
    pub(super) fn recipient_key(&self, broker: &Broker) -> Option<RecipientKey> {
        let mark = self.conditions().restrictions.recipients?;
        broker.keyring.recipient_key_of(&mark, self.namespace().tenant, self.thing().id())
    }

    /// Where the code and the claim of a recipient are kept.
    pub(super) fn confirmation(&self, key: &RecipientKey, address: &Address) -> RowKey {
        self.thing().confirmation(Some(&key.recipient(address)))
    }

    /// The writes that make it what has come of a change, on the condition that it is as it was read.
    pub(super) fn writes(&self, sealed: &SealedRecords<'_>, changed: &Changed) -> Result<[Write; 2], Error> {
        let (until, notes) = (self.kept_until(), changed.notes.clone());
        let [as_granted, as_state] = [self.version, self.state.version].map(Expected::Version);
        Ok(match &self.grant {
            Grant::Share(grant) => {
                let row = ShareRow { grant: grant.clone(), notes };
                let state = sealed.put(rows::share_state(grant.id), as_state, &changed.state, until)?;
                [sealed.put(rows::share_grant(grant.id), as_granted, &row, until)?, state]
            }
            Grant::Link(hash, grant) => {
                let row = LinkRow { grant: grant.clone(), notes };
                let state = sealed.put(rows::link_state(*hash), as_state, &changed.state, until)?;
                [sealed.put(rows::link_grant(*hash), as_granted, &row, until)?, state]
            }
        })
    }
}

/// What of a page of a list could be read.
pub(super) struct Read {
    pub(super) things: Vec<Addressed>,
    /// How many rows could not be, and are none of ours or damaged.
    pub(super) unreadable: u64,
}

impl Broker {
    /// A row that is one of ours and can be read; none that never can.
    ///
    /// # Errors
    /// Where it may be that another replica can.
    pub(super) fn read_or_pass<T: Personal>(
        &self,
        sealed: &SealedRecords<'_>,
        row: &Row,
    ) -> Result<Option<Record<T>>, Error> {
        if !self.keyring.has_key_of_row(&row.body) {
            return Err(Error::Unavailable(
                "a row was written under a root key that is not here yet, or no more".into(),
            ));
        }
        match sealed.decode(row) {
            Ok(record) => Ok(Some(record)),
            Err(fault) if !sealed.can_open() => Err(fault),
            Err(fault) => {
                tracing::error!(%fault, key = ?row.key, "a stored row is passed over, though it may name a person");
                Ok(None)
            }
        }
    }

    /// What these rows of a list lead to, as far as it is still there.
    pub(super) async fn things_of(&self, kind: Kind, sealed: &SealedRecords<'_>, page: &[Row]) -> Result<Read, Error> {
        let mut read = Read { things: Vec::with_capacity(page.len()), unreadable: 0 };
        let mut keys = Vec::with_capacity(2 * page.len());
        let mut hashes = Vec::new();
        for row in page {
            match kind {
                Kind::Shares => match row.key.sort.parse::<ShareId>() {
                    Ok(id) => keys.extend([rows::share_grant(id), rows::share_state(id)]),
                    Err(_) => read.unreadable += 1,
                },
                Kind::Links => match self.readable::<LinkPointer>(row).and_then(|to| self.link_hash(&to).ok()) {
                    Some(hash) => {
                        hashes.push(hash);
                        keys.extend([rows::link_grant(hash), rows::link_state(hash)]);
                    }
                    None => read.unreadable += 1,
                },
            }
        }
        let found = self.store.get_all(&keys).await?;
        for (place, pair) in found.chunks(2).enumerate() {
            // What is gone has gone by itself.
            let [Some(grant), Some(state)] = pair else { continue };
            match self.addressed_of(sealed, grant, state, hashes.get(place).copied())? {
                Some(thing) => read.things.push(thing),
                None => read.unreadable += 1,
            }
        }
        Ok(read)
    }

    fn addressed_of(
        &self,
        sealed: &SealedRecords<'_>,
        grant: &Row,
        state: &Row,
        link: Option<LinkTokenHash>,
    ) -> Result<Option<Addressed>, Error> {
        let version = grant.version;
        let (grant, notes) = match link {
            None => {
                let Some(row) = self.read_or_pass::<ShareRow>(sealed, grant)? else { return Ok(None) };
                (Grant::Share(row.value.grant), row.value.notes)
            }
            Some(hash) => {
                let Some(row) = self.read_or_pass::<LinkRow>(sealed, grant)? else { return Ok(None) };
                (Grant::Link(hash, row.value.grant), row.value.notes)
            }
        };
        let state = self.read_or_pass::<UseState>(sealed, state)?;
        Ok(state.map(|state| Addressed { grant, version, notes, state }))
    }

    /// The same as it is now.
    pub(super) async fn thing_again(
        &self,
        sealed: &SealedRecords<'_>,
        thing: Thing,
    ) -> Result<Option<Addressed>, Error> {
        let (keys, link) = match thing {
            Thing::Share(id) => ([rows::share_grant(id), rows::share_state(id)], None),
            Thing::Link(hash, _) => ([rows::link_grant(hash), rows::link_state(hash)], Some(hash)),
        };
        let [grant, state] = self.store.get(keys).await?;
        let (Some(grant), Some(state)) = (grant, state) else { return Ok(None) };
        self.addressed_of(sealed, &grant, &state, link)
    }

    /// The share or link of this namespace with this id, if there is still one that can be read.
    pub(super) async fn thing_named(
        &self,
        sealed: &SealedRecords<'_>,
        namespace: Namespace,
        id: &str,
    ) -> Result<Option<Addressed>, Error> {
        let thing = if let Ok(share) = id.parse::<ShareId>() {
            Thing::Share(share)
        } else if let Ok(link) = id.parse::<LinkId>() {
            let [row] = self.store.get([rows::link_pointer(namespace, link)]).await?;
            let pointer = row.and_then(|row| self.readable::<LinkPointer>(&row));
            let Some(hash) = pointer.and_then(|pointer| self.link_hash(&pointer).ok()) else { return Ok(None) };
            Thing::Link(hash, link)
        } else {
            return Ok(None);
        };
        let found = self.thing_again(sealed, thing).await?;
        Ok(found.filter(|found| found.namespace() == namespace))
    }
}

/// The mark of a list, by the key of the others that were its.
pub(super) fn marked(
    key: Option<&RecipientKey>,
    list: Option<&Recipients>,
) -> Option<crate::domain::recipient::ListMark> {
    key.zip(list).map(|(key, list)| key.list(list))
}
