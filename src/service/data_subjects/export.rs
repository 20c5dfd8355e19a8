//! The export of a person: everything that is kept of them, some of it with each call. What is kept of others, who were sent
//! the same, is not told.

use std::collections::HashSet;

use crate::{
    crypto::record_hash::of_record,
    domain::{
        confirmation::Confirmation,
        console::ConsoleSession,
        erasure::{DataSubject, Erasure},
        event::EventType,
        ids::DataSubjectId,
        instant::Instant,
        ledger::Record as LedgerRecord,
        metadata::Metadata,
        principal::{Principal, PrincipalId},
        recipient::{Address, Recipient},
        redemption::Status,
        tenant::{Mode, Namespace},
        text::Message,
    },
    service::{
        Broker, Caller, Error, SeenPrincipal, history::Recorded, leads::Lead, listing::PageRequest, rows,
        sealed_records::SealedRecords,
    },
    store::{Direction, Query, Row},
};

use super::{
    Known, Named,
    correction::of_body,
    goes_by, reached_from,
    theirs::Theirs,
    things::{Addressed, Kind},
};

/// How much one call looks at: so many rows of lists, or segments of the ledger, each of which costs as much as fifty.
const LOOKED_AT: usize = 500;
const A_SEGMENT: usize = 50;

/// How many rows are read at a time.
const PORTION: usize = 100;

/// The rows of sessions, as what leads to them names them.
const CONSOLE: &str = "console#";

/// A user, and in which namespace.
#[derive(Clone, Debug)]
pub struct HeldUser {
    /// The user.
    pub user: SeenPrincipal,
    /// Where they are.
    pub mode: Mode,
}

/// A share or link that goes to them.
#[derive(Clone, Debug)]
pub struct Holding {
    /// Its id.
    pub id: String,
    /// In which namespace.
    pub mode: Mode,
    /// The owner's name for it.
    pub label: Option<String>,
    /// Words of the owner's own.
    pub metadata: Metadata,
    /// What recipients are told.
    pub message: Option<Message>,
    /// Who they are there, and what was noted of that.
    pub recipient: Recipient,
    /// When they claimed it.
    pub claimed_at: Option<Instant>,
    /// What became of it.
    pub status: Status,
    /// When it was minted.
    pub created_at: Instant,
    /// Until when it may be claimed.
    pub expires_at: Instant,
    /// Until when it is kept.
    pub kept_until: Option<Instant>,
}

/// What is kept of a person, as far as one call has come.
#[derive(Debug)]
pub struct SubjectExport {
    /// Who, under a keyed hash.
    pub id: DataSubjectId,
    /// As which users they are known.
    pub users: Vec<HeldUser>,
    /// What goes to them.
    pub shares: Vec<Holding>,
    /// What goes to them.
    pub links: Vec<Holding>,
    /// What they did, or may have done, and from where.
    pub records: Vec<Recorded>,
    /// Their sessions of the console.
    pub console_sessions: Vec<ConsoleSession>,
    /// That they were erased before, if they were.
    pub erasure: Option<Erasure>,
    /// Where to go on, if that was not all.
    pub next_cursor: Option<String>,
}

/// What is looked through, one after the other.
#[derive(Clone, Copy)]
enum Section {
    Users,
    Things(Kind),
    Records,
    Sessions,
}

const SECTIONS: [Section; 5] =
    [Section::Users, Section::Things(Kind::Shares), Section::Things(Kind::Links), Section::Records, Section::Sessions];

impl Section {
    fn partition(self, namespace: Namespace) -> String {
        match self {
            Self::Users => rows::users(namespace),
            Self::Things(kind) => kind.list(namespace),
            Self::Records => rows::segments(namespace),
            Self::Sessions => rows::leads(&rows::ledger(namespace)),
        }
    }

    const fn costs(self) -> usize {
        match self {
            Self::Users | Self::Things(_) | Self::Sessions => 1,
            Self::Records => A_SEGMENT,
        }
    }
}

impl Broker {
    /// Lets a caller export all that their namespace has, by its lists; and records that, when it begins.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or acts for it.
    pub async fn begin_tenant_export(&self, caller: &Caller, begins: bool) -> Result<(), Error> {
        caller.sees_to_people()?;
        if begins {
            let event = caller.origin(self).done(EventType::TenantExported, caller.actor(), caller.tenant.id);
            self.record(&event).await?;
        }
        Ok(())
    }

    /// What is kept of a person, some of it with each call: with its cursor another one goes on.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or acts for it; [`Error::NotFound`] for users of others; when the
    /// cursor is not one of this.
    pub async fn export_subject(
        &self,
        caller: &Caller,
        who: Named,
        cursor: Option<String>,
    ) -> Result<SubjectExport, Error> {
        caller.sees_to_people()?;
        let home = caller.namespace();
        let Known { id, who, user } = self.known(home, who).await?;
        let list = format!("subject-export#{id}");
        let position =
            self.position(&list, home, &PageRequest { limit: None, cursor: cursor.clone() }).map_err(of_body)?;
        let sealed = self.sealed(home.tenant).await?;
        if cursor.is_none() {
            let event = caller.origin(self).done(EventType::DataSubjectExported, caller.actor(), id);
            self.record(&event).await?;
            for namespace in reached_from(home) {
                self.chain_what_waits(namespace).await;
            }
        }
        let [tombstone] = self.store.get([rows::erasure(home, id)]).await?;
        let erasure = tombstone.and_then(|row| sealed.readable::<Erasure>(&row));
        let (users, shares, links, records, console_sessions) = Default::default();
        let mut export =
            SubjectExport { id, users, shares, links, records, console_sessions, erasure, next_cursor: None };
        let Some(who) = who else { return Ok(export) };
        let address = match &who {
            DataSubject::Address(address) => Some(address),
            DataSubject::User(_) => None,
        };
        let users = self.users_meant(home, &who, user).await?;
        let ids: HashSet<PrincipalId> = users.iter().map(|user| user.id).collect();
        let looking = Looking { broker: self, sealed: &sealed, ids: &ids, address };

        let (mut step, mut after) = match position.as_deref().and_then(|position| position.split_once('#')) {
            Some((step, after)) => (step.parse().unwrap_or_default(), Some(after.to_owned())),
            None => (0, None),
        };
        let steps: Vec<_> =
            reached_from(home).into_iter().flat_map(|namespace| SECTIONS.map(|section| (namespace, section))).collect();
        let mut left = LOOKED_AT;
        while let Some((namespace, section)) = steps.get(step).copied() {
            if left == 0 {
                let position = format!("{step}#{}", after.unwrap_or_default());
                export.next_cursor = Some(self.cursor(&list, home, &position)?);
                break;
            }
            let limit = (left / section.costs()).clamp(1, PORTION);
            let (partition, begins_with) = (section.partition(namespace), String::new());
            let after_this = after.take().filter(|after| !after.is_empty());
            let query = Query { partition, begins_with, after: after_this, limit, direction: Direction::Ascending };
            let page = self.store.query(&query).await?;
            left = left.saturating_sub((page.len() * section.costs()).max(1));
            looking.through(&page, namespace, section, &mut export).await?;
            match page.last() {
                Some(last) if page.len() == limit => after = Some(last.key.sort.clone()),
                _ => step += 1,
            }
        }
        Ok(export)
    }
}

struct Looking<'a> {
    broker: &'a Broker,
    sealed: &'a SealedRecords<'a>,
    ids: &'a HashSet<PrincipalId>,
    address: Option<&'a Address>,
}

impl Looking<'_> {
    async fn through(
        &self,
        page: &[Row],
        namespace: Namespace,
        section: Section,
        export: &mut SubjectExport,
    ) -> Result<(), Error> {
        match section {
            Section::Users => {
                let users = page.iter().filter_map(|row| self.sealed.readable::<Principal>(row));
                let is_meant = |user: &Principal| {
                    self.ids.contains(&user.id) || self.address.is_some_and(|address| goes_by(user, address))
                };
                let seen = self.broker.seen(namespace, users.filter(is_meant).collect()).await?;
                export.users.extend(seen.into_iter().map(|user| HeldUser { user, mode: namespace.mode }));
            }
            Section::Things(kind) => {
                let Some(address) = self.address else { return Ok(()) };
                let things = self.broker.things_of(kind, self.sealed, page).await?.things;
                let held = match kind {
                    Kind::Shares => &mut export.shares,
                    Kind::Links => &mut export.links,
                };
                for thing in things {
                    held.extend(self.holding(namespace, thing, address).await?);
                }
            }
            Section::Records => {
                let mut theirs = Theirs::new((self.broker, self.sealed), (self.ids, self.address), namespace);
                let (mut found, mut segments) = (Vec::new(), Vec::new());
                for segment in page.iter().filter_map(|row| self.broker.readable_segment(row)) {
                    segments.push(segment.first);
                    for text in &segment.records {
                        let Ok(record) = LedgerRecord::parse(text) else { continue };
                        if theirs.is(&record.event).await? {
                            found.push((record, of_record(text)));
                        }
                    }
                }
                export.records.extend(self.broker.recorded(namespace, found, &segments).await?);
            }
            Section::Sessions => {
                let leads = page.iter().filter_map(|row| self.broker.readable::<Lead>(row)).map(Lead::key);
                let keys: Vec<_> = leads.filter(|key| key.partition.starts_with(CONSOLE)).collect();
                let rows = self.broker.store.get_all(&keys).await?;
                let sessions = rows.iter().flatten().filter_map(|row| self.broker.readable::<ConsoleSession>(row));
                export.console_sessions.extend(sessions.filter(|session| self.ids.contains(&session.principal.minter)));
            }
        }
        Ok(())
    }

    /// What of a share or link is about them.
    async fn holding(
        &self,
        namespace: Namespace,
        thing: Addressed,
        address: &Address,
    ) -> Result<Option<Holding>, Error> {
        let list = thing.notes.recipients.as_ref();
        let recipient = list.and_then(|list| list.as_slice().iter().find(|one| one.address == *address)).cloned();
        let Some(recipient) = recipient else { return Ok(None) };
        let claimed_at = match thing.recipient_key(self.broker) {
            Some(key) => {
                let [row] = self.broker.store.get([thing.confirmation(&key, address)]).await?;
                row.and_then(|row| self.broker.readable::<Confirmation>(&row)).and_then(|row| row.claimed_at)
            }
            None => None,
        };
        let terms = thing.conditions().terms;
        Ok(Some(Holding {
            id: thing.id(),
            mode: namespace.mode,
            status: terms.status(&thing.state.value, self.broker.now()),
            created_at: terms.issued_at,
            expires_at: terms.expires_at,
            kept_until: thing.kept_until(),
            label: thing.notes.label,
            metadata: thing.notes.metadata,
            message: thing.notes.message,
            recipient,
            claimed_at,
        }))
    }
}
