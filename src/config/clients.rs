//! What is told of clients: through which proxies they come, and how much they may ask.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use crate::{
    domain::{
        client::ClientRetention,
        limits::{LimitTable, NotLimits},
        network::Networks,
    },
    http::openapi,
};

use super::{ConfigError, wrong};

const LIMITS: &str = "CLOAKROOM_LIMITS";
const TRUSTED_PROXIES: &str = "CLOAKROOM_TRUSTED_PROXIES";

const STOP_NOTICE: &str = "CLOAKROOM_STOP_NOTICE";

const CLIENT_DETAILS_DAYS: &str = "CLOAKROOM_CLIENT_DETAILS_DAYS";

const CLIENT_DETAILS_BY_CLASS: &str = "CLOAKROOM_CLIENT_DETAILS_BY_CLASS";

/// For how long it is told who asked; a quarter of a year where nothing is said.
pub(super) fn details(days: Option<u16>, by_class: Option<String>) -> Result<ClientRetention, ConfigError> {
    let (days, by_class) = (days.unwrap_or(90), by_class.unwrap_or_default());
    ClientRetention::in_days(days, "").map_err(|fault| wrong(CLIENT_DETAILS_DAYS, fault.to_string()))?;
    ClientRetention::in_days(days, &by_class).map_err(|fault| wrong(CLIENT_DETAILS_BY_CLASS, fault.to_string()))
}

/// For how long it is told that it stops before it does.
pub(super) fn notice(seconds: Option<u64>) -> Result<Duration, ConfigError> {
    match seconds.unwrap_or(0) {
        seconds @ 0..=300 => Ok(Duration::from_secs(seconds)),
        _ => Err(wrong(STOP_NOTICE, "must be 0 to 300 seconds")),
    }
}

/// Limits as they are given.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected \"off\", or a table of limits such as redeem = \"300/60s\"")]
pub enum GivenLimits {
    /// In a variable or flag, or `off` in the file.
    Text(String),
    /// A table of the file.
    Table(BTreeMap<String, String>),
}

impl From<&str> for GivenLimits {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// The limits: the usual ones where nothing is given, and none only where that is said by name.
pub(super) fn limits(given: Option<GivenLimits>) -> Result<LimitTable, ConfigError> {
    let table = match given {
        None => Ok(LimitTable::default()),
        Some(GivenLimits::Text(text)) => text.parse(),
        Some(GivenLimits::Table(entries)) => {
            LimitTable::adjusted(entries.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        }
    };
    let table: LimitTable = table.map_err(|fault: NotLimits| wrong(LIMITS, fault.to_string()))?;
    match table.routes.keys().find(|route| !openapi::has(&route.method, &route.pattern)) {
        None => Ok(table),
        Some(route) => Err(wrong(LIMITS, format!("there is no route \"{route}\": /openapi.json names them all"))),
    }
}

/// The proxies that are believed when they say for whom they ask.
pub(super) fn trusted_proxies(given: Option<String>) -> Result<Networks, ConfigError> {
    let trusted: Networks = match given {
        None => Networks::default(),
        Some(text) => text.parse().map_err(|fault| wrong(TRUSTED_PROXIES, format!("{fault}")))?,
    };
    if trusted.are_everywhere() {
        return Err(wrong(
            TRUSTED_PROXIES,
            "whoever trusts every address trusts whatever clients write: name the proxies",
        ));
    }
    Ok(trusted)
}

/// Behind a proxy, some have to be named.
pub(super) fn need_proxies(trusted: &Networks) -> Result<(), ConfigError> {
    if trusted.is_empty() {
        return Err(wrong(
            TRUSTED_PROXIES,
            "behind a proxy all clients have its address, and would share one limit: name the networks of the proxies, \
             such as 127.0.0.1 or 10.0.0.0/8, whose X-Forwarded-For is to be believed",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Given;

    fn of_file(text: &str) -> Result<super::super::Config, String> {
        let given: Given = toml::from_str(text).map_err(|fault| fault.to_string())?;
        given.complete().map_err(|fault| fault.to_string())
    }

    #[test]
    fn stopping_is_told_five_minutes_before_at_most() {
        assert_eq!(of_file("stop_notice = 300").unwrap().stop_notice.as_secs(), 300);
        assert!(of_file("stop_notice = 301").unwrap_err().contains("CLOAKROOM_STOP_NOTICE"));
    }

    #[test]
    fn a_file_adjusts_limits_in_a_table() {
        let config = of_file("[limits]\nredeem = \"5/60s\"\n\"POST /v1/shares\" = \"2/s\"\n").unwrap();
        assert_eq!(config.limits.redeem.unwrap().to_string(), "5/60s");
        assert_eq!((config.limits.routes.len(), config.limits.sign_in.is_some()), (1, true));
        assert_eq!(of_file("limits = \"off\"").unwrap().limits, super::LimitTable::off());
    }

    #[test]
    fn what_is_no_table_of_limits_is_said_with_the_way_to_do_without() {
        for text in [
            "[limits]",
            "limits = \"\"",
            "[limits]\nredeem = \"0/60s\"",
            "[limits]\nredeem = \"\"",
            "limits = 0",
            "limits = false",
            "[limits]\nredeem = 5",
        ] {
            let fault = of_file(text).unwrap_err();
            assert!(fault.contains("off") && fault.to_lowercase().contains("limits"), "{text}: {fault}");
        }
        for route in ["POST /v1/share", "PUT /v1/shares", "GET /v1/objects/{path:.*}"] {
            let fault = of_file(&format!("[limits]\n\"{route}\" = \"5/s\"")).unwrap_err();
            assert!(fault.contains(route) && fault.contains("/openapi.json"), "{fault}");
        }
    }

    #[test]
    fn trusting_everybody_is_refused() {
        for everybody in ["0.0.0.0/0", "10.0.0.1, ::/0"] {
            let fault = of_file(&format!("trusted_proxies = \"{everybody}\"")).unwrap_err();
            assert!(fault.contains("CLOAKROOM_TRUSTED_PROXIES"), "{fault}");
        }
        assert!(of_file("trusted_proxies = \"localhost\"").unwrap_err().contains("10.0.0.0/8"));
    }
}
