//! Web origins (RFC 6454): pages of which site may use the API by script.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// The most origins of one tenant.
pub const MOST_ORIGINS: usize = 20;

/// An origin as browsers spell it: `https://app.example`, `https://app.example:8443`; without TLS on loopback only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebOrigin(String);

/// Not an origin; the wording is shown to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an origin as browsers spell it: https://host or https://host:port, and http:// on loopback only")]
pub struct NotAnOrigin;

impl WebOrigin {
    /// Takes an origin that is spelled as browsers do: in small letters, without a path, without the scheme's own port.
    ///
    /// # Errors
    /// For everything else, `null` and patterns included.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        let url = Url::parse(text).map_err(|_| NotAnOrigin)?;
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let encrypted = url.scheme() == "https" || url.scheme() == "http" && loopback;
        // What stands for more than one origin stands for none.
        if encrypted && !text.contains('*') && url.origin().ascii_serialization() == text {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnOrigin)
        }
    }

    /// The origin, as the header `Origin` has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WebOrigin {
    type Error = NotAnOrigin;

    fn try_from(text: String) -> Result<Self, NotAnOrigin> {
        Self::parse(&text)
    }
}

impl From<WebOrigin> for String {
    fn from(origin: WebOrigin) -> Self {
        origin.0
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_spelled_as_browsers_do() {
        for right in [
            "https://app.example",
            "https://app.example:8443",
            "https://xn--bcher-kva.example",
            "https://192.0.2.1",
            "https://[2001:db8::1]",
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://[::1]:8080",
        ] {
            assert_eq!(WebOrigin::parse(right).map(String::from), Ok(right.to_owned()));
        }
        for wrong in [
            "",
            "*",
            "null",
            "app.example",
            "https://",
            "https://*.example",
            "https://app.example/",
            "https://app.example:443",
            "https://App.example",
            "HTTPS://app.example",
            "https://app.example?x",
            "https://user@app.example",
            "https://app.example ",
            "https://bücher.example",
            "https://[2001:DB8::1]",
            "http://app.example",
            "http://localhost.example",
            "http://127.1",
            "ftp://localhost",
            "file:///tmp",
        ] {
            assert_eq!(WebOrigin::parse(wrong), Err(NotAnOrigin), "{wrong}");
        }
    }
}
