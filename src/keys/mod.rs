//! Where the keys of a deployment come from, and go through their states.
//!
//! | | |
//! |---|---|
//! | [`document`] | the text in which they are kept, and the rules of their states |
//! | [`file`], [`source`] | where that text lies |

pub mod document;
pub mod file;
pub mod source;

use std::sync::Arc;

use crate::crypto::{edge_keys::EdgeKeys, keyring::Keyring};

/// All long-lived secrets of a deployment.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Seals tokens, vouches for rows.
    pub keyring: Arc<Keyring>,
    /// Signs edge cookies.
    pub edge: Arc<EdgeKeys>,
}
