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

use std::{
    collections::BTreeSet,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;

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

/// All limits of a process, which may be others from one request to the next.
pub struct Limits(ArcSwap<InForce>);

/// The limits of one table.
#[derive(Default)]
struct InForce {
    redeem: Option<Arc<Limit>>,
    sign_in: Option<Arc<Limit>>,
    principal: Option<Arc<Limit>>,
    tenant: Option<Arc<TenantLimit>>,
    routes: Vec<(Route, Arc<Limit>)>,
    /// How often each was met, by its name.
    met: Vec<(Arc<str>, Arc<AtomicU64>)>,
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
        Self(ArcSwap::from_pointee(InForce::default().followed_by(table)))
    }

    /// From now on those of this table. What was counted towards a limit that stays as it is still counts.
    pub fn change(&self, table: &LimitTable) {
        self.0.store(Arc::new(self.0.load().followed_by(table)));
    }

    /// Counts a request that was turned away by the limit of this name.
    pub fn count_met(&self, limit: &str) {
        if let Some((_, count)) = self.0.load().met.iter().find(|(name, _)| **name == *limit) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many requests each limit has turned away.
    pub fn met(&self) -> Vec<(Arc<str>, u64)> {
        self.0.load().met.iter().map(|(name, count)| (Arc::clone(name), count.load(Ordering::Relaxed))).collect()
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
        let limits = self.0.load();
        let limit = match class {
            AddressClass::Redeem => &limits.redeem,
            AddressClass::SignIn => &limits.sign_in,
        };
        limits.another(limit.as_deref(), &Spender::Address(client.block()), route, now)
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
        let limits = self.0.load();
        limits.another(limits.principal.as_deref(), &Spender::Session(session), route, now)
    }

    /// Whether a route has a limit of its own.
    pub fn has_routes(&self) -> bool {
        !self.0.load().routes.is_empty()
    }
}

impl InForce {
    /// Those of this table, with what was counted towards a limit that is the same in both.
    fn followed_by(&self, table: &LimitTable) -> Self {
        let limit = |before: Option<&Arc<Limit>>, name: &str, rate: Rate| match before {
            Some(before) if before.rate == rate => Arc::clone(before),
            _ => Arc::new(Limit::new(name, rate)),
        };
        let of_route = |(route, rate): (&Route, &Rate)| {
            let before = self.routes.iter().find(|(before, _)| before == route).map(|(_, before)| before);
            (route.clone(), limit(before, &route.to_string(), *rate))
        };
        let of_tenant = |rate| match &self.tenant {
            Some(before) if before.rate() == rate => Arc::clone(before),
            _ => Arc::new(TenantLimit::new("tenant", rate)),
        };
        let routes: Vec<_> = table.routes.iter().map(of_route).collect();
        let names = ["redeem", "sign_in", "principal", "tenant"].into_iter().map(Arc::from);
        let names = names.chain(routes.iter().map(|(_, limit)| Arc::clone(&limit.name)));
        // What was counted of a limit that is gone is still told.
        let names: BTreeSet<Arc<str>> = names.chain(self.met.iter().map(|(name, _)| Arc::clone(name))).collect();
        let met = |name: Arc<str>| {
            let before = self.met.iter().find(|(before, _)| *before == name).map(|(_, count)| Arc::clone(count));
            (name, before.unwrap_or_default())
        };
        Self {
            redeem: table.redeem.map(|rate| limit(self.redeem.as_ref(), "redeem", rate)),
            sign_in: table.sign_in.map(|rate| limit(self.sign_in.as_ref(), "sign_in", rate)),
            principal: table.principal.map(|rate| limit(self.principal.as_ref(), "principal", rate)),
            tenant: table.tenant.map(of_tenant),
            met: names.into_iter().map(met).collect(),
            routes,
        }
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

    fn of_route(&self, route: RouteTaken<'_>) -> Option<&Limit> {
        // Most deployments have none, and none has many.
        let is_it = |(limited, _): &&(Route, Arc<Limit>)| {
            limited.method == route.method && limited.pattern == route.pattern.replace(":.*}", "}")
        };
        self.routes.iter().find(is_it).map(|(_, limit)| limit.as_ref())
    }
}

impl Broker {
    /// Counts a request of a caller: of the principal, of its tenant, and on this route.
    ///
    /// # Errors
    /// When there have been too many, or when the store does not answer.
    pub async fn limit_caller(&self, caller: &Caller, route: RouteTaken<'_>) -> Result<Vec<Spent>, Error> {
        let now = self.now();
        let limits = self.limits.0.load_full();
        let (principal, spender) = (limits.principal.as_deref(), Spender::Principal(caller.principal.id));
        let mut spent = limits.another(principal, &spender, route, now)?;
        if let Some(limit) = &limits.tenant {
            spent.push(limit.another(caller.namespace(), &self.store, now).await?);
        }
        Ok(spent)
    }
}
