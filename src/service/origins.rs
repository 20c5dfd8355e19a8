//! From which other sites' pages a tenant may be used by script.
//!
//! A browser asks first, and says nothing then of who is about to ask: so there is a row for each origin that leads to
//! the tenants that allow it. What a caller may do is decided by their own tenant alone.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        event::EventType,
        ids::TenantId,
        tenant::Tenant,
        web_origin::{MOST_ORIGINS, WebOrigin},
    },
    store::{Direction, Expected, Query},
};

use super::{
    Broker, Caller, Error,
    records::{Committed, ROUNDS, committed, outrun},
    rows,
};

/// How many tenants are looked at that name an origin.
const MOST_TENANTS: usize = 100;

/// That a tenant has named an origin. Rows are not deleted.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NamedOrigin {
    allowed: bool,
}

impl Broker {
    /// Says from which origins' pages a tenant may be used by script: from these and no others.
    ///
    /// # Errors
    /// When the caller administers neither all tenants nor this one; when there are too many.
    pub async fn set_allowed_origins(
        &self,
        caller: &Caller,
        id: TenantId,
        mut origins: Vec<WebOrigin>,
    ) -> Result<Tenant, Error> {
        caller.administers_tenant(id)?;
        origins.sort_unstable();
        origins.dedup();
        if origins.len() > MOST_ORIGINS {
            return Err(Error::invalid("/origins", format!("there are at most {MOST_ORIGINS}")));
        }
        for _ in 0..ROUNDS {
            let [row] = self.store.get([rows::tenant(id)]).await?;
            let found = self.decode_if::<Tenant>(row.as_ref())?.ok_or(Error::NotFound)?;
            if found.value.allowed_origins == origins {
                return Ok(found.value);
            }
            let before = found.value.allowed_origins.clone();
            let changed = Tenant { allowed_origins: origins.clone(), ..found.value };
            let event = self.about_tenant(caller, id).done(EventType::TenantOriginsChanged, caller.actor(), id);
            let write = self.put(rows::tenant(id), Expected::Version(found.version), &changed, None)?;
            let mut transaction = self.recording(&event)?.write(write);
            for origin in before.iter().filter(|origin| !origins.contains(origin)) {
                transaction = transaction.write(self.named_origin(origin, id, false).await?);
            }
            for origin in origins.iter().filter(|origin| !before.contains(origin)) {
                let named = self.named_origin(origin, id, true).await?;
                if named.expected == Expected::Absent {
                    transaction = transaction.write(self.lead_to(&rows::ledger(event.namespace), &named)?);
                }
                transaction = transaction.write(named);
            }
            match committed(self.store.commit(transaction).await)? {
                Committed::Done => return Ok(changed),
                Committed::ReadAgain => {}
            }
        }
        Err(outrun())
    }

    async fn named_origin(
        &self,
        origin: &WebOrigin,
        tenant: TenantId,
        allowed: bool,
    ) -> Result<crate::store::Write, Error> {
        let key = rows::named_origin(origin, tenant);
        let [row] = self.store.get([key.clone()]).await?;
        let expected = row.map_or(Expected::Absent, |row| Expected::Version(row.version));
        self.put(key, expected, &NamedOrigin { allowed }, None)
    }

    /// Whether any tenant may be used from pages of this origin.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn is_origin_of_any_tenant(&self, origin: &WebOrigin) -> Result<bool, Error> {
        let query = Query {
            partition: rows::named_origins(origin),
            begins_with: String::new(),
            after: None,
            limit: MOST_TENANTS,
            direction: Direction::Descending,
        };
        let rows = self.store.query(&query).await?;
        Ok(rows.iter().filter_map(|row| self.readable::<NamedOrigin>(row)).any(|named| named.allowed))
    }
}

impl Caller {
    /// Whether the caller administers this tenant: it is their own, or they are an operator.
    pub(super) fn administers_tenant(&self, id: TenantId) -> Result<(), Error> {
        if id == self.tenant.id { self.administers() } else { self.operates() }
    }
}
