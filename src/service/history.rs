//! What happened: to one share, link or file request, and to everything of a
//! namespace. For reading only: that nothing is missing is for the ledger to show.

use std::collections::HashMap;

use futures_util::future::try_join_all;

use crate::{
    domain::{
        authority::MadeUnder,
        event::{Actor, Event, EventType, Subject},
        ids::{FileRequestId, LinkId, ShareId},
        principal::{Principal, PrincipalId},
        tenant::Namespace,
    },
    store::{Direction, Query, Row, outbox_partitions},
};

use super::{
    Broker, Caller, Error,
    listing::{Page, PageRequest},
    rows,
};

/// At most so many events are looked through for one page of a certain type.
const MOST_LOOKED_AT: usize = 10_000;

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
        let events = page.items.into_iter().filter_map(|row| self.readable(&row).map(|event| (row, event)));
        let items = self.told(namespace, events.collect()).await?;
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    /// What happened in the caller's namespace, newest first; of one type, if that is asked for.
    ///
    /// # Errors
    /// When the caller does not administer the tenant.
    pub async fn audit(
        &self,
        caller: &Caller,
        kind: Option<EventType>,
        request: &PageRequest,
    ) -> Result<Page<Recorded>, Error> {
        caller.administers()?;
        let (namespace, limit) = (caller.namespace(), request.limit()?);
        let ledger = rows::ledger(namespace);
        let list = format!("audit#{ledger}#{kind:?}");
        let mut after = self.position(&list, namespace, request)?;
        let (mut found, mut looked_at) = (Vec::new(), 0);
        // What is rare is not looked for a row at a time.
        let portion = if kind.is_some() { MOST_LOOKED_AT / 20 } else { limit };
        let goes_on = loop {
            let mut rows = self.newest_of_outbox(&ledger, after.as_deref(), portion + 1).await?;
            let is_last = rows.len() <= portion;
            rows.truncate(portion);
            looked_at += rows.len();
            let mut rows = rows.into_iter();
            while found.len() < limit
                && let Some(row) = rows.next()
            {
                after = Some(row.key.sort.clone());
                found.extend(read(&row, kind).map(|event| (row, event)));
            }
            if is_last && rows.len() == 0 {
                break None;
            }
            if found.len() == limit || looked_at >= MOST_LOOKED_AT {
                break after;
            }
        };
        let next_cursor = goes_on.map(|after| self.cursor(&list, namespace, &after)).transpose()?;
        Ok(Page { items: self.told(namespace, found).await?, next_cursor })
    }

    /// The newest rows of all parts of an outbox before a position, merged:
    /// attempts are named by the time of their making.
    async fn newest_of_outbox(&self, ledger: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>, Error> {
        let queries = outbox_partitions(ledger).map(async |partition| {
            let (begins_with, after, direction) = (String::new(), after.map(str::to_owned), Direction::Descending);
            self.store.query(&Query { partition, begins_with, after, limit, direction }).await
        });
        let mut rows: Vec<_> = try_join_all(queries).await?.into_iter().flatten().collect();
        rows.sort_unstable_by(|a, b| b.key.sort.cmp(&a.key.sort));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn told(&self, namespace: Namespace, events: Vec<(Row, Event)>) -> Result<Vec<Recorded>, Error> {
        let makers = self.makers(namespace, events.iter().filter_map(|(_, event)| principal_of(&event.actor))).await?;
        let told = events.into_iter().map(|(row, event)| Recorded {
            id: event_id(&row.key.sort),
            by: principal_of(&event.actor).map(|id| makers.maker(id)),
            event,
        });
        Ok(told.collect())
    }
}

/// An event of this type. The outbox is the one place whose rows are not vouched
/// for; one that cannot be read hides no others.
fn read(row: &Row, kind: Option<EventType>) -> Option<Event> {
    match serde_json::from_slice::<Event>(&row.body) {
        Ok(event) => kind.is_none_or(|kind| kind == event.kind).then_some(event),
        Err(fault) => {
            tracing::error!(%fault, key = ?row.key, "an event cannot be read");
            None
        }
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

/// An event is named by the attempt that recorded it, and its number there.
fn event_id(sort: &str) -> String {
    format!("evt_{}", sort.trim_start_matches("att_").replace('#', ""))
}
