//! Pages of lists, and the sealed cursors that go on with them.

use crate::{
    crypto::{digest::framed, sealed::Purpose},
    domain::tenant::Namespace,
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

impl PageRequest {
    pub(super) fn limit(&self) -> Result<usize, Error> {
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
        let limit = request.limit()?;
        let after = self.position(&partition, namespace, request)?;
        let query = Query {
            partition: partition.clone(),
            begins_with: String::new(),
            after,
            limit: limit + 1,
            direction: Direction::Descending,
        };
        let mut items = self.store.query(&query).await?;
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
