//! Requests that the broker itself sends over plain HTTP: to the storage it
//! examines, to a scanner, and to identity providers. AWS clients have their own
//! stack, in `aws.rs`.

use std::{fmt, net::IpAddr, time::Duration};

use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Whom this machine trusts (`SSL_CERT_FILE` names others), as the AWS clients do: a storage with a certificate of the
/// house must not look broken to one of the two.
pub fn trust() -> TlsConfig {
    let trusted = rustls_native_certs::load_native_certs().certs;
    let trusted: Vec<_> =
        trusted.iter().map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned()).collect();
    let tls = TlsConfig::builder();
    if trusted.is_empty() { tls.build() } else { tls.root_certs(RootCerts::from(trusted)).build() }
}

/// An agent that gives every answer back as it is: no redirect is followed, no
/// proxy is asked, and after `patience` in total a request has failed.
pub fn agent(patience: Duration) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(CONNECT.min(patience)))
        .timeout_global(Some(patience))
        .tls_config(trust())
        .build()
        .into()
}

/// A URL to which something may be sent: over TLS, or not beyond this machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination(String);

/// Why nothing is sent to a URL; the wording is shown to operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADestination {
    /// It is no absolute URL, or has parts that are none of a destination's.
    #[error("is not of the form https://host/path")]
    Form,
    /// Others could read what is sent.
    #[error("must be https: only loopback may go without TLS")]
    Plain,
}

impl Destination {
    /// Checks a URL. It may have a path and a query; credentials and fragments have no place in it.
    ///
    /// # Errors
    /// When it has another form, or is plain HTTP beyond this machine.
    pub fn parse(url: &str) -> Result<Self, NotADestination> {
        let (scheme, rest) = url.split_once("://").ok_or(NotADestination::Form)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let printable = url.bytes().all(|byte| byte.is_ascii_graphic());
        if authority.is_empty() || authority.contains(['@', '\\']) || url.contains('#') || !printable {
            return Err(NotADestination::Form);
        }
        match scheme {
            "https" => Ok(Self(url.to_owned())),
            "http" if is_loopback(host(authority)) => Ok(Self(url.to_owned())),
            "http" => Err(NotADestination::Plain),
            _ => Err(NotADestination::Form),
        }
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nobody between here and there can read along, or answer instead.
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The host name of an authority, without its port.
pub fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Whether what is sent to this host stays on this machine.
pub fn is_loopback(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
