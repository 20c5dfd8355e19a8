//! Where a request comes from: the one place where that is found out.
//!
//! The peer's address counts, unless the peer is a trusted proxy. Then `X-Forwarded-For` is read from the
//! right, where each proxy adds who asked *it*, past other trusted ones: the first entry that is none is
//! the client, and what stands left of it may be anybody's invention. `Forwarded` (RFC 7239) is not read:
//! proxies that add the one pass on the other as it came.

use std::net::{IpAddr, SocketAddr};

use actix_web::{
    HttpRequest,
    http::header::{HeaderMap, USER_AGENT, X_FORWARDED_FOR},
    web,
};

use crate::{
    domain::{
        client::UserAgent,
        network::{ClientAddress, Networks},
    },
    service::Broker,
};

/// The client that sent this request.
pub(super) fn address(request: &HttpRequest) -> ClientAddress {
    let peer = request.peer_addr().map_or(IpAddr::from([0; 4]), |peer| peer.ip());
    let peer = ClientAddress::new(peer);
    match request.app_data::<web::Data<Broker>>() {
        Some(broker) => forwarded(peer, request.headers(), &broker.settings.now().trusted_proxies),
        None => peer,
    }
}

/// What the program that sent this request says of itself.
pub(super) fn agent(request: &HttpRequest) -> UserAgent {
    request.headers().get(USER_AGENT).map_or_else(UserAgent::none, |said| UserAgent::new(said.as_bytes()))
}

fn forwarded(peer: ClientAddress, headers: &HeaderMap, trusted: &Networks) -> ClientAddress {
    if !trusted.contain(peer) {
        return peer;
    }
    let mut farthest = peer;
    // Several lines are one list (RFC 9110, section 5.3).
    for line in headers.get_all(X_FORWARDED_FOR).rev() {
        let Ok(line) = line.to_str() else { return peer };
        for entry in line.rsplit(',') {
            // A proxy that sends nonsense is taken at its own address, with all its other clients.
            let Some(client) = parse(entry.trim()) else { return peer };
            if !trusted.contain(client) {
                return client;
            }
            farthest = client;
        }
    }
    farthest
}

/// An address; some proxies add the port.
fn parse(entry: &str) -> Option<ClientAddress> {
    let address = entry.parse::<IpAddr>().or_else(|_| entry.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    address.ok().map(ClientAddress::new)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn seen(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let trusted = "10.0.0.0/8, 2001:db8:ffff::/48".parse().unwrap();
        forwarded(parse(peer).unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn whoever_is_no_trusted_proxy_says_nothing_about_others() {
        for line in ["198.51.100.1", "10.0.0.1", "127.0.0.1, 10.0.0.1"] {
            assert_eq!(seen("203.0.113.9", &[line]), "203.0.113.9");
            assert_eq!(seen("2001:db8::9", &[line]), "2001:db8::9");
        }
    }

    #[test]
    fn the_rightmost_that_is_no_trusted_proxy_is_the_client() {
        for (lines, client) in [
            (&["198.51.100.1"][..], "198.51.100.1"),
            (&["198.51.100.1, 10.1.2.3"], "198.51.100.1"),
            (&["1.1.1.1, 198.51.100.1 ,10.1.2.3,10.4.5.6"], "198.51.100.1"),
            (&["1.1.1.1", "198.51.100.1", "10.1.2.3"], "198.51.100.1"),
            (&["nonsense, 198.51.100.1"], "198.51.100.1"),
            (&["198.51.100.1:4711"], "198.51.100.1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["2001:db8::1, 2001:db8:ffff::1"], "2001:db8::1"),
            (&["::ffff:198.51.100.1, ::ffff:10.1.2.3"], "198.51.100.1"),
            (&["10.1.2.3, 10.4.5.6"], "10.1.2.3"),
        ] {
            assert_eq!(seen("10.0.0.1", lines), client, "{lines:?}");
            assert_eq!(seen("::ffff:10.0.0.1", lines), client, "{lines:?}");
        }
    }

    #[test]
    fn a_proxy_that_sends_nonsense_is_taken_at_its_own_address() {
        for lines in [
            &[][..],
            &[""],
            &["198.51.100.1,"],
            &["unknown"],
            &["198.51.100.1, _hidden"],
            &["198.51.100.1", "x"],
            &["198.51.100.1 10.0.0.2"],
            &["198.51.100.256"],
            &["198.51.100.1/32"],
            &["2001:db8::1%eth0"],
            &["198.51.100.1", "\u{e9}"],
        ] {
            assert_eq!(seen("10.0.0.1", lines), "10.0.0.1", "{lines:?}");
        }
    }
}
