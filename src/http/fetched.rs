//! Where browsers say that a request comes from: `Origin`, and fetch metadata (`Sec-Fetch-Site`, `Sec-Fetch-Mode`).
//!
//! What changes something is taken from our own pages alone. A page of another site is refused, and one of a sibling
//! of our host too: the browser counts it to our site, and sends it our cookies. Clients that are no browsers say
//! nothing of all this, and carry no cookies that anybody else could use.

use actix_web::{
    dev::RequestHead,
    http::{
        Method, StatusCode,
        header::{HeaderMap, HeaderName, ORIGIN},
    },
};

use super::problem::Problem;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The one route of the API to which a page of ours sends a form: a browser saves the answer by itself.
const TAKES_FORMS: &str = "/v1/session/archives";

/// Whether a method changes nothing.
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a request that may change something comes from a page that is not one of `own` origin's.
pub(super) fn is_foreign(head: &RequestHead, own: &str) -> bool {
    if is_safe(&head.method) {
        return false;
    }
    let modes: &[&str] =
        if head.uri.path() == TAKES_FORMS { &["cors", "same-origin", "navigate"] } else { &["cors", "same-origin"] };
    let headers = head.headers();
    // `none`: somebody sent it again by hand. No page can bring that about.
    !(says_only(headers, &ORIGIN, &[own])
        && says_only(headers, &SITE, &["same-origin", "none"])
        && says_only(headers, &MODE, modes))
}

/// Whether a form that is sent to an artifact's host comes from a page of `own` origin, to which that is another.
pub(super) fn is_handed_off(headers: &HeaderMap, own: &str) -> bool {
    says_only(headers, &ORIGIN, &[own]) && says_only(headers, &MODE, &["navigate"])
}

/// Whether a header is not there, or only ever says one of these.
fn says_only(headers: &HeaderMap, name: &HeaderName, allowed: &[&str]) -> bool {
    headers.get_all(name).all(|value| allowed.iter().any(|allowed| allowed.as_bytes() == value.as_bytes()))
}

/// The answer to a request from a foreign page.
pub(super) fn refused() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "wrong_origin", "Requests from other sites are refused")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const OWN: &str = "https://share.example";

    fn foreign(method: &str, path: &str, headers: &[(&str, &str)]) -> bool {
        let request = TestRequest::with_uri(path).method(method.parse().unwrap());
        let request = headers.iter().fold(request, |request, header| request.append_header(*header));
        is_foreign(request.to_srv_request().head(), OWN)
    }

    #[test]
    fn what_changes_something_comes_from_our_own_pages_or_from_no_browser() {
        for right in [
            &[][..],
            &[("origin", OWN)],
            &[("origin", OWN), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")],
            &[("origin", OWN), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "same-origin")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!foreign("POST", "/v1/shares", right), "{right:?}");
        }
        for wrong in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "https://share.example:443")],
            &[("origin", "HTTPS://share.example")],
            &[("origin", OWN), ("origin", "https://evil.example")],
            &[("origin", OWN), ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "")],
            &[("sec-fetch-site", "Same-Origin")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "no-cors")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-mode", "websocket")],
        ] {
            for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "OTHER"] {
                assert!(foreign(method, "/v1/shares", wrong), "{method} {wrong:?}");
            }
            for method in ["GET", "HEAD", "OPTIONS"] {
                assert!(!foreign(method, "/v1/shares", wrong), "{method} {wrong:?}");
            }
        }
    }

    #[test]
    fn a_form_is_taken_by_one_route_and_from_our_own_page() {
        let form = [("origin", OWN), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate")];
        assert!(!foreign("POST", "/v1/session/archives", &form));
        let sibling = [("origin", OWN), ("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate")];
        assert!(foreign("POST", "/v1/session/archives", &sibling));
    }
}
