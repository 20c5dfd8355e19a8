//! Requests that the broker itself sends over plain HTTP: to the storage it
//! examines, and to a scanner. AWS clients have their own stack, in `aws.rs`.

use std::time::Duration;

use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// An agent that gives every answer back as it is: no redirect is followed, no
/// proxy is asked, and after `patience` in total a request has failed.
///
/// It trusts whom this machine trusts, as the AWS clients do: a storage with a
/// certificate of the house must not look broken to one of the two.
pub fn agent(patience: Duration) -> Agent {
    let trusted = rustls_native_certs::load_native_certs().certs;
    let trusted: Vec<_> =
        trusted.iter().map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned()).collect();
    let mut tls = TlsConfig::builder();
    if !trusted.is_empty() {
        tls = tls.root_certs(RootCerts::from(trusted));
    }
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(CONNECT.min(patience)))
        .timeout_global(Some(patience))
        .tls_config(tls.build())
        .build()
        .into()
}
