//! Which limits there are, and how they are written: one small table.
//!
//! Nothing here counts. That a limit is absent is only ever said by name.

use std::{collections::BTreeMap, str::FromStr};

use super::rate::{NotARate, Rate};

/// What an operator may write instead of a limit, or of all of them.
pub const OFF: &str = "off";

/// The limits of a deployment; none where one was switched off by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitTable {
    /// Of an address: redeeming and previewing, which anybody may try.
    pub redeem: Option<Rate>,
    /// Of an address: signing in.
    pub sign_in: Option<Rate>,
    /// Of a principal with its console sessions, or of a session.
    pub principal: Option<Rate>,
    /// Of the principals of a tenant together, live and test apart.
    pub tenant: Option<Rate>,
    /// On one route, of whoever calls it: a principal, or an address where nobody needs to be one.
    pub routes: BTreeMap<Route, Rate>,
    /// Of streams of events.
    pub streams: StreamLimits,
}

/// How many streams of events may be open at a time on each replica; none where a limit was switched off by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// From one address.
    pub of_address: Option<u32>,
    /// Of one principal.
    pub of_principal: Option<u32>,
    /// Of one tenant, live and test together.
    pub of_tenant: Option<u32>,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { of_address: Some(50), of_principal: Some(20), of_tenant: Some(100) }
    }
}

impl StreamLimits {
    fn named(&mut self, name: &str) -> Option<&mut Option<u32>> {
        match name {
            "streams_of_address" => Some(&mut self.of_address),
            "streams_of_principal" => Some(&mut self.of_principal),
            "streams_of_tenant" => Some(&mut self.of_tenant),
            _ => None,
        }
    }

    /// None at all, but what a replica can serve.
    pub const fn off() -> Self {
        Self { of_address: None, of_principal: None, of_tenant: None }
    }
}

/// A method and the pattern of a path, as in the description of the API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// In capitals.
    pub method: String,
    /// Such as `/v1/shares/{id}`.
    pub pattern: String,
}

/// Why a table of limits cannot be used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotLimits {
    /// It says nothing.
    #[error("it names no limit: leave it out for the usual ones, or say {OFF} to do without limits")]
    Empty,
    /// An entry without a value.
    #[error("{0:?} is no limit: write a name and a rate, such as redeem=300/60s, or {OFF} to do without limits")]
    NoEntry(String),
    /// A name that is none of ours.
    #[error(
        "there is no limit {0:?}: there are redeem, sign_in, principal, tenant, streams_of_address, \
         streams_of_principal, streams_of_tenant, and routes such as \"POST /v1/shares\""
    )]
    Unknown(String),
    /// Named twice.
    #[error("the limit {0:?} is named twice")]
    Twice(String),
    /// Not a rate.
    #[error("the limit {name:?} is {value:?}: {source}; or say {OFF} to do without it")]
    NotARate {
        /// Which limit.
        name: String,
        /// What it was to be.
        value: String,
        /// What would be right.
        source: NotARate,
    },
    /// Not a number of streams.
    #[error("the limit {name:?} is {value:?}: write a number of streams, 1 to 100,000; or say {OFF} to do without it")]
    NotACount {
        /// Which limit.
        name: String,
        /// What it was to be.
        value: String,
    },
}

/// The most streams that a limit may allow.
const MOST_STREAMS: u32 = 100_000;

/// A rate that is known to be one.
const fn rate(requests: u32, seconds: u32) -> Option<Rate> {
    Rate::new(requests, seconds)
}

impl Default for LimitTable {
    /// What nobody meets who does what the broker is for; docs/limits.md has the reasons.
    fn default() -> Self {
        Self {
            redeem: rate(300, 60),
            sign_in: rate(30, 60),
            principal: rate(30_000, 60),
            tenant: rate(60_000, 60),
            routes: BTreeMap::new(),
            streams: StreamLimits::default(),
        }
    }
}

impl LimitTable {
    /// No limit at all.
    pub const fn off() -> Self {
        let streams = StreamLimits::off();
        Self { redeem: None, sign_in: None, principal: None, tenant: None, routes: BTreeMap::new(), streams }
    }

    /// The usual table with these entries instead of its own.
    ///
    /// # Errors
    /// When there are none, or one is not right.
    pub fn adjusted<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, NotLimits> {
        let mut table = Self::default();
        let mut named: Vec<&str> = Vec::new();
        for (name, value) in entries {
            if named.contains(&name) {
                return Err(NotLimits::Twice(name.into()));
            }
            named.push(name);
            if let Some(most) = table.streams.named(name) {
                let count = || value.parse().ok().filter(|count| (1..=MOST_STREAMS).contains(count));
                let not_a_count = || NotLimits::NotACount { name: name.into(), value: value.into() };
                *most = if value == OFF { None } else { Some(count().ok_or_else(not_a_count)?) };
                continue;
            }
            let not_a_rate = |source| NotLimits::NotARate { name: name.into(), value: value.into(), source };
            let rate = if value == OFF { None } else { Some(value.parse().map_err(not_a_rate)?) };
            match name {
                "redeem" => table.redeem = rate,
                "sign_in" => table.sign_in = rate,
                "principal" => table.principal = rate,
                "tenant" => table.tenant = rate,
                _ => {
                    let route = name.parse().map_err(|NotARoute| NotLimits::Unknown(name.into()))?;
                    if let Some(rate) = rate {
                        table.routes.insert(route, rate);
                    }
                }
            }
        }
        if named.is_empty() { Err(NotLimits::Empty) } else { Ok(table) }
    }
}

/// A text that is no method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARoute;

impl FromStr for Route {
    type Err = NotARoute;

    fn from_str(text: &str) -> Result<Self, NotARoute> {
        let (method, pattern) = text.split_once(' ').ok_or(NotARoute)?;
        let is_one = matches!(method, "GET" | "POST" | "PUT" | "PATCH" | "DELETE") && pattern.starts_with("/v1/");
        // They go into a header as they are.
        let is_plain = pattern.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
        if is_one && is_plain { Ok(Self { method: method.into(), pattern: pattern.into() }) } else { Err(NotARoute) }
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.pattern)
    }
}

impl FromStr for LimitTable {
    type Err = NotLimits;

    /// `off`, or names and rates: `redeem=100/60s, POST /v1/shares=10/s`.
    fn from_str(text: &str) -> Result<Self, NotLimits> {
        if text.trim() == OFF {
            return Ok(Self::off());
        }
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let entry = |entry: &'_ str| {
            let (name, value) = entry.split_once('=').ok_or_else(|| NotLimits::NoEntry(entry.into()))?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        };
        let entries = entries.map(entry).collect::<Result<Vec<_>, _>>()?;
        Self::adjusted(entries.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_limit_is_one() {
        let usual = LimitTable::default();
        assert!([usual.redeem, usual.sign_in, usual.principal, usual.tenant].iter().all(Option::is_some));
    }

    #[test]
    fn what_is_not_named_stays_as_it_is() {
        let table: LimitTable = "redeem=10/m,\n POST /v1/shares = 5/s, tenant=off,".parse().unwrap();
        let route = Route { method: "POST".into(), pattern: "/v1/shares".into() };
        assert_eq!(table.redeem, rate(10, 60));
        assert_eq!((table.tenant, table.routes.get(&route)), (None, rate(5, 1).as_ref()));
        assert_eq!((table.sign_in, table.principal), (LimitTable::default().sign_in, LimitTable::default().principal));
    }

    #[test]
    fn streams_are_counted_and_not_rated() {
        let table: LimitTable = "streams_of_address=3, streams_of_tenant=off".parse().unwrap();
        let StreamLimits { of_address, of_principal, of_tenant } = table.streams;
        assert_eq!((of_address, of_principal, of_tenant), (Some(3), StreamLimits::default().of_principal, None));
        for wrong in ["0", "100001", "-1", "3/60s", "many", ""] {
            let fault = format!("streams_of_principal={wrong}").parse::<LimitTable>().unwrap_err().to_string();
            assert!(fault.contains("a number of streams") && fault.contains("or say off"), "{fault}");
        }
        assert_eq!("off".parse::<LimitTable>().unwrap().streams, StreamLimits::off());
    }

    #[test]
    fn limits_are_absent_only_by_name() {
        assert_eq!(" off ".parse(), Ok(LimitTable::off()));
        for (text, words) in [
            ("", "say off"),
            (" , ", "say off"),
            ("0", "or off"),
            ("none", "or off"),
            ("OFF", "or off"),
            ("redeem=0/60s", "say off"),
            ("redeem=0", "say off"),
            ("redeem=", "say off"),
            ("redeem=10/60s,redeem=off", "twice"),
            ("redem=10/60s", "there are redeem, sign_in"),
            ("get /v1/shares=10/60s", "POST /v1/shares"),
            ("GET /healthz=10/60s", "POST /v1/shares"),
            ("GET /v1/\"x=10/60s", "POST /v1/shares"),
        ] {
            let fault = text.parse::<LimitTable>().unwrap_err().to_string();
            assert!(fault.contains(words), "{text}: {fault}");
        }
    }

    #[test]
    fn a_route_is_written_as_it_was_read() {
        for text in ["POST /v1/shares", "DELETE /v1/shares/{id}"] {
            assert_eq!(text.parse::<Route>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_most_streams_are_a_limit() {
        let table: LimitTable = "streams_of_principal=100000".parse().unwrap();
        assert_eq!(table.streams.of_principal, Some(MOST_STREAMS));
    }

    #[test]
    fn each_name_is_that_of_its_own_limit() {
        let (usual, other) = (LimitTable::default(), rate(7, 1));
        let with = |name: &str| format!("{name}=7/s").parse::<LimitTable>().unwrap();
        assert_eq!(with("redeem"), LimitTable { redeem: other, ..usual.clone() });
        assert_eq!(with("sign_in"), LimitTable { sign_in: other, ..usual.clone() });
        assert_eq!(with("principal"), LimitTable { principal: other, ..usual.clone() });
        assert_eq!(with("tenant"), LimitTable { tenant: other, ..usual });
        let StreamLimits { of_address, of_principal, of_tenant } = StreamLimits::off();
        assert_eq!([of_address, of_principal, of_tenant], [None; 3]);
    }
}
