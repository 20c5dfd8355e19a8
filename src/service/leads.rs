//! What leads from a namespace to those of its rows that nothing else of it names: rows that lie under the hash of a secret, or
//! of what somebody has asked. Whoever presents the secret finds them; whoever removes the tenant finds them by this.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::store::{Expected, RowKey, Write};

use super::{Broker, Error, rows};

/// For how long it is kept after the row it leads to: tables drop rows days late, and in no order.
const LONGER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Where a row lies.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Lead {
    partition: String,
    sort: String,
}

impl Lead {
    /// The row.
    pub(super) fn key(self) -> RowKey {
        RowKey::new(self.partition, self.sort)
    }
}

impl Broker {
    /// What leads to the row of this write, to be written in one with it.
    pub(super) fn lead_to(&self, ledger: &str, write: &Write) -> Result<Write, Error> {
        let lead = Lead { partition: write.key.partition.clone(), sort: write.key.sort.clone() };
        let until = write.purge_after.map(|until| until.plus(LONGER));
        self.put(rows::lead(ledger, self.entropy.bytes()), Expected::Absent, &lead, until)
    }
}
