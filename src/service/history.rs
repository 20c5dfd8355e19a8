//! What happened to one share, link or file request. What happened to everything of a namespace is in [`super::audit`].

use std::collections::HashMap;

use crate::domain::{
    authority::MadeUnder,
    client::Client,
    event::{Actor, Event, Subject},
    ids::{FileRequestId, LinkId, ShareId},
    ledger::RecordHash,
    principal::{Principal, PrincipalId},
    tenant::Namespace,
};

use super::{
    Broker, Caller, Error,
    events::event_id,
    listing::{Page, PageRequest},
    rows,
};

/// Who made something, or did it: a principal by its name.
#[derive(Clone, Debug)]
pub struct Maker {
    /// Which principal.
    pub id: PrincipalId,
    /// What its owner calls it, or how its secret begins; none when it is not to be found.
    pub name: Option<String>,
}

/// An event, and where it stands among the others.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Which one: the same in every list.
    pub id: String,
    /// What happened.
    pub event: Event,
    /// The key that did it, if one did.
    pub by: Option<Maker>,
    /// Where it stands in the ledger, where it was read from there.
    pub place: Option<Place>,
    /// Who was seen to ask, where that is read from the ledger, and is still kept.
    pub client: Option<Client>,
}

/// The place of a record.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its number.
    pub seq: u64,
    /// Its hash.
    pub hash: RecordHash,
    /// The hash of the record before.
    pub previous: RecordHash,
}

/// The names of keys.
pub(super) struct Makers(HashMap<PrincipalId, String>);

impl Makers {
    pub(super) fn maker(&self, id: PrincipalId) -> Maker {
        Maker { id, name: self.0.get(&id).cloned() }
    }
}

impl Maker {
    /// The caller, as the maker of something.
    pub(super) fn from_caller(caller: &Caller) -> Self {
        Self { id: caller.principal.id, name: Some(name_of(&caller.principal)) }
    }
}

fn name_of(principal: &Principal) -> String {
    principal.label.clone().unwrap_or_else(|| principal.preview())
}

impl Broker {
    /// Keys by their names, read together.
    pub(super) async fn makers(
        &self,
        namespace: Namespace,
        ids: impl Iterator<Item = PrincipalId>,
    ) -> Result<Makers, Error> {
        let mut ids: Vec<_> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let keys: Vec<_> = ids.into_iter().map(|id| rows::principal(namespace, id)).collect();
        let found = self.store.get_all(&keys).await?;
        let sealed = self.sealed(namespace.tenant).await?;
        let keys = found.iter().flatten().filter_map(|row| sealed.readable::<Principal>(row));
        Ok(Makers(keys.map(|key| (key.id, name_of(&key))).collect()))
    }

    /// Who made something, by their name.
    pub(super) async fn maker(&self, made: &MadeUnder) -> Result<Maker, Error> {
        Ok(self.makers(made.namespace, [made.minter].into_iter()).await?.maker(made.minter))
    }

    /// What happened to one of the caller's shares, newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn history_of_share(
        &self,
        caller: &Caller,
        id: ShareId,
        request: &PageRequest,
    ) -> Result<Page<Recorded>, Error> {
        self.inspect_share(caller, id).await?;
        self.history(caller, Subject::Share(id), request).await
    }

    /// What happened to one of the caller's links, newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn history_of_link(
        &self,
        caller: &Caller,
        id: LinkId,
        request: &PageRequest,
    ) -> Result<Page<Recorded>, Error> {
        self.inspect_link(caller, id).await?;
        self.history(caller, Subject::Link(id), request).await
    }

    /// What happened to one of the caller's file requests, newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's.
    pub async fn history_of_file_request(
        &self,
        caller: &Caller,
        id: FileRequestId,
        request: &PageRequest,
    ) -> Result<Page<Recorded>, Error> {
        self.inspect_file_request(caller, id).await?;
        self.history(caller, Subject::FileRequest(id), request).await
    }

    async fn history(&self, caller: &Caller, subject: Subject, request: &PageRequest) -> Result<Page<Recorded>, Error> {
        let namespace = caller.namespace();
        let page = self.newest_first(rows::history(namespace, subject), namespace, request).await?;
        let events =
            page.items.into_iter().filter_map(|row| Some((event_id(&row.key.sort), self.readable(&row)?, None)));
        let items = self.told(namespace, events.collect()).await?;
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    pub(super) async fn told(
        &self,
        namespace: Namespace,
        events: Vec<(String, Event, Option<Place>)>,
    ) -> Result<Vec<Recorded>, Error> {
        let who = events.iter().filter_map(|(_, event, _)| principal_of(&event.actor));
        let makers = self.makers(namespace, who).await?;
        let told = events.into_iter().map(|(id, event, place)| Recorded {
            id,
            by: principal_of(&event.actor).map(|id| makers.maker(id)),
            event,
            place,
            client: None,
        });
        Ok(told.collect())
    }
}

fn principal_of(actor: &Actor) -> Option<PrincipalId> {
    match actor {
        Actor::ApiKey { id } | Actor::Impersonation { id, .. } => Some(PrincipalId::ApiKey(*id)),
        Actor::User { id } => Some(PrincipalId::User(*id)),
        Actor::Console { principal, .. } => Some(*principal),
        Actor::System | Actor::Session { .. } | Actor::Submission { .. } | Actor::Bearer => None,
    }
}
