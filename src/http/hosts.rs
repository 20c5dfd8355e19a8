//! Host names. Each listener answers to its own and to no others, so that a name of somebody else's that is made to
//! lead here (DNS rebinding) makes no page of theirs one of ours.
//!
//! Names are compared whole, with their port; nothing is guessed of what a client may have meant.

use std::net::IpAddr;

use actix_web::{
    dev::RequestHead,
    http::{StatusCode, header},
};

use super::problem::Problem;

/// The host that a request asks for, as it spells it, with the port. Nothing where it names none, or two: a proxy
/// might go by the one and we by the other.
pub(super) fn asked(head: &RequestHead) -> Option<&str> {
    let mut lines = head.headers().get_all(header::HOST);
    let line = lines.next().map(|line| line.to_str().unwrap_or_default());
    if lines.next().is_some() {
        return None;
    }
    // Requests as they are sent to proxies have it in the URL.
    let of_url = head.uri.authority().map(|authority| authority.as_str());
    match (line, of_url) {
        (Some(line), Some(of_url)) if !line.eq_ignore_ascii_case(of_url) => None,
        (line, of_url) => of_url.or(line),
    }
}

/// Whether a request asks for exactly this host and port. Case does not count (RFC 9110, section 4.2.3).
pub(super) fn is_for(head: &RequestHead, authority: &str) -> bool {
    asked(head).is_some_and(|asked| asked.eq_ignore_ascii_case(authority))
}

/// Whether a request to the operator's listener asks for a host that nobody else can own: an address, `localhost`,
/// or one of `names`. Its port does not count, since containers are reached by other ports than they listen on.
pub(super) fn is_operators(head: &RequestHead, names: &[String]) -> bool {
    let Some(asked) = asked(head) else { return false };
    let (host, port) = match asked.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (asked, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_address = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4()),
    };
    is_address || host.eq_ignore_ascii_case("localhost") || names.iter().any(|name| host.eq_ignore_ascii_case(name))
}

/// The answer to a request for another host.
pub(super) fn misdirected() -> Problem {
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", "This host name is not served here")
}

#[cfg(test)]
mod tests {
    use actix_web::{dev::ServiceRequest, test::TestRequest};

    use super::*;

    fn request(url: &str, lines: &[&str]) -> ServiceRequest {
        let request =
            lines.iter().fold(TestRequest::with_uri(url), |request, line| request.append_header((header::HOST, *line)));
        request.to_srv_request()
    }

    #[test]
    fn a_host_is_asked_for_once_or_alike() {
        for (url, lines, expected) in [
            ("/", &["a.example"][..], Some("a.example")),
            ("http://a.example/", &[], Some("a.example")),
            ("http://a.example/", &["A.example"], Some("a.example")),
            ("/", &[], None),
            ("/", &["a.example", "a.example"], None),
            ("/", &["a.example", "b.example"], None),
            ("http://a.example/", &["b.example"], None),
            ("http://b.example/", &["a.example"], None),
        ] {
            assert_eq!(asked(request(url, lines).head()), expected, "{url} {lines:?}");
        }
    }

    #[test]
    fn a_host_is_meant_with_its_port_and_nothing_more() {
        for right in ["a.example:8443", "A.EXAMPLE:8443"] {
            assert!(is_for(request("/", &[right]).head(), "a.example:8443"), "{right}");
        }
        for wrong in [
            "",
            "a.example",
            "a.example:443",
            "a.example.:8443",
            "a.example:8443.",
            "b.a.example:8443",
            "x@a.example:8443",
            "a.example:08443",
            " a.example:8443 b",
            "a.example:8443, a.example:8443",
        ] {
            assert!(!is_for(request("/", &[wrong]).head(), "a.example:8443"), "{wrong}");
        }
    }

    #[test]
    fn operators_come_by_address_or_by_a_name_that_is_theirs() {
        let names = ["probe.internal".to_owned()];
        for right in [
            "127.0.0.1:8082",
            "10.1.2.3",
            "[::1]:8082",
            "[2001:db8::1]",
            "localhost",
            "LOCALHOST:1",
            "probe.internal:9",
        ] {
            assert!(is_operators(request("/", &[right]).head(), &names), "{right}");
        }
        for wrong in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost.",
            "localhost:x",
            "::1",
            "[127.0.0.1]",
            "[::1",
            "127.0.0.1:8082:1",
            "probe.internal.evil.example",
        ] {
            assert!(!is_operators(request("/", &[wrong]).head(), &names), "{wrong}");
        }
    }
}
