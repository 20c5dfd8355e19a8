//! Origins: how people reach the pages and the content, and that both are apart.

use std::net::IpAddr;

use crate::{
    http::guards::authority,
    outward::{self, is_loopback},
};

use super::{ConfigError, wrong};

/// Whether pages with a session and user content are on hosts that share no
/// cookies: another name, and not among the hosts of artifacts.
pub(super) fn apart(public: &str, content: &str) -> bool {
    let below = public.strip_suffix(content).is_some_and(|rest| rest.ends_with('.'));
    public != content && !below && content.parse::<IpAddr>().is_err()
}

/// The host name of an origin, without its port.
pub(super) fn host(url: &str) -> &str {
    outward::host(authority(url))
}

/// Where to report a weakness: a URI, as RFC 9116 wants it.
pub(super) fn contact(given: Option<String>) -> Result<Option<String>, ConfigError> {
    let right = |contact: &String| {
        let rest = ["mailto:", "https://", "tel:"].iter().find_map(|scheme| contact.strip_prefix(scheme));
        rest.is_some_and(|rest| !rest.is_empty()) && contact.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match given {
        Some(contact) if !right(&contact) => Err(wrong(
            "CLOAKROOM_SECURITY_CONTACT",
            format!("{} is not of the form mailto:name@host, https://host/path or tel:number", contact.escape_debug()),
        )),
        given => Ok(given),
    }
}

/// Host names with commas between, without ports.
pub(super) fn names(setting: &'static str, given: Option<String>) -> Result<Vec<String>, ConfigError> {
    let Some(given) = given else { return Ok(Vec::new()) };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let name = |name: &str| match !name.is_empty() && name.bytes().all(plain) {
        true => Ok(name.to_ascii_lowercase()),
        false => Err(wrong(setting, format!("\"{name}\" is no host name; write them without ports, commas between"))),
    };
    given.split(',').map(|text| name(text.trim())).collect()
}

/// An origin: scheme and authority and nothing else; plain HTTP on loopback only.
pub(super) fn check_origin(setting: &'static str, url: &str) -> Result<(), ConfigError> {
    let form = || wrong(setting, format!("{url} is not of the form https://host or https://host:port"));
    let (scheme, rest) = url.split_once("://").ok_or_else(form)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    if rest.is_empty() || !rest.bytes().all(plain) {
        return Err(form());
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_loopback(host(url)) => Ok(()),
        "http" => Err(wrong(setting, format!("{url} must be https: only loopback may go without TLS"))),
        _ => Err(form()),
    }
}
