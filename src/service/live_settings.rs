//! What operators may set anew while the broker runs: read by each request as it then is.
//!
//! Never here: what a listener, a backend or a page is made with once.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::domain::{client::ClientRetention, network::Networks};

/// Settings that can be another from one request to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSettings {
    /// The largest upload of the deployment, in bytes.
    pub largest_upload: u64,
    /// Whether paths that must not leave a machine are refused.
    pub protect_paths: bool,
    /// Which proxies are believed when they say for whom they ask.
    pub trusted_proxies: Networks,
    /// By which names, besides addresses and `localhost`, the operator's listener is asked.
    pub ops_hosts: Vec<String>,
    /// For how long it is kept from where and with which program somebody asked.
    pub client_details: ClientRetention,
    /// Where people report a weakness: a URL, `mailto:` included.
    pub security_contact: Option<String>,
}

/// These settings, as they are now.
#[derive(Clone, Debug)]
pub struct Live(Arc<ArcSwap<LiveSettings>>);

impl Live {
    /// To begin with, these.
    pub fn new(settings: LiveSettings) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(settings)))
    }

    /// What they are now. Not to be kept over an await.
    pub fn now(&self) -> Guard<Arc<LiveSettings>> {
        self.0.load()
    }

    /// From now on, what becomes of them so.
    pub fn change(&self, change: impl FnOnce(&mut LiveSettings)) {
        let mut settings = LiveSettings::clone(&self.now());
        change(&mut settings);
        self.0.store(Arc::new(settings));
    }
}
