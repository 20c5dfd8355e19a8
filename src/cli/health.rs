//! `cloakroom health`: whether the broker of this machine runs, for supervisors that can start a program and nothing
//! else, such as a container without a shell.
//!
//! Never here: a key, data, or a question to anybody but the operator's listener.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::{config::Given, outward};

use super::{Failed, say};

/// A process that answers nobody for so long is as good as gone.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn run(given: Given) -> Result<(), Failed> {
    let listener = reached(given.complete()?.ops_listen);
    let url = format!("http://{listener}/healthz");
    let answer = outward::agent(PATIENCE).get(&url).call();
    let status = answer.map_err(|fault| format!("{url} cannot be reached: {fault}"))?.status();
    if status.as_u16() == 200 { say("ok") } else { Err(format!("{url} answered {status}").into()) }
}

/// Who listens on every address of a machine is reached on its own.
fn reached(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_on_loopback() {
        for (listener, asked) in [
            ("0.0.0.0:8082", "127.0.0.1:8082"),
            ("[::]:8082", "[::1]:8082"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("10.0.0.7:8082", "10.0.0.7:8082"),
            ("[::1]:8082", "[::1]:8082"),
        ] {
            assert_eq!(reached(listener.parse().unwrap()).to_string(), asked);
        }
    }
}
