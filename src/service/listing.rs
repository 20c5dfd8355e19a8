//! Pages of lists, and the sealed cursors that go on with them.

use std::fmt::Display;

use crate::{
    crypto::{digest::framed, sealed::Purpose},
    domain::{filter::Filter, instant::Instant, tenant::Namespace},
    store::{Direction, Query},
};

use super::{Broker, Error};

/// The most items of a page.
pub const LARGEST_PAGE: usize = 1_000;
const DEFAULT_PAGE: usize = 50;

/// Which page is asked for.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// At most this many items.
    pub limit: Option<usize>,
    /// Where the last page ended.
    pub cursor: Option<String>,
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins, if there may be one.
    pub next_cursor: Option<String>,
}

/// The part of a list that lies between two sort keys; neither of them belongs to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Between {
    pub(super) above: Option<String>,
    pub(super) below: Option<String>,
}

impl Between {
    /// What a filter can take, going by the time that ids begin with. `id` makes one of a time and what is drawn.
    pub(super) fn times<I: Display>(filter: &Filter, id: impl Fn(Instant, [u8; 10]) -> I) -> Self {
        Self {
            above: filter.created_after.map(|after| id(after, [u8::MAX; 10]).to_string()),
            below: filter.created_before.map(|before| id(before, [0; 10]).to_string()),
        }
    }
}

impl PageRequest {
    /// How many items are asked for.
    ///
    /// # Errors
    /// When it is not 1 to 1,000.
    pub fn limit(&self) -> Result<usize, Error> {
        match self.limit {
            None => Ok(DEFAULT_PAGE),
            Some(limit) if (1..=LARGEST_PAGE).contains(&limit) => Ok(limit),
            Some(_) => Err(Error::invalid("limit", "must be between 1 and 1,000")),
        }
    }
}

impl Broker {
    /// Where a list goes on after this position. Sealed, since a position may
    /// be a path that the caller cannot see, and bound to list and namespace.
    pub(super) fn cursor(&self, list: &str, namespace: Namespace, position: &str) -> Result<String, Error> {
        let mut plaintext = cursor_context(list, namespace);
        plaintext.extend_from_slice(position.as_bytes());
        Ok(self.keyring.seal(Purpose::Cursor, &plaintext, self.entropy.as_ref())?)
    }

    /// The position in a cursor that was made for this list.
    pub(super) fn position(
        &self,
        list: &str,
        namespace: Namespace,
        request: &PageRequest,
    ) -> Result<Option<String>, Error> {
        let Some(cursor) = &request.cursor else { return Ok(None) };
        let foreign = || Error::invalid("cursor", "is not a cursor of this list; leave it out to begin again");
        let plaintext = self.keyring.open(Purpose::Cursor, cursor).map_err(|_| foreign())?;
        let position = plaintext.strip_prefix(cursor_context(list, namespace).as_slice()).ok_or_else(foreign)?;
        String::from_utf8(position.to_vec()).map(Some).map_err(|_| foreign())
    }

    /// The rows of one page of a partition, newest first, and where the next begins.
    pub(super) async fn newest_first(
        &self,
        partition: String,
        namespace: Namespace,
        request: &PageRequest,
    ) -> Result<Page<crate::store::Row>, Error> {
        self.newest_first_between(partition, namespace, request, Between::default()).await
    }

    /// As [`Broker::newest_first`], of a part of the list.
    pub(super) async fn newest_first_between(
        &self,
        partition: String,
        namespace: Namespace,
        request: &PageRequest,
        between: Between,
    ) -> Result<Page<crate::store::Row>, Error> {
        let limit = request.limit()?;
        let after = self.position(&partition, namespace, request)?;
        let after = match (after, between.below) {
            (Some(position), Some(below)) => Some(position.min(below)),
            (position, below) => position.or(below),
        };
        let query = Query {
            partition: partition.clone(),
            begins_with: String::new(),
            after,
            limit: limit + 1,
            direction: Direction::Descending,
        };
        let mut items = self.store.query(&query).await?;
        if let Some(above) = between.above {
            items.truncate(items.partition_point(|row| row.key.sort > above));
        }
        let next_cursor = if items.len() > limit {
            items.truncate(limit);
            items.last().map(|row| self.cursor(&partition, namespace, &row.key.sort)).transpose()?
        } else {
            None
        };
        Ok(Page { items, next_cursor })
    }
}

fn cursor_context(list: &str, namespace: Namespace) -> Vec<u8> {
    framed(&[list.as_bytes(), namespace.tenant.as_bytes(), namespace.mode.as_str().as_bytes()])
}
