//! Rows, their keys and versions, and how a partition is asked for them.

use std::{fmt, num::NonZeroU64};

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
