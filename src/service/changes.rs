//! Changing shares and links after they were minted: what is said about them, and what becomes narrower.
//!
//! It goes into one commit on the condition that the state is as it was read. A redemption changes the same row, so
//! that of the two one comes first: once a change is answered, nobody claims beyond it.

use crate::{
    domain::{
        event::{Event, EventType},
        ids::{LinkId, ShareId},
        narrowing::{Change, Conditions, Field, NotChanged},
        recipient::ListMark,
        redemption::Status,
    },
    store::Expected,
};

use super::{
    Broker, Caller, Error,
    links::{self, Link, LinkRow, OwnLink},
    records::{Committed, ROUNDS, committed, outrun},
    rows,
    shares::{self, Share, ShareRow},
};

impl Broker {
    /// The mark of the recipients that are wanted, if some are.
    fn marked_instead(
        &self,
        wanted: &Change,
        caller: &Caller,
        thing: &[u8; 16],
        conditions: &Conditions,
    ) -> Result<Option<ListMark>, Error> {
        let Some(Some(list)) = &wanted.recipients else { return Ok(None) };
        self.sends_codes()?;
        self.mark_instead((caller.tenant.id, thing), conditions, list).map(Some)
    }

    /// Changes what is said about a share, and makes it narrower. Where it is so already nothing is done.
    ///
    /// # Errors
    /// [`Error::NotFound`] for everybody else's; when it has ended, or would become wider.
    pub async fn change_share(&self, caller: &Caller, id: ShareId, wanted: &Change) -> Result<Share, Error> {
        let sealed = self.sealed(caller.namespace().tenant).await?;
        for _ in 0..ROUNDS {
            let (row, state) = self.own_share(caller, id).await?;
            let origin = caller.origin(self);
            let (grant, notes) = (row.value.grant, row.value.notes);
            let marked = self.marked_instead(wanted, caller, id.as_bytes(), &grant.conditions.under(&state.value))?;
            let changed = grant.conditions.change(&notes, &state.value, wanted, marked, origin.at)?;
            let (kept, maker) = (shares::kept_until(&grant), self.maker(&grant.made).await?);
            let Some(changed) = changed else {
                let share = Share::seen(ShareRow { grant, notes }, &state.value, maker, origin.at);
                return self.share_with_claimants(share).await;
            };
            let event = Event { changed: changed.fields, ..origin.done(EventType::ShareChanged, caller.actor(), id) };
            let states = sealed.put(rows::share_state(id), Expected::Version(state.version), &changed.state, kept)?;
            let mut transaction = self.recording_change(&event, states)?;
            let is_noted = changed.notes != notes;
            let seen = ShareRow { grant, notes: changed.notes };
            if is_noted {
                let noted = sealed.put(rows::share_grant(id), Expected::Version(row.version), &seen, kept)?;
                transaction = transaction.write(noted);
            }
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => {
                    let share = Share::seen(seen, &changed.state, maker, origin.at);
                    return self.share_with_claimants(share).await;
                }
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    /// As [`Broker::change_share`], for a link.
    ///
    /// # Errors
    /// As there.
    pub async fn change_link(&self, caller: &Caller, id: LinkId, wanted: &Change) -> Result<Link, Error> {
        let sealed = self.sealed(caller.namespace().tenant).await?;
        for _ in 0..ROUNDS {
            let OwnLink { hash, row, state } = self.own_link(caller, id).await?;
            let origin = caller.origin(self);
            let (grant, notes) = (row.value.grant, row.value.notes);
            let marked = self.marked_instead(wanted, caller, id.as_bytes(), &grant.conditions.under(&state.value))?;
            let changed = grant.conditions.change(&notes, &state.value, wanted, marked, origin.at)?;
            let (kept, maker) = (links::kept_until(&grant), self.maker(&grant.made).await?);
            let Some(changed) = changed else {
                let link = Link::seen(LinkRow { grant, notes }, &state.value, maker, origin.at);
                return self.link_with_claimants(link, hash).await;
            };
            let event = Event { changed: changed.fields, ..origin.done(EventType::LinkChanged, caller.actor(), id) };
            let states = sealed.put(rows::link_state(hash), Expected::Version(state.version), &changed.state, kept)?;
            let mut transaction = self.recording_change(&event, states)?;
            let is_noted = changed.notes != notes;
            let seen = LinkRow { grant, notes: changed.notes };
            if is_noted {
                let noted = sealed.put(rows::link_grant(hash), Expected::Version(row.version), &seen, kept)?;
                transaction = transaction.write(noted);
            }
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => {
                    let link = Link::seen(seen, &changed.state, maker, origin.at);
                    return self.link_with_claimants(link, hash).await;
                }
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }
}

impl From<NotChanged> for Error {
    fn from(fault: NotChanged) -> Self {
        let pointer = |field: Field| format!("/{}", field.as_str());
        match fault {
            NotChanged::Ended(status) => {
                let how = match status {
                    Status::Revoked => "was revoked",
                    Status::Claimed => "was claimed as often as it may be",
                    Status::Pending | Status::Expired => "has expired",
                };
                Self::conflict("ended", format!("it {how} and changes no more; make another"))
            }
            NotChanged::Wider(field) => {
                let message =
                    "it would be wider than it is, and a link that is out is only made narrower; make another";
                Self::conflict_of(pointer(field), "widening", message)
            }
            NotChanged::FewerThanClaimed(claims) => {
                let message = format!("there have been {claims} claims; say {claims}, and there will be no more");
                Self::conflict_of(pointer(Field::Redemptions), "claimed_more_often", message)
            }
            NotChanged::OpensInThePast => Self::invalid(pointer(Field::NotBefore), "is over"),
            NotChanged::EndsInThePast => Self::invalid(pointer(Field::ExpiresAt), "is over; to end it now, revoke it"),
            NotChanged::NeverOpens(field) => {
                Self::invalid(pointer(field), "not_before must be before the time it expires")
            }
        }
    }
}
