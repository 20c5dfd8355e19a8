//! Settings that are read again while the broker runs: what can be taken is, and the rest is named.

use crate::{
    config::{Config, ConfigError, PathPolicy},
    domain::limits::{LimitTable, StreamLimits},
    service::{Broker, LiveSettings},
};

/// What came of settings that were read again, by the names they have in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Those that are others from now on.
    pub taken: Vec<&'static str>,
    /// Those that are others from the next start on.
    pub waiting: Vec<&'static str>,
}

/// What of the settings use cases read anew each time.
pub(super) fn live(config: &Config) -> LiveSettings {
    LiveSettings {
        largest_upload: config.largest_upload,
        protect_paths: config.path_policy == PathPolicy::Protect,
        trusted_proxies: config.trusted_proxies.clone(),
        ops_hosts: config.ops_hosts.clone(),
        client_details: config.client_details,
        security_contact: config.security_contact.clone(),
    }
}

/// The names of those fields in which two settings differ. They are compared as they are written for people: what is secret of them
/// is not compared.
macro_rules! differing {
    ($before:ident, $after:ident: $($field:ident),+ $(,)?) => {
        [$((stringify!($field), format!("{:?}", $before.$field) == format!("{:?}", $after.$field))),+]
            .into_iter()
            .filter_map(|(name, is_same)| (!is_same).then_some(name))
            .collect::<Vec<_>>()
    };
}

/// What differs: of what can be taken, from the last time; of the rest, from the start.
fn compared(start: &Config, before: &Config, after: &Config) -> Reloaded {
    let mut taken = differing!(before, after:
        largest_upload, path_policy, trusted_proxies, ops_hosts, client_details, security_contact, stop_notice, log,
    );
    let mut waiting = differing!(start, after:
        data_dir, listen, content_listen, ops_listen, public_url, content_url, tls, behind_proxy, workers, connections, store, objects, unenforced,
        scanner, mail, webhook_allow_private, oidc, root_keys, root_key_days, kms_key, log_format,
    );
    let rates = |config: &Config| LimitTable { streams: StreamLimits::default(), ..config.limits.clone() };
    if rates(before) != rates(after) {
        taken.push("limits");
    }
    if start.limits.streams != after.limits.streams {
        waiting.push("limits of streams");
    }
    // For how long connections are kept open is decided with the listeners.
    if start.trusted_proxies.is_empty() != after.trusted_proxies.is_empty() {
        waiting.push("how long connections of trusted_proxies are kept open");
    }
    // A setting that is new is to stand in one of these lists.
    let Config {
        data_dir: _,
        listen: _,
        content_listen: _,
        ops_listen: _,
        ops_hosts: _,
        public_url: _,
        content_url: _,
        security_contact: _,
        client_details: _,
        tls: _,
        behind_proxy: _,
        trusted_proxies: _,
        limits: _,
        largest_upload: _,
        stop_notice: _,
        path_policy: _,
        workers: _,
        connections: _,
        store: _,
        objects: _,
        unenforced: _,
        scanner: _,
        mail: _,
        webhook_allow_private: _,
        oidc: _,
        root_keys: _,
        root_key_days: _,
        kms_key: _,
        log_format: _,
        log: _,
    } = after;
    Reloaded { taken, waiting }
}

/// What it runs with then: of these what can be taken now, and the rest as at the start.
fn mixed(start: &Config, after: &Config) -> Config {
    Config {
        largest_upload: after.largest_upload,
        path_policy: after.path_policy,
        trusted_proxies: after.trusted_proxies.clone(),
        ops_hosts: after.ops_hosts.clone(),
        client_details: after.client_details,
        security_contact: after.security_contact.clone(),
        limits: after.limits.clone(),
        stop_notice: after.stop_notice,
        log: after.log,
        ..start.clone()
    }
}

/// Takes of these settings what can be taken now.
///
/// # Errors
/// When that does not go with the rest, which stays as it was at the start: then nothing is taken.
pub(super) fn take(broker: &Broker, start: &Config, before: &Config, after: &Config) -> Result<Reloaded, ConfigError> {
    mixed(start, after).check()?;
    broker.settings.live.change(|settings| *settings = live(after));
    broker.limits.change(&after.limits);
    Ok(compared(start, before, after))
}
