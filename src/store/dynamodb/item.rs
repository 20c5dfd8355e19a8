//! Rows as items: `pk` and `sk` (text), `v` the version, `b` the body, and
//! `ttl` in seconds where the row has a purge date. A counter has `n` instead of version and body.
//!
//! Never here: requests.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};

use crate::domain::instant::Instant;

use super::super::{Row, RowKey, Unavailable, Version};

pub(super) const TTL: &str = "ttl";
pub(super) const COUNT: &str = "n";

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn key(key: &RowKey) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(key.partition.clone())),
        ("sk".to_owned(), AttributeValue::S(key.sort.clone())),
    ])
}

pub(super) fn item(at: &RowKey, version: Version, body: &[u8], purge_after: Option<Instant>) -> Item {
    let mut item = key(at);
    item.insert("v".to_owned(), number(version.number()));
    item.insert("b".to_owned(), self::body(body));
    if let Some(purge_after) = purge_after {
        item.insert(TTL.to_owned(), ttl(purge_after));
    }
    item
}

pub(super) fn body(body: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(body))
}

/// Rounded up: a row is kept up to its purge date.
pub(super) fn ttl(purge_after: Instant) -> AttributeValue {
    number(purge_after.as_unix_millis().div_ceil(1000))
}

pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn row(mut item: Item) -> Result<Row, Unavailable> {
    let fault = || Unavailable("the table holds an item that is no row: was it written by something else?".into());
    let (Some(AttributeValue::S(partition)), Some(AttributeValue::S(sort))) = (item.remove("pk"), item.remove("sk"))
    else {
        return Err(fault());
    };
    let (Some(AttributeValue::N(version)), Some(AttributeValue::B(body))) = (item.remove("v"), item.remove("b")) else {
        return Err(fault());
    };
    let version = version.parse().ok().and_then(Version::from_number).ok_or_else(fault)?;
    Ok(Row { key: RowKey { partition, sort }, version, body: body.into_inner() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_as_items() {
        let at = RowKey::new("p", "s");
        let version = Version::from_number(9).unwrap();
        let stored = item(&at, version, b"body", Some(Instant::from_unix_millis(1_001)));
        assert_eq!(stored["ttl"], number(2));
        assert_eq!(row(stored).unwrap(), Row { key: at, version, body: b"body".to_vec() });
    }

    #[test]
    fn an_item_without_one_of_its_parts_is_no_row() {
        let whole = item(&RowKey::new("p", "s"), Version::FIRST, b"body", None);
        assert_eq!(whole.len(), 4);
        for part in ["pk", "sk", "v", "b"] {
            let mut item = whole.clone();
            item.remove(part);
            assert!(row(item).is_err(), "{part}");
        }
        let unborn = HashMap::from([("v".to_owned(), number(0))]);
        assert!(row(whole.into_iter().chain(unborn).collect()).is_err());
    }
}
