//! Where root keys come from.

pub mod file;

use std::sync::Arc;

use crate::crypto::{edge_cookie::EdgeKey, keyring::Keyring};

/// All long-lived secrets of a deployment.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Seals tokens, vouches for rows.
    pub keyring: Arc<Keyring>,
    /// Signs edge cookies.
    pub edge: Arc<EdgeKey>,
}
