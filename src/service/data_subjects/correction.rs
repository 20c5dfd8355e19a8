//! Correction of an address: in every list of recipients another takes its place. Nobody else comes to be one, and whoever
//! has claimed under the old address has claimed under the new one.

use crate::{
    domain::{
        confirmation::Confirmation,
        event::{Event, EventType},
        recipient::Address,
        redemption::Claim,
        tenant::Namespace,
    },
    service::{
        Broker, Caller, Error,
        listing::PageRequest,
        records::{Committed, ROUNDS, committed, outrun},
        removed_rows::Pages,
        sealed_records::SealedRecords,
    },
    store::{Direction, Expected, Query, Transaction, Write},
};

use super::{
    reached_from,
    things::{Addressed, Kind, marked},
};

/// How many shares and links one call looks at.
const LOOKED_AT: usize = 500;

/// How many are read at a time.
const PORTION: usize = 100;

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrected {
    /// How many shares it changed.
    pub shares: u64,
    /// How many links.
    pub links: u64,
    /// Where to go on, if that was not all.
    pub next_cursor: Option<String>,
}

impl Broker {
    /// Puts another address in the place of one, in the lists of recipients of the next 500 shares and links. Whatever a
    /// call was cut off in the middle of, the same call again goes on with it.
    ///
    /// # Errors
    /// When the caller does not administer the tenant, or acts for it; when the cursor is not one of this.
    pub async fn correct_subject(
        &self,
        caller: &Caller,
        (from, to): (&Address, &Address),
        cursor: Option<String>,
    ) -> Result<Corrected, Error> {
        caller.sees_to_people()?;
        if from == to {
            return Err(Error::invalid("/to", "is the same address; nothing is to be corrected"));
        }
        let home = caller.namespace();
        let sealed = self.sealed(home.tenant).await?;
        let (id, becomes) = (sealed.addressee(from)?, sealed.addressee(to)?);
        let list = format!("correction#{id}#{becomes}");
        let position =
            self.position(&list, home, &PageRequest { limit: None, cursor: cursor.clone() }).map_err(of_body)?;
        let (mut step, mut after) = match position.as_deref().and_then(|position| position.split_once('#')) {
            Some((step, after)) => (step.parse().unwrap_or_default(), Some(after.to_owned())),
            None => (0, None),
        };
        if cursor.is_none() {
            let event = caller.origin(self).done(EventType::DataSubjectCorrected, caller.actor(), id);
            self.record(&event).await?;
        }
        let steps: Vec<_> =
            reached_from(home).into_iter().flat_map(|namespace| Kind::BOTH.map(|kind| (namespace, kind))).collect();
        let (mut corrected, mut left) = (Corrected { shares: 0, links: 0, next_cursor: None }, LOOKED_AT);
        while let Some((namespace, kind)) = steps.get(step).copied() {
            if left == 0 {
                let position = format!("{step}#{}", after.unwrap_or_default());
                corrected.next_cursor = Some(self.cursor(&list, home, &position)?);
                break;
            }
            let limit = left.min(PORTION);
            let (partition, begins_with) = (kind.list(namespace), String::new());
            let after_this = after.take().filter(|after| !after.is_empty());
            let query = Query { partition, begins_with, after: after_this, limit, direction: Direction::Ascending };
            let page = self.store.query(&query).await?;
            left -= page.len().max(1).min(left);
            for thing in self.things_of(kind, &sealed, &page).await?.things {
                let was = self.correct_thing(caller, &sealed, namespace, thing, (from, to)).await?;
                *(if kind == Kind::Shares { &mut corrected.shares } else { &mut corrected.links }) += u64::from(was);
            }
            match page.last() {
                Some(last) if page.len() == limit => after = Some(last.key.sort.clone()),
                _ => step += 1,
            }
        }
        Ok(corrected)
    }

    async fn correct_thing(
        &self,
        caller: &Caller,
        sealed: &SealedRecords<'_>,
        namespace: Namespace,
        mut thing: Addressed,
        (from, to): (&Address, &Address),
    ) -> Result<bool, Error> {
        for _ in 0..ROUNDS {
            let key = thing.recipient_key(self);
            let list = thing.notes.recipients.as_ref().and_then(|list| list.corrected(from, to));
            let mark = marked(key.as_ref(), list.as_ref());
            let Some(changed) = thing.minted().corrected(&thing.notes, &thing.state.value, (from, to), mark) else {
                return Ok(false);
            };
            let origin = crate::service::events::Origin { namespace, ..caller.origin(self) };
            let [kind, _] = thing.events();
            let event = Event {
                changed: changed.fields.clone(),
                version: Some(thing.state.version.next().number()),
                ..origin.done(kind, caller.actor(), thing.id())
            };
            let transaction =
                thing.writes(sealed, &changed)?.into_iter().fold(self.recording(&event)?, Transaction::write);
            let moved = self.moved_to(&thing, (from, to)).await?;
            let transaction = moved.into_iter().fold(transaction, Transaction::write);
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return Ok(true),
                Committed::ReadAgain => {}
            }
            match self.thing_again(sealed, thing.thing()).await? {
                Some(now) => thing = now,
                None => return Ok(false),
            }
        }
        Err(outrun())
    }

    /// What makes the claim of the one address that of the other. A code that is on its way is worth nothing any more.
    async fn moved_to(&self, thing: &Addressed, (from, to): (&Address, &Address)) -> Result<Vec<Write>, Error> {
        let Some(key) = thing.recipient_key(self) else { return Ok(Vec::new()) };
        let until = thing.kept_until();
        let [old, new] = [from, to].map(|address| thing.confirmation(&key, address));
        let [before, after] = self.store.get([old.clone(), new.clone()]).await?;
        let expecting =
            |row: Option<&crate::store::Row>| row.map_or(Expected::Absent, |row| Expected::Version(row.version));
        let mut writes = vec![self.put(old, expecting(before.as_ref()), &Confirmation::gone(), until)?];
        if !thing.has(to) {
            let [was, is] = [before.as_ref(), after.as_ref()];
            let was = self.decode_if::<Confirmation>(was)?.map(|record| record.value).unwrap_or_default();
            let placed = self.decode_if::<Confirmation>(is)?.map(|record| record.value).unwrap_or_default();
            // Whoever has claimed under either has claimed.
            let claimed = if was.claimed_at.is_some() { &was } else { &placed };
            writes.push(self.put(new, expecting(after.as_ref()), &Confirmation::in_the_place_of(claimed), until)?);
        }
        if thing.state.value.claims == 0 {
            return Ok(writes);
        }
        let [old, new] = [from, to].map(|address| key.recipient(address));
        let mut pages = Pages::beginning_with(thing.partition(), "claim#");
        while let Some(page) = pages.next(self).await? {
            for row in page {
                let Some(claim) = self.readable::<Claim>(&row) else { continue };
                // One that has moved on opens nothing, whosever it was.
                if claim.recipient.as_ref() == Some(&old) && claim.moved_at.is_none() {
                    let claim = Claim { recipient: Some(new.clone()), ..claim };
                    writes.push(self.put(row.key, Expected::Version(row.version), &claim, until)?);
                }
            }
        }
        Ok(writes)
    }
}

/// The cursor comes in a body here, not in a query.
pub(super) fn of_body(fault: Error) -> Error {
    match fault {
        Error::Invalid(invalid) => Error::invalid(format!("/{}", invalid.pointer), invalid.message),
        other => other,
    }
}
