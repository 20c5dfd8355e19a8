//! Rows, their keys and versions, and how a partition is asked for them.

use std::{fmt, num::NonZeroU64};

use super::Unavailable;

/// The two-part key of a row: all rows of a partition lie together, ordered by
/// the bytes of `sort`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Which partition; never empty, no NUL byte, at most 1,500 bytes.
    pub partition: String,
    /// Which row of it; never empty, no NUL byte, at most 1,000 bytes.
    pub sort: String,
}

impl RowKey {
    /// The key of the row `sort` in `partition`.
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort: sort.into() }
    }

    /// The rules of the fields, as every backend enforces them.
    pub(super) fn check(&self) -> Result<(), Unavailable> {
        check_part("partition", &self.partition, 1_500)?;
        check_part("sort key", &self.sort, 1_000)
    }
}

fn check_part(name: &str, part: &str, longest: usize) -> Result<(), Unavailable> {
    match part {
        "" => Err(Unavailable(format!("an empty {name} was asked for"))),
        part if part.len() > longest => Err(Unavailable(format!("a {name} is longer than {longest} bytes"))),
        part if part.contains('\0') => Err(Unavailable(format!("a {name} contains a NUL byte"))),
        _ => Ok(()),
    }
}

/// How often a row has been written: 1 for a new one, then one more each time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(NonZeroU64);

impl Version {
    /// The version of a row that was just created.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The version with this number; none for zero.
    pub const fn from_number(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number, from 1.
    pub const fn number(self) -> u64 {
        self.0.get()
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// A stored row.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it is.
    pub key: RowKey,
    /// How often it has been written.
    pub version: Version,
    /// What it says; opaque to the store.
    pub body: Vec<u8>,
}

impl fmt::Debug for Row {
    /// Without the body, which may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({:?}, {:?}, {} bytes)", self.key, self.version, self.body.len())
    }
}

/// In which order a query returns rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest sort key first.
    Ascending,
    /// Greatest sort key first.
    Descending,
}

/// A question for some rows of one partition.
#[derive(Clone, Debug)]
pub struct Query {
    /// Which partition.
    pub partition: String,
    /// Only rows whose sort key begins with this; empty for all.
    pub begins_with: String,
    /// Only rows beyond this sort key, in the direction asked for.
    pub after: Option<String>,
    /// At most this many rows, 1 to 1,001. Fewer only when there are no more.
    pub limit: usize,
    /// In which order.
    pub direction: Direction,
}

impl Query {
    /// The most rows that one query may ask for.
    pub const MOST_ROWS: usize = 1_001;

    /// The rules of the fields, as every backend enforces them.
    pub(super) fn check(&self) -> Result<(), Unavailable> {
        check_part("partition", &self.partition, 1_500)?;
        if !self.begins_with.is_empty() {
            check_part("beginning", &self.begins_with, 1_000)?;
        }
        if let Some(after) = &self.after {
            check_part("position", after, 1_000)?;
        }
        match self.limit {
            1..=Self::MOST_ROWS => Ok(()),
            limit => {
                Err(Unavailable(format!("a query for {limit} rows, where 1 to {} can be asked for", Self::MOST_ROWS)))
            }
        }
    }

    /// Where to look, once `begins_with` and `after` are brought together.
    pub(super) fn scope(&self) -> Scope<'_> {
        let Some(after) = self.after.as_deref() else { return Scope::Beginning };
        let within = after.starts_with(&self.begins_with);
        let above = after > self.begins_with.as_str();
        match (within, above, self.direction) {
            (true, _, _) => Scope::Beyond(after),
            (false, false, Direction::Ascending) | (false, true, Direction::Descending) => Scope::Beginning,
            (false, true, Direction::Ascending) | (false, false, Direction::Descending) => Scope::Nothing,
        }
    }
}

/// Which of the rows that begin as asked a query is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope<'a> {
    /// All of them.
    Beginning,
    /// Those beyond this sort key, which begins as asked itself.
    Beyond(&'a str),
    /// None: every one of them lies before the position asked for.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(begins_with: &str, after: Option<&str>, direction: Direction) -> Query {
        let after = after.map(str::to_owned);
        Query { partition: "p".into(), begins_with: begins_with.into(), after, limit: 1, direction }
    }

    #[test]
    fn a_position_outside_the_beginning_means_all_of_it_or_nothing() {
        use Direction::{Ascending, Descending};
        assert_eq!(query("b", None, Ascending).scope(), Scope::Beginning);
        assert_eq!(query("b", Some("b1"), Ascending).scope(), Scope::Beyond("b1"));
        assert_eq!(query("", Some("b1"), Descending).scope(), Scope::Beyond("b1"));
        assert_eq!(query("b", Some("a"), Ascending).scope(), Scope::Beginning);
        assert_eq!(query("b", Some("a"), Descending).scope(), Scope::Nothing);
        assert_eq!(query("b", Some("c"), Ascending).scope(), Scope::Nothing);
        assert_eq!(query("b", Some("c"), Descending).scope(), Scope::Beginning);
    }

    #[test]
    fn keys_that_no_backend_could_hold_are_refused() {
        assert!(RowKey::new("p", "s").check().is_ok());
        assert!(RowKey::new("", "s").check().is_err());
        assert!(RowKey::new("p", "").check().is_err());
        assert!(RowKey::new("p\0", "s").check().is_err());
        assert!(RowKey::new("p", "s\0t").check().is_err());
        assert!(RowKey::new("p", "s".repeat(1_002)).check().is_err());
    }

    #[test]
    fn a_query_asks_for_something_and_not_for_everything() {
        let mut asked = query("", None, Direction::Ascending);
        assert!(asked.check().is_ok());
        asked.limit = 0;
        assert!(asked.check().is_err());
        asked.limit = 1_002;
        assert!(asked.check().is_err());
    }
}
