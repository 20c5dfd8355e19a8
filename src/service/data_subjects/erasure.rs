//! The erasure of a person as administrators ask for it, and are told of it. What carries it out is [`super::erasing`].

use crate::{
    domain::{
        erasure::{Asked, DataSubject, Erasure},
        event::EventType,
        ids::DataSubjectId,
        principal::Principal,
        tenant::Namespace,
    },
    service::{
        Broker, Caller, Error,
        events::Origin,
        listing::{Page, PageRequest},
        records::{Committed, ROUNDS, committed, outrun},
        removed_rows::Pages,
        rows,
    },
    store::{Direction, Expected, Query, Row, RowKey},
};

use super::{Named, UnderWay, goes_by};

/// How many erasures under way are looked at in a round.
const MOST: usize = 1_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct EraseSubject {
    /// Who is to be erased.
    pub who: Named,
    /// Why, for the administrators themselves.
    pub reason: Option<String>,
    /// Whether what a user made lives on, for its own time.
    pub keeps_minted: bool,
}

/// A person who was named, and whether they were erased.
#[derive(Clone, Debug)]
pub struct SeenSubject {
    /// Under a keyed hash, the same each time.
    pub id: DataSubjectId,
    /// Their erasure, if there was one.
    pub erasure: Option<Erasure>,
}

impl Broker {
    /// Erases a person from what the tenant keeps: begins with it, and goes on in the background. Asked again it goes on,
    /// or, if it had come to its end, begins anew.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or acts for it; for users of others; where it would be an operator
    /// and the caller is none, or the caller themselves.
    pub async fn erase_subject(&self, caller: &Caller, wanted: EraseSubject) -> Result<Erasure, Error> {
        let (namespace, begun) = self.begin_erasure(caller, wanted).await?;
        let (broker, id) = (self.clone(), begun.id);
        self.under_way.run(async move { broker.erase_in_background(namespace, id).await });
        Ok(begun)
    }

    /// As [`Broker::erase_subject`], without going on with it.
    ///
    /// # Errors
    /// As there.
    pub async fn begin_erasure(&self, caller: &Caller, wanted: EraseSubject) -> Result<(Namespace, Erasure), Error> {
        caller.sees_to_people()?;
        let namespace = caller.namespace();
        let known = self.known(namespace, wanted.who).await?;
        let who = known.who.ok_or(Error::NotFound)?;
        let said = wanted.reason.as_deref().map(str::to_lowercase);
        if let (DataSubject::Address(address), Some(said)) = (&who, said)
            && said.contains(address.as_str())
        {
            return Err(Error::invalid("/reason", "must not name who is to be erased: it is kept"));
        }
        for user in &self.users_meant(namespace, &who, known.user).await? {
            caller.may_handle(user)?;
            if user.id == caller.principal.id {
                return Err(Error::conflict("own_user", "nobody erases themselves; ask another administrator"));
            }
        }
        let asked = Asked {
            who,
            reason: wanted.reason,
            by: caller.actor(),
            by_operator: caller.operates().is_ok(),
            keeps_minted: wanted.keeps_minted,
        };
        Ok((namespace, self.begin_erasing(caller.origin(self), known.id, asked).await?))
    }

    /// Begins to erase somebody, or begins again, whoever asked for it.
    pub(super) async fn begin_erasing(
        &self,
        origin: Origin,
        id: DataSubjectId,
        asked: Asked,
    ) -> Result<Erasure, Error> {
        let namespace = origin.namespace;
        let sealed = self.sealed(namespace.tenant).await?;
        for _ in 0..ROUNDS {
            let [row] = self.store.get([rows::erasure(namespace, id)]).await?;
            let before = sealed.decode_if::<Erasure>(row.as_ref())?;
            let drawn = base16ct::lower::encode_string(&self.entropy.bytes::<16>());
            let lead = format!("{}{drawn}", rows::erasing_of(namespace));
            let before_that = before.as_ref().map(|before| &before.value);
            let begun = Erasure::begun(before_that, id, asked.clone(), lead.clone(), origin.at);
            let expected = before.map_or(Expected::Absent, |before| Expected::Version(before.version));
            let event = origin.done(EventType::DataSubjectErasureAsked, asked.by.clone(), id);
            let mut transaction =
                self.recording(&event)?.write(sealed.put(rows::erasure(namespace, id), expected, &begun, None)?);
            if begun.lead == lead {
                let to = UnderWay { namespace, id };
                transaction =
                    transaction.write(self.put(RowKey::new(rows::erasing(), lead), Expected::Absent, &to, None)?);
            }
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return Ok(begun),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// The users who would be erased.
    pub(super) async fn users_meant(
        &self,
        namespace: Namespace,
        who: &DataSubject,
        user: Option<Principal>,
    ) -> Result<Vec<Principal>, Error> {
        let mut meant: Vec<_> = user.into_iter().collect();
        let DataSubject::Address(address) = who else { return Ok(meant) };
        let sealed = self.sealed(namespace.tenant).await?;
        for namespace in super::reached_from(namespace) {
            let mut pages = Pages::of(rows::users(namespace));
            while let Some(page) = pages.next(self).await? {
                let users = page.iter().filter_map(|row| sealed.readable::<Principal>(row));
                meant.extend(users.filter(|user| goes_by(user, address)));
            }
        }
        Ok(meant)
    }

    /// Whether somebody was erased: by what they are known by, of which only a keyed hash is left.
    ///
    /// # Errors
    /// As [`Broker::erase_subject`].
    pub async fn find_subject(&self, caller: &Caller, who: Named) -> Result<SeenSubject, Error> {
        caller.sees_to_people()?;
        let id = self.known(caller.namespace(), who).await?.id;
        let erasure = match self.see_erasure(caller, id).await {
            Ok(erasure) => Some(erasure),
            Err(Error::NotFound) => None,
            Err(fault) => return Err(fault),
        };
        Ok(SeenSubject { id, erasure })
    }

    /// An erasure, and how far it has come.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there was none; when the caller does not administer the tenant, or acts for it.
    pub async fn see_erasure(&self, caller: &Caller, id: DataSubjectId) -> Result<Erasure, Error> {
        caller.sees_to_people()?;
        let namespace = caller.namespace();
        let [row] = self.store.get([rows::erasure(namespace, id)]).await?;
        let found = self.sealed(namespace.tenant).await?.decode_if::<Erasure>(row.as_ref())?;
        found.map(|found| found.value).ok_or(Error::NotFound)
    }

    /// All erasures that were asked for in the caller's namespace, in the order of their ids, which is none.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or acts for it.
    pub async fn list_erasures(&self, caller: &Caller, request: &PageRequest) -> Result<Page<Erasure>, Error> {
        caller.sees_to_people()?;
        let namespace = caller.namespace();
        let page = self.newest_first(rows::erasures(namespace), namespace, request).await?;
        let sealed = self.sealed(namespace.tenant).await?;
        let items = page.items.iter().filter_map(|row| sealed.readable(row)).collect();
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    /// What leads to erasures under way, of those namespaces whose names begin so.
    pub(in crate::service) async fn erasures_under_way(&self, begins_with: &str) -> Result<Vec<Row>, Error> {
        let (partition, begins_with, direction) = (rows::erasing(), begins_with.to_owned(), Direction::Ascending);
        Ok(self.store.query(&Query { partition, begins_with, after: None, limit: MOST, direction }).await?)
    }

    /// Goes on with the erasures that nobody is at.
    ///
    /// # Errors
    /// When the store does not answer. Those that cannot be gone on with now are passed over.
    pub async fn go_on_erasing(&self) -> Result<(), Error> {
        for row in self.erasures_under_way("").await? {
            if let Some(UnderWay { namespace, id }) = self.readable::<UnderWay>(&row)
                && self.is_left(namespace, id).await?
            {
                self.erase_in_background(namespace, id).await;
            }
        }
        Ok(())
    }
}
