//! Where the keys of a deployment come from, and go through their states.
//!
//! | | |
//! |---|---|
//! | [`document`] | the text in which they are kept, and the rules of their states |
//! | [`source`] | where that text lies, as it is set |
//! | [`place`] | reads it there, and changes it |
//! | [`schedule`] | when a key is replaced by itself |
//! | [`file`], `secrets_manager`, `parameter_store` | the places |

pub mod document;
pub mod file;
mod parameter_store;
pub mod place;
pub mod schedule;
mod secrets_manager;
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
