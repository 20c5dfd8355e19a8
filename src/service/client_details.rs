//! From where and with which program somebody asked: personal, and therefore not in the ledger, but beside it. A record holds a
//! commitment ([`crate::crypto::client_commitment`]); what opens it lies in a row of its own for each segment, sealed, which is
//! dropped when its time is over. The chain stays as verifiable as it was.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::{
    crypto::client_commitment::Opening,
    domain::{client::Client, event::EventClass, ledger::RecordHash, tenant::Namespace},
    store::{Expected, Row, Write},
};

use super::{Broker, Error, rows};

/// Openings by the number of their record, of one class of events.
pub(super) type Clients = BTreeMap<u64, Opening>;

/// Those of a segment. Each class lies in a row of its own, since each is dropped at a time of its own.
pub(super) type ClientsByClass = BTreeMap<EventClass, Clients>;

/// A row beside a segment.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ClientsRow {
    pub(super) clients: Clients,
}

impl Broker {
    /// The writes that keep what the records of this segment are committed to, if there is something to keep and a
    /// data key to seal it under.
    pub(super) async fn keeping_clients(
        &self,
        namespace: Namespace,
        first: u64,
        clients: ClientsByClass,
    ) -> Result<Vec<Write>, Error> {
        if clients.is_empty() {
            return Ok(Vec::new());
        }
        // A ledger goes on although its tenant's data key was destroyed: what is personal goes with that key.
        if self.data_key(namespace.tenant).await?.is_err() {
            return Ok(Vec::new());
        }
        let (now, sealed) = (self.now(), self.sealed(namespace.tenant).await?);
        let kept = clients.into_iter().map(|(class, clients)| {
            let until = now.plus(self.settings.now().client_details.of(class));
            let key = rows::segment_clients(namespace, first, class);
            sealed.put(key, Expected::Absent, &ClientsRow { clients }, Some(until))
        });
        kept.collect()
    }

    /// Who was seen to ask, by the numbers of these records, with what each is committed to: of the segments that begin
    /// with these. Nothing is told that does not open its commitment.
    pub(super) async fn clients_of(
        &self,
        namespace: Namespace,
        segments: &[u64],
        commitments: &HashMap<u64, RecordHash>,
    ) -> Result<HashMap<u64, Client>, Error> {
        let keys = segments
            .iter()
            .flat_map(|first| EventClass::ALL.map(|class| rows::segment_clients(namespace, *first, class)));
        let keys: Vec<_> = keys.collect();
        let found: Vec<Row> = self.store.get_all(&keys).await?.into_iter().flatten().collect();
        if found.is_empty() {
            return Ok(HashMap::new());
        }
        let sealed = self.sealed(namespace.tenant).await?;
        let rows = found.iter().filter_map(|row| sealed.readable::<ClientsRow>(row));
        let openings = rows.flat_map(|row| row.clients);
        let opened = openings.filter(|(seq, opening)| commitments.get(seq) == Some(&opening.commitment()));
        Ok(opened.map(|(seq, opening)| (seq, opening.client)).collect())
    }
}
