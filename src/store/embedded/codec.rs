//! How rows and their keys lie in the database, byte for byte.
//!
//! ```text
//! row key     partition | 0 | sort
//! row value   1 | version (8) | purge date in ms, all ones for none (8) | body
//! index key   purge date in ms (8) | row key
//! ```
//!
//! Numbers are big-endian. Neither part of a row key contains a zero byte, so
//! no partition is a prefix of another, and rows sort by the bytes of their keys.
//! Never here: I/O.

use fjall::Slice;

use crate::domain::instant::Instant;

use super::super::{Row, RowKey, Unavailable, Version};

const LAYOUT: u8 = 1;
const HEADER: usize = 17;
const NEVER: u64 = u64::MAX;

/// What stands before the body of a stored row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: Version,
    pub(super) purge_after: Option<Instant>,
}

pub(super) fn row_key(key: &RowKey) -> Slice {
    self::key(&key.partition, &key.sort)
}

pub(super) fn key(partition: &str, sort: &str) -> Slice {
    [partition.as_bytes(), &[0], sort.as_bytes()].concat().into()
}

pub(super) fn parse_row_key(key: &[u8]) -> Result<RowKey, Unavailable> {
    let text = std::str::from_utf8(key).map_err(|_| unreadable("a key that is no text"))?;
    let (partition, sort) = text.split_once('\0').ok_or_else(|| unreadable("a key without its separator"))?;
    Ok(RowKey::new(partition, sort))
}

/// The first key after all those that begin with this one, which is a row key
/// or the beginning of one: text whose last byte can be raised by one.
pub(super) fn after_all_that_begin_with(beginning: &[u8]) -> Slice {
    let mut end = beginning.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end.into()
}

pub(super) fn value(header: Header, body: &[u8]) -> Slice {
    let purge_after = header.purge_after.map_or(NEVER, Instant::as_unix_millis);
    let mut value = Vec::with_capacity(HEADER + body.len());
    value.push(LAYOUT);
    value.extend_from_slice(&header.version.number().to_be_bytes());
    value.extend_from_slice(&purge_after.to_be_bytes());
    value.extend_from_slice(body);
    value.into()
}

pub(super) fn header(value: &[u8]) -> Result<Header, Unavailable> {
    parse(value).map(|(header, _)| header)
}

pub(super) fn row(key: RowKey, value: &[u8]) -> Result<Row, Unavailable> {
    let (header, body) = parse(value)?;
    Ok(Row { key, version: header.version, body: body.to_vec() })
}

fn parse(value: &[u8]) -> Result<(Header, &[u8]), Unavailable> {
    let (head, body) = value.split_first_chunk::<HEADER>().ok_or_else(|| unreadable("a row without its header"))?;
    let [LAYOUT, numbers @ ..] = head else { return Err(unreadable("a row of an unknown layout")) };
    let (numbers, _) = numbers.as_chunks::<8>();
    let [version, purge_after] = numbers else { return Err(unreadable("a row without its header")) };
    let version = Version::from_number(u64::from_be_bytes(*version)).ok_or_else(|| unreadable("a row at version 0"))?;
    let purge_after = match u64::from_be_bytes(*purge_after) {
        NEVER => None,
        millis => Some(Instant::from_unix_millis(millis)),
    };
    Ok((Header { version, purge_after }, body))
}

pub(super) fn index_key(due: Instant, row_key: &[u8]) -> Slice {
    [due.as_unix_millis().to_be_bytes().as_slice(), row_key].concat().into()
}

/// The key of the row that an index entry stands for.
pub(super) fn parse_index_key(key: &[u8]) -> Result<&[u8], Unavailable> {
    key.split_first_chunk::<8>()
        .map(|(_, row_key)| row_key)
        .ok_or_else(|| unreadable("an index entry without its date"))
}

fn unreadable(what: &str) -> Unavailable {
    Unavailable(format!("the database holds {what}: restore a backup"))
}

impl From<fjall::Error> for Unavailable {
    fn from(error: fjall::Error) -> Self {
        Self(format!("the database could not be read: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_their_stored_form() {
        for purge_after in [None, Some(Instant::from_unix_millis(0)), Some(Instant::from_unix_millis(77))] {
            for body in [b"".as_slice(), b"body"] {
                let stored = Header { version: Version::from_number(9).unwrap(), purge_after };
                let value = value(stored, body);
                assert_eq!(header(&value).unwrap(), stored);
                assert_eq!(row(RowKey::new("p", "s"), &value).unwrap().body, body);
            }
        }
        let key = RowKey::new("p#1", "s#é");
        assert_eq!(parse_row_key(&row_key(&key)).unwrap(), key);
        let due = Instant::from_unix_millis(77);
        assert_eq!(parse_index_key(&index_key(due, b"key")).unwrap(), b"key");
    }

    /// Rows written by every released version stay readable: this is layout 1.
    #[test]
    fn the_layout_is_what_it_was() {
        let header = Header { version: Version::FIRST, purge_after: Some(Instant::from_unix_millis(258)) };
        assert_eq!(*value(header, b"x"), [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, b'x']);
        assert_eq!(*key("p", "s"), *b"p\0s");
        assert_eq!(*index_key(Instant::from_unix_millis(258), b"p\0s"), *b"\0\0\0\0\0\0\x01\x02p\0s");
    }

    #[test]
    fn what_is_not_a_row_is_an_error() {
        let good = value(Header { version: Version::FIRST, purge_after: None }, b"");
        assert!(header(&good[..HEADER - 1]).is_err());
        let mut later = good.to_vec();
        later[0] = 2;
        assert!(header(&later).is_err());
        let mut unborn = good.to_vec();
        unborn[8] = 0;
        assert!(header(&unborn).is_err());
        assert!(parse_row_key(b"no separator").is_err());
        assert!(parse_row_key(b"\xff\0").is_err());
        assert!(parse_index_key(b"short").is_err());
    }

    #[test]
    fn a_beginning_ends_before_its_neighbour() {
        let end = after_all_that_begin_with(&key("t1", ""));
        assert!(*key("t1", "\u{10ffff}") < *end);
        assert!(*key("t1\u{1}", "") >= *end);
        assert!(*key("t10", "") >= *end);
    }
}
