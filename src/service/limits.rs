//! Rate limits: of addresses, principals, tenants and routes.
//!
//! What concerns an address is looked at before anything that costs; what concerns a principal, as soon
//! as it is known who that is. Limits of addresses, principals and routes are counted by each replica for
//! itself, in tables of fixed size ([`table`]); those of tenants hold on all replicas together
//! ([`tenant`]), as do the waits between tries at a password, which are no business of this module.
//!
//! Never here: whether a token is genuine. Who presents a dead one is counted as everybody is.

pub(super) mod table;
mod tenant;

use std::{hash::Hash, sync::Arc, time::Duration};

use crate::{
    crypto::claim::ClaimHash,
    domain::{
        ids::{FileRequestId, SessionId},
        instant::Instant,
        limits::{LimitTable, Route},
        network::{AddressBlock, ClientAddress},
        principal::PrincipalId,
        rate::Rate,
    },
};

use super::{Broker, Caller, Error};
use table::DueTable;
use tenant::TenantLimit;

/// What anybody may ask without being known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// To redeem or preview something.
    Redeem,
    /// To be signed in.
    SignIn,
}

/// The route that a request is for: its method, and the pattern of its path.
#[derive(Clone, Copy, Debug)]
pub struct RouteTaken<'a> {
    /// In capitals.
    pub method: &'a str,
    /// As in the route table.
    pub pattern: &'a str,
}

/// Who is known by a session's credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionSpender {
    /// The claimant of a share.
    Session(SessionId),
    /// Whoever delivers to a file request.
    Submission(FileRequestId, ClaimHash),
}

#[derive(Hash)]
enum Spender {
    Address(AddressBlock),
    Principal(PrincipalId),
    Session(SessionSpender),
}

/// A limit that a request was within, and what is left of it.
#[derive(Clone, Debug)]
pub struct Spent {
    /// The name of the limit.
    pub limit: Arc<str>,
    /// What it is.
    pub rate: Rate,
    /// How many requests more it allows at once.
    pub remaining: u32,
    /// How long until it allows all of them again.
    pub reset: Duration,
}

/// All limits of a process.
pub struct Limits {
    redeem: Option<Limit>,
    sign_in: Option<Limit>,
    principal: Option<Limit>,
    tenant: Option<TenantLimit>,
    routes: Vec<(Route, Limit)>,
}

struct Limit {
    name: Arc<str>,
    rate: Rate,
    table: DueTable,
}

fn exceeded(limit: &Arc<str>, rate: Rate, retry_after: Duration) -> Error {
    Error::RateLimited { limit: Arc::clone(limit), rate, retry_after }
}

impl Limit {
    fn new(name: &str, rate: Rate) -> Self {
        Self { name: name.into(), rate, table: DueTable::default() }
    }

    fn another(&self, spender: &Spender, now: Instant) -> Result<Spent, Error> {
        match self.table.another(spender, self.rate, now) {
            Ok(standing) => {
                let limit = Arc::clone(&self.name);
                Ok(Spent { limit, rate: self.rate, remaining: standing.remaining, reset: standing.reset })
            }
            Err(retry_after) => Err(exceeded(&self.name, self.rate, retry_after)),
        }
    }
}

impl Limits {
    /// The limits of this table, with nothing counted yet.
    pub fn new(table: &LimitTable) -> Self {
        let limit = |name: &str, rate: Option<Rate>| rate.map(|rate| Limit::new(name, rate));
        let of_route = |(route, rate): (&Route, &Rate)| (route.clone(), Limit::new(&route.to_string(), *rate));
        Self {
            redeem: limit("redeem", table.redeem),
            sign_in: limit("sign_in", table.sign_in),
            principal: limit("principal", table.principal),
            tenant: table.tenant.map(|rate| TenantLimit::new("tenant", rate)),
            routes: table.routes.iter().map(of_route).collect(),
        }
    }

    /// No limits: for what asks for that by name.
    pub fn off() -> Self {
        Self::new(&LimitTable::off())
    }

    /// Counts a request of somebody of whom only the address is known.
    ///
    /// # Errors
    /// When there have been too many from there.
    pub fn of_address(
        &self,
        class: AddressClass,
        client: ClientAddress,
        route: RouteTaken<'_>,
        now: Instant,
    ) -> Result<Vec<Spent>, Error> {
        let limit = match class {
            AddressClass::Redeem => &self.redeem,
            AddressClass::SignIn => &self.sign_in,
        };
        self.another(limit.as_ref(), &Spender::Address(client.block()), route, now)
    }

    /// Counts a request in a session.
    ///
    /// # Errors
    /// When there have been too many in it.
    pub fn of_session(
        &self,
        session: SessionSpender,
        route: RouteTaken<'_>,
        now: Instant,
    ) -> Result<Vec<Spent>, Error> {
        self.another(self.principal.as_ref(), &Spender::Session(session), route, now)
    }

    fn another(
        &self,
        limit: Option<&Limit>,
        spender: &Spender,
        route: RouteTaken<'_>,
        now: Instant,
    ) -> Result<Vec<Spent>, Error> {
        let limits = limit.into_iter().chain(self.of_route(route));
        limits.map(|limit| limit.another(spender, now)).collect()
    }

    /// Whether a route has a limit of its own.
    pub fn has_routes(&self) -> bool {
        !self.routes.is_empty()
    }

    fn of_route(&self, route: RouteTaken<'_>) -> Option<&Limit> {
        // Most deployments have none, and none has many.
        let is_it = |(limited, _): &&(Route, Limit)| {
            limited.method == route.method && limited.pattern == route.pattern.replace(":.*}", "}")
        };
        self.routes.iter().find(is_it).map(|(_, limit)| limit)
    }
}

impl Broker {
    /// Counts a request of a caller: of the principal, of its tenant, and on this route.
    ///
    /// # Errors
    /// When there have been too many, or when the store does not answer.
    pub async fn limit_caller(&self, caller: &Caller, route: RouteTaken<'_>) -> Result<Vec<Spent>, Error> {
        let now = self.now();
        let mut spent = self.limits.another(
            self.limits.principal.as_ref(),
            &Spender::Principal(caller.principal.id),
            route,
            now,
        )?;
        if let Some(limit) = &self.limits.tenant {
            spent.push(limit.another(caller.namespace(), &self.store, now).await?);
        }
        Ok(spent)
    }
}
