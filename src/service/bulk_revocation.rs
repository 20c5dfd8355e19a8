//! Revoking many shares or links at once: those that a filter takes, a page of the list at a time.
//!
//! Each is revoked by itself, with an event of its own. Whatever a call was cut off in the middle of, the same call
//! again goes on with it.

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::domain::{filter::Filter, redemption::Status};

use super::{Broker, Caller, Error, listing::PageRequest};

/// How many things of a list one call looks at.
const LOOKED_AT: usize = 500;

/// How many are revoked at the same time.
const AT_ONCE: usize = 16;

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// How many it revoked.
    pub revoked: usize,
    /// Where to go on, if the list has not ended.
    pub next_cursor: Option<String>,
}

impl Broker {
    /// Revokes those of the caller's shares that the filter takes, among the next 500 of the list.
    ///
    /// # Errors
    /// When the cursor is not one of this list; or when it was cut short: then some may be revoked, and the same
    /// call goes on with the others.
    pub async fn revoke_shares(
        &self,
        caller: &Caller,
        filter: &Filter,
        cursor: Option<String>,
    ) -> Result<Revoked, Error> {
        let page = self.list_shares(caller, filter, &page(cursor)).await.map_err(of_body)?;
        let live = page.items.iter().filter(|share| is_live(share.status));
        let revoked = count(live.map(|share| self.revoke_share(caller, share.grant.id))).await?;
        Ok(Revoked { revoked, next_cursor: page.next_cursor })
    }

    /// As [`Broker::revoke_shares`], for links.
    ///
    /// # Errors
    /// As there.
    pub async fn revoke_links(
        &self,
        caller: &Caller,
        filter: &Filter,
        cursor: Option<String>,
    ) -> Result<Revoked, Error> {
        let page = self.list_links(caller, filter, &page(cursor)).await.map_err(of_body)?;
        let live = page.items.iter().filter(|link| is_live(link.status));
        let revoked = count(live.map(|link| self.revoke_link(caller, link.grant.id))).await?;
        Ok(Revoked { revoked, next_cursor: page.next_cursor })
    }
}

fn page(cursor: Option<String>) -> PageRequest {
    PageRequest { limit: Some(LOOKED_AT), cursor }
}

/// The cursor comes in a body here, not in a query.
fn of_body(fault: Error) -> Error {
    match fault {
        Error::Invalid(invalid) => Error::invalid(format!("/{}", invalid.pointer), invalid.message),
        other => other,
    }
}

/// Whether there is anything to revoke: one that was claimed may have an open session.
fn is_live(status: Status) -> bool {
    matches!(status, Status::Pending | Status::Claimed)
}

async fn count(revoking: impl Iterator<Item = impl Future<Output = Result<bool, Error>>>) -> Result<usize, Error> {
    let counted = stream::iter(revoking).buffer_unordered(AT_ONCE);
    counted.try_fold(0, async |count, revoked| Ok(count + usize::from(revoked))).await
}
