//! Styles. A page carries its own inside: what it shows first waits for no second request, and its policy allows
//! exactly that style, by its hash.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::crypto::digest;

/// Of pages that stand alone.
pub(super) const PLAIN: &str = include_str!("assets/plain.css");

/// Of most pages with a script.
pub(super) const COMMON: &str = include_str!("assets/cloakroom.css");

/// Of the page of a session.
pub(super) const SESSION: &str = concat!(include_str!("assets/cloakroom.css"), include_str!("assets/session.css"));

/// Of the console.
pub(super) const CONSOLE: &str = concat!(include_str!("assets/cloakroom.css"), include_str!("assets/console.css"));

/// Besides, where script is off.
pub(super) const WITHOUT_SCRIPT: &str = include_str!("assets/without-script.css");

/// How a policy names a style (Content Security Policy, level 3, section 2.3.1).
pub(super) fn source(style: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest::of(style.as_bytes())))
}
